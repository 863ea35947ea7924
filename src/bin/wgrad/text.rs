//! `wgrad text`: learns a text character by character; `wgrad write` continues one.

use crate::device::DeviceArgs;
use crate::plot;
use crate::run::{self, RunFolder};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Instant;
use wgrad::data::{SAMPLE_TEXT, Vocabulary, read_text, split_text};
use wgrad::optim::Adam;
use wgrad::train::{Sampling, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
use wgrad::{Parameters, Pending};

/// The name under which run folders and `run.json` know this network.
const MODEL: &str = "text";
/// Steps of training, where none are said.
const STEPS: u32 = 1000;
/// The same for the built-in text: after more, the network knows it by heart and the validation loss rises.
const SAMPLE_STEPS: u32 = 300;
/// Steps whose loss may be on its way.
const AHEAD: usize = 4;

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
    /// Steps between two looks at the validation text, each a row of metrics.csv [default: a tenth of all].
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    validate_every: Option<u32>,
    /// Streams of the text read side by side.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Characters of a window, as far as gradients go back.
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Numbers a character becomes.
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
    /// The norm to which all gradients together are clipped.
    #[arg(long, default_value_t = 1.0)]
    max_norm: f32,
    /// Of the first weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Look at every input, parameter and result: the first NaN or infinity is named. Slower.
    #[arg(long)]
    check_finite: bool,
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How a text is written.
#[derive(Debug, Clone, Args)]
pub struct SamplingArgs {
    /// What the written text begins with; nothing, with an empty one [default: the first word learned].
    #[arg(long)]
    prompt: Option<String>,
    /// Characters to write.
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// Below 1 the likely gets likelier.
    #[arg(long, default_value_t = 0.8)]
    temperature: f32,
    /// Draw from so many of the likeliest characters only.
    #[arg(long)]
    top_k: Option<usize>,
    /// Of the drawing.
    #[arg(long, default_value_t = 0)]
    sample_seed: u64,
}

impl SamplingArgs {
    fn sampling(&self) -> Sampling {
        Sampling { temperature: self.temperature, top_k: self.top_k, seed: self.sample_seed }
    }

    /// The prompt, where nothing was asked for the `usual` one; and what could go wrong when the text is written,
    /// before it is learned.
    fn check(&self, vocabulary: &Vocabulary, usual: &str) -> anyhow::Result<String> {
        let prompt = self.prompt.as_deref().unwrap_or(usual);
        vocabulary.encode(prompt).context("--prompt")?;
        self.sampling().check()?;
        Ok(prompt.to_owned())
    }
}

impl TextArgs {
    fn steps(&self) -> u32 {
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

    fn settings(&self, vocabulary: &Vocabulary, usual: &str, data: &str, device: &str) -> Value {
        let cell = self.cell.to_possible_value().map(|v| v.get_name().to_owned());
        json!({
            "wgrad": env!("CARGO_PKG_VERSION"), "model": MODEL, "vocabulary": vocabulary.text(),
            "prompt": usual,
            "cell": cell, "embedding": self.embedding, "hidden": self.hidden, "layers": self.layers,
            "training": {
                "steps": self.steps(), "batch_size": self.batch_size, "window": self.window,
                "dropout": run::decimal(self.dropout), "lr": run::decimal(self.lr),
                "max_norm": run::decimal(self.max_norm), "seed": self.seed, "data": data, "device": device,
            },
        })
    }
}

/// One row of `metrics.csv`.
struct Row {
    step: u32,
    train: f64,
    validation: f64,
    seconds: f64,
}

/// The head of `metrics.csv`.
const CSV_HEAD: &str = "step,train_loss,validation_loss,seconds";

impl Row {
    fn csv(&self) -> String {
        let Self { step, train, validation, seconds } = self;
        format!("{step},{train:.6},{validation:.6},{seconds:.3}")
    }
}

/// Trains, writes the run folder, and a text.
pub fn run(args: &TextArgs) -> anyhow::Result<()> {
    let (text, from) = args.text()?;
    let vocabulary = Vocabulary::of(&text)?;
    let usual = first_word(&text);
    let prompt = args.sampling.check(&vocabulary, &usual)?;
    let mut folder = RunFolder::claim(args.out.as_deref(), MODEL)?;
    let device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {from}: {} characters, {} distinct", text.chars().count(), vocabulary.len());
    let model = args.model(&vocabulary);
    let texts = split_text(vocabulary.encode(&text)?, args.batch_size, args.window)?;
    let options = TextOptions { batch_size: args.batch_size, steps: args.window, max_norm: args.max_norm };
    let parameters = Parameters::new(&device, args.seed);
    let mut trainer = TextTrainer::new(&parameters, &model, &Adam::new(args.lr), texts, options)?;
    println!("memory   {}", trainer.executable().memory());
    folder.begin(&args.settings(&vocabulary, &usual, &from, &device.describe()), CSV_HEAD, &parameters)?;
    println!("run      {}", folder.path().display());
    let rows = learn(args, &mut trainer, |row| {
        folder.save(&parameters)?;
        folder.row(&row.csv())
    })?;
    let points =
        |pick: fn(&Row) -> f64| rows.iter().map(|r| (f64::from(r.step), pick(r))).collect::<Vec<_>>();
    let curves = [("train", points(|r| r.train)), ("validation", points(|r| r.validation))];
    folder.write("loss.svg", &plot::curves("cross entropy a character", "step", &curves)?)?;
    let mut writer = TextWriter::new(&parameters, &model, &vocabulary)?;
    let written = aloud(&mut writer, &prompt, &args.sampling)?;
    folder.write("sample.txt", &written)?;
    println!();
    folder.finish(&["loss.svg", "sample.txt"], &parameters)
}

/// All steps, with looks at the validation text.
fn learn(
    args: &TextArgs,
    trainer: &mut TextTrainer,
    mut keep: impl FnMut(&Row) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Row>> {
    let steps = args.steps();
    let bar = ProgressBar::new(u64::from(steps));
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {msg}, {eta} left")?);
    let began = Instant::now();
    let every = args.validate_every.unwrap_or(steps.div_ceil(10));
    let mut rows = Vec::new();
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let (mut sum, mut count) = (0.0, 0.0);
    for step in 1..=steps {
        pending.push_back(trainer.step()?);
        let due = step % every == 0 || step == steps;
        while pending.len() > if due { 0 } else { AHEAD } {
            let Some(first) = pending.pop_front() else { break };
            let loss = f64::from(first.wait()?.as_f32()?[0]);
            if !loss.is_finite() {
                anyhow::bail!("step {step}: expected a finite loss, got {loss}; try a smaller --lr");
            }
            (sum, count) = (sum + loss, count + 1.0);
        }
        let rate = f64::from(step) * (args.batch_size * args.window) as f64 / began.elapsed().as_secs_f64();
        bar.set_position(u64::from(step));
        bar.set_message(format!("loss {:.3}, {rate:.0} characters/s", sum / f64::max(count, 1.0)));
        if due {
            let row = Row {
                step,
                train: sum / count,
                validation: trainer.validate()?,
                seconds: began.elapsed().as_secs_f64(),
            };
            let Row { train, validation, seconds, .. } = row;
            bar.suspend(|| {
                println!("step {step}  train {train:.4}  validation {validation:.4}  {seconds:.0} s")
            });
            keep(&row)?;
            rows.push(row);
            (sum, count) = (0.0, 0.0);
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// What a text begins with, so that its characters are known whatever its script: the first word with what parts it
/// from the next, or as much of it as is a word elsewhere where words are not parted.
fn first_word(text: &str) -> String {
    const MOST: usize = 12;
    let text = text.trim_start();
    let word = text.chars().take_while(|c| !c.is_whitespace()).count();
    text.chars().take((word + 1).min(MOST)).collect()
}

/// Writes a text to the terminal as it comes.
fn aloud(writer: &mut TextWriter, prompt: &str, args: &SamplingArgs) -> anyhow::Result<String> {
    print!("\n{prompt}");
    let each = |c: char| {
        print!("{c}");
        // A terminal that went away is no reason to stop.
        let _ = stdout().flush();
    };
    let text = writer.write(prompt, args.length, args.sampling(), each)?;
    println!();
    Ok(text)
}

/// `wgrad write`.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// A run folder of `wgrad text`.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Writes a text with a trained model.
pub fn write(args: &WriteArgs) -> anyhow::Result<()> {
    let (settings, weights) = run::read(&args.run)?;
    if settings["model"] != MODEL {
        anyhow::bail!(
            "{}: expected a run of `wgrad text`, got one of {}",
            args.run.display(),
            settings["model"]
        );
    }
    let number = |key: &str| -> anyhow::Result<usize> {
        let found = settings[key].as_u64().and_then(|n| usize::try_from(n).ok());
        found.with_context(|| {
            format!("{}: expected a number {key}, got {}", args.run.display(), settings[key])
        })
    };
    let vocabulary = Vocabulary::of(settings["vocabulary"].as_str().unwrap_or_default())
        .with_context(|| format!("{}: the vocabulary", args.run.display()))?;
    // Runs of before it was noted have none.
    let usual = settings["prompt"].as_str().unwrap_or_default();
    let prompt = args.sampling.check(&vocabulary, usual)?;
    let model = TextModel {
        cell: if settings["cell"] == "gru" { TextCell::Gru } else { TextCell::Lstm },
        vocabulary: vocabulary.len(),
        embedding_dim: number("embedding")?,
        hidden_size: number("hidden")?,
        num_layers: number("layers")?,
        dropout: 0.0,
    };
    let parameters = Parameters::new(&args.device.open()?, 0);
    let mut writer = TextWriter::new(&parameters, &model, &vocabulary)?;
    parameters.load(&weights)?;
    aloud(&mut writer, &prompt, &args.sampling).map(|_| ())
}
