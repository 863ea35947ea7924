//! One step of each optimizer.

use super::{Bound, Case, Fill};
use wgrad::TensorType;
use wgrad::ops::{AdamStep, Init, Op, Role, SgdStep};

const SHAPES: [&[usize]; 4] = [&[1], &[10], &[33, 31], &[64, 32, 3, 3]];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for (momentum, nesterov, weight_decay) in
            [(0.0, false, 0.0), (0.0, false, 0.5), (0.5, false, 0.0), (0.5, true, 0.25)]
        {
            cases.push(sgd(shape, SgdStep { momentum, nesterov, weight_decay }));
        }
        for (weight_decay, decoupled) in [(0.0, false), (0.01, false), (0.01, true)] {
            for step in [1, 2, 10, 1000] {
                cases.push(adam(shape, AdamStep { weight_decay, decoupled, ..AdamStep::default() }, step));
            }
        }
    }
    cases
}

/// Powers of two throughout: exact.
fn sgd(shape: &[usize], options: SgdStep) -> Case {
    let mut case = Case::new(format!("sgd {shape:?} {options:?}"), Bound::Exact);
    let param = case.input("param", shape, Fill::Integers(3));
    let grad = case.input("grad", shape, Fill::Integers(3));
    let lr = case.graph.scalar(0.25).expect("a scalar");
    let mut inputs = vec![&param, &grad, &lr];
    let buffer = case.input("momentum_buffer", shape, Fill::Integers(3));
    if options.momentum != 0.0 {
        inputs.push(&buffer);
    }
    let outputs = case.graph.apply(Op::Sgd(options), &inputs).expect("fitting tensors");
    for (number, output) in outputs.iter().enumerate() {
        case.output(["param", "momentum_buffer"][number], output);
    }
    case
}

fn adam(shape: &[usize], options: AdamStep, step: u32) -> Case {
    let bound = Bound::Within { relative: 2e-6, absolute: 1e-9 };
    let mut case = Case::new(format!("adam {shape:?} {options:?} step {step}"), bound);
    // From zero parameters, so that the update itself is what is compared; with decay, and in the averages,
    // terms of one sign, so that nothing cancels and a relative bound means something.
    let param = case.input("param", shape, Fill::Real(1.0));
    let grad = case.input("grad", shape, Fill::Real(1.0));
    let exp_avg = case.input("exp_avg", shape, Fill::Real(0.1));
    let gradients = case.inputs[1].1.as_f32().expect("an f32 input").to_vec();
    let times = |factor: f32| gradients.iter().map(|g| g * factor).collect::<Vec<_>>();
    case.set(&param, times(if options.weight_decay == 0.0 { 0.0 } else { 0.5 }));
    case.set(&exp_avg, times(0.25));
    let exp_avg_sq = case.input("exp_avg_sq", shape, Fill::Real(0.1));
    let count = shape.iter().product::<usize>();
    case.set(&exp_avg_sq, (0..count).map(|i| 1e-4 + (i % 17) as f32 * 1e-2).collect());
    let lr = case.graph.scalar(1e-3).expect("a scalar");
    let init = Init::Constant((step - 1) as f32);
    let counter = case.graph.state("step", TensorType::u32([]), init, Role::Optimizer).expect("a state");
    let counter = case.graph.apply(Op::Increment, &[&counter]).expect("a counter").remove(0);
    let inputs = [&param, &grad, &lr, &counter, &exp_avg, &exp_avg_sq];
    let outputs = case.graph.apply(Op::Adam(options), &inputs).expect("fitting tensors");
    for (number, output) in outputs.iter().enumerate() {
        case.output(["param", "exp_avg", "exp_avg_sq"][number], output);
    }
    case.output("step", &counter);
    case
}
