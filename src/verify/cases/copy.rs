//! concat, split, unbind, narrow and permute: exact.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape, size};
use crate::error::Result;
use crate::graph::Tensor;
use crate::random::Rng;
use crate::verify::{Fill, Kink};

pub(super) const OPS: &[&str] = &["concat", "narrow", "split", "permute", "transpose", "movedim", "unbind"];

/// Whole vec4s on both sides and not, along outer and inner dimensions. `sizes` are the parts' along `dim`. With `relu`
/// what was taken is read by another op, so that it need not be copied where it can be bound where it lies.
const TABLE: [&str; 47] = [
    "concat input=8 dim=0 sizes=3,5",
    "concat input=7x3 dim=0 sizes=2,1,4",
    "concat input=2x8 dim=1 sizes=3,5",
    "concat input=4x24 dim=1 sizes=8,16",
    "concat input=2x6x4 dim=1 sizes=3,1,2",
    "concat input=28x32x128 dim=0 sizes=1,27",
    "narrow input=7 dim=0 start=2 length=3",
    "narrow input=7 dim=0 start=0 length=7",
    "narrow input=4x16 dim=1 start=4 length=8",
    "narrow input=5x6x7 dim=1 start=1 length=3",
    "narrow input=5x8x4 dim=0 start=4 length=1",
    "narrow input=33x3 dim=1 start=2 length=1",
    "narrow input=5x64x4 dim=0 start=2 length=2 relu",
    "narrow input=1x6x3 dim=1 start=1 length=4 relu",
    "split input=7 dim=0 sizes=1,4,2",
    "split input=6x64 dim=0 sizes=2,1,3 relu",
    "split input=9x5 dim=0 sizes=4,5 relu",
    "split input=5x12 dim=1 sizes=4,4,4",
    "split input=3x4x5 dim=1 sizes=1,3",
    "split input=28x4x9 dim=0 sizes=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "permute input=5 dims=0",
    "permute input=5x7 dims=1,0",
    "permute input=32x28x28 dims=1,0,2",
    "permute input=3x4x5 dims=1,0,2",
    "permute input=3x4x5 dims=2,0,1",
    "permute input=3x4x5 dims=2,1,0",
    "permute input=2x3x4x5 dims=0,2,1,3",
    "permute input=2x1x4x1 dims=3,2,1,0",
    // Four numbers at a time: of one dimension, of two, of three.
    "permute input=132x100 dims=1,0",
    "permute input=35x40x12 dims=2,0,1",
    "permute input=40x9x35 dims=2,1,0",
    "permute input=12x5x7x33 dims=3,2,1,0",
    "narrow input=5x6x7 dim=-2 start=1 length=3",
    "split input=3x4x5 dim=-1 sizes=1,4",
    "unbind input=3x4x5 dim=-2",
    "transpose input=3x4x5 a=0 b=-1",
    "transpose input=3x4x5 a=1 b=1",
    "transpose input=scalar a=0 b=-1",
    "movedim input=3x4x5x2 source=0 destination=-2",
    "movedim input=3x4x5x2 source=-1 destination=1",
    "movedim input=3x4x5x2 source=3,0 destination=0,2",
    "movedim input=3x4x5x2 source=0,1,-1 destination=-1,0,1",
    "movedim input=scalar source=0 destination=-1",
    "unbind input=4x6 dim=1 u32",
    "unbind input=5 dim=0",
    "unbind input=4x6 dim=1",
    "unbind input=3x4x5 dim=0",
];

pub(super) fn lines() -> Vec<String> {
    TABLE.iter().map(|text| format!("{text} data=integers:9")).collect()
}

/// Inputs that lie one after the other along `dim`.
fn concat(case: &mut Case, fields: &Fields<'_>, shape: &[usize], dim: usize) -> Result<Tensor> {
    let mut parts = Vec::new();
    for (number, length) in fields.list("sizes")?.into_iter().enumerate() {
        let mut shape = shape.to_vec();
        shape.iter_mut().skip(dim).take(1).for_each(|size| *size = length);
        parts.push(case.input(&format!("part{number}"), &shape)?);
    }
    Tensor::concat(&parts.iter().collect::<Vec<_>>(), dim)
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("input")?;
    if op == "concat" {
        let output = concat(case, fields, &shape, fields.number("dim")?)?;
        return case.output_and_gradients(&output);
    }
    if fields.flag("u32") && op == "unbind" {
        // Indices are copied as they are.
        let tokens = case.input_filled("input", &shape, Fill::Indices(1 << 30))?;
        case.output("output", &Tensor::stack(&tokens.unbind(fields.dim("dim")?)?, 0)?);
        return Ok(());
    }
    let relu = fields.flag("relu");
    if relu {
        case.kink = Kink::Zero;
    }
    let then = |part: &Tensor| if relu { part.relu() } else { Ok(part.clone()) };
    let input = case.input("input", &shape)?;
    let output = match op {
        "narrow" => {
            then(&input.narrow(fields.dim("dim")?, fields.number("start")?, fields.number("length")?)?)?
        }
        "permute" => input.permute(&fields.list("dims")?)?,
        "transpose" => input.transpose(fields.dim("a")?, fields.dim("b")?)?,
        "movedim" => input.movedim(fields.dims("source")?, fields.dims("destination")?)?,
        "unbind" => Tensor::stack(&input.unbind(fields.dim("dim")?)?, 0)?,
        _ => {
            let dim = fields.dim("dim")?;
            let parts = input.split(dim, &fields.list("sizes")?)?;
            let parts = parts.iter().map(then).collect::<Result<Vec<_>>>()?;
            for (number, part) in parts.iter().enumerate() {
                case.output(&format!("part {number}"), part);
            }
            // The last part takes no error, so that the rule must fill in zeros.
            let used = &parts[..parts.len().saturating_sub(1).max(1)];
            Tensor::concat(&used.iter().collect::<Vec<_>>(), dim)?
        }
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 5000);
    let dim = rng.below(input.len());
    let how = match op {
        "narrow" => {
            let start = rng.below(input[dim]);
            format!("dim={dim} start={start} length={}", size(rng, input[dim] - start))
        }
        "permute" => {
            let mut dims: Vec<String> = (0..input.len()).map(|d| d.to_string()).collect();
            rng.shuffle(&mut dims);
            format!("dims={}", dims.join(","))
        }
        "transpose" => format!("a={dim} b={}", rng.below(input.len())),
        "movedim" => {
            let mut orders = [(); 2].map(|()| (0..input.len()).map(|d| d.to_string()).collect::<Vec<_>>());
            orders.iter_mut().for_each(|order| rng.shuffle(order));
            let [source, destination] = orders.map(|order| order[..=dim].join(","));
            format!("source={source} destination={destination}")
        }
        "unbind" => format!("dim={dim}{}", pick(rng, &["", " u32"])),
        _ if input[dim] == 1 => format!("dim={dim} sizes=1"),
        _ => {
            let first = size(rng, input[dim] - 1);
            format!("dim={dim} sizes={first},{}", input[dim] - first)
        }
    };
    format!("{op} input={} {how} data=integers:9 seed={}", sizes(&input), seed(rng))
}
