//! Sums over dimensions: `shaders/sum.wgsl`; over leading ones `shaders/sum_columns.wgsl`.

use super::rows::{Reducer, forward, loads_neighbours};
use super::{Lower, Lowering, Refusal, Site};
use crate::ops::Sum;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Sum {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let reducer = Reducer {
            dims: &self.dims,
            kernels: ["sum", "sum_columns", "sum_partials"],
            fields: 1,
            adds: true,
            reads_first: false,
            values: context! {},
        };
        forward(&reducer, site)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }

    fn takes_prologue(&self, input: &TensorType) -> bool {
        loads_neighbours(&self.dims, input)
    }
}
