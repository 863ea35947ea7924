//! The options with which commands choose their data.

use crate::device::name;
use crate::networks::Reads;
use crate::resume::Words;
use crate::tables::TableArgs;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wgrad::data::{
    self, AudioFolder, AudioOptions, Augment, Augmented, Channels, CifarLabels, Dataset, Examples,
    ImageFolder, ImageOptions, Labels, LogMel, Mixup, OnBad, Parts, SignalSet, Statistics, TableOptions,
    TableSchema,
};
use wgrad::nn::Heard;

/// Sizes of the drawn images.
const DRAWN: (usize, usize) = (10_000, 2_000);
/// Of the generated recordings.
const SPOKEN: (usize, usize) = (3_000, 600);
/// Of the generated sequences, and their bases.
const PLANTED: (usize, usize, usize) = (6_000, 1_200, 100);
/// The fraction of a folder without a test part that becomes one, and the seed of the choice.
const TEST_SHARE: (f64, u64) = (0.2, 0);

/// What to do with files that do not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bad {
    /// Fail.
    Stop,
    /// Leave them out, and report them.
    Skip,
}

/// The channels of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ChannelsName {
    /// Three where an image has colour, else one.
    Auto,
    /// One.
    Grey,
    /// Three.
    Colour,
}

/// Height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(usize, usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.0, self.1)
    }
}

fn size(text: &str) -> Result<Size, String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    match (height.parse(), width.parse()) {
        (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok(Size(height, width)),
        _ => Err("expected a size such as 64 or 48x64".into()),
    }
}

/// Which data.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// For networks of images a folder with IDX files as MNIST's (train-images-idx3-ubyte and so on, plain or .gz) or EMNIST's,
    /// which are transposed, with CIFAR's binary files, or of image files (PNG, JPEG, WebP, GIF, BMP), a folder a class,
    /// below train, val and test or parted by the program; of sound a folder of WAV files, a folder a class; of DNA a FASTA
    /// file whose headers say label=CLASS, a folder of FASTA files, each a class, or a CSV file with columns sequence and
    /// label; of tables a CSV file, or a folder with train.csv and test.csv. Without it, data made by the program.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Which of several image sets in the folder to use, such as letters of emnist-letters-train-images-idx3-ubyte; of
    /// CIFAR-100
    /// `coarse` or `fine` labels.
    #[arg(long, value_name = "NAME", value_parser = name, requires = "data")]
    split: Option<String>,
    /// The size that image files are scaled and cut to, such as 64 or 48x64 [default: the commonest].
    #[arg(long, value_name = "[HxW]", value_parser = size)]
    image_size: Option<Size>,
    /// The channels of image files.
    #[arg(long, value_enum, default_value = "auto")]
    channels: ChannelsName,
    /// The sample rate, in Hz, to which recordings are resampled.
    #[arg(long, value_name = "HZ", default_value_t = 8000, value_parser = clap::value_parser!(u32).range(1..))]
    sample_rate: u32,
    /// The length to which recordings are cut or padded with silence, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    seconds: f64,
    /// What to do with files that do not decode.
    #[arg(long, value_enum, default_value = "stop")]
    on_bad: Bad,
    #[command(flatten)]
    table: TableArgs,
}

/// A training and a test set.
pub struct Sets {
    /// Learned.
    pub train: Arc<dyn Examples>,
    /// Judged on.
    pub test: Arc<dyn Examples>,
    /// Held back from those that are learned, and evaluated on after every epoch.
    pub held: Option<Arc<dyn Examples>>,
    /// Whether they are digits and letters, light on dark, as MNIST has them.
    pub written: bool,
    /// Of tables, what their columns are.
    pub table: Option<TableSchema>,
    /// Where they come from, in words.
    pub about: String,
}

/// What a network was trained on, where the data is to be read as that was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Like<'a> {
    /// The classes of IDX files; those that occur where there are none.
    pub labels: Option<Labels>,
    /// What images are normalised by; their own numbers where there are none.
    pub by: Option<&'a Statistics>,
    /// The columns of tables.
    pub table: Option<&'a TableSchema>,
    /// Whether it is other data than that.
    pub other: bool,
}

impl Sets {
    /// Both sets, which come from there.
    pub fn new(train: Arc<dyn Examples>, test: Arc<dyn Examples>, from: &str, what: &str) -> Self {
        let about = format!("{from}, {} training and {} test {what}", train.len(), test.len());
        Self { train, test, held: None, written: false, table: None, about }
    }

    /// A part of a whole to be evaluated on.
    fn parted(whole: Arc<dyn Examples>, from: &str, what: &str) -> anyhow::Result<Self> {
        let (train, test) = data::split(&whole, TEST_SHARE.0, TEST_SHARE.1)?;
        Ok(Self::new(Arc::new(train), Arc::new(test), from, what))
    }

    /// Holds a fraction of the training examples back.
    ///
    /// # Errors
    /// When it leaves nothing for one of the parts.
    pub fn held_back(mut self, share: Option<f64>, seed: u64) -> anyhow::Result<Self> {
        if let Some(share) = share {
            anyhow::ensure!(
                self.held.is_none(),
                "--validation: expected data without a part for it, got one"
            );
            let (train, held) = data::split(&self.train, share, seed).context("--validation")?;
            self.about += &format!(", {} of the training ones held out", held.len());
            self.train = Arc::new(train);
            self.held = Some(Arc::new(held));
        }
        Ok(self)
    }

    /// Changes the training images at random, and mixes the training examples.
    ///
    /// # Errors
    /// When a number is out of range, or there are no images or classes.
    pub fn varied(mut self, augment: Option<&str>, mixup: Option<f64>) -> anyhow::Result<Self> {
        if let Some(text) = augment {
            let augments = Augment::parse_all(text).context("--augment")?;
            self.train = Arc::new(Augmented::new(self.train, augments).context("--augment")?);
        }
        if let Some(alpha) = mixup {
            self.train = Arc::new(Mixup::new(self.train, alpha).context("--mixup")?);
        }
        Ok(self)
    }

    /// What every epoch is evaluated on.
    pub fn evaluation(&self) -> &Arc<dyn Examples> {
        self.held.as_ref().unwrap_or(&self.test)
    }

    /// What that is called.
    pub fn evaluated(&self) -> &'static str {
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
        words.add("image-size", self.image_size);
        words.add("channels", self.channels.to_possible_value().map(|value| value.get_name().to_owned()));
        words.add("sample-rate", Some(self.sample_rate));
        words.add("seconds", Some(self.seconds));
        words.add("on-bad", self.on_bad.to_possible_value().map(|value| value.get_name().to_owned()));
        self.table.words(&mut words);
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

    /// Loads or makes what a network reads, like what it was trained on. What is made is the same every time.
    ///
    /// # Errors
    /// When the data does not hold what it should.
    pub fn load(&self, reads: Reads, like: Like<'_>) -> anyhow::Result<Sets> {
        match (reads, &self.data) {
            (Reads::Tables, path) => self.table.load(path.as_deref(), like),
            (Reads::Images, Some(folder)) => self.images(folder, like.labels, like.by),
            (Reads::Images, None) => {
                let (train, test) = (data::digits(DRAWN.0, 1)?, data::digits(DRAWN.1, 2)?);
                let sets = Sets::new(Arc::new(train), Arc::new(test), "drawn digits", "images");
                Ok(Sets { written: true, ..sets })
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

    fn images(&self, folder: &Path, labels: Option<Labels>, by: Option<&Statistics>) -> anyhow::Result<Sets> {
        let split = self.split.as_ref().map_or(String::new(), |split| format!(", {split}"));
        let from = format!("{}{split}", folder.display());
        let kind = Holds::of(folder);
        if kind == Holds::Images {
            return self.image_files(folder, by);
        }
        let (train, test) = match kind {
            Holds::Cifar => data::load_cifar(folder, self.cifar_labels()?)?,
            _ => data::load_idx(folder, self.split.as_deref(), labels)?,
        };
        let normalised = |set: Dataset| match by {
            Some(Statistics { mean, std }) => set.normalised(mean.clone(), std.clone()),
            None => Ok(set),
        };
        let (train, test) = (normalised(train)?, normalised(test)?);
        let sets = Sets::new(Arc::new(train), Arc::new(test), &from, "images");
        Ok(Sets { written: kind == Holds::Idx, ..sets })
    }

    fn cifar_labels(&self) -> anyhow::Result<CifarLabels> {
        match self.split.as_deref() {
            None | Some("fine") => Ok(CifarLabels::Fine),
            Some("coarse") => Ok(CifarLabels::Coarse),
            Some(other) => anyhow::bail!("--split: expected fine or coarse labels of CIFAR-100, got {other}"),
        }
    }

    fn image_files(&self, folder: &Path, by: Option<&Statistics>) -> anyhow::Result<Sets> {
        let channels = match self.channels {
            ChannelsName::Auto => Channels::Auto,
            ChannelsName::Grey => Channels::Grey,
            ChannelsName::Colour => Channels::Colour,
        };
        let size = self.image_size.map(|Size(height, width)| (height, width));
        let options = ImageOptions { size, channels, on_bad: self.on_bad() };
        let Parts { train, valid, test } = ImageFolder::parts(folder, options)?;
        let shared = |set: ImageFolder| -> anyhow::Result<Arc<dyn Examples>> {
            report_skipped(set.skipped());
            Ok(match by {
                Some(Statistics { mean, std }) => Arc::new(set.normalised(mean.clone(), std.clone())?),
                None => Arc::new(set),
            })
        };
        let (train, valid) = (shared(train)?, valid.map(&shared).transpose()?);
        let from = folder.display().to_string();
        Ok(match (test.map(&shared).transpose()?, valid) {
            (Some(test), held) => Sets { held, ..Sets::new(train, test, &from, "images") },
            (None, Some(valid)) => Sets::new(train, valid, &from, "images"),
            (None, None) => Sets::parted(train, &from, "images")?,
        })
    }

    fn on_bad(&self) -> OnBad {
        match self.on_bad {
            Bad::Stop => OnBad::Stop,
            Bad::Skip => OnBad::Skip,
        }
    }

    /// How tables are read.
    pub fn table(&self) -> TableOptions {
        self.table.options()
    }

    /// How recordings become examples of a network.
    pub fn audio(&self, heard: Heard) -> AudioOptions {
        let spectra = (heard == Heard::Spectra).then(|| LogMel::new(self.sample_rate));
        let on_bad = self.on_bad();
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
            report_skipped(set.skipped());
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

/// What kind of images a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Idx,
    Cifar,
    Images,
}

impl Holds {
    /// By the names in it; IDX files, whose absence is reported best, where nothing is like anything.
    fn of(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names: Vec<(String, bool)> =
            entries.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path().is_dir())).collect();
        let any = |test: &dyn Fn(&str, bool) -> bool| names.iter().any(|(name, is_dir)| test(name, *is_dir));
        if any(&|name, is_dir| !is_dir && name.contains("-idx") || name.contains(".idx")) {
            Self::Idx
        } else if any(&|name, _| name.ends_with(".bin") || name.starts_with("cifar-10")) {
            Self::Cifar
        } else if any(&|name, is_dir| is_dir && !name.starts_with('.')) {
            Self::Images
        } else {
            Self::Idx
        }
    }
}

/// Says what was left out.
fn report_skipped(skipped: &[(PathBuf, String)]) {
    const NAMED: usize = 5;
    skipped.iter().take(NAMED).for_each(|(_, why)| eprintln!("left out: {why}"));
    if skipped.len() > NAMED {
        eprintln!("left out: {} files in all", skipped.len());
    }
}
