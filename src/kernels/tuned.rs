//! Variants that were measured to be the fastest of a device, instead of the planner's table.

use super::{Limits, Variant, variants};
use crate::ops::Op;
use crate::tensor::TensorType;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The variant to take for an op of given shapes, by what [`Tuned::key`] calls it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tuned(BTreeMap<String, String>);

impl Tuned {
    /// An op with its attributes and the shapes that it reads, such as `matmul trans_b: f32[64, 784], f32[256, 784]`.
    pub fn key(op: &Op, inputs: &[&TensorType]) -> String {
        let mut key = op.name().to_owned();
        let attributes = op.attributes();
        let mut separator = ": ";
        if !attributes.is_empty() {
            let _ = write!(key, " {attributes}");
        }
        for ty in inputs {
            let _ = write!(key, "{separator}{ty}");
            separator = ", ";
        }
        key
    }

    /// From now on the op called `key` runs as the variant of this name.
    pub fn choose(&mut self, key: impl Into<String>, variant: impl Into<String>) {
        self.0.insert(key.into(), variant.into());
    }

    /// How many ops have a variant of their own.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the planner is left to itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The variant of an op; `None` where none was measured or this device does not have the one that was.
    pub(super) fn variant(&self, op: &Op, inputs: &[&TensorType], limits: &Limits) -> Option<Variant> {
        if self.is_empty() {
            return None;
        }
        let offered = variants(op, inputs, limits);
        let name = self.0.get(&Self::key(op, inputs)).filter(|_| !offered.is_empty())?;
        offered.into_iter().find(|variant| variant.to_string() == *name)
    }
}
