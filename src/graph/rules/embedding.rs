//! Rows of a table, and the steps within sequences.

use super::Differentiate;
use crate::Dim;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{Embedding, EmbeddingBackward, SequenceMask};
use crate::tensor::HostTensor;

impl Tensor {
    /// The rows of this table `(num_embeddings, embedding_dim)` at `indices (..)`: `(.., embedding_dim)`. An
    /// index that the table lacks gives zeros.
    ///
    /// # Errors
    /// When this is no table or the indices are not `u32`.
    pub fn embedding(&self, indices: &Tensor) -> Result<Tensor> {
        self.one(Embedding::default(), &[self, indices])
    }

    /// As [`Tensor::embedding`]; the row `padding_idx` is shown as it is and takes no gradient.
    ///
    /// # Errors
    /// As [`Tensor::embedding`], and when the table has no such row.
    pub fn embedding_padded(&self, indices: &Tensor, padding_idx: usize) -> Result<Tensor> {
        self.one(Embedding { padding_idx: Some(padding_idx) }, &[self, indices])
    }

    /// The elements at `indices (L)`, `u32`, along `dim`: [`Tensor::index_select`] by indices that are not known yet. One
    /// beyond the dimension shows zeros, and the next run or read fails, naming it.
    ///
    /// # Errors
    /// When there is no such dimension, or the indices are not `u32` of one dimension.
    pub fn index_select_by(&self, dim: impl Into<Dim>, indices: &Tensor) -> Result<Tensor> {
        let one = indices.shape().len() == 1;
        let mismatch = Mismatch::check(one, "indices (L)", indices.shape().to_string());
        mismatch.map_err(self.refused("index_select_by"))?;
        self.along("index_select_by", dim, |x, dim| {
            let mut shape = x.movedim(dim, 0)?.shape().to_vec();
            let rest = shape.iter().skip(1).product();
            let rows = x.movedim(dim, 0)?.reshape([shape[0], rest])?.embedding(indices)?;
            shape[0] = indices.shape()[0];
            rows.reshape(shape)?.movedim(0, dim)
        })
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
    /// Each row of the table gathers the errors of the positions that showed it; a row of padding nothing.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("embedding")?;
        let rule = || {
            let (op, indices) = (EmbeddingBackward { weight: flow.inputs[0].shape() }, &flow.inputs[1]);
            let Some(row) = self.padding_idx else { return grad.one(op, &[grad, indices]) };
            let rows = HostTensor::from_u32(indices.shape(), vec![row as u32; indices.shape().elements()])?;
            let padding = indices.equal(&grad.graph().constant(rows)?)?.unsqueeze(-1)?;
            grad.one(op, &[&padding.select(0.0, grad)?, indices])
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
