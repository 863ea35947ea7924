//! `wgrad inspect`: what a weight file or a checkpoint holds.

use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wgrad::formats::{Format, ReadOptions, TensorFile};
use wgrad::{Checkpoint, HostTensor};

/// Letters of a note that are shown.
const SHOWN: usize = 70;

/// `wgrad inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A safetensors, PyTorch or NumPy file: weights, or a checkpoint of a run, whose checksum is verified.
    file: PathBuf,
    /// The key of the tensors in a training checkpoint of PyTorch's; several with dots between them.
    #[arg(long)]
    key: Option<String>,
    /// Only tensors whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

impl InspectArgs {
    /// All of a file.
    pub fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), key: None, filter: String::new() }
    }
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

fn short(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
    if line == text { line } else { format!("{line} .. ({} bytes)", text.len()) }
}

/// Means and the like of a tensor of floats; why it cannot be read; blank for whole numbers.
fn cells(type_name: &str, value: wgrad::Result<HostTensor>) -> (String, usize) {
    let value = match value {
        Ok(value) => value,
        Err(wgrad::Error::File { got, .. }) => return (format!("not read: {got}"), 0),
        Err(other) => return (format!("not read: {other}"), 0),
    };
    let Some(values) = value.as_f32().ok().filter(|values| !values.is_empty()) else {
        return (String::new(), 0);
    };
    let s = Spread::of(&values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let bad = if s.not_finite > 0 { format!("  {} not finite", s.not_finite) } else { String::new() };
    let narrowed = if type_name == "F64" { "  as f32" } else { "" };
    let cells =
        format!("{:>11.4e} {:>11.4e} {:>11.4e} {:>11.4e}{bad}{narrowed}", s.mean, s.std, s.least, s.most);
    (cells, s.not_finite)
}

/// Prints notes and tensors.
pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let path = args.file.display();
    // Every name as the file has it.
    let options = ReadOptions { key: args.key.clone(), strip_prefix: Some(String::new()) };
    let file = TensorFile::open(&args.file, &options)?;
    let notes = file.metadata();
    let roles: BTreeMap<String, String> = match notes.contains_key("wgrad.checkpoint") {
        true => {
            let checkpoint = Checkpoint::read(&args.file)?;
            checkpoint.states().map(|(name, role, _)| (name.to_owned(), role.to_string())).collect()
        }
        false => BTreeMap::new(),
    };
    let kind = match file.format() {
        Format::Safetensors if roles.is_empty() => "weights".to_owned(),
        Format::Safetensors => "a checkpoint, its checksum right".to_owned(),
        other => other.to_string(),
    };
    println!("{path}: {kind}, {} bytes", file.bytes());
    for (key, value) in notes.iter().filter(|(key, _)| *key != "wgrad.roles") {
        println!("  {key} = {}", short(value));
    }
    for remark in file.remarks() {
        println!("  {remark}");
    }
    let shown: Vec<_> = file.tensors().filter(|(name, ..)| name.contains(&args.filter)).collect();
    let width = shown.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max("tensor".len());
    println!(
        "{:width$} {:10} {:5} {:20} {:>11} {:>11} {:>11} {:>11}",
        "tensor", "role", "type", "shape", "mean", "std", "min", "max"
    );
    let (mut elements, mut not_finite) = (0usize, 0);
    for (name, type_name, shape) in &shown {
        let (cells, bad) = cells(type_name, file.read(name));
        elements = elements.saturating_add(shape.iter().fold(1, |n: usize, &size| n.saturating_mul(size)));
        not_finite += bad;
        let role = roles.get(*name).map_or("", String::as_str);
        println!("{name:width$} {role:10} {type_name:5} {:20} {cells}", format!("{shape:?}"));
    }
    println!("{} tensors, {elements} elements, {not_finite} not finite", shown.len());
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
