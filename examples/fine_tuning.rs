//! Fine-tuning: a network learns ten digits; another takes over its convolutions, frozen, and learns from few images to tell
//! even digits from odd ones: `cargo run --release --example fine_tuning`.

use std::sync::Arc;
use wgrad::data::{self, Dataset, Examples};
use wgrad::nn::{Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential};
use wgrad::train::{Classification, Fit, Options, Trainer};
use wgrad::{Device, Result, optim};

/// The same layers `features`, and a head for so many classes.
fn network(classes: usize) -> Sequential {
    let features = Sequential::new()
        .add(Conv2d::new(1, 8, 3).padding(1))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(8, 16, 3).padding(1))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Flatten);
    Sequential::new().named("features", features).named("head", Linear::new(16 * 7 * 7, classes))
}

/// Drawn digits, of which only whether they are odd is told.
fn parity(count: usize, seed: u64) -> Result<Dataset> {
    let digits = data::digits(count, seed)?;
    let pixels = (0..digits.len()).filter_map(|i| digits.image(i)).flatten().copied().collect();
    let labels = digits.labels().iter().map(|label| label % 2).collect();
    Dataset::new(pixels, labels, digits.image_shape(), 2)?.with_names(vec!["even".into(), "odd".into()])
}

fn main() -> Result<()> {
    let device = Device::auto()?;
    let file = std::env::temp_dir().join(format!("wgrad-features-{}.safetensors", std::process::id()));

    // The network that is taken over: in earnest, a file from elsewhere, of PyTorch's or as safetensors.
    let digits: Arc<dyn Examples> = Arc::new(data::digits(600, 1)?);
    let (task, adam) = (Classification::new(network(10)), optim::Adam::new(3e-3));
    let mut first = Trainer::new(&device, task, adam, digits.as_ref(), Options::default())?;
    let reports = Fit::new(3).run(&mut first, &digits)?;
    println!("ten digits: train accuracy {:.3}", reports[2].train.metric("accuracy")?);
    first.parameters().save(&file)?;

    // Two classes, 100 images, and only the head learns.
    let few: Arc<dyn Examples> = Arc::new(parity(100, 2)?);
    let unseen: Arc<dyn Examples> = Arc::new(parity(300, 3)?);
    let options = Options { batch_size: 20, frozen: vec!["features.*".into()], ..Options::default() };
    let (task, adam) = (Classification::new(network(2)), optim::Adam::new(3e-3));
    let mut second = Trainer::new(&device, task, adam, few.as_ref(), options)?;
    let taken = second.parameters().load_matching(&file, &["features.*"])?;
    println!("taken over: {}", taken.join(", "));
    let before = second.parameters().get("features.0.weight")?;
    Fit::new(12).run(&mut second, &few)?;
    assert_eq!(before, second.parameters().get("features.0.weight")?, "what is frozen stays");
    let accuracy = second.evaluate(&unseen)?.metric("accuracy")?;
    println!("even or odd: accuracy {accuracy:.3} on images it has not seen");
    std::fs::remove_file(&file).map_err(|e| wgrad::Error::io(&file, e))
}
