//! Max pools of windows at random distances, and the random numbers for them.

use super::Differentiate;
use super::dropout::Dropped;
use super::images::Images;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Graph, Tensor};
use crate::ops::{Dropout, FractionalMaxPool2d};
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// Binary digits of a random number: as many as an f32 between 1/2 and 1 has.
const DIGITS: usize = 24;

impl Graph {
    /// Random numbers, uniform from 0 to before 1, drawn anew each run from the stream `seed`, whether the graph is one of
    /// training
    /// or not: binary digits that [`Tensor::dropout`] draws, added up, which is exact. Meant for few.
    ///
    /// # Errors
    /// When the shape is empty or too large.
    #[doc(alias = "rand")]
    pub fn uniform(&self, shape: impl Into<Shape>, seed: u32) -> Result<Tensor> {
        self.uniform_of(&shape.into(), seed, &self.random_counter()?)
    }

    /// Those of this counter.
    pub(crate) fn uniform_of(&self, shape: &Shape, seed: u32, counter: &Tensor) -> Result<Tensor> {
        shape.check().map_err(|m| Error::op("uniform", &self.label(), m))?;
        let digits: Vec<usize> = shape.iter().copied().chain([DIGITS]).collect();
        // 0 or 2 each.
        let drawn = self.ones(digits)?.dropped(Dropped::Elements, Dropout { p: 0.5, seed }, counter)?;
        let positions = (0..DIGITS).map(|digit| f32::powi(0.5, digit as i32 + 2)).collect();
        let positions = self.constant(HostTensor::from_f32([DIGITS], positions)?)?;
        drawn.mul(&positions)?.sum(-1, false)
    }
}

impl Tensor {
    /// The maxima of windows over `self (N, C, H, W)` at distances that `samples (N, C, 2)` say, random numbers from 0 to 1 for
    /// the columns and the rows of each channel ([`Graph::uniform`] draws some). Without N as well, with samples `(1, C, 2)`.
    ///
    /// # Errors
    /// When there are other dimensions, more windows than there is room for, or other samples.
    pub fn fractional_max_pool2d(&self, options: FractionalMaxPool2d, samples: &Tensor) -> Result<Tensor> {
        self.fractional_max_pool2d_with_indices(options, samples).map(|(maxima, _)| maxima)
    }

    /// The maxima and the index `h * W + w` that each came from.
    ///
    /// # Errors
    /// As [`Tensor::fractional_max_pool2d`].
    pub fn fractional_max_pool2d_with_indices(
        &self,
        options: FractionalMaxPool2d,
        samples: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let op = "fractional_max_pool2d";
        let images = Images::new(self, op, 2)?;
        let outputs = self.graph.apply(options, &[&images.tensor, samples])?;
        let [maxima, indices] = &outputs[..] else {
            let got = format!("{} outputs", outputs.len());
            return Err(self.refused(op)(Mismatch::new("2 outputs", got)));
        };
        Ok((images.back(maxima)?, images.back(indices)?))
    }
}

impl Differentiate for FractionalMaxPool2d {
    /// Each error goes to the element that won, in the order of the windows; where windows lie does not move.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("fractional_max_pool2d")?;
        let rule = || {
            let (shape, output) = (flow.inputs[0].shape(), grad.shape());
            let planes = [shape[0], shape[1], output[2] * output[3]];
            let (errors, positions) = (grad.reshape(planes)?, flow.outputs[1].reshape(planes)?);
            errors.scattered(2, &positions, shape[2] * shape[3])?.reshape(shape)
        };
        Ok(vec![flow.wants(0, rule)?, None])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Parameters};

    /// Between 0 and 1, all over; others in the next run and of another stream.
    #[test]
    fn numbers_are_uniform_and_drawn_anew() -> Result<()> {
        let graph = Graph::new();
        let (numbers, others) = (graph.uniform([50, 40], 3)?, graph.uniform([50, 40], 4)?);
        let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&numbers, &others])?;
        let mut seen: Vec<Vec<f32>> = Vec::new();
        for _ in 0..2 {
            program.run(&[])?;
            for tensor in [&numbers, &others] {
                let drawn = program.read(tensor)?.as_f32()?.to_vec();
                assert!(drawn.iter().all(|u| (0.0..1.0).contains(u)));
                let parts =
                    (0..10).map(|part| drawn.iter().filter(|&&u| (u * 10.0) as usize == part).count());
                assert!(
                    parts.clone().all(|count| (140..260).contains(&count)),
                    "{:?}",
                    parts.collect::<Vec<_>>()
                );
                assert!(!seen.contains(&drawn));
                seen.push(drawn);
            }
        }
        Ok(())
    }

    /// What is refused says which op, what it takes and what came.
    #[test]
    fn what_is_refused_is_named() -> Result<()> {
        let graph = Graph::new();
        let (image, line) = (graph.input("image", [2, 4, 6, 5])?, graph.input("line", [2, 4])?);
        let (samples, one) = (graph.input("samples", [2, 4, 2])?, graph.input("one", [1, 4, 2])?);
        let two = |h, w| FractionalMaxPool2d::new(2, (h, w));
        let of = |ratio| FractionalMaxPool2d::of_ratio(2, ratio);
        for (refused, words) in [
            (line.fractional_max_pool2d(two(2, 2), &samples), ["3 or 4 dimensions", "2"]),
            (image.fractional_max_pool2d(two(2, 2), &one), ["random samples (2, 4, 2)", "(1, 4, 2)"]),
            (
                image.fractional_max_pool2d(two(6, 2), &samples),
                ["at most 5 windows of 2 along the height", "6"],
            ),
            (
                image.fractional_max_pool2d(two(2, 5), &samples),
                ["at most 4 windows of 2 along the width", "5"],
            ),
            (image.fractional_max_pool2d(two(0, 2), &samples), ["windows of at least 1", "0 of 2"]),
            (image.fractional_max_pool2d(of([0.5, 1.0]), &samples), ["ratios between 0 and 1", "0.5 and 1"]),
            (image.fractional_max_pool2d(of([0.5, 0.1]), &samples), ["1 of them, along the width", "0 of 2"]),
            (image.fractional_max_pool2d(of([f64::NAN, 0.5]), &samples), ["ratios between 0 and 1", "NaN"]),
        ] {
            let error = refused.expect_err(words[0]).to_string();
            let named = error.starts_with("fractional_max_pool2d");
            assert!(named && words.iter().all(|w| error.contains(w)), "{words:?}: {error}");
        }
        Ok(())
    }
}
