//! Files that other programs wrote: their outputs beside ONNX Runtime's, a training step, and a network fine-tuned beside PyTorch.
#![cfg(all(feature = "onnx", feature = "pytorch"))]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wgrad::formats::{Tensors, read_npz};
use wgrad::graph::Graph;
use wgrad::nn::Module;
use wgrad::onnx::{ImportOptions, Imported, Model, Network, PortValue};
use wgrad::ops::{CrossEntropy, Op, Reduction, Role};
use wgrad::optim::{Optimizer, Sgd};
use wgrad::random::Rng;
use wgrad::reference::{Array, Interpreter, Precision};
use wgrad::{DType, Device, Error, HostTensor, Parameters, Result, Tensor};

fn devices() -> Vec<Device> {
    let adapter = Device::auto().ok().filter(|device| !device.is_cpu());
    if adapter.is_none() {
        println!("skipped: no adapter");
    }
    std::iter::once(Device::cpu()).chain(adapter).collect()
}

/// Model files that lie beside the project, with inputs and outputs.
fn models() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no {}", folder.display());
        return Vec::new();
    };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    found.sort();
    found
}

/// A model with its inputs, and the outputs that it has to give.
struct Real {
    imported: Imported,
    inputs: Vec<HostTensor>,
    outputs: Vec<HostTensor>,
}

fn list(arrays: &Tensors, stem: &str) -> Vec<HostTensor> {
    (0..).map_while(|i| arrays.get(&format!("{stem}{i}")).cloned()).collect()
}

fn real(path: &Path, training: bool) -> Result<Real> {
    let model = Model::read(path)?;
    let arrays = read_npz(&path.with_extension("ref.npz"))?;
    let (inputs, outputs) = (list(&arrays, "in"), list(&arrays, "out"));
    let declared = model.inputs();
    assert_eq!((inputs.len(), outputs.len()), (declared.len(), model.outputs().len()), "{}", path.display());
    let shaped = declared
        .iter()
        .zip(&inputs)
        .fold(ImportOptions::new().training(training), |options, (input, value)| {
            options.shape(&input.name, value.shape())
        });
    Ok(Real { imported: model.import(&shaped)?, inputs, outputs })
}

impl Real {
    fn given(&self) -> Vec<(Tensor, HostTensor)> {
        let tensors = self.imported.inputs.iter().filter_map(|port| port.tensor().cloned());
        tensors.zip(self.inputs.iter().map(|value| value.cast(DType::F32))).collect()
    }

    /// A loss in which every output counts: of each the mean product with numbers drawn once.
    fn loss(&self) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (at, y) in self.imported.computed().into_iter().enumerate() {
            let mut rng = Rng::new(at as u64);
            let weights = (0..y.shape().elements()).map(|_| rng.range(-1.0, 1.0) as f32).collect();
            let weights = y.graph().constant(HostTensor::from_f32(y.shape(), weights)?)?;
            let part = y.mul(&weights)?.mean((), false)?;
            sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
        }
        sum.ok_or_else(|| Error::argument("outputs", "one that is computed", "none"))
    }
}

fn pairs(given: &[(Tensor, HostTensor)]) -> Vec<(&Tensor, &HostTensor)> {
    given.iter().map(|(tensor, value)| (tensor, value)).collect()
}

#[test]
fn outputs_are_those_of_onnx_runtime() -> Result<()> {
    for path in models() {
        let real = real(&path, false)?;
        for device in devices() {
            let computed = real.imported.computed();
            let mut program = Parameters::new(&device, 0).compile(&real.imported.graph, &computed)?;
            program.run(&pairs(&real.given()))?;
            for (port, want) in real.imported.outputs.iter().zip(&real.outputs) {
                let PortValue::Tensor(tensor) = &port.value else { panic!("{} is known", port.name) };
                let (got, want) = (program.read(tensor)?, want.cast(DType::F32));
                assert_eq!(got.shape(), want.shape(), "{}", port.name);
                let (got, want) = (got.as_f32()?, want.as_f32()?);
                let largest = want.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0f32, f32::max);
                let (name, device) = (path.file_name().expect("a name").display(), device.describe());
                println!("{name} {}: {:.1e} of the largest, on {device}", port.name, worst / largest);
                assert!(
                    worst <= 1e-4 * largest,
                    "{name} {}: {worst} beside {largest} on {device}",
                    port.name
                );
            }
        }
    }
    Ok(())
}

/// The values that states begin with.
fn states(graph: &Graph) -> HashMap<String, Array> {
    graph.with(|data| {
        let state = |op: &Op| match op {
            Op::State(state) => {
                let values = state.init.values(&state.name, 0, &state.ty.shape);
                let host = HostTensor::from_f32(state.ty.shape.clone(), values)
                    .expect("values")
                    .cast(state.ty.dtype);
                Some((state.name.clone(), Array::from_host(&host)))
            }
            _ => None,
        };
        data.nodes.iter().filter_map(|node| state(&node.op)).collect()
    })
}

#[test]
fn gradients_are_those_of_finite_differences() -> Result<()> {
    for path in models() {
        let real = real(&path, false)?;
        let loss = real.loss()?;
        let parameters = real.imported.graph.parameters();
        let gradients = loss.gradients(&parameters.iter().collect::<Vec<_>>())?;
        let inputs: HashMap<String, Array> = real
            .given()
            .iter()
            .map(|(tensor, value)| (tensor.name().expect("a name"), Array::from_host(value)))
            .collect();
        let begin = states(&real.imported.graph);
        let oracle = Interpreter::new(real.imported.graph.with(Clone::clone), &[loss.id()], Precision::F64);
        let mut rng = Rng::new(5);
        // Directions in which every parameter moves by a share of its own size.
        let directions: Vec<HashMap<String, Vec<f64>>> = (0..3)
            .map(|_| {
                let of = |tensor: &Tensor, rng: &mut Rng| {
                    let name = tensor.name().expect("a name");
                    let values = &begin[&name].data;
                    let size =
                        (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt().max(1e-3);
                    let direction = values.iter().map(|_| size * rng.normal()).collect();
                    (name, direction)
                };
                parameters.iter().map(|tensor| of(tensor, &mut rng)).collect()
            })
            .collect();
        let at = |direction: &HashMap<String, Vec<f64>>, step: f64| -> Result<f64> {
            let mut moved = begin.clone();
            for (name, direction) in direction {
                let array = moved.get_mut(name).expect("a parameter");
                array.data.iter_mut().zip(direction).for_each(|(value, d)| *value += step * d);
            }
            Ok(oracle.run(&inputs, &mut moved)?[&loss.id()].data[0])
        };
        for device in devices() {
            let outputs: Vec<&Tensor> = std::iter::once(&loss).chain(&gradients).collect();
            let mut program = Parameters::new(&device, 0).compile(&real.imported.graph, &outputs)?;
            program.run(&pairs(&real.given()))?;
            let found = gradients.iter().map(|g| program.read(g)).collect::<Result<Vec<_>>>()?;
            for direction in &directions {
                let slope: f64 = parameters
                    .iter()
                    .zip(&found)
                    .map(|(tensor, gradient)| {
                        let direction = &direction[&tensor.name().expect("a name")];
                        gradient
                            .as_f32()
                            .expect("f32")
                            .iter()
                            .zip(direction)
                            .map(|(g, d)| f64::from(*g) * d)
                            .sum::<f64>()
                    })
                    .sum();
                let step = 1e-6;
                let difference = (at(direction, step)? - at(direction, -step)?) / (2.0 * step);
                let error = (slope - difference).abs() / difference.abs();
                let name = path.file_name().expect("a name").display();
                println!("{name}: slope {slope:.6e}, differences {difference:.6e}, on {}", device.describe());
                assert!(error < 1e-3, "{name} on {}: {slope} instead of {difference}", device.describe());
            }
        }
    }
    Ok(())
}

#[test]
fn a_training_step_changes_what_a_model_gives() -> Result<()> {
    for path in models() {
        let real = real(&path, true)?;
        let loss = real.loss()?;
        Sgd::new(0.01).minimize(&loss)?;
        for device in devices() {
            let parameters = Parameters::new(&device, 0);
            let mut program = parameters.compile(&real.imported.graph, &[&loss])?;
            let mut losses = Vec::new();
            for _ in 0..3 {
                program.run(&pairs(&real.given()))?;
                losses.push(program.read(&loss)?.as_f32()?[0]);
            }
            assert!(losses.iter().all(|loss| loss.is_finite()), "{}: {losses:?}", path.display());
            assert!(losses[2] < losses[0], "{}: {losses:?}", path.display());
            for name in parameters.names(Role::Parameter) {
                let finite = parameters.get(&name)?.as_f32()?.iter().all(|v| v.is_finite());
                assert!(finite, "{}: {name}", path.display());
            }
        }
    }
    Ok(())
}

/// Images and labels of a step, as `tests/fixtures/torch_finetune.py` computes them.
fn batch(step: usize) -> Result<(HostTensor, HostTensor)> {
    const BATCH: usize = 8;
    let label = |image: usize| (image * 3 + step) % 4;
    let pixel = |i: usize| {
        let at = (i + 1000 * step) as f64;
        let wave = (at * 0.37).sin() * (at * at * 0.011).cos();
        let column = (i % 12) as f64;
        (wave + 0.5 * (column * (1 + label(i / 144)) as f64).sin()) as f32
    };
    let images = HostTensor::from_f32([BATCH, 1, 12, 12], (0..BATCH * 144).map(pixel).collect())?;
    Ok((images, HostTensor::from_u32([BATCH], (0..BATCH).map(|i| label(i) as u32).collect())?))
}

fn numbers(path: &Path) -> Vec<f32> {
    let text = std::fs::read_to_string(path).expect("a fixture");
    text.lines().skip(1).map(|line| line.parse().expect("a number")).collect()
}

#[test]
fn a_network_is_fine_tuned_as_pytorch_does() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx_finetune");
    let (losses, logits) = (numbers(&folder.join("losses.csv")), numbers(&folder.join("logits.csv")));
    let model = Arc::new(Model::read(&folder.join("model.onnx"))?);
    for device in devices() {
        let network = Network::logits(model.clone(), ImportOptions::new())?;
        let (graph, parameters) = (Graph::new(), Parameters::new(&device, 0));
        let (image, label) = (graph.input("image", [8, 1, 12, 12])?, graph.input_u32("label", [8])?);
        let loss =
            network.forward(&image)?.cross_entropy(&label, CrossEntropy::default(), Reduction::Mean)?;
        Sgd::new(0.05).momentum(0.9).weight_decay(1e-4).minimize(&loss)?;
        let mut program = parameters.compile(&graph, &[&loss])?;
        let mut worst = 0.0f32;
        for (step, want) in losses.iter().enumerate() {
            let (images, labels) = batch(step)?;
            program.run(&[(&image, &images), (&label, &labels)])?;
            let got = program.read(&loss)?.as_f32()?[0];
            worst = worst.max((got - want).abs());
            assert!(
                (got - want).abs() < 1e-3,
                "step {step}: {got} instead of {want} on {}",
                device.describe()
            );
        }
        // Judged by its running statistics.
        let graph = Graph::new();
        graph.set_training(false);
        let image = graph.input("image", [8, 1, 12, 12])?;
        let output = network.forward(&image)?;
        let mut program = parameters.compile(&graph, &[&output])?;
        program.run(&[(&image, &batch(losses.len())?.0)])?;
        let found = program.read(&output)?;
        let off = found.as_f32()?.iter().zip(&logits).map(|(g, w)| (g - w).abs()).fold(0.0f32, f32::max);
        println!("losses within {worst:.1e}, logits within {off:.1e} of PyTorch's on {}", device.describe());
        assert!(off < 5e-3, "{off} on {}", device.describe());
    }
    Ok(())
}
