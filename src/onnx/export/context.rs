//! The walk over the nodes of a graph that writes them.

use super::batch::{Size, Sizes, same_but_for_sizes};
use super::forms::{Form, Need, Operand};
use super::recurrent::Extra;
use super::writer::{Name, Writer};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::shape::Shape;
use crate::{DType, HostTensor};
use std::collections::{HashMap, HashSet};

/// What a state holds, by its name.
pub(super) type States<'a> = &'a dyn Fn(&str) -> Result<HostTensor>;

/// A graph on its way into a file.
pub(super) struct Exporter<'a> {
    /// The graph.
    pub(super) data: &'a GraphData,
    /// The sizes of its values.
    pub(super) sizes: Sizes,
    /// The file.
    pub(super) to: Writer,
    /// What states hold.
    pub(super) states: States<'a>,
    /// Elements of the parameters and buffers so far.
    pub(super) elements: usize,
    names: HashMap<ValueId, Name>,
    extras: HashMap<(NodeId, Extra), Name>,
    wanted: HashSet<ValueId>,
    wanted_extras: HashSet<(NodeId, Extra)>,
    batch: Option<Name>,
}

impl<'a> Exporter<'a> {
    /// Nothing is written yet.
    pub(super) fn new(data: &'a GraphData, sizes: Sizes, to: Writer, states: States<'a>) -> Self {
        Self {
            data,
            sizes,
            to,
            states,
            elements: 0,
            names: HashMap::new(),
            extras: HashMap::new(),
            wanted: HashSet::new(),
            wanted_extras: HashSet::new(),
            batch: None,
        }
    }

    /// Writes what these values need. `other` is the graph for another batch, where sizes follow it.
    pub(super) fn write(&mut self, values: &[ValueId], other: Option<&GraphData>) -> Result<()> {
        let forms = self.forms(values);
        for (id, form) in forms.into_iter().enumerate() {
            let (Some(form), node) = (form, &self.data.nodes[id]) else { continue };
            if let Some(other) = other {
                same_but_for_sizes(node, other.nodes.get(id))?;
            }
            self.to.enter(&node.label);
            self.node(id, node, form)?;
        }
        Ok(())
    }

    /// As what each node is written; `None` for those that are not needed.
    fn forms(&mut self, values: &[ValueId]) -> Vec<Option<Form>> {
        let mut forms: Vec<Option<Form>> = vec![None; self.data.nodes.len()];
        let mut needed = vec![false; self.data.nodes.len()];
        for &value in values {
            needed[self.data.values[value].node] = true;
            self.wanted.insert(value);
        }
        for id in (0..needed.len()).rev() {
            if !needed[id] {
                continue;
            }
            let form = Form::of(self.data, id);
            for need in form.needs(&self.data.nodes[id]) {
                match need {
                    Need::Value(value) => {
                        needed[self.data.values[value].node] = true;
                        self.wanted.insert(value);
                    }
                    Need::Extra(of, extra) => {
                        needed[of] = true;
                        self.wanted_extras.insert((of, extra));
                    }
                }
            }
            forms[id] = Some(form);
        }
        forms
    }

    /// Whether something reads a value.
    pub(super) fn wants(&self, value: ValueId) -> bool {
        self.wanted.contains(&value)
    }

    /// Whether something reads what a recurrent layer has beside its steps.
    pub(super) fn wants_extra(&self, of: NodeId, extra: Extra) -> bool {
        self.wanted_extras.contains(&(of, extra))
    }

    /// What a value is called.
    pub(super) fn name(&self, value: ValueId) -> Result<Name> {
        let node = self.data.producer(value);
        let missing = || refused(node, "a value that was written before it", "one that was not");
        self.names.get(&value).cloned().ok_or_else(missing)
    }

    /// What the inputs of a node are called.
    pub(super) fn inputs(&self, node: &Node) -> Result<Vec<Name>> {
        node.inputs.iter().map(|&value| self.name(value)).collect()
    }

    /// What an operand is called; a number is of the type of the function.
    pub(super) fn operand(&mut self, operand: Operand, dtype: DType) -> Result<Name> {
        match operand {
            Operand::Value(value) => self.name(value),
            Operand::Number(number) => Ok(self.to.number(dtype, number)),
        }
    }

    /// A value is called so.
    pub(super) fn give(&mut self, value: ValueId, name: Name) {
        self.names.insert(value, name);
    }

    /// What a recurrent layer has beside its steps is called so.
    pub(super) fn give_extra(&mut self, of: NodeId, extra: Extra, name: Name) {
        self.extras.insert((of, extra), name);
    }

    /// What that is called.
    pub(super) fn extra(&self, of: NodeId, extra: Extra) -> Result<Name> {
        let missing = || refused(&self.data.nodes[of], "its last state", "none");
        self.extras.get(&(of, extra)).cloned().ok_or_else(missing)
    }

    /// The shape of a value.
    pub(super) fn shape(&self, value: ValueId) -> &'a Shape {
        &self.data.ty(value).shape
    }

    /// The type of a value's elements.
    pub(super) fn dtype(&self, value: ValueId) -> DType {
        self.data.ty(value).dtype
    }

    /// The shape of a value as whole numbers for a reshape: at most one is -1, what is left.
    pub(super) fn target(&mut self, value: ValueId) -> Name {
        let sizes = self.sizes.of(value).to_vec();
        let follow = sizes.iter().filter(|size| matches!(size, Size::Each(_))).count();
        if follow > 1 {
            return self.shape_of(&sizes);
        }
        let number = |size: &Size| if let Size::Fixed(size) = size { *size as i64 } else { -1 };
        let row: Vec<i64> = sizes.iter().map(number).collect();
        self.to.row(&row)
    }

    /// Sizes as whole numbers, those that follow the number of examples computed from an input's.
    pub(super) fn shape_of(&mut self, sizes: &[Size]) -> Name {
        let fixed: Option<Vec<i64>> = sizes
            .iter()
            .map(|size| if let Size::Fixed(size) = size { Some(*size as i64) } else { None })
            .collect();
        if let Some(row) = fixed {
            return self.to.row(&row);
        }
        let parts: Vec<Name> = sizes.iter().map(|&size| self.size(size)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.to.node("Concat", &parts, vec![super::writer::int("axis", 0)])
    }

    fn size(&mut self, size: Size) -> Name {
        match size {
            Size::Fixed(size) => self.to.row(&[size as i64]),
            Size::Each(1) => self.examples(),
            Size::Each(times) => {
                let (examples, times) = (self.examples(), self.to.row(&[times as i64]));
                self.to.node("Mul", &[&examples, &times], vec![])
            }
        }
    }

    /// The number of examples, as a row of one.
    fn examples(&mut self) -> Name {
        if let Some(name) = &self.batch {
            return name.clone();
        }
        let counted = self.sizes.counted.clone();
        let (input, dim) = counted.map_or((0, 0), |counted| (counted.input, counted.dim));
        let input = self.data.producer(input).op.leaf_name().unwrap_or_default().to_owned();
        let shape = self.to.node("Shape", &[&input], vec![]);
        let position = self.to.row(&[dim as i64]);
        let name = self.to.node("Gather", &[&shape, &position], vec![super::writer::int("axis", 0)]);
        self.batch = Some(name.clone());
        name
    }

    /// The op of a node needs an opset that was not asked for.
    pub(super) fn since(&self, node: &Node, opset: i64, operator: &str) -> Result<()> {
        let expected = format!("opset {opset} or later for {operator}");
        Mismatch::check(self.to.opset >= opset, expected, self.to.opset.to_string())
            .map_err(|m| Error::op(node.op.name(), &node.label, m))
    }
}

/// What a node cannot be written as.
pub(super) fn refused(node: &Node, expected: impl Into<String>, got: impl Into<String>) -> Error {
    Error::op(node.op.name(), &node.label, Mismatch::new(expected, got))
}
