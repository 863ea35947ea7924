//! Operators that WGSL's grammar does not let stand side by side without parentheses.

/// Names behind which `<` opens a list of types.
const GENERIC: [&str; 7] = ["array", "atomic", "bitcast", "ptr", "var", "vec", "mat"];

/// Longer ones first.
const SYMBOLS: [&str; 24] = [
    "<<=", ">>=", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "->", "++", "--", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "<", ">", "=",
];

/// Words and symbols, without comments.
fn tokens(wgsl: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), wgsl);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return found };
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let word =
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.' && first.is_ascii_digit()));
        let symbol =
            SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).map_or(first.len_utf8(), |s| s.len());
        let length =
            if first.is_alphanumeric() || first == '_' { word.unwrap_or(rest.len()) } else { symbol };
        found.push(&rest[..length]);
        rest = &rest[length..];
    }
}

/// What a binary operator is to the grammar.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// `&`, `|` or `^`: with nothing but itself.
    Bits,
    /// `<<` or `>>`: between operands without operators, once.
    Shift,
    /// `+`, `-`, `*`, `/` or `%`.
    Arithmetic,
    /// Once, but for those beside `&&` and `||`.
    Comparison,
    /// `&&` or `||`: with nothing of the other.
    Logic,
}

fn kind(token: &str) -> Option<Kind> {
    Some(match token {
        "&" | "|" | "^" => Kind::Bits,
        "<<" | ">>" => Kind::Shift,
        "+" | "-" | "*" | "/" | "%" => Kind::Arithmetic,
        "==" | "!=" | "<" | ">" | "<=" | ">=" => Kind::Comparison,
        "&&" | "||" => Kind::Logic,
        _ => return None,
    })
}

/// Whether the operators of an expression, from left to right, may stand there without parentheses.
fn allowed(operators: &[&str]) -> bool {
    let is = |wanted: Kind| move |operator: &&&str| kind(operator) == Some(wanted);
    let logic: Vec<&&str> = operators.iter().filter(is(Kind::Logic)).collect();
    if operators.iter().any(|operator| kind(operator) == Some(Kind::Bits)) {
        return operators.windows(2).all(|pair| pair[0] == pair[1]);
    }
    let parts = operators.split(|operator| kind(operator) == Some(Kind::Logic));
    let sides = |part: &[&str]| -> bool {
        let sides: Vec<_> = part.split(|operator| kind(operator) == Some(Kind::Comparison)).collect();
        // A shift stands alone on its side.
        sides.len() <= 2
            && sides.iter().all(|side| side.len() < 2 || !side.iter().any(|s| kind(s) == Some(Kind::Shift)))
    };
    logic.windows(2).all(|pair| pair[0] == pair[1]) && parts.into_iter().all(sides)
}

/// The first expression with operators that need parentheses, as its operators; `None` where all is well.
pub fn mixed(wgsl: &str) -> Option<String> {
    let tokens = tokens(wgsl);
    // Operators of the expressions that are open, by what opened them.
    let mut open: Vec<(&str, Vec<&str>)> = vec![("", Vec::new())];
    let mut before = "";
    for (place, &token) in tokens.iter().enumerate() {
        let (opener, operators) = open.last_mut()?;
        let behind_a_value = before.chars().next().is_some_and(|c| c.is_alphanumeric() || "_)]".contains(c))
            && !["return", "if", "while", "case"].contains(&before);
        let name = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'x');
        let types = token == "<" && GENERIC.contains(&name);
        let closes_types = *opener == "<" && token.starts_with('>');
        let ends = [")", "]", "{", "}", ",", ";", ":"].contains(&token)
            || token.ends_with('=') && kind(token).is_none();
        if ends || closes_types {
            if !allowed(operators) {
                let around = &tokens[place.saturating_sub(24)..=place];
                return Some(format!("{} without parentheses in: {}", operators.join(" "), around.join(" ")));
            }
            operators.clear();
        }
        match token {
            "(" | "[" => open.push((token, Vec::new())),
            _ if types => open.push(("<", Vec::new())),
            ")" | "]" => drop(open.pop()),
            // Two lists of types may end together.
            _ if closes_types => token.chars().filter(|&c| c == '>').for_each(|_| drop(open.pop())),
            _ if behind_a_value && kind(token).is_some() => operators.push(token),
            _ => {}
        }
        // What follows a list of types is its constructor's arguments, or the name of a variable.
        before = if closes_types { ">" } else { token };
    }
    None
}
