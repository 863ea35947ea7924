//! The options with which commands choose their data.

use crate::device::name;
use crate::networks::Reads;
use crate::resume::Words;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wgrad::data::{self, AudioFolder, AudioOptions, Examples, Labels, LogMel, OnBad, SignalSet};
use wgrad::nn::Heard;

/// Sizes of the drawn images.
const DRAWN: (usize, usize) = (10_000, 2_000);
/// Of the generated recordings.
const SPOKEN: (usize, usize) = (3_000, 600);
/// Of the generated sequences, and their bases.
const PLANTED: (usize, usize, usize) = (6_000, 1_200, 100);
/// The share of a folder without a test part that becomes one, and the seed of the choice.
const TEST_SHARE: (f64, u64) = (0.2, 0);

/// What becomes of files that do not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bad {
    /// They are an error.
    Stop,
    /// They are left out, and told.
    Skip,
}

/// Which data.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// For networks of images a folder with IDX files as MNIST's (train-images-idx3-ubyte and so on, plain or .gz) or EMNIST's,
    /// which are turned upright; of sound a folder of WAV files, a folder a class; of DNA a FASTA file whose headers say
    /// label=CLASS, or a folder of FASTA files, each a class. Without it, data made by the program.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Of several sets of images in the folder this one, such as letters of emnist-letters-train-images-idx3-ubyte.
    #[arg(long, value_name = "NAME", value_parser = name, requires = "data")]
    split: Option<String>,
    /// Samples a second that recordings are brought to.
    #[arg(long, value_name = "HZ", default_value_t = 8000, value_parser = clap::value_parser!(u32).range(1..))]
    sample_rate: u32,
    /// Recordings are cut to this length, or followed by silence.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    seconds: f64,
    /// What becomes of files that do not decode.
    #[arg(long, value_enum, default_value = "stop")]
    on_bad: Bad,
}

/// A training and a test set.
pub struct Sets {
    /// Learned.
    pub train: Arc<dyn Examples>,
    /// Judged on.
    pub test: Arc<dyn Examples>,
    /// Held back from those that are learned, and judged on after every epoch.
    pub held: Option<Arc<dyn Examples>>,
    /// Where they come from, in words.
    pub about: String,
}

impl Sets {
    fn new(train: Arc<dyn Examples>, test: Arc<dyn Examples>, from: &str, what: &str) -> Self {
        let about = format!("{from}, {} training and {} test {what}", train.len(), test.len());
        Self { train, test, held: None, about }
    }

    /// A part of a whole to be judged on.
    fn parted(whole: Arc<dyn Examples>, from: &str, what: &str) -> anyhow::Result<Self> {
        let (train, test) = data::split(&whole, TEST_SHARE.0, TEST_SHARE.1)?;
        Ok(Self::new(Arc::new(train), Arc::new(test), from, what))
    }

    /// Holds a share of the training examples back.
    ///
    /// # Errors
    /// When it leaves nothing for one of the parts.
    pub fn held_back(mut self, share: Option<f64>, seed: u64) -> anyhow::Result<Self> {
        if let Some(share) = share {
            let (train, held) = data::split(&self.train, share, seed).context("--validation")?;
            self.about += &format!(", {} of the training ones held back", held.len());
            self.train = Arc::new(train);
            self.held = Some(Arc::new(held));
        }
        Ok(self)
    }

    /// What every epoch is judged on.
    pub fn judge(&self) -> &Arc<dyn Examples> {
        self.held.as_ref().unwrap_or(&self.test)
    }

    /// What that is called.
    pub fn judged(&self) -> &'static str {
        if self.held.is_some() { "validation" } else { "test" }
    }
}

impl DataArgs {
    /// Whether data was asked for, and not what the program makes.
    pub fn given(&self) -> bool {
        self.data.is_some()
    }

    /// What was asked for, as a command line that asks for it again, wherever it is run.
    ///
    /// # Errors
    /// When the data is gone, or its name is no UTF-8.
    pub fn words(&self) -> anyhow::Result<Vec<String>> {
        let mut words = Words::default();
        words.path("data", self.data.as_deref())?;
        words.add("split", self.split.as_ref());
        words.add("sample-rate", Some(self.sample_rate));
        words.add("seconds", Some(self.seconds));
        words.add("on-bad", self.on_bad.to_possible_value().map(|value| value.get_name().to_owned()));
        Ok(words.list())
    }

    /// What a run noted of its data; `None` where it is of before it was noted.
    ///
    /// # Errors
    /// When it notes something else.
    pub fn noted(words: &Value) -> anyhow::Result<Option<Self>> {
        use clap::FromArgMatches;
        let Some(words) = words.as_array() else { return Ok(None) };
        let words = words.iter().filter_map(Value::as_str).map(OsString::from);
        let parser = Self::augment_args(clap::Command::new("data").no_binary_name(true));
        let found = parser.try_get_matches_from(words)?;
        Ok(Some(Self::from_arg_matches(&found)?))
    }

    /// Loads or makes what a network reads. What is made is the same every time. The classes of images are those of `labels`, or
    /// those that occur.
    ///
    /// # Errors
    /// When the data does not hold what it should.
    pub fn load(&self, reads: Reads, labels: Option<Labels>) -> anyhow::Result<Sets> {
        match (reads, &self.data) {
            (Reads::Images, Some(folder)) => self.images(folder, labels),
            (Reads::Images, None) => {
                let (train, test) = (data::digits(DRAWN.0, 1)?, data::digits(DRAWN.1, 2)?);
                Ok(Sets::new(Arc::new(train), Arc::new(test), "drawn digits", "images"))
            }
            (Reads::Signals(Heard::Dna), Some(path)) => {
                let whole = Arc::new(data::load_dna(path, None)?);
                Sets::parted(whole, &path.display().to_string(), "sequences")
            }
            (Reads::Signals(Heard::Dna), None) => {
                let (train, test, length) = PLANTED;
                let (train, test) = (data::motifs(train, length, 1)?, data::motifs(test, length, 2)?);
                let from = "DNA with a planted motif or its bases shuffled";
                Ok(Sets::new(Arc::new(train), Arc::new(test), from, "sequences"))
            }
            (Reads::Signals(heard), Some(folder)) => self.recordings(folder, heard),
            (Reads::Signals(heard), None) => {
                let (train, test) = (data::tones(SPOKEN.0, 1)?, data::tones(SPOKEN.1, 2)?);
                let [train, test] = [self.heard(train, heard)?, self.heard(test, heard)?];
                Ok(Sets::new(Arc::new(train), Arc::new(test), "generated words of vowels", "recordings"))
            }
        }
    }

    fn images(&self, folder: &Path, labels: Option<Labels>) -> anyhow::Result<Sets> {
        let (train, test) = data::load_idx(folder, self.split.as_deref(), labels)?;
        let split = self.split.as_ref().map_or(String::new(), |split| format!(", {split}"));
        let from = format!("{}{split}", folder.display());
        Ok(Sets::new(Arc::new(train), Arc::new(test), &from, "images"))
    }

    /// How recordings become examples of a network.
    pub fn audio(&self, heard: Heard) -> AudioOptions {
        let spectra = (heard == Heard::Spectra).then(|| LogMel::new(self.sample_rate));
        let on_bad = match self.on_bad {
            Bad::Stop => OnBad::Stop,
            Bad::Skip => OnBad::Skip,
        };
        AudioOptions { sample_rate: self.sample_rate, seconds: self.seconds, spectra, on_bad }
    }

    /// Generated waveforms as a network hears them.
    fn heard(&self, waveforms: SignalSet, heard: Heard) -> anyhow::Result<SignalSet> {
        if heard != Heard::Spectra {
            return Ok(waveforms);
        }
        let of = LogMel::new(data::TONES_RATE as u32);
        let plan = of.plan()?;
        Ok(waveforms.changed("audio", of.shape(waveforms.shape()[1]), |samples| plan.apply(samples))?)
    }

    /// A folder of recordings: `train` and `test` in it, or one whole.
    fn recordings(&self, folder: &Path, heard: Heard) -> anyhow::Result<Sets> {
        let open = |path: &Path| -> anyhow::Result<Arc<dyn Examples>> {
            let set = AudioFolder::open(path, self.audio(heard))?;
            told(set.skipped());
            Ok(Arc::new(set))
        };
        let from = folder.display().to_string();
        let [train, test] = ["train", "test"].map(|part| folder.join(part));
        if train.is_dir() && test.is_dir() {
            return Ok(Sets::new(open(&train)?, open(&test)?, &from, "recordings"));
        }
        Sets::parted(open(folder)?, &from, "recordings")
    }
}

/// Says what was left out.
fn told(skipped: &[(PathBuf, String)]) {
    const NAMED: usize = 5;
    skipped.iter().take(NAMED).for_each(|(_, why)| eprintln!("left out: {why}"));
    if skipped.len() > NAMED {
        eprintln!("left out: {} files in all", skipped.len());
    }
}
