//! Pools of lines, of norms and of so many windows, and back from maxima.

use super::Differentiate;
use super::images::Images;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{AdaptiveMaxPool2d, LPPool1d, LPPool2d, MaxPool1d, MaxPool2d, MaxUnpool1d, MaxUnpool2d};
use crate::shape::Pair;

impl Tensor {
    /// The maximum over each window of lines `self (N, C, L)`; ties take the first tap. Without N as well.
    ///
    /// # Errors
    /// When there are other dimensions, the window does not fit or the padding is more than half of it.
    pub fn max_pool1d(&self, options: MaxPool1d) -> Result<Tensor> {
        self.max_pool1d_with_indices(options).map(|(maxima, _)| maxima)
    }

    /// The maximum over each window and the index in the line it came from.
    ///
    /// # Errors
    /// As [`Tensor::max_pool1d`].
    pub fn max_pool1d_with_indices(&self, options: MaxPool1d) -> Result<(Tensor, Tensor)> {
        let (rows, options) = (Images::new(self, "max_pool1d", 1)?, options.of_rows());
        rows.check("max_pool1d", options)?;
        rows.two(options)
    }

    /// The maxima of `output_size` windows over lines `self (N, C, L)`. Without N as well.
    ///
    /// # Errors
    /// When there are other dimensions or the output is empty.
    pub fn adaptive_max_pool1d(&self, output_size: usize) -> Result<Tensor> {
        self.adaptive_max_pool1d_with_indices(output_size).map(|(maxima, _)| maxima)
    }

    /// The maxima of `output_size` windows and the index in the line that each came from.
    ///
    /// # Errors
    /// As [`Tensor::adaptive_max_pool1d`].
    pub fn adaptive_max_pool1d_with_indices(&self, output_size: usize) -> Result<(Tensor, Tensor)> {
        let op = "adaptive_max_pool1d";
        adaptive(&Images::new(self, op, 1)?, op, Pair { h: 1, w: output_size })
    }

    /// The maxima of windows over `self (N, C, H, W)`, as many as `output_size` along height and width: window `i` of `O` over
    /// `L` elements goes from `floor(i L / O)` to before `ceil((i + 1) L / O)`. Without N as well. An output of 1 is the global
    /// pool.
    ///
    /// # Errors
    /// When there are other dimensions or the output is empty.
    pub fn adaptive_max_pool2d(&self, output_size: impl Into<Pair>) -> Result<Tensor> {
        self.adaptive_max_pool2d_with_indices(output_size).map(|(maxima, _)| maxima)
    }

    /// The maxima of so many windows and the index `h * W + w` that each came from.
    ///
    /// # Errors
    /// As [`Tensor::adaptive_max_pool2d`].
    pub fn adaptive_max_pool2d_with_indices(&self, output_size: impl Into<Pair>) -> Result<(Tensor, Tensor)> {
        let op = "adaptive_max_pool2d";
        adaptive(&Images::new(self, op, 2)?, op, output_size.into())
    }

    /// The p-norm of each window of `self (N, C, H, W)`: `(sum of x^p)^(1/p)`, of the sum's magnitude with its sign, as PyTorch
    /// has it; the gradient of a window whose sum is 0 is 0. A window that ends behind the input, with `ceil_mode`, counts for
    /// a whole one. Without N as well.
    ///
    /// # Errors
    /// When there are other dimensions, the window does not fit, or p is 0 or not finite.
    pub fn lp_pool2d(&self, options: LPPool2d) -> Result<Tensor> {
        norms(&Images::new(self, "lp_pool2d", 2)?, "lp_pool2d", options)
    }

    /// The p-norm of each window of lines `self (N, C, L)`: see [`Tensor::lp_pool2d`]. Without N as well.
    ///
    /// # Errors
    /// As [`Tensor::lp_pool2d`].
    pub fn lp_pool1d(&self, options: LPPool1d) -> Result<Tensor> {
        norms(&Images::new(self, "lp_pool1d", 1)?, "lp_pool1d", options.of_rows())
    }

    /// Maxima `self (N, C, H, W)` where `indices`, `h * W + w` of the same shape, say that they came from, in zeros `(N, C, OH,
    /// OW)`: of the size `(H - 1) stride + kernel - 2 padding`, or `output_size`, which is less than a stride from that.
    /// Without N as well.
    ///
    /// Where indices of a plane are equal, the last value stays, and each has the whole gradient. An index beyond the plane is
    /// left out, and the next run or read fails, naming it.
    ///
    /// # Errors
    /// When the indices are no `u32` of the same shape, or the output size is another.
    pub fn max_unpool2d(
        &self,
        indices: &Tensor,
        options: MaxUnpool2d,
        output_size: Option<Pair>,
    ) -> Result<Tensor> {
        unpooled(self, indices, ("max_unpool2d", 2), options, output_size)
    }

    /// Maxima `self (N, C, L)` where `indices` of the same shape say that they came from, in zeros `(N, C, OL)`: see
    /// [`Tensor::max_unpool2d`]. Without N as well.
    ///
    /// # Errors
    /// As [`Tensor::max_unpool2d`].
    pub fn max_unpool1d(
        &self,
        indices: &Tensor,
        options: MaxUnpool1d,
        output_size: Option<usize>,
    ) -> Result<Tensor> {
        let size = output_size.map(|w| Pair { h: 1, w });
        unpooled(self, indices, ("max_unpool1d", 1), options.of_rows(), size)
    }
}

/// Windows of one size are those of an ordinary pool.
fn adaptive(images: &Images, op: &str, output_size: Pair) -> Result<(Tensor, Tensor)> {
    let pool = AdaptiveMaxPool2d { output_size };
    images.check(op, pool)?;
    let shape = images.tensor.shape();
    let [.., h, w] = shape[..] else { return images.two(pool) };
    let Pair { h: oh, w: ow } = output_size;
    if h.is_multiple_of(oh) && w.is_multiple_of(ow) {
        images.two(MaxPool2d::new((h / oh, w / ow)))
    } else {
        images.two(pool)
    }
}

fn norms(images: &Images, op: &str, options: LPPool2d) -> Result<Tensor> {
    let (x, p) = (&images.tensor, options.norm_type);
    let (pool, area) = options.means().map_err(x.refused(op))?;
    images.check(op, pool)?;
    let means = x.pow_scalar(p)?.avg_pool2d(pool)?;
    // The sign and the magnitude apart, so that the gradient where both are 0 is 0.
    let sums = means.sign()?.mul(&means.abs()?.relu()?)?.scale(area)?;
    images.back(&sums.pow_scalar(1.0 / p)?)
}

fn unpooled(
    maxima: &Tensor,
    indices: &Tensor,
    (op, spatial): (&str, usize),
    options: MaxUnpool2d,
    asked: Option<Pair>,
) -> Result<Tensor> {
    let (ty, positions) = (maxima.ty(), indices.ty());
    let same = positions.shape == ty.shape && positions.dtype == crate::DType::U32;
    let expected = format!("u32 indices of {}", ty.shape);
    Mismatch::check(same, expected, positions.to_string()).map_err(maxima.refused(op))?;
    let (images, positions) = (Images::new(maxima, op, spatial)?, Images::new(indices, op, spatial)?);
    let shape = images.tensor.shape();
    let [n, c, h, w] = shape[..] else { return Ok(maxima.clone()) };
    let Pair { h: oh, w: ow } = options.output(Pair { h, w }, asked).map_err(maxima.refused(op))?;
    let planes = |x: &Tensor| x.reshape([n, c, h * w]);
    let replaced =
        planes(&images.tensor)?.scatter_set(2, &planes(&positions.tensor)?, oh.saturating_mul(ow))?;
    images.back(&replaced.reshape([n, c, oh, ow])?)
}

impl Differentiate for AdaptiveMaxPool2d {
    /// Each error goes to the element that won, in the order of the windows.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("adaptive_max_pool2d")?;
        let rule = || {
            let (shape, windows) = (flow.inputs[0].shape(), self.output_size.h * self.output_size.w);
            let planes = [shape[0], shape[1], windows];
            let (errors, positions) = (grad.reshape(planes)?, flow.outputs[1].reshape(planes)?);
            errors.scattered(2, &positions, shape[2] * shape[3])?.reshape(shape)
        };
        Ok(vec![flow.wants(0, rule)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::must_refuse;
    use super::*;
    use crate::Graph;
    use crate::ops::{AvgPool1d, AvgPool2d};

    /// What is refused says which op, what it takes and what came.
    #[test]
    fn what_is_refused_is_named() -> Result<()> {
        let graph = Graph::new();
        let (image, line) = (graph.input("image", [2, 4, 6, 5])?, graph.input("line", [2, 4, 6])?);
        let (positions, others) =
            (graph.input_u32("positions", [2, 4, 6, 5])?, graph.input_u32("others", [2, 4, 6])?);
        let two = MaxUnpool2d::new(2);
        let size = |h, w| Some(Pair { h, w });
        for (refused, words) in [
            (image.max_pool1d(MaxPool1d::new(2)), ["max_pool1d", "2 or 3 dimensions", "4"]),
            (line.max_pool1d(MaxPool1d::new(7)), ["max_pool1d", "dilated kernel", "7"]),
            (line.max_pool1d(MaxPool1d::new(3).padding(2)), ["max_pool1d", "at most 1, half", "2 and 2"]),
            (line.max_pool1d(MaxPool1d::new(0)), ["max_pool1d", "kernel of 1", "0"]),
            (image.max_pool2d(MaxPool2d::new(3).padding(2)), ["max_pool2d", "at most 1, half", "2 and 2"]),
            (line.avg_pool1d(AvgPool1d::new(3).padding(2)), ["avg_pool1d", "at most half", "2"]),
            (image.avg_pool2d(AvgPool2d::new(2).divisor_override(0)), ["avg_pool2d", "divisor above 0", "0"]),
            (image.avg_pool2d(AvgPool2d::new((7, 2))), ["avg_pool2d", "dilated kernel", "height"]),
            (line.adaptive_max_pool1d(0), ["adaptive_max_pool1d", "at least 1", "0"]),
            (image.adaptive_max_pool2d((2, 0)), ["adaptive_max_pool2d", "along the width", "0"]),
            (image.adaptive_max_pool2d(1 << 31), ["adaptive_max_pool2d", "an output times", "times 6"]),
            (image.lp_pool2d(LPPool2d::new(0.0, 2)), ["lp_pool2d", "other than 0", "0"]),
            (line.lp_pool1d(LPPool1d::new(f32::INFINITY, 2)), ["lp_pool1d", "norm_type", "inf"]),
            (line.lp_pool1d(LPPool1d::new(2.0, 7)), ["lp_pool1d", "dilated kernel", "7"]),
            (
                image.max_unpool2d(&others, two, None),
                ["max_unpool2d", "u32 indices of (2, 4, 6, 5)", "(2, 4, 6)"],
            ),
            (image.max_unpool2d(&image, two, None), ["max_unpool2d", "u32 indices", "f32"]),
            (
                image.max_unpool2d(&positions, two, size(14, 10)),
                ["max_unpool2d", "less than 2 from 12", "14"],
            ),
            (image.max_unpool2d(&positions, two, size(12, 8)), ["max_unpool2d", "less than 2 from 10", "8"]),
            (image.max_unpool2d(&positions, two.padding(6), None), ["max_unpool2d", "at least 1", "0"]),
            (
                image.max_unpool2d(&positions, two.stride(usize::MAX), None),
                ["max_unpool2d", "at least 1", "height"],
            ),
            (image.max_unpool2d(&positions, two.stride(0), None), ["max_unpool2d", "kernel and stride", "0"]),
            (line.max_unpool1d(&others, MaxUnpool1d::new(2), Some(14)), ["max_unpool1d", "from 12", "14"]),
        ] {
            must_refuse(refused, &words);
        }
        Ok(())
    }

    /// Windows of one size are those of an ordinary pool, and its gradient; all in one is a window.
    #[test]
    fn windows_of_one_size_are_an_ordinary_pool() -> Result<()> {
        let graph = Graph::new();
        let x = graph.input("x", [2, 3, 6, 8])?;
        let of = |y: Tensor| graph.with(|data| data.producer(y.id()).op.name());
        assert_eq!(of(x.adaptive_max_pool2d((3, 4))?), "max_pool2d");
        assert_eq!(of(x.adaptive_max_pool2d(1)?), "max_pool2d");
        assert_eq!(of(x.adaptive_max_pool2d((4, 4))?), "adaptive_max_pool2d");
        Ok(())
    }
}
