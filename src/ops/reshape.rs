//! reshape: the same elements under another shape; costs nothing on the device.

use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

pub(super) fn infer(shape: &Shape, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [input] = super::count(inputs)?;
    Mismatch::check(
        input.shape.elements() == shape.elements(),
        format!("a shape of {} elements, as {} has", input.shape.elements(), input.shape),
        shape.to_string(),
    )?;
    Ok(vec![TensorType { shape: shape.clone(), dtype: input.dtype }])
}

/// The error under the old shape.
pub(super) fn gradient(flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("reshape")?;
    Ok(vec![flow.wants(0, || grad.reshape(flow.inputs[0].shape()))?])
}

pub(crate) fn flatten(x: &Tensor, start_dim: usize) -> Result<Tensor> {
    let shape = x.shape();
    if start_dim >= shape.len() {
        let mismatch =
            Mismatch::new(format!("start_dim below the rank {}", shape.len()), start_dim.to_string());
        return Err(Error::op("flatten", &x.graph().scoped_name(""), mismatch));
    }
    let mut dims = shape[..start_dim].to_vec();
    dims.push(shape[start_dim..].iter().product());
    x.reshape(dims)
}
