//! What a convolution reads and writes by which role: source, weight and target of one sum, forward and for the gradient of
//! the input, and which of the latter's two operands is taken for the weight.

use super::conv2d::bytes;
use super::phases::Phases;
use super::tile::{Extent, Tile};
use super::{Limits, Variant};
use crate::ops::{Conv2d, ConvGeometry};
use minijinja::{Value, context};

/// Forward and input gradient as one sum: what is read and what is written.
pub(super) struct Sum {
    /// Channels, height and width.
    pub(super) source: [usize; 3],
    pub(super) target: [usize; 3],
    /// Target channels of a group.
    pub(super) rows: usize,
    /// Source channels of a group.
    pub(super) terms: usize,
    /// Strides of groups, rows and terms in the weight.
    pub(super) weight: [usize; 3],
    /// Strides of images, groups and channels in the source and in the target.
    pub(super) source_strides: [usize; 3],
    target_strides: [usize; 3],
}

impl Sum {
    pub(super) fn new(g: &ConvGeometry, backward: bool) -> Self {
        let (k, c, taps) = (g.k / g.options.groups, g.c / g.options.groups, g.r * g.s);
        let (input, output) = ([g.c, g.h, g.w], [g.k, g.oh, g.ow]);
        let (source, target) = if backward { (output, input) } else { (input, output) };
        let (rows, terms) = if backward { (c, k) } else { (k, c) };
        let weight = if backward { [k * c * taps, taps, c * taps] } else { [k * c * taps, c * taps, taps] };
        let strides =
            |[channels, h, w]: [usize; 3], of_group: usize| [channels * h * w, of_group * h * w, h * w];
        let (source_strides, target_strides) = (strides(source, terms), strides(target, rows));
        Self { source, target, rows, terms, weight, source_strides, target_strides }
    }

    /// As the shaders name them.
    pub(super) fn values(&self) -> Value {
        let Self { source, target, rows, terms, weight, source_strides, target_strides } = *self;
        let [group_stride, row_stride, term_stride] = weight;
        context! {
            rows, terms, group_stride, row_stride, term_stride,
            source_channels => source[0], source_h => source[1], source_w => source[2],
            target_channels => target[0], target_h => target[1], target_w => target[2],
            source_image => source_strides[0], source_block => source_strides[1], source_channel => source_strides[2],
            target_image => target_strides[0], target_block => target_strides[1], target_channel => target_strides[2],
        }
    }
}

/// The same convolution along a row, of images of one column, which lie the same; strides and dilations along a side of one
/// pixel are 1.
pub(super) fn lying(g: ConvGeometry) -> ConvGeometry {
    let Conv2d { stride, padding, dilation, groups } = g.options;
    let row = g.h == 1 && g.r == 1 && padding.top + padding.bottom == 0;
    let column = g.w == 1 && g.s == 1 && padding.left + padding.right == 0;
    let (mut g, mut options) = (g, g.options);
    if column && !row {
        let padding = crate::shape::Padding { top: 0, bottom: 0, left: padding.top, right: padding.bottom };
        let [turned_stride, turned_dilation] =
            [stride, dilation].map(|d| crate::shape::Pair { h: 1, w: d.h });
        options = Conv2d { stride: turned_stride, padding, dilation: turned_dilation, groups };
        (g.h, g.w, g.r, g.s, g.oh, g.ow) = (1, g.h, 1, g.r, 1, g.oh);
    } else if row {
        (options.stride.h, options.dilation.h) = (1, 1);
    }
    ConvGeometry { options, ..g }
}

/// The gradient of the input with the error taken for the weight, whose taps are then the pixels of the error, and the
/// weight for the source, whose images are the channels of the input. It is the same sum; of a large kernel, of which few
/// taps meet the error at any pixel, it has fewer terms.
pub(super) fn swapped(g: &ConvGeometry) -> (ConvGeometry, Sum) {
    let Conv2d { stride, padding, dilation, groups } = g.options;
    let (k, c, pixels, taps, plane) = (g.k / groups, g.c / groups, g.oh * g.ow, g.r * g.s, g.h * g.w);
    let options = Conv2d { stride: dilation, dilation: stride, padding, groups };
    let swapped = ConvGeometry { n: c, c: g.n * groups, r: g.oh, s: g.ow, oh: g.r, ow: g.s, options, ..*g };
    let sum = Sum {
        source: [g.k, g.r, g.s],
        target: [g.n * groups, g.h, g.w],
        rows: g.n,
        terms: k,
        weight: [k * pixels, g.k * pixels, pixels],
        source_strides: [taps, k * c * taps, c * taps],
        target_strides: [plane, c * plane, g.c * plane],
    };
    (swapped, sum)
}

/// The fraction of the time below which operands are swapped: on CPU adapters, where tiles tell the time; and on GPUs, where
/// workgroups that share loads are not made for it.
const SOFTWARE: f64 = 0.8;
const GPU: f64 = 0.1;

/// Whether the gradient of the input is computed with its operands swapped.
pub(super) fn swaps(g: &ConvGeometry, limits: &Limits) -> bool {
    let forced = !matches!(limits.variant, None | Some(Variant::Register { .. }));
    let groups = g.options.groups;
    let most = limits.max_binding_bytes / 2;
    let sizes = [g.n as u64 * bytes([g.c, g.h, g.w]), g.n as u64 * bytes([g.k, g.oh, g.ow])];
    let weights = bytes([g.k * (g.c / groups), g.r, g.s]);
    if forced || g.r * g.s <= g.oh * g.ow || sizes.iter().any(|&size| size > most) || weights > most {
        return false;
    }
    let (swapped, sum) = swapped(g);
    let fraction = if limits.software { SOFTWARE } else { GPU };
    time(&swapped, &sum, limits) < fraction * time(g, &Sum::new(g, true), limits)
}

/// The time of an input gradient, by the tile that would be taken.
fn time(g: &ConvGeometry, sum: &Sum, limits: &Limits) -> f64 {
    let phases = Phases::new(g);
    let [h, w] = phases.as_ref().map_or([g.h, g.w], Phases::grid);
    let count = phases.as_ref().map_or(1, Phases::count);
    let terms = (sum.terms * g.r * g.s).div_ceil(count);
    let batch = g.options.groups * count;
    let limits = Limits { variant: None, ..limits.clone() };
    Tile::time(
        Extent { batch, rows: sum.rows, columns: g.n * h * w, terms, cut: false, eight: true },
        &limits,
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Fused, lower};
    use super::*;
    use crate::ops::Op;
    use crate::tensor::TensorType;

    fn geometry(input: [usize; 4], weight: [usize; 4], options: Conv2d) -> ConvGeometry {
        ConvGeometry::new(&options, &input.into(), &weight.into()).unwrap()
    }

    #[test]
    fn operands_swap_where_few_taps_meet_the_error() {
        let cpu = Limits { subgroup_size: Some(8), software: true, wide_loads: true, ..Limits::default() };
        let whole = geometry([4, 1, 28, 28], [64, 1, 28, 28], Conv2d::default());
        let layer = geometry([4, 32, 28, 28], [64, 32, 3, 3], Conv2d::default().padding(1));
        for limits in [&cpu, &Limits::default()] {
            assert!(swaps(&whole, limits) && !swaps(&layer, limits));
        }
        let small = Limits { max_binding_bytes: 16 << 10, ..cpu };
        assert!(!swaps(&whole, &small), "the weight does not fit a binding");
    }

    #[test]
    fn columns_are_rows() {
        let options = Conv2d { stride: crate::shape::Pair { h: 3, w: 2 }, ..Conv2d::default() };
        let (row, column) = ([2, 3, 1, 90], [2, 3, 90, 1]);
        let lies = lying(geometry(column, [4, 3, 7, 1], options));
        let swapped = Conv2d { stride: crate::shape::Pair { h: 1, w: 3 }, ..Conv2d::default() };
        assert_eq!(lies, geometry(row, [4, 3, 1, 7], swapped));
        assert_eq!(lying(lies), lies);
        // Padding makes more of a column than lies there.
        let padded = geometry([2, 3, 9, 1], [4, 3, 3, 1], Conv2d::default().padding(1));
        assert_eq!(lying(padded), padded);
        let op = Op::Conv2d(options);
        let [input, weight] = [TensorType::f32(column), TensorType::f32([4, 3, 7, 1])];
        let output = TensorType::f32(geometry(column, [4, 3, 7, 1], options).output());
        assert!(lower(&op, &Fused::default(), &[&input, &weight], &[&output], &Limits::default()).is_ok());
    }
}
