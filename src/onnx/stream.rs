//! The fields of a file one after the other, so that values are read without the whole file in memory beside them.

use super::proto::{GraphProto, ModelProto, TensorProto};
use crate::error::Mismatch;
use bytes::Bytes;
use prost::Message;
use std::io::Read;

/// The field of a model that is its graph, and the one of a graph that is an initialiser.
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;

/// A file, and how many bytes of it are left.
struct Fields<R> {
    reader: R,
    left: u64,
}

/// A field's number, its key as it is written, and the bytes behind that.
struct Field {
    number: u64,
    key: Vec<u8>,
    kind: Kind,
}

/// What is behind a key.
enum Kind {
    /// So many bytes, whose count was read.
    Counted(u64),
    /// These bytes.
    Plain(Vec<u8>),
}

fn broken(words: &str) -> Mismatch {
    Mismatch::new("an ONNX file", format!("bytes that are not one: {words}"))
}

impl<R: Read> Fields<R> {
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, Mismatch> {
        let end = || broken("the file ends in the midst of a field");
        self.left = self.left.checked_sub(count).ok_or_else(end)?;
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(count).read_to_end(&mut bytes);
        match read {
            Ok(found) if found as u64 == count => Ok(bytes),
            Ok(_) => Err(end()),
            Err(error) => Err(broken(&error.to_string())),
        }
    }

    /// A number of up to ten bytes, and these.
    fn varint(&mut self) -> Result<(u64, Vec<u8>), Mismatch> {
        let (mut number, mut written) = (0u64, Vec::new());
        for shift in (0..70).step_by(7) {
            let byte = self.bytes(1)?.first().copied().unwrap_or(0);
            written.push(byte);
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok((number, written));
            }
        }
        Err(broken("a number of more than ten bytes"))
    }

    fn field(&mut self) -> Result<Field, Mismatch> {
        let (number, key) = self.varint()?;
        let kind = match number & 7 {
            0 => Kind::Plain(self.varint()?.1),
            1 => Kind::Plain(self.bytes(8)?),
            2 => Kind::Counted(self.varint()?.0),
            5 => Kind::Plain(self.bytes(4)?),
            other => return Err(broken(&format!("a field of kind {other}"))),
        };
        Ok(Field { number: number >> 3, key, kind })
    }

    /// Adds a field to others as it is written.
    fn copy(&mut self, field: Field, to: &mut Vec<u8>) -> Result<(), Mismatch> {
        to.extend(field.key);
        match field.kind {
            Kind::Plain(bytes) => to.extend(bytes),
            Kind::Counted(count) => {
                let bytes = self.bytes(count)?;
                prost::encoding::encode_varint(count, to);
                to.extend(bytes);
            }
        }
        Ok(())
    }
}

/// Reads a file of `size` bytes: the model without its graph, the graph without its initialisers, which `take` is given one by
/// one. `None` where there is no graph.
pub(super) fn read(
    reader: impl Read,
    size: u64,
    mut take: impl FnMut(TensorProto) -> Result<(), Mismatch>,
) -> Result<(ModelProto, Option<GraphProto>), Mismatch> {
    let undecoded = |e: prost::DecodeError| broken(&e.to_string());
    let mut fields = Fields { reader, left: size };
    let (mut model, mut graph) = (Vec::new(), None::<Vec<u8>>);
    while fields.left > 0 {
        let field = fields.field()?;
        let Kind::Counted(count) = field.kind else {
            fields.copy(field, &mut model)?;
            continue;
        };
        if field.number != GRAPH {
            fields.copy(field, &mut model)?;
            continue;
        }
        let rest = graph.get_or_insert_default();
        let end =
            fields.left.checked_sub(count).ok_or_else(|| broken("a graph that is longer than the file"))?;
        while fields.left > end {
            let field = fields.field()?;
            match field.kind {
                Kind::Counted(count) if field.number == INITIALIZER => {
                    take(TensorProto::decode(Bytes::from(fields.bytes(count)?)).map_err(undecoded)?)?;
                }
                _ => fields.copy(field, rest)?,
            }
        }
        if fields.left < end {
            return Err(broken("a field that is longer than its graph"));
        }
    }
    let model = ModelProto::decode(Bytes::from(model)).map_err(undecoded)?;
    let graph = graph.map(|graph| GraphProto::decode(Bytes::from(graph)).map_err(undecoded)).transpose()?;
    Ok((model, graph))
}
