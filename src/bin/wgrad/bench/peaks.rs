//! `wgrad bench peaks`: what the adapter can do.

use super::session::{MeasureArgs, Session};
use super::table;
use clap::Args;
use wgrad::bench::peaks;

/// `wgrad bench peaks`.
#[derive(Debug, Args)]
pub struct PeaksArgs {
    #[command(flatten)]
    measure: MeasureArgs,
}

/// Runs it.
pub fn run(args: &PeaksArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.measure)?;
    table::peaks_header();
    let rows =
        peaks::measure_rows(&session.device, &peaks::ALL, &session.stopwatch, session.stop(), table::peak)?;
    let roofs = peaks::roofs(&rows);
    session.finish(rows, roofs, peaks::ALL.len())
}
