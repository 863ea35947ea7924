//! Products of vectors, matrices and batches, einsum, and functions of a tensor and a number.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape, size};
use crate::error::{Error, Result};
use crate::functions::Elementwise;
use crate::graph::Tensor;
use crate::random::Rng;
use crate::verify::Kink;

pub(super) const OPS: &[&str] =
    &["bmm", "mm", "mv", "dot", "outer", "einsum", "rsub", "rdiv", "rpow", "beside"];

const PRODUCTS: [&str; 9] = [
    "bmm a=3x4x5 b=3x5x7",
    "bmm a=1x1x6 b=1x6x1",
    "mm a=5x7 b=7x6",
    "mv a=6x9 b=9",
    "mv a=1x300 b=300",
    "dot a=13 b=13",
    "dot a=1 b=1",
    "outer a=5 b=7",
    "outer a=1 b=9",
];

/// Letters in the order of products and in others, on their own, repeated, broadcast, of one operand; ellipses.
const EINSUM: [&str; 31] = [
    "ij,jk->ik a=5x4 b=4x6",
    "ij,jk a=5x4 b=4x6",
    "ji,jk->ik a=4x5 b=4x6",
    "ij,kj->ik a=5x4 b=6x4",
    "ji,kj->ki a=4x5 b=6x4",
    "bij,bjk->bik a=2x3x4 b=2x4x5",
    "bji,bkj->bik a=2x4x3 b=2x5x4",
    "bij,bjk->ik a=2x3x4 b=2x4x5",
    "ijb,bjk->kbi a=3x4x2 b=2x4x5",
    "bhid,bhjd->bhij a=2x2x3x4 b=2x2x5x4",
    "i,j->ij a=3 b=5",
    "i,i-> a=7 b=7",
    "i,i->i a=7 b=7",
    "ij,ij->i a=3x5 b=3x5",
    "ij,j->i a=3x5 b=5",
    "ij,k->j a=3x5 b=4",
    "ii,ij->j a=4x4 b=4x5",
    "iij,jk->ik a=3x3x4 b=4x2",
    "bij,bjk->bik a=1x3x4 b=5x4x2",
    "ij,jk->ik a=3x1 b=4x5",
    "...ij,...jk->...ik a=3x1x2x4 b=2x4x5",
    "...ij,jk a=2x2x3x4 b=4x5",
    "...,...->... a=3x1 b=4",
    "i...,ij->j... a=3x2x2 b=3x4",
    "ij->ji a=3x5",
    "ij->j a=3x5",
    "ii->i a=4x4",
    "ii a=4x4",
    "bij->b a=2x3x4",
    "...ij->...ji a=2x3x4",
    "...i->i a=2x3x4",
];

const NUMBERS: [&str; 23] = [
    "rsub input=3x4x5 number=1.5",
    "rdiv input=3x8 number=-2",
    "rpow input=3x8 number=2.5",
    "beside input=4x8 function=add number=1.5",
    "beside input=4x8 function=sub number=0.75",
    "beside input=4x8 function=mul number=-1.5",
    "beside input=4x8 function=div number=3",
    "beside input=4x8 function=pow number=2",
    "beside input=4x9 function=maximum number=0.5",
    "beside input=4x9 function=minimum number=-0.5",
    "beside input=4x9 function=atan2 number=0.5",
    "beside input=4x9 function=eq number=1",
    "beside input=4x9 function=ne number=1",
    "beside input=4x9 function=lt number=0.5",
    "beside input=4x9 function=le number=1",
    "beside input=4x9 function=gt number=0.5",
    "beside input=4x9 function=ge number=0.5",
    "beside input=4x9 function=lerp number=2",
    "beside input=4x9 function=clamp number=0.5",
    "beside input=4x9 function=where number=-2",
    "beside input=4x9 function=minimum number=inf",
    "beside input=4x9 function=maximum number=-inf",
    "beside input=4x9 function=logical_and number=2",
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for data in ["integers:3", "real:1"] {
        lines.extend(PRODUCTS.map(|text| format!("{text} data={data}")));
        lines.extend(EINSUM.map(|text| format!("einsum equation={text} data={data}")));
        lines.extend(NUMBERS.map(|text| format!("{text} data={data}")));
    }
    // More terms than Mesa's llvmpipe has loop iterations for.
    lines.push("dot a=140001 b=140001 data=late:3".into());
    lines.push("einsum equation=ki,k->i a=140001x3 b=140001 data=late:3".into());
    lines
}

fn beside(x: &Tensor, function: &str, number: f32) -> Result<Tensor> {
    match function {
        "add" => x.add(number),
        "sub" => x.sub(number),
        "mul" => x.mul(f64::from(number)),
        "div" => x.div(number),
        "pow" => x.pow(number),
        "maximum" => x.maximum(number),
        "minimum" => x.minimum(number),
        "atan2" => x.atan2(number),
        "eq" => x.eq(number),
        "ne" => x.ne(number),
        "lt" => x.lt(number),
        "le" => x.le(number),
        "gt" => x.gt(number),
        "ge" => x.ge(number),
        "lerp" => x.lerp(number, 0.25),
        "clamp" => x.clamp_tensor(-9.0, number),
        "logical_and" => x.logical_and(number),
        // A number on either side, and on both.
        "where" => x.gt(0.0)?.select(x, number)?.mul(x.lt(0.0)?.select(number, 0.5)?),
        _ => Err(Error::argument("function", "a function of a case", function)),
    }
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    if OPS[..6].contains(&op) {
        let a = case.input("a", &fields.shape("a")?)?;
        let b = if fields.flag("b") { Some(case.input("b", &fields.shape("b")?)?) } else { None };
        let other = b.as_ref().unwrap_or(&a);
        let output = match op {
            "bmm" => a.bmm(other)?,
            "mm" => a.mm(other)?,
            "mv" => a.mv(other)?,
            "dot" => a.dot(other)?,
            "outer" => a.outer(other)?,
            _ => {
                let operands: Vec<&Tensor> = [&a].into_iter().chain(&b).collect();
                Tensor::einsum(fields.text("equation").unwrap_or_default(), &operands)?
            }
        };
        return case.output_and_gradients(&output);
    }
    let (shape, number): (_, f32) = (fields.shape("input")?, fields.number("number")?);
    let function = fields.text("function").unwrap_or_default();
    case.kink = match function {
        "where" => Kink::Function(Elementwise::relu()),
        "maximum" | "minimum" | "clamp" | "eq" | "ne" | "lt" | "le" | "gt" | "ge" if number.is_finite() => {
            Kink::Function(Elementwise::clamp_min(number))
        }
        "logical_and" => Kink::Function(Elementwise::relu()),
        _ => Kink::None,
    };
    let input = match op {
        "rdiv" => case.input_of("input", &shape, Values::Beyond(0.5, case.fill()))?,
        _ => case.input("input", &shape)?,
    };
    let output = match op {
        "rsub" => input.rsub(number)?,
        "rdiv" => input.rdiv(number)?,
        "rpow" => input.rpow(number)?,
        _ => beside(&input, function, number)?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let [b, m, k, n] = [size(rng, 5), size(rng, 30), size(rng, 30), size(rng, 30)];
    // What is summed out of few whole numbers may be 0, and with it the whole result.
    let data = if op == "einsum" { "real:1" } else { pick(rng, &["integers:3", "real:1"]) };
    let seed = seed(rng);
    let how = match op {
        "bmm" => format!("a={b}x{m}x{k} b={b}x{k}x{n}"),
        "mm" => format!("a={m}x{k} b={k}x{n}"),
        "mv" => format!("a={m}x{k} b={k}"),
        "dot" => format!("a={k} b={k}"),
        "outer" => format!("a={m} b={n}"),
        "einsum" => match rng.below(5) {
            0 => format!(
                "equation=bij,kjb->{} a={b}x{m}x{k} b={n}x{k}x{b}",
                pick(rng, &["bik", "kib", "ki", "b"])
            ),
            1 => format!("equation=iij,jk->{} a={b}x{b}x{k} b={k}x{n}", pick(rng, &["ik", "ki", "k", "ikj"])),
            2 => format!(
                "equation=i...j,...jk->{} a={m}x{b}x{k} b={k}x{n}",
                pick(rng, &["i...k", "...ki", "k"])
            ),
            3 => format!("equation=ij,k->{} a={m}x{k} b={n}", pick(rng, &["ijk", "kj", "k", "ij"])),
            _ => format!("equation=bij->{} a={b}x{m}x{k}", pick(rng, &["jib", "ij", "b", "jb"])),
        },
        "beside" => {
            let function = pick(rng, &["add", "sub", "mul", "where", "clamp"]);
            format!("input={} function={function} number=1.5", sizes(&shape(rng, 4, 3000)))
        }
        _ => format!("input={} number=1.5", sizes(&shape(rng, 4, 3000))),
    };
    format!("{op} {how} data={data} seed={seed}")
}
