//! Words told apart by their sound: log-mel spectra, convolutions over time and a GRU:
//! `cargo run --release --features audio --example audio -- DIR`, where DIR has a folder of WAV files a word.
//! Without a folder, words that nobody has spoken.

use std::path::Path;
use std::sync::Arc;
use wgrad::data::{self, AudioFolder, AudioOptions, Examples, LogMel, SignalSet};
use wgrad::nn::models::{SIGNAL_MODELS, Signals};
use wgrad::train::{Classification, Fit, Options, Trainer};
use wgrad::{Device, Error, Result, optim};

/// Spectra of recordings of a second at 8 kHz: 40 bands by frames of 16 ms.
fn spectra(recordings: &SignalSet) -> Result<SignalSet> {
    let mel = LogMel::new(data::TONES_RATE as u32);
    let [_, samples] = recordings.shape();
    let plan = mel.plan()?;
    recordings.changed("spectrum", mel.shape(samples), |wave| plan.apply(wave))
}

/// The recordings of a folder, of any rate, mixed to one channel and resampled.
fn folder(path: &Path) -> Result<Arc<dyn Examples>> {
    let rate = data::TONES_RATE as u32;
    let options =
        AudioOptions { sample_rate: rate, spectra: Some(LogMel::new(rate)), ..AudioOptions::default() };
    Ok(Arc::new(AudioFolder::open(path, options)?))
}

fn main() -> Result<()> {
    let all: Arc<dyn Examples> = match std::env::args_os().nth(1) {
        Some(path) => folder(path.as_ref())?,
        None => Arc::new(spectra(&data::tones(600, 1)?)?),
    };
    let (train, held) = data::split(&all, 0.2, 0)?;
    let train: Arc<dyn Examples> = Arc::new(train);
    let signals = Signals { shape: shape(all.as_ref())?, classes: all.classes().len() };
    println!("{} spectra, {signals}", all.len());

    let model = SIGNAL_MODELS.iter().find(|model| model.name == "audio-crnn");
    let model = model.ok_or_else(|| Error::argument("model", "audio-crnn", "none"))?;
    let task = Classification::new((model.build)(&signals)?);
    let options = Options { batch_size: model.batch_size, max_norm: Some(1.0), ..Options::default() };
    let adam = optim::Adam::new(model.lr);
    let mut trainer = Trainer::new(&Device::auto()?, task, adam, train.as_ref(), options)?;
    let reports = Fit::new(4).validation(Arc::new(held)).run(&mut trainer, &train)?;
    for report in &reports {
        println!("epoch {}: accuracy {:.3}", report.epoch, report.test.metric("accuracy")?);
    }
    // What is confused with what.
    if let Some(confusion) = reports.last().and_then(|report| report.test.confusion()) {
        for (class, name) in all.classes().iter().enumerate() {
            println!(
                "  {name}: recall {:.2}, precision {:.2}",
                confusion.recall(class),
                confusion.precision(class)
            );
        }
    }
    Ok(())
}

/// Channels and length of the first field.
fn shape(data: &dyn Examples) -> Result<[usize; 2]> {
    let fields = data.fields();
    match fields.first().map(|field| &field.ty.shape[..]) {
        Some(&[channels, length]) => Ok([channels, length]),
        _ => Err(Error::argument("data", "signals (channels, length)", format!("{fields:?}"))),
    }
}
