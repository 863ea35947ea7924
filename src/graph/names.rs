//! Parameters by patterns of their names.

use super::{Graph, Node};
use crate::error::{Error, Result};
use crate::ops::{Op, Role, State};

/// Whether a name is what a pattern says, in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(behind) = name.strip_prefix(first) else { return false };
    let starts = behind.char_indices().map(|(at, _)| at).chain([behind.len()]);
    starts.into_iter().any(|at| matches(rest, &behind[at..]))
}

impl Graph {
    /// Keeps the parameters whose names match `pattern` as they are, in which `*` stands for any text: they are saved with the
    /// model, but optimizers get no gradient of them and keep nothing for them. Gives their names.
    ///
    /// # Errors
    /// When no parameter made so far has such a name.
    #[doc(alias = "requires_grad")]
    pub fn freeze(&self, pattern: &str) -> Result<Vec<String>> {
        let parameter = |node: &Node| match &node.op {
            Op::State(State { role: Role::Parameter, name, .. }) => Some(name.clone()),
            // Other states and what is computed.
            _ => None,
        };
        let names: Vec<String> = self.with(|data| data.nodes.iter().filter_map(parameter).collect());
        let (frozen, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| matches(pattern, name));
        if frozen.is_empty() {
            let expected = format!("a pattern of some of {}", others.join(", "));
            return Err(Error::argument("freeze", expected, pattern));
        }
        self.0.borrow_mut().frozen.extend(frozen.iter().cloned());
        Ok(frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Init;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("fc.weight", "fc.weight", true),
            ("fc.weight", "fc.weight2", false),
            ("*", "", true),
            ("*.bias", "layer1.0.bias", true),
            ("*.bias", "layer1.0.bias.x", false),
            ("layer*.0.*", "layer1.0.bias", true),
            ("layer*.0.*", "layer1.1.bias", false),
            ("*a*a*", "banana", true),
            ("fc*", "f", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn frozen_parameters_are_not_trained() {
        let graph = Graph::new();
        for name in ["a.weight", "a.bias", "b.weight"] {
            graph.parameter(name, [2], Init::Zeros).expect("a parameter");
        }
        assert_eq!(graph.freeze("a.*").expect("two"), ["a.weight", "a.bias"]);
        let left: Vec<_> = graph.parameters().iter().filter_map(crate::Tensor::name).collect();
        assert_eq!(left, ["b.weight"]);
        let error = graph.freeze("c.*").expect_err("none of that name").to_string();
        assert!(error.contains("c.*") && error.contains("b.weight"), "{error}");
    }
}
