//! Datasets: labelled images and signals, tables, texts, time series; batches of any of them, read ahead on several threads.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

#[cfg(feature = "audio")]
mod audio;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod augment;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod augment_image;
mod augment_text;
#[expect(clippy::indexing_slicing, reason = "positions in what it has made itself")]
mod birds;
mod cifar;
pub mod csv;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod dataset;
#[expect(clippy::indexing_slicing, reason = "positions in what it has made itself")]
mod digits;
mod dna;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod examples;
#[cfg(any(feature = "audio", feature = "images"))]
mod folders;
mod idx;
#[cfg(feature = "images")]
mod images;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod loader;
mod mixup;
#[cfg(feature = "images")]
mod pictures;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod series;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod signals;
#[cfg(feature = "audio")]
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod spectra;
mod statistics;
mod table;
mod table_columns;
mod text;
#[expect(clippy::indexing_slicing, reason = "positions in what it has made itself")]
mod tones;
#[expect(clippy::indexing_slicing, reason = "positions within lengths that were checked before")]
mod warp;

#[cfg(feature = "audio")]
pub use audio::{AudioFolder, AudioOptions, read_recording, read_wav};
pub use augment::{Augment, Augmented};
pub use birds::birds;
pub use cifar::{CifarLabels, load_cifar};
pub use dataset::{Dataset, MEAN, STD, normalise};
pub use digits::digits;
pub use dna::{FastaRecord, load_dna, motifs, one_hot_dna, parse_fasta, read_dna};
pub use examples::{Batch, Examples, Field, Subset, Values, check_batch_size, split};
#[cfg(any(feature = "audio", feature = "images"))]
pub use folders::{OnBad, Parts};
pub use idx::{Labels, load_idx, load_mnist};
#[cfg(feature = "images")]
pub use images::{Channels, ImageFolder, ImageOptions, read_image};
pub use loader::{Loader, Order};
pub use mixup::Mixup;
pub use series::{Series, SeriesWindows, seasonal_series};
pub use signals::SignalSet;
#[cfg(feature = "audio")]
pub use spectra::{LogMel, LogMelPlan, resample};
pub use statistics::Statistics;
pub use table::{Missing, Table, TableOptions, TableSchema, TableTask};
pub use text::{SAMPLE_TEXT, Streams, Vocabulary, read_text, split_text};
pub use tones::{TONES_RATE, tones};

/// The first few of many, in words.
fn some_of(all: &[impl AsRef<str>]) -> String {
    const NAMED: usize = 5;
    let named: Vec<&str> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = all.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    named.join(", ") + &more
}
