//! The loop turns that launches state, held to what is counted on every adapter. Drivers may end the loops of an invocation that
//! turns too often, without a word, so work is cut by what is stated.

use wgrad::kernels::Limits;
use wgrad::verify::{self, Adapter, Case, Turns};

/// The adapters of this machine.
fn all() -> Vec<Adapter> {
    let open = |report: wgrad::AdapterReport| Adapter::open(None, Some(&report.index.to_string())).ok();
    wgrad::adapters(None).into_iter().filter_map(open).collect()
}

/// Kernels whose turns follow from the data: where all indices are one, or all points in one cell.
const BY_DATA: [&str; 3] = ["embedding_blocks", "embedding_rows", "grid_sample_backward_input"];

/// What a launch states of itself is no less than what was counted, and not so much more that shapes are cut in vain.
fn wrong(turns: &Turns) -> bool {
    let may_be_fewer = BY_DATA.contains(&turns.kernel);
    turns.counted > turns.stated || !may_be_fewer && turns.stated > 3 * turns.counted + 128
}

/// Of each op some cases of the table, and all with long loops.
fn chosen() -> Vec<Case> {
    let lines = verify::table(None).expect("the table");
    let mut last = String::new();
    let mut within = 0;
    let mut cases = Vec::new();
    for line in lines {
        within = if line.op == last { within + 1 } else { 0 };
        last.clone_from(&line.op);
        let text = line.to_string();
        if within % 12 == 0 || text.contains("late") {
            cases.push(Case::build(&line).expect("a case of the table"));
        }
    }
    cases
}

#[test]
fn launches_state_the_turns_that_invocations_take() {
    let Some(adapter) = all().into_iter().next() else {
        println!("SKIPPED: no adapter");
        return;
    };
    let own = adapter.limits();
    let cut = Limits { max_turns: 100, ..own.clone() };
    let gpu = Limits { software: false, subgroup_size: None, ..own.clone() };
    let (mut with_loops, mut kernels) = (0, std::collections::BTreeSet::new());
    for case in chosen() {
        for limits in [&own, &cut, &gpu] {
            if (case.is_huge() || case.line.to_string().contains("late")) && limits != &own {
                continue;
            }
            let Some(turns) = verify::turns(&case, &adapter, limits).expect("a device that counts") else {
                continue;
            };
            for launch in turns {
                assert!(!wrong(&launch), "{}: {launch:?}, at most {}", case.line, limits.max_turns);
                assert!(launch.counted <= limits.max_turns, "{}: {launch:?}", case.line);
                with_loops += usize::from(launch.counted > 0);
                kernels.extend((launch.counted > 0).then_some(launch.kernel));
            }
        }
    }
    println!("{with_loops} launches with loops, of {kernels:?}");
    assert!(with_loops > 100 && kernels.len() > 15, "{with_loops} of {kernels:?}");
}
