//! Recurrent layers against PyTorch's, frozen in `fixtures/rnn`: outputs, last states and every gradient, of all
//! kinds, directions, layers, lengths and states; fused and unrolled, in the f64 reference and on the adapter.

use safetensors::tensor::SafeTensors;
use std::collections::{BTreeSet, HashMap};
use wgrad::nn::recurrent::Sequence;
use wgrad::nn::{Gru, Lstm, Rnn};
use wgrad::reference::{Array, Interpreter, Precision};
use wgrad::{DType, Device, Graph, HostTensor, Parameters, Result, Tensor, TensorType};

const FIXTURES: &[u8] = include_bytes!("fixtures/rnn/rnn.safetensors");
/// Steps, batch, input and hidden size of `generate.py`.
const SIZES: [usize; 4] = [5, 3, 3, 4];

/// The tensors of one case, by name.
struct Fixture {
    name: String,
    tensors: HashMap<String, Array>,
}

impl Fixture {
    fn all() -> Vec<Fixture> {
        let file = SafeTensors::deserialize(FIXTURES).expect("a safetensors file");
        let case = |key: &str| key.split_once('/').expect("case/name").0.to_owned();
        let names: BTreeSet<String> = file.names().into_iter().map(case).collect();
        let tensor = |key: &str| {
            let view = file.tensor(key).expect("a tensor");
            let values =
                view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")));
            Array { ty: TensorType::f32(view.shape().to_vec()), data: values.collect() }
        };
        let fixture = |name: String| {
            let prefix = format!("{name}/");
            let keys = file.names().into_iter().filter(|key| key.starts_with(&prefix));
            let tensors = keys.map(|key| (key[prefix.len()..].to_owned(), tensor(key))).collect();
            Fixture { name, tensors }
        };
        names.into_iter().map(fixture).collect()
    }

    fn setting(&self, name: &str) -> usize {
        let value = self.name.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.expect("a setting").parse().expect("a number")
    }

    fn sequence(
        &self,
        x: &Tensor,
        state: Option<&[Tensor]>,
        lengths: Option<&Tensor>,
        unrolled: bool,
    ) -> Result<Sequence> {
        let [_, _, input, hidden] = SIZES;
        let flag = |name: &str| self.setting(name) == 1;
        macro_rules! configured {
            ($layer:expr) => {
                $layer
                    .num_layers(self.setting("layers"))
                    .bidirectional(flag("bidirectional"))
                    .bias(flag("bias"))
                    .batch_first(flag("batch_first"))
                    .unrolled(unrolled)
                    .sequence(x, state, lengths)
            };
        }
        match self.name.split(' ').next() {
            Some("rnn_tanh") => configured!(Rnn::new(input, hidden)),
            Some("rnn_relu") => configured!(Rnn::new(input, hidden).relu()),
            Some("gru") => configured!(Gru::new(input, hidden)),
            Some("lstm") => match self.setting("proj") {
                0 => configured!(Lstm::new(input, hidden)),
                size => configured!(Lstm::new(input, hidden).proj_size(size)),
            },
            other => panic!("unknown layer {other:?}"),
        }
    }
}

/// A layer in a graph with everything the fixture knows about it.
struct Net {
    graph: Graph,
    /// What a run is given: its name and tensor.
    inputs: Vec<(String, Tensor)>,
    /// What is compared: its name in the fixture.
    outputs: Vec<(String, Tensor)>,
}

fn build(fixture: &Fixture, unrolled: bool) -> Result<Net> {
    let graph = Graph::new();
    let shape = |name: &str| fixture.tensors[name].ty.shape.clone();
    let mut inputs = Vec::new();
    let mut input = |name: &str| -> Result<Tensor> {
        let tensor = if name == "lengths" {
            graph.input_u32(name, shape(name))
        } else {
            graph.input(name, shape(name))
        }?;
        inputs.push((name.to_owned(), tensor.clone()));
        Ok(tensor)
    };
    let has = |name: &&str| fixture.tensors.contains_key(*name);
    let x = input("x")?;
    let state = ["h0", "c0"].iter().filter(|n| has(n)).map(|n| input(n)).collect::<Result<Vec<_>>>()?;
    let lengths = Some("lengths").filter(has).map(&mut input).transpose()?;
    let given = Some(&state[..]).filter(|s| !s.is_empty());
    let found = fixture.sequence(&x, given, lengths.as_ref(), unrolled)?;
    let mut outputs = vec![("output".to_owned(), found.output)];
    outputs.extend(["h_n", "c_n"].iter().map(|n| (*n).to_owned()).zip(found.state));
    let mut loss: Option<Tensor> = None;
    // The loss of some depends on the output alone.
    let errors: Vec<_> = outputs.iter().filter(|(name, _)| has(&&*format!("grad_{name}"))).cloned().collect();
    for (name, tensor) in &errors {
        let dims: Vec<usize> = (0..tensor.shape().len()).collect();
        let part = tensor.mul(&input(&format!("grad_{name}"))?)?.sum(&dims, false)?;
        loss = Some(match loss {
            Some(sum) => sum.add(&part)?,
            None => part,
        });
    }
    let parameters = graph.parameters();
    let wrt: Vec<&Tensor> = [&x].into_iter().chain(&state).chain(&parameters).collect();
    for (tensor, grad) in wrt.iter().zip(loss.expect("an output").gradients(&wrt)?) {
        outputs.push((format!("grad {}", tensor.name().expect("a named tensor")), grad));
    }
    Ok(Net { graph, inputs, outputs })
}

/// The error's norm over the expected values'.
fn error(got: &[f64], expected: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(expected).map(|(g, e)| g - e)) / norm(&mut expected.iter().copied()).max(1e-300)
}

fn compare(fixture: &Fixture, net: &Net, how: &str, got: &[Vec<f64>], most: f64) {
    // Every parameter and gradient that PyTorch has must have been compared.
    let wanted = fixture
        .tensors
        .keys()
        .filter(|k| k.starts_with("grad ") || ["output", "h_n", "c_n"].contains(&k.as_str()));
    let names: BTreeSet<&String> = net.outputs.iter().map(|(name, _)| name).collect();
    assert_eq!(names, wanted.collect(), "{}", fixture.name);
    for ((name, tensor), got) in net.outputs.iter().zip(got) {
        let expected = &fixture.tensors[name];
        assert_eq!(tensor.shape(), expected.ty.shape, "{}: {name}", fixture.name);
        let error = error(got, &expected.data);
        assert!(error <= most, "{} ({how}): {name} is off by {error:e}, more than {most:e}", fixture.name);
    }
}

/// Every two settings occur together in each of their four ways, for every kind of layer; with a projection, which
/// LSTMs may have, every setting occurs both ways.
#[test]
fn fixtures_pair_all_settings() {
    let settings = ["layers", "bidirectional", "bias", "lengths", "state", "batch_first", "last"];
    let values = |f: &Fixture| settings.map(|name| f.setting(name) > usize::from(name == "layers"));
    let fixtures = Fixture::all();
    for kind in ["rnn_tanh", "rnn_relu", "lstm", "gru"] {
        let of_kind = fixtures.iter().filter(|f| f.name.starts_with(kind));
        let found: Vec<_> = of_kind.filter(|f| f.setting("proj") == 0).map(values).collect();
        for (a, first) in settings.iter().enumerate() {
            for (b, second) in settings.iter().enumerate().skip(a + 1) {
                let pairs: BTreeSet<_> = found.iter().map(|values| (values[a], values[b])).collect();
                assert_eq!(pairs.len(), 4, "{kind}: {first} with {second}");
            }
        }
    }
    let projected: Vec<_> = fixtures.iter().filter(|f| f.setting("proj") > 0).map(values).collect();
    for (place, name) in settings.iter().enumerate() {
        let ways: BTreeSet<_> = projected.iter().map(|values| values[place]).collect();
        assert_eq!(ways.len(), 2, "a projection with {name}");
    }
}

fn check(unrolled: bool) {
    let fixtures = Fixture::all();
    for fixture in fixtures {
        let net = build(&fixture, unrolled).expect("a layer that fits");
        let ids: Vec<_> = net.outputs.iter().map(|(_, t)| t.id()).collect();
        let value = |name: &str, tensor: &Tensor| {
            let data = fixture.tensors[name].data.clone();
            (name.to_owned(), Array { ty: tensor.ty(), data })
        };
        let inputs = net.inputs.iter().map(|(name, tensor)| value(name, tensor)).collect();
        let mut states =
            net.graph.parameters().iter().map(|p| value(&p.name().expect("a name"), p)).collect();
        let interpreter = Interpreter::new(net.graph.with(Clone::clone), &ids, Precision::F64);
        let found = interpreter.run(&inputs, &mut states).expect("a run");
        let got: Vec<Vec<f64>> = ids.iter().map(|id| found[id].data.clone()).collect();
        compare(&fixture, &net, "reference, f64", &got, 1e-12);
    }
}

#[test]
fn fused_layers_are_pytorchs() {
    check(false);
}

#[test]
fn unrolled_layers_are_pytorchs() {
    check(true);
}

fn host(array: &Array, dtype: DType) -> Result<HostTensor> {
    Array { ty: TensorType { dtype, ..array.ty.clone() }, data: array.data.clone() }.to_host()
}

/// On the adapter in f32: numerics.md allows `8 ceil(log2(terms T)) 2^-23` backward, 5.7e-6 here, a layer.
fn check_device(unrolled: bool) -> Result<()> {
    let device = Device::auto()?;
    if let Some(notice) = device.notice() {
        println!("SKIPPED: {notice}");
        return Ok(());
    }
    for fixture in Fixture::all() {
        let net = build(&fixture, unrolled)?;
        let outputs: Vec<&Tensor> = net.outputs.iter().map(|(_, t)| t).collect();
        let parameters = Parameters::new(&device, 0);
        let mut program = parameters.compile(&net.graph, &outputs)?;
        for parameter in net.graph.parameters() {
            let name = parameter.name().expect("a name");
            parameters.set(&name, &host(&fixture.tensors[&name], DType::F32)?)?;
        }
        let value = |(name, tensor): &(String, Tensor)| host(&fixture.tensors[name], tensor.ty().dtype);
        let values = net.inputs.iter().map(value).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<_> = net.inputs.iter().map(|(_, t)| t).zip(&values).collect();
        program.fill_scratch(0x7fc0_0000);
        program.run(&inputs)?;
        let read = |t: &&Tensor| Ok(program.read(t)?.as_f32()?.iter().map(|&v| f64::from(v)).collect());
        let got = outputs.iter().map(read).collect::<Result<Vec<Vec<f64>>>>()?;
        let layers = fixture.setting("layers") as f64;
        compare(&fixture, &net, &device.describe(), &got, 5.7e-6 * layers);
    }
    Ok(())
}

#[test]
fn fused_layers_on_the_adapter() -> Result<()> {
    check_device(false)
}

#[test]
fn unrolled_layers_on_the_adapter() -> Result<()> {
    check_device(true)
}

/// What does not fit is refused while the graph is built, by name and with both sizes.
#[test]
fn misfits_are_refused() {
    use wgrad::nn::recurrent::lengths;
    let refused = |found: Result<Sequence>, parts: &[&str]| {
        let error = found.expect_err("a misfit").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let graph = Graph::new();
    let x = graph.input("x", [5, 3, 2]).expect("an input");
    let h = graph.input("h", [1, 2, 4]).expect("an input");
    let lstm = Lstm::new(2, 4);
    refused(lstm.sequence(&x, Some(&[h.clone(), h.clone()]), None), &["lstm", "(1, 3, 4)", "(1, 2, 4)"]);
    refused(lstm.sequence(&x, Some(std::slice::from_ref(&h)), None), &["lstm", "a state of"]);
    refused(Gru::new(3, 4).sequence(&x, None, None), &["gru", "input (T, B, 3)", "(5, 3, 2)"]);
    refused(Rnn::new(2, 4).num_layers(0).sequence(&x, None, None), &["num_layers"]);
    refused(Lstm::new(2, 4).proj_size(4).sequence(&x, None, None), &["proj_size"]);
    refused(Lstm::new(2, 4).num_layers(2).dropout(1.5).sequence(&x, None, None), &["dropout", "0 to 1"]);
    let short = graph.input_u32("lengths", [2]).expect("an input");
    refused(lstm.sequence(&x, None, Some(&short)), &["lengths (3)", "(2)"]);
    for (bad, part) in [(vec![3, 0, 5], "0 for sequence 1"), (vec![3, 1, 6], "6 for sequence 2")] {
        let error = lengths(&bad, 5).expect_err("a bad length").to_string();
        assert!(error.contains(part) && error.contains("1 to 5"), "{error}");
    }
    assert_eq!(lengths(&[3, 5, 1], 5).expect("good lengths").as_u32().expect("u32"), [3, 5, 1]);
}

/// A dropout between layers changes the training graph and leaves the evaluation graph alone.
#[test]
fn dropout_is_between_layers_and_only_in_training() -> Result<()> {
    let values = |layers: usize, training: bool, runs: usize| -> Result<HostTensor> {
        let graph = Graph::new();
        graph.set_training(training);
        let x = graph.input("x", [3, 2, 4])?;
        let output = Lstm::new(4, 4).num_layers(layers).dropout(0.5).sequence(&x, None, None)?.output;
        let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&output])?;
        let input = HostTensor::from_f32([3, 2, 4], (0..24).map(|i| (i as f32).sin()).collect())?;
        for _ in 0..runs {
            program.run(&[(&x, &input)])?;
        }
        program.read(&output)
    };
    assert_eq!(values(1, true, 1)?, values(1, false, 1)?, "one layer has nothing in between");
    assert_eq!(values(2, false, 1)?, values(2, false, 2)?);
    assert_ne!(values(2, true, 1)?, values(2, false, 1)?);
    assert_ne!(values(2, true, 1)?, values(2, true, 2)?, "each run draws anew");
    assert_eq!(values(2, true, 2)?, values(2, true, 2)?, "from the same seed the same");
    Ok(())
}

/// Clipping keeps the direction and bounds the norm of all gradients together.
#[test]
fn clipping_bounds_the_norm() -> Result<()> {
    for (max_norm, scale) in [(1.0f32, 0.2f32), (10.0, 1.0)] {
        let graph = Graph::new();
        let p = graph.parameter("p", [2], wgrad::ops::Init::Zeros)?;
        let x = graph.input("x", [2])?;
        let loss = p.mul(&x)?.sum([0], false)?;
        let (clipped, norm) = wgrad::optim::clip_grad_norm(&wgrad::optim::gradients(&loss)?, max_norm)?;
        let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&clipped[0].1, &norm])?;
        program.run(&[(&x, &HostTensor::from_f32([2], vec![3.0, 4.0])?)])?;
        assert!((program.read(&norm)?.as_f32()?[0] - 5.0).abs() < 1e-6);
        let got = program.read(&clipped[0].1)?;
        let got = got.as_f32()?;
        assert!((got[0] - 3.0 * scale).abs() < 1e-5 && (got[1] - 4.0 * scale).abs() < 1e-5, "{got:?}");
    }
    Ok(())
}

/// A drawing shows the cell once, and a box a step when it is unrolled over the same parameters.
#[test]
fn an_unrolled_cell_is_drawn_step_by_step() -> Result<()> {
    use wgrad::nn::LstmCell;
    use wgrad::nn::recurrent::{Unroll, unroll};
    let graph = Graph::new();
    unroll(&LstmCell::new(3, 4), &graph.input("x", [3, 2, 3])?, Unroll::default())?;
    let dot = graph.to_dot();
    assert!((0..3).all(|t| dot.contains(&format!("label=\"t = {t}\""))), "{dot}");
    let names: Vec<_> = graph.parameters().iter().filter_map(Tensor::name).collect();
    assert_eq!(names, ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]);
    Ok(())
}

/// The value of each tensor, of inputs filled with a few numbers, on a device.
fn values(device: &Device, outputs: &[&Tensor]) -> Result<Vec<Vec<f32>>> {
    let graph = outputs[0].graph();
    let mut program = Parameters::new(device, 3).compile(graph, outputs)?;
    let mut fed = Vec::new();
    for name in ["x", "h", "c", "error"] {
        let known = graph.with(|data| data.nodes.iter().find(|n| n.op.leaf_name() == Some(name)).cloned());
        let Some(ty) = known.map(|node| graph.with(|data| data.ty(node.outputs[0]).clone())) else {
            continue;
        };
        let numbers = (0..ty.shape.elements()).map(|i| (1.3 * i as f32 + name.len() as f32).sin());
        let value = HostTensor::from_f32(ty.shape.clone(), numbers.collect())?;
        fed.push((graph.input(name, ty.shape)?, value));
    }
    if graph.with(|data| data.nodes.iter().any(|node| node.op.leaf_name() == Some("lengths"))) {
        fed.push((graph.input_u32("lengths", [3])?, HostTensor::from_u32([3], vec![4, 6, 1])?));
    }
    program.run(&fed.iter().map(|(tensor, value)| (tensor, value)).collect::<Vec<_>>())?;
    outputs.iter().map(|t| Ok(program.read(t)?.as_f32()?.to_vec())).collect()
}

/// A sequence without a batch gives what a batch of one gives, output and states, and has none either.
#[test]
fn sequences_without_a_batch() -> Result<()> {
    for (unrolled, batch_first) in [(false, false), (true, false), (false, true)] {
        let layer =
            Lstm::new(2, 4).num_layers(2).bidirectional(true).unrolled(unrolled).batch_first(batch_first);
        type Shapes = Vec<Vec<usize>>;
        type Values = Vec<Vec<f32>>;
        let run = |batched: bool, given: bool| -> Result<(Shapes, Values)> {
            let graph = Graph::new();
            let with = |mut sizes: Vec<usize>, at: usize| {
                if batched {
                    sizes.insert(at, 1);
                }
                sizes
            };
            let x = graph.input("x", with(vec![5, 2], usize::from(!batch_first)))?;
            let states = [graph.input("h", with(vec![4, 4], 1))?, graph.input("c", with(vec![4, 4], 1))?];
            let found = layer.sequence(&x, given.then_some(&states[..]), None)?;
            let outputs = [&found.output, &found.state[0], &found.state[1]];
            Ok((outputs.map(|t| t.shape().to_vec()).to_vec(), values(&Device::cpu(), &outputs)?))
        };
        for given in [false, true] {
            let (alone, batch) = (run(false, given)?, run(true, given)?);
            assert_eq!(alone.0, [vec![5, 8], vec![4, 4], vec![4, 4]]);
            assert_eq!(alone.1, batch.1);
        }
    }
    let graph = Graph::new();
    let (x, h) = (graph.input("x", [5, 2])?, graph.input("h", [1, 1, 4])?);
    let (gru, lengths) = (Gru::new(2, 4), graph.input_u32("lengths", [1])?);
    let refused = |found: Result<Sequence>| found.expect_err("a misfit").to_string();
    assert!(refused(gru.sequence(&x, Some(&[h]), None)).contains("states (num_layers D, n)"));
    assert!(refused(gru.sequence(&x, None, Some(&lengths))).contains("input (T, B, 2)"));
    assert!(refused(Gru::new(3, 4).sequence(&x, None, None)).contains("input (T, B, 3)"));
    Ok(())
}

/// A cell takes vectors for a batch of one.
#[test]
fn cells_without_a_batch() -> Result<()> {
    use wgrad::nn::recurrent::Cell;
    use wgrad::nn::{GruCell, LstmCell, RnnCell};
    let cells: [Box<dyn Cell>; 3] =
        [Box::new(RnnCell::new(2, 4).relu()), Box::new(LstmCell::new(2, 4)), Box::new(GruCell::new(2, 4))];
    for cell in cells {
        let step = |rows: &[usize]| -> Result<(Vec<usize>, Vec<Vec<f32>>)> {
            let graph = Graph::new();
            let input = |name: &str, n: usize| graph.input(name, [rows, &[n]].concat());
            let states = [input("h", 4)?, input("c", 4)?];
            let new = cell.step(&input("x", 2)?, &states[..cell.state_sizes().len()])?;
            Ok((new[0].shape().to_vec(), values(&Device::cpu(), &new.iter().collect::<Vec<_>>())?))
        };
        let (alone, row) = (step(&[])?, step(&[1])?);
        assert_eq!((alone.0, row.0), (vec![4], vec![1, 4]));
        assert_eq!(alone.1, row.1);
        let graph = Graph::new();
        let (x, h) = (graph.input("x", [2])?, graph.input("h", [1, 4])?);
        assert!(cell.step(&x, &vec![h; cell.state_sizes().len()]).is_err(), "a vector and a row");
        assert!(cell.step(&x, &[]).is_err(), "no state");
    }
    Ok(())
}

/// A GRU whose reset gate acts on the state before its product: Keras' and ONNX's, step by step.
#[test]
fn a_gru_that_resets_before_its_product() -> Result<()> {
    let (graph, [steps, hidden]) = (Graph::new(), [4, 3]);
    let x = graph.input("x", [steps, 1, 2])?;
    let found = Gru::new(2, hidden).reset_after(false).sequence(&x, None, None)?;
    let parameters: Vec<Tensor> = graph.parameters();
    let all: Vec<&Tensor> = [&found.output, &x].into_iter().chain(&parameters).collect();
    let read = values(&Device::cpu(), &all)?;
    let [output, x, w_ih, w_hh, b_ih, b_hh] = &read[..] else { panic!("four parameters: {parameters:?}") };
    let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
    let mut h = vec![0.0f32; hidden];
    for t in 0..steps {
        let from_x = |row: usize| b_ih[row] + (0..2).map(|i| w_ih[row * 2 + i] * x[t * 2 + i]).sum::<f32>();
        let from_h = |row: usize, h: &[f32]| {
            b_hh[row] + h.iter().enumerate().map(|(i, h)| w_hh[row * 3 + i] * h).sum::<f32>()
        };
        let gate = |g: usize, j: usize| sigmoid(from_x(g * 3 + j) + from_h(g * 3 + j, &h));
        let reset: Vec<f32> = (0..hidden).map(|j| gate(0, j) * h[j]).collect();
        let next = (0..hidden).map(|j| {
            let (z, n) = (gate(1, j), (from_x(6 + j) + from_h(6 + j, &reset)).tanh());
            (1.0 - z) * n + z * h[j]
        });
        h = next.collect();
        for j in 0..hidden {
            assert!((output[t * hidden + j] - h[j]).abs() < 1e-5, "step {t}: {output:?} {h:?}");
        }
    }
    let graph = Graph::new();
    let (x, h) = (graph.input("x", [1, 2])?, graph.input("h", [1, 3])?);
    let cell = wgrad::nn::GruCell::new(2, 3);
    use wgrad::nn::recurrent::Cell;
    let (before, after) = (
        cell.clone().reset_after(false).step(&x, std::slice::from_ref(&h))?,
        cell.step(&x, std::slice::from_ref(&h))?,
    );
    let read = values(&Device::cpu(), &[&before[0], &after[0]])?;
    assert_ne!(read[0], read[1]);
    Ok(())
}

/// A fused layer with a projection gives what single steps give, gradients too: in both directions, with first states or
/// with lengths, on the adapter where there is one.
#[test]
fn projections_are_fused() -> Result<()> {
    for (given, masked) in [(false, false), (true, false), (false, true), (true, true)] {
        let run = |unrolled: bool| -> Result<Vec<Vec<f32>>> {
            let graph = Graph::new();
            let x = graph.input("x", [6, 3, 5])?;
            let states = [graph.input("h", [4, 3, 2])?, graph.input("c", [4, 3, 7])?];
            let lengths = graph.input_u32("lengths", [3])?;
            let layer = Lstm::new(5, 7).proj_size(2).num_layers(2).bidirectional(true).unrolled(unrolled);
            let found = layer.sequence(&x, given.then_some(&states[..]), masked.then_some(&lengths))?;
            let error = graph.input("error", found.output.shape())?;
            let parameters = graph.parameters();
            let mut wrt: Vec<&Tensor> = parameters.iter().chain([&x]).collect();
            if given {
                wrt.extend(&states);
            }
            let gradients = found.output.gradients_from(&error, &wrt)?;
            let outputs: Vec<&Tensor> =
                [&found.output].into_iter().chain(&found.state).chain(&gradients).collect();
            values(&Device::auto()?, &outputs)
        };
        let (fused, unrolled) = (run(false)?, run(true)?);
        for (a, b) in fused.iter().flatten().zip(unrolled.iter().flatten()) {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "given {given}, masked {masked}: {a} {b}");
        }
    }
    Ok(())
}
