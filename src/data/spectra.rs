//! Sound as networks see it: resampled, and as logarithms of the energies of bands.

use crate::error::{Error, Result};
use realfft::{RealFftPlanner, RealToComplex};
use std::f64::consts::PI;
use std::sync::Arc;

/// Zero crossings of the sinc on each side, and the fraction of half the rate that is kept: torchaudio's defaults.
const CROSSINGS: f64 = 6.0;
const ROLLOFF: f64 = 0.99;

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Samples of one rate at another: a sinc that lets nothing above half of the lower rate pass, under a Hann window, as
/// torchaudio's `resample`.
///
/// # Errors
/// When a rate is 0.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    if from == 0 || to == 0 {
        return Err(Error::argument("sample_rate", "at least 1", format!("{from} to {to}")));
    }
    if from == to {
        return Ok(samples.to_vec());
    }
    let common = gcd(from, to);
    let (old, new) = ((from / common) as usize, (to / common) as usize);
    // In samples of the old rate; the cut is at half of the lower one.
    let cut = ROLLOFF * (old.min(new) as f64) / old as f64;
    let width = CROSSINGS / cut;
    let length = (samples.len() * new).div_ceil(old);
    // Of each phase the weights of the samples around it.
    let reach = width.ceil() as isize;
    let phase = |phase: usize| -> Vec<f64> {
        let offset = (phase * old % new) as f64 / new as f64;
        (-reach..=reach + 1)
            .map(|k| {
                let t = ((k as f64 - offset) * cut).clamp(-CROSSINGS, CROSSINGS);
                let window = (t * PI / CROSSINGS / 2.0).cos().powi(2);
                let sinc = if t == 0.0 { 1.0 } else { (PI * t).sin() / (PI * t) };
                sinc * window * cut
            })
            .collect()
    };
    let phases: Vec<Vec<f64>> = (0..new).map(phase).collect();
    let at = |i: usize| {
        let (center, weights) = ((i * old / new) as isize, &phases[i % new]);
        let taps = weights.iter().zip(center - reach..);
        let heard = taps.filter_map(|(weight, position)| {
            let sample = samples.get(usize::try_from(position).ok()?)?;
            Some(weight * f64::from(*sample))
        });
        heard.sum::<f64>() as f32
    };
    Ok((0..length).map(at).collect())
}

/// How a waveform becomes a spectrum: torchaudio's `MelSpectrogram` with its defaults (a Hann window that repeats, frames
/// centred with the signal reflected at its ends, power 2, HTK's scale of pitch, bands that are not normalised), then the
/// logarithm of the energy and a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMel {
    /// Samples a second.
    pub sample_rate: u32,
    /// Samples of a frame.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Bands.
    pub n_mels: usize,
}

impl LogMel {
    /// Frames of 32 ms, one every 16 ms, in 40 bands.
    pub fn new(sample_rate: u32) -> Self {
        let n_fft = (sample_rate as usize * 32 / 1000).max(16).next_power_of_two();
        Self { sample_rate, n_fft, hop: n_fft / 2, n_mels: 40 }
    }

    /// Bands and frames of so many samples.
    pub fn shape(&self, samples: usize) -> [usize; 2] {
        [self.n_mels, 1 + samples / self.hop.max(1)]
    }

    /// Ready to be used on many waveforms, by several threads.
    ///
    /// # Errors
    /// When a size is 0 or a frame has no frequency for some band.
    pub fn plan(&self) -> Result<LogMelPlan> {
        let Self { sample_rate, n_fft, hop, n_mels } = *self;
        if sample_rate == 0 || n_fft < 2 || hop == 0 || n_mels == 0 {
            return Err(Error::argument(
                "log-mel",
                "sizes of at least 1, frames of 2 samples",
                format!("{self:?}"),
            ));
        }
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n_fft);
        let window = (0..n_fft).map(|i| (PI * i as f64 / n_fft as f64).sin().powi(2) as f32).collect();
        Ok(LogMelPlan { of: *self, fft, window, bands: self.bands() })
    }

    /// Of each band its first frequency and the weights from there.
    fn bands(&self) -> Vec<(usize, Vec<f32>)> {
        let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
        let hertz = |m: f64| 700.0 * (10f64.powf(m / 2595.0) - 1.0);
        let highest = mel(f64::from(self.sample_rate) / 2.0);
        let edge = |band: usize| hertz(highest * band as f64 / (self.n_mels + 1) as f64);
        let step = f64::from(self.sample_rate) / self.n_fft as f64;
        let weight = |band: usize, frequency: f64| {
            let [low, middle, high] = [edge(band), edge(band + 1), edge(band + 2)];
            ((frequency - low) / (middle - low)).min((high - frequency) / (high - middle)).max(0.0) as f32
        };
        let of_band = |band: usize| {
            let all = (0..=self.n_fft / 2).map(|k| weight(band, k as f64 * step));
            let weights: Vec<f32> = all.collect();
            let first = weights.iter().position(|&w| w > 0.0).unwrap_or(0);
            let last = weights.iter().rposition(|&w| w > 0.0).map_or(first, |last| last + 1);
            (first, weights[first..last].to_vec())
        };
        (0..self.n_mels).map(of_band).collect()
    }
}

/// A [`LogMel`] with its window, its bands and its Fourier transform.
#[derive(Clone)]
pub struct LogMelPlan {
    of: LogMel,
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    bands: Vec<(usize, Vec<f32>)>,
}

impl LogMelPlan {
    /// Bands by frames, `(n_mels, 1 + samples / hop)`, band by band.
    pub fn apply(&self, samples: &[f32]) -> Vec<f32> {
        let LogMel { n_fft, hop, .. } = self.of;
        let [bands, frames] = self.of.shape(samples.len());
        let mut spectrum = self.fft.make_output_vec();
        let mut result = vec![0.0; bands * frames];
        for frame in 0..frames {
            let begin = (frame * hop) as isize - (n_fft / 2) as isize;
            let mut windowed: Vec<f32> =
                (0..n_fft).map(|i| self.window[i] * reflected(samples, begin + i as isize)).collect();
            // Fails for other lengths alone.
            if self.fft.process(&mut windowed, &mut spectrum).is_err() {
                continue;
            }
            for (band, (first, weights)) in self.bands.iter().enumerate() {
                let energies = spectrum[*first..].iter().map(|value| value.norm_sqr());
                let energy: f32 = weights.iter().zip(energies).map(|(weight, energy)| weight * energy).sum();
                result[band * frames + frame] = (energy + 1e-6).ln();
            }
        }
        result
    }
}

/// A sample, reflected at the ends of the signal; silence where there is none.
fn reflected(samples: &[f32], position: isize) -> f32 {
    let last = samples.len() as isize - 1;
    if last < 1 {
        return samples.first().copied().unwrap_or(0.0);
    }
    let folded = position.rem_euclid(2 * last);
    let folded = if folded > last { 2 * last - folded } else { folded };
    samples.get(folded as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency: f64, rate: f64, count: usize) -> Vec<f32> {
        (0..count).map(|i| (2.0 * PI * frequency * i as f64 / rate).sin() as f32).collect()
    }

    #[test]
    fn a_sine_is_the_same_at_another_rate_and_what_is_too_high_goes() {
        for (from, to) in [(8000, 16_000), (16_000, 8000), (44_100, 8000), (22_050, 16_000), (8000, 11_025)] {
            let got = resample(&sine(1000.0, f64::from(from), from as usize / 2), from, to).unwrap();
            let expected =
                sine(1000.0, f64::from(to), (from as usize / 2 * to as usize).div_ceil(from as usize));
            assert_eq!(got.len(), expected.len(), "{from} to {to}");
            let middle = got.len() / 4..got.len() * 3 / 4;
            let worst = middle.map(|i| (got[i] - expected[i]).abs()).fold(0.0, f32::max);
            assert!(worst < 6e-3, "{from} to {to}: {worst}");
        }
        let high = resample(&sine(6000.0, 16_000.0, 8000), 16_000, 8000).unwrap();
        let heard = high[500..3500].iter().fold(0.0, |most: f32, v| most.max(v.abs()));
        assert!(heard < 0.02, "{heard}");
        assert_eq!(resample(&[1.0, 2.0], 8000, 8000).unwrap(), [1.0, 2.0]);
        assert!(resample(&[], 8000, 0).is_err() && resample(&[], 8000, 16_000).unwrap().is_empty());
    }

    /// The definition, with sums for the Fourier transform.
    #[test]
    fn spectra_are_those_of_the_definition() {
        let of = LogMel { sample_rate: 8000, n_fft: 64, hop: 20, n_mels: 7 };
        let samples: Vec<f32> = (0..130).map(|i| ((i * i) as f32 * 0.013).sin() + 0.2).collect();
        let got = of.plan().unwrap().apply(&samples);
        let [bands, frames] = of.shape(130);
        assert_eq!((bands, frames, got.len()), (7, 7, 49));
        let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
        for frame in 0..frames {
            let at = |i: usize| {
                let position = (frame * 20 + i) as i64 - 32;
                let position = if position < 0 {
                    -position
                } else if position > 129 {
                    258 - position
                } else {
                    position
                };
                let window = 0.5 - 0.5 * (2.0 * PI * i as f64 / 64.0).cos();
                window * f64::from(samples[position as usize])
            };
            for band in 0..bands {
                let mut energy = 0.0;
                for k in 0..=32 {
                    let angle = |i: usize| 2.0 * PI * (i * k) as f64 / 64.0;
                    let re: f64 = (0..64).map(|i| at(i) * angle(i).cos()).sum();
                    let im: f64 = (0..64).map(|i| at(i) * angle(i).sin()).sum();
                    let edge = |b: usize| 700.0 * (10f64.powf(mel(4000.0) * b as f64 / 8.0 / 2595.0) - 1.0);
                    let f = k as f64 * 125.0;
                    let [low, middle, high] = [edge(band), edge(band + 1), edge(band + 2)];
                    let weight = ((f - low) / (middle - low)).min((high - f) / (high - middle)).max(0.0);
                    energy += weight * (re * re + im * im);
                }
                let expected = (energy + 1e-6).ln();
                let found = f64::from(got[band * frames + frame]);
                assert!((found - expected).abs() < 1e-3, "{band} {frame}: {found} {expected}");
            }
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused_and_silence_is_quiet() {
        for bad in [LogMel { n_mels: 0, ..LogMel::new(8000) }, LogMel { hop: 0, ..LogMel::new(8000) }] {
            assert!(bad.plan().is_err());
        }
        let of = LogMel::new(8000);
        assert_eq!((of.n_fft, of.hop, of.shape(8000)), (256, 128, [40, 63]));
        for count in [0, 1, 2, 1000] {
            let silence = of.plan().unwrap().apply(&vec![0.0; count]);
            assert_eq!(silence.len(), 40 * of.shape(count)[1]);
            assert!(silence.iter().all(|&v| (v - 1e-6f32.ln()).abs() < 1e-5));
        }
    }
}
