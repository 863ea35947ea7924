//! `wgrad bench versus`: two builds side by side, a burst of one, a burst of the other.
//!
//! Each build runs in a process of its own and asks for its turn (`interleave.rs`), so that only one of them is at work
//! at any time. The one that is behind goes on; where both are at the same case, they alternate.

use super::compare::JudgeArgs;
use super::interleave::{GO, NEXT, TURN};
use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use wgrad::bench::load;

/// `wgrad bench versus`.
#[derive(Debug, Args)]
pub struct VersusArgs {
    /// The `wgrad` of the other build: what this one is compared with.
    other: PathBuf,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Keep both result files, old.json and new.json, in this folder.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// What both run, as after `wgrad bench`: `ops --set smoke`, `train --model simple-cnn`, `relu --shape e1000`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "BENCHMARK")]
    benchmark: Vec<String>,
}

/// Runs it.
pub fn run(args: &VersusArgs) -> anyhow::Result<()> {
    args.judge.check()?;
    let what = args.benchmark[0].as_str();
    anyhow::ensure!(
        !["peaks", "start", "compare", "versus"].contains(&what),
        "bench versus: expected ops, train, shader or an op, got {what}"
    );
    let own = std::env::current_exe().context("the path of this command")?;
    let stop = super::stop_on_ctrl_c()?;
    let id = id();
    let temporary = args.keep.is_none().then(|| std::env::temp_dir().join(format!("wgrad-versus-{id}")));
    let folder = args.keep.as_deref().or(temporary.as_deref()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let outcome = (|| {
        let files = ["old.json", "new.json"].map(|name| folder.join(name));
        measure([&args.other, &own], &files, &args.benchmark, &id)?;
        let (old, new) = (load(&files[0])?, load(&files[1])?);
        args.judge.compare(&old, &new)?;
        anyhow::ensure!(!stop.load(std::sync::atomic::Ordering::Relaxed), "interrupted");
        Ok(())
    })();
    if let Some(folder) = temporary {
        // What cannot be removed lies in the system's folder for such files.
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

/// What tells these two runs from all others.
fn id() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("{}-{now}", std::process::id())
}

/// What a side is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Working,
    /// For its turn, at this position.
    Waiting(u64),
    Ended,
}

enum Event {
    Turn(usize, u64, String),
    Ended(usize),
}

/// One of the two processes.
struct Side {
    child: Child,
    answers: ChildStdin,
    complaints: JoinHandle<String>,
}

impl Side {
    fn start(
        number: usize,
        program: &Path,
        json: &Path,
        words: &[String],
        id: &str,
        events: Sender<Event>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("bench").args(words).arg("--json").arg(json).args(["--turns", id]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| program.display().to_string())?;
        let missing = "a pipe to a process";
        let answers = child.stdin.take().context(missing)?;
        let out = BufReader::new(child.stdout.take().context(missing)?);
        let mut errors = child.stderr.take().context(missing)?;
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some((position, label)) = asked(&line) {
                    let _ = events.send(Event::Turn(number, position, label));
                }
            }
            let _ = events.send(Event::Ended(number));
        });
        let complaints = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Self { child, answers, complaints })
    }
}

/// Position and label of a line that asks for a turn.
fn asked(line: &str) -> Option<(u64, String)> {
    let rest = line.strip_prefix(TURN)?.trim_start();
    let (position, label) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((position.parse().ok()?, label.to_owned()))
}

/// Whose turn it is, if nobody is at work: the one behind; at the same position not the one that had the last.
fn whose(states: [State; 2], last: usize) -> Option<usize> {
    match states {
        [State::Working, _] | [_, State::Working] => None,
        [State::Waiting(a), State::Waiting(b)] if a != b => Some(usize::from(b < a)),
        [State::Waiting(_), State::Waiting(_)] => Some(1 - last),
        [State::Waiting(_), State::Ended] => Some(0),
        [State::Ended, State::Waiting(_)] => Some(1),
        [State::Ended, State::Ended] => None,
    }
}

/// Whether the other one is at a later case, so that more bursts of this one would have none beside them.
fn behind(states: [State; 2], number: usize) -> bool {
    matches!((states[number], states[1 - number]), (State::Waiting(own), State::Waiting(other)) if own < other)
}

/// Runs both to their end. That one of them failed is an error if it left no result file.
fn measure(programs: [&PathBuf; 2], files: &[PathBuf; 2], words: &[String], id: &str) -> anyhow::Result<()> {
    let (sender, events) = channel();
    let mut sides = Vec::new();
    for number in 0..2 {
        let (program, file) = (programs[number], &files[number]);
        // What an earlier run left is no result of this one.
        if file.exists() {
            std::fs::remove_file(file).with_context(|| file.display().to_string())?;
        }
        sides.push(Side::start(number, program, file, words, id, sender.clone())?);
    }
    drop(sender);
    hand_out(&mut sides, &events);
    for (number, side) in sides.into_iter().enumerate() {
        let Side { mut child, answers, complaints } = side;
        drop(answers);
        let status = child.wait()?;
        let text = complaints.join().unwrap_or_default();
        let program = programs[number].display();
        anyhow::ensure!(
            files[number].exists(),
            "{program} ended without results ({status}): {}",
            text.trim_end()
        );
        if !status.success() {
            eprintln!("{program}: {}", text.trim_end());
        }
    }
    Ok(())
}

fn hand_out(sides: &mut [Side], events: &Receiver<Event>) {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut states = [State::Working; 2];
    let mut last = 1;
    while let Ok(event) = events.recv() {
        match event {
            Event::Turn(number, position, label) => {
                states[number] = State::Waiting(position);
                bar.set_message(format!("case {position} {label}"));
            }
            Event::Ended(number) => states[number] = State::Ended,
        }
        if let Some(number) = whose(states, last) {
            let answers = &mut sides[number].answers;
            let word = if behind(states, number) { NEXT } else { GO };
            // One that is gone says so by the end of its output.
            let _ = writeln!(answers, "{word}").and_then(|()| answers.flush());
            (states[number], last) = (State::Working, number);
        }
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_behind_goes_on_and_equals_alternate() {
        use State::{Ended, Waiting, Working};
        assert_eq!(whose([Waiting(3), Working], 0), None);
        assert_eq!(
            (whose([Waiting(3), Waiting(3)], 0), whose([Waiting(3), Waiting(3)], 1)),
            (Some(1), Some(0))
        );
        assert_eq!(
            (whose([Waiting(2), Waiting(3)], 0), whose([Waiting(4), Waiting(3)], 1)),
            (Some(0), Some(1))
        );
        assert!(behind([Waiting(2), Waiting(3)], 0) && !behind([Waiting(3), Waiting(3)], 0));
        assert!(!behind([Waiting(3), Ended], 0));
        assert_eq!((whose([Ended, Waiting(1)], 1), whose([Ended, Ended], 1)), (Some(1), None));
    }

    #[test]
    fn a_line_of_a_table_asks_for_nothing() {
        assert_eq!(asked("@turn 12 relu fwd e16"), Some((12, "relu fwd e16".to_owned())));
        assert_eq!(
            (asked("@turn 0"), asked("relu  12 us"), asked("@turn x")),
            (Some((0, String::new())), None, None)
        );
    }
}
