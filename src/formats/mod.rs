//! Files of tensors from elsewhere: safetensors, PyTorch's and NumPy's, read and written.
//!
//! [`Tensors::read`] takes any of them, recognised by their first bytes and not by their names, and [`Tensors::save`] writes
//! safetensors:
//!
//! ```no_run
//! use std::path::Path;
//! use wgrad::formats::{ReadOptions, Tensors};
//!
//! # fn main() -> wgrad::Result<()> {
//! let options = ReadOptions { key: Some("model".into()), ..ReadOptions::default() };
//! Tensors::read(Path::new("checkpoint.pt"), &options)?.save(Path::new("model.safetensors"))?;
//! # Ok(())
//! # }
//! ```
//!
//! [`crate::Parameters::load`] takes them, too, and on the command line `wgrad inspect`, `wgrad convert` and
//! `wgrad train --init`. PyTorch's files and `.npz` need the feature `pytorch`.
//!
//! # What is read
//!
//! - `.pt`, `.pth`, `.bin` by `torch.save`, of the zip form and of that before 1.6: state dicts, training checkpoints, single
//!   tensors, lists of them; parameters, views of any strides, storages that several tensors share.
//! - `.npz`, packed or not, and `.npy`, versions 1 to 3, in both byte orders and both orders of elements.
//! - pickles of NumPy arrays, and safetensors.
//!
//! # How a file's numbers become ours
//!
//! - `f16`, `bf16` and `f64` become `f32`: the first two exactly, of an `f64` the nearest. A finite number beyond `f32` is
//!   refused.
//! - Whole numbers and truth values become `u32`; one below 0 or above 32 bits is refused. PyTorch's `num_batches_tracked` is
//!   such a number, and `u32` is written as `I64` for it.
//! - A complex, quantised or 8-bit float tensor is listed, and refused when it is read.
//!
//! # Nothing in a file is executed
//!
//! A pickle is a program that may call anything in Python. Here the names of tensors and plain containers are on a list and
//! each stands for something made here; any other name, `os.system` as `argparse.Namespace` or a class of a whole saved model,
//! is refused with the name and its position in the file. The remedy is to save `model.state_dict()`.
//!
//! # Memory
//!
//! A file is read whole. What is unpacked of it may be 64 MiB and 32 times its own size, and its tensors as much again:
//! archives that unpack to far more, views that repeat one element a billion times and sizes that no file could hold are
//! refused before memory is allocated. A pickle may have 2^24 instructions and make 2^21 objects; no depth of nesting is one of
//! calls.
//!
//! # What is not read
//!
//! TorchScript programs, sparse and quantised tensors, PyTorch's tar archives of before 2017, files in pieces with an index,
//! NumPy arrays of records, texts or objects.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod budget;
mod element;
mod entry;
mod file;
mod layout;
mod npy;
mod prefix;
mod recognise;
mod safetensors;
mod tensors;

#[cfg(feature = "pytorch")]
mod archive;
#[cfg(feature = "pytorch")]
mod dictionary;
#[cfg(feature = "pytorch")]
mod npz;
#[cfg(feature = "pytorch")]
mod pickle;
#[cfg(feature = "pytorch")]
mod torch_legacy;
#[cfg(feature = "pytorch")]
mod torch_zip;

pub use entry::Format;
pub use file::{ReadOptions, TensorFile};
#[cfg(feature = "pytorch")]
pub use tensors::read_npz;
pub use tensors::{Tensors, read_npy, write_npy};

pub(crate) use prefix::is_wrapped;
pub(crate) use safetensors::{dtype, host, save, stored};
