//! Bounds of an image read at the points of a grid. All three ops are sums over the pixels that a point reads, of a weight
//! times
//! what lies there. A weight is off by what its point is: how far it then is off is looked at where the point may lie.

use super::estimates::Estimate;
use super::rounding::{Errors, U, each, sum_error, unit};
use crate::error::{Error, Mismatch, Result};
use crate::ops::{GridMode, GridSample, GridSampleBackwardGrid, GridSampleBackwardInput, GridSizes};
use crate::reference::{Array, grid_position, grid_taps};
use std::collections::BTreeMap;

fn fail(m: Mismatch) -> Error {
    Error::op("grid_sample", "", m)
}

/// What a weight is, and what it may be off by.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    size: f64,
    off: f64,
}

/// Along one side, of each pixel that a coordinate may read: its weight, and the weight's slope.
type Side = BTreeMap<usize, [Weight; 2]>;

/// Whether f32 computes the position exactly, as it is computed step by step.
fn is_exact(options: &GridSample, g: f64, size: usize) -> bool {
    let (g, size) = (g as f32, size as f32);
    let wide = (f64::from(g), f64::from(size));
    let position = grid_position(options, wide.0, size as usize).at;
    let steps = if options.align_corners {
        let half = (size - 1.0) * 0.5;
        f64::from((g + 1.0) * half) == (wide.0 + 1.0) * (wide.1 - 1.0) * 0.5
    } else {
        f64::from((g + 1.0) * size - 1.0) == (wide.0 + 1.0) * wide.1 - 1.0
    };
    steps && f64::from(g + 1.0) == wide.0 + 1.0 && f64::from(position as f32) == position
}

/// The pixels along a side of a coordinate that is off by `error`.
fn side(options: &GridSample, g: f64, error: f64, size: usize) -> Side {
    let moved = |by: f64| grid_taps(options.mode, grid_position(options, g + by, size), size);
    let mut found = Side::new();
    for (pixel, weight, slope) in moved(0.0) {
        found.insert(pixel, [weight, slope].map(|size| Weight { size, off: 0.0 }));
    }
    let sure = error == 0.0 && is_exact(options, g, size);
    if !g.is_finite() || sure {
        return found;
    }
    // The sum, the product and, with reflection, what is left of a quotient.
    let rounded = error + 8.0 * U * (g.abs() + 1.0) + 8.0 * U / size as f64;
    for by in [-rounded, rounded] {
        let there: BTreeMap<usize, [f64; 2]> =
            moved(by).into_iter().map(|(pixel, weight, slope)| (pixel, [weight, slope])).collect();
        let pixels: Vec<usize> = found.keys().chain(there.keys()).copied().collect();
        for pixel in pixels {
            let own = found.entry(pixel).or_default();
            let other = there.get(&pixel).copied().unwrap_or_default();
            for (own, other) in own.iter_mut().zip(other) {
                own.off = own.off.max(2.0 * (other - own.size).abs());
            }
        }
    }
    found
}

/// The product of two weights that may be off.
fn product(a: Weight, b: Weight) -> Weight {
    let off = a.size.abs() * b.off + a.off * (b.size.abs() + b.off);
    Weight { size: a.size * b.size, off }
}

/// Of a point: pixels, and of each its weight and that weight's derivatives by x and y.
type Point = Vec<(usize, [Weight; 3])>;

fn points(options: &GridSample, sizes: &GridSizes, grid: &Estimate) -> Vec<Point> {
    let point = |p: usize| {
        let along =
            |c: usize, size| side(options, grid.array.data[2 * p + c], grid.error_at(2 * p + c), size);
        let (x, y) = (along(0, sizes.w), along(1, sizes.h));
        let mut pixels = Point::new();
        for (i, row) in &y {
            for (j, column) in &x {
                let all =
                    [product(row[0], column[0]), product(row[0], column[1]), product(row[1], column[0])];
                pixels.push((i * sizes.w + j, all));
            }
        }
        pixels
    };
    (0..grid.array.data.len() / 2).map(point).collect()
}

/// The sums of magnitudes, and of what weights and terms make them off by.
struct Sums {
    sizes: Vec<f64>,
    off: Vec<f64>,
    /// The least power of two that all terms are multiples of, where nothing is off.
    unit: Option<i32>,
}

impl Sums {
    fn new(elements: usize) -> Self {
        Self { sizes: vec![0.0; elements], off: vec![0.0; elements], unit: None }
    }

    /// A weight times a value that may be off.
    fn add(&mut self, at: usize, weight: Weight, value: f64, error: f64) {
        self.sizes[at] += (weight.size.abs() + weight.off) * (value.abs() + error);
        self.off[at] += weight.size.abs() * error + weight.off * (value.abs() + error);
    }

    /// `terms` is how many are added up at most.
    fn errors(&self, output: &Array, terms: usize) -> Errors {
        let most = self.sizes.iter().copied().fold(0.0, f64::max);
        let exact = self.unit.is_some_and(|unit| most <= f64::powi(2.0, 24 + unit));
        if exact && self.off.iter().all(|&off| off == 0.0) {
            return None;
        }
        // A weight is a product of two differences, and a term one with it.
        each(
            output,
            |i, v| {
                if v.is_nan() { 0.0 } else { self.off[i] + sum_error(self.sizes[i], terms + 4, v) }
            },
        )
    }
}

/// The unit of products of values with a weight of each point, or with its slopes.
fn units(values: &[&Array], points: &[Point], which: &[usize]) -> Option<i32> {
    let weights = |which: usize| {
        let of = points.iter().flatten().map(move |(_, weights)| weights[which].size);
        let data: Vec<f64> = of.collect();
        unit(&Array { ty: crate::TensorType::f32([data.len()]), data })
    };
    let least = which.iter().map(|&which| weights(which)).min()?;
    Some(values.iter().map(|array| unit(array)).sum::<i32>() + least)
}

pub(super) fn forward(options: &GridSample, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (input, grid) = (inputs[0], inputs[1]);
    let sizes = options.sizes(&input.array.ty.shape, &grid.array.ty).map_err(fail)?;
    let (points, plane, count) = (points(options, &sizes, grid), sizes.h * sizes.w, sizes.points());
    let mut sums = Sums::new(output.data.len());
    sums.unit = units(&[&input.array], &points, &[0]);
    for at in 0..output.data.len() {
        let (number, p) = (at / count, at % count);
        for &(pixel, [weight, ..]) in &points[number / sizes.channels * count + p] {
            let position = number * plane + pixel;
            sums.add(at, weight, input.array.data[position], input.error_at(position));
        }
    }
    if options.mode == GridMode::Nearest && sums.off.iter().all(|&off| off == 0.0) {
        return Ok(None);
    }
    Ok(sums.errors(output, 4))
}

pub(super) fn backward_input(
    op: &GridSampleBackwardInput,
    inputs: &[&Estimate],
    output: &Array,
) -> Result<Errors> {
    let (grad, grid) = (inputs[0], inputs[1]);
    let sizes = op.options.sizes(&op.input, &grid.array.ty).map_err(fail)?;
    let (points, plane, count) = (points(&op.options, &sizes, grid), sizes.h * sizes.w, sizes.points());
    let mut sums = Sums::new(output.data.len());
    sums.unit = units(&[&grad.array], &points, &[0]);
    for (at, &error) in grad.array.data.iter().enumerate() {
        let (number, p) = (at / count, at % count);
        for &(pixel, [weight, ..]) in &points[number / sizes.channels * count + p] {
            sums.add(number * plane + pixel, weight, error, grad.error_at(at));
        }
    }
    Ok(sums.errors(output, count))
}

pub(super) fn backward_grid(
    op: &GridSampleBackwardGrid,
    inputs: &[&Estimate],
    output: &Array,
) -> Result<Errors> {
    let (grad, input, grid) = (inputs[0], inputs[1], inputs[2]);
    let sizes = op.0.sizes(&input.array.ty.shape, &grid.array.ty).map_err(fail)?;
    let (points, plane, count) = (points(&op.0, &sizes, grid), sizes.h * sizes.w, sizes.points());
    let mut sums = Sums::new(output.data.len());
    sums.unit = units(&[&grad.array, &input.array], &points, &[1, 2]);
    for (at, &error) in grad.array.data.iter().enumerate() {
        let (number, p) = (at / count, at % count);
        let point = number / sizes.channels * count + p;
        for &(pixel, [_, slopes @ ..]) in &points[point] {
            let position = number * plane + pixel;
            let (value, off) = (input.array.data[position].abs(), input.error_at(position));
            let reached = grad.error_at(at) * (value + off) + error.abs() * off;
            for (coordinate, slope) in slopes.into_iter().enumerate() {
                sums.add(2 * point + coordinate, slope, error.abs() * value, reached);
            }
        }
    }
    Ok(sums.errors(output, 4 * sizes.channels))
}
