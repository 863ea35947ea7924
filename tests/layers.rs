//! Layers of functions, shapes and dropout: what they compute, name and begin with, and what they refuse.

use wgrad::nn::{
    AlphaDropout, CELU, CircularPad2d, ConstantPad1d, Conv2d, Dropout1d, Dropout2d, ELU, Embedding,
    FeatureAlphaDropout, Fold, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Identity, LeakyReLU,
    Linear, LocalResponseNorm, LogSigmoid, LogSoftmax, Mish, Module, PReLU, PixelShuffle, PixelUnshuffle,
    RReLU, ReLU, ReLU6, ReflectionPad1d, ReflectionPad2d, ReplicationPad1d, SELU, Sequential, SiLU, Sigmoid,
    Softmax, Softmin, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold, Unflatten, Unfold,
    Upsample, WeightNorm, ZeroPad2d,
};
use wgrad::ops::{self, Init, InterpolateMode, Pad, Role};
use wgrad::optim::{Optimizer, Sgd};
use wgrad::{Device, Graph, HostTensor, Parameters, Result, Tensor};

/// What a layer and a method give for the same numbers.
fn agree(layer: &dyn Module, shape: &[usize], method: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", shape)?;
    let (layered, direct) = (layer.forward(&x)?, method(&x)?);
    assert_eq!(layered.shape(), direct.shape());
    let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&layered, &direct])?;
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| (i * 37 % 23) as f32 * 0.5 - 5.0).collect();
    program.run(&[(&x, &HostTensor::from_f32(shape, values)?)])?;
    assert_eq!(program.read(&layered)?.as_f32()?, program.read(&direct)?.as_f32()?);
    Ok(())
}

#[test]
fn layers_of_functions_have_pytorchs_defaults() -> Result<()> {
    let of = |layer: &dyn Module, method: &dyn Fn(&Tensor) -> Result<Tensor>| agree(layer, &[3, 8], method);
    of(&ReLU, &|x| x.relu())?;
    of(&ReLU6, &|x| x.relu6())?;
    of(&LeakyReLU::new(), &|x| x.leaky_relu(0.01))?;
    of(&LeakyReLU::new().negative_slope(0.5), &|x| x.leaky_relu(0.5))?;
    of(&RReLU::new(), &|x| x.rrelu(0.125, 1.0 / 3.0))?;
    of(&ELU::new(), &|x| x.elu(1.0))?;
    of(&SELU, &|x| x.selu())?;
    of(&CELU::new().alpha(2.0), &|x| x.celu(2.0))?;
    of(&GELU::new(), &|x| x.gelu())?;
    of(&GELU::tanh(), &|x| x.gelu_tanh())?;
    of(&SiLU, &|x| x.silu())?;
    of(&Mish, &|x| x.mish())?;
    of(&Softplus::new(), &|x| x.softplus(1.0, 20.0))?;
    of(&Softsign, &|x| x.softsign())?;
    of(&Sigmoid, &|x| x.sigmoid())?;
    of(&LogSigmoid, &|x| x.log_sigmoid())?;
    of(&Hardsigmoid, &|x| x.hardsigmoid())?;
    of(&Hardswish, &|x| x.hardswish())?;
    of(&Hardtanh::new(), &|x| x.hardtanh(-1.0, 1.0))?;
    of(&Hardshrink::new(), &|x| x.hardshrink(0.5))?;
    of(&Softshrink::new().lambd(1.0), &|x| x.softshrink(1.0))?;
    of(&Tanh, &|x| x.tanh())?;
    of(&Tanhshrink, &|x| x.tanhshrink())?;
    of(&Threshold::new(0.1, 20.0), &|x| x.threshold(0.1, 20.0))?;
    of(&GLU::default(), &|x| x.glu(1))?;
    of(&Softmax::new(-1), &|x| x.softmax(1))?;
    of(&Softmin::new(0), &|x| x.softmin(0))?;
    of(&LogSoftmax::new(1), &|x| x.log_softmax(1))?;
    of(&PReLU::default(), &|x| x.leaky_relu(0.25))?;
    of(&PReLU::new(8).init(0.5), &|x| x.leaky_relu(0.5))?;
    let x = Graph::new().input("x", [2])?;
    assert_eq!(Identity.forward(&x)?.id(), x.id());
    Ok(())
}

#[test]
fn layers_of_shapes_are_their_methods() -> Result<()> {
    let image = [2, 4, 4, 6];
    agree(&Unflatten::new(-1, &[3, 2]), &[2, 4, 6], |x| x.reshape([2, 4, 3, 2]))?;
    agree(&Upsample::new(2.0), &image, |x| x.upsample_nearest(2.0))?;
    let bilinear = Upsample::new(2.0).mode(InterpolateMode::Bilinear).align_corners(true);
    agree(&bilinear, &image, |x| x.upsample_bilinear(2.0))?;
    agree(&PixelShuffle::new(2), &image, |x| x.pixel_shuffle(2))?;
    agree(&PixelUnshuffle::new(2), &image, |x| x.pixel_unshuffle(2))?;
    let blocks = ops::Unfold::new(2);
    agree(&Unfold(blocks), &image, |x| x.unfold(blocks))?;
    agree(&Fold::new((3, 4), blocks), &[2, 8, 6], |x| x.fold((3, 4), blocks))?;
    agree(&ZeroPad2d::new(1), &image, |x| x.pad(&[1, 1, 1, 1], Pad::Constant(0.0)))?;
    agree(&ZeroPad2d::new([1, -1, 2, 0]), &image, |x| x.pad(&[1, -1, 2, 0], Pad::Constant(0.0)))?;
    agree(&ConstantPad1d::new([1, 2], 3.5), &[2, 4, 5], |x| x.pad(&[1, 2], Pad::Constant(3.5)))?;
    agree(&ReflectionPad1d::new(2), &[4, 5], |x| x.pad(&[2, 2], Pad::Reflect))?;
    agree(&ReflectionPad2d::new([1, 2, 3, 0]), &image, |x| x.pad(&[1, 2, 3, 0], Pad::Reflect))?;
    agree(&ReplicationPad1d::new(7), &[2, 4, 5], |x| x.pad(&[7, 7], Pad::Replicate))?;
    agree(&CircularPad2d::new(2), &image, |x| x.pad(&[2, 2, 2, 2], Pad::Circular))?;
    agree(&LocalResponseNorm::new(3).alpha(0.5).k(2.0), &image, |x| x.local_response_norm(3, 0.5, 0.75, 2.0))
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let graph = Graph::new();
    let mut number = 0;
    let mut refused = |layer: &dyn Module, shape: &[usize], words: &str| {
        number += 1;
        let input = graph.input(&format!("x{number}"), shape).expect("a shape");
        let error = graph.scoped(&number.to_string(), || layer.forward(&input)).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&ReflectionPad1d::new(1), &[5], "2 or 3 dimensions");
    refused(&ReflectionPad2d::new(4), &[2, 4, 4, 6], "less than the size 4");
    refused(&ZeroPad2d::new(usize::MAX), &[2, 4, 6], "at least one element after padding");
    refused(&PReLU::new(3), &[2, 4, 6], "3 channels");
    refused(&Unflatten::new(1, &[3, 2]), &[2, 4, 6], "product");
    refused(&GLU::new(1), &[2, 5], "even");
    refused(&LocalResponseNorm::new(0), &[2, 4, 6], "size above 0");
    refused(&LocalResponseNorm::new(3), &[2, 4], "(N, C, ..)");
    refused(&Dropout1d::new(0.5), &[2, 4, 6, 3], "(N, C, L) or (C, L)");
    refused(&Dropout2d::new(0.5), &[2, 4], "(N, C, H, W)");
    refused(&AlphaDropout::new(1.5), &[2, 4], "p from 0 to 1");
    refused(&FeatureAlphaDropout::new(0.5), &[4], "(N, C, ..)");
    refused(&WeightNorm::new(wgrad::nn::Flatten), &[2, 3], "a parameter 'weight'");
    refused(&Linear::new(4, 3).init(|_| Init::Eye), &[5], "input (.., 4)");
    refused(&Conv2d::new(1, 2, 3).init(|_| Init::Eye), &[1, 1, 5, 5], "a matrix to begin as Eye");
}

/// The numbers of a layer's output in a training graph and in one for evaluation.
fn dropped(layer: &dyn Module, shape: &[usize]) -> Result<[Vec<f32>; 2]> {
    let run = |training: bool| -> Result<Vec<f32>> {
        let graph = Graph::new();
        graph.set_training(training);
        let x = graph.input("x", shape)?;
        let y = layer.forward(&x)?;
        let mut program = Parameters::new(&Device::cpu(), 0).compile(&graph, &[&y])?;
        program.run(&[(&x, &HostTensor::from_f32(shape, vec![1.0; shape.iter().product()])?)])?;
        Ok(program.read(&y)?.as_f32()?.to_vec())
    };
    Ok([run(true)?, run(false)?])
}

#[test]
fn dropout_takes_whole_channels() -> Result<()> {
    for (layer, shape) in [
        (&Dropout1d::new(0.5) as &dyn Module, &[40, 5, 6][..]),
        (&Dropout1d::new(0.5), &[200, 6]),
        (&Dropout2d::new(0.5), &[40, 5, 2, 3]),
        (&FeatureAlphaDropout::new(0.5), &[40, 5, 2, 3]),
    ] {
        let [training, evaluation] = dropped(layer, shape)?;
        assert!(evaluation.iter().all(|v| *v == 1.0));
        let kept = training.chunks(6).filter(|channel| channel[0] > 0.5).count();
        assert!(training.chunks(6).all(|channel| channel.iter().all(|v| *v == channel[0])));
        assert!((70..130).contains(&kept), "{kept} of 200 channels");
    }
    // All is dropped, as in PyTorch.
    let [all, _] = dropped(&Dropout2d::new(1.0), &[3, 5, 2, 3])?;
    assert!(all.iter().all(|v| *v == 0.0));
    // Mean and variance stay those of normal numbers: for ones the mean of both outcomes.
    let [values, _] = dropped(&AlphaDropout::new(0.3), &[10_000])?;
    let (alpha, p) = (1.758_099_340_847_376_6f64, 0.3f64);
    let a = 1.0 / ((alpha * alpha * p + 1.0) * (1.0 - p)).sqrt();
    let (kept, gone) = ((a + alpha * a * p) as f32, (alpha * a * (p - 1.0)) as f32);
    let near = |v: f32, of: f32| (v - of).abs() < 1e-6;
    assert!(values.iter().all(|&v| near(v, kept) || near(v, gone)), "{kept} or {gone}: {:?}", &values[..9]);
    let share = values.iter().filter(|v| near(**v, gone)).count();
    assert!((2800..3200).contains(&share), "{share} of 10000");
    Ok(())
}

#[test]
fn weight_norm_begins_with_the_layers_weight() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [2, 4, 6, 6])?;
    let net = Sequential::new().add(WeightNorm::new(Conv2d::new(4, 3, 3))).add(wgrad::nn::Flatten);
    let net = net.add(WeightNorm::new(Linear::new(48, 5).bias(false)));
    let y = net.forward(&x)?;
    let loss = y.mul(&y)?.mean((), false)?;
    Sgd::new(0.01).minimize(&loss)?;
    let parameters = Parameters::new(&Device::cpu(), 3);
    let mut program = parameters.compile(&graph, &[&y, &loss])?;
    let (conv, linear) = ("0.parametrizations.weight.original", "2.parametrizations.weight.original");
    assert_eq!(
        parameters.names(Role::Parameter),
        [
            "0.bias".to_owned(),
            format!("{conv}0"),
            format!("{conv}1"),
            format!("{linear}0"),
            format!("{linear}1")
        ]
    );
    let lengths = parameters.get(&format!("{conv}0"))?;
    assert_eq!(lengths.shape()[..], [3, 1, 1, 1]);
    let directions = parameters.get(&format!("{conv}1"))?;
    for (row, length) in directions.as_f32()?.chunks(36).zip(lengths.as_f32()?) {
        assert!((row.iter().map(|v| v * v).sum::<f32>().sqrt() - length).abs() < 1e-6);
    }
    let values = HostTensor::from_f32([2, 4, 6, 6], (0..288).map(|i| (i % 7) as f32 - 3.0).collect())?;
    program.run(&[(&x, &values)])?;
    let first = program.read(&loss)?.as_f32()?[0];
    program.run(&[(&x, &values)])?;
    let second = program.read(&loss)?.as_f32()?[0];
    assert!(second < first, "{second} after {first}");
    Ok(())
}

/// Along another dimension, from the last, and of the whole weight, which begins as the layer's.
#[test]
fn weight_norm_is_along_any_dimension() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [2, 4, 6, 6])?;
    let plain = graph.scoped("plain", || Conv2d::new(4, 3, 3).bias(false).forward(&x))?;
    let mut seen = vec![plain];
    for (name, norm, lengths) in [
        ("first", WeightNorm::new(Conv2d::new(4, 3, 3).bias(false)), vec![3, 1, 1, 1]),
        ("second", WeightNorm::new(Conv2d::new(4, 3, 3).bias(false)).dim(1), vec![1, 4, 1, 1]),
        ("last", WeightNorm::new(Conv2d::new(4, 3, 3).bias(false)).dim(-1), vec![1, 1, 1, 3]),
        ("whole", WeightNorm::new(Conv2d::new(4, 3, 3).bias(false)).whole(), vec![]),
    ] {
        seen.push(graph.scoped(name, || norm.forward(&x))?);
        let parameter = format!("{name}.parametrizations.weight.original0");
        let found = graph.parameters().into_iter().find(|p| p.name().as_deref() == Some(&parameter));
        assert_eq!(found.map(|p| p.shape().to_vec()), Some(lengths), "{name}");
    }
    let outputs: Vec<&Tensor> = seen.iter().collect();
    let parameters = Parameters::new(&Device::cpu(), 3);
    let mut program = parameters.compile(&graph, &outputs)?;
    let weight = parameters.get("plain.weight")?;
    for name in ["first", "second", "last", "whole"] {
        parameters.set(&format!("{name}.parametrizations.weight.original1"), &weight)?;
        let squares = |keep: &dyn Fn(usize) -> usize, count: usize| {
            let mut sums = vec![0.0f32; count];
            let values = weight.as_f32().unwrap_or_default().to_vec();
            values.iter().enumerate().for_each(|(i, v)| sums[keep(i)] += v * v);
            sums.into_iter().map(f32::sqrt).collect::<Vec<_>>()
        };
        let lengths = match name {
            "first" => HostTensor::from_f32([3, 1, 1, 1], squares(&|i| i / 36, 3))?,
            "second" => HostTensor::from_f32([1, 4, 1, 1], squares(&|i| i / 9 % 4, 4))?,
            "last" => HostTensor::from_f32([1, 1, 1, 3], squares(&|i| i % 3, 3))?,
            _ => HostTensor::from_f32(wgrad::Shape::default(), squares(&|_| 0, 1))?,
        };
        parameters.set(&format!("{name}.parametrizations.weight.original0"), &lengths)?;
    }
    let values = HostTensor::from_f32([2, 4, 6, 6], (0..288).map(|i| (i % 7) as f32 - 3.0).collect())?;
    program.run(&[(&x, &values)])?;
    let read = |y: &Tensor| Ok::<_, wgrad::Error>(program.read(y)?.as_f32()?.to_vec());
    let expected = read(&seen[0])?;
    for y in &seen[1..] {
        let near = read(y)?.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near, "the weight with the lengths of its own directions is the weight");
    }
    Ok(())
}

#[test]
fn a_padding_row_stays_zero() -> Result<()> {
    let graph = Graph::new();
    let tokens = graph.input_u32("tokens", [6])?;
    let y = Embedding::new(4, 3).padding_idx(2).forward(&tokens)?;
    let loss = y.add(1.0)?.square()?.sum((), false)?;
    Sgd::new(0.1).minimize(&loss)?;
    let parameters = Parameters::new(&Device::cpu(), 1);
    let mut program = parameters.compile(&graph, &[&loss])?;
    let before = parameters.get("weight")?;
    program.run(&[(&tokens, &HostTensor::from_u32([6], vec![0, 2, 2, 1, 2, 0])?)])?;
    let after = parameters.get("weight")?;
    let (before, after) = (before.as_f32()?.to_vec(), after.as_f32()?.to_vec());
    assert!(before[6..9].iter().all(|v| *v == 0.0) && before[..6].iter().all(|v| *v != 0.0));
    assert_eq!(after[6..9], [0.0; 3]);
    assert!(before[..6].iter().zip(&after[..6]).all(|(a, b)| a != b), "rows that are shown learn");
    Ok(())
}
