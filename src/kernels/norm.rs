//! Normalisation and the gradient of its input: `shaders/norm_apply.wgsl`, `shaders/norm_backward.wgsl`.

use super::ranges::{Lies, Part, parts};
use super::template::literal;
use super::{
    Access, Binding, Chain, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, iterations,
    launch,
};
use crate::error::Mismatch;
use crate::ops::{Norm, NormApply, NormBackward, NormOver};
use crate::shape::Shape;
use minijinja::{Value, context};

impl Lower for NormApply {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let mut names = vec!["input", "output", "rstd"];
        let mut operands = vec![Operand::Input(0), Operand::Output(0)];
        let centered = usize::from(self.norm.centered);
        operands.push(Operand::Input(1 + centered));
        let mut input = 2 + centered;
        if self.norm.centered {
            names.push("mean");
            operands.push(Operand::Input(1));
        }
        for (name, there) in [("weight", self.weight), ("bias", self.bias)] {
            if there {
                names.push(name);
                operands.push(Operand::Input(input));
                input += 1;
            }
        }
        let walk = Walk {
            name: "norm_apply",
            norm: self.norm,
            names,
            operands,
            fused: &site.fused.epilogue,
            values: context! { eps => self.eps.map(literal), weight => self.weight, bias => self.bias },
        };
        walk.lower(&site.inputs[0].shape, site.limits)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }
}

impl Lower for NormBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let shape = &site.inputs[1].shape;
        let kinds = 1 + usize::from(self.norm.centered);
        let mut names = vec!["grad_output", "input", "grad_input", "rstd", "products"];
        let inputs = |positions: &[usize]| positions.iter().map(|&i| Operand::Input(i)).collect::<Vec<_>>();
        let mut operands = inputs(&[0, 1]);
        operands.push(Operand::Output(0));
        operands.extend(inputs(&[1 + kinds, 1 + 2 * kinds]));
        if self.norm.centered {
            names.extend(["mean", "sums"]);
            operands.extend(inputs(&[2, 2 + kinds]));
        }
        if self.weight {
            names.push("weight");
            operands.extend(inputs(&[2 + 2 * kinds]));
        }
        let count = self.norm.count(self.norm.sizes(shape)?) as f32;
        let values = context! {
            eps => None::<String>,
            weight => self.weight,
            bias => false,
            of_batch => self.norm.over == NormOver::Batch,
            count => literal(count),
        };
        let fused = &Chain::default();
        Walk { name: "norm_backward", norm: self.norm, names, operands, fused, values }
            .lower(shape, site.limits)
    }
}

/// Strides of a normalisation's operands along the sizes `(N, G, K, L)` of its input.
pub(super) struct Strides {
    pub(super) statistic: [usize; 4],
    pub(super) parameter: [usize; 4],
}

impl Strides {
    pub(super) fn of(norm: &Norm, [_, g, k, _]: [usize; 4]) -> Self {
        let (statistic, parameter) = match norm.over {
            NormOver::Batch => ([0, 1, 0, 0], [0, k, 1, 0]),
            NormOver::Groups(_) => ([g, 1, 0, 0], [0, k, 1, 0]),
            NormOver::Last(_) => ([1, 0, 0, 0], [0, 0, 0, 1]),
        };
        Self { statistic, parameter }
    }
}

/// The position of the first of a row in WGSL, for a row of the sizes `(N, G, K)`.
pub(super) fn of_row(strides: [usize; 3], first: usize) -> String {
    let parts = ["row / (G * K)", "row / K % G", "row % K"];
    let terms = strides.iter().zip(parts).filter(|(stride, _)| **stride > 0);
    let mut terms: Vec<String> = terms.map(|(stride, part)| format!("({part}) * {stride}u")).collect();
    if first > 0 || terms.is_empty() {
        terms.push(format!("{first}u"));
    }
    terms.join(" + ")
}

/// Fours that an invocation has of a row at most.
const FOURS: usize = 16;

/// How invocations walk through rows of so many fours: how many share a row, and the fours of a stretch that is theirs.
fn stretch(fours: usize) -> (usize, usize) {
    let of = |lanes: usize| {
        let stretches = fours.div_ceil(lanes * FOURS);
        (lanes, fours.div_ceil(stretches))
    };
    // Of all iterations, those that compute something.
    let used = |&(lanes, stretch): &(usize, usize)| {
        let stretches = fours.div_ceil(stretch);
        fours * 100 / (stretches * stretch.div_ceil(lanes) * lanes)
    };
    let all = || [64, 32, 16, 8, 4, 2, 1].map(of).into_iter();
    let good = all().filter(|walk| walk.0 <= fours).find(|walk| used(walk) >= 90);
    good.or_else(|| all().max_by_key(used)).unwrap_or((1, fours))
}

/// A kernel that computes each element of a tensor from the same one of others and from numbers of its row.
struct Walk<'a> {
    name: &'static str,
    norm: Norm,
    names: Vec<&'static str>,
    operands: Vec<Operand>,
    fused: &'a Chain,
    values: Value,
}

impl Walk<'_> {
    fn lower(&self, shape: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
        let sizes = self.norm.sizes(shape)?;
        let launches = if sizes[3].is_multiple_of(4) {
            let lies = self.lies(sizes);
            let parts = parts(&sizes, &[1, 1, 1, 4], &lies, limits)?.into_iter();
            parts.map(|part| self.rows(sizes, &lies, part, limits)).collect::<Result<_, Mismatch>>()?
        } else {
            let fours = shape.elements().div_ceil(4);
            let runs = chunks(fours, &[(Operand::Output(0), 16)], limits)?.into_iter();
            runs.map(|run| self.each(sizes, run, limits)).collect::<Result<_, Mismatch>>()?
        };
        Ok(Lowering { launches, ..Lowering::default() })
    }

    /// Whether an operand is a tensor of the input's shape.
    fn is_whole(name: &str) -> bool {
        ["input", "output", "grad_output", "grad_input"].contains(&name)
    }

    fn access(operand: Operand) -> Access {
        if matches!(operand, Operand::Output(_)) { Access::Write } else { Access::Read }
    }

    fn lies(&self, sizes: [usize; 4]) -> Vec<Lies> {
        let [n, g, k, l] = sizes;
        let strides = Strides::of(&self.norm, sizes);
        let extent = |strides: [usize; 4]| -> usize {
            1 + sizes.iter().zip(strides).map(|(size, stride)| (size - 1) * stride).sum::<usize>()
        };
        let lies = |(&name, &operand): (&&str, &Operand)| {
            let strides = match name {
                name if Self::is_whole(name) => [g * k * l, k * l, l, 1],
                "weight" | "bias" => strides.parameter,
                // Statistics, and sums of what shares them.
                _ => strides.statistic,
            };
            let elements = if Self::is_whole(name) { n * g * k * l } else { extent(strides) };
            Lies::of(operand, strides.to_vec(), elements)
        };
        self.names.iter().zip(&self.operands).map(lies).collect()
    }

    /// Whether each row has a weight, and not each position of a row.
    fn per_row(&self) -> bool {
        !matches!(self.norm.over, NormOver::Last(_))
    }

    fn common(&self) -> Value {
        let numbers = self.names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), i));
        context! {
            binding => Value::from_iter(numbers),
            centered => self.norm.centered,
            per_row => self.per_row(),
            parameters => self.names.iter().any(|name| ["weight", "bias"].contains(name)),
        }
    }

    /// A part of the rows, which are whole fours.
    fn rows(&self, all: [usize; 4], lies: &[Lies], part: Part, limits: &Limits) -> Result<Launch, Mismatch> {
        let strides = Strides::of(&self.norm, all);
        let bound: Vec<_> =
            lies.iter().map(|lies| part.bind(lies, Self::access(lies.operand), limits)).collect();
        let first =
            |wanted: &str| self.names.iter().position(|name| *name == wanted).map_or(0, |at| bound[at].1);
        let sizes = part.sizes();
        let (n, g, k, l) = (sizes[0], sizes[1], sizes[2], sizes[3]);
        let rows = n * g * k;
        let (row_lanes, stretch) = stretch(l / 4);
        let stretches = (l / 4).div_ceil(stretch);
        let three = |strides: [usize; 4]| [strides[0], strides[1], strides[2]];
        // All whole tensors begin at the same position, the first among them.
        let output = bound[0];
        let base = [all[1] * all[2] * all[3] / 4, all[2] * all[3] / 4, all[3] / 4];
        let first_parameter = first("weight").max(first("bias"));
        let values = context! {
            fours => true,
            n, g, k, l, rows, row_lanes, stretch, stretches,
            base => of_row(base, output.1 / 4),
            statistic => of_row(three(strides.statistic), first("rstd")),
            parameter => of_row(three(strides.parameter), first_parameter),
            first_weight => first_parameter / 4,
            wide => limits.wide_loads,
            ..context! { ..self.common(), ..self.values.clone() }
        };
        let mut bindings: Vec<Binding> = bound.iter().map(|bound| bound.0).collect();
        let number = bindings.len();
        bindings.extend(self.fused.bindings(|b| Binding { range: output.0.range, ..b }));
        let values = context! { ..values, ..self.fused.values(number, true, &bindings) };
        let why = format!("{row_lanes} lanes per row, four terms per load{}{}", part.why(), self.fused.why());
        let groups = rows.div_ceil(64 / row_lanes) * stretches;
        let iterations = iterations::of_loop(stretch.div_ceil(row_lanes), 0);
        launch(limits, self.name, groups, iterations, bindings, why, values)
    }

    /// A run of four neighbours each, of whatever rows: the first and how many.
    fn each(
        &self,
        sizes: [usize; 4],
        (first, width): (usize, usize),
        limits: &Limits,
    ) -> Result<Launch, Mismatch> {
        let strides = Strides::of(&self.norm, sizes);
        let run = |b: Binding| b.range(first as u64 * 16, width as u64 * 16);
        let bind = |(name, &operand): (&&str, &Operand)| {
            let binding = Binding { operand, access: Self::access(operand), range: None, half: false };
            if Self::is_whole(name) { run(binding) } else { binding }
        };
        let mut bindings: Vec<Binding> = self.names.iter().zip(&self.operands).map(bind).collect();
        let [n, g, k, l] = sizes;
        let three = |strides: [usize; 4]| [strides[0], strides[1], strides[2]];
        let values = context! {
            fours => false,
            n, g, k, l, width,
            rows => n * g * k,
            first_four => first,
            statistic => of_row(three(strides.statistic), 0),
            parameter => of_row(three(strides.parameter), 0),
            wide => limits.wide_loads,
            ..context! { ..self.common(), ..self.values.clone() }
        };
        let number = bindings.len();
        bindings.extend(self.fused.bindings(run));
        let values = context! { ..values, ..self.fused.values(number, true, &bindings) };
        let why = format!("one vec4 per lane, rows of {l}{}", self.fused.why());
        launch(limits, self.name, width.div_ceil(64), 0, bindings, why, values)
    }
}
