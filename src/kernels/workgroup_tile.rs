//! Workgroup tiles of matrix products: blocks of the result whose operands a workgroup shares.

use super::{Limits, Variant, tile};
use minijinja::{Value, context};

/// A square block of the result, computed by a square of invocations from operands in workgroup memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkgroupTile {
    /// Rows and columns of the block.
    size: usize,
    /// Terms in workgroup memory at a time.
    terms: usize,
    /// Rows and columns of an invocation.
    micro: usize,
}

/// Largest first. 8x8 numbers an invocation are what a GPU's registers hold, and read workgroup memory least;
/// smaller blocks have smaller ones, so that few workgroups are still many invocations.
const TILES: [WorkgroupTile; 3] = [
    WorkgroupTile { size: 128, terms: 8, micro: 8 },
    WorkgroupTile { size: 64, terms: 16, micro: 4 },
    WorkgroupTile { size: 32, terms: 16, micro: 4 },
];

/// Rows or columns below which a product is thin: most of a block would lie outside.
const THIN: usize = 32;
/// Workgroups that fill a GPU: two for each of 64 cores.
const ENOUGH_GROUPS: usize = 128;

impl WorkgroupTile {
    /// The tile for `batch` products of `m` rows and `n` columns; `None` where register tiles do better. A CPU
    /// adapter's do: it has no workgroup memory of its own.
    pub(super) fn choose(batch: usize, m: usize, n: usize, limits: &Limits) -> Option<Self> {
        let fit = || TILES.into_iter().filter(|tile| tile.fits(limits));
        let forced = |size| fit().find(|tile| tile.size == size);
        match limits.variant {
            Some(Variant::Register { .. }) => return None,
            Some(Variant::Workgroup { size }) if forced(size).is_some() => return forced(size),
            _ => {}
        }
        if limits.software || tile::shuffles(limits) || m < THIN || n < THIN {
            return None;
        }
        let smallest = fit().next_back()?;
        // A large tile may compute a quarter more numbers than the smallest does, outside the matrix.
        let lean = |tile: &Self| tile.padded(m, n) <= smallest.padded(m, n) / 4 * 5;
        let enough = |tile: &Self| batch * tile.count(m) * tile.count(n) >= ENOUGH_GROUPS;
        fit().find(|tile| lean(tile) && enough(tile)).or(Some(smallest))
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
    fn lanes(&self) -> usize {
        self.size / self.micro
    }

    /// Whether the device has the memory, with a vec4 of padding a term, and the invocations.
    fn fits(&self, limits: &Limits) -> bool {
        let bytes = 2 * self.terms * (self.size / 4 + 1) * 16;
        let invocations = self.lanes() * self.lanes();
        bytes <= limits.max_workgroup_bytes as usize
            && invocations <= limits.max_workgroup_invocations as usize
    }

    /// The tile as the shader names it.
    pub(super) fn values(&self) -> Value {
        let Self { size, terms, micro } = self;
        context! { size, turn => terms, micro, lanes => self.lanes() }
    }

    /// The choice in words.
    pub(super) fn why(&self) -> String {
        let (Self { size, terms, micro }, lanes) = (self, self.lanes());
        format!(
            "workgroup tile {size}x{size}, {terms} terms a turn, workgroup {lanes}x{lanes} of {micro}x{micro}"
        )
    }
}

/// Every workgroup tile that an adapter with these limits can run.
pub(super) fn variants(limits: &Limits) -> impl Iterator<Item = Variant> {
    let fit = TILES.into_iter().filter(|tile| tile.fits(limits));
    fit.map(|tile| Variant::Workgroup { size: tile.size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(batch: usize, m: usize, n: usize, limits: &Limits) -> Option<usize> {
        WorkgroupTile::choose(batch, m, n, limits).map(|tile| tile.size)
    }

    #[test]
    fn the_shape_decides_on_a_gpu() {
        let gpu = Limits { subgroup_size: Some(32), ..Limits::default() };
        for (batch, m, n, size) in [
            // Thin.
            (1, 31, 4096, None),
            (1, 4096, 10, None),
            (64, 1, 1, None),
            // Too few workgroups for larger tiles.
            (1, 32, 32, Some(32)),
            (1, 512, 512, Some(32)),
            (1, 1024, 512, Some(64)),
            (1, 1408, 1408, Some(64)),
            (1, 1536, 1408, Some(128)),
            (1, 4096, 4096, Some(128)),
            // A batch is as good as rows.
            (32, 256, 256, Some(128)),
            (31, 256, 256, Some(64)),
            // Blocks that would mostly lie outside.
            (256, 129, 256, Some(64)),
            (256, 65, 256, Some(32)),
            (1, 40, 65536, Some(64)),
            (1, 33, 65536, Some(64)),
            (1, 32, 65536, Some(32)),
        ] {
            assert_eq!(chosen(batch, m, n, &gpu), size, "{batch} products of {m}x{n}");
        }
        assert_eq!(chosen(1, 4096, 4096, &Limits::default()), Some(128), "no subgroups");
    }

    #[test]
    fn cpu_adapters_have_register_tiles() {
        let cpu = Limits { subgroup_size: Some(8), ..Limits::default() };
        assert_eq!(chosen(1, 4096, 4096, &cpu), None);
        let software = Limits { software: true, ..Limits::default() };
        assert_eq!(chosen(1, 4096, 4096, &software), None, "no subgroups of 8");
        let forced = Limits { variant: Some(Variant::Workgroup { size: 64 }), ..cpu };
        assert_eq!(chosen(1, 5, 7, &forced), Some(64));
    }

    #[test]
    fn a_tile_must_fit_the_device() {
        let sizes = |limits: &Limits| variants(limits).map(|v| v.to_string()).collect::<Vec<_>>();
        let all = ["128x128-workgroup", "64x64-workgroup", "32x32-workgroup"];
        assert_eq!(sizes(&Limits::default()), all);
        let few = Limits { max_workgroup_invocations: 128, ..Limits::default() };
        assert_eq!(sizes(&few), all[2..]);
        assert_eq!(chosen(1, 4096, 4096, &few), Some(32));
        let little = Limits { max_workgroup_bytes: 4096, ..Limits::default() };
        assert_eq!(sizes(&little), [""; 0]);
        assert_eq!(chosen(1, 4096, 4096, &little), None);
        let forced = Limits { variant: Some(Variant::Workgroup { size: 128 }), ..few };
        assert_eq!(chosen(1, 4096, 4096, &forced), Some(32), "the planner's choice");
        let register = Variant::Register { rows: 8, columns: 4, shuffle: false };
        assert_eq!(chosen(1, 4096, 4096, &Limits { variant: Some(register), ..Limits::default() }), None);
    }
}
