//! Functions as WGSL: only those that a kernel uses, with what they call of `shaders/common`.

use super::{Elementwise, Parameter, Part};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The functions that rows may call, each with the comment above it.
const LIBRARY: [(&str, &str); 3] = [
    ("common/nan.wgsl", include_str!("../../shaders/common/nan.wgsl")),
    ("common/math.wgsl", include_str!("../../shaders/common/math.wgsl")),
    ("common/functions.wgsl", include_str!("../../shaders/common/functions.wgsl")),
];

/// The library's texts: those compiled in.
#[cfg(not(feature = "live-shaders"))]
fn library() -> [Cow<'static, str>; 3] {
    LIBRARY.map(|(_, text)| text.into())
}

/// The library's texts: those in the folder that `WGRAD_SHADERS` names. Of a file that cannot be read the templates'
/// error tells, which needs it too; here it is the one compiled in.
#[cfg(feature = "live-shaders")]
fn library() -> [Cow<'static, str>; 3] {
    let folder = std::env::var_os("WGRAD_SHADERS").filter(|folder| !folder.is_empty());
    let live = |name: &str| std::fs::read_to_string(std::path::Path::new(folder.as_ref()?).join(name)).ok();
    LIBRARY.map(|(name, text)| live(name).map_or(text.into(), Cow::from))
}

/// The functions and constants of a text, each with its name.
fn items(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let name = ["fn ", "const "].iter().find_map(|start| line.strip_prefix(start));
        if let Some(rest) = name {
            found.push((rest.split(['(', ' ', ':']).next().unwrap_or(rest), String::new()));
            open = true;
        }
        if let (true, Some((_, text))) = (open, found.last_mut()) {
            text.push_str(line);
            text.push('\n');
        }
        let whole = line == "}" || line.ends_with(';') && line.starts_with("const ");
        open &= !(whole || line.starts_with("fn ") && line.ends_with('}'));
    }
    found
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

impl Elementwise {
    /// Its name in WGSL: no builtin's, and another for four elements at once.
    pub(crate) fn wgsl_name(&self, vec4: bool) -> String {
        let four = if vec4 && self.function().0.vector { "_of_four" } else { "" };
        let part = if self.part() == Part::Value { "_value" } else { "" };
        format!("{}{part}{four}", self.name())
    }

    /// Whether four elements can be given to it at once.
    pub(crate) fn takes_vectors(&self) -> bool {
        self.function().0.vector
    }

    /// The function's definition.
    fn definition(&self, vec4: bool) -> String {
        let Some(code) = self.code() else { return String::new() };
        let ty = if vec4 && self.function().0.vector { "vec4<f32>" } else { "f32" };
        let operands = self.operand_names().into_iter().map(|name| format!("{name}: {ty}"));
        let parameters = self.function().parameters().iter().map(Parameter::name);
        let all: Vec<String> = operands.chain(parameters.map(|name| format!("{name}: f32"))).collect();
        let body = if words(code.wgsl).contains("return") {
            format!("\n{}\n", code.wgsl.trim_end())
        } else {
            format!(" return {}; ", code.wgsl)
        };
        format!("fn {}({}) -> {ty} {{{body}}}\n", self.wgsl_name(vec4), all.join(", "))
    }
}

/// The definitions of these functions, of each whether it is given four elements at once, and of all that they call.
pub fn texts(functions: &[(Elementwise, bool)]) -> String {
    let mut own = String::new();
    let mut named = BTreeSet::new();
    let mut helped: BTreeSet<&str> = BTreeSet::new();
    for (function, vec4) in functions {
        if helped.insert(function.function().name()) {
            own.push_str(function.function().0.helpers);
        }
        if named.insert(function.wgsl_name(*vec4)) {
            own.push_str(&function.definition(*vec4));
        }
    }
    let texts = library();
    let library: Vec<(&str, String)> = texts.iter().flat_map(|text| items(text)).collect();
    let mut needed: BTreeSet<&str> = words(&own);
    loop {
        let before = needed.len();
        for (name, text) in &library {
            if needed.contains(name) {
                needed.extend(words(text));
            }
        }
        if needed.len() == before {
            break;
        }
    }
    let called = library.iter().filter(|(name, _)| needed.contains(name)).map(|(_, text)| text.as_str());
    called.collect::<String>() + &own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shader_has_what_it_uses() {
        let relu = texts(&[(Elementwise::relu(), false), (Elementwise::relu(), false)]);
        assert_eq!(relu.matches("fn ").count(), 2, "is_nan and relu: {relu}");
        let tanh = texts(&[(Elementwise::tanh(), true)]);
        for name in ["is_nan", "exp_clamped", "expm1", "tanh_exact", "tanh_value"] {
            assert_eq!(tanh.matches(&format!("fn {name}(")).count(), 1, "{name}: {tanh}");
        }
        assert!(!tanh.contains("erfc"), "{tanh}");
        assert!(texts(&[(Elementwise::add(), true)]).contains("a: vec4<f32>, b: vec4<f32>"));
    }
}
