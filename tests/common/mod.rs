//! The `wgrad` command as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command in `folder`: whether it succeeded, and all it printed.
pub fn wgrad(folder: &Path, args: &[&str]) -> (bool, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the command starts");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

/// The command must fail and name all of `parts`.
pub fn refused(folder: &Path, args: &[&str], parts: &[&str]) {
    let (success, text) = wgrad(folder, args);
    assert!(!success, "{args:?} succeeded:\n{text}");
    for part in parts {
        assert!(text.contains(part), "{args:?}: no '{part}' in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{args:?}:\n{text}");
}
