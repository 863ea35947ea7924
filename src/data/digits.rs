//! Handwritten-like digits, drawn: strokes with random slant, stretch, wobble, thickness and noise.
//!
//! The default dataset, so that training needs no files. Every image depends on the seed and its number alone.

use super::Dataset;
use crate::error::Result;
use crate::platform::{all, cores};
use crate::random::Rng;
use std::f64::consts::TAU;

/// Height and width of an image.
const SIDE: usize = 28;

/// A point of a stroke; the digit's box is 0 to 1 in both directions, y down.
type Point = (f64, f64);

/// A smooth curve through points.
type Stroke = Vec<Point>;

/// `count` digits drawn from `seed`, 28x28, 10 classes; class and style are random.
///
/// # Errors
/// When `count` is 0.
pub fn digits(count: usize, seed: u64) -> Result<Dataset> {
    let mut pixels = vec![0; count * SIDE * SIDE];
    let mut labels = vec![0; count];
    let share = count.div_ceil(cores()).max(1);
    let parts = pixels.chunks_mut(share * SIDE * SIDE).zip(labels.chunks_mut(share));
    all(parts.enumerate().map(|(part, (images, labels))| {
        move || {
            for (i, (image, label)) in images.chunks_mut(SIDE * SIDE).zip(labels).enumerate() {
                let mut rng = Rng::named(seed, &format!("digit {}", part * share + i));
                *label = rng.below(10) as u32;
                draw(*label, &mut rng, image);
            }
        }
    }));
    Dataset::new(pixels, labels, [1, SIDE, SIDE], 10)
}

/// Points on an ellipse around `(x, y)`, from angle `from` to `to` in turns (0 right, 0.25 down).
fn arc(x: f64, y: f64, rx: f64, ry: f64, from: f64, to: f64) -> Stroke {
    let at = |i: i32| TAU * (from + (to - from) * f64::from(i) / 12.0);
    (0..=12).map(|i| (x + rx * at(i).cos(), y + ry * at(i).sin())).collect()
}

/// The strokes of a digit in one of its styles.
fn strokes(digit: u32, style: usize) -> Vec<Stroke> {
    match (digit, style) {
        (0, _) => vec![arc(0.5, 0.5, 0.32, 0.46, -0.25, 0.78)],
        (1, 0) => vec![vec![(0.52, 0.04), (0.5, 0.5), (0.48, 0.96)]],
        (1, 1) => {
            vec![vec![(0.3, 0.24), (0.44, 0.13), (0.55, 0.04)], vec![(0.55, 0.04), (0.54, 0.5), (0.53, 0.96)]]
        }
        (1, _) => vec![
            vec![(0.32, 0.22), (0.45, 0.12), (0.55, 0.04)],
            vec![(0.55, 0.04), (0.54, 0.5), (0.53, 0.96)],
            vec![(0.28, 0.96), (0.52, 0.95), (0.78, 0.96)],
        ],
        (2, 0) => vec![
            vec![
                (0.2, 0.26),
                (0.3, 0.1),
                (0.52, 0.04),
                (0.74, 0.13),
                (0.77, 0.32),
                (0.62, 0.56),
                (0.4, 0.76),
                (0.2, 0.95),
            ],
            vec![(0.2, 0.95), (0.5, 0.94), (0.84, 0.94)],
        ],
        (2, _) => vec![vec![
            (0.22, 0.22),
            (0.4, 0.05),
            (0.66, 0.08),
            (0.76, 0.28),
            (0.62, 0.55),
            (0.4, 0.8),
            (0.24, 0.92),
            (0.2, 0.82),
            (0.34, 0.78),
            (0.52, 0.9),
            (0.7, 0.96),
            (0.86, 0.88),
        ]],
        (3, 0) => vec![
            vec![(0.22, 0.14), (0.45, 0.03), (0.7, 0.12), (0.72, 0.32), (0.56, 0.45), (0.4, 0.47)],
            vec![(0.4, 0.47), (0.64, 0.5), (0.78, 0.68), (0.7, 0.9), (0.45, 0.98), (0.2, 0.87)],
        ],
        (3, _) => vec![
            vec![(0.22, 0.06), (0.5, 0.06), (0.76, 0.06)],
            vec![(0.76, 0.06), (0.6, 0.25), (0.44, 0.42)],
            vec![(0.44, 0.42), (0.68, 0.46), (0.78, 0.68), (0.68, 0.9), (0.44, 0.97), (0.2, 0.86)],
        ],
        (4, 0) => vec![
            vec![(0.34, 0.05), (0.26, 0.3), (0.18, 0.56)],
            vec![(0.18, 0.56), (0.5, 0.57), (0.84, 0.54)],
            vec![(0.68, 0.1), (0.66, 0.5), (0.63, 0.97)],
        ],
        (4, _) => vec![
            vec![(0.64, 0.04), (0.4, 0.36), (0.16, 0.66)],
            vec![(0.16, 0.66), (0.5, 0.66), (0.86, 0.65)],
            vec![(0.64, 0.04), (0.64, 0.5), (0.63, 0.97)],
        ],
        (5, 0) => vec![
            vec![(0.76, 0.06), (0.52, 0.06), (0.3, 0.07)],
            vec![(0.3, 0.07), (0.27, 0.25), (0.25, 0.44)],
            vec![
                (0.25, 0.44),
                (0.48, 0.37),
                (0.72, 0.48),
                (0.76, 0.72),
                (0.6, 0.92),
                (0.38, 0.97),
                (0.18, 0.88),
            ],
        ],
        (5, _) => vec![vec![
            (0.78, 0.06),
            (0.5, 0.07),
            (0.33, 0.1),
            (0.28, 0.34),
            (0.42, 0.4),
            (0.68, 0.48),
            (0.76, 0.68),
            (0.64, 0.9),
            (0.4, 0.97),
            (0.2, 0.9),
        ]],
        (6, 0) => vec![vec![
            (0.68, 0.05),
            (0.44, 0.18),
            (0.27, 0.45),
            (0.24, 0.72),
            (0.38, 0.94),
            (0.6, 0.95),
            (0.75, 0.78),
            (0.7, 0.58),
            (0.52, 0.5),
            (0.34, 0.6),
            (0.26, 0.75),
        ]],
        (6, _) => vec![vec![
            (0.48, 0.03),
            (0.32, 0.3),
            (0.25, 0.6),
            (0.32, 0.88),
            (0.52, 0.97),
            (0.7, 0.84),
            (0.7, 0.64),
            (0.54, 0.55),
            (0.36, 0.64),
            (0.3, 0.8),
        ]],
        (7, 0) => vec![
            vec![(0.18, 0.08), (0.5, 0.07), (0.8, 0.06)],
            vec![(0.8, 0.06), (0.62, 0.4), (0.5, 0.66), (0.42, 0.97)],
        ],
        (7, 1) => vec![
            vec![(0.18, 0.08), (0.5, 0.07), (0.8, 0.06)],
            vec![(0.8, 0.06), (0.62, 0.45), (0.44, 0.97)],
            vec![(0.36, 0.52), (0.55, 0.5), (0.76, 0.48)],
        ],
        (7, _) => vec![
            vec![(0.2, 0.22), (0.21, 0.1), (0.3, 0.07), (0.55, 0.08), (0.8, 0.06)],
            vec![(0.8, 0.06), (0.66, 0.4), (0.56, 0.97)],
        ],
        (8, 0) => vec![vec![
            (0.7, 0.14),
            (0.5, 0.03),
            (0.3, 0.14),
            (0.32, 0.33),
            (0.52, 0.48),
            (0.72, 0.64),
            (0.74, 0.84),
            (0.5, 0.97),
            (0.27, 0.85),
            (0.3, 0.64),
            (0.5, 0.47),
            (0.69, 0.32),
            (0.7, 0.14),
        ]],
        (8, _) => vec![arc(0.5, 0.26, 0.21, 0.22, -0.25, 0.77), arc(0.5, 0.72, 0.26, 0.25, -0.25, 0.77)],
        (9, 0) => vec![
            arc(0.48, 0.29, 0.24, 0.24, 0.0, -1.02),
            vec![(0.72, 0.28), (0.72, 0.55), (0.66, 0.8), (0.6, 0.97)],
        ],
        (_, _) => vec![vec![
            (0.72, 0.2),
            (0.54, 0.05),
            (0.32, 0.14),
            (0.27, 0.36),
            (0.42, 0.5),
            (0.62, 0.44),
            (0.72, 0.22),
            (0.72, 0.5),
            (0.64, 0.84),
            (0.44, 0.97),
            (0.24, 0.88),
        ]],
    }
}

/// The curve through a stroke's points (Catmull and Rom's spline) as short segments.
fn smooth(stroke: &[Point]) -> Vec<Point> {
    let last = stroke.len() - 1;
    let mut curve = Vec::new();
    for i in 0..last {
        let [a, b, c, d] = [i.saturating_sub(1), i, i + 1, (i + 2).min(last)].map(|j| stroke[j]);
        for step in 0..6 {
            let t = f64::from(step) / 6.0;
            let along = |a: f64, b: f64, c: f64, d: f64| {
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
                    + (3.0 * b - a - 3.0 * c + d) * t * t * t)
            };
            curve.push((along(a.0, b.0, c.0, d.0), along(a.1, b.1, c.1, d.1)));
        }
    }
    curve.push(stroke[last]);
    curve
}

/// Draws one digit with a hand's variation.
fn draw(digit: u32, rng: &mut Rng, image: &mut [u8]) {
    let style = rng.below(3);
    let (turn, slant) = (rng.normal() * 0.14, rng.normal() * 0.18);
    let (width, height) = (20.0 * rng.range(0.65, 1.05), 20.0 * rng.range(0.82, 1.06));
    let (x0, y0) = (14.0 + rng.normal() * 1.1, 14.0 + rng.normal() * 1.1);
    let (bend_x, bend_y) = (rng.normal() * 0.045, rng.normal() * 0.045);
    let (phase_x, phase_y) = (rng.range(0.0, TAU), rng.range(0.0, TAU));
    let thickness = rng.range(0.75, 1.9);
    let ink = rng.range(200.0, 255.0);
    let position = |(x, y): Point| -> Point {
        // A slow wave bends the strokes, then the affine map of a hand.
        let (u, v) =
            (x - 0.5 + bend_x * (TAU * y + phase_x).sin(), y - 0.5 + bend_y * (TAU * x + phase_y).sin());
        let (u, v) = ((u - slant * v) * width, v * height);
        (x0 + u * turn.cos() - v * turn.sin(), y0 + u * turn.sin() + v * turn.cos())
    };
    let mut coverage = [0.0f64; SIDE * SIDE];
    for mut stroke in strokes(digit, style) {
        for point in &mut stroke {
            *point = (point.0 + rng.normal() * 0.022, point.1 + rng.normal() * 0.022);
        }
        let curve: Vec<Point> = smooth(&stroke).into_iter().map(position).collect();
        for segment in curve.windows(2) {
            ink_segment(segment[0], segment[1], thickness, &mut coverage);
        }
    }
    for (pixel, cover) in image.iter_mut().zip(coverage) {
        let grain = if cover > 0.0 { 1.0 + 0.06 * rng.normal() } else { 1.0 };
        let dust = if rng.below(400) == 0 { rng.range(0.0, 90.0) } else { 0.0 };
        *pixel = (ink * cover * grain + dust).clamp(0.0, 255.0) as u8;
    }
}

/// Covers the pixels near a segment: fully within the pen, fading over one pixel at its edge.
fn ink_segment(a: Point, b: Point, thickness: f64, coverage: &mut [f64]) {
    let reach = thickness + 1.0;
    let bound = |low: f64, high: f64| {
        let first = (low - reach).floor().clamp(0.0, SIDE as f64) as usize;
        first..((high + reach).ceil().clamp(0.0, SIDE as f64) as usize).max(first)
    };
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = (dx * dx + dy * dy).max(1e-9);
    for y in bound(a.1.min(b.1), a.1.max(b.1)) {
        for x in bound(a.0.min(b.0), a.0.max(b.0)) {
            let (px, py) = (x as f64 + 0.5 - a.0, y as f64 + 0.5 - a.1);
            let t = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
            let distance = (px - t * dx).hypot(py - t * dy);
            let cover = (thickness + 0.5 - distance).clamp(0.0, 1.0);
            let at = &mut coverage[y * SIDE + x];
            *at = at.max(cover);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_depend_on_seed_and_number_alone() {
        let (few, many) = (digits(50, 3).unwrap(), digits(200, 3).unwrap());
        assert!((0..50).all(|i| few.image(i) == many.image(i) && few.labels()[i] == many.labels()[i]));
        assert_ne!(few, digits(50, 4).unwrap());
        assert!(digits(0, 0).is_err());
    }

    #[test]
    fn every_class_appears_and_has_ink() {
        let data = digits(500, 0).unwrap();
        for class in 0..10 {
            assert!(data.labels().iter().filter(|&&l| l == class).count() > 20);
        }
        for i in 0..data.len() {
            let ink: u32 = data.image(i).unwrap().iter().map(|&p| u32::from(p)).sum();
            assert!((4_000..90_000).contains(&ink), "image {i} of a {} has ink {ink}", data.labels()[i]);
        }
    }
}
