//! Layers with PyTorch's names, defaults and state-dict keys.

mod activations;
mod containers;
mod conv;
mod dropouts;
mod layers;
mod losses;
pub mod models;
mod norm;
mod pool;
pub mod recurrent;
mod shapes;
mod weight_norm;

pub use activations::{
    CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax,
    Mish, PReLU, RReLU, ReLU, ReLU6, SELU, SiLU, Sigmoid, Softmax, Softmin, Softplus, Softshrink, Softsign,
    Tanh, Tanhshrink, Threshold,
};
pub use containers::{Branches, Lambda, Residual, Sequential, Shared};
pub use conv::{Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d};
pub use dropouts::{AlphaDropout, Dropout1d, Dropout2d, FeatureAlphaDropout};
pub use layers::{Activation, Dropout, Embedding, Flatten, Linear};
pub use losses::{
    BCELoss, BCEWithLogitsLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, Loss, MSELoss, MarginRankingLoss, MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, PoissonNLLLoss, SmoothL1Loss, SoftMarginLoss,
    TripletMarginLoss,
};
pub use models::{
    Heard, Images, MODELS, Model, SIGNAL_MODELS, SignalModel, Signals, TABLE_MODELS, TableModel, model,
    simple_cnn,
};
pub use norm::{
    BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, LocalResponseNorm,
    RMSNorm,
};
pub use pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d,
    FractionalMaxPool2d, LPPool1d, LPPool2d, MaxPool1d, MaxPool2d, MaxUnpool1d, MaxUnpool2d,
};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, Rnn, RnnCell};
pub use shapes::{
    CircularPad1d, CircularPad2d, ConstantPad1d, ConstantPad2d, Fold, Identity, PixelShuffle, PixelUnshuffle,
    ReflectionPad1d, ReflectionPad2d, ReplicationPad1d, ReplicationPad2d, Sides, Unflatten, Unfold, Upsample,
    ZeroPad1d, ZeroPad2d,
};
pub use weight_norm::WeightNorm;

use crate::error::Result;
use crate::graph::Tensor;

/// A layer or network: maps a tensor to a tensor and may own parameters. Parameters are named by the scope in
/// which `forward` runs: see [`Sequential`].
pub trait Module {
    /// Adds the layer to the graph of `input`.
    ///
    /// # Errors
    /// When the input does not fit the layer.
    fn forward(&self, input: &Tensor) -> Result<Tensor>;
}
