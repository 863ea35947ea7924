//! Networks in files beside what the reference makes of them: what exports, imports and ONNX Runtime are held to.

mod import;
pub mod layers;
pub mod networks;
pub mod ops;

pub use import::{Near, check_with_importer};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use wgrad::onnx::{ExportGraph, ExportOptions, Exported, export};
use wgrad::random::Rng;
use wgrad::{DType, Device, Graph, HostTensor, Parameters, Result, Tensor};

/// A network in a file, what it is given and what the reference makes of it.
pub struct Sample {
    pub name: String,
    pub model: Exported,
    pub inputs: Vec<(String, HostTensor)>,
    pub outputs: Vec<(String, HostTensor)>,
    /// What its states hold.
    pub parameters: Parameters,
}

/// Numbers that an input is filled with.
pub fn values(tensor: &Tensor, below: u32, rng: &mut Rng) -> Result<HostTensor> {
    let (ty, count) = (tensor.ty(), tensor.shape().elements());
    match ty.dtype {
        DType::U32 => {
            HostTensor::from_u32(ty.shape, (0..count).map(|_| rng.below(below as usize) as u32).collect())
        }
        dtype => {
            let numbers = (0..count).map(|_| rng.normal() as f32).collect();
            Ok(HostTensor::from_f32(ty.shape, numbers)?.cast(dtype))
        }
    }
}

/// A graph's outputs in a file, and what they are for random inputs; indices are below `below`.
pub fn sample(
    name: &str,
    graph: &Graph,
    outputs: &[(&str, &Tensor)],
    inputs: &[&Tensor],
    below: u32,
    options: &ExportOptions,
) -> Result<Sample> {
    let mut rng = Rng::named(7, name);
    let parameters = Parameters::new(&Device::cpu(), 3);
    let tensors: Vec<&Tensor> = outputs.iter().map(|(_, tensor)| *tensor).collect();
    let mut program = parameters.compile(graph, &tensors)?;
    drawn_buffers(&parameters, &mut rng)?;
    let states = |name: &str| parameters.get(name);
    let model = export(ExportGraph { graph, outputs }, &states, options)?;
    let given: Vec<HostTensor> =
        inputs.iter().map(|input| values(input, below, &mut rng)).collect::<Result<_>>()?;
    let pairs: Vec<(&Tensor, &HostTensor)> = inputs.iter().copied().zip(&given).collect();
    program.run(&pairs)?;
    let found = outputs.iter().map(|(name, tensor)| Ok(((*name).to_owned(), program.read(tensor)?)));
    let outputs = found.collect::<Result<_>>()?;
    let names = inputs.iter().map(|input| input.name().unwrap_or_default());
    Ok(Sample { name: name.to_owned(), model, inputs: names.zip(given).collect(), outputs, parameters })
}

/// Running statistics as after a training.
fn drawn_buffers(parameters: &Parameters, rng: &mut Rng) -> Result<()> {
    for name in parameters.names(wgrad::ops::Role::Buffer) {
        let ty = parameters.ty(&name)?;
        let number = |rng: &mut Rng| match name.ends_with("running_var") {
            true => rng.range(0.5, 2.0) as f32,
            false => rng.normal() as f32 * 0.3,
        };
        if ty.dtype == DType::F32 {
            let numbers = (0..ty.shape.elements()).map(|_| number(rng)).collect();
            parameters.set(&name, &HostTensor::from_f32(ty.shape, numbers)?)?;
        }
    }
    Ok(())
}

/// Lays samples into a folder: each with its file, its inputs and what is expected.
pub fn lay(folder: &Path, samples: &[Sample]) {
    let mut list = String::new();
    for sample in samples {
        let file = sample.name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-', "_");
        fs::write(folder.join(format!("{file}.onnx")), &sample.model.bytes).expect("a file");
        let mut line = format!("model\t{}\t{file}.onnx\n", sample.name);
        for (kind, tensors) in [("input", &sample.inputs), ("output", &sample.outputs)] {
            for (at, (name, value)) in tensors.iter().enumerate() {
                let raw = format!("{file}.{kind}{at}");
                fs::write(folder.join(&raw), value.as_bytes()).expect("a file");
                let sizes: Vec<String> = value.shape().iter().map(usize::to_string).collect();
                let (dtype, sizes) = (value.ty().dtype, sizes.join(","));
                writeln!(line, "{kind}\t{name}\t{raw}\t{dtype}\t{sizes}").expect("a line");
            }
        }
        list.push_str(&line);
    }
    fs::write(folder.join("list.tsv"), list).expect("a file");
}

/// Has the official checker and ONNX Runtime look at samples, where they are installed.
pub fn check_with_python(what: &str, samples: &[Sample]) {
    let folder = tempfile::tempdir().expect("a folder");
    lay(folder.path(), samples);
    let python = std::env::var("WGRAD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx_check.py");
    let ran = Command::new(&python).arg(script).arg(folder.path()).output();
    let Ok(output) = ran else {
        println!("skipped: {what} in ONNX Runtime: no {python}");
        return;
    };
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.code() == Some(77) {
        println!("skipped: {what} in ONNX Runtime: {}", out.trim());
        return;
    }
    println!("{out}");
    assert!(output.status.success(), "{what}:\n{out}{err}");
}
