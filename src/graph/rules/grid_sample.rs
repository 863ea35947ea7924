//! Images read at the points of a grid, and grids of affine maps.

use super::Differentiate;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{GridMode, GridSample, GridSampleBackwardGrid, GridSampleBackwardInput};
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// The coordinates of the pixels of a side of so many: from -1 to 1, their centres at the ends or, without `align_corners`,
/// their outer edges; of one pixel the middle.
fn coordinates(pixels: usize, align_corners: bool) -> Vec<f32> {
    let (last, count) = (pixels.saturating_sub(1) as f64, pixels as f64);
    let shrink = if align_corners { 1.0 } else { last / count };
    let at = |i: usize| if pixels > 1 { (2.0 * i as f64 / last - 1.0) * shrink } else { 0.0 };
    (0..pixels).map(|i| at(i) as f32).collect()
}

impl Tensor {
    /// `self (N, C, H, W)` read at the points `(x, y)` of `grid (N, OH, OW, 2)`: `(N, C, OH, OW)`. -1 and 1 are the ends of a
    /// side; how a point between pixels and one outside is read, the options say. Differentiable by both, once; of nearest
    /// pixels the gradient by the grid is 0. The gradient by the image is a sum in a fixed order, the same bits on each run.
    ///
    /// What a coordinate that is NaN or infinite reads is said at [`GridSample`](crate::ops::GridSample)'s module; no memory
    /// outside the image.
    ///
    /// # Errors
    /// When there are other dimensions, the grid has another number of images or no 2 coordinates a point, or one is not `f32`
    /// (the image may be `f16`).
    pub fn grid_sample(&self, grid: &Tensor, options: GridSample) -> Result<Tensor> {
        self.one(options, &[self, grid])
    }

    /// The grid of affine maps `self (N, 2, 3)` for images of `size` `[N, C, H, W]`: `(N, H, W, 2)`, for pixel `i, j` the point
    /// `theta (x_j, y_i, 1)`, where `x` and `y` go from -1 to 1 over the pixels' centres with `align_corners`, else over the
    /// image from edge to edge. What [`Tensor::grid_sample`] reads, with the same `align_corners`.
    ///
    /// Products of columns of theta with the two lines of coordinates, broadcast: a product of matrices would need the three
    /// coordinates of every pixel in memory.
    ///
    /// # Errors
    /// When this is not `(N, 2, 3)` for the N of `size`, or `size` is not four numbers, none of them 0.
    pub fn affine_grid(&self, size: &[usize], align_corners: bool) -> Result<Tensor> {
        let op = "affine_grid";
        let &[n, c, h, w] = size else {
            let got = Shape::from(size).to_string();
            return Err(self.refused(op)(Mismatch::new("a size of N, C, H and W", got)));
        };
        Shape::check(&Shape::from([n, c, h, w])).map_err(self.refused(op))?;
        let fits = self.shape()[..] == [n, 2, 3];
        Mismatch::check(fits, format!("theta ({n}, 2, 3)"), self.shape().to_string())
            .map_err(self.refused(op))?;
        let line = |shape: [usize; 3], pixels| {
            self.graph.constant(HostTensor::from_f32(shape, coordinates(pixels, align_corners))?)
        };
        let (x, y) = (line([1, w, 1], w)?, line([h, 1, 1], h)?);
        let column = |at: usize| self.narrow(2, at, 1)?.reshape([n, 1, 1, 2]);
        column(0)?.mul(&x)?.add(&column(1)?.mul(&y)?)?.add(&column(2)?)
    }
}

impl Differentiate for GridSample {
    /// To each pixel the errors of the points that read it, to each point the surface's slope times its errors.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, input, grid) = (flow.grad("grid_sample")?, &flow.inputs[0], &flow.inputs[1]);
        let of_input = || {
            let op = GridSampleBackwardInput { options: *self, input: input.shape() };
            grad.one(op, &[grad, grid])
        };
        let of_grid = || match self.mode {
            GridMode::Bilinear => grad.one(GridSampleBackwardGrid(*self), &[grad, input, grid]),
            GridMode::Nearest => grid.graph.scalar(0.0)?.broadcast_to(grid.shape()),
        };
        Ok(vec![flow.wants(0, of_input)?, flow.wants(1, of_grid)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::must_refuse;
    use super::*;
    use crate::Graph;

    /// What is refused says which op, what it takes and what came.
    #[test]
    fn what_is_refused_is_named() -> Result<()> {
        let graph = Graph::new();
        let (image, grid) = (graph.input("image", [2, 3, 6, 5])?, graph.input("grid", [2, 4, 7, 2])?);
        let (line, theta) = (graph.input("line", [2, 3, 6])?, graph.input("theta", [2, 2, 3])?);
        let (three, other) = (graph.input("three", [2, 4, 7, 3])?, graph.input("other", [1, 4, 7, 2])?);
        let (words, long) =
            (graph.input_u32("words", [2, 4, 7, 2])?, graph.input("long", [2, 1, 1, 5000000])?);
        let of = |image: &Tensor, grid: &Tensor| image.grid_sample(grid, GridSample::new());
        for (refused, words) in [
            (of(&line, &grid), ["grid_sample", "input (N, C, H, W)", "(2, 3, 6)"]),
            (of(&image, &line), ["grid_sample", "a grid (N, OH, OW, 2)", "(2, 3, 6)"]),
            (of(&image, &three), ["grid_sample", "points (x, y)", "3"]),
            (of(&image, &other), ["grid_sample", "a grid of 2 images", "1"]),
            (of(&image, &words), ["grid_sample", "f32", "u32"]),
            (of(&long, &grid), ["grid_sample", "sides of at most 4194304", "5000000"]),
            (theta.affine_grid(&[2, 3, 4], false), ["affine_grid", "a size of N, C, H and W", "(2, 3, 4)"]),
            (theta.affine_grid(&[2, 3, 0, 4], false), ["affine_grid", "no empty dimension", "(2, 3, 0, 4)"]),
            (theta.affine_grid(&[3, 1, 4, 4], false), ["affine_grid", "theta (3, 2, 3)", "(2, 2, 3)"]),
            (image.affine_grid(&[2, 1, 4, 4], false), ["affine_grid", "theta (2, 2, 3)", "(2, 3, 6, 5)"]),
        ] {
            must_refuse(refused, &words);
        }
        Ok(())
    }

    #[test]
    fn coordinates_go_from_end_to_end() {
        assert_eq!(coordinates(1, true), [0.0]);
        assert_eq!(coordinates(3, true), [-1.0, 0.0, 1.0]);
        assert_eq!(coordinates(4, false), [-0.75, -0.25, 0.25, 0.75]);
    }
}
