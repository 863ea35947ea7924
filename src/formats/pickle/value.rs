//! What a pickle makes: plain values and tensors, in one list, so that no depth of nesting is one of calls.

use super::names::Name;
use crate::error::Mismatch;
use crate::formats::element::Element;
use crate::formats::layout::Layout;
use std::borrow::Cow;

/// A value: small ones as they are, others by their position in [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::formats) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Object(u32),
}

/// A storage that is elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::formats) struct Storage {
    /// `None` for bytes without a type.
    pub(in crate::formats) element: Option<Element>,
    /// What it is called.
    pub(in crate::formats) key: String,
    /// How many elements it has; bytes where they have no type.
    pub(in crate::formats) elements: u64,
    /// The first element and the number of those that it is a view of, in files of long ago.
    pub(in crate::formats) view: Option<(usize, usize)>,
}

/// What a tensor's elements are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Source {
    /// An [`Object::Storage`].
    Storage(u32),
    /// An [`Object::Bytes`], with its byte order.
    Bytes(u32, bool),
}

/// A tensor, as it lies in its storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::formats) struct Tensor {
    pub(in crate::formats) element: Element,
    pub(in crate::formats) layout: Layout,
    pub(in crate::formats) source: Source,
}

/// What is not small.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::formats) enum Object<'a> {
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Set(Vec<Value>),
    /// Pairs in their order; of those of one key the last counts.
    Dict(Vec<(Value, Value)>),
    /// One of the names that are allowed.
    Name(Name),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
    /// A type of elements, with its byte order.
    Element(Element, bool),
    /// A NumPy array before it has got its contents.
    EmptyArray,
    /// Something without a tensor in it that is not kept, by what it is.
    Other(&'static str),
}

/// The most objects of a pickle.
const MOST: usize = 1 << 21;

/// The most bytes that are looked at as a text.
const LONGEST: usize = 4096;

/// All objects of a pickle.
#[derive(Debug, Default)]
pub(in crate::formats) struct Arena<'a> {
    objects: Vec<Object<'a>>,
}

impl<'a> Arena<'a> {
    /// A new object.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn add(&mut self, object: Object<'a>) -> Result<Value, Mismatch> {
        let at = self.objects.len();
        let room = u32::try_from(at).ok().filter(|_| at < MOST);
        let at = room.ok_or_else(|| Mismatch::new(format!("at most {MOST} objects in a pickle"), "more"))?;
        self.objects.push(object);
        Ok(Value::Object(at))
    }

    /// The object of a value that is one.
    pub(in crate::formats) fn object(&self, value: Value) -> Option<&Object<'a>> {
        match value {
            Value::Object(at) => self.objects.get(at as usize),
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn change(&mut self, value: Value) -> Option<&mut Object<'a>> {
        match value {
            Value::Object(at) => self.objects.get_mut(at as usize),
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        }
    }

    /// All storages that it names.
    pub(in crate::formats) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.objects.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(storage.as_ref()),
            _ => None,
        })
    }

    /// What a value is, in a word of Python's.
    pub(in crate::formats) fn kind(&self, value: Value) -> &'static str {
        match value {
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Object(_) => match self.object(value) {
                Some(Object::Text(_)) => "str",
                Some(Object::Bytes(_)) => "bytes",
                Some(Object::Tuple(_)) => "tuple",
                Some(Object::List(_)) => "list",
                Some(Object::Set(_)) => "set",
                Some(Object::Dict(_)) => "dict",
                Some(Object::Name(_)) => "name",
                Some(Object::Storage(_)) => "storage",
                Some(Object::Tensor(_)) => "tensor",
                Some(Object::Element(..)) => "dtype",
                Some(Object::EmptyArray) => "array",
                Some(Object::Other(what)) => what,
                None => "nothing",
            },
        }
    }

    /// The text of a value; old pickles have it as bytes.
    pub(in crate::formats) fn text(&self, value: Value) -> Option<&str> {
        match self.object(value)? {
            Object::Text(text) => Some(text),
            Object::Bytes(bytes) if bytes.len() <= LONGEST => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The values of a tuple or a list.
    pub(in crate::formats) fn items(&self, value: Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::Tuple(items) | Object::List(items) => Some(items),
            _ => None,
        }
    }

    /// A number that counts something.
    pub(super) fn count(&self, value: Value) -> Option<usize> {
        match value {
            Value::Int(count) => usize::try_from(count).ok(),
            _ => None,
        }
    }

    /// Several of them.
    pub(super) fn counts(&self, value: Value) -> Option<Vec<usize>> {
        self.items(value)?.iter().map(|&value| self.count(value)).collect()
    }
}
