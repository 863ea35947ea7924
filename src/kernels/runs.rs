//! Runs of neighbouring columns that one invocation has, so that lines are loaded and stored two or four numbers at a
//! time and what several windows share is loaded once: `shaders/common/units.wgsl`.

use minijinja::{Value, context};

/// The columns of the input that an invocation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Columns: a stride, or as many as one element of the binding holds.
    pub(super) across: usize,
    /// Columns of one element of the binding.
    pub(super) unit: usize,
    /// Windows that begin there.
    pub(super) windows: usize,
}

impl Run {
    /// With the widest elements that fit.
    pub(super) fn of(width: usize, stride: usize, fits: impl Fn(&Self) -> bool) -> Self {
        let wide = [4, 2].map(|unit: usize| {
            let across = unit.max(stride);
            Self { across, unit, windows: across / stride }
        });
        let divides = |run: &Self| {
            width.is_multiple_of(run.across)
                && [run.unit, stride].iter().all(|&n| run.across.is_multiple_of(n))
        };
        let single = Self { across: stride, unit: 1, windows: 1 };
        wide.into_iter().find(|run| divides(run) && fits(run)).unwrap_or(single)
    }
}

/// Positions along a dimension, counted from where an invocation begins.
pub(super) struct Positions {
    pub(super) at: Vec<i64>,
    /// Where the last invocation begins; the first begins at 0.
    pub(super) last: usize,
    /// Positions there are.
    pub(super) count: usize,
}

impl Positions {
    pub(super) fn outside(&self, at: i64) -> bool {
        at < 0 || self.last as i64 + at >= self.count as i64
    }

    /// As the shaders read them: each with whether it may lie outside.
    pub(super) fn values(&self) -> Vec<Value> {
        self.at.iter().map(|&at| context! { at, outside => self.outside(at) }).collect()
    }
}

/// The elements of `unit` numbers that hold these, ascending.
pub(super) fn elements(numbers: impl Iterator<Item = i64>, unit: usize) -> Vec<i64> {
    let mut elements: Vec<i64> = numbers.map(|number| number.div_euclid(unit as i64)).collect();
    elements.sort_unstable();
    elements.dedup();
    elements
}

/// Which of the elements holds a number, and as which part.
pub(super) fn part(number: i64, unit: usize, elements: &[i64]) -> (usize, i64) {
    let unit = unit as i64;
    (elements.partition_point(|&element| element < number.div_euclid(unit)), number.rem_euclid(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_has_as_many_columns_as_divide_the_row() {
        let run = |width, stride| {
            let Run { across, unit, windows } = Run::of(width, stride, |_| true);
            [across, unit, windows]
        };
        assert_eq!(run(28, 2), [4, 4, 2]);
        assert_eq!(run(14, 2), [2, 2, 1]);
        assert_eq!(run(28, 1), [4, 4, 4]);
        assert_eq!(run(16, 8), [8, 4, 1]);
        assert_eq!(run(12, 3), [3, 1, 1], "strides of 3 end within elements");
        assert_eq!(run(7, 2), [2, 1, 1], "rows of 7 begin within elements");
        assert_eq!(Run::of(28, 1, |run| run.windows < 4).windows, 2);
    }
}
