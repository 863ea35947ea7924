//! How much memory a file may ask for.

use crate::error::Mismatch;

/// What every file may ask for.
const BASE: u64 = 64 << 20;
/// How many bytes each of its own may become: `f16` widened is twice as much, and weights with many zeros compress well.
const TIMES: u64 = 32;

/// The bytes that a file may still become in memory. A small file that says it holds gigabytes is refused before they are
/// allocated: compressed zeros, a view that repeats one element, many views of one storage.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    most: u64,
    left: u64,
}

impl Budget {
    /// Of a file of so many bytes.
    pub(super) fn of(file: usize) -> Self {
        let most = BASE.saturating_add(TIMES.saturating_mul(file as u64));
        Self { most, left: most }
    }

    /// Takes `bytes` out of it.
    ///
    /// # Errors
    /// When there are not as many left.
    pub(super) fn spend(&mut self, bytes: u64, of: &str) -> Result<(), Mismatch> {
        let Some(left) = self.left.checked_sub(bytes) else {
            let expected = format!("at most {} bytes in all, as fits a file of its size", self.most);
            return Err(Mismatch::new(expected, format!("{of} of {bytes} where {} are left", self.left)));
        };
        self.left = left;
        Ok(())
    }
}
