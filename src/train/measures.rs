//! What came out: sums from the device, and the values that they make.

use super::metric::{Kind, Spec};
use crate::error::{Error, Result};
use crate::exec::{Parameters, Pending};
use crate::tensor::HostTensor;

/// What was measured over some examples: the loss and the metrics of the task, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measures {
    /// The number of examples.
    pub examples: usize,
    values: Vec<(String, f64)>,
    confusion: Option<Confusion>,
}

impl Measures {
    /// Of so many examples these values.
    pub fn new(examples: usize, values: Vec<(String, f64)>) -> Self {
        Self { examples, values, confusion: None }
    }

    /// The mean loss, 0 where nothing was measured.
    pub fn loss(&self) -> f64 {
        self.get(LOSS).unwrap_or(0.0)
    }

    /// The value of a metric.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The value of a metric that is there.
    ///
    /// # Errors
    /// When it is not: what there is.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let known = || self.values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        self.get(name).ok_or_else(|| Error::argument("metric", format!("one of {}", known()), name))
    }

    /// Names and values, the loss first.
    pub fn values(&self) -> &[(String, f64)] {
        &self.values
    }

    /// The confusion matrix, where the task counts one.
    pub fn confusion(&self) -> Option<&Confusion> {
        self.confusion.as_ref()
    }
}

/// The name of the mean loss among the metrics.
pub const LOSS: &str = "loss";

/// The sums of all metrics after some examples.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    examples: usize,
    states: Vec<Vec<f64>>,
}

impl Sums {
    /// What came since `before`, of metrics whose sums add up.
    pub(super) fn since(&self, before: &Sums) -> Sums {
        let difference =
            |(now, then): (&Vec<f64>, &Vec<f64>)| now.iter().zip(then).map(|(a, b)| a - b).collect();
        let states = match before.states.is_empty() {
            true => self.states.clone(),
            false => self.states.iter().zip(&before.states).map(difference).collect(),
        };
        Sums { examples: self.examples - before.examples, states }
    }

    /// The values of all metrics; `partly`: of those alone whose sums add up.
    pub(super) fn measures(&self, specs: &[Spec], partly: bool) -> Measures {
        let mut states = self.states.iter();
        let skipped = specs.iter().flat_map(|spec| spec.states.iter().map(|_| spec.kind)).zip(&self.states);
        let skipped =
            skipped.filter(|(kind, _)| *kind == Kind::Skipped).flat_map(|(_, sum)| sum).sum::<f64>();
        let counted = self.examples - (skipped as usize).min(self.examples);
        let mut found = Measures { examples: self.examples, ..Measures::default() };
        for spec in specs {
            let own: Vec<&[f64]> = states.by_ref().take(spec.states.len()).map(Vec::as_slice).collect();
            if own.len() < spec.states.len() || partly && !spec.adds_up() {
                continue;
            }
            match spec.kind {
                Kind::Confusion { classes } => found.confusion = Some(Confusion::of(classes, own[0])),
                _ => found.values.push((spec.name.clone(), spec.value(counted, &own))),
            }
        }
        found
    }
}

/// Sums on their way from the device.
#[derive(Debug)]
pub(super) struct PendingSums {
    examples: usize,
    states: Vec<Arriving>,
}

#[derive(Debug)]
enum Arriving {
    Waited(Pending),
    Here(HostTensor),
}

impl PendingSums {
    /// The sums after `examples` examples.
    pub(super) fn start(parameters: &Parameters, specs: &[Spec], examples: usize) -> Result<Self> {
        let names = specs.iter().flat_map(|spec| &spec.states);
        let states = names.map(|(name, _)| Ok(Arriving::Waited(parameters.get_async(name)?)));
        Ok(Self { examples, states: states.collect::<Result<_>>()? })
    }

    /// The sums, if all have arrived.
    pub(super) fn try_get(&mut self) -> Result<Option<Sums>> {
        for state in &mut self.states {
            if let Arriving::Waited(pending) = state {
                let Some(value) = pending.try_get()? else { return Ok(None) };
                *state = Arriving::Here(value);
            }
        }
        let here = self.states.iter().filter_map(|state| match state {
            Arriving::Here(value) => Some(value),
            Arriving::Waited(_) => None,
        });
        sums(here, self.examples).map(Some)
    }

    /// The sums when they have arrived.
    pub(super) async fn arrived(self) -> Result<Sums> {
        let mut here = Vec::with_capacity(self.states.len());
        for state in self.states {
            here.push(match state {
                Arriving::Here(value) => value,
                Arriving::Waited(pending) => pending.await?,
            });
        }
        sums(here.iter(), self.examples)
    }
}

/// The sums after `examples` examples.
pub(super) async fn read(parameters: &Parameters, specs: &[Spec], examples: usize) -> Result<Sums> {
    let mut values = Vec::new();
    for (name, _) in specs.iter().flat_map(|spec| &spec.states) {
        values.push(parameters.get_async(name)?.await?);
    }
    sums(values.iter(), examples)
}

fn sums<'a>(values: impl Iterator<Item = &'a HostTensor>, examples: usize) -> Result<Sums> {
    let wide = |value: &HostTensor| Ok(value.as_f32()?.iter().map(|&v| f64::from(v)).collect());
    let states: Vec<Vec<f64>> = values.map(wide).collect::<Result<_>>()?;
    // The loss comes first.
    if let Some(loss) = states.first().and_then(|state| state.first()).filter(|loss| !loss.is_finite()) {
        let got = format!("{loss} among the first {examples} examples; a lower learning rate may help");
        return Err(Error::argument(LOSS, "finite numbers", got));
    }
    Ok(Sums { examples, states })
}

/// A confusion matrix: how often each class was predicted as each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<usize>,
}

impl Confusion {
    /// No examples yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    fn of(classes: usize, counts: &[f64]) -> Self {
        Self { classes, counts: counts.iter().map(|&count| count as usize).collect() }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts an example; what is no class is left out.
    pub fn add(&mut self, label: usize, predicted: usize) {
        if label < self.classes && predicted < self.classes {
            self.counts[label * self.classes + predicted] += 1;
        }
    }

    /// Examples of class `label` predicted as `predicted`.
    pub fn count(&self, label: usize, predicted: usize) -> usize {
        if predicted < self.classes {
            self.counts.get(label * self.classes + predicted).copied().unwrap_or(0)
        } else {
            0
        }
    }

    /// The number of examples of a class.
    pub fn of_class(&self, label: usize) -> usize {
        (0..self.classes).map(|p| self.count(label, p)).sum()
    }

    /// The number of examples predicted as a class.
    pub fn taken_for(&self, predicted: usize) -> usize {
        (0..self.classes).map(|l| self.count(l, predicted)).sum()
    }

    /// Precision: of the examples predicted as a class, the fraction that is of it; 0 where there is none.
    pub fn precision(&self, class: usize) -> f64 {
        share(self.count(class, class), self.taken_for(class))
    }

    /// Recall: of the examples of a class, the fraction that was predicted as it; 0 where there is none.
    pub fn recall(&self, class: usize) -> f64 {
        share(self.count(class, class), self.of_class(class))
    }

    /// The harmonic mean of precision and recall; 0 where both are.
    pub fn f1(&self, class: usize) -> f64 {
        share(2 * self.count(class, class), self.of_class(class) + self.taken_for(class))
    }
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusion_counts_by_label_and_prediction() {
        let mut confusion = Confusion::new(3);
        for (label, predicted) in [(0, 0), (0, 2), (2, 2), (2, 2), (9, 0), (0, 9)] {
            confusion.add(label, predicted);
        }
        assert_eq!((confusion.count(0, 2), confusion.count(2, 2), confusion.count(1, 1)), (1, 2, 0));
        assert_eq!((confusion.of_class(0), confusion.of_class(2), confusion.count(0, 3)), (2, 2, 0));
        assert_eq!((confusion.precision(2), confusion.recall(0), confusion.f1(2)), (2.0 / 3.0, 0.5, 0.8));
        assert_eq!((confusion.precision(1), confusion.recall(1), confusion.f1(1)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_loss_that_is_no_number_is_an_error() {
        let scalar = |v| HostTensor::from_f32([], vec![v]).unwrap();
        let error = sums([scalar(f32::NAN)].iter(), 64).unwrap_err().to_string();
        assert!(error.contains("first 64 examples"), "{error}");
        assert!(sums([scalar(1.0), scalar(f32::NAN)].iter(), 64).is_ok(), "other metrics may have no value");
    }
}
