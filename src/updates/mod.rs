//! Optimizers as rows of a table: what each takes, keeps, and does to a number of a parameter in one step.
//!
//! Kernels, reference, cases, error bounds and the optimizers of [`crate::optim`] follow from a row.

mod parts;
mod rows;

use crate::error::Mismatch;
use crate::tracked::{Real, Tracked};
use std::fmt;

/// What values an option may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Finite and at least 0.
    AtLeast0,
    /// Finite and above 0.
    Above0,
    /// From 0 to below 1.
    Below1,
    /// Between 0 and 1, neither of them.
    Between,
    /// Above 1.
    Above1,
    /// 0 or 1: whether something is done.
    Flag,
}

impl Range {
    fn check(self, name: &str, value: f64) -> Result<(), Mismatch> {
        let (holds, words) = match self {
            Range::AtLeast0 => (value >= 0.0, "a finite number of at least 0"),
            Range::Above0 => (value > 0.0, "a finite number above 0"),
            Range::Below1 => ((0.0..1.0).contains(&value), "a number from 0 to below 1"),
            Range::Between => (value > 0.0 && value < 1.0, "a number between 0 and 1"),
            Range::Above1 => (value > 1.0, "a finite number above 1"),
            Range::Flag => (value == 0.0 || value == 1.0, "0 or 1"),
        };
        // Kernels have its nearest f32.
        let finite = (value as f32).is_finite();
        Mismatch::check(holds && finite, format!("{name}: {words}"), value.to_string())
    }
}

/// A number that an optimizer takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// PyTorch's name where it has one.
    pub name: &'static str,
    /// PyTorch's default where it has one.
    pub default: f64,
    /// What it may be.
    pub range: Range,
}

/// A tensor that an optimizer keeps for each parameter, of its shape.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// PyTorch's name where it has one.
    pub name: &'static str,
    /// The option that it is kept for: where that is 0, it is not.
    pub kept_for: Option<&'static str>,
    /// Whether its numbers are never negative.
    pub positive: bool,
    /// What it begins with.
    pub starts: Start,
}

/// What a tensor that an optimizer keeps begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// All 0.
    Zero,
    /// The learning rate.
    LearningRate,
    /// An option, by name.
    Option(&'static str),
}

/// One number of a parameter in a step: what is given, and after it what has become of it.
pub(crate) struct Number<'a, R> {
    /// The options, in the order of the row.
    options: &'a [f64],
    /// The learning rate.
    lr: R,
    /// The number of this step, from 1.
    step: f64,
    /// The product that NAdam keeps.
    product: R,
    p: R,
    g: R,
    /// In the order of the row, those that are not kept too.
    kept: [R; MOST_KEPT],
}

/// Tensors a row keeps at most.
const MOST_KEPT: usize = 3;

/// An optimizer.
pub struct Update {
    /// Its name, PyTorch's in lower case where it has one.
    pub name: &'static str,
    /// What it does, in one line.
    pub formula: &'static str,
    /// What it takes besides the learning rate.
    pub options: &'static [Hyper],
    /// What it keeps for each parameter.
    pub kept: &'static [Memory],
    /// Whether it reads the number of the step.
    counts: fn(&[f64]) -> bool,
    /// Whether it reads NAdam's product.
    product: bool,
    /// Whether it gives a direction for the parameter instead of its new value.
    pub directs: bool,
    /// Constants that follow from the options.
    derived: fn(&[f64]) -> Vec<(&'static str, f64)>,
    /// What options must be together, if they are not: in words.
    misfit: fn(&[f64]) -> Option<&'static str>,
    /// The step in WGSL over `p`, `g`, what is kept, `lr` and `t`, with the options as constants.
    pub(crate) wgsl: &'static [&'static str],
    /// The same for the reference, and with its bound.
    value: fn(&mut Number<'_, f64>),
    tracked: fn(&mut Number<'_, Tracked>),
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Update {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Update {
    /// All of them.
    pub fn all() -> &'static [Update] {
        rows::ROWS
    }

    /// The one of a name.
    pub fn named(name: &str) -> Option<&'static Update> {
        Self::all().iter().find(|update| update.name == name)
    }

    /// The options by default.
    pub fn defaults(&self) -> Vec<f64> {
        self.options.iter().map(|hyper| hyper.default).collect()
    }

    /// The position of an option.
    pub fn option(&self, name: &str) -> Option<usize> {
        self.options.iter().position(|hyper| hyper.name == name)
    }

    /// Whether it reads the number of the step, with these options; not with fewer than it has.
    pub fn counts(&self, options: &[f64]) -> bool {
        self.product || options.len() == self.options.len() && (self.counts)(options)
    }

    /// Whether it reads NAdam's product of momenta.
    pub fn product(&self) -> bool {
        self.product
    }

    /// What it keeps with these options, with the positions in the row.
    pub fn kept(&self, options: &[f64]) -> Vec<(usize, &'static Memory)> {
        let on = |name: &str| {
            self.option(name).and_then(|position| options.get(position)).is_some_and(|value| *value != 0.0)
        };
        self.kept.iter().enumerate().filter(|(_, memory)| memory.kept_for.is_none_or(on)).collect()
    }

    /// Options and what follows from them, by name.
    pub(crate) fn constants(&self, options: &[f64]) -> Vec<(&'static str, f64)> {
        let own = self.options.iter().map(|hyper| hyper.name).zip(options.iter().copied());
        own.chain((self.derived)(options)).collect()
    }

    pub(crate) fn check(&self, options: &[f64]) -> Result<(), Mismatch> {
        let (expected, got) = (self.options.len(), options.len());
        Mismatch::check(expected == got, format!("{expected} options of {}", self.name), got.to_string())?;
        let mut each = self.options.iter().zip(options);
        each.try_for_each(|(hyper, &value)| hyper.range.check(hyper.name, value))?;
        let misfit = (self.misfit)(options);
        Mismatch::check(misfit.is_none(), misfit.unwrap_or_default(), format!("{options:?}"))
    }

    /// New parameter, or direction, and what is kept.
    pub(crate) fn value(&self, options: &[f64], given: &Given<f64>) -> (f64, [f64; MOST_KEPT]) {
        let mut number = given.number(options, 0.0);
        (self.value)(&mut number);
        (number.p, number.kept)
    }

    /// The same, with how far f32 may be from it.
    pub(crate) fn tracked(&self, options: &[f64], given: &Given<Tracked>) -> (Tracked, [Tracked; MOST_KEPT]) {
        let mut number = given.number(options, Tracked { value: 0.0, error: 0.0 });
        (self.tracked)(&mut number);
        (number.p, number.kept)
    }
}

/// What a step reads for one number.
pub(crate) struct Given<R> {
    pub(crate) lr: R,
    pub(crate) step: f64,
    pub(crate) product: Option<R>,
    pub(crate) param: R,
    pub(crate) grad: R,
    /// With the positions in the row.
    pub(crate) kept: Vec<(usize, R)>,
}

impl<R: Real> Given<R> {
    fn number<'a>(&self, options: &'a [f64], nothing: R) -> Number<'a, R> {
        let mut kept = [nothing; MOST_KEPT];
        self.kept.iter().for_each(|&(position, value)| kept[position] = value);
        let product = self.product.unwrap_or(nothing);
        Number { options, lr: self.lr, step: self.step, product, p: self.param, g: self.grad, kept }
    }
}

impl<R> Number<'_, R> {
    /// The options, all of them in the order of the row.
    fn all<const N: usize>(&self) -> [f64; N] {
        std::array::from_fn(|i| self.options.get(i).copied().unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_agree_with_themselves() {
        for update in Update::all() {
            let options = update.defaults();
            assert!(update.check(&options).is_ok(), "{}: defaults within their ranges", update.name);
            assert!(update.kept.len() <= MOST_KEPT, "{}", update.name);
            for memory in update.kept {
                let known = memory.kept_for.is_none_or(|name| update.option(name).is_some());
                assert!(known, "{}: {} is kept for an option", update.name, memory.name);
            }
            assert_eq!(Update::named(update.name), Some(update));
        }
    }

    #[test]
    fn options_out_of_their_range_are_named() {
        let adam = Update::named("adam").expect("a row");
        let with = |name: &str, value: f64| {
            let mut options = adam.defaults();
            options[adam.option(name).expect("an option")] = value;
            adam.check(&options).map_err(|m| format!("{}; {}", m.expected, m.got))
        };
        assert_eq!(with("beta1", 1.0), Err("beta1: a number from 0 to below 1; 1".into()));
        assert_eq!(with("eps", -1.0), Err("eps: a finite number of at least 0; -1".into()));
        assert_eq!(with("amsgrad", 0.5), Err("amsgrad: 0 or 1; 0.5".into()));
        assert!(with("weight_decay", f64::NAN).is_err() && with("eps", f64::INFINITY).is_err());
    }
}
