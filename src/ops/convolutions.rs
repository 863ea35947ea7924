//! What becomes conv2d and its input gradient: convolutions of lines, transposed ones, images that are padded by a mode.

use super::{Conv2d, Pad};
use crate::error::Mismatch;
use crate::shape::{MAX_ELEMENTS, Padding, Pair, Shape, Window};

/// Elements at both ends of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ends {
    /// Before the first.
    pub left: usize,
    /// Behind the last.
    pub right: usize,
}

impl From<usize> for Ends {
    fn from(both: usize) -> Self {
        Self { left: both, right: both }
    }
}

impl From<(usize, usize)> for Ends {
    /// `(left, right)`.
    fn from((left, right): (usize, usize)) -> Self {
        Self { left, right }
    }
}

impl From<Ends> for Padding {
    fn from(Ends { left, right }: Ends) -> Self {
        Self { top: 0, bottom: 0, left, right }
    }
}

/// How much a convolution is padded: by numbers, or by PyTorch's words. `Sides` is a [`Padding`] for images and [`Ends`] for
/// lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConvPadding<Sides = Padding> {
    /// So much.
    Sides(Sides),
    /// So much that the output is as large as the input, which takes a stride of 1: `dilation (kernel - 1)` in all, of which
    /// the smaller half comes first.
    Same,
    /// Nothing.
    Valid,
}

impl<Sides: From<usize>> From<usize> for ConvPadding<Sides> {
    fn from(all: usize) -> Self {
        Self::Sides(all.into())
    }
}

impl<Sides: From<(usize, usize)>> From<(usize, usize)> for ConvPadding<Sides> {
    fn from(two: (usize, usize)) -> Self {
        Self::Sides(two.into())
    }
}

impl From<Padding> for ConvPadding {
    fn from(padding: Padding) -> Self {
        Self::Sides(padding)
    }
}

impl From<Ends> for ConvPadding<Ends> {
    fn from(ends: Ends) -> Self {
        Self::Sides(ends)
    }
}

impl<Sides: Into<Padding>> ConvPadding<Sides> {
    /// The same for an image.
    fn of_image(self) -> ConvPadding {
        match self {
            Self::Sides(sides) => ConvPadding::Sides(sides.into()),
            Self::Same => ConvPadding::Same,
            Self::Valid => ConvPadding::Valid,
        }
    }
}

impl ConvPadding {
    /// In numbers, for a kernel.
    pub(crate) fn sides(self, kernel: Pair, options: &Conv2d) -> Result<Padding, Mismatch> {
        let Conv2d { stride, dilation, .. } = options;
        let halves = |kernel: usize, dilation: usize| {
            let all = kernel.saturating_sub(1).saturating_mul(dilation);
            (all / 2, all - all / 2)
        };
        match self {
            Self::Sides(padding) => Ok(padding),
            Self::Valid => Ok(0.into()),
            Self::Same => {
                let ones = *stride == Pair::from(1);
                Mismatch::check(ones, "a stride of 1 for padding that keeps the size", stride.to_string())?;
                let ((top, bottom), (left, right)) =
                    (halves(kernel.h, dilation.h), halves(kernel.w, dilation.w));
                Ok(Padding { top, bottom, left, right })
            }
        }
    }
}

/// What a convolution is padded with, with PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// See [`Pad::Reflect`].
    Reflect,
    /// See [`Pad::Replicate`].
    Replicate,
    /// See [`Pad::Circular`].
    Circular,
}

impl PaddingMode {
    /// How the image is padded before; `None` for zeros, which the convolution has of its own.
    pub(crate) fn pad(self) -> Option<Pad> {
        match self {
            Self::Zeros => None,
            Self::Reflect => Some(Pad::Reflect),
            Self::Replicate => Some(Pad::Replicate),
            Self::Circular => Some(Pad::Circular),
        }
    }
}

/// The attributes of a convolution of lines, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv1d {
    /// Step of the window; 1.
    pub stride: usize,
    /// How much is added to the line; 0.
    pub padding: ConvPadding<Ends>,
    /// Of what; zeros.
    pub padding_mode: PaddingMode,
    /// Distance of two taps; 1.
    pub dilation: usize,
    /// Blocks of channels that do not see each other; 1.
    pub groups: usize,
}

impl Default for Conv1d {
    fn default() -> Self {
        Self { stride: 1, padding: 0.into(), padding_mode: PaddingMode::Zeros, dilation: 1, groups: 1 }
    }
}

impl Conv1d {
    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the padding: a number, `(left, right)`, [`ConvPadding::Same`] or [`ConvPadding::Valid`].
    #[must_use]
    pub fn padding(self, padding: impl Into<ConvPadding<Ends>>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets what the line is padded with.
    #[must_use]
    pub fn padding_mode(self, padding_mode: PaddingMode) -> Self {
        Self { padding_mode, ..self }
    }

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Sets the number of groups.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The convolution of images of one row that it is, but for its padding.
    pub(crate) fn of_rows(&self) -> (Conv2d, ConvPadding) {
        let along = |w| Pair { h: 1, w };
        let options = Conv2d::default().stride(along(self.stride)).dilation(along(self.dilation));
        (options.groups(self.groups), self.padding.of_image())
    }
}

/// The attributes of a transposed convolution of images, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvTranspose2d {
    /// Distance of two input pixels in the output; 1.
    pub stride: Pair,
    /// What is cut off each side of the output; 0.
    pub padding: Padding,
    /// Rows and columns that the output has more at the bottom and on the right, less than the stride or the dilation; 0.
    pub output_padding: Pair,
    /// Distance of two taps; 1.
    pub dilation: Pair,
    /// Blocks of channels that do not see each other; 1.
    pub groups: usize,
}

impl Default for ConvTranspose2d {
    fn default() -> Self {
        let (one, none) = (Pair::from(1), 0.into());
        Self { stride: one, padding: none, output_padding: 0.into(), dilation: one, groups: 1 }
    }
}

impl ConvTranspose2d {
    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// Sets the padding.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets the output padding.
    #[must_use]
    pub fn output_padding(self, output_padding: impl Into<Pair>) -> Self {
        Self { output_padding: output_padding.into(), ..self }
    }

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { dilation: dilation.into(), ..self }
    }

    /// Sets the number of groups.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Along the height and along the width, for a kernel.
    fn sides(&self, kernel: Pair) -> [Side; 2] {
        let Self { stride: s, padding: p, output_padding: more, dilation: d, .. } = *self;
        let side = |axis, kernel, stride, before, after, dilation, more| Side {
            axis,
            window: Window { input: 1, kernel, stride, before, after, dilation, ceil: false },
            more,
        };
        [
            side("height", kernel.h, s.h, p.top, p.bottom, d.h, more.h),
            side("width", kernel.w, s.w, p.left, p.right, d.w, more.w),
        ]
    }

    /// With the output padding that gives an output of `size` for an input and a kernel of these sizes.
    pub(crate) fn for_output(self, size: Pair, input: Pair, kernel: Pair) -> Result<Self, Mismatch> {
        let [rows, columns] = Self { output_padding: 0.into(), ..self }.sides(kernel);
        let (h, w) = (rows.missing(input.h, size.h)?, columns.missing(input.w, size.w)?);
        Ok(self.output_padding(Pair { h, w }))
    }

    /// The convolution whose input gradient this is, for an input `(N, C, H, W)` and a weight `(C, K / groups, R, S)`.
    pub(crate) fn transposed(&self, input: &Shape, weight: &Shape) -> Result<Transposed, Mismatch> {
        let rank4 = |shape: &Shape, what: &str| -> Result<[usize; 4], Mismatch> {
            shape[..].try_into().map_err(|_| Mismatch::new(what, shape.to_string()))
        };
        let [n, c, h, w] = rank4(input, "input (N, C, H, W)")?;
        let [from, k_group, r, s] = rank4(weight, "weight (C, K / groups, R, S)")?;
        let groups = self.groups;
        Mismatch::check(groups > 0, "groups of at least 1", "0")?;
        let fits = c.is_multiple_of(groups);
        Mismatch::check(
            fits,
            format!("{c} input channels divisible by groups"),
            format!("groups = {groups}"),
        )?;
        let got = format!("{from} in weight {weight}, input {input}");
        Mismatch::check(from == c, format!("weight with {c} input channels"), got)?;
        let channels = k_group.saturating_mul(groups);
        let [rows, columns] = self.sides(Pair { h: r, w: s });
        let (rows, columns) = (rows.laid(h)?, columns.laid(w)?);
        let padding = Padding { bottom: rows.after, right: columns.after, ..self.padding };
        let options = Conv2d { stride: self.stride, padding, dilation: self.dilation, groups };
        let output = Shape::from([n, channels, rows.output, columns.output]);
        output.check()?;
        Ok(Transposed { options, output, behind: Pair { h: rows.behind, w: columns.behind } })
    }
}

/// A transposed convolution as an input gradient.
pub(crate) struct Transposed {
    /// The convolution.
    pub(crate) options: Conv2d,
    /// Its input `(N, K, OH, OW)`.
    pub(crate) output: Shape,
    /// Rows and columns of zeros that come behind it.
    pub(crate) behind: Pair,
}

/// A transposed convolution along one side: the window of the convolution that it transposes, whose input is not known yet.
struct Side {
    axis: &'static str,
    window: Window,
    /// The output padding.
    more: usize,
}

/// The convolution that a side becomes.
struct Laid {
    /// Its padding behind.
    after: usize,
    /// Its input's size.
    output: usize,
    /// Zeros that come behind.
    behind: usize,
}

impl Side {
    /// What taps reach, and what of it is cut off.
    fn reached(&self, input: usize) -> Result<(usize, usize), Mismatch> {
        let (axis, w) = (self.axis, &self.window);
        for (name, value) in [("kernel", w.kernel), ("stride", w.stride), ("dilation", w.dilation)] {
            let expected = format!("{name} of 1 to {MAX_ELEMENTS} along the {axis}");
            Mismatch::check((1..=MAX_ELEMENTS).contains(&value), expected, value.to_string())?;
        }
        let all = input.saturating_sub(1).saturating_mul(w.stride).saturating_add(w.extent());
        Ok((all, w.before.saturating_add(w.after)))
    }

    fn laid(&self, input: usize) -> Result<Laid, Mismatch> {
        let (axis, more, Window { stride, dilation, before, after, .. }) =
            (self.axis, self.more, self.window);
        let (all, cut) = self.reached(input)?;
        let most = stride.max(dilation);
        let expected = format!("output padding below {most}, the stride or the dilation along the {axis}");
        Mismatch::check(more < most, expected, more.to_string())?;
        let got =
            || format!("{input} spread over {all}, {cut} cut off, output padding {more} along the {axis}");
        // A convolution drops what is less than its stride; the rest lies in the padding, or behind.
        let moved = if more < stride { 0 } else { more.min(after) };
        let left = more - moved;
        let behind = if left < stride { 0 } else { left };
        let output = all.saturating_add(more).checked_sub(cut.saturating_add(behind));
        let output = output.filter(|size| (1..=MAX_ELEMENTS).contains(size));
        let output = output.ok_or_else(|| Mismatch::new("an output of at least 1", got()))?;
        // What is cut off in front leaves something that the last tap reaches.
        Mismatch::check(before < all, "an output that taps reach", got())?;
        Ok(Laid { after: after - moved, output, behind })
    }

    /// The output padding that `size` takes.
    fn missing(&self, input: usize, size: usize) -> Result<usize, Mismatch> {
        let (all, cut) = self.reached(input)?;
        let least = all.saturating_sub(cut);
        let most = least.saturating_add(self.window.stride - 1);
        let expected = format!("an output size of {least} to {most} along the {}", self.axis);
        Mismatch::check((least..=most).contains(&size), expected, size.to_string())?;
        Ok(size - least)
    }
}

/// The attributes of a transposed convolution of lines, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvTranspose1d {
    /// Distance of two input elements in the output; 1.
    pub stride: usize,
    /// What is cut off each end of the output; 0.
    pub padding: Ends,
    /// Elements that the output has more at the end, less than the stride or the dilation; 0.
    pub output_padding: usize,
    /// Distance of two taps; 1.
    pub dilation: usize,
    /// Blocks of channels that do not see each other; 1.
    pub groups: usize,
}

impl Default for ConvTranspose1d {
    fn default() -> Self {
        Self { stride: 1, padding: 0.into(), output_padding: 0, dilation: 1, groups: 1 }
    }
}

impl ConvTranspose1d {
    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the padding: a number, or `(left, right)`.
    #[must_use]
    pub fn padding(self, padding: impl Into<Ends>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets the output padding.
    #[must_use]
    pub fn output_padding(self, output_padding: usize) -> Self {
        Self { output_padding, ..self }
    }

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Sets the number of groups.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The transposed convolution of images of one row that it is.
    pub(crate) fn of_rows(&self) -> ConvTranspose2d {
        let along = |w| Pair { h: 1, w };
        let options = ConvTranspose2d::default().stride(along(self.stride)).dilation(along(self.dilation));
        let options = options.output_padding(Pair { h: 0, w: self.output_padding });
        options.padding(self.padding).groups(self.groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ConvGeometry;

    /// Every small transposed convolution is the gradient of a convolution whose output is its input, as large as PyTorch's.
    #[test]
    fn a_transposed_convolution_fits_the_convolution() {
        let mut seen = 0;
        for (input, kernel, stride, dilation) in
            (0..81).map(|i| (1 + i % 3, 1 + i / 3 % 3, 1 + i / 9 % 3, 1 + i / 27 % 3))
        {
            for (before, after, more) in (0..27).map(|i| (i % 3, i / 3 % 3, i / 9)) {
                let options =
                    ConvTranspose1d::default().stride(stride).dilation(dilation).output_padding(more);
                let options = options.padding((before, after)).of_rows();
                let (x, w) = (Shape::from([1, 1, 1, input]), Shape::from([1, 1, 1, kernel]));
                let size = ((input - 1) * stride + dilation * (kernel - 1) + 1 + more) as i64
                    - (before + after) as i64;
                let Ok(found) = options.transposed(&x, &w) else {
                    let unreached = before > (input - 1) * stride + dilation * (kernel - 1);
                    assert!(size < 1 || more >= stride.max(dilation) || unreached, "{options:?}");
                    continue;
                };
                seen += 1;
                assert_eq!((found.output[3] + found.behind.w) as i64, size, "{options:?}");
                let geometry = ConvGeometry::new(&found.options, &found.output, &w).unwrap();
                assert_eq!(geometry.output(), x, "{options:?} of {kernel}");
            }
        }
        assert!(seen > 500, "{seen}");
    }
}
