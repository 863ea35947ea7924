//! A function with its parameters: what a node of the graph computes of each element.

use super::{Accuracy, Code, Function, Gradient, Read, Row, Rule, TINY, ulp};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock};

/// Parameters that a function has at most.
const MOST_PARAMETERS: usize = 4;

/// What of a function a node computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The function itself, of its operands.
    Value,
    /// The error times the partial derivative by this operand: of the error and of what that reads.
    Gradient(usize),
}

/// An element-wise function with its parameters, or a partial derivative of one times an error.
///
/// ```
/// # use wgrad::functions::Elementwise;
/// assert_eq!(Elementwise::leaky_relu(0.1).name(), "leaky_relu");
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Elementwise {
    function: Function,
    parameters: [f32; MOST_PARAMETERS],
    part: Part,
}

impl fmt::Debug for Elementwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name(), self.parameters())
    }
}

/// A name for good: each is made once.
fn interned(name: &'static str, part: &str) -> &'static str {
    static NAMES: OnceLock<Mutex<HashMap<String, &'static str>>> = OnceLock::new();
    let whole = format!("{name}_backward{part}");
    // A thread that panicked while it held the names left them whole.
    let mut names = match NAMES.get_or_init(Mutex::default).lock() {
        Ok(names) => names,
        Err(poisoned) => poisoned.into_inner(),
    };
    names.entry(whole.clone()).or_insert_with(|| Box::leak(whole.into_boxed_str()))
}

impl Elementwise {
    /// A row with its parameters, which are checked where a node is made of it.
    pub(super) fn of(row: &'static Row, given: &[f32]) -> Self {
        let mut parameters = [0.0; MOST_PARAMETERS];
        parameters.iter_mut().zip(given).for_each(|(to, &value)| *to = value);
        Self { function: Function(row), parameters, part: Part::Value }
    }

    pub(super) fn new(function: Function, given: &[f32]) -> Result<Self> {
        let all = function.parameters();
        if given.len() > all.len() {
            let most = format!("at most {} parameters", all.len());
            return Err(Error::argument(function.name(), most, given.len().to_string()));
        }
        let missing =
            |name: &str| Error::argument(function.name(), format!("a number for {name}"), "nothing");
        let value = |(i, p): (usize, &super::Parameter)| {
            given.get(i).copied().or(p.default()).ok_or_else(|| missing(p.name()))
        };
        let values = all.iter().enumerate().map(value).collect::<Result<Vec<f32>>>()?;
        let made = Self::of(function.0, &values);
        match made.refusal() {
            None => Ok(made),
            Some((allowed, got)) => Err(Error::argument(function.name(), allowed, got)),
        }
    }

    /// A parameter that is out of its range: what is allowed, and what was given.
    pub(crate) fn refusal(&self) -> Option<(String, String)> {
        let mut pairs = self.function.parameters().iter().zip(self.parameters());
        let (parameter, value) = pairs.find(|(parameter, value)| !parameter.allows(**value))?;
        Some((format!("{} of {}", parameter.allowed(), self.function.name()), value.to_string()))
    }

    /// The function.
    pub fn function(&self) -> Function {
        self.function
    }

    /// Its parameters' values, in the function's order.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters[..self.function.parameters().len().min(MOST_PARAMETERS)]
    }

    /// What of the function it is.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The same function's other part.
    pub fn with_part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// The function's name, or `relu_backward`, `pow_backward_b` for a gradient.
    pub fn name(&self) -> &'static str {
        let row = self.function.0;
        match self.part {
            Part::Value => row.name,
            Part::Gradient(_) if row.operands.len() == 1 => interned(row.name, ""),
            Part::Gradient(i) => interned(row.name, &format!("_{}", row.operands.get(i).unwrap_or(&""))),
        }
    }

    /// The parameters as text, empty where there are none.
    pub(crate) fn attributes(&self) -> String {
        let pairs = self.function.parameters().iter().zip(self.parameters());
        let words: Vec<String> = pairs.map(|(p, value)| format!("{} {value}", p.name())).collect();
        words.join(" ")
    }

    fn gradient_of(&self, operand: usize) -> Gradient {
        self.function.0.gradients.get(operand).copied().unwrap_or(Gradient::Zero)
    }

    /// What a gradient reads behind the error.
    fn reads(&self) -> &'static [Read] {
        let Part::Gradient(operand) = self.part else { return &[] };
        if let Gradient::Kernel(reads, _) = self.gradient_of(operand) { reads } else { &[] }
    }

    /// How many operands it has: those of the function, or the error and what is read with it.
    pub fn operands(&self) -> usize {
        match self.part {
            Part::Value => self.function.operands(),
            Part::Gradient(_) => 1 + self.reads().len(),
        }
    }

    /// The names of its operands in its texts.
    pub(super) fn operand_names(&self) -> Vec<&'static str> {
        let own = self.function.0.operands;
        let name = |read: &Read| match read {
            Read::Operand(i) => own.get(*i).copied().unwrap_or("x"),
            Read::Output => "y",
        };
        match self.part {
            Part::Value => own.to_vec(),
            Part::Gradient(_) => std::iter::once("g").chain(self.reads().iter().map(name)).collect(),
        }
    }

    /// The formula; of a gradient that other ops make there is none.
    pub(super) fn code(&self) -> Option<Code> {
        let Part::Gradient(operand) = self.part else { return Some(self.function.0.forward) };
        if let Gradient::Kernel(_, code) = self.gradient_of(operand) { Some(code) } else { None }
    }

    /// Whether it is an op: the value, or a gradient that other ops do not make.
    pub(crate) fn has_kernel(&self) -> bool {
        self.code().is_some()
    }

    /// How the gradient of an operand is made: by which kernel of what, or by which rule; `None` where it is 0.
    pub(crate) fn backward(&self, operand: usize) -> Option<Result<(Self, &'static [Read]), Rule>> {
        match self.gradient_of(operand) {
            Gradient::Zero => None,
            Gradient::Rule(rule) => Some(Err(rule)),
            Gradient::Kernel(reads, _) => Some(Ok((self.with_part(Part::Gradient(operand)), reads))),
        }
    }

    /// The result in f64: of the operands, or of the error and what is read with it.
    pub fn evaluate(&self, operands: &[f64]) -> f64 {
        let mut parameters = [0.0; MOST_PARAMETERS];
        parameters.iter_mut().zip(self.parameters).for_each(|(to, p)| *to = f64::from(p));
        let parameters = &parameters[..self.parameters().len()];
        match (self.part, self.code()) {
            (Part::Value, Some(code)) => (code.value)(operands, parameters),
            (Part::Gradient(_), Some(code)) => operands
                .split_first()
                .map_or(f64::NAN, |(error, operands)| error * (code.value)(operands, parameters)),
            (_, None) => 0.0,
        }
    }

    /// The partial derivative of the function by an operand, of these operands; `None` where other ops compute it.
    pub fn derivative(&self, operand: usize, operands: &[f64]) -> Option<f64> {
        let (partial, reads) = match self.with_part(Part::Value).backward(operand) {
            None => return Some(0.0),
            Some(Err(_)) => return None,
            Some(Ok(kernel)) => kernel,
        };
        let read = |read: &Read| match read {
            Read::Operand(i) => operands.get(*i).copied().unwrap_or(f64::NAN),
            Read::Output => self.with_part(Part::Value).evaluate(operands),
        };
        let all: Vec<f64> = std::iter::once(1.0).chain(reads.iter().map(read)).collect();
        Some(partial.evaluate(&all))
    }

    fn widened(&self) -> Vec<f64> {
        self.parameters().iter().map(|&p| f64::from(p)).collect()
    }

    /// The largest error of a result of exact operands; `rounding` gives that of one operation.
    pub(crate) fn error(&self, operands: &[f64], result: f64, rounding: impl Fn(f64) -> f64) -> f64 {
        // What is not normal may be flushed.
        let flushed = if result != 0.0 && result.abs() < 2.0 * TINY { TINY } else { 0.0 };
        match self.code().map_or(Accuracy::Exact, |code| code.accuracy) {
            Accuracy::Exact => 0.0,
            Accuracy::Rounded => rounding(result),
            Accuracy::Ulps(count) => count * ulp(result) + flushed,
            Accuracy::Within(error) => error(operands, &self.widened(), result) + flushed,
        }
    }

    /// How far operands of the function are from where it has no derivative.
    pub fn kink(&self, operands: &[f64]) -> f64 {
        (self.function.0.kink)(operands, &self.widened()).abs()
    }

    /// Whether a plan computes it where all operands are constants: what one operation gives.
    pub(crate) fn is_folded(&self) -> bool {
        self.function.0.folded && self.part == Part::Value
    }

    /// Whether integers give exact results.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.code().map(|code| code.accuracy), Some(Accuracy::Exact | Accuracy::Rounded))
    }
}
