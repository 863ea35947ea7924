//! Matrix products and linear layers, with exact integers.

use super::{Bound, Case, Fill};

const SIZES: [[usize; 3]; 12] = [
    [1, 1, 1],
    [2, 3, 4],
    [5, 7, 9],
    [8, 12, 16],
    [33, 5, 10],
    [65, 13, 31],
    [64, 128, 10],
    [128, 64, 36],
    [7, 1, 255],
    [1, 300, 1],
    [63, 64, 65],
    [200, 31, 68],
];

/// Leading dimensions that broadcast.
const BATCHED: [(&[usize], &[usize]); 6] = [
    (&[2, 4, 5], &[5, 3]),
    (&[4, 5], &[3, 5, 8]),
    (&[2, 1, 4, 5], &[3, 5, 4]),
    (&[1, 3, 9, 4], &[2, 1, 4, 8]),
    (&[5], &[5, 7]),
    (&[3, 2, 5], &[5]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for [m, k, n] in SIZES {
        let mut case = Case::new(format!("matmul {m}x{k}x{n}"), Bound::Exact);
        let a = case.input("a", &[m, k], Fill::Integers(3));
        let b = case.input("b", &[k, n], Fill::Integers(3));
        let product = a.matmul(&b).expect("fitting operands");
        case.output_and_gradients(&product, Fill::Integers(3)).expect("gradients");
        cases.push(case);
        let mut case = Case::new(format!("linear {m}x{k}x{n}"), Bound::Exact);
        let x = case.input("input", &[m, k], Fill::Integers(3));
        let weight = case.input("weight", &[n, k], Fill::Integers(3));
        let bias = case.input("bias", &[n], Fill::Integers(3));
        let output = x.linear(&weight, Some(&bias)).expect("fitting operands");
        case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
        cases.push(case);
    }
    for (a, b) in BATCHED {
        let mut case = Case::new(format!("matmul {a:?} {b:?}"), Bound::Exact);
        let (left, right) = (case.input("a", a, Fill::Integers(3)), case.input("b", b, Fill::Integers(3)));
        let product = left.matmul(&right).expect("fitting operands");
        case.output_and_gradients(&product, Fill::Integers(3)).expect("gradients");
        cases.push(case);
    }
    let mut case = Case::new("linear with leading dimensions", Bound::Exact);
    let x = case.input("input", &[2, 3, 6], Fill::Integers(3));
    let weight = case.input("weight", &[5, 6], Fill::Integers(3));
    let output = x.linear(&weight, None).expect("fitting operands");
    case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
    cases.push(case);
    cases
}
