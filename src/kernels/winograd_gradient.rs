//! The gradient of a 3x3 weight after Winograd: `shaders/winograd_input.wgsl`, `winograd_error.wgsl`, a batch of matrix
//! products (`matmul.wgsl`), `winograd_gradient.wgsl`.
//!
//! A tile `A^T [(G g G^T) . (B^T d B)] A` is linear in the weight `g`: the error `e` of the tile gives it
//! `G^T [(A e A^T) . (B^T d B)] G`, with the same matrices. Summing over tiles makes the products of all numbers
//! `n^2` matrix products whose terms are tiles, and the last transform comes once, after the sum.

use super::winograd::{LANES, SOURCE, TARGET, Tiled, WEIGHT, run};
use super::{Binding, Epilogue, Launch, Limits, Lowering, Operand, Refusal, launch, matmul};
use crate::error::Mismatch;
use crate::ops::{ConvGeometry, MatMul};
use minijinja::context;

/// The products of all runs, where the transformed weight is otherwise, and the transformed error of a run.
const PRODUCTS: Operand = WEIGHT;
const ERROR: Operand = TARGET;
/// The most memory of the products of all runs, where one run does not take more.
const MOST_PRODUCTS: u64 = 32 << 20;

/// A convolution in tiles, as the gradient of its weight.
pub(super) struct Gradient<'a>(Tiled<'a>);

impl<'a> Gradient<'a> {
    pub(super) fn new(m: usize, g: &ConvGeometry, nothing: &'a Epilogue) -> Self {
        Self(Tiled::new(m, g, false, false, nothing))
    }

    /// In multiply-adds of an implicit matrix product; infinite where the products would take much memory.
    pub(super) fn cost(&self) -> f64 {
        let [source, error, weight, product] = COSTS;
        let Self(tiled) = self;
        let (terms, filters) = (tiled.terms() as f64, tiled.filters() as f64);
        let transformed = tiled.columns(tiled.images) as f64 * (source * terms + error * filters);
        let multiplied = tiled.columns(tiled.images) as f64 * product * terms * filters;
        if self.bytes() > MOST_PRODUCTS {
            return f64::INFINITY;
        }
        tiled.products() as f64 * (transformed + multiplied + weight * terms * filters)
    }

    /// Bytes of the products of a run.
    fn bytes(&self) -> u64 {
        (self.0.products() * self.0.terms() * self.0.filters() * 4) as u64
    }

    pub(super) fn lower(&self, limits: &Limits) -> Result<Lowering, Refusal> {
        let Self(tiled) = self;
        let most = (MOST_PRODUCTS / self.bytes()).max(1) as usize;
        let runs = tiled.runs(tiled.images.div_ceil(most), limits)?;
        let longest = runs.iter().map(|(_, images)| *images).max().unwrap_or(0);
        let [source, error] = tiled.scratch(longest);
        let mut launches = Vec::new();
        for (i, &(first, images)) in runs.iter().enumerate() {
            launches.extend([
                tiled.source(Operand::Input(1), first, images, limits)?,
                self.error(first, images, limits)?,
                self.product(i, images, limits)?,
            ]);
        }
        launches.push(self.sum(runs.len(), limits)?);
        let workspaces = vec![runs.len() as u64 * self.bytes(), source, error];
        Ok(Lowering { launches, workspaces, winograd: Some(tiled.m), ..Lowering::default() })
    }

    fn error(&self, first: usize, images: usize, limits: &Limits) -> Result<Launch, Mismatch> {
        let Self(tiled) = self;
        let [_, _, width] = tiled.target;
        let (fours, pairs) = (tiled.m == 4 && width.is_multiple_of(4), width.is_multiple_of(2));
        let values = context! { fours, pairs, wide => limits.wide_loads, ..tiled.values(images) };
        let groups = (tiled.columns(images) * tiled.filters() / 4).div_ceil(LANES);
        let bindings = vec![
            run(Binding::read(Operand::Input(0)), tiled.target, first, images),
            Binding::write(ERROR).range(0, tiled.scratch(images)[1]),
        ];
        launch(limits, "winograd_error", groups, bindings, format!("{}, error", tiled.name()), values)
    }

    fn product(&self, at: usize, images: usize, limits: &Limits) -> Result<Launch, Mismatch> {
        let Self(tiled) = self;
        let (batch, columns) = (tiled.products(), tiled.columns(images));
        let shapes = [[batch, tiled.terms(), columns].into(), [batch, columns, tiled.filters()].into()];
        let [source, error] = tiled.scratch(images);
        let bindings = vec![
            Binding::read(SOURCE).range(0, source),
            Binding::read(ERROR).range(0, error),
            Binding::write(PRODUCTS).range(at as u64 * self.bytes(), self.bytes()),
        ];
        let (options, fused) = (MatMul::default(), Epilogue::default());
        let mut launch =
            matmul::product(&options, &fused, [&shapes[0], &shapes[1]], false, bindings, limits)?;
        launch.why = format!("{}, {batch} products, {}", tiled.name(), launch.why);
        Ok(launch)
    }

    fn sum(&self, runs: usize, limits: &Limits) -> Result<Launch, Mismatch> {
        let Self(tiled) = self;
        let values = context! { runs, wide => limits.wide_loads, ..tiled.values(0) };
        let groups = (tiled.source[0] * tiled.filters() / 4).div_ceil(LANES);
        let bindings = vec![Binding::read(PRODUCTS), Binding::write(Operand::Output(0))];
        let why = format!("{}, {runs} partial sums, in order", tiled.name());
        launch(limits, "winograd_gradient", groups, bindings, why, values)
    }
}

/// What it costs to transform a number of the source, the error and the weight, and a multiply-add of the products,
/// in multiply-adds of an implicit matrix product: measured on a CPU adapter, 64 channels of 28x28 pixels.
const COSTS: [f64; 4] = [20.0, 11.0, 18.0, 1.25];
