//! Kernels that a driver does not compile, and what runs in their place.

use super::{Fused, Kernel, Limits, Lowering, Refusal, Tuned, lower_once, variants};
use crate::ops::Op;
use crate::tensor::TensorType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kernels that a device's driver does not compile, and what it says about each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Broken(BTreeMap<Kernel, String>);

impl Broken {
    /// From now on this kernel is not planned for.
    pub fn add(&mut self, kernel: Kernel, message: impl Into<String>) {
        self.0.insert(kernel, message.into());
    }

    /// Whether every kernel compiled so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A kernel of this lowering that does not compile, and why.
    fn first_in(&self, lowering: &Lowering) -> Option<(&Kernel, &str)> {
        let mut known = lowering.launches.iter().filter_map(|launch| self.0.get_key_value(&launch.kernel));
        known.next().map(|(kernel, message)| (kernel, message.as_str()))
    }
}

/// Other ways to write the kernels of an op, in the order in which they are tried: first with less of what a driver
/// may get wrong, then in other tiles, then one by one what ran together.
fn alternatives(op: &Op, inputs: &[&TensorType], limits: &Limits) -> Vec<Limits> {
    let plain = Limits { wide_loads: false, ..limits.clone() };
    let scalar = Limits { subgroup_size: None, ..plain.clone() };
    let bases = [limits.clone(), plain, Limits { wide_loads: limits.wide_loads, ..scalar.clone() }, scalar];
    let untuned = |base: &Limits| Limits { variant: None, tuned: Arc::<Tuned>::default(), ..base.clone() };
    let mut all: Vec<Limits> = bases.iter().map(untuned).collect();
    all.push(Limits { max_storage_buffers: Limits::default().max_storage_buffers, ..untuned(limits) });
    for base in &bases {
        let forced = variants(op, inputs, base).into_iter();
        all.extend(forced.map(|variant| Limits { variant: Some(variant), ..base.clone() }));
    }
    all
}

/// The usual kernels of an op where all of them compile, else the first alternative of which that is true. A variant
/// that was asked for has none: what is measured or tested under its name must be it.
pub(super) fn avoid(
    usual: Lowering,
    op: &Op,
    fused: &Fused,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let Some((kernel, message)) = limits.broken.first_in(&usual) else { return Ok(usual) };
    let others = if limits.variant.is_none() { alternatives(op, inputs, limits) } else { Vec::new() };
    for other in others {
        let Ok(mut lowering) = lower_once(op, fused, inputs, outputs, &other) else { continue };
        if limits.broken.first_in(&lowering).is_none() {
            let instead = format!("; fallback for a {} that does not compile here", kernel.name);
            lowering.launches.iter_mut().for_each(|launch| launch.why.push_str(&instead));
            return Ok(lowering);
        }
    }
    let op = Tuned::key(op, inputs);
    Err(Refusal::Broken { op, kernel: kernel.name, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lower;
    use crate::{Graph, Result};

    /// Breaks the kernels of an op again and again: how many ways there were, and the error at last.
    fn ways(op: &Op, inputs: &[&TensorType], outputs: &[&TensorType], limits: &Limits) -> (usize, Refusal) {
        let mut limits = limits.clone();
        for count in 0.. {
            match lower(op, &Fused::default(), inputs, outputs, &limits) {
                Ok(lowering) => {
                    let computing = lowering.launches.iter().find(|launch| launch.computes()).unwrap();
                    assert_eq!(computing.why.contains("fallback for"), count > 0, "{}", computing.why);
                    assert!(limits.broken.first_in(&lowering).is_none());
                    Arc::make_mut(&mut limits.broken).add(computing.kernel.clone(), "no such instruction");
                }
                Err(refusal) => return (count, refusal),
            }
        }
        unreachable!("kernels are finitely many")
    }

    #[test]
    fn each_variant_is_tried_and_then_an_error_names_the_op() -> Result<()> {
        let limits = Limits { subgroup_size: Some(8), software: true, wide_loads: true, ..Limits::default() };
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [64, 64])?, graph.input("w", [64, 64])?);
        let product = x.matmul(&w)?;
        let of = |tensor: &crate::Tensor| {
            graph.with(|data| {
                let node = data.producer(tensor.id());
                let types = |ids: &[usize]| ids.iter().map(|&v| data.ty(v).clone()).collect::<Vec<_>>();
                let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
                let both = (inputs.iter().collect::<Vec<_>>(), outputs.iter().collect::<Vec<_>>());
                (ways(&node.op, &both.0, &both.1, &limits), variants(&node.op, &both.0, &limits).len())
            })
        };
        let ((count, refusal), variants) = of(&product);
        assert!(variants >= 9 && count >= variants, "{count} ways for {variants} variants");
        let mismatch = refusal.words(|_| unreachable!("no tensor is to blame"));
        let words = crate::Error::op("matmul", "", mismatch).to_string();
        for part in ["matmul trans_a false trans_b false: f32 (64, 64), f32 (64, 64)", "no such instruction"]
        {
            assert!(words.contains(part), "{words}");
        }
        let ((count, _), _) = of(&x.relu()?);
        assert!(count >= 1);
        let forced = Some(crate::kernels::Variant::Register { rows: 8, columns: 4, shuffle: true });
        let limits = Limits { variant: forced, ..limits };
        graph.with(|data| {
            let node = data.producer(product.id());
            let (a, output) = (data.ty(node.inputs[0]), data.ty(node.outputs[0]));
            let (count, _) = ways(&node.op, &[a, a], &[output], &limits);
            assert_eq!(count, 1, "another variant under the name of the one that was asked for");
        });
        Ok(())
    }
}
