//! Workgroup tiles of matrix products: blocks of the result whose operands a workgroup shares.

use super::tile::{self, Extent};
use super::{Limits, Variant, iterations};
use minijinja::{Value, context};
use std::ops::RangeInclusive;

/// A square block of the result, computed by a rectangle of invocations from operands in workgroup memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkgroupTile {
    /// Rows and columns of the block.
    size: usize,
    /// Terms in workgroup memory at a time.
    terms: usize,
    /// Rows and columns of an invocation.
    micro: [usize; 2],
    /// Slices of the workgroup, each of which adds its part of the terms.
    slices: usize,
    /// The least workgroups for which it is chosen.
    enough: usize,
}

/// The first that fits the shape is taken, as measured on an H200. 8x8 numbers an invocation are what a GPU's registers
/// hold, and read workgroup memory least; where there are too few blocks of them to fill the device, smaller blocks in
/// more slices are still many invocations. 4x8 numbers where 4x4 would do take 0.90 to 0.97 of the time in products and
/// 0.93 to 1 in convolutions; see [`WorkgroupTile::square`].
const TILES: [WorkgroupTile; 8] = [
    WorkgroupTile { size: 128, terms: 16, micro: [8, 8], slices: 1, enough: 512 },
    WorkgroupTile { size: 64, terms: 16, micro: [4, 8], slices: 1, enough: 512 },
    WorkgroupTile { size: 64, terms: 16, micro: [8, 8], slices: 2, enough: 128 },
    WorkgroupTile { size: 32, terms: 16, micro: [4, 4], slices: 1, enough: 512 },
    WorkgroupTile { size: 32, terms: 16, micro: [4, 4], slices: 4, enough: 128 },
    WorkgroupTile { size: 16, terms: 16, micro: [4, 4], slices: 4, enough: 512 },
    WorkgroupTile { size: 16, terms: 16, micro: [4, 4], slices: 8, enough: 48 },
    WorkgroupTile { size: 16, terms: 8, micro: [4, 4], slices: 16, enough: 0 },
];

/// The largest block, of which fewer are enough: as many as an H200 computes at the same time (products of 2048, 256
/// blocks, take 0.84 of the time of 64x64; 392 blocks, one and a half times as many as there is room for, 1.08), or cut
/// sums (weight gradients of 1x1 layers, 392 blocks, 0.75 to 0.81).
const LARGE: usize = 128;
const WAVE: RangeInclusive<usize> = 225..=264;
const CUT: usize = 256;

/// Rows or columns below which most of a block lies outside, and terms below which that is not worth it.
const THIN: usize = 8;
const SHORT: usize = 64;

impl WorkgroupTile {
    /// The tile for some products; `None` where register tiles do better. A CPU adapter's do: it has no workgroup
    /// memory of its own.
    fn of_shape(extent: Extent, limits: &Limits) -> Option<Self> {
        let Extent { batch, rows, columns, terms, cut, .. } = extent;
        let fit = || TILES.into_iter().filter(|tile| tile.fits(limits));
        let forced = |variant| fit().find(|tile| tile.variant() == variant);
        match limits.variant {
            Some(Variant::Register { .. }) => return None,
            Some(variant) if forced(variant).is_some() => return forced(variant),
            _ => {}
        }
        let thin = rows.min(columns) < THIN && terms < SHORT;
        if limits.software || tile::shuffles(limits) || thin {
            return None;
        }
        let smallest = fit().next_back()?;
        // A large tile may compute a quarter more numbers than the smallest does, outside the matrix.
        let lean = |tile: &Self| tile.padded(rows, columns) <= smallest.padded(rows, columns) / 4 * 5;
        let enough = |tile: &Self| tile.fill_a_gpu(batch * tile.count(rows) * tile.count(columns), cut);
        // Every slice has terms.
        let long = |tile: &Self| tile.slices * tile.terms <= terms;
        let best = || fit().find(|tile| lean(tile) && long(tile) && enough(tile));
        let most_invocations = || fit().rfind(|tile| lean(tile) && long(tile));
        let fewest_slices = || fit().filter(lean).min_by_key(|tile| tile.slices);
        best().or_else(most_invocations).or_else(fewest_slices)
    }

    /// As [`WorkgroupTile::choose`], where the terms are not more than a workgroup can add.
    pub(super) fn choose(extent: Extent, limits: &Limits) -> Option<Self> {
        Self::of_shape(extent, limits)
            .filter(|tile| tile.iterations(extent.terms, limits) <= limits.max_iterations as usize)
    }

    /// Terms that one iteration copies, of all slices.
    fn k_tile(&self) -> usize {
        self.terms * self.slices
    }

    /// As [`WorkgroupTile::k_tile`], where terms are added in order; 0 where slices of them are added at the end.
    pub(super) fn k_tile_in_order(&self) -> usize {
        if self.slices > 1 { 0 } else { self.terms }
    }

    /// Iterations of the loops for one such tile of terms.
    fn iterations_a_k_tile(&self, limits: &Limits) -> usize {
        let unroll = self.unroll(limits);
        if unroll < self.terms { 1 + iterations::of_loop(self.terms / unroll, 0) } else { 1 }
    }

    /// Iterations of an invocation's loops.
    pub(super) fn iterations(&self, terms: usize, limits: &Limits) -> usize {
        let Self { size, micro: [rows_each, columns_each], slices, .. } = *self;
        let invocations = self.lanes().iter().product::<usize>();
        // Rows of an invocation whose sums fit the memory of a slice are added up at once.
        let rows_at_once = 2 * self.terms * (size / 4 + 1) / (invocations * columns_each / 4);
        let joined = if slices > 1 {
            rows_each.div_ceil(rows_at_once) * iterations::of_loop(slices - 1, 0)
        } else {
            0
        };
        1 + terms.div_ceil(self.k_tile()) * self.iterations_a_k_tile(limits) + joined
    }

    /// The most terms, a multiple of 4, that so many iterations are enough for.
    pub(super) fn most_terms(&self, iterations: usize, limits: &Limits) -> usize {
        let spent = self.iterations(0, limits);
        (iterations.saturating_sub(spent) / self.iterations_a_k_tile(limits)).max(1) * self.k_tile()
    }

    /// Terms that are written out. A CPU adapter, which only tests give this tile to, takes seconds to compile long code.
    fn unroll(&self, limits: &Limits) -> usize {
        if limits.software { 2 } else { self.terms }
    }

    /// With as many columns as rows an invocation, where the device has the invocations: for input gradients (with 4x8
    /// numbers an H200 takes 1.05 to 1.15 times as long for those of 1x1 layers).
    pub(super) fn square(self, limits: &Limits) -> Self {
        let square = Self { micro: [self.micro[0]; 2], ..self };
        if square.fits(limits) { square } else { self }
    }

    fn variant(&self) -> Variant {
        Variant::Workgroup { size: self.size, slices: self.slices }
    }

    /// Whether that many blocks are enough, of sums that are cut as is best for them or not.
    fn fill_a_gpu(&self, blocks: usize, cut: bool) -> bool {
        let large = self.size == LARGE && (cut && blocks >= CUT || WAVE.contains(&blocks));
        large || blocks >= self.enough
    }

    /// Tiles along rows or columns.
    pub(super) fn count(&self, lines: usize) -> usize {
        lines.div_ceil(self.size)
    }

    /// Numbers of all tiles.
    fn padded(&self, m: usize, n: usize) -> usize {
        self.count(m) * self.count(n) * self.size * self.size
    }

    /// Invocations along rows and columns.
    fn lanes(&self) -> [usize; 2] {
        self.micro.map(|lines| self.size / lines)
    }

    /// Whether the device has the memory, with a vec4 of padding a term, and the invocations.
    fn fits(&self, limits: &Limits) -> bool {
        let bytes = 2 * self.slices * self.terms * (self.size / 4 + 1) * 16;
        let invocations = self.lanes().iter().product::<usize>() * self.slices;
        bytes <= limits.max_workgroup_bytes as usize
            && invocations <= limits.max_workgroup_invocations as usize
    }

    /// The tile as the shader names it.
    pub(super) fn values(&self, limits: &Limits) -> Value {
        let Self { size, terms, micro: [rows_each, columns_each], slices, .. } = self;
        let [down_lanes, across_lanes] = self.lanes();
        let unroll = self.unroll(limits);
        context! { size, k_tile => terms, rows_each, columns_each, slices, unroll, down_lanes, across_lanes }
    }

    /// The choice in words.
    pub(super) fn why(&self) -> String {
        let Self { size, terms, micro: [rows, columns], slices, .. } = self;
        let [down, across] = self.lanes();
        let sliced = if *slices > 1 { format!(", {slices} slices of the terms") } else { String::new() };
        format!(
            "workgroup tile {size}x{size}, {terms} terms per iteration, workgroup {down}x{across} of {rows}x{columns}{sliced}"
        )
    }
}

/// Every workgroup tile that an adapter with these limits can run.
pub(super) fn variants(limits: &Limits) -> impl Iterator<Item = Variant> {
    let fit = TILES.into_iter().filter(|tile| tile.fits(limits));
    fit.map(|tile| tile.variant())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Size and slices.
    fn chosen(shape: [usize; 4], limits: &Limits) -> Option<(usize, usize)> {
        chosen_of(shape, false, limits)
    }

    fn chosen_of(
        [batch, rows, columns, terms]: [usize; 4],
        cut: bool,
        limits: &Limits,
    ) -> Option<(usize, usize)> {
        let extent = Extent { batch, rows, columns, terms, cut, eight: false };
        WorkgroupTile::choose(extent, limits).map(|tile| (tile.size, tile.slices))
    }

    /// What most GPUs have.
    fn gpu() -> Limits {
        Limits { subgroup_size: Some(32), max_workgroup_bytes: 32 << 10, ..Limits::default() }
    }

    #[test]
    fn the_shape_decides_on_a_gpu() {
        for (shape, tile) in [
            // Thin and short.
            ([96, 1, 784, 9], None),
            ([1, 4096, 7, 63], None),
            ([1, 4096, 7, 64], Some((16, 4))),
            ([1, 4096, 7, 128], Some((16, 8))),
            ([1, 4096, 8, 63], Some((16, 4))),
            // Large.
            ([1, 4096, 4096, 4096], Some((128, 1))),
            ([1, 2048, 4096, 16], Some((128, 1))),
            ([1, 2048, 2048, 1024], Some((128, 1))),
            ([1, 1664, 2048, 1024], Some((64, 1))),
            ([1, 2176, 2048, 1024], Some((64, 1))),
            // Too few blocks for larger tiles.
            ([1, 1024, 1024, 1024], Some((64, 2))),
            ([1, 1024, 512, 512], Some((64, 2))),
            ([2, 512, 512, 512], Some((64, 2))),
            ([1, 512, 512, 512], Some((32, 4))),
            ([1, 64, 128, 3136], Some((16, 16))),
            ([1, 16, 1024, 256], Some((16, 8))),
            // A batch is as good as rows.
            ([32, 256, 256, 256], Some((64, 1))),
            ([31, 256, 256, 256], Some((64, 2))),
            // Too few terms for the slices.
            ([1, 512, 384, 63], Some((32, 1))),
            ([1, 64, 128, 127], Some((16, 4))),
            // Blocks that would mostly lie outside.
            ([256, 129, 256, 256], Some((32, 1))),
            ([256, 33, 256, 256], Some((16, 4))),
            ([1, 16, 65536, 256], Some((16, 4))),
            ([1, 32, 65536, 256], Some((32, 1))),
        ] {
            assert_eq!(chosen(shape, &gpu()), tile, "{shape:?}");
        }
        let cut = |batch: usize| chosen_of([batch, 512, 128, 512], true, &gpu());
        assert_eq!((cut(98), cut(50)), (Some((128, 1)), Some((64, 1))), "sums that are cut");
        let without = Limits { subgroup_size: None, ..gpu() };
        assert_eq!(chosen([1, 4096, 4096, 4096], &without), Some((128, 1)), "no subgroups");
    }

    #[test]
    fn cpu_adapters_have_register_tiles() {
        let cpu = Limits { subgroup_size: Some(8), ..gpu() };
        assert_eq!(chosen([1, 4096, 4096, 4096], &cpu), None);
        let software = Limits { software: true, ..gpu() };
        assert_eq!(chosen([1, 4096, 4096, 4096], &software), None, "no subgroups of 8");
        let forced = Limits { variant: Some(Variant::Workgroup { size: 64, slices: 2 }), ..cpu };
        assert_eq!(chosen([1, 5, 7, 9], &forced), Some((64, 2)));
    }

    #[test]
    fn a_tile_must_fit_the_device() {
        let names = |limits: &Limits| variants(limits).map(|v| v.to_string()).collect::<Vec<_>>();
        let all = ["128x128", "64x64", "64x64x2", "32x32", "32x32x4", "16x16x4", "16x16x8", "16x16x16"];
        assert_eq!(names(&gpu()), all.map(|name| format!("{name}-workgroup")));
        let least = Limits { subgroup_size: Some(32), ..Limits::default() };
        assert_eq!(names(&least), ["64x64", "32x32", "16x16x4"].map(|name| format!("{name}-workgroup")));
        assert_eq!(chosen([1, 1024, 1024, 1024], &least), Some((32, 1)));
        let few = Limits { max_workgroup_invocations: 64, ..gpu() };
        assert_eq!(names(&few), ["32x32-workgroup", "16x16x4-workgroup"]);
        let little = Limits { max_workgroup_bytes: 4096, ..gpu() };
        assert_eq!(names(&little), [""; 0]);
        assert_eq!(chosen([1, 4096, 4096, 4096], &little), None);
        let forced = Limits { variant: Some(Variant::Workgroup { size: 128, slices: 1 }), ..few };
        assert_eq!(chosen([1, 4096, 4096, 4096], &forced), Some((32, 1)), "the planner's choice");
        let register = Variant::Register { rows: 8, columns: 4, shuffle: false };
        assert_eq!(chosen([1, 4096, 4096, 64], &Limits { variant: Some(register), ..gpu() }), None);
    }
}
