//! `wgrad text`: learns a text character by character; `wgrad write` continues one.

use crate::device::DeviceArgs;
use crate::plot;
use crate::resume::{DEVICE, KeepArgs, ROWS, Words, number, resumed, tell_change};
use crate::run::{self, RunFolder};
use crate::signals::{Interrupted, Signals};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Instant;
use wgrad::data::{SAMPLE_TEXT, Vocabulary, read_text, split_text};
use wgrad::optim::Adam;
use wgrad::train::{Checkpoints, Sampling, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
use wgrad::{Checkpoint, Parameters, Pending};

/// The name under which run folders and `run.json` know this network.
pub const MODEL: &str = "text";
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
    #[command(flatten)]
    keep: KeepArgs,
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
    fn words(&self, words: &mut Words) {
        words.add("prompt", self.prompt.as_ref());
        words.add("length", Some(self.length));
        words.add("temperature", Some(self.temperature));
        words.add("top-k", self.top_k);
        words.add("sample-seed", Some(self.sample_seed));
    }

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
        Ok(json!({
            "wgrad": env!("CARGO_PKG_VERSION"), "command": MODEL, "model": MODEL, "vocabulary": vocabulary.text(),
            "prompt": usual,
            "cell": cell, "embedding": self.embedding, "hidden": self.hidden, "layers": self.layers,
            "training": {
                "steps": self.steps(), "batch_size": self.batch_size, "window": self.window,
                "dropout": run::decimal(self.dropout), "lr": run::decimal(self.lr),
                "max_norm": run::decimal(self.max_norm), "seed": self.seed, "data": data, "device": device,
                "words": self.words()?,
            },
        }))
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
    fn of(row: &str) -> anyhow::Result<Self> {
        let numbers: Option<Vec<f64>> = row.split(',').map(|field| field.parse().ok()).collect();
        let Some([step, train, validation, seconds]) = numbers.as_deref() else {
            anyhow::bail!("metrics: expected four numbers, {CSV_HEAD}, got {row}");
        };
        Ok(Self { step: *step as u32, train: *train, validation: *validation, seconds: *seconds })
    }

    fn csv(&self) -> String {
        let Self { step, train, validation, seconds } = self;
        format!("{step},{train:.6},{validation:.6},{seconds:.3}")
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
    let mut folder = match &args.keep.resume {
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
    let model = args.model(&vocabulary);
    let texts = split_text(vocabulary.encode(&text)?, args.batch_size, args.window)?;
    let options = TextOptions { batch_size: args.batch_size, steps: args.window, max_norm: args.max_norm };
    let parameters = Parameters::new(&device, args.seed);
    let mut trainer = TextTrainer::new(&parameters, &model, &Adam::new(args.lr), texts, options)?;
    println!("memory   {}", trainer.executable().memory());
    let settings = args.settings(&vocabulary, &usual, &from, &device.describe())?;
    let mut past = Past { text: crc32fast::hash(text.as_bytes()), ..Past::default() };
    match &resumed {
        None => folder.begin(&settings, CSV_HEAD, &parameters)?,
        Some((path, checkpoint)) => {
            let of = || path.display().to_string();
            past.go_on(checkpoint, &device.describe()).with_context(of)?;
            trainer.resume(checkpoint).with_context(of)?;
            folder.go_on(&settings, checkpoint.note(ROWS)?)?;
            println!("resumed  {}: {} steps", path.display(), trainer.position());
        }
    }
    println!("run      {}", folder.path().display());
    let began_at = trainer.position();
    let rows =
        learn(args, &mut trainer, &parameters, &mut folder, past).map_err(|e| folder.safe(MODEL, e))?;
    if began_at >= args.steps() as usize {
        println!("nothing to do: {began_at} steps are done; --steps asks for more");
        return Ok(());
    }
    let points =
        |pick: fn(&Row) -> f64| rows.iter().map(|r| (f64::from(r.step), pick(r))).collect::<Vec<_>>();
    let curves = [("train", points(|r| r.train)), ("validation", points(|r| r.validation))];
    folder.picture("loss", &plot::curves("cross entropy a character", "step", &curves)?)?;
    let mut writer = TextWriter::new(&parameters, &model, &vocabulary)?;
    let written = aloud(&mut writer, &prompt, &args.sampling)?;
    folder.write("sample.txt", &written)?;
    println!();
    folder.finish(&["loss.svg", "loss.png", "sample.txt"], &parameters)
}

/// What a checkpoint of `wgrad text` notes besides: the text's checksum, and the losses since the last row.
const TEXT: &str = "text";
const SUM: &str = "sum";
const COUNT: &str = "count";
const SECONDS: &str = "seconds";
const BEST: &str = "best";

/// What came before, and what the rows have to go on with.
#[derive(Default)]
struct Past {
    text: u32,
    rows: Vec<Row>,
    /// The losses since the last row.
    sum: f64,
    count: f64,
    seconds: f64,
    best: Option<f64>,
}

impl Past {
    fn go_on(&mut self, checkpoint: &Checkpoint, device: &str) -> anyhow::Result<()> {
        tell_change("device", checkpoint.note(DEVICE)?, device);
        tell_change("text's checksum", checkpoint.note(TEXT)?, &self.text.to_string());
        self.rows = checkpoint.note(ROWS)?.lines().skip(1).map(Row::of).collect::<anyhow::Result<_>>()?;
        self.sum = f64::from_bits(number(checkpoint, SUM)?);
        (self.count, self.seconds) = (number(checkpoint, COUNT)?, number(checkpoint, SECONDS)?);
        self.best = checkpoint.note(BEST)?.parse().ok();
        Ok(())
    }

    fn notes(&self, folder: &RunFolder, parameters: &Parameters, seconds: f64) -> BTreeMap<String, String> {
        let best = self.best.map_or(String::new(), |best| best.to_string());
        [
            (ROWS, folder.metrics().to_owned()),
            (DEVICE, parameters.device().describe()),
            (TEXT, self.text.to_string()),
            (SUM, self.sum.to_bits().to_string()),
            (COUNT, self.count.to_string()),
            (SECONDS, seconds.to_string()),
            (BEST, best),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Takes in losses until so many are left on their way.
    fn settle(&mut self, pending: &mut VecDeque<Pending>, left: usize, step: usize) -> anyhow::Result<()> {
        while pending.len() > left {
            let Some(first) = pending.pop_front() else { break };
            let loss = f64::from(first.wait()?.as_f32()?[0]);
            if !loss.is_finite() {
                anyhow::bail!("step {step}: expected a finite loss, got {loss}; try a smaller --lr");
            }
            (self.sum, self.count) = (self.sum + loss, self.count + 1.0);
        }
        Ok(())
    }
}

/// All steps that are left, with looks at the validation text, each kept; all rows.
fn learn(
    args: &TextArgs,
    trainer: &mut TextTrainer,
    parameters: &Parameters,
    folder: &mut RunFolder,
    mut past: Past,
) -> anyhow::Result<Vec<Row>> {
    let (steps, first) = (args.steps() as usize, trainer.position());
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {msg}, {eta} left")?);
    let (began, before, signals) = (Instant::now(), past.seconds, Signals::watch()?);
    let mut checkpoints = folder.keeps(args.keep.keep)?;
    let every = args.validate_every.map_or(steps.div_ceil(10), |every| every as usize);
    let mut pending: VecDeque<Pending> = VecDeque::new();
    if args.keep.resume.is_none() {
        // One from the beginning: whenever the run ends, it can go on.
        let pending = trainer.checkpoint(past.notes(folder, parameters, 0.0))?;
        folder.checkpoint(&mut checkpoints, 0, pending, false)?;
    }
    for step in first + 1..=steps {
        pending.push_back(trainer.step()?);
        let due = step.is_multiple_of(every) || step == steps;
        let signal = signals.caught();
        let keep = due || args.keep.due(step) || signal.is_some();
        past.settle(&mut pending, if keep { 0 } else { AHEAD }, step)?;
        let rate =
            (step - first) as f64 * (args.batch_size * args.window) as f64 / began.elapsed().as_secs_f64();
        bar.set_position(step as u64);
        let mean = past.sum / f64::max(past.count, 1.0);
        bar.set_message(format!("loss {mean:.3}, {rate:.0} characters/s"));
        let mut better = false;
        if due {
            let seconds = before + began.elapsed().as_secs_f64();
            let row = Row { step: step as u32, train: mean, validation: trainer.validate()?, seconds };
            let Row { train, validation, seconds, .. } = row;
            bar.suspend(|| {
                println!("step {step}  train {train:.4}  validation {validation:.4}  {seconds:.0} s")
            });
            folder.save(parameters)?;
            folder.row(&row.csv())?;
            better = past.best.is_none_or(|best| validation < best);
            past.best = past.best.map_or(Some(validation), |best| Some(best.min(validation)));
            past.rows.push(row);
            (past.sum, past.count) = (0.0, 0.0);
        }
        if keep {
            let notes = past.notes(folder, parameters, before + began.elapsed().as_secs_f64());
            folder.checkpoint(&mut checkpoints, step, trainer.checkpoint(notes)?, better)?;
            folder.keep_as_it_is();
        }
        if let Some(signal) = signal.filter(|_| step < steps) {
            folder.settle(&mut checkpoints)?;
            bar.finish_and_clear();
            return Err(Interrupted::at(signal, folder.path()).into());
        }
    }
    folder.settle(&mut checkpoints)?;
    bar.finish_and_clear();
    Ok(past.rows)
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
    let (model, vocabulary) = noted(&settings, &args.run)?;
    // Runs of before it was noted have none.
    let usual = settings["prompt"].as_str().unwrap_or_default();
    let prompt = args.sampling.check(&vocabulary, usual)?;
    let parameters = Parameters::new(&args.device.open()?, 0);
    let mut writer = TextWriter::new(&parameters, &model, &vocabulary)?;
    parameters.load(&weights)?;
    aloud(&mut writer, &prompt, &args.sampling).map(|_| ())
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
