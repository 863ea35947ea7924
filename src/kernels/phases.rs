//! Phases of an input gradient with strides: `shaders/common/conv2d_phases.wgsl`.
//!
//! Pixel `y` of the target takes part in tap `r` where the stride `s` divides `y + padding - r * dilation`. Pixels
//! that agree modulo `s` therefore share their taps, and among them the sum is a dense convolution: no tap is tried in
//! vain.

use crate::ops::ConvGeometry;
use minijinja::{Value, context};

/// The phases along one side.
#[derive(Debug, PartialEq)]
struct Side {
    /// Of each phase: its first pixel, its first tap, how many taps, and the pixel of the source that the first pixel
    /// takes by the first tap.
    table: Vec<[isize; 4]>,
    /// From a tap of a phase to the next, and how much further back it reads.
    step: usize,
    delta: usize,
    /// The most pixels of a phase.
    pixels: usize,
}

impl Side {
    fn new(stride: usize, dilation: usize, padding: usize, taps: usize, pixels: usize) -> Self {
        let common = gcd(dilation, stride);
        let (step, delta) = (stride / common, dilation / common);
        let phase = |p: usize| {
            // The phase holds the pixels y for which y + padding is p modulo the stride.
            let first = (p + stride - padding % stride) % stride;
            match (0..step.min(taps)).find(|tap| tap * dilation % stride == p) {
                None => [first as isize, 0, 0, 0],
                Some(tap) => {
                    let from = (first + padding) as isize - (tap * dilation) as isize;
                    [
                        first as isize,
                        tap as isize,
                        (taps - tap).div_ceil(step) as isize,
                        from / stride as isize,
                    ]
                }
            }
        };
        Self { table: (0..stride).map(phase).collect(), step, delta, pixels: pixels.div_ceil(stride) }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The phases of an input gradient along height and width.
pub(super) struct Phases([Side; 2]);

impl Phases {
    /// `None` where no stride is larger than 1.
    pub(super) fn new(g: &ConvGeometry) -> Option<Self> {
        let o = &g.options;
        let h = Side::new(o.stride.h, o.dilation.h, o.padding.top, g.r, g.h);
        let w = Side::new(o.stride.w, o.dilation.w, o.padding.left, g.s, g.w);
        (o.stride.h * o.stride.w > 1).then_some(Self([h, w]))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|side| side.table.len()).product()
    }

    /// The most taps of one.
    pub(super) fn most_taps(&self) -> usize {
        let of = |side: &Side| side.table.iter().map(|[_, _, taps, _]| *taps as usize).max().unwrap_or(0);
        self.0.iter().map(of).product()
    }

    /// The most pixels of one, height and width.
    pub(super) fn grid(&self) -> [usize; 2] {
        [self.0[0].pixels, self.0[1].pixels]
    }

    /// As the shaders name them.
    pub(super) fn values(&self) -> Value {
        let side = |side: &Side| {
            let Side { table, step, delta, .. } = side;
            context! { table, step, delta }
        };
        context! { count => self.count(), h => side(&self.0[0]), w => side(&self.0[1]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_meets_its_taps_and_no_other() {
        for stride in 1..5usize {
            for dilation in 1..5 {
                for padding in 0..7 {
                    for taps in 1..6 {
                        let (pixels, mut met) = (11, Vec::new());
                        let side = Side::new(stride, dilation, padding, taps, pixels);
                        for &[first, tap, count, from] in &side.table {
                            for i in 0..side.pixels {
                                let y = first as usize + i * stride;
                                for j in 0..count as usize {
                                    let r = tap as usize + j * side.step;
                                    let source = from + i as isize - (j * side.delta) as isize;
                                    met.extend((y < pixels).then_some((y, r, source)));
                                }
                            }
                        }
                        met.sort_unstable();
                        let all = (0..pixels).flat_map(|y| (0..taps).map(move |r| (y, r)));
                        let expected: Vec<_> = all
                            .filter_map(|(y, r)| {
                                let up = (y + padding) as isize - (r * dilation) as isize;
                                let s = stride as isize;
                                (up.rem_euclid(s) == 0).then_some((y, r, up.div_euclid(s)))
                            })
                            .collect();
                        assert_eq!(met, expected, "{stride} {dilation} {padding} {taps}");
                    }
                }
            }
        }
    }
}
