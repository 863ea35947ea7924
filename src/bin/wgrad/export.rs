//! `wgrad export`: a trained network as an ONNX model.

use crate::forecast;
use crate::networks::{Named, Reads};
use crate::output;
use crate::run;
use crate::text;
use crate::trained::{Trained, TrainedArgs, TrainedOn};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wgrad::data::{MEAN, STD};
use wgrad::nn::Module;
use wgrad::onnx::{ExportGraph, ExportOptions, Exported, export, export_any_batch};
use wgrad::train::ForecastModel;
use wgrad::{Device, Graph, Parameters, Tensor};

/// `wgrad export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A run folder of `wgrad train`, `wgrad text` or `wgrad forecast`.
    run: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE.onnx")]
    to: PathBuf,
    /// The version of ONNX's operators, 13 to 24.
    #[arg(long, default_value_t = 17, value_parser = clap::value_parser!(i64).range(13..=24))]
    opset: i64,
    /// Examples that the network reads at a time, or `dynamic` for any number.
    #[arg(long, default_value = "dynamic")]
    batch_size: BatchSize,
    /// Characters that the network of a text reads at a time; its state goes in and comes out.
    #[arg(long, default_value_t = 1)]
    steps: usize,
}

/// How many examples a network reads at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum BatchSize {
    /// Any number.
    Dynamic,
    /// So many.
    Fixed(usize),
}

impl FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "dynamic" => Ok(Self::Dynamic),
            Ok(size) if size > 0 => Ok(Self::Fixed(size)),
            _ => Err("expected a number above 0, or dynamic".to_owned()),
        }
    }
}

/// What a network gives, by name, for so many examples.
type Build<'a> = &'a dyn Fn(&Graph, usize) -> anyhow::Result<Vec<(&'static str, Tensor)>>;

/// Writes the network of a run for any number of examples, with the usual version of operators.
///
/// # Errors
/// As [`run`].
pub fn export_run(run: &Path, to: &Path) -> anyhow::Result<()> {
    let usual = ExportOptions::default();
    let (run, to) = (run.to_owned(), to.to_owned());
    self::run(&ExportArgs { run, to, opset: usual.opset, batch_size: BatchSize::Dynamic, steps: 1 })
}

/// Writes the file, and says what is in it.
///
/// # Errors
/// When there is no such run, or its network has no counterpart in ONNX.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    output::check("--to", &args.to)?;
    let (settings, weights) = run::read(&args.run)?;
    let options = ExportOptions::default().opset(args.opset);
    let options = options.note("wgrad.run", &args.run.display().to_string());
    let (name, model) = match settings["model"].as_str() {
        Some(name @ text::MODEL) => (name.to_owned(), of_text(args, &settings, &weights, options)?),
        Some(name @ forecast::MODEL) => (name.to_owned(), of_forecast(args, &settings, &weights, options)?),
        _ => {
            let Trained { model, on, weights } = TrainedArgs::of_run(&args.run).find()?;
            let on = on.unwrap_or_else(TrainedOn::digits);
            (model.name().to_owned(), of_examples(args, model, &on, &weights, options)?)
        }
    };
    println!("model    {name} from {}", weights.display());
    tell(&model);
    output::write(&args.to, &model.bytes)?;
    let mib = model.bytes.len() as f64 / f64::from(1 << 20);
    println!("wrote    {}: opset {}, {mib:.2} MiB", args.to.display(), args.opset);
    Ok(())
}

/// What is in a file.
fn tell(model: &Exported) {
    model.inputs.iter().for_each(|port| println!("input    {port}"));
    model.outputs.iter().for_each(|port| println!("output   {port}"));
    let nodes: usize = model.operators.values().sum();
    let counts: Vec<String> = model.operators.iter().map(|(op, count)| format!("{count} {op}")).collect();
    println!("nodes    {nodes}: {}", counts.join(", "));
    println!("weights  {} parameters and buffers of {} numbers", model.states.len(), model.elements);
}

/// The network as it is built for one number of examples, or any, with the weights of its run.
fn exported(
    args: &ExportArgs,
    weights: &Path,
    options: &ExportOptions,
    build: Build<'_>,
) -> anyhow::Result<Exported> {
    let parameters = Parameters::new(&Device::cpu(), 0);
    let of = |examples: usize| {
        let graph = Graph::new();
        graph.set_training(false);
        build(&graph, examples).map(|outputs| (graph, outputs))
    };
    let first = if let BatchSize::Fixed(size) = args.batch_size { size } else { 2 };
    let (graph, outputs) = of(first)?;
    let given: Vec<(&str, &Tensor)> = outputs.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let network = ExportGraph { graph: &graph, outputs: &given };
    parameters.compile(&graph, &outputs.iter().map(|(_, tensor)| tensor).collect::<Vec<_>>())?;
    parameters.load(weights)?;
    let states = |name: &str| parameters.get(name);
    let alone = || export(network, &states, options);
    if args.batch_size != BatchSize::Dynamic {
        return Ok(alone()?);
    }
    let (other, others) = of(first + 1)?;
    let others: Vec<(&str, &Tensor)> = others.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let other = ExportGraph { graph: &other, outputs: &others };
    let any = export_any_batch(network, other, "batch", &states, options);
    any.or_else(|error| {
        // What is refused for one number of examples, too, is not for want of one.
        alone()?;
        Err(error).context("--batch-size dynamic (a number exports the network for so many examples alone)")
    })
}

/// A network of images, sound or DNA: what it reads, to a number a class.
fn of_examples(
    args: &ExportArgs,
    model: Named,
    on: &TrainedOn,
    weights: &Path,
    options: ExportOptions,
) -> anyhow::Result<Exported> {
    let layers = model.build(&on.shape, on.names.len())?;
    let mut options = options.name(model.stem()).note("wgrad.classes", &json!(on.names).to_string());
    if model.reads() == Reads::Images {
        // Pixels from 0 to 1, less the mean of their channel, in its deviations. Of writing, which is white on black, they are
        // MNIST's.
        let channels = on.shape.first().copied().unwrap_or(1);
        let writing = || (vec![MEAN; channels], vec![STD; channels]);
        let (mean, std) =
            on.normalised_by.as_ref().map_or_else(writing, |by| (by.mean.clone(), by.std.clone()));
        options = options.note("wgrad.normalised_by", &json!({ "mean": mean, "std": std }).to_string());
    }
    exported(args, weights, &options, &|graph, examples| {
        let input = graph.input(model.field(), [&[examples], &on.shape[..]].concat())?;
        Ok(vec![("logits", layers.forward(&input)?)])
    })
}

/// A character model: tokens and the state before them, to what may come next and the state behind.
fn of_text(
    args: &ExportArgs,
    settings: &Value,
    weights: &Path,
    options: ExportOptions,
) -> anyhow::Result<Exported> {
    let (model, vocabulary) = text::noted(settings, &args.run)?;
    let options = options.name(text::MODEL).note("wgrad.vocabulary", &vocabulary.text());
    if args.steps == 0 {
        bail!("--steps: expected 1 at least, got 0");
    }
    exported(args, weights, &options, &|graph, examples| {
        let tokens = graph.input_u32("tokens", [args.steps, examples])?;
        let sizes = [model.num_layers, examples, model.hidden_size];
        let names = [("h", "h_after"), ("c", "c_after")];
        let names = names.into_iter().take(if model.cell == wgrad::train::TextCell::Lstm { 2 } else { 1 });
        let before = names.clone().map(|(name, _)| graph.input(name, sizes));
        let (logits, after) = model.forward(&tokens, &before.collect::<wgrad::Result<Vec<_>>>()?)?;
        let logits = logits.reshape([args.steps, examples, model.vocabulary])?;
        let states = names.zip(after).map(|((_, name), state)| (name, state));
        Ok(std::iter::once(("logits", logits)).chain(states).collect())
    })
}

/// A network of a series: what came before, to what follows.
fn of_forecast(
    args: &ExportArgs,
    settings: &Value,
    weights: &Path,
    options: ExportOptions,
) -> anyhow::Result<Exported> {
    let number = |key: &str| run::number(settings, key, &args.run);
    let model = ForecastModel {
        input: number("input")?,
        horizon: number("horizon")?,
        hidden_size: number("hidden")?,
    };
    exported(args, weights, &options.name(forecast::MODEL), &|graph, examples| {
        let input = graph.input("window", [examples, model.input, 1])?;
        Ok(vec![("forecast", model.forward(&input)?)])
    })
}
