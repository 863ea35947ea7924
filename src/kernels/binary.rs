//! Functions of two tensors that broadcast: `shaders/binary.wgsl`; comparisons: `shaders/equal.wgsl`. Equal
//! shapes are [`super::elementwise`]'s.

use super::fused::operator;
use super::ranges::Lies;
use super::strided::Strided;
use super::{Limits, Lower, Lowering, Operand, Refusal, Site, elementwise};
use crate::ops::{Binary, Equal};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Binary {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        if self.takes_epilogue(site.inputs) {
            Ok(elementwise::chain(&(*self).into(), &site.fused.stores, site.inputs, site.limits)?)
        } else {
            Ok(forward(self, site.inputs, site.outputs, site.limits)?)
        }
    }

    fn takes_epilogue(&self, inputs: &[&TensorType]) -> bool {
        inputs[0] == inputs[1]
    }
}

impl Lower for Equal {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        equal(site.inputs, site.limits)
    }
}

fn forward(
    function: &Binary,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let (a, b, output) = (&inputs[0].shape, &inputs[1].shape, &outputs[0].shape);
    let read =
        |i: usize, of: &Shape| Lies::of(Operand::Input(i), of.broadcast_strides(output), of.elements());
    let written = Lies::of(Operand::Output(0), output.strides(), output.elements());
    let work = Strided {
        kernel: "binary",
        sizes: output.to_vec(),
        tensors: vec![("a", read(0, a)), ("b", read(1, b)), ("output", written)],
        unit: 1,
        why: "broadcast by strides",
        values: context! { operator => operator(function) },
    };
    work.lower(limits)
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
        why: "an element an invocation",
        values: context! {},
    };
    work.lower(limits)
}
