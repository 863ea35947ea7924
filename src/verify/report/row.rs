//! One case on one adapter.

use super::super::judge::{Heat, Worst};
use super::super::line::Line;
use super::super::network::Site;
use super::super::trial::{Failure, Outcome, Verdict};
use super::super::whole::Compared;
use super::known::KnownDifference;
use super::number::Number;
use serde::{Deserialize, Serialize};

/// A [`Verdict`] without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything is as it must be.
    Pass,
    /// Something is not.
    Fail,
    /// It did not run.
    Skipped,
    /// It passed, but would pass where it should not.
    Mistrusted,
}

impl Kind {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Pass => "pass",
            Kind::Fail => "fail",
            Kind::Skipped => "skipped",
            Kind::Mistrusted => "mistrusted",
        }
    }
}

/// One case on one adapter. What does not apply is `None`, and not written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The op.
    pub op: String,
    /// The case as a line, or the node of a network.
    pub case: String,
    /// The position of its adapter among those of the report.
    pub adapter: usize,
    /// What came of it.
    pub verdict: Kind,
    /// Why, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a failure whose reason is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownDifference>,
    /// The command that runs a failure again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<String>,
    /// Of a network's node, its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// Of a network's node, the layer it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The largest error as a fraction of its bound, over all outputs and variants that have bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Number>,
    /// Outputs that had to agree bit for bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_exact: Option<usize>,
    /// Outputs with bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_bounded: Option<usize>,
    /// Distinct plans that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<usize>,
    /// Variants refused while planning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants_refused: Vec<Refused>,
    /// Of a failure, what found it: `exact`, `bound`, `norm`, `repeat` or `canaries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Of a failure, the variant of the kernels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Of a failure, the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Of a failure, the elements out of their bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<usize>,
    /// Of a failure, the worst element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
    /// Of a failure, where in the tensor the errors lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<HeatMap>,
}

/// A variant of the kernels that was refused while planning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub variant: String,
    /// Why.
    pub reason: String,
}

/// The element that is furthest out of its bound: [`Worst`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// Its position, one number a dimension.
    pub index: Vec<usize>,
    /// What the device gave.
    pub got: Number,
    /// What the oracle gives.
    pub expected: Number,
    /// The largest difference allowed.
    pub bound: Number,
}

impl From<&Worst> for Element {
    fn from(worst: &Worst) -> Self {
        let Worst { index, got, expected, bound } = worst;
        Self { index: index.clone(), got: Number(*got), expected: Number(*expected), bound: Number(*bound) }
    }
}

/// Where the errors lie: [`Heat`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Cells across.
    pub columns: usize,
    /// The largest error as a fraction of its bound in each cell, row by row.
    pub cells: Vec<Number>,
}

impl From<&Heat> for HeatMap {
    fn from(heat: &Heat) -> Self {
        Self { columns: heat.columns, cells: heat.cells.iter().map(|&cell| Number(cell)).collect() }
    }
}

impl Row {
    /// A case that ran; `rerun` is what runs it again: [`rerun`](super::rerun) where that is the command.
    pub fn new(adapter: usize, line: &Line, outcome: Outcome, rerun: &str) -> Self {
        Self::bare(adapter, &line.op, line).judged(&outcome, rerun)
    }

    /// A node of a network, or how the device failed in it; `rerun` is the command that runs it again.
    pub fn node(adapter: usize, site: &Site, found: Result<Outcome, String>, rerun: &str) -> Self {
        let (node, label) = (Some(site.node), Some(site.label.clone()));
        let row = Self { node, label, ..Self::bare(adapter, site.op, site) };
        match found {
            Ok(outcome) => row.judged(&outcome, rerun),
            Err(reason) => row.because(Kind::Fail, &reason).rerun(rerun),
        }
    }

    /// An output of a network from end to end.
    pub fn end(adapter: usize, output: &Compared) -> Self {
        let case = format!("{} from end to end", output.name);
        Self { case, ..Self::whole(adapter) }.judged(&output.outcome, "")
    }

    /// A network that an adapter cannot run.
    pub fn broken(adapter: usize, reason: &str) -> Self {
        Self::whole(adapter).because(Kind::Fail, reason)
    }

    /// An adapter that does not open.
    pub fn unopened(adapter: usize, reason: &str) -> Self {
        Self::whole(adapter).because(Kind::Skipped, reason)
    }

    /// A case that did not run.
    pub fn skipped(adapter: usize, line: &Line, reason: &str) -> Self {
        Self::bare(adapter, &line.op, line).because(Kind::Skipped, reason)
    }

    /// A case in which the device failed.
    pub fn failed(adapter: usize, line: &Line, reason: &str, rerun: &str) -> Self {
        Self::bare(adapter, &line.op, line).because(Kind::Fail, reason).rerun(rerun)
    }

    fn whole(adapter: usize) -> Self {
        Self::bare(adapter, "the whole network", &"the whole network")
    }

    fn bare(adapter: usize, op: &str, case: &dyn std::fmt::Display) -> Self {
        Self {
            op: op.to_owned(),
            case: case.to_string(),
            adapter,
            verdict: Kind::Pass,
            reason: None,
            known: None,
            rerun: None,
            node: None,
            label: None,
            worst: None,
            outputs_exact: None,
            outputs_bounded: None,
            variants: None,
            variants_refused: Vec::new(),
            tier: None,
            variant: None,
            output: None,
            violations: None,
            element: None,
            heat: None,
        }
    }

    fn because(self, verdict: Kind, reason: &str) -> Self {
        Self { verdict, reason: Some(reason.to_owned()), ..self }
    }

    fn rerun(self, command: &str) -> Self {
        Self { rerun: Some(command.to_owned()).filter(|command| !command.is_empty()), ..self }
    }

    fn judged(self, outcome: &Outcome, rerun: &str) -> Self {
        let refused = outcome.refused.iter().cloned();
        let row = Self {
            worst: Some(Number(outcome.fraction)),
            outputs_exact: Some(outcome.exact),
            outputs_bounded: Some(outcome.bounded),
            variants: Some(outcome.variants),
            variants_refused: refused.map(|(variant, reason)| Refused { variant, reason }).collect(),
            ..self
        };
        match &outcome.verdict {
            Verdict::Pass => row,
            Verdict::Skipped(reason) => row.because(Kind::Skipped, reason),
            Verdict::Mistrusted(reason) => row.because(Kind::Mistrusted, reason),
            Verdict::Fail(failure) => row.failure(failure).rerun(rerun),
        }
    }

    fn failure(self, failure: &Failure) -> Self {
        let judgement = failure.judgement.as_ref();
        Self {
            tier: Some(failure.tier().to_owned()),
            variant: Some(failure.variant.clone()),
            output: Some(failure.output.clone()),
            violations: judgement.map(|judgement| judgement.violations),
            element: judgement.and_then(|judgement| judgement.worst.as_ref()).map(Element::from),
            heat: judgement.and_then(|judgement| judgement.heat.as_ref()).map(HeatMap::from),
            ..self.because(Kind::Fail, &describe(failure))
        }
    }
}

/// The command that runs a case again on the adapter that `--device` takes as `selector`.
pub fn rerun(line: &Line, selector: &str) -> String {
    format!("wgrad parity --device {selector} --case '{line}'")
}

fn describe(failure: &Failure) -> String {
    let output = if failure.output.is_empty() { String::new() } else { format!(" {}:", failure.output) };
    let mut text = format!("{}:{output} {}", failure.variant, failure.what);
    if let Some(worst) = failure.judgement.as_ref().and_then(|j| j.worst.as_ref()) {
        let (index, got, expected, bound) = (&worst.index, worst.got, worst.expected, worst.bound);
        text += &format!("; worst at {index:?}: got {got:e}, expected {expected:e}, allowed {bound:.2e}");
    }
    text
}
