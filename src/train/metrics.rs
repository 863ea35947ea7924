//! What a run is judged by: loss, accuracy, which classes are mistaken for which.

use crate::error::{Error, Result};
use crate::exec::{Parameters, Pending};
use crate::graph::{Graph, Tensor};
use crate::ops::{Init, Role};
use crate::tensor::{HostTensor, TensorType};

/// The state that adds up the loss of every image.
const LOSS: &str = "metric.loss";
/// The state that counts the images classified right.
const CORRECT: &str = "metric.correct";

/// Loss and hits over some images.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// The sum of the losses of all images.
    pub loss_sum: f64,
    /// The images classified right.
    pub correct: f64,
    /// The number of images.
    pub images: usize,
}

impl Totals {
    /// The mean loss an image, 0 where there is none.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.images.max(1) as f64
    }

    /// The share of images classified right, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.images.max(1) as f64
    }

    /// What came since `before`.
    pub(super) fn since(&self, before: &Totals) -> Totals {
        Totals {
            loss_sum: self.loss_sum - before.loss_sum,
            correct: self.correct - before.correct,
            images: self.images - before.images,
        }
    }
}

/// Adds to a graph: `loss`, the mean over `rows` images, and the hits among `predicted (rows)` go into the
/// running totals on the device.
pub(super) fn accumulate(graph: &Graph, loss: &Tensor, predicted: &Tensor, labels: &Tensor) -> Result<()> {
    let rows = labels.shape().elements();
    let hits = predicted.equal(labels)?.sum([0], false)?;
    for (name, value) in [(LOSS, loss.scale(rows as f32)?), (CORRECT, hits)] {
        let total = graph.state(name, TensorType::f32([]), Init::Zeros, Role::Metric)?;
        graph.assign(&total, &total.add(&value)?)?;
    }
    Ok(())
}

/// The totals on the device as they are, to be put back.
pub(super) fn kept(parameters: &Parameters) -> Result<[(&'static str, HostTensor); 2]> {
    Ok([(LOSS, parameters.get(LOSS)?), (CORRECT, parameters.get(CORRECT)?)])
}

/// Sets the totals on the device to zero.
pub(super) fn reset(parameters: &Parameters) -> Result<()> {
    let zero = HostTensor::zeros(&TensorType::f32([]));
    parameters.set(LOSS, &zero)?;
    parameters.set(CORRECT, &zero)
}

/// The totals after `images` images, on their way from the device.
#[derive(Debug)]
pub(super) struct PendingTotals {
    images: usize,
    loss: Pending,
    correct: Pending,
    /// Arrived while the other had not.
    loss_here: Option<HostTensor>,
}

impl PendingTotals {
    pub(super) fn start(parameters: &Parameters, images: usize) -> Result<Self> {
        let (loss, correct) = (parameters.get_async(LOSS)?, parameters.get_async(CORRECT)?);
        Ok(Self { images, loss, correct, loss_here: None })
    }

    /// The totals, if they have arrived.
    pub(super) fn try_get(&mut self) -> Result<Option<Totals>> {
        if self.loss_here.is_none() {
            self.loss_here = self.loss.try_get()?;
        }
        let Some(loss) = &self.loss_here else { return Ok(None) };
        let Some(correct) = self.correct.try_get()? else { return Ok(None) };
        totals(loss, &correct, self.images).map(Some)
    }
}

/// The totals after `images` images; waits for the device.
pub(super) fn read(parameters: &Parameters, images: usize) -> Result<Totals> {
    totals(&parameters.get(LOSS)?, &parameters.get(CORRECT)?, images)
}

fn totals(loss: &HostTensor, correct: &HostTensor, images: usize) -> Result<Totals> {
    let (loss_sum, correct) = (f64::from(loss.as_f32()?[0]), f64::from(correct.as_f32()?[0]));
    if !loss_sum.is_finite() {
        let got = format!("{loss_sum} among the first {images} images; a lower learning rate may help");
        return Err(Error::argument("loss", "finite numbers", got));
    }
    Ok(Totals { loss_sum, correct, images })
}

/// How often each class was taken for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<usize>,
}

impl Confusion {
    /// No images yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts an image; what is no class is left out.
    pub fn add(&mut self, label: usize, predicted: usize) {
        if label < self.classes && predicted < self.classes {
            self.counts[label * self.classes + predicted] += 1;
        }
    }

    /// Images of class `label` taken for `predicted`.
    pub fn count(&self, label: usize, predicted: usize) -> usize {
        if predicted < self.classes {
            self.counts.get(label * self.classes + predicted).copied().unwrap_or(0)
        } else {
            0
        }
    }

    /// The number of images of a class.
    pub fn of_class(&self, label: usize) -> usize {
        (0..self.classes).map(|p| self.count(label, p)).sum()
    }
}

/// One epoch of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Over the training images, while they were learned.
    pub train: Totals,
    /// Over the test images, after the epoch.
    pub test: Totals,
    /// The time of the training part.
    pub seconds: f64,
}

impl EpochReport {
    /// Training images a second.
    pub fn images_per_second(&self) -> f64 {
        self.train.images as f64 / self.seconds.max(1e-9)
    }

    /// A report from its row, as exact as that is.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_csv_row(row: &str) -> Result<Self> {
        let numbers: Option<Vec<f64>> = row.split(',').map(|field| field.parse().ok()).collect();
        let Some([epoch, loss, accuracy, test_loss, test_accuracy, seconds, rate]) = numbers.as_deref()
        else {
            return Err(Error::argument("metrics", format!("seven numbers: {CSV_HEAD}"), row));
        };
        let totals = |loss: f64, accuracy: f64, images: f64| Totals {
            loss_sum: loss * images,
            correct: accuracy * images,
            images: images as usize,
        };
        let train = totals(*loss, *accuracy, (seconds * rate).round().max(1.0));
        // How many there were is not noted.
        let test = totals(*test_loss, *test_accuracy, 1.0);
        Ok(Self { epoch: *epoch as usize, train, test, seconds: *seconds })
    }

    /// A row under [`CSV_HEAD`].
    pub fn csv_row(&self) -> String {
        let (train, test) = (&self.train, &self.test);
        format!(
            "{},{:.6},{:.6},{:.6},{:.6},{:.3},{:.1}",
            self.epoch,
            train.loss(),
            train.accuracy(),
            test.loss(),
            test.accuracy(),
            self.seconds,
            self.images_per_second()
        )
    }
}

/// The head of `metrics.csv`, whose rows are [`EpochReport::csv_row`]s.
pub const CSV_HEAD: &str =
    "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds,images_per_second";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_a_header_and_a_row_an_epoch() {
        let totals = |loss_sum, correct, images| Totals { loss_sum, correct, images };
        let report = EpochReport {
            epoch: 1,
            train: totals(50.0, 90.0, 100),
            test: totals(2.0, 9.0, 10),
            seconds: 0.5,
        };
        let row = report.csv_row();
        assert_eq!(CSV_HEAD.split(',').count(), row.split(',').count());
        assert_eq!(row, "1,0.500000,0.900000,0.200000,0.900000,0.500,200.0");
    }

    #[test]
    fn confusion_counts_by_label_and_prediction() {
        let mut confusion = Confusion::new(3);
        for (label, predicted) in [(0, 0), (0, 2), (2, 2), (2, 2), (9, 0), (0, 9)] {
            confusion.add(label, predicted);
        }
        assert_eq!((confusion.count(0, 2), confusion.count(2, 2), confusion.count(1, 1)), (1, 2, 0));
        assert_eq!((confusion.of_class(0), confusion.of_class(2), confusion.count(0, 3)), (2, 2, 0));
    }

    #[test]
    fn a_loss_that_is_no_number_is_an_error() {
        let scalar = |v| HostTensor::from_f32([], vec![v]).unwrap();
        assert!(
            totals(&scalar(f32::NAN), &scalar(0.0), 64).unwrap_err().to_string().contains("first 64 images")
        );
        assert_eq!(totals(&scalar(32.0), &scalar(16.0), 64).unwrap().loss(), 0.5);
    }
}
