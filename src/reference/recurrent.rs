//! A recurrent layer in one direction: a loop over the steps, and one back through time.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Recurrent, RecurrentBackward, RecurrentKind};
use crate::tensor::TensorType;

impl Define for Recurrent {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(forward(self, inputs))
    }
}

impl Define for RecurrentBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(backward(self, inputs))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// NaN stays.
fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

/// The steps in the order of the forward pass.
fn order(o: &Recurrent, steps: usize) -> Vec<usize> {
    if o.reverse { (0..steps).rev().collect() } else { (0..steps).collect() }
}

/// The row of `weight (G H, H)` times the state `h`.
fn product(weight: &[f64], row: usize, h: &[f64]) -> f64 {
    h.iter().zip(&weight[row * h.len()..]).map(|(a, b)| a * b).sum()
}

/// Hidden states, and for LSTM and GRU what the backward pass reads, and the LSTM's cells.
fn forward(o: &Recurrent, inputs: &[&Array]) -> Vec<Vec<f64>> {
    let (steps, batch) = (inputs[0].ty.shape[0], inputs[0].ty.shape[1]);
    let (gates, weight, hidden) = (&inputs[0].data, &inputs[1].data, inputs[1].ty.shape[1]);
    let (count, saved) = (o.kind.gates(), o.kind.reserve());
    let bias = o.bias.then(|| &inputs[2 + o.kind.states()].data);
    let mask = inputs.last().filter(|_| o.masked);
    let mut output = vec![0.0; steps * batch * hidden];
    let mut reserve = vec![0.0; steps * batch * saved * hidden];
    let mut cells = vec![0.0; steps * batch * hidden];
    for b in 0..batch {
        let mut h = inputs[2].data[b * hidden..][..hidden].to_vec();
        let mut c = vec![0.0; hidden];
        if o.kind == RecurrentKind::Lstm {
            c.copy_from_slice(&inputs[3].data[b * hidden..][..hidden]);
        }
        for t in order(o, steps) {
            let at = t * batch + b;
            let within = mask.is_none_or(|m| m.data[at] != 0.0);
            let before = h.clone();
            for j in 0..hidden {
                let input = |gate: usize| gates[(at * count + gate) * hidden + j];
                let recurrent = |gate: usize| {
                    let row = gate * hidden + j;
                    product(weight, row, &before) + bias.map_or(0.0, |bias| bias[row])
                };
                let a = |gate: usize| input(gate) + recurrent(gate);
                let (kept, new_h, new_c) = match o.kind {
                    RecurrentKind::RnnTanh => ([0.0; 5], a(0).tanh(), 0.0),
                    RecurrentKind::RnnRelu => ([0.0; 5], relu(a(0)), 0.0),
                    RecurrentKind::Lstm => {
                        let (i, f, g, out) = (sigmoid(a(0)), sigmoid(a(1)), a(2).tanh(), sigmoid(a(3)));
                        let new = f * c[j] + i * g;
                        ([i, f, g, out, c[j]], out * new.tanh(), new)
                    }
                    RecurrentKind::Gru => {
                        let (r, z, from_h) = (sigmoid(a(0)), sigmoid(a(1)), recurrent(2));
                        let n = (input(2) + r * from_h).tanh();
                        ([r, z, n, from_h, before[j]], (1.0 - z) * n + z * before[j], 0.0)
                    }
                };
                for (run, value) in kept.iter().take(saved).enumerate() {
                    reserve[(at * saved + run) * hidden + j] = *value;
                }
                if within {
                    (h[j], c[j]) = (new_h, new_c);
                }
            }
            output[at * hidden..][..hidden].copy_from_slice(&h);
            cells[at * hidden..][..hidden].copy_from_slice(&c);
        }
    }
    match o.kind {
        RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => vec![output],
        RecurrentKind::Lstm => vec![output, reserve, cells],
        RecurrentKind::Gru => vec![output, reserve],
    }
}

/// The errors of the gates of one unit: those of the inputs' product, and that of the recurrent one's last gate;
/// and the errors of the unit's `h` (beside the recurrent product) and `c` before the step.
struct Unit {
    gates: [f64; 4],
    last_hidden: f64,
    h: f64,
    c: f64,
}

/// From `saved` and the errors `dh` and `dc` after the step.
fn unit(kind: RecurrentKind, saved: [f64; 5], dh: f64, dc: f64) -> Unit {
    let [a, b, n, d, before] = saved;
    match kind {
        RecurrentKind::RnnTanh => {
            let e = dh * (1.0 - a * a);
            Unit { gates: [e, 0.0, 0.0, 0.0], last_hidden: e, h: 0.0, c: 0.0 }
        }
        RecurrentKind::RnnRelu => {
            let e = if a <= 0.0 { 0.0 } else { dh };
            Unit { gates: [e, 0.0, 0.0, 0.0], last_hidden: e, h: 0.0, c: 0.0 }
        }
        RecurrentKind::Lstm => {
            let (i, f, g, out) = (a, b, n, d);
            let tanh_c = (f * before + i * g).tanh();
            let dc = dc + dh * out * (1.0 - tanh_c * tanh_c);
            let of_i = dc * g * i * (1.0 - i);
            let of_f = dc * before * f * (1.0 - f);
            let of_g = dc * i * (1.0 - g * g);
            let of_o = dh * tanh_c * out * (1.0 - out);
            Unit { gates: [of_i, of_f, of_g, of_o], last_hidden: of_o, h: 0.0, c: dc * f }
        }
        RecurrentKind::Gru => {
            let (r, z, from_h) = (a, b, d);
            let of_n = dh * (1.0 - z) * (1.0 - n * n);
            let of_z = dh * (before - n) * z * (1.0 - z);
            let of_r = of_n * from_h * r * (1.0 - r);
            Unit { gates: [of_r, of_z, of_n, 0.0], last_hidden: of_n * r, h: dh * z, c: 0.0 }
        }
    }
}

/// The errors of the gates, for the GRU of the recurrent product's too, and of the first states.
fn backward(o: &RecurrentBackward, inputs: &[&Array]) -> Vec<Vec<f64>> {
    let (kind, shape) = (o.forward.kind, &inputs[0].ty.shape);
    let (steps, batch, hidden) = (shape[0], shape[1], shape[2]);
    let (count, saved) = (kind.gates(), kind.reserve().max(1));
    let (grads, weight, reserve) = (&inputs[0].data, &inputs[1].data, &inputs[2].data);
    let grad_cells = o.grad_cells.then(|| &inputs[3].data);
    let mask = inputs.last().filter(|_| o.forward.masked);
    let mut grad_gates = vec![0.0; steps * batch * count * hidden];
    let mut grad_hidden_gates = grad_gates.clone();
    let mut state = vec![0.0; kind.states() * batch * hidden];
    for b in 0..batch {
        let (mut dh, mut dc) = (vec![0.0; hidden], vec![0.0; hidden]);
        for t in order(&o.forward, steps).into_iter().rev() {
            let at = t * batch + b;
            let mut h = vec![0.0; hidden];
            let within = mask.is_none_or(|m| m.data[at] != 0.0);
            for j in 0..hidden {
                let arriving = dh[j] + grads[at * hidden + j];
                dc[j] += grad_cells.map_or(0.0, |g| g[at * hidden + j]);
                if !within {
                    h[j] = arriving;
                    continue;
                }
                let mut kept = [0.0; 5];
                (0..saved).for_each(|run| kept[run] = reserve[(at * saved + run) * hidden + j]);
                let found = unit(kind, kept, arriving, dc[j]);
                for gate in 0..count {
                    let position = (at * count + gate) * hidden + j;
                    grad_gates[position] = found.gates[gate];
                    grad_hidden_gates[position] =
                        if gate + 1 == count { found.last_hidden } else { found.gates[gate] };
                }
                (h[j], dc[j]) = (found.h, found.c);
            }
            let errors = &grad_hidden_gates[at * count * hidden..][..count * hidden];
            for (row, error) in errors.iter().enumerate() {
                h.iter_mut().zip(&weight[row * hidden..]).for_each(|(sum, w)| *sum += error * w);
            }
            dh = h;
        }
        state[b * hidden..][..hidden].copy_from_slice(&dh);
        if kind == RecurrentKind::Lstm {
            state[(batch + b) * hidden..][..hidden].copy_from_slice(&dc);
        }
    }
    if kind.own_hidden_gates() { vec![grad_gates, grad_hidden_gates, state] } else { vec![grad_gates, state] }
}
