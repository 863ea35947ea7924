//! How far a correct kernel may be from the oracle: for each op, from the magnitudes of its terms.
//!
//! With `u = 2^-24`, a sum of `K` products whose absolute values add up to `S` may be off by
//! `u S min(2 (K + 2), 8 + 4 sqrt K) + 2 u |ref| + (K + 1) 2^-126`, whatever its order. `S` is the same op on the
//! absolute values of its inputs. Where all inputs are multiples of a power of two and `S` stays below `2^24` of
//! it, every partial sum is exact and so must the result be. An error that an input already has goes through
//! the op the same way, so that bounds hold for graphs of several ops.

use super::estimates::Estimate;
use super::rounding::{
    CLAMPED, Errors, SATURATED, TINY, U, each, largest, rounding, run, sum_error, ulp, unit,
};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::{
    AvgPool2d, AvgPool2dBackward, AxisMap, Binary, Conv2dBackwardInput, MatMul, MaxPool2dBackward, Op,
    ScatterAdd, SoftmaxBackward, Sum, Unary, UnaryBackward,
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
        Op::MaxPool2d(_) | Op::Unary(_) | Op::UnaryBackward(_) | Op::Binary(_) | Op::Equal(_) => None,
        Op::Reshape(_) | Op::BroadcastTo(_) | Op::Argmax(_) | Op::Softmax(_) => None,
        Op::SoftmaxBackward(_) | Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => None,
        Op::Reduce(_) | Op::ReduceBackward(_) => None,
        Op::EmbeddingBackward(_) => Some(inputs[1].shape.elements()),
        Op::ScatterAdd(ScatterAdd { dim, .. }) => Some(size(0, *dim)),
        Op::Gather(_) | Op::Argsort(_) => None,
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => None,
        Op::Permute(_) | Op::Embedding(_) | Op::Where(_) | Op::SequenceMask(_) | Op::Dropout(_) => None,
        Op::Recurrent(_) | Op::RecurrentBackward(_) => None,
        Op::NormStatistics(_) | Op::NormApply(_) | Op::NormSums(_) | Op::NormBackward(_) => None,
        Op::OptimizerStep(_) | Op::Increment(_) => None,
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
        Op::Gather(_) | Op::ScatterAdd(_) if inputs[1].error.is_some() => {
            vec![each(&outputs[0], |_, _| f64::INFINITY)]
        }
        Op::MatMul(_) | Op::Sum(_) | Op::MaxPool2dBackward(_) | Op::EmbeddingBackward(_) => {
            vec![reduction(op, inputs, &outputs[0], Some(0), 0.0)?]
        }
        Op::AvgPool2d(o) => vec![reduction(op, inputs, &outputs[0], divisor(o), 3.0)?],
        Op::AvgPool2dBackward(AvgPool2dBackward { options, .. }) => {
            vec![reduction(op, inputs, &outputs[0], divisor(options), 3.0)?]
        }
        Op::MaxPool2d(_) => vec![everywhere(inputs[0], &outputs[0], 1.0), undecided(inputs, &outputs[1])],
        Op::ScatterAdd(_) => vec![reduction(op, inputs, &outputs[0], Some(0), 0.0)?],
        Op::Equal(_) | Op::Argmax(_) | Op::Argsort(_) => vec![undecided(inputs, &outputs[0])],
        Op::Unary(f) => vec![unary(f, inputs[0], &outputs[0])?],
        Op::UnaryBackward(UnaryBackward(f)) => vec![unary_backward(f, op, inputs, &outputs[0])?],
        Op::Binary(f) => vec![binary(f, op, inputs, &outputs[0])?],
        Op::Reshape(_) => vec![inputs[0].error.clone()],
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
        Op::Where(_) if inputs[0].error.is_some() => vec![undecided(inputs, &outputs[0])],
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => {
            super::bound_sequence::moved(op, inputs, outputs.len())?
        }
        Op::Permute(_) | Op::Embedding(_) | Op::Gather(_) | Op::Where(_) | Op::SequenceMask(_) => {
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
    })
}

/// The exponent of an average pool's divisor, where it is one power of two for all windows.
fn divisor(o: &AvgPool2d) -> Option<i32> {
    let area = o.kernel_size.h * o.kernel_size.w;
    (area.is_power_of_two() && o.count_include_pad && !o.ceil_mode).then(|| area.ilog2() as i32)
}

/// A sum of terms that are products of one element of each input. `shift` is the exponent of a divisor, `None`
/// for one that is no power of two; `ulps` is what a division adds.
fn reduction(op: &Op, inputs: &[&Estimate], output: &Array, shift: Option<i32>, ulps: f64) -> Result<Errors> {
    let types: Vec<&TensorType> = inputs.iter().map(|e| &e.array.ty).collect();
    let count = terms(op, &types).unwrap_or(1);
    let data: Vec<&Estimate> = inputs.iter().copied().filter(|e| e.array.ty.dtype == DType::F32).collect();
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

/// The argument of the logistic function in the `tanh` form of GELU.
fn gelu_tanh_argument(x: f64) -> f64 {
    1.595_769_121_605_730_8 * (x + 0.044715 * x * x * x)
}

fn unary(function: &Unary, input: &Estimate, output: &Array) -> Result<Errors> {
    let local = |x: f64, v: f64| match *function {
        Unary::Relu | Unary::ClampMax { .. } => 0.0,
        Unary::LeakyRelu { .. } | Unary::Scale { .. } => rounding(v),
        Unary::Elu { .. } if x > 0.0 => 0.0,
        Unary::Elu { .. } => 8.0 * ulp(v),
        Unary::Gelu => 1e-6 * (1.0 + x * x) * v.abs() + CLAMPED * (1.0 + x.abs()),
        Unary::GeluTanh => (10.0 + 4.0 * gelu_tanh_argument(x).abs()) * ulp(v) + CLAMPED * (1.0 + x.abs()),
        Unary::Sigmoid => (8.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + CLAMPED,
        Unary::Tanh | Unary::Sqrt => 4.0 * ulp(v),
    };
    let slope = |v: f64| match *function {
        Unary::Relu | Unary::Tanh | Unary::Sigmoid | Unary::ClampMax { .. } => 1.0,
        Unary::Sqrt => 1.0 / v,
        Unary::LeakyRelu { negative_slope: p } | Unary::Elu { alpha: p } => f64::from(p).abs().max(1.0),
        Unary::Gelu | Unary::GeluTanh => 1.2,
        Unary::Scale { factor } => f64::from(factor).abs(),
    };
    // An inexact input makes even a result that has an f32 a rounded one.
    let inexact = |e: f64, v: f64| if e > 0.0 { slope(v) * e + ulp(v) } else { 0.0 };
    Ok(each(output, |i, v| inexact(input.error_at(i), v) + local(input.array.data[i], v)))
}

/// `g d(s)` with the error `g` and what the forward pass saved.
fn unary_backward(function: &Unary, op: &Op, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (grad, saved) = (inputs[0], inputs[1]);
    let zero = |x: f64| if x == 0.0 { TINY } else { x };
    // For GELU, Phi(x) alone, from x Phi(x).
    let forward = match function {
        Unary::Gelu => Some(run(&Op::Unary(Unary::Gelu), std::slice::from_ref(&saved.array))?),
        // The others' slopes follow from what is saved.
        _ => None,
    };
    let passed_on = match grad.error {
        Some(_) => Some(run(op, &[grad.error_array(), saved.array.clone()])?),
        None => None,
    };
    Ok(each(output, |i, v| {
        let (g, s) = (grad.array.data[i].abs(), saved.array.data[i]);
        let e = saved.error_at(i);
        let clamped = CLAMPED * (1.0 + s.abs() + s * s);
        let local = match *function {
            Unary::Relu => 0.0,
            Unary::LeakyRelu { .. } | Unary::Scale { .. } => rounding(v),
            Unary::Elu { .. } if s > 0.0 => 0.0,
            Unary::Elu { .. } => (6.0 + 2.0 * s.abs().min(SATURATED)) * ulp(v) + g * (2.0 * e + CLAMPED),
            Unary::Gelu => {
                let cdf = forward.as_ref().map_or(1.0, |f| if s == 0.0 { 0.5 } else { f.data[i] / s });
                let terms = cdf.abs() + (v / zero(grad.array.data[i]) - cdf).abs();
                g * (1e-6 * (1.0 + s * s) * terms + 2.0 * e + clamped) + ulp(v)
            }
            Unary::GeluTanh => {
                let z = gelu_tanh_argument(s);
                let p = 1.0 / (1.0 + (-z).exp());
                let slope = 1.595_769_121_605_730_8 * (1.0 + 3.0 * 0.044715 * s * s);
                let terms = p + (s * slope).abs() * p * (1.0 - p).max((-z.abs()).exp() * 0.5);
                g * ((14.0 + 4.0 * z.abs()) * 2.0 * U * terms + 2.0 * e + clamped) + ulp(v)
            }
            Unary::Sigmoid => g * ((1.0 - 2.0 * s).abs() * e + e * e + CLAMPED) + 4.0 * ulp(v),
            Unary::Tanh => g * (2.0 * s.abs() * e + e * e) + 4.0 * ulp(v),
            Unary::Sqrt => v.abs() * e / (s - e).max(TINY) + 4.0 * ulp(v),
            Unary::ClampMax { max } => {
                // Within its error of the largest value it could be on either side.
                if (s - f64::from(max)).abs() < e { g } else { 0.0 }
            }
        };
        passed_on.as_ref().map_or(0.0, |p| p.data[i].abs()) + local
    }))
}

fn binary(function: &Binary, op: &Op, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let exact = inputs.iter().all(|e| e.error.is_none());
    let passed_on = match function {
        _ if exact => None,
        Binary::Add | Binary::Sub => {
            let sum = Op::Binary(Binary::Add);
            Some(run(&sum, &[inputs[0].error_array(), inputs[1].error_array()])?.data)
        }
        Binary::Mul | Binary::Div => {
            let mut upper = [inputs[0].upper(), inputs[1].upper()];
            let lower = [inputs[0].magnitude(), inputs[1].magnitude()];
            if *function == Binary::Div {
                upper[1] = Array { ty: lower[1].ty.clone(), data: inputs[1].lower() };
            }
            let (upper, lower) = (run(op, &upper)?, run(op, &lower)?);
            Some(upper.data.iter().zip(&lower.data).map(|(u, l)| u - l).collect())
        }
    };
    Ok(each(output, |i, v| {
        let local = match function {
            Binary::Div => 3.0 * ulp(v),
            Binary::Add | Binary::Sub | Binary::Mul => {
                if exact {
                    rounding(v)
                } else {
                    ulp(v)
                }
            }
        };
        local + passed_on.as_ref().map_or(0.0, |p: &Vec<f64>| p[i])
    }))
}
