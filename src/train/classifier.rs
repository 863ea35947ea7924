//! A model that tells classes apart: evaluated on datasets, asked about single images.

use super::metrics::{self, Confusion, Totals};
use crate::data::{Dataset, Examples, Loader, Order};
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Executable, Parameters, Pending};
use crate::graph::{Graph, Tensor};
use crate::nn::Module;
use crate::ops::{CrossEntropy, Reduction};
use crate::optim::Optimizer;
use crate::shape::Shape;
use crate::tensor::HostTensor;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Predictions on their way before the host waits for the oldest.
const PREDICTIONS_AHEAD: usize = 4;

/// A program for one batch size.
pub(super) struct Batched {
    pub(super) images: Tensor,
    pub(super) labels: Tensor,
    predicted: Tensor,
    pub(super) program: Executable,
}

/// How well a model did on a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Loss and accuracy.
    pub totals: Totals,
    /// Which classes were taken for which.
    pub confusion: Confusion,
}

/// A model for images `(N, C, H, W)` with logits `(N, classes)`, and its programs by batch size.
pub struct Classifier {
    parameters: Parameters,
    model: Box<dyn Module>,
    image_shape: [usize; 3],
    classes: usize,
    programs: HashMap<usize, Batched>,
}

impl Classifier {
    /// A model over `parameters` for images of `image_shape` (channels, height, width). Nothing is compiled yet.
    ///
    /// # Errors
    /// When the model does not accept such images or its output is not `(N, classes)`.
    pub fn new(
        parameters: &Parameters,
        model: impl Module + 'static,
        image_shape: [usize; 3],
    ) -> Result<Self> {
        let [c, h, w] = image_shape;
        let logits = model.forward(&Graph::new().input("image", [1, c, h, w])?)?.shape();
        let [1, classes] = logits[..] else {
            return Err(Error::op(
                "classifier",
                "",
                Mismatch::new("logits (N, classes)", logits.to_string()),
            ));
        };
        let (parameters, model) = (parameters.clone(), Box::new(model));
        Ok(Self { parameters, model, image_shape, classes, programs: HashMap::new() })
    }

    /// The states of all its programs.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The number of classes it tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Compiles the evaluation of `batch_size` images now rather than when it is first needed. After it,
    /// [`Parameters::load`] knows what to load.
    ///
    /// # Errors
    /// When the device cannot hold the program.
    pub fn prepare(&mut self, batch_size: usize) -> Result<()> {
        if !self.programs.contains_key(&batch_size) {
            let program = self.build(batch_size, None)?;
            self.programs.insert(batch_size, program);
        }
        Ok(())
    }

    /// The program for batches of one size: it adds up loss and hits, and with an optimizer it learns.
    pub(super) fn build(&self, batch_size: usize, optimizer: Option<&dyn Optimizer>) -> Result<Batched> {
        let graph = Graph::new();
        graph.set_training(optimizer.is_some());
        let [c, h, w] = self.image_shape;
        let images = graph.input("image", [batch_size, c, h, w])?;
        let labels = graph.input_u32("label", [batch_size])?;
        let logits = self.model.forward(&images)?;
        let loss = logits.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean)?;
        let predicted = logits.argmax(1)?;
        metrics::accumulate(&graph, &loss, &predicted, &labels)?;
        let outputs: &[&Tensor] = match optimizer {
            Some(optimizer) => {
                optimizer.minimize(&loss)?;
                &[]
            }
            None => &[&predicted],
        };
        let program = self.parameters.compile(&graph, outputs)?;
        Ok(Batched { images, labels, predicted, program })
    }

    /// Checks that the images and labels of a dataset are the model's.
    pub(super) fn accepts(&self, data: &Dataset) -> Result<()> {
        let of = |shape: [usize; 3], classes: usize| {
            format!("images of {} in {classes} classes", Shape::from(shape))
        };
        let (expected, got) = (of(self.image_shape, self.classes), of(data.image_shape(), data.classes()));
        if expected == got { Ok(()) } else { Err(Error::argument("dataset", expected, got)) }
    }

    /// Loss, accuracy and confusion on a dataset, in batches of `batch_size` and a shorter last one.
    /// `progress` is told the number of images done.
    ///
    /// # Errors
    /// When the dataset does not fit the model, the batch size is 0, or the device failed.
    pub fn evaluate(
        &mut self,
        data: &Arc<Dataset>,
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Evaluation> {
        self.accepts(data)?;
        let mut confusion = Confusion::new(self.classes);
        let mut pending: VecDeque<(HostTensor, Pending)> = VecDeque::new();
        let mut images = 0;
        let examples: Arc<dyn Examples> = data.clone();
        for batch in Loader::new(&examples, batch_size, Order::Sequential)? {
            let batch = batch?;
            let rows = batch.rows;
            self.prepare(rows)?;
            if images == 0 {
                metrics::reset(&self.parameters)?;
            }
            if let Some(held) = self.programs.get_mut(&rows) {
                held.program.run(&[(&held.images, &batch.tensors[0]), (&held.labels, &batch.tensors[1])])?;
                pending.push_back((batch.tensors[1].clone(), held.program.read_async(&held.predicted)?));
            }
            images += rows;
            progress(images);
            if pending.len() > PREDICTIONS_AHEAD {
                settle(&mut pending, &mut confusion)?;
            }
        }
        while !pending.is_empty() {
            settle(&mut pending, &mut confusion)?;
        }
        Ok(Evaluation { totals: metrics::read(&self.parameters, images)?, confusion })
    }

    /// The probabilities `(N, classes)` of images `(N, C, H, W)`.
    ///
    /// # Errors
    /// When the images do not fit the model or the device failed.
    pub fn predict(&self, images: &HostTensor) -> Result<HostTensor> {
        let graph = Graph::new();
        graph.set_training(false);
        let input = graph.input("image", images.shape().clone())?;
        let probabilities = self.model.forward(&input)?.softmax(1)?;
        let mut program = self.parameters.compile(&graph, &[&probabilities])?;
        program.run(&[(&input, images)])?;
        program.read(&probabilities)
    }
}

/// Counts the oldest predictions; waits for them.
fn settle(pending: &mut VecDeque<(HostTensor, Pending)>, confusion: &mut Confusion) -> Result<()> {
    let Some((labels, predicted)) = pending.pop_front() else { return Ok(()) };
    let predicted = predicted.wait()?;
    for (&label, &class) in labels.as_u32()?.iter().zip(predicted.as_u32()?) {
        confusion.add(label as usize, class as usize);
    }
    Ok(())
}
