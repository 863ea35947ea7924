//! The memory of a run under test: outputs and scratch poisoned with NaN, canaries around all data, and what
//! must not have changed afterwards.
//!
//! A buffer becomes canaries, data, canaries. Bindings reach into the canaries behind their data, so that a
//! write there is neither clipped nor refused; those in front catch what wraps round.

use super::oracle::first_value;
use crate::error::{Error, Result};
use crate::kernels::Limits;
use crate::plan::{BufferKind, Plan, Step};
use crate::tensor::HostTensor;

/// A NaN no kernel computes.
const CANARY: u32 = 0x7fc5_c0de;
/// What outputs and scratch hold before a run: NaN as `f32` and as `f16`.
const POISON: u32 = 0x7fc0_7fc0;

/// A plan whose buffers have canaries.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    pub(super) plan: Plan,
    /// Bytes of canaries at each end of a buffer.
    guard: u64,
    /// What each buffer holds before the run.
    before: Vec<Vec<u8>>,
    /// The end of what the plan may write of each buffer; 0 for one it only reads.
    written: Vec<u64>,
}

impl Guarded {
    pub(super) fn new(mut plan: Plan, inputs: &[(String, HostTensor)], limits: &Limits) -> Result<Self> {
        let guard = limits.offset_alignment.max(256);
        let data: Vec<u64> = plan.buffers.iter().map(|b| b.bytes).collect();
        let before = contents(&plan, inputs, guard)?;
        let mut written = vec![0; data.len()];
        for buffer in &mut plan.buffers {
            buffer.bytes += 2 * guard;
        }
        for step in &mut plan.steps {
            match step {
                Step::Copy { to, bytes, .. } => {
                    *bytes += guard; // from the start: the canaries in front are the same everywhere
                    written[*to] = written[*to].max(*bytes);
                }
                Step::Dispatch(dispatch) => {
                    // A kernel that takes its length from the binding is given just its data.
                    let sized = plan.kernels[dispatch.kernel].wgsl.contains("arrayLength(");
                    for bound in &mut dispatch.bindings {
                        bound.offset += guard;
                        if bound.write {
                            written[bound.buffer] = written[bound.buffer].max(bound.offset + bound.bytes);
                        }
                        if !sized && bound.bytes + guard <= limits.max_binding_bytes {
                            bound.bytes += guard;
                        }
                    }
                }
            }
        }
        Ok(Self { plan, guard, before, written })
    }

    /// What each buffer holds before the run.
    pub(super) fn before(&self) -> &[Vec<u8>] {
        &self.before
    }

    /// An output of a run, by its position in the case.
    pub(super) fn output(&self, after: &[Vec<u8>], number: usize) -> Result<HostTensor> {
        let output = &self.plan.outputs[number];
        let (from, bytes) = (self.guard as usize, output.ty.bytes() as usize);
        HostTensor::from_bytes(&output.ty, &after[output.buffer][from..from + bytes])
    }

    /// What a run changed that it must not: canaries, inputs, constants, memory behind what it writes.
    pub(super) fn damage(&self, after: &[Vec<u8>]) -> Vec<String> {
        let mut found = Vec::new();
        for (number, (before, after)) in self.before.iter().zip(after).enumerate() {
            let guard = self.guard as usize;
            let end = (self.written[number] as usize).max(guard);
            let changed = |range: std::ops::Range<usize>| {
                let (b, a) = (&before[range.clone()], &after[range]);
                b.chunks_exact(4).zip(a.chunks_exact(4)).filter(|(b, a)| b != a).count()
            };
            let what = match &self.plan.buffers[number].kind {
                BufferKind::Input(name) => format!("input '{name}'"),
                BufferKind::State(name) => format!("state '{name}'"),
                BufferKind::Constant(value) => format!("constant {value}"),
                BufferKind::Table(words) => format!("a table of {} words", words.len()),
                BufferKind::Checks => "what is found wrong".to_owned(),
                BufferKind::Slot => format!("buffer {number}, written by {}", self.writers(number)),
            };
            let (front, rest) = (changed(0..guard), changed(end..before.len()));
            if front > 0 {
                found.push(format!("{front} words in front of {what} were overwritten"));
            }
            if rest > 0 {
                let position = if end == guard { "of or behind" } else { "behind" };
                found.push(format!("{rest} words {position} {what} were overwritten"));
            }
        }
        found
    }

    fn writers(&self, buffer: usize) -> String {
        let writes = |step: &Step| match step {
            Step::Dispatch(d) => d.bindings.iter().any(|b| b.write && b.buffer == buffer).then_some(d.op),
            Step::Copy { to, .. } => (*to == buffer).then_some("a copy"),
        };
        let mut names: Vec<&str> = self.plan.steps.iter().filter_map(writes).collect();
        names.dedup();
        names.join(", ")
    }
}

/// Canaries, data, canaries, for every buffer of a plan.
pub(super) fn contents(plan: &Plan, inputs: &[(String, HostTensor)], guard: u64) -> Result<Vec<Vec<u8>>> {
    let canaries = CANARY.to_le_bytes().repeat((guard / 4) as usize);
    let fill = |buffer: &crate::plan::BufferPlan| -> Result<Vec<u8>> {
        let data = match &buffer.kind {
            BufferKind::Slot => vec![],
            BufferKind::Table(words) => bytemuck::cast_slice(words).to_vec(),
            BufferKind::Checks => vec![u8::MAX; buffer.bytes as usize],
            BufferKind::Constant(value) => value.to_le_bytes().repeat(buffer.bytes as usize / 4),
            BufferKind::Input(name) => {
                let found = inputs.iter().find(|(input, _)| input == name);
                let missing = || Error::argument(name, "data for each input", "none");
                found.ok_or_else(missing)?.1.as_bytes().to_vec()
            }
            BufferKind::State(name) => {
                let found = plan.states.iter().find(|s| s.named.name == *name);
                let missing = || Error::argument(name, "a planned state", "none");
                let state = found.ok_or_else(missing)?;
                first_value(name, &state.named.ty, &state.init).to_host()?.as_bytes().to_vec()
            }
        };
        let all = POISON.to_le_bytes().repeat(buffer.bytes as usize / 4);
        let rest = all.get(data.len()..).unwrap_or_default();
        Ok([canaries.as_slice(), &data, rest, &canaries].concat())
    };
    plan.buffers.iter().map(fill).collect()
}
