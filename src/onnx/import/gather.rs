//! Elements by index, and back to indices.

use super::Value;
use super::node::Node;
use super::shapes;
use crate::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// Whole numbers that `f32` holds one by one.
const EXACT: usize = 1 << 24;

/// Indices `u32` of any shape along a dimension of `size`, those that count from the end among them.
fn indices(node: &Node<'_>, input: usize, size: usize) -> Result<Tensor> {
    match node.value(input)? {
        Value::Known(array) => {
            let positions = shapes::indices(node, input, size)?;
            known(node, &array.shape, positions)
        }
        Value::Run(..) => from_end(&node.tensor(input)?, size)?.cast(DType::U32),
    }
}

fn from_end(indices: &Tensor, size: usize) -> Result<Tensor> {
    indices.add(&indices.lt(0.0)?.scale(size as f32)?)
}

fn known(node: &Node<'_>, shape: &[usize], positions: Vec<usize>) -> Result<Tensor> {
    node.graph.constant(HostTensor::from_u32(shape, positions.into_iter().map(|at| at as u32).collect())?)
}

pub(super) fn gather(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let shape = x.shape();
    let axis = node.axis(0, shape.len())?;
    let of = node.shape(1)?;
    let rows = match node.value(1)? {
        Value::Known(_) => {
            let positions = shapes::indices(node, 1, shape[axis])?;
            match positions[..] {
                [at] => x.narrow(axis, at, 1)?,
                _ => x.index_select(axis, &positions)?,
            }
        }
        Value::Run(..) => {
            x.index_select_by(axis, &indices(node, 1, shape[axis])?.reshape([of.iter().product::<usize>()])?)?
        }
    };
    node.gives(rows.reshape([&shape[..axis], &of, &shape[axis + 1..]].concat())?)
}

pub(super) fn gather_elements(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let axis = node.axis(0, x.shape().len())?;
    node.gives(x.gather(axis, &indices(node, 1, x.shape()[axis])?)?)
}

/// Of tuples of indices in the last dimension, the position of each among `sizes` in row-major order, `u32 (M)`. `batch` says
/// of each tuple which batch it belongs to, and how many positions a batch has.
fn tuples(node: &Node<'_>, input: usize, sizes: &[usize], batches: usize) -> Result<Tensor> {
    let shape = node.shape(input)?;
    let width = sizes.len();
    let count = shape.iter().product::<usize>() / width.max(1);
    let whole: usize = sizes.iter().product();
    let strides = Shape::from(sizes).strides();
    let batch = |row: usize| row / (count / batches.max(1)).max(1) * whole;
    node.fits("indices", count)?;
    if let Value::Known(_) = node.value(input)? {
        let numbers = node.known_ints(input)?;
        let position = |row: usize| {
            let tuple = numbers.get(row * width..(row + 1) * width).unwrap_or_default();
            let one = |(j, &index): (usize, &i64)| {
                let within = node
                    .axis_of(index, sizes[j])
                    .map_err(|_| node.fail(format!("indices within {sizes:?}"), format!("{tuple:?}")));
                within.map(|at| at * strides[j])
            };
            Ok(batch(row) + tuple.iter().enumerate().map(one).sum::<Result<usize>>()?)
        };
        let positions = (0..count).map(position).collect::<Result<Vec<_>>>()?;
        return known(node, &[count], positions);
    }
    node.check(
        whole.saturating_mul(batches) <= EXACT,
        format!("at most {EXACT} positions"),
        format!("{sizes:?}"),
    )?;
    let all = node.tensor(input)?.reshape([count, width])?;
    let mut sum = node
        .graph
        .constant(HostTensor::from_f32([count], (0..count).map(|row| batch(row) as f32).collect())?)?;
    for (j, (&size, &stride)) in sizes.iter().zip(&strides).enumerate() {
        let one = from_end(&all.narrow(1, j, 1)?.reshape([count])?, size)?;
        sum = sum.add(&one.scale(stride as f32)?)?;
    }
    sum.cast(DType::U32)
}

pub(super) fn gather_nd(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let (shape, of) = (x.shape(), node.shape_of(1, 1)?);
    let batch = node.size("batch_dims", node.int_or("batch_dims", 0)?)?;
    let width = of[of.len() - 1];
    let fits = batch < of.len() && batch + width <= shape.len() && of[..batch] == shape[..batch];
    node.check(fits, format!("indices for {shape} with {batch} dimensions of batch"), format!("{of:?}"))?;
    let batches: usize = shape[..batch].iter().product();
    let positions = tuples(node, 1, &shape[batch..batch + width], batches)?;
    let rest = &shape[batch + width..];
    let rows: usize = shape[..batch + width].iter().product();
    let flat = x.reshape([rows, rest.iter().product()])?;
    let y = flat.index_select_by(0, &positions)?;
    node.gives(y.reshape([&of[..of.len() - 1], rest].concat())?)
}

/// How a value joins the one that is there.
fn joined(kind: &str, old: &Tensor, new: &Tensor) -> Result<Tensor> {
    match kind {
        "mul" => old.mul(new),
        "max" => old.maximum(new),
        _ => old.minimum(new),
    }
}

/// `x (P, R)` with the rows `updates (M, R)` at `positions (M)`.
fn placed(
    node: &Node<'_>,
    x: &Tensor,
    positions: &Tensor,
    updates: &Tensor,
    given: Option<&[usize]>,
) -> Result<Tensor> {
    let kind = node.text("reduction", "none")?;
    let wide = |positions: &Tensor, rows: &Tensor| {
        let shape = rows.shape();
        positions.float()?.reshape([shape[0], 1])?.broadcast_to(shape)?.cast(DType::U32)
    };
    match kind.as_str() {
        "none" => x.scatter(0, &wide(positions, updates)?, updates),
        "add" => x.scatter_add(0, &wide(positions, updates)?, updates),
        "mul" | "max" | "min" => {
            let given = given.ok_or_else(|| {
                node.fail("indices that are known when the model is read", format!("reduction {kind}"))
            })?;
            // In rounds in each of which every position occurs once.
            let mut seen = std::collections::HashMap::new();
            let mut rounds: Vec<Vec<usize>> = Vec::new();
            for (row, position) in given.iter().enumerate() {
                let round = seen.entry(position).and_modify(|n| *n += 1).or_insert(0usize);
                if rounds.len() == *round {
                    rounds.push(Vec::new());
                }
                rounds[*round].push(row);
            }
            rounds.iter().try_fold(x.clone(), |x, rows| {
                let at: Vec<usize> = rows.iter().map(|&row| given[row]).collect();
                let new = joined(&kind, &x.index_select(0, &at)?, &updates.index_select(0, rows)?)?;
                let positions = known(node, &[at.len()], at)?;
                x.scatter(0, &wide(&positions, &new)?, &new)
            })
        }
        other => Err(node.fail("reduction none, add, mul, max or min", other)),
    }
}

/// Positions that are known, of a constant.
fn given(node: &Node<'_>, positions: &Tensor) -> Option<Vec<usize>> {
    node.graph.with(|data| match &data.producer(positions.id()).op {
        crate::ops::Op::Table(table) => {
            table.values.as_u32().ok().map(|v| v.iter().map(|&at| at as usize).collect())
        }
        // What any other op gives is not known yet.
        _ => None,
    })
}

pub(super) fn scatter_nd(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, updates) = (node.tensor(0)?, node.tensor(2)?);
    let (shape, of) = (x.shape(), node.shape_of(1, 1)?);
    let width = of[of.len() - 1];
    node.check(width <= shape.len(), format!("indices for {shape}"), format!("{of:?}"))?;
    let rest = &shape[width..];
    let expected = [&of[..of.len() - 1], rest].concat();
    node.check(
        updates.shape()[..] == expected[..],
        format!("updates {expected:?}"),
        updates.shape().to_string(),
    )?;
    let positions = tuples(node, 1, &shape[..width], 1)?;
    let (rows, count, inner) =
        (shape[..width].iter().product::<usize>(), positions.shape()[0], rest.iter().product::<usize>());
    let updates = updates.reshape([count, inner])?;
    let y =
        placed(node, &x.reshape([rows, inner])?, &positions, &updates, given(node, &positions).as_deref())?;
    node.gives(y.reshape(shape)?)
}

pub(super) fn scatter_elements(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, updates) = (node.tensor(0)?, node.tensor(2)?);
    let (shape, of) = (x.shape(), node.shape(1)?);
    let axis = node.axis(0, shape.len())?;
    let fits = of.len() == shape.len()
        && updates.shape()[..] == of[..]
        && (0..of.len()).all(|d| d == axis || of[d] <= shape[d]);
    node.check(
        fits,
        format!("indices and updates of one shape within {shape}"),
        format!("{of:?} and {}", updates.shape()),
    )?;
    let strides = shape.strides();
    let count: usize = of.iter().product();
    node.fits("updates", count)?;
    // The position of each update, were its index 0.
    let base: Vec<usize> = (0..count)
        .map(|at| {
            let within = Shape::from(of.clone()).strides();
            (0..of.len()).filter(|&d| d != axis).map(|d| at / within[d] % of[d] * strides[d]).sum()
        })
        .collect();
    let positions = if let Value::Known(_) = node.value(1)? {
        let at = shapes::indices(node, 1, shape[axis])?;
        known(node, &[count], base.iter().zip(at).map(|(base, at)| base + at * strides[axis]).collect())?
    } else {
        let total = shape.elements();
        node.check(total <= EXACT, format!("at most {EXACT} elements"), total.to_string())?;
        let at = from_end(&node.tensor(1)?, shape[axis])?.reshape([count])?.scale(strides[axis] as f32)?;
        let base = HostTensor::from_f32([count], base.iter().map(|&at| at as f32).collect())?;
        at.add(&node.graph.constant(base)?)?.cast(DType::U32)?
    };
    let flat = x.reshape([shape.elements(), 1])?;
    let y =
        placed(node, &flat, &positions, &updates.reshape([count, 1])?, given(node, &positions).as_deref())?;
    node.gives(y.reshape(shape)?)
}

pub(super) fn one_hot(node: &Node<'_>) -> Result<Vec<Value>> {
    let indices = node.tensor(0)?;
    let depth = node.size("depth", node.known_number(1)? as i64)?;
    node.fits("classes", depth)?;
    let rank = indices.shape().len() + 1;
    let axis = node.axis(-1, rank)?;
    let mut along = vec![1; rank];
    along[axis] = depth;
    let classes = node.graph.arange(0.0, depth as f64, 1.0)?.reshape(along)?;
    let hot = from_end(&indices, depth)?.unsqueeze(axis)?.eq(&classes)?;
    let values = node.tensor(2)?;
    let (off, on) = (values.narrow(0, 0, 1)?, values.narrow(0, 1, 1)?);
    let y = hot.select(&on.broadcast_to(hot.shape())?, &off.broadcast_to(hot.shape())?)?;
    node.gives_as(y, node.element(2)?)
}

pub(super) fn reverse_sequence(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, lengths) = (node.tensor(0)?, node.tensor(1)?);
    let shape = x.shape();
    let batch = node.axis_of(node.int_or("batch_axis", 1)?, shape.len())?;
    let time = node.axis_of(node.int_or("time_axis", 0)?, shape.len())?;
    node.fits("steps", shape[time])?;
    let line =
        |axis: usize| (0..shape.len()).map(|d| if d == axis { shape[d] } else { 1 }).collect::<Vec<_>>();
    let steps = node.graph.arange(0.0, shape[time] as f64, 1.0)?.reshape(line(time))?;
    let lengths = lengths.reshape(line(batch))?;
    let back = lengths.sub(&steps)?.add_scalar(-1.0)?;
    let at = steps.lt(&lengths)?.select(&back, &steps)?;
    node.gives(x.gather(time, &at.broadcast_to(shape)?.cast(DType::U32)?)?)
}
