//! RNN, LSTM and GRU: as one op through time where that computes the same, else step by step.
//!
//! ONNX orders gates `i o f c` and `z r h`; here they are `i f g o` and `r z n`.

use super::Value;
use super::node::Node;
use crate::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{Recurrent, RecurrentKind};

/// An activation of a gate, with its numbers.
#[derive(Debug, Clone, PartialEq)]
struct Function {
    name: String,
    alpha: Option<f32>,
    beta: Option<f32>,
}

impl Function {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn apply(&self, node: &Node<'_>, x: &Tensor) -> Result<Tensor> {
        let (alpha, beta) =
            (|usual: f32| self.alpha.unwrap_or(usual), |usual: f32| self.beta.unwrap_or(usual));
        match self.name.to_lowercase().as_str() {
            "relu" => x.relu(),
            "tanh" => x.tanh(),
            "sigmoid" => x.sigmoid(),
            "affine" => x.scale(alpha(1.0))?.add_scalar(beta(0.0)),
            "leakyrelu" => x.leaky_relu(alpha(0.01)),
            "thresholdedrelu" => x.threshold(alpha(1.0), 0.0),
            "scaledtanh" => x.scale(beta(1.0))?.tanh()?.scale(alpha(1.0)),
            "hardsigmoid" => x.scale(alpha(0.2))?.add_scalar(beta(0.5))?.clamp(0.0, 1.0),
            "elu" => x.elu(alpha(1.0)),
            "softsign" => x.softsign(),
            "softplus" => x.softplus(1.0, 20.0),
            other => Err(node.fail("an activation of the specification", other)),
        }
    }
}

/// A layer in one direction.
struct Layer<'a> {
    node: &'a Node<'a>,
    kind: RecurrentKind,
    hidden: usize,
    reverse: bool,
    functions: Vec<Function>,
    clip: Option<f32>,
    /// The GRU's reset gate acts on the product; true for the others.
    reset_after: bool,
    /// The LSTM's forget gate is what the input gate leaves.
    coupled: bool,
}

/// The tensors of a direction.
struct Weights {
    input: Tensor,
    hidden: Tensor,
    bias: Option<(Tensor, Tensor)>,
    peepholes: Option<Tensor>,
}

/// Outputs of all steps and the last states.
struct Found {
    output: Tensor,
    states: Vec<Tensor>,
}

pub(super) fn rnn(node: &Node<'_>) -> Result<Vec<Value>> {
    layers(node, RecurrentKind::RnnTanh, &["Tanh"])
}

pub(super) fn gru(node: &Node<'_>) -> Result<Vec<Value>> {
    layers(node, RecurrentKind::Gru, &["Sigmoid", "Tanh"])
}

pub(super) fn lstm(node: &Node<'_>) -> Result<Vec<Value>> {
    layers(node, RecurrentKind::Lstm, &["Sigmoid", "Tanh", "Tanh"])
}

fn functions(node: &Node<'_>, directions: usize, usual: &[&str]) -> Result<Vec<Vec<Function>>> {
    let names = match node.texts("activations")? {
        Some(names) => names,
        None => usual.iter().cycle().take(usual.len() * directions).map(|&name| name.to_owned()).collect(),
    };
    let expected = || format!("{} activations", usual.len() * directions);
    node.check(names.len() == usual.len() * directions, expected(), format!("{names:?}"))?;
    let (alphas, betas) = (
        node.floats("activation_alpha")?.unwrap_or_default(),
        node.floats("activation_beta")?.unwrap_or_default(),
    );
    // Those that have such a number take the next one each.
    let (mut alphas, mut betas) = (alphas.into_iter(), betas.into_iter());
    let function = |name: &String| {
        let lower = name.to_lowercase();
        let both = matches!(lower.as_str(), "affine" | "scaledtanh" | "hardsigmoid");
        let first = both || matches!(lower.as_str(), "leakyrelu" | "thresholdedrelu" | "elu");
        let alpha = if first { alphas.next() } else { None };
        Function { name: name.clone(), alpha, beta: if both { betas.next() } else { None } }
    };
    let all: Vec<Function> = names.iter().map(function).collect();
    Ok(all.chunks(usual.len()).map(<[Function]>::to_vec).collect())
}

/// The gates in PyTorch's order, of rows along a dimension.
fn ordered(x: &Tensor, kind: RecurrentKind, hidden: usize) -> Result<Tensor> {
    let order: &[usize] = match kind {
        RecurrentKind::Lstm => &[0, 2, 3, 1],
        RecurrentKind::Gru => &[1, 0, 2],
        RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => return Ok(x.clone()),
    };
    let rows: Vec<usize> = order.iter().flat_map(|gate| gate * hidden..(gate + 1) * hidden).collect();
    x.index_select(0, &rows)
}

/// Slice `direction` of the first dimension, which is dropped.
fn of(x: &Tensor, direction: usize) -> Result<Tensor> {
    x.narrow(0, direction, 1)?.squeeze(0)
}

fn weights(
    node: &Node<'_>,
    kind: RecurrentKind,
    [steps, hidden]: [usize; 2],
    direction: usize,
) -> Result<Weights> {
    let rows = kind.gates() * hidden;
    let take = |input: usize, shape: &[usize]| -> Result<Tensor> {
        let tensor = node.weight(input)?;
        let found = tensor.shape();
        node.check(
            found.len() == shape.len() + 1 && found[1..] == *shape,
            format!("input {input} of (directions, {shape:?})"),
            found.to_string(),
        )?;
        of(&tensor, direction)
    };
    let bias = if node.has(3) {
        let both = take(3, &[2 * rows])?;
        let half = |at: usize| ordered(&both.narrow(0, at * rows, rows)?, kind, hidden);
        Some((half(0)?, half(1)?))
    } else {
        None
    };
    Ok(Weights {
        input: ordered(&take(1, &[rows, steps])?, kind, hidden)?,
        hidden: ordered(&take(2, &[rows, hidden])?, kind, hidden)?,
        bias,
        peepholes: if kind == RecurrentKind::Lstm && node.has(7) {
            Some(take(7, &[3 * hidden])?)
        } else {
            None
        },
    })
}

fn layers(node: &Node<'_>, kind: RecurrentKind, usual: &[&str]) -> Result<Vec<Value>> {
    let batch_first = node.flag("layout", false)?;
    let x = node.tensor(0)?;
    node.check(x.shape().len() == 3, "input (T, B, I)", x.shape().to_string())?;
    let x = if batch_first { x.transpose(0, 1)? } else { x };
    let [steps, batch, width] = x.shape()[..] else {
        return Err(node.fail("input (T, B, I)", x.shape().to_string()));
    };
    let of_hidden = node.shape_of(2, 3)?[2];
    let hidden = node.size("hidden_size", node.int_or("hidden_size", of_hidden as i64)?)?;
    node.check(
        hidden == of_hidden,
        format!("a hidden_size of {of_hidden}, as the weights have"),
        hidden.to_string(),
    )?;
    let directions: &[bool] = match node.text("direction", "forward")?.to_lowercase().as_str() {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(node.fail("direction forward, reverse or bidirectional", other)),
    };
    node.check(
        node.shape_of(1, 3)?[0] == directions.len(),
        format!("weights of {} directions", directions.len()),
        format!("{:?}", node.shape(1)?),
    )?;
    let mask = if node.has(4) { Some(node.tensor(4)?.cast(DType::U32)?.sequence_mask(steps)?) } else { None };
    let functions = functions(node, directions.len(), usual)?;
    let (mut outputs, mut states) = (Vec::new(), vec![Vec::new(); kind.states()]);
    for (direction, (&reverse, functions)) in directions.iter().zip(functions).enumerate() {
        let layer = Layer {
            node,
            kind,
            hidden,
            reverse,
            functions,
            clip: node.float("clip")?.filter(|&clip| clip > 0.0),
            reset_after: kind != RecurrentKind::Gru || node.flag("linear_before_reset", false)?,
            coupled: node.flag("input_forget", false)?,
        };
        let first = (0..kind.states()).map(|state| match node.optional(5 + state)? {
            None => node.graph.zeros([batch, hidden]),
            Some(given) => of(&if batch_first { given.transpose(0, 1)? } else { given }, direction),
        });
        let first = first.collect::<Result<Vec<_>>>()?;
        let found =
            layer.run(&x, &weights(node, kind, [width, hidden], direction)?, &first, mask.as_ref())?;
        outputs.push(found.output);
        found.states.into_iter().zip(&mut states).for_each(|(state, all)| all.push(state));
    }
    // (T, D, B, H), or (B, T, D, H) with the batch first; states (D, B, H) or (B, D, H).
    let output = Tensor::stack(&outputs, 1)?;
    let output = if batch_first { output.permute(&[2, 0, 1, 3])? } else { output };
    let mut found = node.gives(output)?;
    for state in states {
        let state = Tensor::stack(&state, if batch_first { 1 } else { 0 })?;
        found.push(Value::Run(state, node.element(0)?));
    }
    Ok(found)
}

impl Layer<'_> {
    /// The op that computes this layer in one, if there is one.
    fn fused(&self, weights: &Weights) -> Option<RecurrentKind> {
        let plain = self.clip.is_none() && weights.peepholes.is_none() && !self.coupled && self.reset_after;
        let are = |names: &[&str]| self.functions.iter().zip(names).all(|(function, name)| function.is(name));
        let kind = match self.kind {
            RecurrentKind::Lstm if are(&["Sigmoid", "Tanh", "Tanh"]) => RecurrentKind::Lstm,
            RecurrentKind::Gru if are(&["Sigmoid", "Tanh"]) => RecurrentKind::Gru,
            RecurrentKind::RnnTanh if are(&["Tanh"]) => RecurrentKind::RnnTanh,
            RecurrentKind::RnnTanh if are(&["Relu"]) => RecurrentKind::RnnRelu,
            // Other activations have no op through time.
            _ => return None,
        };
        plain.then_some(kind)
    }

    fn run(&self, x: &Tensor, weights: &Weights, first: &[Tensor], mask: Option<&Tensor>) -> Result<Found> {
        match self.fused(weights) {
            Some(kind) => self.at_once(kind, x, weights, first, mask),
            None => self.step_by_step(x, weights, first, mask),
        }
    }

    fn at_once(
        &self,
        kind: RecurrentKind,
        x: &Tensor,
        weights: &Weights,
        first: &[Tensor],
        mask: Option<&Tensor>,
    ) -> Result<Found> {
        let own = kind == RecurrentKind::Gru;
        let added = match &weights.bias {
            Some((input, hidden)) if !own => Some(input.add(hidden)?),
            Some((input, _)) => Some(input.clone()),
            None => None,
        };
        let kept = weights.bias.as_ref().map(|(_, hidden)| hidden).filter(|_| own);
        let gates = x.linear(&weights.input, added.as_ref())?;
        let op = Recurrent { kind, reverse: self.reverse, bias: kept.is_some(), masked: mask.is_some() };
        let inputs: Vec<&Tensor> =
            [&gates, &weights.hidden].into_iter().chain(first).chain(kept).chain(mask).collect();
        let found = x.graph().apply(op, &inputs)?;
        let shape = found[0].shape();
        let end = if self.reverse { 0 } else { shape[0] - 1 };
        let last = |t: &Tensor| t.narrow(0, end, 1)?.squeeze(0);
        let mut states = vec![last(&found[0])?];
        states.extend(found.get(2).map(last).transpose()?);
        let output = match mask {
            Some(mask) => found[0].mul(&mask.unsqueeze(2)?)?,
            None => found[0].clone(),
        };
        Ok(Found { output, states })
    }

    fn step_by_step(
        &self,
        x: &Tensor,
        weights: &Weights,
        first: &[Tensor],
        mask: Option<&Tensor>,
    ) -> Result<Found> {
        /// Steps that are built one by one.
        const MOST: usize = 1 << 16;
        let gates = x.linear(&weights.input, weights.bias.as_ref().map(|(input, _)| input))?;
        let steps = x.shape()[0];
        self.node.check(
            steps <= MOST,
            format!("at most {MOST} steps of a cell of this kind"),
            steps.to_string(),
        )?;
        let mut states = first.to_vec();
        let mut outputs = Vec::with_capacity(steps);
        let order: Vec<usize> = if self.reverse { (0..steps).rev().collect() } else { (0..steps).collect() };
        for step in order {
            let new = self.step(&of(&gates, step)?, weights, &states)?;
            let within = mask.map(|mask| of(mask, step)?.unsqueeze(1)).transpose()?;
            let held = |(old, new): (&Tensor, Tensor)| match &within {
                None => Ok(new),
                Some(within) => within.broadcast_to(new.shape())?.select(&new, old),
            };
            states = states.iter().zip(new).map(held).collect::<Result<_>>()?;
            outputs.push(match &within {
                None => states[0].clone(),
                Some(within) => states[0].mul(within)?,
            });
        }
        if self.reverse {
            outputs.reverse();
        }
        Ok(Found { output: Tensor::stack(&outputs, 0)?, states })
    }

    fn act(&self, function: usize, x: &Tensor) -> Result<Tensor> {
        let clipped = self.clip.map(|clip| x.clamp(-clip, clip)).transpose()?;
        let function =
            self.functions.get(function).ok_or_else(|| self.node.fail("an activation a gate", "fewer"))?;
        function.apply(self.node, clipped.as_ref().unwrap_or(x))
    }

    /// The states after a step, of its gates `(B, G H)` and the states before it.
    fn step(&self, gates: &Tensor, weights: &Weights, states: &[Tensor]) -> Result<Vec<Tensor>> {
        let bias = weights.bias.as_ref().map(|(_, hidden)| hidden);
        let h = &states[0];
        let gate = |x: &Tensor, at: usize| x.narrow(1, at * self.hidden, self.hidden);
        match self.kind {
            RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => {
                Ok(vec![self.act(0, &gates.add(&h.linear(&weights.hidden, bias)?)?)?])
            }
            RecurrentKind::Gru => self.gated(gates, weights, h),
            RecurrentKind::Lstm => {
                let all = gates.add(&h.linear(&weights.hidden, bias)?)?;
                let c = &states[1];
                let peep = |x: Tensor, at: usize, c: &Tensor| match &weights.peepholes {
                    None => Ok(x),
                    Some(all) => x.add(&c.mul(&all.narrow(0, at * self.hidden, self.hidden)?)?),
                };
                let enter = self.act(0, &peep(gate(&all, 0)?, 0, c)?)?;
                let forget = match self.coupled {
                    true => enter.rsub(1.0)?,
                    false => self.act(0, &peep(gate(&all, 1)?, 2, c)?)?,
                };
                let new = forget.mul(c)?.add(&enter.mul(&self.act(1, &gate(&all, 2)?)?)?)?;
                let open = self.act(0, &peep(gate(&all, 3)?, 1, &new)?)?;
                let unclipped =
                    self.functions.get(2).ok_or_else(|| self.node.fail("three activations", "fewer"))?;
                Ok(vec![open.mul(&unclipped.apply(self.node, &new)?)?, new])
            }
        }
    }

    fn gated(&self, gates: &Tensor, weights: &Weights, h: &Tensor) -> Result<Vec<Tensor>> {
        let bias = weights.bias.as_ref().map(|(_, hidden)| hidden);
        let run = |x: &Tensor, dim: usize, at: usize, count: usize| {
            x.narrow(dim, at * self.hidden, count * self.hidden)
        };
        let part = |at: usize, count: usize, of: &Tensor| {
            let bias = bias.map(|bias| run(bias, 0, at, count)).transpose()?;
            of.linear(&run(&weights.hidden, 0, at, count)?, bias.as_ref())
        };
        let two = self.act(0, &run(gates, 1, 0, 2)?.add(&part(0, 2, h)?)?)?;
        let (reset, update) = (run(&two, 1, 0, 1)?, run(&two, 1, 1, 1)?);
        let product = match self.reset_after {
            true => reset.mul(&part(2, 1, h)?)?,
            false => part(2, 1, &reset.mul(h)?)?,
        };
        let new = self.act(1, &run(gates, 1, 2, 1)?.add(&product)?)?;
        Ok(vec![update.rsub(1.0)?.mul(&new)?.add(&update.mul(h)?)?])
    }
}
