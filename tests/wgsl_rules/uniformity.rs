//! WGSL's analysis of uniformity, on naga's modules: a barrier needs control flow that is provably the same for all
//! invocations of a workgroup, and so do shuffles. Where it and the standard's differ, it is the stricter one. Each value is
//! uniform or not; so is the control flow at each place.

use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, Handle, LocalVariable, Module, Statement,
    StorageAccess,
};
use std::collections::HashMap;

/// Whether the values of the local variables are uniform; `None` at a place that is never reached.
type Variables = Option<HashMap<Handle<LocalVariable>, bool>>;

/// Variables where two ways meet: uniform where they are on both.
fn meet(a: &Variables, b: &Variables) -> Variables {
    match (a, b) {
        (Some(a), Some(b)) => Some(
            a.iter()
                .map(|(&variable, &uniform)| (variable, uniform && b.get(&variable) == Some(&true)))
                .collect(),
        ),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    }
}

/// Where control goes from a statement besides the next one.
#[derive(Clone, Copy, Default)]
struct Leaves {
    breaks: bool,
    continues: bool,
    returns: bool,
}

impl Leaves {
    fn any(self) -> bool {
        self.breaks || self.continues || self.returns
    }

    fn or(self, other: Self) -> Self {
        Self {
            breaks: self.breaks || other.breaks,
            continues: self.continues || other.continues,
            returns: self.returns || other.returns,
        }
    }
}

/// A function with the uniformity of its arguments.
struct Walk<'a> {
    module: &'a Module,
    function: &'a Function,
    arguments: Vec<bool>,
    values: HashMap<Handle<Expression>, bool>,
    variables: Variables,
    /// What the variables are where the innermost loop or switch is left, and where its next iteration begins.
    broken: Variables,
    continued: Variables,
    /// Whether all that is returned is uniform.
    returned: bool,
    /// What needs uniform control flow and has not got it.
    fault: Option<String>,
}

impl<'a> Walk<'a> {
    fn new(module: &'a Module, function: &'a Function, arguments: Vec<bool>) -> Self {
        let variables = function.local_variables.iter().map(|(variable, _)| (variable, true)).collect();
        Self {
            module,
            function,
            arguments,
            values: HashMap::new(),
            variables: Some(variables),
            broken: None,
            continued: None,
            returned: true,
            fault: None,
        }
    }

    fn fail(&mut self, what: &str, uniform: bool) {
        if !uniform {
            let name = self.function.name.as_deref().unwrap_or("the entry point");
            self.fault.get_or_insert_with(|| format!("{what} in control flow of {name} that is not uniform"));
        }
    }

    /// The variable that a pointer leads into.
    fn root(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => Some(variable),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.root(base),
            _ => None,
        }
    }

    fn uniform(&mut self, expression: Handle<Expression>) -> bool {
        if let Some(&known) = self.values.get(&expression) {
            return known;
        }
        let uniform = self.evaluate(expression);
        // What a variable holds may be another value at the next place.
        if !matches!(self.function.expressions[expression], Expression::LocalVariable(_)) {
            self.values.insert(expression, uniform);
        }
        uniform
    }

    fn evaluate(&mut self, expression: Handle<Expression>) -> bool {
        use Expression as E;
        let function = self.function;
        let mut all = |parts: &[Handle<Expression>]| parts.iter().all(|&part| self.uniform(part));
        match function.expressions[expression] {
            E::Literal(_) | E::Constant(_) | E::Override(_) | E::ZeroValue(_) => true,
            E::Compose { ref components, .. } => all(components),
            E::Access { base, index } => all(&[base, index]),
            E::AccessIndex { base: value, .. }
            | E::Splat { value, .. }
            | E::Swizzle { vector: value, .. }
            | E::Load { pointer: value }
            | E::Unary { expr: value, .. }
            | E::Relational { argument: value, .. }
            | E::As { expr: value, .. } => all(&[value]),
            E::Binary { left, right, .. } => all(&[left, right]),
            E::Select { condition, accept, reject } => all(&[condition, accept, reject]),
            E::Math { arg, arg1, arg2, arg3, .. } => {
                let parts = [Some(arg), arg1, arg2, arg3];
                all(&parts.into_iter().flatten().collect::<Vec<_>>())
            }
            E::FunctionArgument(number) => self.arguments[number as usize],
            E::GlobalVariable(variable) => match self.module.global_variables[variable].space {
                AddressSpace::Uniform => true,
                AddressSpace::Storage { access } => !access.contains(StorageAccess::STORE),
                // Each invocation has its own, or any may have written it.
                _ => false,
            },
            E::LocalVariable(variable) => {
                self.variables.as_ref().is_none_or(|variables| variables.get(&variable) == Some(&true))
            }
            E::ArrayLength(_) => true,
            // Results of statements have their values by now, where these are uniform; of all else nothing is known.
            _ => false,
        }
    }

    /// A block that is entered with this control flow: that behind it, and where else it leads.
    fn block(&mut self, block: &Block, mut flow: bool) -> (bool, Leaves) {
        let mut leaves = Leaves::default();
        for statement in block {
            let (next, by) = self.statement(statement, flow);
            (flow, leaves) = (next, leaves.or(by));
        }
        (flow, leaves)
    }

    fn statement(&mut self, statement: &Statement, flow: bool) -> (bool, Leaves) {
        let none = Leaves::default();
        match statement {
            Statement::Emit(range) => {
                for expression in range.clone() {
                    self.values.remove(&expression);
                    let uniform = self.uniform(expression) && flow;
                    self.values.insert(expression, uniform);
                }
            }
            Statement::Block(block) => return self.block(block, flow),
            Statement::If { condition, accept, reject } => {
                let inside = self.uniform(*condition) && flow;
                return self.branches(&[accept, reject], inside, flow);
            }
            Statement::Switch { selector, cases } => {
                let inside = self.uniform(*selector) && flow;
                let outer = self.broken.take();
                let bodies: Vec<&Block> = cases.iter().map(|case| &case.body).collect();
                let (next, leaves) = self.branches(&bodies, inside, flow);
                self.variables = meet(&self.variables, &self.broken);
                self.broken = outer;
                let left = Leaves { breaks: false, ..leaves };
                return (if left.any() { next } else { flow }, left);
            }
            Statement::Loop { body, continuing, break_if } => {
                return self.repeat(body, continuing, *break_if, flow);
            }
            Statement::Break => {
                self.broken = meet(&self.broken, &self.variables.take());
                return (flow, Leaves { breaks: true, ..none });
            }
            Statement::Continue => {
                self.continued = meet(&self.continued, &self.variables.take());
                return (flow, Leaves { continues: true, ..none });
            }
            Statement::Return { value } => {
                let uniform = value.is_none_or(|value| self.uniform(value));
                self.returned &= uniform && flow;
                self.variables = None;
                return (flow, Leaves { returns: true, ..none });
            }
            Statement::Store { pointer, value } => {
                let uniform = self.uniform(*value) && flow;
                let whole = matches!(self.function.expressions[*pointer], Expression::LocalVariable(_));
                // Where a part is stored, the others stay.
                let kept = whole || self.uniform(*pointer);
                if let (Some(variable), Some(variables)) = (self.root(*pointer), &mut self.variables) {
                    variables.insert(variable, uniform && kept);
                }
            }
            Statement::ControlBarrier(_) => self.fail("a barrier", flow),
            Statement::WorkGroupUniformLoad { result, .. } => {
                self.fail("workgroupUniformLoad", flow);
                self.values.insert(*result, flow);
            }
            Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. } => self.fail("a shuffle", flow),
            Statement::Call { function, arguments, result } => {
                let given: Vec<bool> = arguments.iter().map(|&argument| self.uniform(argument)).collect();
                let mut walk = Walk::new(self.module, &self.module.functions[*function], given);
                walk.block(&walk.function.body, flow);
                if let Some(fault) = walk.fault {
                    self.fault.get_or_insert(fault);
                }
                for pointer in arguments {
                    if let (Some(variable), Some(variables)) = (self.root(*pointer), &mut self.variables) {
                        variables.insert(variable, false);
                    }
                }
                if let Some(result) = result {
                    self.values.insert(*result, walk.returned && flow);
                }
            }
            // These give nothing that is uniform, and need no control flow that is.
            _ => {}
        }
        (flow, none)
    }

    /// Ways of which each invocation takes one.
    fn branches(&mut self, ways: &[&Block], inside: bool, flow: bool) -> (bool, Leaves) {
        let before = self.variables.take();
        let (mut next, mut leaves, mut met) = (true, Leaves::default(), None);
        for way in ways {
            self.variables = before.clone();
            let (after, by) = self.block(way, inside);
            (next, leaves) = (next && after, leaves.or(by));
            // A variable that differs by the way taken is not uniform where the ways are not.
            met = meet(&met, &self.variables);
        }
        if !inside && let (Some(met), Some(before)) = (&mut met, &before) {
            let stored =
                |variable: &Handle<LocalVariable>| ways.iter().any(|way| self.stores(way, *variable));
            met.iter_mut().filter(|(variable, _)| stored(variable)).for_each(|(_, uniform)| *uniform = false);
            debug_assert_eq!(met.len(), before.len());
        }
        self.variables = met;
        (if leaves.any() { next } else { flow }, leaves)
    }

    /// Whether a block stores to a variable.
    fn stores(&self, block: &Block, variable: Handle<LocalVariable>) -> bool {
        block.iter().any(|statement| match statement {
            Statement::Store { pointer, .. } => self.root(*pointer) == Some(variable),
            Statement::Call { arguments, .. } => arguments.iter().any(|&a| self.root(a) == Some(variable)),
            Statement::Block(block) => self.stores(block, variable),
            Statement::If { accept, reject, .. } => {
                self.stores(accept, variable) || self.stores(reject, variable)
            }
            Statement::Switch { cases, .. } => cases.iter().any(|case| self.stores(&case.body, variable)),
            Statement::Loop { body, continuing, .. } => {
                self.stores(body, variable) || self.stores(continuing, variable)
            }
            _ => false,
        })
    }

    /// A loop, walked until nothing more is found to differ.
    fn repeat(
        &mut self,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
        flow: bool,
    ) -> (bool, Leaves) {
        let (outer, outer_continued) = (self.broken.take(), self.continued.take());
        let (mut entry, mut begins) = (self.variables.take(), flow);
        loop {
            (self.broken, self.continued, self.variables) = (None, None, entry.clone());
            let (ends, leaves) = self.block(body, begins);
            self.variables = meet(&self.variables, &self.continued);
            let (mut ends, _) = self.block(continuing, ends);
            if let Some(condition) = break_if {
                ends &= self.uniform(condition);
                self.broken = meet(&self.broken, &self.variables);
            }
            let (met, next) = (meet(&entry, &self.variables), flow && ends);
            if met == entry && next == begins {
                self.variables = self.broken.take();
                (self.broken, self.continued) = (outer, outer_continued);
                let left = Leaves { returns: leaves.returns, ..Leaves::default() };
                return (if left.returns { flow && ends } else { flow }, left);
            }
            (entry, begins) = (met, next && begins);
        }
    }
}

/// What needs uniform control flow in a module's entry points and may not have it; `None` where all is well.
pub fn divergent(module: &Module) -> Option<String> {
    module.entry_points.iter().find_map(|entry| {
        let uniform = |binding: &Option<Binding>| {
            matches!(binding, Some(Binding::BuiltIn(BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups)))
        };
        let arguments = entry.function.arguments.iter().map(|argument| uniform(&argument.binding)).collect();
        let mut walk = Walk::new(module, &entry.function, arguments);
        walk.block(&entry.function.body, true);
        walk.fault
    })
}
