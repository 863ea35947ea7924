//! Layers with PyTorch's names, defaults and state-dict keys.

mod containers;
mod conv;
mod layers;
mod losses;
pub mod models;
mod norm;
mod pool;
pub mod recurrent;

pub use containers::{Branches, Lambda, Residual, Sequential, Shared};
pub use conv::{Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d};
pub use layers::{Activation, Dropout, Embedding, Flatten, Linear};
pub use losses::{
    BCELoss, BCEWithLogitsLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, Loss, MSELoss, MarginRankingLoss,
    MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, PoissonNLLLoss, SmoothL1Loss, SoftMarginLoss,
    TripletMarginLoss,
};
pub use models::{Images, MODELS, Model, model, simple_cnn};
pub use norm::{BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, RMSNorm};
pub use pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d,
    LPPool1d, LPPool2d, MaxPool1d, MaxPool2d, MaxUnpool1d, MaxUnpool2d,
};
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
