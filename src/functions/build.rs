//! Functions from outside the crate.

use super::{Accuracy, Code, Domain, Formula, Function, Gradient, Parameter, Row, Saved};
use crate::error::{Error, Result};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Those that were built: they live as long as the program.
fn registry() -> MutexGuard<'static, Vec<&'static Row>> {
    static BUILT: OnceLock<Mutex<Vec<&'static Row>>> = OnceLock::new();
    match BUILT.get_or_init(Mutex::default).lock() {
        Ok(built) => built,
        // It is written in one piece.
        Err(poisoned) => poisoned.into_inner(),
    }
}

pub(super) fn built() -> Vec<Function> {
    registry().iter().map(|row| Function(row)).collect()
}

/// Describes a function of one tensor, step by step: see [`Function::build`].
#[derive(Debug)]
pub struct Builder {
    name: &'static str,
    doc: &'static str,
    parameters: Vec<Parameter>,
    forward: Option<Code>,
    gradient: Gradient,
    helpers: &'static str,
    kink: Formula,
    domain: Domain,
    cases: Vec<Vec<f32>>,
}

impl Function {
    /// Begins a function of one tensor under a name that no other has. Its texts call what `shaders/common/nan.wgsl`,
    /// `math.wgsl` and `functions.wgsl` have, WGSL's builtins and its own helpers; `x` is the input, `y` the output, `g` the
    /// error, and parameters have their names.
    pub fn build(name: &'static str) -> Builder {
        Builder {
            name,
            doc: "",
            parameters: Vec::new(),
            forward: None,
            gradient: Gradient::Zero,
            helpers: "",
            kink: |_, _| f64::INFINITY,
            domain: Domain::All,
            cases: Vec::new(),
        }
    }
}

impl Builder {
    /// What it computes, in words.
    pub fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    /// One more number that it takes.
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Its value: in WGSL an expression, or statements that end with `return`; in Rust of `[x]` and the parameters.
    pub fn value(self, wgsl: &'static str, value: Formula, accuracy: Accuracy) -> Self {
        Self { forward: Some(Code { wgsl, value, accuracy }), ..self }
    }

    /// Its gradient: in WGSL the error `g` times the derivative, in Rust the derivative alone, of what is saved. The accuracy
    /// is that of the product, whose operands are `g` and what is saved. Without this, the gradient is 0.
    pub fn gradient(self, saved: Saved, wgsl: &'static str, derivative: Formula, accuracy: Accuracy) -> Self {
        Self { gradient: Gradient::Kernel(saved.reads(), Code { wgsl, value: derivative, accuracy }), ..self }
    }

    /// WGSL functions of its own that its texts call; their names begin with the function's.
    pub fn helpers(self, helpers: &'static str) -> Self {
        Self { helpers, ..self }
    }

    /// How far `[x]` is from where there is no derivative, for finite differences to keep away from.
    pub fn kink(self, distance: Formula) -> Self {
        Self { kink: distance, ..self }
    }

    /// Which numbers checks draw inputs from.
    pub fn domain(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }

    /// Parameters that checks try; where there are none, the defaults.
    pub fn case(mut self, parameters: &[f32]) -> Self {
        self.cases.push(parameters.to_vec());
        self
    }

    /// The function. It lives as long as the program; the same texts under the same name are the same function.
    ///
    /// # Errors
    /// When the name is none in WGSL or another function's, there is no value, or there are more than four parameters.
    pub fn finish(self) -> Result<Function> {
        let name_like = |name: &str| {
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letters)
        };
        let expected = "a name of small letters, digits and underscores";
        let names = std::iter::once(self.name).chain(self.parameters.iter().map(Parameter::name));
        if let Some(bad) = names.into_iter().find(|name| !name_like(name) || ["x", "y", "g"].contains(name)) {
            return Err(Error::argument("function", expected, format!("'{bad}'")));
        }
        let missing = || Error::argument(self.name, "a value", "none");
        let forward = self.forward.ok_or_else(missing)?;
        if self.parameters.len() > 4 {
            let got = self.parameters.len().to_string();
            return Err(Error::argument(self.name, "at most 4 parameters", got));
        }
        let ours = Function::all().iter().any(|f| f.name() == self.name);
        let mut built = registry();
        let wgsl = |gradient: &Gradient| match gradient {
            Gradient::Kernel(reads, code) => format!("{reads:?} {}", code.wgsl),
            Gradient::Zero | Gradient::Rule(_) => String::new(),
        };
        if let Some(before) = built.iter().find(|row| row.name == self.name) {
            let same = before.forward.wgsl == forward.wgsl
                && before.gradients.iter().map(wgsl).eq([wgsl(&self.gradient)])
                && before.helpers == self.helpers
                && before.parameters == &self.parameters[..];
            if same {
                return Ok(Function(before));
            }
        }
        if ours || built.iter().any(|row| row.name == self.name) {
            let got = format!("'{}', which another function has", self.name);
            return Err(Error::argument("function", "a name of its own", got));
        }
        let cases: Vec<&'static [f32]> = self.cases.into_iter().map(|case| &*case.leak()).collect();
        let row: &'static Row = Box::leak(Box::new(Row {
            name: self.name,
            doc: self.doc,
            parameters: self.parameters.leak(),
            forward,
            gradients: vec![self.gradient].leak(),
            helpers: self.helpers,
            kink: self.kink,
            domains: vec![self.domain].leak(),
            cases: cases.leak(),
            ..Row::UNARY
        }));
        built.push(row);
        Ok(Function(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(name: &'static str, wgsl: &'static str) -> Result<Function> {
        let double = Function::build(name).value(wgsl, |x, _| 2.0 * x[0], Accuracy::Rounded);
        double.gradient(Saved::Nothing, "2.0 * g", |_, _| 2.0, Accuracy::Rounded).finish()
    }

    #[test]
    fn a_name_is_one_function() -> Result<()> {
        let first = double("doubled", "x + x")?;
        assert_eq!(first, double("doubled", "x + x")?);
        assert_eq!(Function::named("doubled"), Some(first));
        for (name, wgsl) in [("doubled", "2.0 * x"), ("relu", "x + x"), ("Double", "x + x"), ("x", "x + x")] {
            assert!(double(name, wgsl).is_err(), "{name} {wgsl}");
        }
        assert!(Function::build("nothing").finish().is_err());
        assert!(first.with(&[1.0]).is_err(), "it takes no parameters");
        Ok(())
    }
}
