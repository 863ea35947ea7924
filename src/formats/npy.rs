//! NumPy's files of one array: a header that is a Python dictionary in words, then the elements.

use super::element::Element;
use super::entry::{Contents, Entry, Location};
use super::layout::{Layout, MAX_RANK};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::HostTensor;

/// What a file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header, in bytes.
const LONGEST: usize = 1 << 16;

/// The bytes of a `.npy` file of a tensor.
pub(super) fn encode(tensor: &HostTensor) -> Result<Vec<u8>, Mismatch> {
    let code = match tensor.ty().dtype {
        DType::F32 => "<f4",
        DType::F16 => "<f2",
        DType::U32 => "<u4",
    };
    let sizes: String = tensor.shape().iter().map(|size| format!("{size}, ")).collect();
    // Python writes `()`, `(3,)` and `(3, 4)`.
    let sizes = if tensor.shape().len() > 1 { sizes.trim_end_matches(", ") } else { sizes.trim_end() };
    let mut header = format!("{{'descr': '{code}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The elements begin at a multiple of 64 bytes; the header ends in a line's end.
    let before = MAGIC.len() + 2 + 2;
    let padding = (before + header.len() + 1).next_multiple_of(64) - before - header.len() - 1;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| {
        Mismatch::new("a shape that a header can hold", format!("{} sizes", tensor.shape().len()))
    })?;
    Ok([MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), tensor.as_bytes()].concat())
}

/// The array of a file of these bytes, without a name.
pub(super) fn parse(bytes: &[u8]) -> Result<Contents, Mismatch> {
    let entry = entry(bytes, Location::File)?;
    Ok(Contents { entries: vec![(String::new(), entry)], ..Contents::default() })
}

/// The array of these bytes, of which `location` says where they are.
pub(super) fn entry(
    bytes: &[u8],
    location: impl Fn(std::ops::Range<usize>) -> Location,
) -> Result<Entry, Mismatch> {
    let short =
        || Mismatch::new("a whole NumPy array", format!("{} bytes, cut off in its header", bytes.len()));
    let version = bytes.strip_prefix(MAGIC).and_then(|rest| rest.first()).ok_or_else(short)?;
    let after = bytes.get(8..).unwrap_or_default();
    let (length, from) = match version {
        1 => (after.first_chunk().map(|&bytes| usize::from(u16::from_le_bytes(bytes))), 10),
        2 | 3 => (after.first_chunk().map(|&bytes| u32::from_le_bytes(bytes) as usize), 12),
        other => return Err(Mismatch::new("a NumPy array of version 1 to 3", format!("one of {other}"))),
    };
    let length = length.ok_or_else(short)?;
    let expected = format!("a NumPy array with a header of at most {LONGEST} bytes");
    Mismatch::check(length <= LONGEST, expected, format!("one of {length}"))?;
    let data = from + length;
    let header = String::from_utf8_lossy(bytes.get(from..data).ok_or_else(short)?);
    let Header { element, big_endian, columns, shape } = header_of(&header)?;
    let layout = if columns { Layout::columns(shape) } else { Layout::rows(shape) };
    let expected = layout.elements()?.checked_mul(element.size());
    let got = bytes.len() - data;
    if expected != Some(got) {
        let expected = expected.map_or("more than there can be".to_owned(), |expected| expected.to_string());
        let expected = format!("{expected} bytes for the shape {:?} of {}", layout.shape(), element.name());
        return Err(Mismatch::new(expected, format!("{got}")));
    }
    Ok(Entry { element, layout, big_endian, location: location(data..bytes.len()) })
}

struct Header {
    element: Element,
    big_endian: bool,
    columns: bool,
    shape: Vec<usize>,
}

/// Reads a header: a dictionary of `descr`, `fortran_order` and `shape` in any order.
fn header_of(text: &str) -> Result<Header, Mismatch> {
    let wrong = || {
        let shown: String = text.trim().chars().take(100).collect();
        let expected = "a NumPy header of 'descr', 'fortran_order' and 'shape'";
        Mismatch::new(expected, format!("{shown:?}"))
    };
    let (mut code, mut columns, mut shape) = (None, None, None);
    let mut rest =
        text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(wrong)?.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or_else(wrong)?;
        let after = after.trim_start();
        let end = match key.trim().trim_matches(['\'', '"']) {
            "descr" => {
                if after.starts_with('[') {
                    return Err(Mismatch::new("an array of numbers", "one of records"));
                }
                let (quote, end) = quoted(after).ok_or_else(wrong)?;
                code = Some(quote);
                end
            }
            "fortran_order" => {
                let end = after.find(',').unwrap_or(after.len());
                columns = Some(match after[..end].trim() {
                    "True" => true,
                    "False" => false,
                    _ => return Err(wrong()),
                });
                end
            }
            "shape" => {
                let end = after.find(')').ok_or_else(wrong)?;
                let inner = after[..end].strip_prefix('(').ok_or_else(wrong)?;
                shape = Some(sizes(inner).ok_or_else(wrong)?);
                end + 1
            }
            _ => return Err(wrong()),
        };
        let after = after[end..].trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        if !after.is_empty() && !after.starts_with(',') {
            return Err(wrong());
        }
    }
    let (Some(code), Some(columns), Some(shape)) = (code, columns, shape) else { return Err(wrong()) };
    let plain = code.strip_prefix(['<', '>', '=', '|']).unwrap_or(code);
    let element = Element::of_numpy(plain).ok_or_else(|| {
        let shown: String = code.chars().take(20).collect();
        Mismatch::new("an array of floats, whole numbers or truth values", format!("one of dtype {shown:?}"))
    })?;
    // Without a type here there is no size to hold the bytes to.
    element.dtype(None)?;
    Ok(Header { element, big_endian: code.starts_with('>'), columns, shape })
}

/// The text in the quotes that `text` begins with, and where it ends.
fn quoted(text: &str) -> Option<(&str, usize)> {
    let quote = text.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    let end = text[1..].find(quote)? + 1;
    Some((&text[1..end], end + 1))
}

/// Sizes with commas between them; Python 2 wrote an `L` behind large ones.
fn sizes(text: &str) -> Option<Vec<usize>> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let parts = match parts.split_last() {
        Some((&"", before)) => before,
        _ => &parts[..],
    };
    let number = |part: &&str| part.strip_suffix('L').unwrap_or(part).parse().ok();
    parts.iter().map(number).collect::<Option<Vec<usize>>>().filter(|sizes| sizes.len() <= MAX_RANK)
}
