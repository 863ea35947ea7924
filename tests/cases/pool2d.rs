//! Max and average pools.

use super::{Bound, Case, Fill, Kink};
use wgrad::ops::{AvgPool2d, MaxPool2d};
use wgrad::shape::Padding;

/// Input shapes and windows that exercise overlap, gaps, ragged ends and every kind of padding.
fn max_pools() -> Vec<([usize; 4], MaxPool2d)> {
    let uneven = Padding { top: 1, bottom: 0, left: 0, right: 1 };
    vec![
        ([2, 3, 8, 8], MaxPool2d::new(2)),
        ([2, 3, 28, 28], MaxPool2d::new(2)),
        ([2, 3, 7, 9], MaxPool2d::new(2)),
        ([2, 3, 7, 9], MaxPool2d::new(2).ceil_mode(true)),
        ([1, 5, 13, 11], MaxPool2d::new(3).stride(2).padding(1)),
        ([1, 5, 13, 11], MaxPool2d::new(3).stride(2).padding(1).ceil_mode(true)),
        ([1, 2, 9, 10], MaxPool2d::new(3).stride(1)),
        ([1, 2, 12, 12], MaxPool2d::new(3).stride(1).padding(2).dilation(2)),
        ([1, 2, 12, 13], MaxPool2d::new((2, 3)).stride((3, 1)).padding((1, 0)).dilation((1, 2))),
        ([1, 2, 6, 6], MaxPool2d::new(2).stride(1).padding(uneven)),
        ([1, 2, 5, 5], MaxPool2d::new(2).stride(3)),
        ([1, 1, 5, 5], MaxPool2d::new(5)),
        ([3, 1, 1, 1], MaxPool2d::new(1)),
        ([1, 2, 20, 20], MaxPool2d::new(7).stride(3).padding(3)),
        ([70, 3, 9, 9], MaxPool2d::new(2)),
    ]
}

fn avg_pools() -> Vec<([usize; 4], AvgPool2d)> {
    let uneven = Padding { top: 1, bottom: 0, left: 0, right: 1 };
    vec![
        ([2, 3, 8, 8], AvgPool2d::new(2)),
        ([2, 3, 7, 9], AvgPool2d::new(2)),
        ([2, 3, 7, 9], AvgPool2d::new(2).ceil_mode(true)),
        ([2, 3, 7, 9], AvgPool2d::new(4).stride(2).padding(2).ceil_mode(true)),
        ([2, 3, 7, 9], AvgPool2d::new(4).stride(2).padding(2).ceil_mode(true).count_include_pad(false)),
        ([1, 5, 13, 11], AvgPool2d::new(3).stride(2).padding(1)),
        ([1, 5, 13, 11], AvgPool2d::new(3).stride(2).padding(1).count_include_pad(false)),
        ([1, 2, 12, 13], AvgPool2d::new((2, 4)).stride((3, 1)).padding((1, 2))),
        ([1, 2, 6, 6], AvgPool2d::new(2).stride(1).padding(uneven)),
        ([1, 1, 5, 5], AvgPool2d::new(5)),
        ([1, 2, 20, 20], AvgPool2d::new(7).stride(3).padding(3)),
    ]
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, options) in max_pools() {
        // Few distinct integers: many ties.
        let mut case = Case::new(format!("max_pool2d {shape:?} {options}"), Bound::Exact);
        case.kink = Kink::Ties;
        let input = case.input("input", &shape, Fill::Integers(3));
        let (output, indices) = input.max_pool2d_with_indices(options).expect("a window that fits");
        case.output("indices", &indices);
        case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
        cases.push(case);
    }
    for (shape, options) in avg_pools() {
        let powers = options.kernel_size.h.is_power_of_two() && options.kernel_size.w.is_power_of_two();
        let whole = powers && options.count_include_pad && !options.ceil_mode;
        let bound = if whole { Bound::Exact } else { Bound::Within { relative: 2e-6, absolute: 2e-6 } };
        let mut case = Case::new(format!("avg_pool2d {shape:?} {options}"), bound);
        let input = case.input("input", &shape, Fill::Integers(3));
        let output = input.avg_pool2d(options).expect("a window that fits");
        case.output_and_gradients(&output, Fill::Integers(3)).expect("gradients");
        cases.push(case);
    }
    cases
}
