//! Rows of a table, and the steps within sequences.

use super::Differentiate;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{Embedding, EmbeddingBackward, SequenceMask};

impl Tensor {
    /// The rows of this table `(num_embeddings, embedding_dim)` at `indices (..)`: `(.., embedding_dim)`. An
    /// index that the table lacks gives zeros.
    ///
    /// # Errors
    /// When this is no table or the indices are not `u32`.
    pub fn embedding(&self, indices: &Tensor) -> Result<Tensor> {
        self.one(Embedding, &[self, indices])
    }

    /// For lengths `(B)`, `u32`: `(max_length, B)` with 1 where the step lies within the sequence, else 0.
    /// Lengths are not known yet: one above `max_length` fails the next run or read of the program, see
    /// [`Op::index_range`](crate::ops::Op::index_range).
    ///
    /// # Errors
    /// When this is not `u32` of one dimension.
    pub fn sequence_mask(&self, max_length: usize) -> Result<Tensor> {
        self.one(SequenceMask { max_length }, &[self])
    }
}

impl Differentiate for Embedding {
    /// Each row of the table gathers the errors of the places that showed it.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("embedding")?;
        let rule = || {
            let op = EmbeddingBackward { weight: flow.inputs[0].shape() };
            grad.one(op, &[grad, &flow.inputs[1]])
        };
        Ok(vec![flow.wants(0, rule)?, None])
    }
}

impl Differentiate for EmbeddingBackward {
    /// The map is linear: its derivative is the look-up.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("embedding_backward")?;
        Ok(vec![flow.wants(0, || grad.embedding(&flow.inputs[1]))?, None])
    }
}
