//! What the command runs on: the program itself, the system, the processor.

use crate::quiet;
use serde::Serialize;
use std::collections::BTreeMap;
use std::env::consts::{ARCH, OS};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The program.
#[derive(Debug, Clone, Serialize)]
pub struct Program {
    pub version: &'static str,
    pub wgpu: String,
    /// Of the checkout that it was built in, as that is now; `None` elsewhere.
    pub commit: Option<String>,
    /// Whether it was built without optimisation.
    pub debug: bool,
}

/// The machine. What is not known is `None`.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The system's name and version.
    pub system: String,
    pub os: &'static str,
    pub architecture: &'static str,
    pub kernel: Option<String>,
    pub cpu: Option<String>,
    /// Threads that run at once.
    pub threads: usize,
    pub memory_bytes: Option<u64>,
}

impl Program {
    /// This one.
    pub fn found() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            wgpu: crate::bench::locked("wgpu"),
            commit: env::var("WGRAD_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(commit),
            debug: cfg!(debug_assertions),
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let commit = self.commit.as_ref().map_or_else(String::new, |commit| format!("commit {commit}, "));
        let build = if self.debug { "a debug build" } else { "a release build" };
        format!("wgrad {} ({commit}{build}), wgpu {}", self.version, self.wgpu)
    }
}

/// The commit of the checkout in which this program lies, where it lies in one.
fn commit() -> Option<String> {
    let program = env::current_exe().ok()?;
    let is_ours = |folder: &&Path| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.contains("\nname = \"wgrad\"") && folder.join(".git").exists()
    };
    let checkout = program.ancestors().find(is_ours)?.to_str()?.to_owned();
    printed("git", &["-C", &checkout, "describe", "--always", "--dirty", "--abbrev=12"])
}

impl Machine {
    /// This one.
    pub fn found() -> Self {
        Self {
            system: system().unwrap_or_else(|| OS.to_owned()),
            os: OS,
            architecture: ARCH,
            kernel: kernel(),
            cpu: cpu(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory(),
        }
    }

    /// In two lines.
    pub fn lines(&self) -> [String; 2] {
        let kernel = self.kernel.as_ref().map_or_else(String::new, |kernel| format!(", kernel {kernel}"));
        let cpu = self.cpu.as_deref().unwrap_or("an unknown processor");
        let threads =
            if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        let memory = self
            .memory_bytes
            .map_or_else(String::new, |bytes| format!(", {:.1} GiB", bytes as f64 / (1u64 << 30) as f64));
        [
            format!("{}, {} {}{kernel}", self.system, self.os, self.architecture),
            format!("{cpu}, {threads}{memory}"),
        ]
    }
}

/// What a command prints on one line, where there is such a command.
fn printed(command: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(command).args(words).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

/// A value of a file of lines `KEY=value` or `key : value`.
fn value(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(['=', ':']))?;
    Some(line.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

/// The system's name and version.
pub fn system() -> Option<String> {
    match OS {
        "linux" => value("/etc/os-release", "PRETTY_NAME"),
        "macos" => printed("sw_vers", &["-productVersion"]).map(|version| format!("macOS {version}")),
        "windows" => printed("cmd", &["/c", "ver"]),
        _ => printed("uname", &["-sr"]),
    }
}

/// What distributions call themselves and those they come from: `ubuntu debian`.
pub fn distribution() -> String {
    let of = |key| value("/etc/os-release", key).unwrap_or_default();
    format!("{} {}", of("ID"), of("ID_LIKE")).trim().to_owned()
}

fn kernel() -> Option<String> {
    match OS {
        "linux" => fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
        "macos" => printed("uname", &["-r"]),
        _ => None,
    }
}

fn cpu() -> Option<String> {
    match OS {
        // ARM's has no names of models, only numbers; then the name of the board.
        "linux" => {
            ["model name", "Model", "Hardware"].into_iter().find_map(|key| value("/proc/cpuinfo", key))
        }
        "macos" => printed("sysctl", &["-n", "machdep.cpu.brand_string"]),
        "windows" => env::var("PROCESSOR_IDENTIFIER").ok(),
        _ => None,
    }
}

fn memory() -> Option<u64> {
    match OS {
        "linux" => {
            let kibibytes: u64 = value("/proc/meminfo", "MemTotal")?.split(' ').next()?.parse().ok()?;
            Some(kibibytes << 10)
        }
        "macos" => printed("sysctl", &["-n", "hw.memsize"])?.parse().ok(),
        "windows" => {
            let ask = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory";
            printed("powershell", &["-NoProfile", "-Command", ask])?.parse().ok()
        }
        _ => None,
    }
}

/// The beginnings of variables that drivers, their loaders, wgpu and this crate read.
const VARIABLES: [&str; 10] =
    ["VK_", "WGPU_", "WGRAD_", "MESA_", "LIBGL_", "EGL_", "__EGL_", "__GLX_", "GALLIUM_", "LP_NUM_THREADS"];

/// Those of them that the user set, and where sockets of displays are looked for.
pub fn variables() -> BTreeMap<String, String> {
    let read =
        |name: &str| VARIABLES.iter().any(|start| name.starts_with(start)) || name == "XDG_RUNTIME_DIR";
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    let set = env::vars_os().filter_map(text);
    set.filter(|(name, _)| read(name) && !quiet::set_here().contains(&name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_files_of_either_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "NAME_LIKE=x\nNAME=\"Debian 12\"\nmodel name\t: A CPU @ 2.0 GHz\nempty=\n").unwrap();
        let of = |key| value(path.to_str().unwrap(), key);
        assert_eq!(of("NAME").as_deref(), Some("Debian 12"));
        assert_eq!(of("model name").as_deref(), Some("A CPU @ 2.0 GHz"));
        assert_eq!((of("empty"), of("model"), value("/no/such/file", "NAME")), (None, None, None));
    }

    #[test]
    fn the_machine_is_known_on_linux() {
        let machine = Machine::found();
        if OS == "linux" {
            assert!(
                machine.memory_bytes.is_some_and(|bytes| bytes > 1 << 26) && machine.kernel.is_some(),
                "{machine:?}"
            );
        }
        assert!(machine.lines()[0].contains(ARCH) && machine.lines()[1].contains("thread"), "{machine:?}");
    }
}
