//! Weight files: safetensors under PyTorch's keys.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::tensor::{HostTensor, TensorType};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;
use std::path::Path;

/// The type in a file. PyTorch counts batches in 64 bits.
fn dtype(ty: DType) -> Dtype {
    match ty {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::U32 => Dtype::I64,
    }
}

/// The bytes of a tensor as they lie in a file.
fn stored(tensor: &HostTensor) -> Cow<'_, [u8]> {
    match tensor.ty().dtype {
        DType::F32 | DType::F16 => Cow::Borrowed(tensor.as_bytes()),
        DType::U32 => {
            let zeros = [0u8; 4];
            Cow::Owned(tensor.as_bytes().chunks(4).flat_map(|word| [word, &zeros].concat()).collect())
        }
    }
}

/// A tensor from bytes as they lie in a file; `None` where a count does not fit 32 bits.
fn loaded(ty: &TensorType, bytes: &[u8]) -> Option<Result<HostTensor>> {
    let words: Cow<'_, [u8]> = match ty.dtype {
        DType::F32 | DType::F16 => Cow::Borrowed(bytes),
        DType::U32 if bytes.chunks(8).all(|word| word.iter().skip(4).all(|&byte| byte == 0)) => {
            Cow::Owned(bytes.chunks(8).flat_map(|word| word.iter().copied().take(4)).collect())
        }
        DType::U32 => return None,
    };
    Some(HostTensor::from_bytes(ty, &words))
}

pub(super) fn save(path: &Path, tensors: &[(String, HostTensor)]) -> Result<()> {
    let bad =
        |e: safetensors::SafeTensorError| Error::file(path, "tensors that can be written", e.to_string());
    let bytes: Vec<_> = tensors.iter().map(|(_, tensor)| stored(tensor)).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let ty = tensor.ty();
        TensorView::new(dtype(ty.dtype), ty.shape.to_vec(), bytes).map(|view| (name, view))
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
        let wide = || Error::file(path, format!("{name} of {ty}"), "counts of more than 32 bits");
        Ok((name.clone(), loaded(ty, view.data()).ok_or_else(wide)??))
    };
    wanted.iter().map(read).collect()
}
