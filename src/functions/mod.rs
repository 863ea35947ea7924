//! Element-wise functions: one row each, from which names, shaders, reference, gradients, error bounds, cases and the
//! table in the guide follow. Whoever adds one writes a row in `activations.rs`, `arithmetic.rs`, `piecewise.rs`, `binary.rs`,
//! `losses.rs` or `ternary.rs`, its line in the guide (`docs/guide/src/what-there-is.md`), and makes the fixtures anew.
//!
//! ```
//! use wgrad::functions::{Accuracy, Function, Parameter, Saved};
//! # fn main() -> wgrad::Result<()> {
//! let sine_gate = Function::build("sine_gate")
//!     .parameter(Parameter::new("frequency").or(1.0))
//!     .value("x * sin_exact(frequency * x)", |x, p| x[0] * (p[0] * x[0]).sin(), Accuracy::Ulps(16.0))
//!     .gradient(
//!         Saved::Input,
//!         "g * (sin_exact(frequency * x) + frequency * x * cos_exact(frequency * x))",
//!         |x, p| (p[0] * x[0]).sin() + p[0] * x[0] * (p[0] * x[0]).cos(),
//!         Accuracy::Within(|x, p, _| 1e-5 * x[0].abs() * (1.0 + p[0].abs() * x[1].abs())),
//!     )
//!     .finish()?;
//! let graph = wgrad::Graph::new();
//! let y = graph.input("x", [3])?.apply_function(&sine_gate, &[2.0])?;
//! # assert_eq!(y.shape().to_vec(), [3]);
//! # Ok(())
//! # }
//! ```

mod activations;
mod arithmetic;
mod binary;
mod build;
mod elementwise;
mod erf;
mod losses;
mod macros;
mod operand;
mod piecewise;
mod ternary;
mod text;

pub use build::Builder;
pub use elementwise::{Elementwise, Part};
pub use operand::Operand;
pub use text::texts;

use macros::{error, formula, functions};

use crate::error::Result;
use crate::graph::{Flow, Tensor};
pub(crate) use crate::tracked::{CLAMPED, SATURATED, TINY, ulp};

/// A function of the operands and the parameters, in f64.
pub type Formula = fn(&[f64], &[f64]) -> f64;

/// A number that a function takes, by PyTorch's name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    name: &'static str,
    default: Option<f32>,
    least: f32,
    most: f32,
}

impl Parameter {
    /// Any finite number, with no default.
    pub const fn new(name: &'static str) -> Self {
        Self { name, default: None, least: f32::MIN, most: f32::MAX }
    }

    /// With this default.
    pub const fn or(self, default: f32) -> Self {
        Self { default: Some(default), ..self }
    }

    /// From `least` to `most`, both allowed.
    pub const fn within(self, least: f32, most: f32) -> Self {
        Self { least, most, ..self }
    }

    /// Above 0.
    pub const fn positive(self) -> Self {
        self.within(f32::MIN_POSITIVE, f32::MAX)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is where a caller has no wish of its own: PyTorch's default, where it has one.
    pub fn default(&self) -> Option<f32> {
        self.default
    }

    /// Whether it may be this number.
    pub fn allows(&self, value: f32) -> bool {
        (self.least..=self.most).contains(&value)
    }

    /// What it may be, in words.
    fn allowed(&self) -> String {
        match (self.least, self.most) {
            (f32::MIN, f32::MAX) => format!("a finite {}", self.name),
            (f32::MIN_POSITIVE, f32::MAX) => format!("a finite {} above 0", self.name),
            (least, most) => format!("{} from {least} to {most}", self.name),
        }
    }
}

/// How far a correct kernel may be from the function, where its operands are exact.
#[derive(Debug, Clone, Copy)]
pub enum Accuracy {
    /// Not at all: the function chooses among numbers or negates them.
    Exact,
    /// As one operation: exact where the result has an f32, else either neighbour.
    Rounded,
    /// This many units in the last place of the result.
    Ulps(f64),
    /// What this gives for operands, parameters and result.
    Within(fn(&[f64], &[f64], f64) -> f64),
}

/// One formula: as a kernel has it and as the reference has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    /// An expression, or statements that end with `return`, of the operands and parameters by name.
    pub(crate) wgsl: &'static str,
    pub(crate) value: Formula,
    pub(crate) accuracy: Accuracy,
}

/// What the backward pass of a function of one tensor reads besides the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// Nothing: the derivative is the same everywhere.
    Nothing,
    /// The function's input.
    Input,
    /// The function's output, so that the input's memory can be used again.
    Output,
    /// Both: `x` and `y`.
    Both,
}

/// What a gradient reads besides the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// An operand of the function.
    Operand(usize),
    /// What the function gave.
    Output,
}

impl Saved {
    pub(crate) const fn reads(self) -> &'static [Read] {
        match self {
            Saved::Nothing => &[],
            Saved::Input => &[Read::Operand(0)],
            Saved::Output => &[Read::Output],
            Saved::Both => &[Read::Operand(0), Read::Output],
        }
    }
}

/// A rule that builds the gradient of an operand of the output's shape from the node and the error.
pub(crate) type Rule = fn(&Elementwise, &Flow<'_>, &Tensor) -> Result<Tensor>;

/// The gradient of one operand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gradient {
    /// 0 wherever there is one.
    Zero,
    /// Other ops.
    Rule(Rule),
    /// `g` times the partial derivative, as a kernel: of `g` and what it reads. The reference has the derivative alone, of
    /// what is read. The accuracy is that of the product, its operands `g` first.
    Kernel(&'static [Read], Code),
}

/// Which numbers an operand is drawn from in cases with real numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// All numbers.
    All,
    /// Numbers above this one.
    Above(f32),
    /// Numbers of either sign that are not near 0.
    NonZero,
    /// 0 and 1.
    Truth,
    /// Numbers between 0 and 1, near neither.
    Unit,
}

/// An element-wise function: what a kernel, the reference, the gradients and the checks need to know of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    /// Its operands' names in the formulas; `g` is the error and `y` the output.
    pub(crate) operands: &'static [&'static str],
    pub(crate) parameters: &'static [Parameter],
    pub(crate) forward: Code,
    /// One for each operand.
    pub(crate) gradients: &'static [Gradient],
    /// WGSL functions of its own that the texts call.
    pub(crate) helpers: &'static str,
    /// Whether the texts hold for four elements at once.
    pub(crate) vector: bool,
    /// Whether a plan computes it where all operands are constants.
    pub(crate) folded: bool,
    /// How far operands are from where there is no derivative; infinite where there always is one.
    pub(crate) kink: Formula,
    /// One for each operand.
    pub(crate) domains: &'static [Domain],
    /// Values of the parameters that cases have; where there are none, the defaults.
    pub(crate) cases: &'static [&'static [f32]],
}

/// The logistic function in f64.
pub(crate) fn logistic(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

impl Row {
    /// One operand, all numbers, none of the rest: rows say what differs.
    pub(crate) const UNARY: Row = Row {
        name: "",
        doc: "",
        operands: &["x"],
        parameters: &[],
        forward: Code { wgsl: "x", value: |x, _| x[0], accuracy: Accuracy::Exact },
        gradients: &[Gradient::Zero],
        helpers: "",
        vector: false,
        folded: false,
        kink: |_, _| f64::INFINITY,
        domains: &[Domain::All],
        cases: &[],
    };
    /// The same of two operands.
    pub(crate) const BINARY: Row = Row {
        operands: &["a", "b"],
        gradients: &[Gradient::Zero, Gradient::Zero],
        domains: &[Domain::All, Domain::All],
        ..Row::UNARY
    };
    /// The same of three.
    pub(crate) const TERNARY: Row = Row {
        operands: &["a", "b", "c"],
        gradients: &[Gradient::Zero, Gradient::Zero, Gradient::Zero],
        domains: &[Domain::All, Domain::All, Domain::All],
        ..Row::UNARY
    };
}

/// An element-wise function, ours or one of your own: see [`Function::build`].
#[derive(Clone, Copy)]
pub struct Function(&'static Row);

impl PartialEq for Function {
    /// There is one row of a name.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Function {
    /// Those of this crate, by number of operands, in the order of their files.
    pub fn all() -> Vec<Self> {
        let lists = [
            activations::ACTIVATIONS,
            arithmetic::ARITHMETIC,
            piecewise::PIECEWISE,
            binary::BINARY,
            losses::LOSSES,
            ternary::TERNARY,
        ];
        lists.concat().into_iter().chain([ternary::choice as fn() -> _]).map(|row| Self(row())).collect()
    }

    /// The function of this crate, or built before, of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().chain(build::built()).find(|f| f.name() == name)
    }

    /// Its name, PyTorch's where it has one.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it computes, in words.
    pub fn doc(&self) -> &'static str {
        self.0.doc.trim()
    }

    /// How many operands it has.
    pub fn operands(&self) -> usize {
        self.0.operands.len()
    }

    /// The numbers it takes.
    pub fn parameters(&self) -> &'static [Parameter] {
        self.0.parameters
    }

    /// Which numbers each operand is drawn from in checks.
    pub fn domains(&self) -> &'static [Domain] {
        self.0.domains
    }

    /// With these parameters; missing ones have their defaults.
    ///
    /// # Errors
    /// When a parameter is out of its range, one without a default is missing, or there are too many.
    pub fn with(self, parameters: &[f32]) -> Result<Elementwise> {
        Elementwise::new(self, parameters)
    }

    /// Parameters that checks try: those of the row, else the defaults.
    pub fn cases(&self) -> Vec<Vec<f32>> {
        let given: Vec<Vec<f32>> = self.0.cases.iter().map(|case| case.to_vec()).collect();
        let defaults: Option<Vec<f32>> = self.0.parameters.iter().map(Parameter::default).collect();
        if given.is_empty() { defaults.into_iter().collect() } else { given }
    }

    /// The ops it is made of: the value, and the gradient of each operand that has a kernel of its own.
    pub fn parts(&self) -> Vec<Part> {
        let kernel = |&operand: &usize| matches!(self.0.gradients[operand], Gradient::Kernel(..));
        let gradients = (0..self.operands()).filter(kernel).map(Part::Gradient);
        std::iter::once(Part::Value).chain(gradients).collect()
    }

    /// Whether the gradient of any operand can be other than 0.
    pub fn has_gradient(&self) -> bool {
        self.0.gradients.iter().any(|gradient| !matches!(gradient, Gradient::Zero))
    }
}
