//! Products of few rows and columns, many of them or of many terms: each invocation of a CPU adapter has a tile of its own, or
//! its own run of terms, where in the usual tiles most lanes would be idle. For `shaders/matmul.wgsl`.

use super::matmul_method::register_iterations;
use super::{Limits, tile};
use crate::ops::{MatMul, MatMulGeometry};
use minijinja::{Value, context};

/// The tile of an invocation, and into how many runs of so many terms its sums are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) parts: usize,
    pub(super) step: usize,
}

/// Invocations of a workgroup.
const INVOCATIONS: usize = 64;
/// Numbers of a tile at most: more do not fit the registers by far.
const MOST_SUMS: usize = 48;
const MOST_ROWS: usize = 12;
/// The cycles that a load or store takes all lanes of a vector, and those of a multiply-add.
const LOAD: f64 = 70.0;
const MULTIPLY_ADD: f64 = 1.0;
/// The fraction of the time of the usual tiles below which the others are taken.
const PAYS: f64 = 0.7;
/// Terms of a run at least, and invocations that are enough for all cores.
const LEAST_TERMS: usize = 64;
const ENOUGH: usize = 2048;
/// Most multiply-adds of a product of which there are several, and numbers of one of many terms: others fill the usual tiles.
const SMALL: usize = 1 << 14;
const FEW: usize = 256;

/// What tells the time of a tile.
struct Tiles {
    rows: usize,
    columns: usize,
    /// Invocations in vectors of a CPU adapter.
    vectors: usize,
    /// Loads of a and b for four terms, and stores.
    loads: usize,
    stores: usize,
}

impl Tiles {
    fn time(&self, terms: usize) -> f64 {
        let sums = (self.rows * self.columns * 4) as f64;
        let iteration = self.loads as f64 * LOAD + sums * MULTIPLY_ADD;
        self.vectors as f64 * (terms as f64 / 4.0 * iteration + self.stores as f64 * LOAD)
    }
}

/// Loads of so many columns for four terms.
fn loads_of_b(options: &MatMul, geometry: &MatMulGeometry, columns: usize) -> usize {
    let MatMulGeometry { k, n, .. } = *geometry;
    match options.trans_b {
        true if k % 4 == 0 => columns,
        false if n % 4 == 0 => columns.div_ceil(4) * 4,
        _ => columns * 4,
    }
}

/// Whether four rows of a term are one load.
pub(super) fn rows_in_fours(options: &MatMul, geometry: &MatMulGeometry, rows: usize) -> bool {
    options.trans_a && geometry.m.is_multiple_of(4) && rows.is_multiple_of(4)
}

fn stores(n: usize, rows: usize, columns: usize) -> usize {
    rows * if n.is_multiple_of(4) { columns.div_ceil(4) } else { columns }
}

impl Packed {
    /// The one for a product, where it takes less time than the usual tiles; sums that are not cut have all terms.
    pub(super) fn choose(
        options: &MatMul,
        geometry: &MatMulGeometry,
        cut: bool,
        limits: &Limits,
    ) -> Option<Self> {
        let MatMulGeometry { ref batch, m, k, n } = *geometry;
        let measured = limits.software && tile::shuffles(limits) && limits.variant.is_none();
        let batch = batch.elements();
        let long = cut && batch * m * n <= FEW && k >= 8 * LEAST_TERMS;
        let small = batch > 1 && m.saturating_mul(n).saturating_mul(k) <= SMALL;
        if !measured || !(long || small) {
            return None;
        }
        let rows = (1..=m.min(MOST_ROWS)).filter(|rows| *rows <= 4 || rows.is_multiple_of(4) || *rows == m);
        let columns = (1..=n.div_ceil(4)).map(|fours| 4 * fours);
        let tiles = rows.flat_map(|rows| columns.clone().map(move |columns| (rows, columns)));
        let tiles = tiles.filter(|(rows, columns)| rows * columns <= MOST_SUMS);
        let candidates = tiles.map(|(rows, columns)| {
            let found = Self::of_tile(rows, columns, geometry, long);
            (found, found.time(options, geometry))
        });
        let (best, time) = candidates.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (time < PAYS * usual(options, geometry)).then_some(best)
    }

    fn of_tile(rows: usize, columns: usize, geometry: &MatMulGeometry, long: bool) -> Self {
        let MatMulGeometry { ref batch, m, k, n } = *geometry;
        let tiles = batch.elements() * m.div_ceil(rows) * n.div_ceil(columns);
        let wanted = if long { ENOUGH.div_ceil(tiles).min(k / LEAST_TERMS).max(1) } else { 1 };
        let step = k.div_ceil(wanted).next_multiple_of(4);
        Self { rows, columns, parts: k.div_ceil(step).max(1), step }
    }

    fn time(&self, options: &MatMul, geometry: &MatMulGeometry) -> f64 {
        let &Self { rows, columns, parts, step } = self;
        let MatMulGeometry { ref batch, m, k, n } = *geometry;
        let rows_of_a = match options.trans_a {
            true if rows_in_fours(options, geometry, rows) => rows,
            false if k % 4 == 0 => rows,
            _ => 4 * rows,
        };
        // Columns behind the last are not loaded where there is one tile of them.
        let loads = rows_of_a + loads_of_b(options, geometry, columns.min(n));
        let invocations = batch.elements() * parts * m.div_ceil(rows) * n.div_ceil(columns);
        let vectors = invocations.div_ceil(tile::LANES);
        Tiles { rows, columns, vectors, loads, stores: stores(n, rows, columns.min(n)) }.time(step.min(k))
    }

    pub(super) fn tiles_m(&self, rows: usize) -> usize {
        rows.div_ceil(self.rows)
    }

    pub(super) fn tiles_n(&self, columns: usize) -> usize {
        columns.div_ceil(self.columns)
    }

    /// Iterations of an invocation, where a product has so many terms: the last run may have some that are no whole four.
    pub(super) fn iterations(&self, terms: usize) -> usize {
        if self.parts > 1 { register_iterations(self.step + terms % 4) } else { register_iterations(terms) }
    }

    /// Workgroups of so many tiles.
    pub(super) fn groups(tiles: usize) -> usize {
        tiles.div_ceil(INVOCATIONS)
    }

    /// As the shader names it.
    pub(super) fn values(&self, wide: bool) -> Value {
        let Self { rows, columns, step, .. } = *self;
        let (lanes, row_tiles, shuffle) = (INVOCATIONS, 1, false);
        context! { tm => rows, tn => columns, step, lanes, row_tiles, shuffle, wide }
    }

    pub(super) fn why(&self) -> String {
        let Self { rows, columns, parts, .. } = self;
        let cut = if *parts > 1 { format!(" of one of {parts} slices of the terms") } else { String::new() };
        format!("one tile {rows}x{columns}{cut} per invocation")
    }
}

/// The time of the usual tiles of eight rows, of which a subgroup has 32 columns.
fn usual(options: &MatMul, geometry: &MatMulGeometry) -> f64 {
    let MatMulGeometry { ref batch, m, k, n } = *geometry;
    let (rows, columns) = (tile::LANES, 4);
    let one = |options: &MatMul, g: &MatMulGeometry| {
        let vectors = batch.elements() * g.m.div_ceil(rows) * g.n.div_ceil(columns * tile::LANES);
        let a = if k % 4 == 0 && (!options.trans_a || g.m.is_multiple_of(4)) { 1 } else { 4 };
        let loads = a + loads_of_b(options, g, columns);
        Tiles { rows, columns, vectors, loads, stores: stores(g.n, rows.min(g.m), columns) }.time(k)
    };
    // Transposed, too, where there are fewer columns than rows.
    let transposed = MatMul { trans_a: !options.trans_b, trans_b: !options.trans_a };
    let round = MatMulGeometry { batch: batch.clone(), m: n, n: m, k };
    let usual = one(options, geometry);
    if n < m { usual.min(one(&transposed, &round)) } else { usual }
}
