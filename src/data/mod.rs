//! Datasets: labelled images and signals, texts, time series; batches of any of them, read ahead on several threads.

#[cfg(feature = "audio")]
mod audio;
mod digits;
mod dna;
mod examples;
#[cfg(feature = "audio")]
mod folders;
mod idx;
mod loader;
mod series;
mod signals;
#[cfg(feature = "audio")]
mod spectra;
mod text;
mod tones;

#[cfg(feature = "audio")]
pub use audio::{AudioFolder, AudioOptions, read_recording, read_wav};
pub use digits::digits;
pub use dna::{FastaRecord, load_dna, motifs, one_hot_dna, parse_fasta};
pub use examples::{Batch, Examples, Field, Subset, Values, check_batch_size, split};
#[cfg(feature = "audio")]
pub use folders::OnBad;
pub use idx::{Labels, load_idx, load_mnist};
pub use loader::{Loader, Order};
pub use series::{Series, SeriesWindows, seasonal_series};
pub use signals::SignalSet;
#[cfg(feature = "audio")]
pub use spectra::{LogMel, LogMelPlan, resample};
pub use text::{SAMPLE_TEXT, Streams, Vocabulary, read_text, split_text};
pub use tones::{TONES_RATE, tones};

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
    labels: Vec<u8>,
    /// Channels, height and width.
    shape: [usize; 3],
    /// What the classes are called.
    names: Vec<String>,
    first_label: u8,
}

impl Dataset {
    /// Images of `shape` (channels, height, width), one after the other, and a label below `classes` for each.
    ///
    /// # Errors
    /// When there are none, the counts differ, or a label is out of range.
    pub fn new(pixels: Vec<u8>, labels: Vec<u8>, shape: [usize; 3], classes: usize) -> Result<Self> {
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
        if let Some(i) = labels.iter().position(|&l| usize::from(l) >= classes) {
            let got = format!("{} at {i}", labels[i]);
            return Err(Error::argument("dataset", format!("labels below {classes}"), got));
        }
        let names = (0..classes).map(|class| class.to_string()).collect();
        Ok(Self { pixels, labels, shape, names, first_label: 0 })
    }

    /// The same, whose class 0 was labelled `first` where it comes from: what people are told.
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
    pub fn labels(&self) -> &[u8] {
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

    /// `image`, `(C, H, W)`, normalised to `(pixel / 255 - MEAN) / STD`, and `label`.
    fn fields(&self) -> Vec<Field> {
        vec![Field::new("image", TensorType::f32(self.shape)), Field::new("label", TensorType::u32([]))]
    }

    fn classes(&self) -> &[String] {
        &self.names
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.labels.len());
        let (Some(image), [pixels, label]) = (self.image(index), values) else {
            return Err(Error::argument("dataset", expected(), index.to_string()));
        };
        for (value, &pixel) in pixels.f32()?.iter_mut().zip(image) {
            *value = normalise(f32::from(pixel));
        }
        label.u32()?.fill(u32::from(self.labels[index]));
        Ok(())
    }
}

/// A pixel of 0 to 255 as networks see it.
pub fn normalise(pixel: f32) -> f32 {
    (pixel / 255.0 - MEAN) / STD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let refused = |pixels: usize, labels: Vec<u8>, part: &str| {
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
}
