//! Numbers in another type.

use super::Differentiate;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Flow, Graph, Tensor};
use crate::ops::Cast;

impl Tensor {
    /// The same numbers in another type, each rounded as [`DType::rounded`] says; this tensor where it is of that type.
    ///
    /// # Errors
    /// None today.
    #[doc(alias = "to")]
    #[doc(alias = "type")]
    pub fn cast(&self, to: DType) -> Result<Tensor> {
        if self.ty().dtype == to { Ok(self.clone()) } else { self.one(Cast { to }, &[self]) }
    }

    /// As `f16`: see [`Tensor::cast`].
    ///
    /// # Errors
    /// None today.
    pub fn half(&self) -> Result<Tensor> {
        self.cast(DType::F16)
    }

    /// As `f32`: see [`Tensor::cast`].
    ///
    /// # Errors
    /// None today.
    pub fn float(&self) -> Result<Tensor> {
        self.cast(DType::F32)
    }
}

impl Graph {
    /// A scalar known now, `f16` beside tensors of that type, else `f32`.
    pub(crate) fn scalar_of(&self, dtype: DType, value: f32) -> Result<Tensor> {
        let scalar = self.scalar(value)?;
        if dtype == DType::F16 { scalar.half() } else { Ok(scalar) }
    }
}

impl Differentiate for Cast {
    /// The error in the type of the input, between types that have fractions; others have no slope.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let from = flow.inputs[0].ty().dtype;
        if !(from.is_float() && self.to.is_float()) {
            return Ok(vec![None]);
        }
        Ok(vec![flow.wants(0, || flow.grad("cast")?.cast(from))?])
    }
}
