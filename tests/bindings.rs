//! Tensors larger than a binding: of every op, by name, whether its work is cut where one is, with the same bits, or refused
//! with the op and both numbers.

mod each;

use each::each;
use std::collections::BTreeSet;
use wgrad::TensorType;
use wgrad::functions::Function;
use wgrad::graph::{Node, ValueId};
use wgrad::kernels::{self, Fused, Limits, Operand};
use wgrad::ops::Op;
use wgrad::plan::plan;
use wgrad::verify::{Adapter, Case, Verdict, run_variant};

/// As small as the variant of the parity suite that tests this.
const MOST: u64 = 16 << 10;
const VARIANT: &str = "bindings of 16 KiB";

/// What is cut: lines with tensors of more than 16 KiB, and the ops that are then several launches.
const CUT: &[(&str, &str)] = &[
    ("conv2d conv2d_backward_input", "conv2d input=8x4x16x16 weight=6x4x3x3 padding=1"),
    ("max_pool2d max_pool2d_backward", "max_pool2d input=8x4x16x16 kernel=2"),
    ("avg_pool2d avg_pool2d_backward", "avg_pool2d input=8x4x16x16 kernel=2"),
    ("equal", "equal a=75x61 b=75x61"),
    ("cast", "cast input=75x61 from=u32 to=f32"),
    ("where", "where condition=75x61 a=75x61 b=75x61"),
    ("where", "where condition=75x1 a=61 b=75x61"),
    ("sequence_mask", "sequence_mask batch=45 max_length=101"),
    ("dropout", "dropout input=75x61 p=0.5 stream=3"),
    ("sgd", "sgd param=75x61 lr=0.1 momentum=0.9 nesterov weight_decay=0.01"),
    ("adam", "adam param=75x61 lr=0.001 step=2 weight_decay=0.01 decoupled"),
    ("adam", "adam param=75x61 lr=0.001 step=2 amsgrad"),
    ("adamax", "adamax param=75x61 lr=0.001 step=2"),
    ("rmsprop", "rmsprop param=75x61 lr=0.001 centered momentum=0.5"),
    ("adagrad", "adagrad param=75x61 lr=0.001"),
    ("adadelta", "adadelta param=75x61 lr=1"),
    ("nadam", "nadam param=75x61 lr=0.001 step=2"),
    ("radam", "radam param=75x61 lr=0.001 step=9"),
    ("lion", "lion param=75x61 lr=0.001"),
    ("lamb", "lamb param=75x61 lr=0.001 step=2"),
    ("rprop", "rprop param=75x61 lr=0.001"),
    // Over samples, rows of whole fours and not; groups; rows, columns.
    ("norm_statistics norm_apply norm_sums norm_backward", "batch_norm input=8x4x16x16 weight bias"),
    ("norm_statistics norm_apply norm_sums norm_backward", "batch_norm input=9x11x7x7 weight bias"),
    ("norm_statistics norm_apply norm_sums norm_backward", "batch_norm input=75x64 weight bias"),
    ("norm_apply norm_sums", "batch_norm input=8x4x16x16 weight given"),
    ("norm_statistics norm_apply norm_sums norm_backward", "group_norm input=8x4x16x16 groups=2 weight bias"),
    ("norm_statistics norm_apply norm_sums norm_backward", "layer_norm input=75x61 last=1 weight bias"),
    ("norm_statistics norm_apply norm_sums norm_backward", "rms_norm input=75x64 last=1 weight"),
    ("norm_statistics norm_apply norm_sums norm_backward", "layer_norm input=1x9000 last=1"),
    // Rows of which so few fit that no part but the first begins at an aligned offset.
    ("softmax softmax_backward", "softmax input=9x1501 dim=1"),
    ("cross_entropy cross_entropy_backward", "cross_entropy logits=9x1501 reduction=none"),
    // Others, of an even and an odd length; along other dimensions than the last.
    ("softmax softmax_backward", "softmax input=40x128 dim=1"),
    ("softmax softmax_backward", "softmax input=75x61 dim=1"),
    ("log_softmax log_softmax_backward", "log_softmax input=75x61 dim=1"),
    ("log_softmax log_softmax_backward", "log_softmax input=11x61x7 dim=1"),
    ("cross_entropy cross_entropy_backward", "cross_entropy logits=75x61 reduction=none label_smoothing=0.1"),
    ("cross_entropy cross_entropy_backward", "cross_entropy logits=11x61x7 reduction=mean ignore_index=1"),
    ("nll_loss nll_loss_backward", "nll_loss input=75x61 reduction=none weighted"),
    ("nll_loss nll_loss_backward", "nll_loss input=11x61x7 reduction=none ignore_index=1"),
    ("argmax", "argmax input=75x61 dim=1"),
    ("argmax", "argmax input=11x61x7 dim=1"),
    // Rows, columns, and one row that is cut in two passes.
    ("prod prod_backward", "prod input=75x61 dims=1"),
    ("amax amax_backward", "amax input=75x64 dims=1"),
    ("amin amin_backward", "amin input=75x61 dims=0"),
    ("argmin", "argmin input=4801 dim=0"),
    ("argmin", "argmin input=200x64 dim=0"),
    ("var var_backward", "var input=75x64 dims=1 correction=1"),
    ("var", "var input=4801 dims=0 correction=1"),
    ("std std_backward", "std input=200x64 dims=0 correction=0"),
    ("norm norm_backward", "norm input=5x11x90 dims=1 p=3"),
    ("logsumexp logsumexp_backward", "logsumexp input=11x61x7 dims=1"),
    ("any", "any input=4801 dims=0"),
    ("all", "all input=75x61 dims=0,1"),
    ("gather scatter_add", "gather input=75x61 dim=1 count=60"),
    ("scatter", "scatter input=75x61 dim=1 count=60"),
    ("adaptive_max_pool2d", "adaptive_max_pool2d input=8x4x16x15 size=7x4"),
    ("argsort", "argsort input=75x61 dim=1"),
    ("broadcast_to", "broadcast_to input=61 to=75x61"),
    ("broadcast_to", "broadcast_to input=75x1 to=75x61"),
    ("broadcast_to", "broadcast_to input=4801 to=3x4801"),
    ("concat", "concat input=75x61 dim=0 sizes=70,5"),
    ("concat", "concat input=64x72 dim=1 sizes=8,64"),
    ("split", "split input=75x61 dim=1 sizes=1,60"),
    ("split", "split input=64x144 dim=1 sizes=72,72"),
    ("narrow narrow_backward", "narrow input=75x130 dim=1 start=3 length=66"),
    ("axis_map", "axis_map input=75x61 dim=1 outputs=60 taps=3 stride=1"),
    ("axis_map", "axis_map input=75x64 dim=1 outputs=64 taps=11 stride=1"),
    ("axis_map", "pad input=75x61 pad=1,2 value=0"),
    ("axis_map", "flip input=75x4x16 dims=1"),
    ("axis_map", "index_select input=75x61 dim=1 at=5,0,3,3,9,2,8"),
    // Both sides lie apart: cut along both.
    ("permute", "permute input=75x61 dims=1,0"),
    ("permute", "permute input=132x100 dims=1,0"),
    ("permute", "permute input=9x40x35 dims=2,1,0"),
    // Along the indices, along the rows of the table, and both.
    ("embedding", "embedding weight=20x61 indices=75"),
    ("embedding embedding_backward", "embedding weight=75x61 indices=50"),
    ("embedding embedding_backward", "embedding weight=300x16 indices=200"),
    ("sum", "sum input=75x61 dims=1"),
    ("sum", "sum input=75x64 dims=1"),
    ("sum", "sum input=75x61 dims=0"),
    ("sum", "sum input=200x64 dims=0"),
    ("sum", "sum input=5x11x90 dims=1"),
    ("sum", "sum input=4801 dims=0"),
    ("sum", "mean input=75x61 dims=all"),
    // A language model's logits, their gradients, and a weight that is as large.
    ("matmul sum", "linear input=75x16 weight=61x16 bias"),
    ("matmul sum", "linear input=40x32 weight=136x32 bias"),
    ("matmul sum", "linear input=140x40 weight=136x40 bias"),
    // So long a row that no part of the columns but the first begins at an aligned offset.
    ("matmul", "linear input=20x100 weight=136x100 bias"),
    ("matmul", "matmul a=75x61 b=61x9"),
    ("matmul", "matmul a=9x75 b=75x61"),
    ("matmul", "matmul a=64x72 b=72x80"),
    ("matmul", "matmul a=7x9x75 b=7x75x11"),
    ("matmul", "matmul a=3x30x20 b=20x70"),
    ("matmul", "matmul a=1x4801 b=4801x2"),
];

/// What is not: the ops, lines, and what is too large.
const REFUSED: &[(&str, &str, &str)] = &[
    // Sums over the first dimension alone, a line of which is too long.
    ("sum", "broadcast_to input=4801 to=3x4801", "19204"),
    // Each row of the table may be shown anywhere.
    ("embedding_backward", "embedding weight=20x61 indices=75", "18300"),
    // A step reads all weights.
    ("rnn_tanh", "rnn_tanh sizes=3x2x70", "19600"),
    ("rnn_tanh_backward", "rnn_tanh sizes=3x2x70", "19600"),
    ("rnn_relu", "rnn_relu sizes=3x2x70", "19600"),
    ("rnn_relu_backward", "rnn_relu sizes=3x2x70", "19600"),
    ("lstm", "lstm sizes=3x2x40", "25600"),
    ("lstm_backward", "lstm sizes=3x2x40", "25600"),
    ("gru", "gru sizes=3x2x40 bias", "19200"),
    ("gru_backward", "gru sizes=3x2x40 bias", "19200"),
    // A step of a sample goes through all of its states.
    ("ctc_loss", "ctc_loss sizes=400x1x12x3 reduction=none", "19200"),
    ("ctc_loss_backward", "ctc_loss sizes=400x1x12x3 reduction=none", "19200"),
    // One row.
    ("softmax", "softmax input=2x4801 dim=1", "19204"),
    ("softmax_backward", "softmax input=2x4801 dim=1", "19204"),
    ("log_softmax", "log_softmax input=2x4801 dim=1", "19204"),
    ("log_softmax_backward", "log_softmax input=2x4801 dim=1", "19204"),
    ("cross_entropy", "cross_entropy logits=2x4801 reduction=none", "19204"),
    ("cross_entropy_backward", "cross_entropy logits=2x4801 reduction=none", "19204"),
    ("argmax", "argmax input=2x4801 dim=1", "19204"),
    // All that lies behind a place before the dimension.
    ("axis_map", "flip input=75x61 dims=0", "18300"),
    // Any element may be shown by any place of its row.
    ("gather", "gather input=1x61x75 dim=1 count=60", "18300"),
    ("scatter", "scatter input=1x61x75 dim=1 count=60", "18300"),
    ("scatter_add", "scatter_add input=1x61x75 dim=1 count=60", "18300"),
    // One plane.
    ("max_pool2d", "max_pool2d input=2x1x70x70 kernel=2", "19600"),
    ("adaptive_max_pool2d", "adaptive_max_pool2d input=2x1x70x70 size=9", "19600"),
    ("avg_pool2d", "avg_pool2d input=2x1x70x70 kernel=2", "19600"),
    // One image.
    ("conv2d", "conv2d input=2x1x70x70 weight=2x1x3x3", "36992"),
];

/// What is cut or not by what else an adapter allows: partial sums of a weight's gradient are one scratch, of a few MB at most.
const DEPENDS: [(&str, &str); 1] =
    [("conv2d_backward_weight", "conv2d input=8x4x16x16 weight=6x4x3x3 padding=1")];

/// What has no kernel, and what tests can hardly make large: a count of steps is one number.
// NAdam's product is one number.
const WITHOUT: [&str; 7] = ["input", "state", "constant", "table", "reshape", "increment", "nadam_product"];

fn line(text: &str) -> Case {
    let op = text.split(' ').next().unwrap_or_default();
    let data = match op {
        "embedding" | "sequence_mask" | "gather" | "scatter" | "scatter_add" => "integers:9",
        // Wide enough for functions that are 0 near 0.
        op if Function::named(op).is_some() => "real:6",
        _ => "real:1",
    };
    format!("{text} data={data}").parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// All lines that are cut: with those of functions of one and two tensors.
fn cut() -> Vec<(String, String)> {
    let own = |(names, line): &(&str, &str)| ((*names).to_owned(), (*line).to_owned());
    let mut cut: Vec<_> = CUT.iter().map(own).collect();
    // The lines of `where` are above.
    for function in Function::all().into_iter().filter(|f| f.name() != "where") {
        let Some(case) = function.cases().into_iter().next() else { continue };
        let pairs = function.parameters().iter().zip(&case);
        let parameters: String = pairs.map(|(p, value)| format!(" {}={value}", p.name())).collect();
        let parts =
            function.parts().into_iter().filter_map(|part| Some(function.with(&case).ok()?.with_part(part)));
        let names = parts.map(|part| part.name()).collect::<Vec<_>>().join(" ");
        let shapes: &[&str] = match function.operands() {
            1 => &["input=75x61"],
            2 => &["a=75x61 b=75x61", "a=75x61 b=61", "a=75x1 b=1x61"],
            _ => &["a=75x61 b=75x61 c=75x61", "a=75x61 b=61 c=75x1", "a=75x1 b=1x61 c=scalar"],
        };
        let line = |shapes: &&str| (names.clone(), format!("{}{parameters} {shapes}", function.name()));
        cut.extend(shapes.iter().map(line));
    }
    cut
}

/// What becomes of each node of an op on a device: the launches, or why there are none.
fn lowered(case: &Case, name: &str, limits: &Limits) -> Vec<Result<usize, String>> {
    case.graph.with(|data| {
        let types = |ids: &[ValueId]| ids.iter().map(|&v| data.ty(v).clone()).collect::<Vec<_>>();
        let lower = |node: &Node| {
            let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
            let inputs_of: Vec<&TensorType> = inputs.iter().collect();
            let outputs_of: Vec<&TensorType> = outputs.iter().collect();
            let lowering = kernels::lower(&node.op, &Fused::default(), &inputs_of, &outputs_of, limits);
            let words = |operand| match operand {
                Operand::Input(i) => (format!("input {i}"), inputs[i].bytes()),
                Operand::Output(i) => (format!("output {i}"), outputs[i].bytes()),
                Operand::Workspace(i) => (format!("scratch {i}"), 0),
                Operand::Table(i) => (format!("table {i}"), 0),
                Operand::Check => ("the check".to_owned(), 0),
            };
            lowering.map(|l| l.launches.len()).map_err(|refusal| format!("{:?}", refusal.words(words)))
        };
        data.nodes.iter().filter(|node| node.op.name() == name).map(lower).collect()
    })
}

fn devices() -> [Limits; 2] {
    let gpu = Limits::default();
    [gpu.clone(), Limits { software: true, subgroup_size: Some(8), wide_loads: true, ..gpu }]
}

#[test]
fn work_on_tensors_larger_than_a_binding_is_cut() {
    for (names, text) in cut() {
        let case = line(&text);
        for own in devices() {
            let small = Limits { max_binding_bytes: MOST, ..own.clone() };
            for op in names.split_whitespace() {
                let launches = |limits: &Limits| -> usize {
                    let all = lowered(&case, op, limits).into_iter();
                    all.map(|found| found.unwrap_or_else(|e| panic!("{text}: {op}: {e}"))).sum()
                };
                let (whole, cut) = (launches(&own), launches(&small));
                assert!(whole > 0 && cut > whole, "{text}: {op}: {cut} launches, else {whole}");
            }
        }
    }
}

#[test]
fn what_cannot_be_cut_is_refused_with_its_op_and_both_numbers() {
    for (op, text, bytes) in REFUSED {
        let case = line(text);
        for own in devices() {
            let small = Limits { max_binding_bytes: MOST, ..own };
            let found = lowered(&case, op, &small);
            let refused = found.iter().filter_map(|found| found.as_ref().err());
            let said = |error: &String| error.contains(bytes) && error.contains("16384 bytes");
            assert!(refused.clone().any(said), "{text}: {op}: {found:?}");
            let outputs: Vec<ValueId> = case.outputs.iter().map(|(_, tensor)| tensor.id()).collect();
            let error = case.graph.with(|data| plan(data, &outputs, &small)).expect_err(text).to_string();
            // A gradient may already be refused at what it is the gradient of.
            let op = op.trim_end_matches("_backward");
            assert!(error.contains(op) && error.contains("16384 bytes"), "{text}: {error}");
        }
    }
}

/// Every op, by name: a new one has to say what becomes of it.
#[test]
fn every_op_decides() {
    let cut = cut();
    let cut = cut.iter().flat_map(|(names, _)| names.split_whitespace());
    let known: BTreeSet<&str> = cut
        .chain(REFUSED.iter().map(|(op, ..)| *op))
        .chain(DEPENDS.iter().map(|(op, _)| *op))
        .chain(WITHOUT)
        .collect();
    let names: BTreeSet<&str> = Op::names().into_iter().collect();
    assert_eq!(names.difference(&known).collect::<Vec<_>>(), [&""; 0], "neither cut nor refused here");
    assert_eq!(known.difference(&names).collect::<Vec<_>>(), [&""; 0], "no ops");
}

/// On every adapter, with the same bits: where the sums of a split one are no others.
#[test]
fn what_is_cut_gives_the_same_bits() {
    let open = || -> Vec<Adapter> {
        let open = |report: wgrad::AdapterReport| Adapter::open(None, Some(&report.index.to_string())).ok();
        wgrad::adapters(None).into_iter().filter_map(open).collect()
    };
    if open().is_empty() {
        println!("SKIPPED: no adapter");
        return;
    }
    let lines: Vec<String> = cut().into_iter().map(|(_, text)| text).collect();
    let failures = each(&lines, open, |adapters, text| -> Vec<String> {
        adapters.iter().flat_map(|adapter| wrong(text, adapter)).collect()
    });
    let failures = failures.concat();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What is wrong with a line that is cut, on an adapter.
fn wrong(text: &str, adapter: &Adapter) -> Vec<String> {
    let mut failures = Vec::new();
    let outcome = run_variant(&line(text), adapter, VARIANT).expect("a device that works");
    if outcome.verdict != Verdict::Pass {
        failures.push(format!("{text}, on {}: {:?}", adapter.describe(), outcome.verdict));
    }
    let refused = outcome.refused.iter().find(|(variant, _)| variant == VARIANT);
    let known =
        REFUSED.iter().any(|(_, line, _)| *line == text) || DEPENDS.iter().any(|(_, line)| *line == text);
    if let Some((_, why)) = refused.filter(|_| !known) {
        failures.push(format!("{text}, on {}: refused: {why}", adapter.describe()));
    }
    if refused.is_none() && outcome.variants < 2 {
        failures.push(format!("{text}, on {}: not cut", adapter.describe()));
    }
    failures
}

/// Tokens, width and classes of a language model's last layer, whose logits have 224 MB.
const LAYER: [usize; 3] = [2048, 32, 28_000];

/// The layer's loss, and the gradients of its input, weight and bias, with plain loops in f64.
fn on_the_host(hidden: &[f32], weight: &[f32], bias: &[f32], target: &[u32]) -> [Vec<f64>; 4] {
    let [tokens, width, classes] = LAYER;
    let (mut loss, mut of_hidden) = (0.0, vec![0.0; tokens * width]);
    let (mut of_weight, mut of_bias) = (vec![0.0; classes * width], vec![0.0; classes]);
    for token in 0..tokens {
        let row = &hidden[token * width..][..width];
        let logit = |class: usize| -> f64 {
            let terms = row.iter().zip(&weight[class * width..][..width]);
            f64::from(bias[class]) + terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        };
        let logits: Vec<f64> = (0..classes).map(logit).collect();
        let most = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let total: f64 = logits.iter().map(|x| (x - most).exp()).sum();
        let wanted = target[token] as usize;
        loss += (total.ln() + most - logits[wanted]) / tokens as f64;
        for (class, x) in logits.iter().enumerate() {
            let one = f64::from(u8::from(class == wanted));
            let error = ((x - most).exp() / total - one) / tokens as f64;
            of_bias[class] += error;
            for d in 0..width {
                of_hidden[token * width + d] += error * f64::from(weight[class * width + d]);
                of_weight[class * width + d] += error * f64::from(row[d]);
            }
        }
    }
    [vec![loss], of_hidden, of_weight, of_bias]
}

/// `cargo test --release --test bindings -- --ignored --nocapture`: half a gigabyte and some minutes on two cores.
#[test]
#[ignore = "takes minutes on a software adapter"]
fn a_language_models_logits_of_224_mb() -> wgrad::Result<()> {
    let device = wgrad::Device::auto()?;
    let [tokens, width, classes] = LAYER;
    let graph = wgrad::Graph::new();
    let hidden = graph.input("hidden", [tokens, width])?;
    let (weight, bias) = (graph.input("weight", [classes, width])?, graph.input("bias", [classes])?);
    let target = graph.input_u32("target", [tokens])?;
    let logits = hidden.linear(&weight, Some(&bias))?;
    let options = wgrad::ops::CrossEntropy::default();
    let loss = logits.cross_entropy(&target, options, wgrad::ops::Reduction::Mean)?;
    let gradients = loss.gradients(&[&hidden, &weight, &bias])?;
    let outputs: Vec<&wgrad::Tensor> = [&loss].into_iter().chain(&gradients).collect();
    let mut program = wgrad::Parameters::new(&device, 0).compile(&graph, &outputs)?;
    let mut rng = wgrad::random::Rng::new(7);
    let mut draw = |count: usize| (0..count).map(|_| rng.range(-1.0, 1.0) as f32).collect::<Vec<_>>();
    let values = [draw(tokens * width), draw(classes * width), draw(classes)];
    let labels: Vec<u32> = (0..tokens).map(|token| (token * 7919 % classes) as u32).collect();
    let host =
        |tensor: &wgrad::Tensor, values: &[f32]| wgrad::HostTensor::from_f32(tensor.shape(), values.to_vec());
    let tensors = [host(&hidden, &values[0])?, host(&weight, &values[1])?, host(&bias, &values[2])?];
    let labels_tensor = wgrad::HostTensor::from_u32([tokens], labels.clone())?;
    let begun = std::time::Instant::now();
    program.run(&[
        (&hidden, &tensors[0]),
        (&weight, &tensors[1]),
        (&bias, &tensors[2]),
        (&target, &labels_tensor),
    ])?;
    let found = outputs.iter().map(|output| program.read(output)).collect::<wgrad::Result<Vec<_>>>()?;
    println!("{}: {:.1} s", device.describe(), begun.elapsed().as_secs_f64());
    if let Some(plan) = program.plan() {
        println!("{plan}");
    }
    let expected = on_the_host(&values[0], &values[1], &values[2], &labels);
    for (name, (found, expected)) in
        ["loss", "hidden", "weight", "bias"].iter().zip(found.iter().zip(&expected))
    {
        let found = found.as_f32()?;
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - b));
        let relative = error / norm(&mut expected.iter().copied());
        println!("{name}: relative L2 error {relative:.2e}");
        assert!(found.len() == expected.len() && relative < 1e-5, "{name}: {relative}");
    }
    Ok(())
}
