//! The gradient of a 3x3 weight after Winograd: `shaders/winograd_input.wgsl`, `winograd_error.wgsl`, a batch of matrix
//! products (`matmul.wgsl`), `winograd_gradient.wgsl`.
//!
//! A tile `A^T [(G g G^T) . (B^T d B)] A` is linear in the weight `g`: the error `e` of the tile gives it
//! `G^T [(A e A^T) . (B^T d B)] G`, with the same matrices. Summing over tiles makes the products of all numbers
//! `n^2` matrix products whose terms are tiles, and the last transform comes once, after the sum.

use super::conv2d::of_images;
use super::winograd::{COSTS, LANES, SOURCE, TARGET, Tiled, WEIGHT};
use super::{Binding, Chain, Launch, Limits, Lowering, Operand, Refusal, launch, matmul};
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
    pub(super) fn new(m: usize, g: &ConvGeometry, nothing: &'a Chain) -> Self {
        Self(Tiled::new(m, g, false, false, nothing))
    }

    /// In multiply-adds of an implicit matrix product; infinite where the products would take much memory. With the
    /// costs of the way forward the faster way was taken for each of ten shapes from 16 to 512 channels.
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
            of_images(Binding::read(Operand::Input(0)), tiled.target, first, images),
            Binding::write(ERROR).range(0, tiled.scratch(images)[1]),
        ];
        launch(
            limits,
            "winograd_error",
            groups,
            0,
            bindings,
            format!("{}, grad_output", tiled.name()),
            values,
        )
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
        let (options, fused) = (MatMul::default(), Chain::default());
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
        launch(limits, "winograd_gradient", groups, if runs > 1 { runs } else { 0 }, bindings, why, values)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fused, Variant, lower};
    use super::*;
    use crate::ops::{Conv2d, Conv2dBackwardWeight, Op};
    use crate::tensor::TensorType;

    fn cpu() -> Limits {
        Limits { subgroup_size: Some(8), software: true, wide_loads: true, ..Limits::default() }
    }

    /// Images, channels, side, target channels.
    fn lowered([n, c, side, k]: [usize; 4], limits: &Limits) -> Result<Lowering, Refusal> {
        let options = Conv2d::default().padding(1);
        let [grad, input, weight] = [[n, k, side, side], [n, c, side, side], [k, c, 3, 3]];
        let op = Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, weight: weight.into() });
        let (grad, input) = (TensorType::f32(grad), TensorType::f32(input));
        lower(&op, &Fused::default(), &[&grad, &input], &[&TensorType::f32(weight)], limits)
    }

    #[test]
    fn the_shape_decides_on_a_cpu_adapter() {
        for (shape, tile) in [
            ([16, 64, 28, 64], Some(4)),
            ([16, 16, 32, 16], Some(4)),
            // Products of 36 numbers of so many weights would take more memory than they may.
            ([4, 512, 7, 512], Some(2)),
            ([64, 3, 32, 32], None),
        ] {
            assert_eq!(lowered(shape, &cpu()).unwrap().winograd, tile, "{shape:?}");
        }
    }

    #[test]
    fn runs_of_images_leave_products_that_one_kernel_adds_up() {
        let lowering = lowered([64, 64, 28, 64], &cpu()).unwrap();
        let names: Vec<&str> = lowering.launches.iter().map(|l| l.kernel.name).collect();
        let runs = names.len() / 3;
        assert!(runs > 1 && names.len() == 3 * runs + 1, "{names:?}");
        assert_eq!(names[..3], ["winograd_input", "winograd_error", "matmul"]);
        assert_eq!(names[3 * runs], "winograd_gradient");
        let [products, source, error] = lowering.workspaces[..] else { panic!("three workspaces") };
        assert_eq!(products, (runs * 36 * 64 * 64 * 4) as u64);
        assert!(source + error <= 8 << 20, "{source} and {error}");
        for launch in &lowering.launches {
            assert_eq!(launch.computes(), launch.kernel.name == "matmul");
            assert_eq!(launch.stores(), launch.kernel.name == "winograd_gradient");
        }
        // More weights leave fewer runs; what does not fit a binding is refused.
        let many = lowered([64, 256, 28, 256], &cpu()).unwrap();
        assert!(many.workspaces[0] <= MOST_PRODUCTS, "{:?}", many.workspaces);
        let forced = Limits { variant: Some(Variant::Winograd { tile: 4 }), ..cpu() };
        let small = Limits { max_binding_bytes: 400 << 10, ..forced };
        assert!(lowered([64, 64, 28, 64], &small).is_err());
    }
}
