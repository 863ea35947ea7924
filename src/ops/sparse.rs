//! Small sparse matrices by rows: what a linear map along a dimension is made of.

use crate::error::Mismatch;
use std::fmt;

/// A sparse matrix `(outputs, inputs)` by rows: for each output the inputs that it adds up, ascending, and their weights.
///
/// Weights are held in f64, which the CPU reference computes with; kernels have them rounded to f32. Entries of weight 0
/// are dropped: what is not finite there has no effect.
#[derive(Clone)]
pub struct SparseRows {
    inputs: usize,
    /// Where each row begins among the entries, and where the last one ends.
    starts: Vec<u32>,
    columns: Vec<u32>,
    weights: Vec<f64>,
    /// Of all the above: equal matrices have equal ones.
    fingerprint: u128,
}

impl SparseRows {
    /// Entries that a matrix may have at most, and rows: it lies in memory of the host.
    pub const MOST_ENTRIES: usize = 1 << 26;

    /// From the entries of each row, a column and a weight each. Those of one column are added up.
    ///
    /// # Errors
    /// When a column is not below `inputs`, a weight is not finite in f32, or there are more columns than a tensor may have
    /// elements or more than
    /// [`SparseRows::MOST_ENTRIES`] rows or entries.
    pub fn new<Row>(inputs: usize, rows: impl IntoIterator<Item = Row>) -> Result<Self, Mismatch>
    where
        Row: IntoIterator<Item = (usize, f64)>,
    {
        let most = crate::shape::MAX_ELEMENTS;
        Mismatch::check(inputs <= most, format!("at most {most} columns"), inputs.to_string())?;
        let mut matrix = Self { inputs, starts: vec![0], columns: vec![], weights: vec![], fingerprint: 0 };
        let mut entries: Vec<(usize, f64)> = Vec::new();
        for row in rows {
            entries.clear();
            entries.extend(row);
            entries.sort_by_key(|entry| entry.0);
            matrix.push(&entries)?;
        }
        Ok(matrix.finished())
    }

    /// Where each output is one of the inputs, or without any.
    ///
    /// # Errors
    /// As [`SparseRows::new`].
    pub fn gather(
        inputs: usize,
        positions: impl IntoIterator<Item = Option<usize>>,
    ) -> Result<Self, Mismatch> {
        Self::new(inputs, positions.into_iter().map(|position| position.map(|at| (at, 1.0))))
    }

    /// Adds a row of entries in the order of their columns.
    fn push(&mut self, entries: &[(usize, f64)]) -> Result<(), Mismatch> {
        for same in entries.chunk_by(|a, b| a.0 == b.0) {
            let (column, weight) = (same[0].0, same.iter().map(|entry| entry.1).sum::<f64>());
            let inputs = self.inputs;
            Mismatch::check(column < inputs, format!("inputs below {inputs}"), column.to_string())?;
            Mismatch::check(
                (weight as f32).is_finite(),
                "weights that are finite in f32",
                weight.to_string(),
            )?;
            if weight != 0.0 {
                self.columns.push(column as u32);
                self.weights.push(weight);
            }
        }
        let most = Self::MOST_ENTRIES;
        let held = self.columns.len().max(self.starts.len());
        Mismatch::check(held <= most, format!("at most {most} rows and entries"), "more".to_owned())?;
        self.starts.push(self.columns.len() as u32);
        Ok(())
    }

    /// With its fingerprint: two hashes of 64 bits, after Fowler, Noll and Vo with Murmur's last steps.
    fn finished(mut self) -> Self {
        let numbers = self.starts.iter().chain(&self.columns).map(|&n| u64::from(n));
        let numbers = numbers.chain(self.weights.iter().map(|w| w.to_bits()));
        let (mut a, mut b) = (0xcbf2_9ce4_8422_2325u64, self.inputs as u64 ^ 0x9e37_79b9_7f4a_7c15);
        for number in numbers {
            a = (a ^ number).wrapping_mul(0x0100_0000_01b3);
            a ^= a >> 29;
            b = (b ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31);
        }
        self.fingerprint = u128::from(a ^ a >> 33) << 64 | u128::from(b ^ b >> 33);
        self
    }

    /// Columns.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Rows.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Entries of all rows.
    pub fn entries(&self) -> usize {
        self.columns.len()
    }

    /// The entries of a row, a column and a weight each; none where there is no such row.
    pub fn row(&self, output: usize) -> impl ExactSizeIterator<Item = (usize, f64)> + '_ {
        let at = |row: usize| self.starts.get(row).map_or(self.columns.len(), |&start| start as usize);
        let range = at(output)..at(output.saturating_add(1));
        let columns = self.columns[range.clone()].iter().map(|&column| column as usize);
        columns.zip(self.weights[range].iter().copied())
    }

    /// All rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = impl ExactSizeIterator<Item = (usize, f64)>> + '_ {
        (0..self.outputs()).map(|output| self.row(output))
    }

    /// Entries of the longest row.
    pub fn longest(&self) -> usize {
        self.rows().map(|row| row.len()).max().unwrap_or(0)
    }

    /// Whether each output is one of the inputs as it is, or has none.
    pub fn is_gather(&self) -> bool {
        self.weights.iter().all(|&weight| weight == 1.0) && self.longest() <= 1
    }

    /// Whether some output has no input.
    pub fn has_empty_rows(&self) -> bool {
        self.starts.windows(2).any(|ends| ends[0] == ends[1])
    }

    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        let own = |(output, mut row): (usize, _)| Iterator::eq(&mut row, [(output, 1.0)]);
        self.outputs() == self.inputs && self.rows().enumerate().all(own)
    }

    /// The matrix with rows and columns exchanged: the gradient of the map.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0u32; self.inputs + 1];
        self.columns.iter().for_each(|&column| starts[column as usize + 1] += 1);
        for i in 0..self.inputs {
            starts[i + 1] += starts[i];
        }
        let (mut columns, mut weights) = (vec![0; self.entries()], vec![0.0; self.entries()]);
        let mut next = starts.clone();
        for (output, row) in self.rows().enumerate() {
            for (input, weight) in row {
                let to = next[input] as usize;
                (columns[to], weights[to]) = (output as u32, weight);
                next[input] += 1;
            }
        }
        Self { inputs: self.outputs(), starts, columns, weights, fingerprint: 0 }.finished()
    }

    /// The matrix of `first` and then this, where it has no more entries than both together.
    pub fn after(&self, first: &Self) -> Option<Self> {
        if first.outputs() != self.inputs {
            return None;
        }
        let most = self.entries() + first.entries();
        let mut product =
            Self { inputs: first.inputs, starts: vec![0], columns: vec![], weights: vec![], fingerprint: 0 };
        for row in self.rows() {
            let through = |(middle, outer): (usize, f64)| {
                first.row(middle).map(move |(input, inner)| (input, outer * inner))
            };
            let mut entries: Vec<(usize, f64)> = row.flat_map(through).collect();
            entries.sort_by_key(|entry| entry.0);
            product.push(&entries).ok()?;
            if product.entries() > most {
                return None;
            }
        }
        Some(product.finished())
    }

    /// The absolute values of the weights.
    #[must_use]
    pub fn magnitudes(&self) -> Self {
        let weights = self.weights.iter().map(|weight| weight.abs()).collect();
        Self { weights, ..self.clone() }.finished()
    }

    /// The weights of all entries.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

impl PartialEq for SparseRows {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
            && (self.inputs, &self.starts, &self.columns) == (other.inputs, &other.starts, &other.columns)
            && self.weights == other.weights
    }
}

impl fmt::Display for SparseRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}, {} entries", self.inputs, self.outputs(), self.entries())
    }
}

/// In one word for all entries: two matrices that differ have different ones.
impl fmt::Debug for SparseRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SparseRows({self}, {:032x})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(inputs: usize, rows: &[&[(usize, f64)]]) -> SparseRows {
        SparseRows::new(inputs, rows.iter().map(|row| row.iter().copied())).unwrap()
    }

    #[test]
    fn rows_are_sorted_and_added_up() {
        let m = matrix(3, &[&[(2, 0.5), (0, 1.0), (2, 0.25)], &[], &[(1, 0.0)]]);
        assert_eq!(m.row(0).collect::<Vec<_>>(), [(0, 1.0), (2, 0.75)]);
        assert_eq!((m.row(1).len(), m.row(2).len(), m.row(9).len()), (0, 0, 0));
        assert_eq!((m.inputs(), m.outputs(), m.entries(), m.longest()), (3, 3, 2, 2));
        assert!(m.has_empty_rows() && !m.is_gather() && !m.is_identity());
        assert!(SparseRows::new(3, [[(3, 1.0)]]).is_err());
        assert!(SparseRows::new(3, [[(0, f64::NAN)]]).is_err());
    }

    #[test]
    fn a_transposed_matrix_is_the_gradient() {
        let m = matrix(3, &[&[(0, 1.0), (2, 2.0)], &[(2, 3.0)]]);
        assert_eq!(m.transposed(), matrix(2, &[&[(0, 1.0)], &[], &[(0, 2.0), (1, 3.0)]]));
        assert_eq!(m.transposed().transposed(), m);
        assert_eq!(format!("{:?}", m.transposed().transposed()), format!("{m:?}"));
    }

    #[test]
    fn one_map_after_another_is_their_product() {
        let flip = SparseRows::gather(3, (0..3).rev().map(Some)).unwrap();
        assert!(flip.is_gather() && flip.after(&flip).unwrap().is_identity());
        let sums = matrix(3, &[&[(0, 1.0), (1, 1.0)], &[(2, 4.0)]]);
        assert_eq!(sums.after(&flip).unwrap(), matrix(3, &[&[(1, 1.0), (2, 1.0)], &[(0, 4.0)]]));
        assert!(flip.after(&sums).is_none(), "the sizes differ");
        let wide = matrix(1, &[&[(0, 1.0)][..]; 9]);
        let all = SparseRows::new(9, vec![(0..9).map(|i| (i, 1.0)); 9]).unwrap();
        assert!(all.after(&all).is_some() && wide.after(&matrix(9, &[&[(0, 1.0)]])).is_some());
        let spread = SparseRows::new(9, vec![(0..9).map(|i| (i, 1.0)); 1]).unwrap();
        let column = SparseRows::new(1, vec![[(0, 1.0)]; 9]).unwrap();
        assert!(column.after(&spread).is_none(), "81 entries for 18");
    }
}
