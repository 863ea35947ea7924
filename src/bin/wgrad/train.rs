//! `wgrad train`.

use crate::networks;
use crate::output;
use crate::resume::{DEVICE, ROWS, resumed, tell_change};
use crate::run::RunFolder;
use crate::train_args::TrainArgs;
use crate::training::{BATCH_SIZE, PROFILED, Run, reports};
use anyhow::Context;
use wgrad::ops::Role;
use wgrad::train::{Checkpoints, EpochReport, Trainer};

/// Trains and writes the run folder.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    match &args.keep.resume {
        Some(folder) => {
            let mut noted: TrainArgs = resumed("train", folder)?;
            noted.keep.resume = Some(folder.clone());
            train(&noted)
        }
        None => train(args),
    }
}

fn train(args: &TrainArgs) -> anyhow::Result<()> {
    let model = networks::find(&args.model)?;
    let (optimizer, batch_size) = (args.optimizer.build(model.lr())?, args.batch_size(model));
    output::check_all([("--profile", &args.profile)])?;
    let mut folder = match &args.keep.resume {
        Some(path) => RunFolder::reopen(path)?,
        None => RunFolder::claim(args.out.as_deref(), model.name())?,
    };
    let resumed = match &args.keep.resume {
        Some(_) => Some(Checkpoints::latest(&folder.checkpoints(), |line| eprintln!("{line}"))?),
        None => None,
    };
    let sets = args.data.load(model.reads(), None)?.held_back(args.ways.validation, args.seed)?;
    wgrad::data::check_batch_size(sets.train.as_ref(), batch_size)?;
    let device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {}", sets.about);
    let (shape, classes) = (model.shape(sets.train.as_ref())?, sets.train.classes().len());
    let layers = model.build(&shape, classes)?;
    let (task, options) = (args.ways.classification(layers), args.ways.options(batch_size, args.seed));
    let mut trainer = Trainer::new(&device, task, optimizer, sets.train.as_ref(), options)?;
    if let Some(schedule) = &args.ways.schedule {
        trainer.follow(schedule.clone())?;
    }
    let mut watch = args.ways.watch();
    watch.begin(&mut trainer)?;
    if args.profile.is_some() {
        anyhow::ensure!(!device.is_cpu(), "--profile: expected an adapter, got the CPU reference");
        trainer.profile(PROFILED);
    }
    let of = model.words(&shape, classes);
    println!("model    {} for {of}: {}, {} parameters", model.name(), model.about(), count(&trainer)?);
    println!("memory   {}", trainer.executable()?.memory());
    let settings = args.settings(model, &sets, &device.describe())?;
    let mut past = Vec::new();
    match &resumed {
        None => {
            args.ways.begin(trainer.parameters())?;
            let head = EpochReport::head(sets.judged(), &trainer.measured(sets.judge())?);
            folder.begin(&settings, &head, trainer.parameters())?;
        }
        Some((path, checkpoint)) => {
            let of_file = || path.display().to_string();
            trainer.resume(checkpoint).with_context(of_file)?;
            watch.resume(checkpoint).with_context(of_file)?;
            past = reports(checkpoint).with_context(of_file)?;
            tell_change("device", checkpoint.note(DEVICE)?, &device.describe());
            tell_change("batch size", checkpoint.note(BATCH_SIZE)?, &batch_size.to_string());
            folder.go_on(&settings, checkpoint.note(ROWS)?)?;
            let (epochs, done, steps) = trainer.position();
            let many = model.many();
            println!("resumed  {}: {epochs} epochs and {done} {many}, {steps} steps", path.display());
        }
    }
    println!("run      {}", folder.path().display());
    let mut run = Run { args, sets: &sets, folder, watch, reports: past };
    let done =
        run.epochs(&mut trainer).map_err(|error| run.folder.safe("train", run.diagnosed(error, &device)))?;
    if !done {
        println!("nothing to do: {} epochs are done; --epochs asks for more", trainer.position().0);
        return Ok(());
    }
    run.end(&mut trainer)
}

fn count(trainer: &Trainer) -> anyhow::Result<usize> {
    let parameters = trainer.parameters();
    let names = parameters.names(Role::Parameter);
    let sizes = names.iter().map(|name| Ok(parameters.ty(name)?.shape.elements()));
    sizes.sum()
}
