//! A forecast of a time series: an LSTM reads 28 values and tells the 7 that follow: `cargo run --release --example forecast`.

use std::sync::Arc;
use wgrad::data::{self, Examples, Series, SeriesWindows};
use wgrad::optim::{self, Schedule};
use wgrad::train::{Fit, ForecastModel, Options, Trainer, forecasts};
use wgrad::{Device, Result};

fn main() -> Result<()> {
    // Four years, day by day: a trend, a yearly and a weekly season, noise. Yours is a `Vec<f64>`, too.
    let values = data::seasonal_series(1461, 1);
    let (input, horizon, test) = (28, 7, 140);
    let series = Arc::new(Series::new(values, input, horizon, test)?);
    println!("{} values, the last {test} are not learned from", series.values().len());

    let windows: Arc<dyn Examples> = Arc::new(SeriesWindows::train(&series));
    let model = ForecastModel { input, horizon, hidden_size: 32 };
    let options = Options { batch_size: 64, max_norm: Some(1.0), ..Options::default() };
    let mut trainer =
        Trainer::new(&Device::auto()?, model.task(), optim::Adam::new(5e-3), windows.as_ref(), options)?;
    let epochs = 12;
    let steps = windows.len().div_ceil(64) as u64;
    trainer.follow(Schedule::Cosine { t_max: epochs * steps, eta_min: 0.0 })?;
    let reports = Fit::new(epochs).run(&mut trainer, &windows)?;
    for report in reports.iter().step_by(3) {
        println!("epoch {}: squared error {:.3}", report.epoch, report.train.loss());
    }

    // Each forecast sees true values alone that lie before it.
    let told = forecasts(trainer.network(), &series)?;
    let (ours, naive) = series.errors(&told, 7);
    println!("mean absolute error {ours:.2}; repeating the value of a week before: {naive:.2}");
    let start = series.test_starts()[0];
    for (day, told) in told[0].iter().enumerate() {
        println!("  day {}: {told:6.1}, in truth {:6.1}", start + day, series.values()[start + day]);
    }
    assert!(ours < naive, "it is better than repeating");
    Ok(())
}
