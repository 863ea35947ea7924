//! Images of 8-bit pixels in memory, with class labels.

use super::statistics::{Statistics, Sums};
use super::{Examples, Field, Values};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::TensorType;

/// MNIST's mean and standard deviation of pixels in `[0, 1]`, with which images are normalised.
pub const MEAN: f32 = 0.1307;
/// See [`MEAN`].
pub const STD: f32 = 0.3081;

/// Images of 8-bit pixels with class labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    /// Channels, height and width.
    shape: [usize; 3],
    /// What the classes are called.
    names: Vec<String>,
    first_label: u8,
    normalised_by: Statistics,
}

impl Dataset {
    /// Images of `shape` (channels, height, width), one after the other, and a label below `classes` for each. They are
    /// normalised by MNIST's [`MEAN`] and [`STD`].
    ///
    /// # Errors
    /// When there are none, the counts differ, or a label is out of range.
    pub fn new(pixels: Vec<u8>, labels: Vec<u32>, shape: [usize; 3], classes: usize) -> Result<Self> {
        let size: usize = shape.iter().product();
        if size == 0 || labels.is_empty() {
            return Err(Error::argument(
                "dataset",
                "images and labels",
                format!("{} labels of {shape:?}", labels.len()),
            ));
        }
        if pixels.len() != labels.len().saturating_mul(size) {
            let expected = format!("{} pixels for {} labels of {shape:?}", labels.len() * size, labels.len());
            return Err(Error::argument("dataset", expected, pixels.len().to_string()));
        }
        if let Some(i) = labels.iter().position(|&l| l as usize >= classes) {
            let got = format!("{} at {i}", labels[i]);
            return Err(Error::argument("dataset", format!("labels below {classes}"), got));
        }
        let names = (0..classes).map(|class| class.to_string()).collect();
        let normalised_by = Statistics { mean: vec![MEAN; shape[0]], std: vec![STD; shape[0]] };
        Ok(Self { pixels, labels, shape, names, first_label: 0, normalised_by })
    }

    /// The same, with names for the classes.
    ///
    /// # Errors
    /// When there are not as many as classes.
    pub fn with_names(self, names: Vec<String>) -> Result<Self> {
        if names.len() != self.names.len() {
            let expected = format!("{} names of classes", self.names.len());
            return Err(Error::argument("dataset", expected, names.len().to_string()));
        }
        Ok(Self { names, ..self })
    }

    /// The same, whose examples are normalised by these, a number a channel: `(pixel / 255 - mean) / std`.
    ///
    /// # Errors
    /// When there are not as many as channels, one is not finite, or a deviation is not above 0.
    pub fn normalised(self, mean: Vec<f32>, std: Vec<f32>) -> Result<Self> {
        let normalised_by = Statistics { mean, std };
        normalised_by.check(self.shape[0])?;
        Ok(Self { normalised_by, ..self })
    }

    /// Mean and deviation of the pixels of each channel, in `[0, 1]`.
    pub fn statistics(&self) -> Statistics {
        let [channels, h, w] = self.shape;
        let mut sums = Sums::new(channels);
        self.pixels.chunks_exact(channels * h * w).for_each(|image| sums.add(image));
        sums.statistics()
    }

    /// The same, whose class 0 was labelled `first` where it comes from; the label that is printed.
    pub fn with_first_label(self, first: u8) -> Self {
        let names = (0..self.names.len()).map(|class| (usize::from(first) + class).to_string()).collect();
        Self { first_label: first, names, ..self }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none; never, for a dataset that could be made.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels, height and width.
    pub fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// The label of class 0 where the data comes from.
    pub fn first_label(&self) -> u8 {
        self.first_label
    }

    /// The classes of the images, below [`Dataset::classes`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The pixels of image `index`, `None` behind the end.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let size: usize = self.shape.iter().product();
        self.pixels.get(index.checked_mul(size)?..)?.get(..size)
    }
}

impl Examples for Dataset {
    fn len(&self) -> usize {
        self.labels.len()
    }

    /// `image`, `(C, H, W)`, normalised, and `label`.
    fn fields(&self) -> Vec<Field> {
        vec![Field::new("image", TensorType::f32(self.shape)), Field::new("label", TensorType::u32([]))]
    }

    fn classes(&self) -> &[String] {
        &self.names
    }

    fn normalised_by(&self) -> Option<&Statistics> {
        Some(&self.normalised_by)
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.labels.len());
        let (Some(image), [pixels, label]) = (self.image(index), values) else {
            return Err(Error::argument("dataset", expected(), index.to_string()));
        };
        self.normalised_by.normalise(image, pixels.f32()?);
        label.u32()?.fill(self.labels[index]);
        Ok(())
    }
}

/// A pixel of 0 to 255 as networks of MNIST see it.
pub fn normalise(pixel: f32) -> f32 {
    (pixel / 255.0 - MEAN) / STD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let refused = |pixels: usize, labels: Vec<u32>, part: &str| {
            let error = Dataset::new(vec![0; pixels], labels, [1, 2, 2], 3).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(4, vec![], "images and labels");
        refused(7, vec![0, 1], "8 pixels for 2 labels");
        refused(8, vec![0, 3], "labels below 3, got 3 at 1");
    }

    #[test]
    fn a_batch_is_normalised_and_in_order() {
        let data = Dataset::new(vec![0, 255, 51], vec![0, 1, 2], [1, 1, 1], 3).unwrap();
        let batch = Batch::read(&data, &[2, 0], 0, 0).unwrap();
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [2, 0]);
        let images = batch.tensors[0].as_f32().unwrap();
        assert!((images[0] - (0.2 - MEAN) / STD).abs() < 1e-6 && images[1] == -MEAN / STD);
        assert!(Batch::read(&data, &[3], 0, 0).is_err());
    }

    #[test]
    fn channels_are_normalised_by_their_own_statistics() {
        // A constant channel, and one of 0 and 255.
        let pixels = vec![51, 51, 0, 255, 51, 51, 255, 0];
        let data = Dataset::new(pixels, vec![300, 0], [2, 1, 2], 301).unwrap();
        let Statistics { mean, std } = data.statistics();
        assert_eq!((mean.as_slice(), std.as_slice()), (&[0.2, 0.5][..], &[1.0, 0.5][..]));
        let refused = data.clone().normalised(vec![0.5], vec![0.5]).unwrap_err().to_string();
        assert!(refused.contains("2 channels, got 1"), "{refused}");
        assert!(data.clone().normalised(mean.clone(), vec![0.5, 0.0]).is_err());
        let data = data.normalised(mean, std).unwrap();
        let batch = Batch::read(&data, &[0], 0, 0).unwrap();
        assert_eq!(batch.tensors[0].as_f32().unwrap(), [0.0, 0.0, -1.0, 1.0]);
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [300]);
        let named = |count: usize| data.clone().with_names(vec!["name".to_owned(); count]);
        assert!(named(300).unwrap_err().to_string().contains("301 names"));
        assert_eq!(named(301).unwrap().classes(), 301);
    }
}
