//! How sums over A and B of a tensor (A, M, B) are distributed: to lanes, and to runs whose results a second pass joins.

use super::ranges::{self, Lies, Part};
use super::{Access, Binding, Limits, Operand, Refusal, iterations, lanes, partials};
use minijinja::{Value, context};

/// The sizes (A, M, B) of a tensor that is summed over A and B, and how.
pub(super) struct Runs {
    a: usize,
    pub(super) m: usize,
    b: usize,
    /// Neighbouring columns of an invocation, where B is 1 and each invocation has columns of its own; else 0.
    pub(super) unit: usize,
    /// Whether all that is loaded at once is four numbers of one run.
    aligned: bool,
    /// Invocations that go through a run together, and the runs of a workgroup.
    pub(super) lanes: usize,
    items: usize,
    /// Of a run: rows along A, and numbers along B.
    rows: usize,
    piece: usize,
    /// Runs along A and along B.
    runs: [usize; 2],
}

/// Numbers that one workgroup sums at most, where there are not sums enough for all cores.
const LONGEST: usize = 8192;
/// Sums that are enough, on a CPU adapter and on a GPU.
const MANY: [usize; 2] = [16, 64];
/// Fours in a sum that are an invocation's own on a CPU adapter, where there are so many sums.
const SHORT: usize = 16;
const MANY_SHORT: usize = 32;
/// Rows of a run of columns at least, and runs at most where they may be longer.
const ROWS: usize = 64;
const RUNS: usize = 256;
/// Iterations of an invocation beside those of fours by four: the last few fours, and the ends of both loops.
const REST: usize = 6;

impl Runs {
    /// `columns`: whether each invocation has columns of its own, for a B of 1.
    pub(super) fn new([a, m, b]: [usize; 3], columns: bool, limits: &Limits) -> Self {
        let most = iterations::most(limits).saturating_sub(REST).max(1);
        // Numbers that a run may reach over, where the tensor does not fit a binding.
        let alignment = limits.offset_alignment.max(16);
        let fits = (a * m * b) as u64 * 4 <= limits.max_binding_bytes;
        let room = (limits.max_binding_bytes.saturating_sub(alignment) / 16 * 4) as usize;
        let reach = |piece: usize| if fits { a } else { room.saturating_sub(piece) / (m * b) + 1 };
        let unit = if m.is_multiple_of(4) { 4 } else { 1 };
        let aligned = columns || b.is_multiple_of(4);
        let whole = Self { a, m, b, unit: 0, aligned, lanes: 1, items: 1, rows: a, piece: b, runs: [1, 1] };
        if columns {
            let rows = ROWS.max(a.div_ceil(RUNS)).min(most).min(reach(unit)).min(a);
            let lanes = (m / unit).next_power_of_two().clamp(8, 64);
            return Self { unit, lanes, rows, runs: [a.div_ceil(rows), 1], ..whole };
        }
        let windows = |numbers: usize| if aligned { numbers / 4 } else { (numbers + 6) / 4 };
        let terms = a * windows(b);
        let short = limits.software && terms <= SHORT && m >= MANY_SHORT;
        let usual = lanes(terms, limits);
        let long = !limits.software && terms >= 16 * usual;
        let lanes = match (short, long) {
            (true, _) => 1,
            (_, true) => (limits.max_workgroup_invocations as usize).clamp(usual, 256),
            _ => usual,
        };
        let lanes = 1usize << lanes.ilog2();
        let items = match (short, limits.software) {
            (true, _) => 8,
            (false, true) => 1,
            (false, false) => (64 / lanes).max(1),
        };
        let enough = m >= MANY[usize::from(!limits.software)];
        let budget = lanes.saturating_mul(4 * most).min(if enough { usize::MAX } else { LONGEST / 4 });
        let fours = windows(b);
        let (rows, piece) = if fours > budget || !fits && b > room {
            let pieces = fours.div_ceil(budget).max(if fits { 1 } else { b.div_ceil(room.max(4)) });
            (1, b.div_ceil(pieces).next_multiple_of(4))
        } else {
            let runs = a.div_ceil((budget / fours).clamp(1, reach(b)));
            (a.div_ceil(runs), b)
        };
        Self { lanes, items, rows, piece, runs: [a.div_ceil(rows), b.div_ceil(piece)], ..whole }
    }

    /// A, and B.
    pub(super) fn a(&self) -> usize {
        self.a
    }

    pub(super) fn b(&self) -> usize {
        self.b
    }

    /// Of a run: rows along A, and numbers along B.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn piece(&self) -> usize {
        self.piece
    }

    /// Whether all that is loaded at once is four numbers of one run.
    pub(super) fn aligned(&self) -> bool {
        self.aligned
    }

    /// Runs of each sum.
    pub(super) fn parts(&self) -> usize {
        self.runs[0] * self.runs[1]
    }

    /// How the tensor lies along runs and sums.
    pub(super) fn input(&self, operand: Operand) -> Lies {
        let (m, b) = (self.m, self.b);
        let item = if self.unit > 0 { (self.rows - 1) * m + 1 } else { (self.rows - 1) * m * b + self.piece };
        let strides = vec![self.rows * m * b, self.piece, b];
        Lies::of(operand, strides, self.a * m * b).item(item)
    }

    /// How a tensor of a number a sum lies along them.
    pub(super) fn result(&self, operand: Operand) -> Lies {
        Lies::of(operand, vec![0, 0, 1], self.m)
    }

    /// How a scratch of so many numbers a part lies.
    pub(super) fn scratch(&self, operand: Operand, numbers: usize) -> Lies {
        let strides = vec![self.runs[1] * self.m * numbers, self.m * numbers, numbers];
        Lies::of(operand, strides, self.parts() * self.m * numbers).item(numbers)
    }

    /// Parts of the work that can be bound.
    pub(super) fn cut(&self, tensors: &[Lies], limits: &Limits) -> Result<Vec<Part>, Refusal> {
        ranges::parts(&[self.runs[0], self.runs[1], self.m], &[1, 1, self.unit.max(1)], tensors, limits)
    }

    /// What the shaders call it, of a part. `first_input` is where it begins in what is bound.
    pub(super) fn values(&self, part: &Part, first_input: usize) -> Value {
        let sizes = part.sizes();
        let kept = sizes[2];
        context! {
            a => self.a, m => self.m, b => self.b,
            unit => self.unit, aligned => self.aligned, lanes => self.lanes, items => self.items,
            rows => self.rows, piece => self.piece, pieces => self.runs[1],
            kept, runs => sizes[0] * sizes[1], pieces_here => sizes[1], parts => self.parts(),
            first_run => part.ranges[0].start, first_piece => part.ranges[1].start, first_m => part.ranges[2].start,
            first_input,
            tree => tree(self.lanes),
            tiles => kept.div_ceil(self.unit.max(1)).div_ceil(self.lanes),
        }
    }

    /// Where in a scratch a part of a sum is written, in WGSL, where it begins at element `first`.
    pub(super) fn to_part(&self, first: usize) -> String {
        let run =
            if self.runs[1] > 1 { format!("(of_a * {}u + piece)", self.runs[1]) } else { "of_a".to_owned() };
        format!("{run} * {}u + m + {first}u", self.m)
    }

    /// Workgroups of a part.
    pub(super) fn groups(&self, part: &Part) -> usize {
        let sizes = part.sizes();
        let runs = sizes[0] * sizes[1];
        match sizes[2].checked_div(self.unit) {
            Some(units) => runs * units.div_ceil(self.lanes),
            None => (runs * sizes[2]).div_ceil(self.items),
        }
    }

    /// Iterations of an invocation.
    pub(super) fn iterations(&self) -> usize {
        let numbers = |numbers: usize| if self.aligned { numbers / 4 } else { (numbers + 6) / 4 };
        let terms = if self.unit > 0 { self.rows } else { self.rows * numbers(self.piece) };
        let lanes = if self.unit > 0 { 1 } else { self.lanes };
        iterations::of_loop(terms / (4 * lanes), 0)
            + iterations::of_loop((terms % (4 * lanes)).div_ceil(lanes).max(3), 0)
    }

    /// In words.
    pub(super) fn why(&self) -> String {
        let sums = partials::why(self.parts());
        match self.unit {
            0 => format!("{} lanes per sum{sums}", self.lanes),
            1 => format!("one column per lane{sums}"),
            unit => format!("{unit} columns per lane{sums}"),
        }
    }
}

/// The steps of a tree that joins a power of two of lanes.
fn tree(lanes: usize) -> Vec<usize> {
    (0..lanes.ilog2()).rev().map(|bit| 1 << bit).collect()
}

/// The second pass: what each of some parts found, joined.
pub(super) struct Join {
    pub(super) m: usize,
    pub(super) parts: usize,
    lanes: usize,
    items: usize,
}

impl Join {
    pub(super) fn new(runs: &Runs, limits: &Limits) -> Self {
        let parts = runs.parts();
        let fewest =
            if limits.software { lanes(parts, limits) } else { parts.next_power_of_two().clamp(8, 64) };
        let lanes = iterations::lanes(fewest, parts, 1, limits);
        Self { m: runs.m, parts, lanes, items: if limits.software { 1 } else { (64 / lanes).max(1) } }
    }

    /// How the scratch of so many numbers a part lies along the sums.
    pub(super) fn scratch(&self, operand: Operand, numbers: usize) -> Lies {
        let (m, parts) = (self.m, self.parts);
        Lies::of(operand, vec![numbers], parts * m * numbers).item((parts - 1) * m * numbers + numbers)
    }

    /// How a tensor of a number a sum lies along them.
    pub(super) fn result(&self, operand: Operand) -> Lies {
        Lies::of(operand, vec![1], self.m)
    }

    pub(super) fn cut(&self, tensors: &[Lies], limits: &Limits) -> Result<Vec<Part>, Refusal> {
        ranges::parts(&[self.m], &[1], tensors, limits)
    }

    pub(super) fn values(&self, part: &Part, first_input: usize) -> Value {
        context! {
            m => self.m, parts => self.parts, lanes => self.lanes, items => self.items,
            kept => part.positions(), first_input, tree => tree(self.lanes),
        }
    }

    pub(super) fn groups(&self, part: &Part) -> usize {
        part.positions().div_ceil(self.items)
    }

    pub(super) fn iterations(&self) -> usize {
        iterations::of_loop(self.parts.div_ceil(self.lanes), 0)
    }

    pub(super) fn why(&self) -> String {
        format!("{} partial sums, {} lanes per sum", self.parts, self.lanes)
    }
}

/// The bindings of some tensors in a part, and where it begins in each.
pub(super) fn bind(lies: &[(Lies, Access)], part: &Part, limits: &Limits) -> (Vec<Binding>, Vec<usize>) {
    lies.iter().map(|(lies, access)| part.bind(lies, *access, limits)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs cover all numbers once, in no more iterations than there are.
    #[test]
    fn runs_cover_a_tensor() {
        for max_iterations in [100, u32::MAX] {
            for software in [true, false] {
                let limits = Limits { max_iterations, software, ..Limits::default() };
                for sizes in [[16, 64, 3136], [1, 3, 1_000_000], [5, 7, 49], [2, 1, 100_001], [1, 1000, 64]] {
                    let runs = Runs::new(sizes, false, &limits);
                    assert!(runs.iterations() <= iterations::most(&limits), "{sizes:?}");
                    assert!(
                        runs.rows * runs.runs[0] >= sizes[0] && runs.rows * (runs.runs[0] - 1) < sizes[0]
                    );
                    assert!(
                        runs.piece * runs.runs[1] >= sizes[2] && runs.piece * (runs.runs[1] - 1) < sizes[2]
                    );
                    assert!(runs.runs[1] == 1 || runs.rows == 1 && runs.piece.is_multiple_of(4));
                }
                for sizes in [[1000, 10, 1], [100_000, 64, 1], [2, 8, 1]] {
                    let runs = Runs::new(sizes, true, &limits);
                    assert!(runs.iterations() <= iterations::most(&limits), "{sizes:?}");
                    assert!(
                        runs.rows * runs.runs[0] >= sizes[0] && runs.rows * (runs.runs[0] - 1) < sizes[0]
                    );
                }
            }
        }
    }
}
