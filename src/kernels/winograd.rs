//! 3x3 convolutions of stride 1 after Winograd: `shaders/winograd_weight.wgsl`, `winograd_input.wgsl`, a batch of
//! matrix products (`matmul.wgsl`), `winograd_output.wgsl`.
//!
//! `F(m x m, 3 x 3)` cuts the target into tiles of `m x m` pixels and the source into overlapping tiles of
//! `m + 2`. With `n = m + 2` points, a tile of the target is `A^T [(G g G^T) . (B^T d B)] A`, where `.` multiplies
//! `n^2` numbers instead of `9 m^2`, and summing over channels makes it `n^2` matrix products. After S. Winograd,
//! *Arithmetic Complexity of Computations*, 1980, and Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, 2016.

use super::conv2d::{bytes, of_images};
use super::winograd_gradient::Gradient;
use super::winograd_transforms::Transforms;
use super::{
    Binding, Chain, Launch, Limits, Lowering, Operand, Refusal, Variant, chunks, launch, matmul, tile,
};
use crate::error::Mismatch;
use crate::ops::{Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, ConvGeometry, MatMul, Op};
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Pixels along a side of a tile. The matrices of 2 are 0, 1 and 1/2, so that small integers give exact results;
/// those of 4 save more products.
const TILES: [usize; 2] = [2, 4];

/// Every variant, for convolutions to which Winograd applies.
pub(super) fn all() -> impl Iterator<Item = Variant> {
    TILES.into_iter().map(|tile| Variant::Winograd { tile })
}

/// Those of a convolution or a gradient of these operands.
pub(super) fn variants(op: &Op, inputs: &[&TensorType]) -> Vec<Variant> {
    let (options, weight) = match op {
        Op::Conv2d(options) | Op::Conv2dBackwardInput(Conv2dBackwardInput { options, .. }) => {
            (options, inputs.get(1).map_or(&[][..], |ty| &ty.shape[..]))
        }
        Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, weight }) => (options, &weight[..]),
        // Winograd's is an algorithm of convolutions.
        _ => return Vec::new(),
    };
    let applies = weight.len() == 4 && applies(options, &weight[2..]);
    all().filter(|_| applies).collect()
}

/// Whether taps and pixels are next to each other, 3x3 of them, and all channels are in one sum.
fn applies(o: &Conv2d, kernel: &[usize]) -> bool {
    [o.stride.h, o.stride.w, o.dilation.h, o.dilation.w, o.groups] == [1; 5] && kernel == [3, 3]
}

/// What is computed of a convolution.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pass {
    Forward,
    /// The gradient of the input.
    Input,
    /// The gradient of the weight.
    Weight,
}

/// The tile of a convolution, if it is to be computed this way: what was asked for, or what is faster than an
/// implicit matrix product.
pub(super) fn choose(g: &ConvGeometry, pass: Pass, limits: &Limits) -> Option<usize> {
    if !applies(&g.options, &[g.r, g.s]) {
        return None;
    }
    match limits.variant {
        Some(Variant::Winograd { tile }) => return Some(tile),
        None if tile::shuffles(limits) || !limits.software => {}
        _ => return None,
    }
    let begin = if tile::shuffles(limits) { 0.0 } else { LAUNCHES };
    let nothing = Chain::default();
    let cost = |tile| match pass {
        Pass::Weight => Gradient::new(tile, g, &nothing).cost(),
        _ => Tiled::new(tile, g, pass == Pass::Input, false, &nothing).cost(),
    };
    let best = TILES.map(|tile| (tile, cost(tile))).into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let pixels = if pass == Pass::Input { g.h * g.w } else { g.oh * g.ow };
    let direct = 9.0 * g.c as f64 * g.k as f64 * (g.n * pixels).next_multiple_of(PRODUCT) as f64;
    best.filter(|(_, cost)| cost + begin < WIN * direct).map(|(tile, _)| tile)
}

/// Columns of a workgroup of the products on a CPU adapter.
const PRODUCT: usize = 32;
/// What it costs to transform a number of the source, the target and the weight, and a multiply-add of the products,
/// in multiply-adds of an implicit matrix product: measured on a CPU adapter, 64 channels of 28x28 pixels.
pub(super) const COSTS: [f64; 4] = [20.0, 11.0, 18.0, 1.25];
/// What it costs a GPU to wait for the transforms before and after the products, on the same scale: measured on an H200,
/// where 64 channels of 16 images of 28x28 pixels take 0.65 of the time this way, 32 and 64 channels of 64 images of
/// 14x14 pixels 1.4.
const LAUNCHES: f64 = 1e8;
/// The cost at which the other way is left.
const WIN: f64 = 0.9;

/// The most memory of the transformed source and target together, where an image is not larger. On a CPU adapter, what
/// stays in its cache (with 5 MiB it takes 1.07 times as long, with 16 MiB 1.10 times). A GPU needs work enough for all
/// its cores (H200: 256 channels of 32 images of 28x28 pixels take 0.46 of the time they take with 8 MiB).
fn most_scratch(limits: &Limits) -> u64 {
    if limits.software { 8 << 20 } else { 128 << 20 }
}

/// The transformed weight, source and target.
pub(super) const WEIGHT: Operand = Operand::Workspace(0);
pub(super) const SOURCE: Operand = Operand::Workspace(1);
pub(super) const TARGET: Operand = Operand::Workspace(2);

/// A convolution in tiles, forward or as the gradient of its input.
pub(super) struct Tiled<'a> {
    pub(super) m: usize,
    pub(super) images: usize,
    /// Channels, height and width.
    pub(super) source: [usize; 3],
    pub(super) target: [usize; 3],
    /// The first row and column of the source that the first tile reads.
    begin: [isize; 2],
    /// Strides of target and source channels in the weight.
    strides: [usize; 2],
    backward: bool,
    bias: bool,
    fused: &'a Chain,
}

/// The kernels of tiles of `m x m` for a convolution that [`variants`] names.
pub(super) fn lower(
    m: usize,
    g: &ConvGeometry,
    backward: bool,
    bias: bool,
    fused: &Chain,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    Tiled::new(m, g, backward, bias, fused).lower(&Limits { variant: None, ..limits.clone() })
}

impl<'a> Tiled<'a> {
    pub(super) fn new(m: usize, g: &ConvGeometry, backward: bool, bias: bool, fused: &'a Chain) -> Self {
        let (input, output) = ([g.c, g.h, g.w], [g.k, g.oh, g.ow]);
        let [top, left] = [g.options.padding.top, g.options.padding.left].map(|pad| pad as isize);
        let (images, by_target, by_source) = (g.n, g.c * 9, 9);
        if backward {
            // The same convolution of the error, with the taps in reverse: 2 zeros where the other has none.
            let (begin, strides) = ([top - 2, left - 2], [by_source, by_target]);
            Self { m, images, source: output, target: input, begin, strides, backward, bias, fused }
        } else {
            let (begin, strides) = ([-top, -left], [by_target, by_source]);
            Self { m, images, source: input, target: output, begin, strides, backward, bias, fused }
        }
    }

    /// In multiply-adds of an implicit matrix product.
    fn cost(&self) -> f64 {
        let [source, target, weight, product] = COSTS;
        let (terms, rows, columns) = (self.terms() as f64, self.target[0] as f64, self.columns(self.images));
        let multiplied = columns.next_multiple_of(PRODUCT) as f64 * product * rows * terms;
        let transformed = columns as f64 * (source * terms + target * rows) + weight * rows * terms;
        self.products() as f64 * (multiplied + transformed)
    }

    /// Numbers that are multiplied in a tile: the matrix products of a batch.
    pub(super) fn products(&self) -> usize {
        (self.m + 2) * (self.m + 2)
    }

    /// Tiles along height and width.
    fn tiles(&self) -> [usize; 2] {
        [self.target[1].div_ceil(self.m), self.target[2].div_ceil(self.m)]
    }

    /// Source channels, the last ones zero, so that the products load four at a time.
    pub(super) fn terms(&self) -> usize {
        self.source[0].next_multiple_of(4)
    }

    /// Tiles of some images, rounded up so that the products load eight at a time.
    pub(super) fn columns(&self, images: usize) -> usize {
        let [h, w] = self.tiles();
        (images * h * w).next_multiple_of(8)
    }

    /// Target channels, the last ones zero, so that products whose columns they are load eight at a time.
    pub(super) fn filters(&self) -> usize {
        self.target[0].next_multiple_of(8)
    }

    /// Bytes of the transformed source and target of some images.
    pub(super) fn scratch(&self, images: usize) -> [u64; 2] {
        let bytes = |channels: usize| (self.products() * channels * self.columns(images) * 4) as u64;
        [bytes(self.terms()), bytes(self.filters())]
    }

    /// Runs of images that fit bindings, and [`most_scratch`] where they can and are not shorter than `least`.
    pub(super) fn runs(&self, least: usize, limits: &Limits) -> Result<Vec<(usize, usize)>, Refusal> {
        let [source, target] = self.scratch(1).map(|bytes| bytes.next_multiple_of(limits.offset_alignment));
        let (from, to) = (bytes(self.source), bytes(self.target));
        let sizes = [(Operand::Input(0), from), (Operand::Output(0), to), (SOURCE, source), (TARGET, target)];
        let most = (most_scratch(limits) / (source + target)).clamp(1, self.images as u64) as usize;
        let most = most.max(least);
        // Runs of one length have the same kernels.
        let even = self.images.div_ceil(self.images.div_ceil(most)) as u64;
        let largest = sizes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(1);
        let few =
            Limits { max_binding_bytes: limits.max_binding_bytes.min(even * largest), ..limits.clone() };
        chunks(self.images, &sizes, &few).or_else(|_| chunks(self.images, &sizes, limits))
    }

    fn lower(&self, limits: &Limits) -> Result<Lowering, Refusal> {
        let runs = self.runs(1, limits)?;
        let longest = runs.iter().map(|(_, images)| *images).max().unwrap_or(0);
        let [source, target] = self.scratch(longest);
        let weight = (self.products() * self.target[0] * self.terms() * 4) as u64;
        let mut launches = vec![self.weight(limits)?];
        for (first, images) in runs {
            launches.extend([
                self.source(Operand::Input(0), first, images, limits)?,
                self.product(images, limits)?,
                self.target(first, images, limits)?,
            ]);
        }
        let workspaces = vec![weight, source, target];
        Ok(Lowering { launches, workspaces, winograd: Some(self.m), ..Lowering::default() })
    }

    /// The template values of all kernels.
    pub(super) fn values(&self, images: usize) -> Value {
        let [tiles_h, tiles_w] = self.tiles();
        let ([source_channels, source_h, source_w], [rows, target_h, target_w]) = (self.source, self.target);
        context! {
            m => self.m, n => self.m + 2, source_channels, source_h, source_w, rows, target_h, target_w,
            terms => self.terms(), filters => self.filters(), tiles_h, tiles_w, tiles => images * tiles_h * tiles_w,
            columns => self.columns(images), backward => self.backward, bias => self.bias,
            transforms => Transforms::new(self.m).values(),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("Winograd F({m}x{m}, 3x3)", m = self.m)
    }

    fn weight(&self, limits: &Limits) -> Result<Launch, Mismatch> {
        let [row_stride, term_stride] = self.strides;
        let values = context! { row_stride, term_stride, wide => limits.wide_loads, ..self.values(0) };
        let groups = (self.target[0] * self.terms() / 4).div_ceil(LANES);
        let bindings = vec![Binding::read(Operand::Input(1)), Binding::write(WEIGHT)];
        launch(limits, "winograd_weight", groups, 0, bindings, format!("{}, weight", self.name()), values)
    }

    pub(super) fn source(
        &self,
        from: Operand,
        first: usize,
        images: usize,
        limits: &Limits,
    ) -> Result<Launch, Mismatch> {
        let [begin_y, begin_x] = self.begin;
        let at_once = |count: usize| [4, 2].into_iter().find(|&n| count.is_multiple_of(n)).unwrap_or(1);
        let together = at_once(self.tiles()[1]);
        // Lines, and the first columns of what is transformed together, begin whole elements apart.
        let unit = at_once(self.source[2]).min(at_once(self.m * together));
        let values = context! {
            begin_y, begin_x, unit,
            // Pixels of the first load before the first tile.
            skip => begin_x.rem_euclid(unit as isize),
            // Of four neighbouring tiles, those that surely lie in one line.
            together,
            wide => limits.wide_loads,
            ..self.values(images)
        };
        let groups = (self.terms() * self.columns(images) / 4).div_ceil(LANES);
        let bindings = vec![
            of_images(Binding::read(from), self.source, first, images),
            Binding::write(SOURCE).range(0, self.scratch(images)[0]),
        ];
        launch(limits, "winograd_input", groups, 0, bindings, format!("{}, input", self.name()), values)
    }

    fn product(&self, images: usize, limits: &Limits) -> Result<Launch, Mismatch> {
        let (batch, rows, terms) = (self.products(), self.target[0], self.terms());
        let [source, target] = self.scratch(images);
        let (a, b) = ([batch, rows, terms].into(), [batch, terms, self.columns(images)].into());
        let bindings = vec![
            Binding::read(WEIGHT),
            Binding::read(SOURCE).range(0, source),
            Binding::write(TARGET).range(0, target),
        ];
        let mut launch =
            matmul::product(&MatMul::default(), &Chain::default(), [&a, &b], false, bindings, limits)?;
        launch.why = format!("{}, {batch} products, {}", self.name(), launch.why);
        Ok(launch)
    }

    fn target(&self, first: usize, images: usize, limits: &Limits) -> Result<Launch, Mismatch> {
        let vec4 = self.m == 4 && self.target[2].is_multiple_of(4);
        let groups = (self.target[0] * self.columns(images) / 4).div_ceil(LANES);
        let mut bindings = vec![Binding::read(TARGET).range(0, self.scratch(images)[1])];
        bindings.extend(self.bias.then(|| Binding::read(Operand::Input(2))));
        let like = |binding| of_images(binding, self.target, first, images);
        bindings.push(like(Binding::write(Operand::Output(0))));
        bindings.extend(self.fused.bindings(like));
        let fused = self.fused.values(if self.bias { 3 } else { 2 }, vec4, &bindings);
        let values = context! {
            out_vec4 => vec4, pairs => self.target[2].is_multiple_of(2), wide => limits.wide_loads, ..context! { ..self.values(images), ..fused }
        };
        let why = format!("{}, output{}", self.name(), self.fused.why());
        launch(limits, "winograd_output", groups, 0, bindings, why, values)
    }
}

/// Invocations of a workgroup of the transforms.
pub(super) const LANES: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::{Fused, lower};
    use super::*;

    fn cpu() -> Limits {
        Limits { subgroup_size: Some(8), software: true, wide_loads: true, ..Limits::default() }
    }

    fn padded(pad: usize) -> Conv2d {
        Conv2d::default().padding(pad)
    }

    /// Images, channels, side, target channels.
    fn types([n, c, side, k]: [usize; 4]) -> [TensorType; 2] {
        [TensorType::f32([n, c, side, side]), TensorType::f32([k, c, 3, 3])]
    }

    fn lowered(shape: [usize; 4], options: Conv2d, limits: &Limits) -> Result<Lowering, Refusal> {
        let [input, weight] = types(shape);
        let geometry = ConvGeometry::new(&options, &input.shape, &weight.shape)?;
        let output = TensorType::f32(geometry.output());
        lower(&Op::Conv2d(options), &Fused::default(), &[&input, &weight], &[&output], limits)
    }

    #[test]
    fn the_shape_decides_on_a_cpu_adapter() {
        for (shape, tile) in [
            ([16, 64, 28, 64], Some(4)),
            ([64, 32, 14, 64], Some(4)),
            ([16, 256, 14, 256], Some(4)),
            ([16, 512, 7, 512], Some(4)),
            // Tiles of 4x4 would mostly lie outside.
            ([64, 256, 2, 256], Some(2)),
            // Too few channels, or too few pixels for so many weights.
            ([64, 1, 28, 32], None),
            ([64, 16, 14, 16], None),
            ([1, 512, 7, 512], None),
            ([64, 64, 5, 64], None),
        ] {
            assert_eq!(lowered(shape, padded(1), &cpu()).unwrap().winograd, tile, "{shape:?}");
        }
    }

    #[test]
    fn a_gpu_needs_more_work() {
        let gpu = Limits { subgroup_size: Some(32), ..Limits::default() };
        for (shape, tile) in [
            ([16, 64, 28, 64], Some(4)),
            ([32, 256, 28, 256], Some(4)),
            ([16, 16, 32, 16], None),
            ([64, 32, 14, 64], None),
            ([1, 128, 14, 128], None),
        ] {
            let [input, weight] = types(shape);
            let g = ConvGeometry::new(&padded(1), &input.shape, &weight.shape).unwrap();
            for pass in [Pass::Forward, Pass::Input, Pass::Weight] {
                assert_eq!(choose(&g, pass, &gpu), tile, "{shape:?}");
            }
        }
    }

    #[test]
    fn it_applies_to_neighbouring_taps_of_one_group() {
        let [input, weight] = types([2, 8, 9, 8]);
        let offered =
            |options: Conv2d, weight: &TensorType| variants(&Op::Conv2d(options), &[&input, weight]).len();
        assert_eq!(offered(padded(0), &weight), 2);
        assert_eq!(offered(padded(1).stride(2), &weight), 0);
        assert_eq!(offered(padded(1).dilation(2), &weight), 0);
        assert_eq!(offered(padded(1).groups(2), &TensorType::f32([8, 4, 3, 3])), 0);
        assert_eq!(offered(padded(1), &TensorType::f32([8, 8, 3, 1])), 0);
        let forced = Limits { variant: Some(Variant::Winograd { tile: 2 }), ..cpu() };
        assert_eq!(lowered([2, 8, 9, 8], padded(1).stride(2), &forced).unwrap().winograd, None);
    }

    /// Images use the scratch memory one after the other; one that is too large is refused, or left to the other way.
    #[test]
    fn scratch_memory_is_bounded() {
        let shape = [64, 64, 28, 64];
        let lowering = lowered(shape, padded(1), &cpu()).unwrap();
        let [weight, source, target] = lowering.workspaces[..] else { panic!("three workspaces") };
        assert_eq!(weight, 36 * 64 * 64 * 4);
        assert!(source + target <= most_scratch(&cpu()), "{source} and {target}");
        // The weight, and 3 launches for each of equal runs of images.
        assert_eq!(lowering.launches.len(), 1 + 3 * 8);
        let forced = Limits { variant: Some(Variant::Winograd { tile: 4 }), ..cpu() };
        let small = |limits: Limits| Limits { max_binding_bytes: 400 << 10, ..limits };
        assert!(matches!(
            lowered(shape, padded(1), &small(forced)),
            Err(Refusal::TooLarge { .. } | Refusal::Unsplittable { .. })
        ));
        assert_eq!(lowered(shape, padded(1), &small(cpu())).unwrap().winograd, None);
    }

    #[test]
    fn the_products_have_the_operations_and_the_last_launch_what_is_fused() {
        let lowering = lowered([16, 64, 28, 64], padded(1), &cpu()).unwrap();
        let names: Vec<&str> = lowering.launches.iter().map(|l| l.kernel.name).collect();
        assert_eq!(names[..4], ["winograd_weight", "winograd_input", "matmul", "winograd_output"]);
        for launch in &lowering.launches {
            assert_eq!(launch.computes(), launch.kernel.name == "matmul");
            assert_eq!(launch.stores(), launch.kernel.name == "winograd_output");
        }
        assert_eq!(lowering.divide_flops(1000).iter().sum::<u64>(), 1000);
    }
}
