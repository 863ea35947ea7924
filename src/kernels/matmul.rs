//! Matrix products: `shaders/matmul.wgsl`, and `shaders/matmul_workgroup.wgsl` where workgroups share loads.

use super::matmul_method::{Method, Slice, batch, batch_strides, register_iterations};
use super::matmul_packed::Packed;
use super::partials::{self, Layout};
use super::ranges::{self, Lies, Part};
use super::tile::{self, Extent, Tile};
use super::{
    Access, Binding, Chain, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, iterations, launch,
};
use crate::error::Mismatch;
use crate::ops::{MatMul, MatMulGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::context;
use std::ops::Range;

impl Lower for MatMul {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, &site.fused.epilogue, site.own(), site.limits)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }
}

fn forward(
    options: &MatMul,
    fused: &Chain,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let shapes = [&inputs[0].shape, &inputs[1].shape];
    let geometry = MatMulGeometry::new(options, shapes[0], shapes[1])?;
    let work = Work { options, shapes, geometry, bias: inputs.len() == 3, limits };
    let MatMulGeometry { ref batch, m, n, k } = work.geometry;
    if let Some(cut) = work.cut(fused)? {
        return Ok(cut);
    }
    let method = Method::choose(options, &work.geometry, &Slice::all(&work.geometry), limits);
    if register_iterations(k) > iterations::most(limits) && method.shader == "matmul" {
        // Fours of terms, so that all parts but the last are whole ones; up to three terms are left for it.
        return work.in_parts(fused, iterations::most(limits).saturating_sub(5).max(1) * 4);
    }
    if let ([a, b], true) = (inputs, fused.0.is_empty())
        && let Some(count) = runs(options, &work.geometry, limits)
    {
        return in_runs(options, &a.shape, &b.shape, count, limits);
    }
    let output = (Operand::Output(0), 0, batch.elements() * m * n);
    let parts = work.parts(fused, 0..k, output, limits)?;
    let step = parts.iter().filter_map(|part| part.ranges.last()).map(Range::len).find(|&step| step < k);
    // Slices of the terms have their sums added at the end: they cannot go on with others.
    if let (0, Some(step)) = (method.k_tile, step) {
        return work.in_parts(fused, step);
    }
    Ok(Lowering { launches: work.launches(fused, 0..k, output)?, ..Lowering::default() })
}

/// A product whose operands may be larger than a binding. Its dimensions are those of the batch, rows, columns and terms.
struct Work<'a> {
    options: &'a MatMul,
    shapes: [&'a Shape; 2],
    geometry: MatMulGeometry,
    bias: bool,
    limits: &'a Limits,
}

impl Work<'_> {
    /// How the operands and what is written lie, the result from an element on in a tensor of so many: a, b, bias, output.
    fn tensors(&self, terms: &Range<usize>, output: (Operand, usize, usize)) -> [Lies; 4] {
        let MatMulGeometry { ref batch, m, n, k } = self.geometry;
        let MatMul { trans_a, trans_b } = *self.options;
        let lies = |operand, lead: Vec<usize>, of: [usize; 3], elements| {
            Lies::of(operand, [lead, of.to_vec()].concat(), elements)
        };
        let input = |i: usize, matrix, of: [usize; 3]| {
            let shape = self.shapes[i];
            let lead = batch_strides(&self.geometry, shape, matrix);
            lies(Operand::Input(i), lead, of, shape.elements()).first(terms.start * of[2])
        };
        let (operand, first, elements) = output;
        let lead = batch.strides().into_iter().map(|s| s * m * n).collect();
        [
            input(0, m * k, if trans_a { [1, 0, m] } else { [k, 0, 1] }),
            input(1, k * n, if trans_b { [0, k, 1] } else { [0, 1, n] }),
            lies(Operand::Input(2), vec![0; batch.len()], [0, 1, 0], n),
            lies(operand, lead, [n, 1, 0], elements).first(first),
        ]
    }

    /// Launches that cover the product of some terms, in order.
    fn parts(
        &self,
        fused: &Chain,
        terms: Range<usize>,
        output: (Operand, usize, usize),
        limits: &Limits,
    ) -> Result<Vec<Part>, Refusal> {
        let MatMulGeometry { ref batch, m, n, .. } = self.geometry;
        let [a, b, bias, written] = self.tensors(&terms, output);
        let others = fused.alike();
        let others = others.map(|i| Lies { operand: Operand::Input(i), ..written.clone() });
        let mut tensors: Vec<Lies> = others.collect();
        tensors.extend([a, b, written]);
        tensors.extend(self.bias.then_some(bias));
        let sizes = [&batch[..], &[m, n, terms.len()]].concat();
        // Fours of rows and of terms and eights of columns stay together where they are loaded or stored at once.
        let method = Method::choose(self.options, &self.geometry, &Slice::all(&self.geometry), limits);
        let grains = [&vec![1; batch.len()][..], &[4, 8, method.k_tile.max(4)]].concat();
        ranges::parts(&sizes, &grains, &tensors, limits)
    }

    fn launches(
        &self,
        fused: &Chain,
        terms: Range<usize>,
        output: (Operand, usize, usize),
    ) -> Result<Vec<Launch>, Refusal> {
        let parts = self.parts(fused, terms.clone(), output, self.limits)?;
        let tensors = self.tensors(&terms, output);
        let launches = parts.iter().map(|part| self.launch(fused, &tensors, terms.len(), part));
        Ok(launches.collect::<Result<_, Mismatch>>()?)
    }

    fn launch(
        &self,
        fused: &Chain,
        tensors: &[Lies; 4],
        terms: usize,
        part: &Part,
    ) -> Result<Launch, Mismatch> {
        let [a, b, bias, written] = tensors;
        let batch = self.geometry.batch.len();
        let (lead, of) = part.ranges.split_at(batch);
        let [m, n, k] = [0, 1, 2].map(|d| of[d].clone());
        // Bias and what is fused are applied to the sums of all terms.
        let (nothing, last) = (Chain::default(), k.end == terms);
        let (fused, biased) = if last { (fused, self.bias) } else { (&nothing, false) };
        let bind = |lies: &Lies, access| part.bind(lies, access, self.limits);
        let (bound_a, first_a) = bind(a, Access::Read);
        let (bound_b, first_b) = bind(b, Access::Read);
        let (bound_bias, first_bias) = bind(bias, Access::Read);
        let (output, first_output) = bind(written, Access::Write);
        let mut bindings = vec![bound_a, bound_b];
        bindings.extend(biased.then_some(bound_bias));
        bindings.push(output);
        bindings.extend(fused.bindings(|b| Binding { range: output.range, ..b }));
        let (m, n, carried, k) = (m.len(), n.len(), k.start > 0, k.len());
        let batch = lead.iter().map(|range| range.len()).collect();
        let cut = false;
        let slice = Slice { batch, m, n, k, first_a, first_b, first_bias, first_output, carried, cut };
        let launch =
            slice_of_product(self.options, fused, self.shapes, biased, bindings, slice, self.limits)?;
        Ok(Launch { why: format!("{}{}", launch.why, part.why()), ..launch })
    }

    /// Few numbers of many terms: runs of terms side by side in one launch, then their sums in order. `None` where that takes
    /// no less time, there is a bias, or what is read or written does not fit a binding.
    fn cut(&self, fused: &Chain) -> Result<Option<Lowering>, Refusal> {
        let packed = Packed::choose(self.options, &self.geometry, true, self.limits);
        let Some(Packed { parts, .. }) = packed.filter(|packed| packed.parts > 1) else { return Ok(None) };
        let elements = self.geometry.batch.elements() * self.geometry.m * self.geometry.n;
        let read = self.shapes.iter().map(|shape| shape.elements());
        let largest = read.max().unwrap_or(0).max(parts * elements);
        if self.bias || largest as u64 * 4 > self.limits.max_binding_bytes {
            return Ok(None);
        }
        let read = |i| Binding::read(Operand::Input(i));
        let bindings = vec![read(0), read(1), Binding::write(Operand::Workspace(0))];
        let slice = Slice { cut: true, ..Slice::all(&self.geometry) };
        let nothing = Chain::default();
        let launch =
            slice_of_product(self.options, &nothing, self.shapes, false, bindings, slice, self.limits)?;
        let mut lowering = Lowering::single(launch);
        lowering.workspaces.push((parts * elements * 4) as u64);
        lowering.launches.extend(partials::fused(
            Operand::Workspace(0),
            parts,
            elements,
            fused,
            self.limits,
        )?);
        Ok(Some(lowering))
    }

    /// A sum for each run of so many terms, of which the first adds the bias, then the sum of the runs in order.
    fn in_parts(&self, fused: &Chain, step: usize) -> Result<Lowering, Refusal> {
        let MatMulGeometry { ref batch, m, n, k } = self.geometry;
        let (count, elements) = (k.div_ceil(step), batch.elements() * m * n);
        let parts = Operand::Workspace(0);
        let mut lowering =
            Lowering { workspaces: vec![(count * elements * 4) as u64], ..Lowering::default() };
        for part in 0..count {
            let work = Work { bias: part == 0 && self.bias, geometry: self.geometry.clone(), ..*self };
            let terms = part * step..k.min((part + 1) * step);
            let output = (parts, part * elements, count * elements);
            for mut launch in work.launches(&Chain::default(), terms, output)? {
                launch.why = format!("slice {} of {count} of the terms, {}", part + 1, launch.why);
                lowering.launches.push(launch);
            }
        }
        lowering.launches.extend(partials::fused(parts, count, elements, fused, self.limits)?);
        Ok(lowering)
    }
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
    (count > 1 && (count * m * n * 4) as u64 <= MOST_PARTIALS).then_some(count)
}

/// A product for each run of terms, and their sum.
fn in_runs(
    options: &MatMul,
    a: &Shape,
    b: &Shape,
    count: usize,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let of = |shape: &Shape| Shape::from([count, shape[0] / count, shape[1]]);
    let (elements, [a, b]) = (a[1] * b[1], [of(a), of(b)]);
    let geometry = MatMulGeometry::new(options, &a, &b)?;
    let terms = 0..geometry.k;
    let work = Work { options, shapes: [&a, &b], geometry, bias: false, limits };
    let sums = (Operand::Workspace(0), 0, count * elements);
    let mut launches = work.launches(&Chain::default(), terms, sums)?;
    launches.iter_mut().for_each(|launch| launch.why = format!("{count} partial sums, {}", launch.why));
    launches.extend(partials::sum(Operand::Workspace(0), count, elements, Layout::Same, limits)?);
    let workspaces = vec![(count * elements * 4) as u64];
    Ok(Lowering { launches, workspaces, ..Lowering::default() })
}

/// The fraction of the time below which a product is computed transposed: of few columns, most of a tile lies outside.
const TRANSPOSED: f64 = 0.6;

/// Whether a product is computed as the transposed product of the transposed operands. On CPU adapters, where tiles tell the
/// time; a workgroup's blocks are square.
fn better_transposed(geometry: &MatMulGeometry, limits: &Limits) -> bool {
    let MatMulGeometry { ref batch, m, k, n } = *geometry;
    let extent =
        |rows, columns| Extent { batch: batch.elements(), rows, columns, terms: k, cut: false, eight: false };
    let measured = limits.software && tile::shuffles(limits) && limits.variant.is_none();
    measured && n < m && Tile::time(extent(n, m), limits) < TRANSPOSED * Tile::time(extent(m, n), limits)
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
    let slice = Slice::all(&MatMulGeometry::new(options, shapes[0], shapes[1])?);
    slice_of_product(options, fused, shapes, bias, bindings, slice, limits)
}

/// As [`product`], of a slice of it.
fn slice_of_product(
    options: &MatMul,
    fused: &Chain,
    [mut a, mut b]: [&Shape; 2],
    bias: bool,
    mut bindings: Vec<Binding>,
    mut slice: Slice,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let (mut geometry, mut options) = (MatMulGeometry::new(options, a, b)?, *options);
    let packed = Packed::choose(&options, &geometry, slice.cut, limits).is_some();
    let transposed = !packed && better_transposed(&geometry, limits);
    // Elements from one line of a matrix to the next.
    let row = geometry.n;
    if transposed {
        bindings.swap(0, 1);
        (a, b) = (b, a);
        (options.trans_a, options.trans_b) = (!options.trans_b, !options.trans_a);
        (geometry.m, geometry.n) = (geometry.n, geometry.m);
        (slice.m, slice.n) = (slice.n, slice.m);
        (slice.first_a, slice.first_b) = (slice.first_b, slice.first_a);
    }
    let row_a = if options.trans_a { geometry.m } else { geometry.k };
    let row_b = if options.trans_b { geometry.k } else { geometry.n };
    let method = Method::choose(&options, &geometry, &slice, limits);
    let Method {
        shader,
        tiles_m,
        tiles_n,
        a_vec4,
        b_vec4,
        b_eight,
        out_eight,
        iterations,
        packed,
        values,
        why,
        ..
    } = method;
    let (out_vec4, carried) = (geometry.n % 4 == 0 && !transposed, slice.carried);
    let out_eight = out_eight && !transposed && !carried;
    let mut batch = batch(&geometry, a, b, &slice);
    let products = slice.batch.iter().product::<usize>();
    let parts = packed.map_or(1, |packed| packed.parts);
    if parts > 1 {
        let output = products * geometry.m * geometry.n;
        batch.insert(0, context! { size => parts, div => products, a => 0, b => 0, output });
    }
    let tiles = parts * products * tiles_m * tiles_n;
    let groups = if packed.is_some() { Packed::groups(tiles) } else { tiles };
    let Slice { m, n, k, first_a, first_b, first_bias, first_output, .. } = slice;
    let values = context! {
        first_a, first_b, first_bias, first_output, carried, row, row_a, row_b,
        parts, products, tiles,
        packed => packed.is_some(),
        m, n, k, tiles_m, tiles_n, bias, a_vec4, b_vec4, b_eight, out_eight, out_vec4, transposed, batch,
        wide => limits.wide_loads,
        trans_a => options.trans_a,
        trans_b => options.trans_b,
        ..context! { ..values, ..fused.values(if bias { 4 } else { 3 }, out_vec4, &bindings) }
    };
    let how = if transposed { ", transposed" } else { "" };
    launch(limits, shader, groups, iterations, bindings, format!("{why}{how}{}", fused.why()), values)
}
