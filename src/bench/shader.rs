//! Somebody's own compute shader, with its bindings and grid described beside it.

use crate::error::{Error, Result};
use crate::exec::{Device, ForeignShader, Workload};
use crate::random::Rng;
use serde::Deserialize;
use std::path::Path;

/// Element types of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// 32-bit unsigned integers.
    U32,
    /// 32-bit signed integers.
    I32,
}

/// How a binding is declared in the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// `var<storage, ..>`.
    #[default]
    Storage,
    /// `var<uniform>`.
    Uniform,
}

fn tolerance() -> f64 {
    1e-5
}

/// One binding of group 0; its number is its position in the list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// What messages call it.
    pub name: String,
    /// Its elements.
    #[serde(rename = "type")]
    pub element: Element,
    /// How many there are.
    pub elements: u64,
    /// Storage or uniform.
    #[serde(default)]
    pub usage: Usage,
    /// Its values; random and never zero where neither these nor a file are given.
    pub values: Option<Vec<f64>>,
    /// A file with its values, little-endian and nothing else.
    pub file: Option<String>,
    /// What it must hold after a run.
    pub expected: Option<Vec<f64>>,
    /// A file with what it must hold after a run.
    pub expected_file: Option<String>,
    /// How far from that it may be, relative and absolute; integers must be equal.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
}

/// What a shader needs to be run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The function to call.
    pub entry: String,
    /// Workgroups along x, y and z.
    pub grid: [u32; 3],
    /// Floating-point operations of a run, for the table.
    #[serde(default)]
    pub flops: u64,
    /// Bytes a run moves at least; all bindings once where not given.
    pub bytes: Option<u64>,
    /// The bindings.
    #[serde(default, rename = "binding")]
    pub bindings: Vec<Binding>,
}

impl Element {
    /// A value as a word; integers must be whole.
    fn word(self, value: f64) -> Option<u32> {
        match self {
            Element::F32 => Some((value as f32).to_bits()),
            Element::U32 if value == f64::from(value as u32) => Some(value as u32),
            Element::I32 if value == f64::from(value as i32) => Some(value as i32 as u32),
            Element::U32 | Element::I32 => None,
        }
    }

    fn value(self, word: u32) -> f64 {
        match self {
            Element::F32 => f64::from(f32::from_bits(word)),
            Element::U32 => f64::from(word),
            Element::I32 => f64::from(word as i32),
        }
    }
}

impl Binding {
    /// The words that `values` or `file` (in `folder`) give; `None` where neither is given.
    fn words(&self, values: Option<&[f64]>, file: Option<&str>, folder: &Path) -> Result<Option<Vec<u32>>> {
        let name = format!("binding '{}'", self.name);
        let words = match (values, file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(Error::argument(&name, "values or a file", "both")),
            (Some(values), None) => {
                let word = |v: &f64| {
                    let bad = || Error::argument(&name, "whole numbers of 32 bits", v.to_string());
                    self.element.word(*v).ok_or_else(bad)
                };
                values.iter().map(word).collect::<Result<Vec<_>>>()?
            }
            (None, Some(file)) => {
                let path = folder.join(file);
                let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
                bytes.chunks(4).map(|b| b.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b))).collect()
            }
        };
        if words.len() as u64 != self.elements {
            return Err(Error::argument(&name, format!("{} values", self.elements), words.len().to_string()));
        }
        Ok(Some(words))
    }

    fn random(&self) -> Vec<u32> {
        let mut rng = Rng::named(1, &self.name);
        let word = |rng: &mut Rng| match self.element {
            Element::F32 => (rng.range(0.1, 1.0) as f32).to_bits(),
            Element::U32 | Element::I32 => 1 + rng.below(1000) as u32,
        };
        (0..self.elements).map(|_| word(&mut rng)).collect()
    }
}

/// A shader with its buffers filled, checked where a reference output is given.
#[derive(Debug)]
pub struct PreparedShader {
    /// What is timed.
    pub workload: Workload,
    /// How it was checked, in words.
    pub check: String,
    /// Bytes a run moves at least.
    pub bytes: u64,
}

/// Builds, fills, runs once and checks. Files are looked for in `folder`.
///
/// # Errors
/// When the shader is not valid, its bindings are not those described, a value or file does not fit, or the
/// output is wrong.
pub fn prepare(device: &Device, wgsl: String, what: &Description, folder: &Path) -> Result<PreparedShader> {
    if what.bindings.iter().any(|b| b.elements == 0) || what.grid.contains(&0) {
        return Err(Error::argument(
            "shader",
            "at least 1 element per binding and 1 workgroup per dimension",
            "0",
        ));
    }
    let limits = device.limits();
    let sizes: Vec<u64> = what.bindings.iter().map(|b| b.elements.saturating_mul(4)).collect();
    if let Some(large) = sizes.iter().find(|s| **s > limits.max_binding_bytes) {
        let expected = format!("at most {} bytes in a binding of this device", limits.max_binding_bytes);
        return Err(Error::argument("shader", expected, large.to_string()));
    }
    let uniform = |b: &Binding| b.usage == Usage::Uniform;
    let shader = ForeignShader {
        wgsl,
        entry: what.entry.clone(),
        grid: what.grid,
        bindings: what.bindings.iter().zip(&sizes).map(|(b, s)| (*s, uniform(b))).collect(),
    };
    let mut workload = Workload::from_shader(device, &shader)?;
    let mut contents = Vec::new();
    for binding in &what.bindings {
        let given = binding.words(binding.values.as_deref(), binding.file.as_deref(), folder)?;
        contents.push(given.unwrap_or_else(|| binding.random()));
    }
    let fill = |workload: &Workload| -> Result<()> {
        contents.iter().enumerate().try_for_each(|(i, words)| workload.write(i, bytemuck::cast_slice(words)))
    };
    fill(&workload)?;
    let mut checked = Vec::new();
    for (number, binding) in what.bindings.iter().enumerate() {
        let wanted = binding.words(binding.expected.as_deref(), binding.expected_file.as_deref(), folder)?;
        let Some(wanted) = wanted else { continue };
        if checked.is_empty() {
            workload.run()?;
        }
        check(binding, &workload.read(number, sizes[number])?, &wanted)?;
        checked.push(binding.name.as_str());
    }
    // What the run changed in place is put back.
    fill(&workload)?;
    let check = match checked.len() {
        0 => "not checked: no reference output is given".into(),
        _ => format!("{} as expected", checked.join(", ")),
    };
    let bytes = what.bytes.unwrap_or_else(|| sizes.iter().sum());
    Ok(PreparedShader { workload, check, bytes })
}

fn check(binding: &Binding, got: &[u8], wanted: &[u32]) -> Result<()> {
    let got = got.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let pairs = got.map(|w| binding.element.value(w)).zip(wanted.iter().map(|w| binding.element.value(*w)));
    // Written so that NaN is out of every bound.
    let right = |got: f64, wanted: f64| match binding.element {
        Element::F32 => (got - wanted).abs() <= binding.tolerance * (1.0 + wanted.abs()),
        Element::U32 | Element::I32 => got == wanted,
    };
    let mut wrong = pairs.enumerate().filter(|(_, (g, w))| !right(*g, *w));
    match wrong.next() {
        None => Ok(()),
        Some((index, (got, wanted))) => {
            let got = format!("{got}, and {} more are wrong", wrong.count());
            Err(Error::argument(&format!("binding '{}' at {index}", binding.name), wanted.to_string(), got))
        }
    }
}
