//! The names of the functions of families, each from one list: a variant that is not in it does not compile.

use super::{Binary, RecurrentKind, Reduction, Unary};

/// A family by its functions: a name each, with some value for what a function takes.
macro_rules! functions {
    ($family:ident: $($function:ident $({ $($field:ident: $value:expr),* })? = $name:literal $(, $backward:literal)?;)*) => {
        impl $family {
            /// One of each.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$function $({ $($field: $value),* })?),*]
            }

            /// Its name, PyTorch's where it has one.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$function { .. } => $name,)*
                }
            }

            functions!(@backward $($function $(= $backward)?;)*);
        }
    };
    (@backward $($function:ident;)*) => {};
    (@backward $($function:ident = $backward:literal;)*) => {
        pub(super) fn backward_name(&self) -> &'static str {
            match self {
                $(Self::$function { .. } => $backward,)*
            }
        }
    };
}

functions! { Unary:
    Relu = "relu", "relu_backward";
    LeakyRelu { negative_slope: 0.25 } = "leaky_relu", "leaky_relu_backward";
    Elu { alpha: 1.5 } = "elu", "elu_backward";
    Gelu = "gelu", "gelu_backward";
    GeluTanh = "gelu_tanh", "gelu_tanh_backward";
    Sigmoid = "sigmoid", "sigmoid_backward";
    Tanh = "tanh", "tanh_backward";
    Scale { factor: -0.5 } = "scale", "scale_backward";
    Sqrt = "sqrt", "sqrt_backward";
    ClampMax { max: 0.75 } = "clamp_max", "clamp_max_backward";
}

functions! { Binary:
    Add = "add";
    Sub = "sub";
    Mul = "mul";
    Div = "div";
}

functions! { RecurrentKind:
    RnnTanh = "rnn_tanh", "rnn_tanh_backward";
    RnnRelu = "rnn_relu", "rnn_relu_backward";
    Lstm = "lstm", "lstm_backward";
    Gru = "gru", "gru_backward";
}

functions! { Reduction:
    Mean = "mean";
    Sum = "sum";
    None = "none";
}
