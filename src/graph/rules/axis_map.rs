//! Linear maps along a dimension: the error goes back by the transposed matrix.

use super::Differentiate;
use crate::Dim;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{AxisMap, Op, SparseRows};
use std::sync::Arc;

impl Tensor {
    /// `output[.., t, ..] = sum of matrix[t, s] this[.., s, ..]` along `dim`. Of `u32`, elements are copied alone.
    ///
    /// # Errors
    /// When there is no such dimension or the matrix is of another size.
    pub fn axis_map(&self, dim: impl Into<Dim>, matrix: &SparseRows) -> Result<Tensor> {
        let dim = self.dim("axis_map", dim)?;
        self.mapped("axis_map", dim, 0.0, |_| Ok(matrix.clone()))
    }

    /// The map along `dim` that `op` makes for its size, in which outputs without inputs are `fill`. A map that follows
    /// another one along the same dimension is one with it where that takes no more terms.
    pub(super) fn mapped(
        &self,
        op: &str,
        dim: usize,
        fill: f32,
        matrix: impl FnOnce(usize) -> Result<SparseRows, Mismatch>,
    ) -> Result<Tensor> {
        let shape = self.shape();
        let [_, size, _] = shape.axis(dim).map_err(self.refused(op))?;
        let map = AxisMap { dim, matrix: Arc::new(matrix(size).map_err(self.refused(op))?), fill };
        if map.matrix.is_identity() {
            return Ok(self.clone());
        }
        let before = self.graph.with(|data| {
            let node = data.producer(self.value);
            let input = node.inputs.first().copied();
            let first = if let Op::AxisMap(first) = &node.op { Some(first.clone()) } else { None };
            first.zip(input)
        });
        let joined = before.and_then(|(first, input)| Some((join(&first, &map)?, input)));
        match joined {
            None => self.one(map, &[self]),
            Some((map, value)) => {
                let input = Tensor { value, ..self.clone() };
                if map.matrix.is_identity() { Ok(input) } else { input.one(map, &[&input]) }
            }
        }
    }
}

/// `first` and then `second` as one map; `None` where that would take more terms, or what one fills is lost.
fn join(first: &AxisMap, second: &AxisMap) -> Option<AxisMap> {
    if first.dim != second.dim {
        return None;
    }
    let same = first.fill.to_bits() == second.fill.to_bits();
    // Which elements the second has of what the first filled is not told apart from what it fills itself.
    let fill = match (first.matrix.has_empty_rows(), second.matrix.has_empty_rows()) {
        (false, _) => second.fill,
        (true, false) if second.matrix.is_gather() => first.fill,
        (true, _) if same && (second.matrix.is_gather() || first.fill.to_bits() == 0) => first.fill,
        (true, _) => return None,
    };
    let matrix = second.matrix.after(&first.matrix)?;
    // Outputs are filled beside copies alone.
    let may_fill = fill.to_bits() == 0 || matrix.is_gather();
    may_fill.then(|| AxisMap { dim: first.dim, matrix: Arc::new(matrix), fill })
}

impl Differentiate for AxisMap {
    /// The transposed map: what it fills does not depend on the input.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("axis_map")?;
        let rule = || grad.mapped("axis_map", self.dim, 0.0, |_| Ok(self.matrix.transposed()));
        Ok(vec![flow.wants(0, rule)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use crate::ops::Pad;

    #[test]
    fn maps_that_follow_each_other_are_one() -> Result<()> {
        let graph = Graph::new();
        let x = graph.input("x", [2, 5])?;
        let nodes = || graph.with(|data| data.nodes.len());
        let maps = |y: &Tensor| {
            graph.with(|data| {
                let needed = data.reachable(&[y.id()]);
                data.nodes
                    .iter()
                    .zip(needed)
                    .filter(|(n, needed)| *needed && n.op.name() == "axis_map")
                    .count()
            })
        };
        assert_eq!(x.flip(1)?.flip(1)?.id(), x.id());
        assert_eq!(x.roll(&[5], &[1])?.id(), x.id());
        assert_eq!(maps(&x.flip(1)?.roll(&[2], &[1])?.slice(1, 1, 4, 2)?), 1);
        assert_eq!(maps(&x.flip(1)?.flip(0)?), 2);
        // Zeros behind zeros, and what one fills with another number.
        assert_eq!(maps(&x.pad(&[1, 0], Pad::Constant(0.0))?.pad(&[0, 2], Pad::Constant(0.0))?), 1);
        assert_eq!(maps(&x.pad(&[1, 0], Pad::Constant(1.0))?.pad(&[0, 2], Pad::Constant(2.0))?), 2);
        assert_eq!(maps(&x.pad(&[1, 0], Pad::Constant(1.0))?.flip(1)?), 1);
        assert_eq!(maps(&x.pad(&[1, 0], Pad::Constant(1.0))?.cumsum(1)?), 2);
        assert_eq!(maps(&x.cumsum(1)?.pad(&[1, 0], Pad::Constant(1.0))?), 2);
        assert!(nodes() > 5);
        Ok(())
    }
}
