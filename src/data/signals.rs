//! Labelled signals in memory: waveforms, their spectra, DNA.

use super::examples::{Examples, Field, Values};
use crate::error::{Error, Result};
use crate::platform::{all, cores};
use crate::random::Rng;
use crate::tensor::TensorType;

/// Signals of one shape with class labels.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalSet {
    field: String,
    shape: [usize; 2],
    values: Vec<f32>,
    labels: Vec<u32>,
    names: Vec<String>,
}

impl SignalSet {
    /// Signals of `shape` (channels, length), one after the other, as the field `field`, and a label below the number of
    /// class names for each.
    ///
    /// # Errors
    /// When there are none, the counts differ, a label is out of range or a value is not finite.
    pub fn new(
        field: &str,
        shape: [usize; 2],
        values: Vec<f32>,
        labels: Vec<u32>,
        names: Vec<String>,
    ) -> Result<Self> {
        let size = shape[0].saturating_mul(shape[1]);
        let of = || format!("{} labels of {shape:?}", labels.len());
        if size == 0 || labels.is_empty() {
            return Err(Error::argument("signals", "signals and labels", of()));
        }
        if values.len() != labels.len().saturating_mul(size) {
            let expected = format!("{} values for {}", labels.len().saturating_mul(size), of());
            return Err(Error::argument("signals", expected, values.len().to_string()));
        }
        if let Some(i) = labels.iter().position(|&label| label as usize >= names.len()) {
            let got = format!("{} at {i}", labels[i]);
            return Err(Error::argument("signals", format!("labels below {}", names.len()), got));
        }
        if let Some(i) = values.iter().position(|value| !value.is_finite()) {
            let got = format!("{} in signal {}", values[i], i / size);
            return Err(Error::argument("signals", "finite numbers", got));
        }
        Ok(Self { field: field.to_owned(), shape, values, labels, names })
    }

    /// Channels and length.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The classes of the signals.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The values of signal `index`, channel by channel; `None` behind the end.
    pub fn signal(&self, index: usize) -> Option<&[f32]> {
        let size = self.shape[0] * self.shape[1];
        self.values.get(index.checked_mul(size)?..)?.get(..size)
    }

    /// What `change` makes of each signal: of another shape, as another field.
    ///
    /// # Errors
    /// As [`SignalSet::new`].
    pub fn changed(
        &self,
        field: &str,
        shape: [usize; 2],
        change: impl Fn(&[f32]) -> Vec<f32>,
    ) -> Result<Self> {
        let signals = self.values.chunks(self.shape[0] * self.shape[1]);
        let values = signals.flat_map(change).collect();
        Self::new(field, shape, values, self.labels.clone(), self.names.clone())
    }
}

impl Examples for SignalSet {
    fn len(&self) -> usize {
        self.labels.len()
    }

    /// The signal, `(channels, length)`, and `label`.
    fn fields(&self) -> Vec<Field> {
        vec![Field::new(&self.field, TensorType::f32(self.shape)), Field::new("label", TensorType::u32([]))]
    }

    fn classes(&self) -> &[String] {
        &self.names
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.labels.len());
        let (Some(own), [signal, label]) = (self.signal(index), values) else {
            return Err(Error::argument("signals", expected(), index.to_string()));
        };
        signal.f32()?.copy_from_slice(own);
        label.u32()?.fill(self.labels[index]);
        Ok(())
    }
}

/// Works on all cores: what `make` writes to signal `i` of `size` values, and its label.
pub(super) fn generated(
    count: usize,
    size: usize,
    make: impl Fn(usize, &mut [f32]) -> u32 + Sync,
) -> (Vec<f32>, Vec<u32>) {
    let (mut values, mut labels) = (vec![0.0; count * size], vec![0; count]);
    let share = count.div_ceil(cores()).max(1);
    let parts = values.chunks_mut((share * size).max(1)).zip(labels.chunks_mut(share));
    let make = &make;
    all(parts.enumerate().map(|(part, (values, labels))| {
        move || {
            for (i, (signal, label)) in values.chunks_mut(size.max(1)).zip(labels).enumerate() {
                *label = make(part * share + i, signal);
            }
        }
    }));
    (values, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let refused = |values: Vec<f32>, labels: Vec<u32>, part: &str| {
            let error = SignalSet::new("x", [1, 2], values, labels, names()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(vec![], vec![], "signals and labels");
        refused(vec![0.0; 3], vec![0, 1], "4 values for 2 labels of [1, 2], got 3");
        refused(vec![0.0; 4], vec![0, 2], "labels below 2, got 2 at 1");
        refused(vec![0.0, 0.0, f32::NAN, 0.0], vec![0, 1], "NaN in signal 1");
    }

    #[test]
    fn a_batch_has_signals_and_labels_in_order() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let set = SignalSet::new("x", [1, 2], vec![1.0, 2.0, 3.0, 4.0], vec![1, 0], names).unwrap();
        let batch = Batch::read(&set, &[1, 0], 0, 0).unwrap();
        assert_eq!(batch.tensors[0].as_f32().unwrap(), [3.0, 4.0, 1.0, 2.0]);
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [0, 1]);
        let sums = set.changed("y", [1, 1], |signal| vec![signal.iter().sum()]).unwrap();
        assert_eq!((sums.signal(1), sums.signal(2)), (Some(&[7.0][..]), None));
    }
}
