//! Segmentation with a U-Net: which pixels belong to discs that lie on noise; a dataset, a loss and a metric of one's own:
//! `cargo run --release --example segmentation`.

use std::sync::Arc;
use wgrad::data::{Examples, Field, Values};
use wgrad::nn::{Module, models::UNet};
use wgrad::ops::{CrossEntropy, Reduction};
use wgrad::random::Rng;
use wgrad::train::{Fit, Inputs, Metric, Options, Outcome, Task, Trainer};
use wgrad::{Device, Error, Result, Tensor, TensorType, optim};

const SIDE: usize = 32;

/// Images `(1, 32, 32)` with two discs each, and which pixels are theirs, `(32, 32)`.
struct Discs(usize, u64);

impl Examples for Discs {
    fn len(&self) -> usize {
        self.0
    }

    fn fields(&self) -> Vec<Field> {
        let (image, mask) = (TensorType::f32([1, SIDE, SIDE]), TensorType::u32([SIDE, SIDE]));
        vec![Field::new("image", image), Field::new("label", mask)]
    }

    /// The same for the same number, whichever thread asks: the generator is named by it.
    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let [image, mask] = values else { return Err(Error::argument("discs", "two fields", "others")) };
        let (image, mask) = (image.f32()?, mask.u32()?);
        let mut rng = Rng::named(self.1, &format!("disc {index}"));
        for _ in 0..2 {
            let (y, x, radius) = (rng.range(6.0, 26.0), rng.range(6.0, 26.0), rng.range(3.0, 6.0));
            for (place, pixel) in mask.iter_mut().enumerate() {
                let (dy, dx) = ((place / SIDE) as f64 - y, (place % SIDE) as f64 - x);
                *pixel |= u32::from(dy * dy + dx * dx < radius * radius);
            }
        }
        for (value, inside) in image.iter_mut().zip(mask.iter()) {
            *value = (f64::from(*inside) + 0.7 * rng.normal()) as f32;
        }
        Ok(())
    }
}

/// Cross entropy of each pixel; how many are right; the overlap of what is found and what there is.
struct Segmentation(UNet);

impl Task for Segmentation {
    fn learn(&self, batch: &Inputs) -> Result<Outcome> {
        let (logits, label) = (self.0.forward(batch.get("image")?)?, batch.get("label")?);
        let loss = logits.cross_entropy(label, CrossEntropy::default(), Reduction::Mean)?;
        let found = logits.argmax(1)?.cast(wgrad::DType::F32)?;
        let there = label.cast(wgrad::DType::F32)?;
        // |A and B| over |A or B|: a mean of overlaps, weighted by unions.
        let union = found.maximum(&there)?;
        let overlap = Metric::weighted_mean("iou", &found.mul(&there)?, &union)?;
        let right = Metric::mean("accuracy", &found.eq(&there)?)?;
        Ok(Outcome::new(batch, loss)?.metric(right).metric(overlap))
    }

    fn predict(&self, batch: &Inputs) -> Result<Tensor> {
        self.0.forward(batch.get("image")?)?.softmax(1)
    }
}

fn main() -> Result<()> {
    let train: Arc<dyn Examples> = Arc::new(Discs(240, 1));
    let task = Segmentation(UNet::new(1, 2).width(8));
    let options = Options { batch_size: 8, ..Options::default() };
    let mut trainer = Trainer::new(&Device::auto()?, task, optim::Adam::new(3e-3), train.as_ref(), options)?;
    for report in Fit::new(3).validation(Arc::new(Discs(40, 2))).run(&mut trainer, &train)? {
        let [accuracy, iou] = ["accuracy", "iou"].map(|name| report.test.get(name).unwrap_or(0.0));
        println!("epoch {}: {:.1} % of the pixels, overlap {iou:.3}", report.epoch, 100.0 * accuracy);
    }
    Ok(())
}
