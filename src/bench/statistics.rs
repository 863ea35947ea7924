//! Samples in few numbers.

use crate::random::Rng;

/// Samples, summarised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Half of the samples are below.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// A quarter of the samples are below: what runs are compared by. Whatever disturbs a measurement makes it
    /// longer, so the shorter half says more about the kernel, and the shortest is luck.
    pub quartile: f64,
    /// A tenth of the samples are below.
    pub p10: f64,
    /// A tenth of the samples are above.
    pub p90: f64,
    /// How many there are.
    pub count: usize,
}

/// The value below which the fraction `q` of sorted samples lies, linear between neighbours.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

impl Summary {
    /// Of at least one sample.
    pub fn of(samples: &[f64]) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        let sorted = sorted(samples);
        Some(Self {
            median: quantile(&sorted, 0.5),
            min: sorted[0],
            quartile: quantile(&sorted, QUARTER),
            p10: quantile(&sorted, 0.1),
            p90: quantile(&sorted, 0.9),
            count: sorted.len(),
        })
    }
}

/// The fraction of the samples below [`Summary::quartile`].
const QUARTER: f64 = 0.25;

/// Resampled pairs behind an interval.
const RESAMPLES: usize = 1000;

/// The ratio of the lower quartiles `new / old` and the interval that holds it with 98 % confidence, by the bootstrap:
/// both sides are drawn again with replacement from their own samples. Seeded, so the answer repeats.
pub fn interval_of_ratio(old: &[f64], new: &[f64]) -> Option<(f64, [f64; 2])> {
    let ratio = Summary::of(new)?.quartile / Summary::of(old)?.quartile;
    let mut rng = Rng::new(1);
    let mut quartile_again = |samples: &[f64]| {
        let drawn: Vec<f64> = samples.iter().map(|_| samples[rng.below(samples.len())]).collect();
        quantile(&sorted(&drawn), QUARTER)
    };
    let ratios: Vec<f64> = (0..RESAMPLES).map(|_| quartile_again(new) / quartile_again(old)).collect();
    let ratios = sorted(&ratios);
    Some((ratio, [quantile(&ratios, 0.01), quantile(&ratios, 0.99)]))
}

/// The fewest pairs an interval is made of.
const FEWEST_PAIRS: usize = 5;

/// As [`interval_of_ratio`], of bursts that were measured interleaved: burst `i` of one side ran next to burst `i` of
/// the other, so what disturbed one disturbed both, and the median of the pairs' ratios is what is left. Pairs
/// are drawn again. `None` where there are fewer than 5.
pub fn interval_of_pairs(old: &[&[f64]], new: &[&[f64]]) -> Option<(f64, [f64; 2])> {
    let ratio =
        |(old, new): (&&[f64], &&[f64])| Some(Summary::of(new)?.quartile / Summary::of(old)?.quartile);
    let ratios: Vec<f64> = old.iter().zip(new).filter_map(ratio).collect();
    if ratios.len() < FEWEST_PAIRS {
        return None;
    }
    let median = |ratios: &[f64]| quantile(&sorted(ratios), 0.5);
    let mut rng = Rng::new(1);
    let mut again = || {
        let drawn: Vec<f64> = ratios.iter().map(|_| ratios[rng.below(ratios.len())]).collect();
        median(&drawn)
    };
    let drawn: Vec<f64> = (0..RESAMPLES).map(|_| again()).collect();
    let drawn = sorted(&drawn);
    Some((median(&ratios), [quantile(&drawn, 0.01), quantile(&drawn, 0.99)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let summary = Summary::of(&[5.0, 1.0, 2.0, 4.0, 3.0]).unwrap();
        assert_eq!((summary.median, summary.min, summary.count), (3.0, 1.0, 5));
        assert!((summary.p10 - 1.4).abs() < 1e-12 && (summary.p90 - 4.6).abs() < 1e-12);
        assert!(Summary::of(&[]).is_none());
    }

    #[test]
    fn the_interval_holds_the_ratio_and_shrinks_with_samples() {
        let mut rng = Rng::new(3);
        let mut draw = |scale: f64, n: usize| -> Vec<f64> {
            (0..n).map(|_| scale * (1.0 + 0.05 * rng.normal())).collect()
        };
        let (ratio, [low, high]) = interval_of_ratio(&draw(1.0, 12), &draw(1.1, 12)).unwrap();
        assert!(low < ratio && ratio < high && low > 1.0 && high < 1.25);
        let (_, [low_many, high_many]) = interval_of_ratio(&draw(1.0, 200), &draw(1.1, 200)).unwrap();
        assert!(high_many - low_many < high - low);
        let same = [2.0; 10];
        assert_eq!(interval_of_ratio(&same, &same), Some((1.0, [1.0, 1.0])));
    }
    #[test]
    fn pairs_see_through_what_disturbs_both() {
        let mut rng = Rng::new(7);
        // A device that is twice as slow half of the time.
        let device: Vec<f64> = (0..14).map(|i| if i / 4 % 2 == 0 { 1.0 } else { 2.0 }).collect();
        let mut side = |slower: f64| -> Vec<Vec<f64>> {
            device
                .iter()
                .map(|d| (0..4).map(|_| d * slower * (1.0 + 0.01 * rng.normal())).collect())
                .collect()
        };
        let (old, same, slower) = (side(1.0), side(1.0), side(1.1));
        let of = |new: &[Vec<f64>]| {
            let old: Vec<&[f64]> = old.iter().map(Vec::as_slice).collect();
            let new: Vec<&[f64]> = new.iter().map(Vec::as_slice).collect();
            interval_of_pairs(&old, &new).unwrap()
        };
        let (ratio, [low, high]) = of(&same);
        assert!((ratio - 1.0).abs() < 0.02 && low > 0.95 && high < 1.05);
        let (ratio, [low, high]) = of(&slower);
        assert!((ratio - 1.1).abs() < 0.02 && low > 1.05 && high < 1.15);
        let burst: &[f64] = &[1.0];
        assert_eq!(interval_of_pairs(&[burst; 4], &[burst; 9]), None);
    }
}
