//! Gradients made smaller on the device, before an optimizer takes them.

use crate::error::{Error, Result};
use crate::graph::Tensor;

/// Parameters with their gradients.
type Gradients = Vec<(Tensor, Tensor)>;

fn above_0(name: &str, value: f32) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::argument(name, "a finite number above 0", value.to_string()))
}

/// Scales all gradients by one factor so that the norm of them together is at most `max_norm`, PyTorch's
/// `clip_grad_norm_`: `min(1, max_norm / (norm + 1e-6))`. Gives them and the norm before, a scalar.
///
/// Recurrent nets want it: the product of many steps' derivatives can grow without bound.
///
/// # Errors
/// When `max_norm` is not above 0 or there are no gradients.
pub fn clip_grad_norm(gradients: &[(Tensor, Tensor)], max_norm: f32) -> Result<(Gradients, Tensor)> {
    above_0("max_norm", max_norm)?;
    let squares = gradients.iter().map(|(_, grad)| grad.mul(grad)?.sum((), false));
    let sum = squares.reduce(|sum, square| sum?.add(&square?));
    let norm = sum.unwrap_or_else(|| Err(none()))?.sqrt()?;
    scaled(gradients, max_norm, norm)
}

/// As [`clip_grad_norm`], with the norm of order `norm_type`: `sum(|g|^p)^(1/p)` of all gradients together, with infinity the
/// largest magnitude.
///
/// # Errors
/// When `max_norm` is not above 0, `norm_type` is neither above 0 nor infinite, or there are no gradients.
pub fn clip_grad_norm_of(
    gradients: &[(Tensor, Tensor)],
    max_norm: f32,
    norm_type: f32,
) -> Result<(Gradients, Tensor)> {
    above_0("max_norm", max_norm)?;
    if norm_type.is_nan() || norm_type <= 0.0 {
        return Err(Error::argument("norm_type", "a number above 0, or infinity", norm_type.to_string()));
    }
    if norm_type == 2.0 {
        return clip_grad_norm(gradients, max_norm);
    }
    let norms = gradients.iter().map(|(_, grad)| grad.norm(norm_type, (), false)?.reshape([1]));
    let norms = norms.collect::<Result<Vec<_>>>()?;
    let norm = match &norms[..] {
        [] => return Err(none()),
        [norm] => norm.reshape([])?,
        all => Tensor::concat(&all.iter().collect::<Vec<_>>(), 0)?.norm(norm_type, (), false)?,
    };
    scaled(gradients, max_norm, norm)
}

/// Each number of each gradient at most `clip_value` from 0, PyTorch's `clip_grad_value_`.
///
/// # Errors
/// When `clip_value` is not a finite number of at least 0.
pub fn clip_grad_value(gradients: &[(Tensor, Tensor)], clip_value: f32) -> Result<Gradients> {
    if !(clip_value.is_finite() && clip_value >= 0.0) {
        return Err(Error::argument("clip_value", "a finite number of at least 0", clip_value.to_string()));
    }
    let clipped =
        |(parameter, grad): &(Tensor, Tensor)| Ok((parameter.clone(), grad.clamp(-clip_value, clip_value)?));
    gradients.iter().map(clipped).collect()
}

fn none() -> Error {
    Error::argument("gradients", "at least one", "none")
}

fn scaled(gradients: &[(Tensor, Tensor)], max_norm: f32, norm: Tensor) -> Result<(Gradients, Tensor)> {
    let graph = norm.graph();
    let factor = graph.scalar(max_norm)?.div(&norm.add(&graph.scalar(1e-6)?)?)?.clamp_max(1.0)?;
    let clipped = gradients.iter().map(|(parameter, grad)| Ok((parameter.clone(), grad.mul(&factor)?)));
    Ok((clipped.collect::<Result<_>>()?, norm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Init;
    use crate::{Device, Graph, HostTensor, Parameters};

    /// Order, norm and factor for a largest norm of 2.5.
    const PYTORCH: [(f32, f32, f32); 5] = [
        (1.0, 10.5, 0.238_095_22),
        (2.0, 5.5, 0.454_545_37),
        (3.0, 4.643_522, 0.538_384_3),
        (f32::INFINITY, 4.0, 0.624_999_8),
        (0.5, 46.968_696, 0.053_226_94),
    ];

    /// Two parameters whose gradients are inputs, on the adapter where there is one.
    fn run(
        clip: impl Fn(&[(Tensor, Tensor)]) -> Result<(Gradients, Option<Tensor>)>,
    ) -> Result<(Vec<f32>, Option<f32>)> {
        let graph = Graph::new();
        let pair = |name: &str, n: usize| -> Result<(Tensor, Tensor)> {
            Ok((graph.parameter(name, [n], Init::Zeros)?, graph.input(&format!("grad_{name}"), [n])?))
        };
        let gradients = [pair("a", 3)?, pair("b", 2)?];
        let (clipped, norm) = clip(&gradients)?;
        let outputs: Vec<&Tensor> = clipped.iter().map(|(_, grad)| grad).chain(&norm).collect();
        let mut program = Parameters::new(&Device::auto()?, 0).compile(&graph, &outputs)?;
        let (a, b) = (vec![3.0, -4.0, 0.5], vec![-1.0, 2.0]);
        let (a, b) = (HostTensor::from_f32([3], a)?, HostTensor::from_f32([2], b)?);
        program.run(&[(&gradients[0].1, &a), (&gradients[1].1, &b)])?;
        let mut values = Vec::new();
        for (_, grad) in &clipped {
            values.extend_from_slice(program.read(grad)?.as_f32()?);
        }
        let norm = norm.map(|norm| Ok::<f32, Error>(program.read(&norm)?.as_f32()?[0])).transpose()?;
        Ok((values, norm))
    }

    /// The numbers are those of `torch.nn.utils.clip_grad_norm_` on float64 tensors.
    #[test]
    fn norms_of_any_order_are_those_of_pytorch() -> Result<()> {
        for (norm_type, expected, factor) in PYTORCH {
            let clip = |g: &[(Tensor, Tensor)]| {
                clip_grad_norm_of(g, 2.5, norm_type).map(|(clipped, norm)| (clipped, Some(norm)))
            };
            let (values, norm) = run(clip)?;
            let norm = norm.unwrap_or(f32::NAN);
            assert!((norm - expected).abs() < 1e-5 * expected, "{norm_type}: {norm}");
            for (value, given) in values.iter().zip([3.0, -4.0, 0.5, -1.0, 2.0]) {
                assert!((value - given * factor).abs() < 1e-5, "{norm_type}: {values:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn values_are_bounded() -> Result<()> {
        let (values, _) = run(|g| clip_grad_value(g, 1.5).map(|clipped| (clipped, None)))?;
        assert_eq!(values, [1.5, -1.5, 0.5, -1.0, 1.5]);
        let (values, _) = run(|g| clip_grad_value(g, 0.0).map(|clipped| (clipped, None)))?;
        assert!(values.iter().all(|v| *v == 0.0), "{values:?}");
        Ok(())
    }

    #[test]
    fn numbers_out_of_range_are_refused() -> Result<()> {
        let graph = Graph::new();
        let p = graph.parameter("p", [2], Init::Zeros)?;
        let gradients = [(p.clone(), p)];
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(clip_grad_norm_of(&gradients, bad, 1.0).is_err(), "{bad}");
            assert!(clip_grad_norm(&gradients, bad).is_err(), "{bad}");
        }
        for bad in [0.0, -1.0, f32::NAN, f32::NEG_INFINITY] {
            assert!(clip_grad_norm_of(&gradients, 1.0, bad).is_err(), "{bad}");
        }
        for bad in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(clip_grad_value(&gradients, bad).is_err(), "{bad}");
        }
        assert!(clip_grad_norm_of(&[], 1.0, 1.0).is_err() && clip_grad_norm(&[], 1.0).is_err());
        assert!(clip_grad_value(&[], 1.0)?.is_empty());
        Ok(())
    }
}
