//! Weight files: safetensors under PyTorch's keys.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::tensor::{HostTensor, TensorType};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

fn dtype(ty: DType) -> Dtype {
    match ty {
        DType::F32 => Dtype::F32,
        DType::U32 => Dtype::U32,
    }
}

pub(super) fn save(path: &Path, tensors: &[(String, HostTensor)]) -> Result<()> {
    let bad =
        |e: safetensors::SafeTensorError| Error::file(path, "tensors that can be written", e.to_string());
    let views = tensors.iter().map(|(name, tensor)| {
        let ty = tensor.ty();
        TensorView::new(dtype(ty.dtype), ty.shape.to_vec(), tensor.as_bytes()).map(|view| (name, view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(bad)?;
    write_atomically(path, &safetensors::serialize(views, None).map_err(bad)?)
}

/// The tensors `wanted`, when the file holds exactly these.
pub(super) fn load(path: &Path, wanted: &[(String, TensorType)]) -> Result<Vec<(String, HostTensor)>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| {
        Error::file(path, "a safetensors file", format!("{} bytes that are not one: {e}", bytes.len()))
    })?;
    if let Some(extra) = file.names().into_iter().find(|name| wanted.iter().all(|(w, _)| w != name)) {
        let keys: Vec<_> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Error::file(
            path,
            format!("the keys {}", keys.join(", ")),
            format!("the key {extra} too"),
        ));
    }
    let read = |(name, ty): &(String, TensorType)| {
        let view = file.tensor(name).map_err(|_| {
            Error::file(path, format!("the key {name} ({ty})"), format!("only {}", file.names().join(", ")))
        })?;
        if view.shape() != &ty.shape[..] || view.dtype() != dtype(ty.dtype) {
            let got = format!("{} of shape {:?}", view.dtype(), view.shape());
            return Err(Error::file(path, format!("{name} of {ty}"), got));
        }
        Ok((name.clone(), HostTensor::from_bytes(ty, view.data())?))
    };
    wanted.iter().map(read).collect()
}
