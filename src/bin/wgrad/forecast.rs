//! `wgrad forecast`: learns a time series and forecasts its end.

use crate::canvas::Picture;
use crate::csv::{Column, ColumnArgs};
use crate::device::DeviceArgs;
use crate::plot;
use crate::run::{self, RunFolder};
use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;
use wgrad::data::{Series, seasonal_series};
use wgrad::optim::Adam;
use wgrad::train::{ForecastModel, Forecaster};
use wgrad::{Parameters, Pending};

/// The name under which run folders and `run.json` know this network.
const MODEL: &str = "forecast";
/// Values of the generated series: four years of days.
const DAYS: usize = 1461;
/// Steps whose loss may be on its way.
const AHEAD: usize = 4;

/// `wgrad forecast`.
#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// A CSV file; without it, a generated series with trend, seasons and noise.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    column: ColumnArgs,
    /// Values the network sees.
    #[arg(long, default_value_t = 28)]
    input: usize,
    /// Values it forecasts at a time.
    #[arg(long, default_value_t = 7)]
    horizon: usize,
    /// The naive forecast repeats the values of so many steps earlier.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    season: u32,
    /// Values at the end that are forecast and not learned [default: a tenth, in whole horizons].
    #[arg(long)]
    test: Option<usize>,
    /// Steps of training.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Windows a step.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Size of the LSTM's state.
    #[arg(long, default_value_t = 32)]
    hidden: usize,
    /// Learning rate of Adam.
    #[arg(long, default_value_t = 3e-3)]
    lr: f32,
    /// Of the first weights and of the order of the windows.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
    /// Look at every input, parameter and result: the first NaN or infinity is named. Slower.
    #[arg(long)]
    check_finite: bool,
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ForecastArgs {
    fn settings(&self, data: &str, device: &str) -> Value {
        json!({
            "wgrad": env!("CARGO_PKG_VERSION"), "model": MODEL, "input": self.input, "horizon": self.horizon,
            "hidden": self.hidden,
            "training": {
                "steps": self.steps, "batch_size": self.batch_size, "lr": run::decimal(self.lr),
                "seed": self.seed, "data": data, "device": device,
            },
        })
    }
}

/// Trains, forecasts and writes the run folder.
pub fn run(args: &ForecastArgs) -> anyhow::Result<()> {
    let (about, values) = match &args.data {
        Some(path) => {
            let Column { name, values, found } = args.column.read(path)?;
            println!("file     {}: {found}", path.display());
            (format!("{}, column '{name}'", path.display()), values)
        }
        None => ("a generated series with trend, seasons and noise".to_owned(), seasonal_series(DAYS, 1)),
    };
    let horizons = (values.len() / 10).checked_div(args.horizon).unwrap_or(0).max(1);
    let test = args.test.unwrap_or(horizons.saturating_mul(args.horizon));
    let series = Series::new(values, args.input, args.horizon, test)?;
    let mut folder = RunFolder::claim(args.out.as_deref(), MODEL)?;
    let device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {about}: {} values, the last {test} to forecast", series.values().len());
    let parameters = Parameters::new(&device, args.seed);
    let model = ForecastModel { input: args.input, horizon: args.horizon, hidden_size: args.hidden };
    let mut forecaster =
        Forecaster::new(&parameters, model, &Adam::new(args.lr), series, args.batch_size, args.seed)?;
    folder.begin(&args.settings(&about, &device.describe()), "step,train_loss", &parameters)?;
    println!("run      {}", folder.path().display());
    let losses = learn(args, &mut forecaster, |step, loss| {
        folder.save(&parameters)?;
        folder.row(&format!("{step},{loss:.6}"))
    })?;
    let forecasts = forecaster.forecasts()?;
    let (ours, naive) = forecaster.series().errors(&forecasts, args.season as usize);
    let curve = |(step, loss): &(u32, f64)| (f64::from(*step), *loss);
    let curves = [("train", losses.iter().map(curve).collect())];
    folder.picture("loss", &plot::curves("mean squared error, scaled", "step", &curves)?)?;
    folder.picture("forecast", &picture(forecaster.series(), &forecasts)?)?;
    folder.write("errors.csv", &format!("forecast,naive\n{ours:.6},{naive:.6}\n"))?;
    println!(
        "mean absolute error {ours:.3}; repeating the value of {} steps earlier: {naive:.3}",
        args.season
    );
    folder.finish(&["errors.csv", "loss.svg", "loss.png", "forecast.svg", "forecast.png"], &parameters)
}

/// All steps; the mean loss of every fiftieth of them.
fn learn(
    args: &ForecastArgs,
    forecaster: &mut Forecaster,
    mut keep: impl FnMut(u32, f64) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<(u32, f64)>> {
    let bar = ProgressBar::new(u64::from(args.steps));
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {msg}, {eta} left")?);
    let (began, every) = (Instant::now(), args.steps.div_ceil(50));
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let (mut losses, mut sum, mut count) = (Vec::new(), 0.0, 0.0);
    for step in 1..=args.steps {
        pending.push_back(forecaster.step()?);
        let due = step % every == 0 || step == args.steps;
        while pending.len() > if due { 0 } else { AHEAD } {
            let Some(first) = pending.pop_front() else { break };
            let loss = f64::from(first.wait()?.as_f32()?[0]);
            if !loss.is_finite() {
                bail!("step {step}: expected a finite loss, got {loss}; try a smaller --lr");
            }
            (sum, count) = (sum + loss, count + 1.0);
        }
        bar.set_position(u64::from(step));
        let rate = f64::from(step) / began.elapsed().as_secs_f64();
        bar.set_message(format!("loss {:.4}, {rate:.0} steps/s", sum / f64::max(count, 1.0)));
        if due {
            keep(step, sum / count)?;
            losses.push((step, sum / count));
            (sum, count) = (0.0, 0.0);
        }
    }
    bar.finish_and_clear();
    Ok(losses)
}

/// The end of the series and its forecasts.
fn picture(series: &Series, forecasts: &[Vec<f64>]) -> anyhow::Result<Picture> {
    let from = series.train().saturating_sub(series.values().len() - series.train());
    let truth = (from..series.values().len()).map(|i| (i as f64, series.values()[i])).collect();
    let mut told = Vec::new();
    for (start, forecast) in series.test_starts().into_iter().zip(forecasts) {
        told.extend(forecast.iter().enumerate().map(|(h, &value)| ((start + h) as f64, value)));
    }
    plot::curves("forecast of the test", "place in the series", &[("truth", truth), ("forecast", told)])
}
