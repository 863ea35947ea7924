//! `docs/ops.md` says what this crate computes and with which kernels. It is written from the table of cases by
//! `WGRAD_WRITE=1 cargo test --test op_table`, and this test fails where it is not what it should be.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use wgrad::graph::ValueId;
use wgrad::kernels::Limits;
use wgrad::plan::plan;
use wgrad::verify::{self, Case, Line};

/// The case by which an op is known: the smallest of the table with gradients, where it has any, the first of equals.
fn case(op: &str, lines: &[Line]) -> Case {
    let cases = lines.iter().filter(|line| line.op == op).map(|line| Case::build(line).expect("a case"));
    cases.min_by_key(|case| (case.outputs.len() < 2, case.elements())).expect("a case of each op")
}

/// The kernels that compute these outputs on a GPU, by name.
fn kernels(case: &Case, outputs: &[ValueId]) -> BTreeSet<&'static str> {
    let plan = case
        .graph
        .with(|data| plan(data, outputs, &Limits { f16: true, ..Limits::default() }))
        .expect("a plan");
    plan.kernels.iter().map(|kernel| kernel.name).collect()
}

fn words(kernels: &BTreeSet<&'static str>) -> String {
    match kernels.len() {
        0 => "none: a view or a copy".to_owned(),
        _ => kernels.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn table() -> String {
    let mut text =
        String::from("| op | forward | backward | Vulkan, OpenGL | Metal, DX12 |\n|---|---|---|---|---|\n");
    let lines = verify::table(None).expect("the table");
    let mut ops = verify::ops();
    ops.sort_unstable();
    ops.dedup();
    for op in ops {
        let case = case(op, &lines);
        let is_gradient = |(name, _): &&(String, wgrad::Tensor)| name.starts_with("grad_");
        let of = |gradient: bool| -> Vec<ValueId> {
            let wanted = case.outputs.iter().filter(|output| is_gradient(output) == gradient);
            wanted.map(|(_, tensor)| tensor.id()).collect()
        };
        let (forward, backward) = (of(false), of(true));
        let ahead = kernels(&case, &forward);
        let all: Vec<ValueId> = forward.iter().chain(&backward).copied().collect();
        let back = kernels(&case, &all).difference(&ahead).copied().collect::<BTreeSet<_>>();
        let back = match (backward.is_empty(), back.is_empty()) {
            (true, _) => "no gradient".to_owned(),
            (false, true) => "the same".to_owned(),
            (false, false) => words(&back),
        };
        // A string takes all that is written.
        let _ = writeln!(text, "| {op} | {} | {back} | run | text |", words(&ahead));
    }
    text
}

#[test]
fn the_table_of_ops_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ops.md");
    let text = std::fs::read_to_string(&path).expect("docs/ops.md");
    let (begin, end) = ("<!-- ops -->\n", "<!-- end of ops -->\n");
    let (head, rest) = text.split_once(begin).expect("a mark where the table begins");
    let (held, tail) = rest.split_once(end).expect("a mark where the table ends");
    let table = table();
    assert!(table.lines().count() > 150, "{table}");
    if std::env::var_os("WGRAD_WRITE").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("docs/ops.md written");
        return;
    }
    let differ = table.lines().zip(held.lines()).find(|(new, old)| new != old);
    assert!(
        held == table,
        "docs/ops.md is not what the code says; write it anew with WGRAD_WRITE=1 cargo test --test op_table: {differ:?}"
    );
}
