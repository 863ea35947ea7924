//! Pools over windows and over everything.

use super::Value;
use super::convolutions::{Spatial, as_before, as_images, depth_from_batch, depth_in_batch};
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::onnx::element::ElementType;
use crate::ops::{AvgPool2d, LPPool2d, MaxPool2d, MaxUnpool2d, Pad, SparseRows};
use crate::shape::{Pair, Window};

fn input(node: &Node<'_>) -> Result<(Tensor, Spatial)> {
    let shape = node.shape_of(0, 3)?;
    node.check(shape.len() <= 5, "(N, C, ..) of 1 to 3 dimensions behind", format!("{shape:?}"))?;
    Ok((node.tensor(0)?, Spatial::new(node, &shape[2..], None)?))
}

/// Whether the padding is no more than half of the window, which the ops of images want.
fn is_usual(spatial: &Spatial) -> bool {
    let half = |d: usize| spatial.before[d].max(spatial.after[d]).saturating_mul(2) <= spatial.extent(d);
    (0..spatial.kernel.len()).all(half)
}

pub(super) fn max(node: &Node<'_>) -> Result<Vec<Value>> {
    let (mut x, mut spatial) = input(node)?;
    let sizes = x.shape();
    let output = |(d, &size): (usize, &usize)| spatial.window(d, size).output("axis").map_err(node.refuse());
    let wanted = sizes[2..].iter().enumerate().map(output).collect::<Result<Vec<_>>>()?;
    if !is_usual(&spatial) {
        // More than the op of images pads by itself: by what never wins.
        node.check(
            !node.wants(1),
            "pads of at most half the window beside indices",
            format!("{:?}", spatial.before),
        )?;
        let along = spatial.before.iter().zip(&spatial.after).rev();
        let pairs: Vec<i64> = along.flat_map(|(&before, &after)| [before as i64, after as i64]).collect();
        x = x.pad(&pairs, Pad::Constant(f32::NEG_INFINITY))?;
        (spatial.before, spatial.after) = (vec![0; spatial.before.len()], vec![0; spatial.after.len()]);
    }
    let shape = x.shape();
    let pool = MaxPool2d::new(Spatial::pair(&spatial.kernel, 1))
        .stride(Spatial::pair(&spatial.stride, 1))
        .dilation(Spatial::pair(&spatial.dilation, 1))
        .padding(spatial.padding())
        .ceil_mode(spatial.ceil);
    if shape.len() == 5 {
        node.check(!node.wants(1), "indices of images or lines", "those of volumes")?;
        let planes = depth_from_batch(&depth_in_batch(&x)?.max_pool2d(pool)?, shape[2])?;
        return node.gives(first_of(&along_depth(&planes, &spatial)?, &wanted)?);
    }
    let (y, indices) = as_images(&x)?.max_pool2d_with_indices(pool)?;
    let mut found = node.gives(first_of(&as_before(y, shape.len())?, &wanted)?)?;
    if node.wants(1) {
        let indices = as_before(positions(node, &indices, &shape)?, shape.len())?;
        found.push(Value::Run(indices, ElementType::Int64));
    }
    Ok(found)
}

/// The first windows: those that begin within what was padded behind by hand are none.
fn first_of(y: &Tensor, wanted: &[usize]) -> Result<Tensor> {
    wanted.iter().enumerate().try_fold(y.clone(), |y, (d, &count)| match y.shape()[2 + d] > count {
        true => y.narrow(2 + d, 0, count),
        false => Ok(y),
    })
}

/// Maxima along the depth of `(N, C, D, H, W)`.
fn along_depth(x: &Tensor, spatial: &Spatial) -> Result<Tensor> {
    let shape = x.shape();
    let of = |numbers: &[usize], fill: usize| Pair { h: numbers[0], w: fill };
    let padding =
        crate::shape::Padding { top: spatial.before[0], bottom: spatial.after[0], ..Default::default() };
    let pool = MaxPool2d::new(of(&spatial.kernel, 1))
        .stride(of(&spatial.stride, 1))
        .dilation(of(&spatial.dilation, 1))
        .padding(padding)
        .ceil_mode(spatial.ceil);
    let y = x.reshape([shape[0], shape[1], shape[2], shape[3] * shape[4]])?.max_pool2d(pool)?;
    let depth = y.shape()[2];
    y.reshape([shape[0], shape[1], depth, shape[3], shape[4]])
}

/// Indices within a plane as ONNX counts them: within the whole tensor, by rows or by columns.
fn positions(node: &Node<'_>, indices: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (planes, width) = (shape[0] * shape[1], shape[shape.len() - 1]);
    let plane: usize = shape[2..].iter().product();
    node.fits("planes", planes)?;
    let mut within = indices.float()?;
    if node.int_or("storage_order", 0)? == 1 && shape.len() == 4 {
        let (row, column) = (within.div_floor(width as f32)?, within.remainder(width as f32)?);
        within = column.scale(shape[2] as f32)?.add(&row)?;
    }
    let first = node.graph.arange(0.0, (planes * plane) as f64, plane as f64)?;
    within.add(&first.reshape([shape[0], shape[1], 1, 1])?)
}

/// The means or sums of windows along a dimension, by what each window counts.
fn windows(node: &Node<'_>, window: Window, weight: impl Fn(usize, usize) -> f64) -> Result<SparseRows> {
    let outputs = window.output("axis").map_err(node.refuse())?;
    node.fits("windows", outputs.saturating_mul(window.kernel))?;
    let row = |t: usize| {
        let begin = t * window.stride;
        let end = window.before + window.input + window.after;
        // Taps within the padded input, and those of them that are elements.
        let taps: Vec<usize> =
            (0..window.kernel).map(|k| begin + k * window.dilation).filter(|&at| at < end).collect();
        let inside = |&at: &usize| at.checked_sub(window.before).filter(|&at| at < window.input);
        let positions: Vec<usize> = taps.iter().filter_map(inside).collect();
        let weight = weight(taps.len(), positions.len());
        positions.into_iter().map(move |at| (at, weight)).collect::<Vec<_>>()
    };
    SparseRows::new(window.input, (0..outputs).map(row)).map_err(node.refuse())
}

pub(super) fn average(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, spatial) = input(node)?;
    let shape = x.shape();
    let pads_count = node.flag("count_include_pad", false)?;
    let plain = spatial.dilation.iter().all(|&d| d == 1);
    if shape.len() < 5 && plain && is_usual(&spatial) {
        let pool = AvgPool2d::new(Spatial::pair(&spatial.kernel, 1))
            .stride(Spatial::pair(&spatial.stride, 1))
            .padding(spatial.padding())
            .ceil_mode(spatial.ceil)
            .count_include_pad(pads_count);
        return node.gives(as_before(as_images(&x)?.avg_pool2d(pool)?, shape.len())?);
    }
    let weight = |taps: usize, inside: usize| 1.0 / if pads_count { taps } else { inside.max(1) } as f64;
    let along =
        |x: Tensor, d: usize| x.axis_map(2 + d, &windows(node, spatial.window(d, shape[2 + d]), weight)?);
    node.gives((0..shape.len() - 2).try_fold(x, along)?)
}

pub(super) fn lp(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, spatial) = input(node)?;
    let (shape, p) = (x.shape(), node.int_or("p", 2)? as f32);
    let flat = spatial.dilation.iter().all(|&d| d == 1)
        && spatial.before.iter().chain(&spatial.after).all(|&p| p == 0);
    if shape.len() < 5 && flat && !spatial.ceil {
        let pool =
            LPPool2d::new(p, Spatial::pair(&spatial.kernel, 1)).stride(Spatial::pair(&spatial.stride, 1));
        return node.gives(as_before(as_images(&x.abs()?)?.lp_pool2d(pool)?, shape.len())?);
    }
    let along =
        |x: Tensor, d: usize| x.axis_map(2 + d, &windows(node, spatial.window(d, shape[2 + d]), |_, _| 1.0)?);
    let sums = (0..shape.len() - 2).try_fold(x.abs()?.pow_scalar(p)?, along)?;
    node.gives(sums.pow_scalar(1.0 / p)?)
}

pub(super) fn global(node: &Node<'_>) -> Result<Vec<Value>> {
    let x = node.tensor(0)?;
    let dims: Vec<usize> = (2..node.shape_of(0, 3)?.len()).collect();
    node.gives(match node.op() {
        "GlobalMaxPool" => x.amax(&dims, true)?,
        "GlobalAveragePool" => x.mean(&dims, true)?,
        // GlobalLpPool.
        _ => x.norm(node.int_or("p", 2)? as f32, &dims, true)?,
    })
}

pub(super) fn unpool(node: &Node<'_>) -> Result<Vec<Value>> {
    let (x, spatial) = input(node)?;
    let shape = x.shape();
    node.check(shape.len() < 5, "images or lines", format!("{shape}"))?;
    let pair = |numbers: &[usize], fill| Spatial::pair(numbers, fill);
    let pool = MaxUnpool2d::new(pair(&spatial.kernel, 1))
        .stride(pair(&spatial.stride, 1))
        .padding(pair(&spatial.before, 0));
    let usual = |d: usize| {
        let wide = (shape[2 + d] - 1).saturating_mul(spatial.stride[d]).saturating_add(spatial.kernel[d]);
        wide.saturating_sub(spatial.before[d].saturating_add(spatial.after[d]))
    };
    let sizes: Vec<usize> = (0..shape.len() - 2).map(usual).collect();
    let asked = if node.has(2) {
        node.sizes("output_shape", &node.known_ints(2)?)?
    } else {
        shape[..2].iter().copied().chain(sizes.clone()).collect()
    };
    node.check(asked.len() == shape.len(), format!("{} sizes", shape.len()), format!("{asked:?}"))?;
    // Indices are those within the tensor that was pooled, of the usual sizes.
    let plane = sizes.iter().fold(1usize, |n, &size| n.saturating_mul(size));
    node.fits("positions", shape[0].saturating_mul(shape[1]).saturating_mul(plane))?;
    let planes = node.graph.arange(0.0, (shape[0] * shape[1] * plane) as f64, plane as f64)?;
    let ones = vec![1; shape.len() - 2];
    let within = node.tensor(1)?.sub(&planes.reshape([&shape[..2], &ones].concat())?)?;
    let wide = Pair { h: if sizes.len() == 1 { 1 } else { sizes[0] }, w: sizes[sizes.len() - 1] };
    let indices = as_images(&within)?.cast(crate::DType::U32)?;
    let mut y = as_before(as_images(&x)?.max_unpool2d(&indices, pool, Some(wide))?, shape.len())?;
    for (d, (&size, &asked)) in sizes.iter().zip(&asked[2..]).enumerate() {
        let rows = SparseRows::gather(size, (0..asked).map(|at| Some(at).filter(|&at| at < size)))
            .map_err(node.refuse())?;
        y = y.axis_map(2 + d, &rows)?;
    }
    node.gives(y)
}
