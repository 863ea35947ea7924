//! PyTorch's recurrent layers.

use super::stack::Stack;
use super::unroll::Sequence;
use crate::error::Result;
use crate::graph::Tensor;
use crate::nn::Module;
use crate::ops::RecurrentKind;

macro_rules! layer {
    ($name:ident, $kind:expr, $alias:literal, $doc:literal) => {
        #[doc = $doc]
        ///
        /// Input `(T, B, input_size)` to output `(T, B, D hidden_size)`, with `batch_first` `(B, T, ..)`; without a batch
        /// `(T, input_size)` to `(T, D hidden_size)`, and states without one. `D` is 2 when bidirectional. Parameters
        /// `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and so on for each layer, with `_reverse` for the second
        /// direction, uniform in `+-1 / sqrt(hidden_size)`.
        #[doc(alias = $alias)]
        #[derive(Debug, Clone)]
        pub struct $name(Stack);

        impl $name {
            /// One layer, forward, with biases, time first.
            pub fn new(input_size: usize, hidden_size: usize) -> Self {
                Self(Stack::new($kind, input_size, hidden_size))
            }

            /// Sets the number of layers on top of each other.
            #[must_use]
            pub fn num_layers(mut self, num_layers: usize) -> Self {
                self.0.num_layers = num_layers;
                self
            }

            /// Sets whether a second direction reads from the end.
            #[must_use]
            pub fn bidirectional(mut self, bidirectional: bool) -> Self {
                self.0.bidirectional = bidirectional;
                self
            }

            /// Sets whether input and output are `(B, T, ..)`. States are `(layers, B, ..)` either way.
            #[must_use]
            pub fn batch_first(mut self, batch_first: bool) -> Self {
                self.0.batch_first = batch_first;
                self
            }

            /// Sets the dropout between layers.
            #[must_use]
            pub fn dropout(mut self, p: f32) -> Self {
                self.0.dropout = p;
                self
            }

            /// Sets whether there are biases.
            #[must_use]
            pub fn bias(mut self, bias: bool) -> Self {
                self.0.sizes.bias = bias;
                self
            }

            /// Sets whether the steps are single nodes of the graph instead of fused ops: slower, the same results.
            #[must_use]
            pub fn unrolled(mut self, unrolled: bool) -> Self {
                self.0.unrolled = unrolled;
                self
            }

            /// Outputs and last states, from first states `(num_layers D, B, n)`, `(num_layers D, n)` without a batch (zeros
            /// without them), over sequences of the given lengths `(B)`, `u32` (all steps without them). Behind a sequence's
            /// end the output is 0,
            /// and the last state is that of its own last step: PyTorch's packed sequences.
            ///
            /// # Errors
            /// When input, states or lengths do not fit, or an option is out of range.
            pub fn sequence(
                &self,
                input: &Tensor,
                state: Option<&[Tensor]>,
                lengths: Option<&Tensor>,
            ) -> Result<Sequence> {
                self.0.forward(input, state, lengths)
            }
        }

        impl Module for $name {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                self.0.forward(input, None, None).map(|s| s.output)
            }
        }
    };
}

layer!(
    Rnn,
    RecurrentKind::RnnTanh,
    "RNN",
    "Elman's network, `h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh)`."
);
layer!(
    Lstm,
    RecurrentKind::Lstm,
    "LSTM",
    "Long short-term memory, gates in PyTorch's order i, f, g, o; the state is `h` and `c`."
);
layer!(Gru, RecurrentKind::Gru, "GRU", "Gated recurrent units, gates in PyTorch's order r, z, n.");

impl Rnn {
    /// Sets ReLU instead of tanh.
    #[doc(alias = "nonlinearity")]
    #[must_use]
    pub fn relu(mut self) -> Self {
        self.0.kind = RecurrentKind::RnnRelu;
        self
    }
}

impl Lstm {
    /// Sets the size to which `h` is projected, by `weight_hr_l0 (proj_size, hidden_size)` and so on. A fused layer has one
    /// recurrent product, with `weight_hh weight_hr`, and projects all steps at once; with first states and lengths together
    /// it runs unrolled.
    #[must_use]
    pub fn proj_size(mut self, proj_size: usize) -> Self {
        self.0.sizes.projection = Some(proj_size);
        self
    }
}

impl Gru {
    /// Sets whether the reset gate acts on the product with the state, `n = tanh(x_n + r (W_hn h + b_hn))`, as PyTorch and
    /// ONNX's `linear_before_reset = 1` have it, or on the state, `n = tanh(x_n + W_hn (r h) + b_hn)`, as Keras'
    /// `reset_after = False` and ONNX's default; true. Where it is false the layer runs unrolled.
    #[doc(alias = "linear_before_reset")]
    #[must_use]
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.0.sizes.reset_after = reset_after;
        self
    }
}
