//! Parameters that are made of others.

use super::{Graph, Tensor};
use crate::error::Result;
use crate::ops::{Drawn, Init};
use crate::shape::Shape;

impl Graph {
    /// Runs `build`, in which the parameter `weight` of the current scope is made of a length and a direction for each row, and
    /// says whether it was asked for. See [`crate::nn::WeightNorm`].
    pub(crate) fn weight_normed<T>(&self, build: impl FnOnce() -> T) -> (T, bool) {
        let name = self.scoped_name("weight");
        self.0.borrow_mut().normed.push((name, false));
        let result = build();
        let asked = self.0.borrow_mut().normed.pop().is_some_and(|(_, asked)| asked);
        (result, asked)
    }

    /// Whether a parameter is made of others; that it was asked for is noted.
    pub(super) fn is_normed(&self, name: &str) -> bool {
        let mut inner = self.0.borrow_mut();
        let found = inner.normed.iter_mut().find(|(normed, _)| normed == name);
        found.is_some_and(|(_, asked)| {
            *asked = true;
            true
        })
    }

    /// The weight `name` as `g v / ||v||`, which begins as the weight would.
    pub(super) fn normed(&self, name: &str, shape: Shape, init: Init) -> Result<Tensor> {
        let layer = name.strip_suffix("weight").unwrap_or(name);
        let of = |number: usize| format!("{layer}parametrizations.weight.original{number}");
        let mut lengths = vec![1; shape.len()];
        lengths.iter_mut().zip(&shape[..]).take(1).for_each(|(length, &rows)| *length = rows);
        let drawn = Drawn { name: of(1), shape: shape.clone(), init: init.clone() };
        let v = self.parameter(&of(1), shape, init)?;
        let g = self.parameter(&of(0), lengths, Init::Lengths(drawn.into()))?;
        v.weight_norm(&g)
    }
}
