//! Tensors stored as `f16`: in and out of a device, beside `f32`, and where they are refused.

use wgrad::kernels::Limits;
use wgrad::ops::{Conv2d, Init, Role};
use wgrad::optim::{Optimizer, Sgd};
use wgrad::plan::plan;
use wgrad::{DType, Device, Graph, HostTensor, Parameters, Plan, Result, Tensor, TensorType, f16};

/// The CPU reference, and the best adapter where it can store `f16`.
fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    match Device::auto() {
        Ok(device) if !device.is_cpu() && device.limits().f16 => devices.push(device),
        _ => println!("SKIPPED: no adapter with shader-f16"),
    }
    devices
}

fn halves(values: &[f32]) -> HostTensor {
    HostTensor::from_f16([values.len()], values.iter().map(|&v| f16::from_f32(v)).collect()).expect("as many")
}

fn singles(values: &[f32]) -> HostTensor {
    HostTensor::from_f32([values.len()], values.to_vec()).expect("as many")
}

fn words<T>(result: Result<T>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

fn planned(output: &Tensor, limits: &Limits) -> Result<Plan> {
    output.graph().with(|data| plan(data, &[output.id()], limits))
}

/// A device that can.
fn able() -> Limits {
    Limits { f16: true, ..Limits::default() }
}

#[test]
fn tensors_of_odd_counts_go_in_and_come_back() -> Result<()> {
    for device in devices() {
        for count in [1, 2, 3, 5, 7, 64, 65] {
            let graph = Graph::new();
            let (x, y) = (graph.input_f16("x", [count])?, graph.input_f16("y", [count])?);
            let sum = x.add(&y)?;
            let mut program = Parameters::new(&device, 0).compile(&graph, &[&x, &sum])?;
            let numbers: Vec<f32> = (0..count).map(|i| i as f32 - 0.5).collect();
            program.run(&[(&x, &halves(&numbers)), (&y, &halves(&vec![2.0; count]))])?;
            assert_eq!(program.read(&x)?, halves(&numbers), "{}", device.describe());
            let sums: Vec<f32> = numbers.iter().map(|v| v + 2.0).collect();
            assert_eq!(program.read(&sum)?, halves(&sums), "{}", device.describe());
        }
    }
    Ok(())
}

/// Numbers are rounded where they are stored, to a neighbour at least; the reference rounds to the nearest, ties to even.
#[test]
fn numbers_are_rounded_where_they_are_stored() -> Result<()> {
    let rounded = [
        (1.0, 1.0),
        (2049.0, 2048.0),
        (2051.0, 2052.0),
        (65504.0, 65504.0),
        (65519.0, 65504.0),
        (65520.0, f32::INFINITY),
        (-1e9, f32::NEG_INFINITY),
        (5.9604645e-8, 5.9604645e-8),
        (2.9802322e-8, 0.0),
        (0.1, 0.099975586),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
    ];
    let (given, expected): (Vec<f32>, Vec<f32>) = rounded.into_iter().unzip();
    assert_eq!(singles(&given).cast(DType::F16).cast(DType::F32), singles(&expected));
    let graph = Graph::new();
    let x = graph.input("x", [given.len()])?;
    let back = x.half()?.float()?;
    let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&back])?;
    program.run(&[(&x, &singles(&given))])?;
    assert_eq!(program.read(&back)?, singles(&expected));
    assert_eq!(back.float()?.id(), back.id(), "nothing to cast");
    Ok(())
}

#[test]
fn types_that_differ_are_refused_by_name() -> Result<()> {
    let graph = Graph::new();
    let (x, half) = (graph.input("x", [4, 4])?, graph.input_f16("half", [4, 4])?);
    for (op, said) in [
        ("add", words(graph.scoped("layer", || x.add(&half)))),
        ("matmul", words(graph.scoped("layer", || half.matmul(&x)))),
        ("concat", words(graph.scoped("layer", || Tensor::concat(&[&x, &half], 0)))),
    ] {
        let all = [op, "'layer'", "f32 (4, 4)", "f16 (4, 4)"];
        assert!(all.iter().all(|word| said.contains(word)), "{said}");
    }
    // What the op says of shapes, it says of the type that it has.
    let said = words(half.matmul(&graph.input_f16("other", [3, 4])?));
    assert!(!said.is_empty() && !said.contains("f32"), "{said}");
    assert!(words(graph.input("half", [4, 4])).contains("f16 (4, 4)"));
    assert!(words(half.sum((), false)?.gradients(&[&half])).contains("a loss of one f32 element"));
    let bad = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&half])?.run(&[(&half, &singles(&[1.0]))]);
    assert!(words(bad).contains("f16 (4, 4)"));
    Ok(())
}

/// A rate times a gradient would leave most parameters as they are: steps are of `f32`.
#[test]
fn optimizers_step_single_precision_alone() -> Result<()> {
    let graph = Graph::new();
    let weight = graph.state("weight", TensorType::f16([8]), Init::Zeros, Role::Parameter)?;
    let said = words(Sgd::new(0.1).minimize(&weight.float()?.sum((), false)?));
    assert!(said.contains("sgd") && said.contains("f32 inputs") && said.contains("f16 (8)"), "{said}");
    Ok(())
}

#[test]
fn adapters_that_cannot_store_it_are_refused_by_op_and_layer() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input_f16("x", [1, 4, 8, 8])?;
    let w = graph.input_f16("w", [4, 4, 3, 3])?;
    let y = graph.scoped("features.0", || x.conv2d(&w, None, Conv2d::default()))?;
    let said = words(planned(&y, &Limits::default()));
    let all = ["conv2d", "'features.0'", "shader-f16", "f16"];
    assert!(all.iter().all(|word| said.contains(word)), "{said}");
    assert!(planned(&y, &able()).is_ok());
    let single = graph.input("single", [4])?.relu()?;
    assert!(planned(&single, &Limits::default()).is_ok());
    Ok(())
}

/// Half the bytes, in whole fours of elements.
#[test]
fn tensors_take_half_the_memory() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input_f16("x", [1000])?;
    let plan = planned(&x.relu()?, &able())?;
    assert_eq!(plan.buffers.iter().map(|b| b.bytes).collect::<Vec<_>>(), [2000, 2000]);
    assert_eq!(TensorType::f16([3, 5]).bytes(), 30);
    Ok(())
}

#[test]
fn gradients_go_through_casts_in_the_type_of_what_they_belong_to() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [3])?, graph.input_f16("w", [3])?);
        let loss = x.half()?.mul(&w)?.float()?.sum((), false)?;
        let grads = loss.gradients(&[&x, &w])?;
        assert_eq!([grads[0].ty().dtype, grads[1].ty().dtype], [DType::F32, DType::F16]);
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&grads[0], &grads[1]])?;
        program.run(&[(&x, &singles(&[1.0, 2.0, 3.0])), (&w, &halves(&[0.5, -1.0, 4.0]))])?;
        assert_eq!(program.read(&grads[0])?, singles(&[0.5, -1.0, 4.0]));
        assert_eq!(program.read(&grads[1])?, halves(&[1.0, 2.0, 3.0]));
        let apart = graph.input_f16("apart", [2])?;
        assert_eq!(loss.gradients(&[&apart])?[0].ty(), TensorType::f16([2]), "zeros");
    }
    Ok(())
}

/// A mean over more than `f16` can count, and whose sum it cannot hold.
#[test]
fn means_are_as_large_as_what_they_are_of() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let x = graph.input_f16("x", [70_000])?;
        let mean = x.mean((), false)?;
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&mean])?;
        program.run(&[(&x, &halves(&vec![8.0; 70_000]))])?;
        let read = program.read(&mean)?;
        assert_eq!(read.as_f16()?, [f16::from_f32(8.0)], "{}", device.describe());
        assert!(words(read.as_f32()).contains("f16"));
    }
    Ok(())
}

#[test]
fn the_first_value_that_is_not_finite_is_named() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let x = graph.input_f16("x", [5])?;
        let square = x.mul(&x)?;
        let device = device.check_finite(true);
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&square])?;
        program.run(&[(&x, &halves(&[1.0, 2.0, 3.0, 4.0, 300.0]))])?;
        let said = words(program.read(&square));
        assert_eq!(said, "mul: expected finite numbers, got inf at [4] of output 0, f16 (5)");
    }
    Ok(())
}

#[test]
fn states_are_saved_and_loaded_as_they_are_stored() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    for device in devices() {
        let graph = Graph::new();
        let weight = graph.state("weight", TensorType::f16([5]), Init::Constant(0.1), Role::Parameter)?;
        let parameters = Parameters::new(&device, 0);
        parameters.compile(&graph, &[&weight.relu()?])?;
        assert_eq!(parameters.get("weight")?, halves(&[0.1; 5]));
        parameters.set("weight", &halves(&[1.0, 2.0, 3.0, 4.0, 5.0]))?;
        parameters.save(&path)?;
        parameters.set("weight", &halves(&[0.0; 5]))?;
        parameters.load(&path)?;
        assert_eq!(parameters.get("weight")?, halves(&[1.0, 2.0, 3.0, 4.0, 5.0]));
        assert!(words(parameters.set("weight", &singles(&[0.0; 5]))).contains("f16 (5)"));
    }
    Ok(())
}
