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

use super::rates::Rates;
use crate::data::{Streams, Vocabulary};
use crate::error::{Error, Result};
use crate::exec::{Checkpoint, Executable, Parameters, Pending, PendingCheckpoint};
use crate::graph::{Graph, Tensor};
use crate::nn::{Embedding, Gru, Linear, Lstm, Module};
use crate::ops::{CrossEntropy, Init, Reduction, Role};
use crate::optim::{Optimizer, Schedule, clip_grad_norm, gradients};
use crate::platform::block_on;
use crate::random::Rng;
use crate::tensor::{HostTensor, TensorType};
use std::collections::BTreeMap;

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
    /// Tell the loss.
    Judge,
    /// Tell what comes next.
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
            Purpose::Judge => "judge",
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

/// How a text is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextOptions {
    /// Streams read side by side.
    pub batch_size: usize,
    /// Characters of a window: as far as gradients go back.
    pub steps: usize,
    /// The norm to which all gradients together are clipped.
    pub max_norm: f32,
}

/// What a checkpoint notes of where a run stands.
const STEP: &str = "text.step";
const WINDOW: &str = "text.window";

/// Learns a text.
pub struct TextTrainer {
    learner: Reader,
    judge: Reader,
    train: Streams,
    validation: Streams,
    step: usize,
    schedule: Option<(Schedule, Rates)>,
}

impl TextTrainer {
    /// Compiles the training of `model` on the first text, judged on the second: side by side as many streams of
    /// it as there are to learn from, fewer when it is too short for those.
    ///
    /// # Errors
    /// When a text is too short, an option is out of range, or the device cannot hold the program.
    pub fn new(
        parameters: &Parameters,
        model: &TextModel,
        optimizer: &dyn Optimizer,
        texts: (Vec<u32>, Vec<u32>),
        options: TextOptions,
    ) -> Result<Self> {
        block_on("TextTrainer::new_async", Self::new_async(parameters, model, optimizer, texts, options))
    }

    /// As [`TextTrainer::new`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::new`].
    pub async fn new_async(
        parameters: &Parameters,
        model: &TextModel,
        optimizer: &dyn Optimizer,
        texts: (Vec<u32>, Vec<u32>),
        options: TextOptions,
    ) -> Result<Self> {
        let TextOptions { batch_size, steps, max_norm } = options;
        let train = Streams::new(texts.0, batch_size, steps)?;
        let validation = Streams::fitting(texts.1, batch_size, steps)?;
        let learn = Purpose::Learn(optimizer, max_norm);
        let learner = Reader::new(parameters, model, [steps, batch_size], learn).await?;
        let judge = Reader::new(parameters, model, [steps, validation.batch()], Purpose::Judge).await?;
        Ok(Self { learner, judge, train, validation, step: 0, schedule: None })
    }

    /// The program of a training step: its plan and memory.
    pub fn executable(&self) -> &Executable {
        &self.learner.program
    }

    /// Lets the learning rates follow a schedule, a step of which is a window.
    ///
    /// # Errors
    /// When one of its numbers is out of range, there is no optimizer with a rate, or the device failed.
    pub fn follow(&mut self, schedule: Schedule) -> Result<()> {
        block_on("TextTrainer::follow_async", self.follow_async(schedule))
    }

    /// As [`TextTrainer::follow`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::follow`].
    pub async fn follow_async(&mut self, schedule: Schedule) -> Result<()> {
        schedule.check()?;
        self.schedule = Some((schedule, Rates::new_async(&self.learner.parameters).await?));
        Ok(())
    }

    /// Learns from the next window; at the end of the text it begins again with a zero state. The loss comes
    /// later.
    ///
    /// # Errors
    /// When the device failed.
    pub fn step(&mut self) -> Result<Pending> {
        block_on("TextTrainer::step_async", self.step_async())
    }

    /// As [`TextTrainer::step`], without waiting: done before the device is, unless that is several steps behind.
    ///
    /// # Errors
    /// As [`TextTrainer::step`].
    pub async fn step_async(&mut self) -> Result<Pending> {
        let window = self.step % self.train.windows();
        if window == 0 {
            self.learner.reset()?;
        }
        let (tokens, targets) = self.train.window(window)?;
        if let Some((schedule, rates)) = &mut self.schedule {
            rates.follow(schedule, self.step as u64)?;
        }
        self.step += 1;
        self.learner.run(&tokens, Some(&targets)).await
    }

    /// Steps so far.
    pub fn position(&self) -> usize {
        self.step
    }

    /// All that the run needs to go on as if it had not stopped, on its way, with these notes.
    ///
    /// # Errors
    /// When the device failed.
    pub fn checkpoint(&self, mut notes: BTreeMap<String, String>) -> Result<PendingCheckpoint> {
        notes.insert(STEP.to_owned(), self.step.to_string());
        notes.insert(WINDOW.to_owned(), self.window());
        self.learner.parameters.checkpoint(notes)
    }

    /// Streams and characters of a window, which tell with the number of the step where in the text it is.
    fn window(&self) -> String {
        self.learner.tokens.shape().to_string()
    }

    /// Goes on from a checkpoint: with the same options and texts each bit is what it would have been.
    ///
    /// # Errors
    /// When it is of another model, optimizer or window, or of no [`TextTrainer`].
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        block_on("TextTrainer::resume_async", self.resume_async(checkpoint))
    }

    /// As [`TextTrainer::resume`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::resume`].
    pub async fn resume_async(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let (step, window) = (checkpoint.note(STEP)?, checkpoint.note(WINDOW)?);
        if window != self.window() {
            let expected = format!("those of the checkpoint, {window}");
            return Err(Error::argument("characters of a window and streams", expected, self.window()));
        }
        let step = step.parse().map_err(|_| Error::argument(STEP, "a number", step))?;
        self.learner.parameters.restore(checkpoint)?;
        if let Some((_, rates)) = &mut self.schedule {
            rates.refresh_async().await?;
        }
        self.step = step;
        Ok(())
    }

    /// The mean loss on the validation text, read from its beginning with carried state.
    ///
    /// # Errors
    /// When the device failed.
    pub fn validate(&mut self) -> Result<f64> {
        block_on("TextTrainer::validate_async", self.validate_async())
    }

    /// As [`TextTrainer::validate`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::validate`].
    pub async fn validate_async(&mut self) -> Result<f64> {
        self.judge.reset()?;
        let mut sum = 0.0;
        for index in 0..self.validation.windows() {
            let (tokens, targets) = self.validation.window(index)?;
            sum += f64::from(self.judge.run(&tokens, Some(&targets)).await?.await?.as_f32()?[0]);
        }
        Ok(sum / self.validation.windows() as f64)
    }
}

/// How the next character is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it: below 1 the likely gets likelier, above 1 less so. Above 0.
    pub temperature: f32,
    /// Only so many of the likeliest characters are drawn from; all with `None`.
    pub top_k: Option<usize>,
    /// Of the drawing.
    pub seed: u64,
}

impl Sampling {
    /// That a text can be drawn so.
    ///
    /// # Errors
    /// When an option is out of range.
    pub fn check(&self) -> Result<()> {
        let Self { temperature, top_k, .. } = *self;
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(Error::argument("temperature", "a finite number above 0", temperature.to_string()));
        }
        if top_k == Some(0) {
            return Err(Error::argument("top-k", "at least 1", "0"));
        }
        Ok(())
    }
}

/// Writes a text, one character at a time with carried state.
pub struct TextWriter {
    reader: Reader,
    vocabulary: Vocabulary,
}

impl TextWriter {
    /// A writer with the weights of `parameters`.
    ///
    /// # Errors
    /// When the device cannot hold the program.
    pub fn new(parameters: &Parameters, model: &TextModel, vocabulary: &Vocabulary) -> Result<Self> {
        block_on("TextWriter::new_async", Self::new_async(parameters, model, vocabulary))
    }

    /// As [`TextWriter::new`], without waiting.
    ///
    /// # Errors
    /// As [`TextWriter::new`].
    pub async fn new_async(
        parameters: &Parameters,
        model: &TextModel,
        vocabulary: &Vocabulary,
    ) -> Result<Self> {
        let reader = Reader::new(parameters, model, [1, 1], Purpose::Continue).await?;
        Ok(Self { reader, vocabulary: vocabulary.clone() })
    }

    /// `prompt` and `length` characters more; `each` is told every new one. With nothing to go on from, the first is
    /// any of the vocabulary.
    ///
    /// # Errors
    /// When the prompt has a character the vocabulary lacks, an option is out of range, or the device failed.
    pub fn write(
        &mut self,
        prompt: &str,
        length: usize,
        sampling: Sampling,
        each: impl FnMut(char),
    ) -> Result<String> {
        block_on("TextWriter::write_async", self.write_async(prompt, length, sampling, each))
    }

    /// As [`TextWriter::write`], without waiting.
    ///
    /// # Errors
    /// As [`TextWriter::write`].
    pub async fn write_async(
        &mut self,
        prompt: &str,
        length: usize,
        sampling: Sampling,
        mut each: impl FnMut(char),
    ) -> Result<String> {
        sampling.check()?;
        let Sampling { temperature, top_k, seed } = sampling;
        let prompted = self.vocabulary.encode(prompt)?;
        let mut rng = Rng::named(seed, "sampling");
        let mut text = prompt.to_owned();
        self.reader.reset()?;
        let mut logits = vec![];
        for number in prompted {
            logits = self.feed(number).await?;
        }
        for _ in 0..length {
            let number = match logits[..] {
                [] => rng.below(self.vocabulary.len()) as u32,
                _ => draw(&logits, temperature, top_k, &mut rng),
            };
            if let Some(c) = self.vocabulary.decode(number) {
                text.push(c);
                each(c);
            }
            logits = self.feed(number).await?;
        }
        Ok(text)
    }

    async fn feed(&mut self, number: u32) -> Result<Vec<f32>> {
        let token = HostTensor::from_u32([1, 1], vec![number])?;
        Ok(self.reader.run(&token, None).await?.await?.as_f32()?.to_vec())
    }
}

/// An index drawn with probability `softmax(logits / temperature)` among the `top_k` largest.
fn draw(logits: &[f32], temperature: f32, top_k: Option<usize>, rng: &mut Rng) -> u32 {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(top_k.unwrap_or(usize::MAX));
    let highest = order.first().map_or(0.0, |&i| logits[i]);
    let weight = |i: usize| f64::from((logits[i] - highest) / temperature).exp();
    let mut left = rng.uniform() * order.iter().map(|&i| weight(i)).sum::<f64>();
    for &i in &order {
        left -= weight(i);
        if left < 0.0 {
            return i as u32;
        }
    }
    order.first().map_or(0, |&i| i as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;
    use crate::optim::Adam;

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
        // From nothing: another seed begins elsewhere, and all that is written is told.
        let mut told = String::new();
        let from_nothing = writer.write("", 9, sampling, |c| told.push(c)).unwrap();
        assert!(from_nothing.chars().count() == 9 && told == from_nothing, "{from_nothing}");
        let first = |seed| writer.write("", 1, Sampling { seed, ..sampling }, |_| ()).unwrap();
        let firsts: std::collections::BTreeSet<_> = (0..30).map(first).collect();
        assert!(firsts.len() > 2, "{firsts:?}");
        assert_eq!(writer.write("", 0, sampling, |_| ()).unwrap(), "");
    }
}
