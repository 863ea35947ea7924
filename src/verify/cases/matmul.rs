//! Matrix products and linear layers.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, size};
use crate::error::Result;
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["matmul", "linear"];

/// Rows, terms, columns: ragged in each, and large enough for every tile.
const SIZES: [[usize; 3]; 12] = [
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

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for data in ["integers:3", "real:1"] {
        for [m, k, n] in SIZES {
            lines.push(format!("matmul a={m}x{k} b={k}x{n} data={data}"));
            lines.push(format!("linear input={m}x{k} weight={n}x{k} bias data={data}"));
        }
        lines.extend(BATCHED.map(|(a, b)| format!("matmul a={a} b={b} data={data}")));
        lines.push(format!("linear input=2x3x6 weight=5x6 data={data}"));
    }
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    if op == "matmul" {
        let a = case.input("a", &fields.shape("a")?)?;
        let b = case.input("b", &fields.shape("b")?)?;
        let product = a.matmul(&b)?;
        return case.output_and_gradients(&product);
    }
    let input = case.input("input", &fields.shape("input")?)?;
    let shape = fields.shape("weight")?;
    let weight = case.input("weight", &shape)?;
    let outputs = shape.first().copied().unwrap_or(1);
    let bias = if fields.flag("bias") { Some(case.input("bias", &[outputs])?) } else { None };
    let output = input.linear(&weight, bias.as_ref())?;
    case.output_and_gradients(&output)
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
    format!("matmul a={} b={} data={data} seed={seed}", sizes(&a), sizes(&b))
}
