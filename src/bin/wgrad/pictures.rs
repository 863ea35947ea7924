//! Small pictures of numbers: examples, filters, what layers give.

use crate::canvas::png;
use wgrad::data::{Batch, Examples};
use wgrad::ops::Role;
use wgrad::{HostTensor, Parameters};

/// The filters, and what a layer gives, that are shown at most.
pub const MOST: usize = 64;
/// Pictures in a row.
const COLUMNS: usize = 8;
/// The line of white between them.
const GAP: usize = 2;

/// A picture as a PNG file.
pub struct Image {
    /// Its height and width.
    pub size: (u32, u32),
    /// The file.
    pub png: Vec<u8>,
}

/// Pixels, red, green and blue, row by row.
type Tile = Vec<[u8; 3]>;

/// Tiles of one size side by side, each pixel a square of so many.
fn sheet(tiles: &[Tile], (h, w): (usize, usize), zoom: usize) -> anyhow::Result<Image> {
    let columns = tiles.len().clamp(1, COLUMNS);
    let (cell_h, cell_w) = (h * zoom + GAP, w * zoom + GAP);
    // Of one alone no line is needed.
    let gap = if tiles.len() == 1 { GAP } else { 0 };
    let (height, width) = (tiles.len().div_ceil(columns) * cell_h - gap, columns * cell_w - gap);
    let mut pixels = vec![255; height * width * 3];
    for (number, tile) in tiles.iter().enumerate() {
        let (top, left) = (number / columns * cell_h, number % columns * cell_w);
        for (y, x) in (0..h * zoom).flat_map(|y| (0..w * zoom).map(move |x| (y, x))) {
            let at = ((top + y) * width + left + x) * 3;
            let color = tile.get(y / zoom * w + x / zoom).copied().unwrap_or_default();
            pixels.iter_mut().skip(at).take(3).zip(color).for_each(|(pixel, value)| *pixel = value);
        }
    }
    let size = (height as u32, width as u32);
    Ok(Image { png: png((size.1, size.0), png::ColorType::Rgb, &pixels)?, size })
}

/// Planes `(C, H, W)` as a tile, from their least number to their largest: three of them in colour, of others the first in
/// grey.
fn stretched(planes: &[f32], area: usize) -> Tile {
    let colors = if planes.len() == 3 * area { 3 } else { 1 };
    let shown = planes.get(..colors * area).unwrap_or(planes);
    let low = shown.iter().copied().fold(f32::INFINITY, f32::min);
    let high = shown.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let value = |at: usize| {
        let value = shown.get(at).copied().unwrap_or(low);
        (255.0 * (value - low) / (high - low).max(f32::MIN_POSITIVE)) as u8
    };
    (0..area)
        .map(|at| [0, 1, 2].map(|color| value(if colors == 3 { color * area + at } else { at })))
        .collect()
}

/// The first weights that are filters with height and width, if any: their name, what is seen, and the picture.
///
/// # Errors
/// When the device failed.
pub fn filters(parameters: &Parameters) -> anyhow::Result<Option<(String, String, Image)>> {
    for name in parameters.names(Role::Parameter) {
        let weights = parameters.get(&name)?;
        if let [count, channels, h, w] = weights.shape()[..]
            && h.max(w) > 1
        {
            let color = if channels == 3 { "in color" } else { "their first channel, grey" };
            let shown = count.min(MOST);
            let about = format!(
                "{shown} of {count} filters of {channels}x{h}x{w}, {color}; each from its least weight to its largest."
            );
            let filters = weights.as_f32()?.chunks_exact((channels * h * w).max(1)).take(shown);
            let tiles: Vec<Tile> = filters.map(|filter| stretched(filter, h * w)).collect();
            return Ok(Some((name, about, sheet(&tiles, (h, w), 8)?)));
        }
    }
    Ok(None)
}

/// The channels of what a layer gives for one example, `(1, C, H, W)`, side by side; `None` of what is no such thing.
///
/// # Errors
/// When it holds no numbers.
pub fn maps(values: &HostTensor) -> anyhow::Result<Option<Image>> {
    let [1, _, h, w] = values.shape()[..] else { return Ok(None) };
    let area = (h * w).max(1);
    let tiles: Vec<Tile> =
        values.as_f32()?.chunks_exact(area).take(MOST).map(|plane| stretched(plane, area)).collect();
    // About the same size for all layers.
    sheet(&tiles, (h, w), (64 / h.max(w).max(1)).clamp(1, 16)).map(Some)
}

/// Examples as they are read in an epoch, before they were normalised; `None` of what are no images.
///
/// # Errors
/// When one cannot be read.
pub fn examples(
    data: &dyn Examples,
    indices: &[usize],
    (seed, epoch): (u64, u64),
) -> anyhow::Result<Option<Image>> {
    let fields = data.fields();
    let Some(place) = fields.iter().position(|field| field.name == "image") else { return Ok(None) };
    let Some(by) = data.normalised_by() else { return Ok(None) };
    let [channels, h, w] = fields[place].ty.shape[..] else { return Ok(None) };
    let batch = Batch::read(data, indices, seed, epoch)?;
    let area = (h * w).max(1);
    let tile = |values: &[f32]| -> Tile {
        let pixel = |channel: usize, at: usize| {
            let (mean, std) = (by.mean.get(channel).unwrap_or(&0.0), by.std.get(channel).unwrap_or(&1.0));
            let value = values.get(channel * area + at).copied().unwrap_or(0.0);
            (255.0 * (value * std + mean)).round().clamp(0.0, 255.0) as u8
        };
        // The first channel of what is neither grey nor in colour.
        (0..area).map(|at| [0, 1, 2].map(|color| pixel(if channels == 3 { color } else { 0 }, at))).collect()
    };
    let tiles: Vec<Tile> =
        batch.tensors[place].as_f32()?.chunks_exact((channels * area).max(1)).map(tile).collect();
    sheet(&tiles, (h, w), 1).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_side_by_side_and_numbers_are_stretched() {
        assert_eq!(stretched(&[1.0, 3.0, 2.0], 3), [[0; 3], [255; 3], [127; 3]]);
        assert_eq!(stretched(&[0.0, 1.0, 0.5], 1), [[0, 255, 127]], "three planes of one pixel");
        let tiles = vec![vec![[9, 8, 7]; 6]; 10];
        let found = sheet(&tiles, (2, 3), 4).unwrap();
        assert_eq!(found.size, (2 * (2 * 4 + 2), 8 * (3 * 4 + 2)));
        let mut reader = png::Decoder::new(std::io::Cursor::new(&found.png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let at = |y: usize, x: usize| &pixels[(y * 112 + x) * 3..][..3];
        assert_eq!(
            (at(0, 0), at(7, 11), at(8, 0), at(0, 12)),
            (&[9, 8, 7][..], &[9, 8, 7][..], &[255; 3][..], &[255; 3][..])
        );
        assert_eq!((at(17, 25), at(10, 28)), (&[9, 8, 7][..], &[255; 3][..]), "of the second row two");
        assert_eq!(sheet(&tiles[..1], (2, 3), 1).unwrap().size, (2, 3));
        let map = HostTensor::from_f32([1, 2, 2, 2], vec![0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 5.0]).unwrap();
        assert_eq!(maps(&map).unwrap().unwrap().size, (16 * 2 + 2, 2 * (16 * 2 + 2)));
        assert!(maps(&HostTensor::from_f32([1, 8], vec![0.0; 8]).unwrap()).unwrap().is_none());
    }
}
