//! Layers, each alone or a few together, in evaluation, and built for training.

use super::networks::of_module;
use super::{Sample, sample};
use wgrad::nn::*;
use wgrad::onnx::{ExportGraph, ExportOptions, export};
use wgrad::ops::{self, Conv2d as Options, Interpolate, InterpolateMode, Pad};
use wgrad::{Graph, Result, Tensor};

/// A layer as it is given an input of this shape.
type Layer = (&'static str, Box<dyn Module>, Vec<usize>);

fn of(f: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Box<dyn Module> {
    Box::new(Lambda(f))
}

fn convolutions() -> Vec<Layer> {
    let tall = Conv2d::new(4, 6, (3, 2)).stride((2, 1)).padding((1, 0)).dilation((1, 2)).groups(2);
    vec![
        ("conv2d", Box::new(tall), vec![2, 4, 9, 8]),
        ("conv2d without a batch", Box::new(Conv2d::new(2, 3, 3).bias(false)), vec![2, 6, 5]),
        ("conv1d", Box::new(Conv1d::new(4, 6, 3).stride(2).padding(1).groups(2)), vec![2, 4, 9]),
        ("conv1d without a batch", Box::new(Conv1d::new(4, 3, 3)), vec![4, 9]),
        (
            "conv2d, circular",
            of(|x| {
                let w =
                    x.graph().parameter("w", [3, 2, 3, 3], ops::Init::Uniform { low: -1.0, high: 1.0 })?;
                x.conv2d_padded(&w, None, Options::default(), (1, 2), ops::PaddingMode::Circular)
            }),
            vec![2, 2, 5, 6],
        ),
        (
            "conv_transpose2d",
            Box::new(ConvTranspose2d::new(4, 6, 3).stride(2).padding(1).output_padding(1).groups(2)),
            vec![2, 4, 5, 6],
        ),
        (
            "conv_transpose2d without bias",
            Box::new(ConvTranspose2d::new(3, 2, (2, 3)).bias(false)),
            vec![2, 3, 4, 4],
        ),
        ("conv_transpose1d", Box::new(ConvTranspose1d::new(4, 3, 4).stride(3).padding(1)), vec![2, 4, 5]),
        ("weight norm", Box::new(WeightNorm::new(Conv2d::new(2, 3, 3))), vec![2, 2, 5, 5]),
        ("linear of rows", Box::new(Linear::new(5, 3)), vec![2, 4, 5]),
    ]
}

fn norms() -> Vec<Layer> {
    let image = vec![2, 4, 3, 5];
    vec![
        ("batch_norm2d", Box::new(BatchNorm2d::new(4)), image.clone()),
        ("batch_norm1d of rows", Box::new(BatchNorm1d::new(4)), vec![6, 4]),
        ("batch_norm without affine", Box::new(BatchNorm2d::new(4).affine(false)), image.clone()),
        ("batch_norm of the batch", Box::new(BatchNorm2d::new(4).track_running_stats(false)), image.clone()),
        ("instance_norm", Box::new(InstanceNorm2d::new(4).affine(true)), image.clone()),
        ("instance_norm, tracked", Box::new(InstanceNorm2d::new(4).track_running_stats(true)), image.clone()),
        ("group_norm", Box::new(GroupNorm::new(2, 4)), image.clone()),
        ("group_norm without affine", Box::new(GroupNorm::new(2, 4).affine(false)), image.clone()),
        ("layer_norm", Box::new(LayerNorm::new([3, 5])), image.clone()),
        ("layer_norm without affine", Box::new(LayerNorm::new([5]).elementwise_affine(false)), image.clone()),
        ("layer_norm without bias", Box::new(LayerNorm::new([5]).bias(false)), image.clone()),
        ("rms_norm", Box::new(RMSNorm::new([5])), image.clone()),
        ("local_response_norm", Box::new(LocalResponseNorm::new(3)), image),
    ]
}

fn pools() -> Vec<Layer> {
    let image = vec![2, 3, 7, 8];
    let average = |options: ops::AvgPool2d| of(move |x| x.avg_pool2d(options));
    let maximum = |options: ops::MaxPool2d| of(move |x| x.max_pool2d(options));
    vec![
        ("max_pool2d", maximum(ops::MaxPool2d::new(3).stride(2).padding(1)), image.clone()),
        ("max_pool2d, up", maximum(ops::MaxPool2d::new(2).ceil_mode(true)), image.clone()),
        (
            "max_pool2d, up and dropped",
            maximum(ops::MaxPool2d::new(2).stride(3).padding(1).ceil_mode(true)),
            image.clone(),
        ),
        ("max_pool2d, dilated", maximum(ops::MaxPool2d::new(2).dilation(2).stride(1)), image.clone()),
        ("max_pool1d", of(|x| x.max_pool1d(ops::MaxPool1d::new(3).stride(2))), vec![2, 3, 9]),
        ("avg_pool2d", average(ops::AvgPool2d::new(3).stride(2).padding(1)), image.clone()),
        (
            "avg_pool2d without padding",
            average(ops::AvgPool2d::new(3).padding(1).count_include_pad(false)),
            image.clone(),
        ),
        (
            "avg_pool2d, up",
            average(ops::AvgPool2d::new(3).stride(2).padding(1).ceil_mode(true)),
            image.clone(),
        ),
        (
            "avg_pool2d, divided",
            average(ops::AvgPool2d::new(3).stride(2).ceil_mode(true).divisor_override(5)),
            image.clone(),
        ),
        ("avg_pool1d", of(|x| x.avg_pool1d(ops::AvgPool1d::new(2))), vec![2, 3, 8]),
        (
            "avg_pool1d with padding",
            of(|x| x.avg_pool1d(ops::AvgPool1d::new(3).stride(2).padding(1))),
            vec![2, 3, 8],
        ),
        ("lp_pool2d", Box::new(LPPool2d::new(2.0, 2)), image.clone()),
        ("adaptive_avg_pool2d of 1", Box::new(AdaptiveAvgPool2d::new(1)), image.clone()),
        ("adaptive_avg_pool2d", Box::new(AdaptiveAvgPool2d::new((3, 4))), image.clone()),
        ("adaptive_max_pool2d", Box::new(AdaptiveMaxPool2d::new((3, 5))), image.clone()),
        ("adaptive_max_pool2d of whole windows", Box::new(AdaptiveMaxPool2d::new((7, 4))), image),
    ]
}

fn shapes() -> Vec<Layer> {
    let image = vec![2, 3, 5, 6];
    let resize = |mode: InterpolateMode, corners: bool, sizes: [usize; 2]| {
        of(move |x| x.interpolate(&Interpolate::size(&sizes).mode(mode).align_corners(corners)))
    };
    use InterpolateMode::*;
    vec![
        ("nearest", Box::new(Upsample::new(2.0)), image.clone()),
        ("nearest to other sizes", resize(Nearest, false, [7, 4]), image.clone()),
        ("nearest-exact", resize(NearestExact, false, [7, 4]), image.clone()),
        ("bilinear", resize(Bilinear, false, [10, 12]), image.clone()),
        ("bilinear, corners", resize(Bilinear, true, [9, 11]), image.clone()),
        ("bilinear, smaller", resize(Bilinear, false, [3, 4]), image.clone()),
        ("bicubic", resize(Bicubic, false, [10, 9]), image.clone()),
        ("area", resize(Area, false, [3, 4]), image.clone()),
        ("pixel shuffle", Box::new(PixelShuffle::new(2)), vec![2, 8, 3, 4]),
        ("reflection pad", Box::new(ReflectionPad2d::new(2)), image.clone()),
        ("replication pad", Box::new(ReplicationPad2d::new(2)), image.clone()),
        ("circular pad", Box::new(CircularPad2d::new(2)), image.clone()),
        ("zero pad", Box::new(ZeroPad2d::new(2)), image.clone()),
        ("pad by 1.5 and cut", of(|x| x.pad(&[2, -1, -1, 1], Pad::Constant(1.5))), image.clone()),
        ("flip and roll", of(|x| x.flip(3)?.roll(&[2], &[2])), image.clone()),
        ("every second", of(|x| x.slice(3, 1, 6, 2)), image.clone()),
        ("unfold", of(|x| x.unfold(ops::Unfold::new(3).padding(1))), image.clone()),
        ("fold", of(|x| x.fold((4, 4), ops::Unfold::new(2))), vec![2, 12, 9]),
        ("cumsum", of(|x| x.cumsum(1)), vec![3, 8, 2]),
        ("cumsum of many", of(|x| x.cumsum(1)), vec![2, 70]),
        ("softmax", of(|x| x.softmax(1)), image.clone()),
        ("top k", of(|x| x.topk(3, 1, true).map(|found| found.0)), vec![4, 9]),
        ("einsum", of(|x| Tensor::einsum("bij,bkj->bik", &[x, x])), vec![2, 3, 5]),
    ]
}

fn recurrent() -> Vec<Layer> {
    let steps = vec![4, 3, 5];
    let both = |reset: bool| Gru::new(5, 6).num_layers(2).bidirectional(true).reset_after(reset);
    vec![
        ("lstm", Box::new(Lstm::new(5, 6).num_layers(2).bidirectional(true).dropout(0.3)), steps.clone()),
        ("lstm, batch first", Box::new(Lstm::new(5, 6).batch_first(true)), steps.clone()),
        ("lstm without biases", Box::new(Lstm::new(5, 6).bias(false)), steps.clone()),
        ("lstm, projected", Box::new(Lstm::new(5, 6).proj_size(3).bidirectional(true)), steps.clone()),
        ("lstm without a batch", Box::new(Lstm::new(5, 6)), vec![4, 5]),
        ("gru", Box::new(both(true)), steps.clone()),
        ("gru, reset before", Box::new(both(false)), steps.clone()),
        ("rnn", Box::new(Rnn::new(5, 6).num_layers(2).bidirectional(true)), steps.clone()),
        ("rnn, relu", Box::new(Rnn::new(5, 6).relu()), steps),
    ]
}

/// Layers of sequences of several lengths, to output and last states.
fn of_lengths(options: &ExportOptions) -> Result<Vec<Sample>> {
    let mut found = Vec::new();
    for (name, reads) in [("lstm of lengths", true), ("gru of lengths", false)] {
        let graph = Graph::new();
        graph.set_training(false);
        let (x, lengths) = (graph.input("x", [5, 3, 4])?, graph.input_u32("less", [3])?);
        // From 1 on: a sequence has a step.
        let lengths_of = lengths.cast(wgrad::DType::F32)?.add_scalar(1.0)?.cast(wgrad::DType::U32)?;
        let read = if reads {
            Lstm::new(4, 6).num_layers(2).bidirectional(true).sequence(&x, None, Some(&lengths_of))?
        } else {
            Gru::new(4, 6).num_layers(2).bidirectional(true).sequence(&x, None, Some(&lengths_of))?
        };
        let names = ["h", "c"];
        let mut outputs = vec![("output", &read.output)];
        outputs.extend(names.into_iter().zip(&read.state));
        found.push(sample(name, &graph, &outputs, &[&x, &lengths], 5, options)?);
    }
    Ok(found)
}

/// All layers.
pub fn all(options: &ExportOptions) -> Result<Vec<Sample>> {
    let mut found = Vec::new();
    for (name, layer, shape) in
        [convolutions(), norms(), pools(), shapes(), recurrent()].into_iter().flatten()
    {
        found.push(of_module(name, layer.as_ref(), &shape, options)?);
    }
    found.extend(of_lengths(options)?);
    Ok(found)
}

/// Networks that are built for training, beside what they are in evaluation.
pub fn built_for_training(options: &ExportOptions) -> Result<Vec<Sample>> {
    let networks: [(&str, Sequential); 2] = [
        (
            "batch norm and dropout",
            Sequential::new()
                .add(Conv2d::new(2, 4, 3))
                .add(BatchNorm2d::new(4))
                .add(Dropout2d::new(0.5))
                .add(Activation(ops::Elementwise::relu()))
                .add(Dropout::new(0.3))
                .add(InstanceNorm2d::new(4).track_running_stats(true)),
        ),
        (
            "alpha dropout",
            Sequential::new()
                .add(AlphaDropout::new(0.2))
                .add(Activation(ops::Elementwise::selu()))
                .add(FeatureAlphaDropout::new(0.2)),
        ),
    ];
    let of = |(name, network): (&str, Sequential)| {
        let trained = Graph::new();
        let input = trained.input("input", [3, 2, 6, 5])?;
        let output = network.forward(&input)?;
        let evaluated = of_module(name, &network, &[3, 2, 6, 5], options)?;
        let outputs = [("output", &output)];
        let of = ExportGraph { graph: &trained, outputs: &outputs };
        let model = export(of, &|name| evaluated.parameters.get(name), options)?;
        Ok(Sample { name: format!("{name}, built for training"), model, ..evaluated })
    };
    networks.into_iter().map(of).collect()
}
