//! Functions of each element: of one tensor, of two, of any number.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::onnx::element::ElementType;

type Built = Result<Vec<Value>>;

/// A function without attributes.
fn plain(op: &str, x: &Tensor) -> Option<Result<Tensor>> {
    Some(match op {
        "Relu" => x.relu(),
        "Sigmoid" => x.sigmoid(),
        "Tanh" => x.tanh(),
        "Softplus" => x.softplus(1.0, 20.0),
        "Softsign" => x.softsign(),
        "HardSwish" => x.hardswish(),
        "Mish" => x.mish(),
        "Erf" => x.erf(),
        "Exp" => x.exp(),
        "Log" => x.log(),
        "Sqrt" => x.sqrt(),
        "Abs" => x.abs(),
        "Neg" => x.neg(),
        "Reciprocal" => x.reciprocal(),
        // NaN is neither.
        "Sign" => x.sign().and_then(|sign| x.isnan()?.select(x, &sign)),
        "Floor" => x.floor(),
        "Ceil" => x.ceil(),
        "Round" => x.round(),
        "Sin" => x.sin(),
        "Cos" => x.cos(),
        "Tan" => x.sin().and_then(|sin| sin.div(&x.cos()?)),
        "Atan" => x.atan2(1.0),
        "Asin" => x.square().and_then(|s| x.atan2(&s.rsub(1.0)?.sqrt()?)),
        "Acos" => x.square().and_then(|s| s.rsub(1.0)?.sqrt()?.atan2(x)),
        // Of e^x - 1, in which nothing cancels near 0.
        "Sinh" => x.expm1().and_then(|e| e.add(&e.div(&e.add_scalar(1.0)?)?)?.scale(0.5)),
        "Cosh" => x.exp().and_then(|e| e.add(&x.neg()?.exp()?)?.scale(0.5)),
        "Asinh" => inverse_sinh(x),
        "Acosh" => x.square().and_then(|s| x.add(&s.add_scalar(-1.0)?.sqrt()?)?.log()),
        "Atanh" => x.log1p().and_then(|up| up.sub(&x.neg()?.log1p()?)?.scale(0.5)),
        // The others have attributes, or are no functions of one tensor.
        _ => return None,
    })
}

/// `sign(x) log1p(|x| + x^2 / (1 + sqrt(x^2 + 1)))`.
fn inverse_sinh(x: &Tensor) -> Result<Tensor> {
    let (size, square) = (x.abs()?, x.square()?);
    let rest = square.div(&square.add_scalar(1.0)?.sqrt()?.add_scalar(1.0)?)?;
    size.add(&rest)?.log1p()?.mul(&x.sign()?)
}

pub(super) fn unary(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    match plain(node.op(), &x) {
        Some(y) => node.gives(y?),
        None => node.gives(with_attributes(node, &x)?),
    }
}

fn with_attributes(node: &Node<'_>, x: &Tensor) -> Result<Tensor> {
    let number = |name: &str, usual: f32| node.float_or(name, usual);
    match node.op() {
        "LeakyRelu" => x.leaky_relu(number("alpha", 0.01)?),
        "Elu" => x.elu(number("alpha", 1.0)?),
        "Celu" => x.celu(number("alpha", 1.0)?),
        "Selu" => {
            let (alpha, gamma) = (number("alpha", 1.673_263_2)?, number("gamma", 1.050_701)?);
            let usual = (alpha - 1.673_263_2).abs() < 1e-6 && (gamma - 1.050_701).abs() < 1e-6;
            if usual { x.selu() } else { x.elu(alpha)?.scale(gamma) }
        }
        "Gelu" => {
            if node.text("approximate", "none")? == "tanh" {
                x.gelu_tanh()
            } else {
                x.gelu()
            }
        }
        "HardSigmoid" => {
            let (alpha, beta) = (number("alpha", 0.2)?, number("beta", 0.5)?);
            x.scale(alpha)?.add_scalar(beta)?.clamp(0.0, 1.0)
        }
        "ThresholdedRelu" => x.threshold(number("alpha", 1.0)?, 0.0),
        "Swish" => {
            let alpha = number("alpha", 1.0)?;
            if alpha == 1.0 { x.silu() } else { x.mul(&x.scale(alpha)?.sigmoid()?) }
        }
        // Shrink.
        _ => {
            let (bias, lambd) = (number("bias", 0.0)?, number("lambd", 0.5)?);
            let (above, below) = (x.gt(lambd)?, x.lt(-lambd)?);
            let shrunk = x.mul(&above.add(&below)?)?;
            shrunk.sub(&above.sub(&below)?.scale(bias)?)
        }
    }
}

/// Truth values of one tensor.
pub(super) fn question(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    let y = match node.op() {
        "Not" => x.logical_not()?,
        "IsNaN" => x.isnan()?,
        // IsInf.
        _ => {
            let (up, down) = (node.flag("detect_positive", true)?, node.flag("detect_negative", true)?);
            let above = x.gt(f32::MAX)?.scale(if up { 1.0 } else { 0.0 })?;
            above.add(&x.lt(f32::MIN)?.scale(if down { 1.0 } else { 0.0 })?)?
        }
    };
    node.gives_as(y, ElementType::Bool)
}

pub(super) fn clip(node: &Node<'_>) -> Built {
    let mut x = node.tensor(0)?;
    if node.opset() < 11 {
        let (min, max) = (node.float_or("min", f32::MIN)?, node.float_or("max", f32::MAX)?);
        x = if min > f32::MIN { x.clamp_min(min)? } else { x };
        return node.gives(if max < f32::MAX { x.clamp_max(max)? } else { x });
    }
    for (input, lower) in [(1, true), (2, false)] {
        if !node.has(input) {
            continue;
        }
        x = match node.value(input)? {
            Value::Known(array) if array.numbers().len() == 1 => {
                let bound = array.numbers()[0] as f32;
                if lower { x.clamp_min(bound)? } else { x.clamp_max(bound)? }
            }
            value => {
                let bound = node.as_tensor(value)?;
                if lower { x.maximum(&bound)? } else { x.minimum(&bound)? }
            }
        };
    }
    node.gives(x)
}

/// The operands of a function of two, the second aligned as the first versions of the format have it.
pub(super) fn operands(node: &Node<'_>) -> Result<(Tensor, Tensor)> {
    let (a, b) = (node.tensor(0)?, node.tensor(1)?);
    if node.opset() >= 7 || !node.flag("broadcast", false)? || !node.has_attribute("axis") {
        return Ok((a, b));
    }
    let (rank, shape) = (a.shape().len(), b.shape());
    let axis = node.axis(0, rank)?;
    let fits = axis + shape.len() <= rank;
    node.check(fits, format!("a tensor of at most {} dimensions", rank - axis), shape.to_string())?;
    let sizes: Vec<usize> =
        shape.iter().copied().chain(std::iter::repeat_n(1, rank - axis - shape.len())).collect();
    Ok((a, b.reshape(sizes)?))
}

pub(super) fn binary(node: &Node<'_>) -> Built {
    let (a, b) = operands(node)?;
    let whole = node.element(0)?.is_integer();
    let number = one_number(node, 1)?;
    let y = match (node.op(), number) {
        ("Add", Some(b)) => a.add_scalar(b)?,
        ("Sub", Some(b)) => a.add_scalar(-b)?,
        ("Mul", Some(b)) => a.scale(b)?,
        ("Pow", Some(b)) => a.pow_scalar(b)?,
        ("Add", None) => a.add(&b)?,
        ("Sub", None) => a.sub(&b)?,
        ("Mul", None) => a.mul(&b)?,
        ("Div", _) if whole => a.div_trunc(&b)?,
        ("Div", _) => a.div(&b)?,
        ("Pow", None) => a.pow(&b)?,
        ("Mod", _) if node.flag("fmod", false)? => a.fmod(&b)?,
        ("Mod", _) => a.remainder(&b)?,
        // PRelu.
        _ => a.prelu(&slope(node, &a)?)?,
    };
    let y = if whole && node.op() == "Pow" { y.trunc()? } else { y };
    node.gives(y)
}

/// An input that is one number, of no more dimensions than the other, and not trained.
fn one_number(node: &Node<'_>, input: usize) -> Result<Option<f32>> {
    let rank = node.shape(0)?.len();
    Ok(match node.value(input)? {
        Value::Known(array) if array.parameter.is_none() && array.len() == 1 && array.shape.len() <= rank => {
            array.numbers().first().map(|&v| v as f32).filter(|v| v.is_finite())
        }
        _ => None,
    })
}

/// The slopes of PRelu, which the first versions align at the channels.
fn slope(node: &Node<'_>, x: &Tensor) -> Result<Tensor> {
    let slope = node.weight(1)?;
    let (shape, of) = (x.shape(), slope.shape());
    if node.opset() < 7 && of.len() == 1 && shape.len() > 2 {
        let sizes = [vec![of[0]], vec![1; shape.len() - 2]].concat();
        return slope.reshape(sizes);
    }
    Ok(slope)
}

pub(super) fn comparison(node: &Node<'_>) -> Built {
    let (a, b) = operands(node)?;
    let y = match node.op() {
        "Equal" => a.eq(&b)?,
        "Less" => a.lt(&b)?,
        "LessOrEqual" => a.le(&b)?,
        "Greater" => a.gt(&b)?,
        "GreaterOrEqual" => a.ge(&b)?,
        "And" => a.logical_and(&b)?,
        "Or" => a.logical_or(&b)?,
        // Xor.
        _ => a.logical_xor(&b)?,
    };
    node.gives_as(y, ElementType::Bool)
}

/// Of any number of tensors.
pub(super) fn variadic(node: &Node<'_>) -> Built {
    let tensors =
        node.inputs.iter().flatten().map(|value| node.as_tensor(value)).collect::<Result<Vec<_>>>()?;
    let Some((first, rest)) = tensors.split_first() else {
        return Err(node.fail("at least one tensor", "none"));
    };
    let joined = rest.iter().try_fold(first.clone(), |all, one| match node.op() {
        "Max" => all.maximum(one),
        "Min" => all.minimum(one),
        // Sum and Mean.
        _ => all.add(one),
    })?;
    let mean = node.op() == "Mean" && tensors.len() > 1;
    node.gives(if mean { joined.scale(1.0 / tensors.len() as f32)? } else { joined })
}

pub(super) fn choose(node: &Node<'_>) -> Built {
    let (condition, a, b) = (node.tensor(0)?, node.tensor(1)?, node.tensor(2)?);
    node.gives_as(condition.select(&a, &b)?, node.element(1)?)
}

pub(super) fn dropout(node: &Node<'_>) -> Built {
    let x = node.tensor(0)?;
    let ratio = if node.has(1) { node.known_number(1)? as f32 } else { node.float_or("ratio", 0.5)? };
    // What a file says of its own mode is not asked: a graph that is not for training drops nothing.
    let drops = node.graph.is_training();
    let y = if drops && ratio > 0.0 { x.dropout(ratio, seed(node))? } else { x.clone() };
    let mut found = node.gives(y.clone())?;
    if node.wants(1) {
        let ones = node.graph.ones(x.shape())?;
        // The same numbers are drawn for the same seed and position: what is 0 in the tensor itself is kept, too.
        let mask = if drops && ratio > 0.0 { ones.dropout(ratio, seed(node))?.ne(0.0)? } else { ones };
        found.push(Value::Run(mask, ElementType::Bool));
    }
    Ok(found)
}

/// Each node draws numbers of its own.
fn seed(node: &Node<'_>) -> u32 {
    crate::random::Rng::named(0, node.label).next_u64() as u32
}
