//! Bounds of linear maps along a dimension.

use super::estimates::Estimate;
use super::rounding::{Errors, U, each, largest, run, sum_error, unit};
use crate::error::Result;
use crate::ops::AxisMap;
use crate::reference::Array;
use crate::tensor::TensorType;
use std::sync::Arc;

/// Elements that are copied have the errors that they had. Sums have those of sums, and those of weights rounded to f32.
pub(super) fn axis_map(map: &AxisMap, input: &Estimate, output: &Array) -> Result<Errors> {
    let exact = input.error.is_none();
    if map.matrix.is_gather() {
        return if exact {
            Ok(None)
        } else {
            Ok(Some(run(&map.linear().into(), &[input.error_array()])?.data))
        };
    }
    let magnitudes = AxisMap { matrix: Arc::new(map.matrix.magnitudes()), ..map.linear() }.into();
    let upper = run(&magnitudes, &[input.upper()])?;
    let weights = map.matrix.weights().to_vec();
    let weights = Array { ty: TensorType::f32([weights.len()]), data: weights };
    // Products are multiples of this, and so is every sum of them.
    let whole = f64::powi(2.0, 24 + unit(&input.array) + unit(&weights));
    if exact && largest(&upper) <= whole {
        return Ok(None);
    }
    let passed_on = match exact {
        true => None,
        false => Some(run(&magnitudes, &[input.error_array()])?),
    };
    let longest = map.matrix.longest();
    Ok(each(output, |i, v| {
        let s = upper.data[i];
        passed_on.as_ref().map_or(0.0, |errors| errors.data[i]) + sum_error(s, longest, v) + U * s
    }))
}
