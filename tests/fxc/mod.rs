//! What FXC, Microsoft's compiler for shader model 5.1 and wgpu's choice on Windows, compiles into something else.
//!
//! A bit field that it finds in `x / 4u % 8u` is one instruction, of an offset of 2 and a width of 3 bits. Divided by 2 its
//! offset becomes 3, but its width stays: `x / 4u % 8u / 2u` is 7 for x = 56, where 3 is right. The same holds of `x >> 2u & 7u` and
//! of `x % 64u / 8u`, and where that is shifted instead of divided. Shifted as an i32 it is right.
//! `tests/drivers/divided_bit_field.wgsl` shows it.

use naga::valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator};
use naga::{
    BinaryOperator, Expression, Function, Handle, Literal, LocalVariable, MathFunction, Module, ScalarKind,
    Statement,
};

/// Expressions in a row that are looked through: more than any kernel has.
const DEEPEST: usize = 40;

/// Calls within calls that are followed.
const CALLS: usize = 4;

/// What one step makes of a number's bits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bits {
    Shifted,
    Lowest,
}

/// A function, and where its arguments come from.
struct Within<'a> {
    module: &'a Module,
    function: &'a Function,
    info: &'a FunctionInfo,
    /// The call under way, if it is one.
    call: Option<(&'a Within<'a>, &'a [Handle<Expression>])>,
}

impl Within<'_> {
    fn integer(&self, at: Handle<Expression>) -> Option<i64> {
        match self.function.expressions[at] {
            Expression::Literal(Literal::U32(x)) => Some(i64::from(x)),
            Expression::Literal(Literal::I32(x)) => Some(i64::from(x)),
            Expression::Constant(constant) => {
                match self.module.global_expressions[self.module.constants[constant].init] {
                    Expression::Literal(Literal::U32(x)) => Some(i64::from(x)),
                    Expression::Literal(Literal::I32(x)) => Some(i64::from(x)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn is_power(&self, at: Handle<Expression>) -> bool {
        self.integer(at).is_some_and(|x| x > 1 && x & (x - 1) == 0)
    }

    /// What a variable holds that is given a value once; others are no bit fields to FXC.
    fn only_value(&self, variable: Handle<LocalVariable>) -> Option<Handle<Expression>> {
        let mut values = Vec::new();
        walk(&self.function.body, &mut |statement| {
            if let Statement::Store { pointer, value } = statement
                && matches!(self.function.expressions[*pointer], Expression::LocalVariable(v) if v == variable)
            {
                values.push(*value);
            }
        });
        values.extend(self.function.local_variables[variable].init);
        (values.len() == 1).then(|| values[0])
    }

    /// Whether an expression is a shift to lower bits, or the lowest bits alone, of what.
    fn bits(&self, at: Handle<Expression>) -> Option<(Bits, Handle<Expression>)> {
        let Expression::Binary { op, left, right } = self.function.expressions[at] else { return None };
        let kind = match op {
            BinaryOperator::Divide if self.is_power(right) => Bits::Shifted,
            BinaryOperator::ShiftRight => Bits::Shifted,
            BinaryOperator::Modulo if self.is_power(right) => Bits::Lowest,
            BinaryOperator::And if self.integer(right).is_some_and(|x| x > 0 && x & (x + 1) == 0) => {
                Bits::Lowest
            }
            _ => return None,
        };
        Some((kind, left))
    }

    /// Whether there is such a step below this one.
    fn has(&self, kind: Bits, at: Handle<Expression>, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        match self.function.expressions[at] {
            Expression::As { expr, .. } => self.has(kind, expr, depth),
            _ => self.bits(at).is_some_and(|(own, left)| own == kind || self.has(kind, left, depth)),
        }
    }

    /// Whether it may be a bit field that does not begin at bit 0, after something is added to it: what is added.
    fn field(&self, at: Handle<Expression>, depth: usize) -> Vec<i64> {
        let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
        if let Some((kind, left)) = self.bits(at) {
            let other = if kind == Bits::Shifted { Bits::Lowest } else { Bits::Shifted };
            return if self.has(other, left, depth) { vec![0] } else { self.field(left, depth) };
        }
        match self.function.expressions[at] {
            Expression::Binary { op, left, right } => {
                let sign = match op {
                    BinaryOperator::Add => 1,
                    BinaryOperator::Subtract => -1,
                    _ => return Vec::new(),
                };
                let Some(x) = self.integer(right) else { return Vec::new() };
                self.field(left, depth).into_iter().map(|added| added + sign * x).collect()
            }
            Expression::As { expr, .. } => self.field(expr, depth),
            Expression::Math { fun: MathFunction::Max | MathFunction::Min, arg, arg1, .. } => {
                let all = [Some(arg), arg1].into_iter().flatten();
                all.flat_map(|at| self.field(at, depth)).collect()
            }
            Expression::Load { pointer } => match self.function.expressions[pointer] {
                Expression::LocalVariable(variable) => {
                    self.only_value(variable).map_or_else(Vec::new, |at| self.field(at, depth))
                }
                _ => Vec::new(),
            },
            Expression::FunctionArgument(number) => match self.call {
                Some((caller, arguments)) => {
                    arguments.get(number as usize).map_or_else(Vec::new, |&at| caller.field(at, depth))
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn is_signed(&self, at: Handle<Expression>) -> bool {
        self.info[at].ty.inner_with(&self.module.types).scalar_kind() == Some(ScalarKind::Sint)
    }

    /// The divisions of bit fields, in this function and those that it calls.
    fn divisions(&self, info: &ModuleInfo, depth: usize) -> usize {
        let own = self.function.expressions.iter().filter(|(_, expression)| match **expression {
            Expression::Binary { op: BinaryOperator::Divide, left, right } => {
                self.is_power(right) && self.field(left, DEEPEST).contains(&0)
            }
            Expression::Binary { op: BinaryOperator::ShiftRight, left, .. } => {
                !self.is_signed(left) && self.field(left, DEEPEST).contains(&0)
            }
            _ => false,
        });
        let mut count = own.count();
        if depth == 0 {
            return count;
        }
        walk(&self.function.body, &mut |statement| {
            if let Statement::Call { function, arguments, .. } = statement {
                let call = Some((self, &arguments[..]));
                let callee = &self.module.functions[*function];
                let within = Within { module: self.module, function: callee, info: &info[*function], call };
                count += within.divisions(info, depth - 1);
            }
        });
        count
    }
}

/// Every statement of a block, those within others too.
fn walk<'a>(block: &'a naga::Block, see: &mut impl FnMut(&'a Statement)) {
    for statement in block {
        see(statement);
        match statement {
            Statement::Block(block) => walk(block, see),
            Statement::If { accept, reject, .. } => {
                walk(accept, see);
                walk(reject, see);
            }
            Statement::Loop { body, continuing, .. } => {
                walk(body, see);
                walk(continuing, see);
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| walk(&case.body, see)),
            _ => {}
        }
    }
}

/// The divisions that FXC would compile into something else.
pub fn divided_bit_fields(module: &Module, info: &ModuleInfo) -> usize {
    let entries = module.entry_points.iter().enumerate().map(|(number, entry)| {
        let own = info.get_entry_point(number);
        Within { module, function: &entry.function, info: own, call: None }.divisions(info, CALLS)
    });
    entries.sum()
}

#[test]
fn divisions_of_bit_fields_are_found() {
    let found = |expression: &str| {
        let wgsl = format!(
            "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
             fn half(y: i32) -> i32 {{ return max(y - 2, 0) / 2; }}
             @compute @workgroup_size(64)
             fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
                 let at = id.x;
                 let y = i32(at / 4u % 8u) + 2;
                 o[at] = {expression};
             }}"
        );
        let module = naga::front::wgsl::parse_str(&wgsl).expect("WGSL");
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
        divided_bit_fields(&module, &info.expect("a valid module"))
    };
    let wrong = [
        "at / 4u % 8u / 2u",
        "(at >> 2u & 7u) / 2u",
        "at % 64u / 8u / 2u",
        "(at % 64u / 8u) >> 1u",
        "at / 8u % 8u % 4u / 2u",
        "u32(max(i32(at / 4u % 8u), 0) / 2)",
        "u32((y - 2) / 2)",
        "u32(half(y))",
    ];
    for expression in wrong {
        assert_eq!(found(expression), 1, "{expression}");
    }
    let right = [
        "at / 4u % 8u",
        "at % 8u / 2u",
        "at % 64u / 8u",
        "(at / 4u % 8u + 1u) / 2u",
        "at / 3u % 8u / 2u",
        "at / 4u % 6u / 2u",
        "at / 4u % 8u / 3u",
        "u32(i32(at / 4u % 8u) >> 1u)",
        "u32(y / 2)",
    ];
    for expression in right {
        assert_eq!(found(expression), 0, "{expression}");
    }
}
