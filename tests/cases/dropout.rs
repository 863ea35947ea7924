//! dropout draws the same bits everywhere: exact.

use super::{Bound, Case, Fill};
use wgrad::ops::{Dropout, Op};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [&[1][..], &[7], &[33, 31], &[4, 5, 600]] {
        for (p, seed) in [(0.5, 0), (0.1, 7), (0.9, u32::MAX), (0.0, 1)] {
            let mut case = Case::new(format!("dropout {shape:?} p {p} seed {seed}"), Bound::Exact);
            let input = case.input("input", shape, Fill::Real(1.0));
            let counter = case.input("counter", &[], Fill::Indices(1 << 30));
            let op = Op::Dropout(Dropout { p, seed });
            let output = case.graph.apply(op, &[&input, &counter]).expect("a tensor and a counter").remove(0);
            case.output_and_gradients(&output, Fill::Real(1.0)).expect("gradients");
            cases.push(case);
        }
    }
    cases
}
