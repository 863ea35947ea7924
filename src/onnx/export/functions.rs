//! Element-wise functions: as which operators each is written.

use super::context::{Exporter, refused};
use super::expression::{Scope, write};
use super::forms::Operand;
use super::writer::Name;
use crate::DType;
use crate::error::Result;
use crate::functions::{Elementwise, Parameter, Part};
use crate::graph::Node;
use std::collections::HashMap;

/// A function's name, since which opset it is written so, and how: see [`super::expression`]. Of a function's rows the last
/// counts that the opset has.
pub(super) const ROWS: &[(&str, i64, &str)] = &[
    ("relu", 13, "Relu(x)"),
    ("leaky_relu", 13, "LeakyRelu(x, alpha: negative_slope)"),
    ("rrelu", 13, "LeakyRelu(x, alpha: slope)"),
    ("elu", 13, "Elu(x, alpha: alpha)"),
    ("selu", 13, "Selu(x)"),
    ("celu", 13, "Celu(x, alpha: alpha)"),
    ("celu in f16", 13, "Mul(alpha, Elu(Div(x, alpha)))"),
    ("gelu", 13, "Mul(Mul(0.5, x), Add(1, Erf(Div(x, 1.4142135))))"),
    ("gelu", 20, "Gelu(x)"),
    (
        "gelu_tanh",
        13,
        "z = Mul(0.7978846, Add(x, Mul(0.044715, Mul(x, Mul(x, x))))); Mul(Mul(0.5, x), Add(1, Tanh(z)))",
    ),
    ("gelu_tanh", 20, "Gelu(x, approximate: 'tanh')"),
    ("sigmoid", 13, "Sigmoid(x)"),
    ("log_sigmoid", 13, "Neg(Softplus(Neg(x)))"),
    ("silu", 13, "Mul(x, Sigmoid(x))"),
    ("mish", 13, "Mul(x, Tanh(Softplus(x)))"),
    ("mish", 18, "Mish(x)"),
    ("softplus", 13, "z = Mul(beta, x); Where(Greater(z, threshold), x, Div(Softplus(z), beta))"),
    ("softplus of 1", 13, "Softplus(x)"),
    ("softsign", 13, "Softsign(x)"),
    ("tanh", 13, "Tanh(x)"),
    ("tanhshrink", 13, "Sub(x, Tanh(x))"),
    ("relu6", 13, "Clip(x, 0, 6)"),
    ("hardtanh", 13, "Clip(x, min_val, max_val)"),
    ("clamp", 13, "Clip(x, min, max)"),
    ("clamp_min", 13, "Clip(x, min)"),
    ("clamp_max", 13, "Clip(x, _, max)"),
    ("hardsigmoid", 13, "HardSigmoid(x, alpha: 0.16666667, beta: 0.5)"),
    ("hardswish", 13, "Mul(x, HardSigmoid(x, alpha: 0.16666667, beta: 0.5))"),
    ("hardswish", 14, "HardSwish(x)"),
    ("hardshrink", 13, "Shrink(x, lambd: lambd, bias: 0.0)"),
    ("softshrink", 13, "Shrink(x, lambd: lambd, bias: lambd)"),
    ("threshold", 13, "Where(LessOrEqual(x, threshold), value, x)"),
    ("abs", 13, "Abs(x)"),
    ("sign", 13, "Sign(x)"),
    ("floor", 13, "Floor(x)"),
    ("ceil", 13, "Ceil(x)"),
    ("round", 13, "Round(x)"),
    ("trunc", 13, "Where(Less(x, 0), Ceil(x), Floor(x))"),
    ("logical_not", 13, "Float(Equal(x, 0))"),
    ("isnan", 13, "Float(IsNaN(x))"),
    ("scale", 13, "Mul(x, factor)"),
    ("add_scalar", 13, "Add(x, number)"),
    ("neg", 13, "Neg(x)"),
    ("square", 13, "Mul(x, x)"),
    ("sqrt", 13, "Sqrt(x)"),
    ("rsqrt", 13, "Reciprocal(Sqrt(x))"),
    ("reciprocal", 13, "Reciprocal(x)"),
    ("exp", 13, "Exp(x)"),
    // Without a difference that would cancel near 0.
    ("expm1", 13, "Mul(Tanh(Mul(0.5, x)), Add(Exp(x), 1))"),
    ("log", 13, "Log(x)"),
    // What rounding took from the sum is made good.
    ("log1p", 13, "y = Add(1, x); Where(Equal(y, 1), x, Mul(Log(y), Div(x, Sub(y, 1))))"),
    ("sin", 13, "Sin(x)"),
    ("cos", 13, "Cos(x)"),
    ("erf", 13, "Erf(x)"),
    ("pow_scalar", 13, "Pow(x, exponent)"),
    ("add", 13, "Add(a, b)"),
    ("sub", 13, "Sub(a, b)"),
    ("mul", 13, "Mul(a, b)"),
    ("div", 13, "Div(a, b)"),
    (
        "div_floor",
        13,
        "r = Mod(a, b, fmod: 1); apart = And(Not(Equal(r, 0)), Xor(Less(r, 0), Less(b, 0))); \
         Round(Div(Sub(a, Where(apart, Add(r, b), r)), b))",
    ),
    ("div_trunc", 13, "q = Div(a, b); Where(Less(q, 0), Ceil(q), Floor(q))"),
    (
        "remainder",
        13,
        "r = Mod(a, b, fmod: 1); apart = And(Not(Equal(r, 0)), Xor(Less(r, 0), Less(b, 0))); \
         Where(apart, Add(r, b), r)",
    ),
    ("fmod", 13, "Mod(a, b, fmod: 1)"),
    ("pow", 13, "Pow(a, b)"),
    ("maximum", 13, "Max(a, b)"),
    ("minimum", 13, "Min(a, b)"),
    (
        "atan2",
        13,
        "t = Atan(Div(a, b)); turned = Where(Less(b, 0), Add(t, Where(Less(a, 0), -3.1415927, 3.1415927)), t); \
         Where(And(Equal(a, 0), Equal(b, 0)), 0, turned)",
    ),
    ("prelu", 13, "PRelu(a, b)"),
    ("prelu of a stretched tensor", 13, "Where(Greater(a, 0), a, Mul(b, a))"),
    ("eq", 13, "Float(Equal(a, b))"),
    ("ne", 13, "Float(Not(Equal(a, b)))"),
    ("lt", 13, "Float(Less(a, b))"),
    ("le", 13, "Float(LessOrEqual(a, b))"),
    ("gt", 13, "Float(Greater(a, b))"),
    ("ge", 13, "Float(GreaterOrEqual(a, b))"),
    ("logical_and", 13, "Float(And(Bool(a), Bool(b)))"),
    ("logical_or", 13, "Float(Or(Bool(a), Bool(b)))"),
    ("logical_xor", 13, "Float(Xor(Bool(a), Bool(b)))"),
    ("squared_error", 13, "d = Sub(a, b); Mul(d, d)"),
    ("absolute_error", 13, "Abs(Sub(a, b))"),
    (
        "smooth_l1",
        13,
        "d = Abs(Sub(a, b)); Where(Less(d, beta), Mul(Mul(0.5, d), Div(d, beta)), Sub(d, Mul(0.5, beta)))",
    ),
    (
        "huber",
        13,
        "d = Abs(Sub(a, b)); \
         Where(LessOrEqual(d, delta), Mul(0.5, Mul(d, d)), Mul(delta, Sub(d, Mul(0.5, delta))))",
    ),
    ("bce", 13, "Sub(Mul(Sub(b, 1), Max(Log(Sub(1, a)), -100)), Mul(b, Max(Log(a), -100)))"),
    ("bce_with_logits", 13, "Add(Sub(Relu(a), Mul(a, b)), Softplus(Neg(Abs(a))))"),
    ("xlogy", 13, "Where(Equal(a, 0), 0, Mul(a, Log(b)))"),
    (
        "lerp",
        13,
        "way = Sub(b, a); Where(Less(Abs(c), 0.5), Add(a, Mul(c, way)), Sub(b, Mul(way, Sub(1, c))))",
    ),
    ("clamp_tensor", 13, "Min(Max(a, b), c)"),
    ("addcmul", 13, "Add(a, Mul(Mul(value, b), c))"),
    ("gaussian_nll", 13, "v = Max(c, eps); d = Sub(a, b); Mul(0.5, Add(Log(v), Div(Mul(d, d), v)))"),
    ("where", 13, "Where(Bool(a), b, c)"),
];

/// How a function is written at an opset.
pub(super) fn text(name: &str, opset: i64) -> Option<&'static str> {
    let rows = ROWS.iter().filter(|(of, since, _)| *of == name && *since <= opset);
    rows.max_by_key(|(_, since, _)| *since).map(|(.., text)| *text)
}

impl Exporter<'_> {
    /// An element-wise function.
    pub(super) fn function(
        &mut self,
        node: &Node,
        function: &Elementwise,
        operands: &[Operand],
    ) -> Result<Name> {
        if function.part() != Part::Value {
            return Err(refused(node, "a function", "a gradient: export the forward pass"));
        }
        let dtype = self.dtype(node.outputs[0]);
        let Some(text) = text(self.row(node, function, dtype), self.to.opset) else {
            let got = "one of your own, which ONNX does not know";
            return Err(refused(node, "a function of this crate", got));
        };
        let names: &[&str] = if operands.len() == 1 { &["x"] } else { &["a", "b", "c"] };
        let mut scope = Scope { dtype, operands: HashMap::new(), parameters: HashMap::new() };
        for (&name, &operand) in names.iter().zip(operands) {
            scope.operands.insert(name, self.operand(operand, dtype)?);
        }
        let known = function.function().parameters().iter().map(Parameter::name);
        scope.parameters.extend(known.zip(function.parameters().iter().copied()));
        if let ("rrelu", [lower, upper]) = (function.name(), function.parameters()) {
            scope.parameters.insert("slope", 0.5 * (lower + upper));
        }
        write(text, &scope, &mut self.to).ok_or_else(|| refused(node, "operators", text))
    }

    /// The name of a function's row, which may be one for some parameters or shapes alone.
    fn row(&self, node: &Node, function: &Elementwise, dtype: DType) -> &'static str {
        let stretched = self.shape(node.inputs[0]) != self.shape(node.outputs[0]);
        match (function.name(), function.parameters()) {
            ("softplus", [1.0, 20.0]) => "softplus of 1",
            ("prelu", _) if stretched => "prelu of a stretched tensor",
            ("celu", _) if dtype == DType::F16 => "celu in f16",
            (name, _) => name,
        }
    }
}
