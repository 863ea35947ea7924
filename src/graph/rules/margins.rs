//! Losses of margins and distances.

use crate::Dim;
use crate::dtype::DType;
use crate::error::{Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{MultiMarginLoss, Reduction, TripletMarginLoss};
use crate::tensor::TensorType;

/// What PyTorch's `cosine_embedding_loss` adds to squared lengths.
const LEAST_SQUARE: f32 = 1e-12;

impl Tensor {
    fn accepts(&self, op: &str, holds: bool, expected: &str, others: &[&Tensor]) -> Result<()> {
        let shapes: Vec<String> = others.iter().map(|t| t.shape().to_string()).collect();
        let got = format!("{} and {}", self.shape(), shapes.join(" and "));
        Mismatch::check(holds, expected, got).map_err(self.refused(op))
    }

    /// `a` where this is 1, `b` where it is -1, else 0.
    fn by_sign(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let zero = self.graph.scalar(0.0)?;
        let positive = self.eq(&self.graph.scalar(1.0)?)?.select(a, &zero)?;
        positive.add(&self.eq(&self.graph.scalar(-1.0)?)?.select(b, &zero)?)
    }

    /// `self` where the target is 1, `max(0, margin - self)` where it is -1, their sum where it is neither; operands broadcast,
    /// reduced. PyTorch's default margin is 1.
    ///
    /// # Errors
    /// When shapes do not broadcast, or the margin is not finite.
    pub fn hinge_embedding_loss(&self, target: &Tensor, margin: f32, reduction: Reduction) -> Result<Tensor> {
        let zero = self.graph.scalar(0.0)?;
        let hinge = self.neg()?.add_scalar(margin)?.relu()?;
        let apart = target.eq(&self.graph.scalar(1.0)?)?.select(&zero, &hinge)?;
        let alike = target.eq(&self.graph.scalar(-1.0)?)?.select(&zero, self)?;
        apart.add(&alike)?.reduced_by(reduction)
    }

    /// `max(0, margin - target (self - other))`, for a target of 1 where this is to rank above the other, of -1 where it is to
    /// rank below; operands broadcast, reduced. PyTorch's default margin is 0.
    ///
    /// # Errors
    /// When the three differ in rank, shapes do not broadcast, or the margin is not finite.
    pub fn margin_ranking_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f32,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let rank = self.shape().len();
        let fits = other.shape().len() == rank && target.shape().len() == rank;
        self.accepts("margin_ranking_loss", fits, "three tensors of one rank", &[other, target])?;
        let ahead = target.mul(&self.sub(other)?)?;
        ahead.neg()?.add_scalar(margin)?.relu()?.reduced_by(reduction)
    }

    /// `log(1 + exp(-target self))` for targets of 1 and -1; operands broadcast, reduced.
    ///
    /// # Errors
    /// When shapes do not broadcast.
    pub fn soft_margin_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.mul(target)?.log_sigmoid()?.neg()?.reduced_by(reduction)
    }

    /// For scores `self (N, C)` or `(C)` and the right classes `target (N)` or a scalar, `u32`: the mean over the classes of
    /// `weight[t] max(0, margin - self[t] + self[c])^p`, the right one `t` left out, reduced over the batch. `weight` is `(C)`,
    /// or all are 1.
    ///
    /// After a target beyond the classes the next run or read fails, naming it.
    ///
    /// # Errors
    /// When shapes or types do not fit, or `p` is not 1 or 2.
    pub fn multi_margin_loss(
        &self,
        target: &Tensor,
        options: MultiMarginLoss,
        weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let (op, MultiMarginLoss { p, margin }) = ("multi_margin_loss", options);
        Mismatch::check([1, 2].contains(&p), "p of 1 or 2", p.to_string()).map_err(self.refused(op))?;
        let shape = self.shape();
        if let ([_], []) = (&shape[..], &target.shape()[..]) {
            let one =
                self.unsqueeze(0)?.multi_margin_loss(&target.reshape([1])?, options, weight, reduction)?;
            return if reduction == Reduction::None { one.reshape([]) } else { Ok(one) };
        }
        let fits = shape.len() == 2 && target.shape()[..] == shape[..1];
        self.accepts(op, fits, "scores (N, C) or (C) and a target (N) or ()", &[target])?;
        let classes = shape[1];
        let chosen = self.gather(1, &target.unsqueeze(1)?)?;
        let others = target.one_hot(classes)?.neg()?.add_scalar(1.0)?;
        let mut terms = self.sub(&chosen)?.add_scalar(margin)?.relu()?;
        if p == 2 {
            terms = terms.square()?;
        }
        let mut rows = terms.mul(&others)?.mean(1, false)?;
        if let Some(weight) = weight {
            let fits = weight.shape()[..] == [classes];
            let checked = Mismatch::check(fits, format!("weights ({classes})"), weight.shape().to_string());
            checked.map_err(self.refused(op))?;
            rows = rows.mul(&weight.gather(0, target)?)?;
        }
        rows.reduced_by(reduction)
    }

    /// For scores `self (N, C)` or `(C)` and lists of the classes that are right, `target` of the same shape and `u32`: the sum
    /// over the listed classes `t` and those not listed, `i`, of `max(0, 1 - self[t] + self[i])`, divided by C, reduced over
    /// the batch.
    ///
    /// A list ends at its first number that is no class: where PyTorch has -1, `u32::MAX` or any other of at least C stands
    /// here.
    /// A class that is listed twice counts twice. Pairs of classes are in memory: `N C C` numbers.
    ///
    /// # Errors
    /// When the target is not `u32` of the same shape, or there are other dimensions.
    pub fn multilabel_margin_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        let (op, shape) = ("multilabel_margin_loss", self.shape());
        let fits = target.ty() == TensorType::u32(shape.clone()) && [1, 2].contains(&shape.len());
        let got = format!("{} and {}", self.ty(), target.ty());
        let expected = "scores (N, C) or (C) and a u32 target of the same shape";
        Mismatch::check(fits, expected, got).map_err(self.refused(op))?;
        let &[rows, classes] = &shape[..] else {
            let one = self.unsqueeze(0)?.multilabel_margin_loss(&target.unsqueeze(0)?, reduction)?;
            return if reduction == Reduction::None { one.reshape([]) } else { Ok(one) };
        };
        let (number, graph) = (target.float()?, &self.graph);
        let beyond = number.ge(&graph.scalar(classes as f32)?)?;
        // The first that is no class; behind the last one is one.
        let ends =
            Tensor::concat(&[&beyond, &graph.ones([rows, 1])?], 1)?.argmax(1)?.float()?.unsqueeze(1)?;
        let listed = graph.arange(0.0, classes as f64, 1.0)?.unsqueeze(0)?.lt(&ends)?;
        let index = number.clamp_max((classes - 1) as f32)?.cast(DType::U32)?;
        let right = self.gather(1, &index)?;
        let others = listed.scattered(1, &index, classes)?.eq(&graph.scalar(0.0)?)?;
        let apart = self.unsqueeze(1)?.sub(&right.unsqueeze(2)?)?.add_scalar(1.0)?.relu()?;
        let pairs = apart.mul(&listed.unsqueeze(2)?)?.mul(&others.unsqueeze(1)?)?;
        pairs.sum(1, false)?.mean(1, false)?.reduced_by(reduction)
    }

    /// The mean over the last dimension, the classes, of [`Tensor::binary_cross_entropy_with_logits`], reduced over the rest.
    /// Targets are 1 for each class that is present, else 0; `weight` broadcasts.
    ///
    /// # Errors
    /// When the target's shape is another, or the weight does not broadcast to it.
    pub fn multilabel_soft_margin_loss(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "multilabel_soft_margin_loss";
        self.alike(op, "a target", target)?;
        let losses = self.bce_with_logits(target)?.weighted_by(op, weight)?;
        losses.mean(-1, false)?.reduced_by(reduction)
    }

    /// `sum(a b) / (max(|a|, eps) max(|b|, eps))` along `dim`, which is dropped, operands broadcast. PyTorch's defaults are
    /// dimension 1 and 1e-8.
    ///
    /// # Errors
    /// When shapes do not broadcast, there is no such dimension, or `eps` is not finite.
    pub fn cosine_similarity(&self, other: &Tensor, dim: impl Into<Dim>, eps: f32) -> Result<Tensor> {
        let products = self.mul(other)?;
        let (shape, dim) = (products.shape(), products.dim("cosine_similarity", dim)?);
        let length = |x: &Tensor| {
            let wide = if x.shape() == shape { x.clone() } else { x.broadcast_to(shape.clone())? };
            wide.norm(2.0, dim, false)?.clamp_min(eps)
        };
        products.sum(dim, false)?.div(&length(self)?.mul(&length(other)?)?)
    }

    /// `sum(|self - other + eps|^p)^(1/p)` along the last dimension, which is dropped or, with `keepdim`, stays with size 1;
    /// operands broadcast. PyTorch's defaults are 2 and 1e-6.
    ///
    /// # Errors
    /// When shapes do not broadcast, `p` is NaN, or `eps` is not finite.
    pub fn pairwise_distance(&self, other: &Tensor, p: f32, eps: f32, keepdim: bool) -> Result<Tensor> {
        self.sub(other)?.add_scalar(eps)?.norm(p, -1, keepdim)
    }

    /// For vectors `self` and `other (N, D)` with a target `(N)`, or `(D)` with a scalar: `1 - cos` where the target is 1,
    /// `max(0, cos - margin)` where it is -1, reduced. PyTorch's default margin is 0; as there, 1e-12 is added to squared
    /// lengths.
    ///
    /// # Errors
    /// When the ranks are others, shapes do not broadcast, or the margin is not finite.
    pub fn cosine_embedding_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f32,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let ranks = (self.shape().len(), other.shape().len(), target.shape().len());
        let fits = [(2, 2, 1), (1, 1, 0)].contains(&ranks);
        let expected = "(N, D) and (N, D) and (N), or (D) and (D) and ()";
        self.accepts("cosine_embedding_loss", fits, expected, &[other, target])?;
        let square = |x: &Tensor| x.square()?.sum(-1, false)?.add_scalar(LEAST_SQUARE);
        let lengths = square(self)?.mul(&square(other)?)?.sqrt()?;
        let cosine = self.mul(other)?.sum(-1, false)?.div(&lengths)?;
        let alike = cosine.neg()?.add_scalar(1.0)?;
        let apart = cosine.add_scalar(-margin)?.relu()?;
        target.by_sign(&alike, &apart)?.reduced_by(reduction)
    }

    /// `max(0, d(self, positive) - d(self, negative) + margin)` with [`Tensor::pairwise_distance`] `d`, reduced; see
    /// [`TripletMarginLoss`].
    ///
    /// # Errors
    /// When the three differ in rank, shapes do not broadcast, `p` is NaN, or `eps` or the margin is not finite.
    pub fn triplet_margin_loss(
        &self,
        positive: &Tensor,
        negative: &Tensor,
        options: TripletMarginLoss,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let TripletMarginLoss { margin, p, eps, swap } = options;
        let rank = self.shape().len();
        let fits = positive.shape().len() == rank && negative.shape().len() == rank;
        self.accepts("triplet_margin_loss", fits, "three tensors of one rank", &[positive, negative])?;
        let near = self.pairwise_distance(positive, p, eps, false)?;
        let mut far = self.pairwise_distance(negative, p, eps, false)?;
        if swap {
            far = far.minimum(&positive.pairwise_distance(negative, p, eps, false)?)?;
        }
        near.sub(&far)?.add_scalar(margin)?.relu()?.reduced_by(reduction)
    }
}
