//! Reductions along axes, and what chooses along one.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::onnx::element::ElementType;
use crate::ops::SparseRows;

pub(super) fn reduce(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let rank = x.shape().len();
    let axes = node.axes(1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && node.flag("noop_with_empty_axes", false)? {
        return node.gives(match node.op() {
            "ReduceL1" | "ReduceL2" => x.abs()?,
            "ReduceSumSquare" => x.square()?,
            "ReduceLogSum" => x.log()?,
            _ => x,
        });
    }
    let dims = match axes {
        Some(axes) => node.axes_of(&axes, rank)?,
        None => (0..rank).collect(),
    };
    let keep = node.flag("keepdims", true)?;
    let y = match node.op() {
        "ReduceL1" => x.abs()?.sum(&dims, keep)?,
        "ReduceL2" => x.norm(2.0, &dims, keep)?,
        "ReduceLogSum" => x.sum(&dims, keep)?.log()?,
        "ReduceLogSumExp" => x.logsumexp(&dims, keep)?,
        "ReduceMax" => x.amax(&dims, keep)?,
        "ReduceMean" => x.mean(&dims, keep)?,
        "ReduceMin" => x.amin(&dims, keep)?,
        "ReduceProd" => x.prod(&dims, keep)?,
        "ReduceSum" => x.sum(&dims, keep)?,
        // ReduceSumSquare.
        _ => x.square()?.sum(&dims, keep)?,
    };
    let whole = node.element(0)?.is_integer() && matches!(node.op(), "ReduceMean" | "ReduceL2");
    node.gives(if whole { y.trunc()? } else { y })
}

/// Indices as whole numbers of the graph.
fn whole(indices: &Tensor) -> Result<Tensor> {
    indices.cast(crate::DType::F32)
}

pub(super) fn arg(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let axis = node.axis(0, x.shape().len())?;
    let (size, last) = (x.shape()[axis], node.flag("select_last_index", false)?);
    let x = if last { x.flip(axis)? } else { x };
    let found = whole(&if node.op() == "ArgMax" { x.argmax(axis)? } else { x.argmin(axis)? })?;
    let found = if last { found.rsub((size - 1) as f32)? } else { found };
    let found = if node.flag("keepdims", true)? { found.unsqueeze(axis)? } else { found };
    node.gives_as(found, ElementType::Int64)
}

pub(super) fn topk(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let axis = node.axis(-1, x.shape().len())?;
    let k = if node.has(1) { node.known_number(1)? as i64 } else { node.int_or("k", 1)? };
    let k = node.size("k", k)?;
    let (values, indices) = x.topk(k, axis, node.flag("largest", true)?)?;
    Ok(vec![Value::Run(values, node.element(0)?), Value::Run(whole(&indices)?, ElementType::Int64)])
}

pub(super) fn cumsum(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let axis = node.axis_of(node.known_number(1)? as i64, x.shape().len())?;
    let (size, back) = (x.shape()[axis], node.flag("reverse", false)?);
    let mut y = if back { x.flip(axis)? } else { x };
    if node.flag("exclusive", false)? {
        let rows = SparseRows::gather(size, (0..size).map(|at| at.checked_sub(1))).map_err(node.refuse())?;
        y = y.axis_map(axis, &rows)?;
    }
    let y = y.cumsum(axis)?;
    node.gives(if back { y.flip(axis)? } else { y })
}

/// `y` of what `f` makes of the tensor along one axis, or along all from an axis on, as the versions before 13 have it.
fn along(node: &Node<'_>, f: impl Fn(&Tensor, usize) -> Result<Tensor>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let shape = x.shape();
    if node.opset() >= 13 {
        let axis = node.axis(-1, shape.len().max(1))?;
        return node.gives(f(&x, axis)?);
    }
    let axis = node.axis(1, shape.len())?;
    let rows: usize = shape[..axis].iter().product();
    let flat = x.reshape([rows, shape.elements() / rows])?;
    node.gives(f(&flat, 1)?.reshape(shape)?)
}

pub(super) fn softmax(node: &Node<'_>) -> Result<Vec<Value>> {
    let log = node.op() == "LogSoftmax";
    along(node, |x, axis| if log { x.log_softmax(axis) } else { x.softmax(axis) })
}

pub(super) fn hardmax(node: &Node<'_>) -> Result<Vec<Value>> {
    along(node, |x, axis| {
        let size = x.shape()[axis];
        x.argmax(axis)?.one_hot(size)?.float()?.movedim(-1, axis)
    })
}
