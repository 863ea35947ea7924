//! Draws graphs: a convolution with its gradients, a training step of a small network, a recurrent cell once and unrolled over
//! three steps with the same weights: `cargo run --example draw_graphs -- FOLDER`, then `dot -Tsvg NAME.dot > NAME.svg` with
//! Graphviz. The leaky average is a cell of one's own, the smallest there is.

use std::path::{Path, PathBuf};
use wgrad::nn::recurrent::{Cell, Unroll, unroll};
use wgrad::nn::{Linear, LstmCell, Module};
use wgrad::ops::{Conv2d, Init};
use wgrad::optim::{Optimizer, Sgd};
use wgrad::{Graph, Result, Tensor, write_atomically};

/// `s' = s + rate * (x - s)` with a learned rate: a cell of one's own.
struct LeakyAverage;

impl Cell for LeakyAverage {
    fn state_sizes(&self) -> Vec<usize> {
        vec![4]
    }

    fn step(&self, input: &Tensor, state: &[Tensor]) -> Result<Vec<Tensor>> {
        let graph = input.graph();
        let rate = graph.parameter(&graph.scoped_name("rate"), [4], Init::Constant(0.5))?;
        Ok(vec![state[0].add(&input.sub(&state[0])?.mul(&rate)?)?])
    }
}

fn write(folder: &Path, name: &str, graph: &Graph) -> Result<()> {
    let file = folder.join(format!("{name}.dot"));
    write_atomically(&file, graph.to_dot().as_bytes())?;
    println!("wrote {}: {} nodes", file.display(), graph.with(|data| data.nodes.len()));
    Ok(())
}

/// A cell once, and unrolled.
fn draw(folder: &Path, name: &str, cell: &dyn Cell) -> Result<()> {
    let once = Graph::new();
    let state = cell
        .state_sizes()
        .into_iter()
        .enumerate()
        .map(|(i, size)| once.input(&format!("state {i}"), [2, size]));
    cell.step(&once.input("x", [2, 4])?, &state.collect::<Result<Vec<_>>>()?)?;
    let unrolled = Graph::new();
    unroll(cell, &unrolled.input("x", [3, 2, 4])?, Unroll::default())?;
    write(folder, &format!("{name}-cell"), &once)?;
    write(folder, &format!("{name}-unrolled"), &unrolled)
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let graph = Graph::new();
    let x = graph.input("x", [1, 1, 4, 4])?;
    let w = graph.parameter("w", [1, 1, 3, 3], Init::Zeros)?;
    let y = x.conv2d(&w, None, Conv2d::default())?;
    y.gradients_from(&graph.input("error", [1, 1, 2, 2])?, &[&x, &w])?;
    write(&folder, "convolution", &graph)?;

    let graph = Graph::new();
    let (x, t) = (graph.input("x", [4, 3])?, graph.input("t", [4, 1])?);
    let h = graph.scoped("hidden", || Linear::new(3, 5).forward(&x))?.tanh()?;
    let o = graph.scoped("output", || Linear::new(5, 1).forward(&h))?;
    Sgd::new(0.1).minimize(&o.sub(&t)?.square()?.mean((), false)?)?;
    write(&folder, "backpropagation", &graph)?;

    draw(&folder, "leaky-average", &LeakyAverage)?;
    draw(&folder, "lstm", &LstmCell::new(4, 4))
}
