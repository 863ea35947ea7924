//! A number that is written as text where JSON has no word for it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number; in JSON `inf`, `-inf` and `NaN` are text.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

/// One NaN is as good as another.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.is_nan() && other.0.is_nan()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            self.0.serialize(serializer)
        } else {
            self.0.to_string().serialize(serializer)
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or the text inf, -inf or NaN")]
enum Written {
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(Self(value)),
            Written::Text(text) => match text.as_str() {
                "inf" => Ok(Self(f64::INFINITY)),
                "-inf" => Ok(Self(f64::NEG_INFINITY)),
                "NaN" => Ok(Self(f64::NAN)),
                _ => Err(D::Error::custom(format!("expected inf, -inf or NaN, got '{text}'"))),
            },
        }
    }
}
