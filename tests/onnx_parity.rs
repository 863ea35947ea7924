//! Whole models: every node on the values that flow into it, as the library has it and as `wgrad parity --model` does; and ONNX
//! files in the place of models' names.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::path::{Path, PathBuf};
use wgrad::custom::{Buffer, Custom, CustomOp, Kernel, Kernels, Values};
use wgrad::ops::Init;
use wgrad::verify::{Adapter, Effort, Failure, Network, Outcome, Site, Verdict};
use wgrad::{Graph, HostTensor, Mismatch, TensorType};

/// A network of seven nodes in 875 bytes: `tests/fixtures/onnx_tiny.py`.
fn tiny() -> String {
    format!("{}/tests/fixtures/tiny.onnx", env!("CARGO_MANIFEST_DIR"))
}

/// A file of other people, where it lies beside this repository.
fn model(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models").join(name);
    let there = path.exists();
    if !there {
        println!("SKIPPED: no {}", path.display());
    }
    there.then_some(path)
}

fn adapter() -> Option<Adapter> {
    Adapter::open(None, None).map_err(|e| println!("SKIPPED: {e}")).ok()
}

fn run(args: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    wgrad(folder.path(), args)
}

/// Twice a number; the kernel takes what is above 8 for 8, which no small number shows.
struct Double {
    wrong: bool,
}

impl CustomOp for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn attributes(&self) -> String {
        format!("wrong {}", self.wrong)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        Ok(vec![inputs[0].clone()])
    }

    fn kernels(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> Result<Kernels, Mismatch> {
        let n = inputs[0].shape.elements();
        let most = if self.wrong { "8.0" } else { "1e30" };
        let wgsl = format!(
            "@compute @workgroup_size(64)
             fn double(@builtin(global_invocation_id) id: vec3<u32>) {{
                 if (id.x < {n}u) {{ y[id.x] = 2.0 * min(x[id.x], {most}); }}
             }}"
        );
        let kernel = Kernel::new("double", wgsl).read("x", Buffer::Input(0)).write("y", Buffer::Output(0));
        Ok(kernel.groups(n.div_ceil(64)).into())
    }

    fn eval(&self, inputs: &[Values<'_>], _outputs: &[TensorType]) -> Option<Vec<Vec<f64>>> {
        Some(vec![inputs[0].data.iter().map(|x| 2.0 * x).collect()])
    }
}

/// `x (4, 8)` times a weight, doubled, and the softmax of that.
fn doubling(wrong: bool, scale: f32) -> wgrad::Result<Network> {
    let graph = Graph::new();
    let x = graph.input("x", [4, 8])?;
    let weight = graph.parameter("weight", [8, 8], Init::Constant(1.0))?;
    let product = graph.scoped("first", || x.matmul(&weight))?;
    let doubled = graph.scoped("second", || product.custom(&Custom::new(Double { wrong }), &[]))?;
    let y = graph.scoped("third", || doubled.tanh())?;
    let values = (0..32).map(|i| scale * (i as f32 / 16.0 - 1.0)).collect();
    Network::new(&graph, &[("y", &y), ("doubled", &doubled)], &[(x, HostTensor::from_f32([4, 8], values)?)])
}

fn outcomes(network: &Network, adapter: &Adapter) -> Vec<(Site, Outcome)> {
    let mut found = Vec::new();
    let see = &mut |site: &Site, _: usize, outcome: Result<Outcome, String>| {
        found.push((site.clone(), outcome.expect("a device that works")));
    };
    network.hold(&[adapter], Effort::full(), u64::MAX, see).expect("a network");
    found
}

/// A kernel that is wrong for values that a network has, and right for others, is found in the network alone, by name.
#[test]
fn a_wrong_kernel_is_found_where_its_values_flow() {
    let Some(adapter) = adapter() else { return };
    for (wrong, scale) in [(false, 8.0), (true, 0.5), (true, 8.0)] {
        let network = doubling(wrong, scale).expect("a network");
        let found = outcomes(&network, &adapter);
        let ops: Vec<&str> = found.iter().map(|(site, _)| site.op).collect();
        assert_eq!(ops, ["matmul", "double", "tanh"]);
        let failed: Vec<&(Site, Outcome)> =
            found.iter().filter(|(_, outcome)| outcome.verdict != Verdict::Pass).collect();
        let whole = network.whole(&adapter).expect("a device that works");
        let ends: Vec<&Verdict> = whole.outputs.iter().map(|output| &output.outcome.verdict).collect();
        if !(wrong && scale > 1.0) {
            assert!(failed.is_empty(), "{failed:#?}");
            assert!(ends.iter().all(|verdict| **verdict == Verdict::Pass), "{whole:#?}");
            continue;
        }
        let [(site, Outcome { verdict: Verdict::Fail(failure), .. })] = failed[..] else {
            panic!("{failed:#?}");
        };
        assert_eq!((site.label.as_str(), failure.output.as_str()), ("second", "output"));
        assert!(site.to_string().contains("double 'second'"), "{site}");
        let Failure { judgement: Some(judgement), .. } = &**failure else { panic!("{failure:#?}") };
        let worst = judgement.worst.as_ref().expect("an element");
        assert!(worst.got == 16.0 && worst.expected > 16.0, "{worst:?}");
        // From end to end it is seen as well, where the tanh does not hide it.
        assert!(matches!(ends[1], Verdict::Fail(_)), "{whole:#?}");
    }
}

/// A node alone is tried on what flows into it, and what is not needed for that is not computed.
#[test]
fn one_node_and_nodes_too_large() {
    let Some(adapter) = adapter() else { return };
    let network = doubling(true, 8.0).expect("a network");
    let sites = network.sites();
    let mut found = Vec::new();
    let mut see = |site: &Site, _: usize, outcome: Result<Outcome, String>| {
        found.push((site.node, outcome.expect("a device that works").verdict));
    };
    network.hold_some(&[sites[2].node], &[&adapter], Effort::quick(), &mut see).expect("a network");
    network.hold(&[&adapter], Effort::quick(), 100, &mut see).expect("a network");
    assert_eq!(found[0], (sites[2].node, Verdict::Pass));
    assert!(matches!(&found[1].1, Verdict::Skipped(why) if why.contains("GFLOP")), "{found:#?}");
    assert_eq!(found.len(), 4);
}

#[test]
fn values_must_be_of_the_network() {
    let network = doubling(false, 1.0).expect("a network");
    let ones = |count: usize| HostTensor::from_f32([count], vec![1.0; count]).expect("values");
    for (name, value) in [("nothing", ones(8)), ("weight", ones(8)), ("x", ones(32))] {
        let error = doubling(false, 1.0).expect("a network").value(name, &value).expect_err(name).to_string();
        assert!(error.contains("expected") && error.contains("got"), "{error}");
    }
    let weight = HostTensor::from_f32([8, 8], vec![2.0; 64]).expect("values");
    assert!(network.value("weight", &weight).is_ok());
}

#[test]
fn a_file_goes_where_a_name_goes() {
    if adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let on = |args: &[&str]| {
        let (success, text) = wgrad(folder.path(), args);
        assert!(success, "{args:?}:\n{text}");
        text
    };
    let (tiny, json, html) = (tiny(), "report.json", "report.html");
    let model = ["--model", &tiny, "--quick", "--shape", "N=3", "--json", json, "--html", html];
    let text = on(&[&["parity"], &model[..]].concat());
    for part in
        ["conv2d_backward_weight", "0 failed", "probabilities (3, 3)", "the nearest to its bound", "sgd"]
    {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&read(json)).expect("JSON");
    let cases = report["cases"].as_array().expect("rows");
    assert!(cases.iter().any(|case| case["label"] == "conv" && case["op"] == "conv2d"), "{report:#}");
    assert!(report["complete"] == true && cases.len() > 30 && read(html).contains("tiny.onnx"), "{report:#}");

    let forward = ["parity", "--model", &tiny, "--forward", "--batch-size", "2"];
    let list = on(&[&forward[..], &["--list"]].concat());
    assert!(list.lines().count() < 14 && list.contains("conv2d 'conv'"), "{list}");
    let one = on(&[&forward[..], &["--quick", "--node", "conv"]].concat());
    assert!(one.contains("1 nodes and outputs: 1 passed"), "{one}");

    let text = on(&["explain", &tiny, "--batch-size", "3"]);
    assert!(
        text.contains("a training step of 3 examples") && text.contains("conv2d_backward_weight"),
        "{text}"
    );
    let text = on(&["summary", &tiny]);
    assert!(text.contains("conv2d") && text.contains("image=1x1x6x6"), "{text}");
    let text = on(&["bench", "train", "--model", &tiny, "--batch-size", "2", "--time", "0.02"]);
    assert!(text.contains("tiny.onnx") && text.contains("1 measured, 0 failed"), "{text}");
}

#[test]
fn networks_by_name_pass() {
    if adapter().is_none() {
        return;
    }
    for name in ["mlp", "motif-gru"] {
        let (success, text) = run(&["parity", "--model", name, "--quick"]);
        assert!(success && text.contains("a training step") && text.contains("loss ()"), "{text}");
    }
}

#[test]
fn models_that_nobody_here_wrote() {
    if adapter().is_none() {
        return;
    }
    let Some(path) = model("silero_vad_16k_sequence.onnx") else { return };
    let path = path.to_str().expect("a path in UTF-8");
    let (success, text) =
        run(&["parity", "--model", path, "--quick", "--forward", "--shape", "sequence_length=3"]);
    assert!(success && text.contains("lstm") && text.contains("speech_probs"), "{text}");
}

#[test]
fn what_is_no_model_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, tiny) = (folder.path(), tiny());
    refused(folder, &["parity", "--model", "nothing"], &["simple-cnn", "motif-gru", "nothing"]);
    refused(folder, &["parity", "--model", "nothing.onnx"], &["nothing.onnx"]);
    refused(folder, &["parity", "--model", "mlp", "conv2d"], &["cannot be used with"]);
    refused(folder, &["parity", "--node", "3"], &["--model"]);
    refused(folder, &["parity", "--model", "mlp", "--shape", "N=3"], &["--shape", "mlp"]);
    refused(folder, &["parity", "--model", &tiny, "--shape", "N=0"], &["N=16"]);
    refused(folder, &["parity", "--model", &tiny, "--shape", "M=4"], &["image", "(N, 1, 6, 6)", "M"]);
    refused(folder, &["parity", "--model", &tiny, "--node", "999", "--list"], &["--node", "999"]);
    refused(
        folder,
        &["explain", &tiny, "--shape", "N=2", "--batch-size", "3"],
        &["batch size", "expected 2"],
    );
    refused(folder, &["explain", "nothing"], &["simple-cnn", "nothing"]);
    refused(folder, &["summary", &tiny, "--classes", "4"], &["--classes"]);
}
