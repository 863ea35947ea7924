//! Planes of pixels under affine maps, bilinear.

use crate::random::Rng;

/// Where a pixel comes from: `x' = a x + b y + c`, `y' = d x + e y + f`, of the centres of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Map([f64; 6]);

impl Map {
    /// Pixel `(x, y)` comes from `(x + dx, y + dy)`.
    pub(super) fn shift(dx: f64, dy: f64) -> Self {
        Self([1.0, 0.0, dx, 0.0, 1.0, dy])
    }

    /// The inverse of what rotates by `angle` (degrees, clockwise as y points down), scales and shears along x around the
    /// centre,
    /// then moves by `by` (x and y): `T C R(angle) S(shear) scale C^-1`.
    pub(super) fn inverse_affine(
        [h, w]: [usize; 2],
        angle: f64,
        by: [f64; 2],
        scale: f64,
        shear: f64,
    ) -> Self {
        let (rotation, shear) = (angle.to_radians(), shear.to_radians());
        // R S = [cos, -cos tan(shear) - sin; sin, -sin tan(shear) + cos], of determinant 1.
        let (cos, sin, tan) = (rotation.cos(), rotation.sin(), shear.tan());
        let [a, b, c, d] = [cos, -cos * tan - sin, sin, -sin * tan + cos];
        let [a, b, d, e] = [d / scale, -b / scale, -c / scale, a / scale];
        let (x, y) = ((w as f64 - 1.0) / 2.0, (h as f64 - 1.0) / 2.0);
        let (dx, dy) = (x + by[0], y + by[1]);
        Self([a, b, x - a * dx - b * dy, d, e, y - d * dx - e * dy])
    }
}

/// Positions a plane `(H, W)` under a map; what comes from outside is `outside`.
pub(super) fn warp(plane: &mut [f32], [h, w]: [usize; 2], map: &Map, outside: f32) {
    let source = plane.to_vec();
    let at = |y: f64, x: f64| {
        let inside = y >= 0.0 && x >= 0.0 && y < h as f64 && x < w as f64;
        if inside { source[y as usize * w + x as usize] } else { outside }
    };
    let Map([a, b, c, d, e, f]) = *map;
    for (y, row) in plane.chunks_mut(w).enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            let (x, y) = (x as f64, y as f64);
            *value = bilinear(d * x + e * y + f, a * x + b * y + c, at);
        }
    }
}

/// The value between four pixels.
fn bilinear(y: f64, x: f64, at: impl Fn(f64, f64) -> f32) -> f32 {
    // What lies within rounding of a pixel is that pixel.
    let snapped = |v: f64| if (v - v.round()).abs() < 1e-9 { v.round() } else { v };
    let (y, x) = (snapped(y), snapped(x));
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = ((y - top) as f32, (x - left) as f32);
    let row = |y: f64| match right {
        0.0 => at(y, left),
        _ => (1.0 - right) * at(y, left) + right * at(y, left + 1.0),
    };
    if down == 0.0 { row(top) } else { (1.0 - down) * row(top) + down * row(top + 1.0) }
}

/// Scales a part (top, left, height, width) of a plane to the whole of it; edges are those of the part.
pub(super) fn resize(plane: &mut [f32], [h, w]: [usize; 2], [top, left, height, width]: [usize; 4]) {
    let source = plane.to_vec();
    let position = |v: f64, first: usize, count: usize| first + v.clamp(0.0, count as f64 - 1.0) as usize;
    let at = |y: f64, x: f64| source[position(y, top, height) * w + position(x, left, width)];
    let (down, across) = (height as f64 / h as f64, width as f64 / w as f64);
    for (y, row) in plane.chunks_mut(w).enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = bilinear((y as f64 + 0.5) * down - 0.5, (x as f64 + 0.5) * across - 0.5, at);
        }
    }
}

/// A random rectangle (top, left, height, width) with a fraction of the area and a ratio of width to height within bounds, as
/// torchvision draws it: `None` where none of ten fits.
pub(super) fn rectangle(
    [h, w]: [usize; 2],
    scale: (f64, f64),
    ratio: (f64, f64),
    draws: &mut Rng,
) -> Option<[usize; 4]> {
    for _ in 0..10 {
        let area = (h * w) as f64 * draws.range(scale.0, scale.1);
        let ratio = draws.range(ratio.0.ln(), ratio.1.ln()).exp();
        let (width, height) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
        if (1.0..=w as f64).contains(&width) && (1.0..=h as f64).contains(&height) {
            let (width, height) = (width as usize, height as usize);
            return Some([draws.below(h - height + 1), draws.below(w - width + 1), height, width]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `0 1 2 / 3 4 5 / 6 7 8`.
    fn plane() -> Vec<f32> {
        (0..9).map(|v| v as f32).collect()
    }

    fn warped(map: &Map) -> Vec<f32> {
        let mut plane = plane();
        warp(&mut plane, [3, 3], map, -1.0);
        plane
    }

    #[test]
    fn maps_move_rotate_scale_and_shear() {
        let of = |angle, by, scale, shear| warped(&Map::inverse_affine([3, 3], angle, by, scale, shear));
        assert_eq!(of(0.0, [0.0; 2], 1.0, 0.0), plane());
        // A quarter clockwise: the left column becomes the top row, from below.
        assert_eq!(of(90.0, [0.0; 2], 1.0, 0.0), [6.0, 3.0, 0.0, 7.0, 4.0, 1.0, 8.0, 5.0, 2.0]);
        assert_eq!(of(0.0, [1.0, 0.0], 1.0, 0.0), [-1.0, 0.0, 1.0, -1.0, 3.0, 4.0, -1.0, 6.0, 7.0]);
        assert_eq!(warped(&Map::shift(0.0, 1.0)), [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, -1.0, -1.0, -1.0]);
        // Twice as large: half a pixel from the centre.
        assert_eq!(of(0.0, [0.0; 2], 2.0, 0.0), [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]);
        // Sheared by 45 degrees: the rows above and below the centre move a pixel, against each other.
        assert_eq!(of(0.0, [0.0; 2], 1.0, 45.0), [-1.0, 0.0, 1.0, 3.0, 4.0, 5.0, 7.0, 8.0, -1.0]);
    }

    #[test]
    fn a_part_is_scaled_to_the_whole() {
        let mut own = plane();
        resize(&mut own, [3, 3], [0, 0, 3, 3]);
        assert_eq!(own, plane());
        resize(&mut own, [3, 3], [1, 1, 1, 1]);
        assert_eq!(own, [4.0; 9]);
        let mut pair = plane();
        resize(&mut pair, [3, 3], [0, 0, 3, 2]);
        let expected = [0.0, 0.5, 1.0, 3.0, 3.5, 4.0, 6.0, 6.5, 7.0];
        assert!(pair.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6), "{pair:?}");
    }

    #[test]
    fn rectangles_are_within_bounds() {
        let mut draws = Rng::new(3);
        for _ in 0..500 {
            let [y, x, h, w] = rectangle([20, 30], (0.1, 0.5), (0.75, 1.34), &mut draws).unwrap();
            assert!(y + h <= 20 && x + w <= 30 && (45..=330).contains(&(h * w)), "{y} {x} {h} {w}");
        }
        assert_eq!(rectangle([1, 30], (1.0, 1.0), (0.75, 1.34), &mut draws), None);
    }
}
