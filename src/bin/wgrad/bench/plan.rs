//! `wgrad bench plan`: how long the host takes from a description of many nodes to the first run.

use super::session::{MeasureArgs, Session};
use super::table;
use clap::Args;
use wgrad::bench::plan::{self, MODELS, PARTS, PlanModel};
use wgrad::bench::{Row, Status};

/// `wgrad bench plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    measure: MeasureArgs,
    /// Only these graphs.
    #[arg(long)]
    model: Vec<String>,
    /// How often each is built, planned, compiled and run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..1000))]
    runs: u32,
    /// List the graphs.
    #[arg(long)]
    list: bool,
}

/// Runs it.
pub fn run(args: &PlanArgs) -> anyhow::Result<()> {
    if args.list {
        MODELS.iter().for_each(|model| println!("{:16} {}", model.name, model.about));
        return Ok(());
    }
    let named: Vec<&PlanModel> = args.model.iter().map(|n| plan::model(n)).collect::<wgrad::Result<_>>()?;
    let models = if named.is_empty() { MODELS.iter().collect() } else { named };
    let session = Session::open(&args.measure)?;
    table::plan_header();
    let (mut rows, expected) = (Vec::new(), models.len() * PARTS.len());
    for model in models {
        let found = plan::rows(&session.device, model, args.runs as usize, session.stop());
        let failed = |error: wgrad::Error| vec![failed(model, error.to_string())];
        let found = found.unwrap_or_else(failed);
        found.iter().for_each(table::plan);
        rows.extend(found);
    }
    session.finish(rows, None, expected)
}

fn failed(model: &PlanModel, why: String) -> Row {
    let status = Status::Failed(why);
    Row { set: "plan".into(), layer: model.name.into(), count: 1, status, ..Row::default() }
}
