//! concat, split, narrow and permute: exact.

use super::{Bound, Case, Fill};
use wgrad::Tensor;

const CONCATS: [(&[&[usize]], usize); 6] = [
    (&[&[3], &[5]], 0),
    (&[&[2, 3], &[1, 3], &[4, 3]], 0),
    (&[&[2, 3], &[2, 5]], 1),
    (&[&[4, 8], &[4, 16]], 1),
    (&[&[2, 3, 4], &[2, 1, 4], &[2, 2, 4]], 1),
    (&[&[1, 32, 128], &[27, 32, 128]], 0),
];

const NARROWS: [(&[usize], [usize; 3]); 6] = [
    (&[7], [0, 2, 3]),
    (&[7], [0, 0, 7]),
    (&[4, 16], [1, 4, 8]),
    (&[5, 6, 7], [1, 1, 3]),
    (&[5, 8, 4], [0, 4, 1]),
    (&[33, 3], [1, 2, 1]),
];

const SPLITS: [(&[usize], usize, &[usize]); 4] =
    [(&[7], 0, &[1, 4, 2]), (&[5, 12], 1, &[4, 4, 4]), (&[3, 4, 5], 1, &[1, 3]), (&[28, 4, 9], 0, &[1; 28])];

const PERMUTES: [(&[usize], &[usize]); 7] = [
    (&[5], &[0]),
    (&[5, 7], &[1, 0]),
    (&[32, 28, 28], &[1, 0, 2]),
    (&[3, 4, 5], &[2, 0, 1]),
    (&[3, 4, 5], &[2, 1, 0]),
    (&[2, 3, 4, 5], &[0, 2, 1, 3]),
    (&[2, 1, 4, 1], &[3, 2, 1, 0]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shapes, dim) in CONCATS {
        let mut case = Case::new(format!("concat {shapes:?} along {dim}"), Bound::Exact);
        let name = |i: usize| ["a", "b", "c"][i];
        let parts: Vec<Tensor> =
            shapes.iter().enumerate().map(|(i, s)| case.input(name(i), s, Fill::Integers(9))).collect();
        let output = Tensor::concat(&parts.iter().collect::<Vec<_>>(), dim).expect("shapes that fit");
        case.output_and_gradients(&output, Fill::Integers(9)).expect("gradients");
        cases.push(case);
    }
    for (shape, [dim, start, length]) in NARROWS {
        let mut case = Case::new(format!("narrow {shape:?} dim {dim}, {length} from {start}"), Bound::Exact);
        let input = case.input("input", shape, Fill::Integers(9));
        let output = input.narrow(dim, start, length).expect("a range inside");
        case.output_and_gradients(&output, Fill::Integers(9)).expect("gradients");
        cases.push(case);
    }
    for (shape, dim, sizes) in SPLITS {
        let mut case = Case::new(format!("split {shape:?} along {dim} into {sizes:?}"), Bound::Exact);
        let input = case.input("input", shape, Fill::Integers(9));
        let parts = input.split(dim, sizes).expect("sizes that add up");
        for (number, part) in parts.iter().enumerate() {
            case.output(&format!("part {number}"), part);
        }
        // The last part takes no error, so that the rule must fill in zeros.
        let used: Vec<&Tensor> = parts.iter().take(parts.len() - 1).collect();
        let output = Tensor::concat(&used, dim).expect("parts that fit");
        case.output_and_gradients(&output, Fill::Integers(9)).expect("gradients");
        cases.push(case);
    }
    for (shape, dims) in PERMUTES {
        let mut case = Case::new(format!("permute {shape:?} {dims:?}"), Bound::Exact);
        let input = case.input("input", shape, Fill::Integers(9));
        let output = input.permute(dims).expect("a permutation");
        case.output_and_gradients(&output, Fill::Integers(9)).expect("gradients");
        cases.push(case);
    }
    let mut case = Case::new("indices are copied as they are", Bound::Exact);
    let tokens = case.input("tokens", &[4, 6], Fill::Indices(1 << 30));
    let steps = tokens.transpose(0, 1).and_then(|t| t.unbind(0)).expect("dimensions that exist");
    case.output("output", &Tensor::stack(&steps, 0).expect("equal shapes"));
    cases.push(case);
    cases
}
