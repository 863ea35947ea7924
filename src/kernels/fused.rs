//! Element-wise functions in the kernels of another op, applied to what it loads (prologue) or before it stores (epilogue):
//! `shaders/common/chain.wgsl`.

use super::broadcast::Broadcast;
use super::template::literal;
use super::{Access, Binding, Operand};
use crate::functions::texts;
use crate::ops::{Elementwise, Op};
use crate::shape::Shape;
use minijinja::{Value, context};

/// What a step of a chain takes as an operand of its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The value so far.
    Value,
    /// An input of the node, and how it lies beside the value.
    Input(usize, Broadcast),
}

/// One function of the value so far and perhaps of other tensors, broadcast.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainStep {
    /// The function.
    pub function: Elementwise,
    /// Its operands.
    pub operands: Vec<Source>,
}

impl ChainStep {
    /// A step to a value of shape `to` whose operands have these shapes: operand `value` is the value so far, the others are
    /// inputs from `first` on.
    pub fn new(function: Elementwise, shapes: &[&Shape], value: usize, first: usize, to: &Shape) -> Self {
        let mut next = first;
        let source = |(i, shape): (usize, &&Shape)| {
            if i == value {
                return Source::Value;
            }
            next += 1;
            Source::Input(next - 1, Broadcast::of(shape, to))
        };
        Self { function, operands: shapes.iter().enumerate().map(source).collect() }
    }

    /// Where the value is an input among the others: those behind it are one further.
    pub(super) fn skip(&mut self, value: usize) {
        for operand in &mut self.operands {
            if let Source::Input(input, _) = operand {
                *input += usize::from(*input >= value);
            }
        }
    }

    /// The op this step stands for.
    pub fn op(&self) -> Op {
        Op::Elementwise(self.function)
    }

    /// The inputs it reads besides the value so far.
    fn inputs(&self) -> impl Iterator<Item = (usize, &Broadcast)> {
        self.operands.iter().filter_map(|operand| match operand {
            Source::Value => None,
            Source::Input(input, broadcast) => Some((*input, broadcast)),
        })
    }
}

/// The operand of an element-wise op that has its output's shape, so that a chain can begin with it: the first.
pub fn value_operand(shapes: &[&Shape], to: &Shape) -> Option<usize> {
    shapes.iter().position(|shape| *shape == to)
}

/// Functions applied to each element of a tensor, first to last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain(pub Vec<ChainStep>);

impl Chain {
    /// The inputs it reads, each of one step, ascending.
    pub(super) fn operands(&self) -> Vec<(usize, &Broadcast)> {
        let mut operands: Vec<(usize, &Broadcast)> = self.0.iter().flat_map(ChainStep::inputs).collect();
        operands.sort_unstable_by_key(|(input, _)| *input);
        operands
    }

    /// Those that have the shape of the value.
    pub(super) fn alike(&self) -> impl Iterator<Item = usize> {
        self.operands().into_iter().filter(|(_, broadcast)| broadcast.is_alike()).map(|(input, _)| input)
    }

    /// What it reads, to be bound behind a kernel's own bindings; `like` cuts the range of the tensor. What is broadcast is
    /// bound whole.
    pub(super) fn bindings(&self, like: impl Fn(Binding) -> Binding) -> Vec<Binding> {
        let bind = |(input, broadcast): (usize, &Broadcast)| {
            let whole = Binding::read(Operand::Input(input));
            if broadcast.is_alike() { like(whole) } else { whole }
        };
        self.operands().into_iter().map(bind).collect()
    }

    /// What `common/chain.wgsl` needs for a chain before the store. `bindings` are the launch's, of which the chain's begin
    /// at number `first`, behind what is stored; `vec4` says whether the kernel stores four elements at once.
    pub(super) fn values(&self, first: usize, vec4: bool, bindings: &[Binding]) -> Value {
        values(&[("epilogue", self, first, vec4, before(written(bindings, first)))])
    }

    /// The function `name` of a template; `before` elements of its tensor are not bound.
    fn function(&self, name: &str, first: usize, vec4: bool, before: usize) -> Value {
        let operands = self.operands();
        // The binding of each.
        let number = |input: usize| first + operands.iter().take_while(|(i, _)| *i != input).count();
        let load = |(input, broadcast): &(usize, &Broadcast)| {
            let number = number(*input);
            let load = broadcast.load(&format!("other{number}"), vec4, before);
            context! { number, element => load.element }
        };
        let line = |(i, step): (usize, &ChainStep)| {
            let mut loads = String::new();
            let mut names = Vec::new();
            for (position, operand) in step.operands.iter().enumerate() {
                let Source::Input(input, broadcast) = operand else {
                    names.push("x".to_owned());
                    continue;
                };
                let load = broadcast.load(&format!("other{}", number(*input)), vec4, before);
                names.push(format!("operand{i}_{position}"));
                loads.push_str(&format!("  let operand{i}_{position} = {};\n", load.expression));
            }
            format!("{loads}  x = {};", call(&step.function, &names, vec4))
        };
        let lines: Vec<String> = self.0.iter().enumerate().map(line).collect();
        let others: Vec<Value> = operands.iter().map(load).collect();
        context! { name, lines, others, vec4 }
    }

    /// The fused ops in words, empty when there is none.
    pub(super) fn why(&self) -> String {
        self.0.iter().map(|step| format!(", fused with {}", step.function.name())).collect()
    }
}

/// A call of a function of these operands, element by element where it takes no four.
fn call(function: &Elementwise, operands: &[String], vec4: bool) -> String {
    let name = function.wgsl_name(vec4);
    let parameters: Vec<String> = function.parameters().iter().map(|&p| literal(p)).collect();
    let of = |part: &str| {
        let all = operands.iter().map(|o| format!("{o}{part}")).chain(parameters.iter().cloned());
        format!("{name}({})", all.collect::<Vec<_>>().join(", "))
    };
    if !vec4 || function.takes_vectors() {
        return of("");
    }
    let four: Vec<String> = (0..4).map(|q| of(&format!("[{q}]"))).collect();
    format!("vec4<f32>({})", four.join(", "))
}

/// Of a launch's own bindings, which end before number `first`, that of what is stored.
fn written(bindings: &[Binding], first: usize) -> Option<&Binding> {
    bindings.iter().take(first).rev().find(|binding| binding.access == Access::Write)
}

/// Elements of a bound tensor before those that are bound.
fn before(binding: Option<&Binding>) -> usize {
    binding.and_then(|binding| binding.range).map_or(0, |(offset, _)| (offset / 4) as usize)
}

/// What `common/chain.wgsl` needs: name, chain, first binding, whether four elements go at once and the elements before
/// those that are bound, of each function.
fn values(chains: &[(&str, &Chain, usize, bool, usize)]) -> Value {
    let uses = |&(_, chain, _, vec4, _): &(&str, &Chain, usize, bool, usize)| {
        chain.0.iter().map(|step| (step.function, vec4)).collect::<Vec<_>>()
    };
    let functions = texts(&chains.iter().flat_map(uses).collect::<Vec<_>>());
    let chains: Vec<Value> = chains
        .iter()
        .map(|&(name, chain, at, vec4, before)| chain.function(name, at, vec4, before))
        .collect();
    context! { chains, functions }
}

/// The element-wise functions that the kernels of another op apply. Their other operands follow the op's own inputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fused {
    /// To each element of the first input as it is loaded; sums do.
    pub prologue: Chain,
    /// To each element of the only output before it is stored.
    pub epilogue: Chain,
}

impl Fused {
    /// Whether there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.prologue.0.is_empty() && self.epilogue.0.is_empty()
    }

    /// How many functions there are.
    pub fn functions(&self) -> usize {
        self.prologue.0.len() + self.epilogue.0.len()
    }

    /// What both read, to be bound behind a kernel's own bindings; the range of what is read beside the input is cut like it,
    /// and beside the output like that.
    pub(super) fn bindings(
        &self,
        like_input: impl Fn(Binding) -> Binding,
        like_output: impl Fn(Binding) -> Binding,
    ) -> Vec<Binding> {
        let mut bindings = self.prologue.bindings(like_input);
        bindings.extend(self.epilogue.bindings(like_output));
        bindings
    }

    /// What `common/chain.wgsl` needs for a prologue and an epilogue of a kernel with one input and one output; for each
    /// whether four elements go at once. `bindings` are the launch's, of which those of the chains begin at number `first`.
    pub(super) fn values(
        &self,
        first: usize,
        prologue_vec4: bool,
        epilogue_vec4: bool,
        bindings: &[Binding],
    ) -> Value {
        let behind = first + self.prologue.operands().len();
        values(&[
            ("prologue", &self.prologue, first, prologue_vec4, before(bindings.first())),
            ("epilogue", &self.epilogue, behind, epilogue_vec4, before(written(bindings, first))),
        ])
    }

    /// The fused ops in words, empty when there is none.
    pub(super) fn why(&self) -> String {
        self.prologue.why() + &self.epilogue.why()
    }

    /// Without what is applied before the store, where a later launch stores.
    pub(super) fn loading(&self) -> Self {
        Self { prologue: self.prologue.clone(), epilogue: Chain::default() }
    }

    /// The inputs it reads besides the op's own.
    pub(super) fn operands(&self) -> usize {
        self.prologue.operands().len() + self.epilogue.operands().len()
    }
}
