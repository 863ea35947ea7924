//! What differs between a machine and a browser: threads, clocks, waiting, the number of a process. Everything else asks here.
//!
//! A browser has one thread for a page or a worker, and it must go back to its event loop before anything arrives from the
//! device. So what runs side by side on a machine runs one after the other there, and [`block_on`] fails where it would have to
//! wait.

use crate::error::{Error, Result};
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

#[cfg(not(target_family = "wasm"))]
pub(crate) use std::time::{Instant, SystemTime, UNIX_EPOCH};
#[cfg(target_family = "wasm")]
pub(crate) use web_time::{Instant, SystemTime, UNIX_EPOCH};

/// Whether this is a browser.
pub(crate) const BROWSER: bool = cfg!(target_family = "wasm");

/// How many threads can work at a time.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// A number that no other process has that runs now; 0 in a browser.
pub(crate) fn process() -> u32 {
    if BROWSER { 0 } else { std::process::id() }
}

/// Does each job on a thread of its own, in a browser one after the other. Gives what they made, in their order, or what a
/// job panicked with.
pub(crate) fn each<T: Send, J: FnOnce() -> T + Send>(
    jobs: impl Iterator<Item = J>,
) -> Vec<thread::Result<T>> {
    if BROWSER {
        return jobs.map(|job| Ok(job())).collect();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = jobs.map(|job| scope.spawn(job)).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    })
}

/// As [`each`]; a panic goes on in the caller.
pub(crate) fn all<T: Send, J: FnOnce() -> T + Send>(jobs: impl Iterator<Item = J>) -> Vec<T> {
    each(jobs).into_iter().map(|made| made.unwrap_or_else(|panic| resume_unwind(panic))).collect()
}

/// Does the work here while another thread is at what is `aside`; in a browser nobody is.
pub(crate) fn beside<T>(aside: Option<impl FnOnce() + Send>, work: impl FnOnce() -> T) -> T {
    match aside {
        Some(aside) if !BROWSER => thread::scope(|scope| {
            scope.spawn(aside);
            work()
        }),
        _ => work(),
    }
}

/// Work that goes on beside the caller's; in a browser it is done already.
#[derive(Debug)]
pub(crate) struct Task<T>(Work<T>);

#[derive(Debug)]
enum Work<T> {
    Thread(thread::JoinHandle<T>),
    Done(T),
}

/// Begins work beside the caller's; in a browser does it now.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Task(if BROWSER { Work::Done(work()) } else { Work::Thread(thread::spawn(work)) })
}

impl<T> Task<T> {
    /// Waits for it: what it made, or what it panicked with.
    pub(crate) fn join(self) -> thread::Result<T> {
        match self.0 {
            Work::Thread(thread) => thread.join(),
            Work::Done(value) => Ok(value),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod waiting {
    use std::cell::Cell;

    thread_local!(static WAITS: Cell<bool> = const { Cell::new(false) });

    /// While it lives, futures polled on this thread wait for the device.
    pub(super) struct Waits(bool);

    impl Waits {
        pub(super) fn begin() -> Self {
            Self(WAITS.replace(true))
        }
    }

    impl Drop for Waits {
        fn drop(&mut self) {
            WAITS.set(self.0);
        }
    }

    pub(super) fn now() -> bool {
        WAITS.get()
    }
}

/// Whether the future that asks is polled by [`block_on`]: then it waits for the device by itself, without anybody to wake it.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn may_wait() -> bool {
    waiting::now()
}

/// Never.
#[cfg(target_family = "wasm")]
pub(crate) fn may_wait() -> bool {
    false
}

/// Runs a future to its end on this thread. In a browser only what needs no waiting ends; for the rest the error names what to
/// call `instead`.
pub(crate) fn block_on<T>(instead: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    #[cfg(not(target_family = "wasm"))]
    let _waits = waiting::Waits::begin();
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => rest(instead, future),
    }
}

#[cfg(not(target_family = "wasm"))]
fn rest<T>(_instead: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    pollster::block_on(future)
}

#[cfg(target_family = "wasm")]
fn rest<T>(instead: &str, _future: impl Future<Output = Result<T>>) -> Result<T> {
    Err(would_wait(instead))
}

/// What a call says that would have to wait in a browser.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "a machine waits"))]
fn would_wait(instead: &str) -> Error {
    Error::device(format!("{instead}, since a browser does not wait"), "a call that waits for the device")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn jobs_give_their_results_in_order_and_their_panics() {
        assert_eq!(all((0..9).map(|i| move || i * i)), [0, 1, 4, 9, 16, 25, 36, 49, 64]);
        let jobs = (0..3).map(|i| move || assert_ne!(i, 1, "a job that panics"));
        assert_eq!(each(jobs).iter().map(|done| done.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(spawn(|| 5).join().unwrap(), 5);
        assert!(spawn(|| assert_eq!(1, 2)).join().is_err());
        assert!(process() > 0 && cores() > 0);
    }

    #[test]
    fn a_future_knows_whether_it_is_waited_for() {
        assert!(!may_wait());
        let (inner, outer) = (AtomicBool::new(false), AtomicBool::new(false));
        let nested = async {
            block_on("", async {
                inner.store(may_wait(), Ordering::Relaxed);
                Ok(())
            })?;
            outer.store(may_wait(), Ordering::Relaxed);
            Ok(7)
        };
        assert_eq!(block_on("", nested).unwrap(), 7);
        assert!(inner.into_inner() && outer.into_inner() && !may_wait());
    }

    /// What is woken later from another thread is waited for.
    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        let ready = std::sync::Arc::new(AtomicBool::new(false));
        let future = std::future::poll_fn(|context: &mut Context<'_>| {
            if ready.load(Ordering::Acquire) {
                return Poll::Ready(Ok(3));
            }
            let (ready, waker) = (ready.clone(), context.waker().clone());
            drop(spawn(move || {
                ready.store(true, Ordering::Release);
                waker.wake();
            }));
            Poll::Pending
        });
        assert_eq!(block_on("", future).unwrap(), 3);
    }
}
