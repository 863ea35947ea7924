//! Ctrl-C and the like: the step under way is finished and what there is saved; a second one ends the program at once.

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What has been caught. When it is dropped, nobody looks any more, and a signal ends the program at once.
#[derive(Debug)]
pub struct Signals {
    caught: Arc<AtomicUsize>,
    /// Whether the next signal ends the program.
    armed: Arc<AtomicBool>,
}

impl Signals {
    /// From now on the first signal is noted, and the second one ends the program.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn watch() -> anyhow::Result<Self> {
        let (caught, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds nothing armed, and arms.
            flag::register_conditional_shutdown(signal, 128 + signal, armed.clone())
                .and_then(|_| flag::register(signal, armed.clone()))
                .and_then(|_| flag::register_usize(signal, caught.clone(), signal.unsigned_abs() as usize))
                .context("signals cannot be caught")?;
        }
        Ok(Self { caught, armed })
    }

    /// The signal that came, if one did.
    pub fn caught(&self) -> Option<u8> {
        Some(self.caught.load(Ordering::Relaxed))
            .filter(|&signal| signal > 0)
            .and_then(|signal| u8::try_from(signal).ok())
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.armed.store(true, Ordering::Relaxed);
    }
}

/// The end of a command by a signal: its exit code is 128 and the signal's number, as a shell's.
#[derive(Debug)]
pub struct Interrupted {
    /// The signal.
    pub signal: u8,
    /// What is printed.
    pub say: String,
}

impl Interrupted {
    /// Of a run in this folder, that can go on.
    pub fn at(signal: u8, folder: &Path) -> Self {
        Self { signal, say: format!("interrupted; go on with --resume {}", folder.display()) }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.say)
    }
}

impl std::error::Error for Interrupted {}
