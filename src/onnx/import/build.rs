//! A model being built: its values by name, node by node.

use super::node::Node;
use super::{ImportOptions, control, folding, operators};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::onnx::array::{Array, Data};
use crate::onnx::element::ElementType;
use crate::onnx::model::{self, Model};
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};
use crate::ops::{Given, Init, Role};
use crate::tensor::HostTensor;
use std::collections::{HashMap, HashSet};

/// A value while a model is built.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Known now.
    Known(Array),
    /// Of the graph, `f32`, and what the file takes it for.
    Run(Tensor, ElementType),
}

impl Value {
    pub(super) fn element(&self) -> ElementType {
        match self {
            Self::Known(array) => array.element,
            Self::Run(_, element) => *element,
        }
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Known(array) => array.shape.clone(),
            Self::Run(tensor, _) => tensor.shape().to_vec(),
        }
    }
}

/// Values by name, as far as nodes have been built.
pub(super) type Scope = HashMap<String, Value>;

/// The most nodes that a model may come to, loops and functions unrolled.
const MOST_NODES: usize = 1_000_000;
/// How deep functions and branches may lie within each other.
const DEEPEST: usize = 64;

/// A model being built.
pub(super) struct Importer<'a> {
    pub(super) model: &'a Model,
    pub(super) graph: Graph,
    pub(super) options: &'a ImportOptions,
    /// Whether arrays of `Constant` nodes are parameters as initialisers are: in files that have no others.
    pub(super) constants_train: bool,
    pub(super) nodes: std::cell::Cell<usize>,
    /// How deep in functions and branches.
    pub(super) depth: std::cell::Cell<usize>,
    /// Names that nodes read or that are given.
    pub(super) read: HashSet<&'a str>,
}

/// The version of operators and the attributes that nodes refer to.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) opset: i64,
    pub(super) attributes: &'a [AttributeProto],
}

impl Importer<'_> {
    /// Adds nodes in this order.
    pub(super) fn nodes(
        &self,
        nodes: &[NodeProto],
        order: &[usize],
        scope: &mut Scope,
        setting: Setting<'_>,
    ) -> Result<()> {
        for &at in order {
            self.nodes.set(self.nodes.get() + 1);
            let node = &nodes[at];
            let found = self.node(node, scope, setting).map_err(|e| named(node, e))?;
            for (name, value) in node.output.iter().zip(found) {
                scope.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    pub(super) fn node(
        &self,
        proto: &NodeProto,
        scope: &mut Scope,
        setting: Setting<'_>,
    ) -> Result<Vec<Value>> {
        let label = model::label(proto);
        let refuse = |expected: String, got: String| Err(Error::op("", &label, Mismatch::new(expected, got)));
        if self.nodes.get() > MOST_NODES || self.depth.get() > DEEPEST {
            return refuse(format!("at most {MOST_NODES} nodes, {DEEPEST} deep"), "more".into());
        }
        if let Some(function) = self.model.function(proto) {
            self.depth.set(self.depth.get() + 1);
            let found =
                self.graph.scoped(&label, || control::function(self, function, proto, scope, setting));
            self.depth.set(self.depth.get() - 1);
            return found;
        }
        let (domain, op) = (proto.domain.as_deref().unwrap_or(""), proto.op_type.as_deref().unwrap_or(""));
        if !model::is_standard(domain) {
            return refuse(format!("operators of the standard domain, not of '{domain}'"), op.to_owned());
        }
        let Some(operator) = operators::find(op) else {
            return refuse("an operator that is read".into(), operators::why(op).to_owned());
        };
        let inputs = proto.input.iter().map(|name| match name.as_str() {
            "" => Ok(None),
            name => scope.get(name).cloned().map(Some).ok_or_else(|| {
                Error::op(
                    "",
                    &label,
                    Mismatch::new("inputs that are there", format!("'{name}', which nothing is")),
                )
            }),
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let node = Node { importer: self, proto, label: &label, graph: &self.graph, inputs, setting, scope };
        folding::run(&node, operator)
    }

    /// A value as one of the graph.
    pub(super) fn tensor(&self, value: &Value) -> Result<Tensor> {
        match value {
            Value::Run(tensor, _) => Ok(tensor.clone()),
            Value::Known(array) => self.known(&self.graph, array),
        }
    }

    /// A known value as one of the graph: a parameter or a constant.
    pub(super) fn known(&self, graph: &Graph, array: &Array) -> Result<Tensor> {
        let host = array.to_host().map_err(|m| Error::op("", "", m))?;
        match &array.parameter {
            Some(name) => self.parameter(graph, name, array),
            None => constant(graph, host),
        }
    }

    /// A parameter under its name.
    pub(super) fn parameter(&self, graph: &Graph, name: &str, array: &Array) -> Result<Tensor> {
        let Data::Floats(values) = &array.data else {
            return Err(Error::op(
                "",
                name,
                Mismatch::new("a parameter of floats", array.element.to_string()),
            ));
        };
        let name = format!("{}{name}", self.options.prefix);
        let init = Init::Values(Given::shared(values.clone()));
        graph.parameter(&name, array.shape.clone(), init)
    }

    /// A value that is kept on the device and saved, and is not trained.
    pub(super) fn buffer(&self, graph: &Graph, name: &str, values: &HostTensor) -> Result<Tensor> {
        let name = format!("{}{name}", self.options.prefix);
        let init = Init::Values(Given::new(values.clone()));
        graph.state(&name, values.ty(), init, Role::Buffer)
    }

    /// The nodes of a branch or a loop's body.
    pub(super) fn inner(
        &self,
        graph: &GraphProto,
        scope: &mut Scope,
        setting: Setting<'_>,
    ) -> Result<Vec<Value>> {
        self.depth.set(self.depth.get() + 1);
        for proto in &graph.initializer {
            let value = Array::read(proto, self.model.folder.as_deref())
                .map_err(|m| Error::op("", proto.name(), m))?;
            scope.insert(proto.name.clone().unwrap_or_default(), Value::Known(value));
        }
        let order = {
            let outer = scope.keys().map(String::as_str).collect();
            model::order(graph, &outer).map_err(|m| Error::op("", "", m))?
        };
        self.nodes(&graph.node, &order, scope, setting)?;
        self.depth.set(self.depth.get() - 1);
        let output = |name: &str| {
            let missing = || Error::op("", name, Mismatch::new("outputs that nodes compute", "none"));
            scope.get(name).cloned().ok_or_else(missing)
        };
        graph.output.iter().map(|info| output(info.name())).collect()
    }
}

/// A known value as one of a graph: one number throughout is written once.
fn constant(graph: &Graph, host: HostTensor) -> Result<Tensor> {
    let values = host.as_f32()?;
    match values.first() {
        Some(&first) if values.iter().all(|v| v.to_bits() == first.to_bits()) => {
            graph.full(host.shape().clone(), first)
        }
        _ => graph.constant(host),
    }
}

/// An error with the operator and the node that it is of.
fn named(node: &NodeProto, error: Error) -> Error {
    let Error::Op { op, label, expected, got } = error else { return error };
    let (operator, own) = (model::full_name(node), model::label(node));
    // Of a node further in, which has said so.
    if op.contains("ONNX ") {
        return Error::Op { op, label, expected, got };
    }
    let op = if op.is_empty() { format!("ONNX {operator}") } else { format!("ONNX {operator} ({op})") };
    Error::Op { op, label: own, expected, got }
}
