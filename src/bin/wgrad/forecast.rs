//! `wgrad forecast`: learns a time series and forecasts its end.

use crate::canvas::Picture;
use crate::csv::{Column, ColumnArgs};
use crate::data::Sets;
use crate::device::DeviceArgs;
use crate::optimizer::OptimizerArgs;
use crate::plot;
use crate::resume::{KeepArgs, Words, resumed};
use crate::run::RunFolder;
use crate::training::{Plan, Run};
use crate::ways::WaysArgs;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use wgrad::Device;
use wgrad::data::{Series, SeriesWindows, seasonal_series};
use wgrad::train::{ForecastModel, Monitor, Trainer, forecasts};

/// The name under which run folders and `run.json` know this network.
pub const MODEL: &str = "forecast";
/// Values of the generated series: four years of days.
const DAYS: usize = 1461;

/// `wgrad forecast`.
#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// A CSV file; without it, a generated series with trend, seasons and noise.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    column: ColumnArgs,
    /// Values the network reads.
    #[arg(long, default_value_t = 28)]
    input: usize,
    /// Values it forecasts at a time.
    #[arg(long, default_value_t = 7)]
    horizon: usize,
    /// The naive forecast repeats the values of so many steps earlier.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    season: u32,
    /// Values at the end that are held out as a test [default: a tenth, in whole horizons].
    #[arg(long)]
    test: Option<usize>,
    /// Passes over the windows before the test.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Windows a step.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Size of the LSTM's state.
    #[arg(long, default_value_t = 32)]
    hidden: usize,
    #[command(flatten)]
    optimizer: OptimizerArgs,
    /// The seed of the initial weights and of the order of the windows.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    ways: WaysArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Check every input, parameter and result, and fail at the first NaN or infinity, naming it. Slower.
    #[arg(long)]
    check_finite: bool,
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keep: KeepArgs,
}

/// The learning rate of Adam.
const LR: f32 = 3e-3;
/// The norm to which gradients are clipped unless another is asked for.
const MAX_NORM: f32 = 1.0;

impl ForecastArgs {
    /// What was asked for, as a command line that asks for it again, wherever it is run.
    fn words(&self) -> anyhow::Result<Vec<String>> {
        let mut words = Words::default();
        words.path("data", self.data.as_deref())?;
        self.column.words(&mut words);
        words.add("input", Some(self.input));
        words.add("horizon", Some(self.horizon));
        words.add("season", Some(self.season));
        words.add("test", self.test);
        words.add("epochs", Some(self.epochs));
        words.add("batch-size", Some(self.batch_size));
        words.add("hidden", Some(self.hidden));
        self.optimizer.words(&mut words);
        words.add("seed", Some(self.seed));
        self.ways.words(&mut words)?;
        words.add("device", Some(&self.device.device));
        words.add("backend", self.device.backend);
        words.add("memory", self.device.memory);
        words.flag("check-finite", self.check_finite);
        words.kept(&self.keep);
        Ok(words.list())
    }

    fn settings(&self, data: &str, device: &str) -> anyhow::Result<Value> {
        let mut training = json!({
            "epochs": self.epochs, "batch_size": self.batch_size, "seed": self.seed, "data": data, "device": device,
            "words": self.words()?,
        });
        let own = self.optimizer.settings(LR).into_iter().chain(self.ways.settings());
        own.for_each(|(name, value)| training[name] = value);
        Ok(json!({
            "wgrad": env!("CARGO_PKG_VERSION"), "command": MODEL, "model": MODEL, "input": self.input,
            "horizon": self.horizon, "hidden": self.hidden, "training": training,
        }))
    }

    /// The series, where it comes from, and how many values of its end are the test.
    fn series(&self) -> anyhow::Result<(Series, String, usize)> {
        let (about, values) = match &self.data {
            Some(path) => {
                let Column { name, values, found } = self.column.read(path)?;
                println!("file     {}: {found}", path.display());
                (format!("{}, column '{name}'", path.display()), values)
            }
            None => ("a generated series with trend, seasons and noise".to_owned(), seasonal_series(DAYS, 1)),
        };
        let horizons = (values.len() / 10).checked_div(self.horizon).unwrap_or(0).max(1);
        let test = self.test.unwrap_or(horizons.saturating_mul(self.horizon));
        Ok((Series::new(values, self.input, self.horizon, test)?, about, test))
    }
}

/// Trains, forecasts and writes the run folder.
pub fn run(args: &ForecastArgs) -> anyhow::Result<()> {
    match &args.keep.resume {
        Some(folder) => {
            let mut noted: ForecastArgs = resumed(MODEL, folder)?;
            noted.keep.resume = Some(folder.clone());
            train(&noted)
        }
        None => train(args),
    }
}

fn train(args: &ForecastArgs) -> anyhow::Result<()> {
    let (series, about, test) = args.series()?;
    let series = Arc::new(series);
    let folder = match &args.keep.resume {
        Some(path) => RunFolder::reopen(path)?,
        None => RunFolder::claim(args.out.as_deref(), MODEL)?,
    };
    let mut device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {about}: {} values, the last {test} to forecast", series.values().len());
    let sets = Sets {
        train: Arc::new(SeriesWindows::train(&series)),
        test: Arc::new(SeriesWindows::test(&series)),
        held: None,
        written: false,
        table: None,
        about: about.clone(),
    };
    let sets = sets.held_back(args.ways.validation, args.seed)?;
    wgrad::data::check_batch_size(sets.train.as_ref(), args.batch_size)?;
    let build = |device: &Device| -> anyhow::Result<Trainer> {
        let model = ForecastModel { input: args.input, horizon: args.horizon, hidden_size: args.hidden };
        let mut options = args.ways.options(args.batch_size, args.seed);
        options.max_norm = options.max_norm.or(Some(MAX_NORM));
        let optimizer = args.optimizer.build(LR)?;
        let mut trainer = Trainer::new(device, model.task(), optimizer, sets.train.as_ref(), options)?;
        if let Some(schedule) = &args.ways.schedule {
            trainer.follow(schedule.clone())?;
        }
        Ok(trainer)
    };
    let plan = Plan {
        command: MODEL,
        about: format!(
            "LSTM {} of {} values, linear to the {} that follow",
            args.hidden, args.input, args.horizon
        ),
        many: "windows",
        keep: &args.keep,
        device: &args.device,
        epochs: args.epochs,
        ways: &args.ways,
        seed: args.seed,
        checked: args.check_finite,
        build: &build,
    };
    let settings = args.settings(&about, &device.describe())?;
    let (mut run, mut trainer) = Run::begin(plan, &sets, Monitor::default(), folder, (&device, &settings))?;
    if !run.train(&mut trainer, &mut device)? {
        return Ok(());
    }
    let (_, mut files) = run.evaluated(&mut trainer, &mut device)?;
    let forecast = |_: &mut Run<'_>, trainer: &mut Trainer| Ok(forecasts(trainer.network(), &series)?);
    let forecasts = run.surviving((&mut trainer, &mut device), forecast)?;
    let (ours, naive) = series.errors(&forecasts, args.season as usize);
    run.folder.picture("forecast", &picture(&series, &forecasts)?)?;
    run.folder.write("errors.csv", &format!("forecast,naive\n{ours:.6},{naive:.6}\n"))?;
    println!(
        "mean absolute error {ours:.3}; repeating the value of {} steps earlier: {naive:.3}",
        args.season
    );
    files.extend(["errors.csv", "forecast.svg", "forecast.png"]);
    run.folder.finish(&files, trainer.parameters())
}

/// The end of the series and its forecasts.
fn picture(series: &Series, forecasts: &[Vec<f64>]) -> anyhow::Result<Picture> {
    let from = series.train().saturating_sub(series.values().len() - series.train());
    let truth = (from..series.values().len()).map(|i| (i as f64, series.values()[i])).collect();
    let mut points = Vec::new();
    for (start, forecast) in series.test_starts().into_iter().zip(forecasts) {
        points.extend(forecast.iter().enumerate().map(|(h, &value)| ((start + h) as f64, value)));
    }
    plot::curves("forecast of the test", "position in the series", &[("truth", truth), ("forecast", points)])
}
