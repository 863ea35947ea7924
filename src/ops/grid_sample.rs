//! grid_sample: an image read at the points of a grid (Jaderberg and others, 2015: spatial transformers), after PyTorch's
//! definition.
//!
//! A coordinate `g` of a grid is -1 and 1 at the two ends of a side of `L` pixels: at the centres of its outermost pixels with
//! `align_corners`, there `x = (g + 1) (L - 1) / 2`, else at their outer edges, `x = ((g + 1) L - 1) / 2`. Where `x` lies
//! outside,
//! `padding_mode` says what is read. Bilinear: `output[n,c,p] = sum of input[n,c,i,j] (1 - |y - i|) (1 - |x - j|)` over the up
//! to four
//! pixels nearer than 1 along both sides; nearest: the pixel at `y` and `x` rounded, halves to the even one.
//!
//! Why ops of their own and not gathers: four gathered corners are four times the output in memory, and their indices, which
//! `gather` wants for each channel, as much again. The gradient by the input is a sum by index. Its order is fixed: the points,
//! not their corners, are sorted by the cell between four pixels that they lie in, with the kernels of
//! `embedding_backward`; a pixel then adds up the points of the four cells around it, which lie side by side in pairs. So
//! each point is sorted once for all channels, and 20 bytes of scratch a point and 4 a cell are enough. Where very many
//! points lie in one cell, its pixels add them up one after the other.
//!
//! A coordinate that is not a finite number reads nothing out of bounds. As PyTorch's CPU has it: with zeros outside, a
//! bilinear result is NaN, the gradient by that coordinate's partner is NaN and the input has none, the nearest pixel is
//! outside, 0; else infinite ones are at the ends (border) or at the first pixel (reflection), NaN at the first pixel, without
//! a gradient. (PyTorch's documentation says that NaN is taken for -1, and its CPU's gradient for NaN with border or reflection
//! ends the process.)

use super::{Rule, count, dims, elements, f32s, same};
use crate::error::Mismatch;
use crate::ops::Halves;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// How a point between pixels is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GridMode {
    /// From the four pixels around it, by their distance.
    #[default]
    Bilinear,
    /// From the nearest pixel; halves go to the even one. It has no gradient by the grid: that is 0.
    Nearest,
}

/// What a point outside the image reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GridPadding {
    /// Zeros lie around the image.
    #[default]
    Zeros,
    /// The nearest point of the image.
    Border,
    /// The point reflected at the ends until it lies inside: at the centres of the outermost pixels with `align_corners`, else
    /// at their outer edges.
    Reflection,
}

/// `input (N, C, H, W), grid (N, OH, OW, 2)` of points `(x, y)` to `(N, C, OH, OW)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GridSample {
    /// Bilinear.
    pub mode: GridMode,
    /// Zeros.
    pub padding_mode: GridPadding,
    /// Whether -1 and 1 are the centres of the outermost pixels, not their outer edges; false.
    pub align_corners: bool,
}

/// The sizes of an image and its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GridSizes {
    /// N.
    pub(crate) images: usize,
    /// C.
    pub(crate) channels: usize,
    /// H.
    pub(crate) h: usize,
    /// W.
    pub(crate) w: usize,
    /// OH.
    pub(crate) oh: usize,
    /// OW.
    pub(crate) ow: usize,
}

impl GridSizes {
    /// Points of an image.
    pub(crate) fn points(&self) -> usize {
        self.oh * self.ow
    }

    /// Cells between four pixels, the outside ones among them, of an image.
    pub(crate) fn cells(&self) -> usize {
        (self.h + 1) * (self.w + 1)
    }

    fn output(&self) -> TensorType {
        TensorType::f32([self.images, self.channels, self.oh, self.ow])
    }
}

/// Pixels of a side at most: a coordinate has as many digits.
const LONGEST: usize = 1 << 22;

impl GridSample {
    /// Bilinear with zeros outside: PyTorch's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How a point between pixels is read.
    #[must_use]
    pub fn mode(self, mode: GridMode) -> Self {
        Self { mode, ..self }
    }

    /// What a point outside reads.
    #[must_use]
    pub fn padding_mode(self, padding_mode: GridPadding) -> Self {
        Self { padding_mode, ..self }
    }

    /// Whether -1 and 1 are the centres of the outermost pixels.
    #[must_use]
    pub fn align_corners(self, align_corners: bool) -> Self {
        Self { align_corners, ..self }
    }

    /// The sizes of an input and a grid, if they fit.
    pub(crate) fn sizes(&self, input: &Shape, grid: &TensorType) -> Result<GridSizes, Mismatch> {
        let [images, channels, h, w] = input[..] else {
            return Err(Mismatch::new("input (N, C, H, W)", format!("{input}")));
        };
        let [of, oh, ow, coordinates] = dims(grid, "a grid (N, OH, OW, 2)")?;
        Mismatch::check(of == images, format!("a grid of {images} images, as the input"), of.to_string())?;
        Mismatch::check(
            coordinates == 2,
            "a grid of points (x, y), 2 numbers each",
            coordinates.to_string(),
        )?;
        let fits = h.max(w) <= LONGEST;
        Mismatch::check(fits, format!("sides of at most {LONGEST} pixels"), format!("{h} and {w}"))?;
        let sizes = GridSizes { images, channels, h, w, oh, ow };
        // Kernels number cells and points in 32 bits.
        let cells = images.saturating_mul(sizes.cells());
        let expected = format!("fewer than {} cells between pixels", u32::MAX);
        Mismatch::check(cells < u32::MAX as usize, expected, cells.to_string())?;
        Shape::check(&sizes.output().shape)?;
        Ok(sizes)
    }

    fn described(&self) -> String {
        let mode = match self.mode {
            GridMode::Bilinear => "bilinear",
            GridMode::Nearest => "nearest",
        };
        let padding = match self.padding_mode {
            GridPadding::Zeros => "zeros",
            GridPadding::Border => "border",
            GridPadding::Reflection => "reflection",
        };
        format!("{mode} {padding}{}", if self.align_corners { " align_corners" } else { "" })
    }

    /// Operations of a point for each channel.
    fn cost(&self) -> u64 {
        match self.mode {
            GridMode::Bilinear => 8,
            GridMode::Nearest => 1,
        }
    }
}

impl Rule for GridSample {
    const NAME: &'static str = "grid_sample";

    fn attributes(&self) -> String {
        self.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input, grid] = f32s(inputs)?;
        Ok(vec![self.sizes(&input.shape, grid)?.output()])
    }

    fn halves(&self) -> Halves {
        Halves::First(1, 1)
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        self.cost() * elements(outputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}

/// `grad_output (N, C, OH, OW), grid (N, OH, OW, 2)` to `grad_input (N, C, H, W)`: each pixel takes the errors of the points
/// that read it, by the same weights.
#[derive(Debug, Clone, PartialEq)]
pub struct GridSampleBackwardInput {
    /// The forward op.
    pub options: GridSample,
    /// The shape of its input.
    pub input: Shape,
}

impl Rule for GridSampleBackwardInput {
    const NAME: &'static str = "grid_sample_backward_input";

    fn attributes(&self) -> String {
        self.options.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, grid] = f32s(inputs)?;
        Shape::check(&self.input)?;
        same("grad_output", &self.options.sizes(&self.input, grid)?.output(), grad)?;
        Ok(vec![TensorType::f32(self.input.clone())])
    }

    fn halves(&self) -> Halves {
        Halves::First(1, 1)
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        self.options.cost() * elements(inputs)
    }
}

/// `grad_output (N, C, OH, OW), input (N, C, H, W), grid (N, OH, OW, 2)` to `grad_grid (N, OH, OW, 2)`: the slope of the
/// bilinear surface at each point, 0 where the padding holds a coordinate at an end, times the error, added up over the
/// channels.
/// Nearest pixels have none: all 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GridSampleBackwardGrid(pub GridSample);

impl Rule for GridSampleBackwardGrid {
    const NAME: &'static str = "grid_sample_backward_grid";

    fn attributes(&self) -> String {
        self.0.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, input, grid] = count(inputs)?;
        f32s::<3>(&[grad, input, grid])?;
        let smooth = self.0.mode == GridMode::Bilinear;
        Mismatch::check(smooth, "bilinear mode: the nearest pixel has no slope", "nearest")?;
        same("grad_output", &self.0.sizes(&input.shape, grid)?.output(), grad)?;
        Ok(vec![grid.clone()])
    }

    fn halves(&self) -> Halves {
        Halves::First(2, 0)
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        16 * elements(inputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
