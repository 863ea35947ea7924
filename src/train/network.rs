//! A network with its task: evaluated on datasets, used for predictions.

use super::measures::{self, Measures};
use super::metric::{self, Spec};
use super::task::{Inputs, Task, is_input};
use crate::data::{Batch, Examples, Field, Loader, Order};
use crate::error::{Error, Result};
use crate::exec::{Executable, Parameters};
use crate::graph::{Graph, Tensor};
use crate::platform::block_on;
use crate::tensor::HostTensor;
use std::rc::Rc;
use std::sync::Arc;

/// The prefix of the states that evaluations add up in.
const PASS: &str = "test";

/// A network over some parameters, its task, and its programs by batch size.
pub struct Network {
    parameters: Parameters,
    pub(super) task: Rc<dyn Task>,
    pub(super) fields: Vec<Field>,
    pub(super) classes: usize,
    evaluators: Vec<Evaluator>,
    /// Programs that predict, by their rows.
    predictors: Vec<Predictor>,
}

/// A program that says what the network does of batches of one size.
struct Predictor {
    inputs: Inputs,
    said: Tensor,
    program: Executable,
}

/// A program that evaluates batches of one size and of these fields.
struct Evaluator {
    fields: Vec<Field>,
    inputs: Inputs,
    specs: Vec<Spec>,
    program: Executable,
}

impl Network {
    /// A task over `parameters` for examples like those of `like`. Nothing is compiled yet.
    ///
    /// # Errors
    /// When the network does not accept such examples, or there is none.
    pub fn new(parameters: &Parameters, task: impl Task + 'static, like: &dyn Examples) -> Result<Self> {
        Self::of_fields(parameters, task, like.fields(), like.classes().len())
    }

    /// As [`Network::new`], for examples of these fields in so many classes, 0 where there are none.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn of_fields(
        parameters: &Parameters,
        task: impl Task + 'static,
        fields: Vec<Field>,
        classes: usize,
    ) -> Result<Self> {
        let (parameters, task) = (parameters.clone(), Rc::new(task));
        let network =
            Self { parameters, task, fields, classes, evaluators: Vec::new(), predictors: Vec::new() };
        let graph = Graph::new();
        graph.set_training(false);
        network.task.learn(&network.inputs(&graph, 1)?)?;
        Ok(network)
    }

    /// The same task and examples over other parameters.
    pub(super) fn over(&self, parameters: &Parameters) -> Self {
        let (task, fields) = (self.task.clone(), self.fields.clone());
        Self {
            parameters: parameters.clone(),
            task,
            fields,
            classes: self.classes,
            evaluators: Vec::new(),
            predictors: Vec::new(),
        }
    }

    /// The states of all its programs.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The fields of a batch of `rows` examples in a graph.
    pub(super) fn inputs(&self, graph: &Graph, rows: usize) -> Result<Inputs> {
        Inputs::of(graph, &self.fields, self.classes, rows)
    }

    /// Compiles the evaluation of `batch_size` examples now rather than when it is first needed. After it,
    /// [`Parameters::load`] knows what to load.
    ///
    /// # Errors
    /// When the device cannot hold the program.
    pub fn prepare(&mut self, batch_size: usize) -> Result<()> {
        block_on("Network::prepare_async", self.prepare_async(batch_size))
    }

    /// As [`Network::prepare`], without waiting.
    ///
    /// # Errors
    /// As [`Network::prepare`].
    pub async fn prepare_async(&mut self, batch_size: usize) -> Result<()> {
        let fields = self.fields.clone();
        self.evaluator(&fields, batch_size).await.map(drop)
    }

    async fn evaluator(&mut self, fields: &[Field], rows: usize) -> Result<&mut Evaluator> {
        let same = |known: &Evaluator| known.inputs.rows() == rows && known.fields == fields;
        let position = match self.evaluators.iter().position(same) {
            Some(position) => position,
            None => {
                let graph = Graph::new();
                graph.set_training(false);
                let inputs = Inputs::of(&graph, fields, self.classes, rows)?;
                let outcome = self.task.learn(&inputs)?;
                let specs = metric::accumulate(&graph, PASS, &outcome.metrics)?;
                let program = self.parameters.compile_async(&graph, &[]).await?;
                self.evaluators.push(Evaluator { fields: fields.to_vec(), inputs, specs, program });
                self.evaluators.len() - 1
            }
        };
        Ok(&mut self.evaluators[position])
    }

    /// The names of what is measured when batches of this size are evaluated, in the order of [`Measures::values`].
    ///
    /// # Errors
    /// As [`Network::prepare`].
    pub fn measured(&mut self, batch_size: usize) -> Result<Vec<String>> {
        let fields = self.fields.clone();
        let evaluator = block_on("Network::prepare_async", self.evaluator(&fields, batch_size))?;
        Ok(metric::names(&evaluator.specs))
    }

    /// Checks that the fields and classes of a dataset that is learned are those that the network was made for.
    pub(super) fn accepts(&self, data: &dyn Examples) -> Result<()> {
        self.compare(data, |_| true)
    }

    /// Checks those of a dataset that is evaluated on: what the network reads, and the classes. What they are compared with may
    /// be of another type, such as classes where probabilities were learned.
    fn check(&self, data: &dyn Examples) -> Result<()> {
        self.compare(data, |field| is_input(&field.name))
    }

    fn compare(&self, data: &dyn Examples, which: impl Fn(&Field) -> bool) -> Result<()> {
        let words = |fields: &[Field], classes: usize| {
            let fields = fields.iter().filter(|field| which(field));
            let fields = fields.map(|Field { name, ty }| format!("{name} {ty}")).collect::<Vec<_>>();
            format!("examples of {} in {classes} classes", fields.join(", "))
        };
        let expected = words(&self.fields, self.classes);
        let got = words(&data.fields(), data.classes().len());
        if expected == got { Ok(()) } else { Err(Error::argument("dataset", expected, got)) }
    }

    /// The loss and the metrics on a dataset, in batches of `batch_size` and a shorter last one. `progress` is called with the
    /// number of examples done.
    ///
    /// # Errors
    /// When the dataset does not fit the network, the batch size is 0, or the device failed.
    pub fn evaluate(
        &mut self,
        data: &Arc<dyn Examples>,
        batch_size: usize,
        progress: impl FnMut(usize),
    ) -> Result<Measures> {
        block_on("Network::evaluate_async", self.evaluate_async(data, batch_size, progress))
    }

    /// As [`Network::evaluate`], without waiting.
    ///
    /// # Errors
    /// As [`Network::evaluate`].
    pub async fn evaluate_async(
        &mut self,
        data: &Arc<dyn Examples>,
        batch_size: usize,
        mut progress: impl FnMut(usize),
    ) -> Result<Measures> {
        self.check(data.as_ref())?;
        let (fields, parameters) = (data.fields(), self.parameters.clone());
        let (mut examples, mut specs) = (0, Vec::new());
        for batch in Loader::new(data, batch_size, Order::Sequential)? {
            let batch = batch?;
            let evaluator = self.evaluator(&fields, batch.rows).await?;
            if examples == 0 {
                specs.clone_from(&evaluator.specs);
                metric::reset(&parameters, &specs)?;
            }
            run(&mut evaluator.program, &evaluator.inputs, &batch).await?;
            examples += batch.rows;
            progress(examples);
        }
        Ok(measures::read(&self.parameters, &specs, examples).await?.measures(&specs, false))
    }

    /// The predictions for some examples: of each field but `label` and `target` a tensor `(N, ..)`, in the order of the
    /// data.
    ///
    /// # Errors
    /// When they do not fit the network, its task says nothing, or the device failed.
    pub fn predict(&mut self, examples: &[&HostTensor]) -> Result<HostTensor> {
        block_on("Network::predict_async", self.predict_async(examples))
    }

    /// As [`Network::predict`], without waiting.
    ///
    /// # Errors
    /// As [`Network::predict`].
    pub async fn predict_async(&mut self, examples: &[&HostTensor]) -> Result<HostTensor> {
        let fields: Vec<Field> = self.fields.iter().filter(|field| is_input(&field.name)).cloned().collect();
        let rows = examples.first().and_then(|tensor| tensor.shape().first()).copied().unwrap_or(0);
        if fields.len() != examples.len() || rows == 0 {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let expected = format!("a tensor of some examples for each of {}", names.join(", "));
            return Err(Error::argument("predict", expected, format!("{} tensors", examples.len())));
        }
        let position = match self.predictors.iter().position(|known| known.inputs.rows() == rows) {
            Some(position) => position,
            None => {
                let graph = Graph::new();
                graph.set_training(false);
                let inputs = Inputs::of(&graph, &fields, self.classes, rows)?;
                let said = self.task.predict(&inputs)?;
                let program = self.parameters.compile_async(&graph, &[&said]).await?;
                self.predictors.push(Predictor { inputs, said, program });
                self.predictors.len() - 1
            }
        };
        let Predictor { inputs, said, program } = &mut self.predictors[position];
        program.run_async(&inputs.tensors().zip(examples.iter().copied()).collect::<Vec<_>>()).await?;
        program.read_async(said)?.await
    }
}

/// Runs a program on a batch.
async fn run(program: &mut Executable, inputs: &Inputs, batch: &Batch) -> Result<()> {
    program.run_async(&inputs.tensors().zip(&batch.tensors).collect::<Vec<_>>()).await
}
