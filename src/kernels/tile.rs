//! Register tiles of matrix products and convolutions: how many rows and columns an invocation computes.

use super::{Limits, Variant};
use minijinja::{Value, context};

/// Invocations along the columns of a workgroup, each with 4 or 8 columns.
pub(super) const LANES: usize = 8;

/// How a product is cut into register tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Rows of an invocation.
    pub(super) tm: usize,
    /// Columns of an invocation, 4 or 8.
    pub(super) tn: usize,
    /// Invocations along the rows of a workgroup.
    pub(super) row_tiles: usize,
    /// Invocations along the columns of a workgroup.
    pub(super) lanes: usize,
    /// Whether rows are passed round by subgroup shuffles.
    pub(super) shuffle: bool,
    /// Whether four numbers are loaded as two words of 64 bits.
    pub(super) wide: bool,
}

/// What a product is cut into tiles by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Products.
    pub(super) batch: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) terms: usize,
    /// Whether the sums are of runs of terms, of which there are `batch` or fewer.
    pub(super) cut: bool,
    /// Whether 8 columns, or 8 operands of columns, take fewer loads.
    pub(super) eight: bool,
}

/// The most rows of a tile for products of fewer multiply-adds than these: there a small tile is about as
/// fast, and compiles in a half or a third of the time.
const SMALL: [(usize, usize); 2] = [(1 << 23, 8), (3 << 22, 16)];
/// The least multiply-adds for which 8 columns pay for the time they take the driver to compile, and the least
/// workgroups that must be left.
const EIGHT: (usize, usize) = (1 << 25, 16);

/// Rows, columns and the GFLOP/s one core of a CPU adapter reaches with them, measured on products of 1024. 64 rows
/// are no faster than 32 and take the driver twice as long to compile. Every load is a loop over the lanes there, and
/// makes up half of the time with 4 columns: 8 of them are one load, as long as they are side by side.
const SHUFFLE: [(usize, usize, f64); 9] = [
    (32, 8, 45.0),
    (32, 4, 36.0),
    (16, 8, 36.0),
    (16, 4, 29.0),
    (8, 8, 27.0),
    (8, 4, 21.0),
    (4, 4, 6.0),
    (2, 4, 4.0),
    (1, 4, 2.0),
];
/// The same without shuffles, where more than 8 rows spill registers on GPUs.
const PLAIN: [(usize, usize, f64); 4] = [(8, 4, 15.0), (4, 4, 9.0), (2, 4, 5.0), (1, 4, 3.0)];

impl Tile {
    /// The tile that wastes least of a product.
    pub(super) fn choose(extent: Extent, limits: &Limits) -> Self {
        let Extent { batch, rows, columns, terms, eight, .. } = extent;
        let wide = limits.wide_loads;
        let shuffles = shuffles(limits);
        let (tm, tn, shuffle) = match limits.variant {
            Some(Variant::Register { rows, columns, shuffle }) => (rows, columns, shuffle),
            _ => {
                let candidates: &[_] = if shuffles { &SHUFFLE } else { &PLAIN };
                let work = batch.saturating_mul(rows).saturating_mul(columns).saturating_mul(terms);
                let most = SMALL.iter().find(|(few, _)| work < *few).map_or(usize::MAX, |(_, rows)| *rows);
                let groups = |tm: usize, tn: usize| batch * rows.div_ceil(tm) * columns.div_ceil(tn * LANES);
                let good = |&&(tm, tn, _): &&(usize, usize, f64)| {
                    let pays = tn == 4 || eight && wide && work >= EIGHT.0 && groups(tm, tn) >= EIGHT.1;
                    tm <= most && pays
                };
                let cost = |&(tm, tn, speed): &(usize, usize, f64)| (groups(tm, tn) * tm * tn) as f64 / speed;
                let best = candidates.iter().filter(good).min_by(|a, b| cost(a).total_cmp(&cost(b)));
                best.map_or((1, 4, false), |&(tm, tn, _)| (tm, tn, shuffles && tm >= LANES))
            }
        };
        // A subgroup must be one row of the workgroup for shuffles, and a vector of a CPU adapter is one; GPUs want at
        // least 64 invocations.
        let alone = shuffle || shuffles && limits.variant.is_none();
        let row_tiles = if alone { 1 } else { rows.div_ceil(tm).min(4) };
        let lanes = if alone { LANES } else { 64 / row_tiles.next_power_of_two() };
        Self { tm, tn, row_tiles, lanes, shuffle, wide }
    }

    /// A measure of the time that a product takes with the tile that wastes least of it.
    pub(super) fn time(extent: Extent, limits: &Limits) -> f64 {
        let Extent { batch, rows, columns, terms, .. } = extent;
        let Self { tm, tn, .. } = Self::choose(extent, limits);
        let candidates: &[(usize, usize, f64)] = if shuffles(limits) { &SHUFFLE } else { &PLAIN };
        let speed = candidates.iter().find(|tile| (tile.0, tile.1) == (tm, tn)).map_or(1.0, |tile| tile.2);
        let numbers = batch * rows.div_ceil(tm) * columns.div_ceil(tn * LANES) * tm * tn * LANES;
        numbers as f64 * terms as f64 / speed
    }

    /// Whether its columns are loaded and stored all at once, where they lie side by side: as four words of 64 bits.
    pub(super) fn eight(&self) -> bool {
        self.wide && self.tn == 8
    }

    /// Workgroups along the rows.
    pub(super) fn tiles_m(&self, rows: usize) -> usize {
        rows.div_ceil(self.tm * self.row_tiles)
    }

    /// Workgroups along the columns.
    pub(super) fn tiles_n(&self, columns: usize) -> usize {
        columns.div_ceil(self.tn * self.lanes)
    }

    /// The tile as the shaders name it.
    pub(super) fn values(&self) -> Value {
        let Self { tm, tn, row_tiles, lanes, shuffle, wide } = self;
        context! { tm, tn, row_tiles, lanes, shuffle, wide }
    }

    /// The choice in words.
    pub(super) fn why(&self) -> String {
        let Self { tm, tn, row_tiles, lanes, shuffle, .. } = self;
        let how = if *shuffle { "subgroup shuffles, subgroups of 8" } else { "no shuffles" };
        format!("register tile {tm}x{tn}, workgroup {lanes}x{row_tiles}, {how}")
    }
}

/// Whether subgroups have the size that shuffles are written for, which is that of CPU adapters.
pub(super) fn shuffles(limits: &Limits) -> bool {
    limits.subgroup_size == Some(LANES as u32)
}

/// Every register tile that an adapter with these limits can run.
pub(super) fn variants(limits: &Limits) -> Vec<Variant> {
    let shuffled = SHUFFLE.iter().filter(|(tm, ..)| shuffles(limits) && *tm >= LANES);
    let tiles = shuffled.map(|tile| (tile, true)).chain(PLAIN.iter().map(|tile| (tile, false)));
    tiles.map(|(&(rows, columns, _), shuffle)| Variant::Register { rows, columns, shuffle }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_columns_where_they_are_one_load_of_much_work() {
        let cpu = Limits { subgroup_size: Some(8), software: true, wide_loads: true, ..Limits::default() };
        let tile = |[batch, rows, columns, terms]: [usize; 4], eight: bool, limits: &Limits| {
            let extent = Extent { batch, rows, columns, terms, cut: false, eight };
            let Tile { tm, tn, .. } = Tile::choose(extent, limits);
            (tm, tn)
        };
        let large = [1, 1024, 1024, 1024];
        assert_eq!(tile(large, true, &cpu), (32, 8));
        assert_eq!(tile(large, false, &cpu), (32, 4));
        assert_eq!(tile(large, true, &Limits { wide_loads: false, ..cpu.clone() }), (32, 4));
        assert_eq!(tile(large, true, &Limits { subgroup_size: Some(32), ..cpu.clone() }), (8, 4));
        // Little work; too few workgroups, unless there is a batch; columns of which a tile of 64 would waste half.
        assert_eq!(tile([1, 128, 128, 128], true, &cpu), (8, 4));
        assert_eq!(tile([1, 128, 128, 1 << 12], true, &cpu), (32, 4));
        assert_eq!(tile([2, 128, 128, 1 << 12], true, &cpu), (32, 8));
        assert_eq!(tile([1, 1024, 32, 1 << 12], true, &cpu), (32, 4));
    }
}
