//! What stands beside a tensor in a function of two or three: a tensor or a number.

use super::Elementwise;
use crate::error::Result;
use crate::graph::Tensor;

/// An operand beside a tensor: another tensor, broadcast, or a number, which is one for all elements. `x.add(&y)` and
/// `x.add(2.0)` are both written so.
pub trait Operand {
    /// As a tensor of the graph of `beside`.
    ///
    /// # Errors
    /// None today.
    fn tensor(&self, beside: &Tensor) -> Result<Tensor>;

    /// The number, where it is one.
    fn number(&self) -> Option<f32> {
        None
    }
}

impl Operand for Tensor {
    fn tensor(&self, _beside: &Tensor) -> Result<Tensor> {
        Ok(self.clone())
    }
}

impl Operand for f32 {
    fn tensor(&self, beside: &Tensor) -> Result<Tensor> {
        beside.graph().scalar_of(beside.ty().dtype, *self)
    }

    fn number(&self) -> Option<f32> {
        Some(*self)
    }
}

/// The nearest `f32`.
impl Operand for f64 {
    fn tensor(&self, beside: &Tensor) -> Result<Tensor> {
        (*self as f32).tensor(beside)
    }

    fn number(&self) -> Option<f32> {
        Some(*self as f32)
    }
}

impl<T: Operand + ?Sized> Operand for &T {
    fn tensor(&self, beside: &Tensor) -> Result<Tensor> {
        (**self).tensor(beside)
    }

    fn number(&self) -> Option<f32> {
        (**self).number()
    }
}

impl Tensor {
    /// A function of this and of tensors or numbers. A sum, product or power with a number is the function of one tensor that
    /// takes it.
    pub(super) fn beside(&self, function: Elementwise, others: &[&dyn Operand]) -> Result<Tensor> {
        let number = if let [other] = others { other.number() } else { None };
        if let Some(number) = number.filter(|number| number.is_finite()) {
            let one = [
                (Elementwise::add(), Elementwise::add_scalar(number)),
                (Elementwise::sub(), Elementwise::add_scalar(-number)),
                (Elementwise::mul(), Elementwise::scale(number)),
                (Elementwise::pow(), Elementwise::pow_scalar(number)),
            ];
            if let Some((_, function)) = one.into_iter().find(|(two, _)| *two == function) {
                return self.elementwise(function, &[]);
            }
        }
        let others = others.iter().map(|other| other.tensor(self)).collect::<Result<Vec<_>>>()?;
        self.elementwise(function, &others.iter().collect::<Vec<_>>())
    }

    /// `number - self`.
    ///
    /// # Errors
    /// When this is not `f32`.
    pub fn rsub(&self, number: f32) -> Result<Tensor> {
        self.graph().scalar_of(self.ty().dtype, number)?.sub(self)
    }

    /// `number / self`.
    ///
    /// # Errors
    /// When this is not `f32`.
    pub fn rdiv(&self, number: f32) -> Result<Tensor> {
        self.graph().scalar_of(self.ty().dtype, number)?.div(self)
    }

    /// `number ^ self`, PyTorch's `pow(number, tensor)`.
    ///
    /// # Errors
    /// When this is not `f32`.
    pub fn rpow(&self, number: f32) -> Result<Tensor> {
        self.graph().scalar_of(self.ty().dtype, number)?.pow(self)
    }
}
