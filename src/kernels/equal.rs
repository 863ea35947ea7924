//! Where indices agree: `shaders/equal.wgsl`.

use super::ranges::Lies;
use super::strided::Strided;
use super::{Limits, Lowering, Operand, Refusal};
use crate::tensor::TensorType;
use minijinja::context;

pub(super) fn equal(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let elements = inputs[0].shape.elements();
    let flat = |operand| Lies::of(operand, vec![1], elements);
    let work = Strided {
        kernel: "equal",
        sizes: vec![elements],
        tensors: vec![
            ("a", flat(Operand::Input(0))),
            ("b", flat(Operand::Input(1))),
            ("output", flat(Operand::Output(0))),
        ],
        unit: 1,
        why: "an element an invocation",
        values: context! {},
    };
    work.lower(limits)
}
