//! Losses as layers, with PyTorch's names and defaults. They have no parameters; weights are constants.

use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{self, CrossEntropy, Reduction};
use crate::tensor::HostTensor;

/// A loss: compares an input with a target.
///
/// ```
/// use wgrad::nn::{CrossEntropyLoss, Loss};
/// # fn main() -> wgrad::Result<()> {
/// let graph = wgrad::Graph::new();
/// let (logits, labels) = (graph.input("logits", [8, 10])?, graph.input_u32("labels", [8])?);
/// let loss = CrossEntropyLoss::new().label_smoothing(0.1).forward(&logits, &labels)?;
/// assert!(loss.shape().is_empty());
/// # Ok(())
/// # }
/// ```
pub trait Loss {
    /// Adds the loss to the graph of `input`.
    ///
    /// # Errors
    /// When input and target do not fit each other or the loss.
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor>;
}

/// Losses by their options, each with its default: constructors, and a method an option.
macro_rules! losses {
    ($($(#[$doc:meta])* $loss:ident { $($(#[$option_doc:meta])* $option:ident: $ty:ty = $default:expr;)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $loss {
            reduction: Reduction,
            $($option: $ty,)*
        }

        impl Default for $loss {
            fn default() -> Self {
                Self { reduction: Reduction::Mean, $($option: $default,)* }
            }
        }

        impl $loss {
            /// With PyTorch's defaults.
            pub fn new() -> Self {
                Self::default()
            }

            /// Sets how losses become one; their mean.
            #[must_use]
            pub fn reduction(mut self, reduction: Reduction) -> Self {
                self.reduction = reduction;
                self
            }

            $($(#[$option_doc])*
            #[must_use]
            pub fn $option(mut self, $option: $ty) -> Self {
                self.$option = $option;
                self
            })*
        })*
    };
}

losses! {
    /// [`Tensor::mse_loss`].
    MSELoss {}

    /// [`Tensor::l1_loss`].
    L1Loss {}

    /// [`Tensor::smooth_l1_loss`].
    SmoothL1Loss {
        /// Sets the difference at which it becomes linear; 1.
        beta: f32 = 1.0;
    }

    /// [`Tensor::huber_loss`].
    HuberLoss {
        /// Sets the difference at which it becomes linear; 1.
        delta: f32 = 1.0;
    }

    /// [`Tensor::binary_cross_entropy`] of probabilities.
    BCELoss {
        /// Sets the weights of the last dimension; none.
        weight: Vec<f32> = vec![];
    }

    /// [`Tensor::binary_cross_entropy_with_logits`].
    BCEWithLogitsLoss {
        /// Sets the weights of the last dimension; none.
        weight: Vec<f32> = vec![];
        /// Sets the weights of positive targets along the last dimension; none.
        pos_weight: Vec<f32> = vec![];
    }

    /// [`Tensor::cross_entropy`] of logits with class indices or probabilities.
    CrossEntropyLoss {
        /// Sets the weights of the classes; none.
        weight: Vec<f32> = vec![];
        /// Sets the target of rows that do not count; none.
        ignore_index: Option<u32> = None;
        /// Sets the fraction of the target distributed over all classes, 0 to 1; 0.
        label_smoothing: f32 = 0.0;
    }

    /// [`Tensor::nll_loss`] of log-probabilities with class indices.
    NLLLoss {
        /// Sets the weights of the classes; none.
        weight: Vec<f32> = vec![];
        /// Sets the target of rows that do not count; none.
        ignore_index: Option<u32> = None;
    }

    /// [`Tensor::ctc_loss`] of log-probabilities, of label sequences and the lengths of both.
    CTCLoss {
        /// Sets the class of no label; 0.
        blank: u32 = 0;
        /// Sets whether what cannot be aligned has loss 0; false.
        zero_infinity: bool = false;
    }

    /// [`Tensor::kl_div`] of log-probabilities.
    KLDivLoss {
        /// Sets whether targets are logarithms; false.
        log_target: bool = false;
        /// Sets whether the sum is divided by the first size, whatever the reduction; false.
        batchmean: bool = false;
    }

    /// [`Tensor::poisson_nll_loss`].
    PoissonNLLLoss {
        /// Sets whether the input is the logarithm of the rate; true.
        log_input: bool = true;
        /// Sets whether Stirling's approximation is added; false.
        full: bool = false;
        /// Sets what is added to a rate before its logarithm is taken; 1e-8.
        eps: f32 = 1e-8;
    }

    /// [`Tensor::gaussian_nll_loss`], of a mean, a target and a variance.
    GaussianNLLLoss {
        /// Sets whether the constant is added; false.
        full: bool = false;
        /// Sets the least variance; 1e-6.
        eps: f32 = 1e-6;
    }

    /// [`Tensor::hinge_embedding_loss`] of targets 1 and -1.
    HingeEmbeddingLoss {
        /// Sets the margin; 1.
        margin: f32 = 1.0;
    }

    /// [`Tensor::margin_ranking_loss`], of two inputs and targets 1 and -1.
    MarginRankingLoss {
        /// Sets the margin; 0.
        margin: f32 = 0.0;
    }

    /// [`Tensor::soft_margin_loss`] of targets 1 and -1.
    SoftMarginLoss {}

    /// [`Tensor::multi_margin_loss`] of scores with class indices.
    MultiMarginLoss {
        /// Sets the exponent, 1 or 2; 1.
        p: u32 = 1;
        /// Sets the margin; 1.
        margin: f32 = 1.0;
        /// Sets the weights of the classes; none.
        weight: Vec<f32> = vec![];
    }

    /// [`Tensor::multilabel_margin_loss`] of scores with lists of classes, `u32`, each ended by a number that is no class.
    MultiLabelMarginLoss {}

    /// [`Tensor::multilabel_soft_margin_loss`] of logits with a 1 for each class that is present.
    MultiLabelSoftMarginLoss {
        /// Sets the weights of the classes; none.
        weight: Vec<f32> = vec![];
    }

    /// [`Tensor::cosine_embedding_loss`], of two inputs and targets 1 and -1.
    CosineEmbeddingLoss {
        /// Sets the margin; 0.
        margin: f32 = 0.0;
    }

    /// [`Tensor::triplet_margin_loss`], of an anchor, a positive and a negative.
    TripletMarginLoss {
        /// Sets the margin; 1.
        margin: f32 = 1.0;
        /// Sets the order of the norm; 2.
        p: f32 = 2.0;
        /// Sets what is added to each difference; 1e-6.
        eps: f32 = 1e-6;
        /// Sets whether the negative's distance from the positive counts where it is the smaller one; false.
        swap: bool = false;
    }
}

/// Weights as a constant of the graph; none where there are none.
fn constant(input: &Tensor, weight: &[f32]) -> Result<Option<Tensor>> {
    let held = || input.graph().constant(HostTensor::from_f32([weight.len()], weight.to_vec())?);
    (!weight.is_empty()).then(held).transpose()
}

/// Losses of an input and a target.
macro_rules! of_two {
    ($($loss:ident: |$this:ident, $input:ident, $target:ident| $value:expr;)*) => {
        $(impl Loss for $loss {
            fn forward(&self, $input: &Tensor, $target: &Tensor) -> Result<Tensor> {
                let $this = self;
                $value
            }
        })*
    };
}

of_two! {
    MSELoss: |this, input, target| input.mse_loss(target, this.reduction);
    L1Loss: |this, input, target| input.l1_loss(target, this.reduction);
    SmoothL1Loss: |this, input, target| input.smooth_l1_loss(target, this.beta, this.reduction);
    HuberLoss: |this, input, target| input.huber_loss(target, this.delta, this.reduction);
    BCELoss: |this, input, target| {
        let weight = constant(input, &this.weight)?;
        input.binary_cross_entropy(target, weight.as_ref(), this.reduction)
    };
    BCEWithLogitsLoss: |this, input, target| {
        let (weight, pos_weight) = (constant(input, &this.weight)?, constant(input, &this.pos_weight)?);
        input.binary_cross_entropy_with_logits(target, weight.as_ref(), pos_weight.as_ref(), this.reduction)
    };
    CrossEntropyLoss: |this, input, target| {
        let (ignore_index, label_smoothing) = (this.ignore_index, this.label_smoothing);
        let options = CrossEntropy { ignore_index, label_smoothing };
        match constant(input, &this.weight)? {
            Some(weight) => input.cross_entropy_weighted(target, &weight, options, this.reduction),
            None => input.cross_entropy(target, options, this.reduction),
        }
    };
    NLLLoss: |this, input, target| {
        let weight = constant(input, &this.weight)?;
        input.nll_loss(target, weight.as_ref(), this.ignore_index, this.reduction)
    };
    KLDivLoss: |this, input, target| {
        let options = ops::KlDiv { log_target: this.log_target, batchmean: this.batchmean };
        input.kl_div(target, options, this.reduction)
    };
    PoissonNLLLoss: |this, input, target| {
        let (log_input, full, eps) = (this.log_input, this.full, this.eps);
        input.poisson_nll_loss(target, ops::PoissonNllLoss { log_input, full, eps }, this.reduction)
    };
    HingeEmbeddingLoss: |this, input, target| {
        input.hinge_embedding_loss(target, this.margin, this.reduction)
    };
    SoftMarginLoss: |this, input, target| input.soft_margin_loss(target, this.reduction);
    MultiMarginLoss: |this, input, target| {
        let (weight, p, margin) = (constant(input, &this.weight)?, this.p, this.margin);
        input.multi_margin_loss(target, ops::MultiMarginLoss { p, margin }, weight.as_ref(), this.reduction)
    };
    MultiLabelMarginLoss: |this, input, target| input.multilabel_margin_loss(target, this.reduction);
    MultiLabelSoftMarginLoss: |this, input, target| {
        let weight = constant(input, &this.weight)?;
        input.multilabel_soft_margin_loss(target, weight.as_ref(), this.reduction)
    };
}

impl CTCLoss {
    /// Adds the loss to the graph of `log_probs`.
    ///
    /// # Errors
    /// When the four do not fit each other.
    pub fn forward(
        &self,
        log_probs: &Tensor,
        targets: &Tensor,
        input_lengths: &Tensor,
        target_lengths: &Tensor,
    ) -> Result<Tensor> {
        let options = ops::CtcLoss { blank: self.blank, zero_infinity: self.zero_infinity };
        log_probs.ctc_loss(targets, input_lengths, target_lengths, options, self.reduction)
    }
}

/// Losses of three tensors.
macro_rules! of_three {
    ($($loss:ident: |$this:ident, $a:ident, $b:ident, $c:ident| $value:expr;)*) => {
        $(impl $loss {
            /// Adds the loss to the graph of the first.
            ///
            /// # Errors
            /// When the three do not fit each other or the loss.
            pub fn forward(&self, $a: &Tensor, $b: &Tensor, $c: &Tensor) -> Result<Tensor> {
                let $this = self;
                $value
            }
        })*
    };
}

of_three! {
    GaussianNLLLoss: |this, input, target, var| {
        let options = ops::GaussianNllLoss { full: this.full, eps: this.eps };
        input.gaussian_nll_loss(target, var, options, this.reduction)
    };
    MarginRankingLoss: |this, input1, input2, target| {
        input1.margin_ranking_loss(input2, target, this.margin, this.reduction)
    };
    CosineEmbeddingLoss: |this, input1, input2, target| {
        input1.cosine_embedding_loss(input2, target, this.margin, this.reduction)
    };
    TripletMarginLoss: |this, anchor, positive, negative| {
        let (margin, p, eps, swap) = (this.margin, this.p, this.eps, this.swap);
        let options = ops::TripletMarginLoss { margin, p, eps, swap };
        anchor.triplet_margin_loss(positive, negative, options, this.reduction)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;

    /// Each layer adds the nodes that its method adds.
    #[test]
    fn layers_are_their_methods() -> Result<()> {
        let nodes = |build: &dyn Fn(&[Tensor; 4], &Tensor) -> Result<Tensor>| -> Result<String> {
            let graph = Graph::new();
            let inputs = ["a", "b", "c", "d"].map(|name| graph.input(name, [4, 3]));
            let [a, b, c, d] = inputs;
            let labels = graph.input_u32("labels", [4])?;
            build(&[a?, b?, c?, d?], &labels)?;
            Ok(graph.with(|data| format!("{:?}", data.nodes)))
        };
        let same = |layer: &dyn Fn(&[Tensor; 4], &Tensor) -> Result<Tensor>,
                    method: &dyn Fn(&[Tensor; 4], &Tensor) -> Result<Tensor>| {
            assert_eq!(nodes(layer)?, nodes(method)?);
            Ok(())
        };
        let sum = Reduction::Sum;
        same(&|[a, b, ..], _| MSELoss::new().reduction(sum).forward(a, b), &|[a, b, ..], _| {
            a.mse_loss(b, sum)
        })?;
        same(&|[a, b, ..], _| HuberLoss::new().delta(0.5).forward(a, b), &|[a, b, ..], _| {
            a.huber_loss(b, 0.5, Reduction::Mean)
        })?;
        same(
            &|[a, ..], labels| CrossEntropyLoss::new().ignore_index(Some(2)).forward(a, labels),
            &|[a, ..], labels| {
                let options = CrossEntropy { ignore_index: Some(2), label_smoothing: 0.0 };
                a.cross_entropy(labels, options, Reduction::Mean)
            },
        )?;
        same(
            &|[a, ..], labels| NLLLoss::new().weight(vec![1.0, 2.0, 0.5]).forward(a, labels),
            &|[a, ..], labels| {
                let weight = a.graph().constant(HostTensor::from_f32([3], vec![1.0, 2.0, 0.5])?)?;
                a.nll_loss(labels, Some(&weight), None, Reduction::Mean)
            },
        )?;
        same(
            &|[a, b, c, _], _| TripletMarginLoss::new().swap(true).margin(0.5).forward(a, b, c),
            &|[a, b, c, _], _| {
                let options = ops::TripletMarginLoss { margin: 0.5, swap: true, ..Default::default() };
                a.triplet_margin_loss(b, c, options, Reduction::Mean)
            },
        )?;
        same(&|[a, b, c, _], _| GaussianNLLLoss::new().full(true).forward(a, b, c), &|[a, b, c, _], _| {
            let options = ops::GaussianNllLoss { full: true, ..Default::default() };
            a.gaussian_nll_loss(b, c, options, Reduction::Mean)
        })
    }
}
