//! What augmentations do to the pixels of one image.

use super::Statistics;
use super::warp::{self, Map};
use crate::random::Rng;

/// An image that is being changed.
pub(super) struct Image<'a> {
    /// `(C, H, W)`.
    pub(super) values: &'a mut [f32],
    /// Height and width.
    pub(super) size: [usize; 2],
    /// What it was normalised by.
    pub(super) by: Option<&'a Statistics>,
}

impl Image<'_> {
    fn planes(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let plane = self.size[0] * self.size[1];
        self.values.chunks_mut(plane.max(1))
    }

    /// Mean and deviation of a channel; 0 and 1 where images are not normalised.
    fn scale(&self, channel: usize) -> (f32, f32) {
        let of = |all: &[f32], usual: f32| all.get(channel).copied().unwrap_or(usual);
        self.by.map_or((0.0, 1.0), |by| (of(&by.mean, 0.0), of(&by.std, 1.0)))
    }

    pub(super) fn warp(&mut self, map: &Map) {
        let size = self.size;
        let channels = self.values.len() / (size[0] * size[1]).max(1);
        let black: Vec<f32> = (0..channels).map(|c| self.scale(c)).map(|(mean, std)| -mean / std).collect();
        self.planes().zip(black).for_each(|(plane, black)| warp::warp(plane, size, map, black));
    }

    pub(super) fn resize(&mut self, part: [usize; 4]) {
        let size = self.size;
        self.planes().for_each(|plane| warp::resize(plane, size, part));
    }

    pub(super) fn flip_rows(&mut self) {
        let [h, w] = self.size;
        for plane in self.planes() {
            for row in 0..h / 2 {
                let (above, below) = plane.split_at_mut((h - 1 - row) * w);
                above[row * w..][..w].swap_with_slice(&mut below[..w]);
            }
        }
    }

    pub(super) fn erase(&mut self, [y, x, height, width]: [usize; 4]) {
        let w = self.size[1];
        for plane in self.planes() {
            plane.chunks_mut(w).skip(y).take(height).for_each(|row| row[x..x + width].fill(0.0));
        }
    }

    /// Changes all pixels in `[0, 1]`, a channel after the other.
    fn pixels(&mut self, mut change: impl FnMut(&mut [f32])) {
        let scales: Vec<(f32, f32)> =
            (0..self.values.len() / (self.size[0] * self.size[1]).max(1)).map(|c| self.scale(c)).collect();
        for (plane, (mean, std)) in self.planes().zip(&scales) {
            plane.iter_mut().for_each(|value| *value = *value * std + mean);
        }
        change(self.values);
        for (plane, (mean, std)) in self.planes().zip(&scales) {
            plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
        }
    }

    pub(super) fn noise(&mut self, std: f64, draws: &mut Rng) {
        let clip = self.by.is_some();
        self.pixels(|all| {
            for value in all {
                *value += (draws.normal() * std) as f32;
                *value = if clip { value.clamp(0.0, 1.0) } else { *value };
            }
        });
    }

    pub(super) fn jitter(&mut self, strengths: [f64; 3], draws: &mut Rng) {
        let plane = self.size[0] * self.size[1];
        let mut order = [0, 1, 2];
        draws.shuffle(&mut order);
        let factors = strengths.map(|by| draws.range((1.0 - by).max(0.0), 1.0 + by) as f32);
        self.pixels(|all| {
            for change in order {
                let factor = factors[change];
                let blend = |value: &mut f32, other: f32| {
                    *value = (factor * *value + (1.0 - factor) * other).clamp(0.0, 1.0);
                };
                match change {
                    0 => all.iter_mut().for_each(|value| blend(value, 0.0)),
                    1 => {
                        let grey = grey(all, plane);
                        let mean = grey.iter().sum::<f32>() / grey.len().max(1) as f32;
                        all.iter_mut().for_each(|value| blend(value, mean));
                    }
                    _ => {
                        let grey = grey(all, plane);
                        let each = all.chunks_mut(plane).flat_map(|plane| plane.iter_mut().zip(&grey));
                        each.for_each(|(value, grey)| blend(value, *grey));
                    }
                }
            }
        });
    }
}

/// The lightness of each pixel: that of a colour by the weights of ITU-R BT.601.
fn grey(all: &[f32], plane: usize) -> Vec<f32> {
    match all.split_at_checked(plane).and_then(|(r, rest)| Some((r, rest.split_at_checked(plane)?))) {
        Some((r, (g, b))) if b.len() == plane => {
            r.iter().zip(g).zip(b).map(|((r, g), b)| 0.2989 * r + 0.587 * g + 0.114 * b).collect()
        }
        _ => all[..plane].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_is_a_factor_of_pixels_and_saturation_leaves_grey() {
        let mut values = vec![0.5, 0.25];
        let by = Statistics { mean: vec![0.2], std: vec![0.5] };
        values.iter_mut().for_each(|v| *v = (*v - 0.2) / 0.5);
        let mut image = Image { values: &mut values, size: [1, 2], by: Some(&by) };
        image.jitter([0.5, 0.0, 0.0], &mut Rng::new(2));
        let pixels: Vec<f32> = values.iter().map(|v| v * 0.5 + 0.2).collect();
        assert!((pixels[0] / pixels[1] - 2.0).abs() < 1e-3 && (pixels[0] - 0.5).abs() > 1e-3, "{pixels:?}");
        let grey = vec![0.3, 0.6, 0.3, 0.6, 0.3, 0.6];
        let by = Statistics { mean: vec![0.0; 3], std: vec![1.0; 3] };
        let mut same = grey.clone();
        Image { values: &mut same, size: [1, 2], by: Some(&by) }.jitter([0.0, 0.0, 0.9], &mut Rng::new(2));
        assert!(same.iter().zip(&grey).all(|(a, b)| (a - b).abs() < 1e-3), "{same:?}");
    }
}
