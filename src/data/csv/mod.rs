//! CSV files as people have them: rows and fields whatever separates them, and numbers with decimal points or commas.

mod number;
mod records;

pub use number::{Form, Mark, form, mark, parse};
pub use records::{Record, Records};
