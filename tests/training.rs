//! Whole training runs of the SimpleCNN on drawn digits: the adapter of this machine against the CPU reference,
//! the same bits twice, across a save and a load, and a batch learnt by heart.

use std::path::Path;
use wgrad::data::{Batch, Dataset, digits};
use wgrad::nn::{Module, simple_cnn};
use wgrad::ops::{CrossEntropy, Reduction, Role};
use wgrad::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Groups, LEARNING_RATE, Lamb, NAdam, Optimizer, RAdam, RmsProp,
    Sgd,
};
use wgrad::{Device, Executable, Graph, HostTensor, Parameters, Tensor};

const BATCH: usize = 8;

/// The adapter, or `None` where there is none.
fn adapter() -> Option<Device> {
    let device = Device::auto().expect("a device that opens");
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return None;
    }
    println!("on {}", device.describe());
    Some(device)
}

/// A training step and what it needs.
struct Run {
    parameters: Parameters,
    program: Executable,
    images: Tensor,
    labels: Tensor,
    loss: Tensor,
}

impl Run {
    fn new(device: &Device, seed: u64, optimizer: &dyn Optimizer) -> Self {
        let graph = Graph::new();
        let images = graph.input("images", [BATCH, 1, 28, 28]).expect("a shape");
        let labels = graph.input_u32("labels", [BATCH]).expect("a shape");
        let logits = simple_cnn().forward(&images).expect("images that fit");
        let loss = logits.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean).expect("a loss");
        optimizer.minimize(&loss).expect("gradients");
        let parameters = Parameters::new(device, seed);
        let program = parameters.compile(&graph, &[&loss]).expect("a device that can hold it");
        Self { parameters, program, images, labels, loss }
    }

    fn step(&mut self, batch: &Batch) -> f64 {
        let inputs = [(&self.images, &batch.tensors[0]), (&self.labels, &batch.tensors[1])];
        self.program.run(&inputs).expect("a step");
        let loss = self.program.read(&self.loss).expect("a loss");
        f64::from(loss.as_f32().expect("f32")[0])
    }

    /// Steps `from..to` over the batches in turn, and their losses.
    fn steps(&mut self, batches: &[Batch], from: usize, to: usize) -> Vec<f64> {
        (from..to).map(|i| self.step(&batches[i % batches.len()])).collect()
    }

    fn weights(&self) -> Vec<(String, HostTensor)> {
        let names = self.parameters.names(Role::Parameter);
        names.into_iter().map(|n| (n.clone(), self.parameters.get(&n).expect("a parameter"))).collect()
    }

    fn saved(&self, file: &Path) -> Vec<u8> {
        self.parameters.save(file).expect("a file that can be written");
        std::fs::read(file).expect("the file just written")
    }
}

fn batches(count: usize) -> Vec<Batch> {
    let data: Dataset = digits(count * BATCH, 3).expect("digits");
    let batch = |i: usize| {
        let indices: Vec<usize> = (i * BATCH..(i + 1) * BATCH).collect();
        Batch::read(&data, &indices, 0, 0).expect("a batch")
    };
    (0..count).map(batch).collect()
}

/// `|got - expected| / |expected|` over all weights together.
fn relative_l2(got: &[(String, HostTensor)], expected: &[(String, HostTensor)]) -> f64 {
    let (mut error, mut norm) = (0.0, 0.0);
    for ((name, got), (same, expected)) in got.iter().zip(expected) {
        assert_eq!(name, same);
        for (g, e) in got.as_f32().expect("f32").iter().zip(expected.as_f32().expect("f32")) {
            error += f64::from(g - e).powi(2);
            norm += f64::from(*e).powi(2);
        }
    }
    (error / norm).sqrt()
}

/// 20 steps against the reference.
fn against_the_reference(name: &str, optimizer: &dyn Optimizer) {
    let Some(device) = adapter() else { return };
    let batches = batches(20);
    let mut ours = Run::new(&device, 7, optimizer);
    let mut reference = Run::new(&Device::cpu(), 7, optimizer);
    let (got, expected) = (ours.steps(&batches, 0, 20), reference.steps(&batches, 0, 20));
    let relative = |i: usize| ((got[i] - expected[i]) / expected[i]).abs();
    let weights = relative_l2(&ours.weights(), &reference.weights());
    println!(
        "{name}: loss {:.4} to {:.4}; relative error {:.1e} at step 1, {:.1e} at step 20; weights {weights:.1e}",
        expected[0],
        expected[19],
        relative(0),
        relative(19)
    );
    assert!(got.iter().all(|loss| loss.is_finite()) && expected[19] < expected[0], "{name} does not learn");
    assert!(relative(0) <= 1e-5, "{name}: step 1: got {}, expected {}", got[0], expected[0]);
    assert!(relative(19) <= 1e-3, "{name}: step 20: got {}, expected {}", got[19], expected[19]);
    assert!(weights <= 1e-4, "{name}: the weights differ by {weights:e}");
}

#[test]
fn sgd_with_momentum_follows_the_reference() {
    against_the_reference("SGD", &Sgd::new(0.02).momentum(0.9).nesterov(true).weight_decay(1e-3));
}

#[test]
fn adam_follows_the_reference() {
    against_the_reference("Adam", &Adam::new(1e-3));
}

#[test]
fn adamw_follows_the_reference() {
    against_the_reference("AdamW", &AdamW::new(1e-3));
}

#[test]
fn the_other_optimizers_follow_the_reference() {
    // Adagrad takes a whole step for a gradient of any size, rounding errors among them, unless its sums begin above 0.
    against_the_reference("Adamax", &Adamax::new(5e-4));
    against_the_reference("RMSprop", &RmsProp::new(1e-4).centered(true).momentum(0.5));
    against_the_reference("Adagrad", &Adagrad::new(1e-2).initial_accumulator_value(0.01));
    against_the_reference("Adadelta", &Adadelta::new(1.0).eps(1e-5));
    against_the_reference("NAdam", &NAdam::new(5e-4).eps(1e-4));
    against_the_reference("RAdam", &RAdam::new(1e-3).betas(0.9, 0.95).eps(1e-4));
    against_the_reference("LAMB", &Lamb::new(2e-3).eps(1e-4).weight_decay(0.01));
}

/// The head learns at its own rate, biases without decay, and what is frozen has no gradient, no memory, no change.
#[test]
fn groups_have_their_own_options_and_frozen_parameters_none() {
    let (graph, device) = (Graph::new(), Device::cpu());
    let x = graph.input("x", [4, 3]).expect("a shape");
    let parameter = |name: &str, shape: [usize; 2]| {
        graph.parameter(name, shape, wgrad::ops::Init::Constant(0.5)).expect("a parameter")
    };
    let (body, head, bias) =
        (parameter("body.weight", [3, 5]), parameter("head.weight", [5, 2]), parameter("head.bias", [1, 2]));
    parameter("unused.weight", [7, 7]);
    graph.freeze("body.*").expect("a name of that kind");
    let hidden = x.matmul(&body).and_then(|x| x.tanh()).expect("shapes that fit");
    let output = hidden.matmul(&head).and_then(|x| x.add(&bias)).expect("shapes that fit");
    let loss = output.mul(&output).and_then(|x| x.mean((), false)).expect("a loss");
    let optimizer = Groups::new(Sgd::new(0.5).momentum(0.9).weight_decay(0.1))
        .group("no_decay", "*.bias", Sgd::new(0.25))
        .group("head", "head.*", Sgd::new(0.125).momentum(0.5));
    optimizer.minimize(&loss).expect("gradients");
    let parameters = Parameters::new(&device, 0);
    let mut program = parameters.compile(&graph, &[&loss]).expect("a program");
    let value = |name: &str| parameters.get(name).expect("a state").as_f32().expect("numbers").to_vec();
    assert_eq!(value(&format!("{LEARNING_RATE}.head")), [0.125]);
    assert_eq!(value(&format!("{LEARNING_RATE}.no_decay")), [0.25]);
    let images = HostTensor::from_f32([4, 3], (0..12).map(|i| i as f32 / 12.0).collect()).expect("data");
    program.run(&[(&x, &images)]).expect("a step");
    assert!(value("head.weight").iter().all(|&w| w < 0.5) && value("head.bias").iter().all(|&b| b < 0.5));
    assert_eq!(value("body.weight"), vec![0.5; 15]);
    // The loss does not depend on it: no decay either, as in PyTorch.
    assert!(parameters.get("unused.weight").is_err());
    let names = parameters.names(Role::Optimizer);
    assert!(names.iter().any(|name| name == "head.weight.momentum_buffer"), "{names:?}");
    for absent in
        ["body.weight.momentum_buffer", "head.bias.momentum_buffer", "unused.weight.momentum_buffer"]
    {
        assert!(names.iter().all(|name| name != absent), "{absent}");
    }
}

#[test]
fn groups_that_take_nothing_or_share_a_name_are_refused() {
    let graph = Graph::new();
    let w = graph.parameter("fc.weight", [2], wgrad::ops::Init::Constant(1.0)).expect("a parameter");
    let loss = w.mul(&w).and_then(|x| x.sum((), false)).expect("a loss");
    let refused = |groups: Groups| groups.minimize(&loss).expect_err("a wrong group").to_string();
    let none = refused(Groups::new(Sgd::new(0.1)).group("conv", "conv.*", Sgd::new(0.1)));
    assert!(none.contains("conv.*") && none.contains("fc.weight"), "{none}");
    let twice = Groups::new(Sgd::new(0.1)).group("a", "*", Sgd::new(0.1)).group("a", "*", Sgd::new(0.1));
    assert!(refused(twice).contains("a name of its own"));
    let range = Adam::new(0.1).betas(1.0, 0.9).minimize(&loss).expect_err("a wrong beta").to_string();
    assert!(range.contains("beta1") && range.contains("from 0 to below 1"), "{range}");
}

/// 50 steps twice from one seed, bit for bit; and from another seed not.
#[test]
fn one_seed_gives_one_result() {
    let Some(device) = adapter() else { return };
    let (batches, folder) = (batches(10), tempfile::tempdir().expect("a temporary folder"));
    let file = folder.path().join("model.safetensors");
    let train = |seed: u64| {
        let mut run = Run::new(&device, seed, &Adam::new(1e-3));
        run.steps(&batches, 0, 50);
        run.saved(&file)
    };
    let first = train(1);
    assert!(first == train(1), "two runs with one seed saved different weights");
    assert!(first != train(2), "the seed changes nothing");
}

/// 25 steps, a save, a load into a fresh process' worth of state, 25 more: the bits of 50 steps. A weight file
/// holds parameters only, so this holds for an optimizer without a memory.
#[test]
fn training_goes_on_after_a_load() {
    let Some(device) = adapter() else { return };
    let (batches, folder) = (batches(10), tempfile::tempdir().expect("a temporary folder"));
    let (half, whole) = (folder.path().join("half.safetensors"), folder.path().join("whole.safetensors"));
    let optimizer = Sgd::new(0.02).weight_decay(1e-3);
    let mut straight = Run::new(&device, 1, &optimizer);
    straight.steps(&batches, 0, 25);
    straight.saved(&half);
    straight.steps(&batches, 25, 50);
    let expected = straight.saved(&whole);
    let mut second = Run::new(&device, 99, &optimizer);
    second.parameters.load(&half).expect("the file just saved");
    second.steps(&batches, 25, 50);
    assert!(second.saved(&whole) == expected, "the weights differ after a save and a load");
}

/// The network can learn one batch by heart.
#[test]
fn one_batch_is_learnt_by_heart() {
    let Some(device) = adapter() else { return };
    let mut run = Run::new(&device, 5, &Adam::new(1e-3));
    let losses = run.steps(&batches(1), 0, 60);
    println!("loss {:.4} to {:.6}", losses[0], losses[59]);
    assert!(losses[59] < 0.01 * losses[0], "{losses:?}");
}
