//! Each op, by its own.

use super::context::{Exporter, refused};
use super::forms::Form;
use super::writer::Name;
use crate::HostTensor;
use crate::error::Result;
use crate::graph::{Node, NodeId};
use crate::ops::{Op, State, Table};

/// Why an op has no form in a file, in words; `None` for those that have one.
///
/// Gradients and the steps of optimizers are no part of a forward pass; of the others it is ONNX that lacks an operator.
pub fn not_exported(op: &Op) -> Option<&'static str> {
    const GRADIENT: Option<&str> = Some("a gradient: export the forward pass");
    const TRAINING: Option<&str> = Some("a part of training: export the forward pass");
    match op {
        Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) => None,
        Op::Conv2d(_) | Op::Conv2dBackwardInput(_) => None,
        Op::MaxPool2d(_) | Op::AdaptiveMaxPool2d(_) | Op::AvgPool2d(_) => None,
        Op::Elementwise(_) | Op::Equal(_) | Op::Cast(_) | Op::MatMul(_) => None,
        Op::Sum(_) | Op::Argmax(_) | Op::Reduce(_) | Op::Softmax(_) => None,
        Op::NormStatistics(_) | Op::NormApply(_) | Op::CrossEntropy(_) | Op::NllLoss(_) => None,
        Op::Reshape(_) | Op::BroadcastTo(_) | Op::Concat(_) | Op::Split(_) | Op::Narrow(_) => None,
        Op::Permute(_) | Op::AxisMap(_) | Op::GridSample(_) | Op::Embedding(_) | Op::Gather(_) => None,
        Op::Scatter(_) | Op::ScatterAdd(_) | Op::Argsort(_) | Op::SequenceMask(_) => None,
        Op::Dropout(_) | Op::Recurrent(_) => None,
        Op::FractionalMaxPool2d(_) => Some("windows at random distances, for which ONNX has no operator"),
        Op::CtcLoss(_) => Some("a loss over alignments, for which ONNX has no operator"),
        Op::Custom(_) => Some("an op of your own, which ONNX does not know"),
        Op::Conv2dBackwardWeight(_) | Op::MaxPool2dBackward(_) | Op::AvgPool2dBackward(_) => GRADIENT,
        Op::ReduceBackward(_) | Op::NormSums(_) | Op::NormBackward(_) | Op::SoftmaxBackward(_) => GRADIENT,
        Op::CrossEntropyBackward(_) | Op::NllLossBackward(_) | Op::CtcLossBackward(_) => GRADIENT,
        Op::NarrowBackward(_) | Op::GridSampleBackwardInput(_) | Op::GridSampleBackwardGrid(_) => GRADIENT,
        Op::EmbeddingBackward(_) | Op::RecurrentBackward(_) => GRADIENT,
        Op::OptimizerStep(_) | Op::Increment(_) => TRAINING,
    }
}

impl Exporter<'_> {
    /// Writes a node in its form.
    pub(super) fn node(&mut self, id: NodeId, node: &Node, form: Form) -> Result<()> {
        let name = match form {
            Form::Plain => return self.plain(node),
            Form::Recurrent(form) => return self.recurrent(id, &form),
            Form::Same(value) => self.name(value)?,
            Form::Extra(of, extra) => self.extra(of, extra)?,
            Form::Shaped(source) => self.reshape(source, node.outputs[0])?,
            Form::Function(operands) => match &node.op {
                Op::Elementwise(function) => self.function(node, function, &operands)?,
                // No other op has such a form.
                op => return Err(refused(node, "a function", op.name())),
            },
            Form::Mean { input, dims, keepdim } => self.mean(input, &dims, keepdim)?,
            Form::Transposed { op, input, weight, bias } => {
                self.conv_transpose_of(&op, false, input, weight, Some(bias))?
            }
            Form::Norm(form) => self.norm(&form)?,
            Form::Line(form) => self.line(&form)?,
        };
        self.give(node.outputs[0], name);
        Ok(())
    }

    fn plain(&mut self, node: &Node) -> Result<()> {
        let name = match &node.op {
            Op::MaxPool2d(op) => return self.max_pool(node, op),
            Op::Split(op) => return self.split(node, op),
            Op::NormStatistics(op) => return self.norm_statistics(node, op),
            Op::CrossEntropy(op) => return self.cross_entropy(node, op),
            Op::NllLoss(op) => return self.nll_loss(node, op),
            Op::Input(op) => op.name.clone(),
            Op::State(op) => self.state(node, op)?,
            Op::Constant(op) => self.to.number(crate::DType::F32, op.value),
            Op::Table(Table { values }) => self.to.table(values),
            Op::Conv2d(op) => self.conv(node, op)?,
            Op::Conv2dBackwardInput(op) => self.conv_transpose(node, op)?,
            Op::AdaptiveMaxPool2d(op) => self.adaptive_max_pool(node, op)?,
            Op::AvgPool2d(op) => self.avg_pool(node, op)?,
            Op::Equal(_) => self.equal(node)?,
            Op::Cast(op) => self.cast(node, op)?,
            Op::MatMul(op) => self.matmul(node, op)?,
            Op::Sum(op) => self.sum(node, op)?,
            Op::Argmax(op) => self.argmax(node, op)?,
            Op::Reduce(op) => self.reduce(node, op)?,
            Op::Softmax(op) => self.softmax(node, op)?,
            Op::BroadcastTo(_) => self.broadcast(node)?,
            Op::Concat(op) => self.concat(node, op)?,
            Op::Narrow(op) => self.narrow(node, op)?,
            Op::Permute(op) => self.permute(node, op)?,
            Op::AxisMap(op) => self.axis_map(node, op)?,
            Op::GridSample(op) => self.grid_sample(node, op)?,
            Op::Embedding(_) => self.embedding(node)?,
            Op::Gather(op) => self.gather(node, op)?,
            Op::Scatter(op) => self.scatter(node, op)?,
            Op::ScatterAdd(op) => self.scatter_add(node, op)?,
            Op::Argsort(op) => self.argsort(node, op)?,
            Op::SequenceMask(op) => self.sequence_mask(node, op)?,
            // These have other forms, or none: see `not_exported`.
            op => {
                let why = not_exported(op).unwrap_or("another form of it");
                return Err(refused(node, "an op of a forward pass that ONNX has", why));
            }
        };
        self.give(node.outputs[0], name);
        Ok(())
    }

    /// A state under its name, with its value.
    fn state(&mut self, node: &Node, op: &State) -> Result<Name> {
        let value: HostTensor = (self.states)(&op.name)?;
        if value.ty() != op.ty {
            return Err(refused(node, op.ty.to_string(), value.ty().to_string()));
        }
        self.elements += op.ty.shape.elements();
        self.to.tensor(&op.name, &value);
        Ok(op.name.clone())
    }
}
