//! A cell of one's own: the LSTM with layer norm of Ba, Kiros and Hinton, "Layer normalization", 2016, unrolled over the steps
//! of a sequence. Trained to say whether the first number of a sequence was above 0, with noise in all later steps.

use wgrad::nn::recurrent::{Cell, Unroll, unroll};
use wgrad::nn::{LayerNorm, Linear, Module};
use wgrad::optim::{Adam, Optimizer, clip_grad_norm, gradients};
use wgrad::random::Rng;
use wgrad::{Device, Graph, HostTensor, Parameters, Result, Tensor};

/// `gates = norm(x W_ih) + norm(h W_hh) + b` in the order i, f, g, o; `c' = f c + i g`, `h' = o tanh(norm(c'))`.
struct LayerNormLstm {
    input: usize,
    hidden: usize,
}

impl Cell for LayerNormLstm {
    fn state_sizes(&self) -> Vec<usize> {
        vec![self.hidden, self.hidden]
    }

    fn step(&self, input: &Tensor, state: &[Tensor]) -> Result<Vec<Tensor>> {
        let (graph, n) = (input.graph(), self.hidden);
        // The norm of the state's product needs no bias: that of the input's is enough.
        let product = |name: &str, x: &Tensor, size: usize, bias: bool| {
            let y = graph.scoped(name, || Linear::new(size, 4 * n).bias(false).forward(x))?;
            graph.scoped(&format!("norm_{name}"), || LayerNorm::new([4 * n]).bias(bias).forward(&y))
        };
        let gates = product("ih", input, self.input, true)?.add(&product("hh", &state[0], n, false)?)?;
        let gates = gates.split(1, &[n; 4])?;
        let (i, f, o) = (gates[0].sigmoid()?, gates[1].sigmoid()?, gates[3].sigmoid()?);
        let c = f.mul(&state[1])?.add(&i.mul(&gates[2].tanh()?)?)?;
        let normed = graph.scoped("norm_c", || LayerNorm::new([n]).forward(&c))?;
        Ok(vec![o.mul(&normed.tanh()?)?, c])
    }
}

fn main() -> Result<()> {
    let (graph, [steps, batch, hidden]) = (Graph::new(), [12, 32, 16]);
    let (x, y) = (graph.input("x", [steps, batch, 1])?, graph.input("y", [batch, 1])?);
    let cell = LayerNormLstm { input: 1, hidden };
    let sequence = graph.scoped("lstm", || unroll(&cell, &x, Unroll::default()))?;
    let output = graph.scoped("head", || Linear::new(hidden, 1).forward(&sequence.state[0]))?;
    let loss = output.sigmoid()?.sub(&y)?.square()?.mean((), false)?;
    let (clipped, _) = clip_grad_norm(&gradients(&loss)?, 1.0)?;
    Adam::new(0.01).update(&clipped)?;
    let mut program = Parameters::new(&Device::auto()?, 1).compile(&graph, &[&loss])?;
    let (mut rng, mut losses) = (Rng::new(1), Vec::new());
    for step in 0..=300 {
        let values: Vec<f32> = (0..steps * batch).map(|_| rng.range(-1.0, 1.0) as f32).collect();
        let answers = values[..batch].iter().map(|&v| if v > 0.0 { 1.0 } else { 0.0 }).collect();
        let values = HostTensor::from_f32([steps, batch, 1], values)?;
        program.run(&[(&x, &values), (&y, &HostTensor::from_f32([batch, 1], answers)?)])?;
        if step % 75 == 0 {
            losses.push(program.read(&loss)?.as_f32()?[0]);
        }
    }
    println!("loss every 75 steps: {losses:?}");
    assert!(losses[4] < 0.5 * losses[0], "it remembers");
    Ok(())
}
