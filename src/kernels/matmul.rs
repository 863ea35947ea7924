//! Matrix products: `shaders/matmul.wgsl`.

use super::tile::Tile;
use super::{Binding, Epilogue, Limits, Lowering, Operand, launch};
use crate::error::Mismatch;
use crate::ops::{MatMul, MatMulGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Where matrix `z` of the batch begins in each operand, a dimension of the batch at a time.
fn batch(geometry: &MatMulGeometry, a: &Shape, b: &Shape) -> Vec<Value> {
    let lead = |shape: &Shape| Shape::from(&shape[..shape.len() - 2]);
    let strides = |shape: &Shape, matrix: usize| -> Vec<usize> {
        lead(shape).broadcast_strides(&geometry.batch).into_iter().map(|s| s * matrix).collect()
    };
    let (of_a, of_b) = (strides(a, geometry.m * geometry.k), strides(b, geometry.k * geometry.n));
    let divisors = geometry.batch.strides();
    let dims = geometry.batch.iter().zip(divisors).zip(of_a.into_iter().zip(of_b));
    dims.map(|((size, div), (a, b))| context! { size, div, a, b }).collect()
}

pub(super) fn forward(
    options: &MatMul,
    fused: &Epilogue,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let (a, b) = (&inputs[0].shape, &inputs[1].shape);
    let geometry = MatMulGeometry::new(options, a, b)?;
    let MatMulGeometry { m, k, n, .. } = geometry;
    let tile = Tile::choose(m, m.saturating_mul(n).saturating_mul(k), limits);
    let (tiles_m, tiles_n) = (tile.tiles_m(m), tile.tiles_n(n));
    let bias = inputs.len() == 3;
    let values = context! {
        m, n, k, tiles_m, tiles_n, bias,
        trans_a => options.trans_a,
        trans_b => options.trans_b,
        // Of a transposed matrix, four rows of a term are side by side.
        a_vec4 => k % 4 == 0 && (!options.trans_a || tile.shuffle && m % 4 == 0),
        b_vec4 => if options.trans_b { k % 4 == 0 } else { n % 4 == 0 },
        out_vec4 => n % 4 == 0,
        batch => batch(&geometry, a, b),
        ..context! { ..tile.values(), ..fused.values(inputs.len() + 1, n % 4 == 0) }
    };
    let mut bindings: Vec<_> = (0..inputs.len()).map(|i| Binding::read(Operand::Input(i))).collect();
    bindings.push(Binding::write(Operand::Output(0)));
    bindings.extend(fused.bindings(|b| b));
    let groups = geometry.batch.elements() * tiles_m * tiles_n;
    launch(limits, "matmul", groups, bindings, format!("{}{}", tile.why(), fused.why()), values)
        .map(Lowering::single)
}
