//! cross_entropy with every reduction and option.

use super::{Bound, Case, Fill};
use wgrad::ops::{CrossEntropy, Reduction};

const SHAPES: [&[usize]; 5] = [&[64, 10], &[1, 2], &[3, 1000], &[2, 5, 7], &[2, 3, 4, 5]];

pub fn cases() -> Vec<Case> {
    let options = [
        CrossEntropy::default(),
        CrossEntropy { label_smoothing: 0.1, ..CrossEntropy::default() },
        CrossEntropy { ignore_index: Some(1), ..CrossEntropy::default() },
        CrossEntropy { ignore_index: Some(0), label_smoothing: 0.2 },
    ];
    let mut cases = Vec::new();
    for shape in SHAPES {
        for option in options {
            for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
                cases.push(case(shape, option, reduction));
            }
        }
    }
    cases
}

fn case(shape: &[usize], options: CrossEntropy, reduction: Reduction) -> Case {
    let bound = Bound::Within { relative: 1e-5, absolute: 4e-6 };
    let mut case = Case::new(format!("cross_entropy {shape:?} {options} {reduction:?}"), bound);
    let logits = case.input("logits", shape, Fill::Real(4.0));
    let rows: Vec<usize> = shape.iter().enumerate().filter(|(d, _)| *d != 1).map(|(_, &s)| s).collect();
    // One more than there are classes: such a target matches none.
    let target = case.input("target", &rows, Fill::Indices(shape[1] as u32 + 1));
    let loss = logits.cross_entropy(&target, options, reduction).expect("shapes that fit");
    case.output_and_gradients(&loss, Fill::Real(1.0)).expect("gradients");
    case
}
