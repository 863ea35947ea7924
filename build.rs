//! Writes the list of shader files, name and text, that `src/kernels/template.rs` compiles into the library: every
//! `.wgsl` file under `shaders/`, in the order of names. And says which version of wgpu is built with, for reports.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let variable = |name: &str| {
        env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("{name} is not set")))
    };
    let root = variable("CARGO_MANIFEST_DIR")?.join("shaders");
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo looks at every file below a folder.
    println!("cargo::rerun-if-changed=shaders");
    let mut files = Vec::new();
    find(&root, "", &mut files)?;
    files.sort();
    let line =
        |(name, path): &(String, PathBuf)| format!("    ({name:?}, include_str!({:?})),\n", path.display());
    let list: String = files.iter().map(line).collect();
    println!(
        "cargo::rustc-env=WGRAD_WGPU_VERSION={}",
        wgpu_version(&variable("OUT_DIR")?).unwrap_or_default()
    );
    fs::write(variable("OUT_DIR")?.join("shaders.rs"), format!("&[\n{list}]\n"))
}

/// The version of wgpu in the lock file of what is being built, which lies above the folder of what the build makes;
/// `None` where that folder is elsewhere.
fn wgpu_version(out: &Path) -> Option<String> {
    let lock = out.ancestors().map(|folder| folder.join("Cargo.lock")).find(|file| file.is_file())?;
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = fs::read_to_string(lock).ok()?;
    let (_, entry) = text.split_once("\nname = \"wgpu\"\nversion = \"")?;
    entry.split('"').next().map(str::to_owned)
}

/// The shaders of a folder and of those in it, named by their path below `shaders/`.
fn find(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", folder.display()));
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() {
            find(&path, &format!("{prefix}{name}/"), files)?;
        } else if name.ends_with(".wgsl") {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}
