//! The plans of a case: that of the planner's choice and those of every variant.

use super::case::Case;
use super::estimates::Estimate;
use super::trial::{Outcome, Trial, Variant};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::kernels::{self, Limits};
use crate::ops::Op;
use crate::plan::{Plan, plan};
use crate::tensor::TensorType;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Kernels of a variant's plan beyond which it is left out: compiling them says nothing that shorter cases do not.
const MOST_KERNELS: usize = 100;

/// Kernels that join what was computed of parts.
const JOINS: [&str; 4] = ["sum_partials", "reduce_partials", "norm_statistics_join", "norm_sums_join"];

/// Winograd's tiles of each node, and what they must give.
type Tiled = (Vec<Option<usize>>, Rc<[Estimate]>);

/// Whether a variant must be planned wherever the planner's own choice is.
fn as_large(variant: &Limits, own: &Limits) -> bool {
    let sizes = |l: &Limits| (l.max_binding_bytes, l.max_workgroups, l.max_iterations);
    sizes(variant) == sizes(own) && !matches!(variant.variant, Some(kernels::Variant::Winograd { .. }))
}

/// The lanes among which kernels that work on rows deal each of them, by kernel.
fn lanes(plan: &Plan) -> BTreeSet<(&'static str, &str)> {
    let lines = plan.kernels.iter().flat_map(|kernel| kernel.wgsl.lines().map(|line| (kernel.name, line)));
    lines.filter(|(_, line)| line.starts_with("const LANES = ")).collect()
}

impl Trial<'_> {
    /// The distinct plans of a case, that of the planner's own choice first; of the variants all, or `only` one.
    pub(super) fn plans(&mut self, case: &Case, only: Option<&str>) -> Result<Vec<Variant>> {
        let own = self.runner.limits();
        let mut wanted = vec![("the planner's choice".to_owned(), own.clone())];
        if self.effort.variants && !case.is_huge() {
            // A wrong tile shows best where the bits must agree; the other variants are tried everywhere.
            let exact = self.outcome.bounded == 0;
            let everywhere = |l: &Limits| matches!(l.variant, None | Some(kernels::Variant::Winograd { .. }));
            let asked = |name: &str| only.is_none_or(|only| only == name);
            let variants = own.variants().into_iter();
            wanted.extend(variants.filter(|(name, limits)| asked(name) && (exact || everywhere(limits))));
        }
        let outputs: Vec<_> = case.outputs.iter().map(|(_, t)| t.id()).collect();
        let mut plans: Vec<Variant> = Vec::new();
        let mut known = Vec::new();
        for (name, limits) in wanted {
            match case.graph.with(|data| plan(data, &outputs, &limits)) {
                Ok(plan) if plans.iter().any(|known| same(&known.plan, &plan)) => {}
                // Long work for a device that takes little at a time: a kernel for each piece.
                Ok(plan) if !plans.is_empty() && plan.kernels.len() > MOST_KERNELS => {
                    let many = format!("{} kernels, more than {MOST_KERNELS}", plan.kernels.len());
                    self.outcome.refused.push((name, many));
                }
                Ok(plan) => {
                    let decides = |l: &Limits| (l.variant, l.subgroup_size, l.software);
                    let tiled = decides(&limits) == decides(&own);
                    // Where a sum is split, its parts follow the split.
                    let joins = |name: &str| JOINS.contains(&name);
                    let splits = |plan: &Plan| plan.kernels.iter().any(|k| joins(k.name));
                    let split_sum = splits(&plan) || plans.first().is_some_and(|first| splits(&first.plan));
                    // A device that allows few iterations has rows distributed over more lanes: their sums are joined otherwise.
                    let same_lanes = plans.first().is_none_or(|first| lanes(&first.plan) == lanes(&plan));
                    let expected = self.expected_of(case, &limits, &mut known)?;
                    let as_first = plans.first().is_none_or(|first| match (&first.expected, &expected) {
                        (Some(a), Some(b)) => Rc::ptr_eq(a, b),
                        (a, b) => a.is_none() && b.is_none(),
                    });
                    let same_bits = plans.is_empty() || (tiled && !split_sum && same_lanes && as_first);
                    plans.push(Variant { name, plan, same_bits, expected });
                }
                // Only what is too large for a smaller device, or for Winograd's memory, may be left out.
                Err(e) if as_large(&limits, &own) => return Err(e),
                Err(e) => self.outcome.refused.push((name, e.to_string())),
            }
        }
        if let Some(expected) = plans.first().and_then(|first| first.expected.as_ref()) {
            let Outcome { exact, bounded, .. } = Outcome::new(expected);
            (self.outcome.exact, self.outcome.bounded) = (exact, bounded);
        }
        Ok(plans)
    }

    /// What a plan for these limits must give, where Winograd makes it something else.
    fn expected_of(
        &self,
        case: &Case,
        limits: &Limits,
        known: &mut Vec<Tiled>,
    ) -> Result<Option<Rc<[Estimate]>>> {
        let tile = |op: &Op, inputs: &[&TensorType], outputs: &[&TensorType]| {
            kernels::winograd_tile(op, inputs, outputs, limits)
        };
        let tiles: Vec<Option<usize>> = case.graph.with(|graph| {
            let types = |ids: &[ValueId]| ids.iter().map(|&v| graph.ty(v).clone()).collect::<Vec<_>>();
            let tile_of = |node: &Node| {
                let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
                tile(&node.op, &inputs.iter().collect::<Vec<_>>(), &outputs.iter().collect::<Vec<_>>())
            };
            graph.nodes.iter().map(tile_of).collect()
        });
        if tiles.iter().all(Option::is_none) {
            return Ok(None);
        }
        if let Some((_, expected)) = known.iter().find(|(other, _)| *other == tiles) {
            return Ok(Some(expected.clone()));
        }
        let expected: Rc<[Estimate]> = case.expected_tiled(&tile)?.into();
        known.push((tiles, expected.clone()));
        Ok(Some(expected))
    }
}

/// Whether two plans run the same kernels in the same way.
fn same(a: &Plan, b: &Plan) -> bool {
    let key = |plan: &Plan| {
        let dispatches = plan.steps.iter().map(|step| match step {
            crate::plan::Step::Dispatch(d) => (d.kernel, d.grid, d.bindings.clone()),
            crate::plan::Step::Copy { from, to, .. } => (*from, [*to as u32, 0], vec![]),
        });
        dispatches.collect::<Vec<_>>()
    };
    a.kernels == b.kernels && key(a) == key(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_large_for_a_smaller_device_or_winograds_memory_is_forgiven() {
        let own = Limits { software: true, subgroup_size: Some(8), ..Limits::default() };
        let forgiven: Vec<String> = own
            .variants()
            .into_iter()
            .filter(|(_, limits)| !as_large(limits, &own))
            .map(|(name, _)| name)
            .collect();
        let names = [
            "bindings of 16 KiB",
            "100 workgroups per dimension",
            "100 iterations per invocation",
            "2x2-winograd tiles",
            "4x4-winograd tiles",
        ];
        assert_eq!(forgiven, names);
    }
}
