//! Element-wise functions of one to three tensors, broadcast by NumPy's rule, and their partial derivatives: the rows of
//! [`crate::functions`].

use super::{Rule, elements};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::functions::{Elementwise, Function, Part};
use crate::tensor::TensorType;

impl Rule for Elementwise {
    const NAME: &'static str = "elementwise";

    fn name(&self) -> &'static str {
        Elementwise::name(self)
    }

    /// Every function of this crate, each with the gradients that have kernels.
    fn names() -> Vec<&'static str> {
        let first = |f: &Function| f.with(f.cases().first().map_or(&[], |case| case)).ok();
        let parts =
            |f: Elementwise| f.function().parts().into_iter().map(move |part| f.with_part(part).name());
        Function::all().iter().filter_map(first).flat_map(parts).collect()
    }

    fn attributes(&self) -> String {
        Elementwise::attributes(self)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        if let Some((expected, got)) = self.refusal() {
            return Err(Mismatch::new(expected, got));
        }
        let kernel = self.has_kernel();
        Mismatch::check(kernel, "a function or a gradient that has a kernel", format!("{:?}", self.part()))?;
        let expected = self.operands();
        Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
        for ty in inputs {
            Mismatch::check(ty.dtype == DType::F32, "f32 inputs", ty.to_string())?;
        }
        let mut shape = inputs[0].shape.clone();
        for ty in &inputs[1..] {
            shape = shape.broadcast(&ty.shape)?;
        }
        // An error has the shape of the output.
        let whole = self.part() == Part::Value || shape == inputs[0].shape;
        Mismatch::check(whole, format!("an error of {shape}"), inputs[0].to_string())?;
        Ok(vec![TensorType::f32(shape)])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn rowwise(&self, inputs: &[TensorType]) -> bool {
        inputs.iter().all(|input| *input == inputs[0])
    }
}
