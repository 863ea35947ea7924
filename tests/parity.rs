//! Every op and every gradient, on the best adapter of this machine, against the CPU reference.
//!
//! `cargo test --test parity conv2d` runs one family. Memory is poisoned with NaN before a run, so that what
//! a kernel does not write shows.

mod cases;

use cases::{Bound, Case};
use std::sync::OnceLock;
use wgrad::{DType, Device, HostTensor, Parameters, Result};

const NAN: u32 = 0x7fc0_0000;

/// The adapter, or `None` where there is none; `checked` with wgpu's bounds checks.
fn adapter(checked: bool) -> Option<&'static Device> {
    static DEVICES: [OnceLock<Device>; 2] = [OnceLock::new(), OnceLock::new()];
    let open = || Device::open_with(None, None, checked).expect("a device that opens");
    let device = DEVICES[usize::from(checked)].get_or_init(open);
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return None;
    }
    Some(device)
}

/// The outputs of a case on a device, run twice: memory left by the first run must not matter, and the bits
/// must repeat.
fn run(case: &Case, device: &Device) -> Result<Vec<HostTensor>> {
    let outputs: Vec<_> = case.outputs.iter().map(|(_, t)| t).collect();
    let inputs: Vec<_> = case.inputs.iter().map(|(t, v)| (t, v)).collect();
    let once = || {
        let mut program = Parameters::new(device, 0).compile(&case.graph, &outputs)?;
        program.fill_scratch(NAN);
        program.run(&inputs)?;
        outputs.iter().map(|t| program.read(t)).collect::<Result<Vec<_>>>()
    };
    let first = once()?;
    if !device.is_cpu() {
        let second = once()?;
        for (a, b) in first.iter().zip(&second) {
            assert_eq!(a.as_bytes(), b.as_bytes(), "{}: two runs differ", case.name);
        }
    }
    Ok(first)
}

/// The first element out of bounds: index, got, expected; and how many there are.
fn compare(got: &HostTensor, expected: &HostTensor, bound: Bound) -> Option<(usize, f64, f64, usize)> {
    let values = |t: &HostTensor| -> Vec<f64> {
        match t.ty().dtype {
            DType::F32 => t.as_f32().expect("f32").iter().map(|&v| f64::from(v)).collect(),
            DType::U32 => t.as_u32().expect("u32").iter().map(|&v| f64::from(v)).collect(),
        }
    };
    let (got, expected) = (values(got), values(expected));
    let wrong = |i: &usize| match bound {
        Bound::Exact => got[*i] != expected[*i], // true for NaN
        Bound::Within { relative, absolute } => {
            let error = (got[*i] - expected[*i]).abs();
            error.is_nan() || error > absolute + relative * expected[*i].abs()
        }
    };
    let all: Vec<usize> = (0..expected.len()).filter(wrong).collect();
    let worst = all.iter().copied().max_by(|&a, &b| {
        let error = |i: usize| (got[i] - expected[i]).abs() / expected[i].abs().max(1e-30);
        error(a).total_cmp(&error(b))
    });
    worst.map(|i| (i, got[i], expected[i], all.len()))
}

fn check(family: &str, cases: Vec<Case>, checked: bool) {
    let Some(device) = adapter(checked) else { return };
    println!("{family}: {} cases on {}", cases.len(), device.describe());
    let mut failures = Vec::new();
    for case in cases {
        let expected = run(&case, &Device::cpu()).expect("the reference runs every case");
        let got = match run(&case, device) {
            Ok(got) => got,
            Err(e) => {
                failures.push(format!("{}: {e}", case.name));
                continue;
            }
        };
        for (number, (name, _)) in case.outputs.iter().enumerate() {
            if let Some((index, got, expected, count)) =
                compare(&got[number], &expected[number], case.bound_of(name))
            {
                let of = case.outputs[number].1.shape();
                failures.push(format!(
                    "{} on {}: {name} {of} at {index}: got {got:e}, expected {expected:e}, {count} wrong",
                    case.name,
                    device.describe()
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures, rerun with `cargo test --test parity {family}`:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

macro_rules! families {
    ($($family:ident),*) => {
        $(#[test]
        fn $family() {
            check(stringify!($family), cases::$family::cases(), false);
        })*
    };
}

families!(activations, conv2d, cross_entropy, elementwise, matmul, optimizer, pool2d, reduce, softmax);

/// The same with wgpu's bounds checks compiled in: an access out of bounds would change a result here.
#[test]
fn checked_shaders() {
    let small = cases::all().into_iter().filter(|c| !c.huge).step_by(7).collect();
    check("checked_shaders", small, true);
}

/// The 12 convolutions that must be refused are, with an error that names the op and what was wrong.
#[test]
fn refused_convolutions() {
    let refused: Vec<_> = cases::conv2d::lines().into_iter().filter(|l| !l.valid).collect();
    assert_eq!(refused.len(), 12);
    for line in refused {
        let error = cases::conv2d::build(&line).expect_err(&line.tag).to_string();
        assert!(error.contains("expected") && error.contains("got"), "{}: {error}", line.tag);
    }
}
