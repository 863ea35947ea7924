//! Convolutions of lines, images and volumes, and their transposes.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{Conv2d, ConvTranspose2d, SparseRows};
use crate::shape::{Padding, Pair, Window};

/// A window along each dimension behind batch and channels.
#[derive(Debug, Clone)]
pub(super) struct Spatial {
    pub(super) kernel: Vec<usize>,
    pub(super) stride: Vec<usize>,
    pub(super) dilation: Vec<usize>,
    pub(super) before: Vec<usize>,
    pub(super) after: Vec<usize>,
    pub(super) ceil: bool,
}

/// How a node says that it is padded.
fn same(word: &str) -> bool {
    word == "SAME_UPPER" || word == "SAME_LOWER"
}

impl Spatial {
    /// Of a node's attributes; `kernel` where it has none.
    pub(super) fn new(node: &Node<'_>, input: &[usize], kernel: Option<&[usize]>) -> Result<Self> {
        let rank = input.len();
        let list = |name: &str, usual: usize| -> Result<Vec<usize>> {
            let Some(numbers) = node.ints(name)? else { return Ok(vec![usual; rank]) };
            node.check(numbers.len() == rank, format!("{rank} numbers as {name}"), format!("{numbers:?}"))?;
            node.sizes(name, &numbers)
        };
        let kernel = match (node.has_attribute("kernel_shape"), kernel) {
            (true, _) => list("kernel_shape", 1)?,
            (false, Some(kernel)) => kernel.to_vec(),
            (false, None) => return Err(node.fail("an attribute kernel_shape", "none")),
        };
        let (stride, dilation) = (list("strides", 1)?, list("dilations", 1)?);
        let positive = [&kernel, &stride, &dilation].iter().all(|numbers| !numbers.contains(&0));
        node.check(
            positive,
            "kernels, strides and dilations above 0",
            format!("{kernel:?} {stride:?} {dilation:?}"),
        )?;
        let mut found = Self {
            kernel,
            stride,
            dilation,
            before: vec![0; rank],
            after: vec![0; rank],
            ceil: node.flag("ceil_mode", false)?,
        };
        let word = node.text("auto_pad", "NOTSET")?;
        match word.as_str() {
            "VALID" => {}
            "NOTSET" => {
                let pads = node.ints("pads")?.unwrap_or_else(|| vec![0; 2 * rank]);
                node.check(
                    pads.len() == 2 * rank,
                    format!("{} numbers as pads", 2 * rank),
                    format!("{pads:?}"),
                )?;
                let pads = node.sizes("pads", &pads)?;
                (found.before, found.after) = (pads[..rank].to_vec(), pads[rank..].to_vec());
            }
            word if same(word) => found.keep(input, word == "SAME_UPPER"),
            word => return Err(node.fail("auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER", word)),
        }
        Ok(found)
    }

    /// Elements from the first tap of the window to its last.
    pub(super) fn extent(&self, d: usize) -> usize {
        self.dilation[d].saturating_mul(self.kernel[d] - 1).saturating_add(1)
    }

    /// Pads so that the output is the input over the stride; the odd one goes to the end, or to the start.
    fn keep(&mut self, input: &[usize], upper: bool) {
        for (d, &size) in input.iter().enumerate() {
            let output = size.div_ceil(self.stride[d]).max(1);
            let reach = (output - 1).saturating_mul(self.stride[d]).saturating_add(self.extent(d));
            let all = reach.saturating_sub(size);
            let (less, more) = (all / 2, all - all / 2);
            (self.before[d], self.after[d]) = if upper { (less, more) } else { (more, less) };
        }
    }

    pub(super) fn window(&self, d: usize, input: usize) -> Window {
        Window {
            input,
            kernel: self.kernel[d],
            stride: self.stride[d],
            before: self.before[d],
            after: self.after[d],
            dilation: self.dilation[d],
            ceil: self.ceil,
        }
    }

    pub(super) fn pair(numbers: &[usize], fill: usize) -> Pair {
        match *numbers {
            [w] => Pair { h: fill, w },
            [.., h, w] => Pair { h, w },
            [] => Pair { h: fill, w: fill },
        }
    }

    /// Of the last two dimensions, or of lines as images of one row.
    pub(super) fn padding(&self) -> Padding {
        let (before, after) = (Self::pair(&self.before, 0), Self::pair(&self.after, 0));
        Padding { top: before.h, bottom: after.h, left: before.w, right: after.w }
    }

    fn conv2d(&self, groups: usize) -> Conv2d {
        Conv2d::default()
            .stride(Self::pair(&self.stride, 1))
            .padding(self.padding())
            .dilation(Self::pair(&self.dilation, 1))
            .groups(groups)
    }
}

/// `(N, C, L)` as images of one row; images as they are.
pub(super) fn as_images(x: &Tensor) -> Result<Tensor> {
    if x.shape().len() == 3 { x.unsqueeze(2) } else { Ok(x.clone()) }
}

/// Back from images to the rank that there was.
pub(super) fn as_before(y: Tensor, rank: usize) -> Result<Tensor> {
    if rank == 3 { y.squeeze(2) } else { Ok(y) }
}

/// `(N, C, D, H, W)` with the depth in the batch: `(N D, C, H, W)`.
pub(super) fn depth_in_batch(x: &Tensor) -> Result<Tensor> {
    let shape = x.shape();
    let moved = x.permute(&[0, 2, 1, 3, 4])?;
    moved.reshape([shape[0] * shape[2], shape[1], shape[3], shape[4]])
}

/// `(N D, C, H, W)` with the depth out of the batch again.
pub(super) fn depth_from_batch(y: &Tensor, depth: usize) -> Result<Tensor> {
    let shape = y.shape();
    y.reshape([shape[0] / depth, depth, shape[1], shape[2], shape[3]])?.permute(&[0, 2, 1, 3, 4])
}

/// A weight's slice at one depth.
fn at_depth(weight: &Tensor, depth: usize) -> Result<Tensor> {
    weight.narrow(2, depth, 1)?.squeeze(2)
}

/// What both kinds of convolution are given.
struct Given {
    x: Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
    groups: usize,
    spatial: Spatial,
}

fn given(node: &Node<'_>) -> Result<Given> {
    let (x, weight) = (node.tensor(0)?, node.weight(1)?);
    let (shape, of) = (x.shape(), weight.shape());
    let fits = (3..=5).contains(&shape.len()) && of.len() == shape.len();
    let expected = "an input (N, C, ..) of 1 to 3 dimensions behind and a weight of as many";
    node.check(fits, expected, format!("{shape} and {of}"))?;
    let groups = node.size("group", node.int_or("group", 1)?)?;
    let spatial = Spatial::new(node, &shape[2..], Some(&of[2..]))?;
    let (expected, got) = (format!("a kernel_shape of {:?}", &of[2..]), format!("{:?}", spatial.kernel));
    node.check(spatial.kernel == of[2..], expected, got)?;
    Ok(Given { x, weight, bias: node.optional_weight(2)?, groups, spatial })
}

pub(super) fn conv(node: &Node<'_>) -> Result<Vec<Value>> {
    let Given { x, weight, bias, groups, spatial } = given(node)?;
    let rank = x.shape().len();
    if rank < 5 {
        let y = as_images(&x)?.conv2d(&as_images(&weight)?, bias.as_ref(), spatial.conv2d(groups))?;
        return node.gives(as_before(y, rank)?);
    }
    node.gives(volumes(node, &x, &weight, bias, &spatial, groups)?)
}

/// A convolution of volumes as the sum of those of their slices, with a kernel's slice each.
fn volumes(
    node: &Node<'_>,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<Tensor>,
    spatial: &Spatial,
    groups: usize,
) -> Result<Tensor> {
    let window = spatial.window(0, x.shape()[2]);
    let depth = window.output("depth").map_err(node.refuse())?;
    node.fits("slices", depth)?;
    let mut sum: Option<Tensor> = None;
    for tap in 0..window.kernel {
        let position = |at: usize| {
            let padded = at * window.stride + tap * window.dilation;
            padded.checked_sub(window.before).filter(|&at| at < window.input)
        };
        if (0..depth).all(|at| position(at).is_none()) {
            continue;
        }
        let rows = SparseRows::gather(window.input, (0..depth).map(position)).map_err(node.refuse())?;
        let slices = depth_in_batch(&x.axis_map(2, &rows)?)?;
        let bias = if sum.is_none() { bias.as_ref() } else { None };
        let part = slices.conv2d(&at_depth(weight, tap)?, bias, spatial.conv2d(groups))?;
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.add(&part)?,
        });
    }
    let sum = sum.ok_or_else(|| node.fail("a kernel that meets the input", "padding alone"))?;
    depth_from_batch(&sum, depth)
}

/// A transposed convolution's sizes along a dimension.
struct Spread {
    before: usize,
    after: usize,
    extra: usize,
}

/// What is cut off at both ends and added at the end, from `pads`, `output_shape` or `auto_pad`.
fn spread(node: &Node<'_>, spatial: &Spatial, input: &[usize]) -> Result<Vec<Spread>> {
    let rank = input.len();
    let extra = node.ints("output_padding")?.unwrap_or_else(|| vec![0; rank]);
    node.check(extra.len() == rank, format!("{rank} numbers as output_padding"), format!("{extra:?}"))?;
    let extra = node.sizes("output_padding", &extra)?;
    let reach = |d: usize| (input[d] - 1).saturating_mul(spatial.stride[d]).saturating_add(spatial.extent(d));
    let whole = |d: usize| reach(d).saturating_add(extra[d]);
    let word = node.text("auto_pad", "NOTSET")?;
    let wanted: Option<Vec<usize>> = match node.ints("output_shape")? {
        // Some files give batch and channels as well.
        Some(sizes) if sizes.len() >= rank => Some(node.sizes("output_shape", &sizes[sizes.len() - rank..])?),
        Some(sizes) => return Err(node.fail(format!("{rank} numbers as output_shape"), format!("{sizes:?}"))),
        None if same(&word) => Some((0..rank).map(|d| input[d].saturating_mul(spatial.stride[d])).collect()),
        None => None,
    };
    let along = |d: usize| match &wanted {
        None => Spread { before: spatial.before[d], after: spatial.after[d], extra: extra[d] },
        Some(wanted) => {
            let all = whole(d).saturating_sub(wanted[d]);
            let missing = wanted[d].saturating_sub(whole(d));
            let (less, more) = (all / 2, all - all / 2);
            let (before, after) = if word == "SAME_UPPER" { (less, more) } else { (more, less) };
            Spread { before, after, extra: extra[d].saturating_add(missing) }
        }
    };
    Ok((0..rank).map(along).collect())
}

pub(super) fn conv_transpose(node: &Node<'_>) -> Result<Vec<Value>> {
    let Given { x, weight, bias, groups, spatial } = given(node)?;
    let shape = x.shape();
    let spreads = spread(node, &spatial, &shape[2..])?;
    let options = ConvTranspose2d::default()
        .stride(Spatial::pair(&spatial.stride, 1))
        .dilation(Spatial::pair(&spatial.dilation, 1))
        .groups(groups);
    let usual = |(d, spread): (usize, &Spread)| spread.extra < spatial.stride[d].max(spatial.dilation[d]);
    if shape.len() < 5 && spreads.iter().enumerate().all(usual) {
        let along = |of: fn(&Spread) -> usize| Spatial::pair(&spreads.iter().map(of).collect::<Vec<_>>(), 0);
        let (before, after) = (along(|s| s.before), along(|s| s.after));
        let padding = Padding { top: before.h, bottom: after.h, left: before.w, right: after.w };
        let options = options.padding(padding).output_padding(along(|s| s.extra));
        let y = as_images(&x)?.conv_transpose2d(&as_images(&weight)?, bias.as_ref(), options)?;
        return node.gives(as_before(y, shape.len())?);
    }
    let whole = if shape.len() < 5 {
        as_before(as_images(&x)?.conv_transpose2d(&as_images(&weight)?, None, options)?, shape.len())?
    } else {
        spread_volumes(node, &x, &weight, &spatial, options)?
    };
    let y = cut(node, whole, spreads)?;
    node.gives(match bias {
        None => y,
        Some(bias) => {
            let channels = bias.shape().elements();
            y.add(&bias.reshape([vec![channels], vec![1; shape.len() - 2]].concat())?)?
        }
    })
}

/// What no tap reaches is added, and what is too much cut off, at the ends.
fn cut(node: &Node<'_>, whole: Tensor, spreads: Vec<Spread>) -> Result<Tensor> {
    spreads.into_iter().enumerate().try_fold(whole, |y, (d, Spread { before, after, extra })| {
        let size = y.shape()[2 + d];
        let left = size.saturating_add(extra).saturating_sub(before.saturating_add(after));
        let got = || format!("pads of {before} and {after} off {size}");
        node.check(left > 0, "at least one element of the output", got())?;
        node.fits("elements along an axis", left)?;
        let position = |at: usize| Some(at.saturating_add(before)).filter(|&at| at < size);
        let rows = SparseRows::gather(size, (0..left).map(position)).map_err(node.refuse())?;
        y.axis_map(2 + d, &rows)
    })
}

/// A transposed convolution of volumes: each slice spreads each slice of the kernel.
fn spread_volumes(
    node: &Node<'_>,
    x: &Tensor,
    weight: &Tensor,
    spatial: &Spatial,
    options: ConvTranspose2d,
) -> Result<Tensor> {
    let depth = x.shape()[2];
    let slices = depth_in_batch(x)?;
    let (stride, dilation) = (spatial.stride[0], spatial.dilation[0]);
    let whole = (depth - 1).saturating_mul(stride).saturating_add(spatial.extent(0));
    node.fits("slices", whole)?;
    let part = |tap: usize| {
        let spread = slices.conv_transpose2d(&at_depth(weight, tap)?, None, options)?;
        let position = |at: usize| {
            let from = at.checked_sub(tap * dilation)?;
            (from % stride == 0 && from / stride < depth).then_some(from / stride)
        };
        let rows = SparseRows::gather(depth, (0..whole).map(position)).map_err(node.refuse())?;
        depth_from_batch(&spread, depth)?.axis_map(2, &rows)
    };
    let first = part(0)?;
    (1..spatial.kernel[0]).try_fold(first, |sum, tap| sum.add(&part(tap)?))
}
