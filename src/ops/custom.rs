//! Ops from outside the crate: what every op says of itself, and that what they say holds together.

use super::{Halves, Op, Rule};
use crate::custom::Custom;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// Whether a text is a name, of an op or in WGSL.
pub(crate) fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(letters)
}

impl Rule for Custom {
    const NAME: &'static str = "custom";

    fn name(&self) -> &'static str {
        self.op().name()
    }

    /// None of this crate's: whoever wrote them checks them.
    fn names() -> Vec<&'static str> {
        Vec::new()
    }

    /// Their text is whoever's wrote it.
    fn halves(&self) -> Halves {
        Halves::No
    }

    fn attributes(&self) -> String {
        self.op().attributes()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let name = self.op().name();
        let own = is_name(name) && !Op::names().contains(&name);
        let expected = "a name of its own of letters, digits and underscores";
        Mismatch::check(own, expected, format!("'{name}'"))?;
        Mismatch::check(!inputs.is_empty(), "at least one input", "none")?;
        let outputs = self.op().infer(inputs)?;
        Mismatch::check(!outputs.is_empty(), "a shape rule that gives an output", "none")?;
        outputs.iter().try_for_each(|ty| ty.shape.check())?;
        Ok(outputs)
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        self.op().flops(inputs, outputs)
    }
}
