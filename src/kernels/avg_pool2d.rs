//! Average pooling: `shaders/avg_pool2d.wgsl` and its backward pass. Large windows that overlap are added up along the width,
//! then along the height.

use super::pool2d::{Pool, PoolKernel, windows};
use super::{Binding, Chain, Limits, Lower, Lowering, Operand, Refusal, Site, turns};
use crate::ops::{AvgPool2d, AvgPool2dBackward};
use crate::shape::{Shape, Window};
use minijinja::{Value, context};

impl Lower for AvgPool2d {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, &site.inputs[0].shape, site.limits)
    }
}

impl Lower for AvgPool2dBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward(&self.options, &self.input, site.limits)
    }
}

/// A pass over an average pool: all of it, or sums along one side.
struct Pass<'a> {
    options: &'a AvgPool2d,
    /// Of the pool, by which sums are divided, and of this pass.
    whole: [Window; 2],
    windows: [Window; 2],
    /// `(N, C, H, W)` before the forward pass.
    input: Shape,
    /// Whether each window is divided by its own divisor, and the one that all have where sums are divided at the end.
    divides: bool,
    area: usize,
}

/// Where sums along one side are.
const HALF: Operand = Operand::Workspace(0);

impl<'a> Pass<'a> {
    fn whole(options: &'a AvgPool2d, input: &Shape) -> Self {
        let whole = options.windows(input[2], input[3]);
        Self { options, whole, windows: whole, input: input.clone(), divides: true, area: 0 }
    }

    /// Along the width, and along the height of what that gives, which alone divides.
    fn halves(self, ow: usize) -> [Self; 2] {
        let single =
            |input| Window { input, kernel: 1, stride: 1, before: 0, after: 0, dilation: 1, ceil: false };
        let [rows, columns] = self.whole;
        let lying = Shape::from([self.input[0], self.input[1], self.input[2], ow]);
        let down = Self { windows: [rows, single(ow)], input: lying, ..self };
        let across = Self {
            windows: [single(rows.input), columns],
            divides: false,
            ..Self::whole(self.options, &self.input)
        };
        [across, down]
    }

    fn values(&self) -> Value {
        let (half, count_include_pad) = (self.whole != self.windows, self.options.count_include_pad);
        context! { half, count_include_pad, divides => self.divides, area => self.area, whole => windows(self.whole) }
    }

    fn forward(&self, from: Operand, to: Operand, limits: &Limits) -> Result<Lowering, Refusal> {
        let pool = Pool::new(&self.input, self.windows)?;
        let bindings = [(Binding::read(from), pool.input), (Binding::write(to), pool.output)];
        let kernel = PoolKernel {
            name: "avg_pool2d",
            per_plane: pool.output,
            bindings: &bindings,
            pieces: turns::pieces(self.windows.map(|along| along.kernel.min(along.input)), 0, limits),
            fused: &Chain::default(),
            vec4: false,
            why: format!("an element an invocation{}", self.why()),
            values: self.values(),
        };
        pool.lower(kernel, limits)
    }

    fn backward(&self, from: Operand, to: Operand, limits: &Limits) -> Result<Lowering, Refusal> {
        let pool = Pool::new(&self.input, self.windows)?;
        let bindings = [(Binding::read(from), pool.output), (Binding::write(to), pool.input)];
        // Neighbours between two borders of windows.
        let columns = self.windows[1];
        let borders = [columns.input, columns.before, columns.kernel, columns.stride];
        let fits = |unit: &usize| borders.iter().all(|n| n.is_multiple_of(*unit));
        let unit = [4, 2].into_iter().find(fits).unwrap_or(1);
        let values = context! { unit, wide => limits.wide_loads, ..self.values() };
        let what = if unit > 1 { format!("{unit} elements") } else { "an element".into() };
        let kernel = PoolKernel {
            name: "avg_pool2d_backward",
            per_plane: pool.input / unit,
            bindings: &bindings,
            pieces: turns::pieces(self.windows.each_ref().map(around), 0, limits),
            fused: &Chain::default(),
            vec4: false,
            why: format!("{what} an invocation{}", self.why()),
            values,
        };
        pool.lower(kernel, limits)
    }

    fn why(&self) -> &'static str {
        if self.whole == self.windows { "" } else { ", along one side" }
    }
}

/// Windows that contain a place, at most.
pub(super) fn around(along: &Window) -> usize {
    along.extent().div_ceil(along.stride).min(along.output("").unwrap_or(usize::MAX))
}

/// The divisor of all windows, where it is the same and a power of two: a quotient by another, of which SwiftShader makes
/// errors that point one way, is taken where sums begin.
fn common_divisor(options: &AvgPool2d, sides: [Window; 2]) -> Result<Option<usize>, Refusal> {
    let mut area = 1;
    for side in sides {
        let reach = (side.output("side")? - 1) * side.stride + side.kernel;
        let inside = reach <= side.input + side.before + side.after;
        if !inside || !options.count_include_pad && side.before + side.after > 0 {
            return Ok(None);
        }
        area *= side.kernel;
    }
    Ok(Some(area).filter(|area| area.is_power_of_two()))
}

/// Whether loads of both halves of the work are so few that they pay for a second launch.
fn pays(whole: usize, halves: usize) -> bool {
    halves < whole / 2
}

/// One after the other, with the sums along one side between them.
fn joined(first: Lowering, second: Lowering, lying: &Shape) -> Lowering {
    let launches = first.launches.into_iter().chain(second.launches).collect();
    Lowering { launches, workspaces: vec![lying.elements() as u64 * 4], ..Lowering::default() }
}

fn forward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let pass = Pass::whole(options, input);
    let [rows, columns] = pass.whole;
    let (oh, ow) = (rows.output("height")?, columns.output("width")?);
    let halves = (input[2] * columns.kernel + oh * rows.kernel) * ow;
    let (from, to) = (Operand::Input(0), Operand::Output(0));
    if !pays(oh * ow * rows.kernel * columns.kernel, halves) {
        return pass.forward(from, to, limits);
    }
    let [across, down] = pass.halves(ow);
    Ok(joined(across.forward(from, HALF, limits)?, down.forward(HALF, to, limits)?, &down.input))
}

fn backward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let pass = Pass::whole(options, input);
    let [rows, columns] = pass.whole;
    let ow = columns.output("width")?;
    let area = common_divisor(options, pass.whole)?;
    // Windows that a pixel lies in.
    let [down, across] = [rows, columns].map(|side| side.kernel.div_ceil(side.stride));
    let (from, to) = (Operand::Input(0), Operand::Output(0));
    let pays = pays(input[2] * input[3] * down * across, input[2] * (ow * down + input[3] * across));
    let Some(area) = area.filter(|_| pays) else { return pass.backward(from, to, limits) };
    let [across, down] = pass.halves(ow);
    let (across, down) = (Pass { area, ..across }, Pass { divides: false, ..down });
    Ok(joined(down.backward(from, HALF, limits)?, across.backward(HALF, to, limits)?, &down.input))
}
