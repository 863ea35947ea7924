//! Training, evaluation and writing without waiting give the bits of the blocking calls.

mod executor;

use executor::run;
use std::collections::BTreeMap;
use std::sync::Arc;
use wgrad::bench::measure::{Policy, Unwatched, measure_async};
use wgrad::bench::{Case, check, peaks};
use wgrad::data::{Dataset, Examples, Vocabulary};
use wgrad::exec::{Clock, Stopwatch};
use wgrad::nn::{Dropout, Flatten, Linear, Sequential};
use wgrad::optim::{Adam, Schedule};
use wgrad::train::{
    Classification, Flow, Measures, Options, Sampling, TextCell, TextModel, TextOptions, TextTrainer,
    TextWriter, Trainer,
};
use wgrad::{Checkpoint, Device, HostTensor, Parameters, Result};

fn devices() -> Result<Vec<Device>> {
    let best = Device::auto()?;
    if best.is_cpu() {
        println!("SKIPPED: {}", best.notice().unwrap_or("no adapter"));
        return Ok(vec![best]);
    }
    Ok(vec![best, Device::cpu()])
}

fn data() -> Result<Arc<dyn Examples>> {
    let pixels = (0..190 * 12).map(|i| (i * 37 % 251) as u8).collect();
    let labels = (0..190).map(|i| (i * 7 % 5) as u32).collect();
    Ok(Arc::new(Dataset::new(pixels, labels, [1, 3, 4], 5)?))
}

fn task() -> Classification {
    let body = Sequential::new().named("0", Flatten).named("1", Linear::new(12, 9));
    Classification::new(body.named("2", Dropout::new(0.3)).named("3", Linear::new(9, 5)))
}

fn options() -> Options {
    Options { batch_size: 10, seed: 3, ..Options::default() }
}

fn schedule() -> Result<Schedule> {
    "exponential:gamma=0.97".parse()
}

/// What the two epochs and the evaluation gave, what the network says, and all states at the end.
type Outcome = (Vec<Measures>, HostTensor, Checkpoint);

fn images() -> Result<HostTensor> {
    HostTensor::from_f32([2, 1, 3, 4], (0..24).map(|i| i as f32 / 24.0).collect())
}

fn blocking(device: &Device) -> Result<Outcome> {
    let data = data()?;
    let mut trainer = Trainer::new(device, task(), Adam::new(0.01), data.as_ref(), options())?;
    trainer.follow(schedule()?)?;
    let mut measured = Vec::new();
    for _ in 0..2 {
        measured.push(trainer.epoch(&data, |_, _| Ok(Flow::Continue))?);
    }
    measured.push(trainer.evaluate(&data)?);
    let said = trainer.network().predict(&[&images()?])?;
    Ok((measured, said, trainer.checkpoint(BTreeMap::new())?.wait()?))
}

/// The same step by step, one epoch in two parts, the second of them by another trainer.
async fn awaited(device: &Device) -> Result<Outcome> {
    let data = data()?;
    let new = || Trainer::new_async(device, task(), Adam::new(0.01), data.as_ref(), options());
    let mut trainer = new().await?;
    trainer.follow_async(schedule()?).await?;
    let mut measured = vec![trainer.epoch_async(&data, |_, _| Ok(Flow::Continue)).await?];
    let mut epoch = trainer.begin_epoch_async(&data).await?;
    let mut seen = 0;
    while seen < 9 && trainer.step_async(&mut epoch).await? {
        seen += 1;
        let now = epoch.progress();
        assert_eq!((now.step, now.steps, now.examples), (seen, 19, 10 * seen));
    }
    trainer.end_epoch_async(epoch).await?;
    let kept = trainer.checkpoint(BTreeMap::new())?.arrived().await?;
    let mut trainer = new().await?;
    trainer.follow_async(schedule()?).await?;
    trainer.resume_async(&Checkpoint::from_bytes(&kept.to_bytes()?)?).await?;
    let mut epoch = trainer.begin_epoch_async(&data).await?;
    let mut looks = 0;
    while trainer.step_async(&mut epoch).await? {
        looks += epoch.progress().looks.len();
    }
    // Steps 16 and, of those before, none; at the last step all have arrived.
    assert_eq!(looks, 1);
    measured.push(trainer.end_epoch_async(epoch).await?);
    measured.push(trainer.evaluate_async(&data).await?);
    let said = trainer.network().predict_async(&[&images()?]).await?;
    Ok((measured, said, trainer.checkpoint(BTreeMap::new())?.arrived().await?))
}

#[test]
fn training_without_waiting_gives_the_same_bits() -> Result<()> {
    for device in devices()? {
        let (expected, found) = (blocking(&device)?, run(awaited(&device)).0?);
        assert_eq!(found, expected, "{}", device.describe());
    }
    Ok(())
}

#[test]
fn an_epoch_that_is_not_the_last_begun_is_refused() -> Result<()> {
    let data = data()?;
    let mut trainer = Trainer::new(&Device::cpu(), task(), Adam::new(0.01), data.as_ref(), options())?;
    let (mut first, mut second) =
        (run(trainer.begin_epoch_async(&data)).0?, run(trainer.begin_epoch_async(&data)).0?);
    assert!(run(trainer.step_async(&mut first)).0?);
    let error = run(trainer.step_async(&mut second)).0.unwrap_err().to_string();
    assert_eq!(error, "epoch: expected epoch 0 after 10 examples, got epoch 0 after 0");
    Ok(())
}

#[test]
fn a_text_is_learned_and_written_without_waiting() -> Result<()> {
    let text = "abacadae".repeat(30);
    let vocabulary = Vocabulary::of(&text)?;
    let numbers = vocabulary.encode(&text)?;
    let model = TextModel {
        cell: TextCell::Gru,
        vocabulary: vocabulary.len(),
        embedding_dim: 4,
        hidden_size: 8,
        num_layers: 1,
        dropout: 0.0,
    };
    let options = TextOptions { batch_size: 2, steps: 6, max_norm: 1.0 };
    let sampling = Sampling { temperature: 0.7, top_k: None, seed: 5 };
    for device in devices()? {
        let texts = || (numbers.clone(), numbers[..100].to_vec());
        let blocking = || -> Result<(Vec<HostTensor>, f64, String)> {
            let parameters = Parameters::new(&device, 2);
            let mut trainer = TextTrainer::new(&parameters, &model, &Adam::new(0.02), texts(), options)?;
            let mut losses = Vec::new();
            for _ in 0..12 {
                losses.push(trainer.step()?.wait()?);
            }
            let mut writer = TextWriter::new(&parameters, &model, &vocabulary)?;
            Ok((losses, trainer.validate()?, writer.write("aba", 12, sampling, |_| ())?))
        };
        let awaited = async {
            let parameters = Parameters::new(&device, 2);
            let adam = Adam::new(0.02);
            let mut trainer = TextTrainer::new_async(&parameters, &model, &adam, texts(), options).await?;
            let (mut pending, mut losses) = (Vec::new(), Vec::new());
            for _ in 0..12 {
                pending.push(trainer.step_async().await?);
            }
            for loss in pending {
                losses.push(loss.await?);
            }
            let mut writer = TextWriter::new_async(&parameters, &model, &vocabulary).await?;
            let (loss, mut told) = (trainer.validate_async().await?, String::new());
            let written = writer.write_async("aba", 12, sampling, |c| told.push(c)).await?;
            assert_eq!(written, format!("aba{told}"));
            Result::Ok((losses, loss, written))
        };
        assert_eq!(run(awaited).0?, blocking()?, "{}", device.describe());
    }
    Ok(())
}

#[test]
fn benchmarks_run_without_waiting() -> Result<()> {
    let device = Device::auto()?;
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return Ok(());
    }
    let (stopwatch, stop) = (Stopwatch::new(&device, true)?, Default::default());
    let wanted = [peaks::Peak::Dispatch, peaks::Peak::Submit, peaks::Peak::Readback];
    let mut told = 0;
    let rows = run(peaks::measure_rows_async(&device, &wanted, &stopwatch, &stop, |_| told += 1)).0?;
    assert!(told == 3 && rows.iter().all(|row| row.summary().is_some_and(|s| s.min > 0.0)), "{rows:?}");
    let case = Case::of_line("smoke", &"relu input=8x50".parse()?)?.remove(0);
    let mut prepared = run(case.prepare_async(&device, false)).0?;
    let words = run(check::check_async(&mut prepared)).0?;
    assert_eq!(words, check::check(&mut case.prepare(&device, false)?)?);
    let policy = Policy { budget: std::time::Duration::from_millis(5), ..Policy::default() };
    let timing = run(measure_async(&mut prepared.workload(), &stopwatch, &mut Unwatched, &policy, &stop)).0?;
    assert!(timing.is_some_and(|timing| timing.samples.len() >= 10 && timing.clock == Clock::Wall));
    Ok(())
}
