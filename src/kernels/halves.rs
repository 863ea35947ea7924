//! Storage as `f16`: kernels are written, and ops lowered, as if all numbers were `f32`. What of them is stored as `f16` is
//! then bound so, and becomes `f32` where it is loaded and `f16` where it is stored. Sums, what workgroups share and scratch
//! memory stay `f32`.

use super::cast::cast;
use super::{Access, Launch, Limits, Lowering, Operand, Refusal, Site, lower_op};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::ops::Op;
use crate::tensor::TensorType;
use std::ops::Range;

/// Whether any tensor of the op, or of what is fused with it, is stored as `f16`.
pub(super) fn any(site: &Site<'_>) -> bool {
    site.inputs.iter().chain(site.outputs).any(|ty| ty.dtype == DType::F16)
}

/// That the device can do it.
pub(super) fn check(limits: &Limits) -> Result<(), Refusal> {
    let expected = "an adapter with the feature shader-f16, for tensors of f16";
    Ok(Mismatch::check(limits.f16, expected, "one without")?)
}

/// Where bindings of `f32` may begin, so that those of half as many bytes begin where they may.
pub(super) fn limits(limits: &Limits) -> Limits {
    Limits { offset_alignment: 2 * limits.offset_alignment.max(16), ..limits.clone() }
}

/// The kernels of an op that reads or writes `f16`.
pub(super) fn lower(op: &Op, site: &Site<'_>) -> Result<Lowering, Refusal> {
    check(site.limits)?;
    let limits = limits(site.limits);
    let single = |types: &[&TensorType]| types.iter().map(|ty| ty.single()).collect::<Vec<_>>();
    let (inputs, outputs) = (single(site.inputs), single(site.outputs));
    let (inputs, singles): (Vec<_>, Vec<_>) = (inputs.iter().collect(), outputs.iter().collect());
    let as_if = Site { fused: site.fused, inputs: &inputs, outputs: &singles, limits: &limits };
    let mut lowering = lower_op(op, &as_if)?;
    let is_half = |operand| match operand {
        Operand::Input(i) => site.inputs[i].dtype == DType::F16,
        Operand::Output(i) => site.outputs[i].dtype == DType::F16,
        Operand::Workspace(_) | Operand::Table(_) | Operand::Check => false,
    };
    for (output, ty) in outputs.iter().enumerate() {
        let operand = Operand::Output(output);
        if is_half(operand) && reads_back(&lowering, operand) {
            sum_apart(&mut lowering, operand, ty, &limits)?;
        }
    }
    for launch in &mut lowering.launches {
        retype(launch, is_half)?;
    }
    Ok(lowering)
}

/// Whether a launch reads what another has stored in an output.
fn reads_back(lowering: &Lowering, output: Operand) -> bool {
    let reads = |launch: &Launch| {
        let bound = launch.bindings.iter().enumerate().filter(|(_, b)| b.operand == output);
        bound.into_iter().any(|(number, binding)| {
            binding.access == Access::Read
                || declared(&launch.kernel.wgsl, number).is_some_and(|d| d.is_read(&launch.kernel.wgsl))
        })
    };
    lowering.launches.iter().any(reads)
}

/// Lets the launches that go on with what they stored in an output do so in `f32`, and casts it at the end.
fn sum_apart(
    lowering: &mut Lowering,
    output: Operand,
    ty: &TensorType,
    limits: &Limits,
) -> Result<(), Refusal> {
    let apart = Operand::Workspace(lowering.workspaces.len());
    lowering.workspaces.push(ty.bytes().next_multiple_of(16));
    let bindings = lowering.launches.iter_mut().flat_map(|launch| &mut launch.bindings);
    bindings.filter(|b| b.operand == output).for_each(|b| b.operand = apart);
    lowering.launches.extend(cast([apart, output], [DType::F32; 2], ty.shape.elements(), limits)?);
    Ok(())
}

/// Stores what is bound as these operands as `f16`.
pub(super) fn retype(launch: &mut Launch, is_half: impl Fn(Operand) -> bool) -> Result<(), Refusal> {
    let wgsl = &mut launch.kernel.wgsl;
    let mut any = false;
    for (number, binding) in launch.bindings.iter_mut().enumerate().filter(|(_, b)| is_half(b.operand)) {
        let unknown = || Mismatch::new("a kernel that can store f16", launch.kernel.name);
        let declared = declared(wgsl, number).ok_or_else(unknown)?;
        *wgsl = declared.halved(wgsl).ok_or_else(unknown)?;
        binding.range = binding.range.map(|(offset, bytes)| (offset / 2, bytes / 2));
        binding.half = true;
        any = true;
    }
    if any {
        *wgsl = format!("enable f16;\n{wgsl}");
        launch.why.push_str(", stored as f16");
    }
    Ok(())
}

/// How elements that a shader declares are stored as `f16`: what makes them of what was loaded, and that of them.
struct Stored {
    element: &'static str,
    load: [&'static str; 2],
    store: [&'static str; 2],
}

/// Of each type of elements that kernels bind. Copies have words, which are the bits of an `f32`.
const STORED: [(&str, Stored); 11] = [
    ("f32", Stored { element: "f16", load: ["f32(", ")"], store: ["f16(", ")"] }),
    ("vec2<f32>", Stored { element: "vec2<f16>", load: ["vec2<f32>(", ")"], store: ["vec2<f16>(", ")"] }),
    ("vec4<f32>", Stored { element: "vec4<f16>", load: ["vec4<f32>(", ")"], store: ["vec4<f16>(", ")"] }),
    (
        "Pair",
        Stored { element: "vec2<f16>", load: ["to_pair(vec2<f32>(", "))"], store: ["vec2<f16>(pair(", "))"] },
    ),
    (
        "Four",
        Stored { element: "vec4<f16>", load: ["to_four(vec4<f32>(", "))"], store: ["vec4<f16>(four(", "))"] },
    ),
    ("u32", Stored { element: "f16", load: ["bitcast<u32>(f32(", "))"], store: ["f16(bitcast<f32>(", "))"] }),
    (
        "vec2<u32>",
        Stored {
            element: "vec2<f16>",
            load: ["bitcast<vec2<u32>>(vec2<f32>(", "))"],
            store: ["vec2<f16>(bitcast<vec2<f32>>(", "))"],
        },
    ),
    (
        "vec4<u32>",
        Stored {
            element: "vec4<f16>",
            load: ["bitcast<vec4<u32>>(vec4<f32>(", "))"],
            store: ["vec4<f16>(bitcast<vec4<f32>>(", "))"],
        },
    ),
    ("u64", Stored { element: "vec2<f16>", load: ["word_of(", ")"], store: ["of_word(", ")"] }),
    ("vec2<u64>", Stored { element: "vec4<f16>", load: ["words_of(", ")"], store: ["of_words(", ")"] }),
    ("vec4<u64>", Stored { element: "Eight", load: ["eight_of(", ")"], store: ["of_eight(", ")"] }),
];

/// Functions that some of them call, by the name that says so.
const FUNCTIONS: [(&str, &str); 6] = [
    (
        "word_of(",
        "fn word_of(h: vec2<f16>) -> u64 {
  let words = bitcast<vec2<u32>>(vec2<f32>(h));
  return u64(words.x) | (u64(words.y) << 32u);
}
",
    ),
    (
        "of_word(",
        "fn of_word(word: u64) -> vec2<f16> {
  return vec2<f16>(bitcast<vec2<f32>>(vec2<u32>(u32(word), u32(word >> 32u))));
}
",
    ),
    ("words_of(", WORDS_OF),
    ("of_words(", OF_WORDS),
    (
        "eight_of(",
        "fn eight_of(h: Eight) -> vec4<u64> { return vec4<u64>(words_of(h.low), words_of(h.high)); }
",
    ),
    (
        "of_eight(",
        "fn of_eight(words: vec4<u64>) -> Eight { return Eight(of_words(words.xy), of_words(words.zw)); }
",
    ),
];

const WORDS_OF: &str = "fn words_of(h: vec4<f16>) -> vec2<u64> {
  let words = bitcast<vec4<u32>>(vec4<f32>(h));
  return vec2<u64>(u64(words.x) | (u64(words.y) << 32u), u64(words.z) | (u64(words.w) << 32u));
}
";
const OF_WORDS: &str = "fn of_words(words: vec2<u64>) -> vec4<f16> {
  let w = vec4<u32>(u32(words.x), u32(words.x >> 32u), u32(words.y), u32(words.y >> 32u));
  return vec4<f16>(bitcast<vec4<f32>>(w));
}
";
const EIGHT: &str = "struct Eight { low: vec4<f16>, high: vec4<f16> }
";

/// A binding as a shader declares it.
struct Declared<'a> {
    name: &'a str,
    stored: &'static Stored,
    /// Where the text says the type of its elements.
    element: Range<usize>,
}

/// The binding of this number; `None` where there is none of a type that can be stored as `f16`.
fn declared(wgsl: &str, number: usize) -> Option<Declared<'_>> {
    let begin = wgsl.find(&format!("@group(0) @binding({number}) var<storage"))?;
    let line = wgsl.get(begin..)?.split_once(';')?.0;
    let (before, ty) = line.split_once(": array<")?;
    let element = ty.strip_suffix('>')?;
    let (_, stored) = STORED.iter().find(|(name, _)| *name == element)?;
    let at = begin + before.len() + ": array<".len();
    Some(Declared { name: before.rsplit(' ').next()?, stored, element: at..at + element.len() })
}

impl Declared<'_> {
    /// The shader with its elements stored as `f16`; `None` where they are used in a way that is not known.
    fn halved(&self, wgsl: &str) -> Option<String> {
        let Stored { element, load, store } = self.stored;
        let before = self.rewritten(wgsl.get(..self.element.start)?)?.0;
        let behind = self.rewritten(wgsl.get(self.element.end..)?)?.0;
        let calls = [load[0], store[0]];
        let mut called: Vec<&str> =
            FUNCTIONS.iter().filter(|(n, _)| calls.contains(n)).map(|f| f.1).collect();
        if *element == "Eight" {
            called.extend([WORDS_OF, OF_WORDS, EIGHT]);
        }
        let missing = |text: &&&str| !wgsl.contains(**text);
        let functions: String = called.iter().filter(missing).copied().collect();
        Some(format!("{before}{element}{behind}{functions}"))
    }

    /// Whether the shader loads any of its elements.
    fn is_read(&self, wgsl: &str) -> bool {
        self.rewritten(wgsl).is_none_or(|(_, loads)| loads > 0)
    }

    /// Some text with what makes `f32` of each element that is loaded and `f16` of each that is stored, and how many are
    /// loaded. Comments stay as they are.
    fn rewritten(&self, text: &str) -> Option<(String, usize)> {
        let (mut out, mut rest, mut loads) = (String::with_capacity(text.len()), text, 0);
        while let Some(found) = rest.find([self.name.chars().next()?, '/']) {
            let (before, here) = rest.split_at(found);
            out.push_str(before);
            if here.starts_with("//") {
                let (comment, behind) = here.split_at(here.find('\n').unwrap_or(here.len()));
                out.push_str(comment);
                rest = behind;
                continue;
            }
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let apart = !out.ends_with(|c: char| word(c) || c == '.');
            let Some(behind) = here.strip_prefix(self.name).filter(|behind| apart && behind.starts_with('['))
            else {
                let first = here.chars().next()?;
                out.push(first);
                rest = here.get(first.len_utf8()..)?;
                continue;
            };
            let (position, behind) = behind.split_at(bracketed(behind)?);
            let (position, inside) = self.rewritten(position)?;
            loads += inside;
            let Stored { load, store, .. } = self.stored;
            let value = behind.trim_start().strip_prefix('=').filter(|value| !value.starts_with('='));
            if let Some(value) = value {
                let (value, behind) = value.split_at(value.find(';')?);
                let (value, inside) = self.rewritten(value)?;
                loads += inside;
                out.push_str(&format!(
                    "{}{position} = {}{}{}",
                    self.name,
                    store[0],
                    value.trim_start(),
                    store[1]
                ));
                rest = behind;
            } else {
                loads += 1;
                out.push_str(&format!("{}{}{position}{}", load[0], self.name, load[1]));
                rest = behind;
            }
        }
        out.push_str(rest);
        Some((out, loads))
    }
}

/// Where what a text begins with, in brackets, ends.
fn bracketed(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halved(element: &str, code: &str) -> Option<String> {
        let wgsl = format!("@group(0) @binding(1) var<storage, read> x: array<{element}>;\n{code}");
        let halved = declared(&wgsl, 1)?.halved(&wgsl)?;
        Some(halved.split_once('\n')?.1.to_owned())
    }

    #[test]
    fn what_is_loaded_and_stored_changes_its_type_and_nothing_else() {
        let of = |code: &str| halved("f32", code).unwrap();
        assert_eq!(of("let y = x[i + 1u] * max[i];"), "let y = f32(x[i + 1u]) * max[i];");
        assert_eq!(of("x[a[i]] = x[b] == c;"), "x[a[i]] = f16(f32(x[b]) == c);");
        assert_eq!(of("if (x[i] == 1.0) { x[0] = y; }"), "if (f32(x[i]) == 1.0) { x[0] = f16(y); }");
        assert_eq!(of("// of x[i]\nlet z = a.x[i] + ax[i];"), "// of x[i]\nlet z = a.x[i] + ax[i];");
        assert_eq!(of("let n = arrayLength(&x);"), "let n = arrayLength(&x);");
        let four = halved("vec4<f32>", "let y = x[i].xy;").unwrap();
        assert_eq!(four, "let y = vec4<f32>(x[i]).xy;");
        assert!(halved("atomic<u32>", "").is_none(), "no number");
    }
}
