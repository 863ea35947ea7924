//! Who asks a device whether it is done: the host, or where it does not wait, a thread that is begun for the first future that
//! is not there yet. In a browser the device calls back by itself.

use crate::error::{Error, Result};
use crate::platform::{BROWSER, spawn};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::task::Waker;

/// Lets the callbacks of a device run.
#[derive(Debug)]
pub(super) struct Poller {
    device: wgpu::Device,
    /// The adapter's, for errors.
    name: String,
    thread: OnceLock<Sender<Waker>>,
}

impl Poller {
    pub(super) fn new(device: &wgpu::Device, name: String) -> Self {
        Self { device: device.clone(), name, thread: OnceLock::new() }
    }

    /// Lets callbacks run that are due.
    pub(super) fn poll(&self) -> Result<()> {
        self.ask(wgpu::PollType::Poll, "to work")
    }

    /// Waits for a submission, or for all of them, and lets their callbacks run; for where that may be, which is never in a
    /// browser.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.ask(wgpu::PollType::Wait { submission_index: submission, timeout: None }, "to finish")
    }

    fn ask(&self, how: wgpu::PollType, to: &str) -> Result<()> {
        let asked = self.device.poll(how);
        asked.map(drop).map_err(|e| Error::device(format!("{} {to}", self.name), e.to_string()))
    }

    /// Wakes this one when the device has done what it has by now, or failed.
    pub(super) fn wake(&self, waker: &Waker) {
        if BROWSER {
            return;
        }
        let begin = || {
            let (sender, receiver) = channel::<Waker>();
            let device = self.device.clone();
            // It ends with the sender, which is this one's.
            drop(spawn(move || {
                while let Ok(first) = receiver.recv() {
                    let all: Vec<Waker> = std::iter::once(first).chain(receiver.try_iter()).collect();
                    // Who is woken asks the device itself and meets what failed.
                    let _ = device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None });
                    all.into_iter().for_each(Waker::wake);
                }
            }));
            sender
        };
        // The thread lives as long as there is a sender.
        if self.thread.get_or_init(begin).send(waker.clone()).is_err() {
            waker.wake_by_ref();
        }
    }
}
