//! Merges kernels that differ in sizes alone into one that gets its sizes at each launch: less for a driver to compile.
//!
//! What is written as a number of type `u32` and differs is read from `sizes`, memory of 4 bytes each that a launch
//! sets; what is the same in all stays a constant.

use super::{Plan, Step};
use crate::kernels::Kernel;
use std::collections::{BTreeMap, HashMap};
use std::mem;

/// Letters of WGSL from which a kernel takes long to compile. Shorter ones run slower when they get at launch what they
/// could know, such as how many iterations a loop takes.
const LEAST_TEXT: usize = 8000;
/// Numbers that a launch can set on every device that can set any: 64 bytes.
const MOST_SIZES: usize = 16;

/// Merges kernels of this plan that differ in sizes alone.
pub(super) fn merge_kernels(plan: &mut Plan) {
    merge_from(plan, LEAST_TEXT);
}

fn merge_from(plan: &mut Plan, least_text: usize) {
    let kernels = mem::take(&mut plan.kernels);
    // In order, so that the same graph always gives the same plan.
    let mut alike: BTreeMap<(&str, String), Vec<(usize, Text)>> = BTreeMap::new();
    for (i, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| may_merge(kernel, least_text)) {
        let text = Text::new(&kernel.wgsl);
        alike.entry((kernel.name, text.pattern())).or_default().push((i, text));
    }
    // For each kernel the merged kernel, and the sizes it gets.
    let mut merged: Vec<Option<(usize, Vec<u32>)>> = vec![None; kernels.len()];
    let mut merged_kernels: BTreeMap<usize, Kernel> = BTreeMap::new();
    for members in alike.into_values().filter(|members| members.len() > 1) {
        let first = members[0].0;
        let group: Vec<&Text> = members.iter().map(|(_, text)| text).collect();
        if let Some((wgsl, sizes)) = joined(kernels[first].name, &group) {
            let count = sizes[0].len() as u32;
            let kernel = Kernel::new(kernels[first].name, wgsl);
            merged_kernels.insert(first, Kernel { sizes: count, ..kernel });
            for ((member, _), sizes) in members.into_iter().zip(sizes) {
                merged[member] = Some((first, sizes));
            }
        }
    }
    let kept = |i: usize| merged[i].as_ref().is_none_or(|(first, _)| *first == i);
    // The new number of each kernel that is kept.
    let mut position = Vec::with_capacity(kernels.len());
    let mut next = 0;
    for i in 0..kernels.len() {
        position.push(next);
        next += usize::from(kept(i));
    }
    for step in &mut plan.steps {
        let Step::Dispatch(dispatch) = step else { continue };
        if let Some((first, sizes)) = &merged[dispatch.kernel] {
            (dispatch.kernel, dispatch.sizes) = (*first, sizes.clone());
        }
        dispatch.kernel = position[dispatch.kernel];
    }
    let left = (0..kernels.len()).filter(|i| kept(*i));
    plan.kernels = left.map(|i| merged_kernels.remove(&i).unwrap_or_else(|| kernels[i].clone())).collect();
}

/// Whether a kernel is one of this crate's that takes long to compile.
fn may_merge(kernel: &Kernel, least_text: usize) -> bool {
    kernel.wgsl.len() >= least_text && kernel.foreign.is_none()
}

/// A shader in words and signs, without comments.
struct Text<'a>(Vec<&'a str>);

/// The number of a word that is one of type `u32`.
fn number(word: &str) -> Option<u32> {
    word.strip_suffix('u').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

impl<'a> Text<'a> {
    fn new(wgsl: &'a str) -> Self {
        let mut words = Vec::new();
        for line in wgsl.lines() {
            let mut rest = line.split_once("//").map_or(line, |(code, _)| code).trim();
            while let Some(first) = rest.chars().next() {
                let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
                let length = match rest.find(|c| !part_of_word(c)) {
                    Some(0) => first.len_utf8(),
                    Some(length) => length,
                    None => rest.len(),
                };
                words.push(&rest[..length]);
                rest = &rest[length..];
            }
            words.push("\n");
        }
        Self(words)
    }

    /// What kernels have in common that differ in numbers alone.
    fn pattern(&self) -> String {
        self.0
            .iter()
            .map(|word| if number(word).is_some() { "#" } else { *word })
            .collect::<Vec<_>>()
            .join("\u{1f}")
    }
}

/// One shader for several of the same pattern, and the sizes of each of them; `None` where no size differs, too
/// much, or a number that differs must be a constant or is better one.
fn joined(name: &str, texts: &[&Text]) -> Option<(String, Vec<Vec<u32>>)> {
    let words = &texts[0].0;
    // Where numbers differ: each distinct row of them is one size.
    let mut rows: Vec<Vec<u32>> = Vec::new();
    let mut size_at: HashMap<usize, usize> = HashMap::new();
    for at in 0..words.len() {
        let row: Option<Vec<u32>> = texts.iter().map(|text| number(text.0[at])).collect();
        let Some(row) = row.filter(|row| row.iter().any(|n| *n != row[0])) else { continue };
        let known = rows.iter().position(|known| *known == row);
        size_at.insert(at, known.unwrap_or(rows.len()));
        if known.is_none() {
            rows.push(row);
        }
        if rows.len() > MOST_SIZES {
            return None;
        }
    }
    if rows.is_empty() {
        return None;
    }
    // Loops over terms are long enough that a division before them does not matter.
    let may_divide = words.windows(5).any(|w| w == ["for", " ", "(", "var", " "]);
    let fields: String = (0..rows.len()).map(|size| format!("n{size}: u32, ")).collect();
    // What enables a part of the language comes first.
    let directive = words.first() == Some(&"enable");
    let enabled = if directive { words.iter().position(|word| *word == "\n")? + 1 } else { 0 };
    let mut wgsl = words[..enabled].concat();
    wgsl += &format!(
        "// Gets its sizes at each launch.\nstruct Sizes {{ {fields}}}\nvar<immediate> sizes: Sizes;\nvar<private> launch_sizes: Sizes;\n"
    );
    // Where the entry point's statements begin.
    let entry = words.windows(3).position(|w| w == ["fn", " ", name])?;
    let body = entry + words[entry..].iter().position(|word| *word == "{")?;
    let mut constants: HashMap<&str, String> = HashMap::new();
    let mut at = enabled;
    while at < words.len() {
        let code = |at: usize, constants: &HashMap<&str, String>| {
            let size = size_at.get(&at).map(|size| format!("launch_sizes.n{size}"));
            size.or_else(|| constants.get(words[at]).cloned())
        };
        if words[at] == "const" {
            // `const NAME = expression;`: what depends on a size is written out wherever it is used.
            let end = at + words[at..].iter().position(|word| *word == ";")?;
            let equals = at + words[at..end].iter().position(|word| *word == "=")?;
            let depends = (equals..end).any(|i| code(i, &constants).is_some());
            if depends {
                let value: String = (equals + 1..end)
                    .map(|i| code(i, &constants).unwrap_or_else(|| words[i].to_owned()))
                    .collect();
                constants.insert(words[at + 2], format!("({})", value.trim()));
                at = end + 1;
                continue;
            }
        }
        if at == body {
            wgsl.push_str("{\n  launch_sizes = sizes;");
            at += 1;
            continue;
        }
        match code(at, &constants) {
            Some(size) => {
                let before = words[..at].iter().rev().find(|word| !word.trim().is_empty());
                let divides = before.is_some_and(|word| ["/", "%"].contains(word));
                let of_type =
                    before.is_some_and(|word| [",", "("].contains(word)) && words.get(at + 1) == Some(&">");
                if of_type || divides && !may_divide {
                    return None;
                }
                wgsl.push_str(&size);
            }
            None => wgsl.push_str(words[at]),
        }
        at += 1;
    }
    let of = |member: usize| rows.iter().map(|row| row[member]).collect();
    Some((wgsl, (0..texts.len()).map(of).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Dispatch;

    fn kernel(name: &'static str, wgsl: &str) -> Kernel {
        Kernel::new(name, wgsl)
    }

    /// A plan that runs each kernel once.
    fn after_merge(kernels: &[Kernel]) -> Plan {
        let dispatch = |kernel| Step::Dispatch(Dispatch { kernel, ..Dispatch::default() });
        let steps = (0..kernels.len()).map(dispatch).collect();
        let mut plan = Plan { kernels: kernels.to_vec(), steps, ..Plan::default() };
        merge_from(&mut plan, 0);
        plan
    }

    fn sizes(plan: &Plan) -> Vec<(usize, Vec<u32>)> {
        let dispatches = plan.steps.iter().filter_map(|step| match step {
            Step::Dispatch(dispatch) => Some((dispatch.kernel, dispatch.sizes.clone())),
            Step::Copy { .. } => None,
        });
        dispatches.collect()
    }

    #[test]
    fn sizes_that_differ_are_told_and_others_stay() {
        let text = |m: u32, n: u32| {
            format!(
                "// {m} rows\nconst M = {m}u;\nconst ALL = M * {n}u; // all\nfn f() {{ let x = M + ALL + 7u + {m}u; }}"
            )
        };
        let other = kernel("g", "fn g() {}");
        let plan = after_merge(&[kernel("f", &text(3, 5)), other.clone(), kernel("f", &text(4, 5)), other]);
        assert_eq!(plan.kernels.len(), 3);
        assert_eq!(sizes(&plan), [(0, vec![3]), (1, vec![]), (0, vec![4]), (2, vec![])]);
        let wgsl = &plan.kernels[0].wgsl;
        assert_eq!(plan.kernels[0].sizes, 1);
        assert!(wgsl.contains("struct Sizes { n0: u32, }"), "{wgsl}");
        assert!(
            wgsl.contains("let x = (launch_sizes.n0) + ((launch_sizes.n0) * 5u) + 7u + launch_sizes.n0;"),
            "{wgsl}"
        );
        assert!(!wgsl.contains("const") && !wgsl.contains("rows"), "{wgsl}");
    }

    #[test]
    fn other_kernels_are_left_alone() {
        let pairs = [
            // Another name, another structure.
            [kernel("f", "fn f() { let x = 1u; }"), kernel("g", "fn f() { let x = 2u; }")],
            [kernel("f", "fn f() { let x = 1u; }"), kernel("f", "fn f() { let y = 2u; }")],
            // Numbers that are no u32, a type's number, a divisor outside a loop.
            [kernel("f", "fn f() { let x = 1.5; }"), kernel("f", "fn f() { let x = 2.5; }")],
            [
                kernel("f", "var<workgroup> a: array<f32,2u>;"),
                kernel("f", "var<workgroup> a: array<f32,3u>;"),
            ],
            [kernel("f", "fn f() { let x = y / 2u; }"), kernel("f", "fn f() { let x = y / 3u; }")],
        ];
        for pair in pairs {
            assert_eq!(after_merge(&pair).kernels, pair);
        }
        let many = |n: u32| (0..17).map(|i| format!("let x{i} = {}u;", n + i)).collect::<String>();
        let pair = [kernel("f", &many(1)), kernel("f", &many(100))];
        assert_eq!(after_merge(&pair).kernels, pair, "more sizes than a launch can set");
        let divides = |n: u32| format!("fn f() {{ let x = y / {n}u; for (var k = 0u; k < 9u; k++) {{}} }}");
        assert_eq!(after_merge(&[kernel("f", &divides(2)), kernel("f", &divides(3))]).kernels.len(), 1);
    }
}
