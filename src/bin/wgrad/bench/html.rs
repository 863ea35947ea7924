//! stub while the rest compiles
use wgrad::bench::{Comparison, Report};
pub fn report(_r: &Report) -> anyhow::Result<String> {
    Ok(String::new())
}
pub fn comparison(_a: &Report, _b: &Report, _c: &Comparison) -> anyhow::Result<String> {
    Ok(String::new())
}
