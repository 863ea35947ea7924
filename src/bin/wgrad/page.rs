//! `wgrad report`: a run on one page of HTML with nothing outside it.

use crate::canvas::png;
use crate::compare::Run;
use crate::data::{DataArgs, images};
use crate::device::DeviceArgs;
use crate::output;
use crate::plot;
use crate::trained::{Trained, TrainedArgs};
use anyhow::Context;
use clap::{Args, Parser};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use wgrad::data::{Batch, Dataset};
use wgrad::ops::Role;
use wgrad::train::{Classifier, Confusion};
use wgrad::{HostTensor, Parameters};

/// `wgrad report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of a run of `wgrad train`.
    run: PathBuf,
    /// The page [default: report.html in the run's folder].
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Images a pass.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
}

/// The worst mistakes that are shown.
const MISTAKES: usize = 24;
/// The filters that are shown at most.
const FILTERS: usize = 64;
/// A pixel of a filter is a square of so many.
const ZOOM: usize = 8;

/// A network with its weights, and the images that it is judged on.
struct Judged {
    model: &'static str,
    classifier: Classifier,
    test: Arc<Dataset>,
    /// Where the images are from.
    about: String,
}

/// Options as `wgrad eval` takes them.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    trained: TrainedArgs,
}

/// Loads the weights and the test images, as `wgrad eval` does.
fn load(args: &ReportArgs) -> anyhow::Result<Judged> {
    let run: [&std::ffi::OsStr; 3] = ["report".as_ref(), "--run".as_ref(), args.run.as_ref()];
    let Trained { model, trained_on, weights } = Options::try_parse_from(run)?.trained.find()?;
    let sets = args.data.load(trained_on.map(|(_, labels)| labels))?;
    let images = images(&sets.test);
    if let Some((expected, _)) = trained_on.filter(|(expected, _)| *expected != images) {
        let (weights, name) = (weights.display(), model.name);
        anyhow::bail!("{weights}: a {name} for {expected}, got {images} from {}", sets.about);
    }
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let layers = (model.build)(&images).with_context(|| model.name)?;
    let mut classifier = Classifier::new(&parameters, layers, images.shape)?;
    classifier.prepare(1)?;
    parameters.load(&weights)?;
    Ok(Judged { model: model.name, classifier, test: sets.test, about: sets.about })
}

/// An image that was taken for another class.
struct Mistake {
    index: usize,
    label: usize,
    told: usize,
    /// The probability of what it was taken for.
    sure: f32,
    /// That of its class.
    right: f32,
}

/// What the network says of the test images.
struct Verdict {
    confusion: Confusion,
    loss: f64,
    /// Those to which it gave their class the least probability, worst first.
    mistakes: Vec<Mistake>,
    seconds: f64,
}

fn judge(judged: &Judged, batch_size: usize) -> anyhow::Result<Verdict> {
    let (test, classes) = (&judged.test, judged.classifier.classes());
    let (began, mut loss) = (Instant::now(), 0.0);
    let (mut confusion, mut mistakes) = (Confusion::new(classes), Vec::new());
    let indices: Vec<usize> = (0..test.len()).collect();
    for chunk in indices.chunks(batch_size) {
        let batch = Batch::read(test.as_ref(), chunk, 0, 0)?;
        let (Some(pixels), Some(labels)) = (batch.tensors.first(), batch.tensors.get(1)) else { continue };
        let probabilities = judged.classifier.predict(pixels)?;
        let rows = probabilities.as_f32()?.chunks_exact(classes).zip(labels.as_u32()?);
        for (&index, (row, &label)) in chunk.iter().zip(rows) {
            let label = label as usize;
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let (Some((told, &sure)), Some(&right)) = (best, row.get(label)) else { continue };
            confusion.add(label, told);
            loss -= f64::from(right.max(f32::MIN_POSITIVE)).ln();
            if told != label {
                mistakes.push(Mistake { index, label, told, sure, right });
            }
        }
        // The others will not be shown.
        mistakes.sort_by(|a, b| a.right.total_cmp(&b.right));
        mistakes.truncate(MISTAKES);
    }
    let loss = loss / test.len().max(1) as f64;
    Ok(Verdict { confusion, loss, mistakes, seconds: began.elapsed().as_secs_f64() })
}

/// Judges and writes the page.
pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let out = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    output::check("--out", &out)?;
    let noted = Run::read(&args.run)?;
    let judged = load(args)?;
    let verdict = judge(&judged, args.batch_size as usize)?;
    let page = page(&args.run, &noted, &judged, &verdict)?;
    output::write(&out, page.as_bytes())?;
    println!("wrote {}", out.display());
    Ok(())
}

fn page(folder: &Path, noted: &Run, judged: &Judged, verdict: &Verdict) -> anyhow::Result<String> {
    let Verdict { confusion, loss, mistakes, seconds } = verdict;
    let (test, first) = (&judged.test, judged.test.first_label());
    let right: usize = (0..confusion.classes()).map(|class| confusion.count(class, class)).sum();
    let setting = |(name, value): (&String, &String)| json!({"name": name, "value": value});
    let mistakes: Vec<Value> =
        mistakes.iter().map(|mistake| shown(test, mistake)).collect::<anyhow::Result<_>>()?;
    let mut times = vec![json!({
        "name": "test images, their reading included",
        "value": format!("{seconds:.2} s, {:.0} images/s", test.len() as f64 / seconds.max(1e-9)),
    })];
    if let Some(seconds) = noted.seconds() {
        times.insert(0, json!({"name": "training", "value": format!("{seconds:.1} s")}));
    }
    if let Some(rate) = noted.column("images_per_second").last() {
        times.push(json!({"name": "last epoch", "value": format!("{rate:.0} images/s")}));
    }
    let context = json!({
        "name": folder.display().to_string(), "model": judged.model, "data": judged.about,
        "loss": format!("{loss:.4}"), "right": right, "images": test.len(),
        "accuracy": format!("{:.2}", 100.0 * right as f64 / test.len().max(1) as f64),
        "curves": plot::panels(&crate::compare::panels(&[noted]))?.svg,
        "settings": noted.settings.iter().map(setting).collect::<Vec<_>>(),
        "classes": (0..confusion.classes()).map(|class| scores(confusion, class, first)).collect::<Vec<_>>(),
        "confusion": plot::confusion(confusion, first)?.svg,
        "mistakes": mistakes, "filters": filters(judged.classifier.parameters())?, "times": times,
    });
    let mut environment = minijinja::Environment::new();
    // What is no drawing of ours is escaped, names of folders and settings among it.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    Ok(environment.render_named_str("page.html", include_str!("page.html"), context)?)
}

/// Precision, recall and their harmonic mean of a class, in percent.
fn scores(confusion: &Confusion, class: usize, first_label: u8) -> Value {
    let (right, of_class) = (confusion.count(class, class) as f64, confusion.of_class(class));
    let told: usize = (0..confusion.classes()).map(|label| confusion.count(label, class)).sum();
    let share = |of: f64| if of > 0.0 { format!("{:.1}", 100.0 * right / of) } else { "none".to_owned() };
    json!({
        "label": usize::from(first_label) + class, "images": of_class, "precision": share(told as f64),
        "recall": share(of_class as f64), "f1": share((told + of_class) as f64 / 2.0),
    })
}

fn shown(test: &Dataset, mistake: &Mistake) -> anyhow::Result<Value> {
    let Mistake { index, label, told, sure, right } = mistake;
    let first = usize::from(test.first_label());
    let [channels, h, w] = test.image_shape();
    let image = test.image(*index).unwrap_or_default();
    let planes: Vec<&[u8]> = image.chunks_exact(h * w).collect();
    let (color, chosen) = match planes[..] {
        [r, g, b] => (png::ColorType::Rgb, vec![r, g, b]),
        // The first channel of others.
        _ => (png::ColorType::Grayscale, planes.into_iter().take(channels.min(1)).collect()),
    };
    let pixels: Vec<u8> =
        (0..h * w).flat_map(|at| chosen.iter().filter_map(move |plane| plane.get(at).copied())).collect();
    Ok(json!({
        "index": index, "label": first + label, "told": first + told, "sure": format!("{:.1}", 100.0 * sure),
        "true": format!("{:.1}", 100.0 * right), "png": inline(&png((w as u32, h as u32), color, &pixels)?),
    }))
}

/// The first weights that are filters with height and width, if any.
fn filters(parameters: &Parameters) -> anyhow::Result<Option<Value>> {
    for name in parameters.names(Role::Parameter) {
        let weights = parameters.get(&name)?;
        if let [count, channels, h, w] = weights.shape()[..]
            && h.max(w) > 1
        {
            let color = if channels == 3 { "in color" } else { "their first channel, grey" };
            let shown = count.min(FILTERS);
            let about = format!(
                "{shown} of {count} filters of {channels}x{h}x{w}, {color}; each from its least weight to its largest."
            );
            let picture = inline(&grid(&weights, shown)?);
            return Ok(Some(json!({"name": name, "about": about, "png": picture})));
        }
    }
    Ok(None)
}

/// Filters `(K, C, R, S)` side by side, eight in a row, a line of white between them.
fn grid(weights: &HostTensor, count: usize) -> anyhow::Result<Vec<u8>> {
    let [_, channels, h, w] = weights.shape()[..] else { anyhow::bail!("filters: expected four dimensions") };
    let colors = if channels == 3 { 3 } else { 1 };
    let columns = count.clamp(1, 8);
    let (cell_h, cell_w) = (h * ZOOM + 2, w * ZOOM + 2);
    let (height, width) = (count.div_ceil(columns) * cell_h, columns * cell_w);
    let mut pixels = vec![255; height * width * 3];
    for (number, filter) in weights.as_f32()?.chunks_exact(channels * h * w).take(count).enumerate() {
        let shown = filter.get(..colors * h * w).unwrap_or_default();
        let low = shown.iter().copied().fold(f32::INFINITY, f32::min);
        let high = shown.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (top, left) = (number / columns * cell_h, number % columns * cell_w);
        for (y, x) in (0..h * ZOOM).flat_map(|y| (0..w * ZOOM).map(move |x| (y, x))) {
            let at = ((top + y) * width + left + x) * 3;
            for (color, pixel) in pixels.iter_mut().skip(at).take(3).enumerate() {
                let plane = if colors == 3 { color } else { 0 };
                let weight = shown.get((plane * h + y / ZOOM) * w + x / ZOOM).copied().unwrap_or(low);
                *pixel = (255.0 * (weight - low) / (high - low).max(f32::MIN_POSITIVE)) as u8;
            }
        }
    }
    png((width as u32, height as u32), png::ColorType::Rgb, &pixels)
}

/// A PNG within the page.
fn inline(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// Base64 of RFC 4648, with its padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        // An index of six bits.
        let digit = |place: usize| char::from(DIGITS[(word >> (18 - 6 * place)) as usize & 63]);
        [0, 1, 2, 3].map(|place| if place <= chunk.len() { digit(place) } else { '=' })
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("~~~?", "fn5+Pw=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let mut confusion = Confusion::new(3);
        for (label, told) in [(0, 0), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0)] {
            confusion.add(label, told);
        }
        let first = scores(&confusion, 0, 1);
        assert_eq!((&first["label"], &first["images"]), (&json!(1), &json!(4)));
        assert_eq!(
            (&first["precision"], &first["recall"], &first["f1"]),
            (&json!("75.0"), &json!("75.0"), &json!("75.0"))
        );
        assert_eq!(scores(&confusion, 1, 1)["f1"], "50.0");
        assert_eq!(scores(&confusion, 2, 1)["precision"], "none");
    }
}
