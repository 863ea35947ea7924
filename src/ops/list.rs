//! The list of ops, from which the enum and every folder's dispatch follow.

/// Gives the ops to a macro. Each is a struct of this module with a [`Rule`](super::Rule), with a gradient in `graph::rules`,
/// a definition in `reference` and kernels in `kernels`: what lacks one of them does not compile.
macro_rules! for_each_op {
    ($use:ident) => {
        $use! {
            Input, State, Constant, Table,
            Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight,
            MaxPool2d, MaxPool2dBackward, AdaptiveMaxPool2d, FractionalMaxPool2d, AvgPool2d, AvgPool2dBackward,
            Elementwise, Equal, Cast,
            MatMul, Sum, Argmax, Reduce, ReduceBackward,
            NormStatistics, NormApply, NormSums, NormBackward,
            Softmax, SoftmaxBackward, CrossEntropy, CrossEntropyBackward,
            NllLoss, NllLossBackward, CtcLoss, CtcLossBackward,
            Reshape, BroadcastTo, Concat, Split, Narrow, NarrowBackward, Permute, AxisMap,
            GridSample, GridSampleBackwardInput, GridSampleBackwardGrid,
            Embedding, EmbeddingBackward, Gather, Scatter, ScatterAdd, Argsort, SequenceMask, Dropout,
            Recurrent, RecurrentBackward,
            OptimizerStep, Increment,
            Custom,
        }
    };
}

pub(crate) use for_each_op;
