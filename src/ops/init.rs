//! How states begin: PyTorch's initialisers.

use super::draws::{orthogonal, truncated_normal};
use crate::error::Mismatch;
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::{HostTensor, TensorType};
use std::fmt;
use std::sync::Arc;

/// The first value of a state, drawn from its name and a seed.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All the same.
    Constant(f32),
    /// Uniform in `[low, high)`.
    Uniform {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f32,
        /// Standard deviation.
        std: f32,
    },
    /// Normal, drawn again where it is not from `a` to `b`, which are values, not deviations (PyTorch's defaults are -2 and
    /// 2); the deviation is that before.
    TruncNormal {
        /// Mean.
        mean: f32,
        /// Standard deviation.
        std: f32,
        /// The least.
        a: f32,
        /// The largest.
        b: f32,
    },
    /// A matrix with 1 on the diagonal, else 0.
    Eye,
    /// A convolution's weight `(out, in, ..)` that hands channels on: 1 in the middle of the window from channel `d` to channel
    /// `d` of each group's outputs, else 0.
    Dirac {
        /// Groups of outputs, which each get the same channels.
        groups: usize,
    },
    /// Orthonormal rows, all dimensions but the first taken for one, or columns where these are fewer, times `gain` (Saxe and
    /// others, 2013).
    Orthogonal {
        /// What all is multiplied with; PyTorch's default is 1.
        gain: f32,
    },
    /// A matrix, normal around 0, with this fraction of each column set to 0, rounded up (Martens, 2010).
    Sparse {
        /// The fraction of zeros, from 0 to 1.
        sparsity: f32,
        /// Standard deviation of the others; PyTorch's default is 0.01.
        std: f32,
    },
    /// Standard normal rows, but this one of zeros: a table of embeddings.
    PaddedNormal {
        /// The row.
        padding_idx: usize,
    },
    /// The lengths of what lies at each position along one dimension of another state, `(out, 1, ..)` or with the size of
    /// another dimension; of all of it, of a shape of ones alone.
    Lengths(Arc<Drawn>),
    /// These values, of the state's shape: a network that comes with its weights.
    Values(Given),
}

/// The values that a state begins with. Clones share them.
#[derive(Clone, PartialEq)]
pub struct Given(Arc<HostTensor>);

impl Given {
    /// These `f32` values.
    pub fn new(values: HostTensor) -> Self {
        Self(Arc::new(values))
    }

    /// These `f32` values, which are kept once.
    pub fn shared(values: Arc<HostTensor>) -> Self {
        Self(values)
    }

    /// The values.
    pub fn tensor(&self) -> &HostTensor {
        &self.0
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({})", self.0.ty())
    }
}

/// A state by what its first value is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// How it begins.
    pub init: Init,
}

/// `(fan_in, fan_out)` of a weight `(out, in, ..)`, as PyTorch counts them.
fn fans(weight: &Shape) -> (f64, f64) {
    let receptive: usize = weight.iter().skip(2).product();
    let of = |i: usize| weight.get(i).copied().unwrap_or(1) as f64 * receptive as f64;
    (of(1), of(0))
}

impl Init {
    /// He's uniform initialisation for a layer followed by a leaky ReLU of negative slope `a` (0: ReLU):
    /// bound `sqrt(6 / ((1 + a^2) fan_in))`.
    pub fn kaiming_uniform(weight: &Shape, a: f64) -> Self {
        let bound = (6.0 / ((1.0 + a * a) * fans(weight).0)).sqrt();
        Self::symmetric(bound)
    }

    /// He's normal initialisation: standard deviation `sqrt(2 / ((1 + a^2) fan_in))`.
    pub fn kaiming_normal(weight: &Shape, a: f64) -> Self {
        Self::Normal { mean: 0.0, std: (2.0 / ((1.0 + a * a) * fans(weight).0)).sqrt() as f32 }
    }

    /// The same with the fan of the outputs: standard deviation `sqrt(2 / ((1 + a^2) fan_out))`.
    pub fn kaiming_normal_fan_out(weight: &Shape, a: f64) -> Self {
        Self::Normal { mean: 0.0, std: (2.0 / ((1.0 + a * a) * fans(weight).1)).sqrt() as f32 }
    }

    /// Glorot's uniform initialisation: bound `gain sqrt(6 / (fan_in + fan_out))`.
    pub fn xavier_uniform(weight: &Shape, gain: f64) -> Self {
        let (fan_in, fan_out) = fans(weight);
        Self::symmetric(gain * (6.0 / (fan_in + fan_out)).sqrt())
    }

    /// Glorot's normal initialisation: standard deviation `gain sqrt(2 / (fan_in + fan_out))`.
    pub fn xavier_normal(weight: &Shape, gain: f64) -> Self {
        let (fan_in, fan_out) = fans(weight);
        Self::Normal { mean: 0.0, std: (gain * (2.0 / (fan_in + fan_out)).sqrt()) as f32 }
    }

    /// PyTorch's default for the weight of a convolution or linear layer: `kaiming_uniform(a = sqrt 5)`.
    pub fn torch_weight(weight: &Shape) -> Self {
        Self::kaiming_uniform(weight, 5f64.sqrt())
    }

    /// PyTorch's default for the bias of a layer with this weight: bound `1 / sqrt(fan_in)`.
    pub fn torch_bias(weight: &Shape) -> Self {
        Self::symmetric(1.0 / fans(weight).0.sqrt())
    }

    fn symmetric(bound: f64) -> Self {
        Self::Uniform { low: -bound as f32, high: bound as f32 }
    }

    /// Refuses numbers out of range, and a shape that cannot begin so.
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Mismatch> {
        let ranks = |fits: bool, of: &str| {
            Mismatch::check(fits, format!("{of} to begin as {self:?}"), shape.to_string())
        };
        let numbers = |fits: bool, what: &str| Mismatch::check(fits, what, format!("{self:?}"));
        match self {
            Init::Zeros | Init::Constant(_) => Ok(()),
            Init::Uniform { low, high } => numbers(low <= high, "low up to high"),
            Init::Normal { mean, std } => numbers(
                mean.is_finite() && std.is_finite() && *std >= 0.0,
                "a mean and a deviation of 0 or more",
            ),
            Init::TruncNormal { mean, std, a, b } => numbers(
                mean.is_finite() && std.is_finite() && *std > 0.0 && a < b,
                "a deviation above 0, a below b",
            ),
            Init::Eye => ranks(shape.len() == 2, "a matrix"),
            Init::Dirac { groups } => {
                ranks((3..=5).contains(&shape.len()), "3 to 5 dimensions")?;
                ranks(*groups > 0 && shape[0].is_multiple_of(*groups), "outputs in multiples of the groups")
            }
            Init::Orthogonal { gain } => {
                numbers(gain.is_finite(), "a finite gain")?;
                ranks(shape.len() >= 2, "2 dimensions or more")
            }
            Init::Sparse { sparsity, std } => {
                let deviation = std.is_finite() && *std >= 0.0;
                numbers(
                    (0.0..=1.0).contains(sparsity) && deviation,
                    "a fraction from 0 to 1 and a deviation of 0 or more",
                )?;
                ranks(shape.len() == 2, "a matrix")
            }
            Init::Values(given) => {
                let ty = TensorType::f32(shape.clone());
                Mismatch::check(given.0.ty() == ty, format!("values of {ty}"), given.0.ty().to_string())
            }
            Init::PaddedNormal { padding_idx } => {
                ranks(shape.len() == 2 && *padding_idx < shape[0], "a table with this row")
            }
            Init::Lengths(of) => {
                of.init.check(&of.shape)?;
                let long = |(length, size): &(&usize, &usize)| **length != 1 && length != size;
                let along = shape.iter().filter(|&&length| length != 1).count();
                let ranks_agree = shape.is_empty() || shape.len() == of.shape.len();
                let fits =
                    ranks_agree && along <= 1 && !shape.iter().zip(&of.shape[..]).any(|pair| long(&pair));
                ranks(fits, "a length for each position along one dimension")
            }
        }
    }

    /// The first values of the state `name`: the same for a seed on every device, whatever the order in
    /// which states are made. Zeros where no state of this shape can begin so, which a graph refuses.
    pub fn values(&self, name: &str, seed: u64, shape: &Shape) -> Vec<f32> {
        let mut rng = Rng::named(seed, name);
        let count = shape.elements();
        if self.check(shape).is_err() {
            return vec![0.0; count];
        }
        let (rows, columns) = (shape.first().copied().unwrap_or(1), shape.iter().skip(1).product::<usize>());
        let normal =
            |rng: &mut Rng, mean: f32, std: f32| (f64::from(mean) + f64::from(std) * rng.normal()) as f32;
        let ones = |at: Vec<usize>| {
            let mut values = vec![0.0; count];
            at.into_iter().filter_map(|at| values.get_mut(at).map(|v| *v = 1.0)).for_each(drop);
            values
        };
        match self {
            Init::Zeros => vec![0.0; count],
            Init::Constant(value) => vec![*value; count],
            Init::Uniform { low, high } => {
                (0..count).map(|_| rng.range((*low).into(), (*high).into()) as f32).collect()
            }
            Init::Normal { mean, std } => (0..count).map(|_| normal(&mut rng, *mean, *std)).collect(),
            Init::TruncNormal { mean, std, a, b } => {
                let deviations = |of: f32| (f64::from(of) - f64::from(*mean)) / f64::from(*std);
                let (least, most) = (deviations(*a), deviations(*b));
                let value = |z: f64| ((f64::from(*mean) + f64::from(*std) * z) as f32).clamp(*a, *b);
                (0..count).map(|_| value(truncated_normal(&mut rng, least, most))).collect()
            }
            Init::Eye => ones((0..rows.min(columns)).map(|d| d * columns + d).collect()),
            Init::Dirac { groups } => {
                let inputs = shape.get(1).copied().unwrap_or(1);
                let window: usize = shape.iter().skip(2).product();
                let middle = shape.iter().skip(2).fold(0, |at, &size| at * size + size / 2);
                let each = rows.checked_div(*groups).unwrap_or(0);
                let position = |o: usize| {
                    Some(o % each).filter(|&d| d < inputs).map(|d| (o * inputs + d) * window + middle)
                };
                ones((0..rows).filter(|_| each > 0).filter_map(position).collect())
            }
            Init::Orthogonal { gain } => {
                let flat = orthogonal(&mut rng, rows, columns);
                flat.into_iter().map(|v| (v * f64::from(*gain)) as f32).collect()
            }
            Init::Sparse { sparsity, std } => {
                let zeros = (f64::from(*sparsity) * rows as f64).ceil() as usize;
                let mut values: Vec<f32> = (0..count).map(|_| normal(&mut rng, 0.0, *std)).collect();
                for column in 0..columns {
                    let mut order: Vec<usize> = (0..rows).collect();
                    rng.shuffle(&mut order);
                    order.iter().take(zeros).for_each(|row| values[row * columns + column] = 0.0);
                }
                values
            }
            Init::Values(given) => given.0.as_f32().map_or_else(|_| vec![0.0; count], <[f32]>::to_vec),
            Init::PaddedNormal { padding_idx } => {
                let padding = |at: usize| at.checked_div(columns) == Some(*padding_idx);
                let value = |at: usize| {
                    let drawn = normal(&mut rng, 0.0, 1.0);
                    if padding(at) { 0.0 } else { drawn }
                };
                (0..count).map(value).collect()
            }
            Init::Lengths(of) => {
                let values = of.init.values(&of.name, seed, &of.shape);
                let inner: usize = shape
                    .iter()
                    .position(|&length| length != 1)
                    .map_or(1, |along| of.shape.iter().skip(along + 1).product());
                let mut squares = vec![0.0; count];
                for (i, v) in values.iter().enumerate() {
                    if let Some(sum) = squares.get_mut(i / inner.max(1) % count.max(1)) {
                        *sum += f64::from(*v).powi(2);
                    }
                }
                squares.into_iter().map(|sum| sum.sqrt() as f32).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
        sum / count
    }

    /// Mean and deviation.
    fn moments(values: &[f32]) -> (f64, f64) {
        let middle = mean(values.iter().map(|&v| f64::from(v)));
        (middle, mean(values.iter().map(|&v| (f64::from(v) - middle).powi(2))).sqrt())
    }

    #[test]
    fn initialisers_have_the_published_moments() {
        let weight = Shape::from([64, 32, 3, 3]);
        let near = |init: Init, want: f64| {
            let (_, deviation) = moments(&init.values("w", 0, &weight));
            assert!((deviation / want - 1.0).abs() < 0.02);
        };
        let (fan_in, fan_out) = (32.0 * 9.0, 64.0 * 9.0);
        near(Init::kaiming_uniform(&weight, 0.0), (2.0f64 / fan_in).sqrt());
        near(Init::kaiming_normal(&weight, 0.0), (2.0f64 / fan_in).sqrt());
        near(Init::xavier_uniform(&weight, 1.0), (2.0f64 / (fan_in + fan_out)).sqrt());
        near(Init::xavier_normal(&weight, 1.0), (2.0f64 / (fan_in + fan_out)).sqrt());
        near(Init::torch_weight(&weight), (1.0f64 / (3.0 * fan_in)).sqrt());
        near(Init::torch_bias(&weight), (1.0f64 / (3.0 * fan_in)).sqrt());
        let few = Init::torch_weight(&weight).values("w", 7, &Shape::from([4]));
        assert_eq!(Init::torch_weight(&weight).values("w", 7, &Shape::from([9]))[..4], few);
    }

    /// Of a normal number between `a` and `b` deviations: mean and deviation by Simpson's rule.
    fn expected(a: f64, b: f64) -> (f64, f64) {
        let (a, b) = (a.max(-12.0), b.min(12.0 + a.max(0.0)));
        let integral = |power: i32| {
            let at = |i: usize| a + (b - a) * i as f64 / 20_000.0;
            let f = |i: usize| at(i).powi(power) * (-0.5 * (at(i).powi(2) - a.max(0.0).powi(2))).exp();
            (0..20_000).step_by(2).map(|i| f(i) + 4.0 * f(i + 1) + f(i + 2)).sum::<f64>()
        };
        let middle = integral(1) / integral(0);
        (middle, (integral(2) / integral(0) - middle * middle).sqrt())
    }

    #[test]
    fn truncated_numbers_are_normal_within_their_ends() {
        let shape = Shape::from([40_000]);
        for (mean, std, a, b) in [
            (0.0, 1.0, -2.0, 2.0),
            (0.5, 2.0, -1.0, f32::INFINITY),
            (0.0, 1.0, 3.0, f32::INFINITY),
            (0.0, 1.0, -9.0, -4.0),
            (1.0, 0.5, 1.25, 1.5),
            (0.0, 1.0, 0.5, 9.0),
            (0.0, 0.02, -2.0, 2.0),
            (0.0, 1.0, -0.25, 0.5),
        ] {
            let init = Init::TruncNormal { mean, std, a, b };
            init.check(&shape).unwrap();
            let values = init.values("w", 3, &shape);
            assert!(values.iter().all(|v| (a..=b).contains(v)), "{init:?}");
            let of = |end: f32| (f64::from(end) - f64::from(mean)) / f64::from(std);
            let (middle, deviation) = expected(of(a), of(b));
            let (found, spread) = moments(&values);
            let (found, spread) = ((found - f64::from(mean)) / f64::from(std), spread / f64::from(std));
            assert!((found - middle).abs() < 0.03 * deviation, "{init:?}: mean {found}, not {middle}");
            assert!((spread / deviation - 1.0).abs() < 0.03, "{init:?}: deviation {spread}, not {deviation}");
        }
    }

    #[test]
    fn orthogonal_weights_are() {
        for (shape, gain) in
            [([7, 20, 1, 1], 1.0), ([20, 7, 1, 1], 2.0), ([8, 2, 2, 2], 1.0), ([1, 5, 1, 1], 0.5)]
        {
            let shape = Shape::from(shape);
            let values = Init::Orthogonal { gain }.values("w", 1, &shape);
            let (rows, columns) = (shape[0], shape.elements() / shape[0]);
            let at = |row: usize, column: usize| f64::from(values[row * columns + column]) / f64::from(gain);
            let few = rows.min(columns);
            for i in 0..few {
                for j in 0..few {
                    let dot: f64 = match rows <= columns {
                        true => (0..columns).map(|c| at(i, c) * at(j, c)).sum(),
                        false => (0..rows).map(|r| at(r, i) * at(r, j)).sum(),
                    };
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-6, "{shape}: {i} {j} {dot}");
                }
            }
        }
        // Uniform over all rotations: the elements of a large one are nearly normal.
        let (middle, deviation) =
            moments(&Init::Orthogonal { gain: 1.0 }.values("w", 1, &Shape::from([100, 100])));
        assert!(middle.abs() < 0.003 && (deviation * 10.0 - 1.0).abs() < 0.001, "{middle} {deviation}");
    }

    #[test]
    fn sparse_columns_have_as_many_zeros() {
        let shape = Shape::from([50, 40]);
        let values = Init::Sparse { sparsity: 0.33, std: 0.01 }.values("w", 2, &shape);
        for column in 0..40 {
            let zeros = (0..50).filter(|row| values[row * 40 + column] == 0.0).count();
            assert_eq!(zeros, 17, "ceil(0.33 * 50)");
        }
        let others: Vec<f32> = values.into_iter().filter(|v| *v != 0.0).collect();
        let (middle, deviation) = moments(&others);
        assert!(middle.abs() < 0.001 && (deviation * 100.0 - 1.0).abs() < 0.06, "{middle} {deviation}");
        assert!(Init::Sparse { sparsity: 1.0, std: 1.0 }.values("w", 2, &shape).iter().all(|v| *v == 0.0));
    }

    #[test]
    fn ones_are_where_pytorch_has_them() {
        assert_eq!(Init::Eye.values("w", 0, &Shape::from([2, 3])), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let positions = |init: Init, shape: &[usize]| {
            let values = init.values("w", 0, &Shape::from(shape));
            (0..values.len()).filter(|&i| values[i] != 0.0).collect::<Vec<_>>()
        };
        // torch.nn.init.dirac_(torch.empty(4, 3, 3, 2), groups).nonzero(), as positions.
        assert_eq!(positions(Init::Dirac { groups: 1 }, &[4, 3, 3, 2]), [3, 27, 51]);
        assert_eq!(positions(Init::Dirac { groups: 2 }, &[4, 3, 3, 2]), [3, 27, 39, 63]);
        assert_eq!(positions(Init::Dirac { groups: 1 }, &[2, 2, 3]), [1, 10]);
    }

    #[test]
    fn lengths_are_those_of_the_rows() {
        let shape = Shape::from([3, 2, 2]);
        let init = Init::Normal { mean: 0.0, std: 1.0 };
        let rows = init.values("v", 5, &shape);
        let drawn = std::sync::Arc::new(Drawn { name: "v".into(), shape, init });
        let lengths = Init::Lengths(drawn.clone()).values("g", 5, &Shape::from([3, 1, 1]));
        for (row, length) in rows.chunks(4).zip(lengths) {
            assert!((row.iter().map(|v| v * v).sum::<f32>().sqrt() - length).abs() < 1e-6);
        }
        let along = |g: &[usize]| Init::Lengths(drawn.clone()).values("g", 5, &Shape::from(g));
        let norm = |of: &dyn Fn(usize) -> bool| {
            let chosen = rows.iter().enumerate().filter(|(i, _)| of(*i));
            chosen.map(|(_, v)| v * v).sum::<f32>().sqrt()
        };
        for (column, length) in along(&[1, 2, 1]).into_iter().enumerate() {
            assert!((norm(&|i| i / 2 % 2 == column) - length).abs() < 1e-6);
        }
        assert!((norm(&|_| true) - along(&[])[0]).abs() < 1e-6);
        let table = Init::PaddedNormal { padding_idx: 1 }.values("t", 0, &Shape::from([3, 4]));
        assert!((0..12).all(|at| (table[at] == 0.0) == (at / 4 == 1)), "{table:?}");
    }

    #[test]
    fn what_cannot_begin_so_is_refused() {
        let (row, matrix) = (Shape::from([3]), Shape::from([4, 3]));
        for (init, shape) in [
            (Init::Orthogonal { gain: 1.0 }, &row),
            (Init::Orthogonal { gain: f32::NAN }, &matrix),
            (Init::Eye, &row),
            (Init::Sparse { sparsity: 0.5, std: 1.0 }, &row),
            (Init::Sparse { sparsity: 1.5, std: 1.0 }, &matrix),
            (Init::Dirac { groups: 1 }, &matrix),
            (Init::Dirac { groups: 0 }, &Shape::from([4, 2, 3])),
            (Init::Dirac { groups: 3 }, &Shape::from([4, 2, 3])),
            (Init::TruncNormal { mean: 0.0, std: 1.0, a: 2.0, b: -2.0 }, &row),
            (Init::TruncNormal { mean: 0.0, std: 0.0, a: -2.0, b: 2.0 }, &row),
            (Init::Uniform { low: 1.0, high: -1.0 }, &row),
            (Init::Normal { mean: 0.0, std: -1.0 }, &row),
            (Init::PaddedNormal { padding_idx: 4 }, &matrix),
        ] {
            assert!(init.check(shape).is_err(), "{init:?} {shape}");
            assert!(init.values("w", 0, shape).iter().all(|v| *v == 0.0), "{init:?} {shape}");
        }
    }
}
