//! `wgrad forecast`: learns a time series and forecasts its end.

use crate::device::DeviceArgs;
use crate::plot;
use crate::run::{self, RunFolder};
use anyhow::{Context, bail};
use clap::Args;
use csv::StringRecord;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt::Write;
use std::path::{Path, PathBuf};
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
    /// A CSV file with a header; without it, a generated series with trend, seasons and noise.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The column to forecast, by its header [default: the last one].
    #[arg(long, requires = "data")]
    column: Option<String>,
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
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The numbers of a column, or an error that names row (the header is row 1) and column.
fn column(path: &Path, wanted: Option<&str>) -> anyhow::Result<(String, Vec<f64>)> {
    let mut reader = csv::ReaderBuilder::new();
    // Rows of another length are refused below, by their number.
    let reader = reader.flexible(true).from_path(path);
    let mut reader = reader.with_context(|| format!("reading {}", path.display()))?;
    let header = reader.headers().with_context(|| format!("reading {}", path.display()))?.clone();
    if header.is_empty() {
        bail!("{}: expected a header in row 1, got nothing", path.display());
    }
    let place = match wanted {
        Some(name) => header.iter().position(|h| h.trim() == name),
        None => header.len().checked_sub(1),
    };
    let Some(place) = place else {
        let known: Vec<&str> = header.iter().collect();
        bail!(
            "{}: expected the column {:?}, got only {}",
            path.display(),
            wanted.unwrap_or(""),
            known.join(", ")
        );
    };
    let name = header[place].trim().to_owned();
    let mut values = Vec::new();
    let mut row = 2 + breaks(&header);
    let mut record = StringRecord::new();
    loop {
        let before = reader.position().line();
        if !reader.read_record(&mut record).with_context(|| format!("reading {}", path.display()))? {
            return Ok((name, values));
        }
        let at = || format!("{}: row {row}, column '{name}'", path.display());
        // The reader skips empty lines; to a series they are gaps.
        if reader.position().line() - before > 1 + breaks(&record) {
            bail!("{}: expected a number, got an empty line", at());
        }
        if record.len() != header.len() {
            bail!("{}: expected {} fields as in the header, got {}", at(), header.len(), record.len());
        }
        let field = record.get(place).unwrap_or("").trim();
        match field.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            Ok(_) => bail!("{}: expected a finite number, got '{field}'", at()),
            Err(_) if field.is_empty() => bail!("{}: expected a number, got nothing", at()),
            Err(_) => bail!("{}: expected a number, got '{field}'", at()),
        }
        row += 1 + breaks(&record);
    }
}

/// Line breaks inside the fields of a record. Rows are counted by these, for the reader's own count of lines is one
/// behind where lines end in CR LF.
fn breaks(record: &StringRecord) -> u64 {
    record.iter().map(|field| field.matches('\n').count() as u64).sum()
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
            let (name, values) = column(path, args.column.as_deref())?;
            (format!("{}, column '{name}'", path.display()), values)
        }
        None => ("a generated series with trend, seasons and noise".to_owned(), seasonal_series(DAYS, 1)),
    };
    let horizons = (values.len() / 10).checked_div(args.horizon).unwrap_or(0).max(1);
    let test = args.test.unwrap_or(horizons.saturating_mul(args.horizon));
    let series = Series::new(values, args.input, args.horizon, test)?;
    let folder = RunFolder::plan(args.out.as_deref(), MODEL)?;
    let device = args.device.open()?;
    println!("device   {}", device.describe());
    println!("data     {about}: {} values, the last {test} to forecast", series.values().len());
    let parameters = Parameters::new(&device, args.seed);
    let model = ForecastModel { input: args.input, horizon: args.horizon, hidden_size: args.hidden };
    let mut forecaster =
        Forecaster::new(&parameters, model, &Adam::new(args.lr), series, args.batch_size, args.seed)?;
    folder.create(&args.settings(&about, &device.describe()))?;
    println!("run      {}", folder.path().display());
    let losses = learn(args, &mut forecaster)?;
    let forecasts = forecaster.forecasts()?;
    let (ours, naive) = forecaster.series().errors(&forecasts, args.season as usize);
    parameters.save(&folder.weights())?;
    let curve = |(step, loss): &(u32, f64)| (f64::from(*step), *loss);
    let curves = [("train", losses.iter().map(curve).collect())];
    folder.write("metrics.csv", &csv(&losses))?;
    folder.write("loss.svg", &plot::curves("mean squared error, scaled", "step", &curves)?)?;
    folder.write("forecast.svg", &picture(forecaster.series(), &forecasts)?)?;
    folder.write("errors.csv", &format!("forecast,naive\n{ours:.6},{naive:.6}\n"))?;
    println!(
        "mean absolute error {ours:.3}; repeating the value of {} steps earlier: {naive:.3}",
        args.season
    );
    println!(
        "wrote metrics.csv, errors.csv, loss.svg, forecast.svg and model.safetensors to {}",
        folder.path().display()
    );
    Ok(())
}

/// All steps; the mean loss of every fiftieth of them.
fn learn(args: &ForecastArgs, forecaster: &mut Forecaster) -> anyhow::Result<Vec<(u32, f64)>> {
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
            losses.push((step, sum / count));
            (sum, count) = (0.0, 0.0);
        }
    }
    bar.finish_and_clear();
    Ok(losses)
}

fn csv(losses: &[(u32, f64)]) -> String {
    let mut text = String::from("step,train_loss\n");
    for (step, loss) in losses {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{step},{loss:.6}");
    }
    text
}

/// The end of the series and its forecasts.
fn picture(series: &Series, forecasts: &[Vec<f64>]) -> anyhow::Result<String> {
    let from = series.train().saturating_sub(series.values().len() - series.train());
    let truth = (from..series.values().len()).map(|i| (i as f64, series.values()[i])).collect();
    let mut told = Vec::new();
    for (start, forecast) in series.test_starts().into_iter().zip(forecasts) {
        told.extend(forecast.iter().enumerate().map(|(h, &value)| ((start + h) as f64, value)));
    }
    plot::curves("forecast of the test", "place in the series", &[("truth", truth), ("forecast", told)])
}
