//! `wgrad inspect`: what a weight file or a checkpoint holds.

use anyhow::Context;
use clap::Args;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::PathBuf;
use wgrad::Checkpoint;

/// Letters of a note that are shown.
const SHOWN: usize = 70;

/// `wgrad inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A safetensors file: weights, or a checkpoint of a run, whose checksum is looked at.
    file: PathBuf,
    /// Only tensors whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

/// Numbers of a tensor of floats: mean, standard deviation, least and largest of the finite ones, and how many are not.
#[derive(Debug, PartialEq)]
struct Spread {
    mean: f64,
    std: f64,
    least: f64,
    most: f64,
    not_finite: usize,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let count = finite.len().max(1) as f64;
        let mean = finite.iter().sum::<f64>() / count;
        let std = (finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
        let (least, most) =
            finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), &v| (l.min(v), m.max(v)));
        Self { mean, std, least, most, not_finite: values.len() - finite.len() }
    }
}

/// The numbers of a tensor, where it has floats.
fn numbers(view: &TensorView<'_>) -> Option<Vec<f64>> {
    let words = view.data();
    Some(match view.dtype() {
        Dtype::F64 => words.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::F32 => words.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F16 => {
            words.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f64()).collect()
        }
        Dtype::BF16 => {
            words.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f64()).collect()
        }
        _ => return None,
    })
}

fn short(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
    if line == text { line } else { format!("{line} .. ({} bytes)", text.len()) }
}

/// Prints notes and tensors.
pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let path = args.file.display();
    let bytes = std::fs::read(&args.file).with_context(|| path.to_string())?;
    let broken =
        || format!("{path}: expected a safetensors file, got {} bytes that are not one", bytes.len());
    let file = SafeTensors::deserialize(&bytes).with_context(broken)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).with_context(broken)?;
    let notes: BTreeMap<String, String> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let roles: BTreeMap<String, String> = match notes.contains_key("wgrad.checkpoint") {
        true => {
            let checkpoint = Checkpoint::read(&args.file)?;
            checkpoint.states().map(|(name, role, _)| (name.to_owned(), role.to_string())).collect()
        }
        false => BTreeMap::new(),
    };
    let kind = if roles.is_empty() { "weights" } else { "a checkpoint, its checksum right" };
    println!("{path}: {kind}, {} bytes", bytes.len());
    for (key, value) in notes.iter().filter(|(key, _)| *key != "wgrad.roles") {
        println!("  {key} = {}", short(value));
    }
    let mut views: Vec<(String, TensorView<'_>)> = file.tensors();
    views.retain(|(name, _)| name.contains(&args.filter));
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let width = views.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("tensor".len());
    println!(
        "{:width$} {:10} {:5} {:20} {:>11} {:>11} {:>11} {:>11}",
        "tensor", "role", "type", "shape", "mean", "std", "min", "max"
    );
    let (mut elements, mut not_finite) = (0, 0);
    for (name, view) in &views {
        let spread = numbers(view).map(|values| Spread::of(&values));
        elements += view.shape().iter().product::<usize>();
        not_finite += spread.as_ref().map_or(0, |spread| spread.not_finite);
        let cells = spread.map_or(String::new(), |s| {
            let bad = if s.not_finite > 0 { format!("  {} not finite", s.not_finite) } else { String::new() };
            format!("{:>11.4e} {:>11.4e} {:>11.4e} {:>11.4e}{bad}", s.mean, s.std, s.least, s.most)
        });
        let role = roles.get(name).map_or("", String::as_str);
        let shape = format!("{:?}", view.shape());
        println!("{name:width$} {role:10} {:5} {shape:20} {cells}", view.dtype().to_string());
    }
    println!("{} tensors, {elements} elements, {not_finite} not finite", views.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_counted_apart() {
        let spread = Spread::of(&[1.0, f64::NAN, 3.0, f64::INFINITY]);
        assert_eq!(spread, Spread { mean: 2.0, std: 1.0, least: 1.0, most: 3.0, not_finite: 2 });
    }
}
