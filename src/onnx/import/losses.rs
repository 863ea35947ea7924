//! Losses of classes.

use super::Value;
use super::node::Node;
use crate::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::Reduction;

pub(super) fn cross_entropy(node: &Node<'_>) -> Result<Vec<Value>> {
    node.shape_of(0, 2)?;
    let log = node.tensor(0)?.log_softmax(1)?;
    let mut found = node.gives(loss(node, &log)?)?;
    if node.wants(1) {
        found.push(Value::Run(log, node.element(0)?));
    }
    Ok(found)
}

pub(super) fn nll(node: &Node<'_>) -> Result<Vec<Value>> {
    node.shape_of(0, 2)?;
    node.gives(loss(node, &node.tensor(0)?)?)
}

/// The loss of log-probabilities `(N, C, ..)` with the labels of input 1 and the weights of input 2.
fn loss(node: &Node<'_>, log: &Tensor) -> Result<Tensor> {
    let (labels, classes) = (node.tensor(1)?, log.shape()[1]);
    let reduction = match node.text("reduction", "mean")?.as_str() {
        "none" => Reduction::None,
        "sum" => Reduction::Sum,
        "mean" => Reduction::Mean,
        other => return Err(node.fail("reduction none, sum or mean", other)),
    };
    // A label that is ignored may be any number: here it is the one behind the last class.
    let (labels, ignored) = match node.int("ignore_index")? {
        None => (labels, None),
        Some(ignored) => {
            let behind = node.graph.full(labels.shape(), classes as f32)?;
            (labels.eq(ignored as f32)?.select(&behind, &labels)?, Some(classes as u32))
        }
    };
    log.nll_loss(&labels.cast(DType::U32)?, node.optional(2)?.as_ref(), ignored, reduction)
}
