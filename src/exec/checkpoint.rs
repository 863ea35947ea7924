//! Checkpoints: all states of programs and what their user says about them, in one file.
//!
//! A checkpoint is a safetensors file. Its metadata holds the user's words and, under keys that begin with `wgrad.`, the
//! version, the roles of the tensors and a checksum of all the rest: a bit that flips anywhere is found.

use super::parameters::Parameters;
use super::readback::Pending;
use super::weights;
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::formats;
use crate::ops::Role;
use crate::platform::block_on;
use crate::tensor::HostTensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// The keys of our own in the metadata.
const VERSION: &str = "wgrad.checkpoint";
const ROLES: &str = "wgrad.roles";
const CHECKSUM: &str = "wgrad.checksum";
/// What stands for the file's path where there is none.
const IN_MEMORY: &str = "a checkpoint in memory";
/// The version that is written and read.
const CURRENT: &str = "1";

/// All states of programs at one moment, by name, and the words of their user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// What the user notes, by keys of his own; none begins with `wgrad.`.
    pub notes: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Role, HostTensor)>,
}

/// A checkpoint on its way from the device: all as it was after the runs so far, whatever runs meanwhile.
#[derive(Debug)]
pub struct PendingCheckpoint {
    notes: BTreeMap<String, String>,
    tensors: Vec<(String, Role, Pending)>,
}

impl PendingCheckpoint {
    /// Waits for it.
    ///
    /// # Errors
    /// When the device failed, or a run before it met an index out of range.
    pub fn wait(self) -> Result<Checkpoint> {
        block_on("PendingCheckpoint::arrived", self.arrived())
    }

    /// As [`PendingCheckpoint::wait`], without waiting.
    ///
    /// # Errors
    /// As [`PendingCheckpoint::wait`].
    pub async fn arrived(self) -> Result<Checkpoint> {
        let mut tensors = BTreeMap::new();
        for (name, role, value) in self.tensors {
            tensors.insert(name, (role, value.await?));
        }
        Ok(Checkpoint { notes: self.notes, tensors })
    }
}

/// The role of this name.
fn role(word: &str) -> Option<Role> {
    let all = [Role::Parameter, Role::Buffer, Role::Optimizer, Role::Metric];
    all.into_iter().find(|role| role.to_string() == word)
}

/// A checksum of names, types, shapes, data and notes; CRC-32 finds every flipped bit.
fn checksum<'a>(
    notes: &HashMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
) -> String {
    let mut sum = crc32fast::Hasher::new();
    let mut add = |bytes: &[u8]| {
        sum.update(&(bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    };
    let notes: BTreeMap<_, _> = notes.iter().filter(|(key, _)| *key != CHECKSUM).collect();
    for (key, value) in notes {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(name, ..)| *name);
    for (name, dtype, shape, data) in tensors {
        add(name.as_bytes());
        add(format!("{dtype:?} {shape:?}").as_bytes());
        add(data);
    }
    format!("{:08x}", sum.finalize())
}

/// The states besides weights in a safetensors file that is a checkpoint, whose checksum is then looked at; none for others.
pub(super) fn aside(path: &Path, bytes: &[u8]) -> Result<BTreeSet<String>> {
    let is_one = SafeTensors::read_metadata(bytes)
        .is_ok_and(|(_, header)| header.metadata().as_ref().is_some_and(|notes| notes.contains_key(VERSION)));
    if !is_one {
        return Ok(BTreeSet::new());
    }
    let checkpoint = Checkpoint::of(path, bytes)?;
    let besides = checkpoint.states().filter(|(_, role, _)| matches!(role, Role::Optimizer | Role::Metric));
    Ok(besides.map(|(name, ..)| name.to_owned()).collect())
}

impl Checkpoint {
    /// Names, roles and values of its states, by name.
    pub fn states(&self) -> impl Iterator<Item = (&str, Role, &HostTensor)> {
        self.tensors.iter().map(|(name, (role, value))| (name.as_str(), *role, value))
    }

    /// The note under `key`.
    ///
    /// # Errors
    /// When there is none.
    pub fn note(&self, key: &str) -> Result<&str> {
        let known: Vec<&str> = self.notes.keys().map(String::as_str).collect();
        let got = if known.is_empty() { "no notes".into() } else { format!("only {}", known.join(", ")) };
        let found = self.notes.get(key).map(String::as_str);
        found.ok_or_else(|| Error::argument("checkpoint", format!("a note {key}"), got))
    }

    /// Writes it whole or not at all, and on disk when this returns.
    ///
    /// # Errors
    /// When a note's key is one of our own, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.bytes(path)?)
    }

    /// The bytes of a checkpoint's file, for where there are no files.
    ///
    /// # Errors
    /// When a note's key is one of our own.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.bytes(Path::new(IN_MEMORY))
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>> {
        if let Some(key) = self.notes.keys().find(|key| key.starts_with("wgrad.")) {
            return Err(Error::argument("checkpoint", "keys of notes that do not begin with 'wgrad.'", key));
        }
        let bad = |e: String| Error::file(path, "tensors that can be written", e);
        let bytes: Vec<(&str, &HostTensor, Cow<'_, [u8]>)> =
            self.states().map(|(name, _, value)| (name, value, formats::stored(value))).collect();
        let views: Vec<(&str, TensorView<'_>)> = bytes
            .iter()
            .map(|(name, value, bytes)| {
                let ty = value.ty();
                let view = TensorView::new(formats::dtype(ty.dtype), ty.shape.to_vec(), bytes);
                view.map(|view| (*name, view))
            })
            .collect::<Result<_, _>>()
            .map_err(|e| bad(e.to_string()))?;
        let roles: BTreeMap<&str, String> =
            self.states().map(|(name, role, _)| (name, role.to_string())).collect();
        let roles = serde_json::to_string(&roles).map_err(|e| bad(e.to_string()))?;
        let mut metadata: HashMap<String, String> = self.notes.clone().into_iter().collect();
        metadata.insert(VERSION.to_owned(), CURRENT.to_owned());
        metadata.insert(ROLES.to_owned(), roles);
        let parts = views.iter().map(|(name, view)| (*name, view.dtype(), view.shape(), view.data()));
        metadata.insert(CHECKSUM.to_owned(), checksum(&metadata, parts));
        safetensors::serialize(views, Some(metadata)).map_err(|e| bad(e.to_string()))
    }

    /// Reads one.
    ///
    /// # Errors
    /// When the file is missing, is no checkpoint, is cut off, or holds another bit than was written.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::of(path, &bytes)
    }

    /// Reads one from the bytes of its file.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::of(Path::new(IN_MEMORY), bytes)
    }

    fn of(path: &Path, bytes: &[u8]) -> Result<Self> {
        let bad = |got: String| Error::file(path, "a checkpoint", got);
        let broken =
            |e: safetensors::SafeTensorError| bad(format!("{} bytes that are not one: {e}", bytes.len()));
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let mut metadata = header.metadata().clone().unwrap_or_default();
        match metadata.get(VERSION).map(String::as_str) {
            Some(CURRENT) => {}
            Some(other) => return Err(bad(format!("one of version {other}, where {CURRENT} is known"))),
            None => {
                return Err(bad("a safetensors file without a checkpoint's notes, such as weights".into()));
            }
        }
        let views = file.tensors();
        let parts = views.iter().map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data()));
        let (found, noted) =
            (checksum(&metadata, parts), metadata.get(CHECKSUM).cloned().unwrap_or_default());
        if found != noted {
            return Err(bad(format!("one that was changed: its checksum is {found}, and should be {noted}")));
        }
        let roles = metadata.remove(ROLES).unwrap_or_default();
        let roles: HashMap<String, String> =
            serde_json::from_str(&roles).map_err(|e| bad(format!("roles {e}")))?;
        metadata.retain(|key, _| !key.starts_with("wgrad."));
        let mut tensors = BTreeMap::new();
        for (name, view) in views {
            let role = roles.get(&name).and_then(|word| role(word));
            let role = role.ok_or_else(|| bad(format!("a tensor {name} without a role")))?;
            let value = formats::host(&view).map_err(|m| bad(format!("{name}: {}", m.got)))?;
            tensors.insert(name, (role, value));
        }
        Ok(Self { notes: metadata.into_iter().collect(), tensors })
    }
}

impl Parameters {
    /// All states as they are after the runs so far, on their way, with these notes: what a run needs to go on as if it had
    /// not stopped.
    ///
    /// # Errors
    /// When the device failed.
    pub fn checkpoint(&self, notes: BTreeMap<String, String>) -> Result<PendingCheckpoint> {
        let mut named = Vec::new();
        for role in [Role::Parameter, Role::Buffer, Role::Optimizer, Role::Metric] {
            named.extend(self.names(role).into_iter().map(|name| (name, role)));
        }
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let values = self.get_all_async(&names)?;
        let tensors =
            named.into_iter().zip(values).map(|((name, role), value)| (name, role, value)).collect();
        Ok(PendingCheckpoint { notes, tensors })
    }

    /// Gives all states the values of a checkpoint: parameters, buffers and optimizer states must be exactly those that there
    /// are; of metrics those that there are take theirs. On an error nothing is changed.
    ///
    /// # Errors
    /// When the states differ: all that are missing, unexpected or of another type.
    pub fn restore(&self, checkpoint: &Checkpoint) -> Result<()> {
        let wanted = |role: Role| role != Role::Metric;
        let mut differences = weights::Differences::default();
        for role in [Role::Parameter, Role::Buffer, Role::Optimizer] {
            for name in self.names(role) {
                let held = checkpoint.tensors.get(&name).map(|(_, value)| value.ty());
                differences.compare(&name, Some(&self.ty(&name)?), held.as_ref());
            }
        }
        for (name, role, value) in checkpoint.states() {
            if wanted(role) && self.ty(name).is_err() {
                differences.compare(name, None, Some(&value.ty()));
            }
        }
        differences.refuse(|expected, got| Error::argument("checkpoint", expected, got))?;
        for (name, role, value) in checkpoint.states() {
            if wanted(role) || self.ty(name).is_ok_and(|ty| ty == value.ty()) {
                self.set(name, value)?;
            }
        }
        Ok(())
    }
}
