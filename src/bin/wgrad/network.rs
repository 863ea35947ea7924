//! `wgrad parity --model`: every node of a network on the values that flow into it, and the program from end to end.

use crate::models::{self, SizeArgs};
use crate::parity::{Opened, ParityArgs, SAVE_EVERY, bar, in_passing, save};
use crate::{merge, report};
use anyhow::{Context, bail};
use clap::Args;
use std::time::Instant;
use wgrad::Tensor;
use wgrad::bench::train::{Built, Forward, Pass, Trainable, build, build_loss};
use wgrad::graph::NodeId;
use wgrad::optim::{Optimizer, Sgd};
use wgrad::verify::report::{Report, Row};
use wgrad::verify::{Adapter, Compared, Network, Outcome, Site, Verdict};

/// Options of a whole network.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// Compare every node of this network instead of the table of cases: a name of `wgrad bench train --list` or `wgrad train`,
    /// or an ONNX file. Its inputs are random, and each node is compared on what really flows into it.
    #[arg(long, value_name = "NAME|FILE.onnx", conflicts_with_all = ["ops", "case", "random", "jobs"])]
    pub model: Option<String>,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Examples of a batch [default: 2 of a named network; what an ONNX file takes, or 1].
    #[arg(long, requires = "model", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// The forward pass alone, without the other nodes of a training step.
    #[arg(long, requires = "model")]
    forward: bool,
    /// Only the node of this number, or the nodes of this label; may be given several times.
    #[arg(long, value_name = "NUMBER|LABEL", requires = "model")]
    node: Vec<String>,
    /// Skip nodes of more than this: the reference computes each several times.
    #[arg(long, value_name = "GFLOP", default_value_t = 4.0, requires = "model")]
    most_gflop: f64,
}

/// Examples of a batch of a network with a name: few, but more than one.
const FEW: usize = 2;

/// A network and what of it runs.
struct Subject {
    network: Network,
    pass: Pass,
    batch: usize,
}

/// Tries the nodes.
pub fn run(args: &ParityArgs, open: impl FnOnce() -> anyhow::Result<Vec<Opened>>) -> anyhow::Result<()> {
    let options = &args.network;
    let found = models::find(options.model.as_deref().context("--model")?, &options.sizes)?;
    let model = found.model();
    let Subject { network, pass, batch } = subject(options, model)?;
    let all = network.sites();
    let wanted = wanted(&options.node, &all)?;
    let sites: Vec<&Site> =
        all.iter().filter(|site| wanted.as_ref().is_none_or(|w| w.contains(&site.node))).collect();
    if args.list {
        sites.iter().for_each(|site| println!("{site}"));
        return Ok(());
    }
    let known = merge::known(args)?;
    let adapters = open()?;
    let does = if pass == Pass::Step { "a training step" } else { "the forward pass" };
    println!("model    {}: {}; {does}, {}", model.name(), model.about(), model.shape(batch));
    let columns = report::columns(&adapters, args.effort());
    let mut report = Report::of_nodes(columns, options.model.as_deref().unwrap_or_default());
    nodes(args, &network, &adapters, wanted.as_deref(), sites.len(), &mut report)?;
    if wanted.is_none() {
        let most = sites.iter().map(|site| site.flops).max().unwrap_or(0);
        ends(args, &network, &adapters, most, &mut report);
    }
    report.complete = true;
    known.explain(&mut report);
    let saved = save(args, &report, crate::output::write);
    report::print(&report);
    saved?;
    match report.failures() {
        0 => Ok(()),
        failed => bail!("{failed} of {} nodes and outputs failed", report.rows.len()),
    }
}

/// The network with a training step; with the forward pass alone where that is asked for, or it cannot be trained.
fn subject(options: &NetworkArgs, model: &dyn Trainable) -> anyhow::Result<Subject> {
    let usual = model.fixed_batch().unwrap_or(model.batch().min(FEW));
    let batch = options.batch_size.map_or(usual, |size| size as usize);
    if !options.forward {
        match step(model, batch) {
            Ok(network) => return Ok(Subject { network, pass: Pass::Step, batch }),
            Err(error) => eprintln!("the forward pass alone, for there is no training step: {error}"),
        }
    }
    let Built { graph, results, data } = build(model, Pass::Forward, batch)?;
    let named: Vec<(&str, &Tensor)> = results.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    Ok(Subject { network: Network::new(&graph, &named, &data)?, pass: Pass::Forward, batch })
}

/// A training step with SGD, its loss behind what the forward pass gives.
pub fn step(model: &dyn Trainable, batch: usize) -> wgrad::Result<Network> {
    let (forward, loss) = build_loss(model, batch)?;
    Sgd::new(0.01).momentum(0.9).minimize(&loss)?;
    let Forward { graph, outputs, data } = forward;
    let outputs = outputs.iter().map(|(name, tensor)| (name.as_str(), tensor));
    Network::new(&graph, &outputs.chain([("loss", &loss)]).collect::<Vec<_>>(), &data)
}

/// The nodes that are asked for, by number or label; `None` where none is.
fn wanted(asked: &[String], sites: &[Site]) -> anyhow::Result<Option<Vec<NodeId>>> {
    let mut found = Vec::new();
    for text in asked {
        let is_it = |site: &&Site| site.node.to_string() == *text || !text.is_empty() && site.label == *text;
        let before = found.len();
        found.extend(sites.iter().filter(is_it).map(|site| site.node));
        if found.len() == before {
            let (first, last) = (sites.first().map_or(0, |s| s.node), sites.last().map_or(0, |s| s.node));
            bail!(
                "--node: expected a label, or the number of a node that computes, from {first} to {last}, got {text}"
            );
        }
    }
    Ok((!asked.is_empty()).then_some(found))
}

/// Every node on every adapter.
fn nodes(
    args: &ParityArgs,
    network: &Network,
    adapters: &[Opened],
    wanted: Option<&[NodeId]>,
    count: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let bar = bar(count * adapters.len())?;
    let working: Vec<(usize, &Adapter)> =
        adapters.iter().enumerate().filter_map(|(n, a)| Some((n, a.adapter.as_ref().ok()?))).collect();
    for (number, adapter) in adapters.iter().enumerate() {
        if let Err(reason) = &adapter.adapter {
            report.rows.push(Row::unopened(number, reason));
        }
    }
    let devices: Vec<&Adapter> = working.iter().map(|(_, adapter)| *adapter).collect();
    let (mut saved, mut unsaved) = (Instant::now(), Ok(()));
    let mut see = |site: &Site, place: usize, found: Result<Outcome, String>| {
        bar.set_message(site.op);
        bar.inc(1);
        let number = working[place].0;
        report.rows.push(Row::node(number, site, found, &rerun(args, &adapters[number], site)));
        if saved.elapsed() > SAVE_EVERY {
            unsaved = save(args, report, in_passing);
            saved = Instant::now();
        }
    };
    let most = (args.network.most_gflop * 1e9) as u64;
    match wanted {
        None => network.hold(&devices, args.effort(), most, &mut see)?,
        Some(nodes) => network.hold_some(nodes, &devices, args.effort(), &mut see)?,
    }
    bar.finish_and_clear();
    unsaved
}

/// The command that tries one node again.
fn rerun(args: &ParityArgs, adapter: &Opened, site: &Site) -> String {
    let options = &args.network;
    let mut words = vec!["wgrad parity --device".to_owned(), adapter.selector.clone(), "--model".to_owned()];
    words.push(quoted(options.model.as_deref().unwrap_or_default()));
    for (name, sizes) in &options.sizes.shape {
        let sizes = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        words.extend(["--shape".to_owned(), quoted(&format!("{name}={sizes}"))]);
    }
    if let Some(size) = options.batch_size {
        words.push(format!("--batch-size {size}"));
    }
    if options.forward {
        words.push("--forward".to_owned());
    }
    words.push(format!("--node {}", site.node));
    words.join(" ")
}

/// A word of a command.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// The program of the whole network on every adapter.
fn ends(args: &ParityArgs, network: &Network, adapters: &[Opened], most: u64, report: &mut Report) {
    for (number, adapter) in adapters.iter().enumerate() {
        let Ok(adapter) = &adapter.adapter else { continue };
        if most as f64 > args.network.most_gflop * 1e9 {
            let reason = "from end to end: a node is larger than --most-gflop allows";
            report.notes.push(format!("[{number}] {reason}"));
            continue;
        }
        match network.whole(adapter) {
            Ok(whole) => {
                for output in &whole.outputs {
                    report.rows.push(Row::end(number, output));
                    report.notes.push(format!("[{number}] {}", end(output)));
                }
                let evaluated = |state: &&Compared| !matches!(state.outcome.verdict, Verdict::Skipped(_));
                report
                    .rows
                    .extend(whole.states.iter().filter(evaluated).map(|state| Row::end(number, state)));
                let worst = whole.states.iter().max_by(|a, b| a.times().total_cmp(&b.times()));
                report.notes.extend(worst.map(|worst| {
                    let count = whole.states.len();
                    format!("[{number}] {count} new states; the furthest off is {}", off(worst))
                }));
            }
            Err(error) => report.rows.push(Row::broken(number, &error.to_string())),
        }
    }
}

/// How far off a result is, in words.
fn off(compared: &Compared) -> String {
    let Compared { name, ty, relative, rounding, .. } = compared;
    let times = compared.times();
    // A sum that cancels: what is left of it is rounding, on the device and in the reference alike.
    let nothing = if *rounding > 0.5 { ", for the exact values are nearly 0" } else { "" };
    format!(
        "{name} {}: off by {relative:.1e} of its norm, {times:.1} times what rounding each value once does{nothing}",
        ty.shape
    )
}

/// A result and what its bound says.
fn end(compared: &Compared) -> String {
    let bound = match &compared.outcome.verdict {
        Verdict::Pass => format!("the worst error is {:.1e} of its bound", compared.outcome.fraction),
        Verdict::Fail(_) | Verdict::Mistrusted(_) => "see below".to_owned(),
        Verdict::Skipped(_) if compared.bound.is_finite() => {
            format!("skipped: bounds add up to {:.1e} of the values", compared.bound)
        }
        Verdict::Skipped(_) => "skipped: there is no bound".to_owned(),
    };
    format!("{}; {bound}", off(compared))
}
