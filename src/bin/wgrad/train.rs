//! `wgrad train`.

use crate::data::Like;
use crate::networks;
use crate::output;
use crate::plot;
use crate::resume::resumed;
use crate::run::RunFolder;
use crate::train_args::TrainArgs;
use crate::training::{Plan, Run};
use anyhow::bail;
use std::path::{Path, PathBuf};
use wgrad::Device;
use wgrad::bench::trace::Trace;
use wgrad::nn::MSELoss;
use wgrad::train::{Monitor, Regression, Trainer};

/// Trains and writes the run folder.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    match &args.keep.resume {
        Some(folder) => {
            let mut noted: TrainArgs = resumed("train", folder)?;
            noted.keep.resume = Some(folder.clone());
            run_of(&noted, None).map(drop)
        }
        None => run_of(args, None).map(drop),
    }
}

/// Trains on data of so many classes, if that is said: the run's folder.
///
/// # Errors
/// When an option is out of range, the data has another number of classes, or the training fails.
pub fn run_of(args: &TrainArgs, wanted: Option<usize>) -> anyhow::Result<PathBuf> {
    let model = networks::find(&args.model, args.head)?;
    let batch_size = args.batch_size(&model);
    args.optimizer.build(model.lr())?;
    output::check_all([("--profile", &args.profile)])?;
    let folder = match &args.keep.resume {
        Some(path) => RunFolder::reopen(path)?,
        None => RunFolder::claim(args.out.as_deref(), model.stem())?,
    };
    let sets = args.data.load(model.reads(), Like::default())?.held_back(args.ways.validation, args.seed)?;
    let sets = sets.varied(args.classes.augment.as_deref(), args.classes.mixup)?;
    wgrad::data::check_batch_size(sets.train.as_ref(), batch_size)?;
    let mut device = args.device.open()?.check_finite(args.check_finite);
    anyhow::ensure!(
        args.profile.is_none() || !device.is_cpu(),
        "--profile: expected an adapter, got the CPU reference"
    );
    println!("device   {}", device.describe());
    println!("data     {}", sets.about);
    let (shape, classes) = (model.shape(sets.train.as_ref())?, sets.train.classes().len());
    if let Some(wanted) = wanted.filter(|&wanted| wanted != classes) {
        bail!("--classes: expected {classes}, as many as the data has, got {wanted}");
    }
    let build = |device: &Device| -> anyhow::Result<Trainer> {
        let layers = model.build(&shape, classes)?;
        let (optimizer, options) =
            (args.optimizer.build(model.lr())?, args.ways.options(batch_size, args.seed));
        let like = sets.train.as_ref();
        let mut trainer = if classes == 0 {
            Trainer::new(device, Regression::new(layers, MSELoss::default()), optimizer, like, options)?
        } else {
            Trainer::new(device, args.classes.classification(layers), optimizer, like, options)?
        };
        if let Some(schedule) = &args.ways.schedule {
            trainer.follow(schedule.clone())?;
        }
        if args.profile.is_some() {
            trainer.profile(PROFILED);
        }
        Ok(trainer)
    };
    let plan = Plan {
        command: "train",
        about: format!("{} for {}: {}", model.name(), model.words(&shape, classes), model.about()),
        many: model.many(),
        keep: &args.keep,
        device: &args.device,
        epochs: args.epochs,
        ways: &args.ways,
        seed: args.seed,
        checked: args.check_finite,
        build: &build,
    };
    let monitor = match classes {
        0 => Monitor::default(),
        _ => Monitor { metric: "accuracy".into(), maximize: true },
    };
    let settings = args.settings(&model, &sets, &device.describe())?;
    let (mut run, mut trainer) = Run::begin(plan, &sets, monitor, folder, (&device, &settings))?;
    if !run.train(&mut trainer, &mut device)? {
        return Ok(run.folder.path().to_owned());
    }
    let (test, mut files) = run.evaluated(&mut trainer, &mut device)?;
    if let Some(confusion) = test.confusion() {
        run.folder.picture("confusion", &plot::confusion(confusion, sets.test.classes())?)?;
        files.extend(["confusion.svg", "confusion.png"]);
    }
    let finished = run.folder.finish(&files, trainer.parameters());
    args.profile.as_deref().map_or(Ok(()), |path| write_profile(&trainer, path))?;
    finished.map(|()| run.folder.path().to_owned())
}

/// The steps of a profile: the first ones warm the device up.
const PROFILED: std::ops::Range<usize> = 3..13;

/// Writes the trace and prints the ten most expensive kernels.
fn write_profile(trainer: &Trainer, path: &Path) -> anyhow::Result<()> {
    let mut trace = Trace::new();
    for (step, profile) in trainer.profiles() {
        trace.add(format!("step {step}"), profile.clone());
    }
    anyhow::ensure!(trace.runs() > 0, "--profile: expected a training of more than {} steps", PROFILED.start);
    output::keep(path, |path| trace.save(path))?;
    println!("profile of {} steps, {}:", trace.runs(), trace.clock());
    print!("{}", trace.table(10));
    println!("wrote {}", path.display());
    Ok(())
}
