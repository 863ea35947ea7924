//! Parameters that are made of others.

use super::{Graph, Tensor};
use crate::Dim;
use crate::error::{Error, Result};
use crate::ops::{Drawn, Init};
use crate::shape::Shape;

/// A parameter that is made of lengths and directions.
#[derive(Debug)]
pub(super) struct Normed {
    name: String,
    /// The dimension that has a length for each position; without one there is one length.
    dim: Option<Dim>,
    /// Whether it was asked for.
    asked: bool,
}

impl Graph {
    /// Runs `build`, in which the parameter `weight` of the current scope is made of directions and their lengths, one for each
    /// position along `dim` or one of all, and says whether it was asked for. See [`crate::nn::WeightNorm`].
    pub(crate) fn weight_normed<T>(&self, dim: Option<Dim>, build: impl FnOnce() -> T) -> (T, bool) {
        let name = self.scoped_name("weight");
        self.0.borrow_mut().normed.push(Normed { name, dim, asked: false });
        let result = build();
        let asked = self.0.borrow_mut().normed.pop().is_some_and(|normed| normed.asked);
        (result, asked)
    }

    /// Whether a parameter is made of others, and along which dimension; that it was asked for is noted.
    pub(super) fn normed_along(&self, name: &str) -> Option<Option<Dim>> {
        let mut inner = self.0.borrow_mut();
        let found = inner.normed.iter_mut().find(|normed| normed.name == name)?;
        found.asked = true;
        Some(found.dim)
    }

    /// The weight `name` as `g v / ||v||`, which begins as the weight would.
    pub(super) fn normed(&self, name: &str, dim: Option<Dim>, shape: Shape, init: Init) -> Result<Tensor> {
        let layer = name.strip_suffix("weight").unwrap_or(name);
        let of = |number: usize| format!("{layer}parametrizations.weight.original{number}");
        let lengths: Vec<usize> = match dim {
            None => Vec::new(),
            Some(dim) => {
                let fail = |m| Error::op("WeightNorm", &self.label(), m);
                let along = dim.of(shape.len()).map_err(fail)?;
                shape.iter().enumerate().map(|(d, &size)| if d == along { size } else { 1 }).collect()
            }
        };
        let drawn = Drawn { name: of(1), shape: shape.clone(), init: init.clone() };
        let v = self.parameter(&of(1), shape, init)?;
        let g = self.parameter(&of(0), lengths, Init::Lengths(drawn.into()))?;
        v.weight_norm(&g)
    }
}
