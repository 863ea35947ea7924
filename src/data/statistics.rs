//! Mean and deviation of the channels of images: what they are normalised by.

use crate::error::{Error, Result};

/// Mean and standard deviation, a number a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The means.
    pub mean: Vec<f32>,
    /// The standard deviations, 1 for a channel whose values are all the same.
    pub std: Vec<f32>,
}

impl Statistics {
    /// Accepts finite numbers for `channels` channels, deviations above 0.
    ///
    /// # Errors
    /// When they are not.
    pub fn check(&self, channels: usize) -> Result<()> {
        let Self { mean, std } = self;
        if mean.len() != channels || std.len() != channels {
            let got = format!("{} and {}", mean.len(), std.len());
            let expected = format!("a mean and a standard deviation for {channels} channels");
            return Err(Error::argument("normalisation", expected, got));
        }
        if let Some(bad) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::argument("normalisation", "finite means", bad.to_string()));
        }
        match std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            Some(bad) => Err(Error::argument("normalisation", "deviations above 0", bad.to_string())),
            None => Ok(()),
        }
    }

    /// Pixels `(C, H, W)` of 0 to 255 as a network sees them.
    pub(super) fn normalise(&self, pixels: &[u8], values: &mut [f32]) {
        let plane = (pixels.len() / self.mean.len().max(1)).max(1);
        let channels =
            self.mean.iter().zip(&self.std).zip(pixels.chunks(plane).zip(values.chunks_mut(plane)));
        for ((mean, std), (pixels, values)) in channels {
            for (value, &pixel) in values.iter_mut().zip(pixels) {
                *value = (f32::from(pixel) / 255.0 - mean) / std;
            }
        }
    }
}

/// Sums over pixels, exact, so that they do not depend on the order in which they were added.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    count: u64,
    /// Of the pixels, and of their squares.
    channels: Vec<(u64, u64)>,
}

impl Sums {
    pub(super) fn new(channels: usize) -> Self {
        Self { count: 0, channels: vec![(0, 0); channels] }
    }

    /// Adds an image `(C, H, W)`.
    pub(super) fn add(&mut self, pixels: &[u8]) {
        let plane = (pixels.len() / self.channels.len().max(1)).max(1);
        self.count += plane as u64;
        for ((sum, squares), pixels) in self.channels.iter_mut().zip(pixels.chunks(plane)) {
            *sum += pixels.iter().map(|&p| u64::from(p)).sum::<u64>();
            *squares += pixels.iter().map(|&p| u64::from(p).pow(2)).sum::<u64>();
        }
    }

    /// Adds what others added up.
    #[cfg(feature = "images")]
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for ((sum, squares), (own, own_squares)) in self.channels.iter_mut().zip(&other.channels) {
            *sum += own;
            *squares += own_squares;
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        let count = self.count.max(1) as f64;
        let mean = |&(sum, _): &(u64, u64)| (sum as f64 / count / 255.0) as f32;
        let std = |&(sum, squares): &(u64, u64)| {
            let mean = sum as f64 / count;
            let std = (squares as f64 / count - mean * mean).max(0.0).sqrt() / 255.0;
            if std > 1e-6 { std as f32 } else { 1.0 }
        };
        Statistics {
            mean: self.channels.iter().map(mean).collect(),
            std: self.channels.iter().map(std).collect(),
        }
    }
}
