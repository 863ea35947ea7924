//! The table of cases, one file a stem: the only position where test shapes are listed. Parity, gradient checks,
//! shader checks and benchmarks all run from it.

mod adaptive_max_pool2d;
mod argmax;
mod avg_pool2d;
mod axis_map;
mod broadcast_to;
mod cast;
mod conv2d;
mod copy;
mod cross_entropy;
mod ctc_loss;
mod dropout;
pub(super) mod elementwise;
mod embedding;
mod equal;
mod fractional_max_pool2d;
mod gather;
mod grid_sample;
mod losses;
mod matmul;
mod max_pool2d;
mod norm;
mod optimizer;
mod products;
mod recurrent;
mod reduce;
mod reshape;
mod select;
mod softmax;
mod sum;

use super::case::Case;
use super::data::Fill;
use super::line::{Fields, Line};
use crate::error::{Error, Result};
use crate::functions::Function;
use crate::random::Rng;
use std::str::FromStr;

/// What a file of this folder gives: its ops, its cases, and how one is built or drawn.
struct Family {
    stem: &'static str,
    ops: fn() -> Vec<&'static str>,
    lines: fn() -> Vec<String>,
    /// Adds the op of a line to an empty case.
    build: fn(&str, &mut Case, &Fields<'_>) -> Result<()>,
    /// A random line of an op; it need not be one that builds.
    random: fn(&str, &mut Rng) -> String,
}

macro_rules! family {
    ($stem:ident) => {
        family!($stem, || $stem::OPS.to_vec())
    };
    ($stem:ident, $ops:expr) => {
        Family {
            stem: stringify!($stem),
            ops: $ops,
            lines: $stem::lines,
            build: $stem::build,
            random: $stem::random,
        }
    };
}

const FAMILIES: [Family; 29] = [
    family!(adaptive_max_pool2d),
    family!(argmax),
    family!(avg_pool2d),
    family!(axis_map),
    family!(broadcast_to),
    family!(cast),
    family!(conv2d),
    family!(copy),
    family!(cross_entropy),
    family!(ctc_loss),
    family!(dropout),
    family!(elementwise, elementwise::ops),
    family!(embedding),
    family!(equal),
    family!(fractional_max_pool2d),
    family!(gather),
    family!(grid_sample),
    family!(losses),
    family!(matmul),
    family!(max_pool2d),
    family!(norm),
    family!(optimizer),
    family!(products),
    family!(recurrent),
    family!(reduce),
    family!(reshape),
    family!(select),
    family!(softmax),
    family!(sum),
];

/// The ops that have cases, by their names in a line.
pub fn ops() -> Vec<&'static str> {
    FAMILIES.iter().flat_map(|f| (f.ops)()).collect()
}

/// The stems of the files with cases.
pub fn stems() -> Vec<&'static str> {
    FAMILIES.iter().map(|f| f.stem).collect()
}

/// The family of an op.
fn family(op: &str) -> Result<&'static Family> {
    let found = FAMILIES.iter().find(|f| (f.ops)().contains(&op));
    // Functions from outside the crate have cases as ours have.
    let built = || FAMILIES.iter().find(|f| f.stem == "elementwise" && Function::named(op).is_some());
    found.or_else(built).ok_or_else(|| Error::argument("op", format!("one of {}", ops().join(", ")), op))
}

/// The cases of an op or of a stem, in the table's order; of all ops where none is named.
///
/// # Errors
/// When there is no such op.
pub fn table(op: Option<&str>) -> Result<Vec<Line>> {
    let chosen: Vec<&Family> = match op {
        None => FAMILIES.iter().collect(),
        Some(op) => match FAMILIES.iter().find(|f| f.stem == op) {
            Some(stem) => vec![stem],
            None => vec![family(op)?],
        },
    };
    let lines = chosen.iter().flat_map(|f| (f.lines)().into_iter().map(|text| (f.stem, text)));
    let has = |f: &Family, text: &str| (f.ops)().contains(&text.split(' ').next().unwrap_or_default());
    let halves = super::halves::lines().into_iter().filter_map(|text| {
        let found = chosen.iter().find(|f| has(f, &text))?;
        Some((found.stem, text))
    });
    let lines = lines.chain(halves);
    let wanted = |line: &Line, stem: &str| op.is_none_or(|op| op == stem || line.op == op);
    let parsed = lines.map(|(stem, text)| Ok((stem, Line::from_str(&text)?)));
    let parsed = parsed.collect::<Result<Vec<_>>>()?;
    Ok(parsed.into_iter().filter(|(stem, line)| wanted(line, stem)).map(|(_, line)| line).collect())
}

/// A random case of an op; `None` where the draw lies outside the op's domain.
///
/// # Errors
/// When there is no such op.
pub fn random(op: &str, rng: &mut Rng) -> Result<Option<Line>> {
    let line = Line::from_str(&(family(op)?.random)(op, rng))?;
    Ok(Case::build(&line).is_ok().then_some(line))
}

/// The convolutions that must be refused, with their tags.
pub fn refused_convolutions() -> Vec<(String, Line)> {
    conv2d::refused()
}

impl Case {
    /// Builds the case of a line.
    ///
    /// # Errors
    /// When the op is unknown, a field is missing, unknown or misspelt, or the op refuses its inputs.
    pub fn build(line: &Line) -> Result<Self> {
        let family = family(&line.op)?;
        let fields = Fields::new(line);
        let mut case = Case::empty(line, &fields)?;
        (family.build)(&line.op, &mut case, &fields)?;
        fields.finish()?;
        Ok(case)
    }
}

impl FromStr for Case {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::build(&text.parse()?)
    }
}

/// A size of 1 to `most`, small ones more often.
fn size(rng: &mut Rng, most: usize) -> usize {
    let below = 1 + rng.below(most);
    1 + rng.below(below)
}

/// A shape of a rank of 1 to `rank` and at most about `elements`.
fn shape(rng: &mut Rng, rank: usize, elements: usize) -> Vec<usize> {
    let rank = 1 + rng.below(rank);
    let side = (elements as f64).powf(1.0 / rank as f64) as usize;
    (0..rank).map(|_| size(rng, side.max(2))).collect()
}

/// One of some texts.
fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.below(of.len())]
}

/// A seed below 1000, so that lines stay short.
fn seed(rng: &mut Rng) -> usize {
    rng.below(1000)
}
