//! `wgrad bench ops`: ops of given shapes, checked and timed.

use super::interleave::Watcher;
use super::session::{MeasureArgs, Session};
use super::{sets, table};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Instant;
use wgrad::bench::measure::{Policy, measure};
use wgrad::bench::peaks;
use wgrad::bench::sentinel::mark_disturbed;
use wgrad::bench::{Case, Dims, Line, Pass, Roofs, Row, Status, Timing, catalog, check, op};

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
    /// One case in a line, as `wgrad parity --list` prints them; may be given several times.
    #[arg(long, value_name = "LINE", conflicts_with_all = ["set", "op"])]
    case: Vec<String>,
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
    /// Print the lines of the cases, which --case takes, and measure none.
    #[arg(long)]
    lines: bool,
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
    if args.lines {
        let lines: Vec<String> = cases.iter().map(|case| case.line.to_string()).collect();
        lines.chunk_by(|a, b| a == b).for_each(|same| println!("{}", same[0]));
        return Ok(());
    }
    let session = Session::open(&args.measure)?;
    let roofs = roofs(&session)?;
    let cases = with_variants(args, &session, cases, &mut rows);
    let bar = ProgressBar::new(cases.len() as u64).with_style(style());
    table::header();
    rows.iter().for_each(|row| table::row(row, None));
    let mut watcher = Watcher::new(&session)?;
    let expected = cases.len();
    let mut visited: Vec<Visited> = Vec::new();
    let mut policy = session.policy;
    let visits = if session.beside().is_some() { VISITS_INTERLEAVED } else { VISITS };
    policy.budget /= visits;
    policy.min_samples = policy.min_samples.div_ceil(visits as usize);
    bar.set_length(u64::from(visits) * expected as u64);
    let began = Instant::now();
    for case in cases {
        if session.stopped() {
            break;
        }
        bar.set_message(case.to_string());
        let mut case = Visited { row: named(&case), case, timings: Vec::new() };
        case.visit(&session, &policy, args.cold, &mut watcher);
        bar.inc(1);
        bar.suspend(|| table::row(&case.joined(&watcher), roofs.as_ref()));
        visited.push(case);
    }
    for visit in (1..visits).take_while(|_| !session.stopped()) {
        bar.suspend(|| println!("visit {} of {visits}, with those before:", visit + 1));
        for case in &mut visited {
            bar.set_message(case.case.to_string());
            case.visit(&session, &policy, args.cold, &mut watcher);
            bar.inc(1);
            if case.row.status == Status::Ok && !session.stopped() {
                bar.suspend(|| table::row(&case.joined(&watcher), roofs.as_ref()));
            }
        }
    }
    let patience = began.elapsed().mul_f64(AGAIN);
    let again = Instant::now();
    for _ in 0..MORE_VISITS {
        for case in &mut visited {
            let busy = case.joined(&watcher).timing.is_some_and(|t| t.disturbed.is_some());
            if busy && again.elapsed() < patience && !session.stopped() {
                bar.set_message(format!("again: {}", case.case));
                case.visit(&session, &policy, args.cold, &mut watcher);
                bar.suspend(|| table::row(&case.joined(&watcher), roofs.as_ref()));
            }
        }
    }
    rows.extend(visited.iter().map(|case| case.joined(&watcher)));
    bar.finish_and_clear();
    session.finish(rows, roofs, expected)
}

/// Every case is measured in so many visits with all others between them, so that what disturbs one is over by
/// the next.
const VISITS: u32 = 2;
/// Interleaved, nothing is set aside, but where its buffers happen to lie makes a kernel faster or slower.
const VISITS_INTERLEAVED: u32 = 4;
/// Where the device was busy or throttled all the time, as many more follow,
const MORE_VISITS: usize = 3;
/// for at most this fraction of the time the others took.
const AGAIN: f64 = 0.5;

/// A case with what its visits gave.
struct Visited {
    case: Case,
    /// All but the timing.
    row: Row,
    /// Each with the levels of the sentinel after it.
    timings: Vec<(Timing, [f64; 2])>,
}

impl Visited {
    /// Prepares the case, checks it the first time, and times it. Whatever goes wrong stays with this case, and
    /// ends its visits.
    fn visit(&mut self, session: &Session, policy: &Policy, cold: bool, watcher: &mut Watcher) {
        if self.row.status != Status::Ok || session.stopped() && !self.timings.is_empty() {
            return;
        }
        watcher.next(self.case.to_string());
        let mut prepared = match self.case.prepare(&session.device, cold) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.row.status = Status::Skipped(error.to_string());
                return;
            }
        };
        let row = &mut self.row;
        let mut measured = || -> wgrad::Result<Option<Timing>> {
            if self.timings.is_empty() {
                row.cold = cold;
                row.variant = prepared.variant();
                (row.flops, row.nominal_flops, row.bytes) =
                    (prepared.flops, prepared.nominal_flops, prepared.bytes);
                row.check = check::check(&mut prepared)?;
            }
            prepared.fill()?;
            measure(&mut prepared.workload(), &session.stopwatch, watcher, policy, session.stop())
        };
        match measured() {
            Ok(Some(timing)) => self.timings.push((timing, watcher.levels())),
            Ok(None) if self.timings.is_empty() => row.status = Status::Skipped("interrupted".into()),
            Ok(None) => {}
            Err(error) => row.status = Status::Failed(error.to_string()),
        }
    }

    /// The row with the timings of all visits.
    fn joined(&self, watcher: &Watcher) -> Row {
        let mut row = self.row.clone();
        for (timing, then) in &self.timings {
            let mut timing = timing.clone();
            mark_disturbed(&mut timing, *then, watcher.levels());
            match &mut row.timing {
                Some(joined) => joined.join(timing),
                none => *none = Some(timing),
            }
        }
        row
    }
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

/// The cases asked for; what is malformed in a table becomes a skipped row and the others go on.
fn cases(args: &OpsArgs) -> anyhow::Result<(Vec<Case>, Vec<Row>)> {
    let wanted: Option<Vec<Pass>> = match args.pass.iter().any(|p| p == "all") {
        true => None,
        false => Some(args.pass.iter().map(|p| p.parse()).collect::<wgrad::Result<_>>()?),
    };
    // On the command line a pass that the op does not have is a mistake; in a set it is not there.
    let strict = !args.case.is_empty() || args.op.is_some();
    let (mut cases, mut skipped) = (Vec::new(), Vec::new());
    for passes in passes(args)? {
        match passes.and_then(|passes| chosen(passes, wanted.as_deref(), strict)) {
            Ok(more) => cases.extend(more),
            Err(error) => skipped.push(bad_line(&error.to_string())),
        }
    }
    if let Some(text) = &args.filter {
        cases.retain(|c| format!("{} {} {c}", c.set, c.layer).contains(text.as_str()));
    }
    Ok((cases, skipped))
}

/// Every pass of each case asked for.
fn passes(args: &OpsArgs) -> anyhow::Result<Vec<wgrad::Result<Vec<Case>>>> {
    let set = "command line";
    if !args.case.is_empty() {
        // What cannot be built is an error of the command.
        let cases = args.case.iter().map(|text| Case::of_line(set, &text.parse()?));
        return Ok(cases.collect::<wgrad::Result<Vec<_>>>()?.into_iter().map(Ok).collect());
    }
    if let Some(name) = &args.op {
        op(name)?;
        let line = |text: &String| {
            let shape = Dims::parse(text)?;
            Case::of_table(&Line { set: set.into(), layer: String::new(), count: 1, op: name.clone(), shape })
        };
        return Ok(args.shape.iter().map(line).collect());
    }
    let smoke = ["smoke".to_owned()];
    let names = if args.set.is_empty() { &smoke[..] } else { &args.set[..] };
    let mut found = Vec::new();
    for set in names {
        found.extend(sets::lines(set)?.into_iter().map(|line| Case::of_table(&line?)));
    }
    Ok(found)
}

fn chosen(passes: Vec<Case>, wanted: Option<&[Pass]>, strict: bool) -> wgrad::Result<Vec<Case>> {
    match wanted {
        None => Ok(passes),
        Some(wanted) if strict => Case::choose(&passes, wanted),
        Some(wanted) => Ok(passes.into_iter().filter(|case| wanted.contains(&case.pass)).collect()),
    }
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
        op: case.op.clone(),
        pass: case.pass.to_string(),
        shape: case.shape.clone(),
        case: case.line.to_string(),
        requested: case.variant.map(|v| v.to_string()).unwrap_or_default(),
        ..Row::default()
    }
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
    println!(
        "ops and the letters of their shapes ([] is optional); every op of wgrad parity --list has --case:"
    );
    for op in catalog() {
        println!("  {:14} {:46} {}", op.name, op.keys, op.about);
    }
    println!(
        "passes: fwd; dgrad (of the input), wgrad (of the weight or second operand), bgrad (of the bias)"
    );
}
