//! Elements at other positions along a dimension: flips, rolls, slices, selected and repeated elements, padding.

use crate::error::{Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{Pad, SparseRows};
use crate::tensor::HostTensor;
use crate::{DType, Dim, Dims};

impl Tensor {
    /// The elements in reverse order along `dims`.
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn flip(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = self.dims("flip", dims)?;
        let flip = |x: Tensor, dim| {
            x.mapped("flip", dim, 0.0, |size| SparseRows::gather(size, (0..size).rev().map(Some)))
        };
        dims.into_iter().try_fold(self.clone(), flip)
    }

    /// The elements moved `shifts` positions along each of `dims`, those behind the end to the beginning. Without dimensions
    /// all elements are one row, as in PyTorch.
    ///
    /// # Errors
    /// When there is not one shift for each dimension, or one does not exist.
    pub fn roll<D: Into<Dim> + Copy>(&self, shifts: &[i64], dims: &[D]) -> Result<Tensor> {
        if dims.is_empty() && shifts.len() == 1 {
            return self.flatten(0)?.roll(shifts, &[0])?.reshape(self.shape());
        }
        let fits = Mismatch::check(
            shifts.len() == dims.len(),
            format!("a shift for each of {} dimensions", dims.len()),
            shifts.len().to_string(),
        );
        fits.map_err(self.refused("roll"))?;
        shifts.iter().zip(dims).try_fold(self.clone(), |x, (&shift, &dim)| {
            x.along("roll", dim, |x, dim| {
                x.mapped("roll", dim, 0.0, |size| {
                    let back = (-i128::from(shift)).rem_euclid(size as i128) as usize;
                    SparseRows::gather(size, (0..size).map(|t| Some((t + back) % size)))
                })
            })
        })
    }

    /// Every `step`th element along `dim` from `start` on, before `end`. Negative ones count from the end; what lies outside
    /// is taken for the nearest end, so that `i64::MAX` stands for all.
    ///
    /// # Errors
    /// When there is no such dimension, `step` is 0 or nothing is left.
    pub fn slice(&self, dim: impl Into<Dim>, start: i64, end: i64, step: usize) -> Result<Tensor> {
        let dim = self.dim("slice", dim)?;
        self.mapped("slice", dim, 0.0, |size| {
            let n = size as i64;
            let position = |at: i64| if at < 0 { at.saturating_add(n).max(0) } else { at.min(n) } as usize;
            Mismatch::check(step > 0, "a step above 0", step.to_string())?;
            let (first, last) = (position(start), position(end));
            Mismatch::check(
                first < last,
                format!("at least one of {size} elements"),
                format!("{start} to {end}"),
            )?;
            SparseRows::gather(size, (first..last).step_by(step).map(Some))
        })
    }

    /// The elements at `indices` along `dim`, which are known now.
    ///
    /// # Errors
    /// When there is no such dimension or index, or there are no indices.
    pub fn index_select(&self, dim: impl Into<Dim>, indices: &[usize]) -> Result<Tensor> {
        self.along("index_select", dim, |x, dim| {
            x.mapped("index_select", dim, 0.0, |size| {
                Mismatch::check(!indices.is_empty(), "at least one index", "none")?;
                SparseRows::gather(size, indices.iter().map(|&at| Some(at)))
            })
        })
    }

    /// Each element along `dim` as often as `repeats` says, one number for all or one each.
    ///
    /// # Errors
    /// When there is no such dimension, there is another number of repeats, or nothing is left.
    pub fn repeat_interleave(&self, repeats: &[usize], dim: impl Into<Dim>) -> Result<Tensor> {
        self.along("repeat_interleave", dim, |x, dim| {
            x.mapped("repeat_interleave", dim, 0.0, |size| {
                let one_each = repeats.len() == 1 || repeats.len() == size;
                let expected = format!("repeats for all or for each of {size}");
                Mismatch::check(one_each, expected, repeats.len().to_string())?;
                let of = |at: usize| if repeats.len() == 1 { repeats[0] } else { repeats[at] };
                let total = (0..size).fold(0usize, |sum, at| sum.saturating_add(of(at)));
                let fits = (1..=SparseRows::MOST_ENTRIES).contains(&total);
                Mismatch::check(fits, "at least one element", total.to_string())?;
                SparseRows::gather(size, (0..size).flat_map(|at| std::iter::repeat_n(Some(at), of(at))))
            })
        })
    }

    /// The whole tensor repeated along each dimension; there may be more repeats than dimensions, which are new leading ones.
    ///
    /// # Errors
    /// When there are fewer repeats than dimensions, or one is 0.
    pub fn repeat(&self, repeats: &[usize]) -> Result<Tensor> {
        let shape = self.shape();
        let enough = Mismatch::check(
            repeats.len() >= shape.len(),
            format!("repeats for {} dimensions or more", shape.len()),
            repeats.len().to_string(),
        );
        enough.map_err(self.refused("repeat"))?;
        let mut dims = vec![1; repeats.len() - shape.len()];
        dims.extend_from_slice(&shape);
        let wide = self.reshape(dims)?;
        repeats.iter().enumerate().try_fold(wide, |x, (dim, &repeats)| x.repeated(dim, repeats))
    }

    /// The tensor `repeats` times along a dimension.
    fn repeated(&self, dim: usize, repeats: usize) -> Result<Tensor> {
        let mut shape = self.shape().to_vec();
        if shape[dim] == 1 && repeats > 1 && self.ty().dtype == DType::F32 {
            shape[dim] = repeats;
            return self.broadcast_to(shape);
        }
        self.mapped("repeat", dim, 0.0, |size| {
            let total = size.saturating_mul(repeats);
            let fits = (1..=SparseRows::MOST_ENTRIES).contains(&total);
            Mismatch::check(fits, "at least one repeat", format!("{repeats} of {size}"))?;
            SparseRows::gather(size, (0..total).map(|t| Some(t % size)))
        })
    }

    /// As [`Tensor::repeat`]; where there are fewer repeats than dimensions, the leading ones are not repeated.
    ///
    /// # Errors
    /// When one is 0.
    pub fn tile(&self, repeats: &[usize]) -> Result<Tensor> {
        let mut all = vec![1; self.shape().len().saturating_sub(repeats.len())];
        all.extend_from_slice(repeats);
        self.repeat(&all)
    }

    /// Elements before and behind dimensions: `pairs` are `(before, after)` of the last one, then of the one before it, and
    /// so on, as in PyTorch. Negative ones cut off. `[1, 2]` puts one element before the last dimension and two behind it.
    ///
    /// # Errors
    /// When there are more pairs than dimensions or half a one, nothing is left, or the mode cannot go as far.
    pub fn pad(&self, pairs: &[i64], mode: Pad) -> Result<Tensor> {
        let rank = self.shape().len();
        let fits = Mismatch::check(
            pairs.len().is_multiple_of(2) && pairs.len() / 2 <= rank,
            format!("pairs for at most {rank} dimensions"),
            format!("{} numbers", pairs.len()),
        );
        fits.map_err(self.refused("pad"))?;
        pairs.chunks_exact(2).enumerate().try_fold(self.clone(), |x, (number, pair)| {
            x.mapped("pad", rank - 1 - number, mode.fill(), |size| mode.matrix(size, pair[0], pair[1]))
        })
    }

    /// The elements on a diagonal of two dimensions, as a last dimension: those `offset` positions to the right of the main
    /// one, or to the left where it is negative.
    ///
    /// # Errors
    /// When the dimensions do not exist or are one, or there is no such diagonal.
    pub fn diagonal(&self, offset: i64, dim1: impl Into<Dim>, dim2: impl Into<Dim>) -> Result<Tensor> {
        let (shape, rank) = (self.shape(), self.shape().len());
        let (a, b) = (self.dim("diagonal", dim1)?, self.dim("diagonal", dim2)?);
        let two = Mismatch::check(a != b && rank >= 2, "two dimensions", format!("{a} and {b} of {rank}"));
        two.map_err(self.refused("diagonal"))?;
        let mut dims: Vec<usize> = (0..rank).filter(|&d| d != a && d != b).collect();
        let mut sizes: Vec<usize> = dims.iter().map(|&d| shape[d]).collect();
        dims.extend([a, b]);
        let (rows, columns) = (shape[a] as i64, shape[b] as i64);
        sizes.push(shape[a].saturating_mul(shape[b]));
        let plane = self.permute(&dims)?.reshape(sizes)?;
        plane.mapped("diagonal", rank - 2, 0.0, |size| {
            let (down, right) = (offset.saturating_neg().max(0), offset.max(0));
            let length = rows.saturating_sub(down).min(columns.saturating_sub(right));
            Mismatch::check(
                length > 0,
                format!("a diagonal of {rows} rows, {columns} columns"),
                offset.to_string(),
            )?;
            SparseRows::gather(size, (0..length).map(|k| Some(((down + k) * columns + right + k) as usize)))
        })
    }

    /// What lies on or below a diagonal of the last two dimensions, 0 above it. The diagonal is `diagonal` positions to the
    /// right of the main one.
    ///
    /// # Errors
    /// When there are fewer than two dimensions, or the tensor is not `f32`.
    pub fn tril(&self, diagonal: i64) -> Result<Tensor> {
        self.triangle("tril", |row, column| column - row <= i128::from(diagonal))
    }

    /// What lies on or above a diagonal of the last two dimensions, 0 below it. The diagonal is `diagonal` positions to the
    /// right of the main one.
    ///
    /// # Errors
    /// When there are fewer than two dimensions, or the tensor is not `f32`.
    pub fn triu(&self, diagonal: i64) -> Result<Tensor> {
        self.triangle("triu", |row, column| column - row >= i128::from(diagonal))
    }

    fn triangle(&self, op: &str, inside: impl Fn(i128, i128) -> bool) -> Result<Tensor> {
        let shape = self.shape();
        let [.., rows, columns] = shape[..] else {
            let mismatch = Mismatch::new("at least two dimensions", shape.to_string());
            return Err(self.refused(op)(mismatch));
        };
        let kept = |at: usize| f32::from(u8::from(inside((at / columns) as i128, (at % columns) as i128)));
        let mask = HostTensor::from_f32([rows, columns], (0..rows * columns).map(kept).collect())?;
        let dtype = self.ty().dtype;
        self.graph.constant(mask.cast(dtype))?.select(self, &self.graph.scalar_of(dtype, 0.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::must_refuse;
    use super::*;
    use crate::Graph;
    use crate::ops::{Interpolate, InterpolateMode, Unfold};

    /// What is refused says which op, what it takes and what came.
    #[test]
    fn what_is_refused_is_named() -> Result<()> {
        let graph = Graph::new();
        let (x, y) = (graph.input("x", [2, 3, 5])?, graph.input("y", [2, 3, 5, 4])?);
        let indices = graph.input_u32("indices", [4, 6])?;
        let size = |sizes: &[usize], mode| y.interpolate(&Interpolate::size(sizes).mode(mode));
        let (nearest, linear) = (InterpolateMode::Nearest, InterpolateMode::Linear);
        for (refused, words) in [
            (x.pad(&[5, 0], Pad::Reflect), ["pad", "less than the size 5", "5 before"]),
            (x.pad(&[0, 6], Pad::Circular), ["pad", "at most 5", "6 behind"]),
            (x.pad(&[-3, -2], Pad::Constant(0.0)), ["pad", "at least one element", "-3 before"]),
            (x.pad(&[1], Pad::Replicate), ["pad", "pairs for at most 3", "1 numbers"]),
            (x.pad(&[i64::MAX, i64::MAX], Pad::Replicate), ["pad", "at least one", "before"]),
            (indices.pad(&[1, 1], Pad::Constant(0.5)), ["axis_map", "whole number", "0.5"]),
            (indices.cumsum(1), ["axis_map", "u32 elements copied", "sums"]),
            (x.slice(2, 4, 4, 1), ["slice", "at least one of 5", "4 to 4"]),
            (x.slice(2, 0, 4, 0), ["slice", "step above 0", "0"]),
            (x.roll(&[1, 2], &[0]), ["roll", "each of 1", "2"]),
            (x.index_select(1, &[0, 3]), ["index_select", "inputs below 3", "3"]),
            (x.index_select(1, &[]), ["index_select", "at least one index", "none"]),
            (x.repeat_interleave(&[1, 2], 2), ["repeat_interleave", "each of 5", "2"]),
            (x.repeat(&[2]), ["repeat", "3 dimensions or more", "1"]),
            (x.repeat(&[1, 0, 1]), ["repeat", "at least one repeat", "0 of 3"]),
            (x.diagonal(5, 1, 2), ["diagonal", "3 rows, 5 columns", "5"]),
            (x.diagonal(i64::MIN, 1, 2), ["diagonal", "3 rows, 5 columns", "-9223372036854775808"]),
            (x.diagonal(0, 1, -2), ["diagonal", "two dimensions", "1 and 1"]),
            (x.pixel_shuffle(2), ["pixel_shuffle", "multiples of 4", "2"]),
            (x.avg_pool1d(crate::ops::AvgPool1d::new(6)), ["avg_pool1d", "dilated kernel", "6"]),
            (x.adaptive_avg_pool1d(0), ["adaptive_avg_pool1d", "at least 1", "0"]),
            (y.unfold(Unfold::new(6)), ["unfold", "dilated kernel", "height"]),
            (x.fold(4, Unfold::new(1)), ["fold", "4 x 4 blocks", "5"]),
            (size(&[0, 3], nearest), ["interpolate", "at least 1", "0 from 5"]),
            (size(&[2, 3, 4], nearest), ["interpolate", "each of 2", "3"]),
            (size(&[2], linear), ["interpolate", "3 to 3 dimensions for linear", "4"]),
            (
                y.interpolate(&Interpolate::size(&[2]).align_corners(true)),
                ["interpolate", "align_corners with linear", "nearest"],
            ),
            (
                y.interpolate(&Interpolate::scale_factor(&[f64::NAN])),
                ["interpolate", "factor above 0", "NaN"],
            ),
        ] {
            must_refuse(refused, &words);
        }
        assert!(graph.arange(0.0, 1.0, -1.0).is_err() && graph.arange(0.0, f64::NAN, 1.0).is_err());
        assert!(graph.eye(0, 3).is_err() && graph.full([0], 1.0).is_err());
        Ok(())
    }
}
