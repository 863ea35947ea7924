//! `wgrad bench`: a thin layer over `wgrad::bench`.

mod compare;
mod html;
mod interleave;
mod odd;
mod ops;
mod peaks;
mod plan;
mod plots;
mod session;
pub mod sets;
mod shader;
mod start;
mod table;
mod train;
mod versus;

pub use session::{locked, stop_on_ctrl_c};

use clap::{Args, Parser, Subcommand};

/// `wgrad bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure ops, forward and each gradient, over named sets of shapes or one shape.
    ///
    /// `wgrad bench conv2d --shape n16c64h28w28k64r3s3p1 --pass wgrad` is short for
    /// `wgrad bench ops --op conv2d --shape .. --pass wgrad`; `--list` shows sets, ops and their letters. Any op of
    /// `wgrad parity` is measured with `--case`, which takes the same lines.
    Ops(ops::OpsArgs),
    /// Measure unusual but legal shapes on the device and on the CPU reference, on the same cores, and list every case in
    /// which the device is slower.
    Odd(odd::OddArgs),
    /// Measure whole training steps of named models.
    Train(train::TrainArgs),
    /// Measure how long a fresh process takes to its first training step, with empty caches and with full ones.
    Start(start::StartArgs),
    /// Measure how long the host takes to build, plan, compile and first run graphs of many nodes.
    Plan(plan::PlanArgs),
    /// Measure the peaks of the adapter: arithmetic, memory, workgroup memory, dispatch, submit, readback.
    Peaks(peaks::PeaksArgs),
    /// Measure your own compute shaders, described in TOML files.
    Shader(shader::ShaderArgs),
    /// Compare two result files, case by case.
    Compare(compare::CompareArgs),
    /// Measure another build and this one side by side, interleaved, and compare them: for machines whose speed
    /// varies.
    ///
    /// Bursts of both alternate, so that what slows the machine down slows both down. As in
    /// `wgrad bench versus ../before/wgrad ops --set smoke`.
    Versus(versus::VersusArgs),
    /// An op's name: as `ops --op NAME`.
    #[command(external_subcommand)]
    Op(Vec<String>),
}

/// `wgrad bench OP ..` parsed as `wgrad bench ops --op OP ..`.
#[derive(Debug, Parser)]
#[command(name = "wgrad bench ops")]
struct OneOp {
    #[command(flatten)]
    args: ops::OpsArgs,
}

/// Runs a benchmark.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    match &args.command {
        Command::Ops(args) => ops::run(args),
        Command::Odd(args) => odd::run(args),
        Command::Train(args) => train::run(args),
        Command::Start(args) => start::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Peaks(args) => peaks::run(args),
        Command::Shader(args) => shader::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Versus(args) => versus::run(args),
        Command::Op(words) => {
            let (name, rest) = words.split_first().map_or(("", &[][..]), |(n, r)| (n.as_str(), r));
            if wgrad::bench::op(name).is_err() {
                let ops: Vec<_> = wgrad::bench::catalog().iter().map(|o| o.name).collect();
                anyhow::bail!(
                    "bench: expected ops, odd, train, start, plan, peaks, shader, compare, versus or an op with letters ({}; others with ops --case), got {name}",
                    ops.join(", ")
                );
            }
            let start = ["wgrad bench ops", "--op", name].map(str::to_owned);
            let parsed = OneOp::try_parse_from(start.iter().chain(rest)).unwrap_or_else(|e| e.exit());
            ops::run(&parsed.args)
        }
    }
}
