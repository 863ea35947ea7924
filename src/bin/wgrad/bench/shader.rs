//! `wgrad bench shader`: somebody's own shader.

use super::interleave::Watcher;
use super::session::{MeasureArgs, Session};
use super::table;
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use wgrad::bench::measure::measure;
use wgrad::bench::peaks;
use wgrad::bench::sentinel::mark_rows;
use wgrad::bench::shader::{Description, prepare};
use wgrad::bench::{Row, Status};

/// `wgrad bench shader`.
#[derive(Debug, Args)]
pub struct ShaderArgs {
    #[command(flatten)]
    measure: MeasureArgs,
    /// WGSL files; beside each lies a TOML file of the same name that describes bindings and grid.
    #[arg(required = true, value_name = "FILE.wgsl")]
    files: Vec<PathBuf>,
}

/// Runs it.
pub fn run(args: &ShaderArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.measure)?;
    let (stopwatch, stop) = (&session.stopwatch, session.stop());
    let peaks = peaks::measure_rows(&session.device, &peaks::ROOFS, stopwatch, stop, |_| {})?;
    let roofs = peaks::roofs(&peaks);
    let mut watcher = Watcher::new(&session)?;
    table::header();
    let (mut rows, mut levels) = (Vec::new(), Vec::new());
    for file in &args.files {
        if session.stopped() {
            break;
        }
        let name = file.file_stem().map_or_else(|| "shader".into(), |s| s.to_string_lossy().into_owned());
        watcher.next(name.clone());
        let row = one(&session, &mut watcher, file, &name).unwrap_or_else(|error| Row {
            set: "shader".into(),
            op: name.clone(),
            pass: "run".into(),
            status: Status::Failed(format!("{error:#}")),
            ..Row::default()
        });
        table::row(&row, roofs.as_ref());
        rows.push(row);
        levels.push(watcher.levels());
    }
    mark_rows(&mut rows, &levels);
    session.finish(rows, roofs, args.files.len())
}

fn one(session: &Session, watcher: &mut Watcher, file: &Path, name: &str) -> anyhow::Result<Row> {
    let wgsl = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let beside = file.with_extension("toml");
    let text = std::fs::read_to_string(&beside).with_context(|| beside.display().to_string())?;
    let what: Description = toml::from_str(&text).with_context(|| beside.display().to_string())?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let prepared = prepare(&session.device, wgsl, &what, folder)?;
    let (stopwatch, policy, stop) = (&session.stopwatch, &session.policy, session.stop());
    let timing = measure(&mut &prepared.workload, stopwatch, watcher, policy, stop)?;
    let [x, y, z] = what.grid;
    Ok(Row {
        set: "shader".into(),
        layer: String::new(),
        count: 1,
        op: name.to_owned(),
        pass: "run".into(),
        shape: format!("grid {x}x{y}x{z}"),
        variant: what.entry,
        check: prepared.check,
        status: if timing.is_some() { Status::Ok } else { Status::Skipped("interrupted".into()) },
        flops: what.flops,
        nominal_flops: what.flops,
        bytes: prepared.bytes,
        timing,
        ..Row::default()
    })
}
