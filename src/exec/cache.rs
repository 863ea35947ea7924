//! Files that belong to a device: where they are, and one of them, its compiled pipelines, where wgpu can keep them (on
//! Vulkan).

use super::identity::AdapterIdentity;
use crate::error::Result;
use crate::files::write_atomically;
use std::env;
use std::path::{Path, PathBuf};

/// A file of this device in the folder that an environment variable names, or else in a folder of the user's cache.
/// `None` when the variable is `off`, or there is no such folder.
pub(super) fn file_of(
    identity: &AdapterIdentity,
    variable: &str,
    folder: &str,
    extension: &str,
) -> Option<PathBuf> {
    let value = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |below: &str| value("HOME").map(|home| home.join(below));
    let cache = || match env::consts::OS {
        "windows" => value("LOCALAPPDATA"),
        "macos" => home("Library/Caches"),
        _ => value("XDG_CACHE_HOME").or_else(|| home(".cache")),
    };
    let folder = match value(variable) {
        Some(folder) if folder.as_os_str() == "off" => return None,
        Some(folder) => folder,
        None => cache()?.join("wgrad").join(folder),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = format!("{} {}", identity.name, identity.backend).chars().map(plain).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    Some(folder.join(format!("{}.{extension}", parts.join("-"))))
}

/// Where what was found out about this device is kept, beside its compiled pipelines: in the folder that
/// `WGRAD_PIPELINES` names, or else in `pipelines` below the user's `wgrad` cache.
pub(super) fn kept(identity: &AdapterIdentity, extension: &str) -> Option<PathBuf> {
    file_of(identity, "WGRAD_PIPELINES", "pipelines", extension)
}

/// Writes a file and the folder it is in.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| crate::Error::io(folder, e))?;
    }
    write_atomically(path, bytes)
}

/// What the driver made of shaders, from an earlier process and for later ones.
#[derive(Debug)]
pub(super) struct PipelineCache {
    pub(super) known: wgpu::PipelineCache,
    path: PathBuf,
}

impl PipelineCache {
    /// With what the file holds, if it fits this driver; `None` where there is no such cache.
    pub(super) fn open(device: &wgpu::Device, path: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let data = std::fs::read(path).ok();
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("wgrad"), data: data.as_deref(), fallback: true };
        // SAFETY: the file is one that `save` wrote, whole or not at all, in a folder of this user's; wgpu holds its
        // header to this adapter and driver and begins with nothing where that does not agree.
        let known = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { known, path: path.to_owned() })
    }

    /// Writes what is known by now.
    pub(super) fn save(&self) -> Result<()> {
        self.known.get_data().map_or(Ok(()), |data| write(&self.path, &data))
    }
}

#[cfg(test)]
mod tests {
    use crate::exec::{Device, Parameters};
    use crate::{Graph, HostTensor};
    use std::fs;
    use std::path::Path;

    /// A program on a fresh device that keeps its pipelines in this file; whether there is such a cache.
    fn run(path: &Path) -> bool {
        let device = Device::auto().unwrap();
        let kept = device.keep_pipelines(path);
        assert!(!device.keep_pipelines(path), "one file a device");
        let graph = Graph::new();
        let x = graph.input("x", [3]).unwrap();
        let y = x.relu().unwrap();
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&y]).unwrap();
        program.run(&[(&x, &HostTensor::from_f32([3], vec![-1.0, 0.0, 2.0]).unwrap())]).unwrap();
        assert_eq!(program.read(&y).unwrap().as_f32().unwrap(), [0.0, 0.0, 2.0]);
        kept
    }

    #[test]
    fn pipelines_are_kept_and_a_broken_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("pipelines.bin");
        if !run(&path) {
            println!("SKIPPED: no pipeline cache on {}", Device::auto().unwrap().describe());
            return;
        }
        let written = fs::read(&path).unwrap();
        assert!(!written.is_empty());
        assert!(run(&path), "from what the first wrote");
        for broken in [&b""[..], b"no cache", &written[..written.len() / 2]] {
            fs::write(&path, broken).unwrap();
            assert!(run(&path));
        }
        assert_eq!(fs::read(&path).unwrap().len(), written.len(), "written anew");
        // A folder that cannot be made is no reason to fail.
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(run(&file.join("pipelines.bin")));
    }
}
