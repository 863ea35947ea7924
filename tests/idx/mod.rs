//! MNIST's files, byte by byte.

use std::fs;
use std::path::Path;
use wgrad::data::Dataset;

/// A file of 8-bit numbers with these sizes.
pub fn idx(path: &Path, sizes: &[usize], bytes: &[u8]) {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|&s| file.extend((s as u32).to_be_bytes()));
    file.extend(bytes);
    fs::write(path, file).expect("the folder can be written");
}

/// The two files of a set of 28x28 images: `train` or `t10k`.
pub fn set(folder: &Path, name: &str, set: &Dataset) {
    let pixels: Vec<u8> = (0..set.len()).flat_map(|i| set.image(i).expect("in range").to_vec()).collect();
    idx(&folder.join(format!("{name}-images-idx3-ubyte")), &[set.len(), 28, 28], &pixels);
    let labels: Vec<u8> = set.labels().iter().map(|&label| label as u8).collect();
    idx(&folder.join(format!("{name}-labels-idx1-ubyte")), &[set.len()], &labels);
}
