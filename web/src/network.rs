//! The SimpleCNN's programs: a step of training, and the judgement of unseen digits.

use std::collections::VecDeque;
use wgrad::data::{Batch, Examples};
use wgrad::nn::{Module, simple_cnn};
use wgrad::ops::{CrossEntropy, Reduction};
use wgrad::optim::{Adam, Optimizer};
use wgrad::{Error, Executable, Graph, HostTensor, Memory, Parameters, Pending, Result, Tensor};

/// Classes of digits.
const CLASSES: usize = 10;
/// Steps whose results may be on their way.
const AHEAD: usize = 3;

/// What became of some examples.
#[derive(Default)]
pub struct Verdict {
    pub examples: usize,
    /// The sum of the losses.
    sum: f64,
    right: usize,
    /// How often each class was taken for each, a row a class.
    pub confusion: Vec<u32>,
}

impl Verdict {
    /// From logits `(N, 10)` and labels `(N)`.
    fn new(logits: &HostTensor, labels: &[u32]) -> Result<Self> {
        let mut verdict = Self { confusion: vec![0; CLASSES * CLASSES], ..Self::default() };
        for (scores, &label) in logits.as_f32()?.chunks_exact(CLASSES).zip(labels) {
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let told = scores.iter().position(|&score| score == highest).unwrap_or(0);
            let sum: f64 = scores.iter().map(|&score| f64::from(score - highest).exp()).sum();
            let own = scores.get(label as usize).copied().unwrap_or(f32::NAN);
            verdict.examples += 1;
            verdict.sum += sum.ln() - f64::from(own - highest);
            verdict.right += usize::from(told == label as usize);
            if let Some(count) = verdict.confusion.get_mut(label as usize * CLASSES + told) {
                *count += 1;
            }
        }
        if verdict.sum.is_finite() {
            return Ok(verdict);
        }
        let got = format!("{} in a batch; a lower learning rate may help", verdict.sum);
        Err(Error::argument("loss", "finite numbers", got))
    }

    /// All of them together.
    pub fn of(all: &[Self]) -> Self {
        let mut joined = Self { confusion: vec![0; CLASSES * CLASSES], ..Self::default() };
        for Self { examples, sum, right, confusion } in all {
            joined.examples += examples;
            joined.sum += sum;
            joined.right += right;
            joined.confusion.iter_mut().zip(confusion).for_each(|(all, count)| *all += count);
        }
        joined
    }

    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.sum / self.examples.max(1) as f64
    }

    /// The share that was told.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.examples.max(1) as f64
    }
}

/// Images `(N, 1, 28, 28)`, labels `(N)`, and the logits `(N, 10)` of the network.
struct Forward {
    images: Tensor,
    labels: Tensor,
    logits: Tensor,
}

impl Forward {
    fn new(graph: &Graph, batch: usize) -> Result<Self> {
        let images = graph.input("image", [batch, 1, 28, 28])?;
        let labels = graph.input_u32("label", [batch])?;
        let logits = simple_cnn().forward(&images)?;
        Ok(Self { images, labels, logits })
    }
}

/// A step of training; its results come some steps later.
pub struct Learner {
    forward: Forward,
    program: Executable,
    flying: VecDeque<(Pending, Vec<u32>)>,
}

impl Learner {
    pub async fn new(parameters: &Parameters, batch: usize, rate: f32) -> Result<Self> {
        let graph = Graph::new();
        let forward = Forward::new(&graph, batch)?;
        let loss = forward.logits.cross_entropy(&forward.labels, CrossEntropy::default(), Reduction::Mean)?;
        Adam::new(rate).minimize(&loss)?;
        let program = parameters.compile_async(&graph, &[&forward.logits]).await?;
        Ok(Self { forward, program, flying: VecDeque::new() })
    }

    pub fn memory(&self) -> Memory {
        self.program.memory()
    }

    /// Steps that are on their way.
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Gives the device a batch as soon as there is room.
    pub async fn give(&mut self, batch: &Batch) -> Result<()> {
        let Forward { images, labels, logits } = &self.forward;
        let [image, label] = two(batch)?;
        self.program.run_async(&[(images, image), (labels, label)]).await?;
        self.flying.push_back((self.program.read_async(logits)?, label.as_u32()?.to_vec()));
        Ok(())
    }

    /// What came back by now; `all`: waits for all of it.
    pub async fn arrived(&mut self, all: bool) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        while let Some((mut pending, labels)) = self.flying.pop_front() {
            let logits = match pending.try_get()? {
                Some(logits) => logits,
                None if all || self.flying.len() >= AHEAD => pending.await?,
                None => {
                    self.flying.push_front((pending, labels));
                    break;
                }
            };
            verdicts.push(Verdict::new(&logits, &labels)?);
        }
        Ok(verdicts)
    }
}

/// Judges batches of one size with the weights of the moment.
pub struct Judge {
    forward: Forward,
    program: Executable,
    batch: usize,
}

impl Judge {
    pub async fn new(parameters: &Parameters, batch: usize) -> Result<Self> {
        let graph = Graph::new();
        graph.set_training(false);
        let forward = Forward::new(&graph, batch)?;
        let program = parameters.compile_async(&graph, &[&forward.logits]).await?;
        Ok(Self { forward, program, batch })
    }

    /// All examples; the last batch is filled up with the first ones, which do not count twice.
    pub async fn all(&mut self, data: &dyn Examples) -> Result<Verdict> {
        let Forward { images, labels, logits } = &self.forward;
        let mut flying = Vec::new();
        for first in (0..data.len()).step_by(self.batch) {
            let indices: Vec<usize> = (first..first + self.batch).map(|i| i % data.len()).collect();
            let batch = Batch::read(data, &indices, 0, 0)?;
            let [image, label] = two(&batch)?;
            self.program.run_async(&[(images, image), (labels, label)]).await?;
            let own = label.as_u32()?.iter().copied().take(data.len() - first).collect::<Vec<_>>();
            flying.push((self.program.read_async(logits)?, own));
        }
        let mut verdicts = Vec::new();
        for (pending, labels) in flying {
            verdicts.push(Verdict::new(&pending.await?, &labels)?);
        }
        Ok(Verdict::of(&verdicts))
    }
}

/// Images and labels of a batch.
fn two(batch: &Batch) -> Result<[&HostTensor; 2]> {
    match &batch.tensors[..] {
        [image, label] => Ok([image, label]),
        other => Err(Error::argument("batch", "images and labels", format!("{} tensors", other.len()))),
    }
}
