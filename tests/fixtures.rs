//! The CPU reference, which every kernel is held to, against an independent source: what PyTorch computed in
//! float64 (`tests/fixtures/torch.safetensors`, made by `tests/fixtures/torch_fixtures.py`).

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeSet, HashMap};
use wgrad::reference::{Array, Interpreter, Precision};
use wgrad::verify::Case;
use wgrad::{DType, TensorType};

/// Both sides compute in f64; what differs is the order of sums and the last bits of functions.
const RELATIVE: f64 = 1e-12;

fn values(view: &TensorView<'_>) -> Vec<f64> {
    let eight = |b: &[u8]| -> [u8; 8] { b.try_into().expect("8 bytes") };
    let four = |b: &[u8]| -> [u8; 4] { b.try_into().expect("4 bytes") };
    match view.dtype() {
        Dtype::F64 => view.data().chunks_exact(8).map(|b| f64::from_le_bytes(eight(b))).collect(),
        Dtype::I64 => view.data().chunks_exact(8).map(|b| i64::from_le_bytes(eight(b)) as f64).collect(),
        Dtype::F32 => view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
        other => panic!("{other:?} in the fixtures"),
    }
}

/// Everything under `prefix`, by name.
fn under(file: &SafeTensors<'_>, prefix: &str) -> HashMap<String, Array> {
    let mut found = HashMap::new();
    for (name, view) in file.tensors() {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        let dtype = if view.dtype() == Dtype::I64 { DType::U32 } else { DType::F32 };
        let ty = TensorType { shape: view.shape().into(), dtype };
        found.insert(name.to_owned(), Array { ty, data: values(&view) });
    }
    found
}

/// The ops that this file's fixtures leave out, and why.
const WITHOUT: [(&[&str], &str); 4] = [
    (&["equal"], "u32 in, 1 or 0 out"),
    (&["rnn_tanh", "rnn_relu", "lstm", "gru"], "tests/recurrent.rs has PyTorch's layers"),
    (
        &["concat", "split", "unbind", "narrow", "permute", "embedding", "where"],
        "they move numbers and change none",
    ),
    (
        &["dropout", "sequence_mask", "sqrt", "clamp_max"],
        "not made yet; dropout's numbers are this crate's own",
    ),
];

#[test]
fn the_reference_agrees_with_pytorch() {
    let bytes: &[u8] = include_bytes!("fixtures/torch.safetensors");
    let file = SafeTensors::deserialize(bytes).expect("the fixtures");
    let (_, header) = SafeTensors::read_metadata(bytes).expect("the fixtures");
    let metadata = header.metadata().as_ref().expect("metadata");
    let (mut compared, mut worst, mut failures, mut ops) = (0, 0.0f64, Vec::new(), BTreeSet::new());
    for (number, line) in metadata["cases"].lines().enumerate() {
        let case: Case = line.parse().expect("a line of the table");
        ops.insert(case.op().to_owned());
        let inputs = under(&file, &format!("{number}/in/"));
        let expected = under(&file, &format!("{number}/out/"));
        let ids: Vec<_> = case.outputs.iter().map(|(_, t)| t.id()).collect();
        let interpreter = Interpreter::new(case.graph.with(Clone::clone), &ids, Precision::F64);
        let mut states = case.graph.with(|data| {
            let of = |op: &wgrad::ops::Op| match op {
                wgrad::ops::Op::State { name, ty, init, .. } => {
                    let first = init.values(name, 0, ty.shape.elements()).into_iter().map(f64::from);
                    Some((name.clone(), Array { ty: ty.clone(), data: first.collect() }))
                }
                _ => None,
            };
            data.nodes.iter().filter_map(|node| of(&node.op)).collect()
        });
        let got = interpreter.run(&inputs, &mut states).expect("a graph that runs");
        for (name, tensor) in &case.outputs {
            let Some(expected) = expected.get(name) else { continue };
            let got = &got[&tensor.id()];
            assert_eq!(got.ty.shape, expected.ty.shape, "{line}: {name}");
            // Relative to the largest element: cancellation leaves small ones with the error of their terms.
            let scale = expected.data.iter().fold(f64::MIN_POSITIVE, |most, v| most.max(v.abs()));
            let error = got.data.iter().zip(&expected.data).map(|(g, e)| (g - e).abs() / scale);
            let error = error.fold(0.0, |most: f64, e| if e.is_nan() { f64::INFINITY } else { most.max(e) });
            (compared, worst) = (compared + 1, worst.max(error));
            if error > RELATIVE {
                failures.push(format!("{line}: {name} is off by {error:.2e} of its largest element"));
            }
        }
    }
    println!("PyTorch {}: {compared} tensors of {ops:?}, worst {worst:.1e}", metadata["torch"]);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let all: BTreeSet<String> = wgrad::verify::ops().into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = all.difference(&ops).collect();
    let without: Vec<&str> = WITHOUT.iter().flat_map(|(ops, _)| ops.iter().copied()).collect();
    let without: BTreeSet<&str> = without.into_iter().collect();
    assert_eq!(
        missing.iter().map(|op| op.as_str()).collect::<BTreeSet<&str>>(),
        without,
        "ops without a fixture"
    );
}
