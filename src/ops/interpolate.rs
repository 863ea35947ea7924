//! Interpolation along a dimension as a matrix, by PyTorch's formulas.
//!
//! Weights are computed in f64, as PyTorch does for double; its weights for float are computed in f32 and differ from these
//! in the last bits. The element that `nearest` takes follows from a step and is found in f32, as PyTorch does for float.

use super::SparseRows;
use crate::error::Mismatch;
use crate::shape::MAX_ELEMENTS;

/// How elements in between are found, with PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterpolateMode {
    /// The element at or before the position; PyTorch's default.
    Nearest,
    /// The element that is nearest.
    NearestExact,
    /// Between two neighbours, of 3 dimensions.
    Linear,
    /// The same along two, of 4 dimensions.
    Bilinear,
    /// The same along three, of 5 dimensions.
    Trilinear,
    /// Between four neighbours each, of 4 dimensions.
    Bicubic,
    /// The mean of what an element covers, as adaptive_avg_pool.
    Area,
}

impl InterpolateMode {
    /// Every mode, and its name.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Nearest, "nearest"),
        (Self::NearestExact, "nearest-exact"),
        (Self::Linear, "linear"),
        (Self::Bilinear, "bilinear"),
        (Self::Trilinear, "trilinear"),
        (Self::Bicubic, "bicubic"),
        (Self::Area, "area"),
    ];

    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }

    /// Dimensions of what it works on, with batch and channels.
    fn rank(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Nearest | Self::NearestExact | Self::Area => 3..=5,
            Self::Linear => 3..=3,
            Self::Bilinear | Self::Bicubic => 4..=4,
            Self::Trilinear => 5..=5,
        }
    }
}

/// The new sizes of the dimensions behind batch and channels, one for all or one each.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    Size(Vec<usize>),
    Scale(Vec<f64>),
}

/// The attributes of interpolate, with PyTorch's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Interpolate {
    target: Target,
    mode: InterpolateMode,
    align_corners: bool,
    recompute_scale_factor: bool,
    antialias: bool,
}

impl Interpolate {
    fn new(target: Target) -> Self {
        let mode = InterpolateMode::Nearest;
        Self { target, mode, align_corners: false, recompute_scale_factor: false, antialias: false }
    }

    /// To these sizes, one for all dimensions or one each.
    pub fn size(sizes: &[usize]) -> Self {
        Self::new(Target::Size(sizes.to_vec()))
    }

    /// By these factors, one for all dimensions or one each: `floor(size * factor)` elements.
    pub fn scale_factor(factors: &[f64]) -> Self {
        Self::new(Target::Scale(factors.to_vec()))
    }

    /// Sets the mode; nearest unless it is set.
    #[must_use]
    pub fn mode(self, mode: InterpolateMode) -> Self {
        Self { mode, ..self }
    }

    /// Sets whether the middles of the elements at the corners stay where they are; false. For linear and cubic modes.
    #[must_use]
    pub fn align_corners(self, align_corners: bool) -> Self {
        Self { align_corners, ..self }
    }

    /// Sets whether positions follow from the sizes, instead of from the factors that were given; false.
    #[must_use]
    pub fn recompute_scale_factor(self, recompute_scale_factor: bool) -> Self {
        Self { recompute_scale_factor, ..self }
    }

    /// Sets whether a smaller result is filtered first, as image libraries do; false. For bilinear and bicubic.
    #[must_use]
    pub fn antialias(self, antialias: bool) -> Self {
        Self { antialias, ..self }
    }

    /// The matrices along the dimensions behind batch and channels, for a tensor of these sizes.
    pub(crate) fn matrices(&self, shape: &[usize]) -> Result<Vec<SparseRows>, Mismatch> {
        let (mode, rank) = (self.mode, self.mode.rank());
        let ranks = format!("{} to {} dimensions for {}", rank.start(), rank.end(), mode.name());
        Mismatch::check(rank.contains(&shape.len()), ranks, shape.len().to_string())?;
        let stepped = [InterpolateMode::Nearest, InterpolateMode::NearestExact, InterpolateMode::Area];
        let expected = "align_corners with linear, bilinear, trilinear or bicubic";
        Mismatch::check(!self.align_corners || !stepped.contains(&mode), expected, mode.name())?;
        let filters = [InterpolateMode::Bilinear, InterpolateMode::Bicubic].contains(&mode);
        Mismatch::check(!self.antialias || filters, "antialias with bilinear or bicubic", mode.name())?;
        shape[2..]
            .iter()
            .enumerate()
            .map(|(d, &size)| self.axis(d, size, shape.len() - 2)?.matrix())
            .collect()
    }

    /// How dimension `d` of so many changes.
    fn axis(&self, d: usize, size: usize, dims: usize) -> Result<Axis<'_>, Mismatch> {
        let given = match &self.target {
            Target::Size(sizes) => sizes.len(),
            Target::Scale(factors) => factors.len(),
        };
        let one_each = given == 1 || given == dims;
        Mismatch::check(
            one_each,
            format!("a size or factor for all or for each of {dims}"),
            given.to_string(),
        )?;
        let at = if given == 1 { 0 } else { d };
        let (output, factor) = match &self.target {
            Target::Size(sizes) => {
                Mismatch::check(!self.recompute_scale_factor, "factors to recompute", "sizes")?;
                (sizes[at], None)
            }
            Target::Scale(factors) => {
                let factor = factors[at];
                let valid = factor.is_finite() && factor > 0.0;
                Mismatch::check(valid, "a factor above 0", factor.to_string())?;
                // A quotient that is too large for a size is refused as one.
                let output = (size as f64 * factor).floor().min(MAX_ELEMENTS as f64 + 1.0) as usize;
                (output, Some(factor).filter(|_| !self.recompute_scale_factor))
            }
        };
        let fits = (1..=MAX_ELEMENTS).contains(&output);
        Mismatch::check(fits, "an output of at least 1", format!("{output} from {size}"))?;
        Ok(Axis { options: self, input: size, output, factor })
    }
}

/// One dimension: sizes, and the factor that was given for it.
struct Axis<'a> {
    options: &'a Interpolate,
    input: usize,
    output: usize,
    factor: Option<f64>,
}

/// The weight of an element at a distance.
type Filter = fn(f64) -> f64;

/// Bartlett's triangle.
fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys' cubic convolution with slope `a` at 1.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

impl Axis<'_> {
    fn matrix(&self) -> Result<SparseRows, Mismatch> {
        use InterpolateMode::*;
        let (input, rows) = (self.input, 0..self.output);
        match self.options.mode {
            Nearest => SparseRows::gather(input, rows.map(|t| Some(self.nearest(t, 0.0)))),
            NearestExact => SparseRows::gather(input, rows.map(|t| Some(self.nearest(t, 0.5)))),
            Area => super::windows::adaptive(input, self.output),
            Linear | Bilinear | Trilinear | Bicubic if self.options.antialias => self.filtered(),
            Linear | Bilinear | Trilinear => SparseRows::new(input, rows.map(|t| self.linear(t))),
            Bicubic => SparseRows::new(input, rows.map(|t| self.bicubic(t))),
        }
    }

    /// Inputs from one output to the next.
    fn scale(&self) -> f64 {
        match (self.options.align_corners, self.factor) {
            (true, _) if self.output > 1 => (self.input - 1) as f64 / (self.output - 1) as f64,
            (true, _) => 0.0,
            (false, Some(factor)) => 1.0 / factor,
            (false, None) => self.input as f64 / self.output as f64,
        }
    }

    /// Where among the inputs the middle of an output lies.
    fn position(&self, t: usize) -> f64 {
        let (scale, t) = (self.scale(), t as f64);
        if self.options.align_corners { scale * t } else { scale * (t + 0.5) - 0.5 }
    }

    fn nearest(&self, t: usize, middle: f32) -> usize {
        let scale =
            self.factor.map_or(self.input as f32 / self.output as f32, |factor| (1.0 / factor) as f32);
        let at = ((t as f32 + middle) * scale).floor() as usize;
        // Sizes that agree are copied, twice as many repeated, whatever the factor.
        let plain = middle == 0.0;
        match self.output {
            same if plain && same == self.input => t,
            double if plain && double == 2 * self.input => t / 2,
            _ => at.min(self.input - 1),
        }
    }

    fn linear(&self, t: usize) -> Vec<(usize, f64)> {
        if self.output == self.input {
            return vec![(t, 1.0)];
        }
        let position = self.position(t).max(0.0);
        let at = (position.floor() as usize).min(self.input - 1);
        let fraction = (position - at as f64).clamp(0.0, 1.0);
        vec![(at, 1.0 - fraction), ((at + 1).min(self.input - 1), fraction)]
    }

    fn bicubic(&self, t: usize) -> Vec<(usize, f64)> {
        let (position, last) = (self.position(t), self.input as i64 - 1);
        let at = (position.floor() as i64).min(last);
        let fraction = (position - at as f64).clamp(0.0, 1.0);
        let entry = |k: i64| ((at + k).clamp(0, last) as usize, cubic(fraction - k as f64, -0.75));
        (-1..=2).map(entry).collect()
    }

    /// Weights of a filter that is as wide as an output where that covers several inputs, and add up to 1. As PyTorch has it,
    /// aligned corners change the distance of the outputs alone: the first does not lie on the first input.
    fn filtered(&self) -> Result<SparseRows, Mismatch> {
        let (reach, filter): (f64, Filter) = match self.options.mode {
            InterpolateMode::Bicubic => (2.0, |x| cubic(x, -0.5)),
            _ => (1.0, triangle),
        };
        let wide = self.scale().max(1.0);
        let row = |t: usize| {
            let middle = self.scale() * (t as f64 + 0.5);
            let first = ((middle - reach * wide + 0.5) as i64).max(0);
            let end = ((middle + reach * wide + 0.5) as i64).min(self.input as i64);
            let weight = |at: i64| filter((at as f64 - middle + 0.5) / wide);
            let sum: f64 = (first..end).map(weight).sum();
            let entry = move |at: i64| (at as usize, weight(at) / sum);
            (first..end).map(entry).collect::<Vec<_>>()
        };
        SparseRows::new(self.input, (0..self.output).map(row))
    }
}
