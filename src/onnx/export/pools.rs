//! Pools of maxima and of means.

use super::context::{Exporter, refused};
use super::convolutions::{along, pads};
use super::writer::{Name, int, ints};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{AdaptiveMaxPool2d, AvgPool2d, MaxPool2d};
use crate::shape::{Padding, Window};

/// Windows of an adaptive pool that become slices.
const MOST_WINDOWS: usize = 256;

/// Whether rounding up gives a window more.
fn rounds_up(windows: &[Window; 2], sizes: [usize; 2]) -> bool {
    let padded = |window: &Window| window.input + window.before + window.after;
    // One that is wider than the image is there by rounding up alone.
    let down =
        |window: &Window| padded(window).checked_sub(window.extent()).map(|room| room / window.stride + 1);
    windows.iter().zip(sizes).any(|(window, size)| Some(size) != down(window))
}

impl Exporter<'_> {
    /// Maxima, and where they came from: a position of their plane.
    pub(super) fn max_pool(&mut self, node: &Node, op: &MaxPool2d) -> Result<()> {
        let input = self.name(node.inputs[0])?;
        let indices = self.wants(node.outputs[1]);
        let mut found = self.max_pool_of(node, op, false, &input, indices);
        if indices {
            // ONNX counts through the whole tensor.
            let shape = self.shape(node.inputs[0]);
            let plane = self.to.whole(&[], &[(shape[2] * shape[3]) as i64]);
            found[1] = self.to.node("Mod", &[&found[1], &plane], vec![]);
        }
        self.give(node.outputs[0], found[0].clone());
        self.give(node.outputs[1], found[1].clone());
        Ok(())
    }

    pub(super) fn max_pool_of(
        &mut self,
        node: &Node,
        op: &MaxPool2d,
        lines: bool,
        input: &str,
        indices: bool,
    ) -> Vec<Name> {
        let (from, to) = (self.shape(node.inputs[0]), self.shape(node.outputs[0]));
        let up = rounds_up(&op.windows(from[2], from[3]), [to[2], to[3]]);
        let attributes = vec![
            ints("kernel_shape", along(lines, [op.kernel_size.h, op.kernel_size.w])),
            ints("strides", along(lines, [op.stride.h, op.stride.w])),
            pads(lines, &op.padding),
            ints("dilations", along(lines, [op.dilation.h, op.dilation.w])),
            int("ceil_mode", i64::from(up)),
        ];
        self.to.node_of("MaxPool", &[input], &[true, indices], attributes)
    }

    /// Means of windows. Where a window is cut off or divided by another number, the padding is made before, so that no two
    /// readings of what counts are possible.
    pub(super) fn avg_pool(&mut self, node: &Node, op: &AvgPool2d) -> Result<Name> {
        let (from, to) = (self.shape(node.inputs[0]), self.shape(node.outputs[0]));
        let windows = op.windows(from[2], from[3]);
        let up = rounds_up(&windows, [to[2], to[3]]);
        let mut input = self.name(node.inputs[0])?;
        let mut padding = op.padding;
        let mut ceil = up;
        if let Some(divisor) = op.divisor_override {
            // Zeros up to the end of the last window, so that all are whole.
            let behind = |w: &Window, size: usize| {
                ((size - 1) * w.stride + w.extent()).saturating_sub(w.input + w.before)
            };
            let ends = [behind(&windows[0], to[2]), behind(&windows[1], to[3])];
            input = self.zeros_around(&input, Padding { bottom: ends[0], right: ends[1], ..padding });
            let means = self.avg_pool_of(op, &input, Padding::default(), false, false);
            let area = (op.kernel_size.h * op.kernel_size.w) as f32;
            let factor = self.to.number(self.dtype(node.inputs[0]), area / divisor as f32);
            return Ok(self.to.node("Mul", &[&means, &factor], vec![]));
        }
        let padded = padding != Padding::default();
        if op.count_include_pad && up && padded {
            input = self.zeros_around(&input, padding);
            padding = Padding::default();
            ceil = true;
        }
        let counts = op.count_include_pad && padding != Padding::default();
        Ok(self.avg_pool_of(op, &input, padding, ceil, counts))
    }

    fn avg_pool_of(&mut self, op: &AvgPool2d, input: &str, padding: Padding, up: bool, counts: bool) -> Name {
        let attributes = vec![
            ints("kernel_shape", [op.kernel_size.h, op.kernel_size.w]),
            ints("strides", [op.stride.h, op.stride.w]),
            pads(false, &padding),
            int("ceil_mode", i64::from(up)),
            int("count_include_pad", i64::from(counts)),
        ];
        self.to.node("AveragePool", &[input], attributes)
    }

    /// Zeros around images.
    fn zeros_around(&mut self, input: &str, p: Padding) -> Name {
        let sides = [0, 0, p.top, p.left, 0, 0, p.bottom, p.right].map(|side| side as i64);
        let sides = self.to.row(&sides);
        self.to.node("Pad", &[input, &sides], vec![])
    }

    /// The maxima of windows of different sizes: of rows of windows, then of their columns.
    pub(super) fn adaptive_max_pool(&mut self, node: &Node, op: &AdaptiveMaxPool2d) -> Result<Name> {
        if self.wants(node.outputs[1]) {
            return Err(refused(node, "an operator for the positions of its maxima", "none in ONNX"));
        }
        let (size, shape) = (op.output_size, self.shape(node.inputs[0]));
        let windows = size.h + size.w;
        if windows > MOST_WINDOWS {
            return Err(refused(
                node,
                format!("at most {MOST_WINDOWS} rows and columns"),
                windows.to_string(),
            ));
        }
        let input = self.name(node.inputs[0])?;
        let rows = self.maxima_along(&input, 2, size.h, shape[2]);
        Ok(self.maxima_along(&rows, 3, size.w, shape[3]))
    }

    fn maxima_along(&mut self, input: &str, dim: usize, windows: usize, length: usize) -> Name {
        let mut found = Vec::new();
        for window in 0..windows {
            let range = AdaptiveMaxPool2d::window(window, windows, length);
            let part = self.slice(input, dim, [range.start as i64, range.end as i64, 1]);
            found.push(self.reduced("ReduceMax", &part, &[dim], true));
        }
        let parts: Vec<&str> = found.iter().map(String::as_str).collect();
        self.to.node("Concat", &parts, vec![int("axis", dim as i64)])
    }
}
