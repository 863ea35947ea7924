//! DNA with and without a motif, told apart by a convolution; then what its filters look for:
//! `cargo run --release --example dna -- FILE.fa`, with `label=CLASS` in the headers. Without a file, sequences with a planted
//! motif.

use std::sync::Arc;
use wgrad::data::{self, Examples, SignalSet};
use wgrad::nn::{Conv1d, Dropout, Lambda, Linear, ReLU, Sequential};
use wgrad::train::{Classification, EarlyStopping, Fit, Options, Trainer};
use wgrad::{Device, Result, Tensor, optim};

const FILTERS: usize = 16;
const WIDTH: usize = 15;

/// Filters over four channels, a base each, and of each the place where it fits best.
fn network(classes: usize) -> Sequential {
    Sequential::new()
        .named("conv", Conv1d::new(4, FILTERS, WIDTH).padding(WIDTH / 2))
        .named("relu", ReLU)
        .named("max", Lambda(|x: &Tensor| x.amax([2], false)))
        .named("dropout", Dropout::new(0.1))
        .named("fc", Linear::new(FILTERS, classes))
}

fn main() -> Result<()> {
    let set: SignalSet = match std::env::args_os().nth(1) {
        Some(file) => data::load_dna(file.as_ref(), None)?,
        None => data::motifs(1200, 64, 1)?,
    };
    println!("{} sequences of {} bases, classes {}", set.len(), set.shape()[1], set.classes().join(", "));
    let classes = set.classes().len();
    let all: Arc<dyn Examples> = Arc::new(set);
    let (train, held) = data::split(&all, 0.25, 0)?;
    let train: Arc<dyn Examples> = Arc::new(train);
    let options = Options { batch_size: 32, seed: 3, ..Options::default() };
    let (task, adam) = (Classification::new(network(classes)), optim::AdamW::new(5e-3).weight_decay(0.01));
    let mut trainer = Trainer::new(&Device::auto()?, task, adam, train.as_ref(), options)?;
    let reports = Fit::new(14)
        .validation(Arc::new(held))
        .early_stopping(EarlyStopping::new(5))
        .restore_best(true)
        .run(&mut trainer, &train)?;
    for report in &reports {
        let [train, test] = [&report.train, &report.test].map(|m| m.get("accuracy").unwrap_or(0.0));
        println!("epoch {}: accuracy {train:.3}, of those held back {test:.3}", report.epoch);
    }

    // The two filters that the motif's class leans on most, as the base that each place likes best.
    let weight = trainer.parameters().get("conv.weight")?;
    let head = trainer.parameters().get("fc.weight")?;
    let (weight, head) = (weight.as_f32()?, head.as_f32()?);
    let mut filters: Vec<usize> = (0..FILTERS).collect();
    filters.sort_by(|&a, &b| head[FILTERS + b].total_cmp(&head[FILTERS + a]));
    for &filter in &filters[..2] {
        let best = |place: usize| {
            let of = |base: usize| weight[(filter * 4 + base) * WIDTH + place];
            (0..4).max_by(|&a, &b| of(a).total_cmp(&of(b))).map_or('?', |base| ['A', 'C', 'G', 'T'][base])
        };
        println!("filter {filter} looks for {}", (0..WIDTH).map(best).collect::<String>());
    }
    Ok(())
}
