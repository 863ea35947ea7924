//! Reductions over dimensions: products, extremes, spreads, norms, logarithms of sums of exponentials, and tests.

use super::{Rule, elements, only_f32};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// What a [`Reduce`] computes of the elements that become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReduceKind {
    /// The product.
    Prod,
    /// The largest; NaN, if there is one.
    Amax,
    /// The smallest; NaN, if there is one.
    Amin,
    /// The position of the smallest, the first of equals; of the first NaN, if there is one.
    Argmin,
    /// The mean of squared differences from the mean, whose divisor is the number of elements less the correction.
    Var {
        /// 1 for an unbiased estimate, PyTorch's default.
        correction: usize,
    },
    /// The square root of the variance.
    Std {
        /// As the variance's.
        correction: usize,
    },
    /// `sum(|x|^p)^(1/p)`: with `p` infinite the largest or smallest magnitude, with 0 how many are not 0.
    Norm {
        /// The exponent.
        p: f32,
    },
    /// `log(sum(exp(x)))`.
    LogSumExp,
    /// 1 where any is not 0, else 0.
    Any,
    /// 1 where none is 0, else 0.
    All,
}

impl ReduceKind {
    /// One of each kind, with PyTorch's defaults.
    pub fn all() -> [Self; 10] {
        [
            Self::Prod,
            Self::Amax,
            Self::Amin,
            Self::Argmin,
            Self::Var { correction: 1 },
            Self::Std { correction: 1 },
            Self::Norm { p: 2.0 },
            Self::LogSumExp,
            Self::Any,
            Self::All,
        ]
    }

    /// The name, PyTorch's.
    pub fn name(&self) -> &'static str {
        self.names()[0]
    }

    /// The name, and that of the gradient, empty where there is none.
    fn names(&self) -> [&'static str; 2] {
        match self {
            Self::Prod => ["prod", "prod_backward"],
            Self::Amax => ["amax", "amax_backward"],
            Self::Amin => ["amin", "amin_backward"],
            Self::Argmin => ["argmin", ""],
            Self::Var { .. } => ["var", "var_backward"],
            Self::Std { .. } => ["std", "std_backward"],
            Self::Norm { .. } => ["norm", "norm_backward"],
            Self::LogSumExp => ["logsumexp", "logsumexp_backward"],
            Self::Any => ["any", ""],
            Self::All => ["all", ""],
        }
    }

    /// Whether it has a gradient.
    pub(crate) fn has_gradient(&self) -> bool {
        !self.names()[1].is_empty()
    }

    /// Tensors beside the result, of its shape, that the gradient needs:
    ///
    /// - of a product that of all that is not 0, and how many are 0, at most 2;
    /// - of an extreme how many elements have it, 0 where it is NaN;
    /// - of a spread the mean's distance from the first element, in which it has more digits than the mean.
    pub(crate) fn saved(&self) -> usize {
        match self {
            Self::Prod => 2,
            Self::Amax | Self::Amin | Self::Var { .. } | Self::Std { .. } => 1,
            Self::Norm { p } => usize::from(p.is_infinite()),
            Self::Argmin | Self::LogSumExp | Self::Any | Self::All => 0,
        }
    }
}

/// A reduction over dimensions, which are dropped: the result, then what [`ReduceBackward`] needs beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
    /// Ascending, each once, one at least.
    pub dims: Vec<usize>,
}

impl Reduce {
    /// How many elements become one.
    pub(crate) fn count(&self, input: &Shape) -> usize {
        self.dims.iter().map(|&d| input[d]).product()
    }

    fn described(&self) -> String {
        let own = match self.kind {
            ReduceKind::Var { correction } | ReduceKind::Std { correction } => {
                format!("correction {correction} ")
            }
            ReduceKind::Norm { p } => format!("p {p} "),
            // They have no parameters.
            _ => String::new(),
        };
        format!("{own}dims {:?}", self.dims)
    }

    /// The shape of the result.
    fn reduced(&self, input: &Shape) -> Result<Shape, Mismatch> {
        let rank = input.len();
        let ascending = self.dims.windows(2).all(|w| w[0] < w[1]);
        let valid = !self.dims.is_empty() && ascending && self.dims.iter().all(|&d| d < rank);
        Mismatch::check(
            valid,
            format!("ascending dimensions below the rank {rank}, one at least, each once"),
            format!("{:?}", self.dims),
        )?;
        if let ReduceKind::Var { correction } | ReduceKind::Std { correction } = self.kind {
            let count = self.count(input);
            let expected = format!("a correction below the {count} elements that become one");
            Mismatch::check(correction < count, expected, correction.to_string())?;
        }
        if let ReduceKind::Norm { p } = self.kind {
            Mismatch::check(!p.is_nan(), "a number p", p.to_string())?;
        }
        let kept = (0..rank).filter(|d| !self.dims.contains(d)).map(|d| input[d]);
        Ok(kept.collect::<Vec<_>>().into())
    }
}

impl Rule for Reduce {
    const NAME: &'static str = "reduce";

    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn names() -> Vec<&'static str> {
        ReduceKind::all().iter().map(ReduceKind::name).collect()
    }

    fn attributes(&self) -> String {
        self.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let shape = self.reduced(&only_f32(inputs)?.shape)?;
        let result = match self.kind {
            ReduceKind::Argmin => TensorType::u32(shape.clone()),
            // All others are numbers.
            _ => TensorType::f32(shape.clone()),
        };
        let saved = std::iter::repeat_n(TensorType::f32(shape), self.kind.saved());
        Ok(std::iter::once(result).chain(saved).collect())
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        let each = match self.kind {
            ReduceKind::Var { .. } | ReduceKind::Std { .. } => 4,
            ReduceKind::LogSumExp => 3,
            ReduceKind::Norm { .. } => 2,
            // An operation an element.
            _ => 1,
        };
        each * elements(inputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        !self.dims.contains(&0)
    }
}

/// `grad_output, input, output` and what was saved beside it to `grad_input`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReduceBackward(pub Reduce);

impl Rule for ReduceBackward {
    const NAME: &'static str = "reduce_backward";

    fn name(&self) -> &'static str {
        self.0.kind.names()[1]
    }

    fn names() -> Vec<&'static str> {
        let kinds = ReduceKind::all();
        kinds.iter().filter(|kind| kind.has_gradient()).map(|kind| kind.names()[1]).collect()
    }

    fn attributes(&self) -> String {
        self.0.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let kind = self.0.kind;
        Mismatch::check(kind.has_gradient(), "a reduction with a gradient", kind.name())?;
        let count = 3 + kind.saved();
        Mismatch::check(inputs.len() == count, format!("{count} inputs"), inputs.len().to_string())?;
        let input = only_f32(&inputs[1..2])?;
        let reduced = TensorType::f32(self.0.reduced(&input.shape)?);
        for (i, ty) in inputs.iter().enumerate().filter(|(i, _)| *i != 1) {
            Mismatch::check(**ty == reduced, format!("input {i} of {reduced}"), ty.to_string())?;
        }
        Ok(vec![input.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let each = match self.0.kind {
            ReduceKind::LogSumExp | ReduceKind::Norm { .. } => 4,
            // A difference or a comparison, and a product.
            _ => 3,
        };
        each * elements(outputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        !self.0.dims.contains(&0)
    }
}
