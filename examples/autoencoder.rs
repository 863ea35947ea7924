//! A convolutional autoencoder: images become 8x7x7 numbers and images again: `cargo run --release --example autoencoder`.
//! The encoder's numbers are then read out of the same weights by a second program. The loss is a cross entropy a pixel: the
//! squared error's gradient vanishes behind the sigmoid while nearly all pixels are black.

use std::sync::Arc;
use wgrad::data::{self, Batch, Dataset, Examples};
use wgrad::nn::BCELoss;
use wgrad::nn::models::{Images, conv_autoencoder};
use wgrad::train::{Fit, Options, Reconstruction, Trainer};
use wgrad::{Device, Graph, Result, optim};

/// Images in `[0, 1]`, the range of the sigmoid at the network's end.
fn images(count: usize, seed: u64) -> Result<Dataset> {
    data::digits(count, seed)?.normalised(vec![0.0], vec![1.0])
}

/// One line of text a row of pixels.
fn show(pixels: &[f32]) {
    for row in pixels.chunks(28).step_by(2) {
        let shade = |value: &f32| [' ', '.', ':', 'o', '#'][(value.clamp(0.0, 0.99) * 5.0) as usize];
        println!("  {}", row.iter().map(shade).collect::<String>());
    }
}

fn main() -> Result<()> {
    let train: Arc<dyn Examples> = Arc::new(images(1000, 1)?);
    let unseen: Arc<dyn Examples> = Arc::new(images(100, 2)?);
    let network = || conv_autoencoder(&Images::MNIST);
    let task = Reconstruction::new(network()?, BCELoss::new());
    let options = Options { batch_size: 25, ..Options::default() };
    let mut trainer = Trainer::new(&Device::auto()?, task, optim::Adam::new(3e-3), train.as_ref(), options)?;
    let reports = Fit::new(5).validation(unseen.clone()).run(&mut trainer, &train)?;
    for report in &reports {
        println!("epoch {}: root mean squared error {:.4}", report.epoch, report.test.metric("rmse")?);
    }
    assert!(reports[4].test.metric("rmse")? < 0.5 * reports[0].test.metric("rmse")?, "it learns");

    let one = Batch::read(unseen.as_ref(), &[0], 0, 0)?;
    let again = trainer.network().predict(&[&one.tensors[0]])?;
    println!("an image, and what came out:");
    show(one.tensors[0].as_f32()?);
    show(again.as_f32()?);

    // The encoder alone, a program of its own over the same weights.
    let graph = Graph::new();
    graph.set_training(false);
    let x = graph.input("image", [1, 1, 28, 28])?;
    let code = graph.scoped("encoder", || network()?.child("encoder")?.forward(&x))?;
    let mut encoder = trainer.parameters().compile(&graph, &[&code])?;
    encoder.run(&[(&x, &one.tensors[0])])?;
    println!("its code, {}: {:.2?} ..", code.shape(), &encoder.read(&code)?.as_f32()?[..6]);
    Ok(())
}
