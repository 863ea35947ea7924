//! The binary files of CIFAR-10 and CIFAR-100: a label, of CIFAR-100 a coarse and a fine one, and 3x32x32 pixels.

use super::Dataset;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Channels, height and width of an image.
const SHAPE: [usize; 3] = [3, 32, 32];
/// The pixels of an image.
const PIXELS: usize = 3 * 32 * 32;

/// Which labels of CIFAR-100 are the classes; CIFAR-10 has but one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CifarLabels {
    /// The 100 classes.
    #[default]
    Fine,
    /// Their 20 groups.
    Coarse,
}

/// A kind of CIFAR.
struct Kind {
    /// The folder that its archive makes.
    folder: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    classes: usize,
    /// Labels before the pixels, and which of them counts.
    labels: usize,
    label: usize,
}

impl Kind {
    fn ten() -> Self {
        Self {
            folder: "cifar-10-batches-bin",
            train: &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
            ],
            test: "test_batch.bin",
            names: "batches.meta.txt",
            classes: 10,
            labels: 1,
            label: 0,
        }
    }

    fn hundred(labels: CifarLabels) -> Self {
        let (names, classes, label) = match labels {
            CifarLabels::Fine => ("fine_label_names.txt", 100, 1),
            CifarLabels::Coarse => ("coarse_label_names.txt", 20, 0),
        };
        let (folder, train, test) = ("cifar-100-binary", &["train.bin"], "test.bin");
        Self { folder, train, test, names, classes, labels: 2, label }
    }

    fn lies_in(&self, folder: &Path) -> bool {
        let mut files = self.train.iter().chain([&self.test]);
        files.any(|name| folder.join(name).is_file())
    }
}

/// Loads a training and a test set from the unpacked binary files of CIFAR-10, `data_batch_1.bin` to `data_batch_5.bin` and
/// `test_batch.bin`, or of CIFAR-100, `train.bin` and `test.bin`: `folder` holds them, or the folder that their archive makes.
/// Classes are named as `batches.meta.txt`, `fine_label_names.txt` or `coarse_label_names.txt` has it, where it is there. Both
/// sets are normalised by the training images' own statistics.
///
/// # Errors
/// When a file is missing, still packed, truncated or too long, or a label is out of range.
pub fn load_cifar(folder: &Path, labels: CifarLabels) -> Result<(Dataset, Dataset)> {
    let (folder, kind) = find(folder, labels)?;
    let names = names(&folder, &kind)?;
    let train = part(&folder, &kind, kind.train, &names)?;
    let test = part(&folder, &kind, &[kind.test], &names)?;
    let own = train.statistics();
    Ok((train.normalised(own.mean.clone(), own.std.clone())?, test.normalised(own.mean, own.std)?))
}

/// The folder that holds the files, and their kind.
fn find(folder: &Path, labels: CifarLabels) -> Result<(PathBuf, Kind)> {
    for kind in [Kind::ten(), Kind::hundred(labels)] {
        for place in [folder.to_owned(), folder.join(kind.folder)] {
            if kind.lies_in(&place) {
                return Ok((place, kind));
            }
        }
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut files: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    files.sort();
    let packed = |name: &&String| [".tar.gz", ".tgz", ".tar", ".zip"].iter().any(|end| name.ends_with(end));
    let got = match files.iter().find(packed) {
        Some(packed) => format!("{packed}, which is still packed: unpack it there"),
        None if files.is_empty() => "an empty folder".to_owned(),
        None => format!("a folder with {}", super::some_of(&files)),
    };
    Err(Error::file(
        folder,
        "CIFAR's binary files: data_batch_1.bin to 5 and test_batch.bin, or train.bin and test.bin",
        got,
    ))
}

/// The names of the classes, their numbers where there is no file of them.
fn names(folder: &Path, kind: &Kind) -> Result<Vec<String>> {
    let path = folder.join(kind.names);
    if !path.is_file() {
        return Ok((0..kind.classes).map(|class| class.to_string()).collect());
    }
    let text = super::read_text(&path)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() != kind.classes {
        let expected = format!("{} names of classes", kind.classes);
        return Err(Error::file(&path, expected, names.len().to_string()));
    }
    Ok(names)
}

/// The images of some files.
fn part(folder: &Path, kind: &Kind, files: &[&str], names: &[String]) -> Result<Dataset> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let record = kind.labels + PIXELS;
    for name in files {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let expected = format!("images of {record} bytes");
            let got = format!(
                "{} bytes: {} images and {} bytes more",
                bytes.len(),
                bytes.len() / record,
                bytes.len() % record
            );
            return Err(Error::file(&path, expected, got));
        }
        for (row, bytes) in bytes.chunks_exact(record).enumerate() {
            let (before, image) = bytes.split_at(kind.labels);
            let label = before.get(kind.label).map_or(0, |&label| u32::from(label));
            if label as usize >= kind.classes {
                let expected = format!("labels below {}", kind.classes);
                return Err(Error::file(&path, expected, format!("{label} at image {row}")));
            }
            labels.push(label);
            pixels.extend_from_slice(image);
        }
    }
    Dataset::new(pixels, labels, SHAPE, kind.classes)?.with_names(names.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Examples;

    fn images(labels: &[&[u8]], shade: u8) -> Vec<u8> {
        let image = |labels: &&[u8]| [*labels, &[shade; 1024], &[2 * shade; 1024], &[0; 1024]].concat();
        labels.iter().flat_map(image).collect()
    }

    fn write(folder: &Path, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }

    #[test]
    fn cifar_10_loads_with_names_and_its_own_statistics() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("cifar-10-batches-bin");
        for batch in 1..=5u8 {
            write(&inside, &format!("data_batch_{batch}.bin"), &images(&[&[batch]], 10 * batch));
        }
        write(&inside, "test_batch.bin", &images(&[&[9], &[0]], 7));
        let names: String = (0..10).map(|class| format!("class {class}\n")).collect();
        write(&inside, "batches.meta.txt", format!("{names}\n").as_bytes());
        let (train, test) = load_cifar(folder.path(), CifarLabels::Fine).unwrap();
        assert_eq!((train.labels(), test.labels()), (&[1, 2, 3, 4, 5][..], &[9, 0][..]));
        assert_eq!((test.image_shape(), &Examples::classes(&test)[9]), (SHAPE, &"class 9".to_owned()));
        let own = train.statistics();
        assert!(
            (own.mean[0] - 30.0 / 255.0).abs() < 1e-6 && (own.std[1] - 800f32.sqrt() / 255.0).abs() < 1e-6
        );
        assert_eq!((test.normalised_by(), own.std[2]), (Some(&own), 1.0));
    }

    #[test]
    fn cifar_100_has_fine_and_coarse_labels() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "train.bin", &images(&[&[3, 99], &[19, 0]], 5));
        write(folder.path(), "test.bin", &images(&[&[7, 50]], 5));
        let labels = |kind| {
            let (train, test) = load_cifar(folder.path(), kind).unwrap();
            (train.labels().to_vec(), test.labels().to_vec(), test.classes())
        };
        assert_eq!(labels(CifarLabels::Fine), (vec![99, 0], vec![50], 100));
        assert_eq!(labels(CifarLabels::Coarse), (vec![3, 19], vec![7], 20));
    }

    #[test]
    fn bad_files_are_named_with_expected_and_got() {
        let told = |files: &[(&str, Vec<u8>)]| {
            let folder = tempfile::tempdir().unwrap();
            files.iter().for_each(|(name, bytes)| write(folder.path(), name, bytes));
            load_cifar(folder.path(), CifarLabels::Fine).unwrap_err().to_string()
        };
        let refused = |files: &[(&str, Vec<u8>)], part: &str| {
            let told = told(files);
            assert!(told.contains(part), "{told}");
        };
        refused(&[], "an empty folder");
        refused(&[("cifar-10-binary.tar.gz", vec![1])], "cifar-10-binary.tar.gz, which is still packed");
        refused(&[("cat.png", vec![1])], "a folder with cat.png");
        let good = images(&[&[1, 2]], 5);
        let cut = good[..good.len() - 1].to_vec();
        refused(&[("train.bin", cut)], "images of 3074 bytes, got 3073 bytes: 0 images and 3073 bytes more");
        refused(&[("train.bin", vec![])], "got 0 bytes");
        refused(&[("train.bin", good.clone())], "test.bin");
        refused(
            &[("train.bin", images(&[&[1, 2], &[1, 100]], 5)), ("test.bin", good.clone())],
            "below 100, got 100 at image 1",
        );
        let files =
            [("train.bin", good.clone()), ("test.bin", good), ("fine_label_names.txt", b"apple\n".to_vec())];
        refused(&files, "100 names of classes, got 1");
    }
}
