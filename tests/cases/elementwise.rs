//! Functions of two tensors with broadcasting, comparison and repetition.

use super::{Bound, Case, Fill, Kink};
use wgrad::ops::{Binary, Op};

const SHAPES: [(&[usize], &[usize]); 9] = [
    (&[5], &[5]),
    (&[4, 64], &[4, 64]),
    (&[3, 7], &[7]),
    (&[7], &[3, 7]),
    (&[2, 3, 4, 5], &[3, 1, 1]),
    (&[2, 1, 4, 1], &[1, 3, 1, 5]),
    (&[6], &[]),
    (&[], &[]),
    (&[33, 31], &[33, 1]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div] {
        for (a, b) in SHAPES {
            let bound = match function {
                Binary::Add | Binary::Sub | Binary::Mul => Bound::Exact,
                Binary::Div => Bound::Within { relative: 3e-6, absolute: 3e-6 },
            };
            let mut case = Case::new(format!("{} {a:?} {b:?}", function.name()), bound);
            let left = case.input("a", a, Fill::Integers(3));
            let right = case.input("b", b, Fill::Integers(3));
            if function == Binary::Div {
                let count = b.iter().product::<usize>();
                case.set(&right, (0..count).map(|i| 1.0 + (i % 5) as f32 * 0.75).collect());
            }
            let output =
                left.graph().apply(Op::Binary(function), &[&left, &right]).expect("shapes that broadcast");
            case.output_and_gradients(&output[0], Fill::Integers(3)).expect("gradients");
            cases.push(case);
        }
    }
    for (from, to) in
        [(&[][..], &[9][..]), (&[3, 1], &[3, 5]), (&[4], &[2, 3, 4]), (&[2, 1, 3, 1], &[2, 4, 3, 5])]
    {
        let mut case = Case::new(format!("broadcast_to {from:?} {to:?}"), Bound::Exact);
        let input = case.input("input", from, Fill::Integers(9));
        let output = input.broadcast_to(to).expect("a shape that stretches");
        case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
        cases.push(case);
    }
    for shape in [&[1][..], &[130], &[3, 5, 7]] {
        let mut case = Case::new(format!("equal {shape:?}"), Bound::Exact);
        let a = case.input("a", shape, Fill::Indices(3));
        let b = case.input("b", shape, Fill::Indices(3));
        let output = a.equal(&b).expect("one shape");
        case.output("output", &output);
        cases.push(case);
    }
    let mut case = Case::new("reshape and flatten", Bound::Exact);
    case.kink = Kink::Zero;
    let input = case.input("input", &[2, 3, 4, 5], Fill::Integers(9));
    let output = input.reshape([6, 20]).and_then(|t| t.relu()).and_then(|t| t.reshape([2, 3, 20]));
    let output = output.and_then(|t| t.flatten(1)).expect("as many elements");
    case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
    cases.push(case);
    cases
}
