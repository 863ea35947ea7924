//! Kernels that compute one element, or four, of strided tensors an invocation: where each lies, as WGSL, and the parts of
//! what is larger than a binding.

use super::ranges::{Lies, Part, parts};
use super::{Access, Launch, Limits, Lowering, Operand, Refusal, launch};
use crate::error::Mismatch;
use minijinja::{Value, context};

/// The position of element `i` of a part in a tensor: an expression of `i`. Strides and offset are divided by `unit`.
fn position(part: &Part, strides: &[usize], first: usize, unit: usize) -> String {
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
        let position = if outermost == Some(d) { divided } else { format!("{divided} % {}u", sizes[d]) };
        format!("({position}) * {}u", step(d))
    };
    let terms: Vec<String> = moving().filter(|&d| strides[d] > 0).map(term).collect();
    if terms.is_empty() { format!("{}u", first / unit) } else { terms.join(" + ") + &behind }
}

/// Whether a tensor has one word for all positions of the last dimension.
fn is_one(strides: &[usize]) -> bool {
    strides.last() == Some(&0)
}

/// Sizes and strides without dimensions of size 1, and neighbours that lie in each tensor as one dimension would joined.
pub(super) fn joined(sizes: &[usize], strides: &[Vec<usize>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let (mut joined, mut lies) = (Vec::<usize>::new(), vec![Vec::<usize>::new(); strides.len()]);
    for (d, &size) in sizes.iter().enumerate().filter(|(_, size)| **size != 1) {
        let fits =
            lies.iter().zip(strides).all(|(lies, own)| lies.last().is_some_and(|&l| l == size * own[d]));
        if let (true, Some(last)) = (fits, joined.last_mut()) {
            *last *= size;
            lies.iter_mut().zip(strides).for_each(|(lies, own)| *lies.last_mut().unwrap_or(&mut 0) = own[d]);
        } else {
            joined.push(size);
            lies.iter_mut().zip(strides).for_each(|(lies, own)| lies.push(own[d]));
        }
    }
    (joined, lies)
}

/// How many words an invocation can have: 4 where the last dimension is of whole fours, and each tensor has these side by side
/// at a multiple of four, or one word for all of them.
pub(super) fn unit(sizes: &[usize], strides: &[Vec<usize>]) -> usize {
    let of_four = |n: usize| n.is_multiple_of(4);
    let lies = |strides: &Vec<usize>| match strides.split_last() {
        Some((1, others)) => others.iter().all(|&stride| of_four(stride)),
        Some((last, _)) => *last == 0,
        None => false,
    };
    if sizes.last().is_some_and(|&size| of_four(size)) && strides.iter().all(lies) { 4 } else { 1 }
}

/// The work of a kernel: sizes, and how each tensor lies along them, with its name in the shader.
pub(super) struct Strided<'a> {
    pub(super) kernel: &'static str,
    pub(super) sizes: Vec<usize>,
    pub(super) tensors: Vec<(&'static str, Lies)>,
    /// Words that an invocation has: 1, or 4 that lie side by side in a tensor or are one and the same, of which sizes count
    /// the words.
    pub(super) unit: usize,
    pub(super) why: &'a str,
    pub(super) values: Value,
}

impl Strided<'_> {
    /// A launch for each part. The shader has `elements`, and `at`, the positions by name.
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
            let unit = if is_one(&lies.strides) { 1 } else { self.unit };
            at.push(((*name).to_owned(), position(&units, &lies.strides, first, unit)));
        }
        let elements = units.positions();
        // Which tensors have four words side by side, where an invocation has four.
        let sides: Vec<(String, bool)> =
            self.tensors.iter().map(|(name, lies)| ((*name).to_owned(), !is_one(&lies.strides))).collect();
        let values = context! {
            elements, at => Value::from_iter(at), unit => self.unit, side => Value::from_iter(sides), wide => limits.wide_loads,
            ..self.values.clone()
        };
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
            position(&Part { ranges: ranges.to_vec(), whole: false }, strides, first, unit)
        };
        assert_eq!(of(&[0..3, 0..4], &[4, 1], 0, 1), "i");
        assert_eq!(of(&[0..3, 4..8], &[4, 1], 5, 1), "i + 5u");
        assert_eq!(of(&[0..3, 0..4], &[1, 3], 0, 1), "(i / 4u) * 1u + (i % 4u) * 3u");
        assert_eq!(of(&[0..3, 0..4, 0..2], &[0, 2, 1], 7, 1), "(i / 2u % 4u) * 2u + (i % 2u) * 1u + 7u");
        assert_eq!(of(&[0..3, 0..4], &[0, 0], 0, 1), "0u");
        assert_eq!(of(&[0..3, 0..4], &[32, 1], 8, 4), "(i / 4u) * 8u + (i % 4u) * 1u + 2u");
        assert_eq!(of(&[], &[], 0, 1), "i", "a scalar has one element");
    }

    #[test]
    fn neighbours_that_lie_alike_are_one_dimension() {
        let of = |sizes: &[usize], strides: &[&[usize]]| {
            let strides: Vec<Vec<usize>> = strides.iter().map(|s| s.to_vec()).collect();
            let (sizes, strides) = joined(sizes, &strides);
            let unit = unit(&sizes, &strides);
            (sizes, strides, unit)
        };
        // A bias along an image: one word for each row.
        assert_eq!(
            of(&[2, 3, 7, 8], &[&[0, 1, 0, 0], &[168, 56, 8, 1]]),
            (vec![2, 3, 56], vec![vec![0, 1, 0], vec![168, 56, 1]], 4)
        );
        assert_eq!(of(&[6, 1, 8], &[&[0, 5, 1], &[8, 8, 1]]), (vec![6, 8], vec![vec![0, 1], vec![8, 1]], 4));
        assert_eq!(of(&[4, 6], &[&[1, 4], &[6, 1]]).2, 1);
        assert_eq!(of(&[5, 8], &[&[9, 1], &[8, 1]]).2, 1, "rows that begin anywhere");
        assert_eq!(of(&[1, 1], &[&[0, 0], &[1, 1]]), (vec![], vec![vec![], vec![]], 1));
    }
}
