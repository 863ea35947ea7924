//! The named sets of shapes.

use anyhow::Context;
use std::path::Path;
use wgrad::bench::{Line, parse_table};

macro_rules! tables {
    ($($name:literal),*) => {
        /// Name and table of each set.
        pub const SETS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../benches/shapes/", $name, ".csv")))),*];
    };
}

tables!(
    "smoke",
    "gpu",
    "resnet50",
    "resnet50-scaled",
    "vgg16",
    "mobilenetv2",
    "deepbench-conv",
    "deepbench-gemm",
    "deepbench-rnn",
    "recurrent",
    "norms"
);

/// The lines of a set, or of a table in a file; what is malformed is an error of its own.
pub fn lines(set: &str) -> anyhow::Result<Vec<wgrad::Result<Line>>> {
    if let Some((name, text)) = SETS.iter().find(|(name, _)| *name == set) {
        return Ok(parse_table(&format!("{name}.csv"), text));
    }
    if !set.ends_with(".csv") {
        let names: Vec<_> = SETS.iter().map(|(name, _)| *name).collect();
        anyhow::bail!("set: expected one of {} or a .csv file, got {set}", names.join(", "));
    }
    let text = std::fs::read_to_string(Path::new(set)).with_context(|| set.to_owned())?;
    Ok(parse_table(set, &text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgrad::bench::Case;

    #[test]
    fn every_line_of_every_set_is_a_case() {
        let mut keys = std::collections::BTreeSet::new();
        for (set, _) in SETS {
            for line in lines(set).unwrap() {
                let line = line.unwrap();
                assert_eq!(line.set, *set);
                assert!(!Case::of_table(&line).unwrap().is_empty());
                assert!(
                    keys.insert((line.set, line.layer.clone(), line.op, line.shape.to_string())),
                    "{}",
                    line.layer
                );
            }
        }
    }
}
