//! Slots: buffers that values take in turn, by liveness.

use super::BufferId;
use std::cmp::Reverse;

/// Sizes are multiples of this, so that kernels may process whole vec4.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(16)
}

/// A value or scratch memory, and how long it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// What it is, in words.
    pub what: String,
    /// Its size.
    pub bytes: u64,
    /// The step that writes it first.
    pub first: usize,
    /// The last step that needs it.
    pub last: usize,
    /// The buffer it lies in.
    pub buffer: BufferId,
}

impl Life {
    fn steps(&self) -> u64 {
        (self.last + 1 - self.first) as u64
    }

    fn overlaps(&self, other: &Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// An order in which lives choose their slots.
type Order = fn(&Life) -> (Reverse<u64>, usize);

/// Orders of which the best is taken: the largest first, which is the greedy order of Pisarchyk and Lee,
/// "Efficient memory management for deep neural net inference" (2020); the largest by size and time; as they
/// begin; the longest first.
const ORDERS: [Order; 4] = [
    |life| (Reverse(life.bytes), life.first),
    |life| (Reverse(life.bytes * life.steps()), life.first),
    |life| (Reverse(0), life.first),
    |life| (Reverse(life.steps()), life.first),
];

/// Gives every life a slot, so that no two that overlap share one. Returns the slot of each life and the size of
/// each slot. Random changes to the order, tried by the hundred, gain another 1 % at most.
pub(super) fn assign(lives: &[Life]) -> (Vec<usize>, Vec<u64>) {
    let sorted = |key: &Order| {
        let mut order: Vec<usize> = (0..lives.len()).collect();
        order.sort_by_key(|&i| key(&lives[i]));
        in_order(lives, &order)
    };
    ORDERS.iter().map(sorted).min_by_key(|(_, sizes)| sizes.iter().sum::<u64>()).unwrap_or_default()
}

/// Each life in turn takes the slot, free for all its life, that grows least by it, of those the smallest; or a
/// new one.
fn in_order(lives: &[Life], order: &[usize]) -> (Vec<usize>, Vec<u64>) {
    let mut slots: Vec<(u64, Vec<usize>)> = Vec::new();
    let mut slot_of = vec![0; lives.len()];
    for &i in order {
        let free = |held: &[usize]| held.iter().all(|&other| !lives[other].overlaps(&lives[i]));
        let fits = slots.iter().enumerate().filter(|(_, (_, held))| free(held));
        let growth = |bytes: u64| lives[i].bytes.saturating_sub(bytes);
        let best = fits.min_by_key(|(_, (bytes, _))| (growth(*bytes), *bytes)).map(|(slot, _)| slot);
        slot_of[i] = best.unwrap_or_else(|| {
            slots.push((0, Vec::new()));
            slots.len() - 1
        });
        let (bytes, held) = &mut slots[slot_of[i]];
        *bytes = (*bytes).max(lives[i].bytes);
        held.push(i);
    }
    (slot_of, slots.into_iter().map(|(bytes, _)| bytes).collect())
}

/// What is alive at each step, in bytes.
pub(super) fn alive(lives: &[Life], steps: usize) -> Vec<u64> {
    let at = |step: usize| lives.iter().filter(move |l| (l.first..=l.last).contains(&step));
    (0..steps).map(|step| at(step).map(|l| l.bytes).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(bytes: u64, first: usize, last: usize) -> Life {
        Life { what: String::new(), bytes, first, last, buffer: 0 }
    }

    #[test]
    fn lives_that_do_not_overlap_share_a_slot_and_others_do_not() {
        let lives = [life(100, 0, 1), life(1000, 1, 2), life(64, 2, 3), life(800, 3, 4), life(800, 4, 4)];
        let (slot_of, sizes) = assign(&lives);
        for (i, a) in lives.iter().enumerate() {
            for (j, b) in lives.iter().enumerate().take(i) {
                assert!(slot_of[i] != slot_of[j] || !a.overlaps(b), "{j} and {i} lie in one slot");
            }
            assert!(sizes[slot_of[i]] >= a.bytes);
        }
        assert_eq!(slot_of[1], slot_of[3], "the large ones take turns");
        assert_eq!(alive(&lives, 5), [100, 1100, 1064, 864, 1600]);
        assert_eq!(sizes.iter().sum::<u64>(), 1000 + 800 + 100 - 100);
    }
}
