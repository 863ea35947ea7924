//! Words that nobody has spoken: vowels one after the other, by voices of all pitches, with noise.
//!
//! The default dataset of networks that hear. Every recording depends on the seed and its number alone.

use super::signals::{SignalSet, generated};
use crate::error::{Error, Result};
use crate::random::Rng;
use std::f64::consts::TAU;

/// Samples a second, and of a recording.
pub const TONES_RATE: usize = 8000;

/// The first two resonances of the vowels i, e, a, o and u, in Hz (after Peterson and Barney, Control methods used in a study
/// of the vowels, 1952).
const VOWELS: [(f64, f64); 5] =
    [(270.0, 2290.0), (530.0, 1840.0), (730.0, 1090.0), (570.0, 840.0), (300.0, 870.0)];

/// The words: their names and their vowels. The same vowels in another order are another word.
const WORDS: [(&str, &[usize]); 10] = [
    ("ia", &[0, 2]),
    ("ai", &[2, 0]),
    ("ou", &[3, 4]),
    ("uo", &[4, 3]),
    ("eo", &[1, 3]),
    ("oe", &[3, 1]),
    ("iau", &[0, 2, 4]),
    ("uai", &[4, 2, 0]),
    ("a", &[2]),
    ("i", &[0]),
];

/// Samples for which a voice's resonances stay as they are.
const FRAME: usize = 80;

/// `count` recordings of a second at 8 kHz, spoken from `seed`, of 10 words; word and voice are random. Field `audio`,
/// `(1, 8000)`.
///
/// # Errors
/// When `count` is 0.
pub fn tones(count: usize, seed: u64) -> Result<SignalSet> {
    if count == 0 {
        return Err(Error::argument("tones", "at least 1 recording", "0"));
    }
    let (values, labels) = generated(count, TONES_RATE, |number, samples| {
        let mut rng = Rng::named(seed, &format!("tones {number}"));
        let word = rng.below(WORDS.len());
        speak(WORDS[word].1, &mut rng, samples);
        word as u32
    });
    let names = WORDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    SignalSet::new("audio", [1, TONES_RATE], values, labels, names)
}

/// Speaks vowels, which glide into each other.
fn speak(vowels: &[usize], rng: &mut Rng, samples: &mut [f32]) {
    let rate = TONES_RATE as f64;
    let (pitch, fall, throat) = (rng.range(85.0, 240.0), rng.range(0.8, 1.1), rng.range(0.88, 1.14));
    let length = rng.range(0.5, 0.9) * rate;
    let begin = rng.range(0.02, 0.98) * (rate - length);
    let (level, noise) = (rng.range(0.1, 0.5), 10f64.powf(rng.range(-3.0, -1.7)));
    let mut phase = rng.range(0.0, TAU);
    let mut weights: Vec<f64> = Vec::new();
    for (place, sample) in samples.iter_mut().enumerate() {
        let time = (place as f64 - begin) / length;
        let hiss = noise * rng.normal();
        if !(0.0..1.0).contains(&time) {
            *sample = hiss as f32;
            continue;
        }
        let now = pitch * (1.0 + (fall - 1.0) * time);
        if weights.is_empty() || place % FRAME == 0 {
            weights = harmonics(vowels, time, now, throat);
        }
        phase = (phase + TAU * now / rate) % TAU;
        // sin((k + 1) p) = 2 cos(p) sin(k p) - sin((k - 1) p).
        let (twice, mut before, mut sine, mut sum) = (2.0 * phase.cos(), 0.0, phase.sin(), 0.0);
        for weight in &weights {
            sum += weight * sine;
            (before, sine) = (sine, twice * sine - before);
        }
        // Louder in the middle of each vowel.
        let within = (time * vowels.len() as f64).fract();
        let envelope =
            (time * 12.0).min((1.0 - time) * 8.0).min(1.0) * (0.55 + 0.45 * (0.5 * TAU * within).sin());
        *sample = (level * envelope * sum + hiss) as f32;
    }
}

/// How loud each harmonic of a pitch is at a time from 0 to 1 of the word.
fn harmonics(vowels: &[usize], time: f64, pitch: f64, throat: f64) -> Vec<f64> {
    let place = (time * vowels.len() as f64 - 0.5).clamp(0.0, vowels.len() as f64 - 1.0);
    let (from, to) = (vowels[place.floor() as usize], vowels[place.ceil() as usize]);
    let glide = |a: f64, b: f64| throat * (a + (b - a) * (place.fract() * 2.0 - 0.5).clamp(0.0, 1.0));
    let first = glide(VOWELS[from].0, VOWELS[to].0);
    let second = glide(VOWELS[from].1, VOWELS[to].1);
    let resonance = |f: f64, center: f64, width: f64| 1.0 / (1.0 + ((f - center) / width).powi(2));
    let count = (3600.0 / pitch) as usize;
    let raw: Vec<f64> = (1..=count.max(1))
        .map(|k| {
            let f = k as f64 * pitch;
            (resonance(f, first, 70.0) + 0.6 * resonance(f, second, 110.0) + 0.02) / (1.0 + f / 2000.0)
        })
        .collect();
    let norm = raw.iter().map(|w| w * w).sum::<f64>().sqrt();
    raw.into_iter().map(|w| w / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Examples;

    #[test]
    fn recordings_depend_on_seed_and_number_alone() {
        let (few, many) = (tones(7, 3).unwrap(), tones(30, 3).unwrap());
        assert!((0..7).all(|i| few.signal(i) == many.signal(i) && few.labels()[i] == many.labels()[i]));
        assert_ne!(few, tones(7, 4).unwrap());
        assert!(tones(0, 0).is_err());
    }

    #[test]
    fn every_word_is_heard_and_none_is_too_loud() {
        let set = tones(200, 0).unwrap();
        for word in 0..set.classes().len() as u32 {
            assert!(set.labels().iter().filter(|&&label| label == word).count() > 5, "{word}");
        }
        for i in 0..set.len() {
            let signal = set.signal(i).unwrap();
            let power = signal.iter().map(|v| v * v).sum::<f32>() / signal.len() as f32;
            let peak = signal.iter().fold(0.0, |peak: f32, v| peak.max(v.abs()));
            assert!((1e-4..0.2).contains(&power) && peak < 4.0, "recording {i}: power {power}, peak {peak}");
        }
    }
}
