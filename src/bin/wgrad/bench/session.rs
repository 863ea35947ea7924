//! What all benchmarks share: the device and its stopwatch, the environment, Ctrl-C, the result files.

use super::interleave::Interleaved;
use super::{html, table};
use crate::device::DeviceArgs;
use crate::output;
use crate::signals::Signals;
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use wgrad::Device;
use wgrad::bench::measure::Policy;
use wgrad::bench::{Environment, Report, Roofs, Row, SCHEMA, Status, VERSION};
use wgrad::exec::Stopwatch;

/// Options of every benchmark that measures.
#[derive(Debug, Clone, Args)]
pub struct MeasureArgs {
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Measure each case for this many seconds (and at least 10 samples).
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pub time: f64,
    /// Use the host's clock even where the adapter has timestamps.
    #[arg(long)]
    pub wall: bool,
    /// Write the results as JSON, raw samples included.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a report that a browser shows without a network.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Ask for a turn on standard output and wait for it on standard input: set by `bench versus`.
    #[arg(long, value_name = "ID", hide = true)]
    turns: Option<String>,
}

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C sets what is returned, and a second one ends the program at once.
pub fn stop_on_ctrl_c() -> anyhow::Result<&'static AtomicBool> {
    let signals = Signals::watch()?;
    std::thread::spawn(move || {
        while signals.caught().is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        STOP.store(true, Ordering::Relaxed);
        eprintln!("\nfinishing the sample under way; Ctrl-C again to end at once");
    });
    Ok(&STOP)
}

/// Whether Ctrl-C was pressed.
pub fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// As Ctrl-C does.
pub fn stop() {
    STOP.store(true, Ordering::Relaxed);
}

/// An opened device, ready to measure.
pub struct Session {
    pub device: Device,
    pub stopwatch: Stopwatch,
    pub policy: Policy,
    args: MeasureArgs,
    environment: Environment,
}

impl Session {
    /// Opens the device and says what measures.
    pub fn open(args: &MeasureArgs) -> anyhow::Result<Self> {
        anyhow::ensure!(
            args.time.is_finite() && args.time > 0.0 && args.time <= 3600.0,
            "--time: expected seconds from 0 to 3600, got {}",
            args.time
        );
        output::check_all([("--json", &args.json), ("--html", &args.html)])?;
        if args.turns.is_some() {
            Interleaved::default().wait();
        }
        let device = args.device.open()?;
        let stopwatch = Stopwatch::new(&device, args.wall).context("benchmarks measure an adapter")?;
        stop_on_ctrl_c()?;
        let environment = environment(&device);
        println!("{}; clock: {}", environment.identity(), stopwatch.clock());
        if stopwatch.clock() == wgrad::exec::Clock::Wall {
            println!(
                "times are the host's and include a submission each: small cases are slower than the device is"
            );
        }
        let policy = Policy { budget: Duration::from_secs_f64(args.time), ..Policy::default() };
        let policy = if args.turns.is_some() { policy.interleaved() } else { policy };
        Ok(Self { device, stopwatch, policy, args: args.clone(), environment })
    }

    /// What names the two runs, where another build is measured side by side with this one.
    pub fn beside(&self) -> Option<&str> {
        self.args.turns.as_deref()
    }

    /// What Ctrl-C sets.
    pub fn stop(&self) -> &'static AtomicBool {
        &STOP
    }

    /// Whether Ctrl-C was pressed.
    pub fn stopped(&self) -> bool {
        stopped()
    }

    /// Writes the result files, and fails when a case failed or it was interrupted.
    pub fn finish(&self, rows: Vec<Row>, roofs: Option<Roofs>, expected: usize) -> anyhow::Result<()> {
        let report = Report {
            schema: SCHEMA.into(),
            version: VERSION,
            command: command_line(),
            complete: !self.stopped(),
            beside: self.args.turns.clone(),
            environment: self.environment.clone(),
            roofs,
            rows,
        };
        println!("{}", table::totals(&report));
        let json = self.args.json.as_ref().map(|path| {
            output::keep(path, |path| wgrad::bench::save(path, &report))?;
            println!("wrote {}", path.display());
            anyhow::Ok(())
        });
        let html = self.args.html.as_ref().map(|path| {
            output::write(path, html::report(&report)?.as_bytes())?;
            println!("wrote {}", path.display());
            anyhow::Ok(())
        });
        // Both are tried: one that cannot be written is no reason to lose the other.
        json.unwrap_or(Ok(())).and(html.unwrap_or(Ok(())))?;
        let failed = report.rows.iter().filter(|r| matches!(r.status, Status::Failed(_))).count();
        let measured = report.rows.iter().filter(|r| r.timing.is_some()).count();
        anyhow::ensure!(report.complete, "interrupted: {measured} of {expected} cases were measured");
        anyhow::ensure!(failed == 0, "{failed} cases failed");
        Ok(())
    }
}

/// The command as it was given, its path left out.
fn command_line() -> String {
    let words = std::env::args().skip(1).map(|w| if w.contains(' ') { format!("'{w}'") } else { w });
    std::iter::once("wgrad".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The version of a package in the lock file this command was built with.
pub fn locked(package: &str) -> String {
    let lock = include_str!("../../../../Cargo.lock");
    let mut lines = lock.lines().skip_while(|l| *l != format!("name = \"{package}\""));
    let version = lines.nth(1).and_then(|l| l.strip_prefix("version = "));
    version.map_or_else(|| "unknown".into(), |v| v.trim_matches('"').to_owned())
}

fn environment(device: &Device) -> Environment {
    let git =
        std::process::Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let git =
        git.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut versions = vec![("wgrad".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    versions.extend(["wgpu", "naga"].map(|p| (p.to_owned(), locked(p))));
    let identity = device.identity();
    let of = |part: fn(&wgrad::exec::AdapterIdentity) -> String| identity.map(part).unwrap_or_default();
    Environment {
        adapter: of(|i| i.name.clone()),
        backend: of(|i| i.backend.to_string()),
        kind: of(|i| i.kind.clone()),
        driver: of(|i| i.driver.clone()),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
        versions,
        git,
        debug: cfg!(debug_assertions),
        started: seconds,
    }
}
