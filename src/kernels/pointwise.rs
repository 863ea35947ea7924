//! 1x1 convolutions: matrix products of the weight and whole images. Their input gradients with strides are computed at
//! stride 1, then the pixels are stored `stride` apart with zeros between them: `shaders/conv2d_spread.wgsl`.

use super::{Binding, Chain, Launch, Limits, Lowering, Operand, Refusal, chunks, launch, matmul, tile};
use crate::error::Mismatch;
use crate::ops::{Conv2d, ConvGeometry, MatMul};
use minijinja::context;

/// The most source channels for which products of whole images pay: the lines of more do not stay in a core's cache.
const MOST_CHANNELS: usize = 128;

/// Whether a pixel is computed from the one that lies where it lies, and four neighbours can be loaded at once.
pub(super) fn in_place(g: &ConvGeometry) -> bool {
    let Conv2d { stride, padding, .. } = g.options;
    let same = g.r * g.s == 1 && stride.h == 1 && stride.w == 1 && padding.top == 0 && padding.left == 0;
    same && (g.h, g.w) == (g.oh, g.ow) && (g.h * g.w).is_multiple_of(4)
}

/// Whether a convolution is to be computed as matrix products of the weight and each image, channels by pixels. On a
/// CPU adapter that takes 0.54 to 0.97 of the time of packed images where pixels are loaded eight at a time; on GPUs it
/// was not measured.
pub(super) fn is_product(g: &ConvGeometry, backward: bool, limits: &Limits) -> bool {
    let measured = tile::shuffles(limits) && limits.wide_loads && limits.variant.is_none();
    let few = if backward { g.k } else { g.c } <= MOST_CHANNELS;
    measured && in_place(g) && g.options.groups == 1 && few && (g.h * g.w).is_multiple_of(8)
}

/// Matrix products of the weight and each image.
pub(super) fn product(
    g: &ConvGeometry,
    backward: bool,
    fused: &Chain,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let pixels = g.h * g.w;
    let (terms, rows) = if backward { (g.k, g.c) } else { (g.c, g.k) };
    let bytes = |channels: usize| (channels * pixels * 4) as u64;
    let sizes = [(Operand::Input(0), bytes(terms)), (Operand::Output(0), bytes(rows))];
    let options = MatMul { trans_a: backward, ..MatMul::default() };
    let mut lowering = Lowering::default();
    for (first, images) in chunks(g.n, &sizes, limits)? {
        let run =
            |b: Binding, channels| b.range(first as u64 * bytes(channels), images as u64 * bytes(channels));
        let mut bindings = vec![
            Binding::read(Operand::Input(1)),
            run(Binding::read(Operand::Input(0)), terms),
            run(Binding::write(Operand::Output(0)), rows),
        ];
        bindings.extend(fused.bindings(|b| run(b, rows)));
        let shapes = [[g.k, g.c].into(), [images, terms, pixels].into()];
        let mut launch = matmul::product(&options, fused, [&shapes[0], &shapes[1]], false, bindings, limits)?;
        launch.why = format!("{images} products of the weight and an image, {}", launch.why);
        lowering.launches.push(launch);
    }
    Ok(lowering)
}

/// The geometry of a 1x1 convolution's input gradient at stride 1, where it has strides; `None` for any other: of the
/// gradient with strides only pixels `stride` apart are not zero.
pub(super) fn dense(g: &ConvGeometry) -> Option<ConvGeometry> {
    let Conv2d { stride, padding, groups, .. } = g.options;
    let alone = g.r * g.s == 1 && stride.h * stride.w > 1 && padding == Conv2d::default().padding;
    let options = Conv2d { groups, ..Conv2d::default() };
    let (input, weight) = ([g.n, g.c, g.oh, g.ow].into(), [g.k, g.c / groups, 1, 1].into());
    alone.then(|| ConvGeometry::new(&options, &input, &weight).ok()).flatten()
}

/// The kernels of [`dense`], and those that put its pixels where they belong and apply what is fused.
pub(super) fn spread(
    g: &ConvGeometry,
    mut dense: Lowering,
    fused: &Chain,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let pixels = Operand::Workspace(dense.workspaces.len());
    let written = |binding: &mut Binding| {
        if binding.operand == Operand::Output(0) {
            binding.operand = pixels;
        }
    };
    dense.launches.iter_mut().flat_map(|launch| &mut launch.bindings).for_each(written);
    let bytes = |h: usize, w: usize| (g.c * h * w * 4) as u64;
    let (from, to) = (bytes(g.oh, g.ow), bytes(g.h, g.w));
    dense.workspaces.push(g.n as u64 * from);
    for (first, images) in chunks(g.n, &[(pixels, from), (Operand::Output(0), to)], limits)? {
        let run = |b: Binding, bytes: u64| b.range(first as u64 * bytes, images as u64 * bytes);
        let mut bindings =
            vec![run(Binding::read(pixels), from), run(Binding::write(Operand::Output(0)), to)];
        bindings.extend(fused.bindings(|b| run(b, to)));
        dense.launches.push(spread_run(g, images, bindings, fused, limits)?);
    }
    Ok(dense)
}

fn spread_run(
    g: &ConvGeometry,
    images: usize,
    bindings: Vec<Binding>,
    fused: &Chain,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let stride = g.options.stride;
    let fours = g.w.is_multiple_of(4);
    let elements = images * g.c * g.h * g.w;
    let values = context! {
        elements, fours,
        pairs => fours && stride.w == 2,
        stride_h => stride.h, stride_w => stride.w,
        from_h => g.oh, from_w => g.ow, to_h => g.h, to_w => g.w,
        wide => limits.wide_loads,
        ..fused.values(2, fours, &bindings)
    };
    let groups = (elements / if fours { 4 } else { 1 }).div_ceil(64);
    let why = format!("strided: {}x{} pixels, zeros between{}", stride.h, stride.w, fused.why());
    launch(limits, "conv2d_spread", groups, 0, bindings, why, values)
}

#[cfg(test)]
mod tests {
    use super::super::{Fused, lower};
    use super::*;
    use crate::ops::{Conv2dBackwardInput, Op};
    use crate::tensor::TensorType;

    /// The kernels of a 1x1 convolution or of its input gradient: images, channels, side, target channels, stride.
    fn kernels([n, c, side, k, stride]: [usize; 5], backward: bool, limits: &Limits) -> Vec<&'static str> {
        let options = Conv2d::default().stride(stride);
        let (input, weight) = (TensorType::f32([n, c, side, side]), TensorType::f32([k, c, 1, 1]));
        let g = ConvGeometry::new(&options, &input.shape, &weight.shape).unwrap();
        let output = TensorType::f32(g.output());
        let (op, read, written) = match backward {
            true => (
                Op::Conv2dBackwardInput(Conv2dBackwardInput { options, input: input.shape.clone() }),
                &output,
                &input,
            ),
            false => (Op::Conv2d(options), &input, &output),
        };
        let lowering = lower(&op, &Fused::default(), &[read, &weight], &[written], limits).unwrap();
        lowering.launches.iter().map(|launch| launch.kernel.name).collect()
    }

    #[test]
    fn few_channels_are_a_product_and_strides_are_spread() {
        let cpu = Limits { subgroup_size: Some(8), software: true, wide_loads: true, ..Limits::default() };
        assert_eq!(kernels([4, 64, 56, 256, 1], false, &cpu), ["matmul"]);
        assert_eq!(kernels([4, 256, 56, 64, 1], true, &cpu), ["matmul"]);
        // Too many channels; pixels that are not eight at a time; a GPU.
        assert_eq!(kernels([4, 256, 56, 64, 1], false, &cpu), ["channels_last", "conv2d"]);
        assert!(kernels([4, 64, 7, 64, 1], false, &cpu).contains(&"conv2d"));
        assert!(!kernels([4, 64, 56, 256, 1], false, &Limits::default()).contains(&"matmul"));
        // The gradient without the stride, and where its pixels belong.
        assert_eq!(kernels([4, 64, 16, 64, 2], true, &cpu), ["matmul", "conv2d_spread"]);
        assert_eq!(kernels([4, 64, 16, 64, 2], true, &Limits::default()).last(), Some(&"conv2d_spread"));
        // As many images at a time as fit a binding: two of those with zeros between pixels, all of the others.
        let small = Limits { max_binding_bytes: 128 << 10, ..cpu };
        let split = ["matmul", "conv2d_spread", "conv2d_spread"];
        assert_eq!(kernels([4, 64, 16, 64, 2], true, &small), split);
    }
}
