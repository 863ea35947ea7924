//! Image files decoded: what they are, their pixels scaled and cut.

use crate::error::{Error, Result};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};
use std::path::Path;

/// What a file was found to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Height and width.
    pub(super) size: (usize, usize),
    pub(super) colour: bool,
}

impl Found {
    pub(super) fn of(image: &DynamicImage) -> Self {
        let size = (image.height() as usize, image.width() as usize);
        Self { size, colour: image.color().has_color() }
    }
}

/// What does not decode.
fn bad(path: &Path, error: &image::ImageError) -> Error {
    Error::file(path, "an image in PNG, JPEG, WebP, GIF or BMP", said(path, error))
}

/// What reads a file, and how what it reads is meant to be rotated, by its EXIF data.
fn opened(path: &Path) -> Result<(impl ImageDecoder, Orientation)> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let reader = reader.map_err(|e| Error::io(path, e))?;
    let mut decoder = reader.into_decoder().map_err(|e| bad(path, &e))?;
    let orientation = decoder.orientation().map_err(|e| bad(path, &e))?;
    Ok((decoder, orientation))
}

/// An image as it is meant to be seen.
pub(super) fn decode(path: &Path) -> Result<DynamicImage> {
    let (decoder, orientation) = opened(path)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| bad(path, &e))?;
    image.apply_orientation(orientation);
    let (height, width) = (image.height(), image.width());
    if height == 0 || width == 0 {
        return Err(Error::file(path, "an image with pixels", format!("one of {width}x{height}")));
    }
    Ok(image)
}

/// What an image will be, without its pixels.
pub(super) fn head(path: &Path) -> Result<Found> {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let (decoder, orientation) = opened(path)?;
    let (width, height) = decoder.dimensions();
    let lies = matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH);
    let (width, height) = if lies { (height, width) } else { (width, height) };
    Ok(Found { size: (height as usize, width as usize), colour: decoder.color_type().has_color() })
}

/// Why a file does not decode.
fn said(path: &Path, error: &image::ImageError) -> String {
    match std::fs::metadata(path).map(|data| data.len()) {
        Ok(0) => "an empty file".to_owned(),
        _ => error.to_string(),
    }
}

/// The pixels `(C, H, W)` of an image that is scaled until it covers the shape, cut in its middle; what is transparent lies
/// on white.
pub(super) fn fitted(image: DynamicImage, [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let image = if image.color().has_alpha() { on_white(&image) } else { image };
    let (w, h) = (image.width(), image.height());
    let image = if (h as usize, w as usize) == (height, width) {
        image
    } else {
        // Cut first: what would stand over is never made, however thin an image is.
        let scale = (height as f64 / f64::from(h)).max(width as f64 / f64::from(w));
        let side = |from: u32, to: usize| ((to as f64 / scale).round() as u32).clamp(1, from);
        let (own_w, own_h) = (side(w, width), side(h, height));
        let cut = image.crop_imm((w - own_w) / 2, (h - own_h) / 2, own_w, own_h);
        cut.resize_exact(width as u32, height as u32, FilterType::Triangle)
    };
    if channels == 1 {
        return image.into_luma8().into_raw();
    }
    let rows = image.into_rgb8().into_raw();
    (0..channels).flat_map(|channel| rows.iter().skip(channel).step_by(channels).copied()).collect()
}

/// An image with its transparent pixels on white.
fn on_white(image: &DynamicImage) -> DynamicImage {
    let colour = image.color().has_color();
    let mut pixels = image.to_rgba8();
    for pixel in pixels.pixels_mut() {
        let [.., alpha] = pixel.0;
        let blend = |shade: u8| {
            let sum = u32::from(shade) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            ((sum + 127) / 255) as u8
        };
        pixel.0 = [blend(pixel.0[0]), blend(pixel.0[1]), blend(pixel.0[2]), 255];
    }
    let flat = DynamicImage::ImageRgba8(pixels);
    if colour {
        DynamicImage::ImageRgb8(flat.into_rgb8())
    } else {
        DynamicImage::ImageLuma8(flat.into_luma8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    #[test]
    fn scaled_images_are_cut_in_their_middle_and_transparent_ones_lie_on_white() {
        // Columns of 0, 0, 90, 90, 0, 0: of half its width and full height, the middle.
        let stripes = RgbImage::from_fn(6, 2, |x, _| Rgb([if x / 2 == 1 { 90 } else { 0 }; 3]));
        assert_eq!(fitted(stripes.into(), [1, 2, 2]), [90; 4]);
        let glass = RgbaImage::from_fn(2, 1, |x, _| Rgba([0, 0, 0, if x == 0 { 0 } else { 51 }]));
        assert_eq!(fitted(glass.into(), [3, 1, 2]), [255, 204].repeat(3));
    }

    #[test]
    fn images_are_rotated_as_their_exif_data_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turned.jpg");
        let lying = RgbImage::from_fn(16, 8, |x, _| Rgb([if x < 8 { 250 } else { 0 }; 3]));
        lying.save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // Behind the first marker: an APP1 segment whose one tag, 0x0112, is 6: rotated by 90 degrees.
        let mut exif =
            b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
        exif.extend([0; 4]);
        bytes.splice(2..2, exif);
        std::fs::write(&path, bytes).unwrap();
        let image = decode(&path).unwrap();
        assert_eq!((image.width(), image.height()), (8, 16));
        assert!(image.to_luma8()[(4, 2)].0[0] > 200 && image.to_luma8()[(4, 13)].0[0] < 50);
    }
}
