//! Element-wise functions in the kernels of another op, of what it loads or stores: `shaders/common/chain.wgsl`.

use super::template::literal;
use super::{Binding, Operand};
use crate::ops::{Binary, Op, Unary, UnaryBackward};
use minijinja::{Value, context};

/// One function of the value so far and perhaps of another tensor of the same shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChainStep {
    /// `f(x)`.
    Unary(Unary),
    /// `x * f'(saved)`.
    UnaryBackward {
        /// The function.
        function: Unary,
        /// The input of the node that holds what was saved.
        saved: usize,
    },
    /// `x op other`, or `other op x`.
    Binary {
        /// The function.
        function: Binary,
        /// The input of the node that holds the other operand.
        other: usize,
        /// Whether the other operand comes first.
        swapped: bool,
    },
}

impl ChainStep {
    /// The input it reads besides the value so far.
    fn operand(&self) -> Option<usize> {
        match *self {
            ChainStep::Unary(_) => None,
            ChainStep::UnaryBackward { saved, .. } => Some(saved),
            ChainStep::Binary { other, .. } => Some(other),
        }
    }

    fn function(&self) -> Option<Unary> {
        match *self {
            ChainStep::Unary(function) | ChainStep::UnaryBackward { function, .. } => Some(function),
            ChainStep::Binary { .. } => None,
        }
    }

    /// The first step of a chain, an element-wise op with its own inputs; `None` for any other op.
    pub fn of(op: &Op) -> Option<Self> {
        Self::behind(op, 1, false)
    }

    /// A step of a chain, whose other operand, if it has one, is input `other` and comes first where `swapped`.
    pub fn behind(op: &Op, other: usize, swapped: bool) -> Option<Self> {
        match *op {
            Op::Unary(function) => Some(ChainStep::Unary(function)),
            Op::UnaryBackward(UnaryBackward(function)) => {
                Some(ChainStep::UnaryBackward { function, saved: other })
            }
            Op::Binary(function) => Some(ChainStep::Binary { function, other, swapped }),
            // A chain has no step for it, and nothing is fused with what it computes.
            _ => None,
        }
    }

    /// The op this step stands for.
    pub fn op(&self) -> Op {
        match *self {
            ChainStep::Unary(function) => Op::Unary(function),
            ChainStep::UnaryBackward { function, .. } => Op::UnaryBackward(UnaryBackward(function)),
            ChainStep::Binary { function, .. } => Op::Binary(function),
        }
    }
}

/// Functions applied to each element of a tensor, first to last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain(pub Vec<ChainStep>);

impl Chain {
    /// The inputs it reads, each once.
    pub(super) fn operands(&self) -> Vec<usize> {
        let mut operands: Vec<usize> = self.0.iter().filter_map(ChainStep::operand).collect();
        operands.sort_unstable();
        operands.dedup();
        operands
    }

    /// What it reads, to be bound behind a kernel's own bindings; `like` cuts the range of the tensor.
    pub(super) fn bindings(&self, like: impl Fn(Binding) -> Binding) -> Vec<Binding> {
        self.operands().into_iter().map(|i| like(Binding::read(Operand::Input(i)))).collect()
    }

    /// What `common/chain.wgsl` needs for a chain before the store; `first` is the number of its first binding, `vec4`
    /// says whether the kernel stores four elements at once.
    pub(super) fn values(&self, first: usize, vec4: bool) -> Value {
        values(&[("epilogue", self, first, vec4)])
    }

    /// The function `name` of a template.
    fn function(&self, name: &str, first: usize, vec4: bool) -> Value {
        let operands = self.operands();
        // The binding of each.
        let other = |operand: usize| operands.iter().position(|&o| o == operand).map(|at| first + at);
        let step = |step: &ChainStep| match *step {
            ChainStep::Unary(f) => {
                context! { kind => "unary", function => wgsl_name(f), parameter => literal(f.parameter()) }
            }
            ChainStep::UnaryBackward { function: f, saved } => context! {
                kind => "unary_backward",
                function => wgsl_name(f),
                parameter => literal(f.parameter()),
                other => other(saved),
            },
            ChainStep::Binary { function, other: operand, swapped } => {
                context! { kind => "binary", operator => operator(&function), other => other(operand), swapped }
            }
        };
        let steps: Vec<Value> = self.0.iter().map(step).collect();
        let numbers: Vec<usize> = (0..operands.len()).map(|i| first + i).collect();
        context! { name, steps, numbers, vec4 }
    }

    /// The fused ops in words, empty when there is none.
    pub(super) fn why(&self) -> String {
        self.0.iter().map(|step| format!(", fused with {}", step.op().name())).collect()
    }
}

/// What `common/chain.wgsl` needs: name, chain, first binding and whether four elements go at once, of each function.
fn values(chains: &[(&str, &Chain, usize, bool)]) -> Value {
    let steps = chains.iter().flat_map(|(_, chain, ..)| &chain.0);
    let functions: Vec<&str> = steps.filter_map(ChainStep::function).map(|f| f.name()).collect();
    let chains: Vec<Value> =
        chains.iter().map(|&(name, chain, at, vec4)| chain.function(name, at, vec4)).collect();
    context! { chains, functions }
}

/// The element-wise functions that the kernels of another op apply. Their other operands follow the op's own inputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fused {
    /// To each element of the first input as it is loaded; sums do.
    pub loads: Chain,
    /// To each element of the only output before it is stored.
    pub stores: Chain,
}

impl Fused {
    /// Whether there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.loads.0.is_empty() && self.stores.0.is_empty()
    }

    /// How many functions there are.
    pub fn functions(&self) -> usize {
        self.loads.0.len() + self.stores.0.len()
    }

    /// What both read, to be bound behind a kernel's own bindings; the range of what is read beside the input is cut like it,
    /// and beside the output like that.
    pub(super) fn bindings(
        &self,
        like_input: impl Fn(Binding) -> Binding,
        like_output: impl Fn(Binding) -> Binding,
    ) -> Vec<Binding> {
        let mut bindings = self.loads.bindings(like_input);
        bindings.extend(self.stores.bindings(like_output));
        bindings
    }

    /// What `common/chain.wgsl` needs for a prologue and an epilogue; for each whether four elements go at once.
    pub(super) fn values(&self, first: usize, loads_vec4: bool, stores_vec4: bool) -> Value {
        let behind = first + self.loads.operands().len();
        values(&[
            ("prologue", &self.loads, first, loads_vec4),
            ("epilogue", &self.stores, behind, stores_vec4),
        ])
    }

    /// The fused ops in words, empty when there is none.
    pub(super) fn why(&self) -> String {
        self.loads.why() + &self.stores.why()
    }

    /// Without what is applied before the store, where a later launch stores.
    pub(super) fn loading(&self) -> Self {
        Self { loads: self.loads.clone(), stores: Chain::default() }
    }

    /// The inputs it reads besides the op's own, each once.
    pub(super) fn operands(&self) -> Vec<usize> {
        let mut operands = self.loads.operands();
        operands.extend(self.stores.operands());
        operands.sort_unstable();
        operands.dedup();
        operands
    }
}

/// A function of one operand in WGSL, beside the builtins of the same name.
fn wgsl_name(function: Unary) -> &'static str {
    match function {
        Unary::Tanh => "tanh_value",
        Unary::Sqrt => "sqrt_value",
        // A shader that lacks the function does not compile.
        _ => function.name(),
    }
}

/// A function of two operands in WGSL.
pub(super) fn operator(function: &Binary) -> &'static str {
    match function {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
    }
}
