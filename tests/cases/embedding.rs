//! Rows of a table by index, and their gathered gradient: exact.

use super::{Bound, Case, Fill};

/// Rows and width of the table, and the shape of the indices.
const TABLES: [(usize, usize, &[usize]); 7] = [
    (1, 1, &[1]),
    (5, 3, &[7]),
    (10, 16, &[4, 6]),
    (65, 64, &[20, 9]),
    (7, 130, &[33]),
    (300, 4, &[5]),
    (2, 300, &[500]),
];

pub fn cases() -> Vec<Case> {
    let table = |&(rows, width, indices): &(usize, usize, &[usize])| {
        let mut case = Case::new(format!("embedding {rows}x{width} at {indices:?}"), Bound::Exact);
        let weight = case.input("weight", &[rows, width], Fill::Integers(9));
        // One more than there are rows: such an index shows zeros and takes no gradient.
        let indices = case.input("indices", indices, Fill::Indices(rows as u32 + 1));
        let output = weight.embedding(&indices).expect("a table and indices");
        case.output_and_gradients(&output, Fill::Integers(9)).expect("gradients");
        case
    };
    TABLES.iter().map(table).collect()
}
