//! Which kernel computes a matrix product, and how: by register tiles, workgroup tiles or packed matrices.

use super::matmul_packed::{self, Packed};
use super::tile::{Extent, Tile};
use super::workgroup_tile::WorkgroupTile;
use super::{Limits, iterations};
use crate::ops::{MatMul, MatMulGeometry};
use crate::shape::Shape;
use minijinja::{Value, context};

/// What one launch computes of a product, and where its operands begin in what is bound.
pub(super) struct Slice {
    /// Matrices along each dimension of the batch.
    pub(super) batch: Vec<usize>,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) first_a: usize,
    pub(super) first_b: usize,
    pub(super) first_bias: usize,
    pub(super) first_output: usize,
    /// Whether it goes on with sums of terms before, which were stored.
    pub(super) carried: bool,
    /// Whether sums may be cut into runs of terms, which lie one after the other.
    pub(super) cut: bool,
}

impl Slice {
    pub(super) fn all(geometry: &MatMulGeometry) -> Self {
        let MatMulGeometry { ref batch, m, n, k } = *geometry;
        let (first_a, first_b, first_bias, first_output) = (0, 0, 0, 0);
        let batch = batch.to_vec();
        Self { batch, m, n, k, first_a, first_b, first_bias, first_output, carried: false, cut: false }
    }
}

/// Elements from one matrix of an operand to the next, along each dimension of the batch.
pub(super) fn batch_strides(geometry: &MatMulGeometry, operand: &Shape, matrix: usize) -> Vec<usize> {
    let lead = Shape::from(&operand[..operand.len() - 2]);
    lead.broadcast_strides(&geometry.batch).into_iter().map(|s| s * matrix).collect()
}

/// Where matrix `z` of a slice begins in each operand and in the result, a dimension of the batch at a time.
pub(super) fn batch(geometry: &MatMulGeometry, a: &Shape, b: &Shape, slice: &Slice) -> Vec<Value> {
    let of_a = batch_strides(geometry, a, geometry.m * geometry.k);
    let of_b = batch_strides(geometry, b, geometry.k * geometry.n);
    let of_output = geometry.batch.strides().into_iter().map(|s| s * geometry.m * geometry.n);
    let divisors = Shape::from(slice.batch.clone()).strides();
    let dims = slice.batch.iter().zip(divisors).zip(of_a.into_iter().zip(of_b)).zip(of_output);
    dims.map(|(((size, div), (a, b)), output)| context! { size, div, a, b, output }).collect()
}

/// How one product is computed.
pub(super) struct Method {
    pub(super) shader: &'static str,
    pub(super) tiles_m: usize,
    pub(super) tiles_n: usize,
    /// Whether four numbers of an operand that lie side by side are loaded at once.
    pub(super) a_vec4: bool,
    pub(super) b_vec4: bool,
    /// Whether eight columns are, and whether eight sums are stored at once.
    pub(super) b_eight: bool,
    pub(super) out_eight: bool,
    /// Iterations of an invocation for so many terms: one for all that are loaded at once, and one for each that is left.
    pub(super) iterations: usize,
    /// Terms that are added in one iteration, where sums can go on with those of terms before; 0 where they cannot.
    pub(super) k_tile: usize,
    pub(super) packed: Option<Packed>,
    pub(super) values: Value,
    pub(super) why: String,
}

impl Method {
    /// The one for the whole product, of which the slice is computed.
    pub(super) fn choose(
        options: &MatMul,
        geometry: &MatMulGeometry,
        slice: &Slice,
        limits: &Limits,
    ) -> Self {
        if let Some(packed) = Packed::choose(options, geometry, slice.cut, limits) {
            return Self::packed(options, geometry, slice, packed, limits);
        }
        let MatMulGeometry { ref batch, m, k, n } = *geometry;
        let (batch, eight) = (batch.elements(), options.trans_b || n % 8 == 0);
        let extent = Extent { batch, rows: m, columns: n, terms: k, cut: false, eight };
        match WorkgroupTile::choose(extent, limits) {
            Some(tile) => Self::workgroup(options, geometry, slice, &tile, limits),
            None => Self::register(options, geometry, slice, &Tile::choose(extent, limits)),
        }
    }

    /// A workgroup copies fours of rows, of columns or of terms: whichever lie side by side.
    pub(super) fn workgroup(
        options: &MatMul,
        geometry: &MatMulGeometry,
        slice: &Slice,
        tile: &WorkgroupTile,
        limits: &Limits,
    ) -> Self {
        let MatMulGeometry { m, k, n, .. } = *geometry;
        Self {
            shader: "matmul_workgroup",
            tiles_m: tile.count(slice.m),
            tiles_n: tile.count(slice.n),
            a_vec4: if options.trans_a { m % 4 == 0 } else { k % 4 == 0 },
            b_vec4: if options.trans_b { k % 4 == 0 } else { n % 4 == 0 },
            b_eight: false,
            out_eight: false,
            iterations: tile.iterations(slice.k, limits),
            k_tile: tile.k_tile_in_order(),
            packed: None,
            values: tile.values(limits),
            why: tile.why(),
        }
    }

    /// Every invocation loads its own rows and columns, four terms an iteration.
    pub(super) fn register(options: &MatMul, geometry: &MatMulGeometry, slice: &Slice, tile: &Tile) -> Self {
        let MatMulGeometry { m, k, n, .. } = *geometry;
        Self {
            shader: "matmul",
            tiles_m: tile.tiles_m(slice.m),
            tiles_n: tile.tiles_n(slice.n),
            // Of a transposed matrix, four rows of a term are side by side.
            a_vec4: k % 4 == 0 && (!options.trans_a || tile.shuffle && m % 4 == 0),
            b_vec4: if options.trans_b { k % 4 == 0 } else { n % 4 == 0 },
            b_eight: tile.eight() && !options.trans_b && n % 8 == 0,
            out_eight: tile.eight() && n % 8 == 0,
            iterations: register_iterations(slice.k),
            k_tile: 4,
            packed: None,
            values: tile.values(),
            why: tile.why(),
        }
    }

    /// Every invocation has a tile, or a run of its terms, of its own.
    pub(super) fn packed(
        options: &MatMul,
        geometry: &MatMulGeometry,
        slice: &Slice,
        packed: Packed,
        limits: &Limits,
    ) -> Self {
        let MatMulGeometry { k, n, .. } = *geometry;
        let rows = matmul_packed::rows_in_fours(options, geometry, packed.rows);
        Self {
            shader: "matmul",
            tiles_m: packed.tiles_m(slice.m),
            tiles_n: packed.tiles_n(slice.n),
            a_vec4: if options.trans_a { rows } else { k % 4 == 0 },
            b_vec4: if options.trans_b { k % 4 == 0 } else { n % 4 == 0 },
            b_eight: false,
            out_eight: false,
            iterations: packed.iterations(slice.k),
            k_tile: 4,
            packed: Some(packed),
            values: packed.values(limits.wide_loads),
            why: packed.why(),
        }
    }
}

/// Iterations of an invocation with register tiles: four terms each, and those that are left one by one.
pub(super) fn register_iterations(terms: usize) -> usize {
    let left = terms % 4;
    iterations::of_loop(terms / 4, 0) + if left > 0 { iterations::of_loop(left, 0) } else { 0 }
}
