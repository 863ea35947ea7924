//! Draws a recurrent cell once, and unrolled over three steps with the same weights:
//! `cargo run --example draw_cell`, then `dot -Tsvg lstm-cell.dot > lstm-cell.svg` with Graphviz, and the same for
//! `lstm-unrolled.dot`. The leaky average is a cell of one's own, the smallest there is.

use wgrad::nn::LstmCell;
use wgrad::nn::recurrent::{Cell, Unroll, unroll};
use wgrad::ops::Init;
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

/// Writes `<name>-cell.dot` and `<name>-unrolled.dot`.
fn draw(name: &str, cell: &dyn Cell) -> Result<()> {
    let once = Graph::new();
    let state = cell
        .state_sizes()
        .into_iter()
        .enumerate()
        .map(|(i, size)| once.input(&format!("state {i}"), [2, size]));
    cell.step(&once.input("x", [2, 4])?, &state.collect::<Result<Vec<_>>>()?)?;
    let unrolled = Graph::new();
    unroll(cell, &unrolled.input("x", [3, 2, 4])?, Unroll::default())?;
    for (graph, what) in [(once, "cell"), (unrolled, "unrolled")] {
        let file = format!("{name}-{what}.dot");
        write_atomically(file.as_ref(), graph.to_dot().as_bytes())?;
        println!("wrote {file}: {} nodes", graph.with(|data| data.nodes.len()));
    }
    Ok(())
}

fn main() -> Result<()> {
    draw("leaky-average", &LeakyAverage)?;
    draw("lstm", &LstmCell::new(4, 4))
}
