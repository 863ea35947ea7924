//! What looks between the bursts of a benchmark: a reference kernel, or, where another build is measured side by
//! side, whoever says whose turn it is (`versus.rs`).
//!
//! A process that is measured interleaved writes a line `@turn POSITION LABEL` and works on when a line comes back: `go`,
//! or `next` where the other side is done with this case.

use super::session::Session;
use std::io::{BufRead, Write};
use wgrad::bench::measure::Watch;
use wgrad::bench::sentinel::Sentinel;
use wgrad::exec::Stopwatch;

/// The word that begins a line which asks for a turn.
pub const TURN: &str = "@turn";
/// The answers.
pub const GO: &str = "go";
pub const NEXT: &str = "next";

/// Looks between bursts.
pub enum Watcher {
    /// A reference kernel tells whether the device is as fast as it can be.
    Sentinel(Box<Sentinel>),
    /// The device may be busy, but it is as busy for both sides.
    Interleaved(Interleaved),
}

impl Watcher {
    /// For this session's device.
    pub fn new(session: &Session) -> anyhow::Result<Self> {
        Ok(match session.beside() {
            Some(_) => Watcher::Interleaved(Interleaved::default()),
            None => Watcher::Sentinel(Box::new(Sentinel::new(&session.device, &session.stopwatch)?)),
        })
    }

    /// As [`Sentinel::levels`].
    pub fn levels(&self) -> [f64; 2] {
        match self {
            Watcher::Sentinel(sentinel) => sentinel.levels(),
            Watcher::Interleaved(_) => [1.0; 2],
        }
    }

    /// What follows belongs to another case.
    pub fn next(&mut self, label: String) {
        if let Watcher::Interleaved(other) = self {
            (other.position, other.label) = (other.position + 1, label);
            other.wait();
        }
    }
}

impl Watch for Watcher {
    async fn look(&mut self, stopwatch: &Stopwatch) -> wgrad::Result<f64> {
        match self {
            Watcher::Sentinel(sentinel) => sentinel.look(stopwatch).await,
            Watcher::Interleaved(other) => {
                other.wait();
                Ok(1.0)
            }
        }
    }

    fn hurries(&self) -> bool {
        matches!(self, Watcher::Interleaved(other) if other.behind)
    }
}

/// One of two interleaved processes: it waits for its turn.
#[derive(Default)]
pub struct Interleaved {
    /// Cases begun.
    position: u64,
    label: String,
    /// The other side is at a later case.
    behind: bool,
}

impl Interleaved {
    /// Waits for a turn. When nobody answers, the benchmark ends with what it has.
    pub fn wait(&mut self) {
        let mut line = String::new();
        let mut out = std::io::stdout().lock();
        let asked = writeln!(out, "{TURN} {} {}", self.position, self.label).and_then(|()| out.flush());
        let answered = asked.and_then(|()| std::io::stdin().lock().read_line(&mut line));
        if !matches!(answered, Ok(count) if count > 0) {
            super::session::stop();
        }
        self.behind = line.trim() == NEXT;
    }
}
