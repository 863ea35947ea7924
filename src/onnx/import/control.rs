//! Functions, and branches and loops whose course is known.

use super::node::Node;
use super::{Importer, Scope, Setting, Value};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::onnx::array::Array;
use crate::onnx::element::ElementType;
use crate::onnx::model;
use crate::onnx::proto::{AttributeProto, FunctionProto, NodeProto};

/// Iterations of a loop that are built one after the other.
const MOST_ITERATIONS: i64 = 1 << 16;

/// The nodes of a function instead of one that calls it.
pub(super) fn function(
    importer: &Importer<'_>,
    function: &FunctionProto,
    call: &NodeProto,
    scope: &Scope,
    setting: Setting<'_>,
) -> Result<Vec<Value>> {
    let refused =
        |expected: &str, got: String| Error::op("", &model::label(call), Mismatch::new(expected, got));
    let mut inner = Scope::new();
    for (name, given) in function.input.iter().zip(&call.input) {
        if let Some(value) = scope.get(given) {
            inner.insert(name.clone(), value.clone());
        }
    }
    // What the call says, referring to the attributes of a function around it, and what the function says for the rest.
    let said = call.attribute.iter().map(|attribute| {
        let outer = setting
            .attributes
            .iter()
            .find(|outer| !attribute.ref_attr_name().is_empty() && outer.name() == attribute.ref_attr_name());
        let named = |outer: &AttributeProto| AttributeProto { name: attribute.name.clone(), ..outer.clone() };
        outer.map_or_else(|| attribute.clone(), named)
    });
    let mut attributes: Vec<AttributeProto> = said.collect();
    let missing =
        |usual: &&AttributeProto| call.attribute.iter().all(|attribute| attribute.name() != usual.name());
    attributes.extend(function.attribute_proto.iter().filter(missing).cloned());
    let standard =
        function.opset_import.iter().find(|set| model::is_standard(set.domain.as_deref().unwrap_or("")));
    let opset = standard.and_then(|set| set.version).unwrap_or(setting.opset);
    let graph = crate::onnx::proto::GraphProto { node: function.node.clone(), ..Default::default() };
    let order = {
        let outer =
            inner.keys().map(String::as_str).chain(function.input.iter().map(String::as_str)).collect();
        model::order(&graph, &outer).map_err(|Mismatch { expected, got }| refused(&expected, got))?
    };
    // Inputs that the call leaves out are no inputs of the nodes either.
    let mut nodes = graph.node;
    let absent: Vec<&String> = function.input.iter().filter(|name| !inner.contains_key(*name)).collect();
    for node in &mut nodes {
        node.input.iter_mut().filter(|name| absent.contains(&&**name)).for_each(String::clear);
    }
    importer.nodes(&nodes, &order, &mut inner, Setting { opset, attributes: &attributes })?;
    let output = |name: &String| {
        inner.get(name).cloned().ok_or_else(|| refused("outputs that nodes compute", name.clone()))
    };
    function.output.iter().take(call.output.len()).map(output).collect()
}

/// If, where the condition is known.
pub(super) fn branch(node: &Node<'_>) -> Result<Vec<Value>> {
    let condition = node.known_number(0)? != 0.0;
    let graph = node.graph_attribute(if condition { "then_branch" } else { "else_branch" })?;
    node.importer.inner(graph, &mut node.scope.clone(), node.setting)
}

/// Loop, where the number of iterations is known.
pub(super) fn repeat(node: &Node<'_>) -> Result<Vec<Value>> {
    let body = node.graph_attribute("body")?;
    let most = if node.has(0) { node.known_number(0)? as i64 } else { i64::MAX };
    let mut goes_on = if node.has(1) { node.known_number(1)? != 0.0 } else { true };
    let mut carried =
        (2..node.inputs.len()).map(|input| node.value(input).cloned()).collect::<Result<Vec<_>>>()?;
    let count = carried.len();
    let fits = body.input.len() == count + 2 && body.output.len() > count;
    node.check(
        fits,
        format!("a body of {} inputs", count + 2),
        format!("{} inputs, {} outputs", body.input.len(), body.output.len()),
    )?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new(); body.output.len() - 1 - count];
    let mut iteration = 0;
    while goes_on && iteration < most {
        node.check(iteration < MOST_ITERATIONS, format!("at most {MOST_ITERATIONS} iterations"), "more")?;
        let mut scope = node.scope.clone();
        let number = Array::of_ints(ElementType::Int64, vec![], vec![iteration]);
        let on = Array::of_ints(ElementType::Bool, vec![], vec![1]);
        let given = [Value::Known(number), Value::Known(on)].into_iter().chain(carried);
        scope.extend(body.input.iter().map(|input| input.name().to_owned()).zip(given));
        let mut found = node.importer.inner(body, &mut scope, node.setting)?.into_iter();
        goes_on = match found.next() {
            Some(Value::Known(array)) => array.numbers().first().is_some_and(|&v| v != 0.0),
            _ => {
                return Err(node.fail(
                    "a condition that is known when the model is read",
                    "one that depends on what a run is given",
                ));
            }
        };
        carried = found.by_ref().take(count).collect();
        found.zip(&mut rows).for_each(|(row, rows)| rows.push(row));
        iteration += 1;
    }
    let stacked = rows.iter().map(|rows| stacked(node, rows));
    carried.into_iter().map(Ok).chain(stacked).collect()
}

/// Values of the iterations, one after the other along a new first dimension.
fn stacked(node: &Node<'_>, rows: &[Value]) -> Result<Value> {
    let known = rows.iter().map(|row| if let Value::Known(array) = row { Some(array) } else { None });
    if let Some(arrays) = known.collect::<Option<Vec<_>>>() {
        let ints = arrays.iter().map(|array| array.as_ints()).collect::<Option<Vec<_>>>();
        if let (Some(ints), Some(first)) = (ints, arrays.first()) {
            let shape = [&[arrays.len()], first.shape()].concat();
            return Ok(Value::Known(Array::of_ints(first.element, shape, ints.concat())));
        }
    }
    let Some(first) = rows.first() else {
        return Err(node.fail("at least one iteration of a loop that collects", "none"));
    };
    let tensors = rows.iter().map(|row| node.as_tensor(row)).collect::<Result<Vec<_>>>()?;
    Ok(Value::Run(Tensor::stack(&tensors, 0)?, first.element()))
}
