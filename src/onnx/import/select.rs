//! Padding, triangles and elements that a mask keeps.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::ops::Pad;

pub(super) fn pad(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let rank = x.shape().len();
    let (pads, value) = if node.opset() < 11 {
        let pads = node.ints(if node.opset() < 2 { "paddings" } else { "pads" })?;
        (pads.ok_or_else(|| node.fail("an attribute pads", "none"))?, node.float_or("value", 0.0)?)
    } else {
        let value = if node.has(2) { node.known_number(2)? as f32 } else { 0.0 };
        (node.known_ints(1)?, value)
    };
    let axes: Vec<usize> = match node.has(3) {
        true => {
            let axes = node.known_ints(3)?;
            node.axes_of(&axes, rank)?;
            axes.iter().map(|&axis| node.axis_of(axis, rank)).collect::<Result<_>>()?
        }
        false => (0..rank).collect(),
    };
    let count = axes.len();
    node.check(pads.len() == 2 * count, format!("{} pads", 2 * count), pads.len().to_string())?;
    let mode = match node.text("mode", "constant")?.as_str() {
        "constant" => Pad::Constant(value),
        "reflect" => Pad::Reflect,
        "edge" => Pad::Replicate,
        "wrap" => Pad::Circular,
        other => return Err(node.fail("mode constant, reflect, edge or wrap", other)),
    };
    let mut pairs = vec![0; 2 * rank];
    for (i, &axis) in axes.iter().enumerate() {
        // Of the last dimension first.
        let at = 2 * (rank - 1 - axis);
        (pairs[at], pairs[at + 1]) = (pads[i], pads[count + i]);
    }
    node.gives(x.pad(&pairs, mode)?)
}

pub(super) fn trilu(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let shape = node.shape_of(0, 2)?;
    node.fits("elements of a triangle", shape[shape.len() - 2].saturating_mul(shape[shape.len() - 1]))?;
    let k = if node.has(1) { node.known_number(1)? as i64 } else { 0 };
    node.gives(if node.flag("upper", true)? { x.triu(k)? } else { x.tril(k)? })
}

pub(super) fn compress(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let (x, axis) = match node.int("axis")? {
        Some(axis) => (x.clone(), node.axis_of(axis, x.shape().len())?),
        None => (x.reshape([x.shape().elements()])?, 0),
    };
    let size = x.shape()[axis];
    let kept = node
        .known_numbers(1)?
        .iter()
        .take(size)
        .enumerate()
        .filter(|(_, v)| **v != 0.0)
        .map(|(i, _)| i)
        .collect::<Vec<_>>();
    node.gives(x.index_select(axis, &kept)?)
}
