//! Slots: buffers that values share, one after the other and side by side, by liveness.

use super::BufferId;
use super::stream::as_they_come;
use crate::random::Rng;
use std::cmp::Reverse;

/// Sizes are multiples of this, so that kernels may process whole vec4.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(16)
}

/// The last step of what outlives the run.
pub(super) const END: usize = usize::MAX;

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
    /// Its first byte there.
    pub offset: u64,
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

/// Where a life lies: a slot, and its first byte there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spot {
    pub(super) slot: usize,
    pub(super) offset: u64,
}

/// What lives must keep to besides being alone where they are while they last.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// For each life, those that must lie in other slots: a kernel may not write into a buffer that it also reads.
    pub(super) conflicts: Vec<Vec<usize>>,
    /// Whether a life must lie at the start of its slot.
    pub(super) first: Vec<bool>,
    /// What offsets are multiples of.
    pub(super) alignment: u64,
    /// The largest slot, unless a life is larger.
    pub(super) largest: u64,
}

/// Bytes of all slots.
pub(super) fn total((_, sizes): &Placed) -> u64 {
    sizes.iter().sum()
}

/// Gives every life a range of a slot, so that no two overlap in time and memory: in the best of some orders,
/// improved by trials that are the same every time. Of many lives each is looked at once.
pub(super) fn assign(lives: &[Life], rules: &Rules) -> Placed {
    if lives.len() > MANY {
        return as_they_come(lives, rules);
    }
    let sorted = |key: &Order| {
        let mut order: Vec<usize> = (0..lives.len()).collect();
        order.sort_by_key(|&i| key(&lives[i]));
        let placed = in_order(lives, &order, rules);
        (order, placed)
    };
    let orders = ORDERS.iter().map(sorted);
    let (mut order, mut best) = orders.min_by_key(|(_, placed)| total(placed)).unwrap_or_default();
    let steps = lives.iter().map(|life| life.last + 1).max().unwrap_or(0);
    let least = alive(lives, steps).into_iter().max().unwrap_or(0);
    let mut rng = Rng::new(0);
    for _ in 0..TRIALS.min(TRIAL_WORK / (lives.len() * lives.len()).max(1)) {
        if total(&best) == least {
            break;
        }
        let mut other = order.clone();
        let life = other.remove(rng.below(order.len()));
        other.insert(rng.below(order.len()), life);
        let placed = in_order(lives, &other, rules);
        if total(&placed) <= total(&best) {
            (order, best) = (other, placed);
        }
    }
    best
}

/// Lives of at most so many bytes lie with their like: a row's loss that waits for the backward pass would cut a gap of
/// megabytes in two.
const SMALL: u64 = 1 << 10;

fn small(life: &Life) -> bool {
    life.bytes <= SMALL
}

/// Lives from which looking at every pair of them takes too long: 2048 take up to 0.2 s.
const MANY: usize = 2048;

/// How many times one life is moved to another position in the order, which is kept unless it is worse: on the networks of
/// `wgrad bench train` 500 trials gain 1 to 6 % and 5000 another 1 to 4 %. Of the largest, planned fused and unfused, 1000 take
/// 4 % more of
/// `wgrad explain` than 500 (1.64 s for 1.57).
const TRIALS: usize = 1000;
/// The most pairs of lives that the trials may look at, so that they stay quick for long programs.
const TRIAL_WORK: usize = 1 << 24;

/// The range of each life, and the size of each slot.
pub(super) type Placed = (Vec<Spot>, Vec<u64>);

/// Slots while they are filled: the size, and the lives in it.
type Slots = Vec<(u64, Vec<usize>)>;

/// Each life, in order, takes the free range by which a slot grows least, of those the tightest; or a
/// new slot.
fn in_order(lives: &[Life], order: &[usize], rules: &Rules) -> Placed {
    let mut slots = Slots::new();
    let mut spots: Vec<Option<Spot>> = vec![None; lives.len()];
    for &i in order {
        let mut best: Option<((u64, u64), Spot)> = None;
        let slot_of = |j: &usize| spots[*j].map(|spot: Spot| spot.slot);
        for (slot, (size, held)) in slots.iter().enumerate() {
            let alike = held.first().is_none_or(|&j| small(&lives[j]) == small(&lives[i]));
            if !alike || rules.conflicts[i].iter().any(|j| slot_of(j) == Some(slot)) {
                continue;
            }
            let busy = held.iter().filter(|&&j| lives[j].overlaps(&lives[i]));
            let busy = busy.filter_map(|&j| spots[j].map(|spot| (spot.offset, spot.offset + lives[j].bytes)));
            let (offset, room) = gap(busy.collect(), lives[i].bytes, rules.alignment);
            let end = offset + lives[i].bytes;
            if offset > 0 && (rules.first[i] || end > rules.largest) {
                continue;
            }
            let cost = (end.saturating_sub(*size), room.unwrap_or(*size).saturating_sub(end));
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, Spot { slot, offset }));
            }
        }
        // Growing a slot by as much is no better than a slot of its own.
        let spot = best.filter(|((growth, _), _)| *growth < lives[i].bytes).map_or_else(
            || {
                slots.push((0, Vec::new()));
                Spot { slot: slots.len() - 1, offset: 0 }
            },
            |(_, spot)| spot,
        );
        let (size, held) = &mut slots[spot.slot];
        *size = (*size).max(spot.offset + lives[i].bytes);
        held.push(i);
        spots[i] = Some(spot);
    }
    let spots = spots.into_iter().map(Option::unwrap_or_default).collect();
    (spots, slots.into_iter().map(|(bytes, _)| bytes).collect())
}

/// The tightest gap between busy ranges that holds so many bytes: where it begins, and where it ends unless it is
/// behind all of them.
fn gap(mut busy: Vec<(u64, u64)>, bytes: u64, alignment: u64) -> (u64, Option<u64>) {
    busy.sort_unstable();
    let (mut at, mut best) = (0, None);
    for (begin, end) in busy {
        let tighter = best.is_none_or(|(from, to): (u64, u64)| begin - at.min(begin) < to - from);
        if at + bytes <= begin && tighter {
            best = Some((at, begin));
        }
        at = at.max(end.next_multiple_of(alignment));
    }
    best.map_or((at, None), |(from, to)| (from, Some(to)))
}

/// What is alive at each step, in bytes.
pub(super) fn alive(lives: &[Life], steps: usize) -> Vec<u64> {
    let mut begins = vec![0; steps + 1];
    let mut ends = vec![0; steps + 1];
    for life in lives.iter().filter(|life| life.first <= life.last) {
        begins[life.first.min(steps)] += life.bytes;
        ends[life.last.min(steps)] += life.bytes;
    }
    let mut alive = 0;
    let at = |step: usize| {
        alive += begins[step];
        let now = alive;
        alive -= ends[step];
        now
    };
    (0..steps).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(bytes: u64, first: usize, last: usize) -> Life {
        Life { what: String::new(), bytes, first, last, buffer: 0, offset: 0 }
    }

    fn free(count: usize) -> Rules {
        let (conflicts, first) = (vec![Vec::new(); count], vec![false; count]);
        Rules { conflicts, first, alignment: 256, largest: u64::MAX }
    }

    /// No two lives that overlap in time do in place, and all lie inside.
    fn check(lives: &[Life], spots: &[Spot], sizes: &[u64]) {
        for (i, (a, at)) in lives.iter().zip(spots).enumerate() {
            assert!(at.offset.is_multiple_of(256) && at.offset + a.bytes <= sizes[at.slot], "{i}");
            for (j, (b, other)) in lives.iter().zip(spots).enumerate().take(i) {
                let shared = at.slot == other.slot
                    && at.offset < other.offset + b.bytes
                    && other.offset < at.offset + a.bytes;
                assert!(!shared || !a.overlaps(b), "{j} and {i} overlap");
            }
        }
    }

    #[test]
    fn lives_that_do_not_overlap_share_a_slot_and_others_do_not() {
        let lives = [life(100, 0, 1), life(1000, 1, 2), life(64, 2, 3), life(800, 3, 4), life(800, 4, 4)];
        let (spots, sizes) = assign(&lives, &free(5));
        check(&lives, &spots, &sizes);
        assert_eq!(spots[1].slot, spots[3].slot, "the large ones take iterations");
        assert_eq!(alive(&lives, 5), [100, 1100, 1064, 864, 1600]);
        assert_eq!(sizes.iter().sum::<u64>(), 1000 + 800 + 100 - 100);
    }

    #[test]
    fn gaps_hold_what_lies_in_them() {
        let busy = || vec![(1024, 1280), (0, 256), (1536, 2000)];
        assert_eq!(gap(busy(), 256, 256), (1280, Some(1536)), "the tightest");
        assert_eq!(gap(busy(), 257, 256), (256, Some(1024)));
        assert_eq!(gap(busy(), 769, 256), (2048, None), "behind all, aligned");
        assert_eq!(gap(vec![(512, 700)], 512, 256), (0, Some(512)));
        assert_eq!(gap(vec![], 8, 256), (0, None));
    }

    #[test]
    fn several_lie_side_by_side_where_a_larger_one_was() {
        let lives = [life(1024, 0, 0), life(512, 1, 3), life(256, 1, 1), life(256, 2, 3), life(250, 1, 3)];
        let (spots, sizes) = assign(&lives, &free(5));
        check(&lives, &spots, &sizes);
        assert_eq!(sizes, [1024]);
        // What a kernel reads and what it writes keep apart, and what must begin a slot does.
        let mut rules = free(5);
        (rules.conflicts[1], rules.conflicts[2], rules.first[4]) = (vec![2], vec![1], true);
        let (spots, sizes) = assign(&lives, &rules);
        check(&lives, &spots, &sizes);
        assert_ne!(spots[1].slot, spots[2].slot);
        assert_eq!(spots[4].offset, 0);
        // A slot grows to its limit only.
        let (spots, sizes) = assign(&lives[1..], &Rules { largest: 512, ..free(4) });
        check(&lives[1..], &spots, &sizes);
        assert!(sizes.iter().all(|size| *size <= 512), "{sizes:?}");
    }
}
