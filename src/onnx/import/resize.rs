//! Resize and Upsample: a linear map along each axis, by the formulas of the specification.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::SparseRows;
use crate::tensor::HostTensor;

/// What all axes share.
struct Rules {
    mode: String,
    coordinates: String,
    nearest: String,
    cubic_a: f64,
    exclude_outside: bool,
    antialias: bool,
}

/// One axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    input: usize,
    output: usize,
    scale: f64,
    region: [f64; 2],
}

pub(super) fn resize(node: &Node<'_>) -> Result<Vec<Value>> {
    let mut x = node.tensor(0)?;
    let rules = rules(node)?;
    let axes = axes(node, &x.shape())?;
    let crops = rules.coordinates == "tf_crop_and_resize";
    let mut outside = Vec::new();
    for (d, axis) in axes.iter().enumerate() {
        if crops {
            outside.push((d, (0..axis.output).map(|t| axis.is_outside(t)).collect::<Vec<bool>>()));
        }
        if axis.scale == 1.0 && axis.input == axis.output && !crops {
            continue;
        }
        let row = |t: usize| rules.row(axis, t);
        let rows = SparseRows::new(axis.input, (0..axis.output).map(row)).map_err(node.refuse())?;
        x = x.axis_map(d, &rows)?;
    }
    node.gives(extrapolated(node, x, outside)?)
}

/// A number instead of all that was read outside of the input.
fn extrapolated(node: &Node<'_>, x: Tensor, outside: Vec<(usize, Vec<bool>)>) -> Result<Tensor> {
    let number = node.float_or("extrapolation_value", 0.0)?;
    outside.into_iter().try_fold(x, |x, (d, outside)| {
        if !outside.contains(&true) {
            return Ok(x);
        }
        let mut sizes = vec![1; x.shape().len()];
        sizes[d] = outside.len();
        let mask = HostTensor::from_f32(sizes, outside.iter().map(|&o| f32::from(o)).collect())?;
        let (mask, other) = (node.graph.constant(mask)?, node.graph.full(x.shape(), number)?);
        mask.broadcast_to(x.shape())?.select(&other, &x)
    })
}

fn rules(node: &Node<'_>) -> Result<Rules> {
    let old = node.op() == "Upsample" || node.opset() < 11;
    let mode = node.text("mode", "nearest")?;
    let mode = if mode == "bilinear" { "linear".to_owned() } else { mode };
    node.check(
        matches!(mode.as_str(), "nearest" | "linear" | "cubic"),
        "mode nearest, linear or cubic",
        mode.clone(),
    )?;
    let (coordinates, nearest) = match old {
        true if node.op() == "Resize" => ("asymmetric".to_owned(), "simple".to_owned()),
        true => ("asymmetric".to_owned(), "floor".to_owned()),
        false => {
            let words = node.text("coordinate_transformation_mode", "half_pixel")?;
            (words, node.text("nearest_mode", "round_prefer_floor")?)
        }
    };
    let known = matches!(
        coordinates.as_str(),
        "half_pixel"
            | "half_pixel_symmetric"
            | "pytorch_half_pixel"
            | "align_corners"
            | "asymmetric"
            | "tf_half_pixel_for_nn"
            | "tf_crop_and_resize"
    );
    node.check(known, "a coordinate_transformation_mode of the specification", coordinates.clone())?;
    let cubic_a = node.float_or("cubic_coeff_a", -0.75)?.into();
    let exclude_outside = node.flag("exclude_outside", false)?;
    Ok(Rules {
        mode,
        coordinates,
        nearest,
        cubic_a,
        exclude_outside,
        antialias: node.flag("antialias", false)?,
    })
}

/// Factors, or sizes.
type Asked = (Option<Vec<f64>>, Option<Vec<i64>>);

/// The factors or sizes that were asked for, of the axes that were named.
fn asked(node: &Node<'_>) -> Result<Asked> {
    let full = |input: usize| node.has(input) && node.shape(input).is_ok_and(|shape| !shape.contains(&0));
    if node.op() == "Upsample" && node.opset() < 9 {
        let scales = node.floats("scales")?.ok_or_else(|| node.fail("an attribute scales", "none"))?;
        return Ok((Some(scales.into_iter().map(f64::from).collect()), None));
    }
    let scales = if node.opset() < 11 { 1 } else { 2 };
    let sizes = if full(3) { Some(node.known_ints(3)?) } else { None };
    let scales = if sizes.is_none() && full(scales) { Some(node.known_numbers(scales)?) } else { None };
    node.check(sizes.is_some() || scales.is_some(), "scales or sizes", "neither")?;
    Ok((scales, sizes))
}

fn axes(node: &Node<'_>, shape: &[usize]) -> Result<Vec<Axis>> {
    let rank = shape.len();
    let named: Vec<usize> = match node.ints("axes")? {
        Some(axes) => axes.iter().map(|&axis| node.axis_of(axis, rank)).collect::<Result<_>>()?,
        None => (0..rank).collect(),
    };
    let (scales, sizes) = asked(node)?;
    let count = scales.as_ref().map_or(0, Vec::len).max(sizes.as_ref().map_or(0, Vec::len));
    node.check(count == named.len(), format!("{} scales or sizes", named.len()), count.to_string())?;
    let region = if node.has(1) && node.opset() >= 11 { node.known_numbers(1)? } else { Vec::new() };
    let policy = node.text("keep_aspect_ratio_policy", "stretch")?;
    let mut axes: Vec<Axis> = shape
        .iter()
        .map(|&size| Axis { input: size, output: size, scale: 1.0, region: [0.0, 1.0] })
        .collect();
    let ratio = |i: usize, size: i64| size as f64 / shape[named[i]] as f64;
    let ratios: Vec<f64> = sizes.iter().flatten().enumerate().map(|(i, &size)| ratio(i, size)).collect();
    let common = match policy.as_str() {
        "not_larger" => Some(ratios.iter().copied().fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios.iter().copied().fold(0.0, f64::max)),
        _ => None,
    };
    for (i, &d) in named.iter().enumerate() {
        let input = shape[d] as f64;
        let (scale, output) = match (&scales, &sizes, common) {
            (Some(scales), ..) => (scales[i], (input * scales[i]).floor()),
            (None, Some(_), Some(common)) => (common, (input * common).round()),
            (None, Some(sizes), None) => (ratios[i], sizes[i] as f64),
            (None, None, _) => (1.0, input),
        };
        let fits = scale > 0.0 && (1.0..=f64::from(u32::MAX)).contains(&output);
        node.check(fits, "at least one element along each axis", format!("{output} of {input}"))?;
        let region = match region.len() == 2 * named.len() {
            true => [region[i], region[named.len() + i]],
            false => [0.0, 1.0],
        };
        axes[d] = Axis { input: shape[d], output: output as usize, scale, region };
    }
    Ok(axes)
}

impl Axis {
    /// Where an output lies among the inputs.
    fn position(&self, coordinates: &str, t: usize) -> f64 {
        let (x, input, exact) = (t as f64, self.input as f64, self.scale * self.input as f64);
        // The output's length; ONNX's own tests of shrinking take the one before it is rounded, PyTorch and runtimes that of
        // what grows.
        let length = if self.scale < 1.0 { exact } else { self.output as f64 };
        let alone = self.output == 1;
        match coordinates {
            "align_corners" if alone => 0.0,
            "align_corners" => x * (input - 1.0) / (length - 1.0),
            "asymmetric" => x / self.scale,
            "tf_half_pixel_for_nn" => (x + 0.5) / self.scale,
            "tf_crop_and_resize" => {
                let [start, end] = self.region;
                let along = match alone {
                    true => (end - start) * (input - 1.0) / 2.0,
                    false => x * (end - start) * (input - 1.0) / (self.output as f64 - 1.0),
                };
                along + start * (input - 1.0)
            }
            "pytorch_half_pixel" if alone => -0.5,
            "half_pixel_symmetric" => {
                let offset = input / 2.0 * (1.0 - self.output as f64 / exact);
                offset + (x + 0.5) / self.scale - 0.5
            }
            // half_pixel, and pytorch_half_pixel of more than one element.
            _ => (x + 0.5) / self.scale - 0.5,
        }
    }

    fn is_outside(&self, t: usize) -> bool {
        let x = self.position("tf_crop_and_resize", t);
        x < 0.0 || x > self.input as f64 - 1.0
    }
}

impl Rules {
    /// The inputs of an output and their weights.
    fn row(&self, axis: &Axis, t: usize) -> Vec<(usize, f64)> {
        let x = axis.position(&self.coordinates, t);
        // The left neighbour lies before `x`, never at it.
        let left = x.ceil() - 1.0;
        let (first, mut weights) =
            self.weights(x - left, if self.antialias { axis.scale.min(1.0) } else { 1.0 }, axis.scale < 1.0);
        let at = |i: usize| left as i64 + first + i as i64;
        let last = axis.input as i64 - 1;
        if self.exclude_outside {
            weights
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| !(0..=last).contains(&at(*i)))
                .for_each(|(_, w)| *w = 0.0);
        }
        let sum: f64 = if self.exclude_outside || self.antialias { weights.iter().sum() } else { 1.0 };
        let mut row: Vec<(usize, f64)> = Vec::new();
        for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            // What lies outside is the element at the edge.
            let position = at(i).clamp(0, last) as usize;
            match row.iter_mut().find(|(at, _)| *at == position) {
                Some((_, there)) => *there += weight / sum,
                None => row.push((position, weight / sum)),
            }
        }
        row.sort_unstable_by_key(|(at, _)| *at);
        row
    }

    /// The first neighbour, counted from the left one, and the weights from there on. `ratio` is above 0 and at most 1.
    fn weights(&self, ratio: f64, stretch: f64, shrinks: bool) -> (i64, Vec<f64>) {
        let (reach, kernel): (f64, &dyn Fn(f64) -> f64) = match self.mode.as_str() {
            "nearest" => return (0, self.nearest(ratio, shrinks).to_vec()),
            "linear" => (1.0, &|d: f64| (1.0 - d.abs()).max(0.0)),
            _ => (2.0, &|d: f64| self.cubic(d.abs())),
        };
        let first = (-reach / stretch).floor() as i64 + 1;
        (first, (first..2 - first).map(|i| kernel((i as f64 - ratio) * stretch)).collect())
    }

    fn nearest(&self, ratio: f64, shrinks: bool) -> [f64; 2] {
        let left = match self.nearest.as_str() {
            "round_prefer_floor" => ratio <= 0.5,
            "round_prefer_ceil" => ratio < 0.5,
            "floor" => ratio < 1.0,
            // Of version 10: the element before what grows, the one behind what shrinks.
            "simple" => !shrinks && ratio < 1.0,
            // ceil.
            _ => false,
        };
        if left { [1.0, 0.0] } else { [0.0, 1.0] }
    }

    fn cubic(&self, d: f64) -> f64 {
        let a = self.cubic_a;
        match d {
            d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            _ => 0.0,
        }
    }
}
