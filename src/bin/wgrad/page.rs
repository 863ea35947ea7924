//! `wgrad report`: a run on one page of HTML with nothing outside it.

use crate::compare::Run;
use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::output;
use crate::pictures;
use crate::plot;
use crate::resume::noted;
use crate::train_args::TrainArgs;
use crate::trained::{Evaluated, TrainedArgs};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use wgrad::bench::trace::{Total, Trace};
use wgrad::data::{Batch, Examples};
use wgrad::train::{Confusion, Flow, Trainer};
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
    /// Images in a batch.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
}

/// The worst mistakes that are shown.
const MISTAKES: usize = 24;
/// The layers whose output is shown at most.
const LAYERS: usize = 6;
/// The steps that warm the device up, and those that are measured.
const PROFILED: std::ops::Range<usize> = 2..7;
/// The kernels that are listed at most.
const KERNELS: usize = 15;

/// An image that was predicted as another class.
struct Mistake {
    index: usize,
    label: usize,
    predicted: usize,
    /// The probability of the predicted class.
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

fn evaluate(evaluated: &mut Evaluated, batch_size: usize) -> anyhow::Result<Verdict> {
    let (test, field) = (evaluated.sets.test.clone(), evaluated.model.field());
    let classes = test.classes().len();
    let fields = test.fields();
    let place = |name: &str| fields.iter().position(|field| field.name == name).unwrap_or(0);
    let (began, mut loss) = (Instant::now(), 0.0);
    let (mut confusion, mut mistakes) = (Confusion::new(classes), Vec::new());
    let indices: Vec<usize> = (0..test.len()).collect();
    for chunk in indices.chunks(batch_size) {
        let batch = Batch::read(test.as_ref(), chunk, 0, 0)?;
        let (read, labels) = (&batch.tensors[place(field)], &batch.tensors[place("label")]);
        let probabilities = evaluated.network.predict(&[read])?;
        let rows = probabilities.as_f32()?.chunks_exact(classes).zip(labels.as_u32()?);
        for (&index, (row, &label)) in chunk.iter().zip(rows) {
            let label = label as usize;
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let (Some((predicted, &sure)), Some(&right)) = (best, row.get(label)) else { continue };
            confusion.add(label, predicted);
            loss -= f64::from(right.max(f32::MIN_POSITIVE)).ln();
            if predicted != label {
                mistakes.push(Mistake { index, label, predicted, sure, right });
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
    let mut evaluated = TrainedArgs::of_run(&args.run).evaluated(&args.data, &args.device, batch_size)?;
    anyhow::ensure!(
        !evaluated.sets.test.classes().is_empty(),
        "{}: expected a classification run, got a regression run",
        args.run.display()
    );
    let verdict = evaluate(&mut evaluated, batch_size)?;
    let kernels = kernels(args, &evaluated).unwrap_or_else(|error| {
        let about = format!("The kernels of a training step could not be measured: {error:#}");
        Some(json!({"about": about, "rows": [], "more": 0}))
    });
    let page = page(&args.run, &noted, &evaluated, (&verdict, kernels))?;
    output::write(&out, page.as_bytes())?;
    println!("wrote {}", out.display());
    Ok(())
}

fn page(
    folder: &Path,
    noted: &Run,
    evaluated: &Evaluated,
    (verdict, kernels): (&Verdict, Option<Value>),
) -> anyhow::Result<String> {
    let Verdict { confusion, loss, mistakes, seconds } = verdict;
    let (test, names, many) = (&evaluated.sets.test, evaluated.sets.test.classes(), evaluated.model.many());
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
        "name": folder.display().to_string(), "model": evaluated.model.name(), "data": evaluated.sets.about, "many": many,
        "loss": format!("{loss:.4}"), "right": right, "images": test.len(),
        "accuracy": format!("{:.2}", 100.0 * right as f64 / test.len().max(1) as f64),
        "curves": plot::panels(&crate::compare::panels(&[noted]))?.svg,
        "settings": noted.settings.iter().map(setting).collect::<Vec<_>>(),
        "classes": (0..confusion.classes()).map(|class| scores(confusion, class, &names[class])).collect::<Vec<_>>(),
        "confusion": plot::confusion(confusion, names)?.svg,
        "mistakes": mistakes, "filters": filters(evaluated.network.parameters())?, "times": times,
        "maps": maps(evaluated)?, "kernels": kernels,
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
    let Mistake { index, label, predicted, sure, right } = mistake;
    let name = |class: &usize| test.classes().get(*class).map_or("", String::as_str);
    Ok(json!({
        "index": index, "label": name(label), "predicted": name(predicted), "sure": format!("{:.1}", 100.0 * sure),
        "true": format!("{:.1}", 100.0 * right), "png": picture(test, *index)?,
    }))
}

/// An image as it was before it was normalised; `None` of what is no image.
fn picture(test: &dyn Examples, index: usize) -> anyhow::Result<Option<String>> {
    Ok(pictures::examples(test, &[index], (0, 0))?.map(|image| inline(&image.png)))
}

/// The first weights that are filters with height and width, if any.
fn filters(parameters: &Parameters) -> anyhow::Result<Option<Value>> {
    let found = pictures::filters(parameters)?;
    Ok(found.map(|(name, about, image)| json!({"name": name, "about": about, "png": inline(&image.png)})))
}

/// What some layers give for the first test example, those with height and width.
fn maps(evaluated: &Evaluated) -> anyhow::Result<Option<Value>> {
    let test = evaluated.sets.test.as_ref();
    let place = test.fields().iter().position(|field| field.name == evaluated.model.field());
    let (Some(place), true) = (place, !test.is_empty()) else { return Ok(None) };
    let batch = Batch::read(test, &[0], 0, 0)?;
    let all = evaluated.network.layers(&[&batch.tensors[place]])?;
    let wide = |value: &HostTensor| matches!(value.shape()[..], [1, _, h, w] if h.max(w) > 1);
    let all: Vec<_> = all.into_iter().filter(|(_, value)| wide(value)).collect();
    // Of many some at equal distances, the first and the last among them.
    let count = all.len().min(LAYERS);
    let chosen = (0..count).map(|n| n * (all.len() - 1) / (count - 1).max(1)).filter_map(|at| all.get(at));
    let mut layers = Vec::new();
    for (name, value) in chosen {
        let Some(image) = pictures::maps(value)? else { continue };
        let [_, channels, h, w] = value.shape()[..] else { continue };
        let about = format!("{} of {channels} channels of {h}x{w}", channels.min(pictures::MOST));
        layers.push(json!({"name": name, "about": about, "png": inline(&image.png)}));
    }
    let of = picture(test, 0)?;
    Ok((!layers.is_empty()).then(|| json!({"of": of, "layers": layers})))
}

/// What the kernels of a training step take, with the optimizer and the batch of the run; `None` where there is no device.
fn kernels(args: &ReportArgs, evaluated: &Evaluated) -> anyhow::Result<Option<Value>> {
    let noted: TrainArgs = noted("train", &args.run, Vec::new())?;
    let (model, train) = (&evaluated.model, &evaluated.sets.train);
    let device = evaluated.network.parameters().device();
    if device.is_cpu() {
        return Ok(None);
    }
    let (shape, classes) = (model.shape(train.as_ref())?, train.classes().len());
    let task = noted.classes.classification(model.build(&shape, classes)?);
    let batch_size = noted.batch_size(model).min(train.len());
    let options = noted.ways.options(batch_size, noted.seed);
    let optimizer = noted.optimizer.build(model.lr())?;
    let mut trainer = Trainer::new(device, task, optimizer, train.as_ref(), options)?;
    trainer.profile(PROFILED);
    while trainer.position().2 < PROFILED.end {
        trainer.epoch(train, |trainer, _| {
            Ok(if trainer.position().2 < PROFILED.end { Flow::Continue } else { Flow::Stop })
        })?;
    }
    let mut trace = Trace::new();
    for (step, profile) in trainer.profiles() {
        trace.add(format!("step {step}"), profile.clone());
    }
    let (steps, totals) = (PROFILED.len() as f64, trace.totals());
    let rate = |amount: u64, seconds: f64| format!("{:.2}", amount as f64 / seconds.max(1e-12) / 1e9);
    let row = |total: &Total| {
        json!({
            "op": total.op, "kernel": total.kernel, "launches": format!("{:.0}", total.launches as f64 / steps),
            "ms": format!("{:.3}", 1e3 * total.seconds / steps), "share": format!("{:.1}", 100.0 * total.share),
            "flops": rate(total.flops, total.seconds), "bytes": rate(total.bytes, total.seconds),
            "layers": total.labels.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
        })
    };
    let all: f64 = totals.iter().map(|total| total.seconds).sum();
    let about = format!(
        "A training step of {batch_size} {}, the mean of {} of them: {:.3} ms on {} ({}).",
        model.many(),
        PROFILED.len(),
        1e3 * all / steps,
        evaluated.device,
        trace.clock()
    );
    let more = totals.len().saturating_sub(KERNELS);
    let rows: Vec<Value> = totals.iter().take(KERNELS).map(row).collect();
    Ok(Some(json!({"about": about, "rows": rows, "more": more})))
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
        for (label, predicted) in [(0, 0), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0)] {
            confusion.add(label, predicted);
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
