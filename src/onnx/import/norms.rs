//! Normalisations.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::{RunningStatistics, Tensor};
use crate::onnx::element::ElementType;
use crate::ops::{Init, Role};
use crate::tensor::TensorType;

pub(super) fn batch(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    node.shape_of(0, 2)?;
    let eps = node.float_or("epsilon", 1e-5)?;
    let (weight, bias) = (node.weight(1)?, node.weight(2)?);
    let momentum = node.float_or("momentum", 0.9)?;
    // Who reads the new statistics wants those of the batch; else the graph says what it is for.
    if node.flag("training_mode", false)? && node.wants(1) {
        return by_itself(node, &x, [&weight, &bias], eps, momentum);
    }
    let (mean, var) = (node.buffer(3)?, node.buffer(4)?);
    let given = |x: &Tensor| x.batch_norm_given(&mean, &var, Some(&weight), Some(&bias), eps);
    let Some((name, _)) = mean.name().zip(var.name()).filter(|_| node.is_kept()) else {
        return node.gives(given(&x)?);
    };
    // In evaluation, too: a model keeps the same states whatever it is built for.
    let count = format!("{}.num_batches_tracked", name.trim_end_matches(".running_mean"));
    let batches = node.graph.state(&count, TensorType::u32([]), Init::Zeros, Role::Buffer)?;
    if !node.graph.is_training() {
        return node.gives(given(&x)?);
    }
    // Nodes of one layer share its statistics, of which the first keeps track.
    if node.graph.update_of(&mean).is_some() {
        return node.gives(x.batch_norm(Some(&weight), Some(&bias), eps)?);
    }
    let running = RunningStatistics { mean: &mean, var: &var, num_batches_tracked: &batches };
    node.gives(x.batch_norm_tracked(running, Some(1.0 - momentum), Some(&weight), Some(&bias), eps)?)
}

/// With the statistics of the batch, whatever the graph is for, and the running ones as outputs.
fn by_itself(
    node: &Node<'_>,
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    eps: f32,
    momentum: f32,
) -> Result<Vec<Value>> {
    let dims: Vec<usize> = (0..x.shape().len()).filter(|&d| d != 1).collect();
    let mut found = node.gives(x.batch_norm(Some(weight), Some(bias), eps)?)?;
    let (mean, var) = (x.mean(&dims, false)?, x.var(&dims, 0, false)?);
    for (input, new) in [(3, mean), (4, var)] {
        let kept = node.tensor(input)?.scale(momentum)?;
        found.push(Value::Run(kept.add(&new.scale(1.0 - momentum)?)?, node.element(input)?));
    }
    Ok(found)
}

pub(super) fn instance(node: &Node<'_>) -> Result<Vec<Value>> {
    let eps = node.float_or("epsilon", 1e-5)?;
    let (x, weight, bias) = (node.tensor(0)?, node.weight(1)?, node.weight(2)?);
    let shape = node.shape_of(0, 3)?;
    if shape[2..].iter().product::<usize>() == 1 {
        // A single element is its own mean: the bias is left.
        let sizes = [&[shape[1]], &vec![1; shape.len() - 2][..]].concat();
        return node.gives(x.sub(&x)?.add(&bias.reshape(sizes)?)?);
    }
    node.gives(x.instance_norm(Some(&weight), Some(&bias), eps)?)
}

pub(super) fn group(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, eps) = (node.tensor(0)?, node.float_or("epsilon", 1e-5)?);
    let groups = node.size("num_groups", node.int_or("num_groups", 0)?)?;
    let (weight, bias) = (node.weight(1)?, node.weight(2)?);
    let channels = node.shape_of(0, 2)?[1];
    if node.opset() < 21 && weight.shape()[..] == [groups] && groups != channels {
        // The first version has a weight a group.
        let each = |t: &Tensor| {
            t.reshape([groups, 1])?.broadcast_to([groups, channels / groups.max(1)])?.reshape([channels])
        };
        return node.gives(x.group_norm(groups, Some(&each(&weight)?), Some(&each(&bias)?), eps)?);
    }
    node.gives(x.group_norm(groups, Some(&weight), Some(&bias), eps)?)
}

/// LayerNormalization and RMSNormalization.
pub(super) fn layer(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, eps) = (node.tensor(0)?, node.float_or("epsilon", 1e-5)?);
    let shape = x.shape();
    let axis = node.axis(-1, shape.len())?;
    let over = &shape[axis..];
    let dims: Vec<usize> = (axis..shape.len()).collect();
    let (weight, bias) = (node.optional_weight(1)?, node.optional_weight(2)?);
    // Weights of other shapes broadcast, and are applied apart.
    let fits = |t: &Option<Tensor>| t.as_ref().is_none_or(|t| t.shape()[..] == *over);
    let (inside, outside) = if fits(&weight) && fits(&bias) {
        ((weight, bias), (None, None))
    } else {
        ((None, None), (weight, bias))
    };
    let mut y = match node.op() {
        "RMSNormalization" => x.rms_norm(over, inside.0.as_ref(), eps)?,
        _ => x.layer_norm(over, inside.0.as_ref(), inside.1.as_ref(), eps)?,
    };
    if let Some(weight) = outside.0 {
        y = y.mul(&weight)?;
    }
    if let Some(bias) = outside.1 {
        y = y.add(&bias)?;
    }
    let mut found = node.gives(y)?;
    if node.wants(1) || node.wants(2) {
        let deviation = x.var(&dims, 0, true)?.add_scalar(eps)?.rsqrt()?;
        found.push(Value::Run(x.mean(&dims, true)?, ElementType::Float));
        found.push(Value::Run(deviation, ElementType::Float));
    }
    Ok(found)
}

pub(super) fn lrn(node: &Node<'_>) -> Result<Vec<Value>> {
    let size = node.size("size", node.int_or("size", 1)?)?;
    let (alpha, beta, k) =
        (node.float_or("alpha", 1e-4)?, node.float_or("beta", 0.75)?, node.float_or("bias", 1.0)?);
    let x = node.tensor(0)?;
    if !size.is_multiple_of(2) {
        return node.gives(x.local_response_norm(size, alpha, beta, k)?);
    }
    // Of an even size the larger half of the neighbours comes behind, not before.
    let flipped = x.flip([1])?.local_response_norm(size, alpha, beta, k)?;
    node.gives(flipped.flip([1])?)
}

pub(super) fn lp(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let axis = node.axis(-1, x.shape().len())?;
    let norm = x.norm(node.int_or("p", 2)? as f32, axis, true)?;
    // Where all is 0, the result is 0.
    node.gives(x.div(&norm.add(&norm.eq(0.0)?)?)?)
}

pub(super) fn mean_variance(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let axes = node.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    let dims = node.axes_of(&axes, x.shape().len())?;
    let centred = x.sub(&x.mean(&dims, true)?)?;
    node.gives(centred.div(&x.var(&dims, 0, true)?.sqrt()?.add_scalar(1e-9)?)?)
}
