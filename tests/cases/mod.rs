//! The cases every op is tested with: the only place where test shapes are listed.
//!
//! A case is a graph with inputs and their data, the op's outputs and all its gradients. Parity, checked
//! shaders and the shader back ends all take their work from here.

#![allow(dead_code, reason = "each test uses its part of the table")]

pub mod activations;
pub mod conv2d;
pub mod cross_entropy;
pub mod elementwise;
pub mod matmul;
pub mod optimizer;
pub mod pool2d;
pub mod reduce;
pub mod softmax;

use wgrad::{DType, Graph, HostTensor, Result, Tensor};

/// How close a device must come to the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The same bits, -0 = +0.
    Exact,
    /// `|err| <= absolute + relative * |reference|`.
    Within {
        /// Relative part.
        relative: f64,
        /// Absolute part.
        absolute: f64,
    },
}

/// How inputs are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Integers of at most this size, so that sums are exact in f32.
    Integers(u32),
    /// Uniform in `[-range, range)`.
    Real(f64),
    /// Integers from 0 to below this one: class indices.
    Indices(u32),
}

/// Where the outputs have no derivative, and how finite differences keep away from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kink {
    /// Nowhere.
    None,
    /// At inputs of 0.
    Zero,
    /// Where two inputs are equal.
    Ties,
}

/// One case.
pub struct Case {
    pub name: String,
    pub graph: Graph,
    pub inputs: Vec<(Tensor, HostTensor)>,
    pub outputs: Vec<(String, Tensor)>,
    pub bound: Bound,
    /// The bound of the gradients, where it is another one.
    pub gradient_bound: Option<Bound>,
    /// Where there is no derivative.
    pub kink: Kink,
    /// Too large for the slower runs.
    pub huge: bool,
}

impl Case {
    pub fn new(name: impl Into<String>, bound: Bound) -> Self {
        let (inputs, outputs) = (Vec::new(), Vec::new());
        Self {
            name: name.into(),
            graph: Graph::new(),
            inputs,
            outputs,
            bound,
            gradient_bound: None,
            kink: Kink::None,
            huge: false,
        }
    }

    /// An input with data.
    pub fn input(&mut self, name: &str, shape: &[usize], fill: Fill) -> Tensor {
        let index = matches!(fill, Fill::Indices(_));
        let made = if index { self.graph.input_u32(name, shape) } else { self.graph.input(name, shape) };
        let tensor = made.expect("a valid shape");
        let mut random = Random::new(self.inputs.len() as u64 + 1);
        let count = shape.iter().product();
        let value = match fill {
            Fill::Indices(below) => {
                let values = (0..count).map(|_| (random.next() % u64::from(below)) as u32).collect();
                HostTensor::from_u32(shape, values)
            }
            Fill::Integers(most) => {
                let span = u64::from(2 * most + 1);
                let value = |r: u64| (r % span) as f32 - most as f32;
                HostTensor::from_f32(shape, (0..count).map(|_| value(random.next())).collect())
            }
            Fill::Real(range) => {
                let value = |r: u64| ((r as f64 / 2f64.powi(31) * 2.0 - 1.0) * range) as f32;
                HostTensor::from_f32(shape, (0..count).map(|_| value(random.next())).collect())
            }
        };
        self.inputs.push((tensor.clone(), value.expect("as many values as elements")));
        tensor
    }

    /// Gives an input other data.
    pub fn set(&mut self, tensor: &Tensor, values: Vec<f32>) {
        let value = HostTensor::from_f32(tensor.shape(), values).expect("as many values as elements");
        for (_, held) in self.inputs.iter_mut().filter(|(t, _)| t.id() == tensor.id()) {
            *held = value.clone();
        }
    }

    /// The bound of output `name`.
    pub fn bound_of(&self, name: &str) -> Bound {
        self.gradient_bound.filter(|_| name.starts_with("grad_")).unwrap_or(self.bound)
    }

    /// Checks an output.
    pub fn output(&mut self, name: &str, tensor: &Tensor) {
        self.outputs.push((name.to_owned(), tensor.clone()));
    }

    /// Checks an output and, for a given error, the gradients of all `f32` inputs made so far.
    pub fn output_and_gradients(&mut self, output: &Tensor, error: Fill) -> Result<()> {
        self.output("output", output);
        let inputs: Vec<Tensor> = self.inputs.iter().map(|(t, _)| t.clone()).collect();
        let wrt: Vec<&Tensor> = inputs.iter().filter(|t| t.ty().dtype == DType::F32).collect();
        let grad = self.input("grad_output", &output.shape(), error);
        for (tensor, grad) in wrt.iter().zip(output.gradients_from(&grad, &wrt)?) {
            self.output(&format!("grad_{}", tensor.name().unwrap_or_default()), &grad);
        }
        Ok(())
    }
}

/// All cases of all ops.
pub fn all() -> Vec<Case> {
    let families = [
        activations::cases(),
        conv2d::cases(),
        cross_entropy::cases(),
        elementwise::cases(),
        matmul::cases(),
        optimizer::cases(),
        pool2d::cases(),
        reduce::cases(),
        softmax::cases(),
    ];
    families.into_iter().flatten().collect()
}

/// A small generator of 31-bit numbers (SplitMix64's finaliser over a counter).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 33
    }
}
