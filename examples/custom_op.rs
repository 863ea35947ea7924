//! An op from outside the crate, checked and trained: the recurrence `y[t] = a[t] y[t-1] + x[t]` of state-space models, `(T, N)`.

use wgrad::custom::{Buffer, Custom, CustomOp, Gradients, Kernel, Kernels, Values};
use wgrad::ops::{Init, Pad};
use wgrad::optim::{Adam, Optimizer};
use wgrad::verify::{Adapter, Effort, check_custom};
use wgrad::{Graph, HostTensor, Mismatch, Parameters, Result, TensorType, graph::Flow};

/// `a, x` to `y`; backward, as errors go, `y[t] = a[t+1] y[t+1] + x[t]` from the last step to the first.
struct Scan {
    backward: bool,
}

fn scan(a: &[f64], x: &[f64], n: usize, backward: bool) -> Vec<f64> {
    let mut y = x.to_vec();
    for i in n..x.len() {
        let at = if backward { x.len() - 1 - i } else { i };
        y[at] += if backward { a[at + n] * y[at + n] } else { a[at] * y[at - n] };
    }
    y
}

impl CustomOp for Scan {
    fn name(&self) -> &'static str {
        if self.backward { "scan_backward" } else { "scan" }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let fits = inputs.len() == 2 && inputs[0].shape.len() == 2 && inputs[0] == inputs[1];
        Mismatch::check(fits, "a and x (T, N) of one type", format!("{inputs:?}"))?;
        Ok(vec![inputs[1].clone()])
    }

    fn kernels(&self, inputs: &[&TensorType], _: &[&TensorType]) -> Result<Kernels, Mismatch> {
        let (t, n) = (inputs[0].shape[0], inputs[0].shape[1]);
        let (row, later) = if self.backward { (format!("({t}u - 1u - i)"), n) } else { ("i".into(), 0) };
        // An invocation a column.
        let wgsl = format!(
            "@compute @workgroup_size(64)
             fn scan(@builtin(global_invocation_id) id: vec3<u32>) {{
               let column = id.x + id.y * 64u * GROUPS_X;
               if (column >= {n}u) {{ return; }}
               var h = 0.0;
               for (var i = 0u; i < {t}u; i++) {{
                 let at = {row} * {n}u + column;
                 if (i > 0u) {{ h *= a[at + {later}u]; }}
                 h += x[at]; y[at] = h;
               }}
             }}"
        );
        let kernel = Kernel::new("scan", wgsl).read("a", Buffer::Input(0)).read("x", Buffer::Input(1));
        Ok(kernel.write("y", Buffer::Output(0)).groups(n.div_ceil(64)).turns(t + 1).into())
    }

    /// What comes back to `y[t]` is the error of `x[t]`; times `y[t-1]`, that of `a[t]`.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Gradients> {
        if self.backward {
            return Ok(Gradients::Missing);
        }
        let back = flow.inputs[0].custom(&Custom::new(Scan { backward: true }), &[flow.grad("scan")?])?;
        let before = flow.outputs[0].pad(&[0, 0, 1, -1], Pad::Constant(0.0))?;
        Ok(Gradients::Of(vec![Some(back.mul(&before)?), Some(back)]))
    }

    fn eval(&self, inputs: &[Values<'_>], _: &[TensorType]) -> Option<Vec<Vec<f64>>> {
        Some(vec![scan(inputs[0].data, inputs[1].data, inputs[0].ty.shape[1], self.backward)])
    }

    /// A product and a sum a step, each rounded, of what magnitudes add up to.
    fn error(&self, inputs: &[Values<'_>], _: usize, _: Values<'_>) -> Option<Vec<f64>> {
        let [a, x] = [0, 1].map(|i| inputs[i].data.iter().map(|v: &f64| v.abs()).collect::<Vec<_>>());
        let (t, n) = (inputs[0].ty.shape[0], inputs[0].ty.shape[1]);
        Some(scan(&a, &x, n, self.backward).into_iter().map(|sum| t as f64 * 2e-7 * sum).collect())
    }
}

fn main() -> Result<()> {
    let op = Custom::new(Scan { backward: false });
    let Ok(adapter) = Adapter::open(None, None) else {
        println!("SKIPPED: no adapter");
        return Ok(());
    };
    let report = check_custom(&op, "a=9x70 x=9x70 data=real:1", &adapter, Effort::full())?;
    println!("{} derivatives, worst error {:.2} of its bound", report.derivatives, report.outcome.fraction);
    assert!(report.passed(), "{:#?}", report.failures);
    let (graph, [t, n]) = (Graph::new(), [64, 32]);
    let (x, y) = (graph.input("x", [t, n])?, graph.input("y", [t, n])?);
    let decay = graph.parameter("decay", [1], Init::Zeros)?.sigmoid()?;
    let loss = decay.broadcast_to([t, n])?.custom(&op, &[&x])?.sub(&y)?.square()?.mean((), false)?;
    Adam::new(0.1).minimize(&loss)?;
    let noise: Vec<f64> = (0..t * n).map(|i| (i as f64 * i as f64).sin()).collect();
    let smooth = scan(&vec![0.9; t * n], &noise, n, false);
    let host = |data: &[f64]| HostTensor::from_f32([t, n], data.iter().map(|v| *v as f32).collect());
    let mut program = Parameters::new(adapter.device(), 1).compile(&graph, &[&loss, &decay])?;
    for _ in 0..100 {
        program.run(&[(&x, &host(&noise)?), (&y, &host(&smooth)?)])?;
    }
    let decay = program.read(&decay)?.as_f32()?[0];
    println!("a signal of decay 0.9: found {decay:.3}, loss {:.1e}", program.read(&loss)?.as_f32()?[0]);
    assert!((decay - 0.9).abs() < 0.01, "it learns");
    Ok(())
}
