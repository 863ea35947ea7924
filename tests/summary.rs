//! Parameters and operations of networks, held to torchvision's published numbers.

use wgrad::nn::{self, Images, Module};
use wgrad::plan::{Summary, plan, summary};
use wgrad::{Device, Graph};

fn of(name: &str, images: Images, batch: usize) -> Summary {
    let graph = Graph::new();
    graph.set_training(false);
    let [c, h, w] = images.shape;
    let input = graph.input("image", [batch, c, h, w]).unwrap();
    let layers = (nn::model(name).unwrap().build)(&images).unwrap();
    let logits = layers.forward(&input).unwrap();
    graph.with(|data| summary(data, &[logits.id()]))
}

const IMAGE_NET: Images = Images { shape: [3, 224, 224], classes: 1000 };

/// Multiplications and additions of convolutions and linear layers, which torchvision counts as one.
fn macs(summary: &Summary) -> u64 {
    (summary.flops_of("conv2d") + summary.flops_of("matmul")) / 2
}

#[test]
fn totals_are_torchvisions() {
    // Parameters, and GFLOPS to two places, as torchvision's documentation of the weights has them.
    for (name, parameters, giga) in
        [("resnet18", 11_689_512, 1.81), ("resnet50", 25_557_032, 4.09), ("mobilenet-v2", 3_504_872, 0.30)]
    {
        let found = of(name, IMAGE_NET, 1);
        assert_eq!(found.parameters, parameters, "{name}");
        assert_eq!(found.layers.iter().map(|l| l.parameters).sum::<u64>(), parameters, "{name}: by layer");
        let macs = macs(&found) as f64 / 1e9;
        assert!((macs - giga).abs() < 0.006, "{name}: {macs} GMACs");
    }
    let resnet = of("resnet18", IMAGE_NET, 1);
    assert_eq!(macs(&resnet), 1_814_073_344);
    assert_eq!(resnet.buffers, 9600, "means and variances of 4800 channels");
    assert_eq!(macs(&of("resnet18", IMAGE_NET, 3)), 3 * 1_814_073_344, "a batch of three");
}

#[test]
fn layers_have_their_scopes_shapes_and_parameters() {
    let found = of("simple-cnn", Images::MNIST, 2);
    assert_eq!(found.parameters, 421_642);
    let first = &found.layers[0];
    assert_eq!((first.name.as_str(), first.parameters), ("features.0", 320));
    assert_eq!(first.output.to_string(), "(2, 32, 28, 28)");
    let text = found.to_string();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("total") && last.contains("421,642"), "{text}");
    assert_eq!(text.lines().count(), found.layers.len() + 2, "a head, a line a layer, a total");
}

#[test]
fn operations_agree_with_the_plans() {
    let graph = Graph::new();
    let logits = nn::simple_cnn().forward(&graph.input("image", [4, 1, 28, 28]).unwrap()).unwrap();
    let limits = Device::cpu().limits();
    let (found, plan) =
        graph.with(|data| (summary(data, &[logits.id()]), plan(data, &[logits.id()], &limits).unwrap()));
    let planned = plan.steps.iter().map(|step| match step {
        wgrad::plan::Step::Dispatch(dispatch) => dispatch.flops,
        wgrad::plan::Step::Copy { .. } => 0,
    });
    let (planned, found) = (planned.sum::<u64>() as f64, found.flops() as f64);
    assert!((planned / found - 1.0).abs() < 0.01, "{planned} and {found}");
}
