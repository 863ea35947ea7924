//! From a case that fails to the smallest one that still does.

use super::case::Case;
use super::line::Line;

/// Tries at most this many candidates.
const TRIALS: usize = 300;

/// The smallest case found that still fails: numbers of its fields are made smaller and fields left out, one at
/// a time, for as long as the case can be built and `fails`.
pub fn shrink(line: &Line, mut fails: impl FnMut(&Case) -> bool) -> Line {
    let mut smallest = line.clone();
    let mut trials = 0;
    loop {
        let better = candidates(&smallest).into_iter().find(|candidate| {
            let Ok(case) = Case::build(candidate) else { return false };
            trials += 1;
            trials <= TRIALS && fails(&case)
        });
        match better {
            Some(better) if trials <= TRIALS => smallest = better,
            _ => return smallest,
        }
    }
}

/// Lines that are smaller in one respect, the boldest first.
fn candidates(line: &Line) -> Vec<Line> {
    let mut found = Vec::new();
    for (number, (key, value)) in line.fields.iter().enumerate() {
        let mut without = line.clone();
        without.fields.remove(number);
        found.push(without);
        if key == "seed" || key == "data" {
            continue;
        }
        let separator = if value.contains(',') { ',' } else { 'x' };
        let sizes: Vec<usize> = value.split(separator).filter_map(|part| part.parse().ok()).collect();
        if sizes.is_empty() || sizes.len() != value.split(separator).count() {
            continue;
        }
        for (position, &size) in sizes.iter().enumerate() {
            // A size shared by several tensors must shrink in all of them.
            let together = |new: usize| {
                let mut line = line.clone();
                for (other, value) in line.fields.iter_mut().filter(|(key, _)| key != "seed") {
                    if value.contains('x') && other != "stride" && other != "dilation" {
                        let parts = value
                            .split('x')
                            .map(|p| if p == size.to_string() { new.to_string() } else { p.into() });
                        *value = parts.collect::<Vec<String>>().join("x");
                    }
                }
                line
            };
            for new in smaller(size) {
                let mut sizes = sizes.clone();
                sizes[position] = new;
                let mut one = line.clone();
                let joined = sizes.iter().map(usize::to_string).collect::<Vec<_>>();
                one.fields[number].1 = joined.join(&separator.to_string());
                found.extend([one, together(new)]);
            }
        }
    }
    found
}

/// Smaller numbers to try for one: the least, the half, one less.
fn smaller(size: usize) -> Vec<usize> {
    let mut tries = vec![0, 1, size / 2, size.saturating_sub(1)];
    tries.retain(|&t| t < size);
    tries.dedup();
    tries
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn a_failure_shrinks_to_what_causes_it() {
        let line = "conv2d input=3x12x17x19 weight=8x4x3x5 bias stride=2x3 padding=1,2,1,0 groups=3 seed=7";
        let wrong = line.replace("weight=8x4", "weight=9x4");
        // Fails wherever there is more than one group.
        let groups = |case: &Case| {
            case.line
                .fields
                .iter()
                .any(|(key, value)| key == "groups" && value.parse().is_ok_and(|g: usize| g > 1))
        };
        let smallest = shrink(&Line::from_str(&wrong).unwrap(), groups);
        let case = Case::build(&smallest).unwrap();
        assert!(groups(&case) && case.elements() < 200, "{smallest}");
        assert!(
            !smallest.to_string().contains("bias") && !smallest.to_string().contains("stride"),
            "{smallest}"
        );
    }
}
