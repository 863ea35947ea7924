//! An executor that knows nothing of a device.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes a thread that sleeps, and counts.
struct Bell(Thread, AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

/// Runs a future: sleeps until it is woken, and gives up where nobody does that. With how often it was polled.
pub fn run<T>(future: impl Future<Output = T>) -> (T, usize) {
    let bell = Arc::new(Bell(thread::current(), AtomicUsize::new(0)));
    let waker = Waker::from(bell.clone());
    let (mut future, mut polls) = (pin!(future), 0);
    loop {
        let woken = bell.1.load(Ordering::Relaxed);
        polls += 1;
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return (value, polls);
        }
        for _ in 0..600 {
            if bell.1.load(Ordering::Relaxed) > woken {
                break;
            }
            thread::park_timeout(Duration::from_millis(100));
        }
        assert!(bell.1.load(Ordering::Relaxed) > woken, "nobody woke the future");
    }
}
