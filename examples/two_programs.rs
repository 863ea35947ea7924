//! Two programs over one set of weights: one learns from batches of 32, the other answers one question at a time, as it is
//! asked: `cargo run --release --example two_programs`. Below `train::Trainer`, this is what there is.

use wgrad::nn::{Linear, Module, Sequential, Tanh};
use wgrad::optim::{Adam, Optimizer};
use wgrad::random::Rng;
use wgrad::{Device, Graph, HostTensor, Parameters, Result};

/// Learns which of two spirals a point is on.
fn network() -> Sequential {
    Sequential::new()
        .add(Linear::new(2, 32))
        .add(Tanh)
        .add(Linear::new(32, 32))
        .add(Tanh)
        .add(Linear::new(32, 1))
}

/// A point, and 1 or 0 for the arm that it is on.
fn point(rng: &mut Rng) -> ([f32; 2], f32) {
    let (arm, turn) = (rng.below(2), rng.range(0.5, 4.5));
    let angle = turn + std::f64::consts::PI * arm as f64;
    let radius = 0.4 * turn;
    ([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32], arm as f32)
}

fn main() -> Result<()> {
    // Names tell which parameters are the same: both graphs have `0.weight`, `0.bias` and so on.
    let parameters = Parameters::new(&Device::auto()?, 1);

    let learn = Graph::new();
    let (x, y) = (learn.input("x", [32, 2])?, learn.input("y", [32, 1])?);
    let logits = network().forward(&x)?;
    let loss = logits.bce_with_logits(&y)?.mean((), false)?;
    Adam::new(5e-3).minimize(&loss)?; // adds the gradients and the update to the graph
    let mut learner = parameters.compile(&learn, &[&loss])?;

    let ask = Graph::new();
    ask.set_training(false); // dropout and batch norm, had it any, would rest
    let question = ask.input("x", [1, 2])?;
    let probability = network().forward(&question)?.sigmoid()?;
    let mut answerer = parameters.compile(&ask, &[&probability])?;

    let mut rng = Rng::new(7);
    for step in 0..=1500 {
        let points: Vec<_> = (0..32).map(|_| point(&mut rng)).collect();
        let places = points.iter().flat_map(|(place, _)| *place).collect();
        let arms = points.iter().map(|(_, arm)| *arm).collect();
        let (places, arms) = (HostTensor::from_f32([32, 2], places)?, HostTensor::from_f32([32, 1], arms)?);
        learner.run(&[(&x, &places), (&y, &arms)])?;
        if step % 500 == 0 {
            // The second program sees the weights as they are now.
            let mut right = 0;
            for _ in 0..100 {
                let (place, arm) = point(&mut rng);
                answerer.run(&[(&question, &HostTensor::from_f32([1, 2], place.to_vec())?)])?;
                right += usize::from((answerer.read(&probability)?.as_f32()?[0] > 0.5) == (arm > 0.5));
            }
            println!("step {step}: loss {:.3}, {right} of 100 right", learner.read(&loss)?.as_f32()?[0]);
        }
    }
    Ok(())
}
