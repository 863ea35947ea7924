//! Modules made of modules.

use super::Module;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::Elementwise;
use std::rc::Rc;

/// Modules one after the other; each is a scope, so that keys become `0.weight`, `2.bias`, or
/// `features.0.weight` for nested ones. A module under the empty name adds nothing to the keys, and modules under one
/// name share their parameters.
#[derive(Default)]
pub struct Sequential {
    children: Vec<(String, Box<dyn Module>)>,
}

impl Sequential {
    /// No modules yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a module named by its position.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "appends a module, as PyTorch's add_module does")]
    pub fn add(self, module: impl Module + 'static) -> Self {
        let name = self.children.len().to_string();
        self.named(&name, module)
    }

    /// Appends a module with a name.
    #[must_use]
    pub fn named(mut self, name: &str, module: impl Module + 'static) -> Self {
        self.children.push((name.to_owned(), Box::new(module)));
        self
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Whether there are none: then it gives its input.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// The module of this name, such as `encoder`, or `0` for the first that was added. In the scope of its name it has the
    /// parameters that it has here.
    ///
    /// ```
    /// use wgrad::nn::{Linear, Module, Sequential};
    /// use wgrad::Graph;
    ///
    /// let both = Sequential::new().named("encoder", Linear::new(8, 2)).named("decoder", Linear::new(2, 8));
    /// let graph = Graph::new();
    /// let x = graph.input("x", [1, 8])?;
    /// let code = graph.scoped("encoder", || both.child("encoder")?.forward(&x))?;
    /// assert_eq!(graph.parameters()[0].name().as_deref(), Some("encoder.weight"));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is none: those that there are.
    pub fn child(&self, name: &str) -> Result<&dyn Module> {
        let found = self.children.iter().find(|(known, _)| known == name).map(|(_, module)| &**module);
        let known = || self.children.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| Error::argument("child", format!("one of {}", known()), name))
    }
}

impl Module for Sequential {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.children.iter().try_fold(input.clone(), |x, (name, module)| {
            let graph = x.graph().clone();
            graph.scoped(name, || module.forward(&x))
        })
    }
}

/// `activation(shortcut(x) + body(x))`: a residual block.
///
/// The parameters of the body have the block's own scope, those of the shortcut a name of their own: `conv1.weight` and
/// `downsample.0.weight`, as torchvision has them.
pub struct Residual {
    body: Sequential,
    shortcut: Option<(String, Box<dyn Module>)>,
    activation: Option<Elementwise>,
}

impl Residual {
    /// The input is added to what the body gives; nothing follows.
    pub fn new(body: Sequential) -> Self {
        Self { body, shortcut: None, activation: None }
    }

    /// What the input goes through before it is added, where the body changes its shape.
    #[must_use]
    pub fn shortcut(self, name: &str, module: impl Module + 'static) -> Self {
        Self { shortcut: Some((name.to_owned(), Box::new(module))), ..self }
    }

    /// What is applied to the sum.
    #[must_use]
    pub fn activation(self, activation: Elementwise) -> Self {
        Self { activation: Some(activation), ..self }
    }
}

impl Module for Residual {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let body = self.body.forward(input)?;
        let shortcut = match &self.shortcut {
            Some((name, module)) => input.graph().clone().scoped(name, || module.forward(input))?,
            None => input.clone(),
        };
        let sum = body.add(&shortcut)?;
        self.activation.map_or_else(|| Ok(sum.clone()), |activation| sum.elementwise(activation, &[]))
    }
}

/// What several modules give for one input, joined along the channels: the branches of an Inception or Fire module.
#[derive(Default)]
pub struct Branches {
    branches: Vec<Sequential>,
}

impl Branches {
    /// No branches yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a branch; its modules have the scope of the whole, so they need names of their own.
    #[must_use]
    pub fn branch(mut self, branch: Sequential) -> Self {
        self.branches.push(branch);
        self
    }
}

impl Module for Branches {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let outputs = self.branches.iter().map(|branch| branch.forward(input)).collect::<Result<Vec<_>>>()?;
        if outputs.is_empty() {
            return Ok(input.clone());
        }
        Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 1)
    }
}

/// A function of a tensor as a module: `Lambda(|x: &Tensor| x.mean([2, 3], false))`.
#[derive(Debug, Clone)]
pub struct Lambda<F>(pub F);

impl<F: Fn(&Tensor) -> Result<Tensor>> Module for Lambda<F> {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        (self.0)(input)
    }
}

/// One module used several times in a network: clones share its parameters, whose keys begin with the name given here,
/// wherever it is used.
///
/// ```
/// use wgrad::nn::{Linear, Module, Sequential, Shared};
/// use wgrad::Graph;
///
/// let encoder = Shared::new("encoder", Linear::new(4, 4));
/// let twice = Sequential::new().named("first", encoder.clone()).named("second", encoder);
/// let graph = Graph::new();
/// twice.forward(&graph.input("x", [2, 4])?)?;
/// let names: Vec<_> = graph.parameters().iter().filter_map(|p| p.name()).collect();
/// assert_eq!(names, ["encoder.weight", "encoder.bias"]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone)]
pub struct Shared {
    name: Rc<str>,
    module: Rc<dyn Module>,
}

impl Shared {
    /// A module under a name.
    pub fn new(name: &str, module: impl Module + 'static) -> Self {
        Self { name: name.into(), module: Rc::new(module) }
    }
}

impl Module for Shared {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.graph().clone().scoped_as(&self.name, || self.module.forward(input))
    }
}

impl Module for Box<dyn Module> {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        (**self).forward(input)
    }
}
