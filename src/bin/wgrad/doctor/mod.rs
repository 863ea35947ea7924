//! `wgrad doctor`: which adapters there are, whether they compute right and how fast, what is missing and how to get it, and
//! a text for bug reports.
//!
//! Every driver is asked in a process of its own, so that one that crashes or hangs is named and ends nothing else.

mod advice;
mod ask;
mod check;
mod drivers;
mod findings;
mod print;
mod speed;

use crate::{machine, output, quiet};
use advice::{Case, advice_for};
use anyhow::{Context, bail};
use clap::Args;
use findings::{Adapter, Cache, Findings, SCHEMA, Tried, Verdict};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fmt, fs};
use wgrad::Backend;

/// Asks every adapter for known answers (a few ops and a training step, held to the CPU reference), measures its speed for a
/// second, and says what is missing here and how to get it. At the end stands what a bug report needs.
///
/// Exit code 0 where all is well, 1 where an adapter is wrong, crashes or does not open, 3 where there is none that can be used.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Only adapters of this backend: vulkan, metal, dx12 or gl.
    #[arg(long)]
    backend: Option<Backend>,
    /// Write what was found as JSON: to this file, or to standard output in place of the text.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// An adapter that takes longer than this hangs.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    patience: u32,
    /// What this process is asked by another: `list BACKEND` or `try INDEX`.
    #[arg(long, hide = true, num_args = 2, value_names = ["WHAT", "OF"])]
    part: Vec<String>,
}

/// There is no adapter that can be used.
#[derive(Debug)]
pub struct NoAdapter;

impl NoAdapter {
    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(3)
    }
}

impl fmt::Display for NoAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(wgrad::exec::NO_ADAPTER)
    }
}

impl std::error::Error for NoAdapter {}

/// The backends that there may be on this system, in the order in which adapters are counted.
fn backends() -> Vec<Backend> {
    let all = [Backend::Vulkan, Backend::Metal, Backend::Dx12, Backend::Gl];
    let here = |backend: &Backend| match backend {
        Backend::Metal => cfg!(target_vendor = "apple"),
        Backend::Dx12 => cfg!(windows),
        Backend::Vulkan | Backend::Gl | Backend::WebGpu => true,
    };
    all.into_iter().filter(here).collect()
}

/// Looks, prints, writes.
pub fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    if let [what, of] = &args.part[..] {
        return part(what, of);
    }
    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    let file = args.json.clone().filter(|_| !to_stdout);
    output::check_all([("--json", &file)])?;
    let found = look(args, |text| {
        if !to_stdout {
            println!("{text}");
        }
    });
    let json = || anyhow::Ok(serde_json::to_string_pretty(&found)? + "\n");
    if to_stdout {
        print!("{}", json()?);
    } else {
        if !found.advice.is_empty() {
            println!("\nmissing:\n{}", print::advice(&found).trim_end());
        }
        println!("\n{}\n\nFor a bug report:\n\n{}", print::verdict(&found), print::block(&found).trim_end());
    }
    if let Some(path) = &file {
        output::write(path, json()?.as_bytes())?;
        println!("\nwrote {}", path.display());
    }
    match found.verdict {
        Verdict::Well => Ok(()),
        Verdict::NoAdapter => Err(NoAdapter.into()),
        Verdict::Wrong => bail!("{}", print::verdict(&found)),
    }
}

/// Finds everything; `tell` is told of each adapter when it has answered.
fn look(args: &DoctorArgs, tell: impl Fn(&str)) -> Findings {
    let patience = Duration::from_secs(u64::from(args.patience));
    let program = machine::Program::found();
    let machine = machine::Machine::found();
    tell(&program.line());
    machine.lines().iter().for_each(|line| tell(line));
    tell("");
    let (mut adapters, mut failed_backends) = (Vec::new(), BTreeMap::new());
    for backend in backends().into_iter().filter(|found| args.backend.is_none_or(|asked| asked == *found)) {
        let (found, _) = asked("list", &backend.to_string(), patience);
        match found.and_then(|json| serde_json::from_str::<Vec<Adapter>>(&json).map_err(|e| e.to_string())) {
            Ok(found) => adapters.extend(found),
            Err(problem) => {
                tell(&format!("{backend}: FAILED: {problem}"));
                failed_backends.insert(backend.to_string(), problem);
            }
        }
    }
    for adapter in &mut adapters {
        answer(adapter, patience);
        print::summary(adapter).iter().for_each(|line| tell(line));
    }
    if adapters.is_empty() {
        tell("no adapter");
    }
    let folder = adapters.iter().find_map(|adapter| adapter.tried.as_ref()?.cache.clone());
    let cache = Cache { problem: folder.as_deref().and_then(unwritable), folder };
    let advice = advice_for(&Case {
        drivers: &drivers::Drivers::found(),
        adapters: &adapters,
        cache: &cache,
        runtime_dir: !quiet::set_here().contains(&"XDG_RUNTIME_DIR"),
        debug: program.debug,
        backend: args.backend,
    });
    Findings {
        schema: SCHEMA,
        verdict: findings::verdict(&adapters, &failed_backends),
        program,
        machine,
        variables: machine::variables(),
        cache,
        failed_backends,
        best: findings::best(&adapters),
        adapters,
        advice,
    }
}

/// Has another process answer: what it found, and what was said there.
fn asked(what: &str, of: &str, patience: Duration) -> (Result<String, String>, Vec<String>) {
    let words = ["doctor", "--part", what, of].map(str::to_owned);
    match ask::this_program(&words) {
        Ok(mut command) => {
            let heard = ask::ask(&mut command, patience);
            (heard.answer, heard.said)
        }
        Err(error) => (Err(error), Vec::new()),
    }
}

/// Asks an adapter.
fn answer(adapter: &mut Adapter, patience: Duration) {
    if adapter.lacks.is_some() {
        return;
    }
    if std::io::stderr().is_terminal() {
        eprintln!("asking {} ..", adapter.describe());
    }
    let (found, said) = asked("try", &adapter.index.to_string(), patience);
    adapter.said = said;
    match found.and_then(|json| serde_json::from_str(&json).map_err(|error| error.to_string())) {
        Ok(tried) => adapter.tried = Some(tried),
        Err(problem) => adapter.problem = Some(problem),
    }
}

/// Why nothing can be written in a folder, which need not exist yet.
fn unwritable(folder: &Path) -> Option<String> {
    let exists = folder.ancestors().find(|folder| folder.exists())?;
    if !exists.is_dir() {
        return Some(format!("{} is a file", exists.display()));
    }
    let probe = exists.join(format!(".wgrad-{}.tmp", std::process::id()));
    let made = fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    made.and_then(|_| fs::remove_file(&probe)).err().map(|error| error.to_string())
}

/// What another process wants to know.
fn part(what: &str, of: &str) -> anyhow::Result<()> {
    let found = match what {
        "list" => {
            let backend: Backend = of.parse()?;
            let adapters: Vec<Adapter> =
                wgrad::adapters(Some(backend)).into_iter().map(Adapter::from).collect();
            serde_json::to_string(&adapters)?
        }
        "try" => serde_json::to_string(&tried(of)?)?,
        other => bail!("--part: expected list or try, got {other}"),
    };
    println!("{}{found}", ask::FOUND);
    Ok(())
}

/// Tries an adapter, and says on standard output what comes next.
fn tried(selector: &str) -> anyhow::Result<Tried> {
    let start = Instant::now();
    let began = |what: &str| println!("{}{what}", ask::BEGAN);
    began("opening it");
    let adapter = wgrad::verify::Adapter::open(None, Some(selector)).context("it does not open")?;
    let cases = check::cases(&adapter, selector, &began)?;
    let step = check::step(&adapter, selector, &began)?;
    began("measuring its speed");
    let (speed, no_speed) = match speed::speed(adapter.device()) {
        Ok(speed) => (Some(speed), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let cache = adapter.device().pipelines_file().and_then(|file| file.parent().map(Path::to_owned));
    Ok(Tried { cases, step, speed, no_speed, cache, seconds: start.elapsed().as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_need_not_exist_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unwritable(&folder.path().join("not/yet/there")), None);
        fs::write(folder.path().join("file"), "").unwrap();
        let problem = unwritable(&folder.path().join("file/below")).unwrap();
        assert!(problem.ends_with("file is a file"), "{problem}");
        #[cfg(target_os = "linux")]
        assert!(unwritable(Path::new("/proc/wgrad")).is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "trying left a file");
    }
}
