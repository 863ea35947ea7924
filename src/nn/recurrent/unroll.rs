//! The loop over the steps of a sequence, as nodes of the graph.

use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::shape::Shape;

/// One step of a recurrent network, the unit that is repeated with the same weights.
///
/// Parameters are named by the scope in which the loop runs, so that every step finds the same ones.
pub trait Cell {
    /// The sizes `n` of the tensors `(B, n)` that make up a state; the first is the cell's output.
    fn state_sizes(&self) -> Vec<usize>;

    /// Adds one step to the graph: from `input (B, I)` and the state, the new state.
    ///
    /// # Errors
    /// When input or state do not fit.
    fn step(&self, input: &Tensor, state: &[Tensor]) -> Result<Vec<Tensor>>;
}

/// What a recurrent network gives.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// The output of each step, `(T, B, H)`; 0 behind a sequence's end.
    pub output: Tensor,
    /// The state after the last step of each sequence: `h`, and the LSTM's `c`.
    pub state: Vec<Tensor>,
}

/// How a cell is applied to a sequence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unroll<'a> {
    /// The state before the first step; zeros without one.
    pub state: Option<&'a [Tensor]>,
    /// From the last step to the first.
    pub reverse: bool,
    /// Where each sequence has steps, `(T, B)` of 1 and 0, as [`Tensor::sequence_mask`] gives it. The state passes
    /// unchanged where it is 0.
    pub mask: Option<&'a Tensor>,
}

fn fail(input: &Tensor, expected: impl Into<String>, got: impl Into<String>) -> Error {
    Error::op("unroll", &input.graph().label(), Mismatch::new(expected, got))
}

/// Zeros of a cell's state.
pub(super) fn zero_state(input: &Tensor, batch: usize, sizes: &[usize]) -> Result<Vec<Tensor>> {
    let zero = input.graph().scalar_of(input.ty().dtype, 0.0)?;
    sizes.iter().map(|&size| zero.broadcast_to([batch, size])).collect()
}

/// Applies a cell to every step of `input (T, B, I)`: the textbook's picture, one copy of the cell a step. The
/// labels of its nodes end in `t=` and the step, so that a drawing can show the steps apart.
///
/// # Errors
/// When input, state or mask do not fit the cell.
pub fn unroll(cell: &dyn Cell, input: &Tensor, options: Unroll<'_>) -> Result<Sequence> {
    let shape = input.shape();
    let [steps, batch, _] = shape[..] else { return Err(fail(input, "input (T, B, I)", shape.to_string())) };
    let sizes = cell.state_sizes();
    let mut state = match options.state {
        Some(state) => state.to_vec(),
        None => zero_state(input, batch, &sizes)?,
    };
    let expected: Vec<Shape> = sizes.iter().map(|&size| Shape::from([batch, size])).collect();
    let got: Vec<Shape> = state.iter().map(Tensor::shape).collect();
    if got != expected {
        return Err(fail(input, format!("a state of {expected:?}"), format!("{got:?}")));
    }
    let inputs = input.unbind(0)?;
    let masks = options.mask.map(|mask| columns(input, mask, [steps, batch])).transpose()?;
    let mut outputs: Vec<Option<Tensor>> = vec![None; steps];
    let order: Vec<usize> = if options.reverse { (0..steps).rev().collect() } else { (0..steps).collect() };
    for t in order {
        state = input.graph().stepped(t, || -> Result<Vec<Tensor>> {
            let new = cell.step(&inputs[t], &state)?;
            match &masks {
                Some(masks) => new.iter().zip(&state).map(|(new, old)| masks[t].select(new, old)).collect(),
                None => Ok(new),
            }
        })?;
        outputs[t] = state.first().cloned();
    }
    let outputs: Vec<Tensor> = outputs.into_iter().flatten().collect();
    let output = Tensor::stack(&outputs, 0)?;
    let output = match options.mask {
        Some(mask) => output.mul(&mask.reshape([steps, batch, 1])?)?,
        None => output,
    };
    Ok(Sequence { output, state })
}

/// The mask of each step as a column `(B, 1)`.
fn columns(input: &Tensor, mask: &Tensor, [steps, batch]: [usize; 2]) -> Result<Vec<Tensor>> {
    if mask.shape()[..] != [steps, batch] {
        return Err(fail(input, format!("a mask ({steps}, {batch})"), mask.shape().to_string()));
    }
    mask.reshape([steps, batch, 1])?.unbind(0)
}
