//! What a program finds wrong while it runs, on every kind of device in the same words: indices that are out of their
//! range, and, where a user asks for it, the first value that is not finite.

use wgrad::nn::{Gru, Lstm, Rnn};
use wgrad::ops::{CrossEntropy, CtcLoss, Init, RecurrentKind, Reduction};
use wgrad::optim::{LEARNING_RATE, Optimizer, Sgd};
use wgrad::plan::Plan;
use wgrad::{Backend, Device, Executable, Graph, HostTensor, Parameters, Result, Tensor};

/// The CPU reference, the best adapter, and one of OpenGL, where there are any.
fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    devices.extend(Device::auto().ok().filter(|device| !device.is_cpu()));
    devices.extend(Device::open(Some(Backend::Gl), None).ok().filter(|device| !device.is_cpu()));
    devices
}

fn f32s(shape: &[usize], values: &[f32]) -> HostTensor {
    HostTensor::from_f32(shape.to_vec(), values.to_vec()).expect("as many values")
}

fn u32s(values: &[u32]) -> HostTensor {
    HostTensor::from_u32([values.len()], values.to_vec()).expect("as many values")
}

/// The words of an error.
fn words<T>(result: Result<T>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

/// A layer with a loss: 4 rows of 3 features to 5 classes, trained by SGD.
struct Classifier {
    images: Tensor,
    labels: Tensor,
    loss: Tensor,
    graph: Graph,
}

impl Classifier {
    fn new(options: CrossEntropy) -> Result<Self> {
        let graph = Graph::new();
        let (images, labels) = (graph.input("images", [4, 3])?, graph.input_u32("labels", [4])?);
        let weight = graph.parameter("fc.weight", [5, 3], Init::Constant(0.5))?;
        let loss = graph.scoped("head", || {
            images.linear(&weight, None)?.relu()?.cross_entropy(&labels, options, Reduction::Mean)
        })?;
        Sgd::new(0.1).minimize(&loss)?;
        Ok(Self { images, labels, loss, graph })
    }

    fn step(&self, program: &mut Executable, labels: &[u32]) -> Result<()> {
        self.step_on(1.0, program, labels)
    }

    /// A step on images that are so many times as bright.
    fn step_on(&self, light: f32, program: &mut Executable, labels: &[u32]) -> Result<()> {
        let images = [1.0, 2.0, 3.0, -1.0, 0.5, 0.0, 4.0, 1.0, -2.0, 0.0, 1.0, 0.0];
        let images = f32s(&[4, 3], &images.map(|v| v * light));
        program.run(&[(&self.images, &images), (&self.labels, &u32s(labels))])
    }
}

const WRONG: &str = "cross_entropy 'head': expected targets below 5, got another one in row 2";

#[test]
fn a_target_out_of_range_fails_the_next_read_and_no_later_one() -> Result<()> {
    for device in devices() {
        let model = Classifier::new(CrossEntropy::default())?;
        let mut program = Parameters::new(&device, 0).compile(&model.graph, &[&model.loss])?;
        model.step(&mut program, &[0, 4, 1, 2])?;
        assert!(program.read(&model.loss)?.as_f32()?[0].is_finite());
        model.step(&mut program, &[0, 1, 5, 9])?;
        assert_eq!(words(program.read(&model.loss)), WRONG, "{}", device.describe());
        model.step(&mut program, &[0, 4, 1, 2])?;
        program.read(&model.loss)?;
        // The largest index there is, in the last row.
        model.step(&mut program, &[0, 4, 1, u32::MAX])?;
        assert!(words(program.read(&model.loss)).ends_with("row 3"), "{}", device.describe());
    }
    Ok(())
}

#[test]
fn a_target_out_of_range_fails_a_later_step_where_nobody_reads() -> Result<()> {
    for device in devices() {
        let model = Classifier::new(CrossEntropy::default())?;
        let mut program = Parameters::new(&device, 0).compile(&model.graph, &[&model.loss])?;
        model.step(&mut program, &[0, 1, 7, 2])?;
        let failed = (0..6).find_map(|_| model.step(&mut program, &[0, 4, 1, 2]).err());
        assert_eq!(failed.map(|error| error.to_string()).as_deref(), Some(WRONG), "{}", device.describe());
        // It was said; six steps more say nothing.
        for _ in 0..6 {
            model.step(&mut program, &[0, 4, 1, 2])?;
        }
        program.read(&model.loss)?;
    }
    Ok(())
}

/// A result that is on its way belongs to the runs before it: it fails, though it is looked at later.
#[test]
fn a_pending_result_fails_when_it_is_waited_for() -> Result<()> {
    for device in devices().into_iter().filter(|device| !device.is_cpu()) {
        let model = Classifier::new(CrossEntropy::default())?;
        let mut program = Parameters::new(&device, 0).compile(&model.graph, &[&model.loss])?;
        model.step(&mut program, &[0, 4, 1, 2])?;
        let good = program.read_async(&model.loss)?;
        good.wait()?;
        model.step(&mut program, &[0, 1, 6, 2])?;
        let bad = program.read_async(&model.loss)?;
        assert_eq!(words(bad.wait()), WRONG, "{}", device.describe());
    }
    Ok(())
}

/// What one program met is said by who reads the parameters that another shares with it.
#[test]
fn programs_over_the_same_parameters_tell_when_these_are_read() -> Result<()> {
    for device in devices() {
        let model = Classifier::new(CrossEntropy::default())?;
        let parameters = Parameters::new(&device, 0);
        let mut program = parameters.compile(&model.graph, &[&model.loss])?;
        let graph = Graph::new();
        let twice = graph.parameter("fc.weight", [5, 3], Init::Zeros)?.scale(2.0)?;
        let mut other = parameters.compile(&graph, &[&twice])?;
        model.step(&mut program, &[0, 1, 5, 2])?;
        other.run(&[])?;
        other.read(&twice)?;
        assert_eq!(words(parameters.get("fc.weight")), WRONG, "{}", device.describe());
        parameters.get("fc.weight")?;
        drop(program);
        parameters.get("fc.weight")?;
    }
    Ok(())
}

#[test]
fn an_ignored_target_is_legal_and_another_is_not() -> Result<()> {
    for device in devices() {
        let options = CrossEntropy { ignore_index: Some(255), ..CrossEntropy::default() };
        let model = Classifier::new(options)?;
        let mut program = Parameters::new(&device, 0).compile(&model.graph, &[&model.loss])?;
        model.step(&mut program, &[0, 255, 1, 255])?;
        program.read(&model.loss)?;
        model.step(&mut program, &[0, 255, 254, 1])?;
        let expected = "cross_entropy 'head': expected targets below 5 or 255, which is ignored, got another \
                        one in row 2";
        assert_eq!(words(program.read(&model.loss)), expected, "{}", device.describe());
    }
    Ok(())
}

#[test]
fn an_embedding_index_out_of_range_is_named() -> Result<()> {
    for device in devices() {
        for width in [3, 8] {
            let graph = Graph::new();
            let tokens = graph.input_u32("tokens", [6])?;
            let table = graph.parameter("table", [7, width], Init::Constant(1.0))?;
            // Fused with what follows, or not.
            let output = graph.scoped("words", || table.embedding(&tokens)?.relu())?;
            let mut program = Parameters::new(&device, 0).compile(&graph, &[&output])?;
            program.run(&[(&tokens, &u32s(&[0, 6, 3, 2, 1, 0]))])?;
            program.read(&output)?;
            program.run(&[(&tokens, &u32s(&[0, 6, 3, 2, 7, 8]))])?;
            let expected = "embedding 'words': expected indices below 7, got another one in row 4";
            assert_eq!(words(program.read(&output)), expected, "{} {width}", device.describe());
        }
    }
    Ok(())
}

/// The gradient alone, without the look-up, which nobody reads: of few places, where each row looks for its own, and of
/// many, which are sorted.
#[test]
fn an_index_out_of_range_is_named_where_only_the_gradient_is_computed() -> Result<()> {
    for device in devices() {
        for (rows, count) in [(7, 6), (3, 200), (500, 300)] {
            let graph = Graph::new();
            let tokens = graph.input_u32("tokens", [count])?;
            let table = graph.parameter("table", [rows, 4], Init::Constant(1.0))?;
            let sum = graph.scoped("words", || table.embedding(&tokens)?.sum([0, 1], false))?;
            let gradient = sum.gradients(&[&table])?.remove(0);
            let mut program = Parameters::new(&device, 0).compile(&graph, &[&gradient])?;
            let looked_up = |plan: &Plan| plan.kernels.iter().any(|kernel| kernel.name == "embedding");
            assert!(!program.plan().is_some_and(looked_up), "the look-up is computed, too");
            let mut indices: Vec<u32> = (0..count as u32).map(|n| n % rows as u32).collect();
            program.run(&[(&tokens, &u32s(&indices))])?;
            program.read(&gradient)?;
            // Two rows that the table lacks, the last place among them.
            (indices[count - 3], indices[count - 1]) = (rows as u32, u32::MAX);
            program.run(&[(&tokens, &u32s(&indices))])?;
            let told = words(program.read(&gradient));
            let expected = format!("indices below {rows}, got another one in row {}", count - 3);
            assert!(told.starts_with("embedding_backward") && told.ends_with(&expected), "{told}");
            program.run(&[(&tokens, &u32s(&vec![rows as u32 - 1; count]))])?;
            program.read(&gradient)?;
        }
    }
    Ok(())
}

#[test]
fn a_sequence_longer_than_its_mask_is_named() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let lengths = graph.input_u32("lengths", [70])?;
        let mask = graph.scoped("rnn", || lengths.sequence_mask(5))?;
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&mask])?;
        let mut given: Vec<u32> = (0..70).map(|n| n % 6).collect();
        program.run(&[(&lengths, &u32s(&given))])?;
        program.read(&mask)?;
        (given[66], given[69]) = (6, u32::MAX);
        program.run(&[(&lengths, &u32s(&given))])?;
        let expected = "sequence_mask 'rnn': expected lengths of at most 5, got another one in row 66";
        assert_eq!(words(program.read(&mask)), expected, "{}", device.describe());
    }
    Ok(())
}

#[test]
fn a_target_of_nll_loss_out_of_range_is_named() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let (x, labels) = (graph.input("x", [3, 4])?, graph.input_u32("labels", [3])?);
        let loss = graph.scoped("head", || x.nll_loss(&labels, None, Some(9), Reduction::Mean))?;
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&loss])?;
        let values = f32s(&[3, 4], &[-1.0; 12]);
        program.run(&[(&x, &values), (&labels, &u32s(&[3, 9, 0]))])?;
        assert_eq!(program.read(&loss)?.as_f32()?, [1.0]);
        program.run(&[(&x, &values), (&labels, &u32s(&[3, 4, 0]))])?;
        let expected =
            "nll_loss 'head': expected targets below 4 or 9, which is ignored, got another one in row 1";
        assert_eq!(words(program.read(&loss)), expected, "{}", device.describe());
    }
    Ok(())
}

/// What lies behind a length is not looked at.
#[test]
fn a_label_or_a_length_of_ctc_loss_out_of_range_is_named() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let x = graph.input("x", [4, 3, 5])?;
        let [labels, steps, counts] = [
            graph.input_u32("labels", [3, 2])?,
            graph.input_u32("steps", [3])?,
            graph.input_u32("counts", [3])?,
        ];
        let ctc = || x.ctc_loss(&labels, &steps, &counts, CtcLoss::default(), Reduction::Sum);
        let loss = graph.scoped("head", ctc)?;
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&loss])?;
        let values = f32s(&[4, 3, 5], &[-1.5; 60]);
        let mut told = |given: [&[u32]; 3]| -> Result<String> {
            let given_labels = HostTensor::from_u32([3, 2], given[0].to_vec())?;
            let (given_steps, given_counts) = (u32s(given[1]), u32s(given[2]));
            let of = [(&labels, &given_labels), (&steps, &given_steps), (&counts, &given_counts)];
            program.run(&[(&x, &values), of[0], of[1], of[2]])?;
            Ok(words(program.read(&loss)))
        };
        let (right, name) = ([1, 2, 3, 9, 4, 9], device.describe());
        assert_eq!(told([&right, &[4, 3, 2], &[2, 1, 1]])?, "", "{name}");
        let expected = "ctc_loss 'head': expected targets below 5, input_lengths up to 4 and target_lengths up to \
                        2, got another one in row";
        assert_eq!(told([&right, &[4, 3, 2], &[2, 2, 1]])?, format!("{expected} 1"), "{name}");
        assert_eq!(told([&right, &[4, 3, 5], &[2, 1, 1]])?, format!("{expected} 2"), "{name}");
        assert_eq!(told([&right, &[4, 3, 2], &[3, 1, 1]])?, format!("{expected} 0"), "{name}");
    }
    Ok(())
}

/// Indices that another op computed are looked at as well: those that the host never sees.
#[test]
fn an_index_that_was_computed_is_looked_at() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let scores = graph.input("scores", [3, 9])?;
        let table = graph.parameter("table", [8, 4], Init::Zeros)?;
        let output = table.embedding(&scores.argmax(1)?)?;
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&output])?;
        let mut values = [0.0; 27];
        values[2 * 9 + 8] = 1.0;
        program.run(&[(&scores, &f32s(&[3, 9], &values))])?;
        let expected = "embedding: expected indices below 8, got another one in row 2";
        assert_eq!(words(program.read(&output)), expected, "{}", device.describe());
    }
    Ok(())
}

/// Two layers; the second divides by what comes in.
fn quotient() -> Result<(Graph, [Tensor; 2], Tensor)> {
    let graph = Graph::new();
    let (x, y) = (graph.input("x", [2, 3])?, graph.input("y", [2, 3])?);
    let sum = graph.scoped("first", || x.add(&y)?.relu())?;
    let output = graph.scoped("second", || x.div(&sum)?.scale(2.0)?.softmax(1))?;
    Ok((graph, [x, y], output))
}

#[test]
fn the_first_node_that_is_not_finite_is_named_with_place_and_value() -> Result<()> {
    for device in devices() {
        let (graph, [x, y], output) = quotient()?;
        let run = |device: &Device, x_values: &[f32], y_values: &[f32]| -> Result<String> {
            let mut program = Parameters::new(device, 0).compile(&graph, &[&output])?;
            program.run(&[(&x, &f32s(&[2, 3], x_values)), (&y, &f32s(&[2, 3], y_values))])?;
            Ok(words(program.read(&output)))
        };
        let ones = [1.0; 6];
        let minus = [1.0, 1.0, 1.0, 1.0, -1.0, 1.0];
        let checked = device.clone().check_finite(true);
        let of = |x: &[f32], y: &[f32]| run(&checked, x, y);
        let name = device.describe();
        assert_eq!(of(&ones, &ones)?, "", "{name}");
        let inf = "div 'second': expected finite numbers, got inf at [1, 1] of output 0, f32 (2, 3)";
        assert_eq!(of(&ones, &minus)?, inf, "{name}");
        // 0 / 0 first, and only its place counts, not what kind it is.
        let nan = "div 'second': expected finite numbers, got NaN at [0, 2] of output 0, f32 (2, 3)";
        assert_eq!(of(&[1.0, 1.0, 0.0, 1.0, 1.0, 1.0], &[1.0, 1.0, 0.0, 1.0, -1.0, 1.0])?, nan, "{name}");
        let sum = "add 'first': expected finite numbers, got -inf at [0, 0] of output 0, f32 (2, 3)";
        let large = [f32::MIN, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(of(&large, &large)?, sum, "{name}");
        let given = "input 'y': expected finite numbers, got NaN at [1, 2] of f32 (2, 3)";
        assert_eq!(of(&ones, &[1.0, 1.0, 1.0, 1.0, 1.0, f32::NAN])?, given, "{name}");
        // Without it nothing is said.
        assert_eq!(run(&device, &ones, &minus)?, "", "{name}");
        assert_eq!(run(&checked.check_finite(false), &ones, &minus)?, "", "{name}");
    }
    Ok(())
}

/// A learning rate that makes a parameter infinite: the update is named, before the next loss is.
#[test]
fn a_parameter_that_becomes_infinite_in_training_is_named() -> Result<()> {
    for device in devices() {
        let model = Classifier::new(CrossEntropy::default())?;
        let parameters = Parameters::new(&device.clone().check_finite(true), 0);
        let mut program = parameters.compile(&model.graph, &[&model.loss])?;
        model.step(&mut program, &[0, 4, 1, 2])?;
        program.read(&model.loss)?;
        parameters.set(LEARNING_RATE, &f32s(&[], &[f32::MAX]))?;
        let told = (0..8).find_map(|_| {
            let failed = model.step_on(100.0, &mut program, &[0, 4, 1, 2]);
            let failed = failed.and_then(|()| program.read(&model.loss));
            failed.err().map(|error| error.to_string())
        });
        let told = told.unwrap_or_default();
        assert!(told.starts_with("sgd"), "{}: {told}", device.describe());
        assert!(told.contains("inf at [") && told.contains("the new 'fc.weight'"), "{told}");
    }
    Ok(())
}

#[test]
fn a_state_that_is_not_finite_is_named() -> Result<()> {
    for device in devices() {
        let model = Classifier::new(CrossEntropy::default())?;
        let parameters = Parameters::new(&device.clone().check_finite(true), 0);
        let mut program = parameters.compile(&model.graph, &[&model.loss])?;
        let mut weight = [0.5; 15];
        weight[7] = f32::NEG_INFINITY;
        parameters.set("fc.weight", &f32s(&[5, 3], &weight))?;
        model.step(&mut program, &[0, 4, 1, 2])?;
        let expected = "parameter 'fc.weight': expected finite numbers, got -inf at [2, 1] of f32 (5, 3)";
        assert_eq!(words(program.read(&model.loss)), expected, "{}", device.describe());
    }
    Ok(())
}

#[test]
fn a_learning_rate_that_no_optimizer_takes_cannot_be_set() -> Result<()> {
    for device in devices() {
        let model = Classifier::new(CrossEntropy::default())?;
        let parameters = Parameters::new(&device, 0);
        parameters.compile(&model.graph, &[&model.loss])?;
        for (rate, said) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (-0.5, "-0.5")] {
            let expected = format!("optimizer.lr: expected a finite number of at least 0, got {said}");
            assert_eq!(words(parameters.set(LEARNING_RATE, &f32s(&[], &[rate]))), expected);
        }
        parameters.set(LEARNING_RATE, &f32s(&[], &[0.0]))?;
        assert_eq!(parameters.get(LEARNING_RATE)?.as_f32()?, [0.0]);
    }
    Ok(())
}

/// A condition that is NaN is not 0, whatever a driver makes of its comparison.
#[test]
fn where_takes_nan_for_true() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let condition = graph.input("condition", [6])?;
        let output = condition.select(&graph.scalar(1.0)?, &graph.scalar(2.0)?)?;
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&output])?;
        let values = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0];
        program.run(&[(&condition, &f32s(&[6], &values))])?;
        let read = program.read(&output)?;
        assert_eq!(read.as_f32()?, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0], "{}", device.describe());
    }
    Ok(())
}

/// What stands where a sequence has ended plays no part, NaN included, for every kind of recurrent layer.
#[test]
fn steps_that_a_sequence_does_not_have_leave_no_nan() -> Result<()> {
    for device in devices() {
        for kind in [RecurrentKind::RnnTanh, RecurrentKind::RnnRelu, RecurrentKind::Lstm, RecurrentKind::Gru]
        {
            let (steps, batch, hidden) = (4, 2, 8);
            let graph = Graph::new();
            let input = graph.input("input", [steps, batch, 3])?;
            let lengths = graph.input_u32("lengths", [batch])?;
            let output = match kind {
                RecurrentKind::RnnTanh => Rnn::new(3, hidden).sequence(&input, None, Some(&lengths))?.output,
                RecurrentKind::RnnRelu => {
                    Rnn::new(3, hidden).relu().sequence(&input, None, Some(&lengths))?.output
                }
                RecurrentKind::Lstm => Lstm::new(3, hidden).sequence(&input, None, Some(&lengths))?.output,
                RecurrentKind::Gru => Gru::new(3, hidden).sequence(&input, None, Some(&lengths))?.output,
            };
            let error = graph.input("error", output.shape())?;
            let gradient = output.gradients_from(&error, &[&input])?.remove(0);
            let mut program = Parameters::new(&device, 0).compile(&graph, &[&output, &gradient])?;
            let ones = f32s(&[steps, batch, hidden], &[1.0; 64]);
            let mut run = |rest: f32| -> Result<Vec<f32>> {
                let mut values = [0.25; 24];
                // The second sequence has two steps.
                [2, 3].iter().for_each(|t| values[(t * batch + 1) * 3..][..3].fill(rest));
                let given =
                    [(&input, &f32s(&[4, 2, 3], &values)), (&lengths, &u32s(&[4, 2])), (&error, &ones)];
                program.run(&given)?;
                let mut read = program.read(&output)?.as_f32()?.to_vec();
                let gradient = program.read(&gradient)?.as_f32()?.to_vec();
                assert!([2, 3].iter().all(|t| gradient[(t * batch + 1) * 3..][..3] == [0.0; 3]), "{kind:?}");
                read.extend(gradient);
                Ok(read)
            };
            let (usual, with_nan) = (run(0.25)?, run(f32::NAN)?);
            assert_eq!(usual, with_nan, "{kind:?} on {}", device.describe());
        }
    }
    Ok(())
}
