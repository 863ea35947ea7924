//! Normalisation layers: what they keep, what they refuse, how many kernels they take, and a small residual network beside
//! PyTorch (`tests/fixtures/torch_norm_net.py`).

use safetensors::tensor::{Dtype, SafeTensors};
use wgrad::graph::gradients_from;
use wgrad::kernels::Limits;
use wgrad::nn::{
    BatchNorm1d, BatchNorm2d, Conv2d, GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, Linear, Module,
    RMSNorm,
};
use wgrad::ops::{CrossEntropy, Reduction, Role};
use wgrad::optim::{Optimizer, Sgd};
use wgrad::plan::{Step, plan};
use wgrad::{Device, Graph, HostTensor, Parameters, Tensor};

/// What a layer names, of the role, and the outputs of two runs of an input.
fn keys(layer: &dyn Module, shape: &[usize], role: Role) -> Vec<String> {
    let graph = Graph::new();
    let output = layer.forward(&graph.input("x", shape).expect("a shape")).expect("an input that fits");
    let parameters = Parameters::new(&Device::cpu(), 0);
    parameters.compile(&graph, &[&output]).expect("a program");
    parameters.names(role)
}

#[test]
fn layers_have_pytorchs_keys() {
    let (affine, running) = (["bias", "weight"], ["num_batches_tracked", "running_mean", "running_var"]);
    let images = [2, 4, 3, 3];
    assert_eq!(keys(&BatchNorm2d::new(4), &images, Role::Parameter), affine);
    assert_eq!(keys(&BatchNorm2d::new(4), &images, Role::Buffer), running);
    assert_eq!(keys(&BatchNorm1d::new(4), &[2, 4], Role::Buffer), running);
    assert!(keys(&BatchNorm1d::new(4).affine(false), &[2, 4, 3], Role::Parameter).is_empty());
    assert!(keys(&BatchNorm2d::new(4).track_running_stats(false), &images, Role::Buffer).is_empty());
    assert!(keys(&InstanceNorm2d::new(4), &images, Role::Parameter).is_empty());
    let tracking = InstanceNorm1d::new(4).affine(true).track_running_stats(true);
    assert_eq!(keys(&tracking, &[2, 4, 5], Role::Parameter), affine);
    assert_eq!(keys(&tracking, &[2, 4, 5], Role::Buffer), running);
    assert_eq!(keys(&GroupNorm::new(2, 4), &images, Role::Parameter), affine);
    assert_eq!(keys(&LayerNorm::new([3, 3]), &images, Role::Parameter), affine);
    assert_eq!(keys(&LayerNorm::new([3]).bias(false), &images, Role::Parameter), ["weight"]);
    assert!(keys(&LayerNorm::new([3]).elementwise_affine(false), &images, Role::Parameter).is_empty());
    assert_eq!(keys(&RMSNorm::new([3]), &images, Role::Parameter), ["weight"]);
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let graph = Graph::new();
    let mut number = 0;
    let mut refused = |layer: &dyn Module, shape: &[usize], words: &str| {
        number += 1;
        let input = graph.input(&format!("x{number}"), shape).expect("a shape");
        let error = graph.scoped(&number.to_string(), || layer.forward(&input)).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&BatchNorm1d::new(4), &[1, 4], "more than 1 value per channel");
    refused(&BatchNorm2d::new(4), &[1, 4, 1, 1], "more than 1 value per channel");
    refused(&BatchNorm2d::new(4), &[2, 3, 5, 5], "C = 4 channels");
    refused(&BatchNorm2d::new(4), &[2, 4, 5], "(N, C, H, W)");
    refused(&InstanceNorm1d::new(4), &[2, 4, 1], "more than 1 spatial element");
    refused(&GroupNorm::new(3, 4), &[2, 4, 5], "divides 4 channels");
    refused(&LayerNorm::new([5]), &[2, 4], "ends in [5]");
    refused(&RMSNorm::new([2, 4]), &[4], "ends in [2, 4]");
}

/// Evaluation uses the running statistics, and a channel may then have a single value.
#[test]
fn running_statistics_follow_and_serve_evaluation() {
    let device = Device::auto().expect("a device that opens");
    let (graph, layer) = (Graph::new(), BatchNorm1d::new(2).momentum(0.5));
    let x = graph.input("x", [2, 2]).expect("a shape");
    let output = layer.forward(&x).expect("an input that fits");
    let parameters = Parameters::new(&device, 0);
    let mut training = parameters.compile(&graph, &[&output]).expect("a program");
    let values = HostTensor::from_f32([2, 2], vec![1.0, 10.0, 3.0, 14.0]).expect("a tensor");
    for _ in 0..2 {
        training.run(&[(&x, &values)]).expect("a run");
    }
    let held = |name: &str| parameters.get(name).expect("a state");
    // Means 2 and 12, variances 2 and 8 of one degree of freedom: twice half of what is left.
    assert_eq!(held("running_mean").as_f32().expect("f32"), [1.5, 9.0]);
    assert_eq!(held("running_var").as_f32().expect("f32"), [1.75, 6.25]);
    assert_eq!(held("num_batches_tracked").as_u32().expect("u32"), [2]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("norm.safetensors");
    parameters.save(&file).expect("a file that can be written");
    // The same file in a graph that only evaluates.
    let graph = Graph::new();
    graph.set_training(false);
    let x = graph.input("x", [1, 2]).expect("a shape");
    let output = layer.forward(&x).expect("an input that fits");
    let parameters = Parameters::new(&device, 1);
    let mut evaluation = parameters.compile(&graph, &[&output]).expect("a program");
    parameters.load(&file).expect("the file just saved");
    let values = HostTensor::from_f32([1, 2], vec![2.5, 4.0]).expect("a tensor");
    evaluation.run(&[(&x, &values)]).expect("a run");
    let got = evaluation.read(&output).expect("the output");
    for (got, expected) in
        got.as_f32().expect("f32").iter().zip([1.0 / 1.75f32.sqrt(), -5.0 / 6.25f32.sqrt()])
    {
        assert!((got - expected).abs() < 1e-4, "{got} {expected}");
    }
    assert_eq!(parameters.get("num_batches_tracked").expect("a state").as_u32().expect("u32"), [2]);
}

/// Averages over all batches, and those of instance norm over the samples.
#[test]
fn other_running_statistics() {
    let device = Device::auto().expect("a device that opens");
    let run = |layer: &dyn Module, batches: &[[f32; 4]]| -> [Vec<f32>; 2] {
        let graph = Graph::new();
        let x = graph.input("x", [2, 1, 2]).expect("a shape");
        let output = layer.forward(&x).expect("an input that fits");
        let parameters = Parameters::new(&device, 0);
        let mut program = parameters.compile(&graph, &[&output]).expect("a program");
        for batch in batches {
            let values = HostTensor::from_f32([2, 1, 2], batch.to_vec()).expect("a tensor");
            program.run(&[(&x, &values)]).expect("a run");
        }
        ["running_mean", "running_var"]
            .map(|name| parameters.get(name).expect("a state").as_f32().expect("f32").to_vec())
    };
    let close = |got: &[Vec<f32>; 2], expected: [f32; 2]| {
        assert!((got[0][0] - expected[0]).abs() < 1e-5 && (got[1][0] - expected[1]).abs() < 1e-4, "{got:?}");
    };
    let batches = [[1.0, 1.0, 3.0, 3.0], [4.0, 8.0, 4.0, 8.0], [0.0, 0.0, 0.0, 12.0]];
    // Means 2, 6 and 3; variances 4/3, 16/3 and 36.
    close(
        &run(&BatchNorm1d::new(1).momentum(None), &batches),
        [11.0 / 3.0, (4.0 / 3.0 + 16.0 / 3.0 + 36.0) / 3.0],
    );
    // Of samples (1, 1) and (3, 3): mean 2, variance 0; of (4, 8) twice: 6 and 8.
    let layer = InstanceNorm1d::new(1).track_running_stats(true).momentum(0.5);
    close(&run(&layer, &batches[..2]), [0.5 + 3.0, 0.25 + 4.0]);
}

/// A batch norm with its activation on large planes: two kernels forward, three backward.
#[test]
fn a_batch_norm_is_few_kernels() {
    for software in [true, false] {
        let limits = Limits { software, subgroup_size: software.then_some(8), ..Limits::default() };
        let graph = Graph::new();
        let x = graph.input("x", [16, 64, 56, 56]).expect("a shape");
        let y = BatchNorm2d::new(64).forward(&x).expect("an input that fits").relu().expect("f32");
        let dispatches = |outputs: &[&Tensor]| {
            let ids: Vec<_> = outputs.iter().map(|tensor| tensor.id()).collect();
            let plan = graph.with(|data| plan(data, &ids, &limits)).expect("a plan");
            plan.steps.iter().filter(|step| matches!(step, Step::Dispatch(_))).count()
        };
        let forward = dispatches(&[&y]);
        let g = graph.input("g", y.shape()).expect("a shape");
        let parameters = graph.parameters();
        let wrt = [&x, &parameters[0], &parameters[1]];
        let grads = gradients_from(&y, &g, &wrt).expect("gradients");
        let all = dispatches(&[&y, &grads[0], &grads[1], &grads[2]]);
        assert_eq!((forward, all - forward), (2, 3), "software: {software}");
    }
}

fn residual(images: &Tensor) -> wgrad::Result<Tensor> {
    let graph = images.graph().clone();
    let conv = |name: &str, x: &Tensor, c: usize| {
        graph.scoped(name, || Conv2d::new(c, 8, 3).padding(1).bias(false).forward(x))
    };
    let norm = |name: &str, x: &Tensor| graph.scoped(name, || BatchNorm2d::new(8).forward(x));
    let x = norm("norm0", &conv("stem", images, 3)?)?.relu()?;
    let y = norm("norm1", &conv("conv1", &x, 8)?)?.relu()?;
    let x = norm("norm2", &conv("conv2", &y, 8)?)?.add(&x)?.relu()?;
    graph.scoped("classifier", || Linear::new(8, 4).forward(&x.mean([2, 3], false)?))
}

const NET: &[u8] = include_bytes!("fixtures/norm_net.safetensors");

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let view = file.tensor(name).expect("a tensor of the fixture");
    match view.dtype() {
        Dtype::F64 => {
            view.data().chunks(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
        }
        _ => {
            view.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")).into()).collect()
        }
    }
}

#[test]
fn a_residual_network_learns_as_pytorchs() {
    let device = Device::auto().expect("a device that opens");
    let file = SafeTensors::deserialize(NET).expect("the fixture");
    let f32s = |name: &str| floats(&file, name).into_iter().map(|v| v as f32).collect::<Vec<_>>();
    let graph = Graph::new();
    let images = graph.input("images", [8, 3, 8, 8]).expect("a shape");
    let labels = graph.input_u32("labels", [8]).expect("a shape");
    let logits = residual(&images).expect("images that fit");
    let loss = logits.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean).expect("a loss");
    Sgd::new(0.05).momentum(0.9).minimize(&loss).expect("gradients");
    let parameters = Parameters::new(&device, 0);
    let mut program = parameters.compile(&graph, &[&loss]).expect("a program");
    for name in parameters.names(Role::Parameter) {
        let first = HostTensor::from_f32(
            parameters.ty(&name).expect("a state").shape,
            f32s(&format!("first/{name}")),
        );
        parameters.set(&name, &first.expect("a tensor")).expect("a parameter of PyTorch's");
    }
    let (shown, classes, losses) =
        (f32s("images"), file.tensor("labels").expect("labels"), floats(&file, "losses"));
    let classes: Vec<u32> =
        classes.data().chunks(4).map(|b| u32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
    let batch = |i: usize| {
        let images =
            HostTensor::from_f32([8, 3, 8, 8], shown[i * 1536..(i + 1) * 1536].to_vec()).expect("images");
        (images, HostTensor::from_u32([8], classes[i * 8..(i + 1) * 8].to_vec()).expect("labels"))
    };
    for (step, expected) in losses.iter().enumerate() {
        let (x, t) = batch(step % 4);
        program.run(&[(&images, &x), (&labels, &t)]).expect("a step");
        let got = f64::from(program.read(&loss).expect("a loss").as_f32().expect("f32")[0]);
        assert!(
            (got - expected).abs() <= 1e-3 * expected.abs().max(0.1),
            "step {step}: {got}, PyTorch {expected}"
        );
    }
    for name in parameters.names(Role::Buffer) {
        let got = parameters.get(&name).expect("a buffer");
        if name.ends_with("num_batches_tracked") {
            assert_eq!(got.as_u32().expect("u32"), [20], "{name}");
            continue;
        }
        for (got, expected) in got.as_f32().expect("f32").iter().zip(floats(&file, &format!("last/{name}"))) {
            assert!(
                (f64::from(*got) - expected).abs() <= 1e-3 * expected.abs().max(1.0),
                "{name}: {got}, {expected}"
            );
        }
    }
    // And what the running statistics make of the images.
    let graph = Graph::new();
    graph.set_training(false);
    let images = graph.input("images", [8, 3, 8, 8]).expect("a shape");
    let logits = residual(&images).expect("images that fit");
    let mut evaluation = parameters.compile(&graph, &[&logits]).expect("a program");
    evaluation.run(&[(&images, &batch(0).0)]).expect("a run");
    let got = evaluation.read(&logits).expect("logits");
    for (got, expected) in got.as_f32().expect("f32").iter().zip(floats(&file, "evaluated")) {
        assert!((f64::from(*got) - expected).abs() <= 1e-2, "{got}, PyTorch {expected}");
    }
}
