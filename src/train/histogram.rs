//! How often which numbers occur, in the buckets that TensorBoard expects.

/// The least bucket ends here on both sides of zero.
const LEAST: f64 = 1e-12;
/// The buckets go on to here.
const MOST: f64 = 1e20;
/// A bucket's end is so many times the one before.
const GROWTH: f64 = 1.1;

/// Counts in buckets that grow away from zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    pub(super) min: f64,
    pub(super) max: f64,
    /// The finite numbers.
    pub(super) count: usize,
    pub(super) sum: f64,
    pub(super) squares: f64,
    /// Where each bucket ends; it begins where the one before ends.
    pub(super) limits: Vec<f64>,
    pub(super) counts: Vec<f64>,
    /// Numbers that are none or have no size.
    pub(super) not_finite: usize,
}

/// Where all buckets end, ascending.
fn all_limits() -> Vec<f64> {
    let positive =
        || std::iter::successors(Some(LEAST), |end| Some(end * GROWTH)).take_while(|&end| end < MOST);
    let mut limits: Vec<f64> = positive().map(|end| -end).collect();
    limits.reverse();
    limits.push(0.0);
    limits.extend(positive());
    limits.push(f64::MAX);
    limits
}

impl Histogram {
    pub(super) fn of(values: &[f32]) -> Self {
        let all = all_limits();
        let mut counts = vec![0.0; all.len()];
        let (mut min, mut max, mut count, mut sum, mut squares) =
            (f64::INFINITY, f64::NEG_INFINITY, 0, 0.0, 0.0);
        for value in values.iter().map(|&value| f64::from(value)).filter(|value| value.is_finite()) {
            (min, max, count) = (min.min(value), max.max(value), count + 1);
            (sum, squares) = (sum + value, squares + value * value);
            // The first bucket that ends above it.
            if let Some(bucket) = counts.get_mut(all.partition_point(|&end| end <= value)) {
                *bucket += 1.0;
            }
        }
        if count == 0 {
            (min, max) = (0.0, 0.0);
        }
        let (limits, counts) = without_empty(&all, &counts);
        Self { min, max, count, sum, squares, limits, counts, not_finite: values.len() - count }
    }
}

/// The buckets that hold something, and one empty bucket for each gap, the one before the first among them.
fn without_empty(limits: &[f64], counts: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let last = counts.iter().rposition(|&count| count > 0.0).unwrap_or(0);
    let kept = |position: &usize| {
        let full = |position: usize| counts.get(position).is_some_and(|&count| count > 0.0);
        full(*position) || full(*position + 1) || *position == last
    };
    let pick =
        |of: &[f64]| (0..=last).filter(kept).filter_map(|position| of.get(position).copied()).collect();
    (pick(limits), pick(counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_between_the_ends_of_its_bucket() {
        for value in [-3e30, -2.0, -1e-20, 0.0, 1e-20, 0.7, 5.0, 3e30] {
            let found = Histogram::of(&[value; 3]);
            let position = found.counts.iter().position(|&count| count == 3.0).expect("a bucket of three");
            let value = f64::from(value);
            assert!(value < found.limits[position], "{value} in {found:?}");
            assert!(position == 0 || found.limits[position - 1] <= value, "{value} in {found:?}");
            assert!(found.limits.len() <= 2, "{found:?}");
        }
    }

    #[test]
    fn counts_and_sums_are_those_of_the_finite_numbers() {
        let values = [1.0, -1.0, 2.0, f32::NAN, f32::INFINITY, 2.0];
        let found = Histogram::of(&values);
        assert_eq!((found.count, found.not_finite, found.min, found.max), (4, 2, -1.0, 2.0));
        assert_eq!((found.sum, found.squares, found.counts.iter().sum::<f64>()), (4.0, 10.0, 4.0));
        assert!(found.limits.is_sorted() && found.limits.len() == found.counts.len());
        let none = Histogram::of(&[f32::NAN]);
        assert_eq!((none.count, none.not_finite, none.min, none.counts.len()), (0, 1, 0.0, 1));
    }
}
