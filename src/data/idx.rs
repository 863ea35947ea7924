//! IDX files, MNIST's format, plain or gzip: a magic number, the sizes of the dimensions, the bytes.

use super::Dataset;
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The classes of MNIST's digits; a part of them may lack some.
const DIGITS: usize = 10;

/// What the set without a name of its own is called.
const PLAIN: &str = "plain";

/// Labels `first` to `first + classes - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// That of class 0: 1 for the letters of EMNIST.
    pub first: u8,
    /// How many there are.
    pub classes: usize,
}

impl Labels {
    /// Those of MNIST.
    pub const DIGITS: Self = Self { first: 0, classes: DIGITS };
}

/// Loads a training and a test set from the IDX files of a folder, each plain or with `.gz`.
///
/// Names are MNIST's, `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, also with a dot before `idx` or with `test` for `t10k`, or those of EMNIST, which have the
/// set before them: `emnist-letters-train-images-idx3-ubyte`. Of several sets `split` names one: `letters`. EMNIST's
/// images lie on their side and are transposed.
///
/// With `labels` these are the classes, else all labels from the lowest to the highest that occurs, and 0 to 9 for a
/// part of the digits.
///
/// # Errors
/// When a file is missing, truncated, too long or garbled, several sets are there and none is named, a label is none of
/// `labels` or there are some between the others that never occur, images and labels differ in number, or the two sets
/// differ in image size.
pub fn load_idx(folder: &Path, split: Option<&str>, labels: Option<Labels>) -> Result<(Dataset, Dataset)> {
    let (name, files) = choose(folder, split)?;
    let (train, test) =
        (read_part(folder, &name, &files, "train")?, read_part(folder, &name, &files, "test")?);
    if train.shape != test.shape {
        let size = |part: &Part| format!("images of {:?}", &part.shape[1..]);
        return Err(Error::file(folder, format!("test {} as in training", size(&train)), size(&test)));
    }
    let labels = labels.map_or_else(|| labels_of(&train, &test), Ok)?;
    let upright = name.contains("emnist");
    Ok((train.dataset(labels, upright)?, test.dataset(labels, upright)?))
}

/// [`load_idx`] of a folder with one set, whose classes are those that occur.
///
/// # Errors
/// As there.
pub fn load_mnist(folder: &Path) -> Result<(Dataset, Dataset)> {
    load_idx(folder, None, None)
}

/// The files of a set, by `train` or `test` and `images` or `labels`.
type Files = BTreeMap<(&'static str, &'static str), PathBuf>;

/// The set a file belongs to, and what it holds, by its name.
fn role(name: &str) -> Option<(&str, (&'static str, &'static str))> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    for (kind, dimensions) in [("images", 3), ("labels", 1)] {
        for mark in ["-", "."] {
            for end in ["-", "."] {
                let tail = format!("-{kind}{mark}idx{dimensions}{end}ubyte");
                let Some(rest) = name.strip_suffix(tail.as_str()) else { continue };
                for (word, part) in [("train", "train"), ("t10k", "test"), ("test", "test")] {
                    let Some(set) = rest.strip_suffix(word) else { continue };
                    if set.is_empty() || set.ends_with('-') {
                        return Some((set.strip_suffix('-').unwrap_or(PLAIN), (part, kind)));
                    }
                }
            }
        }
    }
    None
}

/// The set that is meant, and its files.
fn choose(folder: &Path, split: Option<&str>) -> Result<(String, Files)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    // Of names for the same file, one without .gz and with a dash is taken.
    paths.sort_by_key(|path| (path.extension().is_some_and(|e| e == "gz"), path.clone()));
    let mut sets: BTreeMap<String, Files> = BTreeMap::new();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if let Some((set, what)) = role(&name) {
            sets.entry(set.to_owned()).or_default().entry(what).or_insert(path);
        }
    }
    let known = sets.keys().cloned().collect::<Vec<_>>().join(", ");
    let Some(split) = split else {
        if sets.len() > 1 {
            return Err(Error::file(folder, "one set of images, or a split that names one", known));
        }
        return Ok(sets.pop_first().unwrap_or_else(|| (PLAIN.to_owned(), Files::new())));
    };
    let meant =
        |name: &str| name == split || name.strip_suffix(split).is_some_and(|rest| rest.ends_with('-'));
    let found = sets.into_iter().find(|(name, _)| meant(name));
    let known = if known.is_empty() { "none".to_owned() } else { known };
    found.ok_or_else(|| Error::file(folder, format!("the set {split}"), known))
}

/// Images and labels as the files have them.
struct Part {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    shape: [usize; 3],
    label_file: PathBuf,
}

fn read_part(folder: &Path, set: &str, files: &Files, part: &'static str) -> Result<Part> {
    let find = |kind: &'static str, dimensions: usize| {
        files.get(&(part, kind)).ok_or_else(|| {
            let got = if folder.is_dir() { "a folder without it" } else { "no such folder" };
            let word = if part == "test" && set == PLAIN { "t10k" } else { part };
            let before = if set == PLAIN { String::new() } else { format!("{set}-") };
            let name = format!("{before}{word}-{kind}-idx{dimensions}-ubyte");
            Error::file(folder, format!("a file {name} or {name}.gz"), got)
        })
    };
    let (image_file, label_file) = (find("images", 3)?, find("labels", 1)?);
    let ([count, h, w], pixels) = read::<3>(image_file)?;
    let ([labelled], labels) = read::<1>(label_file)?;
    if count != labelled {
        let expected = format!("{count} labels, as there are images in {}", image_file.display());
        return Err(Error::file(label_file, expected, format!("{labelled} labels")));
    }
    Ok(Part { pixels, labels, shape: [1, h, w], label_file: label_file.clone() })
}

/// The classes of a set by the labels that occur.
fn labels_of(train: &Part, test: &Part) -> Result<Labels> {
    let seen: BTreeSet<usize> = train.labels.iter().chain(&test.labels).map(|&l| usize::from(l)).collect();
    let first = seen.first().copied().unwrap_or(0);
    let last = seen.last().copied().unwrap_or(0);
    let missing = (first..last).find(|label| !seen.contains(label));
    match missing {
        None => Ok(Labels { first: first as u8, classes: last + 1 - first }),
        Some(_) if last < DIGITS => Ok(Labels::DIGITS),
        Some(missing) => {
            let has = |part: &&Part| part.labels.iter().any(|&label| usize::from(label) == last);
            let part = [train, test].into_iter().find(has).unwrap_or(train);
            let at = part.labels.iter().position(|&label| usize::from(label) == last).unwrap_or(0);
            let expected = format!("labels of 0 to 9, or of all numbers from {first} on");
            Err(Error::file(&part.label_file, expected, format!("{last} at {at}, and no {missing}")))
        }
    }
}

impl Part {
    fn dataset(mut self, labels: Labels, upright: bool) -> Result<Dataset> {
        let Labels { first, classes } = labels;
        let range = usize::from(first)..usize::from(first) + classes;
        let mut labels = self.labels.iter().enumerate();
        if let Some((i, label)) = labels.find(|(_, label)| !range.contains(&usize::from(**label))) {
            let expected = format!("labels of {first} to {}", range.end - 1);
            return Err(Error::file(&self.label_file, expected, format!("{label} at {i}")));
        }
        self.labels.iter_mut().for_each(|label| *label -= first);
        if upright {
            let [_, h, w] = self.shape;
            for image in self.pixels.chunks_mut(h * w) {
                let lying = image.to_vec();
                // Column by column it was written.
                let columns = (0..w).flat_map(|x| lying.iter().skip(x).step_by(w.max(1)));
                image.iter_mut().zip(columns).for_each(|(pixel, own)| *pixel = *own);
            }
            self.shape = [1, w, h];
        }
        let classified = self.labels.into_iter().map(u32::from).collect();
        Ok(Dataset::new(self.pixels, classified, self.shape, classes)?.with_first_label(first))
    }
}

/// The sizes and bytes of an IDX file of unsigned bytes with `D` dimensions.
fn read<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>)> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut magic = [0; 2];
    let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0)).map_err(|e| Error::io(path, e))?;
    let file = BufReader::new(file);
    if gzip { parse(path, MultiGzDecoder::new(file)) } else { parse(path, file) }
}

fn parse<const D: usize>(path: &Path, mut source: impl Read) -> Result<([usize; D], Vec<u8>)> {
    let mut word = || -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        let header =
            || Error::file(path, format!("a header of {} bytes", 4 + 4 * D), "a shorter or garbled file");
        source.read_exact(&mut bytes).map_err(|_| header())?;
        Ok(bytes)
    };
    let (magic, expected) = (word()?, [0, 0, 8, D as u8]);
    if magic != expected {
        let what = format!("an IDX file of unsigned bytes with {D} dimensions (it begins with {expected:?})");
        return Err(Error::file(path, what, format!("a file that begins with {magic:?}")));
    }
    let mut sizes = [0; D];
    for size in &mut sizes {
        *size = u32::from_be_bytes(word()?) as usize;
    }
    let total =
        sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|&n| n > 0 && n as u64 <= 1 << 34);
    let Some(total) = total else {
        return Err(Error::file(
            path,
            "sizes above 0 and at most 16 GiB of data",
            format!("sizes {sizes:?}"),
        ));
    };
    // The header is not trusted with an allocation: what is there is read, at most one byte too many.
    let mut bytes = Vec::new();
    let wanted = format!("{total} bytes of data for sizes {sizes:?}");
    let limit = total as u64 + 1;
    source
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::file(path, wanted.clone(), e.to_string()))?;
    match bytes.len() {
        n if n == total => Ok((sizes, bytes)),
        n if n > total => Err(Error::file(path, wanted, "more")),
        n => Err(Error::file(path, wanted, format!("{n} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
        let header = [0, 0, 8, sizes.len() as u8].into_iter();
        header.chain(sizes.iter().flat_map(|s| s.to_be_bytes())).chain(data.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A folder with a valid set of 2 training images and 1 test image, changed by `change`.
    fn folder(change: impl Fn(&Path)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte", idx(&[2, 2, 3], &[7; 12]));
        write("train-labels-idx1-ubyte.gz", gzip(&idx(&[2], &[1, 9])));
        write("t10k-images-idx3-ubyte.gz", gzip(&idx(&[1, 2, 3], &[8; 6])));
        write("t10k-labels-idx1-ubyte", idx(&[1], &[0]));
        change(folder.path());
        folder
    }

    #[test]
    fn plain_and_gzip_files_load() {
        let (train, test) = load_mnist(folder(|_| ()).path()).unwrap();
        assert_eq!((train.len(), test.len(), train.image_shape()), (2, 1, [1, 2, 3]));
        assert_eq!((train.labels(), test.image(0)), (&[1u32, 9][..], Some(&[8; 6][..])));
    }

    #[test]
    fn bad_files_are_named_with_expected_and_got() {
        let refused = |file: &str, bytes: Option<Vec<u8>>, part: &str| {
            let folder = folder(|path| match &bytes {
                Some(bytes) => std::fs::write(path.join(file), bytes).unwrap(),
                None => std::fs::remove_file(path.join(file)).unwrap(),
            });
            let error = load_mnist(folder.path()).unwrap_err().to_string();
            let stem = file.trim_end_matches(".gz");
            assert!(error.contains(stem) && error.contains(part), "{error}");
        };
        let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz");
        refused(images, None, "a folder without it");
        refused(images, Some(vec![]), "header of 16 bytes");
        refused(
            images,
            Some(idx(&[2, 2, 3], &[7; 11])),
            "expected 12 bytes of data for sizes [2, 2, 3], got 11 bytes",
        );
        refused(images, Some(idx(&[2, 2, 3], &[7; 13])), "got more");
        refused(images, Some(idx(&[2], &[7; 2])), "3 dimensions");
        refused(images, Some(idx(&[0, 2, 3], &[])), "sizes [0, 2, 3]");
        refused(images, Some(idx(&[u32::MAX, u32::MAX, u32::MAX], &[])), "at most 16 GiB");
        refused(
            labels,
            Some(gzip(&idx(&[2], &[1, 10]))),
            "labels of 0 to 9, or of all numbers from 0 on, got 10 at 1",
        );
        refused(labels, Some(gzip(&idx(&[3], &[1, 2, 3]))), "expected 2 labels");
        let mut corrupt = gzip(&idx(&[2], &[1, 9]));
        let middle = corrupt.len() / 2;
        corrupt[middle] ^= 0xff;
        refused(labels, Some(corrupt), "expected");
        refused("t10k-labels-idx1-ubyte", Some(b"<html>not found</html>".to_vec()), "begins with");
        assert!(load_mnist(Path::new("/nowhere")).unwrap_err().to_string().contains("no such folder"));
    }

    /// A folder with sets of one image for each of `labels`, each with its label as every second pixel.
    fn sets(names: &[&str], labels: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = labels.iter().flat_map(|&l| [l, 1, l, 2, l, 3]).collect();
        for name in names {
            let file = |kind: &str| folder.path().join(name.replace("KIND", kind));
            std::fs::write(
                file("images").to_str().unwrap().replace("DIM", "3"),
                idx(&[labels.len() as u32, 2, 3], &pixels),
            )
            .unwrap();
            let path = file("labels").to_str().unwrap().replace("DIM", "1");
            std::fs::write(path, gzip(&idx(&[labels.len() as u32], labels))).unwrap();
        }
        folder
    }

    #[test]
    fn names_with_dots_and_those_of_emnist_are_known() {
        for names in [
            ["train-KIND-idxDIM-ubyte", "t10k-KIND-idxDIM-ubyte"],
            ["train-KIND.idxDIM-ubyte", "t10k-KIND.idxDIM-ubyte"],
            ["train-KIND-idxDIM-ubyte.gz", "test-KIND.idxDIM-ubyte.gz"],
            ["TRAIN-KIND-idxDIM-ubyte", "T10K-KIND-idxDIM-ubyte"],
            ["kmnist-train-KIND-idxDIM-ubyte", "kmnist-test-KIND-idxDIM-ubyte"],
        ] {
            let (train, test) = load_mnist(sets(&names, &[0, 1, 2]).path()).unwrap();
            assert_eq!((train.len(), test.len(), train.image_shape(), train.classes()), (3, 3, [1, 2, 3], 3));
            assert_eq!(train.image(1), Some(&[1, 1, 1, 2, 1, 3][..]));
        }
    }

    #[test]
    fn of_several_sets_one_is_named() {
        let names = ["emnist-letters-train-KIND-idxDIM-ubyte", "emnist-letters-test-KIND-idxDIM-ubyte"];
        let others = ["emnist-balanced-train-KIND-idxDIM-ubyte", "train-KIND-idxDIM-ubyte"];
        let labels: Vec<u8> = (1..=26).collect();
        let folder = sets(&[&names[..], &others].concat(), &labels);
        let error = load_mnist(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("a split that names one, got emnist-balanced, emnist-letters, plain"),
            "{error}"
        );
        let error = load_idx(folder.path(), Some("digits"), None).unwrap_err().to_string();
        assert!(error.contains("the set digits, got emnist-balanced"), "{error}");
        let error = load_idx(folder.path(), Some("balanced"), None).unwrap_err().to_string();
        assert!(error.contains("emnist-balanced-test-images-idx3-ubyte"), "{error}");
        for split in ["letters", "emnist-letters"] {
            let (train, _) = load_idx(folder.path(), Some(split), None).unwrap();
            assert_eq!((train.classes(), train.first_label(), train.labels()[25]), (26, 1, 25));
            // Transposed: what were lines are columns.
            assert_eq!((train.image_shape(), train.image(6)), ([1, 3, 2], Some(&[7, 2, 1, 7, 7, 3][..])));
        }
    }

    #[test]
    fn classes_are_those_that_occur_or_that_are_known() {
        let names = ["train-KIND-idxDIM-ubyte", "t10k-KIND-idxDIM-ubyte"];
        let classes = |labels: &[u8], known| {
            let loaded = load_idx(sets(&names, labels).path(), None, known);
            loaded.map(|(train, _)| (train.first_label(), train.classes())).map_err(|e| e.to_string())
        };
        assert_eq!(classes(&(0..47).collect::<Vec<_>>(), None), Ok((0, 47)));
        assert_eq!(classes(&[3, 1, 2], None), Ok((1, 3)));
        assert_eq!(classes(&[0, 7], None), Ok((0, 10)), "a part of the digits");
        assert_eq!(classes(&[0, 7], Some(Labels { first: 0, classes: 47 })), Ok((0, 47)));
        assert!(
            classes(&[0, 47], Some(Labels { first: 0, classes: 47 }))
                .unwrap_err()
                .contains("0 to 46, got 47 at 1")
        );
        assert!(
            classes(&[0, 3], Some(Labels { first: 1, classes: 26 }))
                .unwrap_err()
                .contains("1 to 26, got 0 at 0")
        );
        assert!(classes(&[0, 1, 200], None).unwrap_err().contains("got 200 at 2, and no 2"));
        assert_eq!(classes(&(0..=255).collect::<Vec<_>>(), None), Ok((0, 256)));
    }

    #[test]
    fn sets_of_two_sizes_are_refused() {
        let other = idx(&[1, 3, 2], &[8; 6]);
        let mixed = folder(|path| std::fs::write(path.join("t10k-images-idx3-ubyte.gz"), &other).unwrap());
        assert!(load_mnist(mixed.path()).unwrap_err().to_string().contains("as in training"));
    }

    #[test]
    fn the_real_mnist_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/mnist");
        if !folder.is_dir() {
            println!("SKIPPED: no {}", folder.display());
            return;
        }
        let (train, test) = load_mnist(&folder).unwrap();
        assert_eq!((train.len(), test.len(), train.image_shape()), (10_000, 10_000, [1, 28, 28]));
    }
}
