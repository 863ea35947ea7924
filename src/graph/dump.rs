//! The graph as text and as a DOT drawing.

use super::{Graph, Node, ValueId};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

fn list(ids: &[ValueId]) -> String {
    ids.iter().map(|i| format!("%{i}")).collect::<Vec<_>>().join(", ")
}

fn quoted(node: &Node) -> String {
    if node.label.is_empty() { String::new() } else { format!("  # {}", node.label) }
}

/// The step of a node that [`Graph::stepped`] labelled.
fn step(label: &str) -> Option<usize> {
    label.rsplit_once("t=").and_then(|(_, step)| step.parse().ok())
}

impl fmt::Display for Graph {
    /// One line a node: `%3 = conv2d(%0, %1, %2) stride 1x1 ...: f32 (64, 32, 28, 28)  # features.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|data| {
            for node in &data.nodes {
                let types: Vec<_> = node.outputs.iter().map(|&v| data.ty(v).to_string()).collect();
                let attributes = node.op.attributes();
                let space = if attributes.is_empty() { "" } else { " " };
                writeln!(
                    f,
                    "{} = {}({}){space}{attributes}: {}{}",
                    list(&node.outputs),
                    node.op.name(),
                    list(&node.inputs),
                    types.join(", "),
                    quoted(node)
                )?;
            }
            for (state, new) in &data.updates {
                writeln!(f, "%{state} <- %{new}  # {}", data.producer(*state).label)?;
            }
            Ok(())
        })
    }
}

impl Graph {
    /// The graph in Graphviz' DOT language. The steps of an unrolled cell are boxes side by side.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph wgrad {\n  node [shape=box, fontname=\"sans-serif\"];\n");
        // Writing to a String cannot fail.
        let _ = self.with(|data| -> fmt::Result {
            let mut steps: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (id, node) in data.nodes.iter().enumerate() {
                if let Some(step) = step(&node.label) {
                    steps.entry(step).or_default().push(id);
                }
                let ty = node.outputs.first().map_or(String::new(), |&v| data.ty(v).to_string());
                let text = format!("{}\\n{}\\n{ty}", node.op.name(), node.label.replace('"', "'"));
                writeln!(dot, "  n{id} [label=\"{text}\"];")?;
                for &input in &node.inputs {
                    writeln!(dot, "  n{} -> n{id};", data.values[input].node)?;
                }
            }
            for (step, nodes) in steps {
                writeln!(dot, "  subgraph cluster_{step} {{\n    label=\"t = {step}\";")?;
                let nodes: Vec<_> = nodes.iter().map(|id| format!("n{id};")).collect();
                writeln!(dot, "    {}\n  }}", nodes.join(" "))?;
            }
            for &(state, new) in &data.updates {
                let (from, to) = (data.values[new].node, data.values[state].node);
                writeln!(dot, "  n{from} -> n{to} [style=dashed, constraint=false];")?;
            }
            Ok(())
        });
        dot.push_str("}\n");
        dot
    }
}
