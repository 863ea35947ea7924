//! The names of all ops and of all functions of their families, each from one list: a variant that is not in it does not
//! compile, and one that is has to have cases, fixtures and a gradient check, or tests fail by its name.

use super::{Elementwise, Op, Recurrent, RecurrentBackward, RecurrentKind, Reduction, Softmax};
use crate::functions::Function;

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

/// Every function of this crate, each with the gradients that have kernels.
fn elementwise() -> Vec<Elementwise> {
    let first = |f: &Function| f.with(f.cases().first().map_or(&[], |case| case)).ok();
    let parts = |f: Elementwise| f.function().parts().into_iter().map(move |part| f.with_part(part));
    Function::all().iter().filter_map(first).flat_map(parts).collect()
}

impl Softmax {
    fn all() -> [Self; 2] {
        [false, true].map(|log| Self { dim: 0, log })
    }
}

impl Recurrent {
    fn all() -> Vec<Self> {
        let of = |kind| Self { kind, reverse: false, bias: true, masked: false };
        RecurrentKind::all().into_iter().map(of).collect()
    }
}

impl RecurrentBackward {
    fn all() -> Vec<Self> {
        Recurrent::all().into_iter().map(|forward| Self { forward, grad_cells: false }).collect()
    }
}

/// The ops by name; those of a family by their functions.
macro_rules! names {
    ($($op:ident $(($function:ident) in $all:expr)? => $name:expr;)*) => {
        impl Op {
            /// The op's name, PyTorch's where it has one.
            pub fn name(&self) -> &'static str {
                match self {
                    $(names!(@pattern $op $($function)?) => $name,)*
                }
            }

            /// The name of every op and of every function of a family.
            pub fn names() -> Vec<&'static str> {
                let families: Vec<Vec<&'static str>> = vec![$(names!(@list $name $(, $function in $all)?)),*];
                families.concat()
            }
        }
    };
    (@pattern $op:ident) => { Op::$op { .. } };
    (@pattern $op:ident $function:ident) => { Op::$op($function) };
    (@list $name:expr) => { vec![$name] };
    (@list $name:expr, $function:ident in $all:expr) => { $all.iter().map(|$function| $name).collect() };
}

names! {
    Input => "input";
    State => "state";
    Constant => "constant";
    Conv2d => "conv2d";
    Conv2dBackwardInput => "conv2d_backward_input";
    Conv2dBackwardWeight => "conv2d_backward_weight";
    MaxPool2d => "max_pool2d";
    MaxPool2dBackward => "max_pool2d_backward";
    AvgPool2d => "avg_pool2d";
    AvgPool2dBackward => "avg_pool2d_backward";
    Elementwise(f) in elementwise() => f.name();
    Equal => "equal";
    MatMul => "matmul";
    Reshape => "reshape";
    BroadcastTo => "broadcast_to";
    Sum => "sum";
    Argmax => "argmax";
    Softmax(s) in Softmax::all() => s.name();
    SoftmaxBackward(s) in Softmax::all() => s.backward_name();
    CrossEntropy => "cross_entropy";
    CrossEntropyBackward => "cross_entropy_backward";
    Concat => "concat";
    Split => "split";
    Narrow => "narrow";
    NarrowBackward => "narrow_backward";
    Permute => "permute";
    Embedding => "embedding";
    EmbeddingBackward => "embedding_backward";
    Where => "where";
    SequenceMask => "sequence_mask";
    Recurrent(o) in Recurrent::all() => o.kind.name();
    RecurrentBackward(o) in RecurrentBackward::all() => o.forward.kind.backward_name();
    Dropout => "dropout";
    Sgd => "sgd";
    Adam => "adam";
    Increment => "increment";
}
