//! A character model: learns to continue a text, then writes one.
//!
//! Truncated backpropagation through time: each step learns from one window, and the state after it, kept on the
//! device, is where the next window begins. Gradients stay within a window.
//!
//! After 1000 steps on a megabyte of Shakespeare (`wgrad text --data FILE --prompt ROMEO: --length 500`, two LSTM
//! layers of 128, validation loss 1.69; PyTorch 1.68 by `scripts/pytorch_text.py`) it writes like this: names,
//! line breaks and short words are right, longer words are invented, sense there is none.
//!
//! ```text
//! ROMEO:
//! Must one remany such that and
//! Hereford, God venttressorringes intents,
//! The know him gad make a father,
//! And feam fortune to west for my holour.
//! I hear corm his lown you shall steel?
//!
//! LEONTES:
//! Shories, lords, for thee to hear trust, to serve let
//! ```

mod trainer;
mod writer;

pub use trainer::{TextOptions, TextTrainer};
pub use writer::{Sampling, TextWriter};

use crate::error::{Error, Result};
use crate::exec::{Executable, Parameters, Pending};
use crate::graph::{Graph, Tensor};
use crate::nn::{Embedding, Gru, Linear, Lstm, Module};
use crate::ops::{CrossEntropy, Init, Reduction, Role};
use crate::optim::{Optimizer, clip_grad_norm, gradients};
use crate::tensor::{HostTensor, TensorType};
/// Which recurrent layer a character model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextCell {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
}

/// A character model: embedding, recurrent layers, linear.
#[derive(Debug, Clone, PartialEq)]
pub struct TextModel {
    /// The recurrent layers.
    pub cell: TextCell,
    /// Characters it knows.
    pub vocabulary: usize,
    /// Numbers a character becomes.
    pub embedding_dim: usize,
    /// Size of the state of a layer.
    pub hidden_size: usize,
    /// Recurrent layers.
    pub num_layers: usize,
    /// Dropout between layers, and before the linear layer.
    pub dropout: f32,
}

impl TextModel {
    fn check(&self) -> Result<()> {
        let Self { embedding_dim, hidden_size, num_layers, .. } = *self;
        let sizes =
            [("embedding-dim", embedding_dim), ("hidden-size", hidden_size), ("num-layers", num_layers)];
        match sizes.into_iter().find(|&(_, size)| size == 0) {
            None => Ok(()),
            Some((name, _)) => Err(Error::argument(name, "at least 1", "0")),
        }
    }

    /// Tensors of a state: `h`, and the LSTM's `c`.
    fn states(&self) -> usize {
        if self.cell == TextCell::Lstm { 2 } else { 1 }
    }

    /// Logits `(T B, vocabulary)` and the state after `tokens (T, B)`.
    ///
    /// Keys `embedding.weight`, `rnn.weight_ih_l0` and so on, `head.weight`, `head.bias`.
    ///
    /// # Errors
    /// When the state does not fit or an option is out of range.
    pub fn forward(&self, tokens: &Tensor, state: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let graph = tokens.graph();
        let Self { vocabulary, embedding_dim, hidden_size, num_layers, dropout, .. } = *self;
        let x = graph.scoped("embedding", || Embedding::new(vocabulary, embedding_dim).forward(tokens))?;
        let read = graph.scoped("rnn", || match self.cell {
            TextCell::Lstm => Lstm::new(embedding_dim, hidden_size)
                .num_layers(num_layers)
                .dropout(dropout)
                .sequence(&x, Some(state), None),
            TextCell::Gru => Gru::new(embedding_dim, hidden_size)
                .num_layers(num_layers)
                .dropout(dropout)
                .sequence(&x, Some(state), None),
        })?;
        let rows = tokens.shape().elements();
        let hidden = read.output.reshape([rows, hidden_size])?;
        let hidden = graph.scoped("head", || crate::nn::Dropout::new(dropout).forward(&hidden))?;
        let logits = graph.scoped("head", || Linear::new(hidden_size, vocabulary).forward(&hidden))?;
        Ok((logits, read.state))
    }
}

/// A program that reads windows of one size and carries its state on the device.
struct Reader {
    tokens: Tensor,
    targets: Option<Tensor>,
    output: Tensor,
    program: Executable,
    carried: Vec<(String, TensorType)>,
    parameters: Parameters,
}

/// What a [`Reader`] is for.
enum Purpose<'a> {
    /// Learn; gradients clipped to this norm together.
    Learn(&'a dyn Optimizer, f32),
    /// Compute the loss.
    Evaluate,
    /// Predict the next character.
    Continue,
}

impl Reader {
    async fn new(
        parameters: &Parameters,
        model: &TextModel,
        [steps, batch]: [usize; 2],
        purpose: Purpose<'_>,
    ) -> Result<Self> {
        model.check()?;
        let graph = Graph::new();
        graph.set_training(matches!(purpose, Purpose::Learn(..)));
        let name = match purpose {
            Purpose::Learn(..) => "learn",
            Purpose::Evaluate => "judge",
            Purpose::Continue => "continue",
        };
        let tokens = graph.input_u32("tokens", [steps, batch])?;
        let ty = TensorType::f32([model.num_layers, batch, model.hidden_size]);
        let carried: Vec<(String, TensorType)> = ["h", "c"][..model.states()]
            .iter()
            .map(|state| (format!("carried.{name}.{state}"), ty.clone()))
            .collect();
        let before = carried.iter().map(|(n, ty)| graph.state(n, ty.clone(), Init::Zeros, Role::Metric));
        let before = before.collect::<Result<Vec<_>>>()?;
        let (logits, after) = model.forward(&tokens, &before)?;
        for (before, after) in before.iter().zip(&after) {
            graph.assign(before, after)?;
        }
        let mut targets = None;
        let output = if let Purpose::Continue = purpose {
            logits
        } else {
            let wanted = targets.insert(graph.input_u32("targets", [steps * batch])?);
            logits.cross_entropy(wanted, CrossEntropy::default(), Reduction::Mean)?
        };
        if let Purpose::Learn(optimizer, max_norm) = purpose {
            let (clipped, _) = clip_grad_norm(&gradients(&output)?, max_norm)?;
            optimizer.update(&clipped)?;
        }
        let program = parameters.compile_async(&graph, &[&output]).await?;
        Ok(Self { tokens, targets, output, program, carried, parameters: parameters.clone() })
    }

    /// Begins a text: the state is zero.
    fn reset(&self) -> Result<()> {
        self.carried.iter().try_for_each(|(name, ty)| self.parameters.set(name, &HostTensor::zeros(ty)))
    }

    async fn run(&mut self, tokens: &HostTensor, targets: Option<&HostTensor>) -> Result<Pending> {
        let mut inputs = vec![(&self.tokens, tokens)];
        inputs.extend(self.targets.as_ref().zip(targets));
        self.program.run_async(&inputs).await?;
        self.program.read_async(&self.output)
    }
}
#[cfg(test)]
mod tests {
    use super::writer::draw;
    use super::*;
    use crate::data::Vocabulary;
    use crate::exec::Device;
    use crate::optim::Adam;
    use crate::random::Rng;

    #[test]
    fn drawing_follows_temperature_and_top_k() {
        let mut rng = Rng::new(0);
        let logits = [0.0, 1.0, 2.0, -1.0];
        let mut counts = [0; 4];
        for _ in 0..20_000 {
            counts[draw(&logits, 0.5, Some(2), &mut rng) as usize] += 1;
        }
        assert_eq!((counts[0], counts[3]), (0, 0), "only the two likeliest");
        let share = f64::from(counts[2]) / 20_000.0;
        let expected = 1.0 / (1.0 + (-2f64).exp());
        assert!((share - expected).abs() < 0.01, "{share} for {expected}");
    }

    /// A text of one rule is learned, and then written: with carried state the period may exceed the window.
    #[test]
    fn a_rule_longer_than_a_window_is_learned() {
        let text = "abacadae".repeat(60);
        let vocabulary = Vocabulary::of(&text).unwrap();
        let numbers = vocabulary.encode(&text).unwrap();
        let parameters = Parameters::new(&Device::cpu(), 1);
        let model = TextModel {
            cell: TextCell::Lstm,
            vocabulary: vocabulary.len(),
            embedding_dim: 6,
            hidden_size: 12,
            num_layers: 1,
            dropout: 0.0,
        };
        let options = TextOptions { batch_size: 4, steps: 6, max_norm: 1.0 };
        let texts = (numbers.clone(), numbers[..200].to_vec());
        let mut trainer = TextTrainer::new(&parameters, &model, &Adam::new(2e-2), texts, options).unwrap();
        let before = trainer.validate().unwrap();
        for _ in 0..400 {
            trainer.step().unwrap().wait().unwrap();
        }
        let after = trainer.validate().unwrap();
        assert!(after < 0.1 && before > 1.0, "{before} to {after}");
        let mut writer = TextWriter::new(&parameters, &model, &vocabulary).unwrap();
        let sampling = Sampling { temperature: 0.5, top_k: Some(1), seed: 0 };
        let written = writer.write("abacadaeab", 14, sampling, |_| ()).unwrap();
        assert_eq!(written, "abacadae".repeat(3));
        assert!(writer.write("xyz", 1, sampling, |_| ()).is_err());
        // From nothing: another seed begins elsewhere, and `each` is called with all that is written.
        let mut told = String::new();
        let from_nothing = writer.write("", 9, sampling, |c| told.push(c)).unwrap();
        assert!(from_nothing.chars().count() == 9 && told == from_nothing, "{from_nothing}");
        let first = |seed| writer.write("", 1, Sampling { seed, ..sampling }, |_| ()).unwrap();
        let firsts: std::collections::BTreeSet<_> = (0..30).map(first).collect();
        assert!(firsts.len() > 2, "{firsts:?}");
        assert_eq!(writer.write("", 0, sampling, |_| ()).unwrap(), "");
    }
}
