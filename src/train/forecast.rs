//! A forecast: a recurrent layer reads what came before, a linear layer tells the values that follow.

use crate::data::Series;
use crate::error::{Error, Result};
use crate::exec::{Executable, Parameters, Pending};
use crate::graph::{Graph, Tensor};
use crate::nn::{Linear, Lstm, Module};
use crate::optim::{Optimizer, clip_grad_norm, gradients};
use crate::random::Rng;

/// The norm to which gradients are clipped.
const MAX_NORM: f32 = 1.0;

/// A model of one series: LSTM over `input` steps, linear to `horizon` values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForecastModel {
    /// Values it sees.
    pub input: usize,
    /// Values it tells.
    pub horizon: usize,
    /// Size of its state.
    pub hidden_size: usize,
}

impl ForecastModel {
    /// `(T, B, 1)` to `(B, horizon)`: a difference to the last value seen, so that a trend carries on.
    ///
    /// # Errors
    /// When the input does not fit.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph();
        let batch = input.shape()[1];
        let read = graph.scoped("rnn", || Lstm::new(1, self.hidden_size).sequence(input, None, None))?;
        let last = read.state[0].reshape([batch, self.hidden_size])?;
        let change = graph.scoped("head", || Linear::new(self.hidden_size, self.horizon).forward(&last))?;
        change.add(&input.narrow(0, self.input - 1, 1)?.reshape([batch, 1])?)
    }
}

/// Learns a series and forecasts it.
pub struct Forecaster {
    model: ForecastModel,
    parameters: Parameters,
    series: Series,
    batch_size: usize,
    rng: Rng,
    input: Tensor,
    target: Tensor,
    loss: Tensor,
    program: Executable,
}

impl Forecaster {
    /// Compiles the training on windows of `series`.
    ///
    /// # Errors
    /// When an option is out of range or the device cannot hold the program.
    pub fn new(
        parameters: &Parameters,
        model: ForecastModel,
        optimizer: &dyn Optimizer,
        series: Series,
        batch_size: usize,
        seed: u64,
    ) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::argument("batch-size", "at least 1", "0"));
        }
        let graph = Graph::new();
        let input = graph.input("input", [model.input, batch_size, 1])?;
        let target = graph.input("target", [batch_size, model.horizon])?;
        let error = model.forward(&input)?.sub(&target)?;
        let loss = error.mul(&error)?.mean((), false)?;
        let (clipped, _) = clip_grad_norm(&gradients(&loss)?, MAX_NORM)?;
        optimizer.update(&clipped)?;
        let program = parameters.compile(&graph, &[&loss])?;
        let (parameters, rng) = (parameters.clone(), Rng::named(seed, "windows"));
        Ok(Self { model, parameters, series, batch_size, rng, input, target, loss, program })
    }

    /// The series.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Learns from a batch of random windows before the test. The mean squared error, in squared deviations of
    /// the series, comes later.
    ///
    /// # Errors
    /// When the device failed.
    pub fn step(&mut self) -> Result<Pending> {
        let first = self.series.first_start();
        let windows = self.series.train_windows();
        let starts: Vec<usize> = (0..self.batch_size).map(|_| first + self.rng.below(windows)).collect();
        let (input, target) = self.series.batch(&starts)?;
        self.program.run(&[(&self.input, &input), (&self.target, &target)])?;
        self.program.read_async(&self.loss)
    }

    /// The forecasts of the test, one for each of [`Series::test_starts`], each from true values alone that lie
    /// before it.
    ///
    /// # Errors
    /// When the device failed.
    pub fn forecasts(&self) -> Result<Vec<Vec<f64>>> {
        let starts = self.series.test_starts();
        let graph = Graph::new();
        graph.set_training(false);
        let input = graph.input("input", [self.model.input, starts.len(), 1])?;
        let output = self.model.forward(&input)?;
        let mut program = self.parameters.compile(&graph, &[&output])?;
        program.run(&[(&input, &self.series.batch(&starts)?.0)])?;
        let values = program.read(&output)?;
        let rows = values.as_f32()?.chunks(self.model.horizon);
        Ok(rows.map(|row| row.iter().map(|&v| self.series.unscaled(v)).collect()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::seasonal_series;
    use crate::exec::Device;
    use crate::optim::Adam;

    #[test]
    fn a_seasonal_series_is_forecast_better_than_by_repeating_the_last_week() {
        let series = Series::new(seasonal_series(1200, 3), 14, 7, 140).unwrap();
        let model = ForecastModel { input: 14, horizon: 7, hidden_size: 16 };
        let parameters = Parameters::new(&Device::cpu(), 0);
        let mut forecaster = Forecaster::new(&parameters, model, &Adam::new(5e-3), series, 32, 0).unwrap();
        for _ in 0..600 {
            forecaster.step().unwrap().wait().unwrap();
        }
        let (ours, naive) = forecaster.series().errors(&forecaster.forecasts().unwrap(), 7);
        assert!(ours < naive, "{ours} to {naive}");
    }
}
