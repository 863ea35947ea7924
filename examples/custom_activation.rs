//! An activation from outside the crate: the squared relu, `factor max(x, 0)^2` (So and others, "Primer: searching for
//! efficient transformers for language modeling", 2021), held to its derivative and to its reference, then used in a network.

use wgrad::functions::{Accuracy, Function, Parameter, Saved};
use wgrad::verify::{Adapter, Effort, check_function};
use wgrad::{Device, Graph, HostTensor, Parameters, Result, nn, optim};

/// `g` is the error, `x` the input; texts may also call what `shaders/common` has, such as `exp_exact` or `is_nan`.
fn squared_relu() -> Result<Function> {
    Function::build("squared_relu")
        .doc("`factor max(x, 0)^2`.")
        .parameter(Parameter::new("factor").or(1.0))
        .value(
            "select(factor * x * x, 0.0, x <= 0.0)",
            |x, p| if x[0] <= 0.0 { 0.0 } else { p[0] * x[0] * x[0] },
            Accuracy::Ulps(2.0),
        )
        .gradient(
            Saved::Input,
            "select((2.0 * factor) * x * g, 0.0, x <= 0.0)",
            |x, p| if x[0] <= 0.0 { 0.0 } else { 2.0 * p[0] * x[0] },
            Accuracy::Ulps(2.0),
        )
        // The slope of the derivative jumps at 0: differences keep away from there.
        .kink(|x, _| x[0])
        .case(&[1.0])
        .case(&[0.75])
        .finish()
}

fn main() -> Result<()> {
    let squared = squared_relu()?;
    match Adapter::open(None, None) {
        Ok(adapter) => {
            let report = check_function(&squared, &adapter, Effort::quick())?;
            println!(
                "on {}: {} derivatives, {} cases",
                adapter.describe(),
                report.derivatives,
                report.outcomes.len()
            );
            assert!(report.passed(), "{:#?}", report.failures);
        }
        Err(reason) => println!("SKIPPED: {reason}"),
    }

    // Learns a sine: 64 points, one hidden layer.
    let graph = Graph::new();
    let (x, y) = (graph.input("x", [64, 1])?, graph.input("y", [64, 1])?);
    let layers = nn::Sequential::new()
        .add(nn::Linear::new(1, 32))
        .add(nn::Activation(squared.with(&[0.5])?))
        .add(nn::Linear::new(32, 1));
    let error = nn::Module::forward(&layers, &x)?.sub(&y)?;
    let loss = error.square()?.mean((), false)?;
    optim::Optimizer::minimize(&optim::Adam::new(0.01), &loss)?;
    let places: Vec<f32> = (0..64).map(|i| i as f32 / 8.0 - 4.0).collect();
    let values = HostTensor::from_f32([64, 1], places.iter().map(|x| (2.0 * x).sin()).collect())?;
    let places = HostTensor::from_f32([64, 1], places)?;
    let mut program = Parameters::new(&Device::auto()?, 1).compile(&graph, &[&loss])?;
    let mut losses = Vec::new();
    for step in 0..=400 {
        program.run(&[(&x, &places), (&y, &values)])?;
        if step % 100 == 0 {
            losses.push(program.read(&loss)?.as_f32()?[0]);
        }
    }
    println!("loss every 100 steps: {losses:?}");
    assert!(losses[4] < 0.5 * losses[0], "it learns");
    Ok(())
}
