//! PNG images as grey pixels of 0 to 255.

use anyhow::{Context, bail};
use png::{ColorType, Decoder, Transformations};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A grey image, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Grey {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 0 to 255.
    pub pixels: Vec<f32>,
}

/// Reads a PNG of any colour type; transparency lies on white.
pub fn read(path: &Path) -> anyhow::Result<Grey> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut decoder = Decoder::new(BufReader::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let bad = || format!("{}: expected a PNG image", path.display());
    let mut reader = decoder.read_info().with_context(bad)?;
    let Some(size) = reader.output_buffer_size() else { bail!("{}: too large", path.display()) };
    let mut bytes = vec![0; size];
    let info = reader.next_frame(&mut bytes).with_context(bad)?;
    let luma = |c: &[u8]| 0.299 * f32::from(c[0]) + 0.587 * f32::from(c[1]) + 0.114 * f32::from(c[2]);
    let over_white = |grey: f32, alpha: u8| 255.0 + (grey - 255.0) * f32::from(alpha) / 255.0;
    let samples = info.color_type.samples();
    let pixels = bytes[..info.buffer_size()].chunks_exact(samples);
    let pixels = match info.color_type {
        ColorType::Grayscale | ColorType::Indexed => pixels.map(|c| f32::from(c[0])).collect(),
        ColorType::GrayscaleAlpha => pixels.map(|c| over_white(f32::from(c[0]), c[1])).collect(),
        ColorType::Rgb => pixels.map(luma).collect(),
        ColorType::Rgba => pixels.map(|c| over_white(luma(c), c[3])).collect(),
    };
    Ok(Grey { width: info.width as usize, height: info.height as usize, pixels })
}

impl Grey {
    /// As the networks know digits: inverted where the border is bright.
    pub fn white_on_black(mut self) -> Self {
        let on_border = |i: usize| {
            let (x, y) = (i % self.width, i / self.width);
            x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height
        };
        let border: Vec<f32> =
            (0..self.pixels.len()).filter(|&i| on_border(i)).map(|i| self.pixels[i]).collect();
        if border.iter().sum::<f32>() > 127.5 * border.len() as f32 {
            self.pixels.iter_mut().for_each(|p| *p = 255.0 - *p);
        }
        self
    }

    /// Each new pixel is the mean of the area it covers.
    pub fn resize(&self, width: usize, height: usize) -> Self {
        let columns = weights(self.width, width);
        let rows = weights(self.height, height);
        let pixel = |row: &[(usize, f32)], column: &[(usize, f32)]| -> f32 {
            let line =
                |y: usize| column.iter().map(|&(x, w)| w * self.pixels[y * self.width + x]).sum::<f32>();
            row.iter().map(|&(y, w)| w * line(y)).sum()
        };
        let pixels = rows.iter().flat_map(|row| columns.iter().map(|column| pixel(row, column))).collect();
        Self { width, height, pixels }
    }
}

/// For each of `to` new positions, the old ones it covers and their shares, which add up to 1.
fn weights(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    let scale = from as f32 / to as f32;
    let covered = |i: usize| {
        let (low, high) = (i as f32 * scale, (i + 1) as f32 * scale);
        let share = |x: usize| (high.min(x as f32 + 1.0) - low.max(x as f32)).max(0.0) / scale;
        (low as usize..(high.ceil() as usize).min(from)).map(|x| (x, share(x))).collect()
    };
    (0..to).map(covered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, pixels: Vec<f32>) -> Grey {
        Grey { width, height: pixels.len() / width, pixels }
    }

    #[test]
    fn resizing_keeps_the_mean() {
        let ramp = grey(8, (0..64).map(|i| i as f32).collect());
        assert_eq!(ramp.resize(8, 8), ramp);
        for (w, h) in [(4, 4), (28, 28), (3, 5)] {
            let small = ramp.resize(w, h);
            let mean = small.pixels.iter().sum::<f32>() / (w * h) as f32;
            assert!((mean - 31.5).abs() < 1e-3, "{w}x{h}: {mean}");
        }
        assert_eq!(grey(2, vec![0.0, 100.0]).resize(1, 1).pixels, [50.0]);
    }

    #[test]
    fn dark_on_light_is_inverted() {
        let mut paper = vec![250.0; 25];
        paper[12] = 10.0;
        let turned = grey(5, paper).white_on_black();
        assert_eq!((turned.pixels[0], turned.pixels[12]), (5.0, 245.0));
        assert_eq!(turned.clone().white_on_black(), turned);
    }
}
