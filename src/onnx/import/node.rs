//! A node while it is built: its inputs, attributes and what it refuses.

use super::{Importer, Scope, Setting, Value};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::onnx::array::Array;
use crate::onnx::element::ElementType;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, attribute_type as ty};

/// A node with its inputs.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) importer: &'a Importer<'a>,
    pub(super) proto: &'a NodeProto,
    pub(super) label: &'a str,
    pub(super) graph: &'a Graph,
    pub(super) inputs: Vec<Option<Value>>,
    pub(super) setting: Setting<'a>,
    pub(super) scope: &'a Scope,
}

impl Node<'_> {
    pub(super) fn op(&self) -> &str {
        self.proto.op_type.as_deref().unwrap_or("")
    }

    pub(super) fn opset(&self) -> i64 {
        self.setting.opset
    }

    /// Outputs that somebody may read.
    pub(super) fn outputs(&self) -> usize {
        self.proto.output.len()
    }

    /// Whether somebody reads an output.
    pub(super) fn wants(&self, output: usize) -> bool {
        let named = self.proto.output.get(output).filter(|name| !name.is_empty());
        // Names within functions and branches are not looked at.
        named.is_some_and(|name| self.importer.depth.get() > 0 || self.importer.read.contains(name.as_str()))
    }

    pub(super) fn fail(&self, expected: impl Into<String>, got: impl Into<String>) -> Error {
        Error::op("", self.label, Mismatch::new(expected, got))
    }

    pub(super) fn check(
        &self,
        holds: bool,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Result<()> {
        if holds { Ok(()) } else { Err(self.fail(expected, got)) }
    }

    pub(super) fn refuse(&self) -> impl Fn(Mismatch) -> Error + '_ {
        |mismatch| Error::op("", self.label, mismatch)
    }

    // Inputs.

    pub(super) fn has(&self, input: usize) -> bool {
        self.inputs.get(input).is_some_and(Option::is_some)
    }

    pub(super) fn value(&self, input: usize) -> Result<&Value> {
        let value = self.inputs.get(input).and_then(Option::as_ref);
        value.ok_or_else(|| self.fail(format!("an input {input}"), "none"))
    }

    pub(super) fn element(&self, input: usize) -> Result<ElementType> {
        self.value(input).map(Value::element)
    }

    pub(super) fn shape(&self, input: usize) -> Result<Vec<usize>> {
        self.value(input).map(Value::shape)
    }

    /// The sizes of an input that has so many dimensions at least.
    pub(super) fn shape_of(&self, input: usize, least: usize) -> Result<Vec<usize>> {
        let shape = self.shape(input)?;
        let expected = || format!("input {input} of at least {least} dimensions");
        self.check(shape.len() >= least, expected(), format!("{shape:?}"))?;
        Ok(shape)
    }

    pub(super) fn tensor(&self, input: usize) -> Result<Tensor> {
        self.as_tensor(self.value(input)?)
    }

    pub(super) fn as_tensor(&self, value: &Value) -> Result<Tensor> {
        let numeric = value.element().is_numeric();
        self.check(numeric, "numbers or truth values", value.element().to_string())?;
        match value {
            Value::Run(tensor, _) => Ok(tensor.clone()),
            Value::Known(array) => self.importer.known(self.graph, array),
        }
    }

    pub(super) fn optional(&self, input: usize) -> Result<Option<Tensor>> {
        if self.has(input) { self.tensor(input).map(Some) } else { Ok(None) }
    }

    /// What a layer multiplies or adds: an array of floats is a parameter here, wherever it comes from.
    pub(super) fn weight(&self, input: usize) -> Result<Tensor> {
        match self.value(input)? {
            Value::Known(array) if array.element.is_float() && self.is_kept() => {
                let name = self.proto.input.get(input).map_or("", String::as_str);
                let name = array.parameter.as_deref().unwrap_or(name).to_owned();
                self.importer.parameter(self.graph, &name, array)
            }
            value => self.as_tensor(value),
        }
    }

    pub(super) fn optional_weight(&self, input: usize) -> Result<Option<Tensor>> {
        if self.has(input) { self.weight(input).map(Some) } else { Ok(None) }
    }

    /// Whether what is built stays: a node whose value is known is built aside and computed at once.
    pub(super) fn is_kept(&self) -> bool {
        std::ptr::eq(self.graph, &raw const self.importer.graph)
    }

    /// Statistics of a layer: kept with the model, not trained.
    pub(super) fn buffer(&self, input: usize) -> Result<Tensor> {
        match self.value(input)? {
            Value::Known(array) if self.is_kept() => {
                let name = self.proto.input.get(input).map_or("", String::as_str);
                let name = array.parameter.as_deref().unwrap_or(name).to_owned();
                self.importer.buffer(self.graph, &name, &array.to_host().map_err(self.refuse())?)
            }
            value => self.as_tensor(value),
        }
    }

    /// An input that has to be known now.
    pub(super) fn known(&self, input: usize) -> Result<&Array> {
        let name = self.proto.input.get(input).map_or("", String::as_str);
        match self.value(input)? {
            Value::Known(array) => Ok(array),
            Value::Run(..) => Err(self.fail(
                format!("input '{name}' to be known when the model is read"),
                "one that depends on what a run is given",
            )),
        }
    }

    pub(super) fn known_ints(&self, input: usize) -> Result<Vec<i64>> {
        let array = self.known(input)?;
        let ints = array.as_ints().map(<[i64]>::to_vec);
        ints.ok_or_else(|| self.fail(format!("whole numbers as input {input}"), array.element.to_string()))
    }

    pub(super) fn known_numbers(&self, input: usize) -> Result<Vec<f64>> {
        self.known(input).map(Array::numbers)
    }

    /// One number.
    pub(super) fn known_number(&self, input: usize) -> Result<f64> {
        let numbers = self.known_numbers(input)?;
        match numbers[..] {
            [number] => Ok(number),
            _ => Err(self.fail(format!("one number as input {input}"), format!("{} numbers", numbers.len()))),
        }
    }

    // Attributes.

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        let found = self.proto.attribute.iter().find(|attribute| attribute.name() == name)?;
        match found.ref_attr_name() {
            "" => Some(found),
            outer => self.setting.attributes.iter().find(|attribute| attribute.name() == outer),
        }
    }

    fn typed<T>(
        &self,
        name: &str,
        code: i32,
        what: &str,
        get: impl FnOnce(&AttributeProto) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        // Old files do not say the type.
        let said = attribute.r#type.unwrap_or(0);
        let value = if said == code || said == 0 { get(attribute) } else { None };
        value.map(Some).ok_or_else(|| self.fail(format!("{what} as attribute {name}"), "another kind"))
    }

    pub(super) fn has_attribute(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        // A field of the value 0 may be left out.
        self.typed(name, ty::INT, "a whole number", |a| Some(a.i.unwrap_or(0)))
    }

    pub(super) fn int_or(&self, name: &str, usual: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(usual))
    }

    pub(super) fn flag(&self, name: &str, usual: bool) -> Result<bool> {
        Ok(self.int(name)?.map_or(usual, |v| v != 0))
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f32>> {
        self.typed(name, ty::FLOAT, "a number", |a| Some(a.f.unwrap_or(0.0)))
    }

    pub(super) fn float_or(&self, name: &str, usual: f32) -> Result<f32> {
        Ok(self.float(name)?.unwrap_or(usual))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        self.typed(name, ty::INTS, "whole numbers", |a| Some(a.ints.clone()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f32>>> {
        self.typed(name, ty::FLOATS, "numbers", |a| Some(a.floats.clone()))
    }

    pub(super) fn text(&self, name: &str, usual: &str) -> Result<String> {
        let read = |a: &AttributeProto| String::from_utf8(a.s.clone().unwrap_or_default().to_vec()).ok();
        Ok(self.typed(name, ty::STRING, "text", read)?.unwrap_or_else(|| usual.to_owned()))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let read = |a: &AttributeProto| {
            a.strings.iter().map(|s| String::from_utf8(s.to_vec()).ok()).collect::<Option<Vec<_>>>()
        };
        self.typed(name, ty::STRINGS, "texts", read)
    }

    pub(super) fn tensor_attribute(&self, name: &str) -> Result<Option<Array>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let proto =
            attribute.t.as_ref().ok_or_else(|| self.fail(format!("a tensor as attribute {name}"), "none"))?;
        Array::read(proto, self.importer.model.folder.as_deref()).map(Some).map_err(self.refuse())
    }

    pub(super) fn sparse_attribute(&self, name: &str) -> Result<Option<Array>> {
        let sparse = self.attribute(name).and_then(|attribute| attribute.sparse_tensor.as_ref());
        let folder = self.importer.model.folder.as_deref();
        sparse.map(|sparse| Array::sparse(sparse, folder).map_err(self.refuse())).transpose()
    }

    pub(super) fn graph_attribute(&self, name: &str) -> Result<&GraphProto> {
        let graph = self.attribute(name).and_then(|attribute| attribute.g.as_ref());
        graph.ok_or_else(|| self.fail(format!("a graph as attribute {name}"), "none"))
    }

    // Axes.

    /// The position of an axis that may be counted from the end.
    pub(super) fn axis_of(&self, axis: i64, rank: usize) -> Result<usize> {
        let size = i64::try_from(rank).unwrap_or(i64::MAX);
        let expected = || format!("an axis from {} to {}", -size, size - 1);
        self.check((-size..size).contains(&axis), expected(), axis.to_string())?;
        Ok((if axis < 0 { axis + size } else { axis }) as usize)
    }

    pub(super) fn axis(&self, usual: i64, rank: usize) -> Result<usize> {
        self.axis_of(self.int_or("axis", usual)?, rank)
    }

    /// Axes of an attribute up to some version, of an input from it on; `None` where there are none.
    pub(super) fn axes(&self, input: usize) -> Result<Option<Vec<i64>>> {
        if self.has(input) { self.known_ints(input).map(Some) } else { self.ints("axes") }
    }

    pub(super) fn axes_of(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
        let mut positions = axes.iter().map(|&axis| self.axis_of(axis, rank)).collect::<Result<Vec<_>>>()?;
        positions.sort_unstable();
        let twice = positions.windows(2).any(|two| two[0] == two[1]);
        self.check(!twice, "each axis once", format!("{axes:?}"))?;
        Ok(positions)
    }

    // Outputs.

    /// The output of the element type of the first input.
    pub(super) fn gives(&self, tensor: Tensor) -> Result<Vec<Value>> {
        self.gives_as(tensor, self.element(0)?)
    }

    pub(super) fn gives_as(&self, tensor: Tensor, element: ElementType) -> Result<Vec<Value>> {
        Ok(vec![Value::Run(tensor, element)])
    }

    pub(super) fn gives_known(&self, array: Array) -> Result<Vec<Value>> {
        Ok(vec![Value::Known(array)])
    }

    /// Refuses what would take more room on the host than a file can ask for.
    pub(super) fn fits(&self, what: &str, count: usize) -> Result<()> {
        /// Numbers of a table that is made for a node.
        const MOST: usize = 1 << 24;
        self.check(count <= MOST, format!("at most {MOST} {what}"), count.to_string())
    }

    /// A size that a file gives as a signed number.
    pub(super) fn size(&self, what: &str, number: i64) -> Result<usize> {
        usize::try_from(number).map_err(|_| self.fail(format!("{what} of 0 or more"), number.to_string()))
    }

    pub(super) fn sizes(&self, what: &str, numbers: &[i64]) -> Result<Vec<usize>> {
        numbers.iter().map(|&number| self.size(what, number)).collect()
    }
}
