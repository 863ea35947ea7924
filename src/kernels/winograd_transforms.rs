//! The matrices of Winograd's convolutions, from the points at which polynomials are multiplied.

use super::template::literal;
use minijinja::{Value, context};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// The finite points that a tile is evaluated at; infinity is one more. Each but 0 comes with its negative. Those of
/// `F(4x4)` keep errors small: Barabasz and others, *Error Analysis and Improving the Accuracy of Winograd
/// Convolution*, 2020.
fn points(m: usize) -> Vec<f64> {
    match m {
        2 => vec![0.0, 1.0, -1.0],
        _ => vec![0.0, FRAC_1_SQRT_2, -FRAC_1_SQRT_2, SQRT_2, -SQRT_2],
    }
}

/// The three matrices of `F(m x m, 3 x 3)`, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Transforms {
    /// `B^T`, of the source: `n x n`.
    pub source: Vec<Vec<f64>>,
    /// `G`, of the weight: `n x 3`.
    pub weight: Vec<Vec<f64>>,
    /// `A^T`, of the target: `m x n`.
    pub target: Vec<Vec<f64>>,
}

/// Coefficients of a polynomial times `x - root`, lowest first.
fn times(polynomial: &[f64], root: f64) -> Vec<f64> {
    let shifted = std::iter::once(0.0).chain(polynomial.iter().copied());
    let scaled = polynomial.iter().map(|c| -root * c).chain(std::iter::once(0.0));
    shifted.zip(scaled).map(|(a, b)| a + b).collect()
}

/// The columns of a matrix.
pub fn transposed(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let columns = matrix.first().map_or(0, Vec::len);
    (0..columns).map(|column| matrix.iter().map(|row| row[column]).collect()).collect()
}

impl Transforms {
    /// After Toom and Cook: polynomials are multiplied at points `p`, where they are `sum p^i c_i`, and what they
    /// are elsewhere follows from Lagrange's polynomials, whose divisors go to the weight.
    pub fn new(m: usize) -> Self {
        let (points, n) = (points(m), m + 2);
        let powers = |p: f64, count: usize| (0..count).map(|i| p.powi(i as i32)).collect::<Vec<_>>();
        let others = |p: f64| points.iter().copied().filter(move |q| *q != p);
        let product = |roots: &mut dyn Iterator<Item = f64>| roots.fold(vec![1.0], |all, r| times(&all, r));
        let padded = |mut row: Vec<f64>| {
            row.resize(n, 0.0);
            row
        };
        let mut source: Vec<_> = points.iter().map(|&p| padded(product(&mut others(p)))).collect();
        source.push(product(&mut points.iter().copied()));
        let divisor = |p: f64| others(p).map(|q| p - q).product::<f64>();
        let scaled = |p: f64| powers(p, 3).into_iter().map(|v| v / divisor(p)).collect::<Vec<_>>();
        let mut weight: Vec<_> = points.iter().map(|&p| scaled(p)).collect();
        weight.push(vec![0.0, 0.0, 1.0]);
        // Infinity is where only the highest power counts.
        let at_infinity = |i: usize| if i + 1 == m { 1.0 } else { 0.0 };
        let row = |i: usize| points.iter().map(|p| p.powi(i as i32)).chain([at_infinity(i)]).collect();
        Self { source, weight, target: (0..m).map(row).collect() }
    }

    /// As the shaders name them: the terms of each row, position and factor.
    pub(super) fn values(&self) -> Value {
        let factor = |v: f64| match v {
            1.0 => String::new(),
            -1.0 => "-".to_owned(),
            _ => format!("{} * ", literal(v as f32)),
        };
        let terms = |row: &Vec<f64>| -> Vec<Value> {
            let positions = row.iter().enumerate().filter(|(_, v)| **v != 0.0);
            positions.map(|(at, v)| context! { at, factor => factor(*v) }).collect()
        };
        let rows = |matrix: &[Vec<f64>]| matrix.iter().map(terms).collect::<Vec<_>>();
        context! {
            source => rows(&self.source), weight => rows(&self.weight), target => rows(&self.target),
            // Their transposes, on the way back.
            error => rows(&transposed(&self.target)), taps => rows(&transposed(&self.weight)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    /// `M x M^T` for a square `x`.
    fn both_sides(matrix: &[Vec<f64>], x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let size = x.len();
        let entry = |j: usize, l: usize| {
            let terms = (0..size).flat_map(|r| (0..size).map(move |s| (r, s)));
            terms.map(|(r, s)| matrix[j][r] * x[r][s] * matrix[l][s]).sum()
        };
        (0..matrix.len()).map(|j| (0..matrix.len()).map(|l| entry(j, l)).collect()).collect()
    }

    #[test]
    fn a_tile_is_the_convolution() {
        let mut rng = Rng::new(1);
        for m in [2, 4] {
            let n = m + 2;
            let t = Transforms::new(m);
            let mut random = |size: usize| -> Vec<Vec<f64>> {
                (0..size).map(|_| (0..size).map(|_| rng.range(-1.0, 1.0)).collect()).collect()
            };
            let (g, d) = (random(3), random(n));
            let (u, v) = (both_sides(&t.weight, &g), both_sides(&t.source, &d));
            let product: Vec<Vec<f64>> =
                u.iter().zip(&v).map(|(u, v)| u.iter().zip(v).map(|(u, v)| u * v).collect()).collect();
            let tile = both_sides(&t.target, &product);
            for (y, x) in (0..m).flat_map(|y| (0..m).map(move |x| (y, x))) {
                let taps = (0..3).flat_map(|r| (0..3).map(move |s| (r, s)));
                let direct: f64 = taps.map(|(r, s)| d[y + r][x + s] * g[r][s]).sum();
                assert!((tile[y][x] - direct).abs() < 1e-13, "F({m}x{m}) at {y}, {x}");
            }
        }
    }

    /// What leaves small integers exact, and what keeps sums short.
    #[test]
    fn the_matrices_are_sparse_and_those_of_2_are_powers_of_two() {
        let Transforms { source, weight, target } = Transforms::new(2);
        let all = [&source, &weight, &target].into_iter().flatten().flatten();
        assert!(all.clone().all(|v| [0.0, 0.5, 1.0].contains(&v.abs())), "{source:?} {weight:?} {target:?}");
        let zeros = |matrix: &[Vec<f64>]| matrix.iter().flatten().filter(|v| **v == 0.0).count();
        assert_eq!((zeros(&source), zeros(&weight), zeros(&target)), (8, 4, 2));
        let Transforms { source, weight, target } = Transforms::new(4);
        assert_eq!((zeros(&source), zeros(&weight), zeros(&target)), (14, 4, 6));
    }
}
