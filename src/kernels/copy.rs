//! Strided copies: `shaders/copy.wgsl`, `shaders/narrow_backward.wgsl`.

use super::channels_last::ChannelsLast;
use super::{Binding, Launch, Limits, Lowering, Operand, launch};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::ops::softmax::axis;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// One dimension of what is copied: its size and its stride in input and output.
type Dim = (usize, usize, usize);

/// One copy of a box of elements.
struct Copy {
    dims: Vec<Dim>,
    input: Operand,
    input_offset: usize,
    output: Operand,
    output_offset: usize,
}

/// Neighbouring dimensions that both sides run through without a jump become one.
fn merged(dims: &[Dim]) -> Vec<Dim> {
    let mut merged: Vec<Dim> = Vec::new();
    for &(size, input, output) in dims.iter().filter(|d| d.0 > 1) {
        match merged.last_mut() {
            Some(last) if last.1 == size * input && last.2 == size * output => {
                *last = (last.0 * size, input, output);
            }
            _ => merged.push((size, input, output)),
        }
    }
    merged
}

impl Copy {
    fn launch(self, limits: &Limits) -> Result<Launch, Mismatch> {
        let dims = merged(&self.dims);
        let elements: usize = dims.iter().map(|d| d.0).product();
        // Whole vec4 where the innermost dimension is dense on both sides and everything is a multiple of 4.
        let of_four = |n: usize| n.is_multiple_of(4);
        let vec4 =
            dims.last().is_some_and(|&(size, input, output)| (input, output) == (1, 1) && of_four(size))
                && dims.iter().rev().skip(1).all(|&(_, input, output)| of_four(input) && of_four(output))
                && of_four(self.input_offset)
                && of_four(self.output_offset);
        let unit = if vec4 { 4 } else { 1 };
        let mut count = 1;
        let mut values: Vec<Value> = Vec::new();
        for (place, &(size, input, output)) in dims.iter().rev().enumerate() {
            let inner = place == 0;
            let size = if inner { size / unit } else { size };
            let stride = |s: usize| if inner { s } else { s / unit };
            values.push(context! { size, input => stride(input), output => stride(output), div => count });
            count *= size;
        }
        let bindings = vec![Binding::read(self.input), Binding::write(self.output)];
        let values = context! {
            vec4,
            dims => values,
            elements => elements / unit,
            input_offset => self.input_offset / unit,
            output_offset => self.output_offset / unit,
        };
        let why = if vec4 { "vec4 by strides" } else { "words by strides" };
        launch(limits, "copy", (elements / unit).div_ceil(64), 0, bindings, why, values)
    }
}

/// The dimensions of `part`, strided as it lies in tensors of two shapes.
fn within(part: &Shape, input: &Shape, output: &Shape) -> Vec<Dim> {
    let strides = input.strides().into_iter().zip(output.strides());
    part.iter().zip(strides).map(|(&size, (input, output))| (size, input, output)).collect()
}

pub(super) fn concat(
    dim: usize,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let output = &outputs[0].shape;
    let mut lowering = Lowering::default();
    let mut start = 0;
    for (number, input) in inputs.iter().enumerate() {
        let copy = Copy {
            dims: within(&input.shape, &input.shape, output),
            input: Operand::Input(number),
            input_offset: 0,
            output: Operand::Output(0),
            output_offset: start * output.strides()[dim],
        };
        lowering.launches.push(copy.launch(limits)?);
        start += input.shape[dim];
    }
    Ok(lowering)
}

/// Each output is a run along `dim`; the first begins at `start`.
pub(super) fn parts(
    dim: usize,
    start: usize,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let input = &inputs[0].shape;
    let mut lowering = Lowering::default();
    let mut start = start;
    for (number, output) in outputs.iter().enumerate() {
        let copy = Copy {
            dims: within(&output.shape, input, &output.shape),
            input: Operand::Input(0),
            input_offset: start * input.strides()[dim],
            output: Operand::Output(number),
            output_offset: 0,
        };
        lowering.launches.push(copy.launch(limits)?);
        start += output.shape[dim];
    }
    Ok(lowering)
}

pub(super) fn narrow_backward(
    dim: usize,
    start: usize,
    input: &Shape,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let [outer, size, inner] = axis(input, dim)?;
    let values = context! { outer, size, inner, start, length => inputs[0].shape[dim] };
    let bindings = vec![Binding::read(Operand::Input(0)), Binding::write(Operand::Output(0))];
    let groups = input.elements().div_ceil(64);
    launch(limits, "narrow_backward", groups, 0, bindings, "an element an invocation", values)
        .map(Lowering::single)
}

/// A transposition whose innermost dimension is far apart in the input, and a multiple of 4.
fn in_fours(dims: &[Dim]) -> Option<ChannelsLast> {
    let dims = merged(dims);
    let (&(channels, apart, _), others) = dims.split_last()?;
    if apart == 1 || !channels.is_multiple_of(4) || others.len() > 3 {
        return None;
    }
    let of = |place: usize| others.get(place).map_or((1, 0), |&(size, stride, _)| (size, stride));
    let dims = if let [only] = others { [(1, 0), (only.0, only.1), (1, 0)] } else { [of(0), of(1), of(2)] };
    let [outer, inner, middle] = dims;
    Some(ChannelsLast {
        sizes: [outer.0, inner.0, middle.0],
        channels,
        strides: [outer.1, inner.1, middle.1, apart],
        together: 1,
        zeros: false,
    })
}

pub(super) fn permute(
    dims: &[usize],
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let (strides, output) = (inputs[0].shape.strides(), &outputs[0].shape);
    let sizes = output.iter().zip(output.strides());
    let dims = dims.iter().zip(sizes).map(|(&from, (&size, stride))| (size, strides[from], stride));
    let dims: Vec<Dim> = dims.collect();
    if let Some(fours) = in_fours(&dims).filter(|_| inputs[0].dtype == DType::F32) {
        let from = Binding::read(Operand::Input(0));
        return fours.launch(from, Operand::Output(0), limits).map(Lowering::single);
    }
    let copy = Copy {
        dims,
        input: Operand::Input(0),
        input_offset: 0,
        output: Operand::Output(0),
        output_offset: 0,
    };
    copy.launch(limits).map(Lowering::single)
}
