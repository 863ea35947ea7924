//! The loop for any task: what is measured, parts of batches, averages, frozen parameters, steps that are skipped, whole runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use wgrad::data::{Batch, Examples, Field, Loader, Order, Values};
use wgrad::nn::{
    Activation, BatchNorm1d, Conv2d, Dropout, Flatten, Linear, Lstm, MSELoss, Module, Sequential,
};
use wgrad::ops::{Elementwise, Role};
use wgrad::optim::{Adam, ReduceOnPlateau, Schedule, Sgd};
use wgrad::random::Rng;
use wgrad::train::{
    Callback, Checkpoints, Classification, EarlyStopping, EpochReport, Fit, Flow, Inputs, Measures, Metric,
    Network, NonFinite, Options, Outcome, Progress, Reconstruction, Regression, SequenceClassification,
    Trainer,
};
use wgrad::{Checkpoint, Device, HostTensor, Parameters, Result, Tensor, TensorType};

/// Examples out of memory: fields, and their values one example after the other.
struct Held {
    rows: usize,
    fields: Vec<Field>,
    f32s: Vec<Vec<f32>>,
    u32s: Vec<Vec<u32>>,
    classes: Vec<String>,
}

impl Held {
    fn new(rows: usize) -> Self {
        Self { rows, fields: vec![], f32s: vec![], u32s: vec![], classes: vec![] }
    }

    fn f32(mut self, name: &str, shape: &[usize], values: impl Fn(usize) -> f32) -> Self {
        let size: usize = shape.iter().product();
        self.fields.push(Field::new(name, TensorType::f32(shape)));
        self.f32s.push((0..self.rows * size).map(values).collect());
        self.u32s.push(vec![]);
        self
    }

    fn u32(mut self, name: &str, shape: &[usize], classes: usize, values: impl Fn(usize) -> u32) -> Self {
        let size: usize = shape.iter().product();
        self.fields.push(Field::new(name, TensorType::u32(shape)));
        self.u32s.push((0..self.rows * size).map(values).collect());
        self.f32s.push(vec![]);
        self.classes = (0..classes).map(|class| class.to_string()).collect();
        self
    }

    fn shared(self) -> Arc<dyn Examples> {
        Arc::new(self)
    }
}

impl Examples for Held {
    fn len(&self) -> usize {
        self.rows
    }

    fn fields(&self) -> Vec<Field> {
        self.fields.clone()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        for ((field, place), (f32s, u32s)) in
            self.fields.iter().zip(values).zip(self.f32s.iter().zip(&self.u32s))
        {
            let size = field.ty.shape.elements();
            match place {
                Values::F32(place) => place.copy_from_slice(&f32s[index * size..][..size]),
                Values::U32(place) => place.copy_from_slice(&u32s[index * size..][..size]),
            }
        }
        Ok(())
    }
}

fn noise(i: usize) -> f32 {
    Rng::named(5, &i.to_string()).range(-1.0, 1.0) as f32
}

fn options(batch_size: usize) -> Options {
    Options { batch_size, seed: 1, ..Options::default() }
}

fn devices() -> Result<[Device; 2]> {
    Ok([Device::cpu(), Device::auto()?])
}

fn weights(parameters: &Parameters) -> Result<BTreeMap<String, Vec<u8>>> {
    let names = [parameters.names(Role::Parameter), parameters.names(Role::Buffer)].concat();
    names.into_iter().map(|name| Ok((name.clone(), parameters.get(&name)?.as_bytes().to_vec()))).collect()
}

fn all(_: &Trainer, _: &Progress) -> Result<Flow> {
    Ok(Flow::Continue)
}

/// Four classes by the sign of two numbers.
fn quadrants(rows: usize) -> Arc<dyn Examples> {
    let class = |i: usize| u32::from(noise(2 * i) > 0.0) + 2 * u32::from(noise(2 * i + 1) > 0.0);
    Held::new(rows).f32("x", &[2], noise).u32("label", &[], 4, class).shared()
}

fn two_layers(from: usize, to: usize) -> Sequential {
    let relu = wgrad::nn::Activation(wgrad::ops::Elementwise::relu());
    Sequential::new().add(Linear::new(from, 16)).add(relu).add(Linear::new(16, to))
}

#[test]
fn classes_are_learned_and_counted() -> Result<()> {
    let (data, unseen) = (quadrants(203), quadrants(120));
    for device in devices()? {
        let task = Classification::new(two_layers(2, 4)).top_k(2);
        let mut trainer = Trainer::new(&device, task, Adam::new(0.02), data.as_ref(), options(20))?;
        assert_eq!(trainer.measured(&unseen)?[1], ["loss", "accuracy", "top2_accuracy"]);
        let mut learned = Measures::default();
        for _ in 0..12 {
            learned = trainer.epoch(&data, all)?;
        }
        assert!(learned.metric("accuracy")? > 0.9 && learned.examples == 203, "{learned:?}");
        let judged = trainer.evaluate(&unseen)?;
        // The same from the probabilities, on the host.
        let x = HostTensor::from_f32([120, 2], (0..240).map(noise).collect())?;
        let said = trainer.network().predict(&[&x])?;
        let (mut hits, mut seconds, mut loss) = (0, 0, 0.0);
        let confusion = judged.confusion().expect("counts");
        let mut counts = wgrad::train::Confusion::new(4);
        for (i, row) in said.as_f32()?.chunks(4).enumerate() {
            let label = usize::from(noise(2 * i) > 0.0) + 2 * usize::from(noise(2 * i + 1) > 0.0);
            let mut order: Vec<usize> = (0..4).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
            hits += usize::from(order[0] == label);
            seconds += usize::from(order[..2].contains(&label));
            loss -= f64::from(row[label]).ln();
            counts.add(label, order[0]);
        }
        assert_eq!(judged.metric("accuracy")?, hits as f64 / 120.0);
        assert_eq!(judged.metric("top2_accuracy")?, seconds as f64 / 120.0);
        assert!((judged.loss() - loss / 120.0).abs() < 1e-5, "{} {}", judged.loss(), loss / 120.0);
        assert_eq!(*confusion, counts);
        assert!(
            judged.metric("f1").unwrap_err().to_string().contains("one of loss, accuracy, top2_accuracy")
        );
    }
    Ok(())
}

/// Probabilities are learned, classes judged on.
#[test]
fn mixed_labels_are_learned_and_plain_ones_judged() -> Result<()> {
    let plain = quadrants(100);
    let share = |i: usize| {
        let (row, class) = (i / 4, i % 4);
        let label = usize::from(noise(2 * row) > 0.0) + 2 * usize::from(noise(2 * row + 1) > 0.0);
        if class == label { 0.85 } else { 0.05 }
    };
    let mut mixed = Held::new(100).f32("x", &[2], noise).f32("label", &[4], share);
    mixed.classes = (0..4).map(|class| class.to_string()).collect();
    let mixed = mixed.shared();
    let task = Classification::new(two_layers(2, 4));
    let mut trainer = Trainer::new(&Device::auto()?, task, Adam::new(0.03), mixed.as_ref(), options(25))?;
    for _ in 0..25 {
        trainer.epoch(&mixed, all)?;
    }
    let judged = trainer.evaluate(&plain)?;
    assert!(judged.metric("accuracy")? > 0.9, "{judged:?}");
    assert_eq!(judged.metric("accuracy")?, trainer.evaluate(&mixed)?.metric("accuracy")?);
    let error = trainer.epoch(&plain, all).unwrap_err().to_string();
    assert!(error.contains("label f32 (4)") && error.contains("label u32"), "{error}");
    Ok(())
}

#[test]
fn top_k_is_by_score_then_by_number_and_nan_is_no_hit() -> Result<()> {
    let scores = vec![3.0, 3.0, 1.0, 3.0, 3.0, 1.0, 0.0, f32::NAN, 1.0, 2.0, 1.0, 0.0];
    let data = Held::new(4).f32("x", &[3], move |i| scores[i]).u32("label", &[], 3, |i| [0, 1, 1, 2][i]);
    let data = data.shared();
    for (k, hits) in [(1, 1.0), (2, 2.0), (3, 3.0)] {
        for device in devices()? {
            let task = move |batch: &Inputs| {
                let graph = batch.graph();
                let weight = graph.parameter("w", [1], wgrad::ops::Init::Zeros)?;
                let loss = weight.sum((), false)?;
                let metric = Metric::top_k_accuracy(batch.get("x")?, batch.get("label")?, k)?;
                Ok(Outcome::new(batch, loss)?.metric(metric))
            };
            let mut trainer = Trainer::new(&device, task, Sgd::new(0.1), data.as_ref(), options(4))?;
            let judged = trainer.evaluate(&data)?;
            assert_eq!(judged.metric(&format!("top{k}_accuracy"))?, hits / 4.0, "{k}");
        }
    }
    Ok(())
}

#[test]
fn numbers_are_told_and_r2_survives_a_large_mean() -> Result<()> {
    // The target's mean is 5000 times its deviation.
    let target = |i: usize| {
        1000.0 + 0.2 * noise(3 * (i / 2)) + if i % 2 == 1 { 0.1 * noise(3 * (i / 2) + 1) } else { 0.0 }
    };
    let data = Held::new(150).f32("x", &[3], noise).f32("target", &[2], target).shared();
    let shifted = |x: &Tensor| Linear::new(3, 2).forward(x)?.add_scalar(1000.0);
    for device in devices()? {
        let task = Regression::new(wgrad::nn::Lambda(shifted), MSELoss::new());
        let mut trainer = Trainer::new(&device, task, Adam::new(0.05), data.as_ref(), options(32))?;
        for _ in 0..25 {
            trainer.epoch(&data, all)?;
        }
        let judged = trainer.evaluate(&data)?;
        let x = HostTensor::from_f32([150, 3], (0..450).map(noise).collect())?;
        let said = trainer.network().predict(&[&x])?;
        let said = said.as_f32()?;
        let wanted: Vec<f64> = (0..300).map(|i| f64::from(target(i))).collect();
        let error = |i: usize| f64::from(said[i]) - wanted[i];
        let mae = (0..300).map(|i| error(i).abs()).sum::<f64>() / 300.0;
        let rmse = ((0..300).map(|i| error(i).powi(2)).sum::<f64>() / 300.0).sqrt();
        let r2 = |column: usize| {
            let own: Vec<usize> = (0..150).map(|row| 2 * row + column).collect();
            let mean = own.iter().map(|&i| wanted[i]).sum::<f64>() / 150.0;
            let deviations = own.iter().map(|&i| (wanted[i] - mean).powi(2)).sum::<f64>();
            1.0 - own.iter().map(|&i| error(i).powi(2)).sum::<f64>() / deviations
        };
        let expected = [("mae", mae), ("rmse", rmse), ("r2", (r2(0) + r2(1)) / 2.0)];
        for (name, value) in expected {
            let got = judged.metric(name)?;
            assert!((got - value).abs() < 2e-3 * value.abs().max(1.0), "{name}: {got} {value}");
        }
        assert!(judged.metric("r2")? > 0.9, "{judged:?}");
    }
    Ok(())
}

/// The sum of what came before, modulo 3; steps of label 9 are padding.
#[test]
fn every_step_of_a_sequence_gets_a_class() -> Result<()> {
    const STEPS: usize = 6;
    let bit = |i: usize| u32::from(noise(i) > 0.0);
    let label = move |i: usize| {
        let (row, step) = (i / STEPS, i % STEPS);
        if step > 1 + row % 5 { 9 } else { (0..=step).map(|s| bit(row * STEPS + s)).sum::<u32>() % 2 }
    };
    let data = Held::new(240).f32("x", &[STEPS, 1], move |i| bit(i) as f32).u32("label", &[STEPS], 2, label);
    let data = data.shared();
    let model = |x: &Tensor| {
        let read = x.graph().scoped("rnn", || Lstm::new(1, 12).batch_first(true).sequence(x, None, None))?;
        x.graph().scoped("head", || Linear::new(12, 2).forward(&read.output))
    };
    let device = Device::auto()?;
    let task = SequenceClassification::new(wgrad::nn::Lambda(model)).padding(9);
    let mut trainer = Trainer::new(&device, task, Adam::new(0.03), data.as_ref(), options(40))?;
    let first = trainer.evaluate(&data)?;
    assert!((first.metric("perplexity")? - 2.0).abs() < 0.2, "{first:?}");
    for _ in 0..60 {
        trainer.epoch(&data, all)?;
    }
    let judged = trainer.evaluate(&data)?;
    assert!(judged.metric("accuracy")? > 0.97, "{judged:?}");
    // Without padding all steps count, those of label 9 are no class.
    let task = SequenceClassification::new(wgrad::nn::Lambda(model));
    let mut other = Trainer::new(&device, task, Adam::new(0.03), data.as_ref(), options(40))?;
    let error = other.epoch(&data, all).unwrap_err().to_string();
    assert!(error.contains('9'), "{error}");
    Ok(())
}

#[test]
fn what_went_in_comes_out() -> Result<()> {
    let plane = |i: usize| noise(2 * (i / 6)) * (i % 6) as f32 * 0.3 + noise(2 * (i / 6) + 1) * 0.5;
    let data = Held::new(128).f32("x", &[6], plane).shared();
    let model = Sequential::new().add(Linear::new(6, 2)).add(Linear::new(2, 6));
    let task = Reconstruction::new(model, MSELoss::new());
    let mut trainer = Trainer::new(&Device::auto()?, task, Adam::new(0.03), data.as_ref(), options(32))?;
    let before = trainer.evaluate(&data)?.metric("rmse")?;
    for _ in 0..60 {
        trainer.epoch(&data, all)?;
    }
    let judged = trainer.evaluate(&data)?;
    assert!(judged.metric("rmse")? < 0.05 && before > 0.2, "{before} {judged:?}");
    assert!((judged.metric("rmse")?.powi(2) - judged.loss()).abs() < 1e-5, "{judged:?}");
    Ok(())
}

/// Numbers whose sums have no rounding errors: powers of two, and few of them.
#[test]
fn parts_of_a_batch_are_the_batch_bit_by_bit_where_sums_are_exact() -> Result<()> {
    let small = |i: usize| [0.5, -1.0, 2.0, 0.25][i * 7 % 4];
    let data = Held::new(32).f32("x", &[4], small).f32("target", &[1], move |i| small(i + 1)).shared();
    let quarter =
        |shape: &wgrad::Shape| wgrad::ops::Init::Constant(if shape.elements() > 1 { 0.25 } else { 0.5 });
    let run = |device: &Device, micro_batch: Option<usize>| -> Result<_> {
        let model = Linear::new(4, 1).init(quarter).bias_init(quarter);
        let options = Options { micro_batch, ..options(16) };
        let task = Regression::new(model, MSELoss::new());
        let mut trainer = Trainer::new(device, task, Sgd::new(0.125), data.as_ref(), options)?;
        let mut steps = 0;
        let learned = trainer.epoch(&data, |_, now| {
            steps = now.step;
            Ok(if now.step == 1 { Flow::Stop } else { Flow::Continue })
        })?;
        assert_eq!((steps, learned.examples, trainer.position()), (1, 16, (0, 16, 1)));
        Ok((weights(trainer.parameters())?, learned.loss()))
    };
    for device in devices()? {
        let whole = run(&device, None)?;
        for parts in [8, 4, 2, 1, 16, 100] {
            assert_eq!(run(&device, Some(parts))?, whole, "parts of {parts} on {}", device.describe());
        }
    }
    Ok(())
}

/// Where sums round, and parts are of two sizes, little differs.
#[test]
fn parts_of_a_batch_are_nearly_the_batch() -> Result<()> {
    let data = quadrants(150);
    let run = |micro_batch: Option<usize>| -> Result<_> {
        let options = Options { micro_batch, max_norm: Some(0.5), ..options(50) };
        let task = Classification::new(two_layers(2, 4));
        let mut trainer = Trainer::new(&Device::auto()?, task, Adam::new(0.01), data.as_ref(), options)?;
        let mut learned = Measures::default();
        for _ in 0..4 {
            learned = trainer.epoch(&data, all)?;
        }
        Ok((trainer.parameters().get("0.weight")?, learned, trainer.position()))
    };
    let (whole, learned, position) = run(None)?;
    for parts in [20, 7] {
        let (weight, same, there) = run(Some(parts))?;
        let apart = |(a, b): (&f32, &f32)| (a - b).abs();
        let worst = weight.as_f32()?.iter().zip(whole.as_f32()?).map(apart).fold(0.0, f32::max);
        assert!(worst < 2e-4, "{parts}: {worst}");
        assert!((learned.loss() - same.loss()).abs() < 1e-4 && there == position, "{learned:?} {same:?}");
        assert_eq!(same.examples, 150);
    }
    Ok(())
}

#[test]
fn the_average_is_that_of_the_steps() -> Result<()> {
    let data = quadrants(60);
    for device in devices()? {
        let options = Options { average: Some(0.75), frozen: vec!["2.bias".into()], ..options(20) };
        let model = Sequential::new().add(Linear::new(2, 8)).add(BatchNorm1d::new(8)).add(Linear::new(8, 4));
        let task = Classification::new(model);
        let mut trainer = Trainer::new(&device, task, Sgd::new(0.3), data.as_ref(), options)?;
        let mut expected: Option<Vec<f32>> = None;
        let bias = trainer.parameters().get("2.bias")?;
        for _ in 0..2 {
            trainer.epoch(&data, |trainer, _| {
                let now = trainer.parameters().get("0.weight")?.as_f32()?.to_vec();
                expected = Some(match expected.take() {
                    None => now,
                    Some(held) => held.iter().zip(&now).map(|(h, n)| n + 0.75 * (h - n)).collect(),
                });
                Ok(Flow::Continue)
            })?;
        }
        let held = trainer.parameters().get("average.0.weight")?;
        for (got, wanted) in held.as_f32()?.iter().zip(expected.expect("steps")) {
            assert!((got - wanted).abs() < 1e-6, "{got} {wanted}");
        }
        assert_eq!(trainer.parameters().get("2.bias")?, bias, "what is frozen");
        assert!(trainer.parameters().ty("average.2.bias").is_err());
        let (own, averaged) = (trainer.evaluate(&data)?, trainer.evaluate_average(&data)?);
        assert_ne!(own.loss(), averaged.loss());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("average.safetensors");
        trainer.save_average(&path)?;
        trainer.parameters().load(&path)?;
        assert_eq!(trainer.evaluate(&data)?, averaged, "the weights in the file");
        assert_eq!(trainer.parameters().get("0.weight")?, held);
    }
    let task = Classification::new(two_layers(2, 4));
    let mut without = Trainer::new(&Device::cpu(), task, Sgd::new(0.3), data.as_ref(), options(20))?;
    assert!(without.evaluate_average(&data).unwrap_err().to_string().contains("average: expected a decay"));
    Ok(())
}

/// A task whose loss is not finite for examples that hold the number 7, in the value or in the gradient alone.
fn touchy(gradient_alone: bool) -> impl Fn(&Inputs) -> Result<Outcome> {
    move |batch: &Inputs| {
        let x = batch.get("x")?;
        let told = Linear::new(1, 1).forward(x)?;
        // The root of 0 has the derivative infinity, and 0 * infinity is NaN.
        let far = x.add_scalar(-7.0)?.square()?;
        let trouble = if gradient_alone {
            far.mul(&told)?.square()?.sqrt()?.scale(0.01)?
        } else {
            far.log()?.scale(0.01)?.mul(&told)?
        };
        let loss = told.sub(batch.get("target")?)?.square()?.add(&trouble)?.mean((), false)?;
        Ok(Outcome::new(batch, loss)?.metric(Metric::mae(&told, batch.get("target")?)?))
    }
}

#[test]
fn steps_that_are_not_finite_are_skipped_or_end_the_run() -> Result<()> {
    // Of ten batches of 8 in order of the seed, one holds the 7.
    let data = Held::new(80).f32("x", &[1], |i| if i == 33 { 7.0 } else { noise(i) });
    let data = data.f32("target", &[1], |i| 2.0 * noise(i)).shared();
    let calm = Held::new(80).f32("x", &[1], noise).f32("target", &[1], |i| 2.0 * noise(i)).shared();
    for device in devices()? {
        for gradient_alone in [false, true] {
            let make = |non_finite, seed| {
                let options =
                    Options { batch_size: 8, seed, non_finite, average: Some(0.5), ..Options::default() };
                Trainer::new(&device, touchy(gradient_alone), Adam::new(0.05), data.as_ref(), options)
            };
            let mut trainer = make(NonFinite::Skip, 4)?;
            let mut before = None;
            let mut kept = 0;
            let learned = trainer.epoch(&data, |trainer, _| {
                let mut now = weights(trainer.parameters())?;
                for name in ["average.weight", "weight.exp_avg", "bias.exp_avg_sq"] {
                    now.insert(name.into(), trainer.parameters().get(name)?.as_bytes().to_vec());
                }
                kept += usize::from(before.as_ref() == Some(&now));
                before = Some(now);
                Ok(Flow::Continue)
            })?;
            assert_eq!((kept, learned.metric("skipped")?), (1, 8.0), "on {}", device.describe());
            assert!(learned.loss().is_finite() && learned.metric("mae")?.is_finite(), "{learned:?}");
            assert!(weights(trainer.parameters())?.values().flatten().any(|&byte| byte != 0));
            // Where nothing goes wrong, skipping changes no bit.
            let mut two = [make(NonFinite::Skip, 4)?, make(NonFinite::Stop, 4)?];
            let losses = two.iter_mut().map(|trainer| Ok(trainer.epoch(&calm, all)?.loss()));
            let losses = losses.collect::<Result<Vec<_>>>()?;
            assert_eq!(losses[0], losses[1]);
            assert_eq!(weights(two[0].parameters())?, weights(two[1].parameters())?);
            let mut stops = make(NonFinite::Stop, 4)?;
            let error =
                stops.epoch(&data, all).and_then(|_| stops.epoch(&data, all)).unwrap_err().to_string();
            assert!(error.contains("loss: expected finite numbers, got "), "{error}");
        }
    }
    Ok(())
}

/// The gradients that are looked at are those by which the next step goes; looking changes nothing.
#[test]
fn gradients_are_those_of_the_next_step() -> Result<()> {
    let data = Held::new(16).f32("x", &[6], noise).u32("label", &[], 3, |i| (i % 3) as u32).shared();
    let model = || {
        let model = Sequential::new().named("1", Linear::new(6, 8)).named("2", BatchNorm1d::new(8));
        model.named("3", Dropout::new(0.5)).named("4", Linear::new(8, 3))
    };
    for device in devices()? {
        let options = Options { batch_size: 16, frozen: vec!["4.bias".into()], ..Options::default() };
        let task = Classification::new(model());
        let mut trainer = Trainer::new(&device, task, Sgd::new(0.5), data.as_ref(), options)?;
        trainer.epoch(&data, all)?;
        let before = trainer.checkpoint(BTreeMap::new())?.wait()?;
        let mut loader = Loader::new(&data, 16, Order::Shuffled { seed: 0, epoch: 1 })?;
        let batch = loader.next().expect("a batch")?;
        let gradients = trainer.gradients(&batch)?;
        assert_eq!(trainer.checkpoint(BTreeMap::new())?.wait()?, before);
        let names: Vec<&str> = gradients.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["1.weight", "1.bias", "2.weight", "2.bias", "4.weight"]);
        let was = |name: &str| trainer.parameters().get(name);
        let olds = names.iter().map(|name| was(name)).collect::<Result<Vec<_>>>()?;
        trainer.epoch(&data, all)?;
        for ((name, gradient), old) in gradients.iter().zip(olds) {
            let new = trainer.parameters().get(name)?;
            for ((new, old), gradient) in new.as_f32()?.iter().zip(old.as_f32()?).zip(gradient.as_f32()?) {
                assert!((new - (old - 0.5 * gradient)).abs() < 1e-6, "{name}: {new}, {old}, {gradient}");
            }
        }
        assert!(gradients.iter().any(|(_, g)| g.as_f32().is_ok_and(|g| g.iter().any(|g| g.abs() > 1e-3))));
    }
    Ok(())
}

/// What the layers give comes in their order, the last of it what the prediction is made of.
#[test]
fn layers_are_told_by_name() -> Result<()> {
    let data = Held::new(4).f32("image", &[1, 4, 4], noise).u32("label", &[], 3, |i| (i % 3) as u32).shared();
    for device in devices()? {
        let model = Sequential::new()
            .named("conv", Conv2d::new(1, 2, 3))
            .named("act", Activation(Elementwise::relu()));
        let model = model.named("flat", Flatten).named("head", Linear::new(8, 3));
        let network = Network::new(&Parameters::new(&device, 1), Classification::new(model), data.as_ref())?;
        let batch = Batch::read(data.as_ref(), &[0, 1], 0, 0)?;
        let layers = network.layers(&[&batch.tensors[0]])?;
        let shapes: Vec<(&str, &[usize])> =
            layers.iter().map(|(name, value)| (name.as_str(), &value.shape()[..])).collect();
        assert_eq!(shapes[..2], [("conv", &[2, 2, 2, 2][..]), ("act", &[2, 2, 2, 2][..])]);
        let of = |name: &str| layers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let (conv, act, head) =
            (of("conv").expect("conv"), of("act").expect("act"), of("head").expect("head"));
        let pairs = conv.as_f32()?.iter().zip(act.as_f32()?);
        assert!(
            pairs.clone().all(|(before, after)| before.max(0.0) == *after)
                && pairs.clone().any(|(_, after)| *after > 0.0)
        );
        let mut network = network;
        let said = network.predict(&[&batch.tensors[0]])?;
        for (row, said) in head.as_f32()?.chunks(3).zip(said.as_f32()?.chunks(3)) {
            let sum: f32 = row.iter().map(|v| v.exp()).sum();
            assert!(row.iter().zip(said).all(|(v, p)| (v.exp() / sum - p).abs() < 1e-5), "{row:?} {said:?}");
        }
        assert!(network.layers(&[]).is_err());
    }
    Ok(())
}

/// Of a batch in parts all is skipped: metrics and running statistics of its other parts, too.
#[test]
fn batches_in_parts_are_skipped_as_a_whole() -> Result<()> {
    let make_data = |odd: f32| {
        let data = Held::new(80).f32("x", &[1], move |i| if i == 33 { odd } else { noise(i) });
        data.f32("target", &[1], |i| 2.0 * noise(i)).shared()
    };
    // The root's derivative at 7, or a loss of infinity whose gradients are numbers.
    for (odd, in_loss) in [(7.0, false), (7.0, true)] {
        let data = make_data(odd);
        let task = move |batch: &Inputs| {
            let x = batch.get("x")?;
            let read = x.graph().scoped("norm", || BatchNorm1d::new(1).forward(x))?;
            let told = Linear::new(1, 1).forward(&read)?;
            let far = x.add_scalar(-7.0)?.square()?;
            let loss = told.sub(batch.get("target")?)?.square()?;
            let loss = if in_loss {
                // A constant of the example: minus the logarithm of 0.
                loss.sub(&far.log()?.scale(0.01)?)?
            } else {
                loss.add(&far.mul(&told)?.square()?.sqrt()?.scale(0.01)?)?
            };
            let outcome = Outcome::new(batch, loss.mean((), false)?)?;
            Ok(outcome.metric(Metric::mae(&told, batch.get("target")?)?))
        };
        for device in devices()? {
            let make = |non_finite| {
                let options = Options {
                    batch_size: 8,
                    seed: 4,
                    non_finite,
                    micro_batch: Some(3),
                    average: Some(0.5),
                    ..Options::default()
                };
                Trainer::new(&device, task, Adam::new(0.05), data.as_ref(), options)
            };
            let mut trainer = make(NonFinite::Skip)?;
            // Checkpoints of any step can be kept, the skipped one's too.
            let place = tempfile::tempdir().expect("a temporary folder");
            let mut checkpoints = Checkpoints::new(place.path(), 2)?;
            let (mut before, mut kept) = (None, 0);
            let learned = trainer.epoch(&data, |trainer, _| {
                let checkpoint = trainer.checkpoint(BTreeMap::new())?.wait()?;
                let of =
                    |name: &str| !["gradient.", "before."].iter().any(|scratch| name.starts_with(scratch));
                let now: BTreeMap<String, Vec<u8>> = checkpoint
                    .states()
                    .filter(|(name, ..)| of(name) && !name.contains("skipped") && !name.contains("tracked"))
                    .filter(|(_, _, value)| value.as_f32().is_ok())
                    .map(|(name, _, value)| (name.to_owned(), value.as_bytes().to_vec()))
                    .collect();
                assert!(
                    now.contains_key("norm.running_mean") && now.contains_key("metric.train.mae"),
                    "{:?}",
                    now.keys()
                );
                kept += usize::from(before.as_ref() == Some(&now));
                before = Some(now);
                checkpoints.write(1, trainer.checkpoint(BTreeMap::new())?, false)?;
                checkpoints.finish()?;
                Ok(Flow::Continue)
            })?;
            assert_eq!((kept, learned.metric("skipped")?), (1, 8.0), "on {}", device.describe());
            assert!(learned.loss().is_finite() && learned.metric("mae")?.is_finite(), "{learned:?}");
            let mut stops = make(NonFinite::Stop)?;
            assert!(stops.epoch(&data, all).and_then(|_| stops.epoch(&data, all)).is_err());
        }
    }
    Ok(())
}

/// What a callback saw.
#[derive(Default, Clone)]
struct Seen(Rc<RefCell<Vec<String>>>);

impl Callback for Seen {
    fn train_begins(&mut self, _: &mut Trainer) -> Result<()> {
        self.0.borrow_mut().push("begins".into());
        Ok(())
    }

    fn step_ends(&mut self, _: &Trainer, now: &Progress) -> Result<Flow> {
        self.0.borrow_mut().push(format!("step {}", now.step));
        Ok(Flow::Continue)
    }

    fn epoch_ends(&mut self, _: &mut Trainer, report: &EpochReport) -> Result<Flow> {
        self.0.borrow_mut().push(format!("epoch {}", report.epoch));
        Ok(if report.epoch == 2 { Flow::Stop } else { Flow::Continue })
    }

    fn train_ends(&mut self, _: &mut Trainer, reports: &[EpochReport]) -> Result<()> {
        self.0.borrow_mut().push(format!("ends after {}", reports.len()));
        Ok(())
    }
}

#[test]
fn callbacks_are_called_at_their_places() -> Result<()> {
    let data = quadrants(40);
    let seen = Seen::default();
    let task = Classification::new(two_layers(2, 4));
    let mut trainer = Trainer::new(&Device::cpu(), task, Sgd::new(0.1), data.as_ref(), options(20))?;
    let reports = Fit::new(9).callback(seen.clone()).run(&mut trainer, &data)?;
    assert_eq!(reports.len(), 2);
    let expected = ["begins", "step 1", "step 2", "epoch 1", "step 1", "step 2", "epoch 2", "ends after 2"];
    assert_eq!(*seen.0.borrow(), expected);
    Ok(())
}

/// Where the rate is so large that losses grow, the first epoch was best.
#[test]
fn a_run_ends_early_with_its_best_weights() -> Result<()> {
    let (data, held) = (quadrants(80), quadrants(90));
    let trainer = || {
        let options = Options { average: Some(0.2), ..options(20) };
        Trainer::new(
            &Device::cpu(),
            Classification::new(two_layers(2, 4)),
            Sgd::new(8.0),
            data.as_ref(),
            options,
        )
    };
    let mut best = trainer()?;
    let stopping = EarlyStopping::new(2);
    let fit = |epochs| Fit::new(epochs).validation(held.clone()).early_stopping(stopping);
    let reports = fit(30).restore_best(true).run(&mut best, &data)?;
    assert!(reports.len() < 30, "{} epochs", reports.len());
    let losses: Vec<f64> = reports.iter().map(|report| report.test.loss()).collect();
    let place = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).expect("epochs").0;
    assert_eq!(losses.len(), place + 4, "{losses:?}");
    assert_eq!(best.evaluate_average(&held)?.loss(), losses[place], "as after its best epoch");
    let mut last = trainer()?;
    fit(30).run(&mut last, &data)?;
    assert_eq!(last.evaluate_average(&held)?.loss(), losses[losses.len() - 1], "as after its last epoch");
    Ok(())
}

#[test]
fn runs_with_validation_and_a_plateau_go_on_bit_for_bit() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, held) = (quadrants(80), quadrants(90));
    let trainer = || {
        let task = Classification::new(two_layers(2, 4));
        Trainer::new(&Device::cpu(), task, Sgd::new(2.0).momentum(0.5), data.as_ref(), options(20))
    };
    let plateau = ReduceOnPlateau { patience: 0, cooldown: 1, ..ReduceOnPlateau::default() };
    let fit = |epochs| {
        let stopping = EarlyStopping::new(4).min_delta(0.01);
        let fit = Fit::new(epochs).validation(held.clone()).monitor("accuracy", true);
        fit.early_stopping(stopping).reduce_on_plateau(plateau)
    };
    let mut whole = trainer()?;
    let reports = fit(12).run(&mut whole, &data)?;
    let rate = whole.rate().expect("a rate");
    assert!(rate < 2.0, "{rate}");
    let checkpoints = Checkpoints::new(folder.path(), 2)?;
    let mut first = trainer()?;
    fit(5).checkpoints(checkpoints, Some(3)).run(&mut first, &data)?;
    let (_, checkpoint) = Checkpoints::latest(folder.path(), |_| ())?;
    let mut second = trainer()?;
    let mut rest = fit(12);
    rest.resume(&mut second, &checkpoint)?;
    assert_eq!(second.position(), (5, 0, 20));
    let parts = rest.run(&mut second, &data)?;
    let tests =
        |reports: &[EpochReport]| reports.iter().map(|report| report.test.clone()).collect::<Vec<_>>();
    assert_eq!(tests(&parts), tests(&reports[5..]));
    assert_eq!(weights(second.parameters())?, weights(whole.parameters())?);
    assert_eq!(second.rate(), Some(rate));
    assert!(Checkpoint::read(&folder.path().join("best.safetensors")).is_ok());
    let mut both = trainer()?;
    both.follow(Schedule::Exponential { gamma: 0.9 })?;
    let refused = fit(3).run(&mut both, &data).unwrap_err().to_string();
    assert!(refused.contains("plateau: expected learning rates that no schedule changes"), "{refused}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() -> Result<()> {
    let data = quadrants(40);
    let cpu = Device::cpu();
    let refused = |task: Classification, options: Options, part: &str| {
        let error =
            Trainer::new(&cpu, task, Sgd::new(0.1), data.as_ref(), options).err().expect(part).to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    let model = || Classification::new(two_layers(2, 4));
    refused(Classification::new(two_layers(2, 3)), options(8), "logits (N, classes) of 4 classes");
    refused(Classification::new(two_layers(3, 4)), options(8), "linear");
    refused(model().top_k(5), options(8), "top_k: expected 1 to 4, got 5");
    refused(model().class_weights(vec![1.0]), options(8), "weight");
    refused(
        model(),
        Options { frozen: vec!["fc.*".into()], ..options(8) },
        "freeze: expected a pattern of some of 0.weight",
    );
    refused(model(), Options { frozen: vec!["*".into()], ..options(8) }, "parameters that learn");
    refused(model(), Options { average: Some(1.0), ..options(8) }, "average: expected a decay");
    refused(model(), Options { micro_batch: Some(0), ..options(8) }, "micro_batch: expected at least 1");
    let mut trainer = Trainer::new(&cpu, model(), Sgd::new(0.1), data.as_ref(), options(8))?;
    let other = Held::new(40).f32("x", &[3], noise).u32("label", &[], 4, |_| 0).shared();
    let error = trainer.epoch(&other, all).unwrap_err().to_string();
    assert!(error.contains("x f32 (2), label u32 () in 4 classes") && error.contains("x f32 (3)"), "{error}");
    let told = |batch: &Inputs| Outcome::new(batch, batch.get("y")?.clone());
    let error =
        Trainer::new(&cpu, told, Sgd::new(0.1), data.as_ref(), options(8)).err().expect("no y").to_string();
    assert!(error.contains("field: expected one of x, label, got y"), "{error}");
    let twice = |batch: &Inputs| {
        let loss = Linear::new(2, 1).forward(batch.input()?)?.mean((), false)?;
        Ok(Outcome::new(batch, loss.clone())?.metric(Metric::of_batches("loss", &loss, batch.rows())?))
    };
    let error =
        Trainer::new(&cpu, twice, Sgd::new(0.1), data.as_ref(), options(8)).err().expect("two").to_string();
    assert!(error.contains("a name for each, got two called loss"), "{error}");
    let mut silent = Trainer::new(
        &cpu,
        |batch: &Inputs| Outcome::new(batch, Linear::new(2, 1).forward(batch.input()?)?.mean((), false)?),
        Sgd::new(0.1),
        data.as_ref(),
        options(8),
    )?;
    let x = HostTensor::from_f32([1, 2], vec![0.0; 2])?;
    assert!(silent.network().predict(&[&x]).unwrap_err().to_string().contains("Task::predict"));
    assert!(silent.network().predict(&[]).unwrap_err().to_string().contains("a tensor of some examples"));
    Ok(())
}

#[test]
fn what_does_not_fit_into_memory_is_told_before_it_runs_with_what_would() -> Result<()> {
    let data = Held::new(512).f32("x", &[64], noise).u32("label", &[], 4, |i| i as u32 % 4).shared();
    let make = |limit: Option<u64>, options: Options| {
        let device = Device::auto()?;
        limit.iter().for_each(|&bytes| device.limit_memory(bytes));
        let trainer = Trainer::new(
            &device,
            Classification::new(two_layers(64, 4)),
            Sgd::new(0.1),
            data.as_ref(),
            options,
        );
        trainer.map(|trainer| (device, trainer))
    };
    let (device, mut trainer) = make(None, options(512))?;
    if device.is_cpu() {
        println!("SKIPPED: no adapter");
        return Ok(());
    }
    assert_eq!(device.memory_limit(), None);
    let peak = |trainer: &mut Trainer| Ok::<_, wgrad::Error>(trainer.executable()?.memory().peak);
    let whole = peak(&mut trainer)?;
    let (_, mut parts) = make(None, Options { micro_batch: Some(128), ..options(512) })?;
    let quarter = peak(&mut parts)?;
    assert!(quarter < whole / 2, "{quarter} of {whole}");
    let error = make(Some(quarter), options(512)).err().expect("too large").to_string();
    for part in [
        "memory: expected a program of at most",
        "MiB, got one of",
        "the largest: input x 0.1 MiB",
        "; 128 examples at a time fit (micro_batch",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // What it says is true, and what was refused left nothing behind.
    let (_, mut fits) = make(Some(quarter), Options { micro_batch: Some(128), ..options(512) })?;
    assert_eq!(peak(&mut fits)?, quarter);
    fits.epoch(&data, all)?;
    let error = make(Some(1000), options(512)).err().expect("too large").to_string();
    assert!(error.contains("0.0 MiB") && !error.contains("examples at a time"), "{error}");
    Ok(())
}
