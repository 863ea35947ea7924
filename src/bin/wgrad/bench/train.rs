//! `wgrad bench train`: whole training steps, or forward passes.

use super::interleave::Watcher;
use super::session::{MeasureArgs, Session};
use super::table;
use crate::models::{self, Found, SizeArgs};
use clap::Args;
use indicatif::ProgressBar;
use wgrad::bench::peaks;
use wgrad::bench::sentinel::mark_rows;
use wgrad::bench::train::{self, MODELS, Pass, Subject, Trainable};
use wgrad::bench::{Row, Status};

/// `wgrad bench train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    measure: MeasureArgs,
    /// Only these models, by name or as ONNX files; all small ones if none is named.
    #[arg(long, value_name = "NAME|FILE.onnx")]
    model: Vec<String>,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Examples of a batch; each model's own if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// The forward pass alone.
    #[arg(long)]
    forward: bool,
    /// List the models.
    #[arg(long)]
    list: bool,
}

/// Runs it.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    if args.list {
        train::all().for_each(|m| println!("{:32} {}", m.name, m.about));
        return Ok(());
    }
    let found: Vec<Found> = match args.model.is_empty() {
        true => MODELS.iter().map(|model| Found::Named(model)).collect(),
        false => {
            args.model.iter().map(|name| models::find(name, &args.sizes)).collect::<anyhow::Result<_>>()?
        }
    };
    let models: Vec<&dyn Trainable> = found.iter().map(Found::model).collect();
    let pass = if args.forward { Pass::Forward } else { Pass::Step };
    let session = Session::open(&args.measure)?;
    let (stopwatch, stop) = (&session.stopwatch, session.stop());
    let peaks = peaks::measure_rows(&session.device, &peaks::ROOFS, stopwatch, stop, |_| {})?;
    let roofs = peaks::roofs(&peaks);
    let mut watcher = Watcher::new(&session)?;
    let bar = ProgressBar::new(models.len() as u64).with_style(super::ops::style());
    table::train_header();
    let (mut rows, mut levels) = (Vec::new(), Vec::new());
    for &model in &models {
        if session.stopped() {
            break;
        }
        bar.set_message(model.name().to_owned());
        watcher.next(model.name().to_owned());
        let batch = args.batch_size.map_or(model.batch(), |b| b as usize);
        let subject = Subject { model, pass, batch };
        let row = train::row(&session.device, &subject, stopwatch, &mut watcher, &session.policy, stop);
        let row = row.unwrap_or_else(|error| Row {
            set: "train".into(),
            layer: model.name().into(),
            pass: pass.name().into(),
            status: Status::Failed(error.to_string()),
            ..Row::default()
        });
        bar.suspend(|| table::train(&row, roofs.as_ref()));
        bar.inc(1);
        rows.push(row);
        levels.push(watcher.levels());
    }
    mark_rows(&mut rows, &levels);
    bar.finish_and_clear();
    session.finish(rows, roofs, models.len())
}
