//! Layers with PyTorch's names, defaults and state-dict keys.

mod layers;
mod models;
mod norm;
pub mod recurrent;

pub use layers::{Activation, AvgPool2d, Conv2d, Dropout, Embedding, Flatten, Linear, MaxPool2d};
pub use models::{Images, MODELS, Model, model, simple_cnn};
pub use norm::{BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, RMSNorm};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, Rnn, RnnCell};

use crate::error::Result;
use crate::graph::Tensor;

/// Something that maps a tensor to a tensor and may own parameters. Parameters are named by the scope in
/// which `forward` runs: see [`Sequential`].
pub trait Module {
    /// Adds the layer to the graph of `input`.
    ///
    /// # Errors
    /// When the input does not fit the layer.
    fn forward(&self, input: &Tensor) -> Result<Tensor>;
}

/// Modules one after the other; each is a scope, so that keys become `0.weight`, `2.bias`, or
/// `features.0.weight` for nested ones.
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
}

impl Module for Sequential {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.children.iter().try_fold(input.clone(), |x, (name, module)| {
            let graph = x.graph().clone();
            graph.scoped(name, || module.forward(&x))
        })
    }
}
