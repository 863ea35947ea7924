//! A model of a file as a layer: to be trained further, with its last layer or another in its place.

use super::import::{ImportOptions, PortValue};
use super::model::{Model, full_name, label};
use super::proto::NodeProto;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::nn::{Linear, Module};
use std::collections::HashMap;
use std::sync::Arc;

/// The last layer of a model: which computes from features a number for each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The node: its operator and name.
    pub layer: String,
    /// The value that it reads.
    pub features: String,
    /// The value behind it and before a softmax, which a loss of logits brings itself.
    pub logits: String,
}

/// Operators behind the last layer that a loss of logits does without.
const BEHIND: [&str; 3] = ["Softmax", "LogSoftmax", "Identity"];
/// Operators behind the last layer that belong to it.
const SHAPES: [&str; 7] = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "GlobalAveragePool", "Relu", "Cast"];
/// Last layers.
const LAYERS: [&str; 3] = ["Gemm", "MatMul", "Conv"];

impl Model {
    /// The last layer before the first output.
    ///
    /// # Errors
    /// When no linear layer or convolution stands at the end.
    pub fn head(&self) -> Result<Head> {
        let by_output: HashMap<&str, &NodeProto> = self
            .graph
            .node
            .iter()
            .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
            .collect();
        let first = self.outputs().into_iter().next();
        let mut at = first.map(|output| output.name).unwrap_or_default();
        let refused = |got: String| {
            Error::file(self.path(), "a linear layer or a convolution before the first output", got)
        };
        let mut logits = at.clone();
        let mut behind = true;
        loop {
            let Some(node) = by_output.get(at.as_str()) else { return Err(refused(format!("'{at}'"))) };
            let op = node.op_type.as_deref().unwrap_or("");
            let read = |input: usize| node.input.get(input).cloned().unwrap_or_default();
            let is_computed =
                |name: &str| by_output.get(name).is_some_and(|n| n.op_type.as_deref() != Some("Constant"));
            if BEHIND.contains(&op) && behind {
                at = read(0);
                logits.clone_from(&at);
            } else if SHAPES.contains(&op) || BEHIND.contains(&op) {
                behind = false;
                at = read(0);
            } else if op == "Add" {
                behind = false;
                // The bias is the one that nothing computes.
                at = if is_computed(&read(0)) { read(0) } else { read(1) };
            } else if LAYERS.contains(&op) {
                let layer = format!("{} '{}'", full_name(node), label(node));
                return Ok(Head { layer, features: read(0), logits });
            } else {
                return Err(refused(format!("{} '{}'", full_name(node), label(node))));
            }
        }
    }
}

/// A model with one input as a layer. Its parameters have the names and the values of the file.
#[derive(Debug, Clone)]
pub struct Network {
    model: Arc<Model>,
    options: ImportOptions,
    output: Option<String>,
    classes: Option<usize>,
}

impl Network {
    /// The whole model: its first output.
    pub fn new(model: Arc<Model>, options: ImportOptions) -> Self {
        Self { model, options, output: None, classes: None }
    }

    /// Its logits, without a softmax at the end.
    ///
    /// # Errors
    /// As [`Model::head`].
    pub fn logits(model: Arc<Model>, options: ImportOptions) -> Result<Self> {
        let output = Some(model.head()?.logits);
        Ok(Self { model, options, output, classes: None })
    }

    /// A new linear layer `head` of so many classes instead of its last one. Features that are images are averaged first.
    ///
    /// # Errors
    /// As [`Model::head`].
    pub fn with_head(model: Arc<Model>, options: ImportOptions, classes: usize) -> Result<Self> {
        let output = Some(model.head()?.features);
        Ok(Self { model, options, output, classes: Some(classes) })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }
}

impl Module for Network {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph();
        let mut options = self.options.clone();
        if let Some(output) = &self.output {
            options = options.outputs(&[output]);
        }
        let found = graph.scoped_as("", || self.model.forward(graph, &[input], &options))?;
        let Some(PortValue::Tensor(y)) = found.into_iter().next().map(|port| port.value) else {
            return Err(Error::file(self.model.path(), "an output that depends on the input", "none"));
        };
        let Some(classes) = self.classes else { return Ok(y) };
        let shape = y.shape();
        let spatial: Vec<usize> = (2..shape.len()).collect();
        let y = if spatial.is_empty() { y } else { y.mean(&spatial, false)? };
        let Some(&features) = y.shape().get(1) else {
            return Err(Error::file(self.model.path(), "features (N, F)", shape.to_string()));
        };
        graph.scoped_as("head", || Linear::new(features, classes).forward(&y))
    }
}
