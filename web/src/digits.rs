//! Training the SimpleCNN on drawn digits.

use crate::inside::Inside;
use crate::network::{Judge, Learner, Verdict};
use crate::opened::Opened;
use crate::value::{Options, Thrown, object};
use js_sys::{Array, Uint8Array, Uint32Array};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasm_bindgen::prelude::*;
use wgrad::data::{Dataset, Examples, Loader, Order, digits};
use wgrad::{Checkpoint, Error, Parameters, Result};

/// Digits to learn and unseen ones, on an adapter and on the reference, which is slow.
const IMAGES: [usize; 2] = [4096, 512];
const FEWER: [usize; 2] = [512, 64];
/// The most examples of a batch on the reference.
const BATCH_ON_CPU: usize = 8;
/// Passes over the digits at first, and more of them when the page asks.
const EPOCHS: usize = 6;
/// Steps between two points of the curves.
const LOOK_EVERY: usize = 8;

/// The training of one network.
#[wasm_bindgen]
pub struct Digits {
    opened: Opened,
    batch: usize,
    rate: f32,
    seed: u64,
    data: Arc<dyn Examples>,
    unseen: Arc<Dataset>,
    programs: Option<Programs>,
    loader: Option<Loader>,
    /// Epochs that are done, and examples of the next one that were given to the device.
    place: (usize, usize),
    epochs: usize,
    /// Steps that came back.
    total: usize,
    recent: Vec<Verdict>,
    kept: Option<Kept>,
    lost: bool,
}

/// What runs on the device; the later ones are compiled when they are first needed, so that training begins sooner.
struct Programs {
    parameters: Parameters,
    learner: Learner,
    judge: Option<Judge>,
    inside: Option<Inside>,
}

/// What training goes on from after a lost device.
struct Kept {
    checkpoint: Checkpoint,
    place: (usize, usize),
    total: usize,
}

#[wasm_bindgen]
impl Digits {
    /// Opens the device and draws the digits. Options: `batch`, `rate`, `seed`, `cpu`, `memory` in MiB.
    pub async fn open(options: JsValue) -> Thrown<Digits> {
        let opened = Opened::new(&options).await?;
        let read = Options(&options);
        let seed = read.number("seed") as u64;
        let [images, unseen] = if opened.device.is_cpu() { FEWER } else { IMAGES };
        let most = if opened.device.is_cpu() { BATCH_ON_CPU } else { images };
        Ok(Self {
            batch: (read.number("batch") as usize).clamp(1, most),
            rate: read.number("rate") as f32,
            seed,
            data: Arc::new(digits(images, 2 * seed + 1)?),
            unseen: Arc::new(digits(unseen, 2 * seed + 2)?),
            opened,
            programs: None,
            loader: None,
            place: (0, 0),
            epochs: EPOCHS,
            total: 0,
            recent: Vec::new(),
            kept: None,
            lost: false,
        })
    }

    /// Compiles a step of training.
    pub async fn compile(&mut self) -> Thrown<()> {
        let parameters = Parameters::new(&self.opened.device, self.seed);
        let learner = Learner::new(&parameters, self.batch, self.rate).await?;
        self.programs = Some(Programs { parameters, learner, judge: None, inside: None });
        Ok(())
    }

    /// What the adapter is and can do.
    pub fn device(&self) -> JsValue {
        self.opened.describe()
    }

    /// Examples of a batch.
    #[wasm_bindgen(getter)]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Steps that are done.
    #[wasm_bindgen(getter)]
    pub fn position(&self) -> usize {
        self.total
    }

    /// Whether the last error was the device's: [`Digits::recover`] may help.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// What is to be done, and the memory it takes.
    pub fn plan(&self) -> JsValue {
        let memory = self.programs.as_ref().map(|programs| programs.learner.memory().to_string());
        object([
            ("batch", self.batch.into()),
            ("epochs", self.epochs.into()),
            ("images", self.data.len().into()),
            ("unseen", self.unseen.len().into()),
            ("memory", memory.unwrap_or_default().into()),
        ])
    }

    /// An unseen image of each class.
    pub fn samples(&self) -> JsValue {
        let (mut labels, mut images) = (Vec::new(), Vec::new());
        for class in 0..self.unseen.classes() as u32 {
            let found = self.unseen.labels().iter().position(|&label| label == class);
            if let Some(image) = found.and_then(|place| self.unseen.image(place)) {
                labels.push(JsValue::from(class));
                images.extend_from_slice(image);
            }
        }
        object([
            ("type", "samples".into()),
            ("labels", labels.into_iter().collect::<Array>().into()),
            ("images", Uint8Array::from(&images[..]).into()),
        ])
    }

    /// Learns from the next batch, and tells where training stands.
    pub async fn step(&mut self) -> Thrown {
        let stepped = self.next_batch().await;
        let (arrived, ended) = self.noted(stepped)?;
        let mut looks = Array::new();
        let examples: usize = arrived.iter().map(|verdict| verdict.examples).sum();
        for verdict in arrived {
            self.total += 1;
            self.recent.push(verdict);
            if self.recent.len() > LOOK_EVERY {
                self.recent.remove(0);
            }
            if self.total.is_multiple_of(LOOK_EVERY) {
                looks = self.look(looks);
            }
        }
        let now = Verdict::of(&self.recent);
        Ok(object([
            ("epoch", self.place.0.into()),
            ("epochs", self.epochs.into()),
            ("total", self.total.into()),
            ("examples", examples.into()),
            ("loss", now.loss().into()),
            ("accuracy", now.accuracy().into()),
            ("looks", looks.into()),
            ("ended", ended.into()),
            ("done", (self.place.0 >= self.epochs).into()),
        ]))
    }

    fn look(&self, looks: Array) -> Array {
        let mean = Verdict::of(&self.recent);
        looks.push(&object([
            ("step", self.total.into()),
            ("loss", mean.loss().into()),
            ("accuracy", mean.accuracy().into()),
        ]));
        looks
    }

    /// Gives the device a batch; what came back by now, and whether an epoch ended.
    async fn next_batch(&mut self) -> Result<(Vec<Verdict>, bool)> {
        if self.loader.is_none() {
            let order = Order::Shuffled { seed: self.seed, epoch: self.place.0 as u64 };
            self.loader = Some(Loader::starting_at(&self.data, self.batch, order, self.place.1)?);
        }
        let learner = &mut ready(&mut self.programs)?.learner;
        let batch = self.loader.as_mut().and_then(Iterator::next);
        match batch {
            Some(batch) => {
                let batch = batch?;
                learner.give(&batch).await?;
                self.place.1 += batch.rows;
            }
            None => self.place.1 = self.data.len(),
        }
        let ended = self.place.1 >= self.data.len();
        if ended {
            (self.loader, self.place) = (None, (self.place.0 + 1, 0));
        }
        Ok((learner.arrived(ended).await?, ended))
    }

    /// Some more epochs.
    pub fn more(&mut self) {
        self.epochs += EPOCHS;
    }

    /// What the network makes of the unseen digits.
    pub async fn test(&mut self) -> Thrown {
        let judged = self.judge().await;
        let verdict = self.noted(judged)?;
        Ok(object([
            ("step", self.total.into()),
            ("examples", verdict.examples.into()),
            ("loss", verdict.loss().into()),
            ("accuracy", verdict.accuracy().into()),
            ("confusion", Uint32Array::from(&verdict.confusion[..]).into()),
        ]))
    }

    async fn judge(&mut self) -> Result<Verdict> {
        let programs = ready(&mut self.programs)?;
        let judge = match &mut programs.judge {
            Some(judge) => judge,
            none => none.insert(Judge::new(&programs.parameters, self.batch.min(self.unseen.len())).await?),
        };
        judge.all(self.unseen.as_ref()).await
    }

    /// Probabilities and feature maps of an image of 28 by 28 grey values.
    pub async fn told(&mut self, pixels: Vec<u8>) -> Thrown {
        let total = self.total;
        let told = match self.inside().await {
            Ok(inside) => inside.told(&pixels, total).await,
            Err(error) => Err(error),
        };
        self.noted(told)
    }

    /// The weights of the first layer.
    pub async fn filters(&mut self) -> Thrown {
        let total = self.total;
        let filters = match self.inside().await {
            Ok(inside) => inside.filters(total).await,
            Err(error) => Err(error),
        };
        self.noted(filters)
    }

    async fn inside(&mut self) -> Result<&mut Inside> {
        let programs = ready(&mut self.programs)?;
        match &mut programs.inside {
            Some(inside) => Ok(inside),
            none => Ok(none.insert(Inside::new(&programs.parameters).await?)),
        }
    }

    /// Keeps all that training needs to go on after a lost device. Gives the step.
    pub async fn keep(&mut self) -> Thrown<usize> {
        let kept = self.copied().await;
        self.noted(kept)?;
        Ok(self.total)
    }

    async fn copied(&mut self) -> Result<()> {
        let programs = ready(&mut self.programs)?;
        // What the device has not finished is in it, so it counts as done.
        let total = self.total + programs.learner.flying();
        let checkpoint = programs.parameters.checkpoint(BTreeMap::new())?.arrived().await?;
        self.kept = Some(Kept { checkpoint, place: self.place, total });
        Ok(())
    }

    /// Opens the device again and goes on with what was kept last, or from the beginning.
    pub async fn recover(&mut self) -> Thrown<()> {
        self.programs = None;
        self.loader = None;
        self.recent.clear();
        (self.place, self.total) = ((0, 0), 0);
        self.opened.again().await?;
        self.compile().await?;
        if let (Some(kept), Some(programs)) = (&self.kept, &self.programs) {
            programs.parameters.restore(&kept.checkpoint)?;
            (self.place, self.total) = (kept.place, kept.total);
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
    programs.as_mut().ok_or_else(|| Error::argument("digits", "compiled programs", "none"))
}
