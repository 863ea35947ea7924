//! From the nodes of a file to those of a graph.

mod build;
mod constants;
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
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::shape::Shape;
use build::{Importer, Scope, Setting, Value};
use std::collections::{BTreeMap, HashSet};

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

    /// What is said of a model by name: of inputs their shapes, of dimensions that the file names a size each.
    ///
    /// # Errors
    /// When the model has no dimension and no input of such a name.
    pub fn sized(model: &Model, sizes: &[(String, Vec<usize>)]) -> Result<Self> {
        let inputs = model.inputs();
        let names = |name: &str| {
            let is_it = |dim: &Dimension| matches!(dim, Dimension::Named(other) if other == name);
            inputs.iter().any(|input| input.dims.iter().flatten().any(is_it))
        };
        sizes.iter().try_fold(Self::new(), |options, (name, size)| match size[..] {
            _ if inputs.iter().any(|input| input.name == *name) => Ok(options.shape(name, size)),
            [size] if names(name) => Ok(options.dim(name, size)),
            _ => {
                let known: Vec<String> = inputs.iter().map(Declared::to_string).collect();
                Err(Error::argument(
                    "shape",
                    format!("a dimension or an input of {}", known.join("; ")),
                    name,
                ))
            }
        })
    }

    /// What a named dimension is, where it is set.
    pub fn size_of(&self, name: &str) -> Option<usize> {
        self.dims.get(name).copied()
    }

    /// The shape of an input, where it is set.
    pub fn shape_of(&self, input: &str) -> Option<&[usize]> {
        self.shapes.get(input).map(Vec::as_slice)
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

    /// Sets what is given instead of the file's outputs: values of these names, wherever they are computed. Nothing else is
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

    /// Builds the model over the tensors of a graph: `f32` for each input, in the order of [`Model::inputs`]. Their shapes
    /// count,
    /// whatever the file says: a network that takes images of other sizes is given them so.
    ///
    /// # Errors
    /// As [`Model::import`], and when there is another number of tensors.
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
