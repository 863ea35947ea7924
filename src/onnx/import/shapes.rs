//! Operators that move elements and change shapes.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::onnx::array::Array;
use crate::ops::SparseRows;
use crate::shape::Shape;

/// Elements up to which something is moved here.
const MOST: usize = 1 << 22;

type Built = Result<Vec<Value>>;

/// For each element of `target`, its position in a tensor of this shape that is broadcast to it.
pub(super) fn read_as(shape: &Shape, target: &Shape) -> Vec<usize> {
    strided(target, &shape.broadcast_strides(target), 0)
}

/// The positions of a view with these sizes and strides.
fn strided(sizes: &[usize], strides: &[usize], first: usize) -> Vec<usize> {
    let mut positions = vec![first];
    for (&size, &stride) in sizes.iter().zip(strides) {
        positions = positions.iter().flat_map(|&at| (0..size).map(move |i| at + i * stride)).collect();
    }
    positions
}

/// Along each dimension the positions that are kept, in order.
fn chosen(shape: &[usize], positions: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    let strides = Shape::from(shape).strides();
    let mut found = vec![0];
    for (along, stride) in positions.iter().zip(strides) {
        found = found.iter().flat_map(|&at| along.iter().map(move |&i| at + i * stride)).collect();
    }
    (positions.iter().map(Vec::len).collect(), found)
}

/// Of an operator that only moves the elements of its first input: the output's shape and the position of each of its elements.
pub(super) fn movement(node: &Node<'_>, first: &Array) -> Result<Option<(Vec<usize>, Vec<usize>)>> {
    let shape = first.shape();
    let all = || (0..first.len()).collect::<Vec<_>>();
    let small = |sizes: &[usize]| sizes.iter().fold(1usize, |n, &d| n.saturating_mul(d)) <= MOST;
    Ok(match node.op() {
        "Identity" => Some((shape.to_vec(), all())),
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => Some((reshaped(node, shape)?, all())),
        "Transpose" => {
            let order = order(node, shape.len())?;
            let strides = Shape::from(shape).strides();
            let sizes: Vec<usize> = order.iter().map(|&d| shape[d]).collect();
            let positions = strided(&sizes, &order.iter().map(|&d| strides[d]).collect::<Vec<_>>(), 0);
            Some((sizes, positions))
        }
        "Slice" => {
            let all = |size: usize| Cut { first: 0, step: 1, count: size };
            let mut cuts: Vec<Cut> = shape.iter().map(|&size| all(size)).collect();
            slices(node, shape)?.into_iter().for_each(|(axis, cut)| cuts[axis] = cut);
            Some(chosen(shape, &cuts.into_iter().map(|cut| cut.positions().collect()).collect::<Vec<_>>()))
        }
        "Gather" => {
            let axis = node.axis(0, shape.len())?;
            let (sizes, indices) = (node.shape(1)?, indices(node, 1, shape[axis])?);
            let whole = |d: usize| if d == axis { indices.clone() } else { (0..shape[d]).collect() };
            let (_, positions) = chosen(shape, &(0..shape.len()).map(whole).collect::<Vec<_>>());
            Some(([&shape[..axis], &sizes, &shape[axis + 1..]].concat(), positions))
        }
        "Expand" => {
            let target = node.sizes("sizes", &node.known_ints(1)?)?;
            let whole = Shape::from(shape).broadcast(&Shape::from(target)).map_err(node.refuse())?;
            small(&whole).then(|| (whole.to_vec(), read_as(&Shape::from(shape), &whole)))
        }
        "Tile" if node.opset() >= 6 => {
            let repeats = repeats(node, shape)?;
            let sizes: Vec<usize> = shape.iter().zip(&repeats).map(|(&n, &r)| n.saturating_mul(r)).collect();
            let whole = |(&n, &total): (&usize, &usize)| (0..total).map(|i| i % n.max(1)).collect();
            small(&sizes).then(|| chosen(shape, &shape.iter().zip(&sizes).map(whole).collect::<Vec<_>>()))
        }
        // The others do more than move, or have several outputs.
        _ => None,
    })
}

/// Indices that are known, counted from the front.
pub(super) fn indices(node: &Node<'_>, input: usize, size: usize) -> Result<Vec<usize>> {
    let numbers = node.known_ints(input)?;
    numbers
        .iter()
        .map(|&index| {
            node.axis_of(index, size)
                .map_err(|_| node.fail(format!("indices within {size}"), index.to_string()))
        })
        .collect()
}

/// What Slice keeps of a dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    first: usize,
    step: i64,
    count: usize,
}

impl Cut {
    fn positions(self) -> impl Iterator<Item = usize> {
        (0..self.count as i64).map(move |i| self.first.wrapping_add_signed((i * self.step) as isize))
    }

    fn of(start: i64, end: i64, step: i64, size: usize) -> Self {
        let n = i64::try_from(size).unwrap_or(i64::MAX);
        let at = |v: i64| if v < 0 { v.saturating_add(n) } else { v };
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let first = at(start).clamp(low.max(0), high.max(0));
        let end = at(end).clamp(low, high);
        let room = if step > 0 { end.saturating_sub(first) } else { first.saturating_sub(end) };
        let count = if n == 0 { 0 } else { (room.max(0) as u64).div_ceil(step.unsigned_abs()) as usize };
        Self { first: first as usize, step, count }
    }
}

/// The dimensions that Slice cuts, and what it keeps.
fn slices(node: &Node<'_>, shape: &[usize]) -> Result<Vec<(usize, Cut)>> {
    let attribute = |name: &str| -> Result<Vec<i64>> {
        node.ints(name)?.ok_or_else(|| node.fail(format!("an attribute {name}"), "none"))
    };
    let (starts, ends, axes, steps) = match node.opset() {
        ..10 => (attribute("starts")?, attribute("ends")?, node.ints("axes")?, None),
        _ => {
            let optional = |input| if node.has(input) { node.known_ints(input).map(Some) } else { Ok(None) };
            (node.known_ints(1)?, node.known_ints(2)?, optional(3)?, optional(4)?)
        }
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    let agree = starts.len() == ends.len() && starts.len() == axes.len() && starts.len() == steps.len();
    node.check(
        agree,
        "as many starts as ends, axes and steps",
        format!("{} starts, {} ends", starts.len(), ends.len()),
    )?;
    node.check(!steps.contains(&0), "steps other than 0", "0")?;
    node.axes_of(&axes, shape.len())?;
    (0..starts.len())
        .map(|i| {
            let axis = node.axis_of(axes[i], shape.len())?;
            Ok((axis, Cut::of(starts[i], ends[i], steps[i], shape[axis])))
        })
        .collect()
}

fn order(node: &Node<'_>, rank: usize) -> Result<Vec<usize>> {
    let Some(perm) = node.ints("perm")? else { return Ok((0..rank).rev().collect()) };
    let positions = perm.iter().map(|&d| node.axis_of(d, rank)).collect::<Result<Vec<_>>>()?;
    node.axes_of(&perm, rank)?;
    node.check(positions.len() == rank, format!("an order of {rank} dimensions"), format!("{perm:?}"))?;
    Ok(positions)
}

fn repeats(node: &Node<'_>, shape: &[usize]) -> Result<Vec<usize>> {
    let repeats = node.sizes("repeats", &node.known_ints(1)?)?;
    node.check(repeats.len() == shape.len(), format!("{} repeats", shape.len()), repeats.len().to_string())?;
    Ok(repeats)
}

/// The output's shape of Reshape, Squeeze, Unsqueeze and Flatten.
fn reshaped(node: &Node<'_>, shape: &[usize]) -> Result<Vec<usize>> {
    let rank = shape.len();
    match node.op() {
        "Reshape" => reshape_target(node, shape),
        "Flatten" => {
            let axis = node.int_or("axis", 1)?;
            let axis = if axis == rank as i64 { rank } else { node.axis_of(axis, rank)? };
            Ok(vec![shape[..axis].iter().product(), shape[axis..].iter().product()])
        }
        "Squeeze" => {
            let axes = match node.axes(1)? {
                Some(axes) => node.axes_of(&axes, rank)?,
                None => (0..rank).filter(|&d| shape[d] == 1).collect(),
            };
            if let Some(&wide) = axes.iter().find(|&&d| shape[d] != 1) {
                return Err(node.fail("axes of size 1", format!("axis {wide} of {shape:?}")));
            }
            Ok((0..rank).filter(|d| !axes.contains(d)).map(|d| shape[d]).collect())
        }
        _ => {
            let axes = node.axes(1)?.ok_or_else(|| node.fail("axes", "none"))?;
            let axes = node.axes_of(&axes, rank + axes.len())?;
            let mut rest = shape.iter();
            let size = |d: usize| if axes.contains(&d) { 1 } else { rest.next().copied().unwrap_or(1) };
            Ok((0..rank + axes.len()).map(size).collect())
        }
    }
}

fn reshape_target(node: &Node<'_>, shape: &[usize]) -> Result<Vec<usize>> {
    let asked = match node.opset() {
        ..5 => node.ints("shape")?.ok_or_else(|| node.fail("an attribute shape", "none"))?,
        _ => node.known_ints(1)?,
    };
    let zero_is_zero = node.flag("allowzero", false)?;
    let mut target = Vec::new();
    let mut open = None;
    for (at, &size) in asked.iter().enumerate() {
        target.push(match size {
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            0 if !zero_is_zero => {
                let copied = shape.get(at).copied();
                copied.ok_or_else(|| {
                    node.fail("a dimension to copy for 0", format!("{asked:?} of {shape:?}"))
                })?
            }
            size => node.size("sizes", size)?,
        });
    }
    let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let (have, rest) = (product(shape), product(&target));
    if let (Some(at), Some(have), Some(rest)) = (open, have, rest) {
        let divides = rest > 0 && have.is_multiple_of(rest);
        node.check(divides, format!("sizes that divide {have} elements"), format!("{asked:?}"))?;
        target[at] = have / rest;
    }
    let expected = || format!("a shape of as many elements as {shape:?}");
    node.check(have.is_some() && product(&target) == have, expected(), format!("{asked:?}"))?;
    Ok(target)
}

pub(super) fn reshape(node: &Node<'_>) -> Built {
    let target = reshaped(node, &node.shape(0)?)?;
    node.gives(node.tensor(0)?.reshape(target)?)
}

pub(super) fn transpose(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    let order = order(node, x.shape().len())?;
    node.gives(if order.is_empty() { x } else { x.permute(&order)? })
}

pub(super) fn slice(node: &Node<'_>) -> Built {
    let mut x = node.tensor(0)?;
    for (axis, cut) in slices(node, &x.shape())? {
        x = kept(node, &x, axis, cut)?;
    }
    node.gives(x)
}

fn kept(node: &Node<'_>, x: &Tensor, axis: usize, cut: Cut) -> Result<Tensor> {
    let size = x.shape()[axis];
    node.check(cut.count > 0, "at least one element", format!("none of {size} along axis {axis}"))?;
    match cut {
        Cut { step: 1, count, .. } if count == size => Ok(x.clone()),
        Cut { first, step: 1, count } => x.narrow(axis, first, count),
        _ => {
            let rows = SparseRows::gather(size, cut.positions().map(Some)).map_err(node.refuse())?;
            x.axis_map(axis, &rows)
        }
    }
}

pub(super) fn concat(node: &Node<'_>) -> Built {
    // What is empty adds nothing.
    let full = node.inputs.iter().flatten().filter(|value| !value.shape().contains(&0));
    let tensors = full.map(|value| node.as_tensor(value)).collect::<Result<Vec<_>>>()?;
    let rank = tensors.first().map_or(0, |x| x.shape().len());
    let axis = node.axis(1, rank)?;
    node.gives(Tensor::concat(&tensors.iter().collect::<Vec<_>>(), axis)?)
}

pub(super) fn split(node: &Node<'_>) -> Built {
    let shape = node.shape_of(0, 1)?;
    let axis = node.axis(0, shape.len())?;
    let (size, outputs) = (shape[axis], node.outputs());
    let given = if node.has(1) { Some(node.known_ints(1)?) } else { node.ints("split")? };
    let parts = match given {
        Some(parts) => node.sizes("parts", &parts)?,
        None => {
            let count = node.size("num_outputs", node.int_or("num_outputs", outputs as i64)?)?.max(1);
            node.check(
                count <= outputs.max(1),
                format!("num_outputs of at most {outputs}"),
                count.to_string(),
            )?;
            let each = if node.opset() >= 18 { size.div_ceil(count) } else { size / count };
            let whole = |i: usize| each.min(size.saturating_sub(i * each));
            (0..count).map(whole).collect()
        }
    };
    let sum = parts.iter().fold(0usize, |sum, &part| sum.saturating_add(part));
    node.check(
        sum == size && parts.len() >= outputs,
        format!("parts of {size} in all"),
        format!("{parts:?}"),
    )?;
    let (element, mut at) = (node.element(0)?, 0);
    let x = node.value(0)?;
    let mut found = Vec::new();
    for &part in &parts {
        found.push(match x {
            Value::Known(array) if array.parameter.is_none() => {
                let all =
                    |d: usize| if d == axis { (at..at + part).collect() } else { (0..shape[d]).collect() };
                let (sizes, positions) = chosen(&shape, &(0..shape.len()).map(all).collect::<Vec<_>>());
                let taken = array.taken(sizes, &positions);
                Value::Known(taken.ok_or_else(|| node.fail("elements that are there", "others"))?)
            }
            _ => Value::Run(node.tensor(0)?.narrow(axis, at, part)?, element),
        });
        at += part;
    }
    Ok(found)
}

pub(super) fn expand(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    let target = Shape::from(node.sizes("sizes", &node.known_ints(1)?)?);
    let whole = x.shape().broadcast(&target).map_err(node.refuse())?;
    node.gives(x.broadcast_to(whole)?)
}

pub(super) fn tile(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    if node.opset() < 6 {
        let (repeats, axis) = (node.known_number(1)?, node.known_number(2)?);
        let axis = node.axis_of(axis as i64, x.shape().len())?;
        let mut all = vec![1; x.shape().len()];
        all[axis] = repeats as usize;
        return node.gives(x.repeat(&all)?);
    }
    let repeats = repeats(node, &x.shape())?;
    node.gives(if repeats.is_empty() { x } else { x.repeat(&repeats)? })
}

/// DepthToSpace and SpaceToDepth.
pub(super) fn blocks(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    let shape = node.shape_of(0, 4)?;
    let block = node.size("blocksize", node.int_or("blocksize", 0)?)?;
    let [n, c, h, w] = shape[..] else { return Err(node.fail("(N, C, H, W)", format!("{shape:?}"))) };
    node.check(block > 0, "a blocksize above 0", "0")?;
    if node.op() == "SpaceToDepth" {
        let fits = h.is_multiple_of(block) && w.is_multiple_of(block);
        node.check(fits, format!("height and width in blocks of {block}"), format!("{shape:?}"))?;
        if node.text("mode", "DCR")? == "CRD" {
            return node.gives(x.pixel_unshuffle(block)?);
        }
        let cut = x.reshape([n, c, h / block, block, w / block, block])?.permute(&[0, 3, 5, 1, 2, 4])?;
        return node.gives(cut.reshape([n, c * block * block, h / block, w / block])?);
    }
    if node.text("mode", "DCR")? == "CRD" {
        return node.gives(x.pixel_shuffle(block)?);
    }
    let square = block.saturating_mul(block);
    node.check(c.is_multiple_of(square), format!("channels in groups of {square}"), format!("{shape:?}"))?;
    let cut = x.reshape([n, block, block, c / square, h, w])?.permute(&[0, 3, 4, 1, 5, 2])?;
    node.gives(cut.reshape([n, c / square, h * block, w * block])?)
}
