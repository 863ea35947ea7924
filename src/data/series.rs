//! Time series: a generated one, windows to learn from, and their scale.

use super::examples::{Examples, Field, Values};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::TensorType;
use std::sync::Arc;

/// A series like a shop's daily sales: a trend, a weekly and a yearly season, and noise.
pub fn seasonal_series(days: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::named(seed, "seasonal series");
    let season = |day: f64, period: f64| (std::f64::consts::TAU * day / period).sin();
    (0..days)
        .map(|day| {
            let day = day as f64;
            100.0 + 0.03 * day + 18.0 * season(day, 7.0) + 12.0 * season(day, 365.25) + 4.0 * rng.normal()
        })
        .collect()
}

/// Windows of a series as examples: `input`, `(T, 1)`, what came before, and `target`, `(horizon)`, what follows.
#[derive(Debug, Clone)]
pub struct SeriesWindows {
    series: Arc<Series>,
    starts: Vec<usize>,
}

impl SeriesWindows {
    /// All windows that lie wholly before the test.
    pub fn train(series: &Arc<Series>) -> Self {
        let first = series.first_start();
        Self { series: series.clone(), starts: (first..first + series.train_windows()).collect() }
    }

    /// Those whose targets are the test, one horizon after another; each from true values alone that lie before it.
    pub fn test(series: &Arc<Series>) -> Self {
        Self { series: series.clone(), starts: series.test_starts() }
    }
}

impl Examples for SeriesWindows {
    fn len(&self) -> usize {
        self.starts.len()
    }

    fn fields(&self) -> Vec<Field> {
        let Series { input, horizon, .. } = *self.series;
        vec![
            Field::new("input", TensorType::f32([input, 1])),
            Field::new("target", TensorType::f32([horizon])),
        ]
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.starts.len());
        let (Some(&start), [input, target]) = (self.starts.get(index), values) else {
            return Err(Error::argument("series", expected(), index.to_string()));
        };
        let series = &self.series;
        let before = series.values[start - series.input..start].iter();
        input.f32()?.iter_mut().zip(before).for_each(|(position, &value)| *position = series.scaled(value));
        let after = series.values[start..].iter();
        target.f32()?.iter_mut().zip(after).for_each(|(position, &value)| *position = series.scaled(value));
        Ok(())
    }
}

/// A series cut for learning: from `input` values the `horizon` values that follow. The last `test` values are
/// evaluated on; mean and deviation, by which values are scaled, are those of the values before them.
#[derive(Debug, Clone)]
pub struct Series {
    values: Vec<f64>,
    train: usize,
    input: usize,
    horizon: usize,
    mean: f64,
    deviation: f64,
}

impl Series {
    /// Checks that the series is long enough.
    ///
    /// # Errors
    /// When a size is 0, a value is not finite, the series is too short, or its learned part is constant or too
    /// large to have a variance.
    pub fn new(values: Vec<f64>, input: usize, horizon: usize, test: usize) -> Result<Self> {
        if input == 0 || horizon == 0 || test < horizon {
            let got = format!("input {input}, horizon {horizon}, test {test}");
            return Err(Error::argument(
                "series",
                "an input and a horizon of at least 1, a test of one horizon",
                got,
            ));
        }
        let least = test.saturating_add(input).saturating_add(horizon);
        if values.len() < least {
            return Err(Error::argument(
                "series",
                format!("at least {least} values"),
                values.len().to_string(),
            ));
        }
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::argument("series", "finite values", format!("{} at {i}", values[i])));
        }
        let train = values.len() - test;
        let mean = values[..train].iter().sum::<f64>() / train as f64;
        let variance = values[..train].iter().map(|v| (v - mean).powi(2)).sum::<f64>() / train as f64;
        if !variance.is_finite() {
            let got = format!("a mean of {mean:e} and a variance of {variance:e}");
            return Err(Error::argument("series", "values whose squares can be added up", got));
        }
        if variance == 0.0 {
            return Err(Error::argument("series", "values that differ", format!("{mean} throughout")));
        }
        Ok(Self { values, train, input, horizon, mean, deviation: variance.sqrt() })
    }

    /// All values.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The number of values before the test.
    pub fn train(&self) -> usize {
        self.train
    }

    /// Windows that lie wholly before the test.
    pub fn train_windows(&self) -> usize {
        self.train - self.input - self.horizon + 1
    }

    /// The positions where a forecast of the test begins: one horizon after another.
    pub fn test_starts(&self) -> Vec<usize> {
        (self.train..=self.values.len() - self.horizon).step_by(self.horizon).collect()
    }

    /// A value as the network sees it.
    fn scaled(&self, value: f64) -> f32 {
        ((value - self.mean) / self.deviation) as f32
    }

    /// A value of the network in the series' unit.
    pub fn unscaled(&self, value: f32) -> f64 {
        f64::from(value) * self.deviation + self.mean
    }

    /// The first position a forecast can begin.
    pub fn first_start(&self) -> usize {
        self.input
    }

    /// Mean absolute errors over the test of `forecasts`, one a start, and of the naive forecast that repeats the
    /// values of `season` steps earlier.
    pub fn errors(&self, forecasts: &[Vec<f64>], season: usize) -> (f64, f64) {
        let (mut ours, mut naive, mut count) = (0.0, 0.0, 0.0);
        for (start, forecast) in self.test_starts().into_iter().zip(forecasts) {
            for (h, value) in forecast.iter().enumerate() {
                let truth = self.values[start + h];
                // Known when the forecast is made: the last whole season before it.
                let known = start + h % season;
                ours += (value - truth).abs();
                naive += (self.values[known.saturating_sub(season)] - truth).abs();
                count += 1.0;
            }
        }
        (ours / count, naive / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;

    #[test]
    fn windows_hold_what_came_before_and_what_follows() {
        let series = Arc::new(Series::new((0..20).map(f64::from).collect(), 3, 2, 4).unwrap());
        assert_eq!((series.train(), series.train_windows()), (16, 12));
        assert_eq!(series.test_starts(), [16, 18]);
        let (train, test) = (SeriesWindows::train(&series), SeriesWindows::test(&series));
        assert_eq!((train.len(), test.len()), (12, 2));
        let round = |set: &SeriesWindows, index: usize, field: usize| -> Vec<f64> {
            let batch = Batch::read(set, &[index], 0, 0).unwrap();
            batch.tensors[field].as_f32().unwrap().iter().map(|&v| series.unscaled(v).round()).collect()
        };
        assert_eq!((round(&train, 0, 0), round(&train, 0, 1)), (vec![0.0, 1.0, 2.0], vec![3.0, 4.0]));
        assert_eq!((round(&train, 11, 0), round(&train, 11, 1)), (vec![11.0, 12.0, 13.0], vec![14.0, 15.0]));
        assert_eq!((round(&test, 1, 0), round(&test, 1, 1)), (vec![15.0, 16.0, 17.0], vec![18.0, 19.0]));
        assert!(Batch::read(&test, &[2], 0, 0).is_err());
        // The naive forecast of a ramp is late by its season.
        let truth = vec![vec![16.0, 17.0], vec![18.0, 19.0]];
        assert_eq!(series.errors(&truth, 2), (0.0, 2.0));
    }

    #[test]
    fn what_cannot_be_learned_is_refused() {
        assert!(Series::new(vec![1.0; 50], 3, 2, 4).unwrap_err().to_string().contains("differ"));
        assert!(Series::new(vec![1.0, 2.0], 3, 2, 4).unwrap_err().to_string().contains("at least 9"));
        assert!(Series::new(vec![f64::NAN; 50], 3, 2, 4).is_err());
        for large in [1e200, 1e308] {
            let values = (0..50).map(|i| if i % 2 == 0 { large } else { -large / 2.0 }).collect();
            let told = Series::new(values, 3, 2, 4).unwrap_err().to_string();
            assert!(told.contains("variance of"), "{told}");
        }
    }
}
