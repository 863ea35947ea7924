//! `wgrad bench odd`: odd but legal shapes, on the device and on the CPU reference.

use super::ops::style;
use super::session::{stop_on_ctrl_c, stopped};
use super::table::{digits, time};
use crate::device::DeviceArgs;
use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use wgrad::bench::beside::{Beside, beside};
use wgrad::bench::{Case, odd};
use wgrad::exec::Stopwatch;

/// `wgrad bench odd`.
#[derive(Debug, Args)]
pub struct OddArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// Shapes of each kind.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    each: usize,
    /// Another seed draws other shapes.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// One case in a line, as `wgrad parity --list` prints them, instead of drawn ones; may be given several times.
    #[arg(long, value_name = "LINE")]
    case: Vec<String>,
    /// Only kinds and cases that contain this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// List every case, not only those in which the device is slower.
    #[arg(long)]
    all: bool,
    /// Print the lines of the cases and measure none.
    #[arg(long)]
    lines: bool,
}

/// A case with what it is an example of.
struct Example {
    kind: String,
    case: Case,
}

/// Runs it.
pub fn run(args: &OddArgs) -> anyhow::Result<()> {
    let examples = examples(args)?;
    anyhow::ensure!(!examples.is_empty(), "no case is left: --filter leaves none of the kinds and cases");
    if args.lines {
        let lines: Vec<String> = examples.iter().map(|e| format!("{:20} {}", e.kind, e.case.line)).collect();
        lines.chunk_by(|a, b| a == b).for_each(|same| println!("{}", same[0]));
        return Ok(());
    }
    let device = args.device.open()?;
    let stopwatch = Stopwatch::new(&device, false).context("benchmarks measure an adapter")?;
    stop_on_ctrl_c()?;
    println!("{}; clock: {}; times are the least of several", device.describe(), stopwatch.clock());
    println!("{:20} {:>8} {:>9} {:>7}  pass, case, kernels", "kind", "device", "reference", "ratio");
    let bar = ProgressBar::new(examples.len() as u64).with_style(style());
    let (mut measured, mut slower, mut failed, mut logs) = (0, 0, 0, 0.0);
    for Example { kind, case } in &examples {
        if stopped() {
            break;
        }
        bar.set_message(case.line.to_string());
        match beside(case, &device, &stopwatch) {
            Ok((found, kernels)) => {
                (measured, slower) = (measured + 1, slower + usize::from(found.slower()));
                logs += found.ratio().ln();
                if args.all || found.slower() {
                    bar.suspend(|| row(kind, case, found, &kernels));
                }
            }
            Err(error) => {
                failed += 1;
                bar.suspend(|| println!("{kind:20} failed: {} {}: {error}", case.pass, case.line));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mean = (logs / f64::from(measured.max(1))).exp();
    println!(
        "{measured} measured, {slower} slower than the reference, {failed} failed; the device takes {} of its time in the geometric mean",
        digits(mean)
    );
    anyhow::ensure!(!stopped(), "interrupted: {measured} of {} cases were measured", examples.len());
    anyhow::ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}

fn row(kind: &str, case: &Case, found: Beside, kernels: &str) {
    let Beside { device, reference } = found;
    let (device, reference, ratio) = (time(device), time(reference), digits(found.ratio()));
    println!("{kind:20} {device:>8} {reference:>9} {ratio:>7}  {} {}  [{kernels}]", case.pass, case.line);
}

/// Every pass of each case.
fn examples(args: &OddArgs) -> anyhow::Result<Vec<Example>> {
    let lines = match args.case.is_empty() {
        true => odd::lines(args.each, args.seed)?,
        false => {
            let given = args.case.iter().map(|text| Ok(("given", text.parse()?)));
            given.collect::<wgrad::Result<Vec<_>>>()?
        }
    };
    let mut examples = Vec::new();
    for (kind, line) in lines {
        let cases = Case::of_line("odd", &line)?.into_iter();
        examples.extend(cases.map(|case| Example { kind: kind.to_owned(), case }));
    }
    if let Some(text) = &args.filter {
        examples.retain(|e| format!("{} {}", e.kind, e.case.line).contains(text.as_str()));
    }
    Ok(examples)
}
