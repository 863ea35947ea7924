//! Matrix products.

use super::broadcast_to::source;
use super::{Array, Define, parallel::blocks};
use crate::error::Mismatch;
use crate::ops::{MatMul, MatMulGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;

impl Define for MatMul {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs)?])
    }
}

/// `output[z,m,n] = bias[n] + sum_k a[z,m,k] b[z,k,n]`.
fn forward(options: &MatMul, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    let (a, b) = (inputs[0], inputs[1]);
    let g = MatMulGeometry::new(options, &a.ty.shape, &b.ty.shape)?;
    let lead = |array: &Array| Shape::from(&array.ty.shape[..array.ty.shape.len() - 2]);
    let (lead_a, lead_b) = (lead(a), lead(b));
    let mut output = vec![0.0; g.batch.elements() * g.m * g.n];
    blocks(&mut output, g.n, |block, row| {
        let (z, m) = (block / g.m, block % g.m);
        let a = &a.data[source(z, &lead_a, &g.batch) * g.m * g.k..][..g.m * g.k];
        let b = &b.data[source(z, &lead_b, &g.batch) * g.k * g.n..][..g.k * g.n];
        for (n, sum) in row.iter_mut().enumerate() {
            *sum = inputs.get(2).map_or(0.0, |bias| bias.data[n]);
        }
        for k in 0..g.k {
            let left = if options.trans_a { a[k * g.m + m] } else { a[m * g.k + k] };
            if options.trans_b {
                row.iter_mut().enumerate().for_each(|(n, sum)| *sum += left * b[n * g.k + k]);
            } else {
                row.iter_mut().zip(&b[k * g.n..]).for_each(|(sum, right)| *sum += left * right);
            }
        }
    });
    Ok(output)
}
