//! Layout: images with their channels last where that moves less memory.
//!
//! A convolution of single pixels is a matrix product of pixels by channels, and so are its gradients; with the channels
//! first their kernels must bring the channels together before they multiply. Element-wise functions take any order.
//! So values are grouped into regions: those that such ops join must all lie alike. A region gets its channels last
//! where all transpositions at its border move fewer bytes than its kernels would otherwise rearrange.

use super::fuse::readers;
use crate::dtype::DType;
use crate::graph::{GraphData, Node, Value, ValueId};
use crate::kernels::{Limits, rearranged, takes_epilogue};
use crate::ops::{
    self, Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, MatMul, Op, Part, Permute, Reshape,
};
use crate::shape::{Pair, Shape};
use crate::tensor::TensorType;

/// What an op is with its channels last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A matrix product of pixels by channels, with the operands that are transposed, and which of its operands are
    /// images.
    Product(MatMul, &'static [usize]),
    /// The same op, on matrices.
    Alike,
    /// The sum of a bias' gradient, which takes either.
    Sum,
    /// Nothing but what it is.
    Fixed,
}

fn of_pixels(options: &Conv2d, weight: &Shape) -> bool {
    let one = Pair::from(1);
    let unpadded = options.padding == Default::default();
    options.stride == one && unpadded && options.groups == 1 && weight[2..].iter().all(|&size| size == 1)
}

fn role(graph: &GraphData, node: &Node) -> Role {
    let shape = |position: usize| &graph.ty(node.inputs[position]).shape;
    let product = |trans_a, trans_b, images| Role::Product(MatMul { trans_a, trans_b }, images);
    match &node.op {
        Op::Conv2d(options) if of_pixels(options, shape(1)) => product(false, true, &[0]),
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options, .. }) if of_pixels(options, shape(1)) => {
            product(false, false, &[0])
        }
        Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, weight }) if of_pixels(options, weight) => {
            product(true, false, &[0, 1])
        }
        Op::Elementwise(_) => {
            let output = graph.ty(node.outputs[0]);
            let same = node.inputs.iter().all(|&value| graph.ty(value) == output);
            if same && output.shape.len() == 4 { Role::Alike } else { Role::Fixed }
        }
        Op::Sum(ops::Sum { dims }) if dims[..] == [0, 2, 3] && shape(0).len() == 4 => Role::Sum,
        // Right for every op: it is given what it reads with the channels first.
        _ => Role::Fixed,
    }
}

/// Whether an op is a function of several tensors that it treats alike.
fn of_several(op: &Op) -> bool {
    matches!(op, Op::Elementwise(f) if f.part() == Part::Value && f.operands() > 1)
}

/// The role of each node.
fn roles(graph: &GraphData, outputs: &[ValueId], needed: &[bool]) -> Vec<Role> {
    let mut roles: Vec<Role> = graph.nodes.iter().map(|node| role(graph, node)).collect();
    let readers = readers(graph, outputs, needed);
    // A function that could run in the kernel of a fixed node stays there, if it needs nothing else or what lies with
    // its channels first anyhow.
    let mut first = read_with_channels_first(graph, outputs, &roles, needed);
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        let alike = roles[id] == Role::Alike && !of_several(&node.op);
        let source = graph.values[node.inputs.first().copied().unwrap_or(0)].node;
        let fused = alike
            && roles[source] == Role::Fixed
            && readers[node.inputs[0]] == 1
            && takes_epilogue(&graph.nodes[source].op);
        if fused && node.inputs[1..].iter().all(|&value| first[value]) {
            roles[id] = Role::Fixed;
            first[node.inputs[0]] = true;
        }
    }
    roles
}

/// The images that must lie alike if this node is to take them with their channels last.
fn images(node: &Node, role: Role) -> Vec<ValueId> {
    match role {
        Role::Product(_, positions) => {
            let weight = matches!(node.op, Op::Conv2dBackwardWeight(_));
            let output = node.outputs.iter().copied().filter(|_| !weight);
            positions.iter().map(|&position| node.inputs[position]).chain(output).collect()
        }
        Role::Alike => node.inputs.iter().chain(&node.outputs).copied().collect(),
        Role::Sum | Role::Fixed => Vec::new(),
    }
}

/// The region of each value: the smallest value of it.
fn regions(graph: &GraphData, roles: &[Role]) -> Vec<ValueId> {
    let mut parent: Vec<ValueId> = (0..graph.values.len()).collect();
    fn root(parent: &mut [ValueId], mut value: ValueId) -> ValueId {
        while parent[value] != value {
            parent[value] = parent[parent[value]];
            value = parent[value];
        }
        value
    }
    for (node, &role) in graph.nodes.iter().zip(roles) {
        for pair in images(node, role).windows(2) {
            let (a, b) = (root(&mut parent, pair[0]), root(&mut parent, pair[1]));
            parent[a.max(b)] = a.min(b);
        }
    }
    (0..parent.len()).map(|value| root(&mut parent, value)).collect()
}

/// More bytes than all tensors have, and few enough to be added up.
const TOO_MUCH: i64 = 1 << 48;

/// Gives regions their channels last where it pays. Bytes are what counts; that they cost alike on either side was
/// measured on CPU adapters with subgroup shuffles alone, and elsewhere nothing is changed.
pub(super) fn lay_out(graph: GraphData, outputs: &[ValueId], limits: &Limits) -> GraphData {
    let needed = graph.reachable(outputs);
    let roles = roles(&graph, outputs, &needed);
    let measured =
        limits.software && limits.wide_loads && limits.subgroup_size == Some(8) && limits.variant.is_none();
    if !measured || !roles.iter().any(|role| matches!(role, Role::Product(..))) {
        return graph;
    }
    let region = regions(&graph, &roles);
    let is_read = read_with_channels_first(&graph, outputs, &roles, &needed);
    // Bytes that each region moves more with its channels last than first.
    let mut more = vec![0i64; graph.values.len()];
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        let images = images(node, roles[id]);
        if let (Role::Product(..), Some(&image)) = (roles[id], images.first()) {
            let types = |values: &[ValueId]| values.iter().map(|&v| graph.ty(v)).collect::<Vec<_>>();
            let bytes = rearranged(&node.op, &types(&node.inputs), &types(&node.outputs), limits);
            more[region[image]] -= bytes as i64;
        }
        for &value in &node.outputs {
            let made = !images.contains(&value);
            let (bytes, crossings) = (graph.ty(value).bytes(), i64::from(made) + i64::from(is_read[value]));
            // Products are not split as convolutions are where a binding is too small.
            let fits = bytes <= limits.max_binding_bytes;
            more[region[value]] += if fits { crossings * bytes as i64 } else { TOO_MUCH };
        }
    }
    let last: Vec<bool> = region.iter().map(|&region| more[region] < 0).collect();
    if last.contains(&true) { Rewriter::new(graph, last, is_read).run(&roles, &needed) } else { graph }
}

/// Whether each value is read where only channels first are known, or asked for.
fn read_with_channels_first(
    graph: &GraphData,
    outputs: &[ValueId],
    roles: &[Role],
    needed: &[bool],
) -> Vec<bool> {
    let mut read = vec![false; graph.values.len()];
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        // By their positions: one value may be an image and a weight.
        let is_image = |position: &usize| match roles[id] {
            Role::Product(_, images) => images.contains(position),
            Role::Alike | Role::Sum => true,
            Role::Fixed => false,
        };
        let others = (0..node.inputs.len()).filter(|position| !is_image(position));
        others.for_each(|position| read[node.inputs[position]] = true);
    }
    let updates = graph.updates.iter().flat_map(|&(state, new)| [state, new]);
    outputs.iter().copied().chain(updates).for_each(|value| read[value] = true);
    read
}

/// Builds the graph anew; values keep their numbers, matrices get new ones.
struct Rewriter {
    old: GraphData,
    /// Which values have their channels last.
    last: Vec<bool>,
    is_read: Vec<bool>,
    /// The matrix of each of them.
    matrix: Vec<Option<ValueId>>,
    new: GraphData,
}

impl Rewriter {
    fn new(old: GraphData, last: Vec<bool>, is_read: Vec<bool>) -> Self {
        let new = GraphData { nodes: Vec::new(), values: old.values.clone(), updates: old.updates.clone() };
        let matrix = vec![None; old.values.len()];
        Self { old, last, is_read, matrix, new }
    }

    /// The graph without what is not needed.
    fn run(mut self, roles: &[Role], needed: &[bool]) -> GraphData {
        for id in (0..self.old.nodes.len()).filter(|&id| needed[id]) {
            let (node, role) = (self.old.nodes[id].clone(), roles[id]);
            let images = images(&node, role);
            let changes = images.first().is_some_and(|&image| self.last[image]);
            match role {
                Role::Product(options, _) if changes => self.product(&node, options),
                Role::Alike if changes => self.alike(&node),
                Role::Sum if self.last[node.inputs[0]] => {
                    let inputs = vec![self.matrix_of(node.inputs[0])];
                    self.push(Node { op: Op::Sum(ops::Sum { dims: vec![0] }), inputs, ..node });
                }
                _ => self.fixed(node),
            }
        }
        self.new
    }

    fn push(&mut self, node: Node) {
        let id = self.new.nodes.len();
        node.outputs.iter().for_each(|&value| self.new.values[value].node = id);
        self.new.nodes.push(node);
    }

    /// A new value that one more node computes.
    fn then(&mut self, op: Op, inputs: Vec<ValueId>, shape: Shape, label: &str) -> ValueId {
        let value = self.new.values.len();
        let dtype = inputs.first().map_or(DType::F32, |&input| self.new.values[input].ty.dtype);
        self.new.values.push(Value { node: 0, ty: TensorType { shape, dtype } });
        self.push(Node { op, inputs, outputs: vec![value], label: label.to_owned() });
        value
    }

    /// Sizes of an image: batch, channels, height, width.
    fn sizes(&self, value: ValueId) -> [usize; 4] {
        let shape = &self.old.ty(value).shape;
        [0, 1, 2, 3].map(|d| shape[d])
    }

    fn matrix_of(&self, value: ValueId) -> ValueId {
        self.matrix[value].unwrap_or(value)
    }

    fn fixed(&mut self, node: Node) {
        let label = node.label.clone();
        let transposed: Vec<ValueId> =
            node.outputs.iter().copied().filter(|&value| self.last[value]).collect();
        self.push(node);
        for value in transposed {
            let [n, c, h, w] = self.sizes(value);
            let op = Op::Permute(Permute { dims: vec![0, 2, 3, 1] });
            let transposed = self.then(op, vec![value], [n, h, w, c].into(), &label);
            self.matrix[value] = Some(self.reshaped(transposed, [n * h * w, c].into(), &label));
        }
    }

    fn reshaped(&mut self, value: ValueId, shape: Shape, label: &str) -> ValueId {
        self.then(Op::Reshape(Reshape { shape: shape.clone() }), vec![value], shape, label)
    }

    /// The matrix of an image is known; the image itself follows where it is read.
    fn image(&mut self, value: ValueId, matrix: ValueId, label: &str) {
        self.matrix[value] = Some(matrix);
        if self.is_read[value] {
            let [n, c, h, w] = self.sizes(value);
            let split = self.reshaped(matrix, [n, h, w, c].into(), label);
            let (op, label) = (Op::Permute(Permute { dims: vec![0, 3, 1, 2] }), label.to_owned());
            self.push(Node { op, inputs: vec![split], outputs: vec![value], label });
        }
    }

    fn alike(&mut self, node: &Node) {
        let inputs = node.inputs.iter().map(|&value| self.matrix_of(value)).collect();
        let [n, c, h, w] = self.sizes(node.outputs[0]);
        let matrix = self.then(node.op.clone(), inputs, [n * h * w, c].into(), &node.label);
        self.image(node.outputs[0], matrix, &node.label);
    }

    fn product(&mut self, node: &Node, options: MatMul) {
        let (op, label, output) = (Op::MatMul(options), &node.label, node.outputs[0]);
        if let Op::Conv2dBackwardWeight(Conv2dBackwardWeight { weight, .. }) = &node.op {
            let inputs = node.inputs.iter().map(|&value| self.matrix_of(value)).collect();
            let flat = self.then(op, inputs, [weight[0], weight[1]].into(), label);
            let (op, label) = (Op::Reshape(Reshape { shape: weight.clone() }), label.clone());
            self.fixed(Node { op, inputs: vec![flat], outputs: vec![output], label });
            return;
        }
        let weight = &self.old.ty(node.inputs[1]).shape;
        let flat = [weight[0], weight[1]].into();
        let weight = self.reshaped(node.inputs[1], flat, label);
        let mut inputs = vec![self.matrix_of(node.inputs[0]), weight];
        inputs.extend(node.inputs.get(2));
        let [n, c, h, w] = self.sizes(output);
        let matrix = self.then(op, inputs, [n * h * w, c].into(), label);
        self.image(output, matrix, label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv2d, MaxPool2d};
    use crate::{Graph, Result, Tensor};

    fn cpu() -> Limits {
        Limits { software: true, wide_loads: true, subgroup_size: Some(8), ..Limits::default() }
    }

    /// The ops after the pass, without leaves and reshapes.
    fn ops(outputs: &[&Tensor], limits: &Limits) -> Vec<&'static str> {
        let ids: Vec<ValueId> = outputs.iter().map(|t| t.id()).collect();
        let after = outputs[0].graph().with(|data| lay_out(data.clone(), &ids, limits));
        let needed = after.reachable(&ids);
        for (id, node) in after.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
            for &value in &node.inputs {
                let made = after.values[value].node;
                assert!(
                    made < id && after.nodes[made].outputs.contains(&value),
                    "{} reads nothing",
                    node.op.name()
                );
            }
            let types: Vec<_> = node.inputs.iter().map(|&v| after.ty(v)).collect();
            let stored: Vec<_> = node.outputs.iter().map(|&v| after.ty(v).clone()).collect();
            assert_eq!(node.op.infer(&types).unwrap(), stored, "{}", node.op.name());
        }
        let names =
            after.nodes.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node.op.name());
        names.filter(|name| !["input", "reshape", "state", "constant"].contains(name)).collect()
    }

    /// A convolution of single pixels to `k` channels.
    fn pixels(x: &Tensor, k: usize, name: &str) -> Result<Tensor> {
        let weight = x.graph().input(name, [k, x.shape()[1], 1, 1])?;
        x.conv2d(&weight, Some(&x.graph().input(&format!("{name}.bias"), [k])?), Conv2d::default())
    }

    fn image() -> Result<Tensor> {
        Graph::new().input("x", [2, 256, 8, 8])
    }

    #[test]
    fn one_convolution_is_not_worth_its_transpositions() -> Result<()> {
        let y = pixels(&image()?, 256, "w")?.relu()?;
        assert_eq!(ops(&[&y], &cpu()), ["conv2d", "relu"]);
        Ok(())
    }

    #[test]
    fn a_chain_is_transposed_at_its_ends() -> Result<()> {
        let x = image()?;
        let y = pixels(&pixels(&pixels(&x, 256, "a")?.relu()?, 256, "b")?.add(&x)?.relu()?, 256, "c")?;
        let expected = ["permute", "matmul", "relu", "matmul", "add", "relu", "matmul", "permute"];
        assert_eq!(ops(&[&y], &cpu()), expected);
        let gpu = Limits::default();
        assert_eq!(
            ops(&[&y], &gpu),
            ["conv2d", "relu", "conv2d", "add", "relu", "conv2d"],
            "not measured there"
        );
        let few = Limits { max_binding_bytes: 100 << 10, ..cpu() };
        assert_eq!(ops(&[&y], &few)[0], "conv2d", "a matrix of 131072 bytes would not be split");
        Ok(())
    }

    #[test]
    fn gradients_are_products_too_and_bias_sums_take_matrices() -> Result<()> {
        let x = image()?;
        let y = pixels(&pixels(&x, 256, "a")?.relu()?, 256, "b")?;
        let error = y.graph().input("error", y.shape())?;
        let inputs = |name: &str| y.graph().input(name, [256, 256, 1, 1]);
        let (a, b) = (inputs("a")?, inputs("b")?);
        let bias = y.graph().input("a.bias", [256])?;
        let grads = y.gradients_from(&error, &[&x, &a, &b, &bias])?;
        let ops = ops(&grads.iter().collect::<Vec<_>>(), &cpu());
        let count = |name: &str| ops.iter().filter(|op| **op == name).count();
        assert_eq!(count("matmul"), 5, "one forward, two of each convolution: {ops:?}");
        assert_eq!((count("permute"), count("sum"), count("relu_backward")), (3, 1, 1), "{ops:?}");
        Ok(())
    }

    #[test]
    fn an_image_may_be_a_weight_and_a_weight_gradient_an_image() -> Result<()> {
        let x = Graph::new().input("x", [255, 255, 1, 1])?;
        let y = pixels(&pixels(&x, 255, "a")?.relu()?, 255, "b")?.relu()?;
        let z = pixels(&y.conv2d(&y, None, Conv2d::default())?.relu()?, 255, "c")?;
        let ops = ops(&[&z], &cpu());
        assert!(ops.contains(&"permute") && ops.iter().all(|op| *op != "conv2d"), "{ops:?}");
        let error = z.graph().input("error", z.shape())?;
        let weight = z.graph().input("a", [255, 255, 1, 1])?;
        let gradient = z.gradients_from(&error, &[&weight])?.remove(0).relu()?;
        let used = pixels(&pixels(&gradient, 255, "d")?.relu()?, 255, "e")?;
        assert!(super::tests::ops(&[&used], &cpu()).contains(&"matmul"));
        Ok(())
    }

    #[test]
    fn a_function_stays_in_the_kernel_that_feeds_it() -> Result<()> {
        let x = image()?;
        let weight = x.graph().input("w", [256, 256, 3, 3])?;
        let y = x.conv2d(&weight, None, Conv2d::default().padding(1))?.relu()?;
        let z = pixels(&pixels(&y, 256, "a")?, 256, "b")?.max_pool2d(MaxPool2d::new(2))?;
        assert_eq!(
            ops(&[&z], &cpu()),
            ["conv2d", "relu", "permute", "matmul", "matmul", "permute", "max_pool2d"]
        );
        Ok(())
    }
}
