//! Recurrent networks: cells, the loop that unrolls any cell over the steps of a sequence, and the layers.
//!
//! A cell computes one step: from an input and a state, the next state. [`unroll`] applies it to all steps, as
//! ordinary nodes of the graph, with the same weights; that works for any [`Cell`]. [`Rnn`], [`Lstm`] and [`Gru`]
//! are PyTorch's layers: by default each direction of a layer is one product for the inputs of all steps and one
//! fused op through time; [`Lstm::unrolled`] builds the same from single steps.

mod cells;
mod layers;
mod stack;
mod unroll;

pub use cells::{GruCell, LstmCell, RnnCell};
pub use layers::{Gru, Lstm, Rnn};
pub use unroll::{Cell, Sequence, Unroll, unroll};

use crate::error::{Error, Result};
use crate::tensor::HostTensor;

/// The lengths of the sequences of a batch as a tensor `(B)`, each checked to be from 1 to `max_length`.
///
/// # Errors
/// When a length is 0 or above `max_length`; the message names the sequence.
pub fn lengths(lengths: &[usize], max_length: usize) -> Result<HostTensor> {
    if let Some(b) = lengths.iter().position(|l| !(1..=max_length).contains(l)) {
        let got = format!("{} for sequence {b}", lengths[b]);
        return Err(Error::argument("lengths", format!("1 to {max_length}, the number of steps"), got));
    }
    HostTensor::from_u32([lengths.len()], lengths.iter().map(|&l| l as u32).collect())
}
