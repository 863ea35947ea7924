//! Why a device cannot run an op of given shapes.

use super::Operand;
use crate::error::Mismatch;

/// What [`lower`](super::lower) refuses. Whoever knows the graph names the tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A range that has to be bound as a whole is too large.
    TooLarge {
        /// The tensor.
        operand: Operand,
        /// Bytes of the range.
        bytes: u64,
        /// The most bytes in a binding of the device.
        most: u64,
    },
    /// A tensor can be bound item by item (images, planes, rows), but no run of items fits.
    Unsplittable {
        /// The tensor.
        operand: Operand,
        /// Bytes of an item.
        item: u64,
        /// What runs must begin at a multiple of, in bytes.
        alignment: u64,
        /// The most bytes in a binding of the device.
        most: u64,
    },
    /// No variant of a kernel compiles.
    Broken {
        /// The op, its attributes and the shapes that it reads.
        op: String,
        /// The kernel that was the planner's choice.
        kernel: &'static str,
        /// What the driver says about it.
        message: String,
    },
    /// Anything else.
    Other(Mismatch),
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        Self::Other(mismatch)
    }
}

impl Refusal {
    /// In words, with the name of the tensor that an operand is, and its bytes where they are known.
    pub fn words(self, tensor: impl Fn(Operand) -> (String, u64)) -> Mismatch {
        match self {
            Refusal::TooLarge { operand, bytes, most } => {
                let (name, whole) = tensor(operand);
                let whole = whole.max(bytes);
                let part = if bytes < whole {
                    format!(", of which {bytes} are bound together")
                } else {
                    String::new()
                };
                let got = format!("{name} of {whole} bytes{part}");
                Mismatch::new(format!("at most {most} bytes in a binding of this device"), got)
            }
            Refusal::Unsplittable { operand, item, alignment, most } => {
                let (name, whole) = tensor(operand);
                let expected = format!(
                    "at most {most} bytes in a binding of this device, beginning at a multiple of {alignment}"
                );
                Mismatch::new(expected, format!("{name} of {whole} bytes, in items of {item} bytes"))
            }
            Refusal::Broken { op, kernel, message } => {
                let expected = format!("a variant of the kernel {kernel} that the driver compiles, for {op}");
                Mismatch::new(expected, message)
            }
            Refusal::Other(mismatch) => mismatch,
        }
    }
}
