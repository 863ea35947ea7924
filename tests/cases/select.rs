//! where and sequence_mask: exact.

use super::{Bound, Case, Fill};

const SHAPES: [(&[usize], &[usize], &[usize]); 6] = [
    (&[7], &[7], &[7]),
    (&[4, 1], &[4, 9], &[4, 9]),
    (&[5, 6], &[], &[5, 6]),
    (&[3, 1], &[1, 5], &[]),
    (&[2, 3, 4], &[4], &[3, 1]),
    (&[], &[33], &[1]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (condition, a, b) in SHAPES {
        let mut case = Case::new(format!("where {condition:?} {a:?} {b:?}"), Bound::Exact);
        // As indices, which are no inputs of the gradient; 0, 1 and 2 equal a table of zeros or not.
        let chosen = case.input("chosen", condition, Fill::Indices(2));
        let zeros = case.input("zeros", condition, Fill::Indices(1));
        let a = case.input("a", a, Fill::Integers(9));
        let b = case.input("b", b, Fill::Integers(9));
        let output = chosen.equal(&zeros).and_then(|c| c.select(&a, &b)).expect("shapes that broadcast");
        case.output_and_gradients(&output, Fill::Integers(9)).expect("gradients");
        cases.push(case);
    }
    for (batch, max_length) in [(1, 1), (5, 7), (32, 28), (70, 3)] {
        let mut case = Case::new(format!("sequence_mask {batch} to {max_length}"), Bound::Exact);
        let lengths = case.input("lengths", &[batch], Fill::Indices(max_length as u32 + 2));
        let output = lengths.sequence_mask(max_length).expect("lengths");
        case.output("output", &output);
        cases.push(case);
    }
    cases
}
