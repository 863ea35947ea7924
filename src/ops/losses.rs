//! nll_loss of log-probabilities `(N, C, ..)` with class indices `(N, ..)`, and the options of the losses that are made of
//! other ops.
//!
//! Targets are `u32`; the graph cannot see their values. One outside `0..C` that is not `ignore_index` has loss 0, and the next
//! run or read of the program fails, naming the row: see [`Op::index_range`](super::Op::index_range).

use super::{Rule, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// `log_probabilities (N, C, ..), target (N, ..)` and, where there is one, `weight (C)` to `-weight[target]
/// log_probabilities[target]` and, of each row, the weight with which it counts: 1 without weights, 0 where it is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NllLoss {
    /// Rows with this target count neither in the loss nor in the mean; none.
    pub ignore_index: Option<u32>,
    /// Whether classes have weights.
    pub weight: bool,
}

impl NllLoss {
    fn described(&self) -> String {
        let ignored = self.ignore_index.map_or(String::new(), |index| format!("ignore_index {index} "));
        format!("{ignored}weight {}", self.weight)
    }

    /// Refuses weights that are not of these classes, where there are to be some.
    fn check_weight(&self, weight: &[&TensorType], classes: usize) -> Result<(), Mismatch> {
        let expected = 2 + usize::from(self.weight);
        Mismatch::check(
            weight.len() == usize::from(self.weight),
            format!("{expected} inputs"),
            (2 + weight.len()).to_string(),
        )?;
        weight.iter().try_for_each(|weight| same("weight", &TensorType::f32([classes]), weight))
    }
}

impl Rule for NllLoss {
    const NAME: &'static str = "nll_loss";

    fn attributes(&self) -> String {
        self.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input, target, weight @ ..] = inputs else {
            return Err(Mismatch::new("2 inputs at least", inputs.len().to_string()));
        };
        f32s::<1>(&[input])?;
        Mismatch::check(input.shape.len() >= 2, "log-probabilities (N, C, ..)", input.to_string())?;
        input.shape.axis(1)?;
        let mut dims = input.shape.to_vec();
        let classes = dims.remove(1);
        self.check_weight(weight, classes)?;
        same("target", &TensorType::u32(dims.clone()), target)?;
        Ok(vec![TensorType::f32(dims.clone()), TensorType::f32(dims)])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
        let below = format!("targets below {}", inputs.first()?.shape.get(1)?);
        Some(match self.ignore_index {
            Some(ignored) => format!("{below} or {ignored}, which is ignored"),
            None => below,
        })
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        !self.weight
    }
}

/// `grad_loss (N, ..), target` and, where there is one, `weight` to `grad_log_probabilities (N, C, ..)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NllLossBackward {
    /// The loss.
    pub forward: NllLoss,
    /// C.
    pub classes: usize,
}

impl Rule for NllLossBackward {
    const NAME: &'static str = "nll_loss_backward";

    fn attributes(&self) -> String {
        self.forward.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, target, weight @ ..] = inputs else {
            return Err(Mismatch::new("2 inputs at least", inputs.len().to_string()));
        };
        f32s::<1>(&[grad])?;
        Mismatch::check(!grad.shape.is_empty(), "an error (N, ..)", grad.to_string())?;
        same("target", &TensorType { dtype: DType::U32, ..(*grad).clone() }, target)?;
        self.forward.check_weight(weight, self.classes)?;
        let mut dims = grad.shape.to_vec();
        dims.insert(1, self.classes);
        Ok(vec![TensorType::f32(dims)])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        elements(inputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        !self.forward.weight
    }
}

/// The attributes of `kl_div`, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KlDiv {
    /// Whether targets are logarithms of probabilities; false.
    pub log_target: bool,
    /// PyTorch's reduction "batchmean": the sum divided by the first size, whatever else is asked for; false.
    pub batchmean: bool,
}

/// The attributes of `poisson_nll_loss`, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonNllLoss {
    /// Whether the input is the logarithm of the rate; true.
    pub log_input: bool,
    /// Whether Stirling's approximation of the logarithm of `target!` is added where the target is above 1; false.
    pub full: bool,
    /// What is added to a rate before its logarithm is taken; 1e-8.
    pub eps: f32,
}

impl Default for PoissonNllLoss {
    fn default() -> Self {
        Self { log_input: true, full: false, eps: 1e-8 }
    }
}

/// The attributes of `gaussian_nll_loss`, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianNllLoss {
    /// Whether the constant `log(2 pi) / 2` is added; false.
    pub full: bool,
    /// The least variance, above 0; 1e-6.
    pub eps: f32,
}

impl Default for GaussianNllLoss {
    fn default() -> Self {
        Self { full: false, eps: 1e-6 }
    }
}

/// The attributes of `multi_margin_loss`, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultiMarginLoss {
    /// The exponent, 1 or 2; 1.
    pub p: u32,
    /// By how much the target's score has to be above all others; 1.
    pub margin: f32,
}

impl Default for MultiMarginLoss {
    fn default() -> Self {
        Self { p: 1, margin: 1.0 }
    }
}

/// The attributes of `triplet_margin_loss`, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TripletMarginLoss {
    /// By how much the negative has to be further away than the positive; 1.
    pub margin: f32,
    /// The order of the norm; 2.
    pub p: f32,
    /// What is added to each difference; 1e-6.
    pub eps: f32,
    /// Whether the negative's distance from the positive counts where it is the smaller one; false.
    pub swap: bool,
}

impl Default for TripletMarginLoss {
    fn default() -> Self {
        Self { margin: 1.0, p: 2.0, eps: 1e-6, swap: false }
    }
}
