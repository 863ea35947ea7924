//! `wgrad import`: what an ONNX file holds, and whether it can be built.

use crate::inspect::{self, InspectArgs};
use crate::models::SizeArgs;
use anyhow::{Context, bail};
use clap::Args;
use std::path::PathBuf;
use wgrad::formats::{ReadOptions, TensorFile};
use wgrad::onnx::{Dimension, ImportOptions, Imported, Model, Port};
use wgrad::ops::{Op, Role};

/// `wgrad import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// An ONNX file; weights of PyTorch, NumPy or safetensors are shown as `inspect` shows them.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// List every parameter, not only their number.
    #[arg(long)]
    parameters: bool,
    /// Build it in training mode: batch norm uses the batch, dropout is on.
    #[arg(long)]
    training: bool,
}

/// Prints what the file holds, builds it and prints what comes out.
pub fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let model = match Model::read(&args.file) {
        // Weights without a network.
        Err(_) if TensorFile::open(&args.file, &ReadOptions::default()).is_ok() => {
            return inspect::run(&InspectArgs::of(&args.file));
        }
        model => model?,
    };
    let bytes = std::fs::metadata(&args.file).map_or(0, |file| file.len());
    let producer = Some(model.producer())
        .filter(|p| !p.is_empty())
        .map_or(String::new(), |p| format!(", written by {p}"));
    println!(
        "file       {}: {:.1} MB, operators of version {}{producer}",
        args.file.display(),
        bytes as f64 / 1e6,
        model.opset()
    );
    model.inputs().iter().for_each(|input| println!("input      {input}"));
    model.outputs().iter().for_each(|output| println!("output     {output}"));
    let mut operators: Vec<(String, usize)> = model.operators().into_iter().collect();
    operators.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let total: usize = operators.iter().map(|(_, count)| count).sum();
    let list: Vec<String> = operators.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("operators  {total} nodes: {}", list.join(", "));
    let unsupported = model.unsupported();
    for node in &unsupported {
        println!("not read   {} '{}'", node.operator, node.node);
    }
    if !unsupported.is_empty() {
        bail!(
            "{}: expected operators that are read, got {} nodes of others",
            args.file.display(),
            unsupported.len()
        );
    }
    let options = ImportOptions::sized(&model, &args.sizes.shape)?.training(args.training);
    let (options, open) = ones(&model, &args.sizes, options);
    if !open.is_empty() {
        println!("with       {} (--shape says otherwise)", open.join(", "));
    }
    let imported = model.import(&options).context("building it (see --shape)")?;
    built(&imported, args.parameters);
    Ok(())
}

/// Named dimensions that nothing is said of are 1, as is a first one without a name; which, in words.
fn ones(model: &Model, sizes: &SizeArgs, mut options: ImportOptions) -> (ImportOptions, Vec<String>) {
    let said = |name: &str| sizes.shape.iter().any(|(said, _)| said == name);
    let mut open = Vec::new();
    for input in model.inputs().into_iter().filter(|input| !said(&input.name)) {
        let dims = input.dims.unwrap_or_default();
        for dim in &dims {
            if let Dimension::Named(name) = dim
                && !said(name)
                && !open.contains(&format!("{name}=1"))
            {
                options = options.dim(name, 1);
                open.push(format!("{name}=1"));
            }
        }
        let rest: Option<Vec<usize>> = dims.iter().skip(1).map(fixed).collect();
        if let (Some(Dimension::Unknown), Some(rest)) = (dims.first(), rest) {
            let shape = [&[1], &rest[..]].concat();
            options = options.shape(&input.name, &shape);
            open.push(format!("{} of {shape:?}", input.name));
        }
    }
    (options, open)
}

fn fixed(dim: &Dimension) -> Option<usize> {
    if let Dimension::Fixed(size) = dim { Some(*size) } else { None }
}

fn shape(port: &Port) -> String {
    format!("{} {:?}", port.name, port.shape())
}

fn list(ports: &[Port]) -> String {
    ports.iter().map(shape).collect::<Vec<_>>().join(", ")
}

fn built(imported: &Imported, each: bool) {
    println!("built      {} -> {}", list(&imported.inputs), list(&imported.outputs));
    let computed = imported.graph.with(|data| data.nodes.iter().filter(|node| !is_leaf(&node.op)).count());
    for (role, what) in [(Role::Parameter, "parameters"), (Role::Buffer, "buffers")] {
        let tensors = states(imported, role);
        let count: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        println!("{what:10} {count} in {} tensors", tensors.len());
        if each {
            tensors.iter().for_each(|(name, shape)| println!("           {name} {shape:?}"));
        }
    }
    println!("graph      {computed} nodes");
}

/// Whether it reads nothing.
fn is_leaf(op: &Op) -> bool {
    op.leaf_name().is_some() || matches!(op.name(), "constant" | "table")
}

/// What is kept of a model, by name.
fn states(imported: &Imported, role: Role) -> Vec<(String, Vec<usize>)> {
    let state = |op: &Op| match op {
        Op::State(state) if state.role == role => Some((state.name.clone(), state.ty.shape.to_vec())),
        // Of another role, or none.
        _ => None,
    };
    imported.graph.with(|data| data.nodes.iter().filter_map(|node| state(&node.op)).collect())
}
