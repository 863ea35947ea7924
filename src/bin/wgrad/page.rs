//! `wgrad report`: a run on one page of HTML with nothing outside it.

use crate::canvas::png;
use crate::compare::Run;
use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::output;
use crate::plot;
use crate::trained::{Judge, TrainedArgs};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use wgrad::data::{Batch, Examples};
use wgrad::ops::Role;
use wgrad::train::Confusion;
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

fn judge(judged: &mut Judge, batch_size: usize) -> anyhow::Result<Verdict> {
    let (test, field) = (judged.sets.test.clone(), judged.model.field());
    let classes = test.classes().len();
    let fields = test.fields();
    let place = |name: &str| fields.iter().position(|field| field.name == name).unwrap_or(0);
    let (began, mut loss) = (Instant::now(), 0.0);
    let (mut confusion, mut mistakes) = (Confusion::new(classes), Vec::new());
    let indices: Vec<usize> = (0..test.len()).collect();
    for chunk in indices.chunks(batch_size) {
        let batch = Batch::read(test.as_ref(), chunk, 0, 0)?;
        let (read, labels) = (&batch.tensors[place(field)], &batch.tensors[place("label")]);
        let probabilities = judged.network.predict(&[read])?;
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
    let batch_size = args.batch_size as usize;
    let mut judged = TrainedArgs::of_run(&args.run).judge(&args.data, &args.device, batch_size)?;
    let verdict = judge(&mut judged, batch_size)?;
    let page = page(&args.run, &noted, &judged, &verdict)?;
    output::write(&out, page.as_bytes())?;
    println!("wrote {}", out.display());
    Ok(())
}

fn page(folder: &Path, noted: &Run, judged: &Judge, verdict: &Verdict) -> anyhow::Result<String> {
    let Verdict { confusion, loss, mistakes, seconds } = verdict;
    let (test, names, many) = (&judged.sets.test, judged.sets.test.classes(), judged.model.many());
    let right: usize = (0..confusion.classes()).map(|class| confusion.count(class, class)).sum();
    let setting = |(name, value): (&String, &String)| json!({"name": name, "value": value});
    let mistakes: Vec<Value> =
        mistakes.iter().map(|mistake| shown(test.as_ref(), mistake)).collect::<anyhow::Result<_>>()?;
    let mut times = vec![json!({
        "name": format!("test {many}, their reading included"),
        "value": format!("{seconds:.2} s, {:.0} {many}/s", test.len() as f64 / seconds.max(1e-9)),
    })];
    if let Some(seconds) = noted.seconds() {
        times.insert(0, json!({"name": "training", "value": format!("{seconds:.1} s")}));
    }
    if let Some(rate) = noted.column("images_per_second").last() {
        times.push(json!({"name": "last epoch", "value": format!("{rate:.0} {many}/s")}));
    }
    let context = json!({
        "name": folder.display().to_string(), "model": judged.model.name(), "data": judged.sets.about, "many": many,
        "loss": format!("{loss:.4}"), "right": right, "images": test.len(),
        "accuracy": format!("{:.2}", 100.0 * right as f64 / test.len().max(1) as f64),
        "curves": plot::panels(&crate::compare::panels(&[noted]))?.svg,
        "settings": noted.settings.iter().map(setting).collect::<Vec<_>>(),
        "classes": (0..confusion.classes()).map(|class| scores(confusion, class, &names[class])).collect::<Vec<_>>(),
        "confusion": plot::confusion(confusion, names)?.svg,
        "mistakes": mistakes, "filters": filters(judged.network.parameters())?, "times": times,
    });
    let mut environment = minijinja::Environment::new();
    // What is no drawing of ours is escaped, names of folders and settings among it.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    Ok(environment.render_named_str("page.html", include_str!("page.html"), context)?)
}

/// Precision, recall and their harmonic mean of a class, in percent.
fn scores(confusion: &Confusion, class: usize, name: &str) -> Value {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    json!({
        "label": name, "images": confusion.of_class(class), "precision": percent(confusion.precision(class)),
        "recall": percent(confusion.recall(class)), "f1": percent(confusion.f1(class)),
    })
}

fn shown(test: &dyn Examples, mistake: &Mistake) -> anyhow::Result<Value> {
    let Mistake { index, label, told, sure, right } = mistake;
    let name = |class: &usize| test.classes().get(*class).map_or("", String::as_str);
    Ok(json!({
        "index": index, "label": name(label), "told": name(told), "sure": format!("{:.1}", 100.0 * sure),
        "true": format!("{:.1}", 100.0 * right), "png": picture(test, *index)?,
    }))
}

/// An image as it was before it was normalised; `None` of what is no image.
fn picture(test: &dyn Examples, index: usize) -> anyhow::Result<Option<String>> {
    let fields = test.fields();
    let Some(place) = fields.iter().position(|field| field.name == "image") else { return Ok(None) };
    let Some(by) = test.normalised_by() else { return Ok(None) };
    let [_, h, w] = fields[place].ty.shape[..] else { return Ok(None) };
    let batch = Batch::read(test, &[index], 0, 0)?;
    let values = batch.tensors[place].as_f32()?;
    let planes = values.chunks_exact(h * w).zip(by.mean.iter().zip(&by.std));
    let planes = planes.map(|(plane, (mean, std))| {
        let pixel = |value: &f32| (255.0 * (value * std + mean)).round().clamp(0.0, 255.0) as u8;
        plane.iter().map(pixel).collect::<Vec<u8>>()
    });
    let planes: Vec<Vec<u8>> = planes.collect();
    // The first channel of what is neither grey nor in colour.
    let (color, count) =
        if planes.len() == 3 { (png::ColorType::Rgb, 3) } else { (png::ColorType::Grayscale, 1) };
    let chosen = &planes[..count.min(planes.len())];
    let pixels: Vec<u8> = (0..h * w).flat_map(|at| chosen.iter().map(move |plane| plane[at])).collect();
    Ok(Some(inline(&png((w as u32, h as u32), color, &pixels)?)))
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
        let first = scores(&confusion, 0, "one");
        assert_eq!((&first["label"], &first["images"]), (&json!("one"), &json!(4)));
        assert_eq!(
            (&first["precision"], &first["recall"], &first["f1"]),
            (&json!("75.0"), &json!("75.0"), &json!("75.0"))
        );
        assert_eq!(scores(&confusion, 1, "two")["f1"], "50.0");
        assert_eq!(scores(&confusion, 2, "none")["precision"], "0.0");
    }
}
