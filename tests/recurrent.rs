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
