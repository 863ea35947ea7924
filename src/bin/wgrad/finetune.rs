//! `wgrad finetune`: a network of an ONNX file, trained further on classes of one's own.

use crate::export::export_run;
use crate::networks::Head;
use crate::train;
use crate::train_args::TrainArgs;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

/// `wgrad finetune`.
#[derive(Debug, Args)]
#[command(mut_arg("model", |arg| arg.hide(true)), mut_arg("head", |arg| arg.hide(true)))]
pub struct FinetuneArgs {
    /// An ONNX file with a network of one input, images (N, C, H, W), and a linear layer or a convolution at its end.
    file: PathBuf,
    /// How many classes there are: a new last layer of so many takes the place of the file's. `keep` keeps the file's
    /// [default: keep where it has as many as the data, else a new one].
    #[arg(long, value_name = "N|keep")]
    classes: Option<Classes>,
    #[command(flatten)]
    train: TrainArgs,
}

/// The classes of the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Classes {
    /// Those of the file.
    Keep,
    /// So many, of a new one.
    New(usize),
}

impl FromStr for Classes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "keep" => Ok(Self::Keep),
            Ok(count) if count > 0 => Ok(Self::New(count)),
            _ => Err("expected a number above 0, or keep".to_owned()),
        }
    }
}

/// Trains, and writes the network as ONNX and safetensors into the run folder.
pub fn run(args: &FinetuneArgs) -> anyhow::Result<()> {
    let Some(file) = args.file.to_str() else {
        bail!("{}: expected a name in UTF-8", args.file.display());
    };
    if let Some(run) = &args.train.keep.resume {
        bail!(
            "--resume: `wgrad train --resume {0}` goes on with a run, `wgrad export {0}` writes it",
            run.display()
        );
    }
    let mut train = args.train.clone();
    train.model = file.to_owned();
    train.head = match args.classes {
        None => Head::Auto,
        Some(Classes::Keep) => Head::Keep,
        Some(Classes::New(_)) => Head::Replace,
    };
    let wanted = if let Some(Classes::New(count)) = args.classes { Some(count) } else { None };
    let folder = train::run_of(&train, wanted)?;
    export_run(&folder, &folder.join("model.onnx"))
}
