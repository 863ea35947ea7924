//! Fills the shapes of an op into the text of its shader.
//!
//! The files under `shaders/` are WGSL with Jinja's `{{ value }}`, `{% for %}` and `{% if %}`: naga never
//! emits unrolled loops and drivers do not always unroll, so register tiles are unrolled here.

use crate::error::Mismatch;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use std::sync::OnceLock;

/// The files under `shaders/`, as `build.rs` lists them.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The shader files, name and text, as they are compiled into the library.
pub fn sources() -> &'static [(&'static str, &'static str)] {
    SOURCES
}

/// The shader files that kernels are made from: those compiled in.
#[cfg(not(feature = "live-shaders"))]
fn texts() -> Result<Vec<(&'static str, &'static str)>, minijinja::Error> {
    Ok(SOURCES.to_vec())
}

/// The shader files that kernels are made from: those compiled in, or their like in the folder that `WGRAD_SHADERS`
/// names.
#[cfg(feature = "live-shaders")]
fn texts() -> Result<Vec<(&'static str, &'static str)>, minijinja::Error> {
    match std::env::var_os("WGRAD_SHADERS").filter(|folder| !folder.is_empty()) {
        Some(folder) => texts_in(std::path::Path::new(&folder)),
        None => Ok(SOURCES.to_vec()),
    }
}

/// The text that each of the shader files has in this folder, kept until the process ends.
#[cfg(feature = "live-shaders")]
fn texts_in(folder: &std::path::Path) -> Result<Vec<(&'static str, &'static str)>, minijinja::Error> {
    let read = |&(name, _): &(&'static str, &'static str)| {
        let path = folder.join(name);
        let fail = |e| {
            let what = format!("cannot read {}: {e}", path.display());
            minijinja::Error::new(minijinja::ErrorKind::TemplateNotFound, what)
        };
        Ok((name, &*std::fs::read_to_string(&path).map_err(fail)?.leak()))
    };
    SOURCES.iter().map(read).collect()
}

/// What renders the files, made once a process.
fn environment() -> Result<&'static Environment<'static>, &'static minijinja::Error> {
    static ENVIRONMENT: OnceLock<Result<Environment<'static>, minijinja::Error>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| environment_of(&texts()?)).as_ref()
}

fn environment_of(
    sources: &[(&'static str, &'static str)],
) -> Result<Environment<'static>, minijinja::Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.add_function("div_u32", div_u32);
    env.add_function("div_i32", div_i32);
    for (name, text) in sources {
        env.add_template(name, text)?;
    }
    Ok(env)
}

/// `x / by` of an i32 that is not negative. Where `x` may be a bit field, such as `at / 8u % 4u`, it has to be written so: FXC
/// divides bit fields by powers of two into something else (`tests/drivers/divided_bit_field.wgsl`), but shifts an i32 as it
/// should.
fn div_i32(x: &str, by: u32) -> String {
    if by > 1 && by.is_power_of_two() {
        format!("(({x}) >> {}u)", by.trailing_zeros())
    } else {
        format!("(({x}) / {by})")
    }
}

/// The same of a u32 of less than 2^31.
fn div_u32(x: &str, by: u32) -> String {
    if by > 1 && by.is_power_of_two() {
        format!("u32(i32({x}) >> {}u)", by.trailing_zeros())
    } else {
        format!("(({x}) / {by}u)")
    }
}

/// A piece of WGSL that a row of a table gives, filled in.
pub(super) fn fill(piece: &str, values: &impl serde::Serialize) -> Result<String, Mismatch> {
    let fail = |e: &minijinja::Error| Mismatch::new("a formula that renders", format!("{e:#}"));
    environment().map_err(fail)?.render_str(piece, values).map_err(|e| fail(&e))
}

/// The text of shader `name`, run on `groups` workgroups of which `grid_x` lie along x.
pub(super) fn render(name: &str, groups: usize, grid_x: usize, values: Value) -> Result<String, Mismatch> {
    let fail = |e: &minijinja::Error| {
        Mismatch::new(format!("a shader template '{name}' that renders"), format!("{e:#}"))
    };
    let template =
        environment().map_err(fail)?.get_template(&format!("{name}.wgsl")).map_err(|e| fail(&e))?;
    template.render(context! { groups, grid_x, ..values }).map_err(|e| fail(&e))
}

/// A float as a WGSL literal that reads back as the same bits.
pub(super) fn literal(value: f32) -> String {
    format!("{value:?}f")
}

#[cfg(all(test, feature = "live-shaders"))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn shaders_come_from_the_folder_and_errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("common")).unwrap();
        for (name, text) in SOURCES {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let copy = folder.path().join("copy.wgsl");
        fs::write(&copy, "{{ groups }} groups").unwrap();
        let environment = environment_of(&texts_in(folder.path()).unwrap()).unwrap();
        let text = environment.get_template("copy.wgsl").unwrap().render(context! { groups => 3 }).unwrap();
        assert_eq!(text, "3 groups");

        fs::write(&copy, "{% if groups %}").unwrap();
        let error = environment_of(&texts_in(folder.path()).unwrap()).unwrap_err();
        assert!(format!("{error:#}").contains("copy.wgsl"), "{error:#}");

        fs::remove_file(&copy).unwrap();
        let error = texts_in(folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains(&copy.display().to_string()), "{error:#}");
    }
}
