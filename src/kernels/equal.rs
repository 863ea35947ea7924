//! Where indices agree: `shaders/equal.wgsl`.

use super::ranges::Lies;
use super::strided::Strided;
use super::{Limits, Lower, Lowering, Operand, Refusal, Site};
use crate::ops::Equal;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Equal {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        equal(site.inputs, site.limits)
    }
}

fn equal(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
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
        why: "one element per invocation",
        values: context! {},
    };
    work.lower(limits)
}
