//! Operators of operators, as text: `z = Mul(beta, x); Where(Greater(z, threshold), x, Softplus(z))`.
//!
//! What is written once is one node. Numbers and parameters are constants of the type of the operands; `_` is an input that
//! is left out; `Float` and `Bool` are casts, to that type and to truths. An attribute is `name: value`, whole without a
//! point, a word in quotes.

use super::element::{BOOL, data_type};
use super::writer::{Name, Writer, float, int, word};
use crate::DType;
use crate::onnx::proto::AttributeProto;
use std::collections::HashMap;

/// What the names in a text mean.
pub(super) struct Scope<'a> {
    /// The type of the operands.
    pub(super) dtype: DType,
    /// The operands by name.
    pub(super) operands: HashMap<&'a str, Name>,
    /// The parameters by name.
    pub(super) parameters: HashMap<&'a str, f32>,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Sign(char),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || ['_', '.', '-', '\''].contains(&c);
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length =
            if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(length);
        found.push(if is_word(first) { Token::Word(token) } else { Token::Sign(first) });
        rest = after.trim_start();
    }
    found
}

/// Writes the nodes of a text; `None` where it is none.
pub(super) fn write(text: &str, scope: &Scope<'_>, to: &mut Writer) -> Option<Name> {
    let mut reader = Reader { scope, to, made: HashMap::new(), named: HashMap::new() };
    let mut last = None;
    for statement in text.split(';') {
        let tokens = tokens(statement);
        let (name, rest) = match &tokens[..] {
            [Token::Word(name), Token::Sign('='), rest @ ..] => (Some(*name), rest),
            all => (None, all),
        };
        let (value, after) = reader.value(rest)?;
        if !after.is_empty() {
            return None;
        }
        if let Some(name) = name {
            reader.named.insert(name, value.clone());
        }
        last = Some(value);
    }
    last
}

struct Reader<'a, 'b> {
    scope: &'a Scope<'a>,
    to: &'a mut Writer,
    /// Nodes by what is written.
    made: HashMap<String, Name>,
    /// Values by their names in the text.
    named: HashMap<&'b str, Name>,
}

impl<'b> Reader<'_, 'b> {
    /// A value at the beginning, and what is left.
    fn value<'t>(&mut self, tokens: &'t [Token<'b>]) -> Option<(Name, &'t [Token<'b>])> {
        match tokens {
            [Token::Word(op), Token::Sign('('), rest @ ..] => self.node(op, rest),
            [Token::Word(word), rest @ ..] => Some((self.leaf(word)?, rest)),
            _ => None,
        }
    }

    fn leaf(&mut self, word: &str) -> Option<Name> {
        if word == "_" {
            return Some(Name::new());
        }
        let known = self.scope.operands.get(word).or_else(|| self.named.get(word));
        if let Some(name) = known {
            return Some(name.clone());
        }
        let number = self.number(word)?;
        Some(self.to.number(self.scope.dtype, number))
    }

    fn number(&self, word: &str) -> Option<f32> {
        self.scope.parameters.get(word).copied().or_else(|| word.parse().ok())
    }

    fn node<'t>(&mut self, op: &'b str, mut rest: &'t [Token<'b>]) -> Option<(Name, &'t [Token<'b>])> {
        let (mut inputs, mut attributes, mut words) = (Vec::new(), Vec::new(), String::new());
        loop {
            rest = match rest {
                [Token::Sign(')'), after @ ..] => {
                    return Some((self.made(op, &inputs, attributes, &words), after));
                }
                [Token::Sign(','), after @ ..] => after,
                [Token::Word(name), Token::Sign(':'), Token::Word(value), after @ ..] => {
                    words.push_str(&format!(" {name} {value}"));
                    attributes.push(self.attribute(name, value)?);
                    after
                }
                other => {
                    let (input, after) = self.value(other)?;
                    inputs.push(input);
                    after
                }
            };
        }
    }

    fn attribute(&self, name: &str, value: &str) -> Option<AttributeProto> {
        if let Some(text) = value.strip_prefix('\'') {
            return Some(word(name, text.trim_end_matches('\'')));
        }
        match value.parse::<i64>() {
            Ok(whole) => Some(int(name, whole)),
            Err(_) => Some(float(name, self.number(value)?)),
        }
    }

    fn made(&mut self, op: &str, inputs: &[Name], attributes: Vec<AttributeProto>, words: &str) -> Name {
        let key = format!("{op}({}){words}", inputs.join(","));
        if let Some(name) = self.made.get(&key) {
            return name.clone();
        }
        let read: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = match op {
            "Float" => self.to.node("Cast", &read, vec![int("to", i64::from(data_type(self.scope.dtype)))]),
            "Bool" => self.to.node("Cast", &read, vec![int("to", i64::from(BOOL))]),
            _ => self.to.node(op, &read, attributes),
        };
        self.made.insert(key, name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_twice_is_one_node() {
        let mut to = Writer::new(17, []);
        let operands = HashMap::from([("x", "in".to_owned())]);
        let scope = Scope { dtype: DType::F32, operands, parameters: HashMap::from([("beta", 2.0)]) };
        let text = "z = Mul(beta, x); Add(Exp(z), Sub(Exp(Mul(beta, x)), Elu(x, alpha: 1.5)))";
        assert!(write(text, &scope, &mut to).is_some());
        assert_eq!(to.nodes.len(), 5);
        for broken in ["Mul(x", "y", "Mul(x, y)", "x x", ""] {
            assert_eq!(write(broken, &scope, &mut Writer::new(17, [])), None, "{broken}");
        }
    }
}
