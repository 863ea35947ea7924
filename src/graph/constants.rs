//! Tensors that are known when the graph is built.

use super::{Graph, Tensor};
use crate::error::{Error, Mismatch, Result};
use crate::ops::Table;
use crate::shape::{MAX_ELEMENTS, Shape};
use crate::tensor::HostTensor;
use std::sync::Arc;

impl Graph {
    /// A constant tensor of these values.
    ///
    /// # Errors
    /// When the shape is empty or too large.
    pub fn constant(&self, values: HostTensor) -> Result<Tensor> {
        self.leaf(Table { values: Arc::new(values) }.into())
    }

    /// A tensor of one number.
    ///
    /// # Errors
    /// When the shape is empty or too large.
    pub fn full(&self, shape: impl Into<Shape>, value: f32) -> Result<Tensor> {
        self.scalar(value)?.broadcast_to(shape)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// As [`Graph::full`].
    pub fn zeros(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.full(shape, 0.0)
    }

    /// A tensor of ones.
    ///
    /// # Errors
    /// As [`Graph::full`].
    pub fn ones(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.full(shape, 1.0)
    }

    /// The numbers from `start` to before `end` in steps of `step`, as `torch.arange`: `ceil((end - start) / step)` of them.
    ///
    /// # Errors
    /// When `step` is 0 or leads away from the end, or there are none or too many.
    pub fn arange(&self, start: f64, end: f64, step: f64) -> Result<Tensor> {
        let count = ((end - start) / step).ceil();
        let fits = count >= 1.0 && count <= MAX_ELEMENTS as f64;
        let got = format!("{start} to {end} by {step}");
        let checked = Mismatch::check(fits, "at least one number", got);
        checked.map_err(|m| Error::op("arange", &self.label(), m))?;
        let values: Vec<f32> = (0..count as usize).map(|i| (start + i as f64 * step) as f32).collect();
        self.constant(HostTensor::from_f32([values.len()], values)?)
    }

    /// A matrix `(n, m)` with ones on its diagonal, zeros elsewhere.
    ///
    /// # Errors
    /// When it is empty or too large.
    pub fn eye(&self, n: usize, m: usize) -> Result<Tensor> {
        let shape = Shape::from([n, m]);
        shape.check().map_err(|m| Error::op("eye", &self.label(), m))?;
        let values = (0..n * m).map(|at| if at / m == at % m { 1.0 } else { 0.0 }).collect();
        self.constant(HostTensor::from_f32(shape, values)?)
    }
}
