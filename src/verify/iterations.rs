//! Counts the loop iterations that invocations really take, with kernels that are told to count: what launches state must not
//! be less.

use super::adapter::Adapter;
use super::case::Case;
use super::memory::contents;
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::kernels::{Access, Kernel, Limits};
use crate::plan::{Bound, BufferKind, BufferPlan, Plan, Step, plan};
use crate::platform::block_on;
use std::fmt::Write;

/// The iterations of one launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iterations {
    /// The kernel.
    pub kernel: &'static str,
    /// What the launch says: the most an invocation takes, with the iterations in which loops end.
    pub stated: u32,
    /// The most that an invocation took.
    pub counted: u32,
}

/// What every launch of a case says of its loops when it is planned for these limits, and what was counted on the adapter.
/// `None` where the plan is refused.
///
/// # Errors
/// When the device fails, or has no binding left to count in.
pub fn iterations(case: &Case, adapter: &Adapter, limits: &Limits) -> Result<Option<Vec<Iterations>>> {
    block_on("verify::iterations_async", iterations_async(case, adapter, limits))
}

/// As [`iterations`], without waiting.
///
/// # Errors
/// As [`iterations`].
pub async fn iterations_async(
    case: &Case,
    adapter: &Adapter,
    limits: &Limits,
) -> Result<Option<Vec<Iterations>>> {
    let outputs: Vec<ValueId> = case.outputs.iter().map(|(_, t)| t.id()).collect();
    let Ok(plan) = case.graph.with(|data| plan(data, &outputs, limits)) else { return Ok(None) };
    let counter = Counter::new(plan, limits.offset_alignment.max(16));
    if counter.plan.kernels.iter().all(|kernel| loops(&kernel.wgsl) == 0) {
        return Ok(Some(counter.read(&vec![0; counter.bytes() as usize])));
    }
    let inputs: Vec<_> =
        case.data()?.into_iter().map(|(tensor, data)| (tensor.name().unwrap_or_default(), data)).collect();
    let mut memory = contents(&counter.plan, &inputs, 0)?;
    if let Some(counts) = memory.last_mut() {
        counts.fill(0);
    }
    let device = adapter.device();
    let most = device.limits().max_storage_buffers as usize;
    if let Some(kernel) = counter.plan.kernels.iter().find(|k| k.wgsl.matches("var<storage").count() > most) {
        let got = format!("{} with one more", kernel.name);
        return Err(Error::device(format!("kernels with at most {most} storage buffers"), got));
    }
    let after = device.replay(&counter.plan, &memory).await?;
    Ok(Some(counter.read(after.last().map_or(&[], Vec::as_slice))))
}

/// A plan whose kernels count.
struct Counter {
    plan: Plan,
    /// Bytes from one launch's count to the next.
    pitch: u64,
}

impl Counter {
    /// The last buffer is that of the counts.
    fn new(mut plan: Plan, pitch: u64) -> Self {
        for kernel in &mut plan.kernels {
            kernel.wgsl = counting(kernel);
            kernel.foreign.iter_mut().for_each(|bindings| bindings.push(Access::Write));
        }
        let buffer = plan.buffers.len();
        let mut launches = 0;
        for step in &mut plan.steps {
            if let Step::Dispatch(dispatch) = step {
                dispatch.bindings.push(Bound { buffer, offset: launches * pitch, bytes: 16, write: true });
                launches += 1;
            }
        }
        plan.buffers.push(BufferPlan { bytes: launches.max(1) * pitch, kind: BufferKind::Slot });
        Self { plan, pitch }
    }

    /// Bytes of all counts.
    fn bytes(&self) -> u64 {
        self.plan.buffers.last().map_or(0, |counts| counts.bytes)
    }

    fn read(&self, counts: &[u8]) -> Vec<Iterations> {
        let dispatches = self.plan.steps.iter().filter_map(|step| match step {
            Step::Dispatch(dispatch) => Some(dispatch),
            Step::Copy { .. } => None,
        });
        let counted = counts
            .chunks(self.pitch as usize)
            .map(|launch| launch.first_chunk().map_or(0, |word| u32::from_le_bytes(*word)));
        let of = |(dispatch, counted): (&crate::plan::Dispatch, u32)| Iterations {
            kernel: self.plan.kernels[dispatch.kernel].name,
            stated: dispatch.iterations,
            counted,
        };
        dispatches.zip(counted).map(of).collect()
    }
}

/// The text with spaces for its comments, byte for byte as long.
fn without_comments(wgsl: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(wgsl.len()), wgsl);
    while let Some(at) = ["//", "/*"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (end, behind) = if rest[at..].starts_with("//") { ("\n", 0) } else { ("*/", 2) };
        let length = rest[at + 2..].find(end).map_or(rest.len() - at, |found| 2 + found + behind);
        text += &rest[..at];
        text.extend(std::iter::repeat_n(' ', length));
        rest = &rest[at + length..];
    }
    text + rest
}

/// Where the loops of a text begin, and where the first statement inside is.
fn positions(wgsl: &str) -> Vec<(usize, usize)> {
    let code = without_comments(wgsl);
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let heads = ["for", "while", "loop"].iter().flat_map(|head| {
        let ends = code.match_indices(head).map(|(at, head)| (at, at + head.len()));
        ends.filter(|&(at, end)| !code[..at].ends_with(of_word) && !code[end..].starts_with(of_word))
    });
    // The brace behind the parenthesis that closes, or behind `loop`.
    let inside = |(at, end): (usize, usize)| {
        let head = code[end..].trim_start();
        let start = code.len() - head.len();
        if code[at..end].starts_with("loop") {
            return head.starts_with('{').then_some((at, start + 1));
        }
        let mut depth = 0;
        let close = head.starts_with('(').then_some(head)?.find(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ')' && depth == 0
        })?;
        head[close..].find('{').map(|brace| (at, start + close + brace + 1))
    };
    let mut found: Vec<(usize, usize)> = heads.filter_map(inside).collect();
    found.sort_unstable();
    found
}

/// The loops of a text, as [`iterations`] finds them.
pub fn loops(wgsl: &str) -> usize {
    positions(wgsl).len()
}

/// The text of a kernel that counts its iterations in one more binding.
fn counting(kernel: &Kernel) -> String {
    let wgsl = &kernel.wgsl;
    let binding = wgsl.matches("@binding(").count();
    let mut text = String::with_capacity(wgsl.len() * 2);
    let mut done = 0;
    for (before, inside) in positions(wgsl) {
        text += &wgsl[done..before];
        // The iteration in which a `loop` ends is inside.
        if !wgsl[before..].starts_with("loop") {
            text += "iterations_taken++; atomicMax(&iterations_counted[0], iterations_taken); ";
        }
        text += &wgsl[before..inside];
        text += " iterations_taken++; atomicMax(&iterations_counted[0], iterations_taken); ";
        done = inside;
    }
    text += &wgsl[done..];
    // A string takes all that is written.
    let _ = write!(
        text,
        "\n@group(0) @binding({binding}) var<storage, read_write> iterations_counted: array<atomic<u32>>;\n\
         var<private> iterations_taken: u32;\n\
         fn count_bound() {{ atomicMax(&iterations_counted[0], 0u); }}\n"
    );
    // The binding must be used by the entry point, or it is not part of the layout.
    let entry =
        text.find(&format!("fn {}(", kernel.name)).and_then(|at| text[at..].find(") {").map(|b| at + b + 3));
    if let Some(entry) = entry {
        text.insert_str(entry, " count_bound(); ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_found_on_one_line_and_within_each_other() {
        assert_eq!(loops("while (i < n) { meanwhile (x); }"), 1);
        let text = "fn f() {\n  // for (x) {\n  for (var i = 0u; i < min(3u, n); i++) {\n    for (;;) { break; } }\n  \
                    before (x);\n}\n";
        let positions = positions(text);
        assert_eq!(positions.len(), 2);
        assert!(text[positions[0].1..].starts_with("\n    for (;;)"), "{positions:?}");
        assert!(text[positions[1].1..].starts_with(" break;"));
        let text = "loop\n{ if (x) { break; } }  /* for (;;) { */ for(;;)\n{ break; } // while (true) {}";
        assert_eq!((loops(text), loops("let loops = forest(while_);")), (2, 0));
    }
}
