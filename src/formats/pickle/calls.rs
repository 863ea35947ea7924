//! What becomes of a name with arguments, and of something made that is then given a state.

use super::names::Name;
use super::value::{Arena, Object, Source, Storage, Tensor, Value};
use crate::error::Mismatch;
use crate::formats::element::Element;
use crate::formats::layout::{Layout, MAX_RANK};
use std::borrow::Cow;

type Made<T = Value> = Result<T, Mismatch>;

/// Copies that a pickle has its reader make: as many bytes and values as it is long, a few times, so that naming one long text
/// again and again costs what it should.
#[derive(Debug)]
pub(super) struct Copies {
    left: usize,
}

impl Copies {
    pub(super) fn of(pickle: &[u8]) -> Self {
        Self { left: pickle.len().saturating_mul(4) }
    }

    fn spend(&mut self, count: usize) -> Made<()> {
        let left = self.left.checked_sub(count);
        let words = || {
            Mismatch::new("values that are made once each", "a pickle that copies the same again and again")
        };
        self.left = left.ok_or_else(words)?;
        Ok(())
    }
}

/// What `name` makes of `arguments`, a tuple.
pub(super) fn call<'a>(arena: &mut Arena<'a>, copies: &mut Copies, name: Value, arguments: Value) -> Made {
    let Some(Object::Name(known)) = arena.object(name) else {
        return Err(Mismatch::new("a name of tensors or plain containers to call", arena.kind(name)));
    };
    let known = *known;
    let Some(Object::Tuple(given)) = arena.object(arguments) else {
        return Err(Mismatch::new("a tuple of arguments", arena.kind(arguments)));
    };
    copies.spend(given.len())?;
    let given = given.clone();
    make(arena, copies, known, &given)
}

fn make<'a>(arena: &mut Arena<'a>, copies: &mut Copies, name: Name, given: &[Value]) -> Made {
    let wrong = |what: &str| Mismatch::new(format!("arguments of {what}"), format!("{} others", given.len()));
    match (name, given) {
        (Name::Tensor, [storage, offset, sizes, strides, ..]) => {
            tensor(arena, copies, *storage, [*offset, *sizes, *strides], None)
        }
        (Name::TypedTensor, [storage, offset, sizes, strides, _, _, element, ..]) => {
            tensor(arena, copies, *storage, [*offset, *sizes, *strides], Some(*element))
        }
        (Name::Parameter, [tensor, ..]) if matches!(arena.object(*tensor), Some(Object::Tensor(_))) => {
            Ok(*tensor)
        }
        (Name::FromType, [function, class, arguments, ..]) => {
            // One name calls another, which is no further one of this kind: no depth.
            match (arena.object(*function), arena.object(*class)) {
                (Some(Object::Name(inner)), Some(Object::Name(Name::TensorClass)))
                    if *inner != Name::FromType =>
                {
                    call(arena, copies, *function, *arguments)
                }
                _ => Err(wrong("a tensor of a class")),
            }
        }
        (Name::Dict, []) | (Name::DefaultDict, _) => arena.add(Object::Dict(Vec::new())),
        (Name::Dict, [of]) => {
            let pairs = pairs(arena, copies, *of).ok_or_else(|| wrong("a dict"))??;
            arena.add(Object::Dict(pairs))
        }
        (Name::Set | Name::List | Name::Tuple, []) => arena.add(container(name, Vec::new())),
        (Name::Set | Name::List | Name::Tuple, [of]) => {
            let items = arena.items(*of).ok_or_else(|| wrong("a set, list or tuple"))?;
            copies.spend(items.len())?;
            let items = items.to_vec();
            arena.add(container(name, items))
        }
        (Name::Encode, [text, encoding]) => encode(arena, copies, *text, *encoding),
        (Name::Bytes, []) => arena.add(Object::Bytes(Cow::Borrowed(&[]))),
        (Name::Bytes, [of]) if matches!(arena.object(*of), Some(Object::Bytes(_))) => Ok(*of),
        (Name::Bytes, [text, encoding]) => encode(arena, copies, *text, *encoding),
        (Name::Other(what), _) => arena.add(Object::Other(what)),
        (Name::Scalar, [element, bytes]) => scalar(arena, *element, *bytes),
        (Name::Reconstruct, [class, ..])
            if matches!(arena.object(*class), Some(Object::Name(Name::Array))) =>
        {
            arena.add(Object::EmptyArray)
        }
        (Name::FromBuffer, [bytes, element, shape, order]) => {
            let columns = arena.text(*order) == Some("F");
            let array = array(arena, copies, [*shape, *element, *bytes], columns)?;
            arena.add(array)
        }
        (Name::Dtype, [code, ..]) => {
            let code = arena.text(*code).ok_or_else(|| wrong("a dtype"))?;
            let (big_endian, code) = order_of(code);
            let object =
                Element::of_numpy(code).map_or(Object::Other("dtype"), |e| Object::Element(e, big_endian));
            arena.add(object)
        }
        _ => Err(wrong(&format!("{name:?}"))),
    }
}

/// The byte order of a NumPy code, and the rest.
fn order_of(code: &str) -> (bool, &str) {
    (code.starts_with('>'), code.strip_prefix(['<', '>', '=', '|']).unwrap_or(code))
}

fn container<'a>(name: Name, items: Vec<Value>) -> Object<'a> {
    match name {
        Name::Set => Object::Set(items),
        Name::List => Object::List(items),
        _ => Object::Tuple(items),
    }
}

/// The pairs of a dict, or of a list of pairs.
fn pairs(arena: &Arena<'_>, copies: &mut Copies, of: Value) -> Option<Made<Vec<(Value, Value)>>> {
    if let Some(Object::Dict(pairs)) = arena.object(of) {
        return Some(copies.spend(pairs.len()).map(|()| pairs.clone()));
    }
    let items = arena.items(of)?;
    if let Err(error) = copies.spend(items.len()) {
        return Some(Err(error));
    }
    let pair = |&item: &Value| match arena.items(item)? {
        [key, value] => Some((*key, *value)),
        _ => None,
    };
    items.iter().map(pair).collect::<Option<Vec<_>>>().map(Ok)
}

fn tensor<'a>(
    arena: &mut Arena<'a>,
    copies: &mut Copies,
    storage: Value,
    [offset, sizes, strides]: [Value; 3],
    typed: Option<Value>,
) -> Made {
    let (Value::Object(at), Some(Object::Storage(held))) = (storage, arena.object(storage)) else {
        return Err(Mismatch::new("a storage of a tensor", arena.kind(storage)));
    };
    let element = match typed.map(|element| arena.object(element)) {
        Some(Some(Object::Name(Name::Element(element)))) => Some(*element),
        Some(_) => None,
        None => held.element,
    };
    let element =
        element.ok_or_else(|| Mismatch::new("a tensor with a dtype", "one of bytes without a type"))?;
    let numbers = (arena.count(offset), arena.counts(sizes), arena.counts(strides));
    let (Some(offset), Some(sizes), Some(strides)) = numbers else {
        return Err(Mismatch::new("an offset, sizes and strides of 0 and more", "a tensor of others"));
    };
    copies.spend(sizes.len().saturating_add(strides.len()) / 2)?;
    let layout = Layout::view(sizes, strides, offset)?;
    arena.add(Object::Tensor(Box::new(Tensor { element, layout, source: Source::Storage(at) })))
}

/// Text as bytes: Latin-1 has a byte for each of its letters.
fn encode<'a>(arena: &mut Arena<'a>, copies: &mut Copies, text: Value, encoding: Value) -> Made {
    let known = arena.text(encoding).is_some_and(|name| ["latin1", "latin-1"].contains(&name));
    let (Some(text), true) = (arena.text(text), known) else {
        return Err(Mismatch::new("a text and latin1 to encode", arena.kind(text)));
    };
    copies.spend(text.len())?;
    let bytes: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    let bytes = bytes.ok_or_else(|| Mismatch::new("letters of latin1", "others"))?;
    arena.add(Object::Bytes(Cow::Owned(bytes)))
}

/// A number of NumPy's.
fn scalar<'a>(arena: &mut Arena<'a>, element: Value, bytes: Value) -> Made {
    let (element, big_endian) = match arena.object(element) {
        Some(Object::Element(element, big_endian)) => (*element, *big_endian),
        _ => return arena.add(Object::Other("scalar")),
    };
    let Some(Object::Bytes(bytes)) = arena.object(bytes) else {
        return Err(Mismatch::new("the bytes of a number", arena.kind(bytes)));
    };
    let mut word: Vec<u8> = bytes.iter().copied().take(8).collect();
    if big_endian {
        word.reverse();
    }
    let signed = matches!(element, Element::I8 | Element::I16 | Element::I32 | Element::I64);
    let whole = match (signed, element) {
        (true, _) => super::reader::little_endian(&word),
        (false, Element::Bool | Element::U8 | Element::U16 | Element::U32 | Element::U64) => {
            super::reader::little_endian(&[&word[..], &[0]].concat())
        }
        _ => None,
    };
    match (element, <[u8; 8]>::try_from(&word[..]), whole) {
        (_, _, Some(number)) => Ok(Value::Int(number)),
        (Element::F64, Ok(word), _) => Ok(Value::Float(f64::from_le_bytes(word))),
        _ => arena.add(Object::Other("scalar")),
    }
}

/// A NumPy array of its shape, dtype and bytes.
fn array<'a>(
    arena: &Arena<'a>,
    copies: &mut Copies,
    [shape, element, bytes]: [Value; 3],
    columns: bool,
) -> Made<Object<'a>> {
    let Some(Object::Element(element, big_endian)) = arena.object(element) else {
        // Of texts or objects: without a tensor in it.
        return Ok(Object::Other("array"));
    };
    let (Some(shape), Value::Object(at), Some(Object::Bytes(_))) =
        (arena.counts(shape), bytes, arena.object(bytes))
    else {
        return Err(Mismatch::new("an array's shape and bytes", arena.kind(bytes)));
    };
    copies.spend(shape.len())?;
    Mismatch::check(shape.len() <= MAX_RANK, format!("at most {MAX_RANK} sizes"), shape.len().to_string())?;
    let layout = if columns { Layout::columns(shape) } else { Layout::rows(shape) };
    Ok(Object::Tensor(Box::new(Tensor { element: *element, layout, source: Source::Bytes(at, *big_endian) })))
}

/// Gives `target` its `state`, as a pickle does after making it.
pub(super) fn build(arena: &mut Arena<'_>, copies: &mut Copies, target: Value, state: Value) -> Made<()> {
    let made = match (arena.object(target), arena.items(state)) {
        // Attributes of a dict, such as the `_metadata` of a state dict, and of tensors hold no tensors of the model.
        (Some(Object::Dict(_) | Object::Tensor(_) | Object::Other(_)), _) => return Ok(()),
        (Some(Object::Element(element, _)), Some([_, order, ..])) => {
            Object::Element(*element, arena.text(*order) == Some(">"))
        }
        (Some(Object::EmptyArray), Some([_, shape, element, columns, bytes])) => {
            array(arena, copies, [*shape, *element, *bytes], *columns == Value::Bool(true))?
        }
        _ => {
            return Err(Mismatch::new(
                "a state of something plain",
                format!("one of a {}", arena.kind(target)),
            ));
        }
    };
    if let Some(object) = arena.change(target) {
        *object = made;
    }
    Ok(())
}

/// The storage that a persistent id names: `('storage', class, key, location, elements)`, in old files with a view.
pub(super) fn persistent(arena: &mut Arena<'_>, copies: &mut Copies, id: Value) -> Made {
    let wrong = || Mismatch::new("a storage as what is kept elsewhere", "something else");
    let (kind, class, key, elements, view) = match arena.items(id) {
        Some([kind, class, key, _, elements]) => (kind, class, key, elements, &Value::None),
        Some([kind, class, key, _, elements, view]) => (kind, class, key, elements, view),
        _ => return Err(wrong()),
    };
    let (Some("storage"), Some(Object::Name(Name::Storage(element)))) =
        (arena.text(*kind), arena.object(*class))
    else {
        return Err(wrong());
    };
    let (Some(key), Some(elements)) = (arena.text(*key), arena.count(*elements)) else { return Err(wrong()) };
    copies.spend(key.len())?;
    let view = match arena.items(*view) {
        Some([_, offset, size]) => Some(arena.count(*offset).zip(arena.count(*size)).ok_or_else(wrong)?),
        Some(_) => return Err(wrong()),
        None => None,
    };
    let storage = Storage { element: *element, key: key.to_owned(), elements: elements as u64, view };
    arena.add(Object::Storage(Box::new(storage)))
}
