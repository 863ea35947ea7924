//! Convolutions: the edge cases of `conv_edge_cases.csv`, with exact integers.

use super::{Bound, Case, Fill};
use wgrad::ops::Conv2d;
use wgrad::shape::Padding;
use wgrad::{Graph, Result, Tensor};

const TABLE: &str = include_str!("conv_edge_cases.csv");

/// One line of the table.
pub struct Line {
    pub tag: String,
    pub input: [usize; 4],
    pub weight: [usize; 4],
    pub options: Conv2d,
    pub valid: bool,
}

/// The table.
pub fn lines() -> Vec<Line> {
    TABLE.lines().skip(1).map(line).collect()
}

fn line(text: &str) -> Line {
    let mut fields = text.split(',');
    let tag = fields.next().expect("a tag").to_owned();
    let numbers: Vec<usize> = fields.map(|f| f.trim().parse().expect("a number")).collect();
    let &[n, c, h, w, k, r, s, stride_h, stride_w, top, bottom, left, right, dil_h, dil_w, groups, valid] =
        &numbers[..]
    else {
        panic!("{tag}: {} numbers", numbers.len())
    };
    let options = Conv2d {
        stride: (stride_h, stride_w).into(),
        padding: Padding { top, bottom, left, right },
        dilation: (dil_h, dil_w).into(),
        groups,
    };
    let c_group = c.checked_div(groups).unwrap_or(1);
    Line { tag, input: [n, c, h, w], weight: [k, c_group, r, s], options, valid: valid == 1 }
}

/// The graph of a line that must be refused.
pub fn build(line: &Line) -> Result<Tensor> {
    let graph = Graph::new();
    let input = graph.input("input", line.input)?;
    let weight = graph.input("weight", line.weight)?;
    input.conv2d(&weight, None, line.options)
}

pub fn cases() -> Vec<Case> {
    lines().iter().filter(|l| l.valid).map(case).collect()
}

fn case(line: &Line) -> Case {
    let mut case = Case::new(format!("conv2d {}", line.tag), Bound::Exact);
    let outputs: usize = line.input.iter().product::<usize>() * line.weight[0];
    case.huge = outputs > 10_000_000;
    // Small enough that the longest sum, over the largest image, stays exact.
    let fill = Fill::Integers(if case.huge { 1 } else { 3 });
    let input = case.input("input", &line.input, fill);
    let weight = case.input("weight", &line.weight, fill);
    let bias = case.input("bias", &[line.weight[0]], Fill::Integers(5));
    let output = input.conv2d(&weight, Some(&bias), line.options).expect("a valid line");
    case.output_and_gradients(&output, fill).expect("gradients of every valid forward");
    case
}
