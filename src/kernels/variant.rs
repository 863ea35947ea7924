//! The ways in which an op can be computed, by name.

use super::{Limits, tile, winograd, workgroup_tile};
use crate::ops::Op;
use crate::tensor::TensorType;
use std::fmt;

/// How matrix products and convolutions are cut into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Every invocation loads what it needs, as `32x8-shuffle` or `8x4-plain`.
    Register {
        /// Rows that an invocation computes.
        rows: usize,
        /// Columns that it computes.
        columns: usize,
        /// Whether rows are passed round by subgroup shuffles.
        shuffle: bool,
    },
    /// A workgroup shares what it loads, as `64x64-workgroup`, or `64x64x2-workgroup` in two slices.
    Workgroup {
        /// Rows, and columns, that a workgroup computes.
        size: usize,
        /// Slices of the workgroup, each of which adds its part of the terms.
        slices: usize,
    },
    /// Fewer products for more sums, as `4x4-winograd`; 3x3 convolutions of stride 1 and their gradients only.
    Winograd {
        /// Rows, and columns, of a tile of the result.
        tile: usize,
    },
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variant::Register { rows, columns, shuffle } => {
                write!(f, "{rows}x{columns}-{}", if *shuffle { "shuffle" } else { "plain" })
            }
            Variant::Workgroup { size, slices: 1 } => write!(f, "{size}x{size}-workgroup"),
            Variant::Workgroup { size, slices } => write!(f, "{size}x{size}x{slices}-workgroup"),
            Variant::Winograd { tile } => write!(f, "{tile}x{tile}-winograd"),
        }
    }
}

/// Every variant that [`lower`](super::lower) can be made to take for this op of these inputs; none where there is only one.
pub fn variants(op: &Op, inputs: &[&TensorType], limits: &Limits) -> Vec<Variant> {
    let convolution =
        // With products, what is computed in tiles: the kernels of which there are several.
        matches!(op, Op::Conv2d(_) | Op::Conv2dBackwardInput(_) | Op::Conv2dBackwardWeight(_));
    if convolution || matches!(op, Op::MatMul(_)) {
        tiles(limits).chain(winograd::variants(op, inputs)).collect()
    } else {
        Vec::new()
    }
}

/// Every tile that a device can run.
fn tiles(limits: &Limits) -> impl Iterator<Item = Variant> {
    tile::variants(limits).into_iter().chain(workgroup_tile::variants(limits))
}

/// Every variant that any op has on a device.
pub(super) fn all(limits: &Limits) -> Vec<Variant> {
    tiles(limits).chain(winograd::all()).collect()
}
