//! The stack machine.

use super::calls::{self, Copies};
use super::names;
use super::reader::{Reader, escaped, quoted};
use super::value::{Arena, Object, Value};
use crate::error::Mismatch;
use std::borrow::Cow;
use std::collections::HashMap;

/// The most instructions of a pickle.
const MOST: usize = 1 << 24;

/// The most values that are kept to be used again.
const MOST_KEPT: usize = 1 << 21;

/// The longest part of a name, in bytes.
const LONGEST_NAME: usize = 500;

/// What a pickle made.
#[derive(Debug)]
pub(in crate::formats) struct Pickle<'a> {
    /// All its objects.
    pub(in crate::formats) arena: Arena<'a>,
    /// The one that it is about.
    pub(in crate::formats) root: Value,
    /// How many bytes it is long.
    pub(in crate::formats) length: usize,
}

/// Runs the pickle that `bytes` begin with, called `name` in errors.
///
/// # Errors
/// When it is cut off or broken, or names anything but tensors and plain containers.
pub(in crate::formats) fn load<'a>(bytes: &'a [u8], name: &str) -> Result<Pickle<'a>, Mismatch> {
    let mut machine = Machine {
        reader: Reader::new(bytes),
        arena: Arena::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copies: Copies::of(bytes),
    };
    for _ in 0..MOST {
        let at = machine.reader.position();
        let stepped = machine.step().map_err(|Mismatch { expected, got }| {
            Mismatch::new(expected, format!("{got}, at byte {at} of {name}"))
        });
        if let Some(root) = stepped? {
            return Ok(Pickle { length: machine.reader.position(), arena: machine.arena, root });
        }
    }
    Err(Mismatch::new(format!("a pickle of at most {MOST} instructions"), format!("more, in {name}")))
}

struct Machine<'a> {
    reader: Reader<'a>,
    arena: Arena<'a>,
    stack: Vec<Value>,
    /// Where on the stack the open lists begin.
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    copies: Copies,
}

type Step<T = ()> = Result<T, Mismatch>;

impl<'a> Machine<'a> {
    /// One instruction; the value at the end.
    fn step(&mut self) -> Step<Option<Value>> {
        let code = self.reader.byte()?;
        match code {
            b'.' => return self.pop().map(Some),
            0x80 => self.protocol()?,
            0x95 => drop(self.reader.take(8)?), // FRAME: how many bytes to read ahead
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.discard()?,
            b'1' => drop(self.marked()?),
            b'2' => self.push(self.top()?),
            b'q' | b'r' | b'p' | 0x94 => self.remember(code)?,
            b'h' | b'j' | b'g' => self.recall(code)?,
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => {
                self.number(code)?;
            }
            b'V' | b'X' | 0x8c | 0x8d | b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => self.text(code)?,
            b')' | b't' | 0x85..=0x87 | b']' | b'l' | b'}' | b'd' | 0x8f | 0x91 => self.container(code)?,
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(code)?,
            b'c' | 0x93 | b'i' | b'o' | b'R' | 0x81 | 0x92 | b'b' => self.name(code)?,
            b'Q' => {
                let id = self.pop()?;
                let storage = calls::persistent(&mut self.arena, &mut self.copies, id)?;
                self.push(storage);
            }
            b'P' => return Err(Mismatch::new("a storage as what is kept elsewhere", "its name as text")),
            0x82..=0x84 => {
                return Err(Mismatch::new(
                    "tensors and plain containers",
                    "a name by a number of a registry",
                ));
            }
            0x97 | 0x98 => return Err(Mismatch::new("all bytes in the pickle", "a buffer outside of it")),
            other => {
                return Err(Mismatch::new("an instruction of a pickle", format!("the byte 0x{other:02x}")));
            }
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Step {
        let version = self.reader.byte()?;
        Mismatch::check(version <= 5, "a pickle of protocol 0 to 5", format!("one of {version}"))
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn add(&mut self, object: Object<'a>) -> Step {
        let value = self.arena.add(object)?;
        self.push(value);
        Ok(())
    }

    /// Where the innermost open list begins: what lies below is none of its own.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<Value> {
        let above = self.stack.len() > self.floor();
        let value = if above { self.stack.pop() } else { None };
        value.ok_or_else(|| Mismatch::new("a value for an instruction of a pickle", "an empty stack"))
    }

    fn top(&self) -> Step<Value> {
        let above = self.stack.get(self.floor()..).and_then(<[Value]>::last).copied();
        above.ok_or_else(|| Mismatch::new("a value for an instruction of a pickle", "an empty stack"))
    }

    /// Takes the last value off, or the mark where there is none above it.
    fn discard(&mut self) -> Step {
        if self.stack.len() == self.floor() && self.marks.pop().is_some() {
            return Ok(());
        }
        self.pop().map(drop)
    }

    /// The values above the last mark.
    fn marked(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| Mismatch::new("a mark where a list of values begins", "none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, code: u8) -> Step {
        let key = match code {
            b'q' => self.reader.count(1)?,
            b'r' => self.reader.count(4)?,
            b'p' => self.key_line()?,
            _ => self.memo.len(),
        };
        let value = self.top()?;
        if self.memo.len() >= MOST_KEPT && !self.memo.contains_key(&key) {
            return Err(Mismatch::new(format!("at most {MOST_KEPT} values to keep"), "more"));
        }
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Step {
        let key = match code {
            b'h' => self.reader.count(1)?,
            b'j' => self.reader.count(4)?,
            _ => self.key_line()?,
        };
        let value = self.memo.get(&key).copied();
        self.push(value.ok_or_else(|| Mismatch::new("a value that was kept", format!("none under {key}")))?);
        Ok(())
    }

    fn key_line(&mut self) -> Step<usize> {
        let line = self.reader.line()?;
        line.parse().map_err(|_| Mismatch::new("a number of a value that was kept", format!("{line:?}")))
    }

    fn number(&mut self, code: u8) -> Step {
        let value = match code {
            b'N' => Some(Value::None),
            0x88 => Some(Value::Bool(true)),
            0x89 => Some(Value::Bool(false)),
            b'I' | b'L' => self.reader.number_line()?,
            b'J' => super::reader::little_endian(self.reader.take(4)?).map(Value::Int),
            b'K' => Some(Value::Int(self.reader.count(1)? as i64)),
            b'M' => Some(Value::Int(self.reader.count(2)? as i64)),
            0x8a => super::reader::little_endian(self.reader.counted(1)?).map(Value::Int),
            0x8b => super::reader::little_endian(self.reader.counted(4)?).map(Value::Int),
            b'G' => {
                let bytes = self.reader.take(8)?;
                Some(Value::Float(f64::from_be_bytes(bytes.first_chunk().copied().unwrap_or_default())))
            }
            _ => {
                let line = self.reader.line()?;
                let number = line.parse();
                Some(Value::Float(
                    number.map_err(|_| Mismatch::new("a number in a pickle", format!("{line:?}")))?,
                ))
            }
        };
        match value {
            Some(value) => {
                self.push(value);
                Ok(())
            }
            None => self.add(Object::Other("int")),
        }
    }

    fn text(&mut self, code: u8) -> Step {
        let reader = &mut self.reader;
        let object = match code {
            b'V' => Object::Text(Cow::Owned(escaped(reader.line()?)?)),
            b'X' => Object::Text(reader.text(4)?),
            0x8c => Object::Text(reader.text(1)?),
            0x8d => Object::Text(reader.text(8)?),
            b'S' => Object::Bytes(Cow::Owned(quoted(reader.line()?)?)),
            b'T' | b'B' => Object::Bytes(Cow::Borrowed(reader.counted(4)?)),
            b'U' | b'C' => Object::Bytes(Cow::Borrowed(reader.counted(1)?)),
            _ => Object::Bytes(Cow::Borrowed(reader.counted(8)?)),
        };
        self.add(object)
    }

    fn container(&mut self, code: u8) -> Step {
        let object = match code {
            b')' => Object::Tuple(Vec::new()),
            b't' => Object::Tuple(self.marked()?),
            0x85 => Object::Tuple(vec![self.pop()?]),
            0x86 | 0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..code {
                    items.push(self.pop()?);
                }
                items.reverse();
                Object::Tuple(items)
            }
            b']' => Object::List(Vec::new()),
            b'l' => Object::List(self.marked()?),
            b'}' => Object::Dict(Vec::new()),
            b'd' => Object::Dict(paired(&self.marked()?)?),
            0x8f => Object::Set(Vec::new()),
            _ => Object::Set(self.marked()?),
        };
        self.add(object)
    }

    /// Puts values into the container below them.
    fn fill(&mut self, code: u8) -> Step {
        let values = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.marked()?,
        };
        let target = self.top()?;
        let kind = self.arena.kind(target);
        match (code, self.arena.change(target)) {
            (b'a' | b'e', Some(Object::List(items))) => items.extend(values),
            (0x90, Some(Object::Set(items))) => items.extend(values),
            (b's' | b'u', Some(Object::Dict(pairs))) => pairs.extend(paired(&values)?),
            _ => return Err(Mismatch::new("a list, set or dict to fill", kind)),
        }
        Ok(())
    }

    fn name(&mut self, code: u8) -> Step {
        match code {
            b'c' => {
                let (module, name) = (self.reader.line()?, self.reader.line()?);
                self.allow(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let short = |text: &&str| text.len() <= LONGEST_NAME;
                let text = |value| self.arena.text(value).filter(short).map(str::to_owned);
                let Some((module, name)) = text(module).zip(text(name)) else {
                    return Err(Mismatch::new("a module and a name", self.arena.kind(name)));
                };
                self.allow(&module, &name)
            }
            b'i' => {
                let (module, name) = (self.reader.line()?, self.reader.line()?);
                self.allow(module, name)?;
                let name = self.pop()?;
                let arguments = self.marked()?;
                self.make(name, arguments)
            }
            b'o' => {
                let mut arguments = self.marked()?;
                Mismatch::check(!arguments.is_empty(), "a class and its arguments", "nothing")?;
                let name = arguments.remove(0);
                self.make(name, arguments)
            }
            b'b' => {
                let state = self.pop()?;
                let target = self.top()?;
                calls::build(&mut self.arena, &mut self.copies, target, state)
            }
            _ => {
                if code == 0x92 {
                    let named = self.pop()?;
                    let none =
                        matches!(self.arena.object(named), Some(Object::Dict(pairs)) if pairs.is_empty());
                    Mismatch::check(none, "no arguments by name", "some")?;
                }
                let (arguments, name) = (self.pop()?, self.pop()?);
                self.call(name, arguments)
            }
        }
    }

    fn make(&mut self, name: Value, arguments: Vec<Value>) -> Step {
        let arguments = self.arena.add(Object::Tuple(arguments))?;
        self.call(name, arguments)
    }

    fn call(&mut self, name: Value, arguments: Value) -> Step {
        let made = calls::call(&mut self.arena, &mut self.copies, name, arguments)?;
        self.push(made);
        Ok(())
    }

    /// A name that is on the list; another ends the reading here.
    fn allow(&mut self, module: &str, name: &str) -> Step {
        let found = names::allowed(module, name).ok_or_else(|| {
            let shown: String = format!("{module}.{name}").chars().take(100).collect();
            let expected = "tensors and plain containers, as model.state_dict() saves";
            Mismatch::new(expected, format!("the name {shown}, which is not executed"))
        })?;
        self.add(Object::Name(found))
    }
}

/// Keys and values that alternate.
fn paired(values: &[Value]) -> Step<Vec<(Value, Value)>> {
    let (pairs, rest) = values.as_chunks::<2>();
    Mismatch::check(rest.is_empty(), "as many values as keys", "one key more")?;
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
