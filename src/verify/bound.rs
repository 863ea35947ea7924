//! How far a correct kernel may be from the oracle: for each op, from the magnitudes of its terms.
//!
//! With `u = 2^-24`, a sum of `K` products whose absolute values add up to `S` may be off by
//! `u S min(2 (K + 2), 8 + 4 sqrt K) + 2 u |ref| + (K + 1) 2^-126`, whatever its order. `S` is the same op on the
//! absolute values of its inputs. Where all inputs are multiples of a power of two and `S` stays below `2^24` of
//! it, every partial sum is exact and so must the result be. An error that an input already has goes through
//! the op the same way, so that bounds hold for graphs of several ops.

use super::estimates::Estimate;
use super::rounding::{Errors, each, largest, rounding, run, sum_error, ulp, unit};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::{
    AvgPool2d, AvgPool2dBackward, AxisMap, Cast, Conv2dBackwardInput, Elementwise, MatMul, MaxPool2dBackward,
    Op, ScatterAdd, SoftmaxBackward, Sum,
};
use crate::reference::Array;
use crate::tensor::TensorType;

/// How many terms each output of a reduction adds at most; `None` for other ops.
pub(super) fn terms(op: &Op, inputs: &[&TensorType]) -> Option<usize> {
    let size = |i: usize, d: usize| inputs[i].shape[d];
    let bias = usize::from(inputs.len() > 2);
    match op {
        Op::Conv2d(_) => Some(size(1, 1) * size(1, 2) * size(1, 3) + bias),
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options, .. }) => {
            Some(size(1, 0) / options.groups.max(1) * size(1, 2) * size(1, 3))
        }
        Op::Conv2dBackwardWeight(_) => Some(size(0, 0) * size(0, 2) * size(0, 3)),
        Op::AvgPool2d(o) => Some(o.kernel_size.h * o.kernel_size.w),
        Op::AvgPool2dBackward(AvgPool2dBackward { options: o, .. }) => {
            Some(o.kernel_size.h * o.kernel_size.w)
        }
        Op::MaxPool2dBackward(MaxPool2dBackward { options: o, .. }) => {
            Some(o.kernel_size.h * o.kernel_size.w)
        }
        Op::MatMul(MatMul { trans_a, .. }) => {
            let shape = &inputs[0].shape;
            Some(shape[shape.len() - if *trans_a { 2 } else { 1 }] + bias)
        }
        Op::Sum(Sum { dims }) => Some(dims.iter().map(|&d| size(0, d)).product()),
        Op::AxisMap(AxisMap { matrix, .. }) => Some(matrix.longest()).filter(|_| !matrix.is_gather()),
        Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) => None,
        Op::MaxPool2d(_) | Op::AdaptiveMaxPool2d(_) | Op::FractionalMaxPool2d(_) => None,
        Op::Elementwise(_) | Op::Equal(_) | Op::Cast(_) => None,
        Op::Reshape(_) | Op::BroadcastTo(_) | Op::Argmax(_) | Op::Softmax(_) => None,
        Op::SoftmaxBackward(_) | Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => None,
        Op::Reduce(_) | Op::ReduceBackward(_) | Op::NllLoss(_) | Op::NllLossBackward(_) => None,
        Op::EmbeddingBackward(_) => Some(inputs[1].shape.elements()),
        Op::ScatterAdd(ScatterAdd { dim, .. }) => Some(size(0, *dim)),
        Op::GridSample(_) | Op::GridSampleBackwardInput(_) | Op::GridSampleBackwardGrid(_) => None,
        Op::Gather(_) | Op::Scatter(_) | Op::Argsort(_) | Op::CtcLoss(_) | Op::CtcLossBackward(_) => None,
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => None,
        Op::Permute(_) | Op::Embedding(_) | Op::SequenceMask(_) | Op::Dropout(_) => None,
        Op::Recurrent(_) | Op::RecurrentBackward(_) => None,
        Op::NormStatistics(_) | Op::NormApply(_) | Op::NormSums(_) | Op::NormBackward(_) => None,
        Op::OptimizerStep(_) | Op::Increment(_) => None,
        Op::Custom(op) => op.op().terms(inputs),
    }
}

/// The errors of the outputs of an op, given its inputs with theirs and its outputs without.
pub(super) fn errors(op: &Op, inputs: &[&Estimate], outputs: &[Array]) -> Result<Vec<Errors>> {
    let exact = || vec![None; outputs.len()];
    Ok(match op {
        Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) | Op::Increment(_) => exact(),
        Op::Conv2d(_) | Op::Conv2dBackwardInput(_) | Op::Conv2dBackwardWeight(_) => {
            vec![reduction(op, inputs, &outputs[0], Some(0), 0.0)?]
        }
        // Which elements an index that is not exact chooses is not known.
        Op::Gather(_) | Op::Scatter(_) | Op::ScatterAdd(_) if inputs[1].error.is_some() => {
            vec![each(&outputs[0], |_, _| f64::INFINITY)]
        }
        Op::MatMul(_) | Op::Sum(_) | Op::MaxPool2dBackward(_) | Op::EmbeddingBackward(_) => {
            vec![reduction(op, inputs, &outputs[0], Some(0), 0.0)?]
        }
        Op::AvgPool2d(o) => vec![reduction(op, inputs, &outputs[0], divisor(o), 3.0)?],
        Op::AvgPool2dBackward(AvgPool2dBackward { options, .. }) => {
            vec![reduction(op, inputs, &outputs[0], divisor(options), 3.0)?]
        }
        // Where windows lie by samples that are not exact is not known.
        Op::FractionalMaxPool2d(_) if inputs[1].error.is_some() => {
            outputs.iter().map(|output| each(output, |_, _| f64::INFINITY)).collect()
        }
        Op::MaxPool2d(_) | Op::AdaptiveMaxPool2d(_) | Op::FractionalMaxPool2d(_) => {
            vec![everywhere(inputs[0], &outputs[0], 1.0), undecided(inputs, &outputs[1])]
        }
        Op::ScatterAdd(_) => vec![reduction(op, inputs, &outputs[0], Some(0), 0.0)?],
        Op::Equal(_) | Op::Argmax(_) | Op::Argsort(_) => vec![undecided(inputs, &outputs[0])],
        Op::Elementwise(f) => vec![elementwise(f, inputs, &outputs[0])],
        Op::Reshape(_) => vec![inputs[0].error.clone()],
        Op::Cast(Cast { to }) => vec![cast(*to, inputs, &outputs[0])],
        Op::BroadcastTo(_) => match inputs[0].error {
            None => exact(),
            Some(_) => vec![Some(run(op, &[inputs[0].error_array()])?.data)],
        },
        Op::Softmax(s) => vec![super::bound_rows::softmax(s.log, inputs[0], &outputs[0])],
        Op::SoftmaxBackward(SoftmaxBackward(s)) => {
            vec![super::bound_rows::softmax_backward(s, inputs, &outputs[0])?]
        }
        Op::CrossEntropy(_) => super::bound_rows::cross_entropy(inputs, outputs),
        Op::CrossEntropyBackward(_) => vec![super::bound_rows::cross_entropy_backward(inputs, &outputs[0])?],
        Op::CtcLoss(_) => super::bound_ctc::forward(inputs, outputs),
        Op::CtcLossBackward(_) => vec![super::bound_ctc::backward(inputs, &outputs[0])?],
        Op::GridSample(op) => vec![super::bound_grid::forward(op, inputs, &outputs[0])?],
        Op::GridSampleBackwardInput(op) => {
            vec![super::bound_grid::backward_input(op, inputs, &outputs[0])?]
        }
        Op::GridSampleBackwardGrid(op) => vec![super::bound_grid::backward_grid(op, inputs, &outputs[0])?],
        Op::NllLoss(op) => super::bound_rows::nll_loss(op, inputs, outputs)?,
        Op::NllLossBackward(op) => vec![super::bound_rows::nll_loss_backward(op, inputs, &outputs[0])?],
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => {
            super::bound_sequence::moved(op, inputs, outputs.len())?
        }
        Op::Scatter(_) | Op::Permute(_) | Op::Embedding(_) | Op::Gather(_) | Op::SequenceMask(_) => {
            super::bound_sequence::moved(op, inputs, outputs.len())?
        }
        Op::AxisMap(map) => vec![super::bound_map::axis_map(map, inputs[0], &outputs[0])?],
        Op::Reduce(op) => super::bound_reduce::forward(op, inputs[0], outputs)?,
        Op::ReduceBackward(op) => vec![super::bound_reduce::backward(op, inputs, &outputs[0])?],
        Op::Dropout(_) => vec![super::bound_sequence::dropout(op, inputs, &outputs[0])?],
        Op::Recurrent(_) => super::bound_sequence::recurrent(1.0, inputs, outputs),
        Op::RecurrentBackward(_) => super::bound_sequence::recurrent(2.0, inputs, outputs),
        Op::NormStatistics(op) => super::bound_norm::statistics(op, inputs, outputs)?,
        Op::NormApply(op) => vec![super::bound_norm::apply(op, inputs, &outputs[0])?],
        Op::NormSums(op) => super::bound_norm::sums(op, inputs, outputs)?,
        Op::NormBackward(op) => vec![super::bound_norm::backward(op, inputs, &outputs[0])?],
        Op::OptimizerStep(step) => super::bound_rows::optimizer(step, inputs, outputs),
        Op::Custom(_) if outputs.len() == 1 && is_sum(op, inputs) => {
            vec![reduction(op, inputs, &outputs[0], Some(0), 0.0)?]
        }
        Op::Custom(op) => super::bound_custom::errors(op, inputs, outputs)?,
    })
}

/// Whether each output is a sum of terms.
fn is_sum(op: &Op, inputs: &[&Estimate]) -> bool {
    let types: Vec<&TensorType> = inputs.iter().map(|e| &e.array.ty).collect();
    terms(op, &types).is_some()
}

/// What has a fraction keeps its error; what has none is decided, or rounded where it then has one.
fn cast(to: DType, inputs: &[&Estimate], output: &Array) -> Errors {
    match (inputs[0].array.ty.dtype.is_float(), to.is_float()) {
        (true, true) => inputs[0].error.clone(),
        (true, false) => undecided(inputs, output),
        (false, _) => each(output, |_, v| if to.is_float() { rounding(v) } else { 0.0 }),
    }
}

/// The exponent of an average pool's divisor, where it is one power of two for all windows.
fn divisor(o: &AvgPool2d) -> Option<i32> {
    if let Some(divisor) = o.divisor_override {
        return divisor.is_power_of_two().then(|| divisor.ilog2() as i32);
    }
    let area = o.kernel_size.h * o.kernel_size.w;
    (area.is_power_of_two() && o.count_include_pad && !o.ceil_mode).then(|| area.ilog2() as i32)
}

/// A sum of terms that are products of one element of each input. `shift` is the exponent of a divisor, `None`
/// for one that is no power of two; `ulps` is what a division adds.
fn reduction(op: &Op, inputs: &[&Estimate], output: &Array, shift: Option<i32>, ulps: f64) -> Result<Errors> {
    let types: Vec<&TensorType> = inputs.iter().map(|e| &e.array.ty).collect();
    let count = terms(op, &types).unwrap_or(1);
    let data: Vec<&Estimate> = inputs.iter().copied().filter(|e| e.array.ty.dtype.is_float()).collect();
    let factors = &data[..data.len().min(2)];
    let exact = inputs.iter().all(|e| e.error.is_none());
    let mut limit = 0.0;
    if let (true, Some(shift)) = (exact, shift) {
        let products: i32 = factors.iter().map(|e| unit(&e.array)).sum();
        let bias = data.get(2).map_or(products, |e| unit(&e.array));
        limit = f64::powi(2.0, 24 + products.min(bias) - shift);
        let most: f64 = factors.iter().map(|e| largest(&e.array)).product();
        if count as f64 * most + data.get(2).map_or(0.0, |e| largest(&e.array)) <= limit {
            return Ok(None);
        }
    }
    let upper = run(op, &inputs.iter().map(|e| e.upper()).collect::<Vec<_>>())?;
    if exact && largest(&upper) <= limit {
        return Ok(None);
    }
    let lower = match exact {
        true => None,
        false => Some(run(op, &inputs.iter().map(|e| e.magnitude()).collect::<Vec<_>>())?),
    };
    Ok(each(output, |i, v| {
        let s = upper.data[i];
        let passed_on = lower.as_ref().map_or(0.0, |lower| s - lower.data[i]);
        passed_on + sum_error(s, count, v) + ulps * ulp(v)
    }))
}

/// The largest error of an input times `slope`, everywhere.
fn everywhere(input: &Estimate, output: &Array, slope: f64) -> Errors {
    let most = input.largest_error();
    each(output, |_, _| slope * most)
}

/// A result that is exact for exact inputs and could be anything otherwise.
fn undecided(inputs: &[&Estimate], output: &Array) -> Errors {
    let exact = inputs.iter().all(|e| e.error.is_none());
    each(output, |_, _| if exact { 0.0 } else { f64::INFINITY })
}

/// Steps of an operand's error in which a function is looked at.
const SIDES: [f64; 3] = [0.0, -1.0, 1.0];

/// A function of broadcast operands. What the operands' errors can do is found where they are as large as they may be, each
/// in either direction.
fn elementwise(function: &Elementwise, inputs: &[&Estimate], output: &Array) -> Errors {
    let to = &output.ty.shape;
    let strides: Vec<Vec<usize>> = inputs.iter().map(|e| e.array.ty.shape.broadcast_strides(to)).collect();
    let (mut operands, mut errors) = (vec![0.0; inputs.len()], vec![0.0; inputs.len()]);
    let mut error = |i: usize, v: f64| {
        let mut rest = i;
        let mut at = vec![0; inputs.len()];
        for d in (0..to.len()).rev() {
            at.iter_mut().zip(&strides).for_each(|(at, strides)| *at += rest % to[d] * strides[d]);
            rest /= to[d];
        }
        for (operand, &at) in at.iter().enumerate() {
            operands[operand] = inputs[operand].array.data[at];
            errors[operand] = inputs[operand].error_at(at);
        }
        // An inexact operand makes even a result that has an f32 a rounded one.
        let inexact = errors.iter().any(|&e| e > 0.0);
        let local = function.error(&operands, v, |v| if inexact { ulp(v) } else { rounding(v) });
        if !inexact {
            return local;
        }
        let sides: Vec<usize> = errors.iter().map(|&e| if e > 0.0 { 3 } else { 1 }).collect();
        let mut most = local;
        for corner in 1..sides.iter().product() {
            let (mut rest, mut moved) = (corner, operands.clone());
            for (operand, &count) in sides.iter().enumerate() {
                moved[operand] += SIDES[rest % count] * errors[operand];
                rest /= count;
            }
            let w = function.evaluate(&moved);
            let there = function.error(&moved, w, ulp);
            most = most.max(local.max(there) + (w - v).abs() + ulp(v));
        }
        most
    };
    let errors: Vec<f64> = output.data.iter().enumerate().map(|(i, &v)| error(i, v)).collect();
    if errors.iter().all(|&e| e == 0.0) { None } else { Some(errors) }
}
