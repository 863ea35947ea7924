//! Files that contradict themselves, and numbers at the edges in attributes and inputs.

use super::proto::{
    DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::{Array, ElementType, ImportOptions, Model, NEWEST_OPSET};
use prost::Message;
use std::path::{Path, PathBuf};

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    NodeProto {
        input: names(inputs),
        output: names(outputs),
        name: Some(format!("the {op}")),
        op_type: Some(op.to_owned()),
        ..Default::default()
    }
}

fn info(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| DimensionProto { value: Some(DimensionValue::DimValue(size)) };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(1), shape: Some(shape) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn values(name: &str, dims: &[i64], count: usize) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(1),
        float_data: vec![1.0; count],
        name: Some(name.to_owned()),
        ..Default::default()
    }
}

fn model(nodes: Vec<NodeProto>, initialisers: Vec<TensorProto>, opset: i64) -> ModelProto {
    let graph = GraphProto {
        node: nodes,
        initializer: initialisers,
        input: vec![info("x", &[2, 3])],
        output: vec![info("y", &[])],
        ..Default::default()
    };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(opset) }],
        graph: Some(graph),
        ..Default::default()
    }
}

fn refused(model: &ModelProto, parts: &[&str]) {
    let built = Model::from_bytes(&model.encode_to_vec()).and_then(|m| m.import(&ImportOptions::new()));
    let error = built.map(|_| ()).expect_err(parts[0]).to_string();
    assert!(parts.iter().all(|part| error.contains(part)), "{error}: {parts:?}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let relu = || node("Relu", &["x"], &["y"]);
    assert!(Model::from_bytes(&model(vec![relu()], vec![], 17).encode_to_vec()).is_ok());
    refused(&model(vec![relu()], vec![], NEWEST_OPSET + 1), &["version 1 to 28", "version 29"]);
    let circle =
        vec![node("Add", &["x", "b"], &["a"]), node("Neg", &["a"], &["b"]), node("Relu", &["b"], &["y"])];
    refused(&model(circle, vec![], 17), &["do not depend on themselves", "the Add"]);
    refused(
        &model(vec![relu(), node("Neg", &["x"], &["y"])], vec![], 17),
        &["one value called 'y'", "the Neg"],
    );
    refused(&model(vec![node("Add", &["x", "none"], &["y"])], vec![], 17), &["'none'", "Add 'the Add'"]);
    refused(&model(vec![node("Neg", &["x"], &["z"])], vec![], 17), &["an output 'y'"]);
    refused(&model(vec![relu()], vec![values("w", &[2, 2], 3)], 17), &["'w'", "4 elements of float", "3"]);
    refused(&model(vec![relu()], vec![values("w", &[1 << 40, 1 << 40], 0)], 17), &["'w'", "can be counted"]);
    refused(&model(vec![relu()], vec![values("w", &[-1], 0)], 17), &["'w'", "0 and more"]);
    refused(
        &model(vec![relu()], vec![values("w", &[1], 1), values("w", &[1], 1)], 17),
        &["one initialiser called 'w'"],
    );
    let add = || vec![node("Add", &["x", "w"], &["y"])];
    refused(&model(add(), vec![values("w", &[4], 4)], 17), &["ONNX Add", "the Add", "(4)"]);
    let other = NodeProto { domain: Some("com.example".into()), ..relu() };
    refused(&model(vec![other], vec![], 17), &["com.example.Relu", "the Relu", "standard domain"]);
    refused(
        &model(vec![node("QLinearConv", &["x"], &["y"])], vec![], 17),
        &["ONNX QLinearConv", "quantised"],
    );
    let texts = TensorProto { data_type: Some(8), ..values("w", &[1], 0) };
    refused(&model(add(), vec![texts], 17), &["'w'", "string"]);
}

#[test]
fn nodes_in_any_order_are_put_in_one() {
    let nodes = vec![node("Relu", &["b"], &["y"]), node("Neg", &["a"], &["b"]), node("Abs", &["x"], &["a"])];
    let model = Model::from_bytes(&model(nodes, vec![], 17).encode_to_vec()).expect("a model");
    assert_eq!(model.order, [2, 1, 0]);
    assert_eq!(model.import(&ImportOptions::new()).expect("a graph").outputs[0].shape(), [2, 3]);
}

#[test]
fn every_cut_of_a_file_is_refused() {
    let whole = model(vec![node("Add", &["x", "w"], &["y"])], vec![values("w", &[3], 3)], 17).encode_to_vec();
    let built = |bytes: &[u8]| Model::from_bytes(bytes).and_then(|m| m.import(&ImportOptions::new()));
    assert!(built(&whole).is_ok());
    // All but what was behind the graph, which is another field each.
    assert!((0..whole.len()).filter(|&end| built(&whole[..end]).is_ok()).count() == 0);
}

/// Models of the project, and ONNX's own tests where they were fetched.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/fixtures/onnx", "target/onnx-tests/debian/node"];
    let entries =
        folders.into_iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).into_iter().flatten());
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path().join("model.onnx")).filter(|p| p.exists()).collect();
    found.sort();
    found
}

/// What files should not say.
const EDGES: [i64; 8] = [i64::MIN, -7, -1, 0, 3, 1 << 33, i64::MAX - 1, i64::MAX];

/// Builds a model whose whole inputs are known and each `edge`, and one whose inputs are given later; it must return.
fn built(proto: &ModelProto, edge: i64) {
    let Ok(model) = Model::from_bytes(&proto.encode_to_vec()) else { return };
    let options = |known: bool| {
        model.inputs().into_iter().fold(ImportOptions::new().dim("N", 2), |options, input| {
            let whole = input.element.filter(|element: &ElementType| element.is_integer());
            let sizes: Option<Vec<usize>> =
                input.dims.iter().flatten().map(|dim| dim.to_string().parse().ok()).collect();
            match (whole, sizes) {
                (Some(element), Some(sizes)) if known => {
                    let count = sizes.iter().product();
                    let array = Array::ints(element, &sizes, vec![edge; count]).expect("values of the shape");
                    options.value(&input.name, array)
                }
                _ => options,
            }
        })
    };
    let _ = (model.import(&options(false)), model.import(&options(true)));
}

#[test]
fn numbers_at_the_edges_are_refused_or_built() {
    let mut tried = 0;
    for path in files() {
        let bytes = std::fs::read(&path).expect("a file");
        let Ok(proto) = ModelProto::decode(&bytes[..]) else { continue };
        let nodes = proto.graph.as_ref().map_or(0, |graph| graph.node.len());
        EDGES.iter().for_each(|&edge| built(&proto, edge));
        for (node, edge) in (0..nodes).flat_map(|node| EDGES.map(|edge| (node, edge))) {
            let count = proto.graph.as_ref().map_or(0, |graph| graph.node[node].attribute.len());
            for at in 0..count {
                let mut changed = proto.clone();
                let Some(graph) = &mut changed.graph else { continue };
                let attribute = &mut graph.node[node].attribute[at];
                attribute.i = attribute.i.map(|_| edge);
                attribute.ints.iter_mut().for_each(|number| *number = edge);
                built(&changed, edge);
                tried += 1;
            }
        }
    }
    println!("{tried} attributes");
    assert!(tried > 300, "{tried}");
}
