//! How rows are written.

/// `f64` functions by the names of operands and parameters: `formula!(x; slope => slope * x)`.
macro_rules! formula {
    ($($x:ident),* $(; $($p:ident),*)? => $value:expr) => {
        |operands: &[f64], parameters: &[f64]| {
            let (&[$($x),*], &[$($($p),*)?]) = (operands, parameters) else { return f64::NAN };
            $value
        }
    };
}

/// As [`formula`], of the result too: `error!(x; slope | v => ...)`.
macro_rules! error {
    ($($x:ident),* $(; $($p:ident),*)? | $v:ident => $value:expr) => {
        crate::functions::Accuracy::Within(|operands: &[f64], parameters: &[f64], $v: f64| {
            let (&[$($x),*], &[$($($p),*)?]) = (operands, parameters) else { return 0.0 };
            $value
        })
    };
}

/// Rows with a constructor and a method of [`Tensor`] each.
macro_rules! functions {
    ($list:ident: $($(#[doc = $doc:literal])+ $name:ident ($($operand:ident),*; $($p:ident),*) = $row:expr;)*) => {
        mod rows {
            use super::*;
            $(pub(super) fn $name() -> &'static Row {
                static ROW: Row =
                    Row { name: stringify!($name), doc: concat!($($doc),+), ..$row };
                &ROW
            })*
        }

        /// In the order of the file.
        pub(super) const $list: &[fn() -> &'static Row] = &[$(rows::$name),*];

        impl Elementwise {
            $($(#[doc = $doc])+
            pub fn $name($($p: f32),*) -> Self {
                Self::of(rows::$name(), &[$($p),*])
            })*
        }

        impl Tensor {
            $($(#[doc = $doc])+
            #[doc = ""]
            #[doc = "Element by element, operands, which may be numbers, broadcast by NumPy's rule; formula, kinks and values at the edges are \
                     PyTorch's. See [`crate::functions`]."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "When an operand is not `f32`, shapes do not broadcast, or a parameter is out of its range."]
            pub fn $name(&self, $($operand: impl crate::functions::Operand,)* $($p: f32),*) -> Result<Tensor> {
                self.beside(Elementwise::$name($($p),*), &[$(&$operand),*])
            })*
        }
    };
}
pub(super) use {error, formula, functions};
