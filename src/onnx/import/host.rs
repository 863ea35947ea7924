//! Whole numbers, exactly: what shapes are computed by, in 64 bits, where `f32` would not do. Tensors may be empty here.

use super::Value;
use super::node::Node;
use super::{constants, operators, shapes};
use crate::error::Result;
use crate::onnx::array::{Array, Data};
use crate::onnx::element::ElementType;
use crate::shape::Shape;

/// Elements up to which something is computed here.
const MOST: usize = 1 << 22;

impl Array {
    /// The elements at these positions, in this shape.
    pub(super) fn taken(&self, shape: Vec<usize>, positions: &[usize]) -> Option<Self> {
        let (element, parameter) = (self.element, None);
        let data = match &self.data {
            Data::Ints(values) => {
                let taken =
                    positions.iter().map(|&at| values.get(at).copied()).collect::<Option<Vec<_>>>()?;
                Data::Ints(taken.into())
            }
            Data::Floats(values) => {
                let values = values.as_f32().ok()?;
                let taken =
                    positions.iter().map(|&at| values.get(at).copied()).collect::<Option<Vec<_>>>()?;
                return Self::of_floats(element, shape, taken).ok();
            }
        };
        Some(Self { element, shape, data, parameter })
    }
}

/// The value of a node whose inputs are all known, where this knows its operator.
pub(super) fn evaluate(node: &Node<'_>) -> Result<Option<Vec<Value>>> {
    let arrays: Vec<Option<&Array>> = node
        .inputs
        .iter()
        .map(|value| if let Some(Value::Known(array)) = value { Some(array) } else { None })
        .collect();
    let Some(Some(first)) = arrays.first().copied() else { return Ok(None) };
    let one = |array: Array| Ok(Some(vec![Value::Known(array)]));
    if let Some((shape, positions)) = shapes::movement(node, first)? {
        return first.taken(shape, &positions).map_or(Ok(None), one);
    }
    match node.op() {
        "Concat" => concat(node, &arrays)?.map_or(Ok(None), one),
        "Cast" => cast(node, first)?.map_or(Ok(None), one),
        "Where" => choose(&arrays).map_or(Ok(None), one),
        _ if first.is_empty() => empty(node, first),
        op => {
            let found = match arrays[..] {
                [Some(a)] => unary(op, a),
                [Some(a), Some(b)] => binary(op, a, b),
                // More than two are left to the graph.
                _ => None,
            };
            found.map_or(Ok(None), one)
        }
    }
}

/// Of a tensor without elements: what a reduction begins with, or nothing again.
fn empty(node: &Node<'_>, first: &Array) -> Result<Option<Vec<Value>>> {
    let rank = first.shape.len();
    // A function of each element has nothing to do; the shapes of others change.
    let each = operators::find(node.op()).is_some_and(|operator| operator.group == "elementwise::unary");
    let begins = match node.op() {
        "ReduceSum" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => 0.0,
        "ReduceProd" => 1.0,
        "ReduceMax" | "ReduceLogSum" | "ReduceLogSumExp" => f32::NEG_INFINITY,
        "ReduceMin" => f32::INFINITY,
        "ReduceMean" => f32::NAN,
        _ if each || node.op() == "Trilu" => return Ok(Some(vec![Value::Known(first.clone())])),
        _ => return Ok(None),
    };
    let axes = node.axes(1)?.filter(|axes| !axes.is_empty());
    let dims = axes.map_or_else(|| Ok((0..rank).collect()), |axes| node.axes_of(&axes, rank))?;
    let keep = node.flag("keepdims", true)?;
    let size = |d: usize| if dims.contains(&d) { keep.then_some(1) } else { Some(first.shape[d]) };
    let shape: Vec<usize> = (0..rank).filter_map(size).collect();
    let count = shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    if count > MOST || !first.element.is_float() {
        return Ok(None);
    }
    let found = Array::of_floats(first.element, shape, vec![begins; count]).map_err(node.refuse())?;
    Ok(Some(vec![Value::Known(found)]))
}

fn unary(op: &str, a: &Array) -> Option<Array> {
    let values = a.as_ints()?;
    let map = |f: fn(i64) -> i64| {
        Some(Array::of_ints(a.element, a.shape.clone(), values.iter().map(|&v| f(v)).collect()))
    };
    match op {
        "Neg" => map(i64::wrapping_neg),
        "Abs" => map(i64::wrapping_abs),
        "Sign" => map(i64::signum),
        "Not" => map(|v| i64::from(v == 0)),
        "Max" | "Min" | "Sum" | "Identity" => Some(a.clone()),
        // The others are left to the graph.
        _ => None,
    }
}

/// A function of two whole numbers; `None` where there is no result.
type Binary = fn(i64, i64) -> Option<i64>;

fn arithmetic(op: &str) -> Option<Binary> {
    Some(match op {
        "Add" | "Sum" => |a, b| Some(a.wrapping_add(b)),
        "Sub" => |a, b| Some(a.wrapping_sub(b)),
        "Mul" => |a, b| Some(a.wrapping_mul(b)),
        "Div" => i64::checked_div,
        "Min" => |a, b| Some(a.min(b)),
        "Max" => |a, b| Some(a.max(b)),
        "Pow" => |a, b| u32::try_from(b).ok().map(|b| a.wrapping_pow(b)),
        // The others are no such functions.
        _ => return None,
    })
}

fn comparison(op: &str) -> Option<fn(i64, i64) -> bool> {
    Some(match op {
        "Equal" => |a, b| a == b,
        "Less" => |a, b| a < b,
        "LessOrEqual" => |a, b| a <= b,
        "Greater" => |a, b| a > b,
        "GreaterOrEqual" => |a, b| a >= b,
        "And" => |a, b| a != 0 && b != 0,
        "Or" => |a, b| a != 0 || b != 0,
        "Xor" => |a, b| (a != 0) != (b != 0),
        // The others are no comparisons.
        _ => return None,
    })
}

/// The positions in each of some shapes of what they broadcast to.
fn broadcast(shapes: &[&[usize]]) -> Option<(Shape, Vec<Vec<usize>>)> {
    let whole =
        shapes.iter().try_fold(Shape::default(), |all, &one| all.broadcast(&Shape::from(one))).ok()?;
    if whole.elements() > MOST {
        return None;
    }
    let positions = shapes.iter().map(|&shape| shapes::read_as(&Shape::from(shape), &whole)).collect();
    Some((whole, positions))
}

fn binary(op: &str, a: &Array, b: &Array) -> Option<Array> {
    let (x, y) = (a.as_ints()?, b.as_ints()?);
    if a.element == ElementType::Uint64 || b.element == ElementType::Uint64 {
        return None;
    }
    let (shape, positions) = broadcast(&[&a.shape, &b.shape])?;
    let pairs = positions[0].iter().zip(&positions[1]).map(|(&i, &j)| (x[i], y[j]));
    if let Some(compare) = comparison(op) {
        let values = pairs.map(|(a, b)| compare(a, b).into()).collect();
        return Some(Array::of_ints(ElementType::Bool, shape.to_vec(), values));
    }
    let function = arithmetic(op)?;
    let values = pairs.map(|(a, b)| function(a, b)).collect::<Option<Vec<_>>>()?;
    Some(Array::of_ints(a.element, shape.to_vec(), values))
}

fn choose(arrays: &[Option<&Array>]) -> Option<Array> {
    let &[Some(condition), Some(a), Some(b)] = arrays else { return None };
    let (of, x, y) = (condition.as_ints()?, a.as_ints()?, b.as_ints()?);
    let (shape, positions) = broadcast(&[&condition.shape, &a.shape, &b.shape])?;
    let value = |at: usize| if of[positions[0][at]] != 0 { x[positions[1][at]] } else { y[positions[2][at]] };
    Some(Array::of_ints(a.element, shape.to_vec(), (0..shape.elements()).map(value).collect()))
}

fn concat(node: &Node<'_>, arrays: &[Option<&Array>]) -> Result<Option<Array>> {
    let Some(arrays) = arrays.iter().copied().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let Some(ints) = arrays.iter().map(|array| array.as_ints()).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let Some(first) = arrays.first() else { return Ok(None) };
    let axis = node.axis(1, first.shape.len())?;
    let alike = |array: &&Array| {
        let rest = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
        array.shape.len() == first.shape.len() && rest(&array.shape) == rest(&first.shape)
    };
    if !arrays.iter().all(alike) {
        let shapes: Vec<_> = arrays.iter().map(|array| &array.shape).collect();
        return Err(node.fail("tensors that are alike but along the axis", format!("{shapes:?}")));
    }
    let mut shape = first.shape.clone();
    shape[axis] = arrays.iter().map(|array| array.shape[axis]).sum();
    let outer: usize = shape[..axis].iter().product();
    let mut values = Vec::new();
    for row in 0..outer {
        for (array, ints) in arrays.iter().zip(&ints) {
            let length: usize = array.shape[axis..].iter().product();
            values.extend_from_slice(&ints[row * length..(row + 1) * length]);
        }
    }
    Ok(Some(Array::of_ints(first.element, shape, values)))
}

/// To whole numbers and truth values, and between types of floats.
fn cast(node: &Node<'_>, a: &Array) -> Result<Option<Array>> {
    let to = constants::cast_target(node)?;
    let Some((least, most)) = to.range() else {
        let Data::Floats(values) = &a.data else { return Ok(None) };
        let kept = to == ElementType::Float || to == ElementType::Double;
        let same = || Array {
            element: to,
            shape: a.shape.clone(),
            data: Data::Floats(values.clone()),
            parameter: None,
        };
        return Ok(kept.then(same));
    };
    let width = most - least + 1;
    let wrapped = |v: i128| {
        if to == ElementType::Bool { (v != 0).into() } else { ((v - least).rem_euclid(width) + least) as i64 }
    };
    let values = match &a.data {
        Data::Ints(values) => values.iter().map(|&v| wrapped(v.into())).collect(),
        Data::Floats(values) => {
            let whole = |v: &f32| if to == ElementType::Bool { i64::from(*v != 0.0) } else { *v as i64 };
            values.as_f32()?.iter().map(whole).collect()
        }
    };
    Ok(Some(Array::of_ints(to, a.shape.clone(), values)))
}
