//! Continues a text with a character model.

use super::{Purpose, Reader, TextModel};
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::exec::Parameters;
use crate::platform::block_on;
use crate::random::Rng;
use crate::tensor::HostTensor;

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

    /// `prompt` and `length` characters more; `each` is called with every new one. With nothing to go on from, the first is
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
pub(super) fn draw(logits: &[f32], temperature: f32, top_k: Option<usize>, rng: &mut Rng) -> u32 {
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
