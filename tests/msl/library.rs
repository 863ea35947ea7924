//! Kernels in Metal's language as a program for this machine: the text as it is, what stands for Metal's library beside it, and
//! for each kernel a function that hands its parameters over as their attributes say.

use super::each::each;
use super::text::{Written, written};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use wgrad::kernels::Kernel;

/// Kernels of one translation unit.
const PART: usize = 24;

/// What comes before a compiler's own options. Numbers without a suffix are of 32 bits in Metal.
const FLAGS: [&str; 6] =
    ["-std=c++17", "-O0", "-w", "-fsingle-precision-constant", "-fno-strict-aliasing", "-ffp-contract=off"];

/// A program that runs kernels.
pub struct Library {
    pub program: PathBuf,
    pub kernels: Vec<Written>,
    /// The number of each kernel, without checks and with them.
    pub numbers: HashMap<(Kernel, bool), usize>,
}

/// Whether there is a compiler for it.
pub fn compiler() -> bool {
    cfg!(target_os = "linux")
        && Command::new("g++").arg("--version").output().is_ok_and(|o| o.status.success())
}

fn shim() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msl/shim")
}

fn compile(source: &Path, object: &Path) -> Result<(), String> {
    let output = Command::new("g++")
        .args(FLAGS)
        .arg("-I")
        .arg(shim())
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(object)
        .output()
        .map_err(|e| format!("g++: {e}"))?;
    let message = String::from_utf8_lossy(&output.stderr);
    let first: Vec<&str> = message.lines().take(20).collect();
    if output.status.success() { Ok(()) } else { Err(first.join("\n")) }
}

/// What the function gives for a parameter with this attribute.
fn argument(attribute: &str, ty: &str, name: &str, shared: &mut usize) -> Result<String, String> {
    let at = |memory: String| format!("({ty})(*static_cast<char*>({memory}))");
    let three = |of: &str| format!("metal::uint3(t.{of}[0], t.{of}[1], t.{of}[2])");
    Ok(match attribute {
        // What has no attribute is memory of the threadgroup, in order.
        "" if ty.starts_with("threadgroup ") => {
            *shared += 1;
            at(format!("shared[{}]", *shared - 1))
        }
        "threadgroup_position_in_grid" => three("workgroup"),
        "thread_position_in_threadgroup" => three("local"),
        "threadgroups_per_grid" => three("grid"),
        "thread_position_in_grid" => {
            let axis = |i: usize| format!("t.workgroup[{i}] * t.size[{i}] + t.local[{i}]");
            format!("metal::uint3({}, {}, {})", axis(0), axis(1), axis(2))
        }
        "thread_index_in_threadgroup" => "t.index".to_owned(),
        "thread_index_in_simdgroup" => "t.index % t.simd_size".to_owned(),
        "simdgroup_index_in_threadgroup" => "t.index / t.simd_size".to_owned(),
        "threads_per_simdgroup" => "t.simd_size".to_owned(),
        _ => match attribute.strip_prefix("buffer(").and_then(|rest| rest.strip_suffix(')')) {
            Some(index) => at(format!("buffers[{index}]")),
            None => return Err(format!("parameter '{ty} {name}' has the unknown attribute '{attribute}'")),
        },
    })
}

/// The C++ of a kernel, in a namespace of its own.
fn unit(number: usize, kernel: &Written) -> Result<String, String> {
    let begin = format!("kernel void {}(\n", kernel.entry);
    let (_, rest) =
        kernel.text.split_once(&begin).ok_or_else(|| format!("no '{begin}' in\n{}", kernel.text))?;
    let (list, _) = rest.split_once("\n) {").ok_or_else(|| format!("no end of the parameters in\n{rest}"))?;
    let (mut arguments, mut sizes, mut shared) = (Vec::new(), String::new(), 0);
    for line in list.lines() {
        let line = line.trim_start_matches([' ', ',']);
        let (declared, attribute) = line.split_once(" [[").unwrap_or((line, ""));
        let (ty, name) = declared.rsplit_once(' ').ok_or_else(|| format!("parameter '{line}'"))?;
        let before = shared;
        arguments.push(argument(attribute.trim_end_matches("]]"), ty, name, &mut shared)?);
        if shared > before {
            let bytes = kernel.shared.get(before).ok_or_else(|| format!("no bytes for '{line}'"))?;
            let _ = writeln!(sizes, "static_assert(sizeof({ty}) <= {bytes}, \"what Metal is told\");");
        }
    }
    let shared: String = kernel.shared.iter().map(|bytes| format!("{bytes}, ")).collect();
    Ok(format!(
        "namespace {{ namespace k{number} {{\n{}\n{sizes}static void run(const host::Thread& t, void* const* buffers, void* const* \
         shared) {{\n{}({});\n}}\nstatic const unsigned shared[] = {{{shared}0}};\n}} }}\n",
        kernel.text,
        kernel.entry,
        arguments.join(",\n")
    ))
}

/// The translation unit of some kernels, of which the first has this number.
fn part(number: usize, kernels: &[Written]) -> Result<String, String> {
    let (mut text, mut table) = ("#include <metal_stdlib>\n".to_owned(), String::new());
    for (place, kernel) in kernels.iter().enumerate() {
        text += &unit(place, kernel)?;
        let [x, y, z] = kernel.workgroup_size;
        // What gives way to other threads.
        let waits = kernel.text.contains("_barrier(") || kernel.text.contains("::simd_");
        let (entry, space) = (&kernel.entry, format!("k{place}"));
        let _ =
            writeln!(table, "{{\"{entry}\", {{{x}, {y}, {z}}}, {waits}, {space}::shared, {space}::run}},");
    }
    let count = kernels.len();
    Ok(format!(
        "{text}static const host::Kernel table[] = {{\n{table}}};\nextern const host::Part part_{number} = \
         {{table, {count}}};\n"
    ))
}

impl Library {
    /// Compiles kernels into a program in this folder; `change` is applied to what naga writes.
    pub fn build(
        folder: &Path,
        wanted: &[(Kernel, bool)],
        change: &(dyn Fn(&mut Written) + Sync),
    ) -> Result<Self, String> {
        let texts = each(wanted, || (), |(), (kernel, checked)| written(kernel, *checked));
        let (mut kernels, mut numbers, mut known) = (Vec::new(), HashMap::new(), HashMap::new());
        for (wanted, text) in wanted.iter().zip(texts) {
            let mut text = text?;
            change(&mut text);
            // Many texts are the same with checks and without.
            let number = *known.entry(text.text.clone()).or_insert_with(|| {
                kernels.push(text);
                kernels.len() - 1
            });
            numbers.insert(wanted.clone(), number);
        }
        let parts: Vec<(usize, &[Written])> = kernels.chunks(PART).enumerate().collect();
        let mut all: String = "#include \"host.h\"\n".to_owned();
        parts.iter().for_each(|(number, _)| all += &format!("extern const host::Part part_{number};\n"));
        let list: String = parts.iter().map(|(number, _)| format!("&part_{number}, ")).collect();
        // Addresses of parts are known when the program is linked; their contents when it starts.
        all += &format!(
            "extern const host::Part* const parts[] = {{{list}}};\nextern const unsigned part_count = {};\n",
            parts.len()
        );
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok::<PathBuf, String>(path)
        };
        let mut sources = vec![shim().join("host.cpp"), write("table.cpp", &all)?];
        for (number, kernels) in &parts {
            sources.push(write(&format!("part_{number}.cpp"), &part(*number, kernels)?)?);
        }
        let objects: Vec<PathBuf> = (0..sources.len()).map(|i| folder.join(format!("{i}.o"))).collect();
        let pairs: Vec<_> = sources.iter().zip(&objects).collect();
        let failed = Mutex::new(None);
        each(
            &pairs,
            || (),
            |(), (source, object)| {
                if let Err(message) = compile(source, object) {
                    failed.lock().expect("no thread panicked").get_or_insert(message);
                }
            },
        );
        if let Some(message) = failed.into_inner().expect("no thread panicked") {
            return Err(message);
        }
        let program = folder.join("kernels");
        let linked = Command::new("g++").args(&objects).arg("-o").arg(&program).output();
        let linked = linked.map_err(|e| format!("g++: {e}"))?;
        if !linked.status.success() {
            return Err(String::from_utf8_lossy(&linked.stderr).into_owned());
        }
        Ok(Self { program, kernels, numbers })
    }
}
