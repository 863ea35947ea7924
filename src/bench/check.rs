//! Is the result right? Each case is compared with the CPU reference before it is timed.
//!
//! Where the op allows, inputs are integers small enough that every sum is exact, and so must be the result.
//! The case runs whole, as it will be timed. Where the reference would take too long over all of it, it
//! computes the part of the result that a few images, channels, rows or columns lead to, with the full length
//! of every sum.

use super::case::{Data, Prepared};
use crate::error::{Error, Mismatch, Result};
use crate::ops::{Op, Unary};
use crate::reference::{Array, Precision, eval};
use crate::shape::Shape;
use crate::tensor::{HostTensor, TensorType};

/// How close the result must come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    /// The same bits, -0 = +0.
    Exact,
    /// `|err| <= absolute + relative * |reference|`.
    Within { relative: f64, absolute: f64 },
}

fn bound(op: &Op) -> Bound {
    let exact = match op {
        Op::Conv2d(_) | Op::Conv2dBackwardInput { .. } | Op::Conv2dBackwardWeight { .. } => true,
        Op::MatMul(_) | Op::Sum { .. } | Op::BroadcastTo { .. } | Op::Reshape { .. } | Op::Argmax { .. } => {
            true
        }
        Op::MaxPool2d(_) | Op::MaxPool2dBackward { .. } | Op::Equal | Op::Increment | Op::Sgd(_) => true,
        Op::Input { .. } | Op::State { .. } | Op::Constant { .. } => true,
        Op::Unary(f) | Op::UnaryBackward(f) => matches!(f, Unary::Relu),
        Op::Binary(f) => !matches!(f, crate::ops::Binary::Div),
        Op::AvgPool2d(o) => (o.kernel_size.h * o.kernel_size.w).is_power_of_two(),
        Op::AvgPool2dBackward { options: o, .. } => (o.kernel_size.h * o.kernel_size.w).is_power_of_two(),
        Op::Softmax(_) | Op::SoftmaxBackward(_) | Op::Adam(_) => false,
        Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => false,
        Op::Concat { .. } | Op::Split { .. } | Op::Narrow { .. } | Op::NarrowBackward { .. } => true,
        Op::Permute { .. } | Op::Embedding | Op::EmbeddingBackward { .. } | Op::Where => true,
        Op::SequenceMask { .. } => true,
        Op::Recurrent(_) | Op::RecurrentBackward(_) | Op::Dropout(_) => false,
    };
    match op {
        _ if exact => Bound::Exact,
        Op::Softmax(s) if !s.log => Bound::Within { relative: 2e-5, absolute: 1e-8 },
        _ => Bound::Within { relative: 1e-5, absolute: 1e-5 },
    }
}

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
        Op::Conv2dBackwardInput { options: o, input } if o.groups == 1 => {
            ([input[0], input[1]], images, vec![vec![(0, 0, 1)], vec![(1, 1, 1)]], vec![(0, 0, 1), (1, 1, 1)])
        }
        Op::Conv2dBackwardInput { options: o, input } => {
            let (c, k) = (input[1] / o.groups, in_shapes[1][0] / o.groups);
            let cuts = vec![vec![(0, 0, 1), (1, 1, k)], vec![(0, 1, k)]];
            ([input[0], o.groups], ["images", "groups"], cuts, vec![(0, 0, 1), (1, 1, c)])
        }
        Op::Conv2dBackwardWeight { options: o, weight } if o.groups == 1 => {
            let cuts = vec![vec![(1, 0, 1)], vec![(1, 1, 1)]];
            ([weight[0], weight[1]], ["filters", "channels"], cuts, vec![(0, 0, 1), (1, 1, 1)])
        }
        Op::Conv2dBackwardWeight { options: o, weight } => {
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
        Op::Sum { dims } if dims[..] == [0, 2, 3] && in_shapes[0].len() == 4 => {
            ([1, in_shapes[0][1]], ["part", "channels"], vec![vec![(1, 1, 1)]], vec![(0, 1, 1)])
        }
        Op::Recurrent(_) | Op::RecurrentBackward(_) => {
            // Rows of the batch: the second axis of sequences, the first of states, none of the weights.
            let cut = |(number, shape): (usize, &&Shape)| match shape.len() {
                3 => vec![(1, 0, 1)],
                _ if number > 1 => vec![(0, 0, 1)],
                _ => vec![],
            };
            let cuts = in_shapes.iter().enumerate().map(cut).collect();
            ([in_shapes[0][1], 1], ["rows", "part"], cuts, vec![(1, 0, 1)])
        }
        _ if rowwise(op) => {
            ([in_shapes[0][0], 1], ["rows", "part"], vec![vec![(0, 0, 1)]; inputs.len()], vec![(0, 0, 1)])
        }
        _ => return None,
    };
    Some(Freedom { units, names, inputs: cuts, output })
}

/// Whether every row of the outputs depends on the same row of every input alone.
fn rowwise(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(_)
            | Op::UnaryBackward(_)
            | Op::Binary(_)
            | Op::MaxPool2d(_)
            | Op::MaxPool2dBackward { .. }
            | Op::AvgPool2d(_)
            | Op::AvgPool2dBackward { .. }
            | Op::Softmax(_)
            | Op::SoftmaxBackward(_)
            | Op::CrossEntropy(_)
            | Op::CrossEntropyBackward(_)
            | Op::Argmax { .. }
    )
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
        Op::Conv2dBackwardInput { options, input } => {
            *input = resized(input, &[(0, 0, 1), (1, 1, input[1] / units[1])]);
            options.groups = grouped(options.groups);
        }
        Op::Conv2dBackwardWeight { options, weight } if options.groups == 1 => {
            *weight = resized(weight, &[(0, 0, 1), (1, 1, 1)]);
        }
        Op::Conv2dBackwardWeight { options, weight } => {
            *weight = resized(weight, &[(0, 1, weight[0] / units[1])]);
            options.groups = grouped(options.groups);
        }
        Op::MaxPool2dBackward { input, .. } => *input = resized(input, &[(0, 0, 1)]),
        Op::AvgPool2dBackward { input, .. } => *input = resized(input, &[(0, 0, 1)]),
        _ => {}
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

/// The first wrong element, in words.
fn compare(got: &HostTensor, expected: &Array, bound: Bound) -> Result<(), Mismatch> {
    let got = Array::from_host(got);
    // Written so that NaN is out of every bound.
    let right = |got: f64, expected: f64| match bound {
        Bound::Exact => got == expected,
        Bound::Within { relative, absolute } => {
            (got - expected).abs() <= absolute + relative * expected.abs()
        }
    };
    let mut wrong = got.data.iter().zip(&expected.data).enumerate().filter(|(_, (g, e))| !right(**g, **e));
    match wrong.next() {
        None => Ok(()),
        Some((index, (g, e))) => {
            let others = wrong.count();
            Err(Mismatch::new(
                format!("{e:e} at element {index}"),
                format!("{g:e}, and {others} more are wrong"),
            ))
        }
    }
}

impl Bound {
    fn words(self) -> String {
        match self {
            Bound::Exact => "exact".into(),
            Bound::Within { relative, .. } => format!("within {relative:e}"),
        }
    }
}

/// Runs the case once and compares the result with the reference. Gives how it was checked, in words, such as
/// `exact` or `exact, 2 of 32 images, 8 of 64 channels`.
///
/// # Errors
/// Names the first wrong element; or the device failed.
pub fn check(case: &mut Prepared) -> Result<String> {
    let bound = bound(&case.op);
    let results: u64 = case.outputs[0].shape.elements() as u64;
    // Sums of this many products of two such integers stay below 2^24.
    let terms = (case.nominal_flops / results.max(1)).max(1);
    let most = ((f64::from(1 << 24) / terms as f64).sqrt() as u32).clamp(1, 3);
    let values = case.values(if bound == Bound::Exact { Data::Integers(most) } else { Data::Reals })?;
    case.workload.fill_scratch(NAN);
    case.write(&values)?;
    case.workload.run()?;
    let types: Vec<TensorType> = case.inputs.iter().map(|i| i.ty.clone()).collect();
    let free = freedom(&case.op, &types, &case.outputs);
    let cost = case.nominal_flops.max(case.bytes / 4);
    let Some(free) = free.filter(|f| affordable(f.units, cost) != f.units) else {
        compare_part(case, &case.op, &values, None, bound)?;
        return Ok(bound.words());
    };
    let count = affordable(free.units, cost);
    let picked = [spread(free.units[0], count[0]), spread(free.units[1], count[1])];
    let cut = values.iter().zip(&free.inputs).map(|(v, cuts)| gather(v, cuts, &picked));
    let op = smaller(&case.op, count, free.units);
    compare_part(case, &op, &cut.collect::<Result<Vec<_>>>()?, Some((&free.output, &picked)), bound)?;
    let part = |i: usize| format!(", {} of {} {}", count[i], free.units[i], free.names[i]);
    let parts: String = (0..2).filter(|&i| free.names[i] != "part").map(part).collect();
    Ok(format!("{}{parts}", bound.words()))
}

const NAN: u32 = 0x7fc0_0000;

fn compare_part(
    case: &Prepared,
    op: &Op,
    inputs: &[HostTensor],
    part: Option<(&[Cut], &[Vec<usize>; 2])>,
    bound: Bound,
) -> Result<()> {
    let arrays: Vec<Array> = inputs.iter().map(Array::from_host).collect();
    let expected = eval(op, &arrays.iter().collect::<Vec<_>>(), Precision::F32)?;
    for ((output, ty), expected) in case.plan.outputs.iter().zip(&case.outputs).zip(&expected) {
        let whole = HostTensor::from_bytes(ty, &case.workload.read(output.buffer, ty.bytes())?)?;
        let got = match part {
            Some((cuts, picked)) => gather(&whole, cuts, picked)?,
            None => whole,
        };
        compare(&got, expected, bound).map_err(|m| Error::op(case.op.name(), "result", m))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Case, Dims, Pass, op};
    use super::*;
    use crate::dtype::DType;
    use crate::random::Rng;

    /// Data of a type: integers, class indices or positions in a pool's plane, all small enough for every op.
    fn data(ty: &TensorType, number: usize) -> HostTensor {
        let mut rng = Rng::new(number as u64);
        let count = ty.shape.elements();
        match ty.dtype {
            DType::U32 => {
                HostTensor::from_u32(ty.shape.clone(), (0..count).map(|_| rng.below(6) as u32).collect())
            }
            DType::F32 => {
                let value = |rng: &mut Rng| 1.0 + rng.below(5) as f32;
                HostTensor::from_f32(ty.shape.clone(), (0..count).map(|_| value(&mut rng)).collect())
            }
        }
        .unwrap()
    }

    /// The part of the reference's result over the whole is its result over the part.
    fn part_of_whole(name: &str, shape: &str, pass: Pass, count: [usize; 2]) {
        let (op, shape) = (op(name).unwrap(), Dims::parse(shape).unwrap());
        let (set, layer) = (String::new(), String::new());
        let case = Case { set, layer, count: 1, op, shape, pass, variant: None };
        let (graph, node) = case.node().unwrap();
        let types = |ids: &[usize]| ids.iter().map(|&v| graph.ty(v).clone()).collect::<Vec<_>>();
        let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
        let free = freedom(&node.op, &inputs, &outputs).unwrap();
        let count = [count[0].min(free.units[0]), count[1].min(free.units[1])];
        let picked = [spread(free.units[0], count[0]), spread(free.units[1], count[1])];
        let values: Vec<_> = inputs.iter().enumerate().map(|(i, ty)| data(ty, i)).collect();
        let run = |op: &Op, values: &[HostTensor]| {
            let arrays: Vec<_> = values.iter().map(Array::from_host).collect();
            eval(op, &arrays.iter().collect::<Vec<_>>(), Precision::F32).unwrap()
        };
        let whole = run(&node.op, &values);
        let cut: Vec<_> =
            values.iter().zip(&free.inputs).map(|(v, c)| gather(v, c, &picked).unwrap()).collect();
        let part = run(&smaller(&node.op, count, free.units), &cut);
        for (whole, part) in whole.iter().zip(&part) {
            let expected = gather(&whole.to_host().unwrap(), &free.output, &picked).unwrap();
            assert_eq!(compare(&expected, part, Bound::Exact), Ok(()), "{case}, {count:?}");
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
        part_of_whole("sum", "n2c5h3w3", Pass::Forward, [1, 2]);
        part_of_whole("argmax", "n5c7", Pass::Forward, [2, 1]);
    }

    #[test]
    fn a_wrong_element_and_nan_are_found() {
        let expected = Array { ty: TensorType::f32([3]), data: vec![1.0, 2.0, 3.0] };
        let got = |v: [f32; 3]| HostTensor::from_f32([3], v.to_vec()).unwrap();
        assert_eq!(compare(&got([1.0, 2.0, 3.0]), &expected, Bound::Exact), Ok(()));
        let wrong = compare(&got([1.0, 2.5, f32::NAN]), &expected, Bound::Exact).unwrap_err();
        assert_eq!(
            (wrong.expected.as_str(), wrong.got.as_str()),
            ("2e0 at element 1", "2.5e0, and 1 more are wrong")
        );
        let near = Bound::Within { relative: 1e-3, absolute: 0.0 };
        assert!(compare(&got([1.0005, 2.0, 3.0]), &expected, near).is_ok());
        assert!(compare(&got([f32::NAN, 2.0, 3.0]), &expected, near).is_err());
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
