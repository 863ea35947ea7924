//! Ops that are right, and ops that lie, each found by the check that is there for it.

use super::*;
use crate::custom::{Buffer, CustomOp, Gradients, Kernel, Kernels, Values};
use crate::graph::{Flow, Graph};
use crate::kernels::{Fused, Limits, lower};
use crate::ops::Op;
use crate::{Device, HostTensor, Mismatch, Parameters, TensorType};

/// `a, b` to sums of rows of products, `(M, K)` each: `dot (M)`; with what is wrong with it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Wrong {
    Nothing,
    Term,
    Iterations,
    Slope,
    Shape,
    Syntax,
    Names,
    Written,
    Unwritten,
    Twice,
    Many,
    Grid,
    Loops,
    Huge,
    NoOutput,
    Name,
    Cpu,
    CpuCount,
    Access,
    Gradients,
    GradientShape,
    ErrorCount,
    Scratch,
    Entry,
    NoEntry,
    OutOfBounds,
}

struct Dot(Wrong);

impl CustomOp for Dot {
    fn name(&self) -> &'static str {
        if self.0 == Wrong::Name { "matmul" } else { "dot_of_rows" }
    }

    fn attributes(&self) -> String {
        format!("{:?}", self.0)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [a, b] = inputs else { return Err(Mismatch::new("two inputs", inputs.len().to_string())) };
        Mismatch::check(a == b && a.shape.len() == 2, "a and b (M, K)", format!("{a}, {b}"))?;
        Ok(match self.0 {
            Wrong::NoOutput => vec![],
            Wrong::Huge => vec![TensorType::f32([usize::MAX, 2])],
            Wrong::Shape => vec![TensorType::f32([0])],
            _ => vec![TensorType::f32([a.shape[0]])],
        })
    }

    fn kernels(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> Result<Kernels, Mismatch> {
        let (m, k) = (inputs[0].shape[0], inputs[0].shape[1]);
        let last = if self.0 == Wrong::Term { k - 1 } else { k };
        let behind = if self.0 == Wrong::OutOfBounds { "y[i + 9u] = 1.0;" } else { "" };
        let wgsl = format!(
            "@compute @workgroup_size(64)
             fn dot_rows(@builtin(global_invocation_id) id: vec3<u32>) {{
               let i = id.x;
               if (i >= {m}u) {{ return; }}
               var sum = 0.0; var j = 0u;
               loop {{ if (j >= {last}u) {{ break; }} sum += a[i * {k}u + j] * b[i * {k}u + j]; j++; }}
               y[i] = sum; {behind}
             }}"
        );
        let wgsl = if self.0 == Wrong::Syntax { wgsl.replace("sum +=", "sum + =") } else { wgsl };
        let (a, b, y) = (Buffer::Input(0), Buffer::Input(1), Buffer::Output(0));
        let entry = match self.0 {
            Wrong::Entry => "no entry",
            Wrong::NoEntry => "elsewhere",
            _ => "dot_rows",
        };
        let kernel = Kernel::new(entry, wgsl).groups(m.div_ceil(64)).iterations(k + 1);
        let usual = kernel.clone().read("a", a).read("b", b).write("y", y);
        Ok(match self.0 {
            Wrong::Iterations => usual.iterations(k - 1),
            Wrong::Loops => usual.iterations(usize::MAX),
            Wrong::Grid => usual.groups(usize::MAX),
            Wrong::Names => kernel.read("a", a).read("c", b).write("y", y),
            Wrong::Twice => usual.read("more", a),
            Wrong::Written => usual.write("more", Buffer::Input(0)),
            Wrong::Unwritten => kernel.read("a", a).read("b", b).read("y", y),
            Wrong::Access => kernel.read("a", a).write("b", b).write("y", y),
            Wrong::Scratch => usual.write("more", Buffer::Scratch(0)),
            Wrong::Many => {
                (1..9).fold(usual, |kernel, i| kernel.read(&format!("more{i}"), Buffer::Input(i + 1)))
            }
            _ => usual,
        }
        .into())
    }

    fn gradient(&self, flow: &Flow<'_>) -> Result<Gradients> {
        let grad = flow.grad("dot_of_rows")?;
        let (a, b) = (&flow.inputs[0], &flow.inputs[1]);
        let column = grad.reshape([grad.shape()[0], 1])?;
        let to_a = column.mul(if self.0 == Wrong::Slope { a } else { b })?;
        Ok(match self.0 {
            Wrong::Gradients => Gradients::Of(vec![Some(to_a)]),
            Wrong::GradientShape => Gradients::Of(vec![Some(grad.clone()), None]),
            _ => Gradients::Of(vec![Some(to_a), Some(column.mul(a)?)]),
        })
    }

    fn eval(&self, inputs: &[Values<'_>], _outputs: &[TensorType]) -> Option<Vec<Vec<f64>>> {
        let products = inputs[0].data.iter().zip(inputs[1].data).map(|(a, b)| a * b);
        let products: Vec<f64> = products.collect();
        let sums = products.chunks(inputs[0].ty.shape[1]).map(|row| row.iter().sum());
        match self.0 {
            Wrong::Cpu => None,
            Wrong::CpuCount => Some(vec![products]),
            _ => Some(vec![sums.collect()]),
        }
    }

    fn terms(&self, inputs: &[&TensorType]) -> Option<usize> {
        (self.0 != Wrong::ErrorCount).then(|| inputs[0].shape[1])
    }

    fn error(&self, _: &[Values<'_>], _: usize, _: Values<'_>) -> Option<Vec<f64>> {
        Some(vec![])
    }
}

fn adapter() -> Option<Adapter> {
    Adapter::open(None, None).map_err(|reason| println!("SKIPPED: {reason}")).ok()
}

fn checked(wrong: Wrong, line: &str, adapter: &Adapter) -> Result<CustomReport> {
    check_custom(&Custom::new(Dot(wrong)), line, adapter, Effort::quick())
}

#[test]
fn a_right_op_passes_and_wrong_ones_are_found() -> Result<()> {
    let Some(adapter) = adapter() else { return Ok(()) };
    let line = "a=9x33 b=9x33 data=integers:3";
    let right = checked(Wrong::Nothing, line, &adapter)?;
    assert!(right.passed(), "{:#?}", right.failures);
    assert!(right.derivatives > 40 && right.outcome.exact == 3, "{right:?}");
    let real = checked(Wrong::Nothing, "a=9x33 b=9x33 data=real:1", &adapter)?;
    assert!(real.passed() && real.outcome.bounded == 3, "{real:#?}");
    let stated = right
        .iterations
        .iter()
        .find(|iterations| iterations.kernel == "dot_rows")
        .map(|t| (t.stated, t.counted));
    assert_eq!(stated, Some((34, 34)));
    for (wrong, words) in [
        (Wrong::Term, "elements out of their bound"),
        (Wrong::Iterations, "states 32 loop iterations and takes 34"),
        (Wrong::Slope, "gradient of output by a"),
    ] {
        let report = checked(wrong, line, &adapter)?;
        assert!(report.failures.iter().any(|f| f.contains(words)), "{wrong:?}: {:#?}", report.failures);
    }
    // What lies behind an output stays as it is: the canaries, or wgpu's checks.
    let report = checked(Wrong::OutOfBounds, line, &adapter)?;
    assert!(!report.passed(), "{report:?}");
    Ok(())
}

/// The message of what refuses to be checked.
fn refusal(wrong: Wrong, adapter: &Adapter) -> String {
    match checked(wrong, "a=9x33 b=9x33", adapter) {
        Ok(report) => panic!("{wrong:?} is not refused: {report:#?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_lies_is_refused_by_name() -> Result<()> {
    let Some(adapter) = adapter() else { return Ok(()) };
    for (wrong, words) in [
        (Wrong::Shape, "no empty dimension"),
        (Wrong::Huge, "elements in a tensor"),
        (Wrong::NoOutput, "a shape rule that gives an output"),
        (Wrong::Name, "a name of its own"),
        (Wrong::Written, "inputs that are read only, got 'more' written"),
        (Wrong::Access, "inputs that are read only, got 'b' written"),
        (Wrong::Unwritten, "a kernel that writes output 0"),
        (Wrong::Twice, "each buffer bound once by dot_rows, got Input(0) twice"),
        (Wrong::Many, "expected"),
        (Wrong::Grid, "workgroups of dot_rows"),
        (Wrong::Loops, "loop iterations of an invocation on this device"),
        (Wrong::Scratch, "one of 0 scratch buffers as 'more'"),
        (Wrong::Entry, "the name of an entry point, got 'no entry'"),
        (Wrong::NoEntry, "elsewhere"),
        (Wrong::Cpu, "a CPU function of this custom op"),
        (Wrong::CpuCount, "outputs of [9] elements from its CPU function, got [297]"),
        (Wrong::Gradients, "2 gradients, one an input, got 1"),
        (Wrong::GradientShape, "a gradient of f32 (9, 33)"),
        (Wrong::ErrorCount, "9 errors of output 0, got 0"),
    ] {
        let message = refusal(wrong, &adapter);
        assert!(message.contains(words), "{wrong:?}: {message}");
    }
    for line in
        ["a=9x33", "a=9x33 b=9x33:4", "a=9x33 b=9x33:0", "a=9x b=9x33", "a=9x33 b=9x33 c", "a=x b=9x33"]
    {
        let error = checked(Wrong::Nothing, line, &adapter);
        assert!(error.is_err(), "{line}: {error:?}");
    }
    Ok(())
}

/// What does not compile is no failure of the device: an error with the op, its label and naga's words, each time.
#[test]
fn texts_that_do_not_compile_name_the_op_and_the_line() -> Result<()> {
    let device = Device::auto()?;
    if device.is_cpu() {
        println!("SKIPPED: no adapter");
        return Ok(());
    }
    let numbers = HostTensor::from_f32([2, 3], vec![1.0; 6])?;
    for (wrong, words) in
        [(Wrong::Syntax, "6:"), (Wrong::Names, "no definition in scope for identifier"), (Wrong::NoEntry, "")]
    {
        for _ in 0..2 {
            let graph = Graph::new();
            let (a, b) = (graph.input("a", [2, 3])?, graph.input("b", [2, 3])?);
            let y = graph.scoped("head", || a.custom(&Custom::new(Dot(wrong)), &[&b]))?;
            let compiled = Parameters::new(&device, 0).compile(&graph, &[&y]);
            let error = compiled.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("dot_of_rows 'head'") && error.contains(words), "{wrong:?}: {error}");
        }
    }
    let graph = Graph::new();
    let (a, b) = (graph.input("a", [2, 3])?, graph.input("b", [2, 3])?);
    let y = a.custom(&Custom::new(Dot(Wrong::Nothing)), &[&b])?.relu()?;
    let mut program = Parameters::new(&device, 0).compile(&graph, &[&y])?;
    program.run(&[(&a, &numbers), (&b, &numbers)])?;
    assert_eq!(program.read(&y)?.as_f32()?, [3.0, 3.0]);
    let profile = program.run_profiled(&[])?;
    let plan = program.plan().map(ToString::to_string).unwrap_or_default();
    assert!(plan.contains("dot_of_rows") && format!("{profile:?}").contains("dot_of_rows"), "{plan}");
    Ok(())
}

#[test]
fn the_reference_runs_it_and_equal_ops_are_computed_once() -> Result<()> {
    let graph = Graph::new();
    let (a, b) = (graph.input("a", [2, 3])?, graph.input("b", [2, 3])?);
    let dot = |wrong| a.custom(&Custom::new(Dot(wrong)), &[&b]);
    let y = dot(Wrong::Nothing)?.add(&dot(Wrong::Nothing)?)?.add(&dot(Wrong::Iterations)?)?;
    let plan = graph.with(|data| crate::plan::plan(data, &[y.id()], &Limits::default()))?;
    let dots =
        |step: &crate::plan::Step| matches!(step, crate::plan::Step::Dispatch(d) if d.op == "dot_of_rows");
    assert_eq!(plan.steps.iter().filter(|step| dots(step)).count(), 2, "by name and attributes: {plan}");
    let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&y])?;
    let numbers = HostTensor::from_f32([2, 3], vec![1.0, 2.0, 3.0, 0.0, 1.0, -1.0])?;
    program.run(&[(&a, &numbers), (&b, &numbers)])?;
    assert_eq!(program.read(&y)?.as_f32()?, [42.0, 6.0]);
    Ok(())
}

/// Workgroups are folded along y, and a kernel knows how many lie along x.
#[test]
fn many_workgroups_are_folded() {
    let ty = TensorType::f32([64 * 250, 2]);
    let limits = Limits { max_workgroups: 100, ..Limits::default() };
    let op = Op::Custom(Custom::new(Dot(Wrong::Nothing)));
    let lowering = lower(&op, &Fused::default(), &[&ty, &ty], &[&TensorType::f32([16000])], &limits);
    let launch = &lowering.expect("a lowering").launches[0];
    assert_eq!(launch.grid, [84, 3]);
    assert!(launch.kernel.wgsl.contains("const GROUPS_X = 84u;"), "{}", launch.kernel.wgsl);
}
