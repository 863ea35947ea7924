//! A classifier for a folder of images, a folder a class, such as `photos/cat/*.jpg` and `photos/dog/*.jpg`:
//! `cargo run --release --features images --example image_folder -- photos`.
//!
//! Without a folder it draws one of handwritten-like digits first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use wgrad::data::{self, Augment, Augmented, Examples, ImageFolder, ImageOptions};
use wgrad::nn::models::Images;
use wgrad::train::{Classification, Fit, Options, Trainer};
use wgrad::{Device, Error, Result, nn, optim};

/// Writes 300 digits as PNG files, a folder a digit.
fn draw(folder: &Path) -> Result<()> {
    let digits = data::digits(300, 1)?;
    for (number, label) in digits.labels().iter().enumerate() {
        let class = folder.join(label.to_string());
        std::fs::create_dir_all(&class).map_err(|e| Error::io(&class, e))?;
        let file = class.join(format!("{number}.png"));
        let pixels = digits.image(number).unwrap_or_default().to_vec();
        let image = image::GrayImage::from_raw(28, 28, pixels);
        let saved = image.map(|image| image.save(&file));
        if let Some(Err(error)) = saved {
            return Err(Error::file(&file, "a place to write to", error.to_string()));
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let folder = std::env::temp_dir().join(format!("wgrad-digits-{}", std::process::id()));
            draw(&folder)?;
            folder
        }
    };
    // All images are decoded once, scaled to one size and normalised by their own mean and deviation.
    let all = ImageFolder::open(&folder, ImageOptions::default())?;
    let [channels, height, width] = all.image_shape();
    println!("{} images of {channels}x{height}x{width}, classes {}", all.len(), all.classes().join(", "));
    let images = Images { shape: all.image_shape(), classes: all.classes().len() };

    // A fifth is held back to judge on; the rest is moved and rotated a little each time it is read.
    let all: Arc<dyn Examples> = Arc::new(all);
    let (train, held) = data::split(&all, 0.2, 0)?;
    let changes = vec![Augment::RandomCrop { padding: 2 }, Augment::Rotation { degrees: 10.0 }];
    let train: Arc<dyn Examples> = Arc::new(Augmented::new(Arc::new(train), changes)?);

    let network = (nn::model("simple-cnn")?.build)(&images)?; // or resnet18, mobilenet-v2, ..
    let options = Options { batch_size: 32, ..Options::default() };
    let (task, adam) = (Classification::new(network), optim::Adam::new(2e-3));
    let mut trainer = Trainer::new(&Device::auto()?, task, adam, train.as_ref(), options)?;
    let reports = Fit::new(4).validation(Arc::new(held)).restore_best(true).run(&mut trainer, &train)?;
    for report in &reports {
        let accuracy = report.test.metric("accuracy")?;
        println!("epoch {}: train loss {:.3}, accuracy {accuracy:.3}", report.epoch, report.train.loss());
    }
    trainer.parameters().save(&folder.join("model.safetensors"))?;
    println!("wrote {}", folder.join("model.safetensors").display());
    Ok(())
}
