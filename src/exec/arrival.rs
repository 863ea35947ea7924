//! What a callback of the device gives later, as a future.
//!
//! Under [`block_on`](crate::platform::block_on) it polls the device until it is there. Elsewhere on a machine a thread beside
//! the device does, and wakes who waits; in a browser the callback comes by itself.

use super::poller::Poller;
use crate::error::Result;
use crate::platform::may_wait;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What is between a callback and who waits for it.
#[derive(Debug)]
struct Between<T> {
    shared: Mutex<Shared<T>>,
    /// Told when a value comes, or that none will.
    came: Condvar,
}

#[derive(Debug)]
struct Shared<T> {
    value: Option<T>,
    /// Whether the callback is gone.
    over: bool,
    waker: Option<Waker>,
}

impl<T> Between<T> {
    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callback's end. Dropped without a value, it says that none comes.
#[derive(Debug)]
pub(super) struct Promise<T>(Arc<Between<T>>);

impl<T> Promise<T> {
    pub(super) fn keep(self, value: T) {
        self.0.lock().value = Some(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let waker = {
            let mut shared = self.0.lock();
            shared.over = true;
            shared.waker.take()
        };
        self.0.came.notify_all();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The end of who waits.
#[derive(Debug)]
pub(super) struct Arrival<T> {
    poller: Arc<Poller>,
    between: Arc<Between<T>>,
}

/// A promise of this device, and its arrival.
pub(super) fn promise<T>(poller: &Arc<Poller>) -> (Promise<T>, Arrival<T>) {
    let shared = Mutex::new(Shared { value: None, over: false, waker: None });
    let between = Arc::new(Between { shared, came: Condvar::new() });
    (Promise(between.clone()), Arrival { poller: poller.clone(), between })
}

impl<T> Arrival<T> {
    /// What came, or that nothing will; pending before.
    fn look(&self) -> Poll<Option<T>> {
        let mut shared = self.between.lock();
        match shared.value.take() {
            Some(value) => Poll::Ready(Some(value)),
            None if shared.over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// What came, or `None` where nothing will, after the device was waited for. Then the callback has run, or it runs now on
    /// another thread, which has taken it while it asked the device, too.
    fn after_wait(&self) -> Option<T> {
        let pending = |shared: &mut Shared<T>| shared.value.is_none() && !shared.over;
        let came = self.between.came.wait_while(self.between.lock(), pending);
        came.unwrap_or_else(PoisonError::into_inner).value.take()
    }

    /// As a future; with no context the device is only asked. `None` comes where the callback was dropped.
    pub(super) fn poll_with(&self, context: Option<&mut Context<'_>>) -> Poll<Result<Option<T>>> {
        if let Poll::Ready(value) = self.look() {
            return Poll::Ready(Ok(value));
        }
        // In either call all callbacks run that are due.
        if context.is_some() && may_wait() {
            self.poller.wait(None)?;
            return Poll::Ready(Ok(self.after_wait()));
        }
        self.poller.poll()?;
        match (self.look(), context) {
            (Poll::Ready(value), _) => Poll::Ready(Ok(value)),
            (Poll::Pending, None) => Poll::Pending,
            (Poll::Pending, Some(context)) => {
                let mut shared = self.between.lock();
                // It may have come meanwhile.
                if shared.value.is_none() && !shared.over {
                    shared.waker = Some(context.waker().clone());
                    drop(shared);
                    self.poller.wake(context.waker());
                    return Poll::Pending;
                }
                Poll::Ready(Ok(shared.value.take()))
            }
        }
    }
}

impl<T> Future for Arrival<T> {
    type Output = Result<Option<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(Some(context))
    }
}
