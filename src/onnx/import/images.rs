//! Images read at points.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{GridMode, GridPadding, GridSample};

pub(super) fn grid_sample(node: &Node<'_>) -> Result<Vec<Value>> {
    let (mode, cubic) = match node.text("mode", "bilinear")?.as_str() {
        "bilinear" | "linear" => (GridMode::Bilinear, false),
        "nearest" => (GridMode::Nearest, false),
        "bicubic" | "cubic" => (GridMode::Nearest, true),
        other => return Err(node.fail("mode linear, nearest or cubic", other)),
    };
    let padding = match node.text("padding_mode", "zeros")?.as_str() {
        "zeros" => GridPadding::Zeros,
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        other => return Err(node.fail("padding_mode zeros, border or reflection", other)),
    };
    let options =
        GridSample::new().mode(mode).padding_mode(padding).align_corners(node.flag("align_corners", false)?);
    let (x, grid) = (node.tensor(0)?, node.tensor(1)?);
    node.check(x.shape().len() == 4, "images (N, C, H, W)", x.shape().to_string())?;
    node.gives(if cubic { by_cubes(node, &x, &grid, options)? } else { x.grid_sample(&grid, options)? })
}

/// Keys' cubic weight of a pixel at a distance, by the distances 0 to 1 and 1 to 2.
fn cubic(distance: &Tensor, near: bool) -> Result<Tensor> {
    const A: f32 = -0.75;
    let d = distance;
    if near {
        return d.scale(A + 2.0)?.add_scalar(-(A + 3.0))?.mul(&d.square()?)?.add_scalar(1.0);
    }
    d.scale(A)?.add_scalar(-5.0 * A)?.mul(d)?.add_scalar(8.0 * A)?.mul(d)?.add_scalar(-4.0 * A)
}

/// Of points between pixels along a side, the 4 pixels around each as coordinates of the grid, and their weights.
fn around(position: &Tensor, size: usize, align: bool) -> Result<Vec<(Tensor, Tensor)>> {
    let size = size as f32;
    let at = match align {
        true => position.add_scalar(1.0)?.scale((size - 1.0) / 2.0)?,
        false => position.add_scalar(1.0)?.scale(size / 2.0)?.add_scalar(-0.5)?,
    };
    let first = at.floor()?;
    let part = at.sub(&first)?;
    let pixel = |offset: f32| {
        let pixel = first.add_scalar(offset)?;
        match align {
            true => pixel.scale(2.0 / (size - 1.0).max(1.0))?.add_scalar(-1.0),
            false => pixel.add_scalar(0.5)?.scale(2.0 / size)?.add_scalar(-1.0),
        }
    };
    let rest = part.rsub(1.0)?;
    let weights = [
        cubic(&part.add_scalar(1.0)?, false)?,
        cubic(&part, true)?,
        cubic(&rest, true)?,
        cubic(&rest.add_scalar(1.0)?, false)?,
    ];
    weights
        .into_iter()
        .zip([-1.0, 0.0, 1.0, 2.0])
        .map(|(weight, offset)| Ok((pixel(offset)?, weight)))
        .collect()
}

/// The 16 pixels around each point, each read by itself and weighted.
fn by_cubes(node: &Node<'_>, x: &Tensor, grid: &Tensor, options: GridSample) -> Result<Tensor> {
    let shape = x.shape();
    let coordinate = |i: usize| grid.narrow(-1, i, 1);
    let columns = around(&coordinate(0)?, shape[3], options.align_corners)?;
    let rows = around(&coordinate(1)?, shape[2], options.align_corners)?;
    let mut sum: Option<Tensor> = None;
    for (row, by_row) in &rows {
        for (column, by_column) in &columns {
            let read = x.grid_sample(&Tensor::concat(&[column, row], -1)?, options)?;
            // (N, OH, OW, 1) beside (N, C, OH, OW).
            let part = read.mul(&by_row.mul(by_column)?.squeeze(-1)?.unsqueeze(1)?)?;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum.add(&part)?,
            });
        }
    }
    sum.ok_or_else(|| node.fail("pixels", "none"))
}

pub(super) fn affine_grid(node: &Node<'_>) -> Result<Vec<Value>> {
    let size = node.sizes("size", &node.known_ints(1)?)?;
    node.gives(node.tensor(0)?.affine_grid(&size, node.flag("align_corners", false)?)?)
}
