//! Backpropagation through time: one node walks back, the gradients of weight and bias are then products over all steps at
//! once.

use super::Differentiate;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{MatMul, Recurrent, RecurrentBackward};

/// The states before each step, `(T, B, H)`: the first is `h0`, the others are the outputs one step earlier.
fn states_before(o: &Recurrent, hidden: &Tensor, h0: &Tensor) -> Result<Tensor> {
    let shape = hidden.shape();
    let first = h0.reshape([1, shape[1], shape[2]])?;
    match (shape[0], o.reverse) {
        (1, _) => Ok(first),
        (steps, false) => Tensor::concat(&[&first, &hidden.narrow(0, 0, steps - 1)?], 0),
        (steps, true) => Tensor::concat(&[&hidden.narrow(0, 1, steps - 1)?, &first], 0),
    }
}

/// Errors and the states that they were multiplied with. A step whose state before it is zero is left out; the other
/// states then lie together where the forward pass wrote them.
fn weight_operands(o: &Recurrent, errors: &Tensor, hidden: &Tensor, h0: &Tensor) -> Result<(Tensor, Tensor)> {
    let others = hidden.shape()[0] - 1;
    let from_zero = h0.graph().with(|data| data.constant(h0.id())) == Some(0.0);
    if others == 0 || !from_zero {
        return Ok((errors.clone(), states_before(o, hidden, h0)?));
    }
    let (later, earlier) = if o.reverse { (0, 1) } else { (1, 0) };
    Ok((errors.narrow(0, later, others)?, hidden.narrow(0, earlier, others)?))
}

fn backward(o: &Recurrent, flow: &Flow<'_>) -> Result<Vec<Tensor>> {
    let graph = flow.outputs[0].graph();
    let zero = || graph.scalar_of(flow.outputs[0].ty().dtype, 0.0)?.broadcast_to(flow.outputs[0].shape());
    let grad = flow.grads[0].clone().map_or_else(zero, Ok)?;
    let grad_cells = flow.grads.get(2).cloned().flatten();
    let reserve = flow.outputs.get(1).unwrap_or(&flow.outputs[0]);
    let mask = flow.inputs.last().filter(|_| o.masked);
    let inputs = [Some(&grad), Some(&flow.inputs[1]), Some(reserve), grad_cells.as_ref(), mask];
    let inputs: Vec<&Tensor> = inputs.into_iter().flatten().collect();
    let op = RecurrentBackward { forward: *o, grad_cells: grad_cells.is_some() };
    graph.apply(op, &inputs)
}

impl Differentiate for Recurrent {
    /// One node walks back through time; the gradients of weight and bias are then products over all steps at once.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let kind = self.kind;
        let found = backward(self, flow)?;
        let own = usize::from(kind.own_hidden_gates());
        let (grad_gates, grad_hidden_gates, grad_state) = (&found[0], &found[own], &found[own + 1]);
        let shape = grad_hidden_gates.shape();
        let hidden = shape[2] / kind.gates();
        let weight = || {
            let (errors, before) =
                weight_operands(self, grad_hidden_gates, &flow.outputs[0], &flow.inputs[2])?;
            let rows = before.shape()[0] * shape[1];
            let (errors, before) = (errors.reshape([rows, shape[2]])?, before.reshape([rows, hidden])?);
            let op = MatMul { trans_a: true, trans_b: false };
            errors.one(op, &[&errors, &before])
        };
        let state = |s: usize| grad_state.narrow(0, s, 1)?.reshape([shape[1], hidden]);
        let mut grads = vec![Some(grad_gates.clone()), flow.wants(1, weight)?];
        for s in 0..kind.states() {
            grads.push(flow.wants(2 + s, || state(s))?);
        }
        if self.bias {
            // As the product of the inputs has it for its bias, so that the planner finds one sum where the errors are one.
            let sum = || grad_hidden_gates.reshape([shape[0] * shape[1], shape[2]])?.sum([0], false);
            grads.push(flow.wants(grads.len(), sum)?);
        }
        if self.masked {
            grads.push(None);
        }
        Ok(grads)
    }
}
