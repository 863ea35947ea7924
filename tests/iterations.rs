//! The loop iterations that launches state, held to what is counted on every adapter. Drivers may end the loops of an
//! invocation that iterations too often, without a word, so work is cut by what is stated.

mod each;

use each::each;
use std::collections::BTreeSet;
use wgrad::kernels::Limits;
use wgrad::verify::{self, Adapter, Case, Iterations, Line};

/// The adapters of this machine.
fn all() -> Vec<Adapter> {
    let open = |report: wgrad::AdapterReport| Adapter::open(None, Some(&report.index.to_string())).ok();
    wgrad::adapters(None).into_iter().filter_map(open).collect()
}

/// Kernels whose iterations follow from the data: where all indices are one, or all points in one cell.
const BY_DATA: [&str; 3] = ["embedding_blocks", "embedding_rows", "grid_sample_backward_input"];

/// What a launch states of itself is no less than what was counted, and not so much more that shapes are cut in vain.
fn wrong(iterations: &Iterations) -> bool {
    let may_be_fewer = BY_DATA.contains(&iterations.kernel);
    iterations.counted > iterations.stated
        || !may_be_fewer && iterations.stated > 3 * iterations.counted + 128
}

/// Whether the case has a long loop, whose late terms decide.
fn is_late(line: &Line) -> bool {
    line.to_string().contains("late")
}

/// Of each op some cases of the table, and all with long loops.
fn chosen() -> Vec<Line> {
    let mut last = String::new();
    let mut within = 0;
    let mut lines = verify::table(None).expect("the table");
    lines.retain(|line| {
        within = if line.op == last { within + 1 } else { 0 };
        last.clone_from(&line.op);
        within % 12 == 0 || is_late(line)
    });
    lines
}

/// The launches of a case under some limits, each as it must be.
fn launches(line: &Line, adapter: &Adapter) -> Vec<Iterations> {
    let case = Case::build(line).expect("a case of the table");
    let own = adapter.limits();
    let cut = Limits { max_iterations: 100, ..own.clone() };
    let gpu = Limits { software: false, subgroup_size: None, ..own.clone() };
    let all = if case.is_huge() || is_late(line) { vec![own] } else { vec![own, cut, gpu] };
    let mut launches = Vec::new();
    for limits in all {
        let iterations =
            verify::iterations(&case, adapter, &limits).expect("a device that counts").unwrap_or_default();
        for launch in &iterations {
            assert!(!wrong(launch), "{line}: {launch:?}, at most {}", limits.max_iterations);
            assert!(launch.counted <= limits.max_iterations, "{line}: {launch:?}");
        }
        launches.extend(iterations);
    }
    launches
}

#[test]
fn launches_state_the_iterations_that_invocations_take() {
    if all().is_empty() {
        println!("SKIPPED: no adapter");
        return;
    }
    let open = || all().into_iter().next().expect("an adapter that opens again");
    let launches = each(&chosen(), open, |adapter, line| launches(line, adapter)).concat();
    let with_loops: Vec<&Iterations> = launches.iter().filter(|launch| launch.counted > 0).collect();
    let kernels: BTreeSet<_> = with_loops.iter().map(|launch| launch.kernel).collect();
    println!("{} launches with loops, of {kernels:?}", with_loops.len());
    assert!(with_loops.len() > 100 && kernels.len() > 15, "{} of {kernels:?}", with_loops.len());
}
