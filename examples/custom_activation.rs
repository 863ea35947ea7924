//! An activation from outside the crate: snake, `x + sin(a x)^2 / a` (Ziyin, Hartwig and Ueda, "Neural networks fail to learn
//! periodic functions", 2020), held to its derivative and to its reference, then used in a network.

use wgrad::functions::{Accuracy, Function, Parameter, Saved};
use wgrad::verify::{Adapter, Effort, check_function};
use wgrad::{Device, Graph, HostTensor, Parameters, Result, nn, optim};

/// Its WGSL may call what `shaders/common` has: `sin_exact` is accurate whatever the driver's `sin` is.
fn snake() -> Result<Function> {
    Function::build("snake")
        .doc("`x + sin(a x)^2 / a`.")
        .parameter(Parameter::new("a").or(1.0).positive())
        .value(
            "  let s = sin_exact(a * x);
  return x + s * s / a;",
            |x, p| x[0] + (p[0] * x[0]).sin().powi(2) / p[0],
            // The argument of the sine is rounded: the error grows with it.
            Accuracy::Within(|x, p, _| 1e-6 * (x[0].abs() + 1.0 / p[0])),
        )
        .gradient(
            Saved::Input,
            "g * (1.0 + sin_exact(2.0 * a * x))",
            |x, p| 1.0 + (2.0 * p[0] * x[0]).sin(),
            Accuracy::Within(|operands, p, _| 1e-6 * operands[0].abs() * (2.0 + p[0] * operands[1].abs())),
        )
        .case(&[1.0])
        .case(&[2.5])
        .finish()
}

fn main() -> Result<()> {
    let snake = snake()?;
    match Adapter::open(None, None) {
        Ok(adapter) => {
            let report = check_function(&snake, &adapter, Effort::quick())?;
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
        .add(nn::Activation(snake.with(&[2.5])?))
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
    assert!(losses[4] < 0.1 * losses[0], "it learns");
    Ok(())
}
