//! Files like PyTorch's and NumPy's that are cut off, changed or made to do harm: each is refused, without a panic and without
//! the memory that it asks for.
#![cfg(feature = "cli")]

mod torch;

use std::fs;
use std::path::Path;
use torch::{Pickle, legacy, zip};
use wgrad::formats::{ReadOptions, TensorFile, Tensors};

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files");
    let entries = fs::read_dir(folder).expect("fixtures").flatten();
    let read = |path: std::path::PathBuf| {
        (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(path).expect("a file"))
    };
    entries.map(|entry| read(entry.path())).collect()
}

/// Reads bytes as a file.
fn read(bytes: &[u8]) -> wgrad::Result<Tensors> {
    let file = TensorFile::of(Path::new("hostile.pt"), bytes.to_vec(), &ReadOptions::default());
    file.and_then(|file| Tensors::of(&file))
}

/// The message of refused bytes is short, and has the file's name.
fn refused(bytes: &[u8], parts: &[&str]) {
    let error = read(bytes).expect_err("it should be refused").to_string();
    assert!(error.contains("hostile.pt: expected") && error.len() < 1500, "{error}");
    for part in parts {
        assert!(error.contains(part), "no '{part}' in: {error}");
    }
}

#[test]
fn every_cut_is_refused() {
    for (name, whole) in fixtures() {
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} bytes of {name} are enough");
        }
    }
}

#[test]
fn every_changed_byte_is_refused_or_read() {
    let (mut good, mut bad) = (0, 0);
    for (_, whole) in fixtures() {
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                match read(&bytes) {
                    Ok(_) => good += 1,
                    Err(_) => bad += 1,
                }
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} read, {bad} refused");
}

#[test]
fn views_are_held_to_their_storage_and_to_the_size_of_the_file() {
    let four = [1.0, 2.0, 3.0, 4.0];
    let file = |offset, sizes: &[i64], strides: &[i64]| {
        let saved = Pickle::new().raw(b"}").text("w").tensor("7", 4, offset, sizes, strides).raw(b"s").end();
        legacy(&saved, &[("7", &four)])
    };
    let good = read(&file(1, &[2, 2], &[1, 1])).expect("a view");
    assert_eq!(good.get("w").and_then(|w| w.as_f32().ok()), Some(&[2.0, 3.0, 3.0, 4.0][..]));
    let most = i64::MAX;
    for (offset, sizes, strides) in [
        (4, &[1][..], &[1][..]),
        (0, &[5], &[1]),
        (0, &[2], &[4]),
        (most, &[2], &[1]),
        (0, &[2, 2], &[most, most]),
        (most, &[most], &[most]),
    ] {
        refused(&file(offset, sizes, strides), &["within its storage of 4 elements", "w"]);
    }
    refused(&file(0, &[most, most], &[0, 0]), &["counted"]);
    refused(&file(0, &[1 << 31], &[0]), &["in all, as fits a file of its size", "w of 8589934592"]);
    refused(&file(0, &[1 << 20, 1 << 12], &[0, 0]), &["as fits a file"]);
    refused(&file(-1, &[1], &[1]), &["0 and more"]);
    refused(&file(0, &[1, 1], &[1]), &["as many strides as sizes"]);
    refused(&file(0, &[1; 65], &[1; 65]), &["at most 64"]);
    // One storage under 4000 names.
    let large = vec![0.5f32; 1 << 14];
    let many = (0..4000).fold(Pickle::new().raw(b"}("), |pickle, name| {
        pickle.text(&name.to_string()).tensor("7", 1 << 14, 0, &[1 << 14], &[1])
    });
    refused(&legacy(&many.raw(b"u").end(), &[("7", &large)]), &["in all, as fits a file of its size"]);
    refused(
        &legacy(&Pickle::new().raw(b"}").text("w").tensor("8", 4, 0, &[1], &[1]).raw(b"s").end(), &[]),
        &["one called 8"],
    );
}

#[test]
fn no_depth_or_circle_is_one_of_calls() {
    let deep = |begin: &[u8], code: &[u8]| Pickle::new().raw(begin).raw(&code.repeat(100_000));
    refused(&deep(b")", b"\x85").end(), &["a dictionary of tensors"]);
    refused(&deep(b"N", b"\x85").raw(b"0}").end(), &["a dictionary of nothing"]);
    // A list in a list in a list, and a dictionary in a dictionary.
    refused(&deep(b"", b"]").raw(&b"a".repeat(99_999)).end(), &["a dictionary of tensors"]);
    refused(&deep(b"", b"}N").raw(b"N").raw(&b"s".repeat(100_000)).end(), &["hostile"]);
    refused(&deep(b"", b"(").raw(&b"t".repeat(100_000)).end(), &["a dictionary of tensors"]);
    refused(&Pickle::new().raw(b"]q\0h\0a.").end(), &["a dictionary of tensors"]);
    refused(
        &Pickle::new().raw(b"}q\0").text("a").raw(b"h\0s").end(),
        &["a dictionary of tensors", "a (dict)"],
    );
    // Each level holds the one below it twice: as many paths as 2 to the 200.
    let twice = (0..200).fold(Pickle::new().raw(b"}"), |pickle, _| {
        pickle.raw(b"q\x010}").text("a").raw(b"h\x01s").text("b").raw(b"h\x01s")
    });
    refused(&twice.end(), &["a dictionary of tensors"]);
}

#[test]
fn lengths_and_copies_cost_what_the_file_has() {
    let pickle = |bytes: &[u8]| Pickle::new().raw(bytes).end();
    refused(&pickle(b"\x8b\xff\xff\xff\x7f"), &["cut off", "at byte 2 of the pickle"]);
    refused(&pickle(b"\x8b\xff\xff\xff\xff"), &["cut off"]);
    refused(&pickle(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), &["cut off"]);
    refused(&pickle(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"), &["cut off"]);
    refused(&pickle(b"X\xff\xff\xff\xff"), &["cut off"]);
    let copied =
        Pickle::new().global("_codecs", "encode").raw(b"q\0").text(&"x".repeat(100_000)).raw(b"q\x01");
    let copied = copied.text("latin1").raw(b"q\x02").raw(&b"h\0h\x01h\x02\x86R0".repeat(10_000));
    refused(&copied.end(), &["copies the same again and again"]);
    let list =
        Pickle::new().global("__builtin__", "set").raw(b"q\0](").raw(&b"N".repeat(50_000)).raw(b"eq\x01");
    refused(&list.raw(&b"h\0h\x01\x85R0".repeat(10_000)).end(), &["copies the same again and again"]);
    // Instructions without an end, and more objects than any file of tensors has.
    refused(&[&[0x80, 2][..], &vec![b'N'; 17 << 20]].concat(), &["instructions"]);
    refused(&[&[0x80, 2][..], &vec![b']'; 3 << 20]].concat(), &["objects in a pickle"]);
    refused(&[&[0x80, 2, b'N'][..], &vec![0x94; 5 << 20]].concat(), &["values to keep"]);
}

#[test]
fn instructions_that_do_not_fit_are_refused() {
    for (bytes, part) in [
        (&b""[..], "an empty stack"),
        (b"t", "a mark"),
        (b"(0t", "a mark"),
        (b"h\x05", "none under 5"),
        (b"NNs", "an empty stack"),
        (b"NNNs", "to fill"),
        (b"}(Nu", "as many values as keys"),
        (b"\x80\x09", "protocol"),
        (b"\xfe", "the byte 0xfe"),
        (b"NNR", "a name of tensors"),
        (b"N\x93", "an empty stack"),
        (b"NN\x93", "a module and a name"),
        (b"NQ", "a storage"),
        (b"Px\n", "its name as text"),
        (b"\x82\x01", "a registry"),
        (b"\x97", "outside of it"),
        (b"Iseven\n", "a number"),
        (b"Fx\n", "a number"),
        (b"S'x\n", "in quotes"),
        (b"(", "an empty stack"),
        (b"NNb", "plain"),
        (b"ctorch\nFloatStorage\n)R", "arguments of"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "arguments of"),
        (b"(ios\nsystem\n", "os.system"),
        (b"cargparse\nNamespace\n", "argparse.Namespace"),
        (b"c__builtin__\neval\n", "__builtin__.eval"),
        (b"cbuiltins\ngetattr\n", "builtins.getattr"),
        (b"ctorch.storage\n_load_from_bytes\n", "torch.storage._load_from_bytes"),
        (b"\x8c\x02os\x8c\x06system\x93", "os.system"),
        (b"ctorch\nload\n", "torch.load"),
        (b"cnumpy.core.multiarray\nscalar\n(NtR", "arguments of"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02f8tRNtR", "the bytes of a number"),
    ] {
        refused(&Pickle::new().raw(bytes).end(), &[part]);
    }
}

#[test]
fn archives_that_unpack_to_far_more_are_refused() {
    let array = |header: &str, data: &[u8]| {
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    };
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let zeros = array(&header("(25000000,)"), &vec![0; 100_000_000]);
    refused(&zip(&[("a.npy", &zeros, true)]), &["a packed file a.npy", "as fits a file of its size"]);
    let some = array(&header("(1000000,)"), &vec![0; 4_000_000]);
    let packed = zip(&[("a.npy", &some, true)]);
    assert_eq!(read(&packed).expect("zeros").get("a").map(|a| a.shape().elements()), Some(1_000_000));
    // What the list of files says is less than there is.
    let (size, central) =
        (some.len() as u32, packed.windows(4).rposition(|w| w == b"PK\x01\x02").expect("a list"));
    let mut lying = packed.clone();
    assert_eq!(lying[central + 24..central + 28], size.to_le_bytes());
    lying[central + 24..central + 28].copy_from_slice(&1000u32.to_le_bytes());
    refused(&lying, &["1001 bytes or more, where 1000 are noted"]);
    let plain = array(&header("(2,)"), &[0; 8]);
    refused(&zip(&[("a.npy", &plain, false), ("a.npy", &plain, false)]), &["two files of one name"]);
    for (shape, part) in [
        ("(18446744073709551615, 2)", "counted"),
        ("(4611686018427387904,)", "more than there can be"),
        ("(99999999999999999999999,)", "a NumPy header"),
        ("(-1,)", "a NumPy header"),
        ("(3,)", "12 bytes for the shape [3]"),
        ("2", "a NumPy header"),
        (&format!("({})", "1,".repeat(65)), "a NumPy header"),
    ] {
        refused(&array(&header(shape), &[0; 8]), &[part]);
    }
    refused(b"\x93NUMPY\x02\0\xff\xff\xff\x7f", &["a header of at most"]);
    refused(b"\x93NUMPY\x09\0\x01\0", &["version 1 to 3"]);
    for text in [
        "",
        "{",
        "{}",
        "{'descr': '<f4'}",
        "{'descr': <f4, 'fortran_order': False, 'shape': (2,)}",
        "{'a': 1}",
    ] {
        refused(&array(text, &[0; 8]), &["a NumPy header"]);
    }
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let empty = Pickle::new().raw(b"}").end();
    refused(
        &zip(&[("m/data.pkl", &empty, false), ("m/constants.pkl", &empty, false)]),
        &["TorchScript", "state_dict"],
    );
    refused(&zip(&[("m/data.pkl", &empty, false)]), &["a dictionary of nothing"]);
    refused(&zip(&[("a.txt", b"x", false)]), &["a zip archive of a.txt"]);
    let missing = Pickle::new().raw(b"}").text("w").tensor("0", 1, 0, &[1], &[1]).raw(b"s").end();
    refused(&zip(&[("m/data.pkl", &missing, false)]), &["m/data/0", "of w"]);
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    refused(&tar, &["a tar archive"]);
    refused(b"\x89HDF\r\n\x1a\n", &["an HDF5 file"]);
    refused(b"", &["a safetensors file", "0 bytes"]);
    refused(&[0; 300], &["300 bytes that are not one"]);
    // A storage whose bytes were changed.
    let good = zip(&[("m/data.pkl", &missing, false), ("m/data/0", &0.5f32.to_le_bytes(), false)]);
    assert!(read(&good).is_ok());
    let place = good.windows(4).position(|w| w == 0.5f32.to_le_bytes()).expect("the storage");
    let mut changed = good.clone();
    changed[place] ^= 1;
    refused(&changed, &["m/data/0", "a checksum"]);
    // In an archive of big-endian numbers.
    let big = zip(&[
        ("m/data.pkl", &missing, true),
        ("m/byteorder", b"big", false),
        ("m/data/0", &0.5f32.to_be_bytes(), true),
    ]);
    let found = read(&big).expect("an archive");
    assert_eq!(found.get("w").and_then(|w| w.as_f32().ok()), Some(&[0.5][..]));
}
