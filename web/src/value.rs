//! Values to and from JavaScript.

use js_sys::{Float32Array, Object, Reflect};
use wasm_bindgen::{JsError, JsValue};

/// A result whose error JavaScript throws.
pub type Thrown<T = JsValue> = std::result::Result<T, JsError>;

/// An object of these fields.
pub fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let made = Object::new();
    for (name, value) in fields {
        // It fails for what is no object, or is frozen.
        let _ = Reflect::set(&made, &name.into(), &value);
    }
    made.into()
}

/// A list of pairs.
pub fn pairs(pairs: impl IntoIterator<Item = (String, JsValue)>) -> JsValue {
    let pair = |(name, value): (String, JsValue)| js_sys::Array::of2(&name.into(), &value);
    pairs.into_iter().map(pair).collect::<js_sys::Array>().into()
}

/// Numbers, copied.
pub fn floats(values: &[f32]) -> JsValue {
    Float32Array::from(values).into()
}

/// What the page sets, by its name.
pub struct Options<'a>(pub &'a JsValue);

impl Options<'_> {
    fn get(&self, name: &str) -> JsValue {
        Reflect::get(self.0, &name.into()).unwrap_or(JsValue::UNDEFINED)
    }

    /// Whether it is set.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_truthy()
    }

    /// A number, 0 where there is none.
    pub fn number(&self, name: &str) -> f64 {
        self.get(name).as_f64().filter(|number| number.is_finite()).unwrap_or(0.0)
    }

    /// A text, empty where there is none.
    pub fn text(&self, name: &str) -> String {
        self.get(name).as_string().unwrap_or_default()
    }
}
