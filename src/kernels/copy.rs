//! Strided copies: `shaders/copy.wgsl`, `shaders/narrow_backward.wgsl`.

use super::channels_last::ChannelsLast;
use super::ranges::{self, Lies, Part};
use super::strided::Strided;
use super::{Access, Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::ops::{Concat, Narrow, NarrowBackward, Permute, Split};

use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Concat {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        concat(self.dim, site.inputs, site.outputs, site.limits)
    }
}

impl Lower for Split {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        parts(self.dim, 0, site.inputs, site.outputs, site.limits)
    }
}

impl Lower for Narrow {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        parts(self.dim, self.start, site.inputs, site.outputs, site.limits)
    }
}

impl Lower for NarrowBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        narrow_backward(self.dim, self.start, &self.input, site.inputs, site.limits)
    }
}

impl Lower for Permute {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        permute(&self.dims, site.inputs, site.outputs, site.limits)
    }
}

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
    /// The launches that copy it, and how many words are copied at once: whole vec4 where the innermost dimension is dense on
    /// both sides and everything is a multiple of 4.
    fn launches(self, elements: [usize; 2], limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let dims = merged(&self.dims);
        let of_four = |n: usize| n.is_multiple_of(4);
        let vec4 =
            dims.last().is_some_and(|&(size, input, output)| (input, output) == (1, 1) && of_four(size))
                && dims.iter().rev().skip(1).all(|&(_, input, output)| of_four(input) && of_four(output))
                && of_four(self.input_offset)
                && of_four(self.output_offset);
        let [read, written] = elements;
        let input = Lies::of(self.input, dims.iter().map(|d| d.1).collect(), read).first(self.input_offset);
        let output =
            Lies::of(self.output, dims.iter().map(|d| d.2).collect(), written).first(self.output_offset);
        let work = Strided {
            kernel: "copy",
            sizes: dims.iter().map(|d| d.0).collect(),
            tensors: vec![("input", input), ("output", output)],
            unit: if vec4 { 4 } else { 1 },
            why: if vec4 { "vec4 by strides" } else { "words by strides" },
            values: context! { vec4 },
        };
        Ok(work.lower(limits)?.launches)
    }
}

/// The dimensions of `part`, strided as it lies in tensors of two shapes.
fn within(part: &Shape, input: &Shape, output: &Shape) -> Vec<Dim> {
    let strides = input.strides().into_iter().zip(output.strides());
    part.iter().zip(strides).map(|(&size, (input, output))| (size, input, output)).collect()
}

fn concat(
    dim: usize,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
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
        lowering.launches.extend(copy.launches([input.shape.elements(), output.elements()], limits)?);
        start += input.shape[dim];
    }
    Ok(lowering)
}

/// Each output is a run along `dim`; the first begins at `start`.
fn parts(
    dim: usize,
    start: usize,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
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
        lowering.launches.extend(copy.launches([input.elements(), output.shape.elements()], limits)?);
        start += output.shape[dim];
    }
    Ok(lowering)
}

fn narrow_backward(
    dim: usize,
    start: usize,
    input: &Shape,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let ([outer, size, inner], length) = (input.axis(dim)?, inputs[0].shape[dim]);
    let lies = |operand, item: usize| Lies::of(operand, vec![item], outer * item).item(item);
    let (read, written) = (lies(Operand::Input(0), length * inner), lies(Operand::Output(0), size * inner));
    let launch = |part: Part| {
        let (grad, first_grad) = part.bind(&read, Access::Read, limits);
        let (output, first) = part.bind(&written, Access::Write, limits);
        let outer = part.positions();
        // Fours of a line are loaded as they are stored; others are put together where rows are whole fours.
        let together = inner.is_multiple_of(4);
        let unit = if (size * inner).is_multiple_of(4) { 4 } else { 1 };
        let wide = limits.wide_loads;
        let values = context! { outer, size, inner, start, length, first_grad, first, unit, together, wide };
        let what = if unit > 1 { "four elements" } else { "one element" };
        let why = format!("{what} per invocation{}", part.why());
        let groups = (outer * size * inner / unit).div_ceil(64);
        launch(limits, "narrow_backward", groups, 0, vec![grad, output], why, values)
    };
    let parts = ranges::parts(&[outer], &[1], &[read.clone(), written.clone()], limits)?;
    let launches = parts.into_iter().map(launch).collect::<Result<_, Mismatch>>()?;
    Ok(Lowering { launches, ..Lowering::default() })
}

/// A transposition whose innermost dimension is far apart in the input, and a multiple of 4.
fn in_fours(dims: &[Dim]) -> Option<ChannelsLast> {
    let dims = merged(dims);
    let (&(channels, apart, _), others) = dims.split_last()?;
    if apart == 1 || !channels.is_multiple_of(4) || others.len() > 3 {
        return None;
    }
    let of = |position: usize| others.get(position).map_or((1, 0), |&(size, stride, _)| (size, stride));
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

fn permute(
    dims: &[usize],
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let (strides, output) = (inputs[0].shape.strides(), &outputs[0].shape);
    let sizes = output.iter().zip(output.strides());
    let dims = dims.iter().zip(sizes).map(|(&from, (&size, stride))| (size, strides[from], stride));
    let dims: Vec<Dim> = dims.collect();
    let in_one = inputs[0].dtype == DType::F32 && inputs[0].bytes() <= limits.max_binding_bytes;
    if let Some(fours) = in_fours(&dims).filter(|_| in_one) {
        let from = Binding::read(Operand::Input(0));
        return Ok(Lowering::single(fours.launch(from, Operand::Output(0), limits)?));
    }
    let copy = Copy {
        dims,
        input: Operand::Input(0),
        input_offset: 0,
        output: Operand::Output(0),
        output_offset: 0,
    };
    let launches = copy.launches([output.elements(); 2], limits)?;
    Ok(Lowering { launches, ..Lowering::default() })
}
