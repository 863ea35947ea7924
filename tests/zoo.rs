//! The networks of `nn::models` beside torchvision's: keys, shapes and numbers of parameters, and what ResNet-18 and
//! MobileNetV2 say and learn with PyTorch's weights (`tests/fixtures/torch_zoo.py`).

use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use wgrad::nn::models::{Crnn, MobileNetV2, ResNet, UNet, conv_autoencoder, waveform_cnn};
use wgrad::nn::{Images, MODELS, Module, Sequential};
use wgrad::ops::{CrossEntropy, CtcLoss, Op, Reduction, Role, State};
use wgrad::optim::{Adam, Optimizer, Sgd};
use wgrad::{Device, Graph, HostTensor, Parameters, Tensor};

const KEYS: &str = include_str!("fixtures/zoo_keys.csv");

/// The keys and shapes of parameters and buffers.
fn states(graph: &Graph) -> BTreeMap<String, String> {
    let of = |op: &Op| match op {
        Op::State(State { name, ty, role: Role::Parameter | Role::Buffer, .. }) => {
            let sizes: Vec<_> = ty.shape.iter().map(usize::to_string).collect();
            Some((name.clone(), sizes.join("x")))
        }
        _ => None,
    };
    graph.with(|data| data.nodes.iter().filter_map(|node| of(&node.op)).collect())
}

/// A network by its name in the list of keys, of its usual width, and an image or line that it takes.
fn network(name: &str) -> (Box<dyn Module>, Vec<usize>) {
    match name {
        "unet" => (Box::new(UNet::new(3, 2)), vec![2, 3, 64, 64]),
        "waveform-cnn" => (Box::new(waveform_cnn(1, 35, 32)), vec![2, 1, 8000]),
        "crnn" => (Box::new(Crnn::new(1, 37)), vec![2, 1, 32, 100]),
        "conv-autoencoder" => {
            (Box::new(conv_autoencoder(&Images::MNIST).expect("28 is a multiple of 4")), vec![2, 1, 28, 28])
        }
        name => {
            let images = Images { shape: [3, 224, 224], classes: 1000 };
            let model = wgrad::nn::model(name).expect(name);
            (Box::new((model.build)(&images).expect(name)), vec![2, 3, 224, 224])
        }
    }
}

#[test]
fn keys_and_shapes_are_pytorchs() {
    let mut expected: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for line in KEYS.lines().skip(1) {
        let [network, key, shape] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        expected.entry(network).or_default().insert(key.into(), shape.into());
    }
    assert_eq!(expected.len(), 12);
    for (name, expected) in expected {
        let (layers, shape) = network(name);
        let graph = Graph::new();
        layers.forward(&graph.input("input", shape).expect("a shape")).expect(name);
        assert_eq!(states(&graph), expected, "{name}");
    }
}

/// What networks that torchvision has not make of PyTorch's states, in evaluation.
#[test]
fn the_others_say_what_pytorchs_do() {
    let device = Device::auto().expect("a device that opens");
    let fixture = Fixture::open("others");
    let images = Images { shape: [1, 12, 20], classes: 10 };
    let networks: [(&str, Box<dyn Module>); 4] = [
        ("unet", Box::new(UNet::new(3, 2).width(2))),
        ("waveform-cnn", Box::new(waveform_cnn(1, 5, 4))),
        ("crnn", Box::new(Crnn::new(1, 7).width(2).hidden(6))),
        ("conv-autoencoder", Box::new(conv_autoencoder(&images).expect("multiples of 4"))),
    ];
    for (name, network) in networks {
        let shape = fixture.file().tensor(&format!("{name}/input")).expect(name).shape().to_vec();
        let graph = Graph::new();
        graph.set_training(false);
        let input = graph.input("input", shape.clone()).expect("a shape");
        let output = network.forward(&input).expect(name);
        let parameters = Parameters::new(&device, 0);
        let mut program = parameters.compile(&graph, &[&output]).expect(name);
        restore(&parameters, &fixture, &format!("{name}/state"));
        let shown = fixture.numbers(&format!("{name}/input")).into_iter().map(|v| v as f32).collect();
        program.run(&[(&input, &HostTensor::from_f32(shape, shown).expect("an input"))]).expect(name);
        let got = program.read(&output).expect("an output").as_f32().expect("f32").to_vec();
        let error = distance(&got, &fixture.numbers(&format!("{name}/output")));
        println!("{name} on {}: {error:.1e}", device.describe());
        assert!(error <= 1e-5, "{name}: {error:.1e}");
    }
}

/// Images of lines whose columns are bright where there is a sign, read by way of the loss of all alignments.
#[test]
fn a_crnn_learns_to_read() {
    let device = Device::auto().expect("a device that opens");
    let graph = Graph::new();
    let images = graph.input("images", [4, 1, 32, 32]).expect("a shape");
    let targets = graph.input_u32("targets", [4, 2]).expect("a shape");
    let scores = Crnn::new(1, 3).width(2).hidden(8).forward(&images).expect("images that fit");
    let steps = scores.shape()[0];
    let whole = |n: usize, each: u32| HostTensor::from_u32([n], vec![each; n]).expect("lengths");
    let lengths = graph.constant(whole(4, steps as u32)).expect("a table");
    let long = graph.constant(whole(4, 2)).expect("a table");
    let loss =
        scores.ctc_loss(&targets, &lengths, &long, CtcLoss::default(), Reduction::Mean).expect("a loss");
    Adam::new(0.02).minimize(&loss).expect("gradients");
    let mut program = Parameters::new(&device, 0).compile(&graph, &[&loss]).expect("a program");
    // A sign is a bright band at the top or at the bottom, in the left or the right half.
    let signs = [[1u32, 2], [2, 1], [1, 1], [2, 2]];
    let pixel = |n: usize, y: usize, x: usize| {
        let top = signs[n][x / 16] == 1;
        if (4..12).contains(&(x % 16)) && (y < 16) == top { 1.0 } else { 0.0 }
    };
    let shown: Vec<f32> = (0..4 * 32 * 32).map(|i| pixel(i / 1024, i / 32 % 32, i % 32)).collect();
    let shown = HostTensor::from_f32([4, 1, 32, 32], shown).expect("images");
    let said = HostTensor::from_u32([4, 2], signs.concat()).expect("targets");
    let mut losses = Vec::new();
    for _ in 0..60 {
        program.run(&[(&images, &shown), (&targets, &said)]).expect("a step");
        losses.push(program.read(&loss).expect("a loss").as_f32().expect("f32")[0]);
    }
    println!("ctc loss {} to {}", losses[0], losses[59]);
    assert!(losses[59] < 0.2 * losses[0], "{} to {}", losses[0], losses[59]);
}

/// The numbers that their papers and torchvision's pages give.
#[test]
fn numbers_of_parameters_are_torchvisions() {
    let known = HashMap::from([
        ("alexnet", 61_100_840),
        ("vgg11-bn", 132_868_840),
        ("vgg16-bn", 138_365_992),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("mobilenet-v2", 3_504_872),
        ("squeezenet1-1", 1_235_496),
    ]);
    let mut seen = 0;
    for model in &MODELS {
        let Some(expected) = known.get(model.name) else { continue };
        let graph = Graph::new();
        let image = graph.input("image", [2, 3, 64, 64]).expect("a shape");
        let images = Images { shape: [3, 64, 64], classes: 1000 };
        (model.build)(&images).expect(model.name).forward(&image).expect(model.name);
        let count: usize = graph.parameters().iter().map(|p| p.shape().elements()).sum();
        assert_eq!(count, *expected, "{}", model.name);
        seen += 1;
    }
    assert_eq!(seen, known.len());
}

/// A file of the fixtures, or of the folder that `ZOO` names, where the networks have their full width.
struct Fixture {
    bytes: Vec<u8>,
}

impl Fixture {
    fn open(name: &str) -> Self {
        let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/zoo"));
        let folder = std::env::var_os("ZOO").map_or(own, PathBuf::from);
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("the fixture");
        Self { bytes }
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("a safetensors file")
    }

    fn number(&self, name: &str) -> f32 {
        let (_, header): (usize, Metadata) = SafeTensors::read_metadata(&self.bytes).expect("a header");
        header.metadata().as_ref().expect("metadata")[name].parse().expect("a number")
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let file = self.file();
        let view = file.tensor(name).unwrap_or_else(|_| panic!("no {name} in the fixture"));
        let data = view.data();
        let four = |b: &[u8]| -> [u8; 4] { b.try_into().expect("4 bytes") };
        let eight = |b: &[u8]| -> [u8; 8] { b.try_into().expect("8 bytes") };
        match view.dtype() {
            Dtype::F64 => data.chunks(8).map(|b| f64::from_le_bytes(eight(b))).collect(),
            Dtype::F32 => data.chunks(4).map(|b| f32::from_le_bytes(four(b)).into()).collect(),
            Dtype::I32 => data.chunks(4).map(|b| i32::from_le_bytes(four(b)).into()).collect(),
            Dtype::I64 => data.chunks(8).map(|b| i64::from_le_bytes(eight(b)) as f64).collect(),
            Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
            other => panic!("{other:?} in the fixture"),
        }
    }
}

/// The length of the difference.
fn off(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let squares = got.iter().zip(expected).map(|(g, e)| (f64::from(*g) - e).powi(2));
    squares.sum::<f64>().sqrt()
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The length of the difference relative to the length of what is expected.
fn distance(got: &[f32], expected: &[f64]) -> f64 {
    off(got, expected) / length(expected).max(f64::MIN_POSITIVE)
}

/// Gives parameters and buffers the values that a fixture has under `prefix`.
fn restore(parameters: &Parameters, fixture: &Fixture, prefix: &str) {
    for role in [Role::Parameter, Role::Buffer] {
        for key in parameters.names(role) {
            let shape = parameters.ty(&key).expect("a state").shape;
            let held = fixture.numbers(&format!("{prefix}/{key}"));
            let values = if key.ends_with("num_batches_tracked") {
                HostTensor::from_u32(shape, held.into_iter().map(|v| v as u32).collect())
            } else {
                HostTensor::from_f32(shape, held.into_iter().map(|v| v as f32).collect())
            };
            parameters.set(&key, &values.expect("a tensor")).expect("a state of PyTorch's");
        }
    }
}

/// Gives a network PyTorch's states, and holds logits, gradients, running statistics and the losses of 20 steps to
/// PyTorch's in float64.
fn learns_as_torchvisions(name: &str, network: &Sequential) {
    let device = Device::auto().expect("a device that opens");
    let fixture = Fixture::open(name);
    let labels = fixture.numbers("labels");
    let losses = fixture.numbers("losses");
    let pixels = fixture.numbers("pixels");
    let (batches, batch) = (2, labels.len() / 2);
    let side = ((pixels.len() / (batches * batch * 3)) as f64).sqrt() as usize;
    let shown = |i: usize| {
        let of = |all: &[f64]| all[i * all.len() / batches..(i + 1) * all.len() / batches].to_vec();
        let values = of(&pixels).into_iter().map(|v| v as f32 / 255.0).collect();
        let classes = of(&labels).into_iter().map(|v| v as u32).collect();
        let images = HostTensor::from_f32([batch, 3, side, side], values).expect("images");
        (images, HostTensor::from_u32([batch], classes).expect("labels"))
    };
    let parameters = Parameters::new(&device, 0);
    let read = |program: &wgrad::Executable, tensor: &Tensor| -> Vec<f32> {
        program.read(tensor).expect("an output").as_f32().expect("f32").to_vec()
    };

    // Evaluation, by the running statistics.
    let graph = Graph::new();
    graph.set_training(false);
    let images = graph.input("images", [batch, 3, side, side]).expect("a shape");
    let logits = network.forward(&images).expect("images that fit");
    let mut evaluation = parameters.compile(&graph, &[&logits]).expect("a program");
    restore(&parameters, &fixture, "first");
    evaluation.run(&[(&images, &shown(0).0)]).expect("a run");
    let evaluated = distance(&read(&evaluation, &logits), &fixture.numbers("evaluated"));

    // Training.
    let graph = Graph::new();
    let images = graph.input("images", [batch, 3, side, side]).expect("a shape");
    let labels = graph.input_u32("labels", [batch]).expect("a shape");
    let logits = network.forward(&images).expect("images that fit");
    let loss = logits.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean).expect("a loss");
    let trained = graph.parameters();
    let grads = loss.gradients(&trained.iter().collect::<Vec<_>>()).expect("gradients");
    let sgd = Sgd::new(fixture.number("lr")).momentum(fixture.number("momentum"));
    sgd.weight_decay(fixture.number("weight_decay")).minimize(&loss).expect("gradients");
    let outputs: Vec<&Tensor> = [&loss, &logits].into_iter().chain(&grads).collect();
    let mut program = parameters.compile(&graph, &outputs).expect("a program");
    let (mut worst_grad, mut worst_statistic, mut worst_loss) =
        ((0.0, String::new()), (0.0, String::new()), 0.0f64);
    let mut trained_logits = 0.0;
    for (step, expected) in losses.iter().enumerate() {
        let (x, t) = shown(step % batches);
        program.run(&[(&images, &x), (&labels, &t)]).expect("a step");
        if step == 0 {
            trained_logits = distance(&read(&program, &logits), &fixture.numbers("logits"));
            let keys: Vec<String> = trained.iter().map(|p| p.name().expect("a name")).collect();
            let expected: Vec<_> = keys.iter().map(|key| fixture.numbers(&format!("grad/{key}"))).collect();
            // What a following batch norm takes away has a gradient of nothing but rounding.
            let least = 1e-3 * expected.iter().map(|e| length(e)).fold(0.0, f64::max);
            for ((key, grad), expected) in keys.into_iter().zip(&grads).zip(&expected) {
                let error = off(&read(&program, grad), expected) / length(expected).max(least);
                if error > worst_grad.0 {
                    worst_grad = (error, key);
                }
            }
            for key in parameters.names(Role::Buffer).iter().filter(|key| key.contains("running")) {
                let got = parameters.get(key).expect("a buffer").as_f32().expect("f32").to_vec();
                let of = |key: &str| fixture.numbers(&format!("one/{key}"));
                // Means lie within deviations, and may be 0.
                let deviation = of(&key.replace("_mean", "_var")).iter().sum::<f64>().sqrt();
                let scale = if key.ends_with("_mean") { deviation } else { length(&of(key)) };
                let error = off(&got, &of(key)) / scale;
                if error > worst_statistic.0 {
                    worst_statistic = (error, key.clone());
                }
            }
        }
        let got = f64::from(read(&program, &loss)[0]);
        worst_loss = worst_loss.max((got - expected).abs() / expected);
    }
    println!(
        "{name} on {}: logits {trained_logits:.1e}, evaluated {evaluated:.1e}; gradients {:.1e} ({}); statistics \
         {:.1e} ({}); losses of {} steps {worst_loss:.1e}",
        device.describe(),
        worst_grad.0,
        worst_grad.1,
        worst_statistic.0,
        worst_statistic.1,
        losses.len(),
    );
    assert!(trained_logits <= 1e-4 && evaluated <= 1e-4, "logits");
    assert!(worst_grad.0 <= 1e-3 && worst_statistic.0 <= 1e-5, "gradients and statistics");
    assert!(losses.len() == 20 && worst_loss <= 1e-3, "losses");
}

/// Images of the fixtures.
const IMAGES: Images = Images { shape: [3, 64, 64], classes: 10 };

#[test]
fn resnet18_learns_as_torchvisions() {
    let width = if std::env::var_os("ZOO").is_some() { 64 } else { 8 };
    let network = ResNet::resnet18().width(width).build(&IMAGES).expect("a network");
    learns_as_torchvisions("resnet18", &network);
}

#[test]
fn mobilenet_v2_learns_as_torchvisions() {
    let width = if std::env::var_os("ZOO").is_some() { 1.0 } else { 0.1 };
    let network = MobileNetV2::default().dropout(0.0).width_mult(width).build(&IMAGES).expect("a network");
    learns_as_torchvisions("mobilenet-v2", &network);
}
