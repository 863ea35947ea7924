//! Files read back by the importer.

use super::Sample;
use wgrad::onnx::{Array, ImportOptions, Imported, Model, PortValue};
use wgrad::{DType, Device, HostTensor, Parameters, Result};

/// How near what comes back has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Near {
    /// The same bits.
    Bits,
    /// This share of the largest number.
    Share(f32),
}

/// The importer's graph; inputs that it has to know are known.
fn import(sample: &Sample) -> Result<Imported> {
    let model = Model::from_bytes(&sample.model.bytes)?;
    // A case has inputs that its results do not need.
    let names: Vec<String> = model.inputs().into_iter().map(|input| input.name).collect();
    let given = |known: bool| {
        sample.inputs.iter().filter(|(name, _)| names.contains(name)).fold(
            ImportOptions::new(),
            |options, (name, value)| match value.as_u32() {
                Ok(words) if known => {
                    let words = words.iter().map(|&word| word.into()).collect();
                    let array =
                        Array::ints(wgrad::onnx::ElementType::Int64, value.shape(), words).expect("an array");
                    options.value(name, array)
                }
                _ => options.shape(name, value.shape()),
            },
        )
    };
    model.import(&given(false)).or_else(|_| model.import(&given(true)))
}

/// The outputs as the reference computes them.
fn outputs(sample: &Sample) -> Result<Vec<HostTensor>> {
    let imported = import(sample)?;
    let computed = imported.computed();
    let mut program = Parameters::new(&Device::cpu(), 0).compile(&imported.graph, &computed)?;
    let mut given = Vec::new();
    for port in &imported.inputs {
        let (_, value) = sample.inputs.iter().find(|(name, _)| *name == port.name).expect("an input");
        given.extend(port.tensor().map(|tensor| (tensor.clone(), value.cast(DType::F32))));
    }
    program.run(&given.iter().map(|(tensor, value)| (tensor, value)).collect::<Vec<_>>())?;
    let output = |value: &PortValue| match value {
        PortValue::Tensor(tensor) => program.read(tensor),
        PortValue::Known(array) => Ok(array.to_host().expect("numbers")),
    };
    imported.outputs.iter().map(|port| output(&port.value)).collect()
}

fn differs(got: &HostTensor, want: &HostTensor, near: Near) -> Option<String> {
    let want = want.cast(DType::F32);
    let (got, want, shapes) =
        (got.as_f32().expect("f32"), want.as_f32().expect("f32"), (got.shape(), want.shape()));
    if shapes.0 != shapes.1 {
        return Some(format!("shape {}, not {}", shapes.0, shapes.1));
    }
    let largest = want.iter().filter(|v| v.is_finite()).fold(0.0f32, |most, v| most.max(v.abs()));
    let bad = |(got, want): (&f32, &f32)| match near {
        _ if got == want || got.is_nan() && want.is_nan() => false,
        Near::Bits => true,
        Near::Share(share) => (got - want).abs() > share * largest || got.is_nan() != want.is_nan(),
    };
    let at = got.iter().zip(want).position(bad)?;
    Some(format!("[{at}] {} instead of {}", got[at], want[at]))
}

/// Reads all samples back and runs them: `near` says how near each has to be.
pub fn check_with_importer(what: &str, samples: &[Sample], near: impl Fn(&str) -> Near) {
    let (mut same, mut bad) = (0, Vec::new());
    for sample in samples {
        let found = match outputs(sample) {
            Ok(found) => found,
            Err(error) => {
                bad.push(format!("{}: {error}", sample.name));
                continue;
            }
        };
        let pairs = || found.iter().zip(&sample.outputs);
        same += usize::from(pairs().all(|(got, (_, want))| differs(got, want, Near::Bits).is_none()));
        let near = near(&sample.name);
        bad.extend(pairs().filter_map(|(got, (name, want))| {
            differs(got, want, near).map(|why| format!("{}: {name}{why}", sample.name))
        }));
    }
    println!("{what}: {} read back, {same} with the same bits", samples.len());
    assert!(bad.is_empty(), "{what}: {} of {}:\n{}", bad.len(), samples.len(), bad.join("\n"));
}
