//! matmul and linear: `output[m,n] = bias[n] + sum a[m,k] b[k,n]`, either operand possibly transposed.

use super::{Op, broadcast_to::unbroadcast, f32s, same};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;
use std::fmt;

/// How the operands of a matrix product are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MatMul {
    /// The first operand is stored `(.., K, M)`.
    pub trans_a: bool,
    /// The second operand is stored `(.., N, K)`, as the weight of a linear layer is.
    pub trans_b: bool,
}

impl fmt::Display for MatMul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trans_a {} trans_b {}", self.trans_a, self.trans_b)
    }
}

/// All sizes of one product, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatMulGeometry {
    /// Leading dimensions of the result.
    pub batch: Shape,
    /// Rows of the result.
    pub m: usize,
    /// Terms of each sum.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
}

impl MatMulGeometry {
    /// Checks that two operands fit together.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn new(options: &MatMul, a: &Shape, b: &Shape) -> Result<Self, Mismatch> {
        let fits = "operands (.., M, K) and (.., K, N)";
        Mismatch::check(a.len() >= 2 && b.len() >= 2, fits, format!("{a} and {b}"))?;
        let split = |shape: &Shape, trans: bool| {
            let (lead, last) = shape.split_at(shape.len() - 2);
            let (rows, columns) = if trans { (last[1], last[0]) } else { (last[0], last[1]) };
            (Shape::from(lead), rows, columns)
        };
        let ((lead_a, m, k), (lead_b, k_b, n)) = (split(a, options.trans_a), split(b, options.trans_b));
        Mismatch::check(k == k_b, fits, format!("{a} and {b} ({options})"))?;
        Ok(Self { batch: lead_a.broadcast(&lead_b)?, m, k, n })
    }

    /// `(.., M, N)`.
    pub fn output(&self) -> Shape {
        let mut dims = self.batch.to_vec();
        dims.extend([self.m, self.n]);
        dims.into()
    }
}

fn apply(options: MatMul, inputs: &[&Tensor]) -> Result<Tensor> {
    inputs[0].graph().apply(Op::MatMul(options), inputs).map(|mut out| out.remove(0))
}

/// PyTorch's rule for vectors: one is given a dimension of size 1, which the result drops again.
pub(crate) fn build(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (sa, sb) = (a.shape(), b.shape());
    if sa.len() >= 2 && sb.len() >= 2 {
        return apply(MatMul::default(), &[a, b]);
    }
    if sa.is_empty() || sb.is_empty() {
        let mismatch = Mismatch::new("operands of rank 1 or more", format!("{sa} and {sb}"));
        return Err(Error::op("matmul", &a.graph().scoped_name(""), mismatch));
    }
    let wide_a = if sa.len() == 1 { a.reshape([1, sa[0]])? } else { a.clone() };
    let wide_b = if sb.len() == 1 { b.reshape([sb[0], 1])? } else { b.clone() };
    let product = apply(MatMul::default(), &[&wide_a, &wide_b])?;
    let mut dims = product.shape().to_vec();
    if sb.len() == 1 {
        dims.pop();
    }
    if sa.len() == 1 {
        dims.remove(dims.len() - if sb.len() == 1 { 1 } else { 2 });
    }
    product.reshape(dims)
}

/// Leading dimensions of `x` are folded into the rows of one product.
pub(crate) fn build_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (shape, w) = (x.shape(), weight.shape());
    let [out, inner] = w[..] else {
        let mismatch = Mismatch::new("weight (out, in)", w.to_string());
        return Err(Error::op("linear", &x.graph().scoped_name(""), mismatch));
    };
    let Some((&last, lead)) = shape.split_last().filter(|(last, _)| **last == inner) else {
        let mismatch = Mismatch::new(format!("input (.., {inner}) for weight {w}"), shape.to_string());
        return Err(Error::op("linear", &x.graph().scoped_name(""), mismatch));
    };
    let rows = if shape.len() == 2 { x.clone() } else { x.reshape([lead.iter().product(), last])? };
    let inputs: Vec<&Tensor> = [&rows, weight].into_iter().chain(bias).collect();
    let product = apply(MatMul { trans_a: false, trans_b: true }, &inputs)?;
    let mut dims = lead.to_vec();
    dims.push(out);
    if shape.len() == 2 { Ok(product) } else { product.reshape(dims) }
}

pub(super) fn infer(options: &MatMul, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let got = inputs.len();
    Mismatch::check((2..=3).contains(&got), "two operands and an optional bias", format!("{got} inputs"))?;
    let [a, b] = f32s(&inputs[..2])?;
    let geometry = MatMulGeometry::new(options, &a.shape, &b.shape)?;
    if let Some(&bias) = inputs.get(2) {
        same("bias", &TensorType::f32([geometry.n]), bias)?;
    }
    Ok(vec![TensorType::f32(geometry.output())])
}

/// For C = A B: grad_A = G B^T and grad_B = A^T G; with a transposed operand the product is transposed too.
/// Leading dimensions that were stretched are summed.
pub(super) fn gradient(options: &MatMul, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, a, b) = (flow.grad("matmul")?, &flow.inputs[0], &flow.inputs[1]);
    let MatMul { trans_a, trans_b } = *options;
    let product = |x: &Tensor, y: &Tensor, trans_a, trans_b| apply(MatMul { trans_a, trans_b }, &[x, y]);
    let grad_a = || {
        let g = if trans_a { product(b, grad, trans_b, true)? } else { product(grad, b, false, !trans_b)? };
        unbroadcast(&g, &a.shape())
    };
    let grad_b = || {
        let g = if trans_b { product(grad, a, true, trans_a)? } else { product(a, grad, !trans_a, false)? };
        unbroadcast(&g, &b.shape())
    };
    let all_but_last: Vec<usize> = (0..grad.shape().len() - 1).collect();
    Ok(vec![
        flow.wants(0, grad_a)?,
        flow.wants(1, grad_b)?,
        flow.wants(2, || grad.sum(&all_but_last, false))?,
    ])
}

/// Two operations a term.
pub(super) fn flops(options: &MatMul, inputs: &[&TensorType], outputs: u64) -> u64 {
    let a = &inputs[0].shape;
    let k = if options.trans_a { a[a.len() - 2] } else { a[a.len() - 1] };
    2 * outputs * k as u64
}
