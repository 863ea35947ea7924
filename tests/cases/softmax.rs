//! softmax and log_softmax.

use super::{Bound, Case, Fill};

const SHAPES: [(&[usize], usize); 7] = [
    (&[64, 10], 1),
    (&[64, 10], 0),
    (&[5], 0),
    (&[2, 3, 4], 1),
    (&[3, 1000], 1),
    (&[2, 130, 9], 1),
    (&[3, 1], 1),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, dim) in SHAPES {
        for log in [false, true] {
            for range in [3.0, 60.0] {
                let name = if log { "log_softmax" } else { "softmax" };
                let bound = Bound::Within { relative: 1e-5, absolute: 8e-6 };
                let mut case = Case::new(format!("{name} {shape:?} along {dim}, inputs to {range}"), bound);
                let input = case.input("input", shape, Fill::Real(range));
                let output = if log { input.log_softmax(dim) } else { input.softmax(dim) };
                let output = output.expect("a dimension that exists");
                case.output_and_gradients(&output, Fill::Real(1.0)).expect("gradients");
                cases.push(case);
            }
        }
    }
    cases
}
