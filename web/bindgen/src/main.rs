//! `bindgen MODULE.wasm FOLDER`: writes the module and the JavaScript that loads it, for pages and module workers.
//! It is what `wasm-bindgen --target web` does, without that command's other dependencies.

use anyhow::bail;
use std::env::args_os;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = args_os().skip(1).collect();
    let [module, folder] = &arguments[..] else {
        bail!("usage: bindgen MODULE.wasm FOLDER");
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("wgrad_web")
        .typescript(false)
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.web(true)?.generate(folder)
}
