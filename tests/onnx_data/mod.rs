//! ONNX's own tests: folders of a model, inputs and the outputs that it has to give.

use std::fmt;
use std::fs;
use std::path::Path;
use wgrad::onnx::{Array, Declared, ElementType, ImportOptions, Imported, Model, Port, PortValue};
use wgrad::{Device, HostTensor, Parameters};

/// What became of a folder.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// All outputs are right.
    Pass,
    /// The model is not read, for this reason.
    Refused(String),
    /// An output is wrong, or a run failed.
    Wrong(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Wrong(why) => write!(f, "WRONG: {why}"),
        }
    }
}

fn arrays(folder: &Path, stem: &str) -> Result<Vec<Array>, String> {
    let mut found = Vec::new();
    while let Ok(bytes) = fs::read(folder.join(format!("{stem}_{}.pb", found.len()))) {
        found.push(
            Array::decode(&bytes)
                .map_err(|m| format!("{} in {stem}_{}: {}", m.got, found.len(), m.expected))?,
        );
    }
    Ok(found)
}

/// The files of some tests hold bfloat16 as uint16.
fn as_declared(array: Array, element: Option<ElementType>) -> Array {
    if (array.element(), element) != (ElementType::Uint16, Some(ElementType::Bfloat16)) {
        return array;
    }
    let words = array.as_ints().expect("whole numbers").iter();
    let values = words.map(|&word| f32::from_bits((word as u32) << 16)).collect();
    Array::floats(HostTensor::from_f32(array.shape(), values).expect("values of the shape"))
}

/// Whether an input, by its number, is known before the model is built.
type Known<'a> = &'a dyn Fn(usize, &Array) -> bool;

/// Inputs are given at each run where that can be; those that the model needs to know are known.
fn import(model: &Model, inputs: &[Array]) -> wgrad::Result<Imported> {
    let names: Vec<String> = model.inputs().into_iter().map(|input| input.name).collect();
    let given = |known: Known<'_>| {
        names.iter().zip(inputs).enumerate().fold(ImportOptions::new(), |options, (i, (name, array))| {
            if known(i, array) || array.is_empty() {
                options.value(name, array.clone())
            } else {
                options.shape(name, array.shape())
            }
        })
    };
    let attempts: [Known<'_>; 6] = [
        &|_, _| false,
        &|i, array| i > 0 && !array.element().is_float(),
        &|i, _| i > 0,
        &|_, array| !array.element().is_float(),
        &|_, array| !array.element().is_float() || array.len() == 1,
        &|_, _| true,
    ];
    let mut last = None;
    for known in attempts {
        match model.import(&given(known)) {
            Ok(imported) => return Ok(imported),
            // The last one knows everything.
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("an attempt"))
}

/// The largest difference beyond what ONNX's tests allow.
fn differs(port: &Port, got: &Array, want: &Array) -> Option<String> {
    let name = &port.name;
    if got.shape() != want.shape() {
        return Some(format!("{name}: shape {:?}, not {:?}", got.shape(), want.shape()));
    }
    if (got.element().is_float(), got.element().is_integer())
        != (want.element().is_float(), want.element().is_integer())
    {
        return Some(format!("{name}: {}, not {}", got.element(), want.element()));
    }
    let (got, want) = (got.numbers(), want.numbers());
    let bad = got.iter().zip(&want).position(|(g, w)| {
        // Numbers of bfloat16 have 8 bits.
        let relative = if port.element == ElementType::Bfloat16 { 1.0 / 128.0 } else { 1e-3 };
        let close = (g - w).abs() <= 1e-5 + relative * w.abs() || g == w || g.is_nan() && w.is_nan();
        !close
    });
    bad.map(|at| format!("{name}[{at}]: {} instead of {}", got[at], want[at]))
}

/// Runs the folder's model on a device.
pub fn judge(folder: &Path, device: &Device) -> Verdict {
    let model = match Model::read(&folder.join("model.onnx")) {
        Ok(model) => model,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    if let Some(node) = model.unsupported().first() {
        return Verdict::Refused(format!("{} is not read", node.operator));
    }
    let declared = model.inputs().into_iter().chain(model.outputs());
    if let Some(other) = declared.into_iter().find(|port| !port.element.is_some_and(ElementType::is_numeric))
    {
        let kind =
            other.element.map_or("a sequence or an optional value".to_owned(), |element| element.to_string());
        return Verdict::Refused(format!("{kind} is not read"));
    }
    let mut sets: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.is_dir())
        .collect();
    sets.sort();
    for set in sets {
        let (inputs, wanted) = match arrays(&set, "input").and_then(|i| Ok((i, arrays(&set, "output")?))) {
            Ok(both) => both,
            Err(why) => return Verdict::Refused(why),
        };
        let typed = |arrays: Vec<Array>, declared: Vec<Declared>| -> Vec<Array> {
            arrays
                .into_iter()
                .zip(declared)
                .map(|(array, declared)| as_declared(array, declared.element))
                .collect()
        };
        let (inputs, wanted) = (typed(inputs, model.inputs()), typed(wanted, model.outputs()));
        let imported = match import(&model, &inputs) {
            Ok(imported) => imported,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        match run(&imported, &inputs, &wanted, device) {
            Ok(None) => {}
            Ok(Some(why)) => return Verdict::Wrong(why),
            Err(error) => return Verdict::Wrong(error.to_string()),
        }
    }
    Verdict::Pass
}

fn run(
    imported: &Imported,
    inputs: &[Array],
    wanted: &[Array],
    device: &Device,
) -> wgrad::Result<Option<String>> {
    let computed = imported.computed();
    let parameters = Parameters::new(device, 0);
    let mut executable = parameters.compile(&imported.graph, &computed)?;
    let mut given = Vec::new();
    for (port, array) in imported.inputs.iter().zip(inputs) {
        if let Some(tensor) = port.tensor() {
            let host = array.to_host().map_err(|m| wgrad::Error::argument(&port.name, m.expected, m.got))?;
            given.push((tensor.clone(), host));
        }
    }
    let given: Vec<(&wgrad::Tensor, &HostTensor)> = given.iter().map(|(t, h)| (t, h)).collect();
    executable.run(&given)?;
    for (port, want) in imported.outputs.iter().zip(wanted) {
        let got = match &port.value {
            PortValue::Known(array) => array.clone(),
            PortValue::Tensor(tensor) => {
                let host = executable.read(tensor)?;
                let values = host.as_f32()?;
                match port.element.is_float() {
                    true => Array::floats(host),
                    false => {
                        let ints = values.iter().map(|&v| v as i64).collect();
                        Array::ints(port.element, host.shape(), ints)
                            .map_err(|m| wgrad::Error::argument(&port.name, m.expected, m.got))?
                    }
                }
            }
        };
        if let Some(why) = differs(port, &got, want) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}
