//! Chains that the planner fuses, on the best adapter against the reference, which fuses nothing. Integers, so
//! that the bits must agree.

use wgrad::exec::Executable;
use wgrad::kernels::Limits;
use wgrad::ops::{Conv2d, ConvTranspose2d, Init, MaxPool2d, Op, Sum};
use wgrad::optim::{Optimizer, Sgd};
use wgrad::plan::{Step, plan};
use wgrad::random::Rng;
use wgrad::{Device, Graph, HostTensor, Parameters, Result, Tensor};

/// A graph, what is fused in it, and its outputs.
struct Chain {
    name: &'static str,
    /// What some step of the plan must say.
    fused: &'static str,
    outputs: fn(&Graph) -> Result<Vec<Tensor>>,
}

/// A convolution of an image whose planes hold a multiple of four pixels, or not.
fn conv(graph: &Graph, side: usize) -> Result<(Tensor, Tensor, Tensor)> {
    let x = graph.input("x", [2, 3, side, side])?;
    let w = graph.input("w", [5, 3, 3, 3])?;
    let b = graph.input("b", [5])?;
    Ok((x.conv2d(&w, Some(&b), Conv2d::default().padding(1))?, x, w))
}

/// The error of the convolution's input behind relu and a pool: both backward passes are fused.
fn pooled(graph: &Graph, side: usize) -> Result<Vec<Tensor>> {
    let (y, x, w) = conv(graph, side)?;
    let activated = x.relu()?.conv2d(&w, None, Conv2d::default())?.relu()?;
    let pooled = activated.max_pool2d(MaxPool2d::new(2))?;
    let error = graph.input("error", pooled.shape())?;
    let mut outputs = pooled.gradients_from(&error, &[&x, &w])?;
    outputs.push(y);
    Ok(outputs)
}

const CHAINS: [Chain; 25] = [
    Chain {
        name: "conv2d, relu, vec4",
        fused: "fused with relu",
        outputs: |g| Ok(vec![conv(g, 8)?.0.relu()?]),
    },
    Chain {
        name: "conv2d, leaky relu, ragged",
        fused: "fused with leaky_relu",
        outputs: |g| Ok(vec![conv(g, 7)?.0.leaky_relu(0.5)?]),
    },
    Chain {
        name: "a transposed convolution, its bias, relu",
        fused: "phases of the stride, fused with add, fused with relu",
        outputs: |g| {
            let (x, w, b) = (g.input("x", [2, 3, 5, 6])?, g.input("w", [3, 8, 4, 4])?, g.input("b", [8])?);
            let options = ConvTranspose2d::default().stride(2).padding(1);
            Ok(vec![x.conv_transpose2d(&w, Some(&b), options)?.relu()?])
        },
    },
    Chain {
        name: "conv2d, residual on either side",
        fused: "fused with sub, fused with relu, fused with add",
        outputs: |g| {
            let y = conv(g, 7)?.0;
            let (left, right) = (g.input("left", y.shape())?, g.input("right", y.shape())?);
            Ok(vec![left.sub(&y)?.relu()?.add(&right)?])
        },
    },
    Chain {
        name: "a value that is read twice is stored",
        fused: "fused with sub",
        outputs: |g| {
            let y = conv(g, 8)?.0;
            Ok(vec![y.relu()?.sub(&y)?])
        },
    },
    Chain {
        name: "matmul with bias, relu, product",
        fused: "fused with relu, fused with mul",
        outputs: |g| {
            let (a, w, b) = (g.input("a", [9, 6])?, g.input("w", [10, 6])?, g.input("b", [10])?);
            let y = a.linear(&w, Some(&b))?.relu()?;
            Ok(vec![y.mul(&g.input("gate", [9, 10])?)?])
        },
    },
    Chain {
        name: "matmul, reshape, relu, residual",
        fused: "fused with relu, fused with add",
        outputs: |g| {
            let (a, w) = (g.input("a", [9, 6])?, g.input("w", [10, 6])?);
            let y = a.linear(&w, None)?.reshape([3, 6, 5])?.relu()?;
            Ok(vec![y.add(&g.input("left", [3, 6, 5])?)?.reshape([90])?])
        },
    },
    Chain {
        name: "the error of a linear layer behind flatten, relu, pool",
        fused: "fused with relu_backward",
        outputs: |g| {
            let (x, w) = (g.input("x", [2, 3, 6, 6])?, g.input("w", [10, 27])?);
            let y = x.relu()?.max_pool2d(MaxPool2d::new(2))?.flatten(1)?.linear(&w, None)?;
            y.gradients_from(&g.input("error", [2, 10])?, &[&x, &w])
        },
    },
    Chain {
        name: "pixels alone, with their gradients: channels last where that pays",
        fused: "fused with add, fused with relu",
        outputs: |g| {
            let (x, w, b) =
                (g.input("x", [2, 64, 6, 6])?, g.input("w", [64, 64, 1, 1])?, g.input("b", [64])?);
            let pixels = |x: &Tensor| x.conv2d(&w, Some(&b), Conv2d::default());
            let y = pixels(&pixels(&x)?.relu()?)?.add(&x)?.relu()?;
            let mut outputs = y.gradients_from(&g.input("error", y.shape())?, &[&x, &w, &b])?;
            outputs.push(y.max_pool2d(MaxPool2d::new(2))?);
            Ok(outputs)
        },
    },
    Chain {
        name: "pool and relu backward, even",
        fused: "fused with relu_backward",
        outputs: |g| pooled(g, 10),
    },
    Chain {
        name: "pool and relu backward, ragged",
        fused: "fused with relu_backward",
        outputs: |g| pooled(g, 9),
    },
    Chain {
        name: "a sum of a chain, reshaped, and what is done to it",
        fused: "fused with mul, fused with sub, fused with relu, fused with add",
        outputs: |g| {
            let (a, b) = (g.input("a", [3, 40])?, g.input("b", [3, 40])?);
            let left = g.input("left", [10])?;
            let chain = a.mul(&b)?.sub(&a)?.reshape([3, 4, 10])?.relu()?;
            Ok(vec![chain.sum([0, 1], false)?.add(&left)?])
        },
    },
    Chain {
        name: "a sum of columns, of a difference either way",
        fused: "fused with sub, fused with mul",
        outputs: |g| {
            let (a, b) = (g.input("a", [9, 40])?, g.input("b", [9, 40])?);
            let left = g.input("left", [40])?;
            // The chain is the other operand.
            Ok(vec![b.sub(&a.relu()?)?.sum([0], false)?.mul(&left)?])
        },
    },
    Chain {
        name: "a sum of columns in slices",
        fused: "partial sums, in order, fused with sub, fused with mul",
        outputs: |g| {
            let (a, b) = (g.input("a", [300, 40])?, g.input("b", [300, 40])?);
            let (left, right) = (g.input("left", [40])?, g.input("right", [40])?);
            Ok(vec![left.sub(&a.mul(&b)?.sum([0], false)?)?.mul(&right)?])
        },
    },
    Chain {
        name: "a sum in slices, an odd number of them",
        fused: "partial sums, in order, fused with sub, fused with mul",
        outputs: |g| {
            let (a, b) = (g.input("a", [3, 9001])?, g.input("b", [3, 9001])?);
            let (left, right) = (g.input("left", [3])?, g.input("right", [3])?);
            Ok(vec![left.sub(&a.mul(&b)?.sum([1], false)?)?.mul(&right)?])
        },
    },
    Chain {
        name: "the gradient of what was broadcast before relu, a part of the error",
        fused: "lanes per output, fused with relu_backward, fused with add",
        outputs: |g| {
            let b = g.input("b", [5, 1])?;
            let y = b.broadcast_to([5, 33])?.relu()?;
            // A view: it begins inside the error.
            let error = g.input("error", [512, 33])?.narrow(0, 256, 5)?;
            let left = g.input("left", [320, 1])?.narrow(0, 256, 5)?;
            Ok(vec![y.gradients_from(&error, &[&b])?.remove(0).add(&left)?])
        },
    },
    Chain {
        name: "sums over no dimension, of a number too",
        fused: "fused with mul",
        outputs: |g| {
            let (a, b) = (g.input("a", [3, 37])?, g.input("b", [3, 37])?);
            let nothing = || Op::Sum(Sum { dims: Vec::new() });
            let mut outputs = g.apply(nothing(), &[&a.mul(&b)?])?;
            outputs.extend(g.apply(nothing(), &[&g.scalar(3.0)?])?);
            Ok(outputs)
        },
    },
    Chain {
        name: "sums of squares, clipped",
        fused: "fused with mul",
        outputs: |g| {
            let (a, b) = (g.input("a", [7, 36])?, g.input("b", [5])?);
            let norm = |t: &Tensor| t.mul(t)?.sum(&(0..t.shape().len()).collect::<Vec<_>>(), false);
            Ok(vec![norm(&a)?.add(&norm(&b)?)?.clamp_max(100.0)?])
        },
    },
    Chain {
        name: "conv2d, the affine part of a norm, vec4",
        fused: "fused with mul, fused with add, fused with relu",
        outputs: |g| {
            let y = conv(g, 8)?.0;
            let (a, left) = (g.input("a", [5, 1, 1])?, g.input("left", [5, 1, 1])?);
            Ok(vec![y.mul(&a)?.add(&left)?.relu()?])
        },
    },
    Chain {
        name: "conv2d, a mask of rows and a number, ragged",
        fused: "fused with mul, fused with sub",
        outputs: |g| {
            let y = conv(g, 7)?.0;
            let (a, left) = (g.input("a", [2, 1, 7, 1])?, g.input("left", [])?);
            Ok(vec![left.sub(&a.mul(&y)?)?])
        },
    },
    Chain {
        name: "matmul, a row and a column",
        fused: "fused with add, fused with mul, fused with prelu",
        outputs: |g| {
            let (a, w) = (g.input("a", [9, 6])?, g.input("w", [10, 6])?);
            let (left, right) = (g.input("left", [10])?, g.input("right", [9, 1])?);
            Ok(vec![a.linear(&w, None)?.add(&left)?.mul(&right)?.prelu(&left)?])
        },
    },
    Chain {
        name: "what is broadcast, through a reshape",
        fused: "fused with add, fused with mul",
        outputs: |g| {
            let (a, left) = (g.input("a", [6, 1])?, g.input("left", [1, 8])?);
            let sum = a.sub(&left)?.add(&a)?.reshape([4, 12])?;
            Ok(vec![sum.mul(&g.input("b", [12])?)?.relu()?])
        },
    },
    Chain {
        name: "a sum of what is broadcast, its value the second operand",
        fused: "fused with sub, fused with mul",
        outputs: |g| {
            let (a, b) = (g.input("a", [4, 1])?, g.input("b", [3, 4, 10])?);
            let left = g.input("left", [4, 10])?;
            Ok(vec![a.sub(&b)?.mul(&left)?.sum([0, 2], false)?])
        },
    },
    Chain {
        name: "sums of columns and of rows of products with a row",
        fused: "fused with mul",
        outputs: |g| {
            let (a, b, left) = (g.input("a", [130, 40])?, g.input("b", [40])?, g.input("left", [130, 1])?);
            Ok(vec![a.mul(&b)?.sum([0], false)?, a.mul(&left)?.sum([1], false)?.mul(&g.input("gate", [1])?)?])
        },
    },
    Chain {
        name: "element-wise only",
        fused: "fused with sub, fused with relu",
        outputs: |g| {
            let (a, b) = (g.input("a", [3, 37])?, g.input("b", [3, 37])?);
            Ok(vec![a.mul(&b)?.sub(&a)?.relu()?])
        },
    },
];

/// Integers of at most 3 for every input.
fn data(graph: &Graph) -> Result<Vec<(Tensor, HostTensor)>> {
    let mut rng = Rng::new(1);
    let names = ["x", "w", "b", "a", "error", "left", "right", "gate"];
    let known = graph.to_string();
    let used = names.iter().filter(|name| known.contains(&format!("input() '{name}'")));
    used.map(|name| {
        let shape = graph.with(|data| {
            let node = data.nodes.iter().find(|n| n.op.leaf_name() == Some(name)).expect("it was found");
            data.ty(node.outputs[0]).shape.clone()
        });
        let values = (0..shape.elements()).map(|_| rng.below(7) as f32 - 3.0).collect();
        Ok((graph.input(name, shape.clone())?, HostTensor::from_f32(shape, values)?))
    })
    .collect()
}

fn run(chain: &Chain, device: &Device) -> Result<Vec<HostTensor>> {
    let graph = Graph::new();
    let outputs = (chain.outputs)(&graph)?;
    let outputs: Vec<&Tensor> = outputs.iter().collect();
    let held = data(&graph)?;
    let inputs: Vec<_> = held.iter().map(|(t, v)| (t, v)).collect();
    let mut program = Parameters::new(device, 0).compile(&graph, &outputs)?;
    program.fill_scratch(0x7fc0_0000);
    program.run(&inputs)?;
    outputs.iter().map(|t| program.read(t)).collect()
}

#[test]
fn the_planner_fuses_these_chains() {
    for chain in &CHAINS {
        let graph = Graph::new();
        let outputs = (chain.outputs)(&graph).expect(chain.name);
        let ids: Vec<_> = outputs.iter().map(Tensor::id).collect();
        let text = graph.with(|data| plan(data, &ids, &Limits::default())).expect(chain.name).to_string();
        assert!(text.contains(chain.fused), "{}: no '{}' in\n{text}", chain.name, chain.fused);
    }
}

/// Where it was measured, the chain of single pixels is computed from matrices, transposed at its ends.
#[test]
fn channels_come_last_on_a_cpu_adapter() {
    let chain = CHAINS.iter().find(|chain| chain.name.contains("channels last")).expect("it is there");
    let graph = Graph::new();
    let outputs = (chain.outputs)(&graph).expect(chain.name);
    let ids: Vec<_> = outputs.iter().map(Tensor::id).collect();
    let limits = Limits { software: true, wide_loads: true, subgroup_size: Some(8), ..Limits::default() };
    let plan = graph.with(|data| plan(data, &ids, &limits)).expect(chain.name);
    let op = |step: &Step| if let Step::Dispatch(dispatch) = step { dispatch.op } else { "copy" };
    let ops: Vec<&str> = plan.steps.iter().map(op).collect();
    assert!(ops.contains(&"permute") && ops.iter().all(|op| !op.starts_with("conv2d")), "{plan}");
}

/// The last value counts, also where a run that was refused wrote one before.
#[test]
fn an_input_given_again_is_the_last_one() {
    for device in [Device::auto().expect("a device that opens"), Device::cpu()] {
        let graph = Graph::new();
        let x = graph.input("x", [3]).expect("an input");
        let y = x.scale(2.0).expect("a graph");
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&y]).expect("a program");
        let of = |v: f32| HostTensor::from_f32([3], vec![v; 3]).expect("three numbers");
        let expect = |program: &Executable, v: f32| {
            assert_eq!(program.read(&y).expect("a result").as_f32().expect("f32"), [v; 3]);
        };
        for _ in 0..5 {
            program.run(&[(&x, &of(1.0)), (&x, &of(2.0))]).expect("a run");
            expect(&program, 4.0);
            let refused = program.run(&[(&x, &of(5.0)), (&y, &of(0.0))]).expect_err("no input").to_string();
            assert!(refused.contains("an input of the graph"), "{refused}");
            program.run(&[(&x, &of(3.0))]).expect("a run");
            expect(&program, 6.0);
            program.run(&[]).expect("a run with what was given before");
            expect(&program, 6.0);
        }
    }
}

/// What a program computes can be read after a run, not before, on a device as on the reference.
#[test]
fn nothing_is_read_before_a_run() {
    for device in [Device::auto().expect("a device that opens"), Device::cpu()] {
        let graph = Graph::new();
        let y = graph.input("x", [3]).and_then(|x| x.relu()).expect("a graph");
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&y]).expect("a program");
        let error = program.read(&y).expect_err("no result yet").to_string();
        assert!(error.contains("before a run"), "{error}");
        program.run(&[]).expect("a run");
        assert!(program.read(&y).is_ok());
    }
}

#[test]
fn fused_chains_agree_with_the_reference() {
    let device = Device::auto().expect("a device that opens");
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return;
    }
    println!("{} chains on {}", CHAINS.len(), device.describe());
    for chain in &CHAINS {
        let expected = run(chain, &Device::cpu()).expect(chain.name);
        let got = run(chain, &device).expect(chain.name);
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let (got, expected) = (got.as_f32().expect("f32"), expected.as_f32().expect("f32"));
            assert!(expected.iter().any(|v| *v != 0.0), "{}: output {i} is all zeros", chain.name);
            let wrong = got.iter().zip(expected).position(|(a, b)| a != b);
            assert!(wrong.is_none(), "{}: output {i} differs first at {wrong:?}", chain.name);
        }
    }
}

/// Sizes of parameters whose steps are batched: within a workgroup, at its end, over several, ragged.
const PARAMETERS: [usize; 6] = [1, 256, 257, 1023, 10, 5000];

/// Three steps of SGD on all of them, and the values after.
fn batched_steps(device: &Device) -> Result<(String, Vec<HostTensor>)> {
    let graph = Graph::new();
    let (mut pairs, mut held, mut rng) = (Vec::new(), Vec::new(), Rng::new(4));
    for (i, size) in PARAMETERS.into_iter().enumerate() {
        let parameter = graph.parameter(&format!("p{i}"), [size], Init::Constant(1.0))?;
        let grad = graph.input(&format!("g{i}"), [size])?;
        let values = (0..size).map(|_| rng.below(7) as f32 - 3.0).collect();
        held.push((grad.clone(), HostTensor::from_f32([size], values)?));
        pairs.push((parameter, grad));
    }
    // Powers of two, so that the bits must agree.
    Sgd::new(0.25).momentum(0.5).update(&pairs)?;
    let parameters = Parameters::new(device, 0);
    let mut program = parameters.compile(&graph, &[])?;
    let inputs: Vec<_> = held.iter().map(|(t, v)| (t, v)).collect();
    for _ in 0..3 {
        program.run(&inputs)?;
    }
    let after = (0..PARAMETERS.len()).map(|i| parameters.get(&format!("p{i}"))).collect::<Result<_>>()?;
    Ok((program.plan().map(ToString::to_string).unwrap_or_default(), after))
}

#[test]
fn batched_steps_of_an_optimizer_agree_with_the_reference() {
    let device = Device::auto().expect("a device that opens");
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return;
    }
    let (plan, got) = batched_steps(&device).expect("steps on the device");
    let (_, expected) = batched_steps(&Device::cpu()).expect("steps of the reference");
    assert!(plan.contains(" parameters"), "nothing is batched:\n{plan}");
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        assert_eq!(got.as_f32().expect("f32"), expected.as_f32().expect("f32"), "parameter {i}");
        assert!(got.as_f32().expect("f32").iter().any(|v| *v != 1.0), "parameter {i} never moved");
    }
}
