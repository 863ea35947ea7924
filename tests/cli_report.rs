//! What can be seen of runs: event files with pictures and histograms, the page of a run, the comparison of two.
#![cfg(feature = "cli")]

mod common;
mod events;
mod idx;

use common::{refused, wgrad};
use events::{doubles, fields, number, value};
use idx::set;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use wgrad::data;

const OPTIONS: &str = "train --model lenet --data data --batch-size 20 --seed 5 --epochs 2";

/// A folder with 80 training and 60 test images below `data`.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("data");
    fs::create_dir(&images).expect("a new folder");
    for (name, count) in [("train", 80), ("t10k", 60)] {
        set(&images, name, &data::digits(count, count as u64).expect("digits"));
    }
    folder
}

fn run(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

/// Width, height and the distinct bytes of a PNG.
fn decoded(png: &[u8]) -> (u32, u32, usize) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("pixels");
    let distinct = pixels.iter().collect::<std::collections::BTreeSet<_>>().len();
    (frame.width, frame.height, distinct)
}

/// Bytes of RFC 4648's base64.
fn base64(text: &str) -> Vec<u8> {
    let digit = |c: char| match c {
        'A'..='Z' => c as u32 - 'A' as u32,
        'a'..='z' => c as u32 - 'a' as u32 + 26,
        '0'..='9' => c as u32 - '0' as u32 + 52,
        '+' => 62,
        '/' => 63,
        _ => panic!("{c} is no digit"),
    };
    let digits: Vec<u32> = text.trim_end_matches('=').chars().map(digit).collect();
    let group = |chunk: &[u32]| {
        let word = (0..4).fold(0, |word, place| word << 6 | chunk.get(place).copied().unwrap_or(0));
        word.to_be_bytes()[1..chunk.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn event_files_hold_histograms_of_weights_and_gradients_and_pictures() {
    let folder = place();
    let at = folder.path();
    run(at, &format!("{OPTIONS} --tensorboard --freeze features.3.weight --out a"));
    let file = fs::read_dir(at.join("a/tensorboard")).expect("a folder").flatten().next().expect("a file");
    let mut histograms: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
    let mut images: BTreeMap<String, Vec<(u64, u32, u32, usize)>> = BTreeMap::new();
    for event in events::events(&file.path()).iter().filter(|event| event.contains_key(&5)) {
        let (step, found) = value(event);
        let tag = String::from_utf8(found[&1].clone()).expect("a name");
        if let Some(histogram) = found.get(&5) {
            let histogram: BTreeMap<u64, Vec<u8>> = fields(histogram).into_iter().collect();
            let count = doubles(&histogram[&3])[0];
            assert_eq!(count, doubles(&histogram[&7]).iter().sum::<f64>(), "{tag}");
            assert!(doubles(&histogram[&5])[0] > 0.0, "{tag}: all are 0");
            histograms.entry(tag).or_default().push((step, count));
        } else if let Some(image) = found.get(&4) {
            let image: BTreeMap<u64, Vec<u8>> = fields(image).into_iter().collect();
            let (height, width) = (number(&image[&1]) as u32, number(&image[&2]) as u32);
            let (w, h, distinct) = decoded(&image[&4]);
            assert_eq!((h, w), (height, width), "{tag}");
            images.entry(tag).or_default().push((step, h, w, distinct));
        }
    }
    let of = |kind: &str| {
        let own = histograms.iter().filter_map(|(tag, found)| Some((tag.strip_prefix(kind)?, found)));
        own.map(|(name, found)| (name.to_owned(), found.clone())).collect::<BTreeMap<_, _>>()
    };
    let (mut weights, gradients) = (of("weights/"), of("gradients/"));
    assert_eq!(weights["features.0.weight"].iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 8]);
    assert!(weights.remove("features.3.weight").is_some(), "what is frozen has weights and no gradient");
    assert_eq!(gradients, weights, "as many gradients as weights");
    let filters = &images["filters/features.0.weight"];
    assert_eq!(filters.iter().map(|(step, ..)| *step).collect::<Vec<_>>(), [4, 8]);
    assert!(filters.iter().all(|(.., distinct)| *distinct > 20), "{filters:?}");
    let examples = &images["train/examples"];
    assert!(examples.len() == 1 && examples[0].3 > 20, "{examples:?}");
    // Four rows of eight images, a line of white behind each.
    assert_eq!((examples[0].1, examples[0].2), (4 * 30, 8 * 30));
}

#[test]
fn looking_at_gradients_changes_no_bit_of_a_run() {
    let folder = place();
    let at = folder.path();
    let words = format!("{OPTIONS} --augment flip --average 0.9").replace("lenet", "simple-cnn");
    for (out, more) in [("a", ""), ("b", "--tensorboard")] {
        run(at, &format!("{words} {more} --out {out}"));
    }
    let weights = |run: &str| fs::read(at.join(run).join("model.safetensors")).expect("weights");
    assert!(weights("a") == weights("b"));
}

#[test]
fn a_run_becomes_a_page_and_two_are_compared() {
    let folder = place();
    let at = folder.path();
    let said = run(at, &format!("{OPTIONS} --out first"));
    run(at, &format!("{OPTIONS} --lr 0.01 --out second"));
    run(at, "report first");
    let page = fs::read_to_string(at.join("first/report.html")).expect("a page");
    for part in [
        "<h1>first</h1>",
        "<h2>Curves</h2>",
        "<h2>Settings</h2>",
        "<th>batch_size</th><td>20</td>",
        "of 60 images",
        "<th>F1, %</th>",
        "<h2>The worst mistakes</h2>",
        "with ",
        "<h2>The filters of features.0</h2>",
        "6 of 6 filters of 1x5x5",
        "<h2>What layers give</h2>",
        "6 of 6 channels of 28x28",
        "<h2>Timing</h2>",
        "</html>",
    ] {
        let part = part.replace("features.0<", "features.0.weight<");
        assert!(page.contains(&part), "{part}: {page}");
    }
    // Nothing outside it, no tag left open, all pictures whole.
    assert!(
        !page.contains("http://")
            || page.matches("http://").count() == page.matches("http://www.w3.org/").count()
    );
    assert!(!page.contains("<script") && !page.contains("<link"));
    for tag in ["table", "figure", "svg", "h2", "tr"] {
        let open = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    let page = page.replace("&#x2f;", "/");
    let pictures: Vec<&str> =
        page.split("data:image/png;base64,").skip(1).filter_map(|p| p.split('"').next()).collect();
    assert!(pictures.len() > 4, "{} pictures", pictures.len());
    assert!(pictures.iter().all(|text| decoded(&base64(text)).2 > 1));
    if !said.contains("CPU reference") {
        assert!(page.contains("A training step of 20 images, the mean of 5 of them"), "{page}");
        let shares = page.split("<tr><td class=\"number\">").skip(1).filter_map(|row| row.split('<').next());
        let shares: Vec<f64> = shares.filter_map(|share| share.parse().ok()).collect();
        assert!(shares.iter().sum::<f64>() > 50.0 && shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
    }
    let said = run(at, "compare first second --out both.html");
    for part in [
        "first  lenet, 2 rows by epoch",
        "second  lenet, 2 rows",
        "lr 0.01",
        "test_accuracy",
        "wrote both.html",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let both = fs::read_to_string(at.join("both.html")).expect("a page");
    assert!(both.contains("<svg") && both.contains("first train") && both.contains("second test"), "{both}");
    refused(at, &["report", "data"], &["data: expected a run folder"]);
    refused(at, &["report", "first", "--out", "nowhere/a.html"], &["--out", "nowhere"]);
    refused(at, &["compare", "first", "data"], &["data: expected a run folder"]);
    refused(at, &["compare", "first", "--out", "a.txt"], &[".svg, .png or .html"]);
}
