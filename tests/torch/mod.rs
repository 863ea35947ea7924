//! Files like PyTorch's made by hand: pickles instruction by instruction, archives file by file.

use std::io::Write;

/// Instructions of a pickle, one after another.
#[derive(Default, Clone)]
pub struct Pickle(Vec<u8>);

impl Pickle {
    /// Of protocol 2.
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A name of Python's.
    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A text.
    pub fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    /// A number of 64 bits.
    pub fn int(self, number: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&number.to_le_bytes())
    }

    /// A tuple of numbers.
    pub fn ints(self, numbers: &[i64]) -> Self {
        let each = |pickle: Self, &number: &i64| pickle.int(number);
        numbers.iter().fold(self.raw(b"("), each).raw(b"t")
    }

    /// A tensor of `f32` in the storage called `key`.
    pub fn tensor(self, key: &str, held: i64, offset: i64, sizes: &[i64], strides: &[i64]) -> Self {
        let storage = self.global("torch._utils", "_rebuild_tensor_v2").raw(b"((").text("storage");
        let storage = storage.global("torch", "FloatStorage").text(key).text("cpu").int(held).raw(b"tQ");
        let view = storage.int(offset).ints(sizes).ints(strides);
        view.raw(b"\x89").global("collections", "OrderedDict").raw(b")RtR")
    }

    /// The end.
    pub fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A file of the form before 1.6: what was saved, and storages of `f32` by their keys.
pub fn legacy(saved: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
    let magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
    let mut file = magic.to_vec();
    file.extend(Pickle::new().int(1001).end());
    file.extend(Pickle::new().raw(b"}").end());
    file.extend(saved);
    let keys = storages.iter().fold(Pickle::new().raw(b"]("), |pickle, (key, _)| pickle.text(key));
    file.extend(keys.raw(b"e").end());
    for (_, values) in storages {
        file.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    }
    file
}

/// A zip archive of files, some of them packed.
pub fn zip(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, bytes, packed) in files {
        let method =
            if *packed { rawzip::CompressionMethod::DEFLATE } else { rawzip::CompressionMethod::STORE };
        let path = rawzip::path::EntryPath::verbatim(name.as_bytes());
        let (mut entry, config) =
            archive.new_file(path).compression_method(method).start().expect("a new file");
        let noted = if *packed {
            let pack = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::fast());
            let mut writer = config.wrap(pack);
            writer.write_all(bytes).expect("memory");
            let (pack, noted) = writer.finish().expect("memory");
            pack.finish().expect("memory");
            noted
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(bytes).expect("memory");
            writer.finish().expect("memory").1
        };
        entry.finish(noted).expect("memory");
    }
    archive.finish().expect("memory")
}
