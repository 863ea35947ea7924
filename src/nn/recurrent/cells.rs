//! One step of each recurrent network, with PyTorch's names, gate order and initial values.

use super::unroll::Cell;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::ops::{Init, RecurrentKind};
use crate::shape::Shape;

/// The sizes of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    pub(super) input: usize,
    pub(super) hidden: usize,
    /// The size of `h` where a projection makes it smaller.
    pub(super) projection: Option<usize>,
    pub(super) bias: bool,
}

impl Sizes {
    /// The size of `h`.
    pub(super) fn output(&self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }
}

/// The parameters of a cell.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// `(G H, I)`.
    pub(super) ih: Tensor,
    /// `(G H, P)`.
    pub(super) hh: Tensor,
    /// `bias_ih` and `bias_hh`, each `(G H)`.
    pub(super) bias: Option<(Tensor, Tensor)>,
    /// `(P, H)`.
    pub(super) hr: Option<Tensor>,
}

impl Weights {
    /// Parameters named `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` and `weight_hr` plus `suffix`, all uniform
    /// in `+-1 / sqrt(hidden_size)`.
    pub(super) fn declare(graph: &Graph, kind: RecurrentKind, sizes: &Sizes, suffix: &str) -> Result<Self> {
        let bound = 1.0 / (sizes.hidden as f64).sqrt();
        let init = Init::Uniform { low: -bound as f32, high: bound as f32 };
        let parameter = |name: &str, shape: Shape| {
            graph.parameter(&graph.scoped_name(&format!("{name}{suffix}")), shape, init.clone())
        };
        let rows = kind.gates() * sizes.hidden;
        let ih = parameter("weight_ih", [rows, sizes.input].into())?;
        let hh = parameter("weight_hh", [rows, sizes.output()].into())?;
        let bias = |name| parameter(name, [rows].into());
        let bias = if sizes.bias { Some((bias("bias_ih")?, bias("bias_hh")?)) } else { None };
        let hr = |size| parameter("weight_hr", [size, sizes.hidden].into());
        Ok(Self { ih, hh, bias, hr: sizes.projection.map(hr).transpose()? })
    }
}

/// One step of a network with weights: from `input (B, I)` and the state, the new state.
pub(super) fn step(
    kind: RecurrentKind,
    w: &Weights,
    input: &Tensor,
    state: &[Tensor],
) -> Result<Vec<Tensor>> {
    let from_input = input.linear(&w.ih, w.bias.as_ref().map(|b| &b.0))?;
    let from_state = state[0].linear(&w.hh, w.bias.as_ref().map(|b| &b.1))?;
    let runs = |t: &Tensor| t.split(1, &vec![t.shape()[1] / kind.gates(); kind.gates()]);
    match kind {
        RecurrentKind::RnnTanh => Ok(vec![from_input.add(&from_state)?.tanh()?]),
        RecurrentKind::RnnRelu => Ok(vec![from_input.add(&from_state)?.relu()?]),
        RecurrentKind::Lstm => {
            let gates = runs(&from_input.add(&from_state)?)?;
            let (i, f) = (gates[0].sigmoid()?, gates[1].sigmoid()?);
            let (g, o) = (gates[2].tanh()?, gates[3].sigmoid()?);
            let c = f.mul(&state[1])?.add(&i.mul(&g)?)?;
            let h = o.mul(&c.tanh()?)?;
            let h = w.hr.as_ref().map_or_else(|| Ok(h.clone()), |hr| h.linear(hr, None))?;
            Ok(vec![h, c])
        }
        RecurrentKind::Gru => {
            let (x, s) = (runs(&from_input)?, runs(&from_state)?);
            let r = x[0].add(&s[0])?.sigmoid()?;
            let z = x[1].add(&s[1])?.sigmoid()?;
            let n = x[2].add(&r.mul(&s[2])?)?.tanh()?;
            // (1 - z) n + z h
            Ok(vec![n.add(&z.mul(&state[0].sub(&n)?)?)?])
        }
    }
}

/// The sizes of the tensors of a state.
pub(super) fn state_sizes(kind: RecurrentKind, sizes: &Sizes) -> Vec<usize> {
    if kind == RecurrentKind::Lstm { vec![sizes.output(), sizes.hidden] } else { vec![sizes.output()] }
}

/// That a step's input and state fit a cell.
fn check(kind: RecurrentKind, sizes: &Sizes, input: &Tensor, state: &[Tensor]) -> Result<()> {
    let shape = input.shape();
    let fail = |expected: String, got: String| {
        Err(Error::op(&format!("{}_cell", kind.name()), &input.graph().label(), Mismatch::new(expected, got)))
    };
    if shape.len() != 2 || shape[1] != sizes.input {
        return fail(format!("input (B, {})", sizes.input), shape.to_string());
    }
    let expected: Vec<Shape> =
        state_sizes(kind, sizes).into_iter().map(|size| Shape::from([shape[0], size])).collect();
    let got: Vec<Shape> = state.iter().map(Tensor::shape).collect();
    if expected != got { fail(format!("a state of {expected:?}"), format!("{got:?}")) } else { Ok(()) }
}

macro_rules! cell {
    ($name:ident, $kind:expr, $doc:literal, $alias:literal) => {
        #[doc = $doc]
        ///
        /// Parameters `weight_ih (G H, input_size)`, `weight_hh (G H, hidden_size)`, `bias_ih` and `bias_hh (G H)`,
        /// uniform in `+-1 / sqrt(hidden_size)`.
        #[doc(alias = $alias)]
        #[derive(Debug, Clone)]
        pub struct $name {
            sizes: Sizes,
            kind: RecurrentKind,
        }

        impl $name {
            /// With biases.
            pub fn new(input_size: usize, hidden_size: usize) -> Self {
                let sizes = Sizes { input: input_size, hidden: hidden_size, projection: None, bias: true };
                Self { sizes, kind: $kind }
            }

            /// Sets whether there are biases.
            #[must_use]
            pub fn bias(mut self, bias: bool) -> Self {
                self.sizes.bias = bias;
                self
            }
        }

        impl Cell for $name {
            fn state_sizes(&self) -> Vec<usize> {
                state_sizes(self.kind, &self.sizes)
            }

            fn step(&self, input: &Tensor, state: &[Tensor]) -> Result<Vec<Tensor>> {
                check(self.kind, &self.sizes, input, state)?;
                let weights = Weights::declare(input.graph(), self.kind, &self.sizes, "")?;
                step(self.kind, &weights, input, state)
            }
        }
    };
}

cell!(RnnCell, RecurrentKind::RnnTanh, "`h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh)`.", "RNNCell");
cell!(
    LstmCell,
    RecurrentKind::Lstm,
    "Long short-term memory: `c' = sigmoid(f) c + sigmoid(i) tanh(g)`, `h' = sigmoid(o) tanh(c')`; gates i, f, g, o.",
    "LSTMCell"
);
cell!(
    GruCell,
    RecurrentKind::Gru,
    "Gated recurrent unit: `h' = (1 - z) n + z h` with `n = tanh(x_n + r h_n)`; gates r, z, n.",
    "GRUCell"
);

impl RnnCell {
    /// Sets ReLU instead of tanh.
    #[must_use]
    pub fn relu(self) -> Self {
        Self { kind: RecurrentKind::RnnRelu, ..self }
    }
}
