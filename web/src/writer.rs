//! Learning a text character by character, and going on from its first word.

use crate::opened::Opened;
use crate::value::{Thrown, object};
use js_sys::Function;
use std::collections::{BTreeMap, VecDeque};
use wasm_bindgen::prelude::*;
use wgrad::data::{SAMPLE_TEXT, Vocabulary, split_text};
use wgrad::optim::Adam;
use wgrad::train::{Sampling, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
use wgrad::{Checkpoint, Error, Parameters, Pending, Result};

/// Steps after which the network knows the text by heart.
const STEPS: usize = 300;
/// Streams read side by side, and characters of a window; the reference is slow.
const STREAMS: usize = 32;
const WINDOW: usize = 64;
const STREAMS_ON_CPU: usize = 4;
const WINDOW_ON_CPU: usize = 16;
/// Steps whose loss may be on its way.
const AHEAD: usize = 2;
/// Steps over which the loss is averaged.
const MEAN: usize = 10;

/// A character model that learns and writes.
#[wasm_bindgen]
pub struct Writer {
    opened: Opened,
    vocabulary: Vocabulary,
    prompt: String,
    programs: Option<Programs>,
    flying: VecDeque<Pending>,
    recent: VecDeque<f64>,
    /// Steps whose loss came back.
    done: usize,
    kept: Option<Checkpoint>,
    lost: bool,
}

struct Programs {
    parameters: Parameters,
    trainer: TextTrainer,
    writer: Option<TextWriter>,
}

#[wasm_bindgen]
impl Writer {
    /// Opens the device. Options: `cpu`.
    pub async fn open(options: JsValue) -> Thrown<Writer> {
        let opened = Opened::new(&options).await?;
        let prompt = SAMPLE_TEXT.split_whitespace().next().unwrap_or_default().to_owned();
        Ok(Self {
            opened,
            vocabulary: Vocabulary::of(SAMPLE_TEXT)?,
            prompt,
            programs: None,
            flying: VecDeque::new(),
            recent: VecDeque::new(),
            done: 0,
            kept: None,
            lost: false,
        })
    }

    /// Compiles a step of learning.
    pub async fn compile(&mut self) -> Thrown<()> {
        let parameters = Parameters::new(&self.opened.device, 0);
        let (streams, window) = self.window();
        let texts = split_text(self.vocabulary.encode(SAMPLE_TEXT)?, streams, window)?;
        let options = TextOptions { batch_size: streams, steps: window, max_norm: 1.0 };
        let model = self.model();
        let trainer = TextTrainer::new_async(&parameters, &model, &Adam::new(4e-3), texts, options).await?;
        self.programs = Some(Programs { parameters, trainer, writer: None });
        Ok(())
    }

    fn window(&self) -> (usize, usize) {
        if self.opened.device.is_cpu() { (STREAMS_ON_CPU, WINDOW_ON_CPU) } else { (STREAMS, WINDOW) }
    }

    fn model(&self) -> TextModel {
        let hidden_size = if self.opened.device.is_cpu() { 48 } else { 128 };
        TextModel {
            cell: TextCell::Lstm,
            vocabulary: self.vocabulary.len(),
            embedding_dim: 64,
            hidden_size,
            num_layers: 2,
            dropout: 0.0,
        }
    }

    /// What the adapter is and can do.
    pub fn device(&self) -> JsValue {
        self.opened.describe()
    }

    /// What every text begins with.
    #[wasm_bindgen(getter)]
    pub fn prompt(&self) -> String {
        self.prompt.clone()
    }

    /// Steps that are done.
    #[wasm_bindgen(getter)]
    pub fn position(&self) -> usize {
        self.done
    }

    /// Whether the last error was the device's: [`Writer::recover`] may help.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// Learns from the next window, and tells where learning stands.
    pub async fn step(&mut self) -> Thrown {
        let stepped = self.learn().await;
        let before = self.done;
        for loss in self.noted(stepped)? {
            self.done += 1;
            self.recent.push_back(loss);
            if self.recent.len() > MEAN {
                self.recent.pop_front();
            }
        }
        let (streams, window) = self.window();
        Ok(object([
            ("step", self.done.into()),
            ("steps", STEPS.into()),
            ("loss", (self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64).into()),
            ("characters", ((self.done - before) * streams * window).into()),
            ("done", (self.done >= STEPS).into()),
        ]))
    }

    /// Gives the device a window; the losses that came back by now.
    async fn learn(&mut self) -> Result<Vec<f64>> {
        let trainer = &mut ready(&mut self.programs)?.trainer;
        if trainer.position() < STEPS {
            self.flying.push_back(trainer.step_async().await?);
        }
        let last = trainer.position() >= STEPS;
        let mut losses = Vec::new();
        while let Some(mut pending) = self.flying.pop_front() {
            let loss = match pending.try_get()? {
                Some(loss) => loss,
                None if last || self.flying.len() >= AHEAD => pending.await?,
                None => {
                    self.flying.push_front(pending);
                    break;
                }
            };
            losses.extend(loss.as_f32()?.iter().map(|&loss| f64::from(loss)));
        }
        match losses.iter().find(|loss| !loss.is_finite()) {
            None => Ok(losses),
            Some(loss) => Err(Error::argument("loss", "finite numbers", loss.to_string())),
        }
    }

    /// The loss on the text that is not learned.
    pub async fn test(&mut self) -> Thrown<f64> {
        let judged = match ready(&mut self.programs) {
            Ok(programs) => programs.trainer.validate_async().await,
            Err(error) => Err(error),
        };
        self.noted(judged)
    }

    /// Writes so many characters; `each` is called with every one.
    pub async fn write(&mut self, length: usize, temperature: f32, each: Function) -> Thrown<()> {
        let written = self.written(length, temperature, &each).await;
        self.noted(written)
    }

    async fn written(&mut self, length: usize, temperature: f32, each: &Function) -> Result<()> {
        let model = self.model();
        let sampling = Sampling { temperature, top_k: None, seed: self.done as u64 };
        let Programs { parameters, writer, .. } = ready(&mut self.programs)?;
        let writer = match writer {
            Some(writer) => writer,
            none => none.insert(TextWriter::new_async(parameters, &model, &self.vocabulary).await?),
        };
        let tell = |character: char| {
            // What the page makes of it is not the writer's business.
            let _ = each.call1(&JsValue::NULL, &character.to_string().into());
        };
        writer.write_async(&self.prompt, length, sampling, tell).await?;
        Ok(())
    }

    /// Keeps all that learning needs to go on after a lost device. Gives the step.
    pub async fn keep(&mut self) -> Thrown<usize> {
        let kept = self.copied().await;
        let checkpoint = self.noted(kept)?;
        self.kept = Some(checkpoint);
        Ok(self.done)
    }

    async fn copied(&mut self) -> Result<Checkpoint> {
        ready(&mut self.programs)?.trainer.checkpoint(BTreeMap::new())?.arrived().await
    }

    /// Opens the device again and goes on with what was kept last, or from the beginning.
    pub async fn recover(&mut self) -> Thrown<()> {
        self.programs = None;
        self.flying.clear();
        self.recent.clear();
        self.done = 0;
        self.opened.again().await?;
        self.compile().await?;
        if let (Some(kept), Some(programs)) = (&self.kept, &mut self.programs) {
            programs.trainer.resume_async(kept).await?;
            self.done = programs.trainer.position();
        }
        self.lost = false;
        Ok(())
    }

    fn noted<T>(&mut self, result: Result<T>) -> Thrown<T> {
        self.lost = matches!(result, Err(Error::Device { .. }));
        Ok(result?)
    }
}

fn ready(programs: &mut Option<Programs>) -> Result<&mut Programs> {
    programs.as_mut().ok_or_else(|| Error::argument("writer", "compiled programs", "none"))
}
