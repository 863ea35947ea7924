//! Readers of files and texts, each as a function of bytes that may be anything: it must return. And what is well-formed, to begin
//! with. `tests/hostile.rs` changes these a little, `fuzz/` for hours.

use std::fs;
use std::path::Path;
use wgrad::data::{self, AudioOptions, CifarLabels, Statistics, Table, TableOptions, TableTask};
use wgrad::formats::{ReadOptions, TensorFile, Tensors};
use wgrad::nn::{Linear, Module};
use wgrad::onnx::{ImportOptions, Model};
use wgrad::{Checkpoint, Device, Graph, Parameters};

/// A reader, by name, and files that it reads without an error.
pub struct Reader {
    /// Its name: that of the fuzz target, too.
    pub name: &'static str,
    /// Reads bytes, in a folder that is its own; whether they were well-formed.
    pub read: fn(&[u8], &Path) -> bool,
    /// Well-formed bytes.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All readers.
pub const READERS: [Reader; 15] = [
    Reader { name: "idx", read: idx, seeds: idx_seeds },
    Reader { name: "cifar", read: cifar, seeds: cifar_seeds },
    Reader { name: "image", read: image, seeds: image_seeds },
    Reader { name: "wav", read: wav, seeds: wav_seeds },
    Reader { name: "fasta", read: fasta, seeds: || texts(&[">a label=x\nACGTN\nac\n>b class=y\r\nTT-\n"]) },
    Reader {
        name: "table",
        read: table,
        seeds: || texts(&["a,b,c\n1,\"x, y\",2\n3,z,4\n", "1;2.5;x\n2;3.5;y\n"]),
    },
    Reader { name: "text", read: text, seeds: || texts(&["To be, or not\r\nto be: ä€"]) },
    Reader { name: "weights", read: weights, seeds: weights_seeds },
    Reader { name: "pickle", read: tensors, seeds: pickle_seeds },
    Reader { name: "npy", read: tensors, seeds: npy_seeds },
    Reader { name: "npz", read: tensors, seeds: npz_seeds },
    Reader { name: "checkpoint", read: checkpoint, seeds: checkpoint_seeds },
    Reader { name: "case_line", read: case_line, seeds: case_seeds },
    Reader { name: "onnx", read: onnx, seeds: onnx_seeds },
    Reader { name: "options", read: options, seeds: options_seeds },
];

/// Read, and built in both ways.
fn onnx(bytes: &[u8], _folder: &Path) -> bool {
    let built = |training: bool| {
        let options = ImportOptions::new().dim("N", 2).training(training);
        Model::from_bytes(bytes)?.import(&options)
    };
    built(true).is_ok() | built(false).is_ok()
}

fn onnx_seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx");
    let model = |name: &str| fs::read(folder.join(name).join("model.onnx")).expect("a fixture");
    ["cnn", "control", "function", "gru", "lstm", "shapes"].map(model).to_vec()
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Writes a file that is about to be read.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a folder of its own");
    path
}

fn idx_file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    file
}

fn idx(bytes: &[u8], folder: &Path) -> bool {
    for (name, file) in [
        ("train-labels-idx1-ubyte", idx_file(&[2], &[3, 1])),
        ("t10k-images-idx3-ubyte", idx_file(&[1, 2, 3], &[9; 6])),
        ("t10k-labels-idx1-ubyte", idx_file(&[1], &[0])),
        ("train-images-idx3-ubyte", bytes.to_vec()),
    ] {
        put(folder, name, &file);
    }
    data::load_mnist(folder).is_ok()
}

fn idx_seeds() -> Vec<Vec<u8>> {
    vec![idx_file(&[2, 2, 3], &[7; 12])]
}

fn cifar(bytes: &[u8], folder: &Path) -> bool {
    put(folder, "train.bin", bytes);
    put(folder, "test.bin", &[[3, 4].to_vec(), vec![9; 3072]].concat());
    data::load_cifar(folder, CifarLabels::Fine).is_ok()
}

fn cifar_seeds() -> Vec<Vec<u8>> {
    vec![[vec![1, 2], vec![100; 3072], vec![19, 99], vec![7; 3072]].concat()]
}

fn image(bytes: &[u8], folder: &Path) -> bool {
    let by = Statistics { mean: vec![0.5; 3], std: vec![0.5; 3] };
    data::read_image(&put(folder, "a.png", bytes), [3, 6, 5], &by).is_ok()
}

/// A PNG of 2x2 pixels, a GIF of one, a BMP of 1x1.
fn image_seeds() -> Vec<Vec<u8>> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 2, 2);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[9; 12]).expect("pixels");
    writer.finish().expect("an end");
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;".to_vec();
    let mut bmp = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
    bmp.extend([0; 24]);
    bmp.extend([1, 2, 3, 0]);
    vec![png, gif, bmp]
}

fn wav(bytes: &[u8], folder: &Path) -> bool {
    let options = AudioOptions { seconds: 0.01, ..AudioOptions::default() };
    data::read_recording(&put(folder, "a.wav", bytes), &options).is_ok()
}

fn wav_seeds() -> Vec<Vec<u8>> {
    let mut file = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend([8000u32.to_le_bytes(), 16_000u32.to_le_bytes()].concat());
    file.extend(b"\x02\0\x10\0data\x08\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08");
    vec![file]
}

fn fasta(bytes: &[u8], folder: &Path) -> bool {
    data::load_dna(&put(folder, "a.fa", bytes), Some(20)).is_ok()
}

fn table(bytes: &[u8], folder: &Path) -> bool {
    let path = put(folder, "a.csv", bytes);
    let with = |task| Table::open(&path, &TableOptions { task, ..TableOptions::default() }).is_ok();
    let regression = with(TableTask::Regression);
    with(TableTask::Classification) || regression
}

fn text(bytes: &[u8], folder: &Path) -> bool {
    let read = data::read_text(&put(folder, "a.txt", bytes));
    read.is_ok_and(|text| data::Vocabulary::of(&text).and_then(|own| own.encode(&text)).is_ok())
}

fn two_weights() -> Parameters {
    let graph = Graph::new();
    let x = graph.input("x", [1, 3]).expect("a shape");
    let y = Linear::new(3, 2).forward(&x).expect("a layer");
    let parameters = Parameters::new(&Device::cpu(), 0);
    parameters.compile(&graph, &[&y]).expect("a program");
    parameters
}

fn weights(bytes: &[u8], folder: &Path) -> bool {
    let path = put(folder, "a.safetensors", bytes);
    let parameters = two_weights();
    let partly = parameters.load_matching(&path, &["*.bias", "bias"]).is_ok();
    parameters.load(&path).is_ok() || partly
}

fn weights_seeds() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w");
    two_weights().save(&path).expect("a file");
    vec![fs::read(path).expect("a file")]
}

/// Files of PyTorch's and NumPy's are told apart by their bytes.
fn tensors(bytes: &[u8], _: &Path) -> bool {
    let file = TensorFile::of(Path::new("a.pt"), bytes.to_vec(), &ReadOptions::default());
    file.and_then(|file| Tensors::of(&file)).is_ok()
}

/// In archives a checksum would keep changes from the pickle.
fn pickle_seeds() -> Vec<Vec<u8>> {
    let legacy = include_bytes!("../fixtures/files/legacy.pt").to_vec();
    vec![legacy, include_bytes!("../fixtures/files/checkpoint_legacy.pt").to_vec()]
}

fn npy_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../fixtures/files/version2.npy").to_vec(),
        include_bytes!("../fixtures/files/version3.npy").to_vec(),
    ]
}

fn npz_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../fixtures/files/arrays.npz").to_vec(),
        include_bytes!("../fixtures/files/packed.npz").to_vec(),
        include_bytes!("../fixtures/files/zip.pt").to_vec(),
    ]
}

fn checkpoint(bytes: &[u8], folder: &Path) -> bool {
    Checkpoint::read(&put(folder, "c.safetensors", bytes))
        .is_ok_and(|found| two_weights().restore(&found).is_ok())
}

fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c");
    let pending = two_weights().checkpoint([("note".to_owned(), "words".to_owned())].into());
    pending.and_then(|pending| pending.wait()).and_then(|found| found.write(&path)).expect("a file");
    vec![fs::read(path).expect("a file")]
}

fn case_line(bytes: &[u8], _: &Path) -> bool {
    let text = String::from_utf8_lossy(bytes);
    // Tables of shapes have lines of another form.
    wgrad::bench::parse_table("a", &text);
    text.parse::<wgrad::verify::Line>().is_ok()
}

fn case_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "conv2d input=2x3x8x8 weight=4x3x3x3 stride=1x1 padding=1,1,1,1 dilation=1x1 groups=1 data=real:1",
        "lstm sizes=5x2x3 bias data=real:1",
    ])
}

/// Options in texts: schedules, plateaus, augmentations.
fn options(bytes: &[u8], _: &Path) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let schedule = text.parse::<wgrad::optim::Schedule>();
    if let Ok(schedule) = &schedule {
        for step in [0, 1, 7, 1000, u64::MAX] {
            schedule.rate(0.1, step);
        }
    }
    let plateau = text.parse::<wgrad::optim::ReduceOnPlateau>().is_ok();
    let augments = data::Augment::parse_all(&text).is_ok();
    schedule.is_ok() || plateau || augments
}

fn options_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "cosine_restarts:t_0=9,t_mult=2,eta_min=0.001",
        "multi_step:milestones=10/30,gamma=0.5",
        "one_cycle:max_lr=0.1,total_steps=9,pct_start=0.3",
        "cyclic:base_lr=0.001,max_lr=0.02,step_size_up=8,gamma=0.9",
        "polynomial:total_iters=60,power=2",
        "linear:start_factor=0.1,total_iters=30",
        "step:step_size=7,gamma=0.5",
        "factor=0.5,patience=3,eps=0",
        "flip,crop:padding=4,affine:degrees=5,scale=0.8/1.2,shear=3",
    ])
}
