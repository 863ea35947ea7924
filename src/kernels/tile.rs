//! Register tiles of matrix products and convolutions: how many rows an invocation computes.

use super::{Limits, Variant};
use minijinja::{Value, context};

/// Invocations along the columns of a workgroup, each with 4 columns.
pub(super) const LANES: usize = 8;

/// How a product is cut into register tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Rows of an invocation.
    pub(super) tm: usize,
    /// Invocations along the rows of a workgroup.
    pub(super) row_tiles: usize,
    /// Invocations along the columns of a workgroup.
    pub(super) lanes: usize,
    /// Whether rows are passed round by subgroup shuffles.
    pub(super) shuffle: bool,
    /// Whether four numbers are loaded as two words of 64 bits.
    pub(super) wide: bool,
}

/// The most rows of a tile for products of fewer multiply-adds than these: there a small tile is about as
/// fast, and compiles in a half or a third of the time.
const SMALL: [(usize, usize); 2] = [(1 << 23, 8), (3 << 22, 16)];

/// Rows and the GFLOP/s one core of a CPU adapter reaches with them, measured on products of 1024. 64 rows
/// are no faster than 32 and take the driver twice as long to compile.
const SHUFFLE: [(usize, f64); 6] = [(32, 36.0), (16, 29.0), (8, 21.0), (4, 6.0), (2, 4.0), (1, 2.0)];
/// The same without shuffles, where more than 8 rows spill registers on GPUs.
const PLAIN: [(usize, f64); 4] = [(8, 15.0), (4, 9.0), (2, 5.0), (1, 3.0)];

impl Tile {
    /// The tile that wastes least for `rows` rows, in a product of `work` multiply-adds.
    pub(super) fn choose(rows: usize, work: usize, limits: &Limits) -> Self {
        let wide = limits.wide_loads;
        if let Some(Variant::Register { rows: tm, shuffle }) = limits.variant {
            let row_tiles = if shuffle { 1 } else { rows.div_ceil(tm).min(4) };
            let lanes = if shuffle { LANES } else { 64 / row_tiles.next_power_of_two() };
            return Self { tm, row_tiles, lanes, shuffle, wide };
        }
        let shuffles = shuffles(limits);
        let candidates: &[(usize, f64)] = if shuffles { &SHUFFLE } else { &PLAIN };
        let cost = |(tm, speed): &(usize, f64)| (rows.div_ceil(*tm) * tm) as f64 / speed;
        let most = SMALL.iter().find(|(few, _)| work < *few).map_or(usize::MAX, |(_, rows)| *rows);
        let enough = |c: &&(usize, f64)| c.0 <= most;
        let best = candidates.iter().filter(enough).min_by(|a, b| cost(a).total_cmp(&cost(b)));
        let tm = best.map_or(1, |(tm, _)| *tm);
        let shuffle = shuffles && tm >= LANES;
        // A subgroup must be one row of the workgroup for shuffles; GPUs want at least 64 invocations.
        let row_tiles = if shuffles { 1 } else { rows.div_ceil(tm).min(4) };
        Self {
            tm,
            row_tiles,
            lanes: if shuffles { LANES } else { 64 / row_tiles.next_power_of_two() },
            shuffle,
            wide,
        }
    }

    /// Workgroups along the rows.
    pub(super) fn tiles_m(&self, rows: usize) -> usize {
        rows.div_ceil(self.tm * self.row_tiles)
    }

    /// Workgroups along the columns.
    pub(super) fn tiles_n(&self, columns: usize) -> usize {
        columns.div_ceil(4 * self.lanes)
    }

    /// The tile as the shaders name it.
    pub(super) fn values(&self) -> Value {
        let Self { tm, row_tiles, lanes, shuffle, wide } = self;
        context! { tm, row_tiles, lanes, shuffle, wide }
    }

    /// The choice in words.
    pub(super) fn why(&self) -> String {
        let Self { tm, row_tiles, lanes, shuffle, .. } = self;
        let how = if *shuffle { "subgroup shuffles, subgroups of 8" } else { "no shuffles" };
        format!("register tile {tm}x4, workgroup {lanes}x{row_tiles}, {how}")
    }
}

/// Whether subgroups have the size that shuffles are written for, which is that of CPU adapters.
pub(super) fn shuffles(limits: &Limits) -> bool {
    limits.subgroup_size == Some(LANES as u32)
}

/// Every register tile that an adapter with these limits can run.
pub(super) fn variants(limits: &Limits) -> Vec<Variant> {
    let shuffled = SHUFFLE.iter().filter(|(tm, _)| shuffles(limits) && *tm >= LANES);
    let shuffled = shuffled.map(|(tm, _)| Variant::Register { rows: *tm, shuffle: true });
    shuffled.chain(PLAIN.iter().map(|(tm, _)| Variant::Register { rows: *tm, shuffle: false })).collect()
}
