//! Which sizes follow the number of examples: told by the same network, built for two numbers of them.

use crate::error::{Error, Mismatch, Result};
use crate::graph::{GraphData, Node, ValueId};
use crate::ops::{BroadcastTo, Conv2dBackwardInput, Input, Op, Reshape};
use crate::shape::Shape;

/// A size of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// This.
    Fixed(usize),
    /// So many for each example.
    Each(usize),
}

/// Where the number of examples is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    /// How a file calls it.
    pub(super) name: String,
    /// The input that has it.
    pub(super) input: ValueId,
    /// Along which dimension.
    pub(super) dim: usize,
}

/// The sizes of all values.
#[derive(Debug)]
pub(super) struct Sizes {
    all: Vec<Vec<Size>>,
    /// Where there are any that follow the number of examples.
    pub(super) counted: Option<Counted>,
}

impl Sizes {
    /// All are as they are.
    pub(super) fn fixed(data: &GraphData) -> Self {
        let of = |shape: &Shape| shape.iter().map(|&size| Size::Fixed(size)).collect();
        Self { all: data.values.iter().map(|value| of(&value.ty.shape)).collect(), counted: None }
    }

    /// Those of `data` that differ in `other` follow the number of examples, which is called `name`.
    ///
    /// # Errors
    /// When `other` is not the same network, or a size that differs is not in proportion.
    pub(super) fn compared(data: &GraphData, other: &GraphData, name: &str) -> Result<Self> {
        let count = |data: &GraphData| format!("a graph of {} values", data.values.len());
        if data.values.len() != other.values.len() {
            return Err(Error::argument("batch", count(data), count(other)));
        }
        let shapes = || data.values.iter().zip(&other.values).map(|(a, b)| (&a.ty.shape, &b.ty.shape));
        let differs = |(value, (a, b)): (ValueId, (&Shape, &Shape))| {
            let input = matches!(data.producer(value).op, Op::Input(_));
            let dim = (0..a.len().min(b.len())).find(|&dim| a[dim] != b[dim]).filter(|_| input)?;
            Some((value, dim, [a[dim], b[dim]]))
        };
        let Some((input, dim, batch)) = shapes().enumerate().find_map(differs) else {
            let expected = "two networks whose inputs differ in one size";
            return Err(Error::argument("batch", expected, "no difference"));
        };
        if batch.contains(&1) {
            return Err(Error::argument("batch", "networks for 2 examples at least", "1"));
        }
        let size =
            |(&a, &b): (&usize, &usize)| match (a == b, a % batch[0] == 0 && a * batch[1] == b * batch[0]) {
                (true, _) => Some(Size::Fixed(a)),
                (false, true) => Some(Size::Each(a / batch[0])),
                (false, false) => None,
            };
        let mut all = Vec::new();
        for (value, (a, b)) in shapes().enumerate() {
            let sizes =
                (a.len() == b.len()).then(|| a.iter().zip(&b[..]).map(size).collect::<Option<Vec<_>>>());
            let node = data.producer(value);
            let got = || format!("{a} and {b} for batches of {} and {}", batch[0], batch[1]);
            let mismatch = || Mismatch::new("sizes in proportion to the batch", got());
            all.push(sizes.flatten().ok_or_else(|| Error::op(node.op.name(), &node.label, mismatch()))?);
        }
        Ok(Self { all, counted: Some(Counted { name: name.to_owned(), input, dim }) })
    }

    /// Those of a value.
    pub(super) fn of(&self, value: ValueId) -> &[Size] {
        self.all.get(value).map_or(&[], Vec::as_slice)
    }
}

/// An op without the sizes that may follow the batch.
fn without_sizes(op: &Op) -> Op {
    let none = || Shape::from([]);
    match op {
        Op::Input(Input { name, ty }) => {
            Op::Input(Input { name: name.clone(), ty: crate::TensorType { shape: none(), dtype: ty.dtype } })
        }
        Op::Reshape(_) => Op::Reshape(Reshape { shape: none() }),
        Op::BroadcastTo(_) => Op::BroadcastTo(BroadcastTo { shape: none() }),
        Op::Conv2dBackwardInput(op) => {
            Op::Conv2dBackwardInput(Conv2dBackwardInput { options: op.options, input: none() })
        }
        // All others are the same for every batch.
        op => op.clone(),
    }
}

/// That a node is the same for another batch but for its sizes.
///
/// # Errors
/// When it is not: what it computes depends on the number of examples.
pub(super) fn same_but_for_sizes(node: &Node, other: Option<&Node>) -> Result<()> {
    let same = other.is_some_and(|other| {
        node.inputs == other.inputs
            && node.outputs == other.outputs
            && without_sizes(&node.op) == without_sizes(&other.op)
    });
    let words = |node: &Node| format!("{} {}", node.op.name(), node.op.attributes());
    let expected = format!("the same for every batch: {}", words(node));
    let got = other.map_or_else(|| "nothing".to_owned(), words);
    Mismatch::check(same, expected, got).map_err(|m| Error::op(node.op.name(), &node.label, m))
}
