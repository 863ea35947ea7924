//! `wgrad convert`: tensors of a file of one kind into one of another.

use crate::output;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;
use wgrad::formats::{ReadOptions, TensorFile, Tensors};

/// `wgrad convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A PyTorch (.pt, .pth, .bin), NumPy (.npz, .npy) or safetensors file; what it holds tells which.
    file: PathBuf,
    /// The file to write: .safetensors or .npz.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The key of the tensors in a training checkpoint of PyTorch's; several with dots between them.
    #[arg(long)]
    key: Option<String>,
    /// A prefix to remove from names [default: module. and _orig_mod. where all begin with it; '' for none].
    #[arg(long, value_name = "PREFIX")]
    strip: Option<String>,
}

/// Reads, writes, and prints what.
pub fn run(args: &ConvertArgs) -> anyhow::Result<()> {
    let extension = args.to.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    let save = match extension.as_deref() {
        Some("safetensors") => Tensors::save,
        Some("npz") => Tensors::save_npz,
        _ => bail!("--to: expected a name that ends in .safetensors or .npz, got {}", args.to.display()),
    };
    output::check("--to", &args.to)?;
    let options = ReadOptions { key: args.key.clone(), strip_prefix: args.strip.clone() };
    let file = TensorFile::open(&args.file, &options)?;
    println!("{}: {}, {} bytes", args.file.display(), file.format(), file.bytes());
    for remark in file.remarks() {
        println!("  {remark}");
    }
    let tensors = Tensors::of(&file)?;
    drop(file); // as large as what is written
    let elements: usize = tensors.iter().map(|(_, tensor)| tensor.shape().elements()).sum();
    output::keep(&args.to, |path| save(&tensors, path))?;
    println!("wrote {} tensors, {elements} elements, to {}", tensors.len(), args.to.display());
    Ok(())
}
