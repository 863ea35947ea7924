//! Slots for long programs: each life, as it begins, takes the tightest range that is free by then.
//!
//! Where [`super::memory::assign`] looks at pairs of lives, this looks at each when it begins and when it ends, and what
//! is free is kept in order.

use super::memory::{Life, Placed, Rules, Spot, total};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Free ranges that are tried for a life, if it must keep apart from what shares their slots.
const TRIES: usize = 32;

/// Gives every life a range of a slot, so that no two overlap in time and memory: as they begin or, where that takes less,
/// from the end of the program to its start, as they end.
pub(super) fn as_they_come(lives: &[Life], rules: &Rules) -> Placed {
    let spans: Vec<(usize, usize)> = lives.iter().map(|life| (life.first, life.last)).collect();
    let end = spans.iter().map(|span| span.1).max().unwrap_or(0);
    let back: Vec<(usize, usize)> = spans.iter().map(|(first, last)| (end - last, end - first)).collect();
    let (forth, back) = (placed(lives, &spans, rules), placed(lives, &back, rules));
    if total(&back) < total(&forth) { back } else { forth }
}

/// As [`as_they_come`], for lives from one step to another.
fn placed(lives: &[Life], spans: &[(usize, usize)], rules: &Rules) -> Placed {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|&i| (spans[i].0, Reverse(lives[i].bytes)));
    let mut slots = Slots { alignment: rules.alignment.max(1), largest: rules.largest, ..Slots::default() };
    let mut spots: Vec<Option<Spot>> = vec![None; lives.len()];
    let mut ends: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    for i in order {
        while let Some(&Reverse((last, over))) = ends.peek()
            && last < spans[i].0
        {
            ends.pop();
            if let Some(spot) = spots[over] {
                slots.give(spot, lives[over].bytes);
            }
        }
        let conflicts: Vec<usize> =
            rules.conflicts[i].iter().filter_map(|&j| spots[j].map(|s| s.slot)).collect();
        spots[i] = Some(slots.take(lives[i].bytes, rules.first[i], &conflicts));
        ends.push(Reverse((spans[i].1, i)));
    }
    (spots.into_iter().map(Option::unwrap_or_default).collect(), slots.sizes)
}

/// Slots and what is free in them. Ranges begin and end at multiples of the alignment.
#[derive(Debug, Default)]
struct Slots {
    alignment: u64,
    largest: u64,
    /// Bytes of each slot that are ever used.
    sizes: Vec<u64>,
    /// The end of each slot's last range.
    extents: Vec<u64>,
    /// The free ranges of each slot: where they begin and end.
    free: Vec<BTreeMap<u64, u64>>,
    /// All of them by length: length, slot and begin.
    by_length: BTreeSet<(u64, usize, u64)>,
    /// Those that end a slot.
    tails: BTreeSet<(u64, usize, u64)>,
}

impl Slots {
    /// A range of so many bytes, at the start of a slot where `first`, in none of the slots `conflicts`: the tightest that
    /// is free; else the end of the slot that grows least; else a new slot.
    fn take(&mut self, bytes: u64, first: bool, conflicts: &[usize]) -> Spot {
        let length = bytes.max(1).next_multiple_of(self.alignment);
        let suits = |&&(_, slot, begin): &&(u64, usize, u64)| {
            !conflicts.contains(&slot) && (begin == 0 || !first && begin + bytes <= self.largest)
        };
        let tightest = self.by_length.range((length, 0, 0)..).take(TRIES).find(suits).copied();
        let found = tightest.or_else(|| self.tails.iter().rev().take(TRIES).find(suits).copied());
        let Some((free, slot, begin)) = found else {
            self.sizes.push(bytes);
            self.extents.push(length);
            self.free.push(BTreeMap::new());
            return Spot { slot: self.sizes.len() - 1, offset: 0 };
        };
        self.remove(slot, begin, begin + free);
        self.sizes[slot] = self.sizes[slot].max(begin + bytes);
        self.extents[slot] = self.extents[slot].max(begin + length);
        if free > length {
            self.insert(slot, begin + length, begin + free);
        }
        Spot { slot, offset: begin }
    }

    /// The range is free again, and one with its free neighbours.
    fn give(&mut self, spot: Spot, bytes: u64) {
        let slot = spot.slot;
        let mut begin = spot.offset;
        let mut end = begin + bytes.max(1).next_multiple_of(self.alignment);
        let before = self.free[slot].range(..begin).next_back().map(|(&b, &e)| (b, e));
        if let Some((from, to)) = before.filter(|&(_, to)| to == begin) {
            self.remove(slot, from, to);
            begin = from;
        }
        if let Some(to) = self.free[slot].get(&end).copied() {
            self.remove(slot, end, to);
            end = to;
        }
        self.insert(slot, begin, end);
    }

    fn insert(&mut self, slot: usize, begin: u64, end: u64) {
        self.free[slot].insert(begin, end);
        self.by_length.insert((end - begin, slot, begin));
        if end == self.extents[slot] {
            self.tails.insert((end - begin, slot, begin));
        }
    }

    fn remove(&mut self, slot: usize, begin: u64, end: u64) {
        self.free[slot].remove(&begin);
        self.by_length.remove(&(end - begin, slot, begin));
        self.tails.remove(&(end - begin, slot, begin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::memory::alive;
    use crate::random::Rng;

    fn life(bytes: u64, first: usize, last: usize) -> Life {
        Life { what: String::new(), bytes, first, last, buffer: 0, offset: 0 }
    }

    fn rules(count: usize) -> Rules {
        let (conflicts, first) = (vec![Vec::new(); count], vec![false; count]);
        Rules { conflicts, first, alignment: 256, largest: 1 << 20 }
    }

    /// All rules are kept: seen step by step, since pairs are many.
    fn check(lives: &[Life], rules: &Rules, (spots, sizes): &Placed) {
        let mut begins: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, (life, spot)) in lives.iter().zip(spots).enumerate() {
            assert!(spot.offset.is_multiple_of(256) && spot.offset + life.bytes <= sizes[spot.slot], "{i}");
            assert!(spot.offset == 0 || !rules.first[i] && spot.offset + life.bytes <= rules.largest, "{i}");
            assert!(rules.conflicts[i].iter().all(|&j| spots[j].slot != spot.slot), "{i}");
            begins.entry(life.first).or_default().push(i);
        }
        let mut held: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        for (step, new) in begins {
            held.retain(|_, i| lives[*i].last >= step);
            for i in new {
                let key = (spots[i].slot, spots[i].offset);
                let end = |j: usize| spots[j].offset + lives[j].bytes;
                let before = held.range(..=key).next_back().filter(|((slot, _), _)| *slot == key.0);
                let after = held.range(key..).next().filter(|((slot, _), _)| *slot == key.0);
                assert!(before.is_none_or(|(_, &j)| end(j) <= key.1), "{i} lies in what is before it");
                assert!(
                    after.is_none_or(|((_, offset), _)| end(i) <= *offset),
                    "{i} lies in what is behind it"
                );
                held.insert(key, i);
            }
        }
    }

    #[test]
    fn a_chain_takes_two_places_and_a_stack_as_many_as_it_is_high() {
        let chain: Vec<Life> = (0..10_000).map(|i| life(1000, i, i + 1)).collect();
        let placed = as_they_come(&chain, &rules(chain.len()));
        check(&chain, &rules(chain.len()), &placed);
        assert!(total(&placed) <= 2 * 1024, "{}", total(&placed));
        // Forward and backward pass: what was made first is needed last.
        let stack: Vec<Life> = (0..5000).map(|i| life(256 * (1 + i as u64 % 7), i, 10_000 - i)).collect();
        let placed = as_they_come(&stack, &rules(stack.len()));
        check(&stack, &rules(stack.len()), &placed);
        assert_eq!(total(&placed), stack.iter().map(|life| life.bytes).sum::<u64>());
    }

    #[test]
    fn places_keep_to_the_rules_and_near_to_what_is_alive() {
        let mut rng = Rng::new(3);
        for _ in 0..20 {
            let count = 300 + rng.below(300);
            let draw = |_| {
                let first = rng.below(1000);
                life(16 * (1 + rng.below(200) as u64), first, first + rng.below(30))
            };
            let lives: Vec<Life> = (0..count).map(draw).collect();
            let mut rules = rules(count);
            rules.largest = 8192;
            for i in (1..count).filter(|i| i % 5 == 0) {
                (rules.conflicts[i], rules.conflicts[i - 1]) = (vec![i - 1], vec![i]);
                rules.first[i] = i % 3 == 0;
            }
            let placed = as_they_come(&lives, &rules);
            check(&lives, &rules, &placed);
            let least = alive(&lives, 1100).into_iter().max().unwrap_or(0);
            assert!(total(&placed) < 2 * least, "{} for {least}", total(&placed));
        }
    }
}
