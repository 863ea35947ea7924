//! Products: for C = A B, grad_A = G B^T and grad_B = A^T G.

use super::{Differentiate, elementwise::unbroadcast};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::MatMul;

impl Tensor {
    /// The matrix product `(.., M, K) x (.., K, N)`; leading dimensions broadcast as in PyTorch. A vector is a matrix of one
    /// row before a product, of one column behind it, and the result is without that dimension.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        build(self, other)
    }

    /// `self (.., in) x weight (out, in)^T + bias (out)`: `(.., out)`. A weight `(in)` of one row gives `(..)`; its bias is a
    /// scalar.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        build_linear(self, weight, bias)
    }
}

fn apply(options: MatMul, inputs: &[&Tensor]) -> Result<Tensor> {
    inputs[0].one(options, inputs)
}

/// PyTorch's rule for vectors: one is given a dimension of size 1, which the result drops again.
fn build(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (sa, sb) = (a.shape(), b.shape());
    if sa.len() >= 2 && sb.len() >= 2 {
        return apply(MatMul::default(), &[a, b]);
    }
    if sa.is_empty() || sb.is_empty() {
        let mismatch = Mismatch::new("operands of rank 1 or more", format!("{sa} and {sb}"));
        return Err(Error::op("matmul", &a.graph().label(), mismatch));
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
fn build_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (shape, w) = (x.shape(), weight.shape());
    if let [inner] = w[..] {
        let scalar = bias.is_none_or(|bias| bias.shape().is_empty());
        let got = || bias.map_or_else(String::new, |bias| bias.shape().to_string());
        Mismatch::check(scalar, "a scalar bias for a weight of one row", got())
            .map_err(x.refused("linear"))?;
        let rows = build_linear(
            x,
            &weight.reshape([1, inner])?,
            bias.map(|b| b.reshape([1])).transpose()?.as_ref(),
        )?;
        let last = rows.shape().len().saturating_sub(1);
        return rows.squeeze(last);
    }
    let [out, inner] = w[..] else {
        let mismatch = Mismatch::new("weight (out, in) or (in)", w.to_string());
        return Err(Error::op("linear", &x.graph().label(), mismatch));
    };
    let Some((&last, lead)) = shape.split_last().filter(|(last, _)| **last == inner) else {
        let mismatch = Mismatch::new(format!("input (.., {inner}) for weight {w}"), shape.to_string());
        return Err(Error::op("linear", &x.graph().label(), mismatch));
    };
    let rows = if shape.len() == 2 { x.clone() } else { x.reshape([lead.iter().product(), last])? };
    let inputs: Vec<&Tensor> = [&rows, weight].into_iter().chain(bias).collect();
    let product = apply(MatMul { trans_a: false, trans_b: true }, &inputs)?;
    let mut dims = lead.to_vec();
    dims.push(out);
    if shape.len() == 2 { Ok(product) } else { product.reshape(dims) }
}

impl Differentiate for MatMul {
    /// For C = A B: grad_A = G B^T and grad_B = A^T G; with a transposed operand the product is transposed too.
    /// Leading dimensions that were stretched are summed.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, a, b) = (flow.grad("matmul")?, &flow.inputs[0], &flow.inputs[1]);
        let MatMul { trans_a, trans_b } = *self;
        let product = |x: &Tensor, y: &Tensor, trans_a, trans_b| apply(MatMul { trans_a, trans_b }, &[x, y]);
        let grad_a = || {
            let g =
                if trans_a { product(b, grad, trans_b, true)? } else { product(grad, b, false, !trans_b)? };
            unbroadcast(&g, &a.shape())
        };
        let grad_b = || {
            let g =
                if trans_b { product(grad, a, true, trans_a)? } else { product(a, grad, !trans_a, false)? };
            unbroadcast(&g, &b.shape())
        };
        let all_but_last: Vec<usize> = (0..grad.shape().len() - 1).collect();
        Ok(vec![
            flow.wants(0, grad_a)?,
            flow.wants(1, grad_b)?,
            flow.wants(2, || grad.sum(&all_but_last, false))?,
        ])
    }
}
