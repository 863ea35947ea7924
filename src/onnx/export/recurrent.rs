//! Recurrent layers: the op over all steps with the product of its inputs.
//!
//! Weights keep PyTorch's names, shapes and order of gates; that of ONNX is made of them by nodes which runtimes compute
//! once.

use super::batch::Size;
use super::context::{Exporter, refused};
use super::element::{BOOL, INT32};
use super::writer::{Name, int, word, words};
use crate::DType;
use crate::error::Result;
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::ops::{MatMul, Narrow, Op, Recurrent, RecurrentKind};

/// Elements of a matrix that stands for the product of the inputs, at most.
const MOST: usize = 1 << 22;

/// What ONNX's operators give beside the steps as the graph has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Extra {
    /// The steps, 0 behind the end of a sequence: `(T, B, H)`.
    Padded,
    /// The last `h`: `(1, B, H)`.
    Hidden,
    /// The last `c`: `(1, B, H)`.
    Cells,
}

/// Where the product of the inputs comes from.
#[derive(Debug, Clone)]
enum Gates {
    /// Of these, `(T, B, I)` or `(T B, I)`, with weight and bias.
    Of { input: ValueId, weight: ValueId, bias: Option<ValueId> },
    /// It is given.
    Given(ValueId),
}

/// A recurrent layer with the product of its inputs.
#[derive(Debug, Clone)]
pub(super) struct RecurrentForm {
    op: Recurrent,
    gates: Gates,
    weight: ValueId,
    /// The first `h` and `c`; `None` for zeros.
    first: Vec<Option<ValueId>>,
    bias: Option<ValueId>,
    /// The lengths of the sequences where they have some, and the mask that is made of them; what the mask is otherwise.
    mask: Option<(Option<ValueId>, ValueId)>,
}

impl RecurrentForm {
    /// What it reads.
    pub(super) fn reads(&self) -> Vec<ValueId> {
        let gates = match self.gates {
            Gates::Of { input, weight, bias } => [Some(input), Some(weight), bias],
            Gates::Given(gates) => [Some(gates), None, None],
        };
        let mask = self.mask.map(|(lengths, mask)| [lengths, Some(mask)]).unwrap_or_default();
        let first = self.first.iter().copied();
        let all = gates.into_iter().chain([Some(self.weight), self.bias]).chain(first).chain(mask);
        all.flatten().collect()
    }
}

/// The form of a recurrent layer.
pub(super) fn recurrent(data: &GraphData, node: &Node, op: &Recurrent) -> RecurrentForm {
    let states = op.kind.states();
    let given = |&value: &ValueId| Some(value).filter(|&value| data.constant(value) != Some(0.0));
    let lengths = |value: ValueId| {
        let made = data.producer(value);
        matches!(made.op, Op::SequenceMask(_)).then(|| made.inputs[0])
    };
    let mask = node.inputs.last().copied().filter(|_| op.masked);
    RecurrentForm {
        op: *op,
        gates: product(data, node.inputs[0]).unwrap_or(Gates::Given(node.inputs[0])),
        weight: node.inputs[1],
        first: node.inputs[2..2 + states].iter().map(given).collect(),
        bias: node.inputs.get(2 + states).copied().filter(|_| op.bias),
        mask: mask.map(|mask| (lengths(mask), mask)),
    }
}

/// The product that gates `(T, B, G H)` are: with rows of all steps.
fn product(data: &GraphData, gates: ValueId) -> Option<Gates> {
    let shaped = data.producer(gates);
    let made = if let Op::Reshape(_) = shaped.op { data.producer(shaped.inputs[0]) } else { shaped };
    let plain = matches!(made.op, Op::MatMul(MatMul { trans_a: false, trans_b: true }));
    let rank = data.ty(*made.inputs.get(1)?).shape.len();
    if !plain || rank != 2 {
        return None;
    }
    let (rows, shape) = (data.producer(made.inputs[0]), &data.ty(gates).shape);
    let steps = |value: ValueId| data.ty(value).shape.len() == 3 && data.ty(value).shape[..2] == shape[..2];
    let input = match &rows.op {
        Op::Reshape(_) if steps(rows.inputs[0]) => rows.inputs[0],
        // Rows that were not made of steps.
        _ => made.inputs[0],
    };
    Some(Gates::Of { input, weight: made.inputs[1], bias: made.inputs.get(2).copied() })
}

/// What of a recurrent layer its last step is.
pub(super) fn extra(data: &GraphData, node: &Node, op: &Narrow) -> Option<(NodeId, Extra)> {
    let of = data.values[node.inputs[0]].node;
    let layer = &data.nodes[of];
    let Op::Recurrent(recurrent) = &layer.op else { return None };
    let steps = data.ty(node.inputs[0]).shape[0];
    let end = if recurrent.reverse { 0 } else { steps - 1 };
    if (op.dim, op.start, op.length) != (0, end, 1) {
        return None;
    }
    let extra = match layer.outputs.iter().position(|&output| output == node.inputs[0])? {
        0 => Extra::Hidden,
        2 => Extra::Cells,
        _ => return None,
    };
    Some((of, extra))
}

/// ONNX's order of PyTorch's gates.
fn order(kind: RecurrentKind) -> &'static [usize] {
    match kind {
        RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => &[0],
        RecurrentKind::Lstm => &[0, 3, 1, 2],
        RecurrentKind::Gru => &[1, 0, 2],
    }
}

fn operator(kind: RecurrentKind) -> &'static str {
    match kind {
        RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => "RNN",
        RecurrentKind::Lstm => "LSTM",
        RecurrentKind::Gru => "GRU",
    }
}

impl Exporter<'_> {
    /// A recurrent layer in one direction.
    pub(super) fn recurrent(&mut self, id: NodeId, form: &RecurrentForm) -> Result<()> {
        let node = &self.data.nodes[id];
        let kind = form.op.kind;
        for (position, what) in [(1, "what its gradient reads"), (2, "the cells of all its steps")] {
            if node.outputs.get(position).is_some_and(|&output| self.wants(output)) {
                return Err(refused(node, "its steps and its last state", what));
            }
        }
        let hidden = self.shape(form.weight)[1];
        let [x, w] = self.gates(node, form, hidden)?;
        let r = self.name(form.weight)?;
        let r = self.ordered(kind, &r, hidden);
        let r = self.in_one_direction(&r);
        let b = self.biases(form, hidden)?;
        let lengths = self.lengths(node, form)?;
        let mut inputs = vec![x, w, r, b, lengths];
        for first in &form.first {
            let name = first.map(|value| self.name(value)).transpose()?;
            inputs.push(name.map(|name| self.in_one_direction(&name)).unwrap_or_default());
        }
        let last = form.mask.is_some() && !form.op.reverse;
        let steps = self.wants(node.outputs[0]) || self.wants_extra(id, Extra::Padded);
        let of_hidden = self.wants_extra(id, Extra::Hidden) || last && self.wants(node.outputs[0]);
        let mut wanted = vec![steps, of_hidden];
        if kind == RecurrentKind::Lstm {
            wanted.push(self.wants_extra(id, Extra::Cells));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let found = self.to.node_of(operator(kind), &inputs, &wanted, attributes(form, hidden));
        self.take(id, form, &found)
    }

    /// Names what came of it.
    fn take(&mut self, id: NodeId, form: &RecurrentForm, found: &[Name]) -> Result<()> {
        let node = &self.data.nodes[id];
        for (extra, name) in [Extra::Hidden, Extra::Cells].into_iter().zip(&found[1..]) {
            self.give_extra(id, extra, name.clone());
        }
        if found[0].is_empty() {
            return Ok(());
        }
        let one = self.to.row(&[1]);
        let steps = self.to.node("Squeeze", &[&found[0], &one], vec![]);
        self.give_extra(id, Extra::Padded, steps.clone());
        let mut whole = steps;
        if let (Some((_, mask)), true) = (form.mask, self.wants(node.outputs[0])) {
            // Behind the end of a sequence the graph keeps its last state, and before its end, in reverse, the first.
            let outside = if form.op.reverse { self.first(form)? } else { found[1].clone() };
            let sizes = [self.sizes.of(mask), &[Size::Fixed(1)]].concat();
            let (mask, target) = (self.name(mask)?, self.shape_of(&sizes));
            let mask = self.to.node("Reshape", &[&mask, &target], vec![]);
            let mask = self.cast_to(&mask, BOOL);
            whole = self.to.node("Where", &[&mask, &whole, &outside], vec![]);
        }
        self.give(node.outputs[0], whole);
        Ok(())
    }

    /// The first `h`, which may be a number.
    fn first(&mut self, form: &RecurrentForm) -> Result<Name> {
        match form.first.first().copied().flatten() {
            Some(first) => self.name(first),
            None => Ok(self.to.number(DType::F32, 0.0)),
        }
    }

    /// Inputs `(T, B, I)` and their weight. Products that are given go by a matrix that only orders them.
    fn gates(&mut self, node: &Node, form: &RecurrentForm, hidden: usize) -> Result<[Name; 2]> {
        match form.gates {
            Gates::Of { input, weight, .. } => {
                let (mut x, steps) = (self.name(input)?, self.sizes.of(node.inputs[0]).to_vec());
                if self.shape(input).len() != 3 {
                    let target = self.shape_of(&[steps[0], steps[1], Size::Fixed(self.shape(weight)[1])]);
                    x = self.to.node("Reshape", &[&x, &target], vec![]);
                }
                let w = self.name(weight)?;
                let w = self.ordered(form.op.kind, &w, hidden);
                Ok([x, self.in_one_direction(&w)])
            }
            Gates::Given(gates) => {
                let order = order(form.op.kind);
                let rows = order.len() * hidden;
                if rows * rows > MOST {
                    return Err(refused(node, "the product of its inputs before it", "other gates"));
                }
                let mut matrix = vec![0.0; rows * rows];
                let positions = order.iter().flat_map(|gate| gate * hidden..(gate + 1) * hidden);
                positions.enumerate().for_each(|(row, position)| matrix[row * rows + position] = 1.0);
                Ok([self.name(gates)?, self.to.numbers(DType::F32, &[1, rows, rows], &matrix)])
            }
        }
    }

    /// Rows of gates in ONNX's order.
    fn ordered(&mut self, kind: RecurrentKind, weight: &str, hidden: usize) -> Name {
        let order = order(kind);
        if order.len() == 1 {
            return weight.to_owned();
        }
        let parts = self.split_of(weight, 0, &vec![hidden; order.len()]);
        let parts: Vec<&str> = order.iter().map(|&gate| parts[gate].as_str()).collect();
        self.to.node("Concat", &parts, vec![int("axis", 0)])
    }

    fn in_one_direction(&mut self, value: &str) -> Name {
        let zero = self.to.row(&[0]);
        self.to.node("Unsqueeze", &[value, &zero], vec![])
    }

    /// Both biases, one behind the other; nothing where there is none.
    fn biases(&mut self, form: &RecurrentForm, hidden: usize) -> Result<Name> {
        let added = if let Gates::Of { bias, .. } = form.gates { bias } else { None };
        if added.is_none() && form.bias.is_none() {
            return Ok(Name::new());
        }
        let mut parts = Vec::new();
        for bias in [added, form.bias] {
            parts.push(match bias {
                Some(value) => {
                    let name = self.name(value)?;
                    self.ordered(form.op.kind, &name, hidden)
                }
                None => self.to.filled(&[form.op.kind.gates() * hidden], 0.0),
            });
        }
        let both = self.to.node("Concat", &[&parts[0], &parts[1]], vec![int("axis", 0)]);
        Ok(self.in_one_direction(&both))
    }

    fn lengths(&mut self, node: &Node, form: &RecurrentForm) -> Result<Name> {
        match form.mask {
            None => Ok(Name::new()),
            Some((Some(lengths), _)) => {
                let name = self.name(lengths)?;
                Ok(self.cast_to(&name, INT32))
            }
            Some((None, _)) => Err(refused(node, "a mask made of lengths", "another mask")),
        }
    }
}

fn attributes(form: &RecurrentForm, hidden: usize) -> Vec<crate::onnx::proto::AttributeProto> {
    let direction = if form.op.reverse { "reverse" } else { "forward" };
    let mut attributes = vec![int("hidden_size", hidden as i64), word("direction", direction)];
    match form.op.kind {
        RecurrentKind::RnnTanh => attributes.push(words("activations", &["Tanh"])),
        RecurrentKind::RnnRelu => attributes.push(words("activations", &["Relu"])),
        // As in PyTorch, where the reset gate acts behind the product.
        RecurrentKind::Gru => attributes.push(int("linear_before_reset", 1)),
        RecurrentKind::Lstm => {}
    }
    attributes
}
