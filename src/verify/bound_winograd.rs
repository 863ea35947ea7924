//! How far a convolution after Winograd may be from the oracle.
//!
//! Its roundings are those of tiles, not of one sum of products: an error of a transform grows with the whole tile,
//! so that a small result beside large ones may be further off. The rule is the usual one for sums, for other
//! numbers: `S` is Winograd's own algorithm on sizes, and `K` the products that are added up, one a source channel,
//! and the roundings on the longest way through the transforms. The size of what a row of a transform gives is its
//! value and the root of the sum of its squared terms, as numbers that are rounded each on its own add up; products
//! of channels, whose partial sums are rounded together, add up as they are. The gradient of the weight is the same
//! algorithm on the way back: what is added up is one product a tile.
//!
//! The matrices of 2x2 tiles are powers of two. There integers give exact results where the algorithm on absolute
//! values stays small enough.

use super::estimates::Estimate;
use super::rounding::{Errors, each, largest, run, sum_error, unit};
use crate::error::Result;
use crate::kernels::{Transforms, transposed};
use crate::ops::{Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, Op};
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
        let [target_h, target_w] = [2, 3].map(|d| dim(target, d));
        let (source_tiles, weight_sizes) = (Patches::new(source), weight.upper());
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
                let mut products = vec![0.0; n * n];
                let first = [y as isize + begin[0], x as isize + begin[1]];
                let tile = |c: usize| {
                    let [values, sizes] = source_tiles.cut(image, c, first, n);
                    size.of(&t.source, &values, &sizes)
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

    /// The size of each number of the weight's gradient.
    fn gradients(
        &self,
        size: Size,
        [error, source]: [&Estimate; 2],
        weight: &Array,
        begin: [isize; 2],
    ) -> Vec<f64> {
        let (m, n, t) = (self.m, self.m + 2, &self.transforms);
        let [images, filters, error_h, error_w] = [0, 1, 2, 3].map(|d| error.array.ty.shape[d]);
        let channels = source.array.ty.shape[1];
        let (spread, gathered) = (transposed(&t.target), transposed(&t.weight));
        let (error_tiles, source_tiles) = (Patches::new(error), Patches::new(source));
        let mut products = vec![0.0; filters * channels * n * n];
        let tiles = (0..images).flat_map(|image| {
            let lines = (0..error_h).step_by(m);
            lines.flat_map(move |y| (0..error_w).step_by(m).map(move |x| (image, y as isize, x as isize)))
        });
        for (image, y, x) in tiles {
            let of =
                |patches: &Patches<'_>, count: usize, matrix: &Matrix, side: usize, [y, x]: [isize; 2]| {
                    let tile = |c: usize| {
                        let [values, sizes] = patches.cut(image, c, [y, x], side);
                        size.of(matrix, &values, &sizes)
                    };
                    (0..count).map(tile).collect::<Vec<_>>()
                };
            let errors = of(&error_tiles, filters, &spread, m, [y, x]);
            let sources = of(&source_tiles, channels, &t.source, n, [y + begin[0], x + begin[1]]);
            let pairs = errors.iter().flat_map(|e| sources.iter().map(move |s| (e, s)));
            for (sum, (e, s)) in products.chunks_mut(n * n).zip(pairs) {
                sum.iter_mut().zip(e.iter().zip(s)).for_each(|(sum, (e, s))| *sum += e * s);
            }
        }
        debug_assert_eq!(weight.data.len(), filters * channels * 9);
        // No value of its own: the signs of the products are not known.
        products.chunks(n * n).flat_map(|p| size.of(&gathered, &vec![0.0; n * n], p)).collect()
    }

    /// Roundings on the longest way through the transforms.
    fn roundings(&self, of_weight: bool) -> usize {
        let Transforms { source, weight, target } = &self.transforms;
        let others = [weight, target];
        let others: usize = match of_weight {
            true => others.map(|matrix| roundings_of(&transposed(matrix))).iter().sum(),
            false => others.map(roundings_of).iter().sum(),
        };
        roundings_of(source) + others
    }

    /// Whether the transforms of small integers are exact.
    fn exact(&self) -> bool {
        let Transforms { source, weight, target } = &self.transforms;
        [source, weight, target].into_iter().flatten().flatten().all(|v| *v == 0.0 || is_power_of_two(*v))
    }
}

/// Values and sizes of images.
struct Patches<'a> {
    values: &'a Array,
    sizes: Array,
}

impl<'a> Patches<'a> {
    fn new(of: &'a Estimate) -> Self {
        Self { values: &of.array, sizes: of.upper() }
    }

    /// `side x side` pixels of a channel, zero outside the image.
    fn cut(&self, image: usize, channel: usize, [y, x]: [isize; 2], side: usize) -> [Vec<f64>; 2] {
        let [channels, h, w] = [1, 2, 3].map(|d| self.values.ty.shape[d]);
        let position = |i: usize| {
            let y = usize::try_from(y + (i / side) as isize).ok().filter(|y| *y < h)?;
            let x = usize::try_from(x + (i % side) as isize).ok().filter(|x| *x < w)?;
            Some(((image * channels + channel) * h + y) * w + x)
        };
        [&self.values.data, &self.sizes.data]
            .map(|data| (0..side * side).map(|i| position(i).map_or(0.0, |at| data[at])).collect())
    }
}

/// Binary positions that the transforms of the weight add: 1/2 from both sides.
const POSITIONS: i32 = 2;

/// The errors of a convolution or a gradient that is computed in tiles of `m x m`.
pub(super) fn errors(m: usize, op: &Op, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (back, Conv2d { padding, .. }) = match op {
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options, .. }) => (true, *options),
        Op::Conv2d(options) | Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, .. }) => {
            (false, *options)
        }
        // No other op is computed in such tiles.
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
    let operands = [inputs[0], inputs[1]];
    let of_weight = is_of_weight(op);
    let sums = |size: Size| match of_weight {
        true => with_bias(tiles.gradients(size, operands, output, begin)),
        false => with_bias(tiles.sums(size, operands, output, begin, back)),
    };
    let exact = inputs.iter().all(|e| e.error.is_none());
    if exact && tiles.exact() {
        let units: Vec<i32> = inputs.iter().map(|e| unit(&e.array)).collect();
        let product = units[0] + units[1] - POSITIONS;
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
    let added = match (&inputs[0].array.ty.shape[..], of_weight) {
        ([images, _, h, w], true) => images * h.div_ceil(m) * w.div_ceil(m),
        (shape, _) => shape[1],
    };
    let terms = added + tiles.roundings(of_weight);
    let passed_on = |i: usize| passed_on.as_ref().map_or(0.0, |p| p[i]);
    Ok(each(output, |i, v| passed_on(i) + sum_error(sums.data[i], terms, v)))
}

fn is_of_weight(op: &Op) -> bool {
    matches!(op, Op::Conv2dBackwardWeight(_))
}

/// Roundings on the longest way through the transforms.
pub(super) fn roundings(m: usize, op: &Op) -> usize {
    Tiles::new(m).roundings(is_of_weight(op))
}
