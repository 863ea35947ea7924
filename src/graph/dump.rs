//! The graph as text and as a DOT drawing.

use super::{Graph, Node, ValueId};
use std::fmt::{self, Write};

fn list(ids: &[ValueId]) -> String {
    ids.iter().map(|i| format!("%{i}")).collect::<Vec<_>>().join(", ")
}

fn quoted(node: &Node) -> String {
    if node.label.is_empty() { String::new() } else { format!("  # {}", node.label) }
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
    /// The graph in Graphviz' DOT language.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph wgrad {\n  node [shape=box, fontname=\"sans-serif\"];\n");
        // Writing to a String cannot fail.
        let _ = self.with(|data| -> fmt::Result {
            for (id, node) in data.nodes.iter().enumerate() {
                let ty = node.outputs.first().map_or(String::new(), |&v| data.ty(v).to_string());
                let text = format!("{}\\n{}\\n{ty}", node.op.name(), node.label.replace('"', "'"));
                writeln!(dot, "  n{id} [label=\"{text}\"];")?;
                for &input in &node.inputs {
                    writeln!(dot, "  n{} -> n{id};", data.values[input].node)?;
                }
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
