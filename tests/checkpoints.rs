//! Checkpoints: training that goes on bit for bit, files that are refused where a bit of them is another, keys that differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use wgrad::data::{Dataset, Examples};
use wgrad::nn::{Dropout, Flatten, Linear, Module, Sequential};
use wgrad::ops::Role;
use wgrad::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Groups, Lamb, Lion, NAdam, OneCycle, Optimizer, RAdam, RmsProp,
    Rprop, Schedule, Sgd,
};
use wgrad::train::{Checkpoints, Classification, Flow, Options, Trainer};
use wgrad::{Checkpoint, Device, Graph, HostTensor, Parameters, Tensor};

const OPTIMIZERS: usize = 14;

fn optimizer(number: usize) -> Box<dyn Optimizer> {
    match number {
        0 => Box::new(Sgd::new(0.05)),
        1 => Box::new(Sgd::new(0.05).momentum(0.9).nesterov(true)),
        2 => Box::new(Adam::new(0.01).amsgrad(true)),
        3 => Box::new(AdamW::new(0.01)),
        4 => Box::new(Adamax::new(0.01)),
        5 => Box::new(RmsProp::new(0.01).centered(true).momentum(0.5)),
        6 => Box::new(Adagrad::new(0.01).lr_decay(0.01)),
        7 => Box::new(Adadelta::new(1.0)),
        8 => Box::new(NAdam::new(0.01)),
        9 => Box::new(RAdam::new(0.01)),
        10 => Box::new(Lion::new(0.001)),
        11 => Box::new(Lamb::new(0.01)),
        12 => Box::new(Rprop::new(0.01)),
        _ => Box::new(Groups::new(Sgd::new(0.05)).group("biases", "*.bias", Adam::new(0.02))),
    }
}

/// One schedule after the other.
fn schedule(number: usize) -> Schedule {
    let all = [
        "step:step_size=7,gamma=0.5",
        "multi_step:milestones=10/30,gamma=0.5",
        "exponential:gamma=0.97",
        "cosine:t_max=50",
        "cosine_restarts:t_0=9,t_mult=2",
        "cyclic:base_lr=0.001,max_lr=0.02,step_size_up=8",
        "polynomial:total_iters=60",
        "linear:start_factor=0.1,total_iters=30",
        "constant:total_iters=27",
    ];
    match all.get(number) {
        Some(text) => text.parse().expect("a schedule"),
        None if number == all.len() => Schedule::OneCycle(OneCycle::new(0.02, 60)),
        None => Schedule::Unchanged,
    }
}

fn data() -> Arc<dyn Examples> {
    let pixels = (0..90 * 12).map(|i| (i * 37 % 251) as u8).collect();
    let labels = (0..90).map(|i| (i * 7 % 5) as u32).collect();
    Arc::new(Dataset::new(pixels, labels, [1, 3, 4], 5).expect("a dataset"))
}

fn model() -> Sequential {
    Sequential::new()
        .named("0", Flatten)
        .named("1", Linear::new(12, 9))
        .named("2", Dropout::new(0.3))
        .named("3", Linear::new(9, 5))
}

fn options(batch_size: usize, seed: u64) -> Options {
    Options { batch_size, seed, ..Options::default() }
}

fn trainer(device: &Device, number: usize) -> wgrad::Result<Trainer> {
    let task = Classification::new(model());
    let mut trainer = Trainer::new(device, task, optimizer(number), data().as_ref(), options(20, 3))?;
    trainer.follow(schedule(number))?;
    Ok(trainer)
}

/// Trains until so many steps are done, over the ends of epochs; the losses of whole epochs.
fn train(trainer: &mut Trainer, data: &Arc<dyn Examples>, steps: usize) -> wgrad::Result<Vec<f64>> {
    let mut losses = Vec::new();
    while trainer.position().2 < steps {
        let totals = trainer.epoch(data, |trainer, _| {
            Ok(if trainer.position().2 < steps { Flow::Continue } else { Flow::Stop })
        })?;
        if trainer.position().1 == 0 {
            losses.push(totals.loss());
        }
    }
    Ok(losses)
}

/// All states, bit by bit.
fn states(parameters: &Parameters) -> wgrad::Result<BTreeMap<String, Vec<u8>>> {
    let checkpoint = parameters.checkpoint(BTreeMap::new())?.wait()?;
    Ok(checkpoint.states().map(|(name, _, value)| (name.to_owned(), value.as_bytes().to_vec())).collect())
}

#[test]
fn fifty_steps_are_twenty_three_and_twenty_seven() -> wgrad::Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.safetensors");
    for device in [Device::cpu(), Device::auto()?] {
        for number in 0..OPTIMIZERS {
            let data = data();
            let mut whole = trainer(&device, number)?;
            let losses = train(&mut whole, &data, 50)?;
            let mut first = trainer(&device, number)?;
            let mut parts = train(&mut first, &data, 23)?;
            first.checkpoint(BTreeMap::from([("note".into(), "kept".into())]))?.wait()?.write(&path)?;
            // A trainer of its own: nothing is left of the first but the file.
            let mut second = trainer(&device, number)?;
            let checkpoint = Checkpoint::read(&path)?;
            assert_eq!(checkpoint.note("note")?, "kept");
            second.resume(&checkpoint)?;
            assert_eq!(second.position(), (4, 60, 23));
            parts.extend(train(&mut second, &data, 50)?);
            let (expected, found) = (states(whole.parameters())?, states(second.parameters())?);
            for (name, bits) in &expected {
                assert_eq!(found.get(name), Some(bits), "{number} on {}: {name}", device.describe());
            }
            assert_eq!((expected.len(), losses), (found.len(), parts), "{number} on {}", device.describe());
        }
    }
    Ok(())
}

/// Judged in its midst, an epoch's own totals are what they would have been.
/// A device may be lost at any moment: between two steps, while a checkpoint is on its way, while sums are read.
#[test]
fn a_lost_device_is_told_and_another_goes_on_bit_for_bit() -> wgrad::Result<()> {
    let (number, data) = (3, data());
    let mut whole = trainer(&Device::auto()?, number)?;
    train(&mut whole, &data, 30)?;
    let expected = states(whole.parameters())?;
    for at in [1, 7, 8, 9, 23] {
        let device = Device::auto()?;
        if device.is_cpu() {
            println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
            return Ok(());
        }
        let mut first = trainer(&device, number)?;
        let mut kept = first.checkpoint(BTreeMap::new())?.wait()?;
        assert_eq!(device.lost(), None);
        let mut until_lost = || -> wgrad::Result<()> {
            while first.position().2 < 30 {
                first.epoch(&data, |trainer, _| {
                    let pending = trainer.checkpoint(BTreeMap::new())?;
                    if trainer.position().2 == at {
                        device.lose();
                        assert!(pending.wait().is_err(), "what was on its way from a lost device");
                    } else {
                        kept = pending.wait()?;
                    }
                    Ok(Flow::Continue)
                })?;
            }
            Ok(())
        };
        let ended = until_lost();
        let why = device.lost().expect("a device that was lost").to_owned();
        let error = ended.expect_err("steps on a lost device").to_string();
        assert!(error.contains("lost") && !why.is_empty(), "{error}");
        assert!(states(first.parameters()).is_err() && trainer(&device, number).is_err());
        let another = Device::auto()?;
        let mut second = trainer(&another, number)?;
        second.resume(&kept)?;
        train(&mut second, &data, 30)?;
        assert!(states(second.parameters())? == expected, "lost at {at}");
        assert_eq!(another.lost(), None);
    }
    Ok(())
}

#[test]
fn an_epoch_may_be_judged_in_its_midst() -> wgrad::Result<()> {
    let data = data();
    for device in [Device::cpu(), Device::auto()?] {
        let mut whole = trainer(&device, 3)?;
        let losses = train(&mut whole, &data, 5)?;
        let mut parts = trainer(&device, 3)?;
        train(&mut parts, &data, 3)?;
        let judged = parts.evaluate(&data)?;
        assert_eq!((judged.examples, parts.position()), (90, (0, 60, 3)));
        assert_eq!(train(&mut parts, &data, 5)?, losses, "on {}", device.describe());
    }
    Ok(())
}

#[test]
fn another_device_and_batch_size_go_on_and_another_seed_does_not() -> wgrad::Result<()> {
    let data = data();
    let mut first = trainer(&Device::auto()?, 3)?;
    train(&mut first, &data, 7)?;
    let checkpoint = first.checkpoint(BTreeMap::new())?.wait()?;
    let with = |batch_size, seed| {
        let task = Classification::new(model());
        Trainer::new(&Device::cpu(), task, optimizer(3), data.as_ref(), options(batch_size, seed))
    };
    let mut other = with(15, 3)?;
    other.resume(&checkpoint)?;
    assert_eq!(other.position(), (1, 40, 7));
    let mut seen = Vec::new();
    other.epoch(&data, |_, now| {
        seen.push((now.step, now.examples));
        Ok(Flow::Continue)
    })?;
    assert_eq!(seen, [(3, 55), (4, 70), (5, 85), (6, 90)]);
    let refused = with(20, 4)?.resume(&checkpoint).unwrap_err().to_string();
    assert!(refused.contains("seed: expected that of the checkpoint, 3, got 4"), "{refused}");
    let task = Classification::new(model());
    let sgd = Trainer::new(&Device::cpu(), task, Sgd::new(0.1), data.as_ref(), options(20, 3));
    let refused = sgd?.resume(&checkpoint).unwrap_err().to_string();
    for part in ["no other keys", "1.weight.exp_avg", "3.bias.exp_avg_sq", "optimizer.step"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    Ok(())
}

/// A program whose states are `names`, with first values of a seed.
fn program(names: &[(&str, usize)], seed: u64) -> wgrad::Result<Parameters> {
    let graph = Graph::new();
    let x = graph.input("x", [2, 3])?;
    let outputs: Vec<Tensor> = names
        .iter()
        .map(|(name, width)| graph.scoped(name, || Linear::new(3, *width).forward(&x)))
        .collect::<wgrad::Result<_>>()?;
    let parameters = Parameters::new(&Device::cpu(), seed);
    parameters.compile(&graph, &outputs.iter().collect::<Vec<_>>())?;
    Ok(parameters)
}

#[test]
fn all_keys_that_differ_are_told_at_once() -> wgrad::Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("w.safetensors");
    program(&[("body", 4), ("head", 7), ("old", 1)], 1)?.save(&path)?;
    let other = program(&[("body", 4), ("head", 5), ("new", 2)], 2)?;
    let before = states(&other)?;
    let error = other.load(&path).unwrap_err().to_string();
    for part in [
        "head.weight of f32 (5, 3)",
        "head.bias of f32 (5)",
        "new.weight (f32 (2, 3))",
        "new.bias",
        "(7, 3)",
        "old.bias (f32 (1))",
        "old.weight",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(states(&other)?, before, "nothing was changed");
    assert_eq!(other.load_matching(&path, &["body.*"])?, ["body.bias", "body.weight"]);
    let after = states(&other)?;
    assert_ne!(after["body.weight"], before["body.weight"]);
    assert_eq!(after["head.weight"], before["head.weight"]);
    let error = other.load_matching(&path, &["body.*", "new.*"]).unwrap_err().to_string();
    assert!(error.contains("new.weight") && !error.contains("head"), "{error}");
    let error = other.load_matching(&path, &["tail.*"]).unwrap_err().to_string();
    assert!(error.contains("patterns of some of body.bias"), "{error}");
    Ok(())
}

/// Asked for something it has not, it says what it has, and does not wait for itself.
#[test]
fn states_that_nobody_named_are_refused() -> wgrad::Result<()> {
    for device in [Device::cpu(), Device::auto()?] {
        let trainer = trainer(&device, 0)?;
        let parameters = trainer.parameters();
        let one = HostTensor::from_f32([1], vec![1.0])?;
        for error in [
            parameters.ty("none").unwrap_err(),
            parameters.get("none").unwrap_err(),
            parameters.set("none", &one).unwrap_err(),
        ] {
            assert!(error.to_string().contains("1.weight") && error.to_string().contains("none"), "{error}");
        }
    }
    Ok(())
}

#[test]
fn a_checkpoint_serves_as_weights() -> wgrad::Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("c.safetensors");
    let mut first = trainer(&Device::cpu(), 2)?;
    train(&mut first, &data(), 5)?;
    first.checkpoint(BTreeMap::new())?.wait()?.write(&path)?;
    let mut other = trainer(&Device::cpu(), 0)?;
    other.parameters().load(&path)?;
    let name = "1.weight";
    assert_eq!(other.parameters().get(name)?, first.parameters().get(name)?);
    other.network().prepare(1)?;
    let roles: Vec<Role> = Checkpoint::read(&path)?.states().map(|(_, role, _)| role).collect();
    for role in [Role::Parameter, Role::Optimizer, Role::Metric] {
        assert!(roles.contains(&role), "{role}");
    }
    Ok(())
}

/// Files with every bit of the header flipped in turn, and some of the data; and those cut off anywhere.
#[test]
fn every_other_bit_and_every_cut_is_refused() -> wgrad::Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("c.safetensors");
    let parameters = program(&[("a", 2)], 1)?;
    let notes = BTreeMap::from([("run".to_owned(), "1, \"two\"\nthree".to_owned())]);
    parameters.checkpoint(notes)?.wait()?.write(&path)?;
    let whole = fs::read(&path).expect("the file");
    let (expected, changed) = (Checkpoint::read(&path)?, folder.path().join("changed"));
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&changed, bytes).expect("a file");
        match Checkpoint::read(&changed) {
            // Where it reads the same, nothing is lost.
            Ok(read) => assert_eq!(read, expected, "{what} is taken for something else"),
            Err(error) => {
                assert!(error.to_string().contains("changed: expected a checkpoint"), "{what}: {error}")
            }
        }
    };
    let mut same = 0;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes, &format!("bit {bit}"));
        same += usize::from(Checkpoint::read(&changed).is_ok());
    }
    assert_eq!(same, 0, "of {} bits some do not matter", whole.len() * 8);
    for length in 0..whole.len() {
        refused(&whole[..length], &format!("{length} bytes"));
        assert!(Checkpoint::read(&changed).is_err(), "{length} bytes of {} are enough", whole.len());
    }
    refused(&[&whole[..], &[0]].concat(), "a byte more");
    assert!(Checkpoint::read(&changed).is_err());
    Ok(())
}

#[test]
fn the_last_few_and_the_best_are_kept_and_a_broken_one_gives_way() -> wgrad::Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("checkpoints");
    let parameters = program(&[("a", 2)], 1)?;
    let mut checkpoints = Checkpoints::new(&place, 2)?;
    for step in [5, 10, 15, 20] {
        let bias = HostTensor::from_f32([2], vec![step as f32; 2])?;
        parameters.set("a.bias", &bias)?;
        checkpoints.write(step, parameters.checkpoint(BTreeMap::new())?, step == 10)?;
    }
    checkpoints.finish()?;
    let mut names: Vec<_> = fs::read_dir(&place)
        .expect("the folder")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["best.safetensors", "step-000000015.safetensors", "step-000000020.safetensors"]);
    let bias = |checkpoint: &Checkpoint| -> wgrad::Result<f32> {
        let mut states = checkpoint.states();
        let (_, _, value) = states.find(|(name, ..)| *name == "a.bias").expect("the bias");
        Ok(value.as_f32()?[0])
    };
    assert_eq!(bias(&Checkpoint::read(&place.join(&names[0]))?)?, 10.0);
    let newest = |expected: f32, lines: usize| -> wgrad::Result<()> {
        let mut told = Vec::new();
        let (_, checkpoint) = Checkpoints::latest(&place, |line| told.push(line.to_owned()))?;
        assert_eq!((bias(&checkpoint)?, told.len()), (expected, lines), "{told:?}");
        Ok(())
    };
    newest(20.0, 0)?;
    fs::write(place.join(&names[2]), b"half").expect("a file");
    newest(15.0, 1)?;
    fs::write(place.join(&names[1]), b"").expect("a file");
    let error = Checkpoints::latest(&place, |_| ()).unwrap_err().to_string();
    assert!(error.contains("step-000000020.safetensors: expected a checkpoint"), "{error}");
    let none = Checkpoints::latest(Path::new("/nowhere"), |_| ()).unwrap_err().to_string();
    assert!(none.contains("/nowhere") && none.contains("step-NUMBER"), "{none}");
    assert!(Checkpoints::new(&place, 0).is_err());
    // What cannot be written is told.
    fs::write(folder.path().join("file"), b"").expect("a file");
    let mut lost = Checkpoints::new(&folder.path().join("file/below"), 1)?;
    let written = lost.write(1, parameters.checkpoint(BTreeMap::new())?, false);
    let error = written.and_then(|()| lost.finish()).unwrap_err().to_string();
    assert!(error.contains("file/below"), "{error}");
    Ok(())
}

#[test]
fn what_is_not_finite_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let parameters = Parameters::new(&Device::cpu(), 0);
    let graph = Graph::new();
    let x = graph.input("x", [2, 12]).expect("an input");
    let y = Linear::new(12, 9).forward(&x).expect("a layer");
    Sgd::new(0.1).momentum(0.9).minimize(&y.sum((), false).expect("a sum")).expect("an update");
    let _program = parameters.compile(&graph, &[&y]).expect("a program");
    let mut checkpoints = Checkpoints::new(folder.path(), 3).expect("a place");
    let keep = |checkpoints: &mut Checkpoints, step| {
        let pending = parameters.checkpoint(BTreeMap::new()).expect("on its way");
        checkpoints.write(step, pending, true).and_then(|()| checkpoints.finish())
    };
    keep(&mut checkpoints, 1).expect("finite numbers");
    let good = fs::read(folder.path().join("best.safetensors")).expect("the best one");
    for role in [Role::Parameter, Role::Optimizer] {
        for name in parameters.names(role) {
            let value = parameters.get(&name).expect("a state");
            let Ok(numbers) = value.as_f32() else { continue };
            // A learning rate that is not finite is refused before.
            if name.starts_with("optimizer.lr") || numbers.is_empty() {
                continue;
            }
            for bad in [f32::NAN, f32::INFINITY] {
                let mut numbers = numbers.to_vec();
                *numbers.last_mut().expect("a number") = bad;
                let Ok(()) = parameters
                    .set(&name, &HostTensor::from_f32(value.shape().clone(), numbers).expect("a tensor"))
                else {
                    continue;
                };
                let error =
                    keep(&mut checkpoints, 2).expect_err("a checkpoint that is not finite").to_string();
                assert!(error.contains(&format!("{bad} in {name}")), "{error}");
            }
            parameters.set(&name, &value).expect("as before");
        }
    }
    let (path, _) = Checkpoints::latest(folder.path(), |_| ()).expect("the first one");
    assert!(path.ends_with("step-000000001.safetensors"), "{}", path.display());
    assert_eq!(fs::read(folder.path().join("best.safetensors")).expect("the best one"), good);
    keep(&mut checkpoints, 2).expect("finite numbers");
}
