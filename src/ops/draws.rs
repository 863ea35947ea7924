//! Random numbers and matrices that initialisers need.

use crate::random::Rng;

/// A standard normal number from `a` to `b`: from normal or uniform numbers, or in a tail from exponential ones, of which some
/// are rejected (Robert, "Simulation of truncated normal variables", 1995).
pub(super) fn truncated_normal(rng: &mut Rng, a: f64, b: f64) -> f64 {
    if b < 0.0 {
        return -truncated_normal(rng, -b, -a);
    }
    let least = a.max(0.0);
    let rate = 0.5 * (least + (least * least + 4.0).sqrt());
    loop {
        let (z, chance) = if a <= 0.0 && b - a > 2.5 {
            (rng.normal(), 1.0)
        } else if (b - a) * rate <= 4.0 {
            let z = rng.range(a, b);
            (z, (0.5 * (least * least - z * z)).exp())
        } else {
            let z = a - (1.0 - rng.uniform()).ln() / rate;
            (z, (-0.5 * (z - rate).powi(2)).exp())
        };
        if (a..=b).contains(&z) && rng.uniform() < chance {
            return z;
        }
    }
}

/// A matrix `(rows, columns)` with orthonormal rows or, where these are fewer, columns: normal numbers, of which each row loses
/// what lies along those before it (Gram and Schmidt's method, twice for the digits).
pub(super) fn orthogonal(rng: &mut Rng, rows: usize, columns: usize) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut found: Vec<Vec<f64>> = Vec::with_capacity(count);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    while found.len() < count {
        let mut row: Vec<f64> = (0..length).map(|_| rng.normal()).collect();
        for _ in 0..2 {
            for earlier in &found {
                let along = dot(&row, earlier);
                row.iter_mut().zip(earlier).for_each(|(x, y)| *x -= along * y);
            }
        }
        let size = dot(&row, &row).sqrt();
        // A row along the others, which chance hardly gives, is drawn again.
        if size > 1e-6 {
            row.iter_mut().for_each(|x| *x /= size);
            found.push(row);
        }
    }
    let at =
        |row: usize, column: usize| if rows <= columns { found[row][column] } else { found[column][row] };
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| at(r, c)).collect()
}
