//! concat, split, narrow and permute: the same elements in other places.

use super::softmax::axis;
use super::{Op, count, only_f32, same};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// `shape` with `size` at `dim`.
fn resized(shape: &Shape, dim: usize, size: usize) -> Shape {
    let mut dims = shape.to_vec();
    dims[dim] = size;
    dims.into()
}

pub(super) fn infer_concat(dim: usize, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let Some(&first) = inputs.first() else { return Err(Mismatch::new("at least one input", "none")) };
    axis(&first.shape, dim)?;
    let mut total = 0usize;
    for input in inputs {
        let fits = input.dtype == first.dtype
            && input.shape.len() == first.shape.len()
            && resized(&input.shape, dim, 1) == resized(&first.shape, dim, 1);
        Mismatch::check(
            fits,
            format!("inputs that agree with {first} but for dim {dim}"),
            input.to_string(),
        )?;
        total = total.saturating_add(input.shape[dim]);
    }
    Ok(vec![TensorType { shape: resized(&first.shape, dim, total), dtype: first.dtype }])
}

pub(super) fn infer_split(
    dim: usize,
    sizes: &[usize],
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let [input] = count(inputs)?;
    let [_, length, _] = axis(&input.shape, dim)?;
    let total = sizes.iter().fold(0usize, |sum, &size| sum.saturating_add(size));
    Mismatch::check(
        total == length && !sizes.contains(&0),
        format!("sizes above 0 that add up to {length}"),
        format!("{sizes:?}"),
    )?;
    let part = |&size: &usize| TensorType { shape: resized(&input.shape, dim, size), dtype: input.dtype };
    Ok(sizes.iter().map(part).collect())
}

/// That `start..start + length` lies within dimension `dim`.
fn check_range(shape: &Shape, dim: usize, start: usize, length: usize) -> Result<(), Mismatch> {
    let [_, size, _] = axis(shape, dim)?;
    let inside = length > 0 && start.saturating_add(length) <= size;
    let got = format!("{length} from {start} on");
    Mismatch::check(inside, format!("a range of at least 1 within {size} along dim {dim}"), got)
}

pub(super) fn infer_narrow(
    [dim, start, length]: [usize; 3],
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let [input] = count(inputs)?;
    check_range(&input.shape, dim, start, length)?;
    Ok(vec![TensorType { shape: resized(&input.shape, dim, length), dtype: input.dtype }])
}

pub(super) fn infer_narrow_backward(
    [dim, start]: [usize; 2],
    input: &Shape,
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let grad = only_f32(inputs)?;
    axis(&grad.shape, dim)?;
    check_range(input, dim, start, grad.shape[dim])?;
    same("grad_output", &TensorType::f32(resized(input, dim, grad.shape[dim])), grad)?;
    Ok(vec![TensorType::f32(input.clone())])
}

pub(super) fn infer_permute(dims: &[usize], inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [input] = count(inputs)?;
    let rank = input.shape.len();
    let mut sorted = dims.to_vec();
    sorted.sort_unstable();
    let valid = sorted == (0..rank).collect::<Vec<_>>();
    Mismatch::check(valid, format!("each dimension below the rank {rank} once"), format!("{dims:?}"))?;
    let shape: Vec<usize> = dims.iter().map(|&d| input.shape[d]).collect();
    Ok(vec![TensorType { shape: shape.into(), dtype: input.dtype }])
}

/// The error, cut into the inputs' parts.
pub(super) fn gradient_concat(dim: usize, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let sizes: Vec<usize> = flow.inputs.iter().map(|t| t.shape()[dim]).collect();
    let parts = flow.grad("concat")?.split(dim, &sizes)?;
    Ok(parts.into_iter().map(Some).collect())
}

/// The errors of the parts, one after the other; zero for a part that the loss does not depend on.
pub(super) fn gradient_split(dim: usize, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let part = |(grad, output): (&Option<Tensor>, &Tensor)| match grad {
        Some(grad) => Ok(grad.clone()),
        None => output.graph().scalar(0.0)?.broadcast_to(output.shape()),
    };
    let parts: Vec<Tensor> = flow.grads.iter().zip(flow.outputs).map(part).collect::<Result<_>>()?;
    Ok(vec![Some(Tensor::concat(&parts.iter().collect::<Vec<_>>(), dim)?)])
}

/// The error where it was taken from, zero elsewhere: the error itself where all was taken.
pub(super) fn gradient_narrow([dim, start]: [usize; 2], flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("narrow")?;
    if grad.shape() == flow.inputs[0].shape() {
        return Ok(vec![Some(grad.clone())]);
    }
    let rule = || {
        let op = Op::NarrowBackward { dim, start, input: flow.inputs[0].shape() };
        grad.graph().apply(op, &[grad]).map(|mut out| out.remove(0))
    };
    Ok(vec![flow.wants(0, rule)?])
}

/// The map is linear: its derivative is narrow.
pub(super) fn gradient_narrow_backward(
    [dim, start]: [usize; 2],
    flow: &Flow<'_>,
) -> Result<Vec<Option<Tensor>>> {
    let (grad, length) = (flow.grad("narrow_backward")?, flow.inputs[0].shape()[dim]);
    Ok(vec![flow.wants(0, || grad.narrow(dim, start, length))?])
}

/// The inverse permutation.
pub(super) fn gradient_permute(dims: &[usize], flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("permute")?;
    let mut inverse = vec![0; dims.len()];
    dims.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    Ok(vec![flow.wants(0, || grad.permute(&inverse))?])
}

pub(crate) fn concat(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
    match tensors {
        [] => Err(Error::op("concat", "", Mismatch::new("at least one tensor", "none"))),
        [one] => Ok((*one).clone()),
        [first, ..] => first.graph().apply(Op::Concat { dim }, tensors).map(|mut out| out.remove(0)),
    }
}

pub(crate) fn transpose(x: &Tensor, a: usize, b: usize) -> Result<Tensor> {
    let rank = x.shape().len();
    if a.max(b) >= rank {
        let mismatch = Mismatch::new(format!("dimensions below the rank {rank}"), format!("{a} and {b}"));
        return Err(Error::op("transpose", &x.graph().scoped_name(""), mismatch));
    }
    let mut dims: Vec<usize> = (0..rank).collect();
    dims.swap(a, b);
    x.permute(&dims)
}

/// The slices along `dim`, which is dropped.
pub(crate) fn unbind(x: &Tensor, dim: usize) -> Result<Vec<Tensor>> {
    let shape = x.shape();
    let [_, length, _] = axis(&shape, dim).map_err(|m| Error::op("unbind", &x.graph().scoped_name(""), m))?;
    let mut rest = shape.to_vec();
    rest.remove(dim);
    x.split(dim, &vec![1; length])?.iter().map(|part| part.reshape(rest.clone())).collect()
}

/// Tensors of one shape along a new dimension `dim`.
pub(crate) fn stack(tensors: &[Tensor], dim: usize) -> Result<Tensor> {
    let wide = tensors.iter().map(|t| {
        let mut dims = t.shape().to_vec();
        if dim > dims.len() {
            let mismatch = Mismatch::new(format!("a dimension of at most {}", dims.len()), dim.to_string());
            return Err(Error::op("stack", &t.graph().scoped_name(""), mismatch));
        }
        dims.insert(dim, 1);
        t.reshape(dims)
    });
    let wide = wide.collect::<Result<Vec<_>>>()?;
    concat(&wide.iter().collect::<Vec<_>>(), dim)
}
