//! Repetition along stretched dimensions: `shaders/broadcast_to.wgsl`.

use super::ranges::Lies;
use super::strided::Strided;
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
    let read = Lies::of(Operand::Input(0), input.broadcast_strides(shape), input.elements());
    let written = Lies::of(Operand::Output(0), shape.strides(), shape.elements());
    let work = Strided {
        kernel: "broadcast_to",
        sizes: shape.to_vec(),
        tensors: vec![("input", read), ("output", written)],
        unit: 1,
        why: "by strides",
        values: context! {},
    };
    work.lower(limits)
}
