//! Reductions over dimensions: `shaders/reduce.wgsl`, over leading ones `shaders/reduce_columns.wgsl`,
//! the second pass `shaders/reduce_partials.wgsl`; what they know of a
//! part of a row is in `shaders/common/reduce.wgsl`. Their gradients: `shaders/reduce_backward.wgsl`.

use super::ranges::Lies;
use super::rows::{Reducer, forward, loads_neighbours};
use super::strided::{self, Strided};
use super::template::literal;
use super::{Lower, Lowering, Operand, Refusal, Site};
use crate::ops::{Reduce, ReduceBackward, ReduceKind};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// What is known of some elements of a row: the fields of the shaders' `Known`, by name and type.
fn fields(kind: ReduceKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        ReduceKind::Prod => &[("product", "f32"), ("zeros", "f32"), ("endless", "f32")],
        ReduceKind::Amax | ReduceKind::Amin => &[("extreme", "f32"), ("ties", "f32")],
        ReduceKind::Argmin => &[("smallest", "f32"), ("position", "u32")],
        ReduceKind::Var { .. } | ReduceKind::Std { .. } => {
            &[("count", "f32"), ("mean", "f32"), ("squares", "f32")]
        }
        ReduceKind::Norm { p } if p.is_infinite() => fields(ReduceKind::Amax),
        ReduceKind::Norm { .. } => &[("total", "f32")],
        ReduceKind::LogSumExp => &[("largest", "f32"), ("sum", "f32")],
        ReduceKind::Any | ReduceKind::All => &[("truth", "f32")],
    }
}

/// What is computed, as the shaders name it, of `count` elements.
fn own(kind: ReduceKind, count: usize) -> Value {
    let extreme = |largest: bool, magnitude: bool| {
        context! { kind => "extreme", beyond => if largest { ">" } else { "<" }, magnitude }
    };
    let spread = |root: bool, correction: usize| {
        context! { kind => "spread", root, divisor => literal((count - correction) as f32) }
    };
    match kind {
        ReduceKind::Amax => extreme(true, false),
        ReduceKind::Amin => extreme(false, false),
        ReduceKind::Argmin => context! { kind => "position" },
        ReduceKind::Var { correction } => spread(false, correction),
        ReduceKind::Std { correction } => spread(true, correction),
        ReduceKind::Norm { p } if p.is_infinite() => extreme(p > 0.0, true),
        ReduceKind::Norm { p } => context! { kind => "norm", p },
        ReduceKind::Prod | ReduceKind::LogSumExp | ReduceKind::Any | ReduceKind::All => {
            context! { kind => kind.name() }
        }
    }
}

/// Whether the shaders read the first element of each row by itself.
fn reads_first(kind: ReduceKind) -> bool {
    matches!(kind, ReduceKind::Var { .. } | ReduceKind::Std { .. })
}

impl Lower for Reduce {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let (kind, fields) = (self.kind, fields(self.kind));
        let powers = match kind {
            ReduceKind::Norm { p } => context! { exponent => literal(p), inverse => literal(1.0 / p) },
            // They take no powers.
            _ => context! {},
        };
        let values = context! {
            name => kind.name(), fields, saved => kind.saved(), reads_first => reads_first(kind),
            ..context! { ..own(kind, self.count(&site.inputs[0].shape)), ..powers }
        };
        let reducer = Reducer {
            dims: &self.dims,
            kernels: ["reduce", "reduce_columns", "reduce_partials"],
            fields: fields.len(),
            adds: false,
            reads_first: reads_first(kind),
            values,
        };
        forward(&reducer, site)
    }

    /// The result alone, where it is a number.
    fn takes_epilogue(&self) -> bool {
        self.kind.saved() == 0 && self.kind != ReduceKind::Argmin
    }

    fn takes_prologue(&self, input: &TensorType) -> bool {
        !reads_first(self.kind) && loads_neighbours(&self.dims, input)
    }
}

/// Sizes of the dimensions, and strides of the results in them, neighbours that are all reduced or all kept joined.
fn joined(dims: &[usize], shape: &Shape) -> (Vec<usize>, Vec<usize>) {
    let mut sizes: Vec<(usize, bool)> = Vec::new();
    for (d, &size) in shape.iter().enumerate() {
        let kept = !dims.contains(&d);
        match sizes.last_mut() {
            Some((joined, same)) if *same == kept => *joined *= size,
            _ => sizes.push((size, kept)),
        }
    }
    let mut strides = vec![0; sizes.len()];
    let mut behind = 1;
    for (i, _) in sizes.iter().enumerate().rev().filter(|(_, size)| size.1) {
        strides[i] = behind;
        behind *= sizes[i].0;
    }
    (sizes.into_iter().map(|size| size.0).collect(), strides)
}

impl Lower for ReduceBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let (kind, input) = (self.0.kind, &site.inputs[1].shape);
        let (sizes, results) = joined(&self.0.dims, input);
        let (strides, elements) = (Shape::from(&sizes[..]).strides(), input.elements());
        let first_of_row: Vec<usize> =
            results.iter().zip(&strides).map(|(&result, &own)| if result > 0 { own } else { 0 }).collect();
        let result = |i| Lies::of(Operand::Input(i), results.clone(), site.inputs[i].shape.elements());
        let of_input = |strides: Vec<usize>| Lies::of(Operand::Input(1), strides, elements);
        let mut tensors = vec![("grad_output", result(0)), ("input", of_input(strides.clone()))];
        let unread = match kind {
            ReduceKind::Prod | ReduceKind::Var { .. } => true,
            ReduceKind::Norm { p } => p == 0.0 || p == 1.0,
            // What they gave is part of their derivative.
            _ => false,
        };
        tensors.extend((!unread).then(|| ("output", result(2))));
        tensors.extend(["first_saved", "second_saved"].into_iter().zip((3..site.inputs.len()).map(result)));
        tensors.extend(reads_first(kind).then(|| ("firsts", of_input(first_of_row))));
        tensors.push(("grad_input", Lies::of(Operand::Output(0), strides, elements)));
        let exponent = match kind {
            ReduceKind::Norm { p } => literal(p - 1.0),
            // They take no powers.
            _ => String::new(),
        };
        let (names, mut lies): (Vec<&str>, Vec<Lies>) = tensors.into_iter().unzip();
        let all: Vec<Vec<usize>> = lies.iter().map(|lies| lies.strides.clone()).collect();
        let (sizes, all) = strided::joined(&sizes, &all);
        let unit = strided::unit(&sizes, &all);
        lies.iter_mut().zip(all).for_each(|(lies, strides)| lies.strides = strides);
        let tensors = names.iter().copied().zip(lies).collect();
        let why = if unit == 4 { "four words by strides" } else { "by strides" };
        let values = context! {
            name => kind.name(), tensors => names, exponent,
            ..context! { ..own(kind, self.0.count(input)), ..context! { magnitude => false } }
        };
        let work = Strided { kernel: "reduce_backward", sizes, tensors, unit, why, values };
        work.lower(site.limits)
    }
}
