//! An image read at the points of a grid, and its gradients.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{
    GridMode, GridPadding, GridSample, GridSampleBackwardGrid, GridSampleBackwardInput, GridSizes,
};
use crate::tensor::TensorType;

/// Where a coordinate lies along a side, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    /// The position; far outside where none is meant.
    pub(crate) at: f64,
    /// Its derivative by the coordinate.
    pub(crate) slope: f64,
    /// Whether nothing can be said of what lies there: see the module of the op.
    pub(crate) lost: bool,
}

/// A position held within a side; at an end it no longer moves.
fn clipped(position: Position, size: f64) -> Position {
    if position.at <= 0.0 || position.at.is_nan() {
        Position { at: 0.0, slope: 0.0, ..position }
    } else if position.at >= size - 1.0 {
        Position { at: size - 1.0, slope: 0.0, ..position }
    } else {
        position
    }
}

/// A position reflected at `low` and at `low + span` until it lies between.
fn reflected(position: Position, low: f64, span: f64) -> Position {
    if span == 0.0 || !position.at.is_finite() {
        return Position { at: 0.0, slope: 0.0, ..position };
    }
    let (far, sign) = ((position.at - low).abs(), if position.at < low { -1.0 } else { 1.0 });
    let (extra, flips) = (far % span, (far / span).floor());
    if flips % 2.0 == 0.0 {
        Position { at: extra + low, slope: sign * position.slope, ..position }
    } else {
        Position { at: span - extra + low, slope: -sign * position.slope, ..position }
    }
}

/// Where coordinate `g` lies along a side of `size` pixels.
pub(crate) fn position(options: &GridSample, g: f64, size: usize) -> Position {
    let size = size as f64;
    let (at, slope) = if options.align_corners {
        ((g + 1.0) * (size - 1.0) / 2.0, (size - 1.0) / 2.0)
    } else {
        (((g + 1.0) * size - 1.0) / 2.0, size / 2.0)
    };
    let inside = Position { at, slope, lost: false };
    match options.padding_mode {
        GridPadding::Zeros if g.is_finite() => inside,
        GridPadding::Zeros => Position { at: -9.0, slope, lost: true },
        GridPadding::Border => clipped(inside, size),
        GridPadding::Reflection if options.align_corners => clipped(reflected(inside, 0.0, size - 1.0), size),
        GridPadding::Reflection => clipped(reflected(inside, -0.5, size), size),
    }
}

/// A pixel along one side, its weight and the weight's derivative by the coordinate.
pub(crate) type Tap = (usize, f64, f64);

/// The pixels along a side that a position reads.
pub(crate) fn taps(mode: GridMode, position: Position, size: usize) -> Vec<Tap> {
    let first = position.at.floor();
    let all = match mode {
        GridMode::Nearest => vec![(position.at.round_ties_even(), 1.0, 0.0)],
        GridMode::Bilinear => {
            let behind = position.at - first;
            vec![(first, 1.0 - behind, -position.slope), (first + 1.0, behind, position.slope)]
        }
    };
    let inside = all.into_iter().filter(|(pixel, ..)| (0.0..size as f64).contains(pixel));
    inside.map(|(pixel, weight, slope)| (pixel as usize, weight, slope)).collect()
}

/// What a point reads: pixels of its image, the weight of each, and that weight's derivatives by x and y.
struct Point {
    pixels: Vec<(usize, f64, [f64; 2])>,
    /// Whether x, and y, is lost.
    lost: [bool; 2],
}

/// The points of all images, in order.
fn points(options: &GridSample, sizes: &GridSizes, grid: &Array) -> Vec<Point> {
    let point = |at: &[f64]| {
        let (x, y) = (position(options, at[0], sizes.w), position(options, at[1], sizes.h));
        let mut pixels = Vec::new();
        for (i, row, row_slope) in taps(options.mode, y, sizes.h) {
            for (j, column, column_slope) in taps(options.mode, x, sizes.w) {
                pixels.push((i * sizes.w + j, row * column, [row * column_slope, row_slope * column]));
            }
        }
        let bilinear = options.mode == GridMode::Bilinear;
        Point { pixels, lost: [x.lost && bilinear, y.lost && bilinear] }
    };
    grid.data.chunks(2).map(point).collect()
}

impl Define for GridSample {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let sizes = self.sizes(&inputs[0].ty.shape, &inputs[1].ty)?;
        let points = points(self, &sizes, inputs[1]);
        let mut output = Vec::new();
        for (number, image) in inputs[0].data.chunks(sizes.h * sizes.w).enumerate() {
            let n = number / sizes.channels;
            for point in &points[n * sizes.points()..(n + 1) * sizes.points()] {
                let sum: f64 = point.pixels.iter().map(|&(pixel, weight, _)| image[pixel] * weight).sum();
                output.push(if point.lost.contains(&true) { f64::NAN } else { sum });
            }
        }
        Ok(vec![output])
    }
}

impl Define for GridSampleBackwardInput {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let sizes = self.options.sizes(&self.input, &inputs[1].ty)?;
        let points = points(&self.options, &sizes, inputs[1]);
        let mut output = vec![0.0; outputs[0].shape.elements()];
        let images = output.chunks_mut(sizes.h * sizes.w).zip(inputs[0].data.chunks(sizes.points()));
        for (number, (image, errors)) in images.enumerate() {
            let first = number / sizes.channels * sizes.points();
            for (point, error) in points[first..].iter().zip(errors) {
                for &(pixel, weight, _) in &point.pixels {
                    image[pixel] += error * weight;
                }
            }
        }
        Ok(vec![output])
    }
}

impl Define for GridSampleBackwardGrid {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let sizes = self.0.sizes(&inputs[1].ty.shape, &inputs[2].ty)?;
        let points = points(&self.0, &sizes, inputs[2]);
        let mut output = vec![0.0; inputs[2].data.len()];
        let images = inputs[1].data.chunks(sizes.h * sizes.w).zip(inputs[0].data.chunks(sizes.points()));
        for (number, (image, errors)) in images.enumerate() {
            let first = number / sizes.channels * sizes.points();
            for (p, (point, error)) in points[first..].iter().zip(errors).enumerate() {
                for &(pixel, _, slopes) in &point.pixels {
                    output[2 * (first + p)] += error * image[pixel] * slopes[0];
                    output[2 * (first + p) + 1] += error * image[pixel] * slopes[1];
                }
            }
        }
        // What is not known of one coordinate is the weight of the other's slope.
        for (p, point) in points.iter().enumerate() {
            for other in [0, 1].into_iter().filter(|&other| point.lost[other]) {
                output[2 * p + 1 - other] = f64::NAN;
            }
        }
        Ok(vec![output])
    }
}
