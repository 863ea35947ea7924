//! A case on an adapter: every variant of its kernels, checked and unchecked, judged by the oracle.

use super::adapter::{Adapter, Runner};
use super::case::Case;
use super::estimates::Estimate;
use super::judge::{Judgement, judge};
use super::memory::Guarded;
use super::oracle::estimate;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::plan::Plan;
use crate::platform::block_on;
use crate::reference::Array;
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::rc::Rc;

/// How thoroughly a case is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Runs with fresh buffers that must give the same bits.
    pub repeats: usize,
    /// Every variant of the kernels, not only the one the planner chooses.
    pub variants: bool,
    /// The chosen variant with wgpu's bounds checks too.
    pub checked: bool,
}

impl Effort {
    /// Everything: ten runs, all variants, both kinds of module.
    pub fn full() -> Self {
        Self { repeats: 10, variants: true, checked: true }
    }

    /// The chosen variant, run twice.
    pub fn quick() -> Self {
        Self { repeats: 2, variants: false, checked: false }
    }
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Everything is as it must be.
    Pass,
    /// Something is not.
    Fail(Box<Failure>),
    /// The device cannot hold it, or lacks a feature: why.
    Skipped(String),
    /// It passed, but would pass where it should not: why.
    Mistrusted(String),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The variant of the kernels.
    pub variant: String,
    /// The output, empty where none is to blame.
    pub output: String,
    /// In words.
    pub what: String,
    /// The numbers.
    pub judgement: Option<Judgement>,
}

impl Failure {
    /// The tier that found it: `exact`, `bound`, `norm`, `repeat`, or `canaries` for memory that was touched.
    pub fn tier(&self) -> &'static str {
        match &self.judgement {
            Some(judgement) if judgement.statistics.is_some() => "norm",
            Some(judgement) if judgement.exact => "exact",
            Some(_) => "bound",
            None if self.output.is_empty() => "canaries",
            None => "repeat",
        }
    }
}

/// The outcome of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Pass, fail, skipped or mistrusted.
    pub verdict: Verdict,
    /// The largest error as a fraction of its bound, over all outputs and variants that have bounds.
    pub fraction: f64,
    /// Outputs that had to agree bit for bit, and those with bounds.
    pub exact: usize,
    /// See `exact`.
    pub bounded: usize,
    /// Distinct plans that ran.
    pub variants: usize,
    /// Variants refused while planning, with the reason.
    pub refused: Vec<(String, String)>,
}

/// Tries a case on an adapter.
///
/// # Errors
/// When the device fails: the case then says nothing, and neither would the next.
pub fn run(case: &Case, adapter: &Adapter, effort: Effort) -> Result<Outcome> {
    block_on("verify::run_async", run_async(case, adapter, effort))
}

/// As [`run`], without waiting for the device; the reference computes in this call.
///
/// # Errors
/// As [`run`].
pub async fn run_async(case: &Case, adapter: &Adapter, effort: Effort) -> Result<Outcome> {
    run_some(case, adapter, effort, None).await
}

/// As [`run`], on whatever runs plans.
///
/// # Errors
/// When it fails to run one.
pub fn run_on(case: &Case, runner: &dyn Runner, effort: Effort) -> Result<Outcome> {
    block_on("verify::run_async", run_some(case, runner, effort, None))
}

/// As [`run`], but beside the planner's choice only the variant of this name is run.
///
/// # Errors
/// When the device fails.
pub fn run_variant(case: &Case, adapter: &Adapter, variant: &str) -> Result<Outcome> {
    let effort = Effort { variants: true, ..Effort::quick() };
    block_on("verify::run_async", run_some(case, adapter, effort, Some(variant)))
}

async fn run_some(case: &Case, runner: &dyn Runner, effort: Effort, only: Option<&str>) -> Result<Outcome> {
    let expected = case.expected()?;
    held(case, &expected, runner, effort, only).await
}

/// Tries a case of which it is known what it must give.
pub(super) async fn held(
    case: &Case,
    expected: &[Estimate],
    runner: &dyn Runner,
    effort: Effort,
    only: Option<&str>,
) -> Result<Outcome> {
    if case.has(DType::F16) && !runner.limits().f16 {
        let verdict = Verdict::Skipped("the adapter has no shader-f16".into());
        return Ok(Outcome { verdict, ..Outcome::new(expected) });
    }
    let named = |(tensor, value): &(Tensor, HostTensor)| (tensor.name().unwrap_or_default(), value.clone());
    let inputs: Vec<_> = case.data()?.iter().map(named).collect();
    let names: Vec<_> = case.outputs.iter().map(|(name, _)| name.clone()).collect();
    let mut trial = Trial::new(&inputs, &names, expected, runner, effort);
    let plans = trial.plans(case, only)?;
    trial.run(plans).await?;
    let mut outcome = trial.outcome;
    if outcome.verdict == Verdict::Pass && outcome.variants == 0 {
        let reason = outcome.refused.first().map_or("no variant", |(_, reason)| reason).to_owned();
        outcome.verdict = Verdict::Skipped(reason);
    } else if outcome.verdict == Verdict::Pass
        && let Some(reason) = if case.flows { silent(expected) } else { mistrust(case, expected)? }
    {
        outcome.verdict = Verdict::Mistrusted(reason);
    }
    Ok(outcome)
}

impl Outcome {
    pub(super) fn new(expected: &[Estimate]) -> Self {
        let exact = expected.iter().filter(|e| e.error.is_none()).count();
        Self {
            verdict: Verdict::Pass,
            fraction: 0.0,
            exact,
            bounded: expected.len() - exact,
            variants: 0,
            refused: Vec::new(),
        }
    }
}

/// Plans that compute the same outputs, on one device.
pub(super) struct Trial<'a> {
    inputs: &'a [(String, HostTensor)],
    /// The outputs' names, in the order of the plans' outputs.
    names: &'a [String],
    expected: &'a [Estimate],
    pub(super) runner: &'a dyn Runner,
    pub(super) effort: Effort,
    /// The outputs of the first run.
    first: Option<Vec<HostTensor>>,
    pub(super) outcome: Outcome,
}

impl<'a> Trial<'a> {
    pub(super) fn new(
        inputs: &'a [(String, HostTensor)],
        names: &'a [String],
        expected: &'a [Estimate],
        runner: &'a dyn Runner,
        effort: Effort,
    ) -> Self {
        Self { inputs, names, expected, runner, effort, first: None, outcome: Outcome::new(expected) }
    }

    /// Runs the plans in order, the planner's choice first, until one fails.
    pub(super) async fn run(&mut self, plans: Vec<Variant>) -> Result<()> {
        for variant in plans {
            self.outcome.variants += 1;
            if let Some(failure) = self.variant(&variant).await? {
                self.outcome.verdict = Verdict::Fail(Box::new(failure));
                return Ok(());
            }
        }
        Ok(())
    }

    async fn variant(&mut self, variant: &Variant) -> Result<Option<Failure>> {
        let chosen = self.first.is_none();
        let repeats = if chosen { self.effort.repeats.max(1) } else { 1 };
        // Bindings are made as wide as the device allows, for the canaries.
        let guarded = Guarded::new(variant.plan.clone(), self.inputs, &self.runner.limits())?;
        for repeat in 0..repeats {
            let after = self.runner.replay(&guarded.plan, guarded.before(), false).await?;
            if repeat == 0
                && let Some(failure) = self.judged(variant, "", &guarded, &after)?
            {
                return Ok(Some(failure));
            }
            let outputs = (0..self.names.len()).map(|number| guarded.output(&after, number));
            let outputs = outputs.collect::<Result<Vec<_>>>()?;
            let first = self.first.get_or_insert_with(|| outputs.clone());
            if variant.same_bits
                && let Some(failure) = differing(self.names, first, &outputs, variant, chosen)
            {
                return Ok(Some(failure));
            }
        }
        if self.effort.checked && chosen {
            let after = self.runner.replay(&guarded.plan, guarded.before(), true).await?;
            return self.judged(variant, ", checked", &guarded, &after);
        }
        Ok(None)
    }

    /// Every output within its bound, and nothing else touched.
    fn judged(
        &mut self,
        variant: &Variant,
        how: &str,
        guarded: &Guarded,
        after: &[Vec<u8>],
    ) -> Result<Option<Failure>> {
        let expected = variant.expected.as_deref().unwrap_or(self.expected);
        let variant = format!("{}{how}", variant.name);
        for (number, name) in self.names.iter().enumerate() {
            let judgement = judge(&guarded.output(after, number)?, &expected[number]);
            if !judgement.passed() {
                let statistics = judgement.statistics.clone();
                let counted = || format!("{} elements out of their bound", judgement.violations);
                let what = statistics.unwrap_or_else(counted);
                let output = name.clone();
                return Ok(Some(Failure { variant, output, what, judgement: Some(judgement) }));
            }
            self.outcome.fraction = self.outcome.fraction.max(judgement.fraction);
        }
        let damage = guarded.damage(after);
        let failure =
            |what: String| Failure { variant: variant.clone(), output: String::new(), what, judgement: None };
        Ok((!damage.is_empty()).then(|| failure(damage.join("; "))))
    }
}

/// A plan under test.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) plan: Plan,
    /// Whether it adds the same numbers in the same order as the planner's choice: the bits must agree.
    pub(super) same_bits: bool,
    /// What it must give, where that is not the same as for most.
    pub(super) expected: Option<Rc<[Estimate]>>,
}

/// The first output whose bits are not those of the first run.
fn differing(
    names: &[String],
    first: &[HostTensor],
    outputs: &[HostTensor],
    variant: &Variant,
    repeat: bool,
) -> Option<Failure> {
    let pairs = names.iter().zip(first.iter().zip(outputs));
    pairs.into_iter().find_map(|(name, (a, b))| {
        let words = a.as_bytes().chunks(4).zip(b.as_bytes().chunks(4));
        let differ = words.filter(|(a, b)| a != b).count();
        let what = if repeat { "between two runs" } else { "from the planner's choice, which is not split" };
        (differ > 0).then(|| Failure {
            variant: variant.name.clone(),
            output: name.clone(),
            what: format!("{differ} elements differ {what}"),
            judgement: None,
        })
    })
}

/// Why a pass of this node would say little: it gives nothing but zeros.
fn silent(expected: &[Estimate]) -> Option<String> {
    let zeros = |e: &Estimate| e.array.data.len() >= MOSTLY.1 && e.array.data.iter().all(|v| *v == 0.0);
    expected.iter().all(zeros).then(|| "all of its results are zero here".to_owned())
}

/// The fraction of zeros above which a result says little, and the number of elements for that to mean something.
const MOSTLY: (f64, usize) = (0.8, 16);

/// Why a pass of this case would say little: an output of zeros where positive inputs would give none.
fn mistrust(case: &Case, expected: &[Estimate]) -> Result<Option<String>> {
    let zeros = |e: &Estimate| e.array.data.iter().filter(|v| **v == 0.0).count() as f64;
    let suspicious = |e: &Estimate| {
        let count = e.array.data.len();
        e.array.ty.dtype.is_float() && count >= MOSTLY.1 && zeros(e) > MOSTLY.0 * count as f64
    };
    if !expected.iter().any(suspicious) {
        return Ok(None);
    }
    let positive = |(tensor, value): &(Tensor, HostTensor)| {
        let mut array = Array::from_host(value);
        if array.ty.dtype.is_float() {
            array.data.iter_mut().for_each(|v| *v = v.abs() + 1.0);
        }
        (tensor.name().unwrap_or_default(), array)
    };
    let inputs: HashMap<String, Array> = case.data()?.iter().map(positive).collect();
    let outputs: Vec<_> = case.outputs.iter().map(|(_, t)| t.id()).collect();
    let structure = estimate(&case.graph.with(Clone::clone), &outputs, &inputs)?;
    for (((name, _), result), structure) in case.outputs.iter().zip(expected).zip(&structure) {
        let possible = structure.array.data.len() as f64 - zeros(structure);
        let found = result.array.data.len() as f64 - zeros(result);
        if suspicious(result) && found < (1.0 - MOSTLY.0) * possible {
            return Ok(Some(format!("{name}: {possible} elements need not be 0, all but {found} are")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::{ops, random};
    use super::{Case, mistrust};
    use crate::random::Rng;

    /// No draw whose results are nearly all 0, by its shapes or by the chance of few numbers.
    #[test]
    fn random_cases_have_something_to_compare() {
        for op in ops() {
            let mut rng = Rng::new(2026);
            let drawn: Vec<_> = (0..300).filter_map(|_| random(op, &mut rng).expect("an op")).collect();
            assert!(drawn.len() > 30, "{op}");
            for line in drawn {
                let case = Case::build(&line).expect("a case that was drawn");
                let expected = case.expected().expect("an oracle");
                assert_eq!(mistrust(&case, &expected).expect("an oracle"), None, "{line}");
            }
        }
    }
}
