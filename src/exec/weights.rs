//! Weight files: safetensors under PyTorch's keys.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::graph::matches;
use crate::tensor::{HostTensor, TensorType};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// The type in a file. PyTorch counts batches in 64 bits.
pub(super) fn dtype(ty: DType) -> Dtype {
    match ty {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::U32 => Dtype::I64,
    }
}

/// The bytes of a tensor as they lie in a file.
pub(super) fn stored(tensor: &HostTensor) -> Cow<'_, [u8]> {
    match tensor.ty().dtype {
        DType::F32 | DType::F16 => Cow::Borrowed(tensor.as_bytes()),
        DType::U32 => {
            let zeros = [0u8; 4];
            Cow::Owned(tensor.as_bytes().chunks(4).flat_map(|word| [word, &zeros].concat()).collect())
        }
    }
}

/// The type of a tensor in a file; in words where there is none like it.
fn ty(view: &TensorView<'_>) -> std::result::Result<TensorType, String> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::I64 => DType::U32,
        other => return Err(format!("{other} of shape {:?}", view.shape())),
    };
    Ok(TensorType { dtype, shape: view.shape().into() })
}

/// A tensor of a file; in words why there is none like it.
pub(super) fn host(view: &TensorView<'_>) -> std::result::Result<HostTensor, String> {
    let (ty, bytes) = (ty(view)?, view.data());
    let words: Cow<'_, [u8]> = match ty.dtype {
        DType::F32 | DType::F16 => Cow::Borrowed(bytes),
        DType::U32 if bytes.chunks(8).all(|word| word.iter().skip(4).all(|&byte| byte == 0)) => {
            Cow::Owned(bytes.chunks(8).flat_map(|word| word.iter().copied().take(4)).collect())
        }
        DType::U32 => return Err("counts of more than 32 bits".to_owned()),
    };
    HostTensor::from_bytes(&ty, &words).map_err(|e| e.to_string())
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

/// How the tensors that there are differ from those that are wanted.
#[derive(Debug, Default)]
pub(super) struct Differences {
    missing: Vec<String>,
    unexpected: Vec<String>,
    mismatched: Vec<(String, String)>,
}

impl Differences {
    pub(super) fn compare(&mut self, name: &str, wanted: Option<&TensorType>, got: Option<&TensorType>) {
        match (wanted, got) {
            (Some(wanted), None) => self.missing.push(format!("{name} ({wanted})")),
            (None, Some(got)) => self.unexpected.push(format!("{name} ({got})")),
            (Some(wanted), Some(got)) if wanted != got => self.mismatch(name, wanted, got.to_string()),
            _ => {}
        }
    }

    fn mismatch(&mut self, name: &str, wanted: &TensorType, got: String) {
        self.mismatched.push((format!("{name} of {wanted}"), got));
    }

    /// One error about all of them, where there are any, made of what was expected and what came.
    pub(super) fn refuse(self, error: impl Fn(String, String) -> Error) -> Result<()> {
        let Self { missing, unexpected, mismatched } = self;
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        let (wanted, types): (Vec<_>, Vec<_>) = mismatched.into_iter().unzip();
        if !wanted.is_empty() {
            expected.push(wanted.join(", "));
            got.push(types.join(", "));
        }
        if !missing.is_empty() {
            expected.push(format!("the keys {}", missing.join(", ")));
            got.push(format!("{} of them missing", missing.len()));
        }
        if !unexpected.is_empty() {
            expected.push("no other keys".to_owned());
            got.push(format!("also {}", unexpected.join(", ")));
        }
        if expected.is_empty() { Ok(()) } else { Err(error(expected.join("; "), got.join("; "))) }
    }
}

/// What of a file is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// Exactly what is wanted.
    All,
    /// What is wanted and matches one of these patterns; the file may hold other tensors.
    Matching(&'a [&'a str]),
}

/// The tensors `wanted` of a file of these bytes. Those that are `aside` do not count.
pub(super) fn load(
    (path, bytes): (&Path, &[u8]),
    wanted: &[(String, TensorType)],
    which: Which<'_>,
    aside: &BTreeSet<String>,
) -> Result<Vec<(String, HostTensor)>> {
    let broken =
        |e| Error::file(path, "a safetensors file", format!("{} bytes that are not one: {e}", bytes.len()));
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let chosen = |name: &str| match which {
        Which::All => true,
        Which::Matching(patterns) => patterns.iter().any(|pattern| matches(pattern, name)),
    };
    let mut differences = Differences::default();
    let mut found = Vec::new();
    for (name, wanted) in wanted.iter().filter(|(name, _)| chosen(name)) {
        let Ok(view) = file.tensor(name) else {
            differences.compare(name, Some(wanted), None);
            continue;
        };
        match ty(&view) {
            Ok(got) if got == *wanted => match host(&view) {
                Ok(value) => found.push((name.clone(), value)),
                Err(got) => differences.mismatch(name, wanted, got),
            },
            Ok(got) => differences.mismatch(name, wanted, got.to_string()),
            Err(got) => differences.mismatch(name, wanted, got),
        }
    }
    if let Which::All = which {
        for (name, view) in file.iter().filter(|(name, _)| wanted.iter().all(|(w, _)| w != name)) {
            if !aside.contains(name) {
                let got = ty(&view).map_or_else(|words| words, |ty| ty.to_string());
                differences.unexpected.push(format!("{name} ({got})"));
            }
        }
        differences.unexpected.sort();
    } else if found.is_empty() && differences.missing.is_empty() && differences.mismatched.is_empty() {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let expected = format!("patterns of some of {}", names.join(", "));
        return Err(Error::argument("load", expected, "none that matches"));
    }
    differences.refuse(|expected, got| Error::file(path, expected, got))?;
    Ok(found)
}
