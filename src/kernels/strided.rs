//! Kernels that compute one element, or four, of strided tensors an invocation: where each lies, as WGSL, and the parts of
//! what is larger than a binding.

use super::ranges::{Lies, Part, parts};
use super::{Access, Launch, Limits, Lowering, Operand, Refusal, launch};
use crate::error::Mismatch;
use minijinja::{Value, context};

/// The place of element `i` of a part in a tensor: an expression of `i`. Strides and offset are divided by `unit`.
fn place(part: &Part, strides: &[usize], first: usize, unit: usize) -> String {
    let (sizes, divisors) = (part.sizes(), part.divisors());
    let moving = || (0..sizes.len()).filter(|&d| sizes[d] > 1);
    let step = |d: usize| if strides[d] == 1 { 1 } else { strides[d] / unit };
    let behind = if first > 0 { format!(" + {}u", first / unit) } else { String::new() };
    if moving().all(|d| step(d) == divisors[d]) {
        return format!("i{behind}");
    }
    let outermost = moving().next();
    let term = |d: usize| {
        let divided = if divisors[d] > 1 { format!("i / {}u", divisors[d]) } else { "i".to_owned() };
        let place = if outermost == Some(d) { divided } else { format!("{divided} % {}u", sizes[d]) };
        format!("({place}) * {}u", step(d))
    };
    let terms: Vec<String> = moving().filter(|&d| strides[d] > 0).map(term).collect();
    if terms.is_empty() { format!("{}u", first / unit) } else { terms.join(" + ") + &behind }
}

/// The work of a kernel: sizes, and how each tensor lies along them, with its name in the shader.
pub(super) struct Strided<'a> {
    pub(super) kernel: &'static str,
    pub(super) sizes: Vec<usize>,
    pub(super) tensors: Vec<(&'static str, Lies)>,
    /// Words that an invocation has: 1, or 4 that lie side by side in all tensors, of which sizes count the words.
    pub(super) unit: usize,
    pub(super) why: &'a str,
    pub(super) values: Value,
}

impl Strided<'_> {
    /// A launch for each part. The shader has `elements`, and `at`, the places by name.
    pub(super) fn lower(&self, limits: &Limits) -> Result<Lowering, Refusal> {
        let lies: Vec<Lies> = self.tensors.iter().map(|(_, lies)| lies.clone()).collect();
        let mut grains = vec![1; self.sizes.len()];
        grains.last_mut().into_iter().for_each(|grain| *grain = self.unit);
        let parts = parts(&self.sizes, &grains, &lies, limits)?.into_iter();
        let launches = parts.map(|part| self.launch(part, limits)).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }

    fn launch(&self, part: Part, limits: &Limits) -> Result<Launch, Mismatch> {
        let (mut bindings, mut at) = (Vec::new(), Vec::new());
        let mut units = part.clone();
        if let Some(last) = units.ranges.last_mut() {
            *last = last.start / self.unit..last.end / self.unit;
        }
        for (name, lies) in &self.tensors {
            let written = matches!(lies.operand, Operand::Output(_));
            let access = if written { Access::Write } else { Access::Read };
            let (binding, first) = part.bind(lies, access, limits);
            bindings.push(binding);
            at.push(((*name).to_owned(), place(&units, &lies.strides, first, self.unit)));
        }
        let elements = units.places();
        let values = context! { elements, at => Value::from_iter(at), ..self.values.clone() };
        let why = format!("{}{}", self.why, part.why());
        launch(limits, self.kernel, elements.div_ceil(64), 0, bindings, why, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_short_as_they_can_be() {
        let of = |ranges: &[std::ops::Range<usize>], strides: &[usize], first, unit| {
            place(&Part { ranges: ranges.to_vec(), whole: false }, strides, first, unit)
        };
        assert_eq!(of(&[0..3, 0..4], &[4, 1], 0, 1), "i");
        assert_eq!(of(&[0..3, 4..8], &[4, 1], 5, 1), "i + 5u");
        assert_eq!(of(&[0..3, 0..4], &[1, 3], 0, 1), "(i / 4u) * 1u + (i % 4u) * 3u");
        assert_eq!(of(&[0..3, 0..4, 0..2], &[0, 2, 1], 7, 1), "(i / 2u % 4u) * 2u + (i % 2u) * 1u + 7u");
        assert_eq!(of(&[0..3, 0..4], &[0, 0], 0, 1), "0u");
        assert_eq!(of(&[0..3, 0..4], &[32, 1], 8, 4), "(i / 4u) * 8u + (i % 4u) * 1u + 2u");
        assert_eq!(of(&[], &[], 0, 1), "i", "a scalar has one element");
    }
}
