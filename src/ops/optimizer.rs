//! One step of an optimizer for one parameter, on the device. Updated in place by the planner.

use super::{Halves, Rule, count, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;
use crate::updates::{Memory, Update};
use std::ops::Range;

/// What the names of the states begin with that hold learning rates.
pub(crate) const LEARNING_RATE: &str = "optimizer.lr";

/// `param, grad, lr, [step, u32], [product], [what is kept ..]` to the new value of the parameter, or a direction for it, and
/// of what is kept; see [`Update`].
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerStep {
    /// The optimizer.
    pub update: &'static Update,
    /// Its options, in the order of the row.
    pub options: Vec<f64>,
}

impl OptimizerStep {
    /// The inputs that the steps of several parameters share.
    pub fn shared(&self) -> Range<usize> {
        let numbers = usize::from(self.update.counts(&self.options)) + usize::from(self.update.product());
        2..3 + numbers
    }

    /// What is kept for each parameter, with its position in the row.
    pub fn kept(&self) -> Vec<(usize, &'static Memory)> {
        self.update.kept(&self.options)
    }

    /// The position of the step's number among the inputs.
    pub(crate) fn step(&self) -> Option<usize> {
        self.update.counts(&self.options).then_some(3)
    }

    /// The position of NAdam's product among the inputs.
    pub(crate) fn product(&self) -> Option<usize> {
        self.update.product().then(|| self.shared().end - 1)
    }

    /// The options that are not the usual ones, by name.
    pub fn unusual(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let options = self.update.options.iter().zip(&self.options);
        options.filter(|(hyper, value)| hyper.default != **value).map(|(hyper, value)| (hyper.name, *value))
    }
}

impl Rule for OptimizerStep {
    const NAME: &'static str = "optimizer_step";

    fn name(&self) -> &'static str {
        self.update.name
    }

    fn names() -> Vec<&'static str> {
        Update::all().iter().map(|update| update.name).collect()
    }

    fn attributes(&self) -> String {
        self.unusual().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" ")
    }

    /// What steps of small rates would not change.
    fn halves(&self) -> Halves {
        Halves::No
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        self.update.check(&self.options)?;
        let (shared, kept) = (self.shared(), self.kept());
        let expected = shared.end + kept.len();
        Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
        let [param, grad, lr] = f32s(&inputs[..3])?;
        same("grad", param, grad)?;
        same("lr", &TensorType::f32([]), lr)?;
        for (position, name, ty) in
            [(self.step(), "step", TensorType::u32([])), (self.product(), "product", TensorType::f32([]))]
        {
            position.map_or(Ok(()), |position| same(name, &ty, inputs[position]))?;
        }
        kept.iter().zip(&inputs[shared.end..]).try_for_each(|((_, m), ty)| same(m.name, param, ty))?;
        Ok(vec![param.clone(); 1 + kept.len()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        (4 * outputs.len()) as u64 * elements(outputs)
    }

    fn updates_inputs(&self) -> bool {
        true
    }
}

/// `u32` to one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Increment;

impl Rule for Increment {
    const NAME: &'static str = "increment";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [counter] = count(inputs)?;
        Mismatch::check(counter.dtype == DType::U32, "a u32 counter", counter.to_string())?;
        Ok(vec![counter.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn updates_inputs(&self) -> bool {
        true
    }
}
