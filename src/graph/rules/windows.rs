//! Interpolation, pools along dimensions, sliding blocks and cumulative sums, from maps along a dimension.

use crate::Dim;
use crate::error::{Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{
    AvgPool1d, Interpolate, InterpolateMode, Pad, SparseRows, Unfold, adaptive, running_sums, taps,
};
use crate::shape::Pair;

/// Elements up to which a cumulative sum is one map.
const SHORT: usize = 64;
/// Elements of a block of a longer one.
const BLOCK: usize = 32;

impl Tensor {
    /// `(N, C, ..)` with other sizes behind the channels; see [`Interpolate`]. Dimensions that shrink go first.
    ///
    /// # Errors
    /// When the mode does not take the tensor's dimensions or the options, or an output is empty.
    #[doc(alias = "resize")]
    #[doc(alias = "upsample")]
    pub fn interpolate(&self, options: &Interpolate) -> Result<Tensor> {
        let matrices = options.matrices(&self.shape()).map_err(self.refused("interpolate"))?;
        let mut axes: Vec<(usize, SparseRows)> = matrices.into_iter().enumerate().collect();
        axes.sort_by(|(_, a), (_, b)| {
            (a.outputs() as u64 * b.inputs() as u64).cmp(&(b.outputs() as u64 * a.inputs() as u64))
        });
        let map = |x: Tensor, (d, matrix)| x.mapped("interpolate", 2 + d, 0.0, |_| Ok(matrix));
        axes.into_iter().try_fold(self.clone(), map)
    }

    /// `(N, C, ..)` with each element repeated, `factor` times along each dimension behind the channels.
    ///
    /// # Errors
    /// As [`Tensor::interpolate`].
    pub fn upsample_nearest(&self, factor: f64) -> Result<Tensor> {
        self.interpolate(&Interpolate::scale_factor(&[factor]))
    }

    /// `(N, C, H, W)` to `factor` times as many rows and columns, corners aligned, as PyTorch's `upsample_bilinear`.
    ///
    /// # Errors
    /// As [`Tensor::interpolate`].
    pub fn upsample_bilinear(&self, factor: f64) -> Result<Tensor> {
        let options = Interpolate::scale_factor(&[factor]).mode(InterpolateMode::Bilinear);
        self.interpolate(&options.align_corners(true))
    }

    /// The means of `output_size` windows along the last dimension of `(N, C, L)` or `(C, L)`.
    ///
    /// # Errors
    /// When there are other dimensions or the output is empty.
    pub fn adaptive_avg_pool1d(&self, output_size: usize) -> Result<Tensor> {
        let rank = self.ranked("adaptive_avg_pool1d", 1)?;
        self.pooled("adaptive_avg_pool1d", rank - 1, output_size)
    }

    /// The means of windows over `(N, C, H, W)` or `(C, H, W)`, as many as `output_size` along height and width.
    ///
    /// # Errors
    /// When there are other dimensions or the output is empty.
    pub fn adaptive_avg_pool2d(&self, output_size: impl Into<Pair>) -> Result<Tensor> {
        let (rank, size) = (self.ranked("adaptive_avg_pool2d", 2)?, output_size.into());
        let columns = self.pooled("adaptive_avg_pool2d", rank - 1, size.w)?;
        columns.pooled("adaptive_avg_pool2d", rank - 2, size.h)
    }

    /// Means along a dimension; one of all elements is an ordinary mean.
    fn pooled(&self, op: &str, dim: usize, size: usize) -> Result<Tensor> {
        if size == 1 {
            self.mean([dim], true)
        } else {
            self.mapped(op, dim, 0.0, |input| adaptive(input, size))
        }
    }

    /// The means of windows along the last dimension of `(N, C, L)` or `(C, L)`.
    ///
    /// # Errors
    /// When there are other dimensions, the window does not fit or the padding is more than half of it.
    pub fn avg_pool1d(&self, options: AvgPool1d) -> Result<Tensor> {
        let rank = self.ranked("avg_pool1d", 1)?;
        self.mapped("avg_pool1d", rank - 1, 0.0, |size| options.matrix(size))
    }

    /// The sum of each element and all before it along `dim`. Up to 64 elements are one map; longer rows are added up in
    /// blocks of 32, the sums of blocks likewise.
    ///
    /// # Errors
    /// When there is no such dimension, or the tensor is not `f32`.
    pub fn cumsum(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        self.along("cumsum", dim, |x, dim| x.running_sums(dim))
    }

    fn running_sums(&self, dim: usize) -> Result<Tensor> {
        let shape = self.shape().to_vec();
        let size = shape[dim];
        if size <= SHORT {
            return self.mapped("cumsum", dim, 0.0, running_sums);
        }
        let blocks = size.div_ceil(BLOCK);
        let behind = (blocks * BLOCK - size) as i64;
        let whole = self.mapped("cumsum", dim, 0.0, |size| Pad::Constant(0.0).matrix(size, 0, behind))?;
        let mut split = shape;
        split.splice(dim..=dim, [blocks, BLOCK]);
        let inside = whole.reshape(split)?.running_sums(dim + 1)?;
        let sums = inside.narrow(dim + 1, BLOCK - 1, 1)?.running_sums(dim)?;
        let before = sums.mapped("cumsum", dim, 0.0, |size| Pad::Constant(0.0).matrix(size, 1, -1))?;
        let mut joined = self.shape().to_vec();
        joined[dim] = blocks * BLOCK;
        let all = inside.add(&before)?.reshape(joined)?;
        if behind == 0 { Ok(all) } else { all.narrow(dim, 0, size) }
    }

    /// `(.., C r r, H, W)` to `(.., C, H r, W r)`: groups of r r channels become blocks of pixels.
    ///
    /// # Errors
    /// When there are fewer than three dimensions or the channels are no multiple of r r.
    pub fn pixel_shuffle(&self, upscale_factor: usize) -> Result<Tensor> {
        let (lead, [c, h, w], r) = self.image("pixel_shuffle", upscale_factor)?;
        let square = r.saturating_mul(r);
        self.divides("pixel_shuffle", "channels", c, square)?;
        let n = lead.iter().product::<usize>();
        let blocks = self.reshape([n, c / square, r, r, h, w])?.permute(&[0, 1, 4, 2, 5, 3])?;
        blocks.reshape([&lead[..], &[c / square, h * r, w * r]].concat())
    }

    /// `(.., C, H r, W r)` to `(.., C r r, H, W)`: the inverse of [`Tensor::pixel_shuffle`].
    ///
    /// # Errors
    /// When there are fewer than three dimensions or rows and columns are no multiples of r.
    pub fn pixel_unshuffle(&self, downscale_factor: usize) -> Result<Tensor> {
        let (lead, [c, h, w], r) = self.image("pixel_unshuffle", downscale_factor)?;
        self.divides("pixel_unshuffle", "rows", h, r)?;
        self.divides("pixel_unshuffle", "columns", w, r)?;
        let n = lead.iter().product::<usize>();
        let blocks = self.reshape([n, c, h / r, r, w / r, r])?.permute(&[0, 1, 3, 5, 2, 4])?;
        blocks.reshape([&lead[..], &[c * r * r, h / r, w / r]].concat())
    }

    /// The sizes before the channels, those of an image, and a factor above 0.
    fn image(&self, op: &str, factor: usize) -> Result<(Vec<usize>, [usize; 3], usize)> {
        let shape = self.shape();
        let [ref lead @ .., c, h, w] = shape[..] else {
            return Err(self.refused(op)(Mismatch::new("at least three dimensions", shape.to_string())));
        };
        Mismatch::check(factor > 0, "a factor above 0", "0").map_err(self.refused(op))?;
        Ok((lead.to_vec(), [c, h, w], factor))
    }

    fn divides(&self, op: &str, what: &str, size: usize, by: usize) -> Result<()> {
        let whole = Mismatch::check(
            size.is_multiple_of(by),
            format!("{what} in multiples of {by}"),
            size.to_string(),
        );
        whole.map_err(self.refused(op))
    }

    /// The blocks that slide over `(N, C, H, W)` as columns `(N, C kh kw, L)`; without N as well.
    ///
    /// # Errors
    /// When there are other dimensions or no block fits.
    #[doc(alias = "im2col")]
    pub fn unfold(&self, options: Unfold) -> Result<Tensor> {
        let rank = self.ranked("unfold", 2)?;
        let shape = self.shape();
        let (c, h, w) = (shape[rank - 3], shape[rank - 2], shape[rank - 1]);
        let n = if rank == 4 { shape[0] } else { 1 };
        let [rows, columns] = options.windows(h, w);
        let tall = self.mapped("unfold", rank - 2, 0.0, |_| taps(&rows, "height"))?;
        let wide = tall.mapped("unfold", rank - 1, 0.0, |_| taps(&columns, "width"))?;
        let Pair { h: kh, w: kw } = options.kernel_size;
        let (oh, ow) = (wide.shape()[rank - 2] / kh, wide.shape()[rank - 1] / kw);
        let blocks = wide.reshape([n, c, kh, oh, kw, ow])?.permute(&[0, 1, 2, 4, 3, 5])?;
        let flat = [c * kh * kw, oh * ow];
        if rank == 4 { blocks.reshape([n, flat[0], flat[1]]) } else { blocks.reshape(flat) }
    }

    /// Columns `(N, C kh kw, L)` as blocks added up in an image `(N, C, H, W)` of `output_size`; without N as well. The
    /// gradient of [`Tensor::unfold`].
    ///
    /// # Errors
    /// When there are other dimensions, no block fits, or there are other numbers of blocks or of elements in one.
    #[doc(alias = "col2im")]
    pub fn fold(&self, output_size: impl Into<Pair>, options: Unfold) -> Result<Tensor> {
        let (rank, size) = (self.ranked("fold", 1)?, output_size.into());
        let shape = self.shape();
        let (elements, count) = (shape[rank - 2], shape[rank - 1]);
        let n = if rank == 3 { shape[0] } else { 1 };
        let [rows, columns] = options.windows(size.h, size.w);
        let refused = || self.refused("fold");
        let (tall, wide) =
            (taps(&rows, "height").map_err(refused())?, taps(&columns, "width").map_err(refused())?);
        let Pair { h: kh, w: kw } = options.kernel_size;
        let (oh, ow) = (tall.outputs() / kh, wide.outputs() / kw);
        self.divides("fold", "elements of a block", elements, kh * kw)?;
        let blocks = Mismatch::check(count == oh * ow, format!("{oh} x {ow} blocks"), count.to_string());
        blocks.map_err(refused())?;
        let c = elements / (kh * kw);
        let image = self.reshape([n, c, kh, kw, oh, ow])?.permute(&[0, 1, 2, 4, 3, 5])?;
        let image = image.reshape([n, c, kh * oh, kw * ow])?;
        let image = image.mapped("fold", 3, 0.0, |_| Ok(wide.transposed()))?;
        let image = image.mapped("fold", 2, 0.0, |_| Ok(tall.transposed()))?;
        if rank == 3 { Ok(image) } else { image.reshape([c, size.h, size.w]) }
    }
}
