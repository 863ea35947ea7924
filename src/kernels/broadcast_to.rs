//! Repetition along broadcast dimensions: `shaders/broadcast_to.wgsl`.

use super::ranges::Lies;
use super::strided::{Strided, joined, unit};
use super::{Limits, Lower, Lowering, Operand, Refusal, Site};
use crate::ops::BroadcastTo;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for BroadcastTo {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(&self.shape, site.inputs, site.limits)
    }
}

fn forward(shape: &Shape, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let input = &inputs[0].shape;
    let (sizes, strides) = joined(shape, &[input.broadcast_strides(shape), shape.strides()]);
    let unit = unit(&sizes, &strides);
    let [read, written] = [(Operand::Input(0), input), (Operand::Output(0), shape)];
    let lies = |(operand, shape): (Operand, &Shape), strides: &Vec<usize>| {
        Lies::of(operand, strides.clone(), shape.elements())
    };
    let work = Strided {
        kernel: "broadcast_to",
        tensors: vec![("input", lies(read, &strides[0])), ("output", lies(written, &strides[1]))],
        sizes,
        unit,
        why: if unit == 4 { "four words by strides" } else { "by strides" },
        values: context! {},
    };
    work.lower(limits)
}
