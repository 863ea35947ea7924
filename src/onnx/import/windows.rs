//! The windows of Fourier transforms.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::onnx::array::Array;
use crate::onnx::element::ElementType;

pub(super) fn window(node: &Node<'_>) -> Result<Vec<Value>> {
    /// More than any signal needs.
    const MOST: usize = 1 << 22;
    let size = node.size("size", node.known_number(0)? as i64)?;
    node.check((1..=MOST).contains(&size), format!("a size of 1 to {MOST}"), size.to_string())?;
    let element = ElementType::of(node.int_or("output_datatype", 1)? as i32);
    let whole = if node.flag("periodic", true)? { size } else { size - 1 } as f64;
    let terms: &[f64] = match node.op() {
        "HannWindow" => &[0.5, -0.5],
        "HammingWindow" => &[25.0 / 46.0, -21.0 / 46.0],
        // BlackmanWindow.
        _ => &[0.42, -0.5, 0.08],
    };
    let value = |i: usize| {
        let angle = std::f64::consts::TAU * i as f64 / whole.max(1.0);
        terms.iter().enumerate().map(|(k, term)| term * (angle * k as f64).cos()).sum::<f64>() as f32
    };
    let array = Array::of_floats(element, vec![size], (0..size).map(value).collect());
    node.gives_known(array.map_err(node.refuse())?)
}
