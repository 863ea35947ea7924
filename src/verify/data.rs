//! The data of a case's inputs: made when it is asked for, from the seed and the tensor's name alone.

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// How inputs are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Integers of at most this size: with few enough terms every partial sum is exact.
    Integers(u32),
    /// Uniform in `[-range, range)`.
    Real(f64),
    /// Integers from 0 to below this one: class indices.
    Indices(u32),
    /// Integers of at most 1, but of this size where the longest dimension ends, in its last sixteenth: what a loop that stops
    /// early leaves out decides sums and maxima. The very last is the largest.
    Late(u32),
    /// Zeros of both signs, tiny and huge numbers, one after the other.
    Special,
    /// NaN of both signs, infinities, zeros of both signs and the largest numbers among others, one after the other.
    Edges,
    /// Denormal numbers of both signs among others, one after the other: an adapter may take them, and give them, for 0.
    Denormals,
    /// Numbers as attention's masks leave them: two in five are -inf, and one in fifty is NaN or inf.
    Masked,
    /// This number and 0, 1 or 2 more: nothing is left of these in what is rounded together with a large number.
    Offset(f32),
}

impl Fill {
    /// How the error `grad_output` of a case with such inputs is filled.
    pub(super) fn of_error(self) -> Self {
        match self {
            Fill::Integers(most) => Fill::Integers(most),
            Fill::Late(most) => Fill::Late(most),
            Fill::Indices(_) | Fill::Special | Fill::Edges | Fill::Denormals => Fill::Integers(3),
            Fill::Masked | Fill::Offset(_) => Fill::Real(1.0),
            Fill::Real(_) => Fill::Real(1.0),
        }
    }
}

const SPECIAL: [f32; 14] =
    [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 1.0, -1.0, 20.0, -20.0, 80.0, -80.0, 1e4, -1e4];

const EDGES: [f32; 14] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    -0.0,
    0.0,
    -f32::NAN,
    f32::MAX,
    -f32::MAX,
    1.0,
    -1.0,
    0.75,
    -2.0,
    100.0,
    -100.0,
];

pub(super) const DENORMALS: [f32; 7] = [1e-40, -1e-40, 1.0, 1.4e-45, -1.4e-45, -2.0, f32::MIN_POSITIVE];

/// The values of an input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// What a fill gives.
    Fill(Fill),
    /// The distances from 0 of what a fill gives, and this much more.
    Beyond(f32, Fill),
    /// Uniform in `[0.5, 4)`, of either sign.
    Divisors,
    /// 1, and 0 for one in four.
    Bits,
    /// 1 and -1.
    Signs,
    /// Uniform from one number to another.
    Within(f32, f32),
    /// Integers of at most this size, divided by 8.
    Eighths(u32),
    /// Uniform in `[1e-4, 0.16)`: averages of squares.
    Squares,
    /// 0 in one of so many numbers, of four at least, else 1 to 3.
    Rarely(usize),
    /// Lengths of sequences: from this many steps down to 1, one after the other.
    Lengths(usize),
    /// These, which flow into a node of a network.
    Given(HostTensor),
}

impl Values {
    pub(super) fn is_index(&self) -> bool {
        match self {
            Values::Lengths(_) | Values::Fill(Fill::Indices(_)) => true,
            Values::Given(values) => values.ty().dtype == DType::U32,
            _ => false,
        }
    }
}

/// An input of a case, and how its data is made.
#[derive(Debug, Clone)]
pub struct Input {
    /// The tensor; its name says what it is.
    pub tensor: Tensor,
    values: Values,
    seed: u64,
}

impl Input {
    pub(super) fn new(tensor: &Tensor, values: Values, seed: u64) -> Self {
        Self { tensor: tensor.clone(), values, seed }
    }

    /// Its data: the same for the same seed and name.
    ///
    /// # Errors
    /// None for an input of a case that could be built.
    pub fn data(&self) -> Result<HostTensor> {
        Ok(self.of_shape(self.tensor.shape())?.cast(self.tensor.ty().dtype))
    }

    /// The data of the first rows, at most this many, along the first dimension.
    pub(crate) fn rows(&self, most: usize) -> Result<HostTensor> {
        let mut shape = self.tensor.shape().to_vec();
        shape.iter_mut().take(1).for_each(|rows| *rows = most.min(*rows));
        Ok(self.of_shape(shape.into())?.cast(self.tensor.ty().dtype))
    }

    fn of_shape(&self, shape: Shape) -> Result<HostTensor> {
        let name = self.tensor.name().unwrap_or_default();
        let rng = |stream: &str| Rng::named(self.seed, stream);
        let count = shape.elements();
        let f32s = |values: Vec<f32>| HostTensor::from_f32(shape.clone(), values);
        let u32s = |value: &mut dyn FnMut(usize) -> u32| {
            HostTensor::from_u32(shape.clone(), (0..count).map(value).collect())
        };
        match self.values {
            Values::Given(ref values) => Ok(values.clone()),
            Values::Fill(Fill::Indices(below)) => {
                let mut rng = rng(&name);
                u32s(&mut |_| rng.below(below as usize) as u32)
            }
            Values::Lengths(steps) => u32s(&mut |b| (steps - b % steps.max(1)) as u32),
            Values::Fill(Fill::Late(most)) => f32s(late(most, &mut rng(&name), &shape)),
            Values::Fill(fill) => f32s(floats(fill, &mut rng(&name), count)),
            Values::Beyond(least, fill) => {
                let all = match fill {
                    Fill::Late(most) => late(most, &mut rng(&name), &shape),
                    fill => floats(fill, &mut rng(&name), count),
                };
                f32s(all.into_iter().map(|v| v.abs() + least).collect())
            }
            Values::Divisors => {
                let mut rng = rng(&format!("divisor {name}"));
                let sign = |draw: f64| if draw < 0.5 { -1.0 } else { 1.0 };
                let values = (0..count).map(|_| sign(rng.uniform()) * rng.range(0.5, 4.0));
                f32s(values.map(|v| v as f32).collect())
            }
            Values::Rarely(of) => {
                let mut rng = rng("rarely");
                let number = |rng: &mut Rng| if rng.below(of.max(4)) == 0 { 0 } else { 1 + rng.below(3) };
                f32s((0..count).map(|_| number(&mut rng) as f32).collect())
            }
            Values::Bits => {
                let mut rng = rng(&name);
                f32s((0..count).map(|_| f32::from(u8::from(rng.below(4) > 0))).collect())
            }
            Values::Signs => {
                let mut rng = rng(&name);
                f32s((0..count).map(|_| if rng.below(2) == 0 { -1.0 } else { 1.0 }).collect())
            }
            Values::Within(least, most) => {
                let (mut rng, least, most) = (rng(&name), f64::from(least), f64::from(most));
                f32s((0..count).map(|_| rng.range(least, most) as f32).collect())
            }
            Values::Eighths(most) => {
                let all = floats(Fill::Integers(most), &mut rng(&name), count);
                f32s(all.into_iter().map(|v| v / 8.0).collect())
            }
            Values::Squares => {
                let mut rng = rng("squares");
                f32s((0..count).map(|_| rng.range(1e-4, 0.16) as f32).collect())
            }
        }
    }
}

/// Numbers so few that chance could leave nearly all results 0: all numbers 0, or of the sign that relu drops.
const FEW: usize = 128;

/// See [`Fill::Late`].
fn late(most: u32, rng: &mut Rng, shape: &Shape) -> Vec<f32> {
    let longest = (0..shape.len()).rev().max_by_key(|&d| shape[d]);
    let (length, inner) =
        longest.map_or((1, 1), |d| (shape[d], shape[d + 1..].iter().product::<usize>().max(1)));
    let from = length - (length / 16).max(1);
    let number = |i: usize| {
        let small = rng.below(3) as f32 - 1.0;
        match i / inner % length {
            at if at + 1 == length => most as f32 + 1.0,
            at if at >= from => most as f32 - rng.below(2) as f32,
            _ => small,
        }
    };
    (0..shape.elements()).map(number).collect()
}

/// Numbers in `[0, 1)`, one in each of `count` equal parts, in random order.
fn spread(rng: &mut Rng, count: usize) -> Vec<f64> {
    let mut parts: Vec<usize> = (0..count).collect();
    rng.shuffle(&mut parts);
    parts.into_iter().map(|part| (part as f64 + rng.uniform()) / count as f64).collect()
}

/// One of [`Fill::Masked`].
fn masked(rng: &mut Rng) -> f32 {
    match rng.below(100) {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2..42 => f32::NEG_INFINITY,
        _ => rng.range(-4.0, 4.0) as f32,
    }
}

/// The numbers of a fill that is not one of indices, in their order. A few are spread over their range, half of
/// them negative, and no integer among them is 0.
fn floats(fill: Fill, rng: &mut Rng, count: usize) -> Vec<f32> {
    match fill {
        Fill::Integers(most) if count <= FEW => {
            let most = f64::from(most.max(1));
            let integer =
                |position: f64| if position < most { position - most } else { position - most + 1.0 };
            spread(rng, count).into_iter().map(|part| integer((part * 2.0 * most).floor()) as f32).collect()
        }
        Fill::Real(range) if count <= FEW => {
            spread(rng, count).into_iter().map(|part| (range * (2.0 * part - 1.0)) as f32).collect()
        }
        Fill::Integers(most) | Fill::Late(most) => {
            let most = most as usize;
            (0..count).map(|_| rng.below(2 * most + 1) as f32 - most as f32).collect()
        }
        Fill::Real(range) => (0..count).map(|_| rng.range(-range, range) as f32).collect(),
        Fill::Indices(below) => (0..count).map(|_| rng.below(below as usize) as f32).collect(),
        Fill::Special => (0..count).map(|i| SPECIAL[i % SPECIAL.len()]).collect(),
        Fill::Edges => (0..count).map(|i| EDGES[i % EDGES.len()]).collect(),
        Fill::Denormals => (0..count).map(|i| DENORMALS[i % DENORMALS.len()]).collect(),
        Fill::Masked => (0..count).map(|_| masked(rng)).collect(),
        Fill::Offset(from) => (0..count).map(|_| from + rng.below(3) as f32).collect(),
    }
}
