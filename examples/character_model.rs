//! A character model: reads a text, then goes on writing it: `cargo run --release --example character_model -- FILE`.
//! Without a file it reads a text that comes with the crate; without `--release`, only for a moment.

use wgrad::data::{self, Vocabulary};
use wgrad::train::{Sampling, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
use wgrad::{Device, Parameters, Result, optim};

fn main() -> Result<()> {
    let text = match std::env::args_os().nth(1) {
        Some(file) => data::read_text(file.as_ref())?,
        None => data::SAMPLE_TEXT.to_owned(),
    };
    let steps = if cfg!(debug_assertions) { 60 } else { 400 };
    let vocabulary = Vocabulary::of(&text)?;
    println!("{} characters, {} distinct", text.chars().count(), vocabulary.len());

    // Windows of 32 characters of 16 places of the text side by side; the last tenth is held back.
    let options = TextOptions { batch_size: 16, steps: 32, max_norm: 5.0 };
    let texts = data::split_text(vocabulary.encode(&text)?, options.batch_size, options.steps)?;
    let model = TextModel {
        cell: TextCell::Gru, // or Lstm
        vocabulary: vocabulary.len(),
        embedding_dim: 16,
        hidden_size: 96,
        num_layers: 1,
        dropout: 0.0,
    };
    let parameters = Parameters::new(&Device::auto()?, 1);
    let mut trainer = TextTrainer::new(&parameters, &model, &optim::Adam::new(5e-3), texts, options)?;
    let first = trainer.validate()?;
    for step in 1..=steps {
        // The loss comes when it is asked for; nothing waits for it before.
        let loss = trainer.step()?;
        if step % (steps / 4) == 0 {
            let loss = loss.wait()?.as_f32()?[0];
            println!("step {step}: train {loss:.3}, validation {:.3}", trainer.validate()?);
        }
    }
    assert!(trainer.validate()? < first, "it learns");

    let mut writer = TextWriter::new(&parameters, &model, &vocabulary)?;
    let sampling = Sampling { temperature: 0.7, top_k: None, seed: 1 };
    let prompt: String = text.split_inclusive(' ').take(2).collect();
    println!("{}", writer.write(&prompt, 120, sampling, |_| ())?);
    parameters.save(&std::env::temp_dir().join(format!("wgrad-text-{}.safetensors", std::process::id())))
}
