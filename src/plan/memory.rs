//! Slots: buffers that values take in turn, by liveness.

use super::{BufferId, BufferKind, BufferPlan};

/// Sizes are multiples of this, so that kernels may process whole vec4.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(16)
}

/// Hands out slots; freed ones are used again.
#[derive(Debug, Default)]
pub(super) struct Slots {
    free: Vec<BufferId>,
    /// The sum of all requests, what there would be without reuse.
    pub(super) requested: u64,
}

impl Slots {
    /// The smallest free slot that fits, else the largest free one, grown, else a new one.
    pub(super) fn take(&mut self, buffers: &mut Vec<BufferPlan>, bytes: u64) -> BufferId {
        let bytes = padded(bytes);
        self.requested += bytes;
        let size = |id: &BufferId| buffers[*id].bytes;
        let fitting = self.free.iter().copied().filter(|id| size(id) >= bytes).min_by_key(size);
        let chosen = fitting.or_else(|| self.free.iter().copied().max_by_key(size));
        if let Some(id) = chosen {
            self.free.retain(|&other| other != id);
            buffers[id].bytes = buffers[id].bytes.max(bytes);
            return id;
        }
        buffers.push(BufferPlan { bytes, kind: BufferKind::Slot });
        buffers.len() - 1
    }

    /// Gives a slot back.
    pub(super) fn give(&mut self, id: BufferId) {
        self.free.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_slot_is_used_again_and_grows() {
        let (mut slots, mut buffers) = (Slots::default(), Vec::new());
        let a = slots.take(&mut buffers, 100);
        let b = slots.take(&mut buffers, 1000);
        assert_ne!(a, b);
        slots.give(a);
        slots.give(b);
        assert_eq!(slots.take(&mut buffers, 64), a, "the smallest that fits");
        assert_eq!(slots.take(&mut buffers, 2000), b, "the largest, grown");
        assert_eq!((buffers.len(), buffers[b].bytes, buffers[a].bytes), (2, 2000, 112));
    }
}
