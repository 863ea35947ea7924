//! Matrix products: `shaders/matmul.wgsl`, and `shaders/matmul_workgroup.wgsl` where workgroups share loads.

use super::partials::{self, Layout};
use super::tile::{self, Extent, Tile};
use super::workgroup_tile::WorkgroupTile;
use super::{Binding, Chain, Launch, Limits, Lowering, Operand, launch, turns};
use crate::error::Mismatch;
use crate::ops::{MatMul, MatMulGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};
use std::ops::Range;

/// Where matrix `z` of the batch begins in each operand, a dimension of the batch at a time.
fn batch(geometry: &MatMulGeometry, a: &Shape, b: &Shape) -> Vec<Value> {
    let lead = |shape: &Shape| Shape::from(&shape[..shape.len() - 2]);
    let strides = |shape: &Shape, matrix: usize| -> Vec<usize> {
        lead(shape).broadcast_strides(&geometry.batch).into_iter().map(|s| s * matrix).collect()
    };
    let (of_a, of_b) = (strides(a, geometry.m * geometry.k), strides(b, geometry.k * geometry.n));
    let divisors = geometry.batch.strides();
    let dims = geometry.batch.iter().zip(divisors).zip(of_a.into_iter().zip(of_b));
    dims.map(|((size, div), (a, b))| context! { size, div, a, b }).collect()
}

/// How one product is computed.
struct Method {
    shader: &'static str,
    tiles_m: usize,
    tiles_n: usize,
    /// Whether four numbers of an operand that lie side by side are loaded at once.
    a_vec4: bool,
    b_vec4: bool,
    /// Whether eight columns are, and whether eight sums are stored at once.
    b_eight: bool,
    out_eight: bool,
    /// Turns of an invocation for so many terms: one for all that are loaded at once, and one for each that is left.
    turns: usize,
    values: Value,
    why: String,
}

impl Method {
    fn choose(options: &MatMul, geometry: &MatMulGeometry, limits: &Limits) -> Self {
        let MatMulGeometry { ref batch, m, k, n } = *geometry;
        let (batch, eight) = (batch.elements(), options.trans_b || n % 8 == 0);
        let extent = Extent { batch, rows: m, columns: n, terms: k, cut: false, eight };
        match WorkgroupTile::choose(extent, limits) {
            Some(tile) => Self::shared(options, geometry, &tile, limits),
            None => Self::alone(options, geometry, &Tile::choose(extent, limits)),
        }
    }

    /// A workgroup copies fours of rows, of columns or of terms: whichever lie side by side.
    fn shared(options: &MatMul, geometry: &MatMulGeometry, tile: &WorkgroupTile, limits: &Limits) -> Self {
        let MatMulGeometry { m, k, n, .. } = *geometry;
        Self {
            shader: "matmul_workgroup",
            tiles_m: tile.count(m),
            tiles_n: tile.count(n),
            a_vec4: if options.trans_a { m % 4 == 0 } else { k % 4 == 0 },
            b_vec4: if options.trans_b { k % 4 == 0 } else { n % 4 == 0 },
            b_eight: false,
            out_eight: false,
            turns: tile.turns(k, limits),
            values: tile.values(limits),
            why: tile.why(),
        }
    }

    /// Every invocation loads its own rows and columns, four terms a turn.
    fn alone(options: &MatMul, geometry: &MatMulGeometry, tile: &Tile) -> Self {
        let MatMulGeometry { m, k, n, .. } = *geometry;
        Self {
            shader: "matmul",
            tiles_m: tile.tiles_m(m),
            tiles_n: tile.tiles_n(n),
            // Of a transposed matrix, four rows of a term are side by side.
            a_vec4: k % 4 == 0 && (!options.trans_a || tile.shuffle && m % 4 == 0),
            b_vec4: if options.trans_b { k % 4 == 0 } else { n % 4 == 0 },
            b_eight: tile.eight() && !options.trans_b && n % 8 == 0,
            out_eight: tile.eight() && n % 8 == 0,
            turns: alone_turns(k),
            values: tile.values(),
            why: tile.why(),
        }
    }
}

/// Turns of an invocation with register tiles: four terms each, and those that are left one by one.
fn alone_turns(terms: usize) -> usize {
    let left = terms % 4;
    turns::of_loop(terms / 4, 0) + if left > 0 { turns::of_loop(left, 0) } else { 0 }
}

pub(super) fn forward(
    options: &MatMul,
    fused: &Chain,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let geometry = MatMulGeometry::new(options, &inputs[0].shape, &inputs[1].shape)?;
    if alone_turns(geometry.k) > turns::most(limits) {
        let method = Method::choose(options, &geometry, limits);
        if method.shader == "matmul" {
            return in_parts(options, fused, inputs, &geometry, limits);
        }
    }
    if let ([a, b], true) = (inputs, fused.0.is_empty())
        && let Some(count) = runs(options, &geometry, limits)
    {
        return in_runs(options, &a.shape, &b.shape, count, limits);
    }
    let mut bindings: Vec<_> = (0..inputs.len()).map(|i| Binding::read(Operand::Input(i))).collect();
    bindings.push(Binding::write(Operand::Output(0)));
    bindings.extend(fused.bindings(|b| b));
    let shapes = [&inputs[0].shape, &inputs[1].shape];
    product(options, fused, shapes, inputs.len() == 3, bindings, limits).map(Lowering::single)
}

/// Sums that are too long for one invocation: a launch for each part of the terms, of which the first adds the bias, then
/// the sum of the parts in order.
fn in_parts(
    options: &MatMul,
    fused: &Chain,
    inputs: &[&TensorType],
    geometry: &MatMulGeometry,
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let MatMulGeometry { ref batch, m, n, k } = *geometry;
    // Fours of terms, so that all parts but the last are whole ones; up to three terms are left for it.
    let step = turns::most(limits).saturating_sub(5).max(1) * 4;
    let (count, elements) = (k.div_ceil(step), batch.elements() * m * n);
    let parts = Operand::Workspace(0);
    let mut lowering = Lowering { workspaces: vec![(count * elements * 4) as u64], ..Lowering::default() };
    for part in 0..count {
        let bias = part == 0 && inputs.len() == 3;
        let mut bindings: Vec<_> =
            (0..if bias { 3 } else { 2 }).map(|i| Binding::read(Operand::Input(i))).collect();
        bindings.push(Binding::write(parts));
        let terms = part * step..k.min((part + 1) * step);
        let shapes = [&inputs[0].shape, &inputs[1].shape];
        let of = Part { terms, first_output: part * elements };
        let mut launch =
            part_of_product(options, &Chain::default(), shapes, bias, bindings, Some(of), limits)?;
        launch.why = format!("part {} of {count} of the terms, {}", part + 1, launch.why);
        lowering.launches.push(launch);
    }
    lowering.launches.extend(partials::fused(parts, count, elements, fused, limits)?);
    Ok(lowering)
}

/// Some of the terms of a product.
struct Part {
    terms: Range<usize>,
    /// Where the sums begin in what is written.
    first_output: usize,
}

/// Terms of a run: what all tiles read of it should stay in a core's cache.
const RUN: usize = 512;
/// Bytes of both operands above which there are runs. On lavapipe a product alone, its operands in the cache from the time
/// before, takes 0.57 to 0.61 of the time for 13 to 16 MB and 1.06 to 1.35 for 4 to 8 MB; in a training step, where they
/// come from memory, 5 MB are faster too (the step 0.96).
const CACHE: usize = 4 << 20;
/// The most memory partial sums may take.
const MOST_PARTIALS: u64 = 32 << 20;

/// In how many runs of equal length the terms of a product are added, where both operands lie term by term and sums
/// are long; `None` for one. The sums of each run are added in order.
fn runs(options: &MatMul, geometry: &MatMulGeometry, limits: &Limits) -> Option<usize> {
    let MatMulGeometry { ref batch, m, k, n } = *geometry;
    let measured = limits.software && tile::shuffles(limits) && limits.variant.is_none();
    let by_terms = options.trans_a && !options.trans_b && batch.is_empty();
    if !measured || !by_terms || k * (m + n) * 4 < CACHE {
        return None;
    }
    let longest = (RUN / 4..=RUN).rev().find(|&run| k.is_multiple_of(run))?;
    let count = k / longest;
    (count > 1 && (count * m * n * 4) as u64 <= MOST_PARTIALS.min(limits.max_binding_bytes)).then_some(count)
}

/// A product for each run of terms, and their sum.
fn in_runs(
    options: &MatMul,
    a: &Shape,
    b: &Shape,
    count: usize,
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let of = |shape: &Shape| Shape::from([count, shape[0] / count, shape[1]]);
    let elements = a[1] * b[1];
    let bindings = vec![
        Binding::read(Operand::Input(0)),
        Binding::read(Operand::Input(1)),
        Binding::write(Operand::Workspace(0)),
    ];
    let mut launch = product(options, &Chain::default(), [&of(a), &of(b)], false, bindings, limits)?;
    launch.why = format!("{count} partial sums, {}", launch.why);
    let mut launches = vec![launch];
    launches.extend(partials::sum(Operand::Workspace(0), count, elements, Layout::Same, limits)?);
    let workspaces = vec![(count * elements * 4) as u64];
    Ok(Lowering { launches, workspaces, ..Lowering::default() })
}

/// The share of the time below which a product is computed turned round: of few columns, most of a tile lies outside.
const TURNED: f64 = 0.6;

/// Whether a product is computed as the turned one of the turned operands. On CPU adapters, where tiles tell the time; a
/// workgroup's blocks are square.
fn better_turned(geometry: &MatMulGeometry, limits: &Limits) -> bool {
    let MatMulGeometry { ref batch, m, k, n } = *geometry;
    let extent =
        |rows, columns| Extent { batch: batch.elements(), rows, columns, terms: k, cut: false, eight: false };
    let measured = limits.software && tile::shuffles(limits) && limits.variant.is_none();
    measured && n < m && Tile::time(extent(n, m), limits) < TURNED * Tile::time(extent(m, n), limits)
}

/// One launch: the bindings are the operands, a bias if there is one, the result and what is fused.
pub(super) fn product(
    options: &MatMul,
    fused: &Chain,
    shapes: [&Shape; 2],
    bias: bool,
    bindings: Vec<Binding>,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    part_of_product(options, fused, shapes, bias, bindings, None, limits)
}

/// As [`product`], of some of the terms.
fn part_of_product(
    options: &MatMul,
    fused: &Chain,
    [mut a, mut b]: [&Shape; 2],
    bias: bool,
    mut bindings: Vec<Binding>,
    part: Option<Part>,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let (mut geometry, mut options) = (MatMulGeometry::new(options, a, b)?, *options);
    let turned = better_turned(&geometry, limits);
    if turned {
        bindings.swap(0, 1);
        (a, b) = (b, a);
        (options.trans_a, options.trans_b) = (!options.trans_b, !options.trans_a);
        (geometry.m, geometry.n) = (geometry.n, geometry.m);
    }
    let method = Method::choose(&options, &geometry, limits);
    let Method { shader, tiles_m, tiles_n, a_vec4, b_vec4, b_eight, out_eight, values, why, .. } = method;
    let MatMulGeometry { m, k, n, .. } = geometry;
    let (out_vec4, out_eight) = (n % 4 == 0 && !turned, out_eight && !turned);
    let turns = part.as_ref().map_or(method.turns, |part| alone_turns(part.terms.len()));
    let Part { terms, first_output } = part.unwrap_or(Part { terms: 0..k, first_output: 0 });
    let values = context! {
        first_output, first => terms.start, last => terms.end,
        m, n, k, tiles_m, tiles_n, bias, a_vec4, b_vec4, b_eight, out_eight, out_vec4, turned,
        wide => limits.wide_loads,
        trans_a => options.trans_a,
        trans_b => options.trans_b,
        batch => batch(&geometry, a, b),
        ..context! { ..values, ..fused.values(if bias { 4 } else { 3 }, out_vec4) }
    };
    let groups = geometry.batch.elements() * tiles_m * tiles_n;
    let how = if turned { ", turned round" } else { "" };
    launch(limits, shader, groups, turns, bindings, format!("{why}{how}{}", fused.why()), values)
}
