//! Writes the list of shader files, name and text, that `src/kernels/template.rs` compiles into the library: every
//! `.wgsl` file under `shaders/`, in the order of names.

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
    fs::write(variable("OUT_DIR")?.join("shaders.rs"), format!("&[\n{list}]\n"))
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
