//! What the public API does with what is wrong: a named error, nothing lost, and never a panic.

use wgrad::functions::{Elementwise, Part};
use wgrad::ops::{
    AvgPool2d, AxisMap, Constant, Conv2d, CrossEntropy, GaussianNllLoss, Init, MultiMarginLoss,
    NarrowBackward, Op, OptimizerStep, Pad, Reduction, Role, SparseRows, State, TripletMarginLoss,
};
use wgrad::optim::{Adam, LEARNING_RATE, Optimizer, Rprop, Sgd};
use wgrad::updates::Update;
use wgrad::verify::{Case, table};
use wgrad::{Device, Graph, HostTensor, Parameters, Tensor, TensorType};

fn input(graph: &Graph, shape: &[usize]) -> Tensor {
    graph.input(&format!("x{shape:?}"), shape).expect("an input")
}

fn refused<T>(result: wgrad::Result<T>, words: &[&str]) {
    let Err(error) = result else { panic!("accepted, not refused with {words:?}") };
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text} without all of {words:?}");
}

/// A loss of one parameter.
fn loss(graph: &Graph, name: &str) -> Tensor {
    let w = graph.parameter(name, [2], Init::Constant(1.0)).expect("a parameter");
    w.mul(&w).and_then(|x| x.sum((), false)).expect("a loss")
}

/// Every op of the table asked for its cost and its indices with no inputs, with too few, and with those of a wrong rank.
#[test]
fn an_op_that_does_not_fit_its_inputs_costs_nothing() {
    let (scalar, plane) = (TensorType::f32([]), TensorType::f32([2, 3]));
    for line in table(None).expect("the table") {
        let case = Case::build(&line).expect("a case of the table");
        let ops: Vec<Op> = case.graph.with(|data| data.nodes.iter().map(|node| node.op.clone()).collect());
        for op in ops {
            for inputs in [&[][..], &[&scalar], &[&scalar, &scalar], &[&plane], &[&plane, &scalar, &plane]] {
                if op.infer(inputs).is_err() {
                    assert_eq!(op.flops(inputs, &[]), 0, "{line}: {}", op.name());
                    assert_eq!(op.valid_flops(inputs, &[]), 0, "{line}: {}", op.name());
                    assert_eq!(op.index_range(inputs), None, "{line}: {}", op.name());
                }
            }
        }
    }
}

#[test]
fn a_window_of_any_size_is_counted() {
    let pool = AvgPool2d::new(1 << 30).stride(1).padding(1 << 29);
    let graph = Graph::new();
    let x = input(&graph, &[4, 1, 1, 1]);
    let y = x.avg_pool2d(pool).expect("a window that the padding lets in");
    let (a, b) = (x.ty(), y.ty());
    assert_eq!(Op::from(pool).flops(&[&a], &[&b]), u64::MAX);
    // One tap of each window lies in the image.
    assert_eq!(Op::from(pool).valid_flops(&[&a], &[&b]), 4 * y.shape()[2] as u64 * y.shape()[3] as u64);
    let conv = Conv2d::default().padding(1 << 20);
    let (image, weight) = (TensorType::f32([1, 1, 3, 3]), TensorType::f32([1, 1, 2, 2]));
    let out = Op::from(conv).infer(&[&image, &weight]).expect("an image");
    assert_eq!(Op::from(conv).valid_flops(&[&image, &weight], &[&out[0]]), 2 * 36);
}

#[test]
fn shapes_too_large_to_multiply_are_refused() {
    let graph = Graph::new();
    let grad = input(&graph, &[1, 1, 3]);
    let huge = NarrowBackward { dim: 2, start: 0, input: [usize::MAX, 2, 3].into() };
    refused(graph.apply(huge, &[&grad]), &["narrow_backward"]);
}

#[test]
fn leaves_have_no_inputs_and_a_name_is_one_state() {
    let graph = Graph::new();
    let x = input(&graph, &[2]);
    refused(graph.apply(Constant { value: 1.0 }, &[&x]), &["constant", "0 inputs"]);
    let state = |shape: [usize; 1], role| State {
        name: "w".into(),
        ty: TensorType::f32(shape),
        init: Init::Zeros,
        role,
    };
    let one = graph.apply(state([2], Role::Buffer), &[]).expect("a state").remove(0);
    let again = graph.apply(state([2], Role::Buffer), &[]).expect("the same state").remove(0);
    assert_eq!(one.id(), again.id());
    refused(graph.apply(state([3], Role::Buffer), &[]), &["w", "(2)", "(3)"]);
    refused(
        graph.state("w", TensorType::f32([2]), Init::Zeros, Role::Parameter),
        &["w", "buffer", "parameter"],
    );
}

#[test]
fn a_part_without_a_kernel_is_refused() {
    let graph = Graph::new();
    let x = input(&graph, &[2]);
    for part in
        [Elementwise::add().with_part(Part::Gradient(0)), Elementwise::relu().with_part(Part::Gradient(7))]
    {
        refused(graph.apply(part, &[&x]), &["kernel"]);
        assert!(part.evaluate(&[]).is_nan() || part.evaluate(&[]) == 0.0);
    }
    assert!(Elementwise::relu().with_part(Part::Gradient(0)).evaluate(&[]).is_nan());
}

#[test]
fn a_matrix_is_asked_for_what_it_lacks() {
    let matrix = SparseRows::gather(3, [Some(2), None]).expect("a matrix");
    assert_eq!(matrix.row(2).len(), 0);
    assert_eq!(matrix.row(usize::MAX).len(), 0);
    assert!(SparseRows::new(usize::MAX, [[(0, 1.0)]]).is_err(), "more columns than a tensor has elements");
    assert!(SparseRows::new(2, [[(0, 1e300)]]).is_err(), "a weight that no f32 is");
    let large = SparseRows::new(1, [[(0, 1e30)]]).expect("an f32");
    assert!(large.after(&large).is_none(), "1e60 is no f32");
    let graph = Graph::new();
    let op = AxisMap { dim: 5, matrix: matrix.into(), fill: 0.0 };
    refused(graph.apply(op, &[&input(&graph, &[3])]), &["axis_map", "dim 5"]);
}

/// A sum behind which a number is filled in is two maps, not one that is refused.
#[test]
fn what_follows_a_sum_may_be_filled() {
    let graph = Graph::new();
    let x = input(&graph, &[2, 5]);
    for fill in [1.0, f32::NEG_INFINITY, -0.0] {
        x.cumsum(1).and_then(|sums| sums.pad(&[1, 0], Pad::Constant(fill))).expect("a padded sum");
    }
    let padded = x.cumsum(1).and_then(|sums| sums.pad(&[1, 0], Pad::Constant(1.0))).expect("a padded sum");
    let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&padded]).expect("a program");
    let ones = HostTensor::from_f32([2, 5], vec![1.0; 10]).expect("data");
    program.run(&[(&x, &ones)]).expect("a run");
    let found = program.read(&padded).expect("a result");
    assert_eq!(found.as_f32().expect("numbers")[..6], [1.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn optimizers_refuse_what_pytorch_refuses() {
    let minimize = |optimizer: &dyn Optimizer| {
        let graph = Graph::new();
        optimizer.minimize(&loss(&graph, "w"))
    };
    refused(minimize(&Sgd::new(0.1).nesterov(true)), &["nesterov", "momentum"]);
    refused(minimize(&Sgd::new(0.1).momentum(0.9).dampening(0.1).nesterov(true)), &["nesterov", "dampening"]);
    refused(minimize(&Rprop::new(0.1).step_sizes(1.0, 0.5)), &["step_size_max"]);
    refused(minimize(&Rprop::new(0.1).etas(0.0, 1.2)), &["etaminus"]);
    refused(minimize(&Adam::new(0.1).weight_decay(1e39)), &["weight_decay"]);
    for update in Update::all() {
        for count in 0..update.options.len() {
            let step = OptimizerStep { update, options: update.defaults()[..count].to_vec() };
            assert!(step.shared().start == 2 && step.kept().len() <= update.kept.len());
            let graph = Graph::new();
            let x = input(&graph, &[2]);
            refused(graph.apply(step, &[&x, &x, &x]), &["options of"]);
        }
    }
}

/// Two optimizers of one graph would share a rate unseen.
#[test]
fn a_second_rate_is_a_group() {
    let graph = Graph::new();
    let (a, b) = (loss(&graph, "a"), loss(&graph, "b"));
    Sgd::new(0.1).minimize(&a).expect("a rate");
    refused(Sgd::new(0.01).minimize(&b), &[LEARNING_RATE, "0.1", "0.01", "group"]);
    let gradients = wgrad::optim::gradients(&b).expect("gradients");
    Sgd::new(0.01).update_group("b", &gradients).expect("a group's own rate");
    // A schedule obeys the rule of all rates for it, too.
    let parameters = Parameters::new(&Device::cpu(), 0);
    parameters.compile(&graph, &[&a, &b]).expect("a program");
    let rate = HostTensor::from_f32([], vec![-1.0]).expect("data");
    refused(parameters.set(&format!("{LEARNING_RATE}.b"), &rate), &["at least 0"]);
}

#[test]
fn freezing_twice_is_freezing() {
    let graph = Graph::new();
    loss(&graph, "body.weight");
    loss(&graph, "head.weight");
    assert_eq!(graph.freeze("body.*").expect("one"), graph.freeze("body.*").expect("the same"));
    assert_eq!(graph.freeze("*").expect("both").len(), 2);
    refused(graph.freeze("tail.*"), &["tail.*", "body.weight", "head.weight"]);
}

/// An error of a method within a layer has the layer's label, and no dot behind it.
#[test]
fn errors_have_the_labels_of_layers() {
    let graph = Graph::new();
    let x = input(&graph, &[2, 3]);
    let error = graph.scoped("features.0", || x.softmax(5)).expect_err("no such dimension").to_string();
    assert!(error.contains("features.0") && !error.contains("features.0."), "{error}");
    let error = x.reshape([7]).expect_err("other elements").to_string();
    assert!(error.contains("a shape of 6 elements"), "{error}");
}

/// What PyTorch refuses of products, indices and numbers.
#[test]
fn products_and_indices_that_do_not_fit_are_refused() {
    let graph = Graph::new();
    let (row, matrix, batch) = (input(&graph, &[3]), input(&graph, &[2, 3]), input(&graph, &[4, 2, 3]));
    refused(batch.bmm(&input(&graph, &[1, 3, 2])), &["bmm", "(B, M, K)", "(1, 3, 2)"]);
    refused(matrix.bmm(&matrix), &["bmm", "(2, 3) and (2, 3)"]);
    refused(matrix.mm(&matrix), &["mm", "(K, N)"]);
    refused(matrix.mv(&input(&graph, &[2])), &["mv", "a vector (K)"]);
    refused(row.dot(&matrix), &["dot", "two vectors"]);
    refused(row.outer(&matrix), &["outer", "vectors"]);
    refused(row.matmul(&input(&graph, &[])), &["matmul", "rank 1 or more"]);
    let bias = input(&graph, &[1]);
    refused(matrix.linear(&row, Some(&bias)), &["linear", "scalar bias", "(1)"]);
    refused(matrix.linear(&input(&graph, &[2]), None), &["linear", "input (.., 2)"]);
    let einsum = |equation: &str, operands: &[&Tensor], words: &[&str]| {
        refused(Tensor::einsum(equation, operands), &[&["einsum"], words].concat());
    };
    einsum("ij,jk->ikk", &[&matrix, &input(&graph, &[3, 5])], &["each once", "'k'"]);
    einsum("ij,jk->iz", &[&matrix, &input(&graph, &[3, 5])], &["each once", "'z'"]);
    einsum("ij->i", &[&matrix, &matrix], &["2 operands"]);
    einsum("ij", &[&batch], &["3 letters", "'ij'"]);
    einsum("i1,j", &[&matrix, &row], &["letters", "'i1'"]);
    einsum("...a...,b", &[&batch, &row], &["one ellipsis"]);
    einsum("..i->i", &[&matrix], &["letters"]);
    einsum("ij->->i", &[&matrix], &["letters"]);
    einsum("ii->i", &[&matrix], &["repeated letter", "(2, 3)"]);
    einsum("ij,jk->ik", &[&matrix, &matrix], &["one size of each letter"]);
    einsum("i,i,i->", &[&row, &row, &row], &["one or two operands", "3"]);
    einsum("", &[], &["one or two operands", "0"]);
    let other = Graph::new();
    refused(Tensor::einsum("i,i->", &[&row, &input(&other, &[3])]), &["einsum", "one graph"]);
    let index = graph.input_u32("index", [5, 3]).expect("an index");
    refused(matrix.gather(1, &index), &["gather", "index"]);
    refused(matrix.movedim([0, 0], [0, 1]), &["movedim", "each dimension once", "0 twice"]);
    refused(matrix.movedim([0, -1], [1, 1]), &["movedim", "each dimension once", "1 twice"]);
    refused(matrix.movedim([0, 1], [0]), &["movedim", "as many positions as dimensions, 2", "1"]);
    refused(matrix.movedim(2, 0), &["movedim", "a dimension from -2 to 1", "2"]);
    refused(matrix.weight_norm(&matrix), &["weight_norm", "the size of one, else 1"]);
    refused(
        matrix.weight_norm(&input(&graph, &[4, 1])),
        &["weight_norm", "the size of one, else 1", "(4, 1)"],
    );
    refused(graph.uniform([0, 3], 1), &["uniform", "no empty dimension"]);
    refused(matrix.scatter_add(1, &index, &matrix), &["scatter_add", "(5, 3)"]);
    refused(matrix.gather(0, &graph.input_u32("short", [3]).expect("an index")), &["gather", "index"]);
    refused(matrix.index_select_by(0, &index), &["index_select_by", "indices (L)"]);
    refused(matrix.embedding_padded(&index, 2), &["embedding", "padding_idx below 2", "2"]);
    refused(matrix.unflatten(1, &[2, 2]), &["unflatten", "product"]);
    refused(input(&graph, &[]).unflatten(0, &[1]), &["unflatten"]);
    refused(matrix.glu(1), &["glu", "even"]);
    refused(index.rsub(1.0), &["sub", "f32"]);
    refused(matrix.dropout(1.5, 0), &["dropout", "p from 0 to 1", "1.5"]);
    refused(matrix.dropout(f32::NAN, 0), &["dropout", "NaN"]);
    refused(graph.parameter("e", [3], Init::Eye), &["'e'", "matrix"]);
    refused(graph.parameter("d", [4, 3], Init::Dirac { groups: 0 }), &["'d'", "3 to 5 dimensions"]);
    refused(
        graph.parameter("t", [3], Init::TruncNormal { mean: 0.0, std: 1.0, a: 1.0, b: -1.0 }),
        &["'t'", "a below b"],
    );
}

/// What PyTorch refuses of losses.
#[test]
fn losses_refuse_what_does_not_fit() {
    let graph = Graph::new();
    let (rows, wide, vector) = (input(&graph, &[4, 3]), input(&graph, &[4, 5]), input(&graph, &[4]));
    let labels = graph.input_u32("labels", [4]).expect("labels");
    let none = Reduction::None;
    refused(rows.mse_loss(&wide, none), &["squared_error", "broadcast"]);
    refused(rows.smooth_l1_loss(&rows, -1.0, none), &["smooth_l1", "beta"]);
    refused(rows.huber_loss(&rows, 0.0, none), &["huber", "delta"]);
    refused(rows.binary_cross_entropy(&input(&graph, &[3]), None, none), &["a target (4, 3)", "(3)"]);
    let weight = input(&graph, &[2, 4, 3]);
    refused(rows.binary_cross_entropy(&rows, Some(&weight), none), &["weight", "(4, 3)", "(2, 4, 3)"]);
    refused(rows.binary_cross_entropy_with_logits(&wide, None, None, none), &["(4, 3)", "(4, 5)"]);
    refused(rows.multilabel_soft_margin_loss(&wide, None, none), &["multilabel_soft_margin_loss"]);
    refused(rows.nll_loss(&vector, None, None, none), &["nll_loss", "u32"]);
    refused(rows.nll_loss(&labels, Some(&vector), None, none), &["nll_loss", "weight"]);
    let options = CrossEntropy { ignore_index: Some(1), ..CrossEntropy::default() };
    refused(rows.cross_entropy(&rows, options, none), &["cross_entropy", "ignore_index"]);
    refused(rows.cross_entropy(&wide, CrossEntropy::default(), none), &["probabilities (4, 3)"]);
    let options = CrossEntropy { label_smoothing: 1.5, ..CrossEntropy::default() };
    let weight = input(&graph, &[3]);
    refused(rows.cross_entropy_weighted(&labels, &weight, options, none), &["label_smoothing", "1.5"]);
    refused(rows.cross_entropy_weighted(&rows, &vector, CrossEntropy::default(), none), &["weights (3)"]);
    let zero = GaussianNllLoss { eps: 0.0, ..GaussianNllLoss::default() };
    refused(rows.gaussian_nll_loss(&rows, &rows, zero, none), &["gaussian_nll", "eps"]);
    refused(rows.gaussian_nll_loss(&rows, &wide, GaussianNllLoss::default(), none), &["variances (4, 3)"]);
    refused(rows.margin_ranking_loss(&rows, &vector, 0.0, none), &["margin_ranking_loss", "one rank"]);
    refused(rows.hinge_embedding_loss(&rows, f32::NAN, none), &["number"]);
    let cubed = MultiMarginLoss { p: 3, ..MultiMarginLoss::default() };
    refused(rows.multi_margin_loss(&labels, cubed, None, none), &["p of 1 or 2", "3"]);
    let usual = MultiMarginLoss::default();
    refused(rows.multi_margin_loss(&labels, usual, Some(&vector), none), &["weights (3)", "(4)"]);
    refused(
        rows.multilabel_margin_loss(&labels, none),
        &["multilabel_margin_loss", "u32 target of the same shape"],
    );
    refused(rows.multilabel_margin_loss(&rows, none), &["multilabel_margin_loss", "u32"]);
    refused(vector.multi_margin_loss(&labels, usual, None, none), &["scores (N, C)"]);
    refused(rows.cosine_embedding_loss(&rows, &rows, 0.0, none), &["cosine_embedding_loss", "(N, D)"]);
    refused(rows.cosine_similarity(&rows, 2, 1e-8), &["cosine_similarity", "dimension"]);
    refused(rows.triplet_margin_loss(&rows, &vector, TripletMarginLoss::default(), none), &["one rank"]);
    // The weights of nll_loss are constants, as in PyTorch.
    let parameter = graph.parameter("weight", [3], Init::Constant(1.0)).expect("a parameter");
    let loss = rows.nll_loss(&labels, Some(&parameter), None, Reduction::Mean).expect("a loss");
    refused(loss.gradients(&[&parameter]), &["nll_loss by its weight"]);
}
