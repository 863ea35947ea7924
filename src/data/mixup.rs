//! Mixup (Zhang et al., 2018): examples between two, and their classes.

use super::{Examples, Field, Statistics, Values};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::TensorType;
use std::sync::Arc;

/// Examples mixed with others: each field of numbers is `l x + (1 - l) y` with a random other example and `l` from
/// Beta(alpha, alpha), and the field `label` has the probabilities of all classes, `f32 (classes)`.
pub struct Mixup {
    data: Arc<dyn Examples>,
    alpha: f64,
    /// The fields of the data, and which is the label.
    fields: Vec<Field>,
    label: usize,
}

impl Mixup {
    /// Mixes the examples of `data`.
    ///
    /// # Errors
    /// When `alpha` is not above 0, there is no field `label` that counts classes, or another field is not of numbers.
    pub fn new(data: Arc<dyn Examples>, alpha: f64) -> Result<Self> {
        let bad = |expected: &str, got: String| Err(Error::argument("mixup", expected, got));
        if !(alpha > 0.0 && alpha <= 1e3) {
            return bad("an alpha above 0 and up to 1000", alpha.to_string());
        }
        let fields = data.fields();
        let is_label = |field: &Field| {
            field.name == "label" && field.ty.dtype == DType::U32 && field.ty.shape.elements() == 1
        };
        let Some(label) = fields.iter().position(is_label).filter(|_| data.classes().len() > 1) else {
            return bad("examples with a field label of two classes or more", "others".to_owned());
        };
        let other = |(i, field): &(usize, &Field)| *i != label && field.ty.dtype != DType::F32;
        match fields.iter().enumerate().find(other) {
            Some((_, field)) => {
                bad("fields of f32 besides the label", format!("{} of {}", field.name, field.ty))
            }
            None => Ok(Self { data, alpha, fields, label }),
        }
    }

    /// Reads an example into rows of numbers, and its class.
    fn numbers(&self, index: usize, draws: &mut Rng) -> Result<(Vec<Vec<f32>>, u32)> {
        let mut rows: Vec<Vec<f32>> =
            self.fields.iter().map(|field| vec![0.0; field.ty.shape.elements()]).collect();
        let mut class = [0];
        let mut positions: Vec<Values<'_>> = rows.iter_mut().map(|row| Values::F32(row)).collect();
        if let Some(position) = positions.get_mut(self.label) {
            *position = Values::U32(&mut class);
        }
        self.data.read(index, draws, &mut positions)?;
        Ok((rows, class[0]))
    }
}

impl Examples for Mixup {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields = self.fields.clone();
        if let Some(label) = fields.get_mut(self.label) {
            *label = Field::new("label", TensorType::f32([self.data.classes().len()]));
        }
        fields
    }

    fn classes(&self) -> &[String] {
        self.data.classes()
    }

    fn normalised_by(&self) -> Option<&Statistics> {
        self.data.normalised_by()
    }

    fn read(&self, index: usize, draws: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let share = beta(self.alpha, draws) as f32;
        let other = draws.below(self.data.len());
        let (own, class) = self.numbers(index, draws)?;
        let (others, other_class) = self.numbers(other, draws)?;
        for (position, (value, (own, other))) in values.iter_mut().zip(own.iter().zip(&others)).enumerate() {
            let value = value.f32()?;
            if position != self.label {
                let mixed = own.iter().zip(other).map(|(own, other)| share * own + (1.0 - share) * other);
                value.iter_mut().zip(mixed).for_each(|(value, mixed)| *value = mixed);
                continue;
            }
            value.fill(0.0);
            for (class, part) in [(class, share), (other_class, 1.0 - share)] {
                let count = value.len();
                let out = || Error::argument("label", format!("a class below {count}"), class.to_string());
                *value.get_mut(class as usize).ok_or_else(out)? += part;
            }
        }
        Ok(())
    }
}

/// From Beta(alpha, alpha), as `x / (x + y)` of two gamma variables.
fn beta(alpha: f64, draws: &mut Rng) -> f64 {
    let (x, y) = (log_gamma_variate(alpha, draws), log_gamma_variate(alpha, draws));
    // By logarithms, for a small alpha gives numbers too small for themselves.
    1.0 / (1.0 + (y - x).exp())
}

/// The logarithm of a gamma variable of scale 1 (Marsaglia and Tsang's method, 2000).
fn log_gamma_variate(shape: f64, draws: &mut Rng) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - draws.uniform()).ln() / shape;
        return log_gamma_variate(shape + 1.0, draws) + boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = draws.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - draws.uniform()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Batch, Dataset};

    fn data() -> Arc<dyn Examples> {
        let pixels = (0..4u8).flat_map(|class| [50 * class; 2]).collect();
        let data = Dataset::new(pixels, (0..4).collect(), [1, 1, 2], 4).unwrap();
        Arc::new(data.normalised(vec![0.0], vec![1.0]).unwrap())
    }

    #[test]
    fn values_and_classes_are_mixed_alike() {
        let mixed = Mixup::new(data(), 0.4).unwrap();
        let mut between = 0;
        for epoch in 0..50 {
            let batch = Batch::read(&mixed, &[0, 1, 2, 3], 7, epoch).unwrap();
            let (values, labels) = (batch.tensors[0].as_f32().unwrap(), batch.tensors[1].as_f32().unwrap());
            for (values, label) in values.chunks(2).zip(labels.chunks(4)) {
                assert!((label.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                let expected: f32 =
                    label.iter().zip(0..4u8).map(|(p, c)| p * f32::from(50 * c) / 255.0).sum();
                assert!(values.iter().all(|value| (value - expected).abs() < 1e-5), "{values:?} {label:?}");
                between += usize::from(label.iter().filter(|p| **p > 0.05).count() == 2);
            }
        }
        assert!(between > 40, "{between} of 200 lie between");
        assert_eq!(mixed.fields()[1], Field::new("label", TensorType::f32([4])));
        assert!(Mixup::new(data(), 0.0).is_err() && Mixup::new(data(), f64::NAN).is_err());
        assert!(Mixup::new(Arc::new(mixed), 0.4).err().unwrap().to_string().contains("a field label"));
    }

    #[test]
    fn shares_are_distributed_as_beta() {
        for alpha in [0.01, 0.2, 1.0, 5.0] {
            let mut draws = Rng::new(1);
            let all: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut draws)).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.015, "alpha {alpha}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "alpha {alpha}: {variance} for {expected}");
        }
    }
}
