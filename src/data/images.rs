//! Folders of images, a folder a class: PNG, JPEG, WebP, the first picture of a GIF, and BMP, of any size, grey or in colour.

use super::folders::{self, ClassFiles, OnBad, Parts};
use super::pictures::{Found, decode, fitted, head};
use super::statistics::{Statistics, Sums};
use super::{Examples, Field, Values};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::TensorType;
use image::DynamicImage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of decoded pixels that are kept in memory; folders with more are decoded whenever they are read.
const BUDGET: usize = 1 << 30;

/// The names of files that are looked at; what they are is told by their content.
const EXTENSIONS: [&str; 6] = ["bmp", "gif", "jpeg", "jpg", "png", "webp"];

/// The channels of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channels {
    /// Three where an image has colour, else one.
    #[default]
    Auto,
    /// One: colours become their lightness.
    Grey,
    /// Red, green and blue.
    Colour,
}

/// How a folder of images is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageOptions {
    /// Height and width; the commonest size where there is none. Others are scaled until they cover it, and what then
    /// stands over is cut off on both sides.
    pub size: Option<(usize, usize)>,
    /// Their channels.
    pub channels: Channels,
    /// What becomes of files that do not decode.
    pub on_bad: OnBad,
}

/// Images in folders, a folder a class.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    files: ClassFiles,
    /// Decoded, where they are kept.
    pixels: Option<Vec<Vec<u8>>>,
    shape: [usize; 3],
    statistics: Statistics,
    normalised_by: Statistics,
}

impl ImageFolder {
    /// The images of `folder/CLASS/`, in deeper folders too, by name; classes are the names of the folders in their order.
    /// All are decoded once, on all threads. They are normalised by their own mean and deviation, a number a channel.
    ///
    /// # Errors
    /// When there are no folders, one is empty or has a name that is no UTF-8, or files do not decode and the policy is to
    /// stop; when none of a class decodes.
    pub fn open(folder: &Path, options: ImageOptions) -> Result<Self> {
        Self::read_folder(folder, options, None, BUDGET, decode)
    }

    /// The images of `folder/train/CLASS/`, `folder/val/CLASS/` (or `valid`) and `folder/test/CLASS/`; without a folder `train`
    /// all are learned from. Size, channels, classes and normalisation are those of the training images.
    ///
    /// # Errors
    /// As [`ImageFolder::open`], and when another part has a class that training has not.
    pub fn parts(folder: &Path, options: ImageOptions) -> Result<Parts<Self>> {
        let other = |path: &Path, train: &Self| Self::read_folder(path, options, Some(train), BUDGET, decode);
        Parts::open(folder, |path| Self::open(path, options), other)
    }

    /// `decode` is called once for each file, and once more where the files that decode have another commonest size, or other
    /// channels, than what the heads of all say.
    fn read_folder(
        folder: &Path,
        options: ImageOptions,
        like: Option<&Self>,
        budget: usize,
        decode: impl Fn(&Path) -> Result<DynamicImage> + Sync,
    ) -> Result<Self> {
        let all = folders::find(folder, &EXTENSIONS, like.map(|like| like.files.classes.as_slice()))?;
        let shape = match like {
            Some(like) => like.shape,
            None => {
                // What is wrong with a head is told when the file is decoded.
                let heads: Vec<Found> = folders::each(&all.files, head).into_iter().flatten().collect();
                if heads.is_empty() { [1; 3] } else { shape_of(&heads, options)? }
            }
        };
        let read = |all: ClassFiles, shape: [usize; 3]| {
            let kept = all.files.len().saturating_mul(shape.iter().product()) <= budget;
            let one = |path: &Path| {
                let image = decode(path)?;
                let (found, pixels) = (Found::of(&image), fitted(image, shape));
                let mut sums = Sums::new(shape[0]);
                sums.add(&pixels);
                Ok((found, sums, kept.then_some(pixels)))
            };
            all.checked(options.on_bad, one)
        };
        let (mut files, mut images) = read(all.clone(), shape)?;
        let wanted = match like {
            Some(like) => like.shape,
            None => {
                let found: Vec<Found> = images.iter().map(|(found, ..)| *found).collect();
                shape_of(&found, options)?
            }
        };
        if wanted != shape {
            (files, images) = read(all, wanted)?;
        }
        let mut sums = Sums::new(wanted[0]);
        images.iter().for_each(|(_, own, _)| sums.merge(own));
        let pixels: Option<Vec<Vec<u8>>> = images.into_iter().map(|(_, _, pixels)| pixels).collect();
        let statistics = sums.statistics();
        let normalised_by = like.map_or_else(|| statistics.clone(), |like| like.normalised_by.clone());
        Ok(Self { files, pixels, shape: wanted, statistics, normalised_by })
    }

    /// Channels, height and width.
    pub fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The files that do not decode, and why.
    pub fn skipped(&self) -> &[(PathBuf, String)] {
        &self.files.skipped
    }

    /// File and class of image `index`, `None` behind the end.
    pub fn file(&self, index: usize) -> Option<(&Path, u32)> {
        self.files.files.get(index).map(|(path, class)| (path.as_path(), *class))
    }

    /// Mean and deviation of the pixels of each channel, in `[0, 1]`.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The same, normalised by other numbers, such as those that a model was trained with.
    ///
    /// # Errors
    /// When there are not as many as channels, one is not finite, or a deviation is not above 0.
    pub fn normalised(self, mean: Vec<f32>, std: Vec<f32>) -> Result<Self> {
        let normalised_by = Statistics { mean, std };
        normalised_by.check(self.shape[0])?;
        Ok(Self { normalised_by, ..self })
    }
}

impl Examples for ImageFolder {
    fn len(&self) -> usize {
        self.files.files.len()
    }

    /// `image`, `(C, H, W)`, normalised, and `label`.
    fn fields(&self) -> Vec<Field> {
        vec![Field::new("image", TensorType::f32(self.shape)), Field::new("label", TensorType::u32([]))]
    }

    fn classes(&self) -> &[String] {
        &self.files.classes
    }

    fn normalised_by(&self) -> Option<&Statistics> {
        Some(&self.normalised_by)
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.files.files.len());
        let (Some((path, class)), [image, label]) = (self.files.files.get(index), values) else {
            return Err(Error::argument("image folder", expected(), index.to_string()));
        };
        match self.pixels.as_ref().and_then(|all| all.get(index)) {
            Some(pixels) => self.normalised_by.normalise(pixels, image.f32()?),
            None => self.normalised_by.normalise(&fitted(decode(path)?, self.shape), image.f32()?),
        }
        label.u32()?.fill(*class);
        Ok(())
    }
}

/// An image file as a network sees it: `(C, H, W)`, scaled and cut as those of [`ImageFolder`], normalised.
///
/// # Errors
/// When it does not decode, or there are not a mean and a deviation for each channel.
pub fn read_image(path: &Path, shape: [usize; 3], by: &Statistics) -> Result<Vec<f32>> {
    by.check(shape[0])?;
    let pixels = fitted(decode(path)?, shape);
    let mut values = vec![0.0; pixels.len()];
    by.normalise(&pixels, &mut values);
    Ok(values)
}

/// Channels, height and width: those that are asked for, else the commonest size (of equally common ones the largest), and
/// colour where an image has it.
fn shape_of(found: &[Found], options: ImageOptions) -> Result<[usize; 3]> {
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    found.iter().for_each(|found| *counts.entry(found.size).or_default() += 1);
    let commonest = counts.into_iter().max_by_key(|(size, count)| (*count, *size)).map(|(size, _)| size);
    let (height, width) = options.size.or(commonest).unwrap_or_default();
    let channels = match options.channels {
        Channels::Grey => 1,
        Channels::Colour => 3,
        Channels::Auto if found.iter().any(|found| found.colour) => 3,
        Channels::Auto => 1,
    };
    let side = 1..=1 << 14;
    if side.contains(&height) && side.contains(&width) {
        return Ok([channels, height, width]);
    }
    Err(Error::argument("image size", "height and width of 1 to 16384", format!("{height} and {width}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;
    use image::{ImageFormat, Rgb, RgbImage};

    fn save(folder: &Path, name: &str, image: impl Into<DynamicImage>) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.into().save_with_format(&path, ImageFormat::from_path(&path).unwrap()).unwrap();
    }

    fn plain(w: u32, h: u32, colour: [u8; 3]) -> RgbImage {
        RgbImage::from_pixel(w, h, Rgb(colour))
    }

    /// A folder of five kinds of files, 4x3 but for one.
    fn kinds() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "red/1.png", plain(4, 3, [200, 0, 0]));
        save(folder.path(), "red/2.jpg", plain(4, 3, [200, 0, 0]));
        save(folder.path(), "red/deep/3.bmp", plain(8, 9, [200, 0, 0]));
        save(folder.path(), "blue/4.gif", DynamicImage::from(plain(4, 3, [0, 0, 100])).to_rgba8());
        save(folder.path(), "blue/5.webp", plain(4, 3, [0, 0, 100]));
        folder
    }

    #[test]
    fn images_of_all_kinds_and_sizes_become_one_shape() {
        let folder = kinds();
        let data = ImageFolder::open(folder.path(), ImageOptions::default()).unwrap();
        assert_eq!((data.len(), data.image_shape(), data.skipped().len()), (5, [3, 3, 4], 0));
        assert_eq!(data.classes(), ["blue", "red"]);
        let named = |i: usize| data.file(i).unwrap().0.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!([0, 1, 2, 3, 4].map(named), ["4.gif", "5.webp", "1.png", "2.jpg", "3.bmp"]);
        let by = vec![0.0; 3];
        let data = data.normalised(by, vec![1.0; 3]).unwrap();
        let batch = Batch::read(&data, &[0, 1, 2, 3, 4], 0, 0).unwrap();
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [0, 0, 1, 1, 1]);
        for (i, &value) in batch.tensors[0].as_f32().unwrap().iter().enumerate() {
            let (image, channel) = (i / 36, i / 12 % 3);
            let expected = [[0.0, 0.0, 100.0], [200.0, 0.0, 0.0]][usize::from(image > 1)][channel];
            assert!((value * 255.0 - expected).abs() < 3.0, "image {image}, channel {channel}: {value}");
        }
        // Decoded when they are read they are the same.
        let unkept =
            ImageFolder::read_folder(folder.path(), ImageOptions::default(), None, 10, decode).unwrap();
        assert!(unkept.pixels.is_none());
        let unkept = unkept.normalised(vec![0.0; 3], vec![1.0; 3]).unwrap();
        assert_eq!(batch, Batch::read(&unkept, &[0, 1, 2, 3, 4], 0, 0).unwrap());
    }

    #[test]
    fn a_file_is_decoded_once_unless_a_broken_one_settled_the_size() {
        let folder = kinds();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let counted = |path: &Path| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            decode(path)
        };
        let options = ImageOptions { on_bad: OnBad::Skip, ..Default::default() };
        let open = || ImageFolder::read_folder(folder.path(), options, None, BUDGET, counted).unwrap();
        let shape = open().image_shape();
        assert_eq!((shape, count.swap(0, std::sync::atomic::Ordering::Relaxed)), ([3, 3, 4], 5));
        // Six files of another size, of which the heads alone can be read.
        save(folder.path(), "blue/6.png", plain(9, 9, [1, 2, 3]));
        let whole = std::fs::read(folder.path().join("blue/6.png")).unwrap();
        for number in 6..12 {
            let path = folder.path().join(format!("blue/{number}.png"));
            std::fs::write(path, &whole[..whole.len() - 20]).unwrap();
        }
        let again = open();
        assert_eq!((again.image_shape(), again.len(), again.skipped().len()), (shape, 5, 6));
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 22);
    }

    #[test]
    fn options_settle_size_and_channels() {
        let options = ImageOptions { size: Some((2, 5)), channels: Channels::Grey, ..Default::default() };
        let data = ImageFolder::open(kinds().path(), options).unwrap();
        assert_eq!(data.image_shape(), [1, 2, 5]);
        let none = ImageOptions { size: Some((0, 5)), ..Default::default() };
        assert!(ImageFolder::open(kinds().path(), none).unwrap_err().to_string().contains("0 and 5"));
    }

    #[test]
    fn what_does_not_decode_is_named_and_counted() {
        let folder = kinds();
        let cut = std::fs::read(folder.path().join("red/1.png")).unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("red/cut.png", &cut[..cut.len() / 2]);
        write("blue/empty.png", b"");
        write("blue/words.gif", b"no image");
        write("blue/note.txt", b"no image either, and not taken for one");
        let told = ImageFolder::open(folder.path(), ImageOptions::default()).unwrap_err().to_string();
        assert!(
            told.contains("empty.png") && told.contains("an empty file") && told.contains("2 more"),
            "{told}"
        );
        let options = ImageOptions { on_bad: OnBad::Skip, ..Default::default() };
        let data = ImageFolder::open(folder.path(), options).unwrap();
        let bad: Vec<_> =
            data.skipped().iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!((data.len(), bad), (5, vec!["empty.png", "words.gif", "cut.png"]));
    }

    #[test]
    fn other_parts_are_as_the_training_part() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), "train/a/1.png", plain(2, 2, [100, 50, 0]));
        save(folder.path(), "train/b/1.png", plain(2, 2, [0, 50, 0]));
        save(folder.path(), "val/b/1.png", image::GrayImage::from_pixel(5, 5, image::Luma([100])));
        let parts = ImageFolder::parts(folder.path(), ImageOptions::default()).unwrap();
        let valid = parts.valid.unwrap();
        assert!(parts.test.is_none());
        assert_eq!((valid.image_shape(), valid.classes().len(), valid.file(0).unwrap().1), ([3, 2, 2], 2, 1));
        assert_eq!(valid.normalised_by(), Some(parts.train.statistics()));
        let batch = Batch::read(&valid, &[0], 0, 0).unwrap();
        assert!((batch.tensors[0].as_f32().unwrap()[0] - 1.0).abs() < 1e-5, "100 lies a deviation above 50");
    }
}
