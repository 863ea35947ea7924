//! What the programs over the same parameters share.

use super::watch::Watch;
use crate::error::{Error, Result};
use crate::ops::Role;
use crate::reference::Array;
use crate::tensor::TensorType;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

/// A state and its buffer on a GPU.
#[derive(Debug)]
pub(super) struct State {
    pub(super) ty: TensorType,
    pub(super) role: Role,
    /// Of a GPU; the CPU reference keeps its values in [`Store::host`].
    pub(super) buffer: Option<wgpu::Buffer>,
}

/// The states of programs, by name, and what the programs found wrong.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) states: BTreeMap<String, State>,
    pub(super) host: HashMap<String, Array>,
    /// What the programs on a GPU look for, those that there still are.
    pub(super) watches: Vec<Weak<Watch>>,
    /// What those on the CPU reference found.
    pub(super) failures: Failures,
}

/// What the programs on the CPU reference met and nobody was shown yet.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Programs so far.
    programs: usize,
    found: Vec<(usize, Error)>,
}

impl Failures {
    /// The number of a new program.
    pub(super) fn program(&mut self) -> usize {
        self.programs += 1;
        self.programs
    }

    /// A program met something; the first is kept.
    pub(super) fn add(&mut self, program: usize, failure: Option<Error>) {
        let known = self.found.iter().any(|(number, _)| *number == program);
        self.found.extend(failure.filter(|_| !known).map(|failure| (program, failure)));
    }

    /// Says what this program met, or any where none is given; once.
    pub(super) fn take(&mut self, program: Option<usize>) -> Result<()> {
        let of = |number: usize| program.is_none_or(|program| program == number);
        match self.found.iter().position(|(number, _)| of(*number)) {
            Some(at) => Err(self.found.remove(at).1),
            None => Ok(()),
        }
    }
}

pub(super) fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
