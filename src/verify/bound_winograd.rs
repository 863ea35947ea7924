//! How far a convolution after Winograd may be from the oracle.
//!
//! Its roundings are those of tiles, not of one sum of products: an error of a transform grows with the whole tile,
//! so that a small result beside large ones may be further off. The rule is the usual one for sums, for other
//! numbers: `S` is Winograd's own algorithm on sizes, and `K` the products that are added up, one a source channel,
//! and the roundings on the longest way through the transforms. The size of what a row of a transform gives is its
//! value and the root of the sum of its squared terms, as numbers that are rounded each on its own add up; products
//! of channels, whose partial sums are rounded together, add up as they are.
//!
//! The matrices of 2x2 tiles are powers of two. There integers give exact results where the algorithm on absolute
//! values stays small enough.

use super::bound::{Errors, each, largest, run, sum_error, unit};
use super::oracle::Estimate;
use crate::error::Result;
use crate::kernels::Transforms;
use crate::ops::{Conv2d, Op};
use crate::reference::Array;

type Matrix = Vec<Vec<f64>>;

fn is_power_of_two(v: f64) -> bool {
    v.to_bits().trailing_zeros() >= 52
}

/// Roundings of one number behind `M x M^T`: of its factors and products where they are not powers of two, and of
/// its sums, for each side.
fn roundings_of(matrix: &Matrix) -> usize {
    let row = |row: &Vec<f64>| {
        let factors: Vec<f64> = row.iter().copied().filter(|v| *v != 0.0).collect();
        factors.len() - 1 + if factors.iter().all(|v| is_power_of_two(*v)) { 0 } else { 2 }
    };
    2 * matrix.iter().map(row).max().unwrap_or(0)
}

/// `M x M^T` for a square `x`, row by row.
fn both_sides(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
    let size = matrix[0].len();
    let line = |row: &Vec<f64>| -> Vec<f64> {
        (0..size).map(|s| row.iter().enumerate().map(|(r, f)| f * x[r * size + s]).sum()).collect()
    };
    let lines: Vec<Vec<f64>> = matrix.iter().map(line).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    lines.iter().flat_map(|line| matrix.iter().map(|row| dot(row, line))).collect()
}

/// How numbers that a transform adds up count.
#[derive(Clone, Copy, PartialEq)]
enum Size {
    /// By their absolute values, which nothing exceeds.
    Most,
    /// As roundings do.
    Rounded,
}

impl Size {
    /// Sizes of `M x M^T`, where `x` has these values, and sizes if they are more.
    fn of(self, matrix: &Matrix, values: &[f64], sizes: &[f64]) -> Vec<f64> {
        let map = |f: fn(f64) -> f64| {
            matrix.iter().map(|row| row.iter().map(|v| f(*v)).collect()).collect::<Matrix>()
        };
        match self {
            Size::Most => both_sides(&map(f64::abs), sizes),
            Size::Rounded => {
                let squares: Vec<f64> = sizes.iter().map(|v| v * v).collect();
                let spread = both_sides(&map(|v| v * v), &squares);
                both_sides(matrix, values).iter().zip(spread).map(|(v, s)| (v * v + s).sqrt()).collect()
            }
        }
    }
}

/// Sizes in a 3x3 convolution in tiles of `m x m`.
struct Tiles {
    m: usize,
    transforms: Transforms,
}

impl Tiles {
    fn new(m: usize) -> Self {
        Self { m, transforms: Transforms::new(m) }
    }

    /// The size of each target pixel. The first tile begins at `begin` in the source.
    fn sums(
        &self,
        size: Size,
        [source, weight]: [&Estimate; 2],
        target: &Array,
        begin: [isize; 2],
        back: bool,
    ) -> Vec<f64> {
        let (m, n, t) = (self.m, self.m + 2, &self.transforms);
        let dim = |array: &Array, d: usize| array.ty.shape[d];
        let (channels, rows) = (dim(&source.array, 1), dim(target, 1));
        let [h, w] = [2, 3].map(|d| dim(&source.array, d));
        let [target_h, target_w] = [2, 3].map(|d| dim(target, d));
        let [source_sizes, weight_sizes] = [source, weight].map(Estimate::upper);
        let filter = |i: usize| {
            let (row, c) = (i / channels, i % channels);
            let tap = |values: &[f64], i: usize| match back {
                true => values[(c * rows + row) * 9 + 8 - i],
                false => values[(row * channels + c) * 9 + i],
            };
            let taps = |values: &[f64]| (0..9).map(|i| tap(values, i)).collect::<Vec<_>>();
            size.of(&t.weight, &taps(&weight.array.data), &taps(&weight_sizes.data))
        };
        let filters: Vec<Vec<f64>> = (0..rows * channels).map(filter).collect();
        let mut sums = vec![0.0; target.data.len()];
        for image in 0..dim(target, 0) {
            for (y, x) in (0..target_h).step_by(m).flat_map(|y| (0..target_w).step_by(m).map(move |x| (y, x)))
            {
                let place = |i: usize| {
                    let sy = usize::try_from((y + i / n) as isize + begin[0]).ok().filter(|y| *y < h)?;
                    let sx = usize::try_from((x + i % n) as isize + begin[1]).ok().filter(|x| *x < w)?;
                    Some(sy * w + sx)
                };
                let places: Vec<Option<usize>> = (0..n * n).map(place).collect();
                let mut products = vec![0.0; n * n];
                let tile = |c: usize| {
                    let plane = (image * channels + c) * h * w;
                    let pixels = |values: &[f64]| -> Vec<f64> {
                        places.iter().map(|p| p.map_or(0.0, |p| values[plane + p])).collect()
                    };
                    size.of(&t.source, &pixels(&source.array.data), &pixels(&source_sizes.data))
                };
                let tiles: Vec<Vec<f64>> = (0..channels).map(tile).collect();
                for row in 0..rows {
                    products.fill(0.0);
                    for (tile, filter) in tiles.iter().zip(&filters[row * channels..]) {
                        products.iter_mut().zip(tile.iter().zip(filter)).for_each(|(p, (a, b))| *p += a * b);
                    }
                    // No value of its own: the signs of the products are not known.
                    for (i, sum) in size.of(&t.target, &vec![0.0; n * n], &products).into_iter().enumerate() {
                        let (y, x) = (y + i / m, x + i % m);
                        if y < target_h && x < target_w {
                            sums[((image * rows + row) * target_h + y) * target_w + x] = sum;
                        }
                    }
                }
            }
        }
        sums
    }

    fn roundings(&self) -> usize {
        [&self.transforms.source, &self.transforms.weight, &self.transforms.target]
            .map(roundings_of)
            .iter()
            .sum()
    }

    /// Whether the transforms of small integers are exact.
    fn exact(&self) -> bool {
        let Transforms { source, weight, target } = &self.transforms;
        [source, weight, target].into_iter().flatten().flatten().all(|v| *v == 0.0 || is_power_of_two(*v))
    }
}

/// Binary places that the transforms of the weight add: 1/2 from both sides.
const PLACES: i32 = 2;

/// The errors of a convolution or an input gradient that is computed in tiles of `m x m`.
pub(super) fn errors(m: usize, op: &Op, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (back, Conv2d { padding, .. }) = match op {
        Op::Conv2dBackwardInput { options, .. } => (true, *options),
        Op::Conv2d(options) => (false, *options),
        _ => return Ok(None),
    };
    let tiles = Tiles::new(m);
    let begin = [padding.top, padding.left].map(|pad| if back { pad as isize - 2 } else { -(pad as isize) });
    let with_bias = |mut sums: Vec<f64>| {
        let plane: usize = output.ty.shape.iter().skip(2).product();
        if let Some(bias) = inputs.get(2).map(|bias| bias.upper()) {
            sums.iter_mut().enumerate().for_each(|(i, s)| *s += bias.data[i / plane % bias.data.len()]);
        }
        Array { ty: output.ty.clone(), data: sums }
    };
    let sums = |size: Size| with_bias(tiles.sums(size, [inputs[0], inputs[1]], output, begin, back));
    let exact = inputs.iter().all(|e| e.error.is_none());
    if exact && tiles.exact() {
        let units: Vec<i32> = inputs.iter().map(|e| unit(&e.array)).collect();
        let product = units[0] + units[1] - PLACES;
        let unit = units.get(2).map_or(product, |bias| product.min(*bias));
        if largest(&sums(Size::Most)) <= f64::powi(2.0, 24 + unit) {
            return Ok(None);
        }
    }
    let sums = sums(Size::Rounded);
    let passed_on = match exact {
        true => None,
        false => {
            let lower = run(op, &inputs.iter().map(|e| e.magnitude()).collect::<Vec<_>>())?;
            let upper = run(op, &inputs.iter().map(|e| e.upper()).collect::<Vec<_>>())?;
            Some(upper.data.into_iter().zip(lower.data).map(|(u, l)| u - l).collect::<Vec<_>>())
        }
    };
    let terms = inputs[0].array.ty.shape[1] + tiles.roundings();
    let passed_on = |i: usize| passed_on.as_ref().map_or(0.0, |p| p[i]);
    Ok(each(output, |i, v| passed_on(i) + sum_error(sums.data[i], terms, v)))
}

/// Roundings on the longest way through the transforms.
pub(super) fn roundings(m: usize) -> usize {
    Tiles::new(m).roundings()
}
