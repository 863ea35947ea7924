//! The equations of einsum: what each dimension of its operands and of its result is called.

use crate::error::Mismatch;
use crate::shape::Shape;

/// The name of a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    /// One of those that an ellipsis stands for, counted from the last.
    Dots(usize),
    /// A letter.
    Letter(char),
}

/// An equation with a label for each dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Einsum {
    /// Those of each operand.
    pub(crate) operands: Vec<Vec<Label>>,
    /// Those of the result, each once.
    pub(crate) output: Vec<Label>,
}

/// The letters of a side of the equation, and before which an ellipsis stands.
fn letters(side: &str) -> Result<(Vec<char>, Option<usize>), Mismatch> {
    let bad = |got: &str| {
        Mismatch::new("letters, and at most one ellipsis '...' of an operand", format!("'{got}'"))
    };
    let side = side.trim();
    let (before, after) = match side.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (side, None),
    };
    let of = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<char>>();
    let (mut found, behind) = (of(before), after.map(of));
    let dots = behind.as_ref().map(|_| found.len());
    found.extend(behind.unwrap_or_default());
    match found.iter().all(char::is_ascii_alphabetic) {
        true => Ok((found, dots)),
        false => Err(bad(side)),
    }
}

/// The labels of an operand of some rank.
fn labels(side: &str, rank: usize) -> Result<Vec<Label>, Mismatch> {
    let (letters, dots) = letters(side)?;
    let fits = if dots.is_some() { letters.len() <= rank } else { letters.len() == rank };
    let most = if dots.is_some() { "at most " } else { "" };
    let expected = format!("{most}{rank} letters for an operand of {rank} dimensions");
    Mismatch::check(fits, expected, format!("'{}'", side.trim()))?;
    let mut found: Vec<Label> = letters.iter().map(|&letter| Label::Letter(letter)).collect();
    if let Some(at) = dots {
        found.splice(at..at, (0..rank - letters.len()).rev().map(Label::Dots));
    }
    Ok(found)
}

impl Einsum {
    /// The labels of an equation such as `ij,jk->ik` for operands of these shapes. Without `->` the result has the ellipsis and
    /// the letters that occur once, in the order of the alphabet.
    pub(crate) fn new(equation: &str, shapes: &[Shape]) -> Result<Self, Mismatch> {
        let (inputs, output) = match equation.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (equation, None),
        };
        let sides: Vec<&str> = inputs.split(',').collect();
        let expected = format!("an equation of {} operands", shapes.len());
        Mismatch::check(sides.len() == shapes.len(), expected, format!("'{equation}'"))?;
        let operands = sides.iter().zip(shapes).map(|(side, shape)| labels(side, shape.len()));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let mut all: Vec<Label> = operands.concat();
        all.sort_unstable();
        let dots = all.iter().filter_map(|label| if let Label::Dots(n) = label { Some(n + 1) } else { None });
        let dots = dots.max().unwrap_or(0);
        let output = match output {
            Some(output) => {
                let (letters, at) = letters(output)?;
                let mut found: Vec<Label> = letters.into_iter().map(Label::Letter).collect();
                if let Some(at) = at {
                    found.splice(at..at, (0..dots).rev().map(Label::Dots));
                }
                found
            }
            None => {
                let once = |label: &&Label| {
                    matches!(label, Label::Letter(_))
                        && all.iter().filter(|other| other == label).count() == 1
                };
                (0..dots).rev().map(Label::Dots).chain(all.iter().filter(once).copied()).collect()
            }
        };
        for (at, label) in output.iter().enumerate() {
            let once = all.contains(label) && !output[..at].contains(label);
            let got = if let Label::Letter(letter) = label {
                format!("'{letter}' in '{equation}'")
            } else {
                "...".into()
            };
            Mismatch::check(once, "letters of the operands in the result, each once", got)?;
        }
        Ok(Self { operands, output })
    }
}
