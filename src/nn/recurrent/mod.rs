//! Recurrent networks: cells, the loop that unrolls any cell over the steps of a sequence, and the layers.
//!
//! A cell computes one step: from an input and a state, the next state. [`unroll`] applies it to all steps, as
//! ordinary nodes of the graph, with the same weights; that works for any [`Cell`]. [`Rnn`], [`Lstm`] and [`Gru`]
//! are PyTorch's layers: by default each direction of a layer is one product for the inputs of all steps and one
//! fused op through time; [`Lstm::unrolled`] builds the same from single steps.
//!
//! A cell of one's own, over five steps of a batch of two:
//!
//! ```
//! use wgrad::nn::recurrent::{Cell, Unroll, unroll};
//! use wgrad::ops::Init;
//! use wgrad::{Graph, Result, Tensor};
//!
//! /// `s' = s + rate (x - s)` with a learned rate.
//! struct LeakyAverage;
//!
//! impl Cell for LeakyAverage {
//!     fn state_sizes(&self) -> Vec<usize> {
//!         vec![4]
//!     }
//!
//!     fn step(&self, input: &Tensor, state: &[Tensor]) -> Result<Vec<Tensor>> {
//!         let graph = input.graph();
//!         let rate = graph.parameter(&graph.scoped_name("rate"), [4], Init::Constant(0.5))?;
//!         Ok(vec![state[0].add(&input.sub(&state[0])?.mul(&rate)?)?])
//!     }
//! }
//!
//! let graph = Graph::new();
//! let sequence = unroll(&LeakyAverage, &graph.input("x", [5, 2, 4])?, Unroll::default())?;
//! assert_eq!(sequence.output.shape()[..], [5, 2, 4]);
//! assert_eq!(graph.parameters().len(), 1, "all steps share it");
//! # Ok::<(), wgrad::Error>(())
//! ```
//!
//! Truncated backpropagation through time needs nothing more: give the first states of a window as
//! [`Graph::state`](crate::Graph::state)s and [`Graph::assign`](crate::Graph::assign) them the last ones, as
//! [`crate::train::TextTrainer`] does; no gradient passes a state. [`crate::optim::clip_grad_norm`] clips.
//!
//! Traps. PyTorch's LSTM gates are i, f, g, o, ONNX's i, o, f, c. PyTorch's GRU is ONNX's with
//! `linear_before_reset = 1`; [`Gru::reset_after`] makes it the other one. What is not here: a fused op for that one, which
//! runs unrolled.

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
