//! What goes on inside a network: what its layers give, and the gradients of its weights.

use super::network::Network;
use super::task::{Inputs, is_input};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::optim::gradients;
use crate::tensor::HostTensor;

impl Network {
    /// The outputs of the layers for some examples, in the order in which they compute, under the names of their scopes: the
    /// last tensor
    /// `(N, ..)` of each. `examples` are as of [`Network::predict`]. A program is compiled for it and dropped.
    ///
    /// # Errors
    /// When the examples do not fit the network, its task says nothing, or the device failed.
    pub fn layers(&self, examples: &[&HostTensor]) -> Result<Vec<(String, HostTensor)>> {
        let rows = examples.first().and_then(|tensor| tensor.shape().first()).copied().unwrap_or(0);
        let fields: Vec<_> = self.fields.iter().filter(|field| is_input(&field.name)).cloned().collect();
        if rows == 0 || fields.len() != examples.len() {
            let expected = format!("some examples for each of {} fields", fields.len());
            return Err(Error::argument("layers", expected, format!("{} tensors", examples.len())));
        }
        let graph = Graph::new();
        graph.set_training(false);
        let inputs = Inputs::of(&graph, &fields, self.classes, rows)?;
        let said = self.task.predict(&inputs)?;
        let mut found: Vec<(String, Tensor)> = Vec::new();
        let given = graph.with(|data| {
            let needed = data.reachable(&[said.id()]);
            let nodes = data.nodes.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node);
            // What computes something has inputs.
            let computed = nodes.filter(|node| !node.inputs.is_empty());
            computed.filter_map(|node| Some((node.label.clone(), *node.outputs.first()?))).collect::<Vec<_>>()
        });
        for (name, value) in given {
            let tensor = graph.handle(value);
            let of_rows = tensor.shape().first() == Some(&rows) && tensor.ty().dtype.is_float();
            if !of_rows || name.is_empty() {
                continue;
            }
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, held)) => *held = tensor,
                None => found.push((name, tensor)),
            }
        }
        let roots: Vec<&Tensor> = found.iter().map(|(_, tensor)| tensor).chain([&said]).collect();
        let mut program = self.parameters().compile(&graph, &roots)?;
        program.run(&inputs.tensors().zip(examples.iter().copied()).collect::<Vec<_>>())?;
        found.into_iter().map(|(name, tensor)| Ok((name, program.read(&tensor)?))).collect()
    }

    /// The gradients of the loss of a batch by the parameters that learn, with the weights of the moment. Dropout and batch
    /// norm are as in training, and all states stay as they are. A program is compiled for it and dropped.
    ///
    /// # Errors
    /// When the batch does not fit the network, or the device failed.
    pub fn gradients(&self, batch: &Batch, frozen: &[String]) -> Result<Vec<(String, HostTensor)>> {
        let graph = Graph::new();
        let inputs = self.inputs(&graph, batch.rows)?;
        let outcome = self.task.learn(&inputs)?;
        for pattern in frozen {
            graph.freeze(pattern)?;
        }
        let found = gradients(&outcome.loss)?;
        graph.change_updates(|state, _| Ok(state.clone()))?;
        let roots: Vec<&Tensor> = found.iter().map(|(_, gradient)| gradient).collect();
        let mut program = self.parameters().compile(&graph, &roots)?;
        program.run(&inputs.tensors().zip(&batch.tensors).collect::<Vec<_>>())?;
        let named = |(parameter, gradient): &(Tensor, Tensor)| {
            Ok((parameter.name().unwrap_or_default(), program.read(gradient)?))
        };
        found.iter().map(named).collect()
    }
}
