//! Parameter groups: parameters by name, each group with an optimizer of its own.

use super::Optimizer;
use crate::error::{Error, Result};
use crate::graph::{Tensor, matches};

/// Parameters by name, each group with its own learning rate, weight decay and other options, as PyTorch's parameter groups.
///
/// ```
/// use wgrad::optim::{AdamW, Groups};
/// // No decay for biases; the head learns faster; the first pattern that matches a name decides.
/// let optimizer = Groups::new(AdamW::new(1e-3))
///     .group("no_decay", "*.bias", AdamW::new(1e-3).weight_decay(0.0))
///     .group("head", "fc.*", AdamW::new(1e-2));
/// ```
pub struct Groups {
    others: Box<dyn Optimizer>,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    pattern: String,
    optimizer: Box<dyn Optimizer>,
}

impl Groups {
    /// All parameters to one optimizer, which keeps those that no group takes.
    pub fn new(others: impl Optimizer + 'static) -> Self {
        Self { others: Box::new(others), groups: Vec::new() }
    }

    /// Gives the parameters whose names match `pattern`, in which `*` stands for any text, to another optimizer; those that an
    /// earlier group took stay there. `name` is that of the group's learning rate: `optimizer.lr.name`.
    #[must_use]
    pub fn group(
        mut self,
        name: impl Into<String>,
        pattern: impl Into<String>,
        optimizer: impl Optimizer + 'static,
    ) -> Self {
        let (name, pattern) = (name.into(), pattern.into());
        self.groups.push(Group { name, pattern, optimizer: Box::new(optimizer) });
        self
    }
}

impl Optimizer for Groups {
    fn update_group(&self, outer: &str, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        let mut rest = gradients.to_vec();
        for (number, Group { name, pattern, optimizer }) in self.groups.iter().enumerate() {
            let taken = self.groups[..number].iter().any(|other| other.name == *name);
            if name.is_empty() || taken {
                let got = if taken { "a name of two groups" } else { "no name" };
                return Err(Error::argument(name, "a name of its own for each group", got));
            }
            let of_it = |(p, _): &(Tensor, Tensor)| matches(pattern, &p.name().unwrap_or_default());
            let (own, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(of_it);
            if own.is_empty() {
                let names: Vec<String> = gradients.iter().filter_map(|(p, _)| p.name()).collect();
                let expected = format!("a pattern of some of {}", names.join(", "));
                return Err(Error::argument(&format!("group {name}"), expected, pattern));
            }
            optimizer.update_group(&super::of_group(name, outer), &own)?;
            rest = others;
        }
        self.others.update_group(outer, &rest)
    }
}
