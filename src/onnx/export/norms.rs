//! Normalisations: ONNX has operators for those of batches, layers and instances; since opset 21 for those of groups, since 23
//! for those by the mean square. Others are composed.

use super::context::{Exporter, refused};
use super::element::{FLOAT, FLOAT16};
use super::writer::{Name, float, int};
use crate::DType;
use crate::error::Result;
use crate::graph::{GraphData, Node, ValueId};
use crate::ops::{Norm, NormApply, NormOver, NormStatistics, Op, State};

/// What a normalisation goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum By {
    /// A mean and a variance that are given.
    Given(ValueId, ValueId),
    /// Those of its input.
    Own,
    /// A mean, where there is one, and the reciprocal of a deviation.
    Computed(Option<ValueId>, ValueId),
}

/// A normalisation with what it goes by.
#[derive(Debug, Clone)]
pub(super) struct NormForm {
    norm: Norm,
    eps: f32,
    input: ValueId,
    by: By,
    weight: Option<ValueId>,
    bias: Option<ValueId>,
}

impl NormForm {
    /// What it reads.
    pub(super) fn reads(&self) -> Vec<ValueId> {
        let by = match self.by {
            By::Given(mean, variance) => [Some(mean), Some(variance)],
            By::Own => [None, None],
            By::Computed(mean, rstd) => [mean, Some(rstd)],
        };
        [Some(self.input), by[0], by[1], self.weight, self.bias].into_iter().flatten().collect()
    }
}

/// The form of a normalisation.
pub(super) fn norm(data: &GraphData, node: &Node, op: &NormApply) -> NormForm {
    let centered = usize::from(op.norm.centered);
    let (input, mean, spread) = (node.inputs[0], node.inputs[1], node.inputs[1 + centered]);
    let mut parameters = node.inputs[2 + centered..].iter().copied();
    let weight = if op.weight { parameters.next() } else { None };
    let bias = if op.bias { parameters.next() } else { None };
    let (by, eps) = match op.eps {
        Some(eps) => (By::Given(mean, spread), eps),
        None => statistics(data, node, op, input, spread)
            .unwrap_or((By::Computed(op.norm.centered.then_some(mean), spread), 0.0)),
    };
    NormForm { norm: op.norm, eps, input, by, weight, bias }
}

/// What statistics of the input itself are in evaluation: those that follow them, where there are some.
fn statistics(
    data: &GraphData,
    node: &Node,
    op: &NormApply,
    input: ValueId,
    spread: ValueId,
) -> Option<(By, f32)> {
    let made = data.producer(spread);
    let Op::NormStatistics(NormStatistics { norm, eps, running }) = &made.op else { return None };
    if *norm != op.norm || made.inputs[0] != input {
        return None;
    }
    if running.is_some() {
        return Some((By::Given(*made.inputs.get(1)?, *made.inputs.get(2)?), *eps));
    }
    let tracked = || {
        let state = |name: &str| {
            let key = format!("{}.{name}", node.label);
            let named = |value: ValueId| matches!(&data.producer(value).op, Op::State(State { name, .. }) if *name == key);
            data.updates.iter().map(|update| update.0).find(|&value| named(value))
        };
        Some(By::Given(state("running_mean")?, state("running_var")?))
    };
    let by = if matches!(norm.over, NormOver::Groups(_)) { tracked() } else { None };
    Some((by.unwrap_or(By::Own), *eps))
}

impl Exporter<'_> {
    /// A normalisation, in `f32` whatever its input is stored as.
    pub(super) fn norm(&mut self, form: &NormForm) -> Result<Name> {
        let half = self.dtype(form.input) == DType::F16;
        let mut x = self.name(form.input)?;
        if half {
            x = self.cast_to(&x, FLOAT);
        }
        let y = self.normalised(form, &x)?;
        Ok(if half { self.cast_to(&y, FLOAT16) } else { y })
    }

    fn normalised(&mut self, form: &NormForm, x: &str) -> Result<Name> {
        let shape = self.shape(form.input).to_vec();
        let (rank, opset) = (shape.len(), self.to.opset);
        match (form.by, form.norm.over) {
            (By::Given(mean, variance), _) => {
                let [weight, bias] = self.affine(form, &shape[1..2])?;
                let (mean, variance) = (self.name(mean)?, self.name(variance)?);
                let inputs = [x, &weight, &bias, &mean, &variance];
                Ok(self.to.node("BatchNormalization", &inputs, vec![float("epsilon", form.eps)]))
            }
            (By::Own, NormOver::Last(last)) if form.norm.centered && opset >= 17 => {
                let [weight, _] = self.affine(form, &shape[rank - last..])?;
                let bias = form.bias.map(|bias| self.name(bias)).transpose()?.unwrap_or_default();
                let attributes = vec![int("axis", -(last as i64)), float("epsilon", form.eps)];
                Ok(self.to.node("LayerNormalization", &[x, &weight, &bias], attributes))
            }
            (By::Own, NormOver::Last(last)) if !form.norm.centered && opset >= 23 => {
                let [weight, _] = self.affine(form, &shape[rank - last..])?;
                let attributes = vec![int("axis", -(last as i64)), float("epsilon", form.eps)];
                Ok(self.to.node("RMSNormalization", &[x, &weight], attributes))
            }
            (By::Own, NormOver::Groups(groups)) if groups == shape[1] && rank > 2 && form.norm.centered => {
                let [weight, bias] = self.affine(form, &shape[1..2])?;
                Ok(self.to.node(
                    "InstanceNormalization",
                    &[x, &weight, &bias],
                    vec![float("epsilon", form.eps)],
                ))
            }
            (By::Own, NormOver::Groups(groups)) if opset >= 21 && rank > 2 && form.norm.centered => {
                let [weight, bias] = self.affine(form, &shape[1..2])?;
                let attributes = vec![float("epsilon", form.eps), int("num_groups", groups as i64)];
                Ok(self.to.node("GroupNormalization", &[x, &weight, &bias], attributes))
            }
            _ => self.composed(form, x),
        }
    }

    /// Weight and bias of this shape, or ones and zeros.
    fn affine(&mut self, form: &NormForm, shape: &[usize]) -> Result<[Name; 2]> {
        let mut of = |value: Option<ValueId>, number: f32| match value {
            Some(value) => self.name(value),
            None => Ok(self.to.filled(shape, number)),
        };
        Ok([of(form.weight, 1.0)?, of(form.bias, 0.0)?])
    }

    /// From means, products and a root.
    fn composed(&mut self, form: &NormForm, x: &str) -> Result<Name> {
        let whole = self.view(form, x)?;
        let (mean, spread) = match form.by {
            By::Computed(mean, rstd) => {
                let mean = mean.map(|mean| self.statistic(form, mean)).transpose()?;
                (mean, self.statistic(form, rstd)?)
            }
            By::Own | By::Given(..) => {
                let dims = self.reduced_dims(form);
                let mean = form.norm.centered.then(|| self.reduced("ReduceMean", &whole, &dims, true));
                let [_, root] = self.spread(&whole, mean.as_deref(), &dims, form.eps);
                (mean, root)
            }
        };
        let apart = mean.map(|mean| self.to.node("Sub", &[&whole, &mean], vec![])).unwrap_or(whole);
        let op = if matches!(form.by, By::Computed(..)) { "Mul" } else { "Div" };
        let mut y = self.to.node(op, &[&apart, &spread], vec![]);
        if let NormOver::Groups(_) = form.norm.over {
            let sizes = self.sizes.of(form.input).to_vec();
            let target = self.shape_of(&sizes);
            y = self.to.node("Reshape", &[&y, &target], vec![]);
        }
        for (op, parameter) in [("Mul", form.weight), ("Add", form.bias)] {
            if let Some(value) = parameter {
                let shaped = self.parameter(form, value)?;
                y = self.to.node(op, &[&y, &shaped], vec![]);
            }
        }
        Ok(y)
    }

    /// The variance, or the mean square, and the root of that and `eps`.
    fn spread(&mut self, x: &str, mean: Option<&str>, dims: &[usize], eps: f32) -> [Name; 2] {
        let apart = mean.map(|mean| self.to.node("Sub", &[x, mean], vec![])).unwrap_or_else(|| x.to_owned());
        let square = self.to.node("Mul", &[&apart, &apart], vec![]);
        let variance = self.reduced("ReduceMean", &square, dims, true);
        let eps = self.to.number(DType::F32, eps);
        let sum = self.to.node("Add", &[&variance, &eps], vec![]);
        let root = self.to.node("Sqrt", &[&sum], vec![]);
        [variance, root]
    }

    /// The input with a dimension for each group.
    fn view(&mut self, form: &NormForm, x: &str) -> Result<Name> {
        let NormOver::Groups(groups) = form.norm.over else { return Ok(x.to_owned()) };
        let shape = self.shape(form.input);
        let rest = shape[1] / groups * shape[2..].iter().product::<usize>();
        Ok(self.reshaped(x, &[-1, groups as i64, rest as i64]))
    }

    /// Over which dimensions of that the statistics are.
    fn reduced_dims(&self, form: &NormForm) -> Vec<usize> {
        let rank = self.shape(form.input).len();
        match form.norm.over {
            NormOver::Batch => (0..rank).filter(|&dim| dim != 1).collect(),
            NormOver::Groups(_) => vec![2],
            NormOver::Last(last) => (rank - last..rank).collect(),
        }
    }

    /// Statistics beside what they are of.
    fn statistic(&mut self, form: &NormForm, value: ValueId) -> Result<Name> {
        let name = self.name(value)?;
        let shape = self.shape(value).to_vec();
        let rank = self.shape(form.input).len();
        let ones = match form.norm.over {
            NormOver::Batch => rank - 2,
            NormOver::Groups(_) => 1,
            NormOver::Last(last) => last,
        };
        Ok(self.with_ones(value, &name, shape.len(), ones))
    }

    /// With so many dimensions of size 1 behind its own.
    fn with_ones(&mut self, value: ValueId, name: &str, own: usize, ones: usize) -> Name {
        if ones == 0 {
            return name.to_owned();
        }
        let mut sizes = self.sizes.of(value)[..own].to_vec();
        sizes.extend(vec![super::batch::Size::Fixed(1); ones]);
        let target = self.shape_of(&sizes);
        self.to.node("Reshape", &[name, &target], vec![])
    }

    fn parameter(&mut self, form: &NormForm, value: ValueId) -> Result<Name> {
        let name = self.name(value)?;
        let rank = self.shape(form.input).len();
        Ok(match form.norm.over {
            NormOver::Last(_) => name,
            NormOver::Batch | NormOver::Groups(_) => self.with_ones(value, &name, 1, rank - 2),
        })
    }

    /// Statistics by themselves: mean, `rstd` and variance, or `rstd` alone.
    pub(super) fn norm_statistics(&mut self, node: &Node, op: &NormStatistics) -> Result<()> {
        if node.outputs.iter().skip(3).any(|&running| self.wants(running)) {
            return Err(refused(node, "the statistics of its input", "running ones: a part of training"));
        }
        let form = NormForm {
            norm: op.norm,
            eps: op.eps,
            input: node.inputs[0],
            by: By::Own,
            weight: None,
            bias: None,
        };
        let x = self.name(form.input)?;
        let x = if self.dtype(form.input) == DType::F16 { self.cast_to(&x, FLOAT) } else { x };
        let whole = self.view(&form, &x)?;
        let dims = self.reduced_dims(&form);
        let mean = op.norm.centered.then(|| self.reduced("ReduceMean", &whole, &dims, true));
        let [variance, root] = self.spread(&whole, mean.as_deref(), &dims, op.eps);
        let rstd = self.to.node("Reciprocal", &[&root], vec![]);
        let found = match mean {
            Some(mean) => vec![mean, rstd, variance],
            None => vec![rstd],
        };
        for (&value, name) in node.outputs.iter().zip(found) {
            if !self.wants(value) {
                continue;
            }
            let sizes = self.sizes.of(value).to_vec();
            let target = self.shape_of(&sizes);
            let name = self.to.node("Reshape", &[&name, &target], vec![]);
            self.give(value, name);
        }
        Ok(())
    }
}
