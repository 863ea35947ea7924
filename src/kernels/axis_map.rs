//! Linear maps along a dimension: copies `shaders/axis_gather.wgsl`, sums `shaders/axis_map.wgsl`.

use super::iterations::{self, Piece};
use super::ranges::{Lies, Part, parts};
use super::{Access, Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::error::Mismatch;
use crate::ops::{AxisMap, SparseRows};
use minijinja::{Value, context};
use std::sync::Arc;

/// Runs of evenly spaced positions up to which where an element comes from is computed instead of looked up.
const MOST_RUNS: usize = 4;
/// Pairs of entries of a row up to which sums are written out.
const MOST_PAIRS: usize = 4;
/// Invocations that a GPU has enough work with, so that each may have several rows.
const MANY: usize = 1 << 16;

impl Lower for AxisMap {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let input = site.inputs[0];
        let [outer, inputs, inner] = input.shape.axis(self.dim)?;
        let axis = Axis { outer, inputs, inner, matrix: &self.matrix, limits: site.limits };
        if self.matrix.is_gather() { axis.gather(self.fill_bits(input.dtype)) } else { axis.sums() }
    }
}

/// The work of a map: sizes before, at and after the dimension.
struct Axis<'a> {
    outer: usize,
    inputs: usize,
    inner: usize,
    matrix: &'a SparseRows,
    limits: &'a Limits,
}

impl Axis<'_> {
    fn outputs(&self) -> usize {
        self.matrix.outputs()
    }

    /// How input and output lie along the positions before the dimension; all of it is read for one of them.
    fn lies(&self) -> [Lies; 2] {
        let lies = |operand, item: usize| Lies::of(operand, vec![item], self.outer * item).item(item);
        let Self { inputs, inner, .. } = self;
        [lies(Operand::Input(0), inputs * inner), lies(Operand::Output(0), self.outputs() * inner)]
    }

    /// Launches for parts of the work, each by `launch` from its bindings, input first, and where it begins in them.
    fn parts(
        &self,
        launch: impl Fn(&Part, [Binding; 2], [usize; 2]) -> Result<Vec<Launch>, Mismatch>,
        tables: Vec<Arc<[u32]>>,
    ) -> Result<Lowering, Refusal> {
        let lies = self.lies();
        let mut launches = Vec::new();
        for part in parts(&[self.outer], &[1], &lies, self.limits)? {
            let (input, first_input) = part.bind(&lies[0], Access::Read, self.limits);
            let (output, first_output) = part.bind(&lies[1], Access::Write, self.limits);
            launches.extend(launch(&part, [input, output], [first_input, first_output])?);
        }
        Ok(Lowering { launches, tables, ..Lowering::default() })
    }

    fn gather(&self, fill: u32) -> Result<Lowering, Refusal> {
        let (outputs, inner) = (self.outputs(), self.inner);
        let (how, unit) = match inner {
            inner if inner.is_multiple_of(4) => ("row", 4),
            1 if outputs.is_multiple_of(4) => ("quad", 4),
            _ => ("word", 1),
        };
        let inner = if how == "row" { inner / 4 } else { inner };
        let gaps = self.matrix.has_empty_rows();
        let rule = runs(self.matrix);
        let tables = if rule.is_some() { vec![] } else { vec![self.positions(inner)] };
        let rule: Vec<Value> = rule.unwrap_or_default().iter().map(|run| run.value(inner)).collect();
        let looked_up = if rule.is_empty() { "looked up" } else { "by rule" };
        let fill = format!("{fill:08x}");
        let launch = |part: &Part, [input, output]: [Binding; 2], [first_input, first_output]: [usize; 2]| {
            let outer = part.positions();
            let units = outer * outputs * self.inner / unit;
            let mut bindings = vec![input, output];
            if rule.is_empty() {
                bindings.insert(1, Binding::read(Operand::Table(0)));
            }
            let values = context! {
                how, wide => self.limits.wide_loads, outer, inputs => self.inputs, outputs, inner, units, gaps, rule, fill, first_input, first_output
            };
            let why = format!("{how}s, {looked_up}{}", part.why());
            Ok(vec![launch(self.limits, "axis_gather", units.div_ceil(64), 0, bindings, why, values)?])
        };
        self.parts(launch, tables)
    }

    /// Of each output its input's position in a plane of `inner` a row.
    fn positions(&self, inner: usize) -> Arc<[u32]> {
        self.matrix.rows().map(|mut row| row.next().map_or(u32::MAX, |(at, _)| (at * inner) as u32)).collect()
    }

    fn sums(&self) -> Result<Lowering, Refusal> {
        let (outputs, longest) = (self.outputs(), self.matrix.longest());
        let vec4 = self.inner.is_multiple_of(4);
        let inner = if vec4 { self.inner / 4 } else { self.inner };
        let pairs = Some(longest.div_ceil(2).max(1)).filter(|&pairs| pairs <= MOST_PAIRS);
        let tables = match pairs {
            Some(pairs) => vec![self.padded(pairs, inner)],
            None => vec![self.starts(), self.packed(inner)],
        };
        let ragged = pairs.is_some_and(|pairs| self.matrix.rows().any(|row| row.len() != 2 * pairs));
        let pieces = match pairs {
            Some(_) => vec![iterations::whole(0)],
            None => iterations::runs(longest, self.limits),
        };
        let launch = |part: &Part, [input, output]: [Binding; 2], [first_input, first_output]: [usize; 2]| {
            let outer = part.positions();
            let rows = self.rows(outer, outputs * inner);
            let units = outer / rows * outputs * inner;
            let table = |i: usize| Binding::read(Operand::Table(i));
            let bindings: Vec<Binding> =
                [input].into_iter().chain((0..tables.len()).map(table)).chain([output]).collect();
            let piece = |piece: &Piece| {
                let values = context! {
                    vec4, wide => self.limits.wide_loads, outer, inputs => self.inputs, outputs, inner, units, rows,
                    pairs => pairs.unwrap_or(0), ragged, carried => !piece.first, cut => !(piece.first && piece.last),
                    first => piece.outer.start, last => piece.outer.end, first_input, first_output
                };
                let how = if pairs.is_some() { "written out" } else { "in a loop" };
                let why = format!("up to {longest} entries {how}, {rows} rows{}{}", part.why(), piece.why());
                let groups = units.div_ceil(64);
                launch(self.limits, "axis_map", groups, piece.iterations, bindings.clone(), why, values)
            };
            pieces.iter().map(piece).collect()
        };
        self.parts(launch, tables.clone())
    }

    /// Positions before the dimension that an invocation computes with the same weights.
    fn rows(&self, outer: usize, plane: usize) -> usize {
        let enough = |rows: usize| self.limits.software || outer / rows * plane >= MANY;
        [4, 2].into_iter().find(|&rows| outer.is_multiple_of(rows) && enough(rows)).unwrap_or(1)
    }

    /// As many pairs of entries for each row: positions in a plane of `inner` a row, and the bits of the weights.
    fn padded(&self, pairs: usize, inner: usize) -> Arc<[u32]> {
        let mut words = Vec::with_capacity(self.outputs() * 4 * pairs);
        for row in self.matrix.rows() {
            // What is behind the last entry of a row is read, too, but has no weight.
            let missing = 2 * pairs - row.len();
            let mut behind = 0;
            for (at, weight) in row {
                behind = (at * inner) as u32;
                words.extend([behind, (weight as f32).to_bits()]);
            }
            words.extend([behind, 0].repeat(missing));
        }
        words.into()
    }

    /// Where each row begins among the entries.
    fn starts(&self) -> Arc<[u32]> {
        let ends = self.matrix.rows().scan(0, |end, row| {
            *end += row.len() as u32;
            Some(*end)
        });
        [0].into_iter().chain(ends).collect()
    }

    /// The entries of all rows, one after the other.
    fn packed(&self, inner: usize) -> Arc<[u32]> {
        let words = |(at, weight): (usize, f64)| [(at * inner) as u32, (weight as f32).to_bits()];
        self.matrix.rows().flatten().flat_map(words).collect()
    }
}

/// Neighbouring outputs whose inputs lie `step` apart, or that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    /// The output behind the last.
    end: usize,
    /// Where output 0 would come from, and how far the next is; `None` for outputs without inputs.
    line: Option<(i64, i64)>,
}

impl Run {
    /// As the shader reads it: positions in a plane of `inner` a row, in the arithmetic of u32, which wraps.
    fn value(&self, inner: usize) -> Value {
        let word = |n: i64| (n.wrapping_mul(inner as i64)) as u32;
        let (first, step) = self.line.unwrap_or((0, 0));
        context! { end => self.end, gap => self.line.is_none(), first => word(first), step => word(step) }
    }
}

/// The runs of a map that copies, where they are few.
fn runs(matrix: &SparseRows) -> Option<Vec<Run>> {
    let position = |t: usize| matrix.row(t).next().map(|(at, _)| at as i64);
    let (mut runs, mut t) = (Vec::new(), 0);
    while t < matrix.outputs() {
        let start = t;
        let first = position(t);
        let step = match (first, position(t + 1)) {
            (Some(a), Some(b)) => b - a,
            _ => 0,
        };
        let next = |t: usize| first.map(|first| first + step * (t - start) as i64);
        while t < matrix.outputs() && position(t) == next(t) {
            t += 1;
        }
        runs.push(Run { end: t, line: first.map(|first| (first - step * start as i64, step)) });
        if runs.len() > MOST_RUNS {
            return None;
        }
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inputs: usize, positions: &[Option<usize>]) -> Option<Vec<Run>> {
        runs(&SparseRows::gather(inputs, positions.iter().copied()).unwrap())
    }

    fn run(end: usize, first: i64, step: i64) -> Run {
        Run { end, line: Some((first, step)) }
    }

    #[test]
    fn places_that_lie_evenly_apart_are_runs() {
        assert_eq!(of(4, &[3, 2, 1, 0].map(Some)), Some(vec![run(4, 3, -1)]));
        assert_eq!(of(9, &[1, 4, 7].map(Some)), Some(vec![run(3, 1, 3)]));
        // The last alone: any step leads there.
        assert_eq!(of(3, &[2, 0, 1].map(Some)), Some(vec![run(2, 2, -2), run(3, 1, 0)]));
        let gap = Run { end: 2, line: None };
        assert_eq!(of(2, &[None, None, Some(0), Some(1)]), Some(vec![gap, run(4, -2, 1)]));
        assert_eq!(of(5, &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4].map(Some)), None, "too many");
    }
}
