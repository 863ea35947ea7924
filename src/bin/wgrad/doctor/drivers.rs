//! What a machine has of drivers, looked for where loaders look: files, cards, rights.

use std::env::consts::OS;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// What was found on a machine; empty where the system is not one with such places.
#[derive(Debug, Clone, Default)]
pub struct Drivers {
    /// `linux`, `macos`, `windows`.
    pub os: String,
    /// What a Linux distribution and those it comes from are called.
    pub distribution: String,
    /// Whether the loader of Vulkan is there, `libvulkan.so.1`.
    pub vulkan_loader: bool,
    /// Whether that of OpenGL is, `libEGL.so.1`.
    pub egl: bool,
    /// The files that name drivers of Vulkan, and those of them whose driver is not there.
    pub vulkan_drivers: Vec<PathBuf>,
    pub without_library: Vec<PathBuf>,
    /// What variables name in place of them and is not there.
    pub not_there: Vec<PathBuf>,
    /// The makers of the graphics cards that the system sees.
    pub cards: Vec<Maker>,
    /// Devices of cards that this user may not open.
    pub closed: Vec<PathBuf>,
    /// Whether this runs in a container, and whether in Linux on Windows.
    pub container: bool,
    pub on_windows: bool,
}

/// Who makes a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    Amd,
    Intel,
    Nvidia,
    /// Only its number is known, as of the cards of virtual machines.
    Other(u32),
}

impl Drivers {
    /// What is there.
    pub fn found() -> Self {
        let system = Self { os: OS.to_owned(), ..Self::default() };
        if OS != "linux" {
            return system;
        }
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().to_lowercase();
        let (vulkan_drivers, libraries) = (vulkan_drivers(), libraries());
        let (vulkan_drivers, not_there): (Vec<_>, Vec<_>) =
            vulkan_drivers.into_iter().partition(|path| path.exists());
        let lacks = |path: &&PathBuf| library(path).is_some_and(|name| !there(&name, path, &libraries));
        Self {
            distribution: crate::machine::distribution(),
            vulkan_loader: there("libvulkan.so.1", Path::new(""), &libraries),
            egl: there("libEGL.so.1", Path::new(""), &libraries),
            without_library: vulkan_drivers.iter().filter(lacks).cloned().collect(),
            vulkan_drivers,
            not_there,
            cards: cards(Path::new("/sys/bus/pci/devices")),
            closed: closed(),
            container: Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists(),
            on_windows: kernel.contains("microsoft"),
            ..system
        }
    }
}

/// The paths in a variable such as `VK_DRIVER_FILES`.
fn paths(variable: &str) -> Vec<PathBuf> {
    std::env::var_os(variable).map_or_else(Vec::new, |value| std::env::split_paths(&value).collect())
}

/// Files of a folder with this extension, by name.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        found.filter(|path| path.extension() == Some(OsStr::new(extension))).collect();
    found.sort();
    found
}

/// The files that name drivers of Vulkan: those that variables name, or all where the loader looks.
fn vulkan_drivers() -> Vec<PathBuf> {
    let named: Vec<PathBuf> = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().flat_map(paths).collect();
    if !named.is_empty() {
        let inside = |path: &PathBuf| if path.is_dir() { files(path, "json") } else { vec![path.clone()] };
        return named.iter().flat_map(inside).collect();
    }
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    let folders = ["/etc", "/usr/local/share", "/usr/share"].map(PathBuf::from).into_iter().chain(home);
    folders.flat_map(|folder| files(&folder.join("vulkan/icd.d"), "json")).collect()
}

/// The library that such a file names; `None` where it names none or is not there, which the loader says by itself.
fn library(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(json.get("ICD")?.get("library_path")?.as_str()?.to_owned())
}

/// Folders in which the system looks for libraries.
fn libraries() -> Vec<PathBuf> {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let usual = [
        "/usr/lib",
        "/lib",
        "/usr/lib64",
        "/lib64",
        "/usr/local/lib",
        "/usr/lib/wsl/lib",
        "/run/opengl-driver/lib",
    ];
    let mut folders: Vec<PathBuf> = paths("LD_LIBRARY_PATH");
    folders
        .extend(usual.iter().flat_map(|folder| [PathBuf::from(folder), Path::new(folder).join(&multiarch)]));
    for list in files(Path::new("/etc/ld.so.conf.d"), "conf") {
        let text = fs::read_to_string(list).unwrap_or_default();
        folders.extend(text.lines().filter(|line| line.starts_with('/')).map(PathBuf::from));
    }
    folders
}

/// Whether a library is there: by its path, which may begin at the file that names it, or by its name in a folder.
fn there(library: &str, named_in: &Path, folders: &[PathBuf]) -> bool {
    if library.contains('/') {
        return named_in.parent().unwrap_or(Path::new("/")).join(library).exists();
    }
    folders.iter().any(|folder| folder.join(library).exists())
}

/// The graphics cards on the PCI bus.
fn cards(devices: &Path) -> Vec<Maker> {
    let number = |path: PathBuf| {
        let text = fs::read_to_string(path).ok()?;
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
    };
    let card = |device: PathBuf| {
        let class = number(device.join("class"))?;
        let maker = match number(device.join("vendor"))? {
            0x1002 => Maker::Amd,
            0x8086 => Maker::Intel,
            0x10de => Maker::Nvidia,
            other => Maker::Other(other),
        };
        // The class of displays, and that of accelerators without one.
        matches!(class >> 16, 0x03 | 0x12).then_some(maker)
    };
    let found = fs::read_dir(devices).into_iter().flatten().flatten();
    found.filter_map(|entry| card(entry.path())).collect()
}

/// Devices of cards that are there and cannot be opened.
fn closed() -> Vec<PathBuf> {
    let renders = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("renderD") || name.starts_with("nvidia")
    };
    let all = ["/dev/dri", "/dev"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let devices = all.map(|entry| entry.path()).filter(|path| renders(path) && !path.is_dir());
    let refused = |path: &PathBuf| {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    };
    devices.filter(refused).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn cards_and_libraries_are_found_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, class, vendor) in [
            ("a", "0x030000\n", "0x10de\n"),
            ("b", "0x020000\n", "0x8086\n"),
            ("c", "0x120000\n", "0x1af4\n"),
        ] {
            fs::create_dir_all(at("pci").join(name)).unwrap();
            fs::write(at("pci").join(name).join("class"), class).unwrap();
            fs::write(at("pci").join(name).join("vendor"), vendor).unwrap();
        }
        let mut found = cards(&at("pci"));
        found.sort_by_key(|maker| *maker != Maker::Nvidia);
        assert_eq!(found, [Maker::Nvidia, Maker::Other(0x1af4)]);

        fs::write(at("libdriver.so"), "").unwrap();
        fs::write(at("icd.json"), r#"{"ICD": {"library_path": "./libdriver.so"}}"#).unwrap();
        assert_eq!(library(&at("icd.json")).as_deref(), Some("./libdriver.so"));
        assert!(
            there("./libdriver.so", &at("icd.json"), &[]) && !there("../libdriver.so", &at("icd.json"), &[])
        );
        assert!(there("libdriver.so", Path::new(""), &[folder.path().to_owned()]));
        assert!(!there("libdriver.so", Path::new(""), &[]));
        assert_eq!((library(&at("libdriver.so")), files(folder.path(), "json").len()), (None, 1));
    }
}
