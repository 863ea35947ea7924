//! `wgrad explain`: what a training step or a forward pass of a network does on a device, before anything runs.

use crate::device::DeviceArgs;
use crate::models::{self, SizeArgs};
use crate::output;
use crate::plot;
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use wgrad::bench::train::{ModelRun, Pass};
use wgrad::plan::{Dispatch, Plan, Step, plan_unfused};

/// `wgrad explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The network: one of `wgrad bench train --list`, or an ONNX file.
    #[arg(value_name = "NAME|FILE.onnx")]
    model: String,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Examples of a batch [default: the network's own].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// The forward pass alone.
    #[arg(long)]
    forward: bool,
    /// Draw the memory that is alive at each step, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Prints the plan.
pub fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    output::check_all([("--svg", &args.svg)])?;
    let found = models::find(&args.model, &args.sizes)?;
    let model = found.model();
    let batch = args.batch_size.map_or(model.batch(), |b| b as usize);
    let (pass, does) = match args.forward {
        true => (Pass::Forward, format!("the forward pass of {batch} examples")),
        false => (Pass::Step, format!("a training step of {batch} examples with SGD")),
    };
    let device = args.device.open()?;
    let step = ModelRun::new(&device, model, pass, batch)?;
    let plan = step.program.plan().context("the device has no plan")?;
    let limits = if device.is_cpu() { ", planned for the guaranteed limits" } else { "" };
    println!("device   {}{limits}", device.describe());
    println!("model    {}: {}; {does}", model.name(), model.about());
    println!(
        "\n step                 op kernel                      grid     MB   MFLOP  layer: variant and why"
    );
    let alive = plan.alive();
    plan.steps.iter().enumerate().for_each(|(number, step)| line(number, step, plan));
    kernels(plan);
    let (graph, results) = step.graph();
    let unfused = graph.with(|data| plan_unfused(data, &results, &device.limits()))?;
    fusion(plan, &unfused);
    memory(plan, &alive);
    if let Some(path) = &args.svg {
        let points = alive.iter().enumerate().map(|(step, &bytes)| (step as f64, mib(bytes))).collect();
        let slots = mib(plan.memory.activations);
        let level = vec![(0.0, slots), (alive.len().saturating_sub(1) as f64, slots)];
        let curves = [("alive", points), ("slots", level)];
        let picture = plot::curves("activations, gradients and scratch, MiB", "step", &curves)?;
        output::write(path, picture.as_bytes())?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn line(number: usize, step: &Step, plan: &Plan) {
    match step {
        Step::Dispatch(d) => {
            let Dispatch { op, label, grid: [x, y], why, fused, .. } = d;
            let kernel = plan.kernels[d.kernel].name;
            let megabytes = step.bound_bytes() as f64 / 1e6;
            let grid = if *y == 1 { x.to_string() } else { format!("{x}x{y}") };
            let flops = d.flops as f64 / 1e6;
            let colon = if label.is_empty() { "" } else { ": " };
            println!(
                "{number:4} {op:>22} {kernel:22} {grid:>9} {megabytes:6.2} {flops:7.1}  {label}{colon}{why}"
            );
            if !fused.is_empty() {
                println!("{:>75}with {}", "", fused.join(", "));
            }
        }
        Step::Copy { from, to, bytes } => {
            println!("{number:4} {:>22} buffer {from} to {to}, {:.2} MB", "copy", *bytes as f64 / 1e6);
        }
    }
}

fn kernels(plan: &Plan) {
    let sized = plan.kernels.iter().filter(|kernel| kernel.sizes > 0).count();
    let how = if sized > 0 { format!(", {sized} of which get sizes at each launch") } else { String::new() };
    println!("\nkernels  {} to compile{how}", plan.kernels.len());
}

fn fusion(plan: &Plan, unfused: &Plan) {
    println!(
        "\nfusion   {} element-wise nodes run in the kernels of others, {} alone{}",
        plan.fused,
        plan.unfused.len(),
        if plan.unfused.is_empty() { "" } else { ":" }
    );
    for node in &plan.unfused {
        println!("         {:22} {}: {}", node.op, node.label, node.why);
    }
    let sizes = |plan: &Plan| {
        let (dispatches, moved) = (plan.work().dispatches, plan.bound_bytes() as f64 / 1e6);
        format!(
            "{dispatches} dispatches, {moved:.1} MB read and written, a peak of {:.1} MiB",
            mib(plan.memory.peak)
        )
    };
    println!("         fused:   {}", sizes(plan));
    println!("         unfused: {}", sizes(unfused));
}

/// The most of a step's memory is of these.
const LARGEST: usize = 8;

fn memory(plan: &Plan, alive: &[u64]) {
    let memory = &plan.memory;
    let most = memory.activations_at_least;
    let at = alive.iter().position(|bytes| *bytes == most).unwrap_or(0);
    println!("\nmemory   {memory}");
    println!(
        "         slots for activations {:.2} MiB, {:.3} times the lower bound, {:.2} MiB alive at step {at}:",
        mib(memory.activations),
        memory.activations as f64 / most.max(1) as f64,
        mib(most)
    );
    let mut there: Vec<_> = plan.lives.iter().filter(|l| (l.first..=l.last).contains(&at)).collect();
    there.sort_by_key(|l| std::cmp::Reverse(l.bytes));
    for life in there.iter().take(LARGEST) {
        println!(
            "         {:7.2} MiB  {} (steps {} to {}, buffer {} from byte {})",
            mib(life.bytes),
            life.what,
            life.first,
            life.last,
            life.buffer,
            life.offset
        );
    }
    if there.len() > LARGEST {
        let rest: u64 = there[LARGEST..].iter().map(|l| l.bytes).sum();
        println!("         {:7.2} MiB  {} more", mib(rest), there.len() - LARGEST);
    }
}
