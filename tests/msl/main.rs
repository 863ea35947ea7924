//! Metal's text run on the CPU. Plans for what wgpu says of Metal's devices are run by their kernels as naga writes them in
//! Metal's language, with wgpu-hal's options, compiled by `g++` beside a stand-in for Metal's library, and judged by the
//! reference as any adapter is: see `docs/metal.md`.
//!
//! A part of the table of cases by default; all of it, in every variant, with `WGRAD_MSL=all`; one case with
//! `WGRAD_MSL='relu input=14'`.

mod cpu;
#[path = "../each/mod.rs"]
mod each;
mod library;
mod text;

use cpu::Cpu;
use each::each;
use library::{Library, compiler};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use text::Written;
use wgrad::kernels::{Kernel, Limits};
use wgrad::plan::plan;
use wgrad::verify::{Case, Effort, Line, Verdict, ops, run_on, table};

/// What `exec/limits.rs` makes of what wgpu-hal 30 says of any of Apple's chips. Its subgroups may have 4 to 64 threads, so that
/// kernels that shuffle are never planned.
fn metal() -> Limits {
    Limits {
        max_binding_bytes: 1 << 31,
        max_buffer_bytes: 1 << 31,
        offset_alignment: 32,
        max_workgroup_bytes: 16 << 10,
        max_workgroup_invocations: 1024,
        max_storage_buffers: 29,
        max_launch_work: 10_000_000_000,
        f16: true,
        ..Limits::default()
    }
}

/// The devices: Metal's, and one of the subgroups with which kernels shuffle, for what differs there.
fn devices() -> [(&'static str, Limits); 2] {
    [("Metal", metal()), ("SIMD-groups of 8", Limits { subgroup_size: Some(8), ..metal() })]
}

/// One case on one device.
struct Task {
    line: Line,
    device: &'static str,
    limits: Limits,
    effort: Effort,
}

/// The kernels of a case for these limits, or none where they refuse it.
fn kernels_of(case: &Case, limits: &Limits) -> Vec<Kernel> {
    let outputs: Vec<_> = case.outputs.iter().map(|(_, t)| t.id()).collect();
    case.graph.with(|data| plan(data, &outputs, limits)).map_or(Vec::new(), |plan| plan.kernels)
}

/// All kernels that a task may run, without checks and with them.
fn wanted(task: &Task) -> Vec<(Kernel, bool)> {
    let case = Case::build(&task.line).expect("a case of the table");
    let chosen = kernels_of(&case, &task.limits);
    let checked = if task.effort.checked { chosen.clone() } else { Vec::new() };
    let variants = if task.effort.variants { task.limits.variants() } else { Vec::new() };
    let others = variants.iter().flat_map(|(_, limits)| {
        // Long work in pieces: such variants are left out when the case is run.
        Some(kernels_of(&case, limits)).filter(|kernels| kernels.len() <= 100).unwrap_or_default()
    });
    let unchecked = chosen.into_iter().chain(others).map(|kernel| (kernel, false));
    unchecked.chain(checked.into_iter().map(|kernel| (kernel, true))).collect()
}

/// The field of a line that says how its inputs are filled, and how they are stored.
fn kind(line: &Line) -> String {
    let of = |wanted: &str| line.fields.iter().find(|(key, _)| key == wanted).map_or("", |(_, value)| value);
    let data = of("data").split(':').next().unwrap_or_default().to_owned();
    format!("{data} {}", of("dtype"))
}

/// What of an op's cases runs by default: the first of each kind of data and type, and the last of all.
fn part_of(lines: Vec<Line>) -> Vec<Line> {
    let mut kinds = BTreeSet::new();
    let last = lines.len().saturating_sub(1);
    let chosen = lines.into_iter().enumerate();
    chosen.filter(|(place, line)| kinds.insert(kind(line)) || *place == last).map(|(_, line)| line).collect()
}

/// The tasks of all ops; `all` of the table in every variant, or a part of it in the planner's.
fn tasks(all: bool) -> Vec<Task> {
    let lines = table(None).expect("the table");
    let small = each(
        &lines,
        || (),
        |(), line| {
            // Millions of elements are for adapters.
            !kind(line).starts_with("late") && Case::build(line).is_ok_and(|case| !case.is_huge())
        },
    );
    let mut by_op: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for (line, _) in lines.into_iter().zip(small).filter(|(_, small)| *small) {
        by_op.entry(line.op.clone()).or_default().push(line);
    }
    let mut tasks = Vec::new();
    for lines in by_op.into_values() {
        let lines = if all { lines } else { part_of(lines) };
        for (place, line) in lines.into_iter().enumerate() {
            let case = Case::build(&line).expect("a case of the table");
            for (device, limits) in devices() {
                // A device that shuffles is another one only where kernels do.
                let shuffles = || kernels_of(&case, &limits).iter().any(|k| k.wgsl.contains("subgroup"));
                if device == "Metal" || shuffles() {
                    let effort = Effort { repeats: 2, variants: all, checked: all || place == 0 };
                    tasks.push(Task { line: line.clone(), device, limits, effort });
                }
            }
        }
    }
    tasks
}

/// A task run: what failed, and counts.
#[derive(Default)]
struct Ran {
    failure: Option<String>,
    skipped: Option<String>,
    plans: usize,
    exact: usize,
    bounded: usize,
    worst: f64,
}

fn run(task: &Task, library: &Library) -> Ran {
    let case = Case::build(&task.line).expect("a case of the table");
    let named = |what: &str| Some(format!("{} on {}: {what}", task.line, task.device));
    let outcome = match run_on(&case, &Cpu::new(library, task.limits.clone()), task.effort) {
        Ok(outcome) => outcome,
        Err(e) => return Ran { failure: named(&e.to_string()), ..Ran::default() },
    };
    let (failure, skipped) = match &outcome.verdict {
        Verdict::Pass => (None, None),
        Verdict::Skipped(reason) => (None, named(reason)),
        Verdict::Mistrusted(reason) => (named(&format!("mistrusted: {reason}")), None),
        Verdict::Fail(failure) => {
            let worst = failure.judgement.as_ref().and_then(|j| j.worst.as_ref());
            let worst = worst.map_or(String::new(), |worst| format!("{worst:?}"));
            let (variant, output, what) = (&failure.variant, &failure.output, &failure.what);
            (named(&format!("{variant}: {output}: {what} {worst}")), None)
        }
    };
    let (exact, bounded, worst) = (outcome.exact, outcome.bounded, outcome.fraction);
    Ran { failure, skipped, plans: outcome.variants, exact, bounded, worst }
}

/// The distinct kernels of some tasks.
fn distinct(tasks: &[Task]) -> Vec<(Kernel, bool)> {
    let mut seen = HashSet::new();
    let all = each(tasks, || (), |(), task| wanted(task));
    all.into_iter().flatten().filter(|kernel| seen.insert(kernel.clone())).collect()
}

/// Builds the kernels of some tasks and runs these.
fn check(tasks: &[Task], change: &(dyn Fn(&mut Written) + Sync)) -> Vec<Ran> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let begin = Instant::now();
    let wanted = distinct(tasks);
    let library = Library::build(folder.path(), &wanted, change).unwrap_or_else(|e| panic!("{e}"));
    let built = begin.elapsed();
    let ran = each(tasks, || (), |(), task| run(task, &library));
    println!(
        "{} kernels in {} texts compiled in {:.0} s, {} cases run in {:.0} s",
        wanted.len(),
        library.kernels.len(),
        built.as_secs_f64(),
        tasks.len(),
        (begin.elapsed() - built).as_secs_f64()
    );
    ran
}

/// Tasks that are compiled together.
const TOGETHER: usize = 1000;

#[test]
fn every_op_is_right_as_metal_has_it() {
    if !compiler() {
        println!("SKIPPED: g++ on Linux is not here");
        return;
    }
    let asked = std::env::var("WGRAD_MSL").unwrap_or_default();
    let tasks = match asked.as_str() {
        "" | "all" => tasks(asked == "all"),
        line => {
            let line: Line = line.parse().expect("a case in one line");
            let task = |(device, limits)| Task { line: line.clone(), device, limits, effort: Effort::full() };
            devices().into_iter().map(task).collect()
        }
    };
    let mut failures = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let (mut worst, mut passed) = (0.0f64, BTreeSet::new());
    for tasks in tasks.chunks(TOGETHER) {
        for (task, ran) in tasks.iter().zip(check(tasks, &|_| ())) {
            if let Some(skipped) = &ran.skipped {
                println!("SKIPPED {skipped}");
            } else if ran.failure.is_none() {
                passed.insert(task.line.op.clone());
            }
            let count = counts.entry(task.device).or_default();
            let own = [1, ran.plans, ran.exact, ran.bounded];
            count.iter_mut().zip(own).for_each(|(count, own)| *count += own);
            worst = worst.max(ran.worst);
            failures.extend(ran.failure);
        }
    }
    for (device, [cases, plans, exact, bounded]) in counts {
        println!("{device}: {cases} cases, {plans} plans, {exact} outputs exact, {bounded} within bounds");
    }
    println!("the largest error is {worst:.2} of its bound");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    if asked.is_empty() || asked == "all" {
        let lacking: Vec<&str> = ops().into_iter().filter(|op| !passed.contains(*op)).collect();
        assert!(lacking.is_empty(), "no case of {lacking:?} ran");
    }
}

const BARRIER: &str = "metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);";

/// The text without one of its barriers, counted from 0.
fn without_barrier(text: &str, number: usize) -> String {
    let parts: Vec<&str> = text.split(BARRIER).collect();
    let joined = |(place, part): (usize, &&str)| {
        let after = if place + 1 == parts.len() || place == number { "" } else { BARRIER };
        format!("{part}{after}")
    };
    parts.iter().enumerate().map(joined).collect()
}

/// What is wrong in a text, and a case that shows it.
type Fault = (&'static str, &'static str, fn(&mut Written));

const FAULTS: [Fault; 4] = [
    ("two buffers change places", "sub a=5 b=5 data=integers:3", |written| {
        let moved = written.text.replace("[[buffer(0)]]", "[[buffer(none)]]");
        let moved = moved.replace("[[buffer(1)]]", "[[buffer(0)]]");
        written.text = moved.replace("[[buffer(none)]]", "[[buffer(1)]]");
    }),
    ("a tile is used before it is there", "matmul a=64x128 b=128x10 data=integers:3", |written| {
        written.text = without_barrier(&written.text, 0);
    }),
    ("a tile is overwritten before it is used", "matmul a=64x128 b=128x10 data=integers:3", |written| {
        let barriers = written.text.matches(BARRIER).count();
        written.text = without_barrier(&written.text, barriers.saturating_sub(1));
    }),
    ("a buffer is taken for shorter than it is", "sub a=5 b=5 data=integers:3", |written| {
        written.text = written.text.replace("_buffer_sizes.size", "16 + 0 * _buffer_sizes.size");
    }),
];

/// A changed text fails, and the same text unchanged does not.
#[test]
fn faults_in_the_text_are_found() {
    if !compiler() {
        println!("SKIPPED: g++ on Linux is not here");
        return;
    }
    let task = |line: &str| {
        let effort = Effort { repeats: 2, variants: false, checked: true };
        Task { line: line.parse().expect("a line"), device: "Metal", limits: metal(), effort }
    };
    let right = check(&FAULTS.map(|(_, line, _)| task(line)), &|_| ());
    let failures: Vec<_> = right.iter().filter_map(|ran| ran.failure.as_ref()).collect();
    assert!(failures.is_empty(), "{failures:?}");
    for (name, line, change) in FAULTS {
        let changed = AtomicBool::new(false);
        let noted = |written: &mut Written| {
            let before = written.text.clone();
            change(written);
            changed.fetch_or(before != written.text, Ordering::Relaxed);
        };
        let ran = check(&[task(line)], &noted);
        let failure = ran.iter().find_map(|ran| ran.failure.as_ref());
        println!("{name}: {}", failure.map_or("not found", String::as_str));
        assert!(changed.into_inner(), "{name}: the text is as it was");
        assert!(failure.is_some(), "{name}: not found");
    }
}
