//! Where indices agree.

use super::Array;

pub(super) fn equal(inputs: &[&Array]) -> Vec<f64> {
    inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| f64::from(u8::from(a == b))).collect()
}
