//! Elements by index: rows of tables, gathers and scatters, orders, masks.

use super::context::Exporter;
use super::element::data_type;
use super::writer::{Name, int, word};
use crate::DType;
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Argsort, Gather, GridMode, GridPadding, GridSample, Scatter, ScatterAdd, SequenceMask};

impl Exporter<'_> {
    /// Rows of a table.
    pub(super) fn embedding(&mut self, node: &Node) -> Result<Name> {
        let [table, indices] = [self.name(node.inputs[0])?, self.name(node.inputs[1])?];
        Ok(self.to.node("Gather", &[&table, &indices], vec![int("axis", 0)]))
    }

    pub(super) fn gather(&mut self, node: &Node, op: &Gather) -> Result<Name> {
        let [input, index] = [self.name(node.inputs[0])?, self.name(node.inputs[1])?];
        Ok(self.to.node("GatherElements", &[&input, &index], vec![int("axis", op.dim as i64)]))
    }

    /// The last by index, in zeros.
    pub(super) fn scatter(&mut self, node: &Node, op: &Scatter) -> Result<Name> {
        self.placed(node, vec![int("axis", op.dim as i64)])
    }

    /// Sums by index.
    pub(super) fn scatter_add(&mut self, node: &Node, op: &ScatterAdd) -> Result<Name> {
        self.since(node, 16, "ScatterElements with a sum")?;
        self.placed(node, vec![int("axis", op.dim as i64), word("reduction", "add")])
    }

    fn placed(&mut self, node: &Node, attributes: Vec<crate::onnx::proto::AttributeProto>) -> Result<Name> {
        let (dtype, sizes) = (self.dtype(node.inputs[0]), self.sizes.of(node.outputs[0]).to_vec());
        let zero = self.to.number(dtype, 0.0);
        let zeros = self.expanded(&zero, &sizes);
        let [source, index] = [self.name(node.inputs[0])?, self.name(node.inputs[1])?];
        Ok(self.to.node("ScatterElements", &[&zeros, &index, &source], attributes))
    }

    pub(super) fn argsort(&mut self, node: &Node, op: &Argsort) -> Result<Name> {
        let (input, k) = (self.name(node.inputs[0])?, self.to.row(&[op.k as i64]));
        let attributes =
            vec![int("axis", op.dim as i64), int("largest", i64::from(op.descending)), int("sorted", 1)];
        let found = self.to.node_of("TopK", &[&input, &k], &[true, true], attributes);
        Ok(found.into_iter().nth(1).unwrap_or_default())
    }

    /// 1 for steps before the end of each sequence.
    pub(super) fn sequence_mask(&mut self, node: &Node, op: &SequenceMask) -> Result<Name> {
        let lengths = self.name(node.inputs[0])?;
        let steps: Vec<i64> = (0..op.max_length as i64).collect();
        let steps = self.to.whole(&[op.max_length, 1], &steps);
        let within = self.to.node("Less", &[&steps, &lengths], vec![]);
        Ok(self.truth(&within))
    }

    /// Where indices agree.
    pub(super) fn equal(&mut self, node: &Node) -> Result<Name> {
        let inputs = self.inputs(node)?;
        let same = self.to.node("Equal", &[&inputs[0], &inputs[1]], vec![]);
        Ok(self.cast_to(&same, data_type(DType::F32)))
    }

    pub(super) fn grid_sample(&mut self, node: &Node, op: &GridSample) -> Result<Name> {
        self.since(node, 16, "GridSample")?;
        let inputs = self.inputs(node)?;
        let mode = match (op.mode, self.to.opset >= 20) {
            (GridMode::Bilinear, true) => "linear",
            (GridMode::Bilinear, false) => "bilinear",
            (GridMode::Nearest, _) => "nearest",
        };
        let padding = match op.padding_mode {
            GridPadding::Zeros => "zeros",
            GridPadding::Border => "border",
            GridPadding::Reflection => "reflection",
        };
        let attributes = vec![
            word("mode", mode),
            word("padding_mode", padding),
            int("align_corners", i64::from(op.align_corners)),
        ];
        Ok(self.to.node("GridSample", &[&inputs[0], &inputs[1]], attributes))
    }
}
