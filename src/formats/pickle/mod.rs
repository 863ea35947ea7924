//! Pickles: programs of a stack machine that make Python's values. This machine makes plain values and tensors alone: a name
//! is compared with a list and stands for something made here, and what is not on the list ends the reading.

mod calls;
mod machine;
mod names;
mod reader;
mod value;

pub(super) use machine::{Pickle, load};
pub(super) use value::{Arena, Object, Source, Storage, Tensor, Value};
