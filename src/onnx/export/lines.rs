//! Ops of images of one row, between reshapes from and to lines: ONNX has them of lines.

use super::forms::bias_of_channels;
use crate::functions::Elementwise;
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::ops::{Op, Reshape};
use crate::shape::Pair;

/// An op of images, of lines `(N, C, L)`.
#[derive(Debug, Clone)]
pub(super) struct LineForm {
    /// The node of the op.
    pub(super) of: NodeId,
    /// The lines.
    pub(super) input: ValueId,
    /// The weight, of three dimensions, where there is one.
    pub(super) weight: Option<ValueId>,
    /// The bias, where there is one.
    pub(super) bias: Option<ValueId>,
}

impl LineForm {
    /// What it reads.
    pub(super) fn reads(&self) -> Vec<ValueId> {
        [Some(self.input), self.weight, self.bias].into_iter().flatten().collect()
    }
}

/// The value `(a, b, l)` that one of `(a, b, 1, l)` is a reshape of.
fn flat(data: &GraphData, value: ValueId) -> Option<ValueId> {
    let Node { op: Op::Reshape(Reshape { shape }), inputs, .. } = data.producer(value) else { return None };
    let source = &data.ty(inputs[0]).shape;
    let fits = matches!((&source[..], &shape[..]), (&[a, b, l], &[c, d, 1, m]) if [a, b, l] == [c, d, m]);
    fits.then(|| inputs[0])
}

/// What a reshape from `(N, K, 1, L)` to lines is the end of.
pub(super) fn line(data: &GraphData, node: &Node) -> Option<LineForm> {
    let made = node.inputs[0];
    let (image, lines) = (&data.ty(made).shape, &data.ty(node.outputs[0]).shape);
    if !matches!((&image[..], &lines[..]), (&[a, b, 1, l], &[c, d, m]) if [a, b, l] == [c, d, m]) {
        return None;
    }
    let of = data.values[made].node;
    let (id, bias) = match &data.nodes[of] {
        Node { op: Op::Elementwise(f), inputs, .. } if *f == Elementwise::add() => {
            let product = data.values[inputs[0]].node;
            let spread = matches!(data.nodes[product].op, Op::Conv2dBackwardInput(_));
            let bias = bias_of_channels(data, *inputs.get(1)?, image[1]).filter(|_| spread)?;
            (product, Some(bias))
        }
        // Any other is the op itself, or none of these.
        node => (of, node.inputs.get(2).copied()),
    };
    let inner = &data.nodes[id];
    let first = inner.outputs[0];
    let input = flat(data, *inner.inputs.first()?)?;
    let form = |weight, bias| LineForm { of: id, input, weight, bias };
    match &inner.op {
        Op::Conv2d(_) | Op::Conv2dBackwardInput(_) => Some(form(Some(flat(data, inner.inputs[1])?), bias)),
        Op::MaxPool2d(pool) => {
            let along = [pool.kernel_size, pool.stride, pool.dilation].iter().all(|Pair { h, .. }| *h == 1);
            let plain = along && pool.padding.top == 0 && pool.padding.bottom == 0;
            (plain && made == first).then(|| form(None, None))
        }
        // Others have no operator of lines.
        _ => None,
    }
}
