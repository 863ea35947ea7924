//! Asking drivers in processes of their own: one that crashes or hangs there is named, and ends nothing else.

use crate::quiet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a line begins with that names what is done next.
pub const BEGAN: &str = "began ";
/// What the line begins with that holds the answer.
pub const FOUND: &str = "found ";

/// What came of a question.
#[derive(Debug)]
pub struct Heard {
    /// The answer, or why there is none.
    pub answer: Result<String, String>,
    /// What was said on standard error: by drivers, for the most part.
    pub said: Vec<String>,
}

/// This program, told to answer a question on standard output: lines `began WHAT`, and one `found ANSWER`.
///
/// # Errors
/// When it does not know where it is.
pub fn this_program(words: &[String]) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))?;
    let mut command = Command::new(program);
    // A failing driver's words are wanted here.
    quiet::set_here().iter().filter(|name| **name != "XDG_RUNTIME_DIR").for_each(|name| {
        command.env_remove(name);
    });
    command.args(words).env(quiet::SHOW, "1");
    Ok(command)
}

/// Runs a command and hears what it says; one that takes longer than `patience` is ended.
pub fn ask(command: &mut Command, patience: Duration) -> Heard {
    let silent = |reason: String| Heard { answer: Err(reason), said: Vec::new() };
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return silent(format!("it does not start: {error}")),
    };
    let printed = child.stdout.take().map(lines);
    let said = child.stderr.take().map(lines);
    let ended = wait(&mut child, patience);
    // What a driver started may hold the pipes open; after the end of the process its words are all there soon.
    let text = |reader: Option<JoinHandle<Vec<String>>>| {
        let reader = reader.filter(|reader| finished(reader, Duration::from_secs(2)));
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    let (printed, mut said) = (text(printed), text(said));
    let last = |start: &str| printed.iter().rev().find_map(|line| line.strip_prefix(start));
    let during = last(BEGAN).map_or_else(String::new, |what| format!(", in {what}"));
    let own = said.iter().rposition(|line| line.starts_with("error: ")).map(|place| said.remove(place));
    let answer = match (ended, last(FOUND)) {
        (Ok(status), Some(found)) if status.success() => Ok(found.to_owned()),
        (Ok(status), _) => Err(own.map_or_else(
            || format!("its process ended with {}{during}: its driver crashed", how(status)),
            |line| line.trim_start_matches("error: ").to_owned(),
        )),
        (Err(reason), _) => Err(format!("{reason}{during}")),
    };
    Heard { answer, said }
}

/// The lines of a pipe, read as they come.
fn lines(pipe: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    let read = move || {
        let lines = BufReader::new(pipe).split(b'\n').map_while(Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned()).collect()
    };
    thread::spawn(read)
}

fn finished(reader: &JoinHandle<Vec<String>>, patience: Duration) -> bool {
    let start = Instant::now();
    while !reader.is_finished() && start.elapsed() < patience {
        thread::sleep(Duration::from_millis(5));
    }
    reader.is_finished()
}

/// How it ended, or that it had to be ended.
fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus, String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() > patience => {
                // It may have ended by now, which is as well.
                let _ = child.kill().and_then(|()| child.wait());
                return Err(format!("no answer for {} s", patience.as_secs_f64()));
            }
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(format!("nothing is known of its process: {error}")),
        }
    }
}

/// A signal or an exit code.
fn how(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let name = [(4, "SIGILL"), (6, "SIGABRT"), (8, "SIGFPE"), (9, "SIGKILL"), (11, "SIGSEGV")];
        let name =
            name.into_iter().find(|(number, _)| *number == signal).map(|(_, name)| format!(" ({name})"));
        return format!("signal {signal}{}", name.unwrap_or_default());
    }
    status.code().map_or_else(|| "no code".to_owned(), |code| format!("code {code}"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Heard {
        ask(Command::new("sh").args(["-c", script]), Duration::from_millis(400))
    }

    #[test]
    fn answers_are_heard_and_crashes_and_hangs_are_named() {
        let heard = shell("echo began this; echo found it; echo 'a driver: hm' >&2");
        assert_eq!((heard.answer.as_deref(), heard.said), (Ok("it"), vec!["a driver: hm".to_owned()]));
        for (script, expected) in [
            (
                "echo began conv2d; kill -SEGV $$",
                "its process ended with signal 11 (SIGSEGV), in conv2d: its driver crashed",
            ),
            ("exit 7", "its process ended with code 7: its driver crashed"),
            ("echo half a word", "its process ended with code 0: its driver crashed"),
            ("echo hm >&2; echo 'error: no such adapter' >&2; exit 1", "no such adapter"),
            ("echo began relu; exec sleep 100", "no answer for 0.4 s, in relu"),
        ] {
            assert_eq!(shell(script).answer, Err(expected.to_owned()), "{script}");
        }
        let nothing = ask(&mut Command::new("/no/such/program"), Duration::from_secs(1)).answer.unwrap_err();
        assert!(nothing.starts_with("it does not start: "), "{nothing}");
    }
}
