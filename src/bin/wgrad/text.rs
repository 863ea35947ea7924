//! `wgrad text`: learns a text character by character.

use crate::device::DeviceArgs;
use crate::plot;
use crate::resume::{KeepArgs, ROWS, Words, resumed};
use crate::run::{self, RunFolder};
use crate::text_run::{CSV_HEAD, Learner, Past, Row, TextRun};
use crate::write::{SamplingArgs, aloud};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use wgrad::data::{SAMPLE_TEXT, Vocabulary, read_text, split_text};
use wgrad::optim::{Adam, Schedule};
use wgrad::train::{Checkpoints, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
use wgrad::{Device, Parameters};

/// The name under which run folders and `run.json` know this network.
pub const MODEL: &str = "text";
/// Steps of training, where none are said.
const STEPS: u32 = 1000;
/// The same for the built-in text: after more, the network knows it by heart and the validation loss rises.
const SAMPLE_STEPS: u32 = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cell {
    Lstm,
    Gru,
}

/// `wgrad text`.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// A text file in UTF-8; without it, a small text written for this project.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The recurrent layer.
    #[arg(long, value_enum, default_value = "lstm")]
    cell: Cell,
    /// Steps of training, each one window of every stream [default: 1000; 300 with the built-in text].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Steps between two evaluations on the validation text, each a row of metrics.csv [default: a tenth of all].
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub validate_every: Option<u32>,
    /// Streams of the text read side by side.
    #[arg(long, default_value_t = 32)]
    pub batch_size: usize,
    /// Characters of a window, as far as gradients go back.
    #[arg(long, default_value_t = 64)]
    pub window: usize,
    /// Size of the embedding of a character.
    #[arg(long, default_value_t = 64)]
    embedding: usize,
    /// Size of the state of a layer.
    #[arg(long, default_value_t = 128)]
    hidden: usize,
    /// Recurrent layers.
    #[arg(long, default_value_t = 2)]
    layers: usize,
    /// Dropout between layers and before the last.
    #[arg(long, default_value_t = 0.0)]
    dropout: f32,
    /// Learning rate of Adam.
    #[arg(long, default_value_t = 4e-3)]
    lr: f32,
    /// How the learning rate changes from step to step, such as cosine:t_max=1000, as of `wgrad train`.
    #[arg(long)]
    schedule: Option<Schedule>,
    /// Clip the norm of all gradients together to this.
    #[arg(long, default_value_t = 1.0)]
    max_norm: f32,
    /// The seed of the initial weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Check every input, parameter and result, and fail at the first NaN or infinity, naming it. Slower.
    #[arg(long)]
    pub check_finite: bool,
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub keep: KeepArgs,
}

impl TextArgs {
    /// How many steps.
    pub fn steps(&self) -> u32 {
        self.steps.unwrap_or(if self.data.is_some() { STEPS } else { SAMPLE_STEPS })
    }

    fn text(&self) -> anyhow::Result<(String, String)> {
        match &self.data {
            None => Ok((SAMPLE_TEXT.to_owned(), "the built-in text".to_owned())),
            Some(path) => Ok((read_text(path)?, path.display().to_string())),
        }
    }

    fn model(&self, vocabulary: &Vocabulary) -> TextModel {
        TextModel {
            cell: if self.cell == Cell::Lstm { TextCell::Lstm } else { TextCell::Gru },
            vocabulary: vocabulary.len(),
            embedding_dim: self.embedding,
            hidden_size: self.hidden,
            num_layers: self.layers,
            dropout: self.dropout,
        }
    }

    /// What was asked for, as a command line that asks for it again, wherever it is run.
    fn words(&self) -> anyhow::Result<Vec<String>> {
        let mut words = Words::default();
        words.path("data", self.data.as_deref())?;
        words.add("cell", self.cell.to_possible_value().map(|v| v.get_name().to_owned()));
        words.add("steps", self.steps);
        words.add("validate-every", self.validate_every);
        words.add("batch-size", Some(self.batch_size));
        words.add("window", Some(self.window));
        words.add("embedding", Some(self.embedding));
        words.add("hidden", Some(self.hidden));
        words.add("layers", Some(self.layers));
        words.add("dropout", Some(self.dropout));
        words.add("lr", Some(self.lr));
        words.add("schedule", self.schedule.as_ref());
        words.add("max-norm", Some(self.max_norm));
        words.add("seed", Some(self.seed));
        self.sampling.words(&mut words);
        words.add("device", Some(&self.device.device));
        words.add("backend", self.device.backend);
        words.add("memory", self.device.memory);
        words.flag("check-finite", self.check_finite);
        words.kept(&self.keep);
        Ok(words.list())
    }

    fn settings(
        &self,
        vocabulary: &Vocabulary,
        usual: &str,
        data: &str,
        device: &str,
    ) -> anyhow::Result<Value> {
        let cell = self.cell.to_possible_value().map(|v| v.get_name().to_owned());
        let mut settings = json!({
            "wgrad": env!("CARGO_PKG_VERSION"), "command": MODEL, "model": MODEL, "vocabulary": vocabulary.text(),
            "prompt": usual,
            "cell": cell, "embedding": self.embedding, "hidden": self.hidden, "layers": self.layers,
            "training": {
                "steps": self.steps(), "batch_size": self.batch_size, "window": self.window,
                "dropout": run::decimal(self.dropout), "lr": run::decimal(self.lr),
                "max_norm": run::decimal(self.max_norm), "seed": self.seed, "data": data, "device": device,
                "words": self.words()?,
            },
        });
        if let Some(schedule) = &self.schedule {
            settings["training"]["schedule"] = json!(schedule.to_string());
        }
        Ok(settings)
    }
}

/// Trains, writes the run folder, and a text.
pub fn run(args: &TextArgs) -> anyhow::Result<()> {
    match &args.keep.resume {
        Some(folder) => {
            let mut noted: TextArgs = resumed(MODEL, folder)?;
            noted.keep.resume = Some(folder.clone());
            train(&noted)
        }
        None => train(args),
    }
}

fn train(args: &TextArgs) -> anyhow::Result<()> {
    let (text, from) = args.text()?;
    let vocabulary = Vocabulary::of(&text)?;
    let usual = first_word(&text);
    let prompt = args.sampling.check(&vocabulary, &usual)?;
    let folder = match &args.keep.resume {
        Some(path) => RunFolder::reopen(path)?,
        None => RunFolder::claim(args.out.as_deref(), MODEL)?,
    };
    let resumed = match &args.keep.resume {
        Some(_) => Some(Checkpoints::latest(&folder.checkpoints(), |line| eprintln!("{line}"))?),
        None => None,
    };
    let device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {from}: {} characters, {} distinct", text.chars().count(), vocabulary.len());
    let (model, tokens) = (args.model(&vocabulary), vocabulary.encode(&text)?);
    let build = |device: &Device| -> anyhow::Result<Learner> {
        let texts = split_text(tokens.clone(), args.batch_size, args.window)?;
        let options =
            TextOptions { batch_size: args.batch_size, steps: args.window, max_norm: args.max_norm };
        let parameters = Parameters::new(device, args.seed);
        let mut trainer = TextTrainer::new(&parameters, &model, &Adam::new(args.lr), texts, options)?;
        if let Some(schedule) = &args.schedule {
            trainer.follow(schedule.clone())?;
        }
        Ok(Learner { parameters, trainer })
    };
    let mut learner = build(&device)?;
    println!("memory   {}", learner.trainer.executable().memory());
    let settings = args.settings(&vocabulary, &usual, &from, &device.describe())?;
    let mut run = TextRun { args, build: &build, folder, past: Past::of(&text), given_up: 0 };
    match &resumed {
        None => {
            run.folder.begin(&settings, CSV_HEAD, &learner.parameters)?;
            run.folder.event("begins", 0, &device.describe());
        }
        Some((path, checkpoint)) => {
            run.resume(&mut learner, path, checkpoint)?;
            run.folder.go_on(&settings, checkpoint.note(ROWS)?)?;
        }
    }
    println!("run      {}", run.folder.path().display());
    let began_at = learner.trainer.position();
    run.learn(&mut learner)?;
    let TextRun { mut folder, past: Past { rows, .. }, .. } = run;
    if began_at >= args.steps() as usize {
        println!("nothing to do: {began_at} steps are done; --steps asks for more");
        return Ok(());
    }
    folder.event("is finished", learner.trainer.position(), "");
    let points =
        |pick: fn(&Row) -> f64| rows.iter().map(|r| (f64::from(r.step), pick(r))).collect::<Vec<_>>();
    let curves = [("train", points(|r| r.train)), ("validation", points(|r| r.validation))];
    folder.picture("loss", &plot::curves("cross entropy a character", "step", &curves)?)?;
    let mut writer = TextWriter::new(&learner.parameters, &model, &vocabulary)?;
    let written = aloud(&mut writer, &prompt, &args.sampling)?;
    folder.write("sample.txt", &written)?;
    println!();
    folder.finish(&["loss.svg", "loss.png", "sample.txt"], &learner.parameters)
}

/// What a text begins with, so that its characters are known whatever its script: the first word with what parts it
/// from the next, or as much of it as is a word elsewhere where words are not parted.
fn first_word(text: &str) -> String {
    const MOST: usize = 12;
    let text = text.trim_start();
    let word = text.chars().take_while(|c| !c.is_whitespace()).count();
    text.chars().take((word + 1).min(MOST)).collect()
}

/// The model of a run, and the characters that it knows.
pub fn noted(settings: &Value, run: &Path) -> anyhow::Result<(TextModel, Vocabulary)> {
    if settings["model"] != MODEL {
        anyhow::bail!("{}: expected a run of `wgrad text`, got one of {}", run.display(), settings["model"]);
    }
    let number = |key: &str| run::number(settings, key, run);
    let vocabulary = Vocabulary::of(settings["vocabulary"].as_str().unwrap_or_default())
        .with_context(|| format!("{}: the vocabulary", run.display()))?;
    let model = TextModel {
        cell: if settings["cell"] == "gru" { TextCell::Gru } else { TextCell::Lstm },
        vocabulary: vocabulary.len(),
        embedding_dim: number("embedding")?,
        hidden_size: number("hidden")?,
        num_layers: number("layers")?,
        dropout: 0.0,
    };
    Ok((model, vocabulary))
}
