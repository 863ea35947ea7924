//! What plots are drawn on: an SVG and a PNG at once.
//!
//! Plotters' own bitmaps take their letters from the system's fonts, which a server may not have. Here they are the bitmap
//! fonts that `embedded-graphics` brings along, and no file is looked for.

use anyhow::anyhow;
use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1 as fonts};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend, WHITE};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, rasterizer,
};
use std::convert::Infallible;
use std::ops::Deref;

/// A picture in both forms. Where a text is expected it is the SVG.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The SVG.
    pub svg: String,
    /// The bytes of the PNG file.
    pub png: Vec<u8>,
}

impl Deref for Picture {
    type Target = str;

    fn deref(&self) -> &str {
        &self.svg
    }
}

/// Where a plot draws.
pub type Area<'a> = DrawingArea<Canvas<'a>, Shift>;

/// Plotters' errors know no lifetime of ours.
pub fn lost(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing a plot: {error}")
}

/// What `draw` draws on white.
pub fn picture(
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Picture> {
    let (mut svg, mut pixels) = (String::new(), vec![255; 3 * size.0 as usize * size.1 as usize]);
    {
        let raster = Raster { width: size.0, height: size.1, pixels: &mut pixels };
        let root = Canvas { svg: SVGBackend::with_string(&mut svg, size), raster }.into_drawing_area();
        root.fill(&WHITE).map_err(lost)?;
        draw(&root)?;
        root.present().map_err(lost)?;
    }
    Ok(Picture { svg, png: png(size, png::ColorType::Rgb, &pixels)? })
}

/// The PNG file of rows of pixels.
pub fn png(size: (u32, u32), color: png::ColorType, pixels: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}

/// Draws everything twice.
pub struct Canvas<'a> {
    svg: SVGBackend<'a>,
    raster: Raster<'a>,
}

type Drawn<E> = Result<(), DrawingErrorKind<E>>;

/// The raster cannot fail, but plotters' functions that draw on it say that they may.
fn never(drawn: Drawn<Infallible>) -> Drawn<std::io::Error> {
    drawn.map_err(|error| match error {
        DrawingErrorKind::DrawingError(never) => match never {},
        DrawingErrorKind::FontError(error) => DrawingErrorKind::FontError(error),
    })
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = std::io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.svg.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn<Self::ErrorType> {
        self.svg.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<Self::ErrorType> {
        self.svg.present()
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn<Self::ErrorType> {
        never(self.raster.draw_pixel(at, color))?;
        self.svg.draw_pixel(at, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn<Self::ErrorType> {
        never(self.raster.draw_line(from, to, style))?;
        self.svg.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn<Self::ErrorType> {
        never(self.raster.draw_rect(from, to, style, fill))?;
        self.svg.draw_rect(from, to, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn<Self::ErrorType> {
        let path: Vec<_> = path.into_iter().collect();
        never(self.raster.draw_path(path.iter().copied(), style))?;
        self.svg.draw_path(path, style)
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn<Self::ErrorType> {
        never(rasterizer::draw_circle(&mut self.raster, center, radius, style, fill))?;
        self.svg.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn<Self::ErrorType> {
        let corners: Vec<_> = corners.into_iter().collect();
        never(self.raster.fill_polygon(corners.iter().copied(), style))?;
        self.svg.fill_polygon(corners, style)
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        at: BackendCoord,
    ) -> Drawn<Self::ErrorType> {
        never(self.raster.draw_text(text, style, at))?;
        self.svg.draw_text(text, style, at)
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        self.svg.estimate_text_size(text, style)
    }
}

/// Rows of red, green and blue.
struct Raster<'a> {
    width: u32,
    height: u32,
    pixels: &'a mut [u8],
}

impl DrawingBackend for Raster<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Drawn<Infallible> {
        Ok(())
    }

    fn present(&mut self) -> Drawn<Infallible> {
        Ok(())
    }

    /// Mixes the color with what is there; what lies outside is left out.
    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn<Infallible> {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return Ok(()) };
        if x < self.width && y < self.height {
            let place = 3 * (y as usize * self.width as usize + x as usize);
            let there = self.pixels.iter_mut().skip(place);
            let (r, g, b) = color.rgb;
            for (old, new) in there.zip([r, g, b]) {
                let mixed = f64::from(*old) + (f64::from(new) - f64::from(*old)) * color.alpha;
                *old = mixed.round().clamp(0.0, 255.0) as u8;
            }
        }
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        at: BackendCoord,
    ) -> Drawn<Infallible> {
        let font = font(style.size());
        let Size { width, height } = font.character_size;
        let (width, height) = (text.chars().count() as i32 * width as i32, height as i32);
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Right => -width,
            HPos::Center => -width / 2,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        let mut ink = Ink(Vec::new());
        let letters = MonoTextStyle::new(font, BinaryColor::On);
        let Ok(_) = Text::with_baseline(text, Point::new(left, top), letters, Baseline::Top).draw(&mut ink);
        let turned = style.transform();
        ink.0.into_iter().try_for_each(|(x, y)| {
            let (x, y) = turned.transform(x, y);
            self.draw_pixel((at.0 + x, at.1 + y), style.color())
        })
    }
}

/// The font that is as high as one of this size in the SVG.
fn font(size: f64) -> &'static MonoFont<'static> {
    match size / SVG_SIZE {
        size if size < 7.0 => &fonts::FONT_4X6,
        size if size < 8.0 => &fonts::FONT_5X7,
        size if size < 9.5 => &fonts::FONT_5X8,
        size if size < 11.5 => &fonts::FONT_6X10,
        size if size < 14.5 => &fonts::FONT_7X13,
        size if size < 18.0 => &fonts::FONT_9X15,
        _ => &fonts::FONT_10X20,
    }
}

/// Plotters divides the size of a font by this for the SVG.
const SVG_SIZE: f64 = 1.24;

/// The pixels of letters.
struct Ink(Vec<BackendCoord>);

impl OriginDimensions for Ink {
    fn size(&self) -> Size {
        Size::new(u32::MAX, u32::MAX)
    }
}

impl DrawTarget for Ink {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = embedded_graphics::Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        let on = pixels.into_iter().filter(|pixel| pixel.1.is_on());
        self.0.extend(on.map(|embedded_graphics::Pixel(at, _)| (at.x, at.y)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Area, lost, picture};
    use plotters::prelude::*;
    use plotters::style::text_anchor::{HPos, Pos, VPos};

    /// The pixels of a picture that are not white.
    fn ink(draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>) -> Vec<(u32, u32)> {
        let made = picture((60, 60), draw).unwrap();
        assert!(made.contains("<svg"));
        let mut reader = png::Decoder::new(std::io::Cursor::new(&made.png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let dark = pixels.chunks(3).enumerate().filter(|(_, pixel)| *pixel != [255, 255, 255]);
        dark.map(|(place, _)| (place as u32 % 60, place as u32 / 60)).collect()
    }

    #[test]
    fn both_forms_show_what_is_drawn() {
        let square = ink(|root| root.draw(&Rectangle::new([(10, 20), (19, 29)], RED.filled())).map_err(lost));
        assert!(
            square.len() >= 81
                && square.iter().all(|&(x, y)| (10..=20).contains(&x) && (20..=30).contains(&y))
        );
        let line = ink(|root| {
            root.draw(&PathElement::new([(5, 5), (50, 5), (50, 50)], BLUE.stroke_width(2))).map_err(lost)
        });
        assert!(line.iter().any(|&(x, y)| x == 30 && y.abs_diff(5) < 2), "{line:?}");
        assert!(line.iter().any(|&(x, y)| y == 30 && x.abs_diff(50) < 2), "{line:?}");
    }

    #[test]
    fn letters_stand_where_they_should() {
        for (turned, across) in [(FontTransform::None, true), (FontTransform::Rotate270, false)] {
            let style = ("sans-serif", 15).into_font().color(&BLACK).transform(turned);
            let center = Pos::new(HPos::Center, VPos::Center);
            let found =
                ink(|root| root.draw(&Text::new("train é", (30, 30), style.pos(center))).map_err(lost));
            let range = |of: fn(&(u32, u32)) -> u32| {
                let (low, high) = (found.iter().map(of).min().unwrap(), found.iter().map(of).max().unwrap());
                assert!(low < 30 && high >= 29 && (low + high).abs_diff(60) < 6, "{low} to {high}");
                high - low
            };
            let (wide, high) = (range(|p| p.0), range(|p| p.1));
            assert_eq!(wide > high, across, "{wide} by {high}");
        }
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let words = || Text::new("words", (-9, 50), ("sans-serif", 24).into_font().color(&BLACK));
        assert!(!ink(|root| root.draw(&words()).map_err(lost)).is_empty());
    }
}
