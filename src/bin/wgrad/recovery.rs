//! A device that is lost in the midst of a run: it is opened again, and the run goes on from its last checkpoint.

use crate::device::DeviceArgs;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wgrad::train::Checkpoints;
use wgrad::{Checkpoint, Device};

/// Losses after the same checkpoint that are borne: what is lost again and again does not come further.
const LOSSES: u32 = 3;
/// How often it is tried to open the device: a driver that is reset needs a while.
const TRIES: u32 = 5;
/// The time between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// What a run has lost so far.
#[derive(Debug, Default)]
pub struct Losses {
    /// The checkpoint it went on from the last time.
    from: PathBuf,
    /// How often it has gone on from there.
    count: u32,
}

/// What a run goes on with.
pub struct Found {
    /// A device that works.
    pub device: Device,
    /// The file of the checkpoint.
    pub path: PathBuf,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

impl Losses {
    /// Opens a device instead of one that was lost, and finds the last checkpoint.
    ///
    /// # Errors
    /// When there is no checkpoint, no device opens, or the run has gone on from this checkpoint too often.
    pub fn recover(&mut self, why: &str, checkpoints: &Path, args: &DeviceArgs) -> anyhow::Result<Found> {
        eprintln!("the device was lost: {why}");
        let (path, checkpoint) = Checkpoints::latest(checkpoints, |line| eprintln!("{line}"))
            .context("the device was lost before there was a checkpoint")?;
        self.count = if self.from == path { self.count + 1 } else { 1 };
        self.from.clone_from(&path);
        if self.count > LOSSES {
            bail!("the device was lost {} times after {}", self.count, path.display());
        }
        eprintln!("opening it again, to go on from {}", path.display());
        Ok(Found { device: reopened(args)?, path, checkpoint })
    }
}

/// The device, as soon as it opens.
fn reopened(args: &DeviceArgs) -> anyhow::Result<Device> {
    let mut tries = 1;
    loop {
        let refusal = match args.open() {
            // Days on the reference are not what was asked for.
            Ok(device) if device.is_cpu() => anyhow::anyhow!("no adapter is left"),
            Ok(device) => return Ok(device),
            Err(error) => error,
        };
        if tries == TRIES {
            return Err(refusal.context("the device was lost and does not open again"));
        }
        tries += 1;
        std::thread::sleep(PAUSE);
    }
}
