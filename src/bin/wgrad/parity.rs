//! `wgrad parity`: where an adapter and the definition disagree.

use crate::device::DeviceArgs;
use crate::network::{self, NetworkArgs};
use crate::output;
use crate::{merge, report};
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use wgrad::random::Rng;
use wgrad::verify::report::{Report, Row, rerun};
use wgrad::verify::{self, Adapter, Case, Effort, Line, Outcome, Verdict};

/// Holds every kernel of an adapter to the CPU reference: exact integers bit for bit, real numbers within a
/// bound for each element. With --model, the nodes of a network. Exit code 1 if anything differs.
#[derive(Debug, Args)]
pub struct ParityArgs {
    /// Only these ops, such as conv2d or relu; all where none is named.
    ops: Vec<String>,
    /// Where to run.
    #[command(flatten)]
    device: DeviceArgs,
    /// Every adapter of every backend (of --backend, where it is given).
    #[arg(long, conflicts_with = "device")]
    all: bool,
    /// One case, as a failure prints it; may be given several times.
    #[arg(long, value_name = "LINE", conflicts_with_all = ["ops", "random"])]
    case: Vec<String>,
    /// This many random cases instead of the table's, shrunk where they fail.
    #[arg(long, value_name = "N")]
    random: Option<usize>,
    /// The seed of the random cases.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the kernels the planner chooses, run twice, without bounds checks: a quarter of the time.
    #[arg(long)]
    quick: bool,
    /// Cases at a time, each on a device of its own [default: as many as there are cores, on a GPU at most 4].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Print the cases and run none.
    #[arg(long)]
    pub list: bool,
    /// Run nothing: merge the results in these files, of several machines, browsers and backends. Exit code 1 if a failure has
    /// no known reason.
    #[arg(long, value_name = "FILE.json", num_args = 1.., conflicts_with_all = ["ops", "case", "random", "list", "all", "model"])]
    pub merge: Vec<PathBuf>,
    /// A TOML file of known differences and their reasons, instead of those that come with the program.
    #[arg(long, value_name = "FILE.toml")]
    pub known: Option<PathBuf>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the results as a page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Cases after which an adapter is opened anew: compiled kernels are kept as long as it is open, and those of a
/// random case are never needed again.
const REOPEN_AFTER: usize = 500;

/// Cases that a GPU has at a time: its memory is shared, and devices of which there are many may not all open.
const JOBS_OF_A_GPU: usize = 4;

/// How often what is known so far is written, so that an interrupted run keeps it.
pub const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Runs the cases.
pub fn run(args: &ParityArgs) -> anyhow::Result<()> {
    if !args.merge.is_empty() {
        return merge::run(args);
    }
    if args.network.model.is_some() {
        output::check_all([("--json", &args.json), ("--html", &args.html)])?;
        return network::run(args, || open(args));
    }
    let lines = lines(args)?;
    if args.list {
        lines.iter().for_each(|line| println!("{line}"));
        return Ok(());
    }
    output::check_all([("--json", &args.json), ("--html", &args.html)])?;
    let known = merge::known(args)?;
    let adapters = open(args)?;
    let mut report = Report::new(report::columns(&adapters, args.effort()));
    let bar = bar(lines.len() * adapters.len())?;
    let mut session = Session { args, report: &mut report, bar: &bar, saved: Instant::now() };
    for (number, adapter) in adapters.iter().enumerate() {
        session.adapter(number, adapter, &lines)?;
    }
    bar.finish_and_clear();
    report.complete = true;
    known.explain(&mut report);
    let saved = save(args, &report, output::write);
    report::print(&report);
    saved?;
    match report.failures() {
        0 => Ok(()),
        failed => bail!("{failed} of {} cases failed", report.rows.len()),
    }
}

/// How far a run of so many cases is.
pub fn bar(count: usize) -> anyhow::Result<ProgressBar> {
    let style = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg}";
    let style = ProgressStyle::with_template(style).context("the progress bar")?.progress_chars("=> ");
    Ok(ProgressBar::new(count as u64).with_style(style))
}

impl ParityArgs {
    /// How thoroughly each case is tried.
    pub fn effort(&self) -> Effort {
        if self.quick { Effort::quick() } else { Effort::full() }
    }
}

/// The cases asked for.
fn lines(args: &ParityArgs) -> anyhow::Result<Vec<Line>> {
    if !args.case.is_empty() {
        let parse = |text: &String| -> anyhow::Result<Line> {
            let line: Line = text.parse()?;
            Case::build(&line)?; // what cannot be built is an error of the command, not a failure of a device
            Ok(line)
        };
        return args.case.iter().map(parse).collect();
    }
    let mut table = Vec::new();
    for op in &args.ops {
        table.extend(verify::table(Some(op))?);
    }
    if args.ops.is_empty() {
        table = verify::table(None)?;
    }
    let Some(count) = args.random else { return Ok(table) };
    let mut ops: Vec<String> = Vec::new();
    for line in table {
        if !ops.contains(&line.op) {
            ops.push(line.op);
        }
    }
    let mut rng = Rng::new(args.seed);
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let op = &ops[drawn.len() % ops.len()];
        drawn.extend(verify::random(op, &mut rng)?);
    }
    Ok(drawn)
}

/// An adapter, or why it cannot be used.
pub struct Opened {
    pub name: String,
    /// What `--device` takes.
    pub selector: String,
    pub adapter: Result<Adapter, String>,
    open: Box<dyn Fn() -> wgrad::Result<Adapter> + Sync>,
}

fn open(args: &ParityArgs) -> anyhow::Result<Vec<Opened>> {
    if !args.all {
        let (chosen, device) = (args.device.backend, args.device.device.clone());
        let open = Box::new(move || Adapter::open(chosen, Some(&device)));
        let adapter = open()?;
        let backend = args.device.backend.map_or(String::new(), |b| format!(" --backend {b}"));
        let selector = format!("{}{backend}", args.device.device);
        return Ok(vec![Opened { name: adapter.describe(), selector, adapter: Ok(adapter), open }]);
    }
    let found = wgrad::adapters(args.device.backend);
    if found.is_empty() {
        bail!("{}", wgrad::exec::NO_ADAPTER);
    }
    let opened = found.iter().map(|report| -> Opened {
        let selector = report.index.to_string();
        let index = selector.clone();
        let open = Box::new(move || Adapter::open(None, Some(&index)));
        let adapter = open().map_err(|e| e.to_string());
        let name = format!("{}, {}, {}", report.name, report.kind, report.backend);
        Opened { name, selector, adapter, open }
    });
    Ok(opened.collect())
}

struct Session<'a> {
    args: &'a ParityArgs,
    report: &'a mut Report,
    bar: &'a ProgressBar,
    saved: Instant,
}

impl Session<'_> {
    /// All cases on one adapter, several at a time, each worker with a device of its own. The rows come in the order of the
    /// cases.
    fn adapter(&mut self, number: usize, opened: &Opened, lines: &[Line]) -> anyhow::Result<()> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let software = opened.adapter.as_ref().is_ok_and(|adapter| adapter.limits().software);
        let jobs = self.args.jobs.unwrap_or(if software { cores } else { cores.min(JOBS_OF_A_GPU) });
        let queue = Queue {
            args: self.args,
            number,
            opened,
            lines,
            next: AtomicUsize::new(0),
            lost: Mutex::default(),
        };
        let (sender, rows) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, lines.len().max(1)) {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || queue.work(&sender));
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let first = self.report.rows.len();
            for (place, row) in rows {
                self.bar.set_message(format!("{} {}", lines[place].op, opened.name));
                self.bar.inc(1);
                waiting.insert(place, row);
                while let Some(row) = waiting.remove(&(self.report.rows.len() - first)) {
                    self.report.rows.push(row);
                }
                if self.saved.elapsed() > SAVE_EVERY {
                    save(self.args, self.report, in_passing)?;
                    self.saved = Instant::now();
                }
            }
            Ok(())
        })
    }
}

/// The cases of an adapter, handed out in order.
struct Queue<'a> {
    args: &'a ParityArgs,
    number: usize,
    opened: &'a Opened,
    lines: &'a [Line],
    next: AtomicUsize,
    /// Why the device failed, once it did: the rest is skipped.
    lost: Mutex<Option<String>>,
}

impl Queue<'_> {
    fn work(&self, rows: &mpsc::Sender<(usize, Row)>) {
        let mut adapter = self.open();
        let mut done = 0;
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(line) = self.lines.get(place) else { return };
            if done == REOPEN_AFTER && adapter.is_ok() {
                (adapter, done) = (self.open(), 0);
            }
            done += 1;
            // Nobody listens any more where the report could not be written.
            if rows.send((place, self.row(&adapter, line))).is_err() {
                return;
            }
        }
    }

    fn open(&self) -> Result<Adapter, String> {
        match &self.opened.adapter {
            Ok(_) => (self.opened.open)().map_err(|e| e.to_string()),
            Err(reason) => Err(reason.clone()),
        }
    }

    fn row(&self, adapter: &Result<Adapter, String>, line: &Line) -> Row {
        let selector = &self.opened.selector;
        let lost = || self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = lost().clone();
        let adapter = match (adapter, reason) {
            (_, Some(reason)) => return Row::skipped(self.number, line, &reason),
            (Err(reason), None) => return Row::skipped(self.number, line, reason),
            (Ok(adapter), None) => adapter,
        };
        match self.case(adapter, line) {
            Ok((smallest, outcome)) => Row::new(self.number, &smallest, outcome, &rerun(&smallest, selector)),
            Err(e) => {
                *lost() = Some(format!("the device failed before: {e}"));
                Row::failed(self.number, line, &e.to_string(), &rerun(line, selector))
            }
        }
    }

    /// The outcome of a case; of a random one that fails, of the smallest that still does.
    fn case(&self, adapter: &Adapter, line: &Line) -> wgrad::Result<(Line, Outcome)> {
        let effort = self.args.effort();
        let outcome = verify::run(&Case::build(line)?, adapter, effort)?;
        if self.args.random.is_none() || !matches!(outcome.verdict, Verdict::Fail(_)) {
            return Ok((line.clone(), outcome));
        }
        let fails = |case: &Case| {
            verify::run(case, adapter, effort).is_ok_and(|o| matches!(o.verdict, Verdict::Fail(_)))
        };
        let smallest = verify::shrink(line, fails);
        let outcome = verify::run(&Case::build(&smallest)?, adapter, effort)?;
        Ok((smallest, outcome))
    }
}

/// Writes what is known, as the options say, each of the files by `write`.
pub fn save(
    args: &ParityArgs,
    report: &Report,
    write: fn(&Path, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let json = args.json.as_ref().map(|path| write(path, report.to_json()?.as_bytes()));
    let html = args.html.as_ref().map(|path| write(path, report.to_html()?.as_bytes()));
    // Both are tried: one that cannot be written is no reason to lose the other.
    json.unwrap_or(Ok(())).and(html.unwrap_or(Ok(())))
}

/// Tells of a failure and goes on: the end will try again.
pub fn in_passing(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Err(error) = wgrad::write_atomically(path, bytes) {
        eprintln!("{error}; tried again later");
    }
    Ok(())
}
