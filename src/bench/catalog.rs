//! Ops with a short form of their shapes, and the line of the table of cases that each stands for.

use super::shapes::Dims;
use crate::error::{Error, Result};
use crate::functions::{Function, Parameter};
use crate::updates::Update;
use crate::verify::Line;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// The forward pass of an op, or one of its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    /// The op itself.
    Forward,
    /// The gradient of its input, of a product's first operand.
    InputGradient,
    /// The gradient of its weight, of a product's second operand.
    WeightGradient,
    /// The gradient of its bias.
    BiasGradient,
}

impl Pass {
    /// Every pass, in the order in which they are measured.
    pub const ALL: [Pass; 4] = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient, Pass::BiasGradient];
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Pass::Forward => "fwd",
            Pass::InputGradient => "dgrad",
            Pass::WeightGradient => "wgrad",
            Pass::BiasGradient => "bgrad",
        })
    }
}

impl FromStr for Pass {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.to_string() == name);
        found.ok_or_else(|| Error::argument("pass", "fwd, dgrad, wgrad, bgrad or all", name))
    }
}

/// An op whose shapes have a short form.
#[derive(Debug, Clone, Copy)]
pub struct OpEntry {
    /// Its name.
    pub name: &'static str,
    /// The letters of its shape, optional ones in brackets.
    pub keys: &'static str,
    /// What it computes, in those letters.
    pub about: &'static str,
    /// The passes that are worth measuring.
    pub passes: &'static [Pass],
    /// The fields of its line.
    fields: fn(&str, &Dims) -> Result<String>,
}

impl OpEntry {
    /// The case that a shape stands for, with random real numbers.
    ///
    /// # Errors
    /// When the shape lacks a letter of this op's, or has one that is not.
    pub fn line(&self, shape: &Dims) -> Result<Line> {
        shape.check(self.name, self.keys)?;
        format!("{} {} data=real:1", self.name, (self.fields)(self.name, shape)?).parse()
    }
}

const EVERY: &[Pass] = &Pass::ALL;
/// For ops whose gradients are copies, sums and products of what is measured elsewhere.
const FORWARD: &[Pass] = &[Pass::Forward];

/// For linear ops of one tensor.
const GRADIENT: &[Pass] = &[Pass::Forward, Pass::InputGradient];

macro_rules! entries {
    ($($fields:ident, $passes:ident, $keys:literal: $($name:literal $about:literal),+;)*) => {
        /// Those that are no element-wise functions.
        const OWN: &[OpEntry] =
            &[$($(OpEntry { name: $name, keys: $keys, about: $about, passes: $passes, fields: $fields }),+),*];
    };
}

entries! {
    conv2d, EVERY, "n c h w k r s [u] [uw] [p] [pw] [d] [dw] [g] [b]":
        "conv2d" "(n,c,h,w) with k filters (c/g,r,s); stride u x uw, padding p x pw, dilation d x dw, g groups, bias where b1";
    matmul, EVERY, "m n k [z] [ta] [tb] [b]":
        "matmul" "z products (m,k) x (k,n); a stored (k,m) where ta1, b stored (n,k) where tb1, bias where b1";
    pool, EVERY, "n c h w r s [u] [uw] [p] [pw]":
        "max_pool2d" "(n,c,h,w), window r x s, stride u x uw, padding p x pw",
        "avg_pool2d" "(n,c,h,w), window r x s, stride u x uw, padding p x pw";
    broadcast_to, FORWARD, "n c h w": "broadcast_to" "(c,1,1) to (n,c,h,w)";
    flip, FORWARD, "n c h w": "flip" "(n,c,h,w) along the width";
    pad, GRADIENT, "n c h w p": "pad" "(n,c,h,w), p columns reflected on both sides";
    interpolate, GRADIENT, "n c h w u": "interpolate" "(n,c,h,w), u times as large, bilinear: the width of the result, the height of the gradient";
    sum, FORWARD, "n c h w": "sum" "(n,c,h,w) over all but c";
    rows, EVERY, "n c": "softmax" "n rows of c", "log_softmax" "n rows of c";
    rows, FORWARD, "n c": "argmax" "n rows of c", "argmin" "n rows of c", "sort" "n rows of c",
        "max_dim" "n rows of c";
    reduced, FORWARD, "n c h w": "amax" "(n,c,h,w) over all but c", "prod" "(n,c,h,w) over all but c",
        "var" "(n,c,h,w) over all but c", "norm" "(n,c,h,w) over all but c, Euclidean",
        "logsumexp" "(n,c,h,w) over all but c";
    images, EVERY, "n c h w [b]": "batch_norm" "(n,c,h,w), weight and bias where b1", "instance_norm" "(n,c,h,w), weight and bias where b1";
    groups, EVERY, "n c h w g [b]": "group_norm" "(n,c,h,w) in g groups, weight and bias where b1";
    last, EVERY, "n c [b]": "layer_norm" "n rows of c, weight and bias where b1", "rms_norm" "n rows of c, weight where b1";
    cross_entropy, EVERY, "n c": "cross_entropy" "n rows of c logits";
    recurrent, EVERY, "t n h [b] [m]":
        "rnn_tanh" "t steps of n rows, h units, hidden bias where b1, masked where m1",
        "rnn_relu" "t steps of n rows, h units, hidden bias where b1, masked where m1",
        "lstm" "t steps of n rows, h units, hidden bias where b1, masked where m1",
        "gru" "t steps of n rows, h units, hidden bias always, masked where m1";
    optimizer, FORWARD, "e":
        "sgd" "e parameters, no momentum", "adam" "e parameters", "adamax" "e parameters",
        "rmsprop" "e parameters", "adagrad" "e parameters", "adadelta" "e parameters", "nadam" "e parameters",
        "radam" "e parameters", "lion" "e parameters", "lamb" "e parameters", "rprop" "e parameters";
}

/// Every op whose shapes have a short form: element-wise functions by their rows, then the others.
pub fn catalog() -> &'static [OpEntry] {
    static ALL: OnceLock<Vec<OpEntry>> = OnceLock::new();
    let entry = |f: Function| {
        let measured = f.operands() == 1 && f.has_gradient();
        let passes = if measured { EVERY } else { FORWARD };
        OpEntry { name: f.name(), keys: "e", about: "e elements", passes, fields: function }
    };
    ALL.get_or_init(|| Function::all().into_iter().map(entry).chain(OWN.iter().copied()).collect())
}

/// The op called `name`.
///
/// # Errors
/// Lists those there are.
pub fn op(name: &str) -> Result<&'static OpEntry> {
    let known = || catalog().iter().map(|o| o.name).collect::<Vec<_>>().join(", ");
    catalog().iter().find(|o| o.name == name).ok_or_else(|| Error::argument("op", known(), name))
}

fn image(dims: &Dims) -> Result<String> {
    Ok(format!("input={}x{}x{}x{}", dims.need("n")?, dims.need("c")?, dims.need("h")?, dims.need("w")?))
}

/// The word where the letter has the number 1, with a space in front.
fn flag(dims: &Dims, key: &str, word: &str) -> String {
    if dims.or(key, 0) == 1 { format!(" {word}") } else { String::new() }
}

/// The field of a pair with a space in front, nothing where it is the default.
fn pair(dims: &Dims, field: &str, [key, wide]: [&str; 2], default: usize) -> String {
    let h = dims.or(key, default);
    match (h, dims.or(wide, h)) {
        (h, w) if h == default && w == default => String::new(),
        (h, w) if h == w => format!(" {field}={h}"),
        (h, w) => format!(" {field}={h}x{w}"),
    }
}

fn conv2d(_: &str, dims: &Dims) -> Result<String> {
    let (image, k, groups) = (image(dims)?, dims.need("k")?, dims.or("g", 1));
    // What the op refuses is left for it to refuse.
    let channels = dims.need("c")?.checked_div(groups).unwrap_or(0).max(1);
    let weight = format!("{k}x{channels}x{}x{}", dims.need("r")?, dims.need("s")?);
    let (stride, padding) = (pair(dims, "stride", ["u", "uw"], 1), pair(dims, "padding", ["p", "pw"], 0));
    let dilation = pair(dims, "dilation", ["d", "dw"], 1);
    let groups = if groups == 1 { String::new() } else { format!(" groups={groups}") };
    Ok(format!("{image} weight={weight}{}{stride}{padding}{dilation}{groups}", flag(dims, "b", "bias")))
}

fn matmul(_: &str, dims: &Dims) -> Result<String> {
    let (m, n, k) = (dims.need("m")?, dims.need("n")?, dims.need("k")?);
    let (trans_a, trans_b) = (flag(dims, "ta", "trans_a"), flag(dims, "tb", "trans_b"));
    let shape = |rows: usize, columns: usize, trans: &str| {
        let (rows, columns) = if trans.is_empty() { (rows, columns) } else { (columns, rows) };
        match dims.or("z", 1) {
            1 => format!("{rows}x{columns}"),
            z => format!("{z}x{rows}x{columns}"),
        }
    };
    let (a, b) = (shape(m, k, &trans_a), shape(k, n, &trans_b));
    Ok(format!("a={a} b={b}{trans_a}{trans_b}{}", flag(dims, "b", "bias")))
}

/// The stride is the window's size where it is not given.
fn pool(_: &str, dims: &Dims) -> Result<String> {
    let (r, s) = (dims.need("r")?, dims.need("s")?);
    let (h, w) = (dims.or("u", r), dims.or("uw", dims.or("u", s)));
    let stride = if (h, w) == (r, s) { String::new() } else { format!(" stride={h}x{w}") };
    Ok(format!("{} kernel={r}x{s}{stride}{}", image(dims)?, pair(dims, "padding", ["p", "pw"], 0)))
}

/// With the defaults of its parameters, or what its first case has.
fn function(name: &str, dims: &Dims) -> Result<String> {
    let e = dims.need("e")?;
    let f = Function::named(name).ok_or_else(|| Error::argument("op", "a function", name))?;
    let of = |(i, p): (usize, &Parameter)| {
        let value = p.default().or_else(|| f.cases().first()?.get(i).copied()).unwrap_or_default();
        format!(" {}={value}", p.name())
    };
    let parameters: String = f.parameters().iter().enumerate().map(of).collect();
    Ok(match f.operands() {
        1 => format!("input={e}{parameters}"),
        2 => format!("a={e} b={e}{parameters}"),
        _ => format!("a={e} b={e} c={e}{parameters}"),
    })
}

fn broadcast_to(_: &str, dims: &Dims) -> Result<String> {
    let (n, c, h, w) = (dims.need("n")?, dims.need("c")?, dims.need("h")?, dims.need("w")?);
    Ok(format!("input={c}x1x1 to={n}x{c}x{h}x{w}"))
}

fn flip(_: &str, dims: &Dims) -> Result<String> {
    Ok(format!("{} dims=-1", image(dims)?))
}

fn pad(_: &str, dims: &Dims) -> Result<String> {
    let p = dims.need("p")?;
    Ok(format!("{} pad={p},{p} reflect", image(dims)?))
}

fn interpolate(_: &str, dims: &Dims) -> Result<String> {
    Ok(format!("{} mode=bilinear scale={}", image(dims)?, dims.need("u")?))
}

fn sum(_: &str, dims: &Dims) -> Result<String> {
    Ok(format!("{} dims=0,2,3", image(dims)?))
}

fn reduced(name: &str, dims: &Dims) -> Result<String> {
    let parameter = match name {
        "var" => " correction=1",
        "norm" => " p=2",
        _ => "",
    };
    Ok(sum(name, dims)? + parameter)
}

fn rows(_: &str, dims: &Dims) -> Result<String> {
    Ok(format!("input={}x{} dim=1", dims.need("n")?, dims.need("c")?))
}

/// Weight and, where the op has one, bias.
fn affine(name: &str, dims: &Dims) -> String {
    flag(dims, "b", if name == "rms_norm" { "weight" } else { "weight bias" })
}

fn images(name: &str, dims: &Dims) -> Result<String> {
    Ok(format!("{}{}", image(dims)?, affine(name, dims)))
}

fn groups(name: &str, dims: &Dims) -> Result<String> {
    Ok(format!("{} groups={}{}", image(dims)?, dims.need("g")?, affine(name, dims)))
}

fn last(name: &str, dims: &Dims) -> Result<String> {
    Ok(format!("input={}x{} last=1{}", dims.need("n")?, dims.need("c")?, affine(name, dims)))
}

fn cross_entropy(_: &str, dims: &Dims) -> Result<String> {
    Ok(format!("logits={}x{} reduction=none", dims.need("n")?, dims.need("c")?))
}

/// The GRU's reset gate acts on its bias, so that it always has one.
fn recurrent(name: &str, dims: &Dims) -> Result<String> {
    let sizes = format!("sizes={}x{}x{}", dims.need("t")?, dims.need("n")?, dims.need("h")?);
    let bias = if name == "gru" { " bias".into() } else { flag(dims, "b", "bias") };
    Ok(format!("{sizes}{bias}{}", flag(dims, "m", "masked")))
}

/// The rate is a power of two, so that SGD on integers is exact.
fn optimizer(name: &str, dims: &Dims) -> Result<String> {
    let counts = Update::named(name).is_some_and(|update| update.counts(&update.defaults()));
    let step = if counts { " step=10" } else { "" };
    Ok(format!("param={} lr=0.0009765625{step}", dims.need("e")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_stands_for_a_line() {
        let line = |name: &str, shape: &str| {
            let line = op(name).and_then(|op| op.line(&Dims::parse(shape)?));
            line.map_or_else(|e| e.to_string(), |line| line.to_string())
        };
        for (name, shape, expected) in [
            ("conv2d", "n16c64h28w28k64r3s3p1", "conv2d input=16x64x28x28 weight=64x64x3x3 padding=1"),
            (
                "conv2d",
                "n2c6h9w8k4r3s5u2uw1p0pw2d1dw2g2b1",
                "conv2d input=2x6x9x8 weight=4x3x3x5 bias stride=2x1 padding=0x2 dilation=1x2 groups=2",
            ),
            ("matmul", "z3m4n5k6ta1b1", "matmul a=3x6x4 b=3x6x5 trans_a bias"),
            ("matmul", "m4n5k6tb1", "matmul a=4x6 b=5x6 trans_b"),
            ("max_pool2d", "n1c2h9w9r3s2u2p1", "max_pool2d input=1x2x9x9 kernel=3x2 stride=2x2 padding=1"),
            ("avg_pool2d", "n1c2h9w9r3s3", "avg_pool2d input=1x2x9x9 kernel=3x3"),
            ("leaky_relu", "e9", "leaky_relu input=9 negative_slope=0.01"),
            ("flip", "n1c2h3w4", "flip input=1x2x3x4 dims=-1"),
            ("pad", "n1c2h3w4p2", "pad input=1x2x3x4 pad=2,2 reflect"),
            ("interpolate", "n1c2h3w4u2", "interpolate input=1x2x3x4 mode=bilinear scale=2"),
            ("gru", "t5n4h8m1", "gru sizes=5x4x8 bias masked"),
            ("lstm", "t5n4h8", "lstm sizes=5x4x8"),
            ("adam", "e9", "adam param=9 lr=0.0009765625 step=10"),
        ] {
            assert_eq!(line(name, shape), format!("{expected} data=real:1"));
        }
        assert!(line("conv2d", "n1c1h1w1k1r1").contains("a number for s"));
        assert!(line("relu", "n1").contains("'n' in 'n1'"));
    }
}
