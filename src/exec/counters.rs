//! What the host asked of a device, counted where it is asked: numbers that do not depend on its speed.

use std::fmt;
use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),*) => {
        /// Work asked of a device since it was opened. The difference of two snapshots is what lies between.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: u64),* }

        #[derive(Debug, Default)]
        pub(super) struct Tally { $(pub(super) $name: AtomicU64),* }

        impl Tally {
            pub(super) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed)),* }
            }

            pub(super) fn clear(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)*
            }
        }

        impl Sub for Counters {
            type Output = Counters;
            fn sub(self, before: Counters) -> Counters {
                Counters { $($name: self.$name - before.$name),* }
            }
        }

        impl fmt::Display for Counters {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let parts = [$(format!("{} {}", stringify!($name), self.$name)),*];
                f.write_str(&parts.join(", "))
            }
        }
    };
}

counters! {
    /// Command buffers handed to the queue.
    submits,
    /// Compute passes encoded.
    passes,
    /// Kernel launches encoded.
    dispatches,
    /// Buffer copies encoded, those of readbacks too.
    copies,
    /// Pipelines compiled.
    pipelines,
    /// Buffers made, also those that hold what is uploaded or read back.
    buffers,
    /// Bind groups made.
    bind_groups,
    /// Bytes of device memory asked for, without staging memory.
    allocated,
    /// Bytes written from the host.
    uploaded,
    /// Bytes read back to the host.
    read_back
}

/// Adds to one counter.
pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
