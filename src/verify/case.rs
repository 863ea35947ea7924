//! One case: a graph, its inputs and their data, and the outputs to look at.

use super::line::{Fields, Line};
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Graph, Tensor};
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// How inputs are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Integers of at most this size: with few enough terms every partial sum is exact.
    Integers(u32),
    /// Uniform in `[-range, range)`.
    Real(f64),
    /// Integers from 0 to below this one: class indices.
    Indices(u32),
    /// Zeros of both signs, tiny and huge numbers, in turn.
    Special,
}

impl Fill {
    /// How the error `grad_output` of a case with such inputs is filled.
    fn of_error(self) -> Self {
        match self {
            Fill::Integers(most) => Fill::Integers(most),
            Fill::Indices(_) | Fill::Special => Fill::Integers(3),
            Fill::Real(_) => Fill::Real(1.0),
        }
    }
}

const SPECIAL: [f32; 14] =
    [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 1.0, -1.0, 20.0, -20.0, 80.0, -80.0, 1e4, -1e4];

/// Where outputs have no derivative, for finite differences to keep away from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kink {
    /// Nowhere.
    None,
    /// At inputs of 0.
    Zero,
    /// Where two inputs are equal.
    Ties,
}

/// Elements in all inputs and outputs beyond which a case is left out of the slower runs.
const HUGE: usize = 4_000_000;

/// One case, built from its [`Line`].
#[derive(Debug)]
pub struct Case {
    /// The case in one line.
    pub line: Line,
    /// What it computes.
    pub graph: Graph,
    /// Its inputs and their data.
    pub inputs: Vec<(Tensor, HostTensor)>,
    /// What is looked at, by name: `output`, `grad_input`, ...
    pub outputs: Vec<(String, Tensor)>,
    /// Where there is no derivative.
    pub kink: Kink,
    seed: u64,
    fill: Fill,
}

impl Case {
    pub(super) fn empty(line: &Line, fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            line: line.clone(),
            graph: Graph::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            kink: Kink::None,
            seed: fields.seed()?,
            fill: fields.data()?,
        })
    }

    /// The data the line asks for.
    pub(super) fn fill(&self) -> Fill {
        self.fill
    }

    /// The random numbers of one of its tensors: they depend on the seed and the name alone.
    pub(super) fn rng(&self, name: &str) -> Rng {
        Rng::named(self.seed, name)
    }

    /// An input filled as the line says.
    pub(super) fn input(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.input_filled(name, shape, self.fill)
    }

    /// An input filled in a way of its own.
    pub(super) fn input_filled(&mut self, name: &str, shape: &[usize], fill: Fill) -> Result<Tensor> {
        let index = matches!(fill, Fill::Indices(_));
        let tensor =
            if index { self.graph.input_u32(name, shape)? } else { self.graph.input(name, shape)? };
        let mut rng = self.rng(name);
        let count = tensor.shape().elements();
        // A single number is never 0: all that it is multiplied with would be 0 too.
        let single = count == 1;
        let values = |mut value: Box<dyn FnMut(usize) -> f32 + '_>| {
            HostTensor::from_f32(shape, (0..count).map(&mut value).collect())
        };
        let value = match fill {
            Fill::Indices(below) => {
                HostTensor::from_u32(shape, (0..count).map(|_| rng.below(below as usize) as u32).collect())
            }
            Fill::Integers(most) => {
                let most = most as usize;
                let any = move |rng: &mut Rng| rng.below(2 * most + 1) as f32 - most as f32;
                let not_0 = move |rng: &mut Rng| (1 + rng.below(most.max(1))) as f32;
                values(Box::new(move |_| if single { not_0(&mut rng) } else { any(&mut rng) }))
            }
            Fill::Real(range) => values(Box::new(move |_| rng.range(-range, range) as f32)),
            Fill::Special => values(Box::new(|i| SPECIAL[i % SPECIAL.len()])),
        };
        self.inputs.push((tensor.clone(), value?));
        Ok(tensor)
    }

    /// Gives an input other data.
    pub(super) fn set(&mut self, tensor: &Tensor, values: Vec<f32>) -> Result<()> {
        let value = HostTensor::from_f32(tensor.shape(), values)?;
        for (_, held) in self.inputs.iter_mut().filter(|(t, _)| t.id() == tensor.id()) {
            *held = value.clone();
        }
        Ok(())
    }

    /// Looks at an output.
    pub(super) fn output(&mut self, name: &str, tensor: &Tensor) {
        self.outputs.push((name.to_owned(), tensor.clone()));
    }

    /// Looks at an output and, for a given error, at the gradients of all `f32` inputs made so far.
    pub(super) fn output_and_gradients(&mut self, output: &Tensor) -> Result<()> {
        self.output("output", output);
        let inputs: Vec<Tensor> = self.inputs.iter().map(|(t, _)| t.clone()).collect();
        let wrt: Vec<&Tensor> = inputs.iter().filter(|t| t.ty().dtype == DType::F32).collect();
        let grad = self.input_filled("grad_output", &output.shape(), self.fill.of_error())?;
        for (tensor, grad) in wrt.iter().zip(output.gradients_from(&grad, &wrt)?) {
            self.output(&format!("grad_{}", tensor.name().unwrap_or_default()), &grad);
        }
        Ok(())
    }

    /// Elements of all its tensors.
    pub fn elements(&self) -> usize {
        let shapes = self.inputs.iter().map(|(t, _)| t).chain(self.outputs.iter().map(|(_, t)| t));
        shapes.map(|t| Shape::elements(&t.shape())).sum()
    }

    /// Whether it is too large for the slower runs.
    pub fn is_huge(&self) -> bool {
        self.elements() > HUGE
    }

    /// The op's family, such as `conv2d` or `unary`.
    pub fn op(&self) -> &str {
        &self.line.op
    }
}
