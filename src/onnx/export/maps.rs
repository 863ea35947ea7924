//! Linear maps along a dimension: the operator that a matrix is of, or the matrix itself.

use super::batch::Size;
use super::context::{Exporter, refused};
use super::writer::{Name, float, int, ints, word};
use crate::DType;
use crate::error::Result;
use crate::graph::Node;
use crate::onnx::proto::AttributeProto;
use crate::ops::{AvgPool1d, AxisMap, Interpolate, InterpolateMode, Pad, SparseRows, running_sums};

/// Elements of a matrix in a file, at most.
const MOST: usize = 1 << 22;

/// What a matrix does.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// Every so many elements from here on, or backwards.
    Steps { start: i64, end: i64, step: i64 },
    /// Each element so many times.
    Repeated(usize),
    /// Padded so, by so many in front and behind.
    Padded { mode: &'static str, before: i64, after: i64 },
    /// These elements; `None` where there is none.
    Positions(Vec<Option<usize>>),
    /// Sums of each element and all before it.
    Sums,
    /// Means of windows that lie within.
    Means { kernel: usize, stride: usize },
    /// Between neighbours.
    Between { mode: &'static str, positions: &'static str },
    /// Anything else.
    Any,
}

impl Exporter<'_> {
    /// A map along a dimension.
    pub(super) fn axis_map(&mut self, node: &Node, op: &AxisMap) -> Result<Name> {
        let (dim, value) = (op.dim, node.inputs[0]);
        let (x, rank) = (self.name(value)?, self.shape(value).len());
        let spatial = (3..=5).contains(&rank) && dim >= 2;
        Ok(match known(op, self.to.opset, spatial) {
            Known::Steps { start, end, step } => self.slice(&x, dim, [start, end, step]),
            Known::Repeated(times) => self.resized(&x, rank, dim, times as f32, ["nearest", "asymmetric"]),
            Known::Padded { mode, before, after } => self.padded(node, &x, mode, op.fill, [before, after])?,
            Known::Positions(positions) => self.taken(node, &x, op, &positions)?,
            Known::Sums => {
                let axis = self.to.whole(&[], &[dim as i64]);
                self.to.node("CumSum", &[&x, &axis], vec![])
            }
            Known::Means { kernel, stride } => {
                let along = |size: usize| (2..rank).map(move |d| if d == dim { size } else { 1 });
                let attributes = vec![ints("kernel_shape", along(kernel)), ints("strides", along(stride))];
                self.to.node("AveragePool", &[&x], attributes)
            }
            Known::Between { mode, positions } => self.between(node, &x, op, [mode, positions]),
            Known::Any => self.product(node, &x, op)?,
        })
    }

    /// Another size along a dimension: by a factor where it is whole, or by the sizes.
    fn between(&mut self, node: &Node, x: &str, op: &AxisMap, [mode, positions]: [&str; 2]) -> Name {
        let (rank, sizes) = (self.shape(node.inputs[0]).len(), self.sizes.of(node.outputs[0]).to_vec());
        let (inputs, outputs) = (op.matrix.inputs(), op.matrix.outputs());
        if outputs.is_multiple_of(inputs) {
            return self.resized(x, rank, op.dim, (outputs / inputs) as f32, [mode, positions]);
        }
        let sizes = self.shape_of(&sizes);
        self.to.node("Resize", &[x, "", "", &sizes], resizing(mode, positions))
    }

    /// Another size along a dimension, by a factor.
    fn resized(
        &mut self,
        x: &str,
        rank: usize,
        dim: usize,
        factor: f32,
        [mode, positions]: [&str; 2],
    ) -> Name {
        let factors: Vec<f32> = (0..rank).map(|d| if d == dim { factor } else { 1.0 }).collect();
        let scales = self.to.numbers(DType::F32, &[rank], &factors);
        self.to.node("Resize", &[x, "", &scales], resizing(mode, positions))
    }

    fn padded(&mut self, node: &Node, x: &str, mode: &str, fill: f32, sides: [i64; 2]) -> Result<Name> {
        let (value, dim) = (node.inputs[0], self.axis(node));
        let rank = self.shape(value).len();
        let mut pads = vec![0; 2 * rank];
        (pads[dim], pads[rank + dim]) = (sides[0], sides[1]);
        let pads = self.to.row(&pads);
        let number = match mode {
            "constant" if fill != 0.0 => self.to.number(self.dtype(value), fill),
            _ => Name::new(),
        };
        Ok(self.to.node("Pad", &[x, &pads, &number], vec![word("mode", mode)]))
    }

    fn axis(&self, node: &Node) -> usize {
        if let crate::ops::Op::AxisMap(op) = &node.op { op.dim } else { 0 }
    }

    /// Elements by their positions; one of the fill behind them stands for none.
    fn taken(&mut self, node: &Node, x: &str, op: &AxisMap, positions: &[Option<usize>]) -> Result<Name> {
        let size = op.matrix.inputs();
        let whole = positions.iter().all(Option::is_some);
        let from = if whole { x.to_owned() } else { self.padded(node, x, "constant", op.fill, [0, 1])? };
        let positions: Vec<i64> = positions.iter().map(|position| position.unwrap_or(size) as i64).collect();
        let positions = self.to.row(&positions);
        Ok(self.to.node("Gather", &[&from, &positions], vec![int("axis", op.dim as i64)]))
    }

    /// The product with the matrix.
    fn product(&mut self, node: &Node, x: &str, op: &AxisMap) -> Result<Name> {
        let (rows, columns) = (op.matrix.outputs(), op.matrix.inputs());
        if rows.saturating_mul(columns) > MOST {
            let expected = format!("a matrix of at most {MOST} elements, or one of an operator");
            return Err(refused(node, expected, op.matrix.to_string()));
        }
        let (value, dim) = (node.inputs[0], op.dim);
        let (dtype, rank) = (self.dtype(value), self.shape(value).len());
        let mut matrix = vec![0.0; rows * columns];
        let last = dim + 1 == rank;
        for (row, entries) in op.matrix.rows().enumerate() {
            for (column, weight) in entries {
                let position = if last { column * rows + row } else { row * columns + column };
                matrix[position] = weight as f32;
            }
        }
        if last {
            let matrix = self.to.numbers(dtype, &[columns, rows], &matrix);
            return Ok(self.to.node("MatMul", &[x, &matrix], vec![]));
        }
        let matrix = self.to.numbers(dtype, &[rows, columns], &matrix);
        if dim + 2 == rank {
            return Ok(self.to.node("MatMul", &[&matrix, x], vec![]));
        }
        let inner: usize = self.shape(value)[dim + 1..].iter().product();
        let flat = self.reshaped(x, &[-1, columns as i64, inner as i64]);
        let mapped = self.to.node("MatMul", &[&matrix, &flat], vec![]);
        let sizes: Vec<Size> = self.sizes.of(node.outputs[0]).to_vec();
        let target = self.shape_of(&sizes);
        Ok(self.to.node("Reshape", &[&mapped, &target], vec![]))
    }
}

fn resizing(mode: &str, positions: &str) -> Vec<AttributeProto> {
    let mut attributes = vec![word("mode", mode), word("coordinate_transformation_mode", positions)];
    match mode {
        "nearest" => attributes.push(word("nearest_mode", "floor")),
        "cubic" => attributes.push(float("cubic_coeff_a", -0.75)),
        // Others have no more.
        _ => {}
    }
    attributes
}

/// What the matrix of a map does.
fn known(op: &AxisMap, opset: i64, spatial: bool) -> Known {
    let matrix = &op.matrix;
    if matrix.is_gather() {
        return positions(op, opset, spatial);
    }
    let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
    if outputs == inputs && running_sums(inputs).is_ok_and(|sums| sums == **matrix) {
        return Known::Sums;
    }
    if !spatial {
        return Known::Any;
    }
    means(matrix).or_else(|| between(matrix)).unwrap_or(Known::Any)
}

fn positions(op: &AxisMap, opset: i64, spatial: bool) -> Known {
    let positions: Vec<Option<usize>> =
        op.matrix.rows().map(|mut row| row.next().map(|entry| entry.0)).collect();
    let (inputs, outputs) = (op.matrix.inputs(), positions.len());
    if let Some(known) = steps(&positions) {
        return known;
    }
    let times = outputs / inputs;
    let repeated =
        times * inputs == outputs && positions.iter().enumerate().all(|(t, at)| *at == Some(t / times));
    if repeated && spatial {
        return Known::Repeated(times);
    }
    padding(op, &positions, opset).unwrap_or(Known::Positions(positions))
}

/// Elements that are equally far apart.
fn steps(positions: &[Option<usize>]) -> Option<Known> {
    let positions: Vec<i64> =
        positions.iter().map(|position| position.map(|at| at as i64)).collect::<Option<_>>()?;
    let (first, last) = (*positions.first()?, *positions.last()?);
    let step = positions.get(1).map_or(1, |second| second - first);
    let even = step != 0 && positions.windows(2).all(|pair| pair[1] - pair[0] == step);
    // Before the first element there is none; what is meant is said by a number that is far beyond.
    let end = if last + step.signum() < 0 { i64::from(i32::MIN) } else { last + step.signum() };
    even.then_some(Known::Steps { start: first, end, step })
}

/// Padding, which has the elements in their order somewhere.
fn padding(op: &AxisMap, positions: &[Option<usize>], opset: i64) -> Option<Known> {
    let (inputs, outputs) = (op.matrix.inputs(), positions.len());
    let all = |before: usize| (0..inputs).all(|at| positions.get(before + at) == Some(&Some(at)));
    let before = (0..=outputs.checked_sub(inputs)?).find(|&before| all(before))?;
    let (before, after) = (before as i64, (outputs - inputs - before) as i64);
    let modes = [
        (Pad::Constant(op.fill), "constant", 13),
        (Pad::Reflect, "reflect", 13),
        (Pad::Replicate, "edge", 13),
        (Pad::Circular, "wrap", 19),
    ];
    let fits = |pad: &Pad| pad.matrix(inputs, before, after).is_ok_and(|matrix| matrix == *op.matrix);
    let found = modes.into_iter().find(|(pad, _, since)| opset >= *since && fits(pad))?;
    Some(Known::Padded { mode: found.1, before, after })
}

/// Means of windows of one size, none of which is cut off.
fn means(matrix: &SparseRows) -> Option<Known> {
    let starts: Vec<usize> =
        matrix.rows().map(|mut row| row.next().map(|entry| entry.0)).collect::<Option<_>>()?;
    let (kernel, stride) = (matrix.row(0).len(), starts.get(1).map_or(1, |second| second - starts[0]));
    if kernel < 2 || stride == 0 || starts[0] != 0 {
        return None;
    }
    let same = AvgPool1d::new(kernel).stride(stride).matrix(matrix.inputs());
    same.is_ok_and(|same| same == *matrix).then_some(Known::Means { kernel, stride })
}

/// Interpolation, by the sizes before and after it.
fn between(matrix: &SparseRows) -> Option<Known> {
    use InterpolateMode::{Bicubic, Linear};
    let ways = [
        (Linear, false, "linear", "half_pixel"),
        (Linear, true, "linear", "align_corners"),
        (Bicubic, false, "cubic", "half_pixel"),
        (Bicubic, true, "cubic", "align_corners"),
    ];
    let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
    let fits = |mode: InterpolateMode, corners: bool| {
        let flat = if mode == Linear { vec![1, 1, inputs] } else { vec![1, 1, inputs, inputs] };
        let options = Interpolate::size(&[outputs]).mode(mode).align_corners(corners);
        options.matrices(&flat).is_ok_and(|found| found.first() == Some(matrix))
    };
    let found = ways.into_iter().find(|(mode, corners, ..)| fits(*mode, *corners))?;
    Some(Known::Between { mode: found.2, positions: found.3 })
}
