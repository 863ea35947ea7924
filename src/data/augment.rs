//! Images changed at random while they are read, with torchvision's names and meaning.

use super::augment_image::Image;
use super::warp::{self, Map};
use super::{Examples, Field, Statistics, Values};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::random::Rng;
use std::sync::Arc;

/// A random change of an image `(C, H, W)`. What an image has not, behind its edges, is black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Augment {
    /// The image with `padding` pixels on all sides, cut to its size at a random position.
    RandomCrop {
        /// Pixels.
        padding: usize,
    },
    /// A part of the image, of a random fraction of its area and a ratio of sides of 3/4 to 4/3, scaled to its size (bilinear);
    /// the whole image where none of ten draws fits.
    RandomResizedCrop {
        /// The least and the largest fraction.
        scale: (f64, f64),
    },
    /// Left and right exchanged.
    HorizontalFlip {
        /// How probably.
        p: f64,
    },
    /// Top and bottom exchanged.
    VerticalFlip {
        /// How probably.
        p: f64,
    },
    /// Rotated around its centre (bilinear; torchvision's default is the nearest pixel).
    Rotation {
        /// The largest angle, either way.
        degrees: f64,
    },
    /// Rotated, moved, scaled and sheared (bilinear; torchvision's default is the nearest pixel).
    Affine {
        /// The largest angle, either way.
        degrees: f64,
        /// The largest shift, either way, as a fraction of width and height.
        translate: f64,
        /// The least and the largest factor.
        scale: (f64, f64),
        /// The largest angle of a shear along x, either way.
        shear: f64,
    },
    /// Brightness, contrast and saturation, in a random order, each by a factor of `1 - x` to `1 + x`. Pixels are brought to
    /// `[0, 1]` for it and back: the data has to know what it is normalised by.
    ColorJitter {
        /// Of all pixels.
        brightness: f64,
        /// Of all pixels against the mean lightness.
        contrast: f64,
        /// Of colours against grey.
        saturation: f64,
    },
    /// A rectangle of 2 to 33 % of the area is set to 0, the mean of normalised images.
    Erase {
        /// How probably.
        p: f64,
    },
    /// Normal noise is added to pixels in `[0, 1]`, which stay there; where images are not normalised, to their values.
    Noise {
        /// Its standard deviation.
        std: f64,
    },
}

impl Augment {
    /// Accepts numbers that mean something.
    ///
    /// # Errors
    /// Names what is out of range.
    pub fn check(&self) -> Result<()> {
        let checked = |name: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::argument(
                &format!("augmentation, {name}"),
                format!("{low} to {high}"),
                value.to_string(),
            ))
        };
        let scaled = |(low, high): (f64, f64), most: f64| {
            checked("scale", high, 1e-3, most)?;
            checked("scale", low, 1e-3, high)
        };
        match *self {
            Self::RandomCrop { padding } => checked("padding", padding as f64, 0.0, 4096.0),
            Self::RandomResizedCrop { scale } => scaled(scale, 1.0),
            Self::HorizontalFlip { p } | Self::VerticalFlip { p } | Self::Erase { p } => {
                checked("p", p, 0.0, 1.0)
            }
            Self::Rotation { degrees } => checked("degrees", degrees, 0.0, 180.0),
            Self::Affine { degrees, translate, scale, shear } => {
                checked("degrees", degrees, 0.0, 180.0)?;
                checked("translate", translate, 0.0, 1.0)?;
                scaled(scale, 100.0)?;
                checked("shear", shear, 0.0, 80.0)
            }
            Self::ColorJitter { brightness, contrast, saturation } => {
                checked("brightness", brightness, 0.0, 100.0)?;
                checked("contrast", contrast, 0.0, 100.0)?;
                checked("saturation", saturation, 0.0, 100.0)
            }
            Self::Noise { std } => checked("std", std, 0.0, 100.0),
        }
    }

    /// Changes an image. All that is random comes from `draws`.
    fn apply(&self, image: &mut Image<'_>, draws: &mut Rng) {
        let [h, w] = image.size;
        match *self {
            Self::RandomCrop { padding } => {
                let mut shift = || draws.below(2 * padding + 1) as f64 - padding as f64;
                let (y, x) = (shift(), shift());
                image.warp(&Map::shift(x, y));
            }
            Self::RandomResizedCrop { scale } => {
                let part = warp::rectangle(image.size, scale, (3.0 / 4.0, 4.0 / 3.0), draws);
                image.resize(part.unwrap_or([0, 0, h, w]));
            }
            Self::HorizontalFlip { p } => {
                if draws.uniform() < p {
                    image.values.chunks_mut(w).for_each(<[f32]>::reverse);
                }
            }
            Self::VerticalFlip { p } => {
                if draws.uniform() < p {
                    image.flip_rows();
                }
            }
            Self::Rotation { degrees } => {
                let angle = draws.range(-degrees, degrees);
                image.warp(&Map::inverse_affine(image.size, angle, [0.0; 2], 1.0, 0.0));
            }
            Self::Affine { degrees, translate, scale, shear } => {
                let angle = draws.range(-degrees, degrees);
                let mut shift = |side: usize| (draws.range(-translate, translate) * side as f64).round();
                let by = [shift(w), shift(h)];
                let scale = draws.range(scale.0, scale.1);
                let shear = draws.range(-shear, shear);
                image.warp(&Map::inverse_affine(image.size, angle, by, scale, shear));
            }
            Self::ColorJitter { brightness, contrast, saturation } => {
                image.jitter([brightness, contrast, saturation], draws);
            }
            Self::Erase { p } => {
                if draws.uniform() < p
                    && let Some(part) = warp::rectangle(image.size, (0.02, 0.33), (0.3, 3.3), draws)
                {
                    image.erase(part);
                }
            }
            Self::Noise { std } => image.noise(std, draws),
        }
    }
}

/// Another dataset whose images are changed at random when they are read: another way in each epoch, the same on any number of
/// threads.
pub struct Augmented {
    data: Arc<dyn Examples>,
    augments: Vec<Augment>,
    /// The position of the field `image`, its height and width.
    position: usize,
    size: [usize; 2],
}

impl Augmented {
    /// The field `image` of `data` changed by `augments`, one after the other.
    ///
    /// # Errors
    /// When there is no such field of shape `(C, H, W)`, a number of `augments` is out of range, or colours are to be changed
    /// of images that are neither grey nor of three channels, or that are not known to be normalised by anything.
    pub fn new(data: Arc<dyn Examples>, augments: Vec<Augment>) -> Result<Self> {
        let bad = |got: String| Error::argument("augmentation", "a field image of shape (C, H, W)", got);
        let fields = data.fields();
        let found = fields.iter().position(|field| field.name == "image");
        let position = found.ok_or_else(|| {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            bad(format!("only {}", names.join(", ")))
        })?;
        let ty = &fields[position].ty;
        let (&[channels, h, w], DType::F32) = (&ty.shape[..], ty.dtype) else {
            return Err(bad(ty.to_string()));
        };
        augments.iter().try_for_each(Augment::check)?;
        let jitters = augments.iter().any(|augment| matches!(augment, Augment::ColorJitter { .. }));
        if jitters && (data.normalised_by().is_none() || ![1, 3].contains(&channels)) {
            let known = data.normalised_by().map_or("that nothing is known to normalise", |_| "normalised");
            let expected = "images of 1 or 3 channels whose mean and deviation are known";
            return Err(Error::argument(
                "augmentation, jitter",
                expected,
                format!("{channels} channels {known}"),
            ));
        }
        Ok(Self { data, augments, position, size: [h, w] })
    }
}

impl Examples for Augmented {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn fields(&self) -> Vec<Field> {
        self.data.fields()
    }

    fn classes(&self) -> &[String] {
        self.data.classes()
    }

    fn normalised_by(&self) -> Option<&Statistics> {
        self.data.normalised_by()
    }

    fn read(&self, index: usize, draws: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        self.data.read(index, draws, values)?;
        let count = values.len();
        let missing =
            || Error::argument("augmentation", "values of a field image", format!("{count} fields"));
        let values = values.get_mut(self.position).ok_or_else(missing)?.f32()?;
        let mut image = Image { values, size: self.size, by: self.data.normalised_by() };
        self.augments.iter().for_each(|augment| augment.apply(&mut image, draws));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Batch, Dataset, Loader, Order};

    const H: usize = 6;
    const W: usize = 5;

    /// Twenty images of random pixels.
    fn data(channels: usize) -> Dataset {
        let mut draws = Rng::new(5);
        let pixels = (0..20 * channels * H * W).map(|_| draws.below(256) as u8).collect();
        let data = Dataset::new(pixels, (0..20).collect(), [channels, H, W], 20).unwrap();
        let own = data.statistics();
        data.normalised(own.mean, own.std).unwrap()
    }

    /// Image `index` before and after, and what black is.
    fn changed(text: &str, index: usize, epoch: u64) -> (Vec<f32>, Vec<f32>, f32) {
        let data = Arc::new(data(1));
        let black = data.normalised_by().map(|by| -by.mean[0] / by.std[0]).unwrap();
        let augmented = Augmented::new(data.clone(), Augment::parse_all(text).unwrap()).unwrap();
        let read = |data: &dyn Examples| {
            Batch::read(data, &[index], 1, epoch).unwrap().tensors[0].as_f32().unwrap().to_vec()
        };
        (read(data.as_ref()), read(&augmented), black)
    }

    fn close(one: &[f32], other: &[f32]) -> bool {
        one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    #[test]
    fn flips_mirror_rows_and_columns() {
        let (own, flipped, _) = changed("flip:p=1", 3, 0);
        assert!((0..H * W).all(|i| flipped[i] == own[i / W * W + W - 1 - i % W]));
        let (own, flipped, _) = changed("vertical_flip:p=1", 3, 0);
        assert!((0..H * W).all(|i| flipped[i] == own[(H - 1 - i / W) * W + i % W]));
        assert!((0..9).any(|epoch| changed("flip", 3, epoch).1 != changed("flip", 3, 9).1));
        let (own, same, _) = changed("flip:p=0,vertical_flip:p=0,crop:padding=0,erase:p=0", 3, 0);
        assert_eq!(own, same);
    }

    #[test]
    fn a_crop_moves_whole_pixels_and_is_black_outside() {
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..60 {
            let (own, moved, black) = changed("crop:padding=1", 2, epoch);
            let at = |y: i32, x: i32| match (0..H as i32).contains(&y) && (0..W as i32).contains(&x) {
                true => own[y as usize * W + x as usize],
                false => black,
            };
            let is = |dy: i32, dx: i32| {
                (0..H * W).all(|i| moved[i] == at((i / W) as i32 + dy, (i % W) as i32 + dx))
            };
            let found = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))).find(|&(dy, dx)| is(dy, dx));
            seen.insert(found.expect("one of nine positions"));
        }
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn what_changes_nothing_changes_nothing() {
        for text in [
            "rotation:degrees=0",
            "affine:degrees=0",
            "jitter:brightness=0,contrast=0,saturation=0",
            "noise:std=0",
        ] {
            let (own, same, _) = changed(text, 1, 0);
            assert!(close(&own, &same), "{text}");
        }
        for text in [
            "rotation",
            "affine:translate=0.3,scale=0.5/2,shear=20",
            "jitter",
            "noise",
            "resized_crop:scale=0.1/0.5",
        ] {
            let (own, other, _) = changed(text, 1, 0);
            assert!(!close(&own, &other), "{text}");
        }
    }

    #[test]
    fn erased_pixels_are_zero_and_noise_stays_within_pixels() {
        let (own, erased, _) = changed("erase:p=1", 4, 0);
        let gone = (0..H * W).filter(|&i| erased[i] != own[i]).count();
        assert!(
            (1..=H * W / 2).contains(&gone) && (0..H * W).all(|i| erased[i] == own[i] || erased[i] == 0.0)
        );
        let (_, noisy, black) = changed("noise:std=5", 4, 0);
        let by = data(1).statistics();
        let white = (1.0 - by.mean[0]) / by.std[0];
        assert!(noisy.iter().all(|&v| v > black - 1e-4 && v < white + 1e-4));
    }

    #[test]
    fn batches_are_the_same_on_any_number_of_threads() {
        let text =
            "crop:padding=2,flip,affine,jitter,erase,noise:std=0.02,resized_crop,rotation,vertical_flip";
        let data: Arc<dyn Examples> =
            Arc::new(Augmented::new(Arc::new(data(3)), Augment::parse_all(text).unwrap()).unwrap());
        let epoch = |epoch, threads| {
            let loader =
                Loader::on_threads(&data, 3, Order::Shuffled { seed: 1, epoch }, 0, threads).unwrap();
            loader.map(|batch| batch.unwrap()).collect::<Vec<Batch>>()
        };
        assert_eq!(epoch(0, 1), epoch(0, 5));
        assert_ne!(epoch(0, 1), epoch(1, 1));
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        let told =
            |data: Arc<dyn Examples>, augments| Augmented::new(data, augments).err().unwrap().to_string();
        let jitter = Augment::parse_all("jitter").unwrap();
        assert!(told(Arc::new(data(2)), jitter).contains("1 or 3 channels"));
        let bad = vec![Augment::HorizontalFlip { p: 2.0 }];
        assert!(told(Arc::new(data(1)), bad).contains("p: expected 0 to 1, got 2"));
        let tones: Arc<dyn Examples> = Arc::new(crate::data::tones(3, 1).unwrap());
        assert!(told(tones, vec![]).contains("a field image of shape (C, H, W)"));
    }
}
