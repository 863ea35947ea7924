//! Ranges of tensors that are larger than a binding: what part of a kernel's work is a launch of its own, and where its
//! operands begin in what is bound. The only code that cuts them.

use super::{Access, Binding, Limits, Operand, Refusal};
use std::ops::Range;

/// Splits `items` of `bytes` each into runs that fit a binding and begin at aligned offsets:
/// `(first, count)`. `sizes` lists the bytes of one item in each tensor that is split.
pub(super) fn chunks(
    items: usize,
    sizes: &[(Operand, u64)],
    limits: &Limits,
) -> Result<Vec<(usize, usize)>, Refusal> {
    let largest = sizes.iter().max_by_key(|(_, bytes)| *bytes);
    let (operand, largest) = largest.map_or((Operand::Output(0), 1), |&(o, bytes)| (o, bytes.max(1)));
    let fit = (limits.max_binding_bytes / largest).min(items as u64) as usize;
    if fit == items {
        return Ok(vec![(0, items)]);
    }
    let aligned =
        |n: usize| sizes.iter().all(|(_, b)| (b * n as u64).is_multiple_of(limits.offset_alignment));
    let Some(step) = (1..=fit).rev().find(|&n| aligned(n)) else {
        let (item, most) = (largest, limits.max_binding_bytes);
        return Err(Refusal::Unsplittable { operand, item, alignment: limits.offset_alignment, most });
    };
    Ok((0..items).step_by(step).map(|first| (first, step.min(items - first))).collect())
}

/// How a tensor of words of 4 bytes lies along the dimensions of a kernel's work.
#[derive(Debug, Clone)]
pub(super) struct Lies {
    pub(super) operand: Operand,
    /// Elements from one position of each dimension to the next; 0 where it has the same for all.
    pub(super) strides: Vec<usize>,
    /// Elements that one position of the work takes, the first to the last of them.
    pub(super) item: usize,
    /// The element at which the first position begins.
    pub(super) first: usize,
    /// Elements of the tensor.
    pub(super) elements: usize,
}

impl Lies {
    /// One element a position, from the tensor's first on.
    pub(super) fn of(operand: Operand, strides: Vec<usize>, elements: usize) -> Self {
        Self { operand, strides, item: 1, first: 0, elements }
    }

    pub(super) fn item(self, item: usize) -> Self {
        Self { item, ..self }
    }

    pub(super) fn first(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Elements of the tensor from the first that the part takes to the last.
    fn span(&self, ranges: &[Range<usize>]) -> Range<usize> {
        let along = |at: fn(&Range<usize>) -> usize| -> usize {
            ranges.iter().zip(&self.strides).map(|(range, stride)| at(range) * stride).sum()
        };
        let first = self.first + along(|range| range.start);
        let last = self.first + along(|range| range.end.max(1) - 1) + self.item;
        first..last.min(self.elements).max(first)
    }

    /// What has to be bound: the span from an aligned offset on, in bytes.
    fn window(&self, ranges: &[Range<usize>], limits: &Limits) -> Range<u64> {
        let span = self.span(ranges);
        let alignment = limits.offset_alignment.max(16);
        span.start as u64 * 4 / alignment * alignment..span.end as u64 * 4
    }

    fn fits(&self, ranges: &[Range<usize>], limits: &Limits) -> bool {
        let window = self.window(ranges, limits);
        window.end - window.start <= limits.max_binding_bytes
    }
}

/// A part of the work of a kernel, for a launch of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Positions along each dimension.
    pub(super) ranges: Vec<Range<usize>>,
    /// Whether it is all of the work.
    pub(super) whole: bool,
}

impl Part {
    /// Positions along each dimension.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.ranges.iter().map(|range| range.len()).collect()
    }

    /// Positions in all.
    pub(super) fn positions(&self) -> usize {
        self.ranges.iter().map(|range| range.len()).product()
    }

    /// How many of the positions behind each of a dimension there are: what a flat number is divided by.
    pub(super) fn divisors(&self) -> Vec<usize> {
        let mut behind = 1;
        let mut divisors: Vec<usize> = self
            .ranges
            .iter()
            .rev()
            .map(|range| {
                let divisor = behind;
                behind *= range.len();
                divisor
            })
            .collect();
        divisors.reverse();
        divisors
    }

    /// The binding of a tensor, and the element of it at which the part's first position begins.
    pub(super) fn bind(&self, lies: &Lies, access: Access, limits: &Limits) -> (Binding, usize) {
        let binding = Binding { operand: lies.operand, access, range: None, half: false };
        if self.whole {
            return (binding, lies.first);
        }
        let (window, span) = (lies.window(&self.ranges, limits), lies.span(&self.ranges));
        let bound = binding.range(window.start, window.end - window.start);
        (bound, span.start - (window.start / 4) as usize)
    }

    /// In words, where there are several.
    pub(super) fn why(&self) -> String {
        if self.whole {
            return String::new();
        }
        let ranges: Vec<String> =
            self.ranges.iter().map(|range| format!("{}..{}", range.start, range.end)).collect();
        format!(", slice {}", ranges.join(" x "))
    }
}

/// Parts that work is cut into at most: each may be a kernel of its own.
const MOST_PARTS: usize = 1 << 12;

/// Cuts work of these sizes into parts of which every tensor can be bound, in order. A cut along a dimension lies at a
/// multiple of its grain; a grain of 0 stands for a dimension that cannot be cut.
pub(super) fn parts(
    sizes: &[usize],
    grains: &[usize],
    tensors: &[Lies],
    limits: &Limits,
) -> Result<Vec<Part>, Refusal> {
    let all: Vec<Range<usize>> = sizes.iter().map(|&size| 0..size).collect();
    let whole_fits = |lies: &Lies| lies.elements as u64 * 4 <= limits.max_binding_bytes;
    if tensors.iter().all(whole_fits) {
        return Ok(vec![Part { ranges: all, whole: true }]);
    }
    let (mut parts, mut open) = (Vec::new(), vec![all]);
    while let Some(ranges) = open.pop() {
        let unbound = tensors.iter().filter(|lies| !lies.fits(&ranges, limits));
        let Some(largest) = unbound.max_by_key(|lies| lies.span(&ranges).len()) else {
            parts.push(Part { ranges, whole: false });
            continue;
        };
        let refused = || Refusal::Unsplittable {
            operand: largest.operand,
            item: largest.span(&ranges).len() as u64 * 4,
            alignment: limits.offset_alignment,
            most: limits.max_binding_bytes,
        };
        let (along, step) = cut(&ranges, grains, tensors, largest, limits).ok_or_else(refused)?;
        if parts.len() + open.len() + ranges[along].len() / step > MOST_PARTS {
            return Err(refused());
        }
        let Range { start, end } = ranges[along];
        let pieces = (start..end).step_by(step).map(|first| {
            let mut piece = ranges.clone();
            piece[along] = first..(first + step).min(end);
            piece
        });
        // The first comes off last.
        open.extend(pieces.collect::<Vec<_>>().into_iter().rev());
    }
    Ok(parts)
}

/// Along which dimension a part is cut so that less of a tensor has to be bound, and into how many positions each.
fn cut(
    ranges: &[Range<usize>],
    grains: &[usize],
    tensors: &[Lies],
    largest: &Lies,
    limits: &Limits,
) -> Option<(usize, usize)> {
    let reach = |d: usize| (ranges[d].len() - 1) * largest.strides[d];
    let can = |d: &usize| grains[*d] > 0 && ranges[*d].len() > grains[*d] && reach(*d) > 0;
    let along = (0..ranges.len()).filter(can).max_by_key(|&d| reach(d))?;
    let alignment = limits.offset_alignment.max(16);
    // Elements that a binding has room for, wherever the part begins, beside what one position along the dimension takes.
    let room = (limits.max_binding_bytes.saturating_sub(alignment) / 4) as usize;
    let one = largest.span(ranges).len().saturating_sub(reach(along));
    let most = room.saturating_sub(one) / largest.strides[along] + 1;
    // Parts that all begin at an aligned offset have kernels of one text.
    let words = (alignment / 4) as usize;
    let aligned = tensors.iter().map(|lies| words / gcd(words, lies.strides[along])).max().unwrap_or(1);
    let grain = grains[along];
    let unit = grain * (aligned / gcd(aligned, grain));
    let step = if most >= unit { most / unit * unit } else { most / grain * grain };
    Some((along, step.max(grain)))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_binding_bytes: u64) -> Limits {
        Limits { max_binding_bytes, ..Limits::default() }
    }

    fn input(strides: &[usize], elements: usize) -> Lies {
        Lies::of(Operand::Input(0), strides.to_vec(), elements)
    }

    /// Every position once, in order; every tensor bound as far as it reaches, and no further than the device can.
    fn check(sizes: &[usize], grains: &[usize], tensors: &[Lies], limits: &Limits) -> Vec<Vec<Range<usize>>> {
        let parts = parts(sizes, grains, tensors, limits).expect("parts");
        assert_eq!(parts.iter().map(Part::positions).sum::<usize>(), sizes.iter().product::<usize>());
        for part in &parts {
            for lies in tensors {
                let (binding, first) = part.bind(lies, Access::Read, limits);
                let (offset, bytes) = binding.range.unwrap_or((0, lies.elements as u64 * 4));
                assert!(offset.is_multiple_of(limits.offset_alignment) && bytes <= limits.max_binding_bytes);
                let span = lies.span(&part.ranges);
                assert_eq!(span.start * 4, offset as usize + first * 4);
                assert!(span.end as u64 * 4 <= offset + bytes && span.end <= lies.elements);
            }
            let cut = part.ranges.iter().zip(grains).zip(sizes);
            assert!(
                cut.into_iter()
                    .all(|((range, grain), size)| range.len() == *size || range.start.is_multiple_of(*grain))
            );
        }
        parts.into_iter().map(|part| part.ranges).collect()
    }

    #[test]
    fn what_fits_is_one_part() {
        let parts = parts(&[3, 64], &[1, 1], &[input(&[64, 1], 192)], &limits(768)).expect("a part");
        assert_eq!(parts, [Part { ranges: vec![0..3, 0..64], whole: true }]);
        assert_eq!(parts[0].bind(&input(&[64, 1], 192).first(5), Access::Read, &limits(768)).1, 5);
    }

    #[test]
    fn rows_are_cut_at_aligned_offsets_where_there_are_any() {
        let rows =
            |row: usize, most| check(&[10, row], &[1, 1], &[input(&[row, 1], 10 * row)], &limits(most));
        assert_eq!(
            rows(64, 1024),
            [vec![0..3, 0..64], vec![3..6, 0..64], vec![6..9, 0..64], vec![9..10, 0..64]]
        );
        // 100 bytes a row: only every 64th begins at a multiple of 256.
        assert_eq!(rows(25, 600).len(), 4);
        // Longer than a binding.
        assert_eq!(rows(300, 1024).len(), 20);
    }

    #[test]
    fn both_sides_of_a_transposition_are_cut() {
        let (n, m) = (300, 500);
        let tensors = [input(&[1, m], n * m), Lies::of(Operand::Output(0), vec![n, 1], n * m)];
        let parts = check(&[m, n], &[4, 4], &tensors, &limits(64 << 10));
        assert!(parts.len() > 9 && parts.len() < 300, "{}", parts.len());
    }

    #[test]
    fn what_cannot_be_cut_is_refused_with_its_size() {
        let refused = |grains: &[usize]| parts(&[4, 1024], grains, &[input(&[1, 4], 4096)], &limits(1024));
        assert!(refused(&[1, 1]).is_ok());
        let refusal =
            Refusal::Unsplittable { operand: Operand::Input(0), item: 16384, alignment: 256, most: 1024 };
        assert_eq!(refused(&[0, 0]), Err(refusal.clone()));
        assert!(refused(&[1, 512]).is_err());
        let many = parts(&[1 << 20], &[1], &[input(&[64], 64 << 20).item(64)], &limits(512));
        assert!(many.is_err(), "too many parts");
    }

    #[test]
    fn items_end_with_the_tensor() {
        // Parts of 3 rows of which the last has one.
        let lies = input(&[3 * 64, 1], 10 * 64).item(2 * 64 + 1);
        let parts = check(&[4, 64], &[1, 4], &[lies], &limits(1024));
        assert_eq!(parts.len(), 4);
    }
}
