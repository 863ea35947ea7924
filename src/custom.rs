//! Ops from outside the crate: shapes, gradient, WGSL and, for the reference and the checks, a CPU function.
//!
//! A [`Custom`] op is a node like any other: it is planned, run, profiled and explained, its gradient is made of ordinary nodes
//! (often of another custom op), and [`check_custom`](crate::verify::check_custom) holds it to its CPU function, to finite
//! differences and to what it says of its loops. Two ops are the same where type, name and attributes are.
//!
//! Its kernels run with wgpu's bounds checks, with bindings that are declared here and nowhere else. What does not compile is
//! an error with the op and the lines of naga's message when a program is compiled. A loop that does not end can take the
//! device with it.
//!
//! ```
//! use wgrad::custom::{Buffer, Custom, CustomOp, Kernel, Kernels, Values};
//! use wgrad::{Device, Graph, HostTensor, Mismatch, Parameters, TensorType};
//!
//! /// `x` to `x^3`.
//! struct Cube;
//!
//! impl CustomOp for Cube {
//!     fn name(&self) -> &'static str {
//!         "cube"
//!     }
//!
//!     fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
//!         Ok(vec![inputs[0].clone()])
//!     }
//!
//!     fn kernels(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> Result<Kernels, Mismatch> {
//!         let n = inputs[0].shape.elements();
//!         let wgsl = format!(
//!             "@compute @workgroup_size(64)
//!              fn cube(@builtin(global_invocation_id) id: vec3<u32>) {{
//!                  let i = id.x + id.y * 64u * GROUPS_X;
//!                  if (i < {n}u) {{ y[i] = x[i] * x[i] * x[i]; }}
//!              }}"
//!         );
//!         let kernel = Kernel::new("cube", wgsl).read("x", Buffer::Input(0)).write("y", Buffer::Output(0));
//!         Ok(kernel.groups(n.div_ceil(64)).into())
//!     }
//!
//!     fn eval(&self, inputs: &[Values<'_>], _outputs: &[TensorType]) -> Option<Vec<Vec<f64>>> {
//!         Some(vec![inputs[0].data.iter().map(|x| x * x * x).collect()])
//!     }
//! }
//!
//! # fn main() -> wgrad::Result<()> {
//! let graph = Graph::new();
//! let x = graph.input("x", [3])?;
//! let y = x.custom(&Custom::new(Cube), &[])?;
//! let mut program = Parameters::new(&Device::auto()?, 0).compile(&graph, &[&y])?;
//! program.run(&[(&x, &HostTensor::from_f32([3], vec![1.0, 2.0, -3.0])?)])?;
//! assert_eq!(program.read(&y)?.as_f32()?, [1.0, 8.0, -27.0]);
//! # Ok(())
//! # }
//! ```

use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::tensor::TensorType;
use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

/// A tensor as a CPU function reads it: row-major elements in f64, `u32` values exactly.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Shape and element type.
    pub ty: &'a TensorType,
    /// As many as the shape has.
    pub data: &'a [f64],
}

/// What a binding of a kernel points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// The op's input of this position.
    Input(usize),
    /// The op's output of this position.
    Output(usize),
    /// Scratch memory of the op, by its position in [`Kernels::scratch`].
    Scratch(usize),
}

/// A binding of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) name: String,
    pub(crate) buffer: Buffer,
    pub(crate) write: bool,
    pub(crate) vec4: bool,
}

/// One launch of a WGSL kernel.
///
/// The text declares no bindings: [`Kernel::read`] and [`Kernel::write`] name them, and `array<f32>` or `array<u32>` variables
/// of these names are declared behind the text, with `const GROUPS_X`, the workgroups along x. Shapes are best constants of
/// the text. A `workgroup_size` of 64 suits all devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub(crate) entry: &'static str,
    pub(crate) wgsl: String,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) groups: usize,
    pub(crate) iterations: usize,
}

impl Kernel {
    /// The entry point `entry` of a text, of one workgroup.
    pub fn new(entry: &'static str, wgsl: impl Into<String>) -> Self {
        Self { entry, wgsl: wgsl.into(), bindings: Vec::new(), groups: 1, iterations: 0 }
    }

    fn bind(mut self, name: &str, buffer: Buffer, write: bool, vec4: bool) -> Self {
        self.bindings.push(Binding { name: name.to_owned(), buffer, write, vec4 });
        self
    }

    /// Reads a buffer under this name.
    pub fn read(self, name: &str, buffer: Buffer) -> Self {
        self.bind(name, buffer, false, false)
    }

    /// Reads and writes an output or scratch memory under this name.
    pub fn write(self, name: &str, buffer: Buffer) -> Self {
        self.bind(name, buffer, true, false)
    }

    /// As [`Kernel::read`], four numbers at once; the last four may reach behind the tensor's end.
    pub fn read_vec4(self, name: &str, buffer: Buffer) -> Self {
        self.bind(name, buffer, false, true)
    }

    /// As [`Kernel::write`], four numbers at once; the last four may reach behind the tensor's end.
    pub fn write_vec4(self, name: &str, buffer: Buffer) -> Self {
        self.bind(name, buffer, true, true)
    }

    /// So many workgroups: along x, and along y where they are more than the device has there. A kernel finds its number with
    /// `workgroup_id.x + workgroup_id.y * GROUPS_X`; there may be more of them than were asked for.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Iterations of the loops of one invocation at most, nested ones added up, with the iteration in which a loop ends. Some
    /// drivers end
    /// all loops of an invocation after 65,535 iterations: a launch of more than the device takes is refused, and one that
    /// states too few is found by [`check_custom`](crate::verify::check_custom).
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }
}

/// What an op runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kernels {
    /// In order.
    pub launches: Vec<Kernel>,
    /// Scratch memory between them: numbers of 4 bytes, bound as `array<f32>`.
    pub scratch: Vec<usize>,
}

impl From<Kernel> for Kernels {
    fn from(kernel: Kernel) -> Self {
        Self { launches: vec![kernel], scratch: Vec::new() }
    }
}

/// The gradients of an op's inputs.
#[derive(Debug, Clone)]
pub enum Gradients {
    /// There are none: a loss that depends on the op is refused.
    Missing,
    /// 0 wherever they exist.
    Zero,
    /// One an input, of the input's type; `None` where [`Flow::wanted`] says that nobody needs it.
    Of(Vec<Option<Tensor>>),
}

/// An op from outside the crate. All of its functions give the same for the same arguments.
pub trait CustomOp: Send + Sync + 'static {
    /// Its name: letters, digits and underscores; none of this crate's.
    fn name(&self) -> &'static str;

    /// The attributes as text. Ops of one type and name with the same attributes are taken for the same.
    fn attributes(&self) -> String {
        String::new()
    }

    /// The types of the outputs, one at least, or why the inputs, one at least, are refused.
    ///
    /// # Errors
    /// Where the op does not accept the inputs: what it expects, and what it got.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch>;

    /// What computes it. Every output is written, and inputs are read only.
    ///
    /// # Errors
    /// Where no kernel computes these shapes.
    fn kernels(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> Result<Kernels, Mismatch>;

    /// The gradients of the inputs, from the errors that arrive at the outputs ([`Flow::grads`]), as nodes.
    ///
    /// # Errors
    /// Where a node is refused.
    fn gradient(&self, _flow: &Flow<'_>) -> Result<Gradients> {
        Ok(Gradients::Missing)
    }

    /// The elements of each output, by the plainest loops, in f64: what the kernels are held to and `Device::cpu` runs. Without
    /// it the CPU reference refuses the op.
    fn eval(&self, _inputs: &[Values<'_>], _outputs: &[TensorType]) -> Option<Vec<Vec<f64>>> {
        None
    }

    /// Where each element of the only output is a sum (none is taken away) of so many terms at most, each a product of one
    /// element of each of the
    /// first two `f32` inputs, or an element of the only one: results of small integers must be exact, and others have the
    /// bound of a sum in any order. Else `None`.
    fn terms(&self, _inputs: &[&TensorType]) -> Option<usize> {
        None
    }

    /// The largest error of each element of output `number` that kernels may make where inputs are exact; `None` where they may
    /// make none. By default 4 units in the last place; of no account where there are [`CustomOp::terms`].
    fn error(&self, _inputs: &[Values<'_>], _number: usize, result: Values<'_>) -> Option<Vec<f64>> {
        Some(result.data.iter().map(|v| 4.0 * crate::tracked::ulp(*v) + crate::tracked::TINY).collect())
    }

    /// Floating-point operations; by default one an element of the outputs. Bytes are counted from the bindings.
    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        outputs.iter().map(|ty| ty.shape.elements() as u64).sum()
    }
}

/// A [`CustomOp`], to be applied: [`Tensor::custom`], or [`Graph::apply`](crate::Graph::apply) for all outputs.
#[derive(Clone)]
pub struct Custom {
    op: Arc<dyn CustomOp>,
    ty: TypeId,
}

impl Custom {
    /// An op to be applied.
    pub fn new<O: CustomOp>(op: O) -> Self {
        Self { op: Arc::new(op), ty: TypeId::of::<O>() }
    }

    /// The op.
    pub fn op(&self) -> &dyn CustomOp {
        &*self.op
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?}", self.op.name(), self.op.attributes(), self.ty)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        let words = |custom: &Self| (custom.op.name(), custom.op.attributes());
        self.ty == other.ty && words(self) == words(other)
    }
}
