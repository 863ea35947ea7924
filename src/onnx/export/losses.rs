//! Losses of classes, row by row.

use super::context::{Exporter, refused};
use super::element::data_type;
use super::writer::{Name, int, word};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::onnx::proto::AttributeProto;
use crate::ops::{CrossEntropy, NllLoss};

fn attributes(ignore_index: Option<u32>) -> Vec<AttributeProto> {
    let mut attributes = vec![word("reduction", "none")];
    attributes.extend(ignore_index.map(|index| int("ignore_index", i64::from(index))));
    attributes
}

impl Exporter<'_> {
    /// The losses of rows, and which of them count.
    pub(super) fn cross_entropy(&mut self, node: &Node, op: &CrossEntropy) -> Result<()> {
        if self.wants(node.outputs[1]) {
            return Err(refused(node, "the losses of rows", "what their gradient reads"));
        }
        let [logits, target] = [self.name(node.inputs[0])?, self.name(node.inputs[1])?];
        if self.wants(node.outputs[0]) {
            let own = attributes(op.ignore_index);
            let mut loss = self.to.node("SoftmaxCrossEntropyLoss", &[&logits, &target], own);
            if op.label_smoothing != 0.0 {
                loss = self.smoothed(node, op, &logits, &loss)?;
            }
            self.give(node.outputs[0], loss);
        }
        if self.wants(node.outputs[2]) {
            let counted = self.counted(node.inputs[0], &target, op.ignore_index);
            self.give(node.outputs[2], counted);
        }
        Ok(())
    }

    /// With a share of the mean over all classes.
    fn smoothed(&mut self, node: &Node, op: &CrossEntropy, logits: &str, loss: &str) -> Result<Name> {
        let (dtype, share) = (self.dtype(node.inputs[0]), op.label_smoothing);
        let all = self.to.node("LogSoftmax", &[logits], vec![int("axis", 1)]);
        let mean = self.reduced("ReduceMean", &all, &[1], false);
        let (rest, spread) = (self.to.number(dtype, 1.0 - share), self.to.number(dtype, -share));
        let own = self.to.node("Mul", &[loss, &rest], vec![]);
        let mut of_all = self.to.node("Mul", &[&mean, &spread], vec![]);
        if op.ignore_index.is_some() {
            let target = self.name(node.inputs[1])?;
            let counted = self.counted(node.inputs[0], &target, op.ignore_index);
            of_all = self.to.node("Mul", &[&of_all, &counted], vec![]);
        }
        Ok(self.to.node("Add", &[&own, &of_all], vec![]))
    }

    /// 1 for rows that count, 0 for those that are ignored.
    fn counted(&mut self, of: ValueId, target: &str, ignore_index: Option<u32>) -> Name {
        let ignored = ignore_index.map_or(-1, i64::from);
        let ignored = self.to.whole(&[], &[ignored]);
        let same = self.to.node("Equal", &[target, &ignored], vec![]);
        let counts = self.to.node("Not", &[&same], vec![]);
        self.cast_to(&counts, data_type(self.dtype(of)))
    }

    /// The losses of rows, and the weight of each.
    pub(super) fn nll_loss(&mut self, node: &Node, op: &NllLoss) -> Result<()> {
        let inputs = self.inputs(node)?;
        if self.wants(node.outputs[0]) {
            let read: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let loss = self.to.node("NegativeLogLikelihoodLoss", &read, attributes(op.ignore_index));
            self.give(node.outputs[0], loss);
        }
        if self.wants(node.outputs[1]) {
            let mut weight = self.counted(node.inputs[0], &inputs[1], op.ignore_index);
            if let Some(weights) = inputs.get(2) {
                let own = self.weights(weights, &inputs[1], op.ignore_index);
                weight = self.to.node("Mul", &[&own, &weight], vec![]);
            }
            self.give(node.outputs[1], weight);
        }
        Ok(())
    }

    /// The weight of each target; the first class's where it is ignored.
    fn weights(&mut self, weights: &str, target: &str, ignore_index: Option<u32>) -> Name {
        let mut classes = target.to_owned();
        if let Some(index) = ignore_index {
            let (ignored, first) = (self.to.whole(&[], &[i64::from(index)]), self.to.whole(&[], &[0]));
            let same = self.to.node("Equal", &[target, &ignored], vec![]);
            classes = self.to.node("Where", &[&same, &first, target], vec![]);
        }
        self.to.node("Gather", &[weights, &classes], vec![int("axis", 0)])
    }
}
