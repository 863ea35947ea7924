//! A step of training as a program: the loss, gradients, what becomes of them, the update.

use super::metric::{self, Metric, Spec};
use super::network::Network;
use super::task::Inputs;
use super::trainer::{NonFinite, Options};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::exec::{Executable, Profile};
use crate::graph::{Graph, Tensor};
use crate::ops::{Init, Role};
use crate::optim::{Optimizer, clip_grad_norm, gradients};
use crate::tensor::TensorType;
use std::cell::RefCell;

/// The prefix of the states that an epoch adds up in.
const PASS: &str = "train";
/// The prefix of gradients that wait for those of the rest of a batch.
const GRADIENT: &str = "gradient.";
/// The prefix of what states were before a batch whose parts go to the device one after the other.
const BEFORE: &str = "before.";
/// The prefix of averaged parameters.
pub(super) const AVERAGE: &str = "average.";
/// How many steps went into the averages.
const AVERAGED: &str = "optimizer.averaged";

/// Which part of a batch a program learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its gradients are kept.
    First,
    /// Its gradients are added to those.
    Middle,
    /// Its gradients are added, and the parameters change.
    Last,
}

impl Part {
    /// That of part `number` of `parts`.
    pub(super) fn of(number: usize, parts: usize) -> Self {
        match (number, number + 1 == parts) {
            (0, true) => Self::Whole,
            (0, false) => Self::First,
            (_, false) => Self::Middle,
            (_, true) => Self::Last,
        }
    }

    fn updates(self) -> bool {
        matches!(self, Self::Whole | Self::Last)
    }
}

/// The size of a program: rows, those of the whole batch, and which part of it they are.
pub(super) type Size = (usize, usize, Part);

/// A program that learns from batches, or parts of batches, of one size.
pub(super) struct Step {
    inputs: Inputs,
    pub(super) specs: Vec<Spec>,
    pub(super) program: Executable,
}

impl Step {
    /// What a program of this size adds to a graph.
    fn graph(
        network: &Network,
        optimizer: &dyn Optimizer,
        options: &Options,
        (rows, total, part): Size,
    ) -> Result<(Graph, Inputs, Vec<Spec>)> {
        let graph = Graph::new();
        let inputs = network.inputs(&graph, rows)?;
        let outcome = network.task.learn(&inputs)?;
        for pattern in &options.frozen {
            graph.freeze(pattern)?;
        }
        // The loss of a batch is the mean over its examples.
        let loss = match part {
            Part::Whole => outcome.loss.clone(),
            _ => outcome.loss.scale(rows as f32 / total as f32)?,
        };
        let mut gradients = gradients(&loss)?;
        if gradients.is_empty() {
            return Err(Error::argument("training", "parameters that learn", "none"));
        }
        if part != Part::Whole {
            for (parameter, gradient) in &mut gradients {
                let name = format!("{GRADIENT}{}", parameter.name().unwrap_or_default());
                let kept = graph.state(&name, gradient.ty(), Init::Zeros, Role::Metric)?;
                if part != Part::First {
                    *gradient = kept.add(&*gradient)?;
                }
                if !part.updates() {
                    graph.assign(&kept, gradient)?;
                }
            }
        }
        let mut specs = metric::accumulate(&graph, PASS, &outcome.metrics)?;
        let skips = options.non_finite == NonFinite::Skip;
        // What each part changes, and a batch that is skipped is not to change: metrics, running statistics.
        let by_parts = if skips && part != Part::Whole { changed(&graph)? } else { Vec::new() };
        if part == Part::First {
            for state in &by_parts {
                graph.assign(&before(&graph, state)?, state)?;
            }
        }
        if part.updates() {
            // Looked at before they are clipped: what is not finite stays so.
            let watched = gradients.clone();
            if let Some(norm) = options.max_norm {
                gradients = clip_grad_norm(&gradients, norm)?.0;
            }
            optimizer.update(&gradients)?;
            if let Some(decay) = options.average {
                average(&graph, &gradients, decay)?;
            }
            if skips {
                // Of the losses of earlier parts their sum alone is left.
                let sum = specs.first().and_then(|spec| spec.states.first()).map(|(name, _)| name.clone());
                let sum = by_parts.iter().find(|state| state.name() == sum);
                let sum = sum.and_then(|sum| graph.update_of(sum));
                let watched = watched.into_iter().map(|(_, gradient)| gradient).chain([loss]).chain(sum);
                specs.push(skip(&graph, watched, &by_parts, total)?);
            }
        }
        Ok((graph, inputs, specs))
    }

    pub(super) async fn build(
        network: &Network,
        optimizer: &dyn Optimizer,
        options: &Options,
        size: Size,
    ) -> Result<Self> {
        let (graph, inputs, specs) = Self::graph(network, optimizer, options, size)?;
        let compiled = network.parameters().compile_async(&graph, &[]).await;
        let program = compiled.map_err(|error| hinted(error, network, optimizer, options, size))?;
        Ok(Self { inputs, specs, program })
    }

    /// Runs it, with the time of every kernel where that is asked for.
    pub(super) async fn run(&mut self, batch: &Batch, profile: bool) -> Result<Option<Profile>> {
        let inputs: Vec<_> = self.inputs.tensors().zip(&batch.tensors).collect();
        if profile {
            self.program.run_profiled_async(&inputs).await.map(Some)
        } else {
            self.program.run_async(&inputs).await.map(|()| None)
        }
    }
}

/// Says of a program that needs too much memory with how many examples at a time it would fit.
fn hinted(
    error: Error,
    network: &Network,
    optimizer: &dyn Optimizer,
    options: &Options,
    (rows, total, _): Size,
) -> Error {
    let Error::Memory { room, needed, largest, .. } = error else { return error };
    let limit = network.parameters().device().memory_limit().unwrap_or(0);
    let peak = |rows: usize| -> Result<u64> {
        let (graph, ..) = Step::graph(network, optimizer, options, (rows, total, Part::Last))?;
        Ok(network.parameters().memory(&graph, &[])?.peak)
    };
    // What is not known is not said.
    let fits = std::iter::successors(Some(rows / 2), |rows| Some(rows / 2)).take_while(|&rows| rows > 0);
    let fits = fits.into_iter().find(|&rows| peak(rows).is_ok_and(|peak| peak <= limit));
    let hint = fits.map_or(String::new(), |rows| {
        format!("; {rows} examples at a time fit (micro_batch, or a batch_size of as many)")
    });
    Error::Memory { room, needed, largest, hint }
}

/// Keeps an exponential moving average of each parameter that learns, which begins with the first step's.
fn average(graph: &Graph, gradients: &[(Tensor, Tensor)], decay: f32) -> Result<()> {
    if !(0.0..1.0).contains(&decay) {
        return Err(Error::argument("average", "a decay of at least 0 and below 1", decay.to_string()));
    }
    let steps = graph.state(AVERAGED, TensorType::f32([]), Init::Zeros, Role::Optimizer)?;
    graph.assign(&steps, &steps.add_scalar(1.0)?.clamp_max(2.0)?)?;
    let kept = steps.clamp_max(1.0)?.scale(decay)?;
    for (parameter, _) in gradients {
        let name = format!("{AVERAGE}{}", parameter.name().unwrap_or_default());
        let held = graph.state(&name, parameter.ty(), Init::Zeros, Role::Optimizer)?;
        let Some(new) = graph.update_of(parameter) else { continue };
        graph.assign(&held, &new.add(&held.sub(&new)?.mul(&kept)?)?)?;
    }
    Ok(())
}

/// The states of numbers that a program changes so far, but for gradients that are kept.
fn changed(graph: &Graph) -> Result<Vec<Tensor>> {
    let states = RefCell::new(Vec::new());
    graph.change_updates(|state, new| {
        let kept = state.name().is_some_and(|name| name.starts_with(GRADIENT));
        if state.ty().dtype.is_float() && !kept {
            states.borrow_mut().push(state.clone());
        }
        Ok(new.clone())
    })?;
    Ok(states.into_inner())
}

/// What a state was before the batch.
fn before(graph: &Graph, state: &Tensor) -> Result<Tensor> {
    let name = format!("{BEFORE}{}", state.name().unwrap_or_default());
    graph.state(&name, state.ty(), Init::Zeros, Role::Metric)
}

/// Leaves all states of numbers as they are where something watched is not finite, those that earlier parts of the batch have
/// changed as they were before it; counts the examples.
fn skip(
    graph: &Graph,
    watched: impl Iterator<Item = Tensor>,
    by_parts: &[Tensor],
    rows: usize,
) -> Result<Spec> {
    let mut bad = graph.scalar(0.0)?;
    for values in watched {
        let not_finite = values.isnan()?.logical_or(&values.abs()?.gt(&graph.scalar(f32::MAX)?)?)?;
        bad = bad.add(&not_finite.sum((), false)?)?;
    }
    graph.change_updates(|state, new| match new.ty().dtype.is_float() {
        true if by_parts.iter().any(|other| other.name() == state.name()) => {
            bad.select(&before(graph, state)?, new)
        }
        true => bad.select(state, new),
        false => Ok(new.clone()),
    })?;
    let skipped = bad.gt(&graph.scalar(0.0)?)?.scale(rows as f32)?;
    Metric::skipped(&skipped).accumulate(graph, PASS)
}

/// Whether a state is of use within a batch alone: between two it may hold anything.
pub(super) fn is_scratch(name: &str) -> bool {
    name.starts_with(GRADIENT) || name.starts_with(BEFORE)
}
