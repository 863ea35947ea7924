//! From the nodes of a file to those of a graph.

mod control;
mod convolutions;
mod elementwise;
mod folding;
mod gather;
mod host;
mod images;
mod losses;
mod node;
mod norms;
pub(super) mod operators;
mod pools;
mod products;
mod recurrent;
mod reduce;
mod resize;
mod select;
mod shapes;
mod windows;

use super::array::Array;
use super::element::ElementType;
use super::model::{self, Declared, Dimension, Model};
use super::proto::{AttributeProto, GraphProto, NodeProto};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::shape::Shape;
use crate::tensor::HostTensor;
use node::Node;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How a model is built.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    dims: BTreeMap<String, usize>,
    shapes: BTreeMap<String, Vec<usize>>,
    values: BTreeMap<String, Array>,
    prefix: String,
    training: bool,
    outputs: Option<Vec<String>>,
}

impl ImportOptions {
    /// As the file says; every dimension has to be known there.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what a named dimension is: `N` of inputs `(N, 3, 224, 224)`.
    #[must_use]
    pub fn dim(mut self, name: &str, size: usize) -> Self {
        self.dims.insert(name.to_owned(), size);
        self
    }

    /// Sets the shape of an input, whatever the file says.
    #[must_use]
    pub fn shape(mut self, input: &str, shape: &[usize]) -> Self {
        self.shapes.insert(input.to_owned(), shape.to_vec());
        self
    }

    /// Sets an input for good: shapes, axes and other numbers that have to be known when the graph is built.
    #[must_use]
    pub fn value(mut self, input: &str, value: Array) -> Self {
        self.values.insert(input.to_owned(), value);
        self
    }

    /// Sets whether a graph of its own behaves as in training: batch norm by the batch, dropout drops; false.
    #[must_use]
    pub fn training(mut self, training: bool) -> Self {
        self.training = training;
        self
    }

    /// Sets what is given in place of the file's outputs: values of these names, wherever they are computed. Nothing else is
    /// built.
    #[must_use]
    pub fn outputs(mut self, names: &[&str]) -> Self {
        self.outputs = Some(names.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Sets what comes before the name of every parameter: nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_owned();
        self
    }
}

/// An input or output of a model that was built.
#[derive(Debug, Clone)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type in the file. Here everything is `f32`.
    pub element: ElementType,
    /// What it is.
    pub value: PortValue,
}

/// What an input or output is.
#[derive(Debug, Clone)]
pub enum PortValue {
    /// A value that a run is given or gives.
    Tensor(Tensor),
    /// A value that does not depend on the inputs.
    Known(Array),
}

impl Port {
    /// The value of the graph; `None` where it is known.
    pub fn tensor(&self) -> Option<&Tensor> {
        match &self.value {
            PortValue::Tensor(tensor) => Some(tensor),
            PortValue::Known(_) => None,
        }
    }

    /// Its sizes.
    pub fn shape(&self) -> Vec<usize> {
        match &self.value {
            PortValue::Tensor(tensor) => tensor.shape().to_vec(),
            PortValue::Known(array) => array.shape().to_vec(),
        }
    }
}

/// A model that was built: an ordinary graph.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The graph.
    pub graph: Graph,
    /// What a run is given.
    pub inputs: Vec<Port>,
    /// What a run gives.
    pub outputs: Vec<Port>,
}

impl Imported {
    /// The outputs that a run computes.
    pub fn computed(&self) -> Vec<&Tensor> {
        self.outputs.iter().filter_map(Port::tensor).collect()
    }
}

/// A value while a model is built.
#[derive(Debug, Clone)]
enum Value {
    /// Known now.
    Known(Array),
    /// Of the graph, `f32`, and what the file takes it for.
    Run(Tensor, ElementType),
}

impl Value {
    fn element(&self) -> ElementType {
        match self {
            Self::Known(array) => array.element,
            Self::Run(_, element) => *element,
        }
    }

    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Known(array) => array.shape.clone(),
            Self::Run(tensor, _) => tensor.shape().to_vec(),
        }
    }
}

/// Values by name, as far as nodes have been built.
type Scope = HashMap<String, Value>;

/// The most nodes that a model may come to, loops and functions unrolled.
const MOST_NODES: usize = 1_000_000;
/// How deep functions and branches may lie within each other.
const DEEPEST: usize = 64;

/// A model being built.
struct Importer<'a> {
    model: &'a Model,
    graph: Graph,
    options: &'a ImportOptions,
    /// Whether arrays of `Constant` nodes are parameters as initialisers are: in files that have no others.
    constants_train: bool,
    nodes: std::cell::Cell<usize>,
    /// How deep in functions and branches.
    depth: std::cell::Cell<usize>,
    /// Names that nodes read or that are given.
    read: HashSet<&'a str>,
}

/// The version of operators and the attributes that nodes refer to.
#[derive(Clone, Copy)]
struct Setting<'a> {
    opset: i64,
    attributes: &'a [AttributeProto],
}

impl Model {
    /// Builds the model as a graph of its own, as in evaluation unless the options say that it is to be trained.
    ///
    /// # Errors
    /// When a dimension of an input is not known, an operator is not read, or a node does not accept what it is given: the node
    /// is named.
    pub fn import(&self, options: &ImportOptions) -> Result<Imported> {
        let graph = Graph::new();
        graph.set_training(options.training);
        self.import_into(&graph, options)
    }

    /// Builds the model into a graph; whether it behaves as in training is the graph's (see [`Graph::set_training`]).
    ///
    /// # Errors
    /// As [`Model::import`].
    pub fn import_into(&self, graph: &Graph, options: &ImportOptions) -> Result<Imported> {
        let known = self.inputs().into_iter().map(|input| input.name).collect::<HashSet<_>>();
        let given = options.shapes.keys().chain(options.values.keys());
        if let Some(name) = given.into_iter().find(|name| !known.contains(*name)) {
            let names: Vec<String> = self.inputs().into_iter().map(|input| input.name).collect();
            return Err(Error::argument("input", format!("one of {}", names.join(", ")), name));
        }
        let declared = self.inputs().into_iter().map(|input| {
            let element = input.element.unwrap_or(ElementType::Float);
            let value = match options.values.get(&input.name) {
                Some(value) => PortValue::Known(value.clone()),
                None => {
                    let shape = self.input_shape(&input, options)?;
                    PortValue::Tensor(graph.input(&input.name, shape)?)
                }
            };
            Ok(Port { name: input.name, element, value })
        });
        let inputs = declared.collect::<Result<Vec<_>>>()?;
        let outputs = self.build(graph, &inputs, options)?;
        Ok(Imported { graph: graph.clone(), inputs, outputs })
    }

    /// Builds the model over the tensors of a graph: `f32` for each input, in the order of [`Model::inputs`].
    ///
    /// # Errors
    /// As [`Model::import`], and when there is another number of tensors or they contradict the file's shapes.
    pub fn forward(&self, graph: &Graph, inputs: &[&Tensor], options: &ImportOptions) -> Result<Vec<Port>> {
        let declared: Vec<Declared> = self.inputs();
        let open: Vec<&Declared> =
            declared.iter().filter(|d| !options.values.contains_key(&d.name)).collect();
        if open.len() != inputs.len() {
            let names: Vec<&str> = open.iter().map(|input| input.name.as_str()).collect();
            let got = format!("{} tensors", inputs.len());
            return Err(Error::file(&self.path, format!("a tensor for each of {}", names.join(", ")), got));
        }
        graph.owns("onnx", inputs)?;
        let mut tensors = inputs.iter();
        let ports = declared.into_iter().map(|input| {
            let element = input.element.unwrap_or(ElementType::Float);
            let value = match options.values.get(&input.name) {
                Some(value) => PortValue::Known(value.clone()),
                None => PortValue::Tensor(tensors.next().map(|t| t.float()).ok_or_else(|| self.fewer())??),
            };
            Ok(Port { name: input.name, element, value })
        });
        self.build(graph, &ports.collect::<Result<Vec<_>>>()?, options)
    }

    fn fewer(&self) -> Error {
        Error::file(&self.path, "a tensor for each input", "fewer")
    }

    /// The shape of an input by the options and the file.
    fn input_shape(&self, input: &Declared, options: &ImportOptions) -> Result<Shape> {
        if let Some(shape) = options.shapes.get(&input.name) {
            return Ok(shape.clone().into());
        }
        let open = |dim: &Dimension| match dim {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Named(name) => options.dims.get(name).copied(),
            Dimension::Unknown => None,
        };
        let sizes: Option<Vec<usize>> = input.dims.as_ref().and_then(|dims| dims.iter().map(open).collect());
        let numeric = input.element.is_some_and(ElementType::is_numeric);
        if !numeric {
            return Err(Error::file(
                &self.path,
                format!("a tensor of numbers as input '{}'", input.name),
                input.to_string(),
            ));
        }
        sizes.map(Shape::from).ok_or_else(|| {
            let expected = format!("the shape of input '{}'", input.name);
            Error::file(&self.path, expected, format!("{input} with sizes that are not known"))
        })
    }

    fn build(&self, graph: &Graph, inputs: &[Port], options: &ImportOptions) -> Result<Vec<Port>> {
        let has_floats = self.initialisers.values().any(|array| array.parameter.is_some());
        let importer = Importer {
            model: self,
            graph: graph.clone(),
            options,
            constants_train: !has_floats,
            nodes: 0.into(),
            depth: 0.into(),
            read: self.read_names(options),
        };
        let mut scope: Scope =
            self.initialisers.iter().map(|(k, v)| (k.clone(), Value::Known(v.clone()))).collect();
        for Port { name, element, value } in inputs {
            let value = match value {
                PortValue::Tensor(tensor) => Value::Run(tensor.clone(), *element),
                PortValue::Known(array) => Value::Known(array.clone()),
            };
            scope.insert(name.clone(), value);
        }
        let setting = Setting { opset: self.opset(), attributes: &[] };
        let wanted = match &options.outputs {
            None => self.outputs(),
            Some(names) => {
                names.iter().map(|name| Declared { name: name.clone(), element: None, dims: None }).collect()
            }
        };
        let order = self.needed(&wanted);
        importer.nodes(&self.graph.node, &order, &mut scope, setting)?;
        let output = |declared: Declared| {
            let missing = || {
                Error::file(
                    &self.path,
                    "outputs that nodes compute",
                    format!("'{}', which nothing is", declared.name),
                )
            };
            let value = scope.get(&declared.name).ok_or_else(missing)?;
            let element = value.element();
            let value = match value {
                Value::Run(tensor, _) => PortValue::Tensor(tensor.clone()),
                Value::Known(array) if array.parameter.is_some() => {
                    PortValue::Tensor(importer.tensor(value)?)
                }
                Value::Known(array) => PortValue::Known(array.clone()),
            };
            Ok(Port { name: declared.name, element, value })
        };
        wanted.into_iter().map(output).collect()
    }

    /// What nodes read, and what is given.
    fn read_names<'a>(&'a self, options: &'a ImportOptions) -> HashSet<&'a str> {
        let nodes = self.graph.node.iter().flat_map(model::reads);
        let asked = options.outputs.iter().flatten().map(String::as_str);
        nodes.chain(asked).chain(self.graph.output.iter().map(|output| output.name())).collect()
    }

    /// The nodes that these values need, in order.
    fn needed(&self, wanted: &[Declared]) -> Vec<usize> {
        let mut names: HashSet<&str> = wanted.iter().map(|one| one.name.as_str()).collect();
        let mut order: Vec<usize> = Vec::new();
        for &at in self.order.iter().rev() {
            let node = &self.graph.node[at];
            if node.output.iter().any(|name| names.contains(name.as_str())) {
                names.extend(model::reads(node));
                order.push(at);
            }
        }
        order.reverse();
        order
    }
}

impl Importer<'_> {
    /// Adds nodes in this order.
    fn nodes(
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

    fn node(&self, proto: &NodeProto, scope: &mut Scope, setting: Setting<'_>) -> Result<Vec<Value>> {
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
    fn tensor(&self, value: &Value) -> Result<Tensor> {
        match value {
            Value::Run(tensor, _) => Ok(tensor.clone()),
            Value::Known(array) => self.known(&self.graph, array),
        }
    }

    /// A known value as one of the graph: a parameter or a constant.
    fn known(&self, graph: &Graph, array: &Array) -> Result<Tensor> {
        let host = array.to_host().map_err(|m| Error::op("", "", m))?;
        match &array.parameter {
            Some(name) => self.parameter(graph, name, array),
            None => constant(graph, host),
        }
    }

    /// A parameter under its name.
    fn parameter(&self, graph: &Graph, name: &str, array: &Array) -> Result<Tensor> {
        let super::array::Data::Floats(values) = &array.data else {
            return Err(Error::op(
                "",
                name,
                Mismatch::new("a parameter of floats", array.element.to_string()),
            ));
        };
        let name = format!("{}{name}", self.options.prefix);
        let init = crate::ops::Init::Values(crate::ops::Given::shared(values.clone()));
        graph.parameter(&name, array.shape.clone(), init)
    }

    /// A value that is kept on the device and saved, and is not trained.
    fn buffer(&self, graph: &Graph, name: &str, values: &HostTensor) -> Result<Tensor> {
        let name = format!("{}{name}", self.options.prefix);
        let init = crate::ops::Init::Values(crate::ops::Given::new(values.clone()));
        graph.state(&name, values.ty(), init, crate::ops::Role::Buffer)
    }

    /// The nodes of a branch or a loop's body.
    fn inner(&self, graph: &GraphProto, scope: &mut Scope, setting: Setting<'_>) -> Result<Vec<Value>> {
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
