//! IDX files, MNIST's format, plain or gzip: a magic number, the sizes of the dimensions, the bytes.

use super::Dataset;
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The classes of MNIST and its relatives.
const CLASSES: usize = 10;

/// Loads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte` from a folder, each plain or with `.gz`: the training and the test set.
///
/// # Errors
/// When a file is missing, truncated, too long or garbled, a label is above 9, images and labels differ in
/// number, or the two sets differ in image size.
pub fn load_mnist(folder: &Path) -> Result<(Dataset, Dataset)> {
    let train = load(folder, "train")?;
    let test = load(folder, "t10k")?;
    if train.image_shape() != test.image_shape() {
        let size = |d: &Dataset| format!("images of {:?}", &d.image_shape()[1..]);
        return Err(Error::file(folder, format!("test {} as in training", size(&train)), size(&test)));
    }
    Ok((train, test))
}

fn load(folder: &Path, prefix: &str) -> Result<Dataset> {
    let image_file = find(folder, &format!("{prefix}-images-idx3-ubyte"))?;
    let label_file = find(folder, &format!("{prefix}-labels-idx1-ubyte"))?;
    let ([count, h, w], pixels) = read::<3>(&image_file)?;
    let ([labelled], labels) = read::<1>(&label_file)?;
    if count != labelled {
        let expected = format!("{count} labels, as there are images in {}", image_file.display());
        return Err(Error::file(&label_file, expected, format!("{labelled} labels")));
    }
    if let Some(i) = labels.iter().position(|&l| usize::from(l) >= CLASSES) {
        return Err(Error::file(&label_file, "labels of 0 to 9", format!("{} at {i}", labels[i])));
    }
    Dataset::new(pixels, labels, [1, h, w], CLASSES)
}

/// The file of this name, plain or with `.gz`.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let candidates = [folder.join(name), folder.join(format!("{name}.gz"))];
    candidates.into_iter().find(|p| p.is_file()).ok_or_else(|| {
        let got = if folder.is_dir() { "a folder without it" } else { "no such folder" };
        Error::file(folder, format!("a file {name} or {name}.gz"), got)
    })
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
    let total = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|&n| n > 0 && n <= 1 << 34);
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
        assert_eq!((train.labels(), test.image(0)), (&[1, 9][..], Some(&[8; 6][..])));
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
        refused(labels, Some(gzip(&idx(&[2], &[1, 10]))), "labels of 0 to 9, got 10 at 1");
        refused(labels, Some(gzip(&idx(&[3], &[1, 2, 3]))), "expected 2 labels");
        let mut corrupt = gzip(&idx(&[2], &[1, 9]));
        let middle = corrupt.len() / 2;
        corrupt[middle] ^= 0xff;
        refused(labels, Some(corrupt), "expected");
        refused("t10k-labels-idx1-ubyte", Some(b"<html>not found</html>".to_vec()), "begins with");
        assert!(load_mnist(Path::new("/nowhere")).unwrap_err().to_string().contains("no such folder"));
    }

    #[test]
    fn sets_of_two_sizes_are_refused() {
        let mixed = folder(|path| {
            std::fs::write(path.join("t10k-images-idx3-ubyte.gz"), idx(&[1, 3, 2], &[8; 6])).unwrap();
        });
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
