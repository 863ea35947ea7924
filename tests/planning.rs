//! Plans of programs of tens of thousands of nodes. Whatever looked at pairs of them would not come to an end here, and
//! what went down a graph by calling itself would end the process.

use wgrad::kernels::Limits;
use wgrad::ops::Init;
use wgrad::plan::{Plan, Unfused, plan};
use wgrad::{Graph, Result, Tensor};

fn planned(outputs: &[&Tensor]) -> Result<Plan> {
    let ids: Vec<_> = outputs.iter().map(|tensor| tensor.id()).collect();
    outputs[0].graph().with(|data| plan(data, &ids, &Limits::default()))
}

/// Bytes of a tensor of 64 numbers.
const TENSOR: u64 = 256;

#[test]
fn a_chain_has_as_many_kernels_and_slots_however_long_it_is() -> Result<()> {
    let chain = |nodes: usize| {
        let graph = Graph::new();
        let (x, row) = (graph.input("x", [4, 16])?, graph.input("row", [16])?);
        let step =
            |y: Tensor, i: usize| if i.is_multiple_of(2) { y.mul(&graph.scalar(0.5)?) } else { y.add(&row) };
        planned(&[&(0..nodes).try_fold(x, step)?])
    };
    let (short, long) = (chain(1000)?, chain(50_000)?);
    // A function and the three behind it whose operands fit its bindings.
    assert_eq!((short.steps.len(), long.steps.len()), (250, 12_500));
    assert_eq!(short.kernels, long.kernels);
    assert_eq!(short.buffers.len(), long.buffers.len(), "constants that are alike are one");
    assert!(long.memory.activations <= 3 * TENSOR, "{}", long.memory);
    Ok(())
}

#[test]
fn a_long_fused_chain_is_kernels_of_one_length() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [64])?;
    let y =
        (0..20_000).try_fold(x, |y, i: usize| if i.is_multiple_of(2) { y.scale(1.5) } else { y.tanh() })?;
    let plan = planned(&[&y])?;
    assert!(plan.kernels.len() <= 4, "{} kernels", plan.kernels.len());
    let longest = plan.kernels.iter().map(|kernel| kernel.wgsl.len()).max().unwrap_or(0);
    assert!(longest < 40_000, "a kernel of {longest} letters");
    let stopped = |unfused: &&Unfused| unfused.why.contains("already applies");
    assert_eq!(plan.unfused.iter().filter(stopped).count() + 1, plan.steps.len());
    Ok(())
}

#[test]
fn forward_and_backward_pass_of_a_long_chain_lie_near_to_what_is_alive() -> Result<()> {
    let graph = Graph::new();
    let (x, row) = (graph.input("x", [4, 16])?, graph.input("row", [16])?);
    let y = (0..5000).try_fold(x.clone(), |y: Tensor, _| y.mul(&row)?.tanh())?;
    let gradient = y.sum([0, 1], false)?.gradients(&[&x, &row])?;
    let plan = planned(&gradient.iter().collect::<Vec<_>>())?;
    let (held, least) = (plan.memory.activations, plan.memory.activations_at_least);
    assert!(plan.lives.len() > 5000 && 4 * held <= 5 * least, "{held} bytes for {least}");
    Ok(())
}

#[test]
fn many_parameters_many_readers_and_many_reshapes() -> Result<()> {
    let graph = Graph::new();
    let table = graph.input("table", [4000, 8])?;
    let rows = (0..4000).map(|i| table.narrow(0, i, 1)).collect::<Result<Vec<_>>>()?;
    let stack = Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0)?;
    let to = |i: usize| if i.is_multiple_of(2) { [8, 4000] } else { [4000, 8] };
    let flat = (0..20_000).try_fold(stack, |y, i| y.reshape(to(i)))?;
    let readers = (0..4000).map(|i| flat.scale(i as f32)).collect::<Result<Vec<_>>>()?;
    let sum = readers.iter().skip(1).try_fold(readers[0].clone(), |sum, part| sum.add(part))?;
    for i in 0..2000 {
        let state = graph.parameter(&format!("w{i}"), [8], Init::Zeros)?;
        graph.assign(&state, &state.scale(0.5)?)?;
    }
    let plan = planned(&[&sum])?;
    assert_eq!(plan.states.len(), 2000);
    Ok(())
}
