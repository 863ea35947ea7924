//! Convolutions as implicit matrix products: `shaders/conv2d.wgsl`, `shaders/conv2d_backward_weight.wgsl`.

use super::tile::Tile;
use super::{Binding, Epilogue, Launch, Limits, Lowering, Operand, chunks, launch, partials as partial_sums};
use crate::error::Mismatch;
use crate::ops::{Conv2d, ConvGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

pub(super) fn forward(
    options: &Conv2d,
    fused: &Epilogue,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let geometry = ConvGeometry::new(options, &inputs[0].shape, &inputs[1].shape)?;
    build(&geometry, false, inputs.len() == 3, fused, limits)
}

pub(super) fn backward_input(
    options: &Conv2d,
    input: &Shape,
    fused: &Epilogue,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let geometry = ConvGeometry::new(options, input, &inputs[1].shape)?;
    build(&geometry, true, false, fused, limits)
}

/// Stride, padding, dilation and kernel, as the shaders name them.
fn window(g: &ConvGeometry) -> Value {
    let Conv2d { stride, padding, dilation, .. } = g.options;
    context! {
        kernel_h => g.r,
        kernel_w => g.s,
        stride_h => stride.h,
        stride_w => stride.w,
        dilation_h => dilation.h,
        dilation_w => dilation.w,
        pad_top => padding.top,
        pad_left => padding.left,
    }
}

/// Forward and input gradient: one launch for as many images as fit a binding.
fn build(
    g: &ConvGeometry,
    backward: bool,
    bias: bool,
    fused: &Epilogue,
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let groups = g.options.groups;
    let (k, c, taps) = (g.k / groups, g.c / groups, g.r * g.s);
    let forward_image = (g.c, g.h, g.w, g.k, g.oh, g.ow);
    let backward_image = (g.k, g.oh, g.ow, g.c, g.h, g.w);
    let (source_channels, source_h, source_w, target_channels, target_h, target_w) =
        if backward { backward_image } else { forward_image };
    // (rows, terms, stride of a row in the weight, stride of a term)
    let (rows, terms, row_stride, term_stride) =
        if backward { (c, k, taps, c * taps) } else { (k, c, c * taps, taps) };
    let tile = Tile::choose(rows, rows * terms * taps * g.n * target_h * target_w, limits);
    let out_vec4 = (target_h * target_w) % 4 == 0;
    let bytes = |channels: usize, h: usize, w: usize| (channels * h * w * 4) as u64;
    let (source, target) =
        (bytes(source_channels, source_h, source_w), bytes(target_channels, target_h, target_w));
    let part = |(first, images): (usize, usize)| -> Result<Launch, Mismatch> {
        let columns = images * target_h * target_w;
        let (tiles_m, tiles_n) = (tile.tiles_m(rows), tile.tiles_n(columns));
        let values = context! {
            source_channels, source_h, source_w, target_channels, target_h, target_w,
            rows, terms, row_stride, term_stride, columns, tiles_m, tiles_n, backward, bias,
            group_stride => k * c * taps,
            tm => tile.tm,
            row_tiles => tile.row_tiles,
            lanes => tile.lanes,
            shuffle => tile.shuffle,
            out_vec4,
            ..context! { ..window(g), ..fused.values(if bias { 4 } else { 3 }, out_vec4) }
        };
        let run = |b: Binding, image: u64| b.range(first as u64 * image, images as u64 * image);
        let mut bindings =
            vec![run(Binding::read(Operand::Input(0)), source), Binding::read(Operand::Input(1))];
        bindings.extend(bias.then(|| Binding::read(Operand::Input(2))));
        bindings.push(run(Binding::write(Operand::Output(0)), target));
        bindings.extend(fused.bindings(|b| run(b, target)));
        let why = format!("{}{}", tile.why(), fused.why());
        launch(limits, "conv2d", groups * tiles_m * tiles_n, bindings, why, values)
    };
    let launches = chunks(g.n, &[source, target], limits)?.into_iter().map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, _>>()?, ..Lowering::default() })
}

/// Workgroups that are enough to fill a large device.
const ENOUGH_GROUPS: usize = 256;
/// The most memory partial sums may take.
const MOST_PARTIALS: usize = 32 << 20;

/// Weight gradient: partial sums over runs of image lines, then their sum in order.
pub(super) fn backward_weight(
    options: &Conv2d,
    weight: &Shape,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let g = ConvGeometry::new(options, &inputs[1].shape, weight)?;
    let groups = g.options.groups;
    let (rows, columns) = (g.k / groups, g.c / groups * g.r * g.s);
    let tile = Tile::choose(rows, rows * columns * g.n * g.oh * g.ow, limits);
    let (tiles_m, tiles_n) = (tile.tiles_m(rows), tile.tiles_n(columns));
    let (grad_image, input_image) = (g.k * g.oh * g.ow, g.c * g.h * g.w);
    let images = chunks(g.n, &[grad_image as u64 * 4, input_image as u64 * 4], limits)?;
    // The split depends on shapes and binding limits alone, so results repeat bit for bit.
    let wanted = ENOUGH_GROUPS.div_ceil(groups * tiles_m * tiles_n).min(g.n * g.oh);
    let wanted = wanted.min((MOST_PARTIALS / (weight.elements() * 4)).max(1)).div_ceil(images.len());
    let mut launches = Vec::new();
    let mut partials = 0;
    let single = images.len() == 1 && wanted == 1;
    for (first, count) in images {
        let lines = count * g.oh;
        let lines_per_split = lines.div_ceil(wanted);
        let splits = lines.div_ceil(lines_per_split);
        let values = context! {
            rows, columns, tiles_m, tiles_n, lines, lines_per_split, splits, input_image,
            channels => g.c / groups,
            groups_of_channels => groups,
            output_channels => g.k,
            output_h => g.oh,
            output_w => g.ow,
            input_h => g.h,
            input_w => g.w,
            first_partial => partials,
            tm => tile.tm,
            row_tiles => tile.row_tiles,
            lanes => tile.lanes,
            shuffle => tile.shuffle,
            grad_vec4 => g.ow % 4 == 0,
            ..window(&g)
        };
        partials += splits;
        let run = |i: usize, image: usize| {
            let image = image as u64 * 4;
            Binding::read(Operand::Input(i)).range(first as u64 * image, count as u64 * image)
        };
        let target = if single { Operand::Output(0) } else { Operand::Workspace(0) };
        let bindings = vec![run(0, grad_image), run(1, input_image), Binding::write(target)];
        let why = format!("{}, {splits} partial sums", tile.why());
        let blocks = splits * groups * tiles_m * tiles_n;
        launches.push(launch(limits, "conv2d_backward_weight", blocks, bindings, why, values)?);
    }
    if single {
        return Ok(Lowering { launches, ..Lowering::default() });
    }
    let total = partial_sums::sum(Operand::Workspace(0), partials, weight.elements(), limits)?;
    launches.push(total);
    Ok(Lowering { launches, workspaces: vec![(partials * weight.elements() * 4) as u64], in_place: vec![] })
}
