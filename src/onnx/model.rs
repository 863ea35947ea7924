//! An ONNX file, read and looked over; nothing is built yet.

use super::array::Array;
use super::element::ElementType;
use super::import::operators;
use super::proto::{
    DimensionValue, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto,
};
use super::{external, stream};
use crate::error::{Error, Mismatch, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The newest version of the standard operators that is read.
pub const NEWEST_OPSET: i64 = 28;

/// A dimension of an input or output as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// So many.
    Fixed(usize),
    /// As many as this name stands for.
    Named(String),
    /// Any number.
    Unknown,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// An input or output as the file declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its element type; `None` where the file says none, or it is no tensor.
    pub element: Option<ElementType>,
    /// Its dimensions; `None` where the file says none.
    pub dims: Option<Vec<Dimension>>,
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = self.element.map_or_else(|| "no tensor".to_owned(), |element| element.to_string());
        match &self.dims {
            None => write!(f, "{}: {element} of any shape", self.name),
            Some(dims) => {
                let dims: Vec<_> = dims.iter().map(Dimension::to_string).collect();
                write!(f, "{}: {element} ({})", self.name, dims.join(", "))
            }
        }
    }
}

fn declared(info: &ValueInfoProto) -> Declared {
    let tensor = info.r#type.as_ref().and_then(|TypeProto { tensor_type }| tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        let dim = |value: &Option<DimensionValue>| match value {
            Some(DimensionValue::DimValue(size)) => {
                usize::try_from(*size).map_or(Dimension::Unknown, Dimension::Fixed)
            }
            Some(DimensionValue::DimParam(name)) if !name.is_empty() => Dimension::Named(name.clone()),
            Some(DimensionValue::DimParam(_)) | None => Dimension::Unknown,
        };
        shape.dim.iter().map(|one| dim(&one.value)).collect()
    });
    let element = tensor.map(|tensor| ElementType::of(tensor.elem_type.unwrap_or(0)));
    Declared { name: info.name.clone().unwrap_or_default(), element, dims }
}

/// A network in an ONNX file: read whole and checked for what needs no shapes.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) path: PathBuf,
    pub(super) folder: Option<PathBuf>,
    pub(super) proto: ModelProto,
    pub(super) graph: GraphProto,
    /// The initialisers by name.
    pub(super) initialisers: BTreeMap<String, Array>,
    /// Nodes in an order in which each reads what was computed before.
    pub(super) order: Vec<usize>,
}

/// An operator of a model that is not read, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The operator, behind its domain where that is not the standard one.
    pub operator: String,
    /// The node's name, or its first output's.
    pub node: String,
}

pub(super) fn label(node: &NodeProto) -> String {
    let named = node.name.clone().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| node.output.first().cloned().unwrap_or_default())
}

pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// An operator behind its domain.
pub(super) fn full_name(node: &NodeProto) -> String {
    let (domain, op) = (node.domain.as_deref().unwrap_or(""), node.op_type.as_deref().unwrap_or(""));
    if is_standard(domain) { op.to_owned() } else { format!("{domain}.{op}") }
}

impl Model {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is no ONNX file, or contradicts itself: see [`Model::from_bytes`].
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let size = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let folder =
            path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        Self::parse(BufReader::new(file), size, path, folder)
    }

    /// Reads the bytes of a file that has no data outside of it.
    ///
    /// # Errors
    /// When they are no ONNX file, its operators are newer than [`NEWEST_OPSET`], a tensor's values do not fit its type, a
    /// name is there twice or is missing, or nodes depend on each other in a circle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes, bytes.len() as u64, Path::new("model"), None)
    }

    fn parse(reader: impl Read, size: u64, path: &Path, folder: Option<&Path>) -> Result<Self> {
        let refused = |Mismatch { expected, got }| Error::file(path, expected, got);
        let mut values = Initialisers { folder, found: BTreeMap::new(), outside: BTreeMap::new() };
        let (proto, graph) = stream::read(reader, size, |tensor| {
            values.add(tensor.name.clone(), |folder| Array::read(&tensor, folder))?;
            values.count(&tensor)
        })
        .map_err(refused)?;
        let missing = || Error::file(path, "an ONNX file with a graph", format!("{size} bytes without one"));
        let mut graph = graph.ok_or_else(missing)?;
        for sparse in std::mem::take(&mut graph.sparse_initializer) {
            let name = sparse.values.as_ref().and_then(|values| values.name.clone());
            values.add(name, |folder| Array::sparse(&sparse, folder)).map_err(refused)?;
        }
        let initialisers = values.found;
        let mut model = Self {
            path: path.to_owned(),
            folder: folder.map(Path::to_owned),
            proto,
            graph,
            initialisers,
            order: Vec::new(),
        };
        model.check_opset()?;
        model.check_names()?;
        model.order = order(&model.graph, &model.outer())
            .map_err(|Mismatch { expected, got }| Error::file(path, expected, got))?;
        Ok(model)
    }

    /// What is there before the first node.
    fn outer(&self) -> BTreeSet<&str> {
        let inputs = self.graph.input.iter().filter_map(|input| input.name.as_deref());
        inputs.chain(self.initialisers.keys().map(String::as_str)).collect()
    }

    fn refused(&self, expected: impl Into<String>, got: impl Into<String>) -> Error {
        Error::file(&self.path, expected, got)
    }

    fn check_opset(&self) -> Result<()> {
        let opset = self.opset();
        // From version 3 of the format on every file says which operators it means.
        if self.proto.opset_import.is_empty() && self.proto.ir_version.unwrap_or(0) >= 3 {
            return Err(self.refused("the version of the standard operators", "none: a file that is cut off"));
        }
        if (1..=NEWEST_OPSET).contains(&opset) {
            return Ok(());
        }
        let expected = format!("standard operators of version 1 to {NEWEST_OPSET}");
        Err(self.refused(expected, format!("version {opset}")))
    }

    fn check_names(&self) -> Result<()> {
        let mut inputs = BTreeSet::new();
        if let Some(twice) = self.graph.input.iter().find(|input| !inputs.insert(input.name())) {
            return Err(self.refused(format!("one input called '{}'", twice.name()), "two"));
        }
        let mut known = self.outer();
        for node in &self.graph.node {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                if !known.insert(output) {
                    let got = format!("a second one of {} '{}'", full_name(node), label(node));
                    return Err(self.refused(format!("one value called '{output}'"), got));
                }
            }
        }
        let made = |output: &&ValueInfoProto| !known.contains(output.name());
        match self.graph.output.iter().find(made) {
            None => Ok(()),
            Some(output) => {
                Err(self
                    .refused("outputs that nodes compute", format!("an output '{}' of none", output.name())))
            }
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the standard operators.
    pub fn opset(&self) -> i64 {
        let standard =
            self.proto.opset_import.iter().find(|set| is_standard(set.domain.as_deref().unwrap_or("")));
        // Files of the first version of the format say none.
        standard.map_or(1, |set| set.version.unwrap_or(1))
    }

    /// The program that wrote it, with its version.
    pub fn producer(&self) -> String {
        let parts = [&self.proto.producer_name, &self.proto.producer_version];
        let parts: Vec<&str> =
            parts.into_iter().flatten().map(String::as_str).filter(|p| !p.is_empty()).collect();
        parts.join(" ")
    }

    /// Notes in the file.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let entry = |e: &super::proto::StringStringEntryProto| {
            (e.key.clone().unwrap_or_default(), e.value.clone().unwrap_or_default())
        };
        self.proto.metadata_props.iter().map(entry).collect()
    }

    /// What a run is given.
    pub fn inputs(&self) -> Vec<Declared> {
        let given = |input: &&ValueInfoProto| !self.initialisers.contains_key(input.name());
        self.graph.input.iter().filter(given).map(declared).collect()
    }

    /// What a run gives.
    pub fn outputs(&self) -> Vec<Declared> {
        self.graph.output.iter().map(declared).collect()
    }

    /// The values that the file holds by name.
    pub fn initialisers(&self) -> &BTreeMap<String, Array> {
        &self.initialisers
    }

    pub(super) fn function(&self, node: &NodeProto) -> Option<&FunctionProto> {
        let same =
            |a: &Option<String>, b: &Option<String>| a.as_deref().unwrap_or("") == b.as_deref().unwrap_or("");
        self.proto.functions.iter().find(|f| same(&f.name, &node.op_type) && same(&f.domain, &node.domain))
    }

    /// Operators and how many nodes there are of each, with those of functions and branches.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.each_node(&mut |node| *counts.entry(full_name(node)).or_insert(0) += 1);
        counts
    }

    /// The nodes whose operator is not read.
    pub fn unsupported(&self) -> Vec<Unsupported> {
        let mut found = Vec::new();
        self.each_node(&mut |node| {
            let standard = is_standard(node.domain.as_deref().unwrap_or(""));
            let known = standard && operators::find(node.op_type.as_deref().unwrap_or("")).is_some();
            if !known && self.function(node).is_none() {
                found.push(Unsupported { operator: full_name(node), node: label(node) });
            }
        });
        found
    }

    fn each_node(&self, see: &mut dyn FnMut(&NodeProto)) {
        fn walk(nodes: &[NodeProto], see: &mut dyn FnMut(&NodeProto)) {
            for node in nodes {
                see(node);
                let graphs = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
                graphs.for_each(|graph| walk(&graph.node, see));
            }
        }
        walk(&self.graph.node, see);
        self.proto.functions.iter().for_each(|function| walk(&function.node, see));
    }
}

/// The values of a file by name, as they are read.
struct Initialisers<'a> {
    folder: Option<&'a Path>,
    found: BTreeMap<String, Array>,
    /// Bytes that were read of each file beside the model.
    outside: BTreeMap<String, u64>,
}

impl Initialisers<'_> {
    fn add(
        &mut self,
        name: Option<String>,
        read: impl FnOnce(Option<&Path>) -> Result<Array, Mismatch>,
    ) -> Result<(), Mismatch> {
        let name = name.unwrap_or_default();
        let of = |Mismatch { expected, got }: Mismatch| {
            Mismatch::new(format!("of initialiser '{name}' {expected}"), got)
        };
        let mut value = read(self.folder).map_err(of)?;
        value.parameter = (value.element.is_float() && value.len() > 1).then(|| name.as_str().into());
        let expected = format!("one initialiser called '{name}'");
        let first = self.found.insert(name, value).is_none();
        Mismatch::check(first, expected, "two")
    }

    /// Refuses tensors that are the same bytes of a file beside the model over and over.
    fn count(&mut self, tensor: &TensorProto) -> Result<(), Mismatch> {
        /// How often all of a file may be read: weights may be shared.
        const OFTEN: u64 = 4;
        let Some(location) = external::location(tensor) else { return Ok(()) };
        let size = self
            .folder
            .and_then(|folder| std::fs::metadata(folder.join(location)).ok())
            .map_or(0, |m| m.len());
        let bytes = self.found.get(tensor.name()).map_or(0, |array| array.bytes());
        let read = self.outside.entry(location.to_owned()).or_default();
        *read = read.saturating_add(bytes);
        let expected = || format!("at most {OFTEN} times the bytes of {location} in all tensors together");
        Mismatch::check(*read <= OFTEN.saturating_mul(size), expected(), format!("{read} of {size} bytes"))
    }
}

/// The names that a node reads: those of its inputs, and those from outside that its branches read.
pub(super) fn reads(node: &NodeProto) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        let inside = graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str));
        let inputs = graph.input.iter().filter_map(|i| i.name.as_deref());
        let values = graph.initializer.iter().filter_map(|i| i.name.as_deref());
        let own: BTreeSet<&str> = inside.chain(inputs).chain(values).collect();
        let outputs = graph.output.iter().filter_map(|o| o.name.as_deref());
        let read = graph.node.iter().flat_map(reads).chain(outputs);
        names.extend(read.filter(|name| !own.contains(name)));
    }
    names
}

/// The nodes of a graph in an order in which each reads what is there: the file's, where that is one.
pub(super) fn order(graph: &GraphProto, outer: &BTreeSet<&str>) -> Result<Vec<usize>, Mismatch> {
    let maker: BTreeMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |name| (name.as_str(), at)))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let mut waiting = vec![0usize; graph.node.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    for (at, node) in graph.node.iter().enumerate() {
        for name in reads(node) {
            match maker.get(name) {
                Some(&from) => {
                    waiting[at] += 1;
                    readers[from].push(at);
                }
                None if outer.contains(name) => {}
                None => {
                    let got =
                        format!("'{name}', which nothing is, for {} '{}'", full_name(node), label(node));
                    return Err(Mismatch::new("inputs that are there", got));
                }
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..waiting.len()).filter(|&at| waiting[at] == 0).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &reader in &readers[at] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    match waiting.iter().position(|&count| count > 0) {
        None => Ok(order),
        Some(at) => {
            let node = &graph.node[at];
            let got = format!("a circle through {} '{}'", full_name(node), label(node));
            Err(Mismatch::new("nodes that do not depend on themselves", got))
        }
    }
}
