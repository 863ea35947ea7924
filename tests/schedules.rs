//! Learning-rate schedules against PyTorch's (`tests/fixtures/torch_schedules.py`), and as a program follows them.

use std::sync::Arc;
use wgrad::optim::{Adam, Groups, LEARNING_RATE, OneCycle, Optimizer, ReduceOnPlateau, Schedule, Sgd};
use wgrad::train::Rates;
use wgrad::{Device, Graph, Parameters};

const RATES: &str = include_str!("fixtures/schedules.csv");

/// PyTorch's initial rate.
const INITIAL: f64 = 0.5;

/// A schedule as the file writes it: parts of a chain with `+`, of a sequence with `@STEP`.
fn schedule(text: &str) -> Schedule {
    if text == "lambda" {
        return Schedule::Lambda(Arc::new(|step| 1.0 / (1 + step) as f64));
    }
    if text.contains(" + ") {
        return Schedule::Chained(text.split(" + ").map(schedule).collect());
    }
    let mut parts = text.split(" @");
    let first = schedule_of(parts.next().expect("a first part"));
    let later: Vec<(u64, Schedule)> = parts
        .map(|part| {
            let (step, text) = part.split_once(' ').expect("a step and a schedule");
            (step.parse().expect("a step"), schedule_of(text))
        })
        .collect();
    if later.is_empty() {
        return first;
    }
    let milestones = later.iter().map(|(step, _)| *step).collect();
    let schedules = std::iter::once(first).chain(later.into_iter().map(|(_, schedule)| schedule)).collect();
    Schedule::Sequential { schedules, milestones }
}

fn schedule_of(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn plateau(text: &str) -> ReduceOnPlateau {
    let usual = ReduceOnPlateau::default();
    match text {
        "plateau" => ReduceOnPlateau { patience: 3, ..usual },
        "plateau maximize" => ReduceOnPlateau { patience: 4, maximize: true, factor: 0.5, ..usual },
        "plateau absolute" => {
            ReduceOnPlateau { patience: 2, threshold: 0.01, absolute: true, cooldown: 3, ..usual }
        }
        "plateau bounded" => ReduceOnPlateau { patience: 0, factor: 0.3, min_lr: 0.05, cooldown: 1, ..usual },
        _ => panic!("{text}"),
    }
}

/// The metric of a step, as the script has it.
fn metric(step: usize) -> f64 {
    match step {
        0..8 => 1.0 / (1 + step) as f64,
        40 => 0.05,
        _ => 0.13 - 1e-6 * step as f64,
    }
}

#[test]
fn rates_are_pytorchs() {
    let mut kinds = 0;
    for line in RATES.lines() {
        let mut fields = line.split(';');
        let name = fields.next().expect("a name");
        let rates: Vec<f64> = fields.map(|field| field.parse().expect("a rate")).collect();
        assert_eq!(rates.len(), 60, "{name}");
        let mut own = Vec::new();
        if name.starts_with("plateau") {
            let (mut plateau, mut rate) = (plateau(name), INITIAL);
            for step in 0..rates.len() {
                own.push(rate);
                let seen = if plateau.maximize { -metric(step) } else { metric(step) };
                if plateau.look(seen) {
                    rate = plateau.lowered(rate);
                }
            }
        } else {
            let schedule = schedule(name);
            schedule.check().expect(name);
            own.extend((0..rates.len()).map(|step| schedule.rate(INITIAL, step as u64)));
        }
        for (step, (own, rate)) in own.iter().zip(&rates).enumerate() {
            assert!(
                (own - rate).abs() <= 1e-6 * rate.abs().max(1e-6),
                "{name}, step {step}: {own}, not {rate}"
            );
        }
        kinds += 1;
    }
    assert!(kinds >= 30, "{kinds}");
}

#[test]
fn a_schedule_is_its_text() {
    for line in RATES.lines() {
        let name = line.split(';').next().expect("a name");
        if name.contains(' ') || name == "lambda" || name == "plateau" {
            continue;
        }
        let (once, twice) = (schedule(name), schedule(&schedule(name).to_string()));
        for step in [0, 1, 7, 33, 500] {
            assert_eq!(once.rate(0.1, step), twice.rate(0.1, step), "{name} {once}");
        }
    }
    for (text, part) in [
        ("cosin:t_max=4", "unchanged, step"),
        ("cosine", "a number for t_max"),
        ("cosine:t_max=x", "'x'"),
        ("cosine:t_max=4,eta=1", "eta in cosine"),
        ("cosine:t_max=0", "t_max: expected at least 1"),
        ("linear:start_factor=0", "above 0"),
        ("step:step_size", "KEY=NUMBER"),
        ("multi_step:milestones=3/b", "milestones=30/60/90"),
        ("exponential:gamma=nan", "finite"),
        ("one_cycle:max_lr=1,total_steps=9,pct_start=2", "0 to 1"),
    ] {
        let error = text.parse::<Schedule>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let unsorted = Schedule::Sequential { schedules: vec![Schedule::Unchanged; 3], milestones: vec![5, 2] };
    assert!(unsorted.check().unwrap_err().to_string().contains("2 ascending steps"));
    assert!(ReduceOnPlateau { factor: 1.0, ..ReduceOnPlateau::default() }.check().is_err());
}

#[test]
fn programs_follow_group_by_group_and_nothing_is_submitted_for_it() -> wgrad::Result<()> {
    for device in [Device::cpu(), Device::auto()?] {
        let graph = Graph::new();
        let x = graph.input("x", [4, 3])?;
        let hidden =
            graph.scoped("body", || wgrad::nn::Module::forward(&wgrad::nn::Linear::new(3, 5), &x))?;
        let output =
            graph.scoped("head", || wgrad::nn::Module::forward(&wgrad::nn::Linear::new(5, 1), &hidden))?;
        let loss = output.square()?.mean((), false)?;
        Groups::new(Sgd::new(0.1)).group("head", "head.*", Adam::new(0.02)).minimize(&loss)?;
        let parameters = Parameters::new(&device, 3);
        let mut program = parameters.compile(&graph, &[&loss])?;
        let mut rates = Rates::new(&parameters)?;
        let ones = wgrad::HostTensor::from_f32([4, 3], vec![1.0; 12])?;
        let schedule = Schedule::OneCycle(OneCycle::new(0.4, 10));
        let halved = Schedule::Exponential { gamma: 0.5 };
        let before = device.counters();
        for step in 0..4 {
            rates.follow(&halved, step)?;
            program.run(&[(&x, &ones)])?;
        }
        if !device.is_cpu() {
            assert_eq!(device.counters().submits - before.submits, 4, "a submission a step");
        }
        let rate = |name: &str| parameters.get(name).and_then(|rate| Ok(rate.as_f32()?[0]));
        assert_eq!((rate(LEARNING_RATE)?, rate("optimizer.lr.head")?), (0.0125, 0.0025));
        rates.follow(&schedule, 2)?;
        assert_eq!(rate(LEARNING_RATE)?, 0.4);
        let mut plateau = ReduceOnPlateau { patience: 0, factor: 0.25, ..ReduceOnPlateau::default() };
        rates.look(&mut plateau, 1.0)?;
        rates.look(&mut plateau, 2.0)?;
        assert_eq!((rates.now(), rate("optimizer.lr.head")?), (0.1, 0.1));
    }
    Ok(())
}
