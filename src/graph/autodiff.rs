//! Reverse-mode differentiation, graph to graph: gradients are ordinary nodes.

use super::{Graph, Tensor, ValueId};
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use std::collections::HashMap;

/// The gradients of the scalar `loss` with respect to each of `wrt`, as new tensors of the same graph.
///
/// A tensor that the loss does not depend on has gradient zero.
///
/// # Errors
/// When `loss` is not an `f32` scalar, or an op on the way has no gradient.
pub fn gradients(loss: &Tensor, wrt: &[&Tensor]) -> Result<Vec<Tensor>> {
    let graph = &loss.graph;
    let ty = loss.ty();
    if ty.dtype != DType::F32 || ty.shape.elements() != 1 {
        let mismatch = Mismatch::new("a loss of one f32 element", ty.to_string());
        return Err(Error::op("gradient", &graph.scope(), mismatch));
    }
    let one = graph.scalar(1.0)?.broadcast_to(ty.shape)?;
    gradients_from(loss, &one, wrt)
}

/// The gradients of `sum(output * grad_output)` with respect to each of `wrt`: PyTorch's `autograd.grad` with
/// `grad_outputs`.
///
/// # Errors
/// When the two have different types, or an op on the way has no gradient.
pub fn gradients_from(output: &Tensor, grad_output: &Tensor, wrt: &[&Tensor]) -> Result<Vec<Tensor>> {
    let graph = &output.graph;
    graph.owns("gradient", wrt)?;
    graph.owns("gradient", &[grad_output])?;
    if output.ty() != grad_output.ty() {
        let mismatch = Mismatch::new(output.ty().to_string(), grad_output.ty().to_string());
        return Err(Error::op("gradient", &graph.scope(), mismatch));
    }
    let needed = depends_on(graph, wrt, output);
    let mut grads: HashMap<ValueId, Tensor> = HashMap::from([(output.value, grad_output.clone())]);
    let last = graph.with(|data| data.values[output.value].node);
    for id in (0..=last).rev() {
        let node = graph.with(|data| data.nodes[id].clone());
        let wanted: Vec<bool> = node.inputs.iter().map(|&v| needed[v]).collect();
        let arriving: Vec<Option<Tensor>> = node.outputs.iter().map(|v| grads.get(v).cloned()).collect();
        if !wanted.contains(&true) || arriving.iter().all(Option::is_none) {
            continue;
        }
        let tensors = |ids: &[ValueId]| ids.iter().map(|&v| graph.handle(v)).collect::<Vec<_>>();
        let (inputs, outputs) = (tensors(&node.inputs), tensors(&node.outputs));
        let label = format!("{}.backward", if node.label.is_empty() { node.op.name() } else { &node.label });
        let flow = Flow { inputs: &inputs, outputs: &outputs, grads: &arriving, wanted: &wanted };
        let found = graph.rooted(&label, || node.op.gradient(&flow))?;
        for ((input, grad), wanted) in inputs.iter().zip(found).zip(wanted) {
            let Some(grad) = grad.filter(|_| wanted) else { continue };
            let total = match grads.remove(&input.value) {
                Some(sum) => graph.rooted(&label, || sum.add(&grad))?,
                None => grad,
            };
            grads.insert(input.value, total);
        }
    }
    wrt.iter()
        .map(|t| match grads.get(&t.value) {
            Some(grad) => Ok(grad.clone()),
            None => graph.scalar_of(t.ty().dtype, 0.0)?.broadcast_to(t.shape()),
        })
        .collect()
}

/// For each value, whether it lies on a path from `wrt` to `output`.
fn depends_on(graph: &Graph, wrt: &[&Tensor], output: &Tensor) -> Vec<bool> {
    graph.with(|data| {
        let mut needed = vec![false; data.values.len()];
        for tensor in wrt {
            needed[tensor.value] = true;
        }
        for node in &data.nodes[..=data.values[output.value].node] {
            if node.inputs.iter().any(|&v| needed[v]) {
                node.outputs.iter().for_each(|&v| needed[v] = true);
            }
        }
        needed
    })
}

/// What a gradient rule sees of its node.
#[derive(Debug)]
pub struct Flow<'a> {
    /// The node's inputs.
    pub inputs: &'a [Tensor],
    /// The node's outputs.
    pub outputs: &'a [Tensor],
    /// The gradient arriving at each output, where the loss depends on it.
    pub grads: &'a [Option<Tensor>],
    /// Which inputs need a gradient.
    pub wanted: &'a [bool],
}

impl Flow<'_> {
    /// The gradient arriving at the first output; an error names a loss that reaches only another output.
    pub fn grad(&self, op: &str) -> Result<&Tensor> {
        let missing = || Mismatch::new("a loss that depends on the first output", "one that does not");
        self.grads[0].as_ref().ok_or_else(|| Error::op(op, "", missing()))
    }

    /// `rule()` where input `i` needs a gradient.
    pub fn wants(&self, i: usize, rule: impl FnOnce() -> Result<Tensor>) -> Result<Option<Tensor>> {
        if self.wanted.get(i).copied().unwrap_or(false) { rule().map(Some) } else { Ok(None) }
    }
}

impl Graph {
    /// Runs `build` with `label` as the whole label, whatever the scope is.
    fn rooted<T>(&self, label: &str, build: impl FnOnce() -> T) -> T {
        let outer = std::mem::replace(&mut self.0.borrow_mut().scope, vec![label.to_owned()]);
        let result = build();
        self.0.borrow_mut().scope = outer;
        result
    }
}
