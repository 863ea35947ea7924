//! Safetensors: header and tensors.

use super::element::Element;
use super::entry::{Contents, Entry, Location};
use super::layout::Layout;
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::files::write_atomically;
use crate::tensor::HostTensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;
use std::path::Path;

/// The type in a file. PyTorch counts batches in 64 bits.
pub(crate) fn dtype(ty: DType) -> Dtype {
    match ty {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::U32 => Dtype::I64,
    }
}

/// The bytes of a tensor as they lie in a file.
pub(crate) fn stored(tensor: &HostTensor) -> Cow<'_, [u8]> {
    match tensor.ty().dtype {
        DType::F32 | DType::F16 => Cow::Borrowed(tensor.as_bytes()),
        DType::U32 => {
            let zeros = [0u8; 4];
            Cow::Owned(tensor.as_bytes().chunks(4).flat_map(|word| [word, &zeros].concat()).collect())
        }
    }
}

/// A tensor of a file that is ours, its `f16` as they are.
///
/// # Errors
/// As [`Element::decode`].
pub(crate) fn host(view: &TensorView<'_>) -> Result<HostTensor, Mismatch> {
    let element = Element::of_safetensors(view.dtype());
    element.decode(view.shape(), view.data(), false, Some(DType::F16))
}

/// Writes tensors, `u32` as 64 bits.
pub(crate) fn save<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, &'a HostTensor)> + Clone,
) -> Result<()> {
    let bad =
        |e: safetensors::SafeTensorError| Error::file(path, "tensors that can be written", e.to_string());
    let bytes: Vec<_> = tensors.clone().map(|(_, tensor)| stored(tensor)).collect();
    let views = tensors.zip(&bytes).map(|((name, tensor), bytes)| {
        let ty = tensor.ty();
        TensorView::new(dtype(ty.dtype), ty.shape.to_vec(), bytes).map(|view| (name, view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(bad)?;
    write_atomically(path, &safetensors::serialize(views, None).map_err(bad)?)
}

/// The tensors of a file of these bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Contents, Mismatch> {
    let broken = |e| {
        Mismatch::new("a safetensors file", format!("{} bytes that are not a whole one: {e}", bytes.len()))
    };
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let location = |view: &TensorView<'_>| {
        // Views are parts of the bytes.
        let from = (view.data().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
        Location::File(from..from.saturating_add(view.data().len()))
    };
    let entry = |view: &TensorView<'_>| Entry {
        element: Element::of_safetensors(view.dtype()),
        layout: Layout::rows(view.shape().to_vec()),
        big_endian: false,
        location: location(view),
    };
    let entries = file.tensors().iter().map(|(name, view)| (name.clone(), entry(view))).collect();
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(Contents { entries, metadata, ..Contents::default() })
}
