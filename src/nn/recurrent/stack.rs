//! Layers on top of each other, in one direction or both: what [`super::Rnn`], [`super::Lstm`] and
//! [`super::Gru`] share.

use super::cells::{Sizes, Weights, state_sizes, step};
use super::unroll::{Cell, Sequence, Unroll, unroll, zero_state};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{Op, Pad, Recurrent, RecurrentKind};
use crate::random::Rng;
use crate::shape::Shape;

/// The options of a recurrent network, with PyTorch's names and defaults.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) kind: RecurrentKind,
    pub(super) sizes: Sizes,
    pub(super) num_layers: usize,
    pub(super) bidirectional: bool,
    pub(super) batch_first: bool,
    pub(super) dropout: f32,
    pub(super) unrolled: bool,
}

/// A cell whose weights are those of a layer and direction.
struct LayerCell<'a> {
    kind: RecurrentKind,
    sizes: Sizes,
    weights: &'a Weights,
}

impl Cell for LayerCell<'_> {
    fn state_sizes(&self) -> Vec<usize> {
        state_sizes(self.kind, &self.sizes)
    }

    fn step(&self, input: &Tensor, state: &[Tensor]) -> Result<Vec<Tensor>> {
        step(self.kind, self.sizes.reset_after, self.weights, input, state)
    }
}

impl Stack {
    pub(super) fn new(kind: RecurrentKind, input_size: usize, hidden_size: usize) -> Self {
        Self {
            kind,
            sizes: Sizes::new(input_size, hidden_size),
            num_layers: 1,
            bidirectional: false,
            batch_first: false,
            dropout: 0.0,
            unrolled: false,
        }
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    fn fail(&self, input: &Tensor, expected: String, got: String) -> Error {
        Error::op(self.kind.name(), &input.graph().label(), Mismatch::new(expected, got))
    }

    /// The shapes of the tensors of a state: `(num_layers * directions, B, n)`.
    fn state_shapes(&self, batch: usize) -> Vec<Shape> {
        let shape = |size| Shape::from([self.num_layers * self.directions(), batch, size]);
        state_sizes(self.kind, &self.sizes).into_iter().map(shape).collect()
    }

    /// The states before the first step, by layer and direction.
    fn first_states(
        &self,
        input: &Tensor,
        batch: usize,
        state: Option<&[Tensor]>,
    ) -> Result<Vec<Vec<Tensor>>> {
        let runs = self.num_layers * self.directions();
        let Some(state) = state else {
            let zeros = zero_state(input, batch, &state_sizes(self.kind, &self.sizes))?;
            return Ok(vec![zeros; runs]);
        };
        let (expected, got) = (self.state_shapes(batch), state.iter().map(Tensor::shape).collect::<Vec<_>>());
        if expected != got {
            return Err(self.fail(input, format!("a state of {expected:?}"), format!("{got:?}")));
        }
        let parts = state.iter().map(|t| t.unbind(0)).collect::<Result<Vec<_>>>()?;
        Ok((0..runs).map(|run| parts.iter().map(|p| p[run].clone()).collect()).collect())
    }

    fn check(&self, input: &Tensor, lengths: Option<&Tensor>) -> Result<()> {
        let (shape, size) = (input.shape(), self.sizes.input);
        let what = if self.batch_first { "input (B, T, " } else { "input (T, B, " };
        if shape.len() != 3 || shape[2] != size {
            return Err(self.fail(input, format!("{what}{size})"), shape.to_string()));
        }
        let count = |n: usize, name: &str| {
            if n == 0 { Err(self.fail(input, format!("{name} of at least 1"), "0".into())) } else { Ok(()) }
        };
        count(self.sizes.hidden, "hidden_size")?;
        count(self.num_layers, "num_layers")?;
        if let Some(projection) = self.sizes.projection.filter(|p| !(1..self.sizes.hidden).contains(p)) {
            let expected = format!("proj_size from 1 to below hidden_size {}", self.sizes.hidden);
            return Err(self.fail(input, expected, projection.to_string()));
        }
        let batch = if self.batch_first { shape[0] } else { shape[1] };
        match lengths.map(Tensor::shape).filter(|s| s[..] != [batch]) {
            Some(got) => Err(self.fail(input, format!("lengths ({batch})"), got.to_string())),
            None => Ok(()),
        }
    }

    /// Output `(T, B, D P)` (batch first: `(B, T, D P)`) and the last states `(num_layers D, B, n)`.
    pub(super) fn forward(
        &self,
        input: &Tensor,
        state: Option<&[Tensor]>,
        lengths: Option<&Tensor>,
    ) -> Result<Sequence> {
        if input.shape().len() == 2 && lengths.is_none() {
            return self.unbatched(input, state);
        }
        self.check(input, lengths)?;
        let mut x = if self.batch_first { input.transpose(0, 1)? } else { input.clone() };
        let (steps, batch) = (x.shape()[0], x.shape()[1]);
        let mask = lengths.map(|l| l.sequence_mask(steps)).transpose()?;
        let first = self.first_states(input, batch, state)?;
        let mut last: Vec<Vec<Tensor>> = Vec::new();
        for layer in 0..self.num_layers {
            if layer > 0 {
                x = x.dropout(self.dropout, self.dropout_seed(input, layer))?;
            }
            let mut outputs = Vec::new();
            for direction in 0..self.directions() {
                let run = layer * self.directions() + direction;
                let found = self.run(&x, layer, direction == 1, &first[run], mask.as_ref())?;
                outputs.push(found.output);
                last.push(found.state);
            }
            x = Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 2)?;
        }
        let states = 0..self.kind.states();
        let state = states.map(|s| {
            let runs: Vec<Tensor> = last.iter().map(|state| state[s].clone()).collect();
            Tensor::stack(&runs, 0)
        });
        let state = state.collect::<Result<Vec<_>>>()?;
        Ok(Sequence { output: if self.batch_first { x.transpose(0, 1)? } else { x }, state })
    }

    /// Of `input (T, I)` and states `(num_layers D, n)`: a batch of one, which neither output nor last states have.
    fn unbatched(&self, input: &Tensor, state: Option<&[Tensor]>) -> Result<Sequence> {
        let with = |t: &Tensor, at: usize| {
            let mut sizes = t.shape().to_vec();
            sizes.insert(at, 1);
            t.reshape(sizes)
        };
        let without = |t: &Tensor, at: usize| {
            let mut sizes = t.shape().to_vec();
            sizes.remove(at);
            t.reshape(sizes)
        };
        let batch = if self.batch_first { 0 } else { 1 };
        let rank_2 = |t: &Tensor| t.shape().len() == 2;
        if let Some(bad) = state.and_then(|state| state.iter().find(|t| !rank_2(t))) {
            let expected = "states (num_layers D, n) of an input without a batch".to_owned();
            return Err(self.fail(input, expected, bad.shape().to_string()));
        }
        let states = state.map(|state| state.iter().map(|t| with(t, 1)).collect::<Result<Vec<_>>>());
        let found = self.forward(&with(input, batch)?, states.transpose()?.as_deref(), None)?;
        let state = found.state.iter().map(|t| without(t, 1)).collect::<Result<Vec<_>>>()?;
        Ok(Sequence { output: without(&found.output, batch)?, state })
    }

    /// Each layer drops by a stream of its own.
    fn dropout_seed(&self, input: &Tensor, layer: usize) -> u32 {
        Rng::named(layer as u64, &input.graph().scoped_name("dropout")).next_u64() as u32
    }

    /// One layer in one direction.
    fn run(
        &self,
        x: &Tensor,
        layer: usize,
        reverse: bool,
        first: &[Tensor],
        mask: Option<&Tensor>,
    ) -> Result<Sequence> {
        let graph = x.graph();
        let suffix = format!("_l{layer}{}", if reverse { "_reverse" } else { "" });
        let sizes = Sizes { input: x.shape()[2], ..self.sizes };
        let weights = Weights::declare(graph, self.kind, &sizes, &suffix)?;
        let projected = weights.hr.is_some();
        // The first `h` of a projection is not the state of a fused op, which only its first step can be told.
        let given = first.first().is_some_and(|h| graph.with(|data| data.constant(h.id())) != Some(0.0));
        // A reset gate before the product stands between the steps.
        if self.unrolled || !sizes.reset_after || projected && given && mask.is_some() {
            let cell = LayerCell { kind: self.kind, sizes, weights: &weights };
            return unroll(&cell, x, Unroll { state: Some(first), reverse, mask });
        }
        match &weights.hr {
            None => self.fused(x, &weights, reverse, first, mask),
            Some(hr) => self.projected(x, &weights, hr, reverse, (first, given), mask),
        }
    }

    /// One product for the inputs of all steps and gates, and one op through time.
    fn fused(
        &self,
        x: &Tensor,
        weights: &Weights,
        reverse: bool,
        first: &[Tensor],
        mask: Option<&Tensor>,
    ) -> Result<Sequence> {
        let (added, kept) = weights.bias.as_ref().map(|(ih, hh)| (ih, hh)).unzip();
        let gates = x.linear(&weights.ih, added)?;
        self.through(&gates, &weights.hh, kept, reverse, first, mask)
    }

    /// With `h = W_hr m` of what the cell gives, `W_hh h` is `(W_hh W_hr) m`: a layer without a projection, whose steps are
    /// projected at once. What a given first `h` adds to the gates, the first step is given.
    fn projected(
        &self,
        x: &Tensor,
        weights: &Weights,
        hr: &Tensor,
        reverse: bool,
        (first, given): (&[Tensor], bool),
        mask: Option<&Tensor>,
    ) -> Result<Sequence> {
        let (added, kept) = weights.bias.as_ref().map(|(ih, hh)| (ih, hh)).unzip();
        let mut gates = x.linear(&weights.ih, added)?;
        let (steps, batch) = (x.shape()[0], x.shape()[1]);
        if given {
            let from_state = first[0].linear(&weights.hh, None)?;
            let row = from_state.reshape([1, batch, from_state.shape()[1]])?;
            let others = steps as i64 - 1;
            let pairs = if reverse { [0, 0, 0, 0, others, 0] } else { [0, 0, 0, 0, 0, others] };
            gates = gates.add(&row.pad(&pairs, Pad::Constant(0.0))?)?;
        }
        let zeros = zero_state(x, batch, &[self.sizes.hidden])?;
        let states: Vec<Tensor> = zeros.into_iter().chain(first.iter().skip(1).cloned()).collect();
        let product = weights.hh.matmul(hr)?;
        let found = self.through(&gates, &product, kept, reverse, &states, mask)?;
        let mut state = found.state;
        if let Some(h) = state.first_mut() {
            *h = h.linear(hr, None)?;
        }
        Ok(Sequence { output: found.output.linear(hr, None)?, state })
    }

    /// The op through time, of the inputs' product and the states before the first step.
    fn through(
        &self,
        gates: &Tensor,
        weight: &Tensor,
        kept: Option<&Tensor>,
        reverse: bool,
        first: &[Tensor],
        mask: Option<&Tensor>,
    ) -> Result<Sequence> {
        let op = Recurrent { kind: self.kind, reverse, bias: kept.is_some(), masked: mask.is_some() };
        let inputs = [gates, weight].into_iter().chain(first).chain(kept).chain(mask);
        let found = gates.graph().apply(Op::Recurrent(op), &inputs.collect::<Vec<_>>())?;
        let hidden = &found[0];
        let shape = hidden.shape();
        let end = if reverse { 0 } else { shape[0] - 1 };
        let last = |t: &Tensor| t.narrow(0, end, 1)?.reshape([shape[1], shape[2]]);
        let mut state = vec![last(hidden)?];
        state.extend(found.get(2).map(last).transpose()?);
        let output = match mask {
            Some(mask) => hidden.mul(&mask.reshape([shape[0], shape[1], 1])?)?,
            None => hidden.clone(),
        };
        Ok(Sequence { output, state })
    }
}
