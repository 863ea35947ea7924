//! Networks that classify signals: waveforms, spectra over time, DNA.

use super::sequences::waveform_cnn;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::nn::{
    Activation, BatchNorm1d, Conv1d, Dropout, Gru, Lambda, Linear, MaxPool1d, Module, Sequential,
};
use crate::ops::Elementwise;
use std::fmt;

/// The signals and the number of classes that a network is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    /// Channels and length: `(1, samples)` of a waveform, `(bands, frames)` of its spectra, `(4, bases)` of DNA.
    pub shape: [usize; 2],
    /// The number of classes.
    pub classes: usize,
}

impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape: [channels, length], classes } = self;
        write!(f, "signals of {channels}x{length} in {classes} classes")
    }
}

impl Signals {
    /// Refuses signals that are shorter than `least`.
    fn at_least(&self, least: usize) -> Result<()> {
        if self.shape[1] >= least {
            return Ok(());
        }
        let expected = format!("signals of a length of at least {least}");
        Err(Error::argument("model", expected, self.to_string()))
    }
}

/// What signals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Waveforms.
    Waveforms,
    /// Logarithms of the energies of bands of waveforms, frame by frame.
    Spectra,
    /// DNA, a channel a base.
    Dna,
}

/// A network for signals `(N, channels, length)` of some classes, by name.
pub struct SignalModel {
    /// What `--model` takes.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// What it reads.
    pub reads: Heard,
    /// Signals of a training step with which Adam trains it well.
    pub batch_size: usize,
    /// Adam's learning rate for that.
    pub lr: f32,
    /// Builds it for signals of these sizes.
    pub build: fn(&Signals) -> Result<Sequential>,
}

/// All of them.
pub static SIGNAL_MODELS: [SignalModel; 4] = [
    SignalModel {
        name: "audio-cnn",
        about: "M5 of waveforms: conv1d 80 of stride 16, three conv1d 3, batch norm, relu and max-pool each, mean, linear",
        reads: Heard::Waveforms,
        batch_size: 32,
        lr: 3e-3,
        build: waveforms,
    },
    SignalModel {
        name: "audio-crnn",
        about: "two conv1d over the frames of a log-mel spectrum, batch norm, relu and max-pool each, GRU 64, linear of its last state",
        reads: Heard::Spectra,
        batch_size: 32,
        lr: 3e-3,
        build: spectra,
    },
    SignalModel {
        name: "motif-cnn",
        about: "conv1d 15 over DNA with 32 filters, relu, the largest along it, dropout, linear",
        reads: Heard::Dna,
        batch_size: 32,
        lr: 3e-3,
        build: motifs,
    },
    SignalModel {
        name: "motif-gru",
        about: "conv1d 11 over DNA with 32 filters, relu, max-pool 4, GRU 32, linear of its last state",
        reads: Heard::Dna,
        batch_size: 32,
        lr: 5e-3,
        build: motifs_in_order,
    },
];

fn relu() -> Activation {
    Activation(Elementwise::relu())
}

fn waveforms(signals: &Signals) -> Result<Sequential> {
    // Its four pools must leave a sample.
    signals.at_least(6848)?;
    Ok(waveform_cnn(signals.shape[0], signals.classes, 32))
}

/// Convolution, batch norm, relu and a pool that halves.
fn block(from: usize, to: usize, kernel_size: usize) -> Sequential {
    Sequential::new()
        .named("conv", Conv1d::new(from, to, kernel_size).padding(kernel_size / 2))
        .named("norm", BatchNorm1d::new(to))
        .named("relu", relu())
        .named("pool", MaxPool1d::new(2))
}

/// A GRU over `(N, channels, length)` from its beginning, to its last state.
struct ReadOn {
    channels: usize,
    hidden: usize,
}

impl Module for ReadOn {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        let [n, _, _] = shape[..] else {
            let mismatch = Mismatch::new("signals (N, channels, length)", shape.to_string());
            return Err(Error::op("gru", &input.graph().label(), mismatch));
        };
        let steps = input.permute(&[0, 2, 1])?;
        let read = Gru::new(self.channels, self.hidden).batch_first(true).sequence(&steps, None, None)?;
        read.state[0].reshape([n, self.hidden])
    }
}

fn spectra(signals: &Signals) -> Result<Sequential> {
    signals.at_least(4)?;
    Ok(Sequential::new()
        .named("block1", block(signals.shape[0], 64, 5))
        .named("block2", block(64, 64, 3))
        .named("rnn", ReadOn { channels: 64, hidden: 64 })
        .named("fc", Linear::new(64, signals.classes)))
}

fn motifs(signals: &Signals) -> Result<Sequential> {
    Ok(Sequential::new()
        .named("conv", Conv1d::new(signals.shape[0], 32, 15).padding(7))
        .named("relu", relu())
        .named("max", Lambda(|x: &Tensor| x.amax([2], false)))
        .named("dropout", Dropout::new(0.2))
        .named("fc", Linear::new(32, signals.classes)))
}

fn motifs_in_order(signals: &Signals) -> Result<Sequential> {
    signals.at_least(4)?;
    Ok(Sequential::new()
        .named("conv", Conv1d::new(signals.shape[0], 32, 11).padding(5))
        .named("relu", relu())
        .named("pool", MaxPool1d::new(4))
        .named("rnn", ReadOn { channels: 32, hidden: 32 })
        .named("fc", Linear::new(32, signals.classes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    #[test]
    fn signals_of_any_size_become_classes() {
        for model in &SIGNAL_MODELS {
            let least = if model.reads == Heard::Waveforms { 6848 } else { 4 };
            for (channels, length) in [(1, 8000), (4, least), (40, 7001)] {
                let signals = Signals { shape: [channels, length], classes: 7 };
                let x = Graph::new().input("x", [3, channels, length]).unwrap();
                let logits = (model.build)(&signals).unwrap().forward(&x).unwrap();
                assert_eq!(logits.shape()[..], [3, 7], "{} for {signals}", model.name);
            }
        }
        let short = Signals { shape: [1, 6847], classes: 2 };
        assert!((SIGNAL_MODELS[0].build)(&short).err().unwrap().to_string().contains("at least 6848"));
    }
}
