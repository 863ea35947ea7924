//! Folders of recordings: WAV files, a folder a class.

use super::examples::{Examples, Field, Values};
use super::folders::{self, ClassFiles, OnBad};
use super::spectra::{LogMel, LogMelPlan, resample};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::TensorType;
use hound::{SampleFormat, WavReader};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// How recordings become examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioOptions {
    /// Samples a second that all are brought to.
    pub sample_rate: u32,
    /// What is longer is cut, what is shorter is followed by silence.
    pub seconds: f64,
    /// Their spectra instead of the waveforms.
    pub spectra: Option<LogMel>,
    /// What becomes of files that do not decode.
    pub on_bad: OnBad,
}

impl Default for AudioOptions {
    /// A second of a waveform at 8 kHz; files that do not decode are errors.
    fn default() -> Self {
        Self { sample_rate: 8000, seconds: 1.0, spectra: None, on_bad: OnBad::Stop }
    }
}

/// The samples of a WAV file, its channels mixed, from -1 to 1, and their rate.
///
/// # Errors
/// When it is no WAV file of integers of 8, 16, 24 or 32 bits or of floats, is cut off, or holds nothing.
pub fn read_wav(path: &Path) -> Result<(Vec<f32>, u32)> {
    let bad = |got: String| Error::file(path, "a WAV file of integers or floats", got);
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut reader = WavReader::new(BufReader::new(file)).map_err(|e| bad(e.to_string()))?;
    let spec = reader.spec();
    let scale = 1.0 / (1u64 << (u32::from(spec.bits_per_sample).clamp(1, 32) - 1)) as f32;
    let samples: std::result::Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => reader.samples::<i32>().map(|v| v.map(|v| v as f32 * scale)).collect(),
    };
    let samples = samples.map_err(|e| bad(e.to_string()))?;
    let channels = usize::from(spec.channels).max(1);
    if samples.len() < channels || spec.sample_rate == 0 {
        return Err(bad(format!("{} samples at {} Hz", samples.len(), spec.sample_rate)));
    }
    if let Some((position, value)) = samples.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(bad(format!("{value} as sample {}", position / channels)));
    }
    let mixed = samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32);
    Ok((mixed.collect(), spec.sample_rate))
}

/// A WAV file as an example of these options: `(1, samples)`, or bands by frames.
///
/// # Errors
/// As [`read_wav`] and [`LogMel::plan`].
pub fn read_recording(path: &Path, options: &AudioOptions) -> Result<Vec<f32>> {
    let plan = options.spectra.map(|of| of.plan()).transpose()?;
    recorded(path, options, plan.as_ref())
}

fn recorded(path: &Path, options: &AudioOptions, plan: Option<&LogMelPlan>) -> Result<Vec<f32>> {
    let (samples, rate) = read_wav(path)?;
    let mut samples = resample(&samples, rate, options.sample_rate)?;
    samples.resize(options.samples()?, 0.0);
    Ok(match plan {
        Some(plan) => plan.apply(&samples),
        None => samples,
    })
}

impl AudioOptions {
    /// Samples of an example.
    fn samples(&self) -> Result<usize> {
        let samples = (self.seconds * f64::from(self.sample_rate)).round();
        if !(1.0..=1e8).contains(&samples) {
            let got = format!("{} s at {} Hz", self.seconds, self.sample_rate);
            return Err(Error::argument("audio", "a length of at least 1 sample", got));
        }
        Ok(samples as usize)
    }
}

/// WAV files in folders, each a class: decoded, resampled and transformed when they are read, by the threads that read ahead.
pub struct AudioFolder {
    files: ClassFiles,
    options: AudioOptions,
    samples: usize,
    plan: Option<LogMelPlan>,
}

impl AudioFolder {
    /// The files of `folder/CLASS/*.wav`; all are decoded once, on all cores.
    ///
    /// # Errors
    /// When there are fewer than two classes, a class has no recording, an option is out of range, or a file does not decode
    /// and that is not to be skipped.
    pub fn open(folder: &Path, options: AudioOptions) -> Result<Self> {
        let samples = options.samples()?;
        let files = folders::find(folder, &["wav", "wave"], None)?;
        let (files, _) = files.checked(options.on_bad, |path| read_wav(path).map(drop))?;
        let plan = options.spectra.map(|of| of.plan()).transpose()?;
        Ok(Self { files, options, samples, plan })
    }

    /// The files that do not decode, and why.
    pub fn skipped(&self) -> &[(PathBuf, String)] {
        &self.files.skipped
    }
}

impl Examples for AudioFolder {
    fn len(&self) -> usize {
        self.files.files.len()
    }

    /// `audio`, `(1, samples)` or `(bands, frames)`, and `label`.
    fn fields(&self) -> Vec<Field> {
        let shape = self.options.spectra.map_or([1, self.samples], |of| of.shape(self.samples));
        vec![Field::new("audio", TensorType::f32(shape)), Field::new("label", TensorType::u32([]))]
    }

    fn classes(&self) -> &[String] {
        &self.files.classes
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.files.files.len());
        let (Some((path, class)), [audio, label]) = (self.files.files.get(index), values) else {
            return Err(Error::argument("audio", expected(), index.to_string()));
        };
        audio.f32()?.copy_from_slice(&recorded(path, &self.options, self.plan.as_ref())?);
        label.u32()?.fill(*class);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;
    use std::fs;

    /// A WAV file, byte by byte: format 1 for integers, 3 for floats.
    fn wav(format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut file = b"RIFF".to_vec();
        file.extend((36 + data.len() as u32).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0");
        file.extend([format.to_le_bytes(), channels.to_le_bytes()].concat());
        file.extend([rate.to_le_bytes(), (rate * u32::from(block)).to_le_bytes()].concat());
        file.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn integers_of_all_widths_and_floats_are_the_same_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let sound = [0.0f32, 0.5, -0.5, 0.25];
        let bytes = |bits: u16| -> Vec<u8> {
            let whole = |v: f32| (f64::from(v) * f64::from(1u32 << (bits - 1))) as i64;
            let one = |v: &f32| match bits {
                // Of 8 bits silence is 128.
                8 => vec![(whole(*v) + 128) as u8],
                _ => whole(*v).to_le_bytes()[..usize::from(bits) / 8].to_vec(),
            };
            sound.iter().flat_map(one).collect()
        };
        for bits in [8, 16, 24, 32] {
            fs::write(&path, wav(1, 1, 8000, bits, &bytes(bits))).unwrap();
            assert_eq!(read_wav(&path).unwrap(), (sound.to_vec(), 8000), "{bits}");
        }
        let floats: Vec<u8> = sound.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(&path, wav(3, 1, 44_100, 32, &floats)).unwrap();
        assert_eq!(read_wav(&path).unwrap(), (sound.to_vec(), 44_100));
        fs::write(&path, wav(1, 2, 8000, 16, &bytes(16))).unwrap();
        assert_eq!(read_wav(&path).unwrap().0, [0.25, -0.125], "channels are mixed");
        let whole = wav(1, 1, 8000, 16, &bytes(16));
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let error = read_wav(&path).unwrap_err().to_string();
            assert!(error.contains("a.wav"), "{cut}: {error}");
        }
        fs::write(&path, wav(3, 1, 8000, 32, &f32::NAN.to_le_bytes())).unwrap();
        assert!(read_wav(&path).unwrap_err().to_string().contains("NaN as sample 0"));
        assert!(read_wav(&folder.path().join("none.wav")).is_err());
    }

    #[test]
    fn a_folder_is_a_class_and_bad_files_are_named_or_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, rate: u32, count: usize| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let data: Vec<u8> = (0..count).flat_map(|_| 16_384i16.to_le_bytes()).collect();
            fs::write(path, wav(1, 1, rate, 16, &data)).unwrap();
        };
        file("yes/1.wav", 8000, 50);
        file("no/1.WAV", 16_000, 400);
        file("no/2.wav", 8000, 4000);
        let options = AudioOptions { seconds: 0.0125, ..AudioOptions::default() };
        let set = AudioFolder::open(folder.path(), options).unwrap();
        assert_eq!((set.len(), set.classes()), (3, &["no".to_owned(), "yes".to_owned()][..]));
        let batch = Batch::read(&set, &[0, 2], 0, 0).unwrap();
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [0, 1]);
        let sound = batch.tensors[0].as_f32().unwrap();
        assert!(sound.len() == 200 && (sound[50] - 0.5).abs() < 0.01, "resampled: {}", sound[50]);
        assert_eq!((sound[100 + 10], sound[100 + 60]), (0.5, 0.0), "followed by silence");
        let spectra = AudioOptions { spectra: Some(LogMel::new(8000)), ..options };
        let set = AudioFolder::open(folder.path(), spectra).unwrap();
        assert_eq!(set.fields()[0].ty.shape[..], [40, 1]);
        fs::write(folder.path().join("yes/2.wav"), b"RIFF").unwrap();
        fs::write(folder.path().join("yes/3.wav"), b"").unwrap();
        let error = AudioFolder::open(folder.path(), options).err().unwrap().to_string();
        assert!(error.contains("yes/2.wav") && error.contains("and 1 more"), "{error}");
        let skip = AudioOptions { on_bad: OnBad::Skip, ..options };
        let set = AudioFolder::open(folder.path(), skip).unwrap();
        assert_eq!((set.len(), set.skipped().len()), (3, 2));
        fs::create_dir(folder.path().join("empty")).unwrap();
        let error = AudioFolder::open(folder.path(), skip).err().unwrap().to_string();
        assert!(error.contains("empty") && error.contains("wav"), "{error}");
        let none = AudioOptions { seconds: 0.0, ..options };
        assert!(AudioFolder::open(folder.path(), none).is_err());
    }
}
