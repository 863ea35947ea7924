//! Convolutions as implicit matrix products: `shaders/conv2d.wgsl`, `shaders/conv2d_backward_weight.wgsl`, and
//! `shaders/conv2d_workgroup.wgsl`, `shaders/conv2d_backward_weight_workgroup.wgsl` where workgroups share loads.

use super::channels_last::ChannelsLast;
use super::conv2d_weight::backward_weight;
use super::phases::Phases;
use super::roles::{Sum, lying, swapped, swaps};
use super::tile::{Extent, Tile};
use super::winograd::{self, Pass};
use super::workgroup_tile::WorkgroupTile;
use super::{
    Binding, Chain, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, conv2d_direct, iterations,
    launch, partials as partial_sums, pointwise,
};
use crate::ops::{Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, ConvGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

impl Lower for Conv2d {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, &site.fused.epilogue, site.own(), site.limits)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }
}

impl Lower for Conv2dBackwardInput {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward_input(&self.options, &self.input, &site.fused.epilogue, site.own(), site.limits)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }
}

impl Lower for Conv2dBackwardWeight {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward_weight(&self.options, &self.weight, site.inputs, site.limits)
    }
}

fn forward(
    options: &Conv2d,
    fused: &Chain,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let geometry = lying(ConvGeometry::new(options, &inputs[0].shape, &inputs[1].shape)?);
    build(&geometry, false, inputs.len() == 3, fused, limits)
}

fn backward_input(
    options: &Conv2d,
    input: &Shape,
    fused: &Chain,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let geometry = lying(ConvGeometry::new(options, input, &inputs[1].shape)?);
    build(&geometry, true, false, fused, limits)
}

/// Stride, padding, dilation and kernel, as the shaders name them.
pub(super) fn window(g: &ConvGeometry) -> Value {
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

/// Bytes of an image.
pub(super) fn bytes(image: [usize; 3]) -> u64 {
    image.iter().product::<usize>() as u64 * 4
}

/// Some images of a tensor.
pub(super) fn of_images(binding: Binding, image: [usize; 3], first: usize, images: usize) -> Binding {
    binding.range(first as u64 * bytes(image), images as u64 * bytes(image))
}

/// Images with their channels last, and a pixel of zeros.
pub(super) fn channels_last(images: usize, [channels, h, w]: [usize; 3], groups: usize) -> ChannelsLast {
    ChannelsLast {
        sizes: [images, h * w, groups],
        channels: channels / groups,
        strides: [channels * h * w, 1, channels / groups * h * w, h * w],
        together: 1,
        zeros: true,
    }
}

/// Runs of images that fit a binding, `(first, count)`, and whether they are to be packed: their channels must
/// nearly fill vec4, and each value be used `uses` times at least, or packing costs more than it saves.
pub(super) fn runs(
    images: usize,
    from: (Operand, [usize; 3]),
    to: (Operand, [usize; 3]),
    groups: usize,
    uses: usize,
    limits: &Limits,
) -> Result<(Vec<(usize, usize)>, bool), Refusal> {
    let ((_, source), (_, target)) = (from, to);
    let (terms, sizes) = (source[0] / groups, [(from.0, bytes(source)), (to.0, bytes(target))]);
    if terms * 4 >= terms.next_multiple_of(4) * 3 && uses >= 64 {
        let room = channels_last(1, source, groups).bytes().next_multiple_of(limits.offset_alignment);
        if let Ok(runs) = chunks(images, &[sizes[0], sizes[1], (PACKED_SOURCE, room)], limits) {
            return Ok((runs, true));
        }
    }
    Ok((chunks(images, &sizes, limits)?, false))
}

/// Where a run of images is packed, and the weight.
pub(super) const PACKED_SOURCE: Operand = Operand::Workspace(0);
const PACKED_WEIGHT: Operand = Operand::Workspace(1);

/// Forward and input gradient: after Winograd where that was asked for or is faster and fits the device, as matrix
/// products where the images are matrices.
fn build(
    g: &ConvGeometry,
    backward: bool,
    bias: bool,
    fused: &Chain,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    if let Some(dense) = if backward { pointwise::dense(g) } else { None } {
        let pixels = build(&dense, true, false, &Chain::default(), limits)?;
        return pointwise::spread(g, pixels, fused, limits);
    }
    if conv2d_direct::applies(g, backward, limits) {
        return conv2d_direct::lower(g, backward, bias, fused, limits);
    }
    if backward && swaps(g, limits) {
        return Implicit::swapped(g).lower(bias, fused, limits);
    }
    let pass = if backward { Pass::Input } else { Pass::Forward };
    match winograd::choose(g, pass, limits) {
        Some(tile) if limits.variant.is_some() => winograd::lower(tile, g, backward, bias, fused, limits),
        Some(tile) => winograd::lower(tile, g, backward, bias, fused, limits)
            .or_else(|_| Implicit::new(g, backward).lower(bias, fused, limits)),
        None if !bias && pointwise::is_product(g, backward, limits) => {
            pointwise::product(g, backward, fused, limits)
        }
        None => Implicit::new(g, backward).lower(bias, fused, limits),
    }
}

/// An implicit matrix product, and which operands are its source and its weight.
struct Implicit {
    g: ConvGeometry,
    sum: Sum,
    backward: bool,
    swapped: bool,
    source: Operand,
    weight: Operand,
}

impl Implicit {
    fn new(g: &ConvGeometry, backward: bool) -> Self {
        let (source, weight) = (Operand::Input(0), Operand::Input(1));
        Self { g: *g, sum: Sum::new(g, backward), backward, swapped: false, source, weight }
    }

    /// The input gradient with the error as the weight.
    fn swapped(g: &ConvGeometry) -> Self {
        let (g, sum) = swapped(g);
        let (source, weight) = (Operand::Input(1), Operand::Input(0));
        Self { g, sum, backward: true, swapped: true, source, weight }
    }

    /// The source with its channels last.
    fn channels_last(&self, images: usize) -> ChannelsLast {
        let [channels, h, w] = self.sum.source;
        let [image, group, channel] = self.sum.source_strides;
        let groups = self.g.options.groups;
        ChannelsLast {
            sizes: [images, h * w, groups],
            channels: channels / groups,
            strides: [image, 1, group, channel],
            together: 1,
            zeros: true,
        }
    }

    /// Some images of the source or the target; all of it where operands are swapped, whose images do not lie one behind
    /// the other.
    fn run(&self, binding: Binding, image: [usize; 3], first: usize, images: usize) -> Binding {
        if self.swapped { binding } else { of_images(binding, image, first, images) }
    }

    /// One launch for as many images as fit a binding.
    fn lower(&self, bias: bool, fused: &Chain, limits: &Limits) -> Result<Lowering, Refusal> {
        let Self { g, sum, backward, .. } = self;
        let (groups, taps, backward) = (g.options.groups, g.r * g.s, *backward);
        let Sum { source, target, rows, terms, weight: [group_stride, row_stride, term_stride], .. } = *sum;
        let phases = if backward { Phases::new(g) } else { None };
        let [grid_h, grid_w] = phases.as_ref().map_or([target[1], target[2]], Phases::grid);
        let count = phases.as_ref().map_or(1, Phases::count);
        let columns = g.n * grid_h * grid_w;
        let weight = ChannelsLast {
            sizes: [groups, taps, rows],
            channels: terms,
            strides: [group_stride, 1, row_stride, term_stride],
            together: 1,
            zeros: false,
        };
        let (batch, of_a_pixel) = (groups * count, (terms * taps).div_ceil(count));
        let extent = Extent { batch, rows, columns, terms: of_a_pixel, cut: false, eight: false };
        let shared = if self.swapped { None } else { WorkgroupTile::choose(extent, limits) };
        let shared = shared.map(|t| if backward { t.square(limits) } else { t });
        let fits = weight.bytes() <= limits.max_binding_bytes && shared.is_none();
        let uses = if fits { rows * taps } else { 0 };
        let (from, to) = ((self.source, source), (Operand::Output(0), target));
        let (runs, packed) = runs(g.n, from, to, groups, uses, limits)?;
        // Whole tensors fit where operands are swapped.
        let runs = if self.swapped { vec![(0, g.n)] } else { runs };
        // The pixels of a phase are stored one by one.
        let eight = packed && phases.is_none();
        let tile = Tile::choose(Extent { eight, ..extent }, limits);
        let out_vec4 = phases.is_none() && (target[1] * target[2]) % 4 == 0;
        // Taps, and fours of channels; those that are no whole four are taken one by one.
        let longest = phases.as_ref().map_or(taps, Phases::most_taps);
        let single = if packed { 0 } else { terms % 4 };
        let pieces = match &shared {
            Some(tile) => vec![iterations::whole(tile.iterations(terms * longest, limits))],
            None => iterations::pieces([longest, terms.div_ceil(4)], single, limits),
        };
        let elements = g.n * target.iter().product::<usize>();
        let out_eight =
            tile.eight() && shared.is_none() && out_vec4 && (target[1] * target[2]).is_multiple_of(8);
        let mut lowering = Lowering::default();
        let mut weights = Binding::read(self.weight);
        if packed {
            let longest = runs.iter().map(|(_, images)| *images).max().unwrap_or(0);
            lowering.workspaces = vec![self.channels_last(longest).bytes()];
            if !weight.in_place() {
                lowering.workspaces.push(weight.bytes());
                lowering.launches.push(weight.launch(weights, PACKED_WEIGHT, limits)?);
                weights = Binding::read(PACKED_WEIGHT);
            }
        }
        // Sums that are too long for one invocation are those of parts, the first of which begin with the bias.
        let (parts, nothing) =
            ((pieces.len() > 1).then_some(Operand::Workspace(lowering.workspaces.len())), Chain::default());
        for (first, images) in runs {
            let columns = images * grid_h * grid_w;
            let (shader, tiles_m, tiles_n) = match &shared {
                Some(tile) => ("conv2d_workgroup", tile.count(rows), tile.count(columns)),
                None => ("conv2d", tile.tiles_m(rows), tile.tiles_n(columns)),
            };
            let run = |b: Binding, image: [usize; 3]| self.run(b, image, first, images);
            let source_binding = run(Binding::read(self.source), source);
            let mut bindings = vec![source_binding, weights];
            let last = self.channels_last(images);
            if packed {
                lowering.launches.push(last.launch(source_binding, PACKED_SOURCE, limits)?);
                let packed_source = Binding::read(PACKED_SOURCE).range(0, last.bytes());
                bindings = vec![packed_source, weights];
            }
            let swapped = if self.swapped { ", grad_output as the weight" } else { "" };
            let how = format!("{swapped}{}", if packed { ", channels last" } else { "" });
            let of_tile = shared.map_or_else(|| tile.why(), |tile| tile.why());
            let how = if count > 1 { format!("{how}, {count} phases of the stride") } else { how };
            let blocks = groups * count * tiles_m * tiles_n;
            for (number, piece) in pieces.iter().enumerate() {
                let (bias, fused) = (bias && piece.first, if parts.is_some() { &nothing } else { fused });
                let mut bindings = bindings.clone();
                bindings.extend(bias.then(|| Binding::read(Operand::Input(2))));
                bindings.push(
                    parts.map_or_else(|| run(Binding::write(Operand::Output(0)), target), Binding::write),
                );
                bindings.extend(fused.bindings(|b| run(b, target)));
                let first_output = number * elements + first * target.iter().product::<usize>();
                let values = context! {
                    columns, tiles_m, tiles_n, backward, bias, packed, out_vec4, out_eight, grid_h, grid_w,
                    first_output => if parts.is_some() { first_output } else { 0 },
                    phases => phases.as_ref().map(Phases::values),
                    blocks => groups, quarters => last.quarters(), zeros => last.elements(),
                    wide => limits.wide_loads,
                    pointwise => pointwise::in_place(g),
                    weight_vec4 => !backward && (terms * taps).is_multiple_of(4),
                    ..context! { ..shared.map_or_else(|| tile.values(), |tile| tile.values(limits)), ..context! {
                        ..context! { ..window(g), ..sum.values() }, ..context! {
                            ..piece.values(), ..fused.values(if bias { 4 } else { 3 }, out_vec4, &bindings)
                        }
                    } }
                };
                let why = format!("{of_tile}{how}{}{}", piece.why(), fused.why());
                lowering.launches.push(launch(
                    limits,
                    shader,
                    blocks,
                    piece.iterations,
                    bindings,
                    why,
                    values,
                )?);
            }
        }
        if let Some(parts) = parts {
            lowering.workspaces.push((pieces.len() * elements * 4) as u64);
            lowering.launches.extend(partial_sums::fused(parts, pieces.len(), elements, fused, limits)?);
        }
        Ok(lowering)
    }
}
