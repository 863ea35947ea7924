//! Products of vectors, matrices and their batches, and einsum.

use crate::error::{Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{Einsum, Label, MatMul};

impl Tensor {
    /// The matrix products `(B, M, K) x (B, K, N)`: `(B, M, N)`. Nothing is broadcast.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn bmm(&self, other: &Tensor) -> Result<Tensor> {
        let (a, b) = (self.shape(), other.shape());
        let fits = matches!((&a[..], &b[..]), ([n, _, k], [m, l, _]) if n == m && k == l);
        self.fits("bmm", fits, "operands (B, M, K) and (B, K, N)", other)?;
        self.matmul(other)
    }

    /// The matrix product `(M, K) x (K, N)`. Nothing is broadcast.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn mm(&self, other: &Tensor) -> Result<Tensor> {
        let fits = matches!((&self.shape()[..], &other.shape()[..]), ([_, k], [l, _]) if k == l);
        self.fits("mm", fits, "operands (M, K) and (K, N)", other)?;
        self.matmul(other)
    }

    /// The product of a matrix `(M, K)` and a vector `(K)`: `(M)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn mv(&self, vector: &Tensor) -> Result<Tensor> {
        let fits = matches!((&self.shape()[..], &vector.shape()[..]), ([_, k], [l]) if k == l);
        self.fits("mv", fits, "a matrix (M, K) and a vector (K)", vector)?;
        self.matmul(vector)
    }

    /// The sum of the products of two vectors' elements, a scalar.
    ///
    /// # Errors
    /// When these are no vectors of one length.
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        let fits = matches!((&self.shape()[..], &other.shape()[..]), ([k], [l]) if k == l);
        self.fits("dot", fits, "two vectors (K)", other)?;
        self.matmul(other)
    }

    /// The products of each element of a vector `(M)` with each of another `(N)`: `(M, N)`.
    ///
    /// # Errors
    /// When these are no vectors.
    #[doc(alias = "ger")]
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        let fits = self.shape().len() == 1 && other.shape().len() == 1;
        self.fits("outer", fits, "vectors (M) and (N)", other)?;
        self.unsqueeze(1)?.mul(other)
    }

    fn fits(&self, op: &str, fits: bool, expected: &str, other: &Tensor) -> Result<()> {
        let got = || format!("{} and {}", self.shape(), other.shape());
        Mismatch::check(fits, expected, got()).map_err(self.refused(op))
    }

    /// Sums of products by an equation, of one tensor or two, as PyTorch's: `einsum("bij,bjk->bik", &[&a, &b])`. A letter that
    /// an operand has twice is its diagonal; letters that the result lacks are summed over; `...` stands for dimensions that
    /// broadcast; without `->` the result has the ellipsis and the letters that occur once, in the order of the alphabet.
    ///
    /// # Errors
    /// When the equation is none, does not fit the operands, sizes of a letter differ, or there are not one or two operands.
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        let (first, second) = match operands {
            [first] => (*first, None),
            [first, second] => (*first, Some(*second)),
            _ => {
                let mismatch = Mismatch::new("one or two operands", operands.len().to_string());
                return Err(crate::Error::op("einsum", "", mismatch));
            }
        };
        first.graph.owns("einsum", operands)?;
        let shapes: Vec<_> = operands.iter().map(|operand| operand.shape()).collect();
        let Einsum { operands: labels, output } =
            Einsum::new(equation, &shapes).map_err(first.refused("einsum"))?;
        let mut parts = operands.iter().zip(labels).map(|(x, labels)| Term::new(x, labels));
        let (Some(a), b) = (parts.next().transpose()?, parts.next().transpose()?) else {
            return Err(first.refused("einsum")(Mismatch::new("one or two operands", "none")));
        };
        match (b, second) {
            (Some(b), Some(_)) => a.times(b, &output)?.ordered(&output),
            _ => a.summed(|label| output.contains(&label))?.ordered(&output),
        }
    }
}

/// An operand of einsum with a label for each dimension, each once.
struct Term {
    x: Tensor,
    labels: Vec<Label>,
}

impl Term {
    /// Labels that occur twice are the diagonal of their dimensions, which is the last one.
    fn new(x: &Tensor, labels: Vec<Label>) -> Result<Self> {
        let mut term = Self { x: x.clone(), labels };
        while let Some((first, second)) = term.twice() {
            let shape = term.x.shape();
            let (a, b) = (shape.get(first).copied(), shape.get(second).copied());
            let expected = "one size of the dimensions of a repeated letter";
            Mismatch::check(a == b, expected, format!("shape {shape}")).map_err(x.refused("einsum"))?;
            let label = term.labels.remove(second);
            term.labels.remove(first);
            term.labels.push(label);
            term.x = term.x.diagonal(0, first, second)?;
        }
        Ok(term)
    }

    fn twice(&self) -> Option<(usize, usize)> {
        self.labels.iter().enumerate().find_map(|(second, label)| {
            self.labels[..second].iter().position(|earlier| earlier == label).map(|first| (first, second))
        })
    }

    fn size(&self, label: Label) -> Option<usize> {
        let at = self.labels.iter().position(|own| *own == label)?;
        self.x.shape().get(at).copied()
    }

    /// Without the dimensions whose labels are not kept, which are added up.
    fn summed(self, kept: impl Fn(Label) -> bool) -> Result<Self> {
        let gone: Vec<usize> = (0..self.labels.len()).filter(|&d| !kept(self.labels[d])).collect();
        if gone.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.iter().copied().filter(|&label| kept(label)).collect();
        Ok(Self { x: self.x.sum(&gone, false)?, labels })
    }

    /// Without the dimensions of size 1 that the other operand has of another size: they are broadcast there.
    fn stretched(self, other: &[(Label, usize)]) -> Result<Self> {
        let shape = self.x.shape();
        let wider = |d: usize| {
            shape[d] == 1 && other.iter().any(|(label, size)| *label == self.labels[d] && *size != 1)
        };
        let (gone, kept): (Vec<usize>, Vec<usize>) = (0..self.labels.len()).partition(|&d| wider(d));
        if gone.is_empty() {
            return Ok(self);
        }
        let labels = kept.into_iter().map(|d| self.labels[d]).collect();
        Ok(Self { x: self.x.squeeze(&gone)?, labels })
    }

    fn sizes(&self) -> Vec<(Label, usize)> {
        self.labels.iter().copied().zip(self.x.shape().iter().copied()).collect()
    }

    /// The dimensions in the order of these labels, all of its own.
    fn ordered(self, labels: &[Label]) -> Result<Tensor> {
        let position = |label: &Label| self.labels.iter().position(|own| own == label);
        let dims: Vec<usize> = labels.iter().filter_map(position).collect();
        if dims.iter().enumerate().all(|(at, &d)| at == d) { Ok(self.x) } else { self.x.permute(&dims) }
    }

    /// The sums of products over the labels that both have and the result lacks.
    fn times(self, other: Self, output: &[Label]) -> Result<Self> {
        let (mine, others) = (self.sizes(), other.sizes());
        let (a, b) = (self.stretched(&others)?, other.stretched(&mine)?);
        for &label in &a.labels {
            let (own, other) = (a.size(label), b.size(label));
            let got = || format!("{} and {}", a.x.shape(), b.x.shape());
            Mismatch::check(other.is_none() || own == other, "one size of each letter, or 1", got())
                .map_err(a.x.refused("einsum"))?;
        }
        let (of_a, of_b) = (a.labels.clone(), b.labels.clone());
        let a = a.summed(|label| of_b.contains(&label) || output.contains(&label))?;
        let b = b.summed(|label| of_a.contains(&label) || output.contains(&label))?;
        let shared = |label: &&Label| b.labels.contains(label);
        let pick = |from: &Self, wanted: &dyn Fn(&&Label) -> bool| -> Vec<Label> {
            from.labels.iter().filter(wanted).copied().collect()
        };
        let batch = pick(&a, &|label| shared(label) && output.contains(label));
        let terms = pick(&a, &|label| shared(label) && !output.contains(label));
        let rows = pick(&a, &|label| !shared(label));
        let columns = pick(&b, &|label| !a.labels.contains(label));
        let count = |from: &Self, labels: &[Label]| {
            labels
                .iter()
                .filter_map(|&label| from.size(label))
                .fold(1, |n: usize, size| n.saturating_mul(size))
        };
        let (lead, m, k, n) = (count(&a, &batch), count(&a, &rows), count(&a, &terms), count(&b, &columns));
        let labels = [&batch[..], &rows, &columns].concat();
        let mut sizes: Vec<usize> = [&batch[..], &rows].concat().iter().filter_map(|&l| a.size(l)).collect();
        sizes.extend(columns.iter().filter_map(|&label| b.size(label)));
        // As they lie, where the terms come first of a or last of b.
        let trans_a =
            a.labels == [&batch[..], &terms, &rows].concat() && !terms.is_empty() && !rows.is_empty();
        let trans_b =
            b.labels == [&batch[..], &columns, &terms].concat() && !terms.is_empty() && !columns.is_empty();
        let either = |swap: bool, one: [usize; 2], other: [usize; 2]| if swap { other } else { one };
        let (of_a, of_b) = (either(trans_a, [m, k], [k, m]), either(trans_b, [k, n], [n, k]));
        let orders = [
            if trans_a { a.labels.clone() } else { [&batch[..], &rows, &terms].concat() },
            if trans_b { b.labels.clone() } else { [&batch[..], &terms, &columns].concat() },
        ];
        let leading = |of: [usize; 2]| if batch.is_empty() { of.to_vec() } else { vec![lead, of[0], of[1]] };
        let left = a.ordered(&orders[0])?.reshape(leading(of_a))?;
        let right = b.ordered(&orders[1])?.reshape(leading(of_b))?;
        let x = if terms.is_empty() {
            left.mul(&right)?
        } else {
            left.one(MatMul { trans_a, trans_b }, &[&left, &right])?
        };
        Ok(Self { x: x.reshape(sizes)?, labels })
    }
}
