//! Operators that make values, and that say what a value is: constants, shapes, casts.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::onnx::array::Array;
use crate::onnx::element::ElementType;
use crate::shape::Shape;

/// Elements up to which something is made here.
const MOST: usize = 1 << 22;

type Built = Result<Vec<Value>>;

pub(super) fn shape(node: &Node<'_>) -> Built {
    let shape = node.shape(0)?;
    let rank = shape.len() as i64;
    let at = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (at(node.int_or("start", 0)?), at(node.int_or("end", rank)?));
    let kept = shape.get(start..end).unwrap_or_default();
    node.gives_known(Array::vector(kept.iter().map(|&d| d as i64).collect()))
}

pub(super) fn size(node: &Node<'_>) -> Built {
    let count: usize = node.shape(0)?.iter().product();
    node.gives_known(Array::of_ints(ElementType::Int64, vec![], vec![count as i64]))
}

pub(super) fn identity(node: &Node<'_>) -> Built {
    Ok(vec![node.value(0)?.clone()])
}

pub(super) fn constant(node: &Node<'_>) -> Built {
    let number = |element, v: f32| Array::of_floats(element, vec![], vec![v]).map_err(node.refuse());
    let array = if let Some(mut array) = node.tensor_attribute("value")? {
        let name = node.proto.output.first().cloned().unwrap_or_default();
        let trains = node.importer.constants_train && array.element.is_float() && array.len() > 1;
        array.parameter = trains.then(|| name.as_str().into());
        array
    } else if let Some(v) = node.float("value_float")? {
        number(ElementType::Float, v)?
    } else if let Some(v) = node.int("value_int")? {
        Array::of_ints(ElementType::Int64, vec![], vec![v])
    } else if let Some(v) = node.ints("value_ints")? {
        Array::vector(v)
    } else if let Some(v) = node.floats("value_floats")? {
        Array::of_floats(ElementType::Float, vec![v.len()], v).map_err(node.refuse())?
    } else if let Some(array) = node.sparse_attribute("sparse_value")? {
        array
    } else {
        return Err(node.fail("a value of numbers", "none or texts"));
    };
    node.gives_known(array)
}

pub(super) fn constant_of_shape(node: &Node<'_>) -> Built {
    let sizes = node.sizes("sizes", &node.known_ints(0)?)?;
    let one = || Array::of_floats(ElementType::Float, vec![1], vec![0.0]).map_err(node.refuse());
    let value = node.tensor_attribute("value")?.map_or_else(one, Ok)?;
    node.check(value.len() == 1, "one value", format!("{} values", value.len()))?;
    filled(node, &value, sizes)
}

/// A tensor of one number.
fn filled(node: &Node<'_>, value: &Array, sizes: Vec<usize>) -> Built {
    let count = sizes.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    if count <= MOST {
        let taken = value.taken(sizes, &vec![0; count]);
        return node.gives_known(taken.ok_or_else(|| node.fail("one value", "none"))?);
    }
    let number = value.numbers().first().copied().unwrap_or(0.0) as f32;
    node.gives_as(node.graph.full(sizes, number)?, value.element)
}

/// The type that Cast and CastLike give.
pub(super) fn cast_target(node: &Node<'_>) -> Result<ElementType> {
    if node.op() == "CastLike" {
        return node.element(1);
    }
    // Of the first versions it is text.
    let code = match node.opset() {
        ..6 => {
            let name = node.text("to", "FLOAT")?.to_lowercase();
            (1..17).find(|&code| ElementType::of(code).to_string() == name).unwrap_or(0)
        }
        _ => node.int_or("to", 1)? as i32,
    };
    let to = ElementType::of(code);
    node.check(to.is_numeric(), "a cast to numbers or truth values", to.to_string())?;
    Ok(to)
}

pub(super) fn cast(node: &Node<'_>) -> Built {
    let (from, to) = (node.element(0)?, cast_target(node)?);
    // A trainable one stays what it is.
    if let (Value::Known(array), true) = (node.value(0)?, from.is_float() && to.is_float()) {
        return node.gives_known(Array { element: to, ..array.clone() });
    }
    let x = node.tensor(0)?;
    let y = match (from, to) {
        (_, ElementType::Bool) if from != ElementType::Bool => x.ne(0.0)?,
        (from, to) if from.is_float() && to.is_integer() => x.trunc()?,
        _ => x,
    };
    node.gives_as(y, to)
}

pub(super) fn range(node: &Node<'_>) -> Built {
    let element = node.element(0)?;
    let (start, limit, step) = (node.known_number(0)?, node.known_number(1)?, node.known_number(2)?);
    let count = ((limit - start) / step).ceil();
    let most = MOST as f64;
    node.check(
        step != 0.0 && count <= most,
        format!("at most {MOST} numbers"),
        format!("{start} to {limit} by {step}"),
    )?;
    let values = (0..count.max(0.0) as usize).map(|i| start + i as f64 * step);
    let array = match element.is_integer() {
        true => {
            let values: Vec<i64> = values.map(|v| v as i64).collect();
            Array::of_ints(element, vec![values.len()], values)
        }
        false => {
            let values: Vec<f32> = values.map(|v| v as f32).collect();
            Array::of_floats(element, vec![values.len()], values).map_err(node.refuse())?
        }
    };
    node.gives_known(array)
}

pub(super) fn eye_like(node: &Node<'_>) -> Built {
    let [rows, columns] = node.shape(0)?[..] else {
        return Err(node.fail("a matrix", format!("{:?}", node.shape(0)?)));
    };
    let element = node.int("dtype")?.map_or(node.element(0)?, |code| ElementType::of(code as i32));
    let k = node.int_or("k", 0)?;
    node.check(rows.saturating_mul(columns) <= MOST, "a smaller matrix", format!("{rows}x{columns}"))?;
    let at = |i: usize| if (i % columns) as i64 - (i / columns) as i64 == k { 1.0 } else { 0.0 };
    let values: Vec<f64> = (0..rows * columns).map(at).collect();
    let shape = vec![rows, columns];
    node.gives_known(match element.range() {
        Some(_) => Array::of_ints(element, shape, values.iter().map(|&v| v as i64).collect()),
        None => Array::of_floats(element, shape, values.iter().map(|&v| v as f32).collect())
            .map_err(node.refuse())?,
    })
}

/// The positions of the elements that are not 0, of what is known.
pub(super) fn non_zero(node: &Node<'_>) -> Built {
    let array = node.known(0)?;
    let shape = if array.shape().is_empty() { vec![1] } else { array.shape().to_vec() };
    let found: Vec<usize> =
        array.numbers().iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i).collect();
    let strides = Shape::from(shape.clone()).strides();
    let along = |d: usize| found.iter().map(|&at| (at / strides[d] % shape[d]) as i64).collect::<Vec<_>>();
    let values: Vec<i64> = (0..shape.len()).flat_map(along).collect();
    node.gives_known(Array::of_ints(ElementType::Int64, vec![shape.len(), found.len()], values))
}
