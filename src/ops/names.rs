//! The names of the functions of families, each from one list: a variant that is not in it does not compile.

use super::{RecurrentKind, Reduction};

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
