//! Sums and positions of maxima.

use super::{Bound, Case, Fill};

const SUMS: [(&[usize], &[usize]); 18] = [
    (&[1], &[0]),
    (&[7], &[0]),
    (&[1000], &[0]),
    (&[100_000], &[0]),
    (&[64, 10], &[0]),
    (&[64, 10], &[1]),
    (&[64, 10], &[0, 1]),
    (&[8, 16, 7, 7], &[0, 2, 3]),
    (&[64, 32, 14, 14], &[0, 2, 3]),
    (&[3, 5, 7, 11], &[0, 2]),
    (&[3, 5, 7, 11], &[1, 3]),
    (&[3, 5, 7, 11], &[1, 2]),
    (&[2, 300, 257], &[1]),
    (&[5, 32], &[0]),
    (&[28, 32, 512], &[0, 1]),
    (&[65, 36], &[0]),
    (&[300, 3, 100], &[0]),
    (&[2, 3, 70_000], &[2]),
];

const ARGMAX: [(&[usize], usize); 6] =
    [(&[64, 10], 1), (&[64, 10], 0), (&[5], 0), (&[2, 3, 4], 1), (&[1, 1000], 1), (&[3, 1], 1)];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, dims) in SUMS {
        let mut case = Case::new(format!("sum {shape:?} over {dims:?}"), Bound::Exact);
        let input = case.input("input", shape, Fill::Integers(3));
        let output = input.sum(dims, false).expect("dimensions that exist");
        case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
        cases.push(case);
    }
    let mut case = Case::new("sum keepdim", Bound::Exact);
    let input = case.input("input", &[4, 5, 6], Fill::Integers(3));
    let output = input.sum(&[2, 0], true).expect("dimensions that exist");
    case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
    cases.push(case);
    for (shape, dim) in ARGMAX {
        // Few distinct integers: many ties.
        let mut case = Case::new(format!("argmax {shape:?} along {dim}"), Bound::Exact);
        let input = case.input("input", shape, Fill::Integers(3));
        let output = input.argmax(dim).expect("a dimension that exists");
        case.output("output", &output);
        cases.push(case);
    }
    cases
}
