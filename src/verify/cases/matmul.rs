//! Matrix products and linear layers.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, size};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{MatMul, MatMulGeometry, Op};
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["matmul", "linear"];

/// Rows, terms, columns: ragged in each, and large enough for every tile; one below, at and one above the sizes
/// of workgroup tiles and the terms they take an iteration.
const SIZES: [[usize; 3]; 18] = [
    [1, 1, 1],
    [2, 3, 4],
    [5, 7, 9],
    [8, 12, 16],
    [33, 5, 10],
    [65, 13, 31],
    [64, 128, 10],
    [128, 64, 36],
    [7, 1, 255],
    [1, 300, 1],
    [63, 64, 65],
    [200, 31, 68],
    [31, 17, 33],
    [32, 16, 32],
    [64, 15, 64],
    [127, 9, 129],
    [128, 8, 128],
    [129, 7, 127],
];

/// Leading dimensions that broadcast, and vectors.
const BATCHED: [(&str, &str); 6] = [
    ("2x4x5", "5x3"),
    ("4x5", "3x5x8"),
    ("2x1x4x5", "3x5x4"),
    ("1x3x9x4", "2x1x4x8"),
    ("5", "5x7"),
    ("3x2x5", "5"),
];

/// Operands stored transposed, and a bias: what gradients and layers ask of the op.
const STORED: [&str; 8] = [
    "a=7x5 b=7x9 trans_a",
    "a=33x5 b=10x5 trans_b bias",
    "a=31x65 b=13x31 trans_a trans_b",
    "a=64x36 b=36x20 bias",
    "a=3x9x4 b=3x9x8 trans_a",
    "a=2x40x68 b=2x40x36 trans_a bias",
    "a=2x17x33 b=2x65x17 trans_a trans_b bias",
    // Sums so long that they are added in runs.
    "a=52800x8 b=52800x12 trans_a",
];

/// Few columns, or rows, of many others, which are computed transposed. Too large for PyTorch's frozen results.
const THIN: [&str; 4] =
    ["a=2000x9 b=4x9 trans_b bias", "a=9x1501 b=9x3 trans_a", "a=3x700x12 b=3x12x5 bias", "a=1203x6 b=6x1"];

/// Small products of which there are many, and few numbers of many terms: an invocation of a CPU adapter has a tile, or a run
/// of terms, of its own. Too large for PyTorch's frozen results.
const PACKED: [&str; 8] = [
    "a=150x2x35 b=150x35x9",
    "a=40x17x4 b=40x4x12 bias",
    "a=40x5x20 b=40x7x20 trans_b",
    "a=33x20x4 b=33x20x8 trans_a",
    "a=33x21x4 b=33x6x21 trans_a trans_b",
    "a=10x1643 b=1643x3",
    "a=4678x4 b=4678x5 trans_a",
    "a=7x4000 b=2x4000 trans_b",
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for data in ["integers:3", "real:1"] {
        for [m, k, n] in SIZES {
            lines.push(format!("matmul a={m}x{k} b={k}x{n} data={data}"));
            lines.push(format!("linear input={m}x{k} weight={n}x{k} bias data={data}"));
        }
        lines.extend(STORED.map(|how| format!("matmul {how} data={data}")));
        lines.extend(THIN.map(|how| format!("matmul {how} data={data}")));
        lines.extend(PACKED.map(|how| format!("matmul {how} data={data}")));
        lines.extend(BATCHED.map(|(a, b)| format!("matmul a={a} b={b} data={data}")));
        lines.push(format!("linear input=2x3x6 weight=5x6 data={data}"));
        lines.push(format!("linear input=2x3x6 weight=6 data={data}"));
        lines.push(format!("linear input=6 weight=6 bias data={data}"));
    }
    // More terms than Mesa's llvmpipe has loop iterations for.
    for how in [
        "matmul a=3x300001 b=300001x5",
        "matmul a=300001x3 b=300001x5 trans_a",
        "linear input=2x300000 weight=8x300000 bias",
    ] {
        lines.push(format!("{how} data=late:3"));
    }
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    if op == "matmul" {
        let mut product = product(case, fields)?;
        if let (true, Some(&columns)) = (fields.flag("affine"), product.shape().last()) {
            // What stands behind a product runs in its kernel: a factor for each column, a sum with a number.
            let (factor, shift) = (case.input("factor", &[columns])?, case.input("shift", &[1])?);
            product = product.mul(&factor)?.add(&shift)?;
        }
        return case.output_and_gradients(&product);
    }
    let input = case.input("input", &fields.shape("input")?)?;
    let shape = fields.shape("weight")?;
    let weight = case.input("weight", &shape)?;
    // A weight of one row has a scalar bias.
    let outputs = if shape.len() == 1 { &[] } else { &shape[..shape.len().min(1)] };
    let bias = if fields.flag("bias") { Some(case.input("bias", outputs)?) } else { None };
    let output = input.linear(&weight, bias.as_ref())?;
    case.output_and_gradients(&output)
}

/// `matmul` as users call it; with operands stored transposed or a bias, which only layers ask for, the op.
fn product(case: &mut Case, fields: &Fields<'_>) -> Result<Tensor> {
    let options = MatMul { trans_a: fields.flag("trans_a"), trans_b: fields.flag("trans_b") };
    let (a_shape, b_shape) = (fields.shape("a")?, fields.shape("b")?);
    let (a, b) = (case.input("a", &a_shape)?, case.input("b", &b_shape)?);
    let bias = match fields.flag("bias") {
        true => {
            let sizes = MatMulGeometry::new(&options, &a_shape.into(), &b_shape.into());
            Some(case.input("bias", &[sizes.map_err(|m| Error::op("matmul", "", m))?.n])?)
        }
        false => None,
    };
    if bias.is_none() && options == MatMul::default() {
        return a.matmul(&b);
    }
    let inputs: Vec<&Tensor> = [&a, &b].into_iter().chain(&bias).collect();
    case.graph.apply(Op::MatMul(options), &inputs).map(|mut outputs| outputs.remove(0))
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let [m, k, n] = [size(rng, 140), size(rng, 140), size(rng, 140)];
    let (data, seed) = (pick(rng, &["integers:3", "real:1"]), seed(rng));
    if op == "linear" {
        let mut input = vec![m, k];
        if rng.below(3) == 0 {
            input.insert(0, 1 + rng.below(3));
        }
        let bias = pick(rng, &["", " bias"]);
        return format!("linear input={} weight={n}x{k}{bias} data={data} seed={seed}", sizes(&input));
    }
    let (mut a, mut b) = (vec![m, k], vec![k, n]);
    for _ in 0..rng.below(3) {
        let lead = 1 + rng.below(3);
        for operand in [&mut a, &mut b] {
            operand.insert(0, if rng.below(3) == 0 { 1 } else { lead });
        }
    }
    match rng.below(6) {
        0 => a = vec![k],
        1 => b = vec![k],
        _ => {}
    }
    let affine = pick(rng, &["", " affine"]);
    format!("matmul a={} b={}{affine} data={data} seed={seed}", sizes(&a), sizes(&b))
}
