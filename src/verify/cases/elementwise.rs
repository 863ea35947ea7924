//! Element-wise functions: every row of [`crate::functions`] has its cases from here.

use super::super::data::{DENORMALS, Values};
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::{Error, Result};
use crate::functions::{Domain, Elementwise, Function, Part};
use crate::random::Rng;
use crate::verify::{Fill, Kink};

/// The functions but `where`, whose condition is no number to differentiate by: its cases are in `select.rs`.
fn with_cases() -> impl Iterator<Item = Function> {
    Function::all().into_iter().filter(|f| f.name() != "where")
}

pub(super) fn ops() -> Vec<&'static str> {
    with_cases().map(|f| f.name()).collect()
}

/// Whole and ragged vec4s, one workgroup and several.
const SHAPES: [&str; 5] = ["1", "7", "4x64", "3x5x7x9", "2x8x33x31"];

/// Equal shapes, scalars, broadcast and missing dimensions on either side.
const PAIRS: [(&str, &str); 10] = [
    ("5", "5"),
    ("4x64", "4x64"),
    ("3x7", "7"),
    ("7", "3x7"),
    ("2x3x4x5", "3x1x1"),
    ("2x1x4x1", "1x3x1x5"),
    ("6", "scalar"),
    ("scalar", "scalar"),
    ("33x31", "33x1"),
    ("3x1x8", "3x5x1"),
];

/// The same of three operands.
const TRIPLES: [(&str, &str, &str); 6] = [
    ("5", "5", "5"),
    ("4x64", "64", "4x1"),
    ("7", "3x7", "scalar"),
    ("2x1x4x1", "1x3x1x5", "3x4x1"),
    ("scalar", "scalar", "scalar"),
    ("33x31", "33x31", "33x31"),
];

/// The names of operands in a line.
const OPERANDS: [&str; 3] = ["a", "b", "c"];

/// The fields of operands of these shapes.
fn operands(shapes: &[&str]) -> String {
    if let [only] = shapes {
        return format!("input={only}");
    }
    let fields: Vec<String> =
        OPERANDS.iter().zip(shapes).map(|(name, shape)| format!("{name}={shape}")).collect();
    fields.join(" ")
}

/// A function with its parameters, as a line begins.
fn words(f: &Elementwise) -> String {
    let pairs = f.function().parameters().iter().zip(f.parameters());
    let fields: Vec<String> = pairs.map(|(p, value)| format!(" {}={value}", p.name())).collect();
    format!("{}{}", f.name(), fields.concat())
}

/// The functions that cases have, with each of their parameters.
fn tried() -> Vec<Elementwise> {
    let of = |f: Function| f.cases().into_iter().filter_map(move |case| f.with(&case).ok());
    with_cases().flat_map(of).collect()
}

/// Whether numbers near 0 may be taken for 0: the result differs no more than they do.
fn is_continuous_at_zero(f: &Elementwise) -> bool {
    let flush = |v: f64| if v.abs() < f64::from(f32::MIN_POSITIVE) { 0.0 } else { v };
    let count = f.operands();
    let drawn = |number: usize, i: usize| {
        f64::from(DENORMALS[number / DENORMALS.len().pow(i as u32) % DENORMALS.len()])
    };
    (0..DENORMALS.len().pow(count as u32)).all(|number| {
        let mut exact: Vec<f64> = (0..count).map(|i| drawn(number, i)).collect();
        if f.part() != Part::Value {
            exact[0] = 1.0;
        }
        let flushed: Vec<f64> = exact.iter().map(|&v| flush(v)).collect();
        (f.evaluate(&exact) - f.evaluate(&flushed)).abs() < 1e-30
    })
}

/// Whether its gradients are, those that have kernels.
fn has_smooth_gradients(f: &Elementwise) -> bool {
    f.function().parts().into_iter().all(|part| is_continuous_at_zero(&f.with_part(part)))
}

fn is_total(f: &Elementwise) -> bool {
    f.function().domains().iter().all(|domain| matches!(domain, Domain::All | Domain::Truth))
}

pub(super) fn lines() -> Vec<String> {
    tried().iter().flat_map(lines_of).collect()
}

/// The cases of a function with these parameters.
pub(in crate::verify) fn lines_of(f: &Elementwise) -> Vec<String> {
    let mut lines = Vec::new();
    let name = words(f);
    let shapes: Vec<String> = match f.operands() {
        1 => SHAPES.iter().map(|shape| operands(&[shape])).collect(),
        2 => PAIRS.iter().map(|&(a, b)| operands(&[a, b])).collect(),
        _ => TRIPLES.iter().map(|&(a, b, c)| operands(&[a, b, c])).collect(),
    };
    let range = if f.operands() == 1 { 6 } else { 2 };
    for shapes in shapes {
        lines.extend((f.is_exact() && is_total(f)).then(|| format!("{name} {shapes} data=integers:3")));
        lines.push(format!("{name} {shapes} data=real:{range}"));
    }
    let each: &[&[&str]] = match f.operands() {
        1 => &[&["14"]],
        2 => &[&["14", "14"], &["14x1", "1x14"]],
        _ => &[&["14", "14", "14"], &["14x1x1", "14x1", "14"]],
    };
    lines.extend(
        (f.operands() == 1 && is_total(f)).then(|| format!("{name} {} data=special", operands(each[0]))),
    );
    lines.extend(each.iter().map(|shapes| format!("{name} {} data=edges", operands(shapes))));
    let denormals = || format!("{name} {} data=denormals", operands(each[each.len() - 1]));
    lines.extend((is_total(f) && is_continuous_at_zero(f)).then(denormals));
    lines
}

/// The numbers of an operand of a domain.
fn values(domain: Domain, fill: Fill) -> Values {
    match (domain, fill) {
        (_, Fill::Edges | Fill::Denormals | Fill::Special) | (Domain::All, _) => Values::Fill(fill),
        (Domain::Above(least), _) => Values::Beyond(least, fill),
        (Domain::NonZero, _) => Values::Divisors,
        (Domain::Truth, Fill::Integers(_)) => Values::Bits,
        (Domain::Truth, _) => Values::Fill(fill),
        (Domain::Unit, _) => Values::Within(0.3, 0.7),
    }
}

/// The function of a line.
fn function(op: &str, fields: &Fields<'_>) -> Result<Elementwise> {
    let function = Function::named(op).ok_or_else(|| Error::argument("op", "a function", op))?;
    let value = |p: &crate::functions::Parameter| {
        let given = fields.optional(p.name(), "a number")?;
        given.or(p.default()).map_or_else(|| fields.number(p.name()), Ok)
    };
    function.with(&function.parameters().iter().map(value).collect::<Result<Vec<f32>>>()?)
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let f = function(op, fields)?;
    case.kink = Kink::Function(f);
    let names = if f.operands() == 1 { &["input"][..] } else { &OPERANDS[..f.operands()] };
    let domains = f.function().domains();
    let mut inputs = Vec::new();
    for (&name, &domain) in names.iter().zip(domains) {
        inputs.push(case.input_of(name, &fields.shape(name)?, values(domain, case.fill()))?);
    }
    let others: Vec<_> = inputs[1..].iter().collect();
    let output = inputs[0].elementwise(f, &others)?;
    if case.fill() == Fill::Denormals && !has_smooth_gradients(&f) {
        // Where a denormal number is taken for 0, the slope is that at 0.
        case.output("output", &output);
        return Ok(());
    }
    case.output_and_gradients(&output)
}

/// Whether inputs of this size leave nearly nothing to compare, where others would.
fn fades(f: &Elementwise, range: f64) -> bool {
    let found = |f: &Elementwise, of: &dyn Fn(f64) -> f64| {
        let drawn = (0..64).map(|i| of(range * (f64::from(i) / 32.0 - 1.0)));
        drawn.filter(|&v| f.evaluate(&vec![v; f.operands()]) != 0.0).count()
    };
    let part = |part: Part| {
        let f = f.with_part(part);
        let here = found(&f, &|v| v);
        here < 16 || here * 3 < found(&f, &|v| v.abs() + 1.0)
    };
    f.operands() == 1 && f.function().parts().into_iter().any(part)
}

/// Whether most operands of this size, of every sign, have a result that is neither 0 nor infinite in f32.
fn keeps(f: &Elementwise, range: f64) -> bool {
    let signs = 1usize << f.operands();
    let operand = |s: usize, i: usize| if s >> i & 1 == 0 { range } else { -range };
    let result = |s: usize| {
        let operands: Vec<f64> = (0..f.operands()).map(|i| operand(s, i)).collect();
        f.evaluate(&operands) as f32
    };
    (0..signs).map(result).filter(|v| *v != 0.0 && !v.is_infinite()).count() * 2 > signs
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let Some(function) = Function::named(op) else { return op.to_owned() };
    let mut draw = |p: &crate::functions::Parameter| {
        let any = pick(rng, &["0.01", "0.25", "0.5", "1", "1.5", "2"]).parse().unwrap_or(1.0);
        if p.allows(any) { any } else { p.default().unwrap_or(1.0) }
    };
    let drawn: Vec<f32> = function.parameters().iter().map(&mut draw).collect();
    let Ok(f) = function.with(&drawn) else { return op.to_owned() };
    if f.operands() == 1 {
        let range = pick(rng, &["0.001", "1", "6", "30", "100"]);
        let input = sizes(&shape(rng, 4, 5000));
        let wide = range.parse().is_ok_and(|range| !fades(&f, range));
        let range = if wide { range } else { "6" };
        let f = if fades(&f, 6.0) { tried().into_iter().find(|t| t.name() == op).unwrap_or(f) } else { f };
        return format!("{} input={input} data=real:{range} seed={}", words(&f), seed(rng));
    }
    // So many, and of integers so few different ones, that chance leaves something to compare.
    let mut full = shape(rng, 4, 3000);
    if full.iter().product::<usize>() < 64 {
        full.push(64);
    }
    let operand = |rng: &mut Rng| {
        let from = if rng.below(3) > 0 { 0 } else { rng.below(full.len() + 1) };
        let mut own = full[from..].to_vec();
        for size in &mut own {
            if rng.below(4) == 0 {
                *size = 1;
            }
        }
        // One number, broadcast over all, may leave the others nothing.
        let few = own.iter().product::<usize>() < 16;
        sizes(if few { &full } else { &own })
    };
    let shapes: Vec<String> = (0..f.operands()).map(|_| operand(rng)).collect();
    let shapes: Vec<&str> = shapes.iter().map(String::as_str).collect();
    let integers = f.is_exact() && is_total(&f);
    let data =
        pick(rng, if integers { &["integers:1", "real:2", "real:1000"] } else { &["real:2", "real:1000"] });
    let data = if data == "real:1000" && !keeps(&f, 1000.0) { "real:2" } else { data };
    format!("{} {} data={data} seed={}", words(&f), operands(&shapes), seed(rng))
}
