//! How many iterations the loops of an invocation may take, measured when an adapter is opened: Mesa's llvmpipe ends all loops
//! of an invocation after 65,535 iterations in all, without an error.

use super::cache::{kept, write};
use super::gpu::Gpu;
use super::identity::AdapterIdentity;
use super::replay::replay;
use crate::error::{Error, Result};
use crate::kernels::Limits;
use crate::kernels::peaks::{self, MicroKernel};
use crate::plan::Plan;
use flate2::Crc;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Iterations that are tried: several times what any launch is planned with where work can be cut. No launch is planned with
/// more than were seen.
const TRIED: u32 = 1 << 18;
/// Iterations of the inner of two nested loops.
const INNER: u32 = 31;

/// What was measured in this process, by adapter and driver.
static KNOWN: LazyLock<Mutex<HashMap<AdapterIdentity, u32>>> = LazyLock::new(Mutex::default);

/// The iterations that an invocation takes on this adapter, at most [`TRIED`], in one loop or in nested ones, whichever are
/// fewer: what this process or the file of an earlier one knows of adapter and driver; it is measured where neither does.
///
/// # Errors
/// When the adapter fails, or its loops give wrong numbers.
pub(super) async fn measure(gpu: &Arc<Gpu>) -> Result<u32> {
    let identity = &gpu.identity;
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&iterations) = known().get(identity) {
        return Ok(iterations);
    }
    let micro = kernel(&gpu.limits())?;
    let of = format!("{identity:?} {TRIED} {INNER} {:08x}", checksum(&micro.launch.kernel.wgsl));
    let iterations = remembered(kept(identity, "iterations").as_deref(), &of, || count(gpu, &micro)).await?;
    known().insert(identity.clone(), iterations);
    Ok(iterations)
}

/// What the file says of exactly this adapter, driver and kernel, or what `count` gives, which the file then says. A file
/// that is missing, of something else or broken says nothing; one that cannot be written is no reason to fail.
async fn remembered<F: Future<Output = Result<u32>>>(
    path: Option<&Path>,
    of: &str,
    count: impl FnOnce() -> F,
) -> Result<u32> {
    let Some(path) = path else { return count().await };
    if let Some(iterations) = fs::read_to_string(path).ok().and_then(|text| read(&text, of)) {
        return Ok(iterations);
    }
    let iterations = count().await?;
    let text = format!("{of}\n{iterations}\n");
    let _ = write(path, format!("{text}{:08x}\n", checksum(&text)).as_bytes());
    Ok(iterations)
}

/// The iterations in the text of a file: what was measured, the iterations, and a checksum of both, a line each.
fn read(text: &str, of: &str) -> Option<u32> {
    let rest = text.strip_prefix(of)?.strip_prefix('\n')?;
    let (iterations, sum) = rest.strip_suffix('\n')?.split_once('\n')?;
    let whole = sum == format!("{:08x}", checksum(&format!("{of}\n{iterations}\n")));
    iterations.parse().ok().filter(|iterations| whole && (1..=TRIED).contains(iterations))
}

fn checksum(text: &str) -> u32 {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    crc.sum()
}

fn kernel(limits: &Limits) -> Result<MicroKernel> {
    peaks::iterations(limits).map_err(|m| Error::op("count_turns", "", m))
}

async fn count(gpu: &Arc<Gpu>, micro: &MicroKernel) -> Result<u32> {
    let plan = Plan::of_micro_kernel(micro);
    let mut memory: Vec<Vec<u8>> = micro.buffers.iter().map(|&bytes| vec![0; bytes as usize]).collect();
    memory[0][..8].copy_from_slice(bytemuck::cast_slice(&[TRIED, INNER]));
    let after = replay(gpu, &plan, &memory).await?;
    let words: &[u32] = bytemuck::cast_slice(&after[1]);
    let counted = words.chunks_exact(2).take(2).map(|word| (word[0], word[1]));
    for ((iterations, number), inner) in counted.clone().zip([0, INNER]) {
        // The end of an inner loop makes no number.
        let numbers = iterations - iterations.div_ceil(2 + inner);
        let expected = (0..numbers).fold(0u32, |x, _| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        if number != expected {
            let got = format!("{number} after {iterations} iterations of loops, where {expected} is right");
            return Err(Error::device("loops that compute what they should", got));
        }
    }
    // Which of the last iterations, inner or outer, met the end is not known.
    let fewest = counted.map(|(iterations, _)| iterations).min().unwrap_or(0);
    Ok(fewest.saturating_sub(2 + INNER).min(TRIED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;
    use crate::platform::block_on;
    use std::future::ready;

    #[test]
    fn every_adapter_takes_some_iterations_and_opens_with_their_number() {
        for report in crate::adapters(None) {
            let device = Device::open(None, Some(&report.index.to_string())).unwrap();
            let counted =
                block_on("", count(device.gpu("to measure").unwrap(), &kernel(&device.limits()).unwrap()));
            let counted = counted.unwrap();
            println!("{}: {counted} iterations", device.describe());
            assert_eq!(device.limits().max_iterations, counted);
            // Mesa's limit is the least that is known.
            assert!(counted > 60_000, "{counted}");
        }
    }
    /// Measured once, then read; measured anew where the file is of something else or not as it was written.
    #[test]
    fn the_number_is_kept_and_a_broken_file_is_measured_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below").join("a.iterations");
        let run = |path: &Path, of: &str, counted: u32| {
            let mut measured = false;
            let count = || {
                measured = true;
                ready(Ok(counted))
            };
            (block_on("", remembered(Some(path), of, count)).unwrap(), measured)
        };
        assert_eq!(run(&path, "a driver", 65_000), (65_000, true));
        assert_eq!(run(&path, "a driver", 1), (65_000, false));
        let written = fs::read_to_string(&path).unwrap();
        let sealed = |iterations: u64| {
            let text = format!("a driver\n{iterations}\n");
            format!("{text}{:08x}\n", checksum(&text))
        };
        assert_eq!(written, sealed(65_000));
        let broken = [
            String::new(),
            "no iterations".to_owned(),
            written[..written.len() / 2].to_owned(),
            written[..written.len() - 1].to_owned(),
            written.replace("65000", "66000"),
            format!("{written}{written}"),
            sealed(0),
            sealed(u64::from(TRIED) + 1),
            sealed(1 << 40),
        ];
        for text in broken {
            fs::write(&path, &text).unwrap();
            assert_eq!(run(&path, "a driver", 65_000), (65_000, true), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), written, "written anew");
        }
        fs::write(&path, [0xff, 0xfe, 0]).unwrap();
        assert_eq!(run(&path, "a driver", 65_000), (65_000, true));
        assert_eq!(run(&path, "another driver", 70_000), (70_000, true));
        assert_eq!(run(&path, "a driver", 65_000), (65_000, true));
        // A folder that cannot be made is no reason to fail, nor is none at all.
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(run(&file.join("a.iterations"), "a driver", 65_000), (65_000, true));
        assert_eq!(block_on("", remembered(None, "a driver", || ready(Ok(5)))).unwrap(), 5);
        let fails = || ready(Err(Error::device("x", "y")));
        assert!(block_on("", remembered(Some(&path), "a driver that fails", fails)).is_err());
    }
}
