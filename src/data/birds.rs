//! A generated table: measures of three kinds of birds that nobody has seen.

use crate::error::{Error, Result};
use crate::random::Rng;
use std::fmt::Write;

/// A kind: its name, the means of wing, beak and tail in mm, its mass in g for a bird of that size.
const KINDS: [(&str, [f64; 3], f64); 3] = [
    ("hill warbler", [62.0, 11.0, 49.0], 12.0),
    ("marsh warbler", [66.0, 13.0, 52.0], 13.5),
    ("shore pipit", [80.0, 12.5, 60.0], 20.0),
];
/// The deviations of wing, beak and tail.
const SPREAD: [f64; 3] = [2.5, 0.8, 2.5];
/// Where they were caught, and how often each kind is there.
const PLACES: [(&str, [f64; 3]); 3] =
    [("hill", [0.6, 0.1, 0.1]), ("marsh", [0.3, 0.7, 0.2]), ("shore", [0.1, 0.2, 0.7])];

/// A CSV table of `rows` birds, drawn from `seed`: columns `place`, `wing`, `beak`, `tail`, `mass` and `kind`. The kind can be
/// told from the others, and the mass, which grows with wing and tail.
///
/// # Errors
/// When there are no rows.
pub fn birds(rows: usize, seed: u64) -> Result<String> {
    if rows == 0 {
        return Err(Error::argument("birds", "at least 1 row", "0"));
    }
    let mut text = "place,wing,beak,tail,mass,kind\n".to_owned();
    for row in 0..rows {
        let mut rng = Rng::named(seed, &format!("birds {row}"));
        let number = rng.below(KINDS.len());
        let (kind, means, mass) = KINDS[number];
        let [wing, beak, tail] = [0, 1, 2].map(|at| means[at] + SPREAD[at] * rng.normal());
        let mass = mass * (1.0 + 0.02 * (wing - means[0]) + 0.01 * (tail - means[2])) + 0.4 * rng.normal();
        let mut drawn = rng.uniform();
        let of = PLACES.iter().find(|(_, shares)| {
            drawn -= shares[number];
            drawn < 0.0
        });
        let place = of.unwrap_or(&PLACES[0]).0;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{place},{wing:.1},{beak:.1},{tail:.1},{mass:.1},{kind}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Examples, Table, TableOptions};
    use std::path::Path;

    #[test]
    fn birds_are_a_table_of_three_kinds() {
        let text = birds(300, 1).unwrap();
        assert_eq!((text.clone(), text.lines().count()), (birds(300, 1).unwrap(), 301));
        assert_ne!(text, birds(300, 2).unwrap());
        let table = Table::parse(Path::new("birds"), &text, &TableOptions::default()).unwrap();
        assert_eq!(table.classes(), ["hill warbler", "marsh warbler", "shore pipit"]);
        assert_eq!((table.len(), table.width(), table.features()[0].as_str()), (300, 7, "place=hill"));
        assert!(birds(0, 1).is_err());
    }
}
