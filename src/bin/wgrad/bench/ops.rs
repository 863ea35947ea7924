//! `wgrad bench ops`: ops of given shapes, checked and timed.

use super::session::{MeasureArgs, Session};
use super::{sets, table};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use wgrad::bench::measure::measure;
use wgrad::bench::peaks;
use wgrad::bench::sentinel::{Sentinel, mark_disturbed};
use wgrad::bench::{Case, Dims, Line, OPS, Pass, Roofs, Row, Status, check, op};

/// `wgrad bench ops`.
#[derive(Debug, Args)]
pub struct OpsArgs {
    #[command(flatten)]
    measure: MeasureArgs,
    /// A set of shapes by name, or a .csv file with the columns set,layer,count,op,shape; several are allowed.
    #[arg(long, value_name = "NAME|FILE")]
    set: Vec<String>,
    /// One op, with --shape.
    #[arg(long, requires = "shape", conflicts_with = "set")]
    op: Option<String>,
    /// Its shape, as letters and numbers: n16c64h28w28k64r3s3p1.
    #[arg(long, requires = "op")]
    shape: Vec<String>,
    /// fwd, dgrad, wgrad, bgrad or all; several with commas.
    #[arg(long, value_delimiter = ',', default_value = "all")]
    pass: Vec<String>,
    /// Only cases whose line contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Measure every kernel variant, not only the planner's choice.
    #[arg(long)]
    variants: bool,
    /// Take a new set of buffers for each run, so that the cache is cold.
    #[arg(long)]
    cold: bool,
    /// List sets, ops and the letters of their shapes.
    #[arg(long)]
    list: bool,
}

/// Runs it.
pub fn run(args: &OpsArgs) -> anyhow::Result<()> {
    if args.list {
        list();
        return Ok(());
    }
    let (cases, mut rows) = cases(args)?;
    anyhow::ensure!(!cases.is_empty() || !rows.is_empty(), "no case is left: see wgrad bench ops --list");
    let session = Session::open(&args.measure)?;
    let roofs = roofs(&session)?;
    let cases = with_variants(args, &session, cases, &mut rows);
    let bar = ProgressBar::new(cases.len() as u64).with_style(style());
    table::header();
    rows.iter().for_each(|row| table::row(row, None));
    let mut sentinel = Sentinel::new(&session.device, &session.stopwatch)?;
    let (mut measured, mut levels) = (Vec::new(), Vec::new());
    let expected = cases.len();
    let began = Instant::now();
    for case in &cases {
        if session.stopped() {
            break;
        }
        bar.set_message(case.to_string());
        let row = one(&session, case, args.cold, &mut sentinel);
        bar.suspend(|| table::row(&row, roofs.as_ref()));
        bar.inc(1);
        measured.push(row);
        levels.push(sentinel.levels());
    }
    mark_disturbed(&mut measured, &levels);
    let patience = began.elapsed().mul_f64(AGAIN);
    let better = again(&session, &cases, args.cold, &mut measured, &mut sentinel, patience);
    bar.suspend(|| better.iter().for_each(|i| table::row(&measured[*i], roofs.as_ref())));
    rows.extend(measured);
    bar.finish_and_clear();
    session.finish(rows, roofs, expected)
}

/// Cases are measured again for at most this share of the time the first measurement took.
const AGAIN: f64 = 0.5;
/// And each at most this often.
const ROUNDS: usize = 3;

/// Measures again what was measured while the device was busy or throttled; it may be quiet now. Gives the
/// cases that became better, whose rows are replaced.
fn again(
    session: &Session,
    cases: &[Case],
    cold: bool,
    rows: &mut [Row],
    sentinel: &mut Sentinel,
    patience: Duration,
) -> Vec<usize> {
    let disturbed = |row: &Row| row.timing.as_ref().and_then(|t| t.disturbed);
    let mut better = BTreeSet::new();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        for (i, case) in cases.iter().enumerate().take(rows.len()) {
            let Some(before) = disturbed(&rows[i]) else { continue };
            if session.stopped() || began.elapsed() > patience {
                return better.into_iter().collect();
            }
            let row = one(session, case, cold, sentinel);
            if row.timing.is_some() && disturbed(&row).is_none_or(|now| now < before) {
                rows[i] = row;
                better.insert(i);
            }
        }
    }
    better.into_iter().collect()
}

/// The progress bar of all benchmarks.
pub fn style() -> ProgressStyle {
    // The template is a constant; a wrong one would show the default bar.
    ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn roofs(session: &Session) -> anyhow::Result<Option<Roofs>> {
    let rows =
        peaks::measure_rows(&session.device, &peaks::ROOFS, &session.stopwatch, session.stop(), |_| {})?;
    let roofs = peaks::roofs(&rows);
    if let Some(roofs) = &roofs {
        println!("roofs measured now: {}", table::roofs(roofs));
    }
    Ok(roofs)
}

/// The cases asked for; what is malformed becomes a skipped row and the others go on.
fn cases(args: &OpsArgs) -> anyhow::Result<(Vec<Case>, Vec<Row>)> {
    let mut lines: Vec<wgrad::Result<Line>> = Vec::new();
    if let Some(name) = &args.op {
        op(name)?;
        lines.extend(args.shape.iter().map(|text| {
            let shape = Dims::parse(text)?;
            Ok(Line { set: "command line".into(), layer: String::new(), count: 1, op: name.clone(), shape })
        }));
    } else {
        let smoke = ["smoke".to_owned()];
        let names = if args.set.is_empty() { &smoke[..] } else { &args.set[..] };
        for set in names {
            lines.extend(sets::lines(set)?);
        }
    }
    let wanted: Option<Vec<Pass>> = match args.pass.iter().any(|p| p == "all") {
        true => None,
        false => Some(args.pass.iter().map(|p| p.parse()).collect::<wgrad::Result<_>>()?),
    };
    let (mut cases, mut skipped) = (Vec::new(), Vec::new());
    for line in lines {
        match line.and_then(|line| of_line(&line, wanted.as_deref(), args.op.is_some())) {
            Ok(more) => cases.extend(more),
            Err(error) => skipped.push(bad_line(&error.to_string())),
        }
    }
    if let Some(text) = &args.filter {
        cases.retain(|c| format!("{} {} {c}", c.set, c.layer).contains(text.as_str()));
    }
    Ok((cases, skipped))
}

fn of_line(line: &Line, wanted: Option<&[Pass]>, strict: bool) -> wgrad::Result<Vec<Case>> {
    let passes = Case::passes(op(&line.op)?, &line.shape)?;
    let chosen = match wanted {
        None => passes,
        // On the command line a pass that the op does not have is a mistake; in a set it is not there.
        Some(wanted) => wanted.iter().copied().filter(|p| strict || passes.contains(p)).collect(),
    };
    chosen.into_iter().map(|pass| Case::of_line(line, pass)).collect()
}

fn bad_line(error: &str) -> Row {
    Row { status: Status::Skipped(error.to_owned()), ..Row::default() }
}

fn with_variants(args: &OpsArgs, session: &Session, cases: Vec<Case>, rows: &mut Vec<Row>) -> Vec<Case> {
    if !args.variants {
        return cases;
    }
    let mut all = Vec::new();
    for case in cases {
        match case.variants(&session.device) {
            Ok(variants) => {
                all.push(case.clone());
                all.extend(variants.into_iter().map(|v| Case { variant: Some(v), ..case.clone() }));
            }
            Err(error) => rows.push(Row { status: Status::Skipped(error.to_string()), ..named(&case) }),
        }
    }
    all
}

fn named(case: &Case) -> Row {
    Row {
        set: case.set.clone(),
        layer: case.layer.clone(),
        count: case.count,
        op: case.op.name.into(),
        pass: case.pass.to_string(),
        shape: case.shape.to_string(),
        requested: case.variant.map(|v| v.to_string()).unwrap_or_default(),
        ..Row::default()
    }
}

/// Prepares, checks and times one case. Whatever goes wrong stays with this case.
fn one(session: &Session, case: &Case, cold: bool, sentinel: &mut Sentinel) -> Row {
    let mut row = named(case);
    let mut prepared = match case.prepare(&session.device, cold) {
        Ok(prepared) => prepared,
        Err(error) => return Row { status: Status::Skipped(error.to_string()), ..row },
    };
    row.cold = cold;
    row.variant = prepared.variant();
    (row.flops, row.nominal_flops, row.bytes) = (prepared.flops, prepared.nominal_flops, prepared.bytes);
    let mut measured = || -> wgrad::Result<()> {
        row.check = check::check(&mut prepared)?;
        prepared.fill()?;
        let (stopwatch, policy, stop) = (&session.stopwatch, &session.policy, session.stop());
        row.timing = measure(&mut prepared.workload(), stopwatch, sentinel, policy, stop)?;
        Ok(())
    };
    if let Err(error) = measured() {
        row.status = Status::Failed(error.to_string());
    } else if row.timing.is_none() {
        row.status = Status::Skipped("interrupted".into());
    }
    row
}

fn list() {
    println!("sets:");
    for (name, text) in sets::SETS {
        let about = text.lines().next().unwrap_or("").trim_start_matches("# ");
        println!(
            "  {name:16} {:4} lines  {about}",
            text.lines().filter(|l| !l.starts_with('#')).count().saturating_sub(1)
        );
    }
    println!("ops and the letters of their shapes ([] is optional):");
    for op in OPS {
        println!("  {:14} {:46} {}", op.name, op.keys, op.about);
    }
    println!(
        "passes: fwd; dgrad (of the input), wgrad (of the weight or second operand), bgrad (of the bias)"
    );
}
