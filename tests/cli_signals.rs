//! `wgrad train`, `eval` and `predict` with sound and DNA: files that the tests write, and what the program makes itself.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

fn run(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

/// A mono WAV file of 16 bits.
fn wav(path: &Path, rate: u32, samples: &[f64]) {
    let data: Vec<u8> = samples.iter().flat_map(|v| ((v * 32_000.0) as i16).to_le_bytes()).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend([rate.to_le_bytes(), (2 * rate).to_le_bytes()].concat());
    file.extend(b"\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    fs::write(path, file).expect("a new file");
}

/// The accuracy that `eval` prints, in percent.
fn accuracy(said: &str) -> f64 {
    let line = said.lines().find(|line| line.starts_with("test     loss")).expect("a test");
    line.split_whitespace().nth(4).and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn recordings_in_folders_are_learned_judged_and_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    // Rising and falling tones, at two rates.
    for (class, up) in [("rise", 1.0), ("fall", -1.0)] {
        for i in 0..24 {
            let rate = if i % 3 == 0 { 16_000 } else { 8000 };
            let tone = |k: usize| {
                let t = k as f64 / f64::from(rate);
                0.4 * (TAU * (600.0 + 20.0 * f64::from(i)) * t + TAU * up * 180.0 * t * t).sin()
            };
            let samples: Vec<f64> = (0..rate as usize * 9 / 10).map(tone).collect();
            wav(&at.join(format!("sound/{class}/{i}.wav")), rate, &samples);
        }
    }
    let said = run(at, "train --model audio-crnn --data sound --epochs 12 --batch-size 8 --out a");
    assert!(said.contains("sound, 38 training and 10 test recordings"), "{said}");
    assert!(said.contains("audio-crnn for audio of 40x63 in 2 classes"), "{said}");
    // The run knows its data.
    let said = run(at, "eval --run a");
    assert!(accuracy(&said) > 85.0 && said.contains("class rise") && said.contains("class fall"), "{said}");
    let said = run(at, "predict --run a sound/rise/3.wav sound/fall/4.wav");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("sound/rise/3.wav: rise (") && lines[1].starts_with("sound/fall/4.wav: fall ("),
        "{said}"
    );
    // It goes on, and another length is another network.
    let said = run(at, "train --resume a --epochs 13");
    assert!(said.contains("epoch 13/13"), "{said}");
    refused(
        at,
        &["eval", "--run", "a", "--data", "sound", "--seconds", "0.5"],
        &["audio-crnn for audio of 40x63", "audio of 40x32"],
    );
    fs::write(at.join("sound/rise/bad.wav"), b"RIFF\x10\0\0\0WAVEnone").expect("a file");
    refused(at, &["train", "--model", "audio-cnn", "--data", "sound"], &["sound/rise/bad.wav", "a WAV file"]);
    let said =
        run(at, "train --model audio-cnn --data sound --on-bad skip --epochs 1 --batch-size 8 --out b");
    assert!(said.contains("left out: ") && said.contains("bad.wav"), "{said}");
    refused(
        at,
        &["train", "--model", "audio-cnn", "--data", "sound", "--on-bad", "skip", "--seconds", "0.1"],
        &["length of at least 6848"],
    );
    refused(at, &["predict", "--run", "a", "sound/rise/bad.wav"], &["bad.wav"]);
    refused(
        at,
        &["train", "--model", "audio-cnn", "--data", "sound/rise"],
        &["at least two folders, one a class"],
    );
}

#[test]
fn sequences_of_a_fasta_file_are_learned_judged_and_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let mut rng = wgrad::random::Rng::new(3);
    let mut text = String::new();
    for i in 0..300 {
        let mut bases: Vec<char> = (0..40).map(|_| ['A', 'c', 'G', 't'][rng.below(4)]).collect();
        let class = if i % 2 == 0 { "with" } else { "without" };
        if i % 2 == 0 {
            let place = rng.below(32);
            bases.splice(place..place + 8, "TATAANTG".chars());
        }
        text += &format!(">s{i} class={class}\n{}\n", bases.iter().collect::<String>());
    }
    fs::write(at.join("dna.fa"), &text).expect("a file");
    let said = run(at, "train --model motif-cnn --data dna.fa --epochs 14 --batch-size 16 --out a");
    assert!(said.contains("dna.fa, 240 training and 60 test sequences"), "{said}");
    assert!(said.contains("motif-cnn for sequences of 4x40 in 2 classes"), "{said}");
    let said = run(at, "eval --run a");
    assert!(accuracy(&said) > 85.0, "{said}");
    fs::write(at.join("ask.fa"), ">one\nGGCCTATAAATGCCGG\n>two\nGGCCGGCCGGCCGGCC\n").expect("a file");
    let said = run(at, "predict --run a ask.fa");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("ask.fa, one: with (") && lines[1].starts_with("ask.fa, two: without ("),
        "{said}"
    );
    fs::write(at.join("bad.fa"), ">one class=a\nACGT\n>two class=b\nAC!T\n").expect("a file");
    refused(
        at,
        &["train", "--model", "motif-gru", "--data", "bad.fa"],
        &["bad.fa", "'!' in column 3 in line 4"],
    );
    refused(at, &["predict", "--run", "a", "bad.fa"], &["'!'"]);
    let (success, said) = wgrad(at, &["predict", "--run", "a", "none.fa"]);
    assert!(!success && said.contains("none.fa"), "{said}");
}

/// What the program makes has something to learn in a few epochs: more than a linear network would.
#[test]
fn generated_words_and_motifs_are_learned() {
    let folder = tempfile::tempdir().expect("a folder");
    for (model, epochs, least) in [("motif-cnn", 4, 85.0), ("audio-crnn", 2, 70.0)] {
        let said = run(folder.path(), &format!("train --model {model} --epochs {epochs} --out {model}"));
        let last = said.lines().rfind(|line| line.starts_with("epoch")).expect("an epoch");
        let test = last.split("test loss").nth(1).expect("a test");
        let accuracy: f64 = test.split_whitespace().nth(2).and_then(|n| n.parse().ok()).expect("a number");
        assert!(accuracy > least, "{model}: {said}");
    }
}
