//! `wgrad run`: a network of an ONNX file on values of files.

use crate::device::DeviceArgs;
use crate::models::SizeArgs;
use crate::output;
use anyhow::{Context, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wgrad::data::{Statistics, read_image};
use wgrad::formats::{ReadOptions, TensorFile, write_npy};
use wgrad::onnx::{Array, Declared, Dimension, ImportOptions, Model, Port, PortValue};
use wgrad::{DType, HostTensor, Parameters, Tensor};

/// `wgrad run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// An ONNX file.
    file: PathBuf,
    /// What an input is: NAME=FILE, or FILE alone for the next one. A file is an array of NumPy (.npy, or .npz with an array of
    /// the name) or an image; `zeros` are zeros of the input's shape.
    #[arg(long = "input", value_name = "[NAME=]FILE")]
    inputs: Vec<String>,
    /// Where the outputs go: a .npy file for one, else a folder with a .npy file each.
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// An input whose value must be known when the network is built, such as a shape; may be given several times.
    #[arg(long, value_name = "NAME")]
    known: Vec<String>,
    /// The mean to subtract from pixels, which are 0 to 1: a number per channel.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "0")]
    mean: Vec<f32>,
    /// The standard deviation to divide pixels by, then: a number per channel.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1")]
    std: Vec<f32>,
    #[command(flatten)]
    sizes: SizeArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the network and prints what comes out.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let model = Model::read(&args.file)?;
    if let Some(path) = args.output.as_ref().filter(|path| path.extension().is_some_and(|e| e == "npy")) {
        output::check("--output", path)?;
    }
    let mut options = ImportOptions::sized(&model, &args.sizes.shape)?;
    let given = given(args, &model, &options)?;
    let inputs = model.inputs();
    for (name, value) in &given {
        let input = inputs.iter().find(|input| input.name == *name);
        options = match args.known.contains(name) {
            true => options.value(name, known(input, value)?),
            false => options.shape(name, value.shape()),
        };
    }
    let imported = model.import(&options).context("building it (see --known and --shape)")?;
    let device = args.device.open()?;
    println!("device   {}", device.describe());
    let computed = imported.computed();
    let mut program = Parameters::new(&device, 0).compile(&imported.graph, &computed)?;
    let mut values: Vec<(&Tensor, HostTensor)> = Vec::new();
    for port in &imported.inputs {
        let Some(tensor) = port.tensor() else { continue };
        let value = given.get(&port.name).with_context(|| format!("a value of input {}", port.name))?;
        println!("input    {} {:?}", port.name, port.shape());
        values.push((tensor, value.cast(DType::F32)));
    }
    program.run(&values.iter().map(|(tensor, value)| (*tensor, value)).collect::<Vec<_>>())?;
    let mut outputs = Vec::new();
    for port in &imported.outputs {
        let value = match &port.value {
            PortValue::Tensor(tensor) => program.read(tensor)?,
            PortValue::Known(array) => {
                array.to_host().map_err(|m| anyhow::anyhow!("{}: {}", m.got, m.expected))?
            }
        };
        tell(port, &value)?;
        outputs.push((port, value));
    }
    args.output.as_deref().map_or(Ok(()), |path| write(path, &outputs))
}

/// An input that is known.
fn known(input: Option<&Declared>, value: &HostTensor) -> anyhow::Result<Array> {
    let element = input.and_then(|input| input.element).filter(|element| element.range().is_some());
    let Some(element) = element else { return Ok(Array::floats(value.clone())) };
    let words = value.as_f32()?.iter().map(|&number| number as i64).collect();
    Array::ints(element, value.shape(), words).map_err(|m| anyhow::anyhow!("{}: {}", m.got, m.expected))
}

/// The sizes of an input as far as the file and --shape say.
fn declared(input: &Declared, options: &ImportOptions) -> Option<Vec<Option<usize>>> {
    if let Some(shape) = options.shape_of(&input.name) {
        return Some(shape.iter().copied().map(Some).collect());
    }
    let size = |dim: &Dimension| match dim {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Named(name) => options.size_of(name),
        Dimension::Unknown => None,
    };
    input.dims.as_ref().map(|dims| dims.iter().map(size).collect())
}

/// The values of all inputs by name.
fn given(
    args: &RunArgs,
    model: &Model,
    options: &ImportOptions,
) -> anyhow::Result<BTreeMap<String, HostTensor>> {
    let inputs = model.inputs();
    let mut found = BTreeMap::new();
    for text in &args.inputs {
        let named = text
            .split_once('=')
            .and_then(|(name, file)| Some((inputs.iter().find(|i| i.name == name)?, file)));
        let next = || {
            inputs.iter().find(|input| !found.contains_key(&input.name)).map(|input| (input, text.as_str()))
        };
        let Some((input, file)) = named.or_else(next) else {
            bail!("--input {text}: expected {} inputs, got one more", inputs.len());
        };
        let value = value(args, input, options, file).with_context(|| format!("--input {text}"))?;
        found.insert(input.name.clone(), value);
    }
    if let Some(missing) = inputs.iter().find(|input| !found.contains_key(&input.name)) {
        bail!("expected --input {}=FILE, got none; the input is {missing}", missing.name);
    }
    Ok(found)
}

fn value(
    args: &RunArgs,
    input: &Declared,
    options: &ImportOptions,
    file: &str,
) -> anyhow::Result<HostTensor> {
    let path = Path::new(file);
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    match kind.as_str() {
        _ if file == "zeros" => {
            let sizes =
                declared(input, options).context("zeros of an input whose shape the file or --shape says")?;
            let sizes: Option<Vec<usize>> = sizes.into_iter().collect();
            let sizes = sizes.with_context(|| {
                format!("zeros of an input whose sizes the file or --shape say, got {input}")
            })?;
            Ok(HostTensor::zeros(&wgrad::TensorType::f32(sizes)))
        }
        "npy" => {
            let file = TensorFile::open(path, &ReadOptions::default())?;
            let name = file.tensors().next().map(|(name, ..)| name.to_owned()).unwrap_or_default();
            Ok(file.read_f32(&name)?)
        }
        "npz" => {
            let plain = ReadOptions { strip_prefix: Some(String::new()), ..ReadOptions::default() };
            Ok(TensorFile::open(path, &plain)?.read_f32(&input.name)?)
        }
        _ => image(args, input, options, path),
    }
}

/// An image as the input wants it: (1, C, H, W) or (1, H, W, C).
fn image(
    args: &RunArgs,
    input: &Declared,
    options: &ImportOptions,
    path: &Path,
) -> anyhow::Result<HostTensor> {
    let sizes = declared(input, options).filter(|sizes| sizes.len() == 4);
    let sizes = sizes.with_context(|| format!("an image for an input of 4 dimensions, got {input}"))?;
    let channels_last = matches!(sizes[3], Some(1 | 3)) && !matches!(sizes[1], Some(1 | 3));
    let [c, h, w] =
        if channels_last { [sizes[3], sizes[1], sizes[2]] } else { [sizes[1], sizes[2], sizes[3]] };
    let open = || {
        format!("an image for an input whose channels, height and width the file or --shape say, got {input}")
    };
    let [c, h, w] = [c.with_context(open)?, h.with_context(open)?, w.with_context(open)?];
    let each = |numbers: &[f32]| if numbers.len() == 1 { vec![numbers[0]; c] } else { numbers.to_vec() };
    let by = Statistics { mean: each(&args.mean), std: each(&args.std) };
    anyhow::ensure!(by.mean.len() == c && by.std.len() == c, "--mean, --std: expected 1 or {c} numbers");
    let pixels = read_image(path, [c, h, w], &by)?;
    if !channels_last {
        return Ok(HostTensor::from_f32([1, c, h, w], pixels)?);
    }
    let at = |i: usize| pixels[i % c * h * w + i / c];
    Ok(HostTensor::from_f32([1, h, w, c], (0..c * h * w).map(at).collect())?)
}

/// Rows of which the largest numbers are printed.
const ROWS: usize = 4;

fn tell(port: &Port, value: &HostTensor) -> anyhow::Result<()> {
    let value = value.cast(DType::F32);
    let numbers = value.as_f32()?;
    let finite: Vec<f64> = numbers.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v)).collect();
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    let (least, most) =
        finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), &v| (l.min(v), m.max(v)));
    let bad = if finite.len() < numbers.len() {
        format!(", {} not finite", numbers.len() - finite.len())
    } else {
        String::new()
    };
    println!("output   {} {:?}: from {least:.6} to {most:.6}, mean {mean:.6}{bad}", port.name, port.shape());
    if let [_, columns] = port.shape()[..] {
        for (row, numbers) in numbers.chunks(columns.max(1)).enumerate().take(ROWS) {
            let mut order: Vec<usize> = (0..numbers.len()).collect();
            order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]));
            let best: Vec<String> =
                order.iter().take(3).map(|&at| format!("{at}: {:.6}", numbers[at])).collect();
            println!("         row {row}: largest {}", best.join(", "));
        }
    }
    Ok(())
}

fn write(path: &Path, outputs: &[(&Port, HostTensor)]) -> anyhow::Result<()> {
    if let ([(_, value)], true) = (outputs, path.extension().is_some_and(|e| e == "npy")) {
        output::keep(path, |path| write_npy(path, value))?;
        println!("wrote    {}", path.display());
        return Ok(());
    }
    std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    for (port, value) in outputs {
        let name = port.name.replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "_");
        let file = path.join(format!("{name}.npy"));
        output::keep(&file, |file| write_npy(file, value))?;
        println!("wrote    {}", file.display());
    }
    Ok(())
}
