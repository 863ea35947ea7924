//! Blocks of an output computed side by side; which thread computes a block changes nothing in it.

use crate::platform::{all, cores};

/// Calls `fill(block, values)` for each block of `length` elements of `data`.
pub(super) fn blocks(data: &mut [f64], length: usize, fill: impl Fn(usize, &mut [f64]) + Sync) {
    let count = data.len() / length.max(1);
    let share = count.div_ceil(cores().min(count.max(1))).max(1);
    let fill = &fill;
    all(data.chunks_mut(share * length).enumerate().map(|(part, values)| {
        move || {
            for (i, block) in values.chunks_mut(length).enumerate() {
                fill(part * share + i, block);
            }
        }
    }));
}
