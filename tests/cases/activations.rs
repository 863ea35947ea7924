//! Element-wise functions of one tensor.

use super::{Bound, Case, Fill, Kink};
use wgrad::ops::Unary;

/// Each function with the bound of its values and its derivative.
const FUNCTIONS: [(Unary, Bound); 8] = [
    (Unary::Relu, Bound::Exact),
    (Unary::LeakyRelu { negative_slope: 0.25 }, Bound::Exact),
    (Unary::Elu { alpha: 1.5 }, Bound::Within { relative: 1e-6, absolute: 1e-7 }),
    (Unary::Gelu, Bound::Within { relative: 2e-6, absolute: 1e-6 }),
    (Unary::GeluTanh, Bound::Within { relative: 4e-6, absolute: 2e-6 }),
    (Unary::Sigmoid, Bound::Within { relative: 4e-6, absolute: 1e-37 }),
    (Unary::Tanh, Bound::Within { relative: 5e-7, absolute: 2e-7 }),
    (Unary::Scale { factor: -0.5 }, Bound::Exact),
];

/// Whole and ragged vec4s, one workgroup and several.
const SHAPES: [&[usize]; 5] = [&[1], &[7], &[4, 64], &[3, 5, 11, 13], &[2, 8, 33, 31]];

/// Derivatives taken from the saved output y: an error of y of one unit in the last place near 1 stays in
/// 1 - y as an absolute one, times the error of at most 3.
fn gradient_bound(function: Unary) -> Option<Bound> {
    match function {
        Unary::Sigmoid => Some(Bound::Within { relative: 4e-6, absolute: 6e-7 }),
        Unary::Tanh => Some(Bound::Within { relative: 4e-6, absolute: 1.5e-6 }),
        _ => None,
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (function, bound) in FUNCTIONS {
        for shape in SHAPES {
            let mut case = Case::new(format!("{} {shape:?}", function.name()), bound);
            let input = case.input("input", shape, Fill::Real(6.0));
            case.gradient_bound = gradient_bound(function);
            case.kink = Kink::Zero;
            let output = input.unary(function).expect("an f32 tensor");
            case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
            cases.push(case);
        }
        cases.push(special(function, bound));
    }
    cases
}

/// Kinks, zeros of both signs, tiny and huge arguments.
fn special(function: Unary, bound: Bound) -> Case {
    let values = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 1.0, -1.0, 20.0, -20.0, 80.0, -80.0, 1e4, -1e4];
    let mut case = Case::new(format!("{} special values", function.name()), bound);
    let input = case.input("input", &[values.len()], Fill::Real(1.0));
    case.set(&input, values.to_vec());
    case.gradient_bound = gradient_bound(function);
    case.kink = Kink::Zero;
    let output = input.unary(function).expect("an f32 tensor");
    case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
    case
}
