//! As what a node is written: what several nodes of the graph are together where ONNX has one operator for it.

use super::lines::{LineForm, line};
use super::norms::{NormForm, norm};
use super::recurrent::{Extra, RecurrentForm, extra, recurrent};
use crate::functions::Elementwise;
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::ops::{Conv2dBackwardInput, Op};
use crate::shape::Shape;

/// What an element-wise function reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operand {
    /// A value.
    Value(ValueId),
    /// A number.
    Number(f32),
}

/// As what a node is written.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// As its op says.
    Plain,
    /// Not at all: it gives this value.
    Same(ValueId),
    /// Not at all: it gives what a recurrent layer has beside its steps.
    Extra(NodeId, Extra),
    /// A reshape of this value.
    Shaped(ValueId),
    /// A function of these.
    Function(Vec<Operand>),
    /// A mean.
    Mean { input: ValueId, dims: Vec<usize>, keepdim: bool },
    /// A transposed convolution with its bias.
    Transposed { op: Conv2dBackwardInput, input: ValueId, weight: ValueId, bias: ValueId },
    /// A normalisation with its statistics.
    Norm(NormForm),
    /// An op of images along lines.
    Line(LineForm),
    /// A recurrent layer with the product of its inputs.
    Recurrent(RecurrentForm),
}

/// What a form needs to be there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Need {
    /// A value.
    Value(ValueId),
    /// What a recurrent layer has beside its steps.
    Extra(NodeId, Extra),
}

impl Form {
    /// The form of a node.
    pub(super) fn of(data: &GraphData, id: NodeId) -> Self {
        let node = &data.nodes[id];
        let special = match &node.op {
            Op::Dropout(_) => Some(Self::Same(node.inputs[0])),
            Op::Elementwise(function) => Some(elementwise(data, node, *function)),
            Op::NormApply(op) => Some(Self::Norm(norm(data, node, op))),
            Op::Narrow(op) => extra(data, node, op).map(|(of, extra)| Self::Extra(of, extra)),
            Op::Recurrent(op) => Some(Self::Recurrent(recurrent(data, node, op))),
            Op::Reshape(_) => Some(line(data, node).map_or_else(|| shaped(data, node), Self::Line)),
            // Whatever else there is is written by itself.
            _ => None,
        };
        special.unwrap_or(Self::Plain)
    }

    /// What has to be there for it.
    pub(super) fn needs(&self, node: &Node) -> Vec<Need> {
        let value = |&value: &ValueId| Need::Value(value);
        match self {
            Self::Plain => node.inputs.iter().map(value).collect(),
            Self::Same(input) | Self::Shaped(input) | Self::Mean { input, .. } => vec![Need::Value(*input)],
            Self::Extra(of, extra) => vec![Need::Extra(*of, *extra)],
            Self::Function(operands) => {
                let read = |operand: &Operand| match operand {
                    Operand::Value(value) => Some(Need::Value(*value)),
                    Operand::Number(_) => None,
                };
                operands.iter().filter_map(read).collect()
            }
            Self::Transposed { input, weight, bias, .. } => [input, weight, bias].map(value).to_vec(),
            Self::Norm(norm) => norm.reads().iter().map(value).collect(),
            Self::Line(line) => line.reads().iter().map(value).collect(),
            Self::Recurrent(layer) => layer.reads().iter().map(value).collect(),
        }
    }
}

/// What is reshaped, and reshaped again.
fn shaped(data: &GraphData, node: &Node) -> Form {
    let mut source = node.inputs[0];
    let again = |value: ValueId| {
        let before = data.producer(value);
        let plain = matches!(before.op, Op::Reshape(_)) && line(data, before).is_none();
        plain.then(|| before.inputs[0])
    };
    while let Some(before) = again(source) {
        source = before;
    }
    if data.ty(source).shape == data.ty(node.outputs[0]).shape {
        Form::Same(source)
    } else {
        Form::Shaped(source)
    }
}

fn elementwise(data: &GraphData, node: &Node, function: Elementwise) -> Form {
    let known = [
        mean(data, node, function),
        transposed(data, node, function),
        padded(data, node, function),
        alpha_dropout(data, node, function),
    ];
    known.into_iter().flatten().next().unwrap_or_else(|| Form::Function(operands(data, node)))
}

/// The operands without what only repeats them, where the function does so itself.
fn operands(data: &GraphData, node: &Node) -> Vec<Operand> {
    let shape = &data.ty(node.outputs[0]).shape;
    let stretched = |&value: &ValueId| match (data.constant(value), data.producer(value)) {
        (Some(number), _) => Operand::Number(number),
        (None, Node { op: Op::BroadcastTo(_), inputs, .. }) => Operand::Value(inputs[0]),
        (None, _) => Operand::Value(value),
    };
    let own = |operand: &Operand| match operand {
        Operand::Value(value) => data.ty(*value).shape.clone(),
        Operand::Number(_) => Shape::from([]),
    };
    let mut found: Vec<Operand> = node.inputs.iter().map(stretched).collect();
    let whole = |operands: &[Operand]| {
        let all = operands.iter().try_fold(Shape::from([]), |all, operand| all.broadcast(&own(operand)));
        all.is_ok_and(|all| all == *shape)
    };
    for position in 0..found.len() {
        if whole(&found) {
            break;
        }
        found[position] = Operand::Value(node.inputs[position]);
    }
    found
}

/// `sum / count`, where that is how many were added up.
fn mean(data: &GraphData, node: &Node, function: Elementwise) -> Option<Form> {
    if function != Elementwise::div() {
        return None;
    }
    let count = data.constant(node.inputs[1])?;
    let mut sum = data.producer(node.inputs[0]);
    let keepdim = matches!(sum.op, Op::Reshape(_));
    if keepdim {
        sum = data.producer(sum.inputs[0]);
    }
    let Op::Sum(op) = &sum.op else { return None };
    let (input, shape) = (sum.inputs[0], &data.ty(sum.inputs[0]).shape);
    let added: usize = op.dims.iter().map(|&dim| shape[dim]).product();
    let kept: Vec<usize> =
        shape.iter().enumerate().map(|(dim, &size)| if op.dims.contains(&dim) { 1 } else { size }).collect();
    let fits = !keepdim || data.ty(node.outputs[0]).shape[..] == kept[..];
    let exact = count == added as f32 && !op.dims.is_empty();
    (fits && exact).then(|| Form::Mean { input, dims: op.dims.clone(), keepdim })
}

/// A transposed convolution, and `bias (K)` added as `(K, 1, 1)`.
fn transposed(data: &GraphData, node: &Node, function: Elementwise) -> Option<Form> {
    if function != Elementwise::add() {
        return None;
    }
    let [product, bias] = node.inputs[..] else { return None };
    let Node { op: Op::Conv2dBackwardInput(op), inputs, .. } = data.producer(product) else { return None };
    let bias = bias_of_channels(data, bias, data.ty(product).shape[1])?;
    Some(Form::Transposed { op: op.clone(), input: inputs[0], weight: inputs[1], bias })
}

/// The bias `(K)` that a value `(K, 1, 1)` is made of.
pub(super) fn bias_of_channels(data: &GraphData, value: ValueId, channels: usize) -> Option<ValueId> {
    let Node { op: Op::Reshape(op), inputs, .. } = data.producer(value) else { return None };
    let fits = op.shape[..] == [channels, 1, 1] && data.ty(inputs[0]).shape[..] == [channels];
    fits.then(|| inputs[0])
}

/// The steps of a recurrent layer times its mask: ONNX's steps are 0 behind the end of a sequence as they are.
fn padded(data: &GraphData, node: &Node, function: Elementwise) -> Option<Form> {
    if function != Elementwise::mul() {
        return None;
    }
    let steps = data.producer(node.inputs[0]);
    let Op::Recurrent(op) = &steps.op else { return None };
    let Node { op: Op::Reshape(_), inputs: mask, .. } = data.producer(node.inputs[1]) else { return None };
    let own = op.masked && steps.inputs.last() == mask.first() && steps.outputs[0] == node.inputs[0];
    own.then(|| Form::Extra(data.values[node.inputs[0]].node, Extra::Padded))
}

/// Alpha dropout in training: where what was drawn says so, a multiple of what is dropped from.
fn alpha_dropout(data: &GraphData, node: &Node, function: Elementwise) -> Option<Form> {
    let drawn = |value: ValueId| matches!(data.producer(value).op, Op::Dropout(_));
    if function != Elementwise::select() || !drawn(node.inputs[0]) {
        return None;
    }
    let of = |value: ValueId, name: &str| {
        let made = data.producer(value);
        let named = matches!(&made.op, Op::Elementwise(f) if f.name() == name);
        named.then(|| made.inputs[0])
    };
    let scaled = of(node.inputs[1], "add_scalar")?;
    of(scaled, "scale").map(Form::Same)
}
