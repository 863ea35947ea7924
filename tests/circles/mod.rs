//! Files of one folder import each other in one direction, too.

use super::{code, files, names, reexports, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Folders whose files must not import each other in a circle.
const FOLDERS: [&str; 4] = ["bench", "exec", "formats", "verify"];

/// Which file or folder in a folder uses which.
type Edges = BTreeSet<(String, String)>;

/// What the code in a folder below `src` uses of the same folder. `mod` is what its `mod.rs` defines itself.
fn edges(folder: &str) -> Edges {
    let path = Path::new("src").join(folder);
    let list = code(&fs::read_to_string(root().join(&path).join("mod.rs")).expect("a folder with a list"));
    let (origin, crates) = (reexports(&list, "use "), reexports(&lib(), "pub use "));
    let all = files(&format!("src/{folder}"), "rs");
    let unit = |file: &Path| {
        let first = file.strip_prefix(&path).ok()?.components().next()?.as_os_str();
        Some(first.to_str()?.trim_end_matches(".rs").to_owned())
    };
    let units: BTreeSet<String> = all.iter().filter_map(|(file, _)| unit(file)).collect();
    let mut found = Edges::new();
    for (file, text) in &all {
        let (text, from) = (code(text), unit(file).expect("a file of the folder"));
        let module = file.ends_with("mod.rs");
        let depth = file.components().count() - path.components().count() - usize::from(module);
        // Paths from the folder on, from the crate on, and those of what the crate's root shows of the folder.
        let up = "super::".repeat(depth);
        let above = text.split(&up).skip(1).filter(|_| depth > 0);
        let whole = format!("crate::{folder}::");
        let shown = text.split("crate::").skip(1).flat_map(names);
        let shown = shown.filter(|name| crates.get(name).is_some_and(|module| module == folder));
        let used = above.chain(text.split(&whole).skip(1)).flat_map(names).chain(shown);
        for name in used.filter(|name| name != "super") {
            let to = if units.contains(&name) { Some(name) } else { origin.get(&name).cloned() };
            found.insert((from.clone(), to.unwrap_or("mod".to_owned())));
        }
    }
    // What the list itself imports from elsewhere is no file of the folder.
    found.retain(|(from, to)| from != to && (units.contains(to) || to == "mod"));
    found
}

/// The crate's root.
pub fn lib() -> String {
    code(&fs::read_to_string(root().join("src/lib.rs")).expect("the crate's root"))
}

/// The edges that lie on a circle or between two of them.
fn circles(mut edges: Edges) -> Edges {
    loop {
        let ends: [BTreeSet<_>; 2] =
            [edges.iter().map(|e| e.0.clone()).collect(), edges.iter().map(|e| e.1.clone()).collect()];
        let before = edges.len();
        edges.retain(|(from, to)| ends[0].contains(to) && ends[1].contains(from));
        if edges.len() == before {
            return edges;
        }
    }
}

#[test]
fn files_of_a_folder_import_in_no_circle() {
    let known = BTreeMap::from(FOLDERS.map(|folder| (folder, edges(folder))));
    for (folder, edges) in &known {
        let round = circles(edges.clone());
        assert!(round.is_empty(), "src/{folder}: files import each other in a circle: {round:?}");
        let list: Vec<_> = edges.iter().filter(|(_, to)| to == "mod").collect();
        assert!(list.is_empty(), "src/{folder}/mod.rs is a list: {list:?} belong to a file");
    }
    let seen = |folder, from: &str, to: &str| known[folder].contains(&(from.to_owned(), to.to_owned()));
    assert!(seen("exec", "compile", "gpu") && seen("exec", "reference", "store"), "{:?}", known["exec"]);
    assert!(seen("bench", "check", "case") && seen("verify", "cases", "line"), "{known:?}");
}

#[test]
fn a_circle_is_found_with_what_leads_to_it_left_out() {
    let edges =
        |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let round = [("a", "b"), ("b", "c"), ("c", "a")];
    let with = [&round[..], &[("d", "a"), ("c", "e"), ("e", "f")]].concat();
    assert_eq!(circles(edges(&with)), edges(&round));
    assert_eq!(circles(edges(&[("a", "b"), ("b", "c"), ("a", "c")])), edges(&[]));
}
