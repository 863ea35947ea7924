//! Is the result right? Each case is held to the CPU reference before it is timed, as [`verify`](crate::verify)
//! does it.
//!
//! Where the op allows, inputs are integers small enough that every sum is exact, and so must be the result; else
//! they are the data of the case, and each element has a bound. The case runs whole, as it will be timed. Where
//! the reference would take too long over all of it, it computes the part of the result that a few images,
//! channels, rows or columns lead to, with the full length of every sum.

use super::case::{Prepared, alone};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{AvgPool2dBackward, Conv2dBackwardInput, Conv2dBackwardWeight, MaxPool2dBackward, Op, Sum};
use crate::platform::block_on;
use crate::reference::Array;
use crate::shape::Shape;
use crate::tensor::{HostTensor, TensorType};
use crate::verify::{Estimate, Judgement, estimate_tiled, judge};
use std::collections::HashMap;

/// Operations the reference may spend on one case: a fraction of a second.
const BUDGET: u64 = 40_000_000;

/// Along which axis a tensor is cut by which of the two freedoms, and how many elements a unit is.
type Cut = (usize, usize, usize);

/// How the operands and results of an op are cut so that a part of the result is computed exactly.
struct Freedom {
    /// Of each freedom: how many units there are.
    units: [usize; 2],
    names: [&'static str; 2],
    inputs: Vec<Vec<Cut>>,
    output: Vec<Cut>,
}

/// `None` where only the whole can be computed.
fn freedom(op: &Op, inputs: &[TensorType], outputs: &[TensorType]) -> Option<Freedom> {
    let in_shapes: Vec<&Shape> = inputs.iter().map(|t| &t.shape).collect();
    let images = ["images", "channels"];
    let (units, names, cuts, output) = match op {
        Op::Conv2d(o) if o.groups == 1 => {
            let cuts = vec![vec![(0, 0, 1)], vec![(0, 1, 1)], vec![(0, 1, 1)]];
            ([in_shapes[0][0], in_shapes[1][0]], images, cuts, vec![(0, 0, 1), (1, 1, 1)])
        }
        Op::Conv2d(o) => {
            let (c, k) = (in_shapes[0][1] / o.groups, in_shapes[1][0] / o.groups);
            let cuts = vec![vec![(0, 0, 1), (1, 1, c)], vec![(0, 1, k)], vec![(0, 1, k)]];
            ([in_shapes[0][0], o.groups], ["images", "groups"], cuts, vec![(0, 0, 1), (1, 1, k)])
        }
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options: o, input }) if o.groups == 1 => {
            ([input[0], input[1]], images, vec![vec![(0, 0, 1)], vec![(1, 1, 1)]], vec![(0, 0, 1), (1, 1, 1)])
        }
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options: o, input }) => {
            let (c, k) = (input[1] / o.groups, in_shapes[1][0] / o.groups);
            let cuts = vec![vec![(0, 0, 1), (1, 1, k)], vec![(0, 1, k)]];
            ([input[0], o.groups], ["images", "groups"], cuts, vec![(0, 0, 1), (1, 1, c)])
        }
        Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options: o, weight }) if o.groups == 1 => {
            let cuts = vec![vec![(1, 0, 1)], vec![(1, 1, 1)]];
            ([weight[0], weight[1]], ["filters", "channels"], cuts, vec![(0, 0, 1), (1, 1, 1)])
        }
        Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options: o, weight }) => {
            let (c, k) = (in_shapes[1][1] / o.groups, weight[0] / o.groups);
            ([1, o.groups], ["part", "groups"], vec![vec![(1, 1, k)], vec![(1, 1, c)]], vec![(0, 1, k)])
        }
        Op::MatMul(o) if in_shapes[0].len() == 2 && in_shapes[1].len() == 2 => {
            let (m, n) = (outputs[0].shape[0], outputs[0].shape[1]);
            let cuts = vec![
                vec![(usize::from(o.trans_a), 0, 1)],
                vec![(usize::from(!o.trans_b), 1, 1)],
                vec![(0, 1, 1)],
            ];
            ([m, n], ["rows", "columns"], cuts, vec![(0, 0, 1), (1, 1, 1)])
        }
        Op::Sum(Sum { dims }) if dims[..] == [0, 2, 3] && in_shapes[0].len() == 4 => {
            ([1, in_shapes[0][1]], ["part", "channels"], vec![vec![(1, 1, 1)]], vec![(0, 1, 1)])
        }
        Op::Recurrent(_) | Op::RecurrentBackward(_) => {
            // (T, B, ..), mask (T, B) behind the state (B, H) of the way forward; weights have no rows.
            let batch = in_shapes[0][1];
            let cut = |(i, shape): (usize, &&Shape)| match shape.len() {
                3 => vec![(1, 0, 1)],
                2 if masked(op) && i + 1 == in_shapes.len() => vec![(1, 0, 1)],
                2 if i > 1 => vec![(0, 0, 1)],
                _ => vec![],
            };
            let cuts = in_shapes.iter().enumerate().map(cut).collect();
            ([batch, 1], ["rows", "part"], cuts, vec![(1, 0, 1)])
        }
        // Whatever else works row by row.
        _ if op.rowwise(inputs) => {
            ([in_shapes[0][0], 1], ["rows", "part"], vec![vec![(0, 0, 1)]; inputs.len()], vec![(0, 0, 1)])
        }
        // What has no part that stands for the whole is compared whole.
        _ => return None,
    };
    Some(Freedom { units, names, inputs: cuts, output })
}

fn masked(op: &Op) -> bool {
    match op {
        Op::Recurrent(o) => o.masked,
        Op::RecurrentBackward(o) => o.forward.masked,
        // Asked of recurrent layers alone.
        _ => false,
    }
}

/// The op on `picked` units: attributes that hold shapes are cut too.
fn smaller(op: &Op, picked: [usize; 2], units: [usize; 2]) -> Op {
    let grouped = |groups: usize| if groups == 1 { 1 } else { picked[1] };
    let resized = |shape: &Shape, cuts: &[Cut]| {
        let mut dims = shape.to_vec();
        cuts.iter().for_each(|&(axis, freedom, unit)| dims[axis] = picked[freedom] * unit);
        Shape::from(dims)
    };
    let mut op = op.clone();
    match &mut op {
        Op::Conv2d(o) => o.groups = grouped(o.groups),
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options, input }) => {
            *input = resized(input, &[(0, 0, 1), (1, 1, input[1] / units[1])]);
            options.groups = grouped(options.groups);
        }
        Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, weight }) if options.groups == 1 => {
            *weight = resized(weight, &[(0, 0, 1), (1, 1, 1)]);
        }
        Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, weight }) => {
            *weight = resized(weight, &[(0, 1, weight[0] / units[1])]);
            options.groups = grouped(options.groups);
        }
        Op::MaxPool2dBackward(MaxPool2dBackward { input, .. }) => *input = resized(input, &[(0, 0, 1)]),
        Op::AvgPool2dBackward(AvgPool2dBackward { input, .. }) => *input = resized(input, &[(0, 0, 1)]),
        // Their attributes hold no shape that is cut.
        Op::MaxPool2d(_) | Op::AvgPool2d(_) | Op::MatMul(_) | Op::Sum(_) | Op::Argmax(_) | Op::AxisMap(_) => {
        }
        Op::Elementwise(_) | Op::Equal(_) | Op::Cast(_) => {}
        Op::Softmax(_) | Op::SoftmaxBackward(_) | Op::Reduce(_) | Op::ReduceBackward(_) => {}
        Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => {}
        Op::NllLoss(_) | Op::NllLossBackward(_) | Op::CtcLoss(_) | Op::CtcLossBackward(_) => {}
        Op::Recurrent(_) | Op::RecurrentBackward(_) => {}
        // They are compared whole.
        Op::NormStatistics(_) | Op::NormApply(_) | Op::NormSums(_) | Op::NormBackward(_) => {}
        Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) => {}
        Op::Reshape(_) | Op::BroadcastTo(_) | Op::SequenceMask(_) | Op::Permute(_) => {}
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => {}
        Op::Embedding(_) | Op::EmbeddingBackward(_) | Op::Dropout(_) => {}
        Op::FractionalMaxPool2d(_) => {}
        Op::GridSample(_) | Op::GridSampleBackwardInput(_) | Op::GridSampleBackwardGrid(_) => {}
        Op::AdaptiveMaxPool2d(_) | Op::Gather(_) | Op::Scatter(_) | Op::ScatterAdd(_) | Op::Argsort(_) => {}
        Op::OptimizerStep(_) | Op::Increment(_) => {}
        Op::Custom(_) => {}
    }
    op
}

/// How many units of each freedom fit the budget: as square as they can be.
fn affordable(units: [usize; 2], cost: u64) -> [usize; 2] {
    let whole = (units[0] * units[1]) as u64;
    let allowed =
        (u128::from(BUDGET) * u128::from(whole) / u128::from(cost.max(1))).clamp(1, u128::from(whole));
    let allowed = allowed as usize;
    if allowed as u64 == whole {
        return units;
    }
    let first = ((allowed as f64).sqrt() as usize).clamp(1, units[0]);
    let second = (allowed / first).clamp(1, units[1]);
    [(allowed / second).clamp(1, units[0]), second]
}

/// `count` of `units`, spread evenly, the last and, where there are two, the first among them.
fn spread(units: usize, count: usize) -> Vec<usize> {
    match count {
        1 => vec![units - 1],
        _ => (0..count).map(|i| i * (units - 1) / (count - 1)).collect(),
    }
}

/// The elements of a tensor at the picked units of its cut axes.
fn gather(tensor: &HostTensor, cuts: &[Cut], picked: &[Vec<usize>; 2]) -> Result<HostTensor> {
    let shape = tensor.shape();
    let mut chosen: Vec<Vec<usize>> = shape.iter().map(|&d| (0..d).collect()).collect();
    for &(axis, freedom, unit) in cuts {
        chosen[axis] = picked[freedom].iter().flat_map(|u| u * unit..(u + 1) * unit).collect();
    }
    let strides = shape.strides();
    let mut offsets = vec![0];
    for (axis, indices) in chosen.iter().enumerate() {
        let stride = strides[axis];
        offsets = offsets.iter().flat_map(|o| indices.iter().map(move |i| o + i * stride)).collect();
    }
    let words = tensor.as_bytes();
    let bytes: Vec<u8> = offsets.iter().flat_map(|&o| words[4 * o..4 * o + 4].iter().copied()).collect();
    let ty = TensorType {
        shape: chosen.iter().map(Vec::len).collect::<Vec<_>>().into(),
        dtype: tensor.ty().dtype,
    };
    HostTensor::from_bytes(&ty, &bytes)
}

/// What a part of a case, or all of it, must give.
struct Part {
    op: Op,
    freedom: Option<Freedom>,
    count: [usize; 2],
    picked: [Vec<usize>; 2],
    /// Of which size Winograd's tiles are, where the case is computed so.
    tile: Option<usize>,
}

impl Part {
    /// As much as the reference can compute in a fraction of a second.
    fn new(case: &Prepared) -> Self {
        let cost = case.nominal_flops.max(case.bytes / 4);
        let whole = |f: &Freedom| affordable(f.units, cost) == f.units;
        let freedom = freedom(&case.op, &case.inputs, &case.outputs).filter(|f| !whole(f));
        let count = freedom.as_ref().map_or([1, 1], |f| affordable(f.units, cost));
        Self { tile: case.tile, ..Self::of(&case.op, freedom, count) }
    }

    fn of(op: &Op, freedom: Option<Freedom>, count: [usize; 2]) -> Self {
        let units = freedom.as_ref().map_or([1, 1], |f| f.units);
        let picked = [spread(units[0], count[0]), spread(units[1], count[1])];
        let op = if freedom.is_some() { smaller(op, count, units) } else { op.clone() };
        Self { op, freedom, count, picked, tile: None }
    }

    /// The results of inputs, which are given whole.
    fn expected(&self, inputs: &[HostTensor]) -> Result<Vec<Estimate>> {
        let cut = |(i, value): (usize, &HostTensor)| match &self.freedom {
            Some(freedom) => gather(value, &freedom.inputs[i], &self.picked),
            None => Ok(value.clone()),
        };
        let inputs = inputs.iter().enumerate().map(cut).collect::<Result<Vec<_>>>()?;
        let types: Vec<TensorType> = inputs.iter().map(HostTensor::ty).collect();
        let (graph, outputs) = alone(&self.op, &types, &[])?;
        let named = inputs.iter().enumerate().map(|(i, value)| (i.to_string(), Array::from_host(value)));
        let named: HashMap<String, Array> = named.collect();
        let ids: Vec<_> = outputs.iter().map(Tensor::id).collect();
        let tile = |op: &Op, _: &[&TensorType], _: &[&TensorType]| self.tile.filter(|_| *op == self.op);
        graph.with(|data| estimate_tiled(data, &ids, &named, &tile))
    }

    /// A result, of which all is given.
    fn judge(&self, whole: &HostTensor, expected: &Estimate) -> Result<Judgement> {
        match &self.freedom {
            Some(freedom) => Ok(judge(&gather(whole, &freedom.output, &self.picked)?, expected)),
            None => Ok(judge(whole, expected)),
        }
    }

    /// Such as `, 2 of 32 images, 8 of 64 channels`.
    fn words(&self) -> String {
        let Some(Freedom { units, names, .. }) = &self.freedom else { return String::new() };
        let part = |i: usize| format!(", {} of {} {}", self.count[i], units[i], names[i]);
        (0..2).filter(|&i| names[i] != "part").map(part).collect()
    }
}

/// Runs the case once and holds the result to the CPU reference. Gives how it was checked, in words, such as
/// `exact` or `exact, 2 of 32 images, 8 of 64 channels`.
///
/// # Errors
/// Names the worst element; or the device failed.
pub fn check(case: &mut Prepared) -> Result<String> {
    block_on("check_async", check_async(case))
}

/// As [`check`], without waiting for the device; the reference computes in this call.
///
/// # Errors
/// As [`check`].
pub async fn check_async(case: &mut Prepared) -> Result<String> {
    let part = Part::new(case);
    let results = case.outputs[0].shape.elements() as u64;
    // Sums of this many products of two such integers stay below 2^24.
    let terms = (case.nominal_flops / results.max(1)).max(1);
    let most = ((f64::from(1 << 24) / terms as f64).sqrt() as u32).clamp(1, 3);
    let mut values = case.values(&case.line.with("data", format!("integers:{most}")))?;
    let mut expected = part.expected(&values)?;
    if expected.iter().any(|e| e.error.is_some()) {
        values = case.values(&case.line)?;
        expected = part.expected(&values)?;
    }
    case.workload.fill_scratch(NAN);
    case.write(&values)?;
    case.workload.run_async().await?;
    let (mut exact, mut fraction) = (true, 0.0f64);
    for ((output, ty), expected) in case.plan.outputs.iter().zip(&case.outputs).zip(&expected) {
        let whole = HostTensor::from_bytes(ty, &case.workload.read_async(output.buffer, ty.bytes()).await?)?;
        let judgement = part.judge(&whole, expected)?;
        if !judgement.passed() {
            return Err(Error::op(case.op.name(), "result", wrong(&judgement)));
        }
        (exact, fraction) = (exact && judgement.exact, fraction.max(judgement.fraction));
    }
    let how = if exact { "exact".to_owned() } else { format!("at most {fraction:.2} of the bound") };
    Ok(format!("{how}{}", part.words()))
}

const NAN: u32 = 0x7fc0_0000;

/// What is wrong, in words.
fn wrong(judgement: &Judgement) -> Mismatch {
    let Some(worst) = &judgement.worst else {
        let what = judgement.statistics.clone().unwrap_or_default();
        return Mismatch::new("errors that are small together", what);
    };
    let expected = format!("{:e} within {:e} at {:?}", worst.expected, worst.bound, worst.index);
    Mismatch::new(expected, format!("{:e}; {} elements are wrong", worst.got, judgement.violations))
}

#[cfg(test)]
mod tests {
    use super::super::{Case, Dims, Line, Pass};
    use super::*;
    use crate::dtype::DType;
    use crate::random::Rng;
    use crate::reference::{Precision, eval};

    /// Data of a type: integers, class indices or positions in a pool's plane, all small enough for every op.
    fn data(ty: &TensorType, number: usize) -> HostTensor {
        let mut rng = Rng::new(number as u64);
        let count = ty.shape.elements();
        match ty.dtype {
            DType::U32 => {
                HostTensor::from_u32(ty.shape.clone(), (0..count).map(|_| rng.below(6) as u32).collect())
            }
            DType::F32 | DType::F16 => {
                let value = |rng: &mut Rng| 1.0 + rng.below(5) as f32;
                HostTensor::from_f32(ty.shape.clone(), (0..count).map(|_| value(&mut rng)).collect())
                    .map(|t| t.cast(ty.dtype))
            }
        }
        .unwrap()
    }

    /// The part of the reference's result over the whole is its result over the part.
    fn part_of_whole(name: &str, shape: &str, pass: Pass, count: [usize; 2]) {
        let (set, layer) = (String::new(), String::new());
        let line = Line { set, layer, count: 1, op: name.into(), shape: Dims::parse(shape).unwrap() };
        let cases = Case::of_table(&line).unwrap();
        let case = &Case::choose(&cases, &[pass]).unwrap()[0];
        let (graph, node) = case.node().unwrap();
        let types = |ids: &[usize]| ids.iter().map(|&v| graph.ty(v).clone()).collect::<Vec<_>>();
        let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
        let free = freedom(&node.op, &inputs, &outputs).unwrap();
        let count = [count[0].min(free.units[0]), count[1].min(free.units[1])];
        let part = Part::of(&node.op, Some(free), count);
        let values: Vec<_> = inputs.iter().enumerate().map(|(i, ty)| data(ty, i)).collect();
        let arrays: Vec<_> = values.iter().map(Array::from_host).collect();
        let whole = eval(&node.op, &arrays.iter().collect::<Vec<_>>(), Precision::F64).unwrap();
        for (whole, part_of_it) in whole.iter().zip(&part.expected(&values).unwrap()) {
            let cut = part.judge(&whole.to_host().unwrap(), part_of_it).unwrap();
            assert!(cut.passed() && cut.fraction <= 1.0, "{case}, {count:?}: {cut:?}");
        }
    }

    #[test]
    fn a_part_is_checked_as_the_whole_would_be() {
        let passes = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient, Pass::BiasGradient];
        for pass in passes {
            for count in [[1, 1], [2, 3], [3, 2]] {
                part_of_whole("conv2d", "n4c6h7w5k8r3s3u2p1b1", pass, count);
                part_of_whole("conv2d", "n4c6h7w5k9r3s3p1g3b1", pass, count);
                part_of_whole("conv2d", "n3c6h7w7k6r3s2d2g6b1", pass, count);
            }
        }
        for pass in [Pass::Forward, Pass::InputGradient, Pass::WeightGradient] {
            for shape in ["m5n7k6", "m5n7k6ta1", "m5n7k6tb1b1", "m5n7k6ta1tb1"] {
                part_of_whole("matmul", shape, pass, [2, 3]);
            }
        }
        for pass in [Pass::Forward, Pass::InputGradient] {
            part_of_whole("max_pool2d", "n5c3h6w6r3s3u2p1", pass, [2, 1]);
            part_of_whole("avg_pool2d", "n5c3h6w6r2s2", pass, [3, 1]);
            part_of_whole("softmax", "n5c7", pass, [2, 1]);
            part_of_whole("cross_entropy", "n5c7", pass, [2, 1]);
            part_of_whole("gelu", "e50", pass, [7, 1]);
        }
        for pass in [Pass::Forward, Pass::InputGradient] {
            for name in ["rnn_tanh", "lstm", "gru"] {
                part_of_whole(name, "t3n5h4", pass, [2, 1]);
                part_of_whole(name, "t5n5h4b1m1", pass, [2, 1]);
            }
        }
        part_of_whole("sum", "n2c5h3w3", Pass::Forward, [1, 2]);
        part_of_whole("argmax", "n5c7", Pass::Forward, [2, 1]);
    }

    #[test]
    fn a_wrong_element_is_described() {
        let expected = Estimate::exact(Array { ty: TensorType::f32([3]), data: vec![1.0, 2.0, 3.0] });
        let got = HostTensor::from_f32([3], vec![1.0, 2.0, f32::NAN]).unwrap();
        let judgement = judge(&got, &expected);
        assert!(!judgement.passed());
        let Mismatch { expected, got } = wrong(&judgement);
        assert_eq!((expected.as_str(), got.as_str()), ("3e0 within 0e0 at [2]", "NaN; 1 elements are wrong"));
    }

    #[test]
    fn a_part_fits_the_budget_and_spreads_to_both_ends() {
        assert_eq!(affordable([32, 64], BUDGET), [32, 64]);
        let [a, b] = affordable([32, 64], 100 * BUDGET);
        assert!(a * b <= 32 * 64 / 100 + 1 && a >= 1 && b >= 1);
        assert_eq!(affordable([8, 64], u64::MAX), [1, 1]);
        assert_eq!(spread(10, 1), [9]);
        assert_eq!(spread(10, 4), [0, 3, 6, 9]);
    }
}
