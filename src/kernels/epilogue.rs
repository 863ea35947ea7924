//! Element-wise functions applied to a result where it is computed: `shaders/common/epilogue.wgsl`.

use super::template::literal;
use super::{Binding, Operand};
use crate::ops::{Binary, Op, Unary};
use minijinja::{Value, context};

/// One function of the value so far and perhaps of another tensor of the same shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EpilogueStep {
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

impl EpilogueStep {
    /// The input it reads besides the value so far.
    fn operand(&self) -> Option<usize> {
        match *self {
            EpilogueStep::Unary(_) => None,
            EpilogueStep::UnaryBackward { saved, .. } => Some(saved),
            EpilogueStep::Binary { other, .. } => Some(other),
        }
    }

    fn function(&self) -> Option<Unary> {
        match *self {
            EpilogueStep::Unary(function) | EpilogueStep::UnaryBackward { function, .. } => Some(function),
            EpilogueStep::Binary { .. } => None,
        }
    }

    /// The op this step stands for.
    pub fn op(&self) -> Op {
        match *self {
            EpilogueStep::Unary(function) => Op::Unary(function),
            EpilogueStep::UnaryBackward { function, .. } => Op::UnaryBackward(function),
            EpilogueStep::Binary { function, .. } => Op::Binary(function),
        }
    }
}

/// The functions applied to each element of an op's only output before it is stored, first to last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Epilogue(pub Vec<EpilogueStep>);

impl Epilogue {
    /// The inputs it reads, each once.
    pub(super) fn operands(&self) -> Vec<usize> {
        let mut operands: Vec<usize> = self.0.iter().filter_map(EpilogueStep::operand).collect();
        operands.sort_unstable();
        operands.dedup();
        operands
    }

    /// What it reads, to be bound behind a kernel's own bindings; `like` cuts the range of the output.
    pub(super) fn bindings(&self, like: impl Fn(Binding) -> Binding) -> Vec<Binding> {
        self.operands().into_iter().map(|i| like(Binding::read(Operand::Input(i)))).collect()
    }

    /// What the template needs; `first` is the number of the first binding, `vec4` says whether the kernel
    /// stores four elements at once.
    pub(super) fn values(&self, first: usize, vec4: bool) -> Value {
        let operands = self.operands();
        let place = |operand: usize| operands.iter().position(|&o| o == operand);
        let step = |step: &EpilogueStep| match *step {
            EpilogueStep::Unary(f) => {
                context! { kind => "unary", function => wgsl_name(f), parameter => literal(f.parameter()) }
            }
            EpilogueStep::UnaryBackward { function: f, saved } => context! {
                kind => "unary_backward",
                function => wgsl_name(f),
                parameter => literal(f.parameter()),
                other => place(saved),
            },
            EpilogueStep::Binary { function, other, swapped } => {
                context! { kind => "binary", operator => operator(&function), other => place(other), swapped }
            }
        };
        let functions: Vec<&str> =
            self.0.iter().filter_map(EpilogueStep::function).map(|f| f.name()).collect();
        let steps: Vec<Value> = self.0.iter().map(step).collect();
        let numbers: Vec<usize> = (0..operands.len()).map(|i| first + i).collect();
        context! { epilogue => context! { steps, numbers, vec4 }, functions }
    }

    /// The fused ops in words, empty when there is none.
    pub(super) fn why(&self) -> String {
        self.0.iter().map(|step| format!(", fused with {}", step.op().name())).collect()
    }
}

/// A function of one operand in WGSL, beside the builtins of the same name.
fn wgsl_name(function: Unary) -> &'static str {
    match function {
        Unary::Tanh => "tanh_value",
        Unary::Sqrt => "sqrt_value",
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
