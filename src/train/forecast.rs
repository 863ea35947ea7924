//! A forecast: a recurrent layer reads what came before, a linear layer predicts the values that follow.

use super::network::Network;
use super::task::Regression;
use crate::data::{Batch, Examples, Series, SeriesWindows};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::nn::{Linear, Lstm, MSELoss, Module};
use std::sync::Arc;

/// A model of one series: LSTM over `input` steps, linear to `horizon` values.
///
/// As a task, [`ForecastModel::task`], on [`SeriesWindows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForecastModel {
    /// Values it sees.
    pub input: usize,
    /// Values it predicts.
    pub horizon: usize,
    /// Size of its state.
    pub hidden_size: usize,
}

impl Module for ForecastModel {
    /// `(B, T, 1)` to `(B, horizon)`: a difference to the last value seen, so that a trend carries on.
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let (graph, shape) = (input.graph(), input.shape());
        let [batch, steps, 1] = shape[..] else {
            let mismatch = Mismatch::new("values (B, T, 1)", shape.to_string());
            return Err(Error::op("forecast", &graph.label(), mismatch));
        };
        let lstm = Lstm::new(1, self.hidden_size).batch_first(true);
        let read = graph.scoped("rnn", || lstm.sequence(input, None, None))?;
        let last = read.state[0].reshape([batch, self.hidden_size])?;
        let change = graph.scoped("head", || Linear::new(self.hidden_size, self.horizon).forward(&last))?;
        change.add(&input.narrow(1, steps - 1, 1)?.reshape([batch, 1])?)
    }
}

impl ForecastModel {
    /// The mean squared error of its forecasts, in squared deviations of the series.
    pub fn task(self) -> Regression {
        Regression::new(self, MSELoss::new())
    }
}

/// The forecasts of a series' test, one for each of [`Series::test_starts`], each from true values alone that lie before it.
///
/// # Errors
/// When the network is none of such windows, or the device failed.
pub fn forecasts(network: &mut Network, series: &Arc<Series>) -> Result<Vec<Vec<f64>>> {
    let test = SeriesWindows::test(series);
    let all: Vec<usize> = (0..test.len()).collect();
    let batch = Batch::read(&test, &all, 0, 0)?;
    let said = network.predict(&[&batch.tensors[0]])?;
    let horizon = said.shape().get(1).copied().unwrap_or(1).max(1);
    let rows = said.as_f32()?.chunks(horizon);
    Ok(rows.map(|row| row.iter().map(|&value| series.unscaled(value)).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::seasonal_series;
    use crate::exec::Device;
    use crate::optim::Adam;
    use crate::train::{Flow, Options, Trainer};

    #[test]
    fn a_seasonal_series_is_forecast_better_than_by_repeating_the_last_week() {
        let series = Arc::new(Series::new(seasonal_series(1200, 3), 14, 7, 140).unwrap());
        let model = ForecastModel { input: 14, horizon: 7, hidden_size: 16 };
        let windows: Arc<dyn Examples> = Arc::new(SeriesWindows::train(&series));
        let options = Options { batch_size: 32, max_norm: Some(1.0), ..Options::default() };
        let adam = Adam::new(5e-3);
        let mut trainer =
            Trainer::new(&Device::cpu(), model.task(), adam, windows.as_ref(), options).unwrap();
        for _ in 0..18 {
            trainer.epoch(&windows, |_, _| Ok(Flow::Continue)).unwrap();
        }
        let (ours, naive) = series.errors(&forecasts(trainer.network(), &series).unwrap(), 7);
        assert!(ours < naive, "{ours} to {naive}");
    }
}
