//! `wgrad write`: continues a text with a network that `wgrad text` trained.

use crate::device::DeviceArgs;
use crate::resume::Words;
use crate::run;
use crate::text::noted;
use anyhow::Context;
use clap::Args;
use std::io::{Write, stdout};
use std::path::PathBuf;
use wgrad::Parameters;
use wgrad::data::Vocabulary;
use wgrad::train::{Sampling, TextWriter};

/// How a text is written.
#[derive(Debug, Clone, Args)]
pub struct SamplingArgs {
    /// What the written text begins with; nothing, with an empty one [default: the first word learned].
    #[arg(long)]
    prompt: Option<String>,
    /// Characters to write.
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// Sampling temperature; below 1, likely characters become likelier.
    #[arg(long, default_value_t = 0.8)]
    temperature: f32,
    /// Sample only from the K likeliest characters.
    #[arg(long)]
    top_k: Option<usize>,
    /// The seed of the sampling.
    #[arg(long, default_value_t = 0)]
    sample_seed: u64,
}

impl SamplingArgs {
    /// What was asked for, as options.
    pub fn words(&self, words: &mut Words) {
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
    pub fn check(&self, vocabulary: &Vocabulary, usual: &str) -> anyhow::Result<String> {
        let prompt = self.prompt.as_deref().unwrap_or(usual);
        vocabulary.encode(prompt).context("--prompt")?;
        self.sampling().check()?;
        Ok(prompt.to_owned())
    }
}

/// Writes a text to the terminal as it comes.
pub fn aloud(writer: &mut TextWriter, prompt: &str, args: &SamplingArgs) -> anyhow::Result<String> {
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
pub fn run(args: &WriteArgs) -> anyhow::Result<()> {
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
