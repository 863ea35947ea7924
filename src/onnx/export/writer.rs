//! What becomes a file: nodes, constants and names, each of which is one thing's alone.

use super::element::{bits, data_type};
use crate::onnx::proto::{AttributeProto, NodeProto, TensorProto, attribute_type};
use crate::{DType, HostTensor};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The name of a value in the file.
pub(super) type Name = String;

/// Nodes and constants so far.
pub(super) struct Writer {
    /// The version of the operators.
    pub(super) opset: i64,
    /// In an order in which each reads what was before it.
    pub(super) nodes: Vec<NodeProto>,
    /// States and constants.
    pub(super) initializers: Vec<TensorProto>,
    /// The layer that nodes are made for now.
    label: String,
    values: HashSet<Name>,
    node_names: HashSet<String>,
    /// Constants by what they hold.
    constants: HashMap<(i32, Vec<i64>, Vec<u8>), Name>,
}

/// An attribute that is a whole number.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    attribute(
        name,
        AttributeProto { r#type: Some(attribute_type::INT), i: Some(value), ..Default::default() },
    )
}

/// An attribute that is several whole numbers.
pub(super) fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> AttributeProto {
    let ints = values.into_iter().map(|value| value as i64).collect();
    attribute(name, AttributeProto { r#type: Some(attribute_type::INTS), ints, ..Default::default() })
}

/// An attribute that is a number.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    attribute(
        name,
        AttributeProto { r#type: Some(attribute_type::FLOAT), f: Some(value), ..Default::default() },
    )
}

/// An attribute that is a word.
pub(super) fn word(name: &str, value: &str) -> AttributeProto {
    let s = Some(Bytes::copy_from_slice(value.as_bytes()));
    attribute(name, AttributeProto { r#type: Some(attribute_type::STRING), s, ..Default::default() })
}

/// An attribute that is several words.
pub(super) fn words(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|value| Bytes::copy_from_slice(value.as_bytes())).collect();
    attribute(name, AttributeProto { r#type: Some(attribute_type::STRINGS), strings, ..Default::default() })
}

fn attribute(name: &str, value: AttributeProto) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ..value }
}

impl Writer {
    /// Nothing yet; values take none of these names.
    pub(super) fn new(opset: i64, reserved: impl IntoIterator<Item = Name>) -> Self {
        Self {
            opset,
            nodes: Vec::new(),
            initializers: Vec::new(),
            label: String::new(),
            values: reserved.into_iter().collect(),
            node_names: HashSet::new(),
            constants: HashMap::new(),
        }
    }

    /// Nodes from now on belong to this layer.
    pub(super) fn enter(&mut self, label: &str) {
        label.clone_into(&mut self.label);
    }

    /// `wanted`, or with a number behind it where that is taken.
    fn unused(taken: &mut HashSet<String>, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        let free = names.find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(free.clone());
        free
    }

    /// A node of one output.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Name {
        self.node_of(op, inputs, &[true], attributes).into_iter().next().unwrap_or_default()
    }

    /// A node whose outputs have names where they are wanted; the last of these is its last.
    ///
    /// It is called as its layer, with the operator where there are several in it.
    pub(super) fn node_of(
        &mut self,
        op: &str,
        inputs: &[&str],
        wanted: &[bool],
        attributes: Vec<AttributeProto>,
    ) -> Vec<Name> {
        let own = match self.label.as_str() {
            "" => op.to_owned(),
            label if !self.node_names.contains(label) => label.to_owned(),
            label => format!("{label}/{op}"),
        };
        let name = Self::unused(&mut self.node_names, &own);
        let mut output = Vec::new();
        for (position, &wanted) in wanted.iter().enumerate() {
            let value =
                if position == 0 { format!("{name}:{op}") } else { format!("{name}:{op}.{position}") };
            output.push(if wanted { Self::unused(&mut self.values, &value) } else { Name::new() });
        }
        while output.last().is_some_and(String::is_empty) {
            output.pop();
        }
        let mut input: Vec<Name> = inputs.iter().map(|&input| input.to_owned()).collect();
        while input.last().is_some_and(String::is_empty) {
            input.pop();
        }
        self.nodes.push(NodeProto {
            input,
            output: output.clone(),
            name: Some(name),
            op_type: Some(op.to_owned()),
            domain: None,
            attribute: attributes,
        });
        output.resize(wanted.len(), Name::new());
        output
    }

    /// A tensor that lies in the file under this name.
    pub(super) fn initializer(&mut self, name: &str, dims: Vec<i64>, data_type: i32, raw: Vec<u8>) {
        self.initializers.push(TensorProto {
            dims,
            data_type: Some(data_type),
            name: Some(name.to_owned()),
            raw_data: Some(Bytes::from(raw)),
            ..TensorProto::default()
        });
    }

    /// A tensor of the host under this name; indices are of 64 bits.
    pub(super) fn tensor(&mut self, name: &str, value: &HostTensor) {
        let ty = value.ty();
        let dims = ty.shape.iter().map(|&size| size as i64).collect();
        self.initializer(name, dims, data_type(ty.dtype), bits(value));
    }

    fn constant(&mut self, data_type: i32, dims: Vec<i64>, raw: Vec<u8>) -> Name {
        let key = (data_type, dims.clone(), raw.clone());
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = Self::unused(&mut self.values, "constant");
        self.initializer(&name, dims, data_type, raw);
        self.constants.insert(key, name.clone());
        name
    }

    /// The values of a tensor, which has no name of its own.
    pub(super) fn table(&mut self, value: &HostTensor) -> Name {
        let ty = value.ty();
        let dims = ty.shape.iter().map(|&size| size as i64).collect();
        self.constant(data_type(ty.dtype), dims, bits(value))
    }

    /// Numbers of this type.
    pub(super) fn numbers(&mut self, dtype: DType, dims: &[usize], values: &[f32]) -> Name {
        let raw = match dtype {
            DType::F16 => values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect(),
            DType::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            DType::U32 => values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect(),
        };
        self.constant(data_type(dtype), dims.iter().map(|&size| size as i64).collect(), raw)
    }

    /// A number of this type.
    pub(super) fn number(&mut self, dtype: DType, value: f32) -> Name {
        self.numbers(dtype, &[], &[value])
    }

    /// As many of one number as these sizes hold.
    pub(super) fn filled(&mut self, dims: &[usize], value: f32) -> Name {
        self.numbers(DType::F32, dims, &vec![value; dims.iter().product()])
    }

    /// Whole numbers of 64 bits in a tensor of these sizes.
    pub(super) fn whole(&mut self, dims: &[usize], values: &[i64]) -> Name {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(data_type(DType::U32), dims.iter().map(|&size| size as i64).collect(), raw)
    }

    /// Whole numbers in a row.
    pub(super) fn row(&mut self, values: &[i64]) -> Name {
        self.whole(&[values.len()], values)
    }

    /// Gives a value that a node computes another name, everywhere. Whether there is such a node.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let made = self.nodes.iter().any(|node| node.output.iter().any(|output| output == from));
        if made {
            let named = |name: &&mut Name| name.as_str() == from;
            for node in &mut self.nodes {
                for name in node.input.iter_mut().chain(&mut node.output).filter(named) {
                    to.clone_into(name);
                }
            }
        }
        made
    }

    /// How many nodes there are of each operator.
    pub(super) fn operators(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for op in self.nodes.iter().filter_map(|node| node.op_type.clone()) {
            *counts.entry(op).or_default() += 1;
        }
        counts
    }
}
