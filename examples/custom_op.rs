//! An op from outside the crate with its gradient and its WGSL, checked and used: `y[t] = a[t] y[t-1] + x[t]`, `(T, N)`.

use wgrad::custom::{Buffer, Custom, CustomOp, Gradients, Kernel, Kernels, Values};
use wgrad::verify::{Adapter, Effort, check_custom};
use wgrad::{Device, Graph, HostTensor, Mismatch, Parameters, Result, TensorType, graph::Flow, ops::Pad};

/// `a, x` to `y`; with `true`, backward as errors go, `y[t] = a[t+1] y[t+1] + x[t]` from the last step to the first.
struct Scan(bool);

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
        if self.0 { "scan_backward" } else { "scan" }
    }
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let fits = inputs.len() == 2 && inputs[0].shape.len() == 2 && inputs[0] == inputs[1];
        Mismatch::check(fits, "a and x (T, N) of one type", format!("{inputs:?}"))?;
        Ok(vec![inputs[1].clone()])
    }
    /// An invocation a column.
    fn kernels(&self, inputs: &[&TensorType], _: &[&TensorType]) -> Result<Kernels, Mismatch> {
        let (t, n) = (inputs[0].shape[0], inputs[0].shape[1]);
        let (row, later) = if self.0 { (format!("({t}u - 1u - i)"), n) } else { ("i".into(), 0) };
        let wgsl = format!(
            "@compute @workgroup_size(64) fn scan(@builtin(global_invocation_id) id: vec3<u32>) {{
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
        Ok(kernel.write("y", Buffer::Output(0)).groups(n.div_ceil(64)).iterations(t + 1).into())
    }
    /// What comes back to `y[t]` is the error of `x[t]`; times `y[t-1]`, that of `a[t]`.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Gradients> {
        let Self(false) = self else { return Ok(Gradients::Missing) };
        let back = flow.inputs[0].custom(&Custom::new(Scan(true)), &[flow.grad("scan")?])?;
        let before = flow.outputs[0].pad(&[0, 0, 1, -1], Pad::Constant(0.0))?;
        Ok(Gradients::Of(vec![Some(back.mul(&before)?), Some(back)]))
    }
    fn eval(&self, inputs: &[Values<'_>], _: &[TensorType]) -> Option<Vec<Vec<f64>>> {
        Some(vec![scan(inputs[0].data, inputs[1].data, inputs[0].ty.shape[1], self.0)])
    }
    /// A product and a sum a step, each rounded, of what magnitudes add up to.
    fn error(&self, inputs: &[Values<'_>], _: usize, _: Values<'_>) -> Option<Vec<f64>> {
        let [a, x] = [0, 1].map(|i| inputs[i].data.iter().map(|v: &f64| v.abs()).collect::<Vec<_>>());
        let (factor, n) = (2e-7 * inputs[0].ty.shape[0] as f64, inputs[0].ty.shape[1]);
        Some(scan(&a, &x, n, self.0).into_iter().map(|sum| factor * sum).collect())
    }
}

fn main() -> Result<()> {
    let op = Custom::new(Scan(false));
    if let Ok(adapter) = Adapter::open(None, None) {
        let report = check_custom(&op, "a=9x70 x=9x70 data=real:1", &adapter, Effort::full())?;
        println!("{} derivatives held to differences: {:?}", report.derivatives, report.outcome.verdict);
        assert!(report.passed(), "{:#?}", report.failures);
    }
    let graph = Graph::new();
    let x = graph.input("x", [4, 1])?;
    let y = graph.scalar(0.5)?.broadcast_to([4, 1])?.custom(&op, &[&x])?;
    let mut program = Parameters::new(&Device::auto()?, 1).compile(&graph, &[&y])?;
    program.run(&[(&x, &HostTensor::from_f32([4, 1], vec![8.0, 0.0, 0.0, 4.0])?)])?;
    println!("an impulse of 8, halved at each step, and one of 4: {:?}", program.read(&y)?.as_f32()?);
    Ok(())
}
