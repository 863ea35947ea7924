//! Blocks of an output computed side by side; which thread computes a block changes nothing in it.

use std::thread;

/// Calls `fill(block, values)` for each block of `length` elements of `data`.
pub(super) fn blocks(data: &mut [f64], length: usize, fill: impl Fn(usize, &mut [f64]) + Sync) {
    let count = data.len() / length.max(1);
    let threads = thread::available_parallelism().map_or(1, |n| n.get()).min(count.max(1));
    let share = count.div_ceil(threads).max(1);
    let fill = &fill;
    thread::scope(|scope| {
        for (part, values) in data.chunks_mut(share * length).enumerate() {
            scope.spawn(move || {
                for (i, block) in values.chunks_mut(length).enumerate() {
                    fill(part * share + i, block);
                }
            });
        }
    });
}
