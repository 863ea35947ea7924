//! The gradient of a convolution's weight: `shaders/conv2d_backward_weight.wgsl`, or
//! `shaders/conv2d_backward_weight_workgroup.wgsl` where workgroups share loads.

use super::partials::Layout;
use super::roles::lying;
use super::tile::{Extent, Tile};
use super::winograd::{self, Pass};
use super::winograd_gradient::Gradient;
use super::workgroup_tile::WorkgroupTile;
use super::{
    Binding, Chain, Limits, Lowering, Operand, Refusal, chunks, conv2d_direct, iterations, launch,
    partials as partial_sums,
};
use crate::ops::{Conv2d, ConvGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::context;

use super::conv2d::{PACKED_SOURCE, bytes, channels_last, of_images, runs, window};

/// Workgroups that are enough to fill a large device.
pub(super) const ENOUGH_GROUPS: usize = 256;
/// Pixels that are enough terms for a workgroup.
pub(super) const LEAST_PIXELS: usize = 256;
/// Pixels of a run of register tiles: what all tiles of a run read should stay in a core's cache (lavapipe: 1x1
/// layers of ResNet-50 take 0.53 to 0.91 of the time they take with runs of any length).
pub(super) const LONGEST_RUN: usize = 512;
/// The most memory partial sums may take.
pub(super) const MOST_PARTIALS: usize = 32 << 20;

/// Weight gradient: after Winograd where that was asked for or is faster and fits the device.
pub(super) fn backward_weight(
    options: &Conv2d,
    weight: &Shape,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let g = lying(ConvGeometry::new(options, &inputs[1].shape, weight)?);
    if conv2d_direct::applies_to_weight(&g, limits) {
        return conv2d_direct::lower_weight(&g, limits);
    }
    let (nothing, own) = (Chain::default(), Limits { variant: None, ..limits.clone() });
    let tiled = |tile: usize| Gradient::new(tile, &g, &nothing).lower(&own);
    match winograd::choose(&g, Pass::Weight, limits) {
        Some(tile) if limits.variant.is_some() => tiled(tile),
        Some(tile) => tiled(tile).or_else(|_| backward_weight_implicit(&g, weight, limits)),
        None => backward_weight_implicit(&g, weight, limits),
    }
}

/// Weight gradient: partial sums over runs of pixels, then their sum in order.
pub(super) fn backward_weight_implicit(
    g: &ConvGeometry,
    weight: &Shape,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let (groups, taps) = (g.options.groups, g.r * g.s);
    let (rows, channels) = (g.k / groups, g.c / groups);
    // Split among enough workgroups, the terms are as good as rows.
    let pixels = g.n * g.oh * g.ow;
    let (columns, terms) = (channels * taps, LEAST_PIXELS.min(pixels));
    let extent =
        |runs: usize| Extent { batch: groups * runs, rows, columns, terms, cut: runs > 1, eight: false };
    if let Some(tile) = WorkgroupTile::choose(extent((pixels / LEAST_PIXELS).max(1)), limits) {
        return backward_weight_shared(g, &tile, weight, limits);
    }
    let (grad, input) = ([g.k, g.oh, g.ow], [g.c, g.h, g.w]);
    let (from, to) = ((Operand::Input(1), input), (Operand::Input(0), grad));
    let (images, packed) = runs(g.n, from, to, groups, rows * taps, limits)?;
    // Four columns are four channels of a tap where channels come last.
    let columns = if packed { taps * channels.next_multiple_of(4) } else { channels * taps };
    let even = packed && channels.div_ceil(4).is_multiple_of(2);
    let in_runs = extent(pixels.div_ceil(LEAST_PIXELS));
    let tile = Tile::choose(Extent { columns, eight: even, ..in_runs }, limits);
    // Eight channels of a tap are one load.
    let eight = even && tile.eight();
    let (tiles_m, tiles_n) = (tile.tiles_m(rows), tile.tiles_n(columns));
    // Four terms are four pixels of an image.
    let iterations = (g.oh * g.ow).div_ceil(4);
    // The split depends on shapes and binding limits alone, so results repeat bit for bit.
    let wanted = ENOUGH_GROUPS.div_ceil(groups * tiles_m * tiles_n);
    let wanted = wanted.max((g.n * g.oh * g.ow).div_ceil(LONGEST_RUN)).min(g.n * iterations);
    let layout = if packed { Layout::ChannelsLast { channels, taps } } else { Layout::Same };
    let length = layout.length(weight.elements());
    let wanted = wanted.min((MOST_PARTIALS / (length * 4)).max(1)).div_ceil(images.len());
    let single = images.len() == 1 && wanted == 1 && !packed;
    let target = if single { Operand::Output(0) } else { Operand::Workspace(usize::from(packed)) };
    let mut lowering = Lowering::default();
    if packed {
        let longest = images.iter().map(|(_, images)| *images).max().unwrap_or(0);
        lowering.workspaces.push(channels_last(longest, input, groups).bytes());
    }
    let mut partials = 0;
    for (first, count) in images {
        let iterations_per_split =
            (count * iterations).div_ceil(wanted).min(iterations::most(limits).saturating_sub(1).max(1));
        let splits = (count * iterations).div_ceil(iterations_per_split);
        let run =
            |i: usize, image: [usize; 3]| of_images(Binding::read(Operand::Input(i)), image, first, count);
        let (mut source, last) = (run(1, input), channels_last(count, input, groups));
        if packed {
            lowering.launches.push(last.launch(source, PACKED_SOURCE, limits)?);
            source = Binding::read(PACKED_SOURCE).range(0, last.bytes());
        }
        let values = context! {
            rows, channels, columns, tiles_m, tiles_n, iterations, iterations_per_split, splits, packed, eight,
            all_iterations => count * iterations,
            groups_of_channels => groups,
            output_channels => g.k, output_h => g.oh, output_w => g.ow,
            input_channels => g.c, input_h => g.h, input_w => g.w,
            quarters => last.quarters(), zeros => last.elements(),
            first_partial => partials,
            grad_vec4 => (g.oh * g.ow).is_multiple_of(4),
            ..context! { ..tile.values(), ..window(g) }
        };
        partials += splits;
        let bindings = vec![run(0, grad), source, Binding::write(target)];
        let how = if packed { ", channels last" } else { "" };
        let why = format!("{}{how}{}", tile.why(), partial_sums::why(splits));
        let blocks = splits * groups * tiles_m * tiles_n;
        lowering.launches.push(launch(
            limits,
            "conv2d_backward_weight",
            blocks,
            1 + iterations_per_split,
            bindings,
            why,
            values,
        )?);
    }
    if !single {
        lowering.launches.extend(partial_sums::sum(target, partials, weight.elements(), layout, limits)?);
        lowering.workspaces.push((partials * length * 4) as u64);
    }
    Ok(lowering)
}

/// Weight gradient by workgroups that share what they load.
pub(super) fn backward_weight_shared(
    g: &ConvGeometry,
    tile: &WorkgroupTile,
    weight: &Shape,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let groups = g.options.groups;
    let (rows, channels, pixels) = (g.k / groups, g.c / groups, g.oh * g.ow);
    let (tiles_m, tiles_n) = (tile.count(rows), tile.count(channels * g.r * g.s));
    let (grad, input) = ([g.k, g.oh, g.ow], [g.c, g.h, g.w]);
    let sizes = [(Operand::Input(1), bytes(input)), (Operand::Input(0), bytes(grad))];
    let images = chunks(g.n, &sizes, limits)?;
    let wanted = ENOUGH_GROUPS.div_ceil(groups * tiles_m * tiles_n).min(g.n * pixels / LEAST_PIXELS).max(1);
    let wanted = wanted.min((MOST_PARTIALS / (weight.elements() * 4)).max(1)).div_ceil(images.len());
    let single = images.len() == 1 && wanted == 1;
    let target = if single { Operand::Output(0) } else { Operand::Workspace(0) };
    let (mut lowering, mut partials) = (Lowering::default(), 0);
    for (first, count) in images {
        // Fours of pixels, where they are one load, are not split.
        let most = tile.most_terms(iterations::most(limits), limits);
        let pixels_per_split = (count * pixels).div_ceil(wanted).next_multiple_of(4).min(most);
        let iterations = tile.iterations(pixels_per_split, limits);
        let splits = (count * pixels).div_ceil(pixels_per_split);
        let run =
            |i: usize, image: [usize; 3]| of_images(Binding::read(Operand::Input(i)), image, first, count);
        let values = context! {
            rows, channels, tiles_m, tiles_n, splits, pixels_per_split,
            all_pixels => count * pixels,
            wide => limits.wide_loads,
            grad_vec4 => pixels.is_multiple_of(4),
            groups_of_channels => groups,
            output_channels => g.k, output_h => g.oh, output_w => g.ow,
            input_channels => g.c, input_h => g.h, input_w => g.w,
            first_partial => partials,
            ..context! { ..tile.values(limits), ..window(g) }
        };
        partials += splits;
        let why = format!("{}{}", tile.why(), partial_sums::why(splits));
        let (blocks, bindings) =
            (splits * groups * tiles_m * tiles_n, vec![run(0, grad), run(1, input), Binding::write(target)]);
        let name = "conv2d_backward_weight_workgroup";
        lowering.launches.push(launch(limits, name, blocks, iterations, bindings, why, values)?);
    }
    if !single {
        lowering.launches.extend(partial_sums::sum(
            target,
            partials,
            weight.elements(),
            Layout::Same,
            limits,
        )?);
        lowering.workspaces.push((partials * weight.elements() * 4) as u64);
    }
    Ok(lowering)
}
