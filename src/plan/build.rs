//! Graph to plan: kernels for each group of nodes, in order, and buffers by liveness.

use super::Plan;
use super::batch::batch;
use super::builder::Builder;
use super::common::merge;
use super::divide;
use super::fold::fold;
use super::fuse::{fuse, unfused};
use super::layout::lay_out;
use super::merge::merge_kernels;
use super::rewrite::rewrite;
use crate::error::Result;
use crate::graph::{GraphData, ValueId};
use crate::kernels::Limits;

/// Plans a run that computes `outputs` and writes the graph's updates.
///
/// # Errors
/// When a tensor does not fit the device.
pub fn plan(graph: &GraphData, outputs: &[ValueId], limits: &Limits) -> Result<Plan> {
    planned(graph, outputs, limits, Kind::Usual)
}

/// As [`plan`], but every node has kernels of its own, and every value that has fractions is looked at as soon as it is there:
/// the first check that finds something names the node that went bad first.
///
/// # Errors
/// When a tensor does not fit the device.
pub fn plan_finite(graph: &GraphData, outputs: &[ValueId], limits: &Limits) -> Result<Plan> {
    planned(graph, outputs, limits, Kind::Finite)
}

/// As [`plan`], but every node has kernels of its own: what fusion is compared with.
///
/// # Errors
/// When a tensor does not fit the device.
pub fn plan_unfused(graph: &GraphData, outputs: &[ValueId], limits: &Limits) -> Result<Plan> {
    planned(graph, outputs, limits, Kind::Unfused)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    Unfused,
    Finite,
}

fn planned(graph: &GraphData, outputs: &[ValueId], limits: &Limits, kind: Kind) -> Result<Plan> {
    let graph = rewrite(&merge(&fold(graph), outputs), outputs);
    let graph = &lay_out(graph, outputs, limits);
    let needed = graph.reachable(outputs);
    let (groups, unfused) = match kind {
        Kind::Usual => fuse(graph, outputs, &needed),
        Kind::Unfused | Kind::Finite => unfused(graph, &needed),
    };
    let groups = if kind == Kind::Finite { groups } else { batch(graph, groups) };
    let mut builder = Builder::new(graph, &groups, outputs, limits);
    builder.finite = kind == Kind::Finite;
    for (position, group) in groups.iter().enumerate() {
        builder.group(position, group)?;
    }
    builder.plan.unfused = unfused;
    builder.write_updates();
    let mut plan = builder.finish(outputs)?;
    divide::keep_used(&mut plan);
    plan.submissions = divide::submissions(&plan.steps, limits);
    // A merged kernel that does not compile is replaced by those it was made of.
    if limits.immediates && limits.broken.is_empty() {
        merge_kernels(&mut plan);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::*;
    use crate::Graph;
    use crate::graph::Tensor;
    use crate::ops::{Conv2d, Init, MaxPool2d};
    use std::collections::HashMap;

    fn planned(output: &Tensor, limits: &Limits) -> Result<Plan> {
        output.graph().with(|data| plan(data, &[output.id()], limits))
    }

    fn refused(output: &Tensor, limits: &Limits, words: &[&str]) {
        let error = planned(output, limits).expect_err("limits that are too low").to_string();
        assert!(words.iter().all(|w| error.contains(w)), "{words:?} in {error}");
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_named_with_both_numbers() -> Result<()> {
        let limits = Limits { max_binding_bytes: 8 << 10, ..Limits::default() };
        let graph = Graph::new();
        let images = graph.input("images", [2, 1, 64, 64])?;
        // One plane is 16 KiB and cannot be split.
        refused(
            &images.max_pool2d(MaxPool2d::new(2))?,
            &limits,
            &["max_pool2d", "input 'images'", "32768 bytes", "16384 bytes", "at most 8192 bytes"],
        );
        let weight = graph.parameter("fc.weight", [64, 64], Init::Zeros)?;
        // A row that is longer than a binding. A reshape has no name of its own, but what it renames has.
        let row = |tensor: &Tensor, rows: usize| tensor.reshape([rows, 4096])?.softmax(1);
        let softmax = graph.scoped("fc", || row(&weight, 1))?;
        refused(&softmax, &limits, &["'fc'", "parameter 'fc.weight'", "16384 bytes", "at most 8192 bytes"]);
        refused(&row(&images, 2)?, &limits, &["input 'images'", "32768 bytes", "at most 8192 bytes"]);
        // What an op computes is called after it.
        let relu = graph.scoped("features.1", || weight.relu())?;
        refused(&row(&relu, 1)?, &limits, &["output 0 of relu 'features.1'", "16384", "at most 8192"]);
        Ok(())
    }

    #[test]
    fn a_buffer_that_does_not_fit_is_named_with_both_numbers() -> Result<()> {
        let limits = Limits { max_buffer_bytes: 20 << 10, ..Limits::default() };
        let graph = Graph::new();
        let images = graph.input("images", [2, 1, 64, 64])?;
        refused(&images.relu()?, &limits, &["input 'images'", "32768 bytes", "at most 20480 bytes"]);
        let wide = graph.input("row", [1, 64])?.broadcast_to([128, 64])?;
        refused(&wide.sum([1], false)?, &limits, &["output 0 of broadcast_to", "32768", "20480"]);
        Ok(())
    }

    /// Packing the operands and adding up partial sums is no arithmetic of the op's.
    #[test]
    fn operations_are_those_of_the_kernels_that_compute() -> Result<()> {
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [4, 32, 14, 14])?, graph.input("w", [64, 32, 3, 3])?);
        let output = x.conv2d(&w, None, Conv2d::default().padding(1))?;
        let grad = output.gradients_from(&graph.input("grad_output", output.shape())?, &[&w])?.remove(0);
        let usual = Limits { software: true, ..Limits::default() };
        for (tensor, limits, computing) in [
            (&output, usual.clone(), "conv2d"),
            (&output, Limits { max_binding_bytes: 80 << 10, ..usual.clone() }, "conv2d"),
            (&grad, usual.clone(), "conv2d_backward_weight"),
        ] {
            let plan = planned(tensor, &limits)?;
            let mut flops: HashMap<&str, (u64, usize)> = HashMap::new();
            for step in &plan.steps {
                let Step::Dispatch(d) = step else { continue };
                let entry = flops.entry(plan.kernels[d.kernel].name).or_default();
                *entry = (entry.0 + d.flops, entry.1 + 1);
            }
            assert_eq!(flops[computing].0, 2 * 4 * 64 * 14 * 14 * 32 * 9, "{flops:?}");
            assert!(flops.len() > 1 && flops["channels_last"].0 == 0, "{flops:?}");
            assert!(flops.iter().all(|(name, (f, _))| *name == computing || *f == 0), "{flops:?}");
            assert!(limits == usual || flops[computing].1 > 1, "the images were split: {flops:?}");
        }
        Ok(())
    }
}
