//! Elements by index along a dimension, their sums, their order, and what is made of these.

use super::super::case::Kink;
use super::super::line::{Fields, sizes};
use super::{Case, Fill, pick, seed, shape, size};
use crate::error::Result;
use crate::random::Rng;
use crate::tensor::HostTensor;

pub(super) const OPS: &[&str] = &[
    "gather",
    "scatter",
    "scatter_add",
    "index_select_by",
    "argsort",
    "sort",
    "topk",
    "max_dim",
    "min_dim",
    "one_hot",
    "masked_fill",
];

/// Along the first, a middle and the last dimension; more indices than elements, and fewer.
const BY_INDEX: [&str; 7] = [
    "input=5 dim=0 count=9",
    "input=7x3 dim=0 count=2",
    "input=4x9 dim=1 count=1",
    "input=3x5x4 dim=1 count=40",
    "input=70x9 dim=-1 count=33",
    "input=2x70x33 dim=1 count=35",
    "input=1 dim=0 count=1",
];

const ORDERED: [&str; 6] = ["1 dim=0", "7 dim=0", "5x64 dim=1", "9x4 dim=0", "2x33x3 dim=1", "3x200 dim=-1"];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in BY_INDEX {
        lines.push(format!("gather {shape} data=integers:9"));
        lines.push(format!("scatter {shape} data=integers:9"));
        lines.push(format!("scatter_add {shape} data=integers:9"));
    }
    lines.push("scatter_add input=3x5x4 dim=1 count=40 data=real:1".into());
    for shape in ["input=7x3 dim=0 count=4", "input=3x40x4 dim=1 count=33", "input=70x44 dim=-1 count=35"] {
        lines.extend(["integers:3", "real:1"].map(|data| format!("scatter {shape} unique data={data}")));
    }
    // Indices smaller than what they point into.
    for shape in [
        "input=6x5x4 dim=1 count=7 index=4x7x3",
        "input=5x8 dim=0 count=3 index=3x2",
        "input=scalar dim=0 count=1",
    ] {
        lines.push(format!("gather {shape} data=integers:9"));
        lines.push(format!("scatter_add {shape} data=integers:9"));
    }
    for shape in [
        "input=5x6x4 dim=0 count=9",
        "input=5x6x4 dim=1 count=2",
        "input=5x6x4 dim=-1 count=7",
        "input=6 dim=0 count=4",
    ] {
        lines.push(format!("index_select_by {shape} data=integers:9"));
    }
    // More indices than Mesa's llvmpipe has loop iterations for.
    lines.push("scatter input=2x3 dim=1 count=70001 data=late:3".into());
    lines.push("scatter_add input=2x3 dim=1 count=70001 data=late:3".into());
    for shape in ORDERED {
        for data in ["integers:3", "real:1", "masked", "edges"] {
            for op in ["argsort", "sort"] {
                lines.push(format!("{op} input={shape} data={data}"));
                lines.push(format!("{op} input={shape} descending data={data}"));
            }
            lines.push(format!("max_dim input={shape} data={data}"));
            lines.push(format!("min_dim input={shape} data={data}"));
        }
    }
    for (shape, k) in [("7 dim=0", 7), ("5x64 dim=1", 5), ("9x4 dim=0", 2), ("2x33x3 dim=1", 1)] {
        lines.push(format!("topk input={shape} k={k} data=integers:3"));
        lines.push(format!("topk input={shape} k={k} smallest data=real:1"));
    }
    lines.push("sort input=2x1024 dim=1 data=integers:3".into());
    lines.push("max_dim input=scalar dim=0 data=integers:3".into());
    lines.push("one_hot indices=7 classes=3 data=integers:3".into());
    lines.push("one_hot indices=2x5 classes=10 data=integers:3".into());
    lines.push("masked_fill input=4x9 mask=9 value=-0.5 data=integers:3".into());
    lines.push("masked_fill input=3x4x5 mask=4x1 value=7 data=real:1".into());
    lines
}

/// An input's shape with another size along the line's dimension.
fn resized(shape: &[usize], fields: &Fields<'_>, count: usize) -> Result<Vec<usize>> {
    let mut shape = shape.to_vec();
    let dim: i64 = fields.number("dim")?;
    let at = if dim < 0 { shape.len() as i64 + dim } else { dim };
    shape.iter_mut().skip(at.max(0) as usize).take(1).for_each(|size| *size = count);
    Ok(shape)
}

/// With indices one beyond the last: such a one shows 0 and adds nothing.
fn by_index(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("input")?;
    let (dim, pointing) = (fields.dim("dim")?, resized(&shape, fields, fields.number("count")?)?);
    // Sizes agree but for that of the dimension.
    let others = pointing.iter().product::<usize>() / fields.number::<usize>("count")?.max(1);
    let length = shape.iter().product::<usize>() / others.max(1);
    let beyond = Fill::Indices(length as u32 + 1);
    let input = case.input("input", &shape)?;
    if op == "index_select_by" {
        let index = case.input_filled("index", &[fields.number("count")?], beyond)?;
        let output = input.index_select_by(dim, &index)?;
        return case.output_and_gradients(&output);
    }
    let smaller = if fields.flag("index") { fields.shape("index")? } else { pointing.clone() };
    if op == "gather" {
        let index = case.input_filled("index", &smaller, beyond)?;
        let output = input.gather(dim, &index)?;
        return case.output_and_gradients(&output);
    }
    if op == "scatter" && fields.flag("unique") {
        // Of several sources in one position each has the whole gradient: here no two are in one.
        let count: usize = fields.number("count")?;
        let source = case.input("source", &pointing)?;
        let inner = others
            / shape.iter().zip(&pointing).take_while(|(a, b)| a == b).map(|(a, _)| a).product::<usize>();
        let position = |at: usize| ((3 * (at / inner % count) + 1) % length) as u32;
        let index = HostTensor::from_u32(pointing.clone(), (0..others * count).map(position).collect())?;
        let output = input.scatter(dim, &case.graph.constant(index)?, &source)?;
        return case.output_and_gradients(&output);
    }
    if op == "scatter" {
        // 0 and 1, as indices: which of those of one position has its error is not looked at.
        let chosen = case.input_filled("chosen", &pointing, Fill::Indices(2))?;
        let zeros = case.input_filled("zeros", &pointing, Fill::Indices(1))?;
        let index = case.input_filled("index", &pointing, beyond)?;
        let output = input.scatter(dim, &index, &chosen.equal(&zeros)?)?;
        return case.output_and_gradients(&output);
    }
    let source = case.input("source", &pointing)?;
    let index = case.input_filled("index", &smaller, beyond)?;
    let output = input.scatter_add(dim, &index, &source)?;
    case.output_and_gradients(&output)
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    match op {
        "gather" | "scatter" | "scatter_add" | "index_select_by" => return by_index(op, case, fields),
        "one_hot" => {
            let classes: usize = fields.number("classes")?;
            let beyond = Fill::Indices(classes as u32 + 1);
            let indices = case.input_filled("indices", &fields.shape("indices")?, beyond)?;
            case.output("output", &indices.one_hot(classes)?);
            return Ok(());
        }
        "masked_fill" => {
            let input = case.input("input", &fields.shape("input")?)?;
            let shape = fields.shape("mask")?;
            // 0 and 1, as indices, which are no inputs of the gradient.
            let chosen = case.input_filled("chosen", &shape, Fill::Indices(2))?;
            let zeros = case.input_filled("zeros", &shape, Fill::Indices(1))?;
            let output = input.masked_fill(&chosen.equal(&zeros)?, fields.number("value")?)?;
            return case.output_and_gradients(&output);
        }
        // All others put elements in order.
        _ => case.kink = Kink::Ties,
    }
    let input = case.input("input", &fields.shape("input")?)?;
    let dim = fields.dim("dim")?;
    let (values, indices) = match op {
        "argsort" => {
            case.output("output", &input.argsort(dim, fields.flag("descending"))?);
            return Ok(());
        }
        "max_dim" => input.max_dim(dim)?,
        "min_dim" => input.min_dim(dim)?,
        "topk" => input.topk(fields.number("k")?, dim, !fields.flag("smallest"))?,
        _ => input.sort(dim, fields.flag("descending"))?,
    };
    case.output_and_gradients(&values)?;
    case.output("indices", &indices);
    Ok(())
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 3000);
    let dim = rng.below(input.len());
    let how = match op {
        "gather" | "scatter" | "scatter_add" | "index_select_by" => {
            format!(" dim={dim} count={}", size(rng, 60))
        }
        "topk" => format!(" dim={dim} k={}", 1 + rng.below(input[dim])),
        "one_hot" => {
            return format!("one_hot indices={} classes={} seed={}", sizes(&input), size(rng, 20), seed(rng));
        }
        "masked_fill" => format!(" mask={} value=3", input[input.len() - 1]),
        "argsort" | "sort" => format!(" dim={dim}{}", pick(rng, &["", " descending"])),
        _ => format!(" dim={dim}"),
    };
    format!("{op} input={}{how} data=integers:3 seed={}", sizes(&input), seed(rng))
}
