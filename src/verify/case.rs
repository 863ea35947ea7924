//! One case: a graph, its inputs and how they are filled, and the outputs to look at.

use super::data::{Fill, Input, Values};
use super::line::{Fields, Line};
use crate::dtype::DType;
use crate::error::Result;
use crate::functions::Elementwise;
use crate::graph::{Graph, Tensor};
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// Where outputs have no derivative, for finite differences to keep away from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kink {
    /// Nowhere.
    None,
    /// At inputs of 0.
    Zero,
    /// Where two inputs are equal.
    Ties,
    /// At points of the input `grid` that lie at whole or half pixels of an image of so many rows and columns.
    Grid {
        /// Whether -1 and 1 are the centres of the outermost pixels.
        align_corners: bool,
        /// Rows.
        h: usize,
        /// Columns.
        w: usize,
    },
    /// Where this function of the first inputs has none.
    Function(Elementwise),
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
    /// Its inputs, which hold no data before [`Case::data`] is asked for it.
    pub inputs: Vec<Input>,
    /// What is looked at, by name: `output`, `grad_input`, ...
    pub outputs: Vec<(String, Tensor)>,
    /// Where there is no derivative.
    pub kink: Kink,
    seed: u64,
    fill: Fill,
    /// Of all inputs but indices.
    pub(super) dtype: DType,
    /// Whether its inputs hold what flows through a network, which is neither drawn nor independent.
    pub(super) flows: bool,
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
            dtype: fields.dtype()?,
            flows: false,
        })
    }

    /// Nothing yet, of values that flow through a network.
    pub(super) fn of_flow(line: &Line) -> Self {
        Self {
            line: line.clone(),
            graph: Graph::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            kink: Kink::None,
            seed: 0,
            fill: Fill::Real(1.0),
            dtype: DType::F32,
            flows: true,
        }
    }

    /// The data the line asks for.
    pub(super) fn fill(&self) -> Fill {
        self.fill
    }

    /// An input filled as the line says.
    pub(super) fn input(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.input_filled(name, shape, self.fill)
    }

    /// An input filled in a way of its own.
    pub(super) fn input_filled(&mut self, name: &str, shape: &[usize], fill: Fill) -> Result<Tensor> {
        self.input_of(name, shape, Values::Fill(fill))
    }

    /// An input of values that no fill gives.
    pub(super) fn input_of(&mut self, name: &str, shape: &[usize], values: Values) -> Result<Tensor> {
        let tensor = if values.is_index() {
            self.graph.input_u32(name, shape)?
        } else if self.dtype == DType::F16 {
            self.graph.input_f16(name, shape)?
        } else {
            self.graph.input(name, shape)?
        };
        self.inputs.push(Input::new(&tensor, values, self.seed));
        Ok(tensor)
    }

    /// Its inputs with their data, made anew by each call: the same for the same line.
    ///
    /// # Errors
    /// None for a case that could be built.
    pub fn data(&self) -> Result<Vec<(Tensor, HostTensor)>> {
        self.inputs.iter().map(|input| Ok((input.tensor.clone(), input.data()?))).collect()
    }

    /// Looks at an output.
    pub(super) fn output(&mut self, name: &str, tensor: &Tensor) {
        self.outputs.push((name.to_owned(), tensor.clone()));
    }

    /// Looks at an output and, for a given error, at the gradients of all inputs that have fractions made so far.
    pub(super) fn output_and_gradients(&mut self, output: &Tensor) -> Result<()> {
        self.output_and_gradients_of(output, Values::Fill(self.fill.of_error()))
    }

    /// The same for an error of these values.
    pub(super) fn output_and_gradients_of(&mut self, output: &Tensor, error: Values) -> Result<()> {
        self.output("output", output);
        let inputs: Vec<Tensor> = self.inputs.iter().map(|i| i.tensor.clone()).collect();
        let wrt: Vec<&Tensor> = inputs.iter().filter(|t| t.ty().dtype.is_float()).collect();
        let grad = self.input_of("grad_output", &output.shape(), error)?;
        for (tensor, grad) in wrt.iter().zip(output.gradients_from(&grad, &wrt)?) {
            self.output(&format!("grad_{}", tensor.name().unwrap_or_default()), &grad);
        }
        Ok(())
    }

    /// Whether any of its values is of this type.
    pub(super) fn has(&self, dtype: DType) -> bool {
        self.graph.with(|data| data.values.iter().any(|value| value.ty.dtype == dtype))
    }

    /// Elements of all its tensors.
    pub fn elements(&self) -> usize {
        let shapes = self.inputs.iter().map(|i| &i.tensor).chain(self.outputs.iter().map(|(_, t)| t));
        shapes.map(|t| Shape::elements(&t.shape())).sum()
    }

    /// Whether it is too large for the slower runs.
    pub fn is_huge(&self) -> bool {
        self.elements() > HUGE
    }

    /// The op's family, such as `conv2d` or `relu`.
    pub fn op(&self) -> &str {
        &self.line.op
    }
}
