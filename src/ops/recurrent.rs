//! A recurrent layer in one direction over all steps, and its backward pass through time.
//!
//! `gates (T, B, G H)` are the inputs' products with `weight_ih`, of all steps at once. With `h` and `c` the state
//! before a step, `a = gates[t] + h weight_hh^T` in `G` runs of `H`, PyTorch's order:
//! - RNN (`G = 1`): `h = tanh(a)` or `relu(a)`
//! - LSTM (`i f g o`): `c = sigmoid(f) c + sigmoid(i) tanh(g)`, `h = sigmoid(o) tanh(c)`
//! - GRU (`r z n`): `n = tanh(gates_n + sigmoid(r) (h weight_n^T + bias_n))`, `h = (1 - sigmoid(z)) n + sigmoid(z) h`
//!
//! Where the mask is 0 the state passes unchanged, so the last step holds every sequence's final state.

use super::{Rule, dims, f32s, same};
use crate::error::Mismatch;
use crate::tensor::TensorType;
use std::fmt;

/// What a recurrent layer computes in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecurrentKind {
    /// Elman's net with tanh.
    RnnTanh,
    /// Elman's net with ReLU.
    RnnRelu,
    /// Long short-term memory; gates i, f, g, o (ONNX: i, o, f, c).
    Lstm,
    /// Gated recurrent unit; gates r, z, n (ONNX: z, r, h with `linear_before_reset = 1`).
    Gru,
}

impl RecurrentKind {
    /// Runs of `H` numbers of which the weights have one each.
    pub fn gates(self) -> usize {
        match self {
            RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => 1,
            RecurrentKind::Lstm => 4,
            RecurrentKind::Gru => 3,
        }
    }

    /// Tensors of a state: `h`, and the LSTM's `c`.
    pub fn states(self) -> usize {
        if self == RecurrentKind::Lstm { 2 } else { 1 }
    }

    /// Runs of `H` numbers a step saves for the backward pass: the LSTM's i, f, g, o and c before the step, the
    /// GRU's r, z, n, `h weight_n^T + bias_n` and h before the step. An RNN needs only its output.
    pub(crate) fn reserve(self) -> usize {
        match self {
            RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => 0,
            RecurrentKind::Lstm | RecurrentKind::Gru => 5,
        }
    }

    /// Whether the recurrent product has a gradient of its own besides that of `gates`.
    pub(crate) fn own_hidden_gates(self) -> bool {
        self == RecurrentKind::Gru
    }
}

/// The attributes of a recurrent op. Inputs: `gates (T, B, G H), weight_hh (G H, H), h0 (B, H), [c0 (B, H)],
/// [bias_hh (G H)], [mask (T, B)]`. Outputs: `hidden (T, B, H), [reserve (T, B, 5 H)], [cells (T, B, H)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recurrent {
    /// What a step computes.
    pub kind: RecurrentKind,
    /// From the last step to the first.
    pub reverse: bool,
    /// There is a `bias_hh`: for the GRU, whose reset gate acts on it. The others add it to `gates`.
    pub bias: bool,
    /// There is a mask of the steps within each sequence.
    pub masked: bool,
}

/// The attributes of the backward pass. Inputs: `grad_hidden (T, B, H), weight_hh, reserve or hidden,
/// [grad_cells (T, B, H)], [mask]`. Outputs: `grad_gates (T, B, G H), [grad_hidden_gates (T, B, G H)],
/// grad_state (S, B, H)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecurrentBackward {
    /// The forward op's attributes.
    pub forward: Recurrent,
    /// The loss depends on the LSTM's `cells` too.
    pub grad_cells: bool,
}

impl fmt::Display for Recurrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reverse, bias, masked, .. } = self;
        write!(f, "reverse {reverse} bias {bias} masked {masked}")
    }
}

impl fmt::Display for RecurrentBackward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} grad_cells {}", self.forward, self.grad_cells)
    }
}

/// Steps, batch and hidden size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecurrentSizes {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) hidden: usize,
}

impl RecurrentSizes {
    /// Of `gates (T, B, G H)`.
    pub(crate) fn of_gates(kind: RecurrentKind, gates: &TensorType) -> Result<Self, Mismatch> {
        let what = format!("gates (T, B, {} H)", kind.gates());
        let [steps, batch, width] = dims(gates, &what)?;
        Mismatch::check(width % kind.gates() == 0, what, gates.to_string())?;
        Ok(Self { steps, batch, hidden: width / kind.gates() })
    }

    /// Of `grad_hidden (T, B, H)`.
    pub(crate) fn of_hidden(hidden: &TensorType) -> Result<Self, Mismatch> {
        let [steps, batch, hidden] = dims(hidden, "hidden (T, B, H)")?;
        Ok(Self { steps, batch, hidden })
    }

    fn sequence(&self, runs: usize) -> TensorType {
        TensorType::f32([self.steps, self.batch, runs * self.hidden])
    }

    /// What the weights of the recurrent product are.
    fn check_weight(&self, kind: RecurrentKind, weight: &TensorType) -> Result<(), Mismatch> {
        same("weight_hh", &TensorType::f32([kind.gates() * self.hidden, self.hidden]), weight)
    }

    fn mask(&self) -> TensorType {
        TensorType::f32([self.steps, self.batch])
    }
}

fn take<'a>(
    inputs: &mut impl Iterator<Item = &'a TensorType>,
    what: &str,
) -> Result<&'a TensorType, Mismatch> {
    let ty = inputs.next().ok_or_else(|| Mismatch::new(what, "no such input"))?;
    f32s::<1>(&[ty])?;
    Ok(ty)
}

fn finished<'a>(mut inputs: impl Iterator<Item = &'a TensorType>) -> Result<(), Mismatch> {
    inputs.next().map_or(Ok(()), |extra| Err(Mismatch::new("no further input", extra.to_string())))
}

impl Rule for Recurrent {
    const NAME: &'static str = "recurrent";

    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn names() -> Vec<&'static str> {
        RecurrentKind::all().iter().map(RecurrentKind::name).collect()
    }

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let inputs = &mut inputs.iter().copied();
        let kind = self.kind;
        let sizes = RecurrentSizes::of_gates(kind, take(inputs, "gates")?)?;
        sizes.check_weight(kind, take(inputs, "weight_hh")?)?;
        let state = TensorType::f32([sizes.batch, sizes.hidden]);
        for name in ["h0", "c0"].iter().take(kind.states()) {
            same(name, &state, take(inputs, name)?)?;
        }
        if self.bias {
            same("bias_hh", &TensorType::f32([kind.gates() * sizes.hidden]), take(inputs, "bias_hh")?)?;
        }
        if self.masked {
            same("mask", &sizes.mask(), take(inputs, "mask")?)?;
        }
        finished(inputs)?;
        let mut outputs = vec![sizes.sequence(1)];
        if kind.reserve() > 0 {
            outputs.push(sizes.sequence(kind.reserve()));
        }
        if kind == RecurrentKind::Lstm {
            outputs.push(sizes.sequence(1));
        }
        Ok(outputs)
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        flops(self.kind, outputs[0])
    }
}

impl Rule for RecurrentBackward {
    const NAME: &'static str = "recurrent_backward";

    fn name(&self) -> &'static str {
        self.forward.kind.backward_name()
    }

    fn names() -> Vec<&'static str> {
        RecurrentKind::all().iter().map(RecurrentKind::backward_name).collect()
    }

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let inputs = &mut inputs.iter().copied();
        let kind = self.forward.kind;
        let sizes = RecurrentSizes::of_hidden(take(inputs, "grad_hidden")?)?;
        sizes.check_weight(kind, take(inputs, "weight_hh")?)?;
        same("reserve", &sizes.sequence(kind.reserve().max(1)), take(inputs, "reserve")?)?;
        if self.grad_cells {
            Mismatch::check(kind == RecurrentKind::Lstm, "grad_cells of an LSTM only", kind.name())?;
            same("grad_cells", &sizes.sequence(1), take(inputs, "grad_cells")?)?;
        }
        if self.forward.masked {
            same("mask", &sizes.mask(), take(inputs, "mask")?)?;
        }
        finished(inputs)?;
        let mut outputs = vec![sizes.sequence(kind.gates())];
        if kind.own_hidden_gates() {
            outputs.push(sizes.sequence(kind.gates()));
        }
        outputs.push(TensorType::f32([kind.states(), sizes.batch, sizes.hidden]));
        Ok(outputs)
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        flops(self.forward.kind, inputs[0])
    }
}

/// Two operations a term of the recurrent product, and some ten an element of a gate.
fn flops(kind: RecurrentKind, sequence: &TensorType) -> u64 {
    let (elements, hidden) = (sequence.shape.elements() as u64, sequence.shape[2] as u64);
    elements * kind.gates() as u64 * (2 * hidden + 10)
}
