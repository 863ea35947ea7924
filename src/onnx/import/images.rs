//! Images read at points.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::ops::{GridMode, GridPadding, GridSample};

pub(super) fn grid_sample(node: &Node<'_>) -> Result<Vec<Value>> {
    let mode = match node.text("mode", "bilinear")?.as_str() {
        "bilinear" | "linear" => GridMode::Bilinear,
        "nearest" => GridMode::Nearest,
        other => return Err(node.fail("mode linear or nearest", other)),
    };
    let padding = match node.text("padding_mode", "zeros")?.as_str() {
        "zeros" => GridPadding::Zeros,
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        other => return Err(node.fail("padding_mode zeros, border or reflection", other)),
    };
    let options = GridSample::new().mode(mode).padding_mode(padding).align_corners(node.flag("align_corners", false)?);
    node.gives(node.tensor(0)?.grid_sample(&node.tensor(1)?, options)?)
}

pub(super) fn affine_grid(node: &Node<'_>) -> Result<Vec<Value>> {
    let size = node.sizes("size", &node.known_ints(1)?)?;
    node.gives(node.tensor(0)?.affine_grid(&size, node.flag("align_corners", false)?)?)
}
