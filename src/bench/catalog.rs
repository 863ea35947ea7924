//! The ops that can be measured, and how their shapes are written.

use super::shapes::Dims;
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::ops::{
    AdamStep, AvgPool2d, Conv2d, CrossEntropy, Init, MatMul, MaxPool2d, Op, Recurrent, RecurrentKind,
    Reduction, Role, SgdStep, Unary,
};
use crate::shape::{Padding, Pair};
use crate::tensor::TensorType;
use std::fmt;
use std::str::FromStr;

/// What is measured of an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    /// The op itself.
    Forward,
    /// The gradient of its input, of a product's first operand.
    InputGradient,
    /// The gradient of its weight, of a product's second operand.
    WeightGradient,
    /// The gradient of its bias.
    BiasGradient,
}

impl Pass {
    /// Every pass, in the order in which they are measured.
    pub const ALL: [Pass; 4] = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient, Pass::BiasGradient];
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Pass::Forward => "fwd",
            Pass::InputGradient => "dgrad",
            Pass::WeightGradient => "wgrad",
            Pass::BiasGradient => "bgrad",
        })
    }
}

impl FromStr for Pass {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.to_string() == name);
        found.ok_or_else(|| Error::argument("pass", "fwd, dgrad, wgrad, bgrad or all", name))
    }
}

/// An op in a graph of its own.
pub(super) struct Built {
    /// Its outputs; gradients are those of the first.
    pub(super) outputs: Vec<Tensor>,
    /// What has a gradient.
    pub(super) gradients: Vec<(Pass, Tensor)>,
}

/// An op that can be measured.
#[derive(Debug)]
pub struct OpEntry {
    /// Its name.
    pub name: &'static str,
    /// The letters of its shape, optional ones in brackets.
    pub keys: &'static str,
    /// What it computes, in those letters.
    pub about: &'static str,
    pub(super) build: fn(&str, &Graph, &Dims) -> Result<Built>,
}

macro_rules! entries {
    ($($build:ident, $keys:literal: $($name:literal $about:literal),+;)*) => {
        /// Every op that can be measured.
        pub const OPS: &[OpEntry] =
            &[$($(OpEntry { name: $name, keys: $keys, about: $about, build: $build }),+),*];
    };
}

entries! {
    conv2d, "n c h w k r s [u] [uw] [p] [pw] [d] [dw] [g] [b]":
        "conv2d" "(n,c,h,w) with k filters (c/g,r,s); stride u x uw, padding p x pw, dilation d x dw, g groups, bias where b1";
    matmul, "m n k [z] [ta] [tb] [b]":
        "matmul" "z products (m,k) x (k,n); a stored (k,m) where ta1, b stored (n,k) where tb1, bias where b1";
    max_pool2d, "n c h w r s [u] [uw] [p] [pw]": "max_pool2d" "(n,c,h,w), window r x s, stride u x uw, padding p x pw";
    avg_pool2d, "n c h w r s [u] [uw] [p] [pw]": "avg_pool2d" "(n,c,h,w), window r x s, stride u x uw, padding p x pw";
    unary, "e":
        "relu" "e elements", "leaky_relu" "e elements", "elu" "e elements", "gelu" "e elements",
        "gelu_tanh" "e elements", "sigmoid" "e elements", "tanh" "e elements";
    binary, "e": "add" "e elements", "sub" "e elements", "mul" "e elements", "div" "e elements";
    broadcast_to, "n c h w": "broadcast_to" "(c,1,1) to (n,c,h,w)";
    sum, "n c h w": "sum" "(n,c,h,w) over all but c";
    rows, "n c": "softmax" "n rows of c", "log_softmax" "n rows of c", "argmax" "n rows of c";
    cross_entropy, "n c": "cross_entropy" "n rows of c logits";
    recurrent, "t n h":
        "rnn_tanh" "t steps of n rows, hidden size h, from the gates of all steps; dgrad is the whole way back through time",
        "lstm" "as rnn_tanh", "gru" "as rnn_tanh";
    optimizer, "e": "sgd" "e parameters, no momentum", "adam" "e parameters";
}

/// The op called `name`.
///
/// # Errors
/// Lists those there are.
pub fn op(name: &str) -> Result<&'static OpEntry> {
    let known = || OPS.iter().map(|o| o.name).collect::<Vec<_>>().join(", ");
    OPS.iter().find(|o| o.name == name).ok_or_else(|| Error::argument("op", known(), name))
}

fn pair(dims: &Dims, key: &str, wide: &str, default: usize) -> (usize, usize) {
    let both = dims.or(key, default);
    (both, dims.or(wide, both))
}

fn image(graph: &Graph, dims: &Dims) -> Result<Tensor> {
    graph.input("input", [dims.need("n")?, dims.need("c")?, dims.need("h")?, dims.need("w")?])
}

fn conv2d(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let input = image(graph, dims)?;
    let (k, groups) = (dims.need("k")?, dims.or("g", 1));
    let c = dims.need("c")?.checked_div(groups).unwrap_or(0);
    let weight = graph.input("weight", [k, c.max(1), dims.need("r")?, dims.need("s")?])?;
    let bias = if dims.or("b", 0) == 1 { Some(graph.input("bias", [k])?) } else { None };
    let options = Conv2d {
        stride: Pair::from(pair(dims, "u", "uw", 1)),
        padding: Padding::from(pair(dims, "p", "pw", 0)),
        dilation: Pair::from(pair(dims, "d", "dw", 1)),
        groups,
    };
    let output = input.conv2d(&weight, bias.as_ref(), options)?;
    let gradients = [
        (Pass::InputGradient, Some(input)),
        (Pass::WeightGradient, Some(weight)),
        (Pass::BiasGradient, bias),
    ];
    Ok(Built { outputs: vec![output], gradients: present(gradients) })
}

fn present<const N: usize>(gradients: [(Pass, Option<Tensor>); N]) -> Vec<(Pass, Tensor)> {
    gradients.into_iter().filter_map(|(pass, tensor)| tensor.map(|t| (pass, t))).collect()
}

fn matmul(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let (m, n, k) = (dims.need("m")?, dims.need("n")?, dims.need("k")?);
    let (trans_a, trans_b) = (dims.or("ta", 0) == 1, dims.or("tb", 0) == 1);
    let shape = |rows: usize, columns: usize, trans: bool| {
        let (rows, columns) = if trans { (columns, rows) } else { (rows, columns) };
        match dims.or("z", 1) {
            1 => vec![rows, columns],
            z => vec![z, rows, columns],
        }
    };
    let a = graph.input("a", shape(m, k, trans_a))?;
    let b = graph.input("b", shape(k, n, trans_b))?;
    let bias = if dims.or("b", 0) == 1 { Some(graph.input("bias", [n])?) } else { None };
    let inputs: Vec<&Tensor> = [&a, &b].into_iter().chain(&bias).collect();
    let outputs = graph.apply(Op::MatMul(MatMul { trans_a, trans_b }), &inputs)?;
    let gradients =
        [(Pass::InputGradient, Some(a)), (Pass::WeightGradient, Some(b)), (Pass::BiasGradient, bias)];
    Ok(Built { outputs, gradients: present(gradients) })
}

fn max_pool2d(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let (input, window) = (image(graph, dims)?, (dims.need("r")?, dims.need("s")?));
    let pool = MaxPool2d::new(window).stride(stride(dims, window)).padding(pair(dims, "p", "pw", 0));
    let (output, indices) = input.max_pool2d_with_indices(pool)?;
    Ok(Built { outputs: vec![output, indices], gradients: vec![(Pass::InputGradient, input)] })
}

fn avg_pool2d(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let (input, window) = (image(graph, dims)?, (dims.need("r")?, dims.need("s")?));
    let pool = AvgPool2d::new(window).stride(stride(dims, window)).padding(pair(dims, "p", "pw", 0));
    let output = input.avg_pool2d(pool)?;
    Ok(Built { outputs: vec![output], gradients: vec![(Pass::InputGradient, input)] })
}

/// Of a pool: the window's size where it is not given.
fn stride(dims: &Dims, window: (usize, usize)) -> (usize, usize) {
    let h = dims.or("u", window.0);
    (h, dims.or("uw", dims.or("u", window.1)))
}

fn unary(name: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let input = graph.input("input", [dims.need("e")?])?;
    let output = match name {
        "relu" => input.relu(),
        "leaky_relu" => input.leaky_relu(0.01),
        "elu" => input.elu(1.0),
        "gelu" => input.gelu(),
        "gelu_tanh" => input.gelu_tanh(),
        "sigmoid" => input.sigmoid(),
        _ => input.unary(Unary::Tanh),
    }?;
    Ok(Built { outputs: vec![output], gradients: vec![(Pass::InputGradient, input)] })
}

/// Gradients of these are copies, sums and products of what is measured elsewhere.
fn binary(name: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let e = dims.need("e")?;
    let (a, b) = (graph.input("a", [e])?, graph.input("b", [e])?);
    let output = match name {
        "add" => a.add(&b),
        "sub" => a.sub(&b),
        "mul" => a.mul(&b),
        _ => a.div(&b),
    }?;
    Ok(Built { outputs: vec![output], gradients: vec![] })
}

fn broadcast_to(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let (n, c, h, w) = (dims.need("n")?, dims.need("c")?, dims.need("h")?, dims.need("w")?);
    let output = graph.input("input", [c, 1, 1])?.broadcast_to([n, c, h, w])?;
    Ok(Built { outputs: vec![output], gradients: vec![] })
}

fn sum(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let input = image(graph, dims)?;
    Ok(Built { outputs: vec![input.sum(&[0, 2, 3], false)?], gradients: vec![] })
}

fn rows(name: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let input = graph.input("input", [dims.need("n")?, dims.need("c")?])?;
    let (output, differentiable) = match name {
        "softmax" => (input.softmax(1)?, true),
        "log_softmax" => (input.log_softmax(1)?, true),
        _ => (input.argmax(1)?, false),
    };
    let gradients = if differentiable { vec![(Pass::InputGradient, input)] } else { vec![] };
    Ok(Built { outputs: vec![output], gradients })
}

fn cross_entropy(_: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let (n, c) = (dims.need("n")?, dims.need("c")?);
    let (logits, target) = (graph.input("logits", [n, c])?, graph.input_u32("target", [n])?);
    let output = logits.cross_entropy(&target, CrossEntropy::default(), Reduction::None)?;
    Ok(Built { outputs: vec![output], gradients: vec![(Pass::InputGradient, logits)] })
}

/// The products before and behind it, of all steps at once, are measured as such.
fn recurrent(name: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let (t, n, h) = (dims.need("t")?, dims.need("n")?, dims.need("h")?);
    let kind = match name {
        "lstm" => RecurrentKind::Lstm,
        "gru" => RecurrentKind::Gru,
        _ => RecurrentKind::RnnTanh,
    };
    let width = kind.gates() * h;
    let mut inputs = vec![graph.input("gates", [t, n, width])?, graph.input("weight_hh", [width, h])?];
    for name in ["h0", "c0"].iter().take(kind.states()) {
        inputs.push(graph.input(name, [n, h])?);
    }
    let op = Recurrent { kind, reverse: false, bias: false, masked: false };
    let outputs = graph.apply(Op::Recurrent(op), &inputs.iter().collect::<Vec<_>>())?;
    Ok(Built { outputs, gradients: vec![(Pass::InputGradient, inputs.remove(0))] })
}

/// Parameter and memory are states, so that they are updated in place as in training.
fn optimizer(name: &str, graph: &Graph, dims: &Dims) -> Result<Built> {
    let ty = TensorType::f32([dims.need("e")?]);
    let state = |name: &str| graph.state(name, ty.clone(), Init::Zeros, Role::Optimizer);
    let (parameter, grad, lr) =
        (state("param")?, graph.input("grad", ty.shape.clone())?, graph.input("lr", [])?);
    if name == "sgd" {
        let outputs = graph.apply(Op::Sgd(SgdStep::default()), &[&parameter, &grad, &lr])?;
        graph.assign(&parameter, &outputs[0])?;
        return Ok(Built { outputs, gradients: vec![] });
    }
    let (step, m, v) = (graph.input_u32("step", [])?, state("exp_avg")?, state("exp_avg_sq")?);
    let outputs = graph.apply(Op::Adam(AdamStep::default()), &[&parameter, &grad, &lr, &step, &m, &v])?;
    for (state, new) in [&parameter, &m, &v].into_iter().zip(&outputs) {
        graph.assign(state, new)?;
    }
    Ok(Built { outputs, gradients: vec![] })
}
