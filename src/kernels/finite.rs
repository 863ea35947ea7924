//! Where a tensor is not finite: `shaders/finite.wgsl`.

use super::{Binding, Launch, Limits, Operand, Refusal, chunks, halves, launch};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;
use minijinja::context;

/// The launches that look through a tensor of type `f32` or `f16`, which is bound as the first output.
///
/// # Errors
/// When it is too large for the device and cannot be split.
pub fn finite(ty: &TensorType, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
    let part = |(before, elements): (usize, usize)| -> Result<Launch, Mismatch> {
        let input = Binding::read(Operand::Output(0)).range(before as u64 * 4, elements as u64 * 4);
        let bindings = vec![input, Binding::write(Operand::Check)];
        let values = context! { before, elements };
        launch(limits, "finite", elements.div_ceil(64), 0, bindings, "checks for NaN and infinity", values)
    };
    let elements = ty.shape.elements();
    let parts = |limits: &Limits| -> Result<Vec<Launch>, Refusal> {
        let parts = chunks(elements, &[(Operand::Output(0), 4)], limits)?.into_iter().map(part);
        Ok(parts.collect::<Result<_, Mismatch>>()?)
    };
    if ty.dtype != DType::F16 {
        return parts(limits);
    }
    halves::check(limits)?;
    let mut launches = parts(&halves::limits(limits))?;
    launches.iter_mut().try_for_each(|launch| halves::retype(launch, |operand| operand != Operand::Check))?;
    Ok(launches)
}
