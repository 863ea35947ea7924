//! How often the loops of an invocation may turn, measured when an adapter is opened: Mesa's llvmpipe ends all loops of an
//! invocation after 65,535 turns in all, without an error.

use super::gpu::Gpu;
use super::identity::AdapterIdentity;
use super::replay::replay;
use crate::error::{Error, Result};
use crate::kernels::peaks;
use crate::plan::Plan;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Turns that are tried: several times what any launch is planned with where work can be cut. No launch is planned with more
/// than were seen.
const TRIED: u32 = 1 << 18;
/// Turns of the inner of two nested loops.
const INNER: u32 = 31;

/// What was measured in this process, by adapter and driver.
static KNOWN: LazyLock<Mutex<HashMap<AdapterIdentity, u32>>> = LazyLock::new(Mutex::default);

/// The turns that an invocation takes on this adapter, at most [`TRIED`], in one loop or in nested ones, whichever are fewer.
/// `open` opens it where that is not known yet.
///
/// # Errors
/// When the adapter does not open or fails, or its loops give wrong numbers.
pub(super) fn measure(identity: &AdapterIdentity, open: impl FnOnce() -> Result<Arc<Gpu>>) -> Result<u32> {
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&turns) = known().get(identity) {
        return Ok(turns);
    }
    let turns = count(&open()?)?;
    known().insert(identity.clone(), turns);
    Ok(turns)
}

fn count(gpu: &Arc<Gpu>) -> Result<u32> {
    let micro = peaks::turns(&gpu.limits()).map_err(|m| Error::op("count_turns", "", m))?;
    let plan = Plan::of_micro_kernel(&micro);
    let mut memory: Vec<Vec<u8>> = micro.buffers.iter().map(|&bytes| vec![0; bytes as usize]).collect();
    memory[0][..8].copy_from_slice(bytemuck::cast_slice(&[TRIED, INNER]));
    let after = replay(gpu, &plan, &memory)?;
    let words: &[u32] = bytemuck::cast_slice(&after[1]);
    let counted = words.chunks_exact(2).take(2).map(|word| (word[0], word[1]));
    for ((turns, number), inner) in counted.clone().zip([0, INNER]) {
        // The end of an inner loop makes no number.
        let numbers = turns - turns.div_ceil(2 + inner);
        let expected = (0..numbers).fold(0u32, |x, _| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        if number != expected {
            let got = format!("{number} after {turns} turns of loops, where {expected} is right");
            return Err(Error::device("loops that compute what they should", got));
        }
    }
    // Which of the last turns, inner or outer, met the end is not known.
    let fewest = counted.map(|(turns, _)| turns).min().unwrap_or(0);
    Ok(fewest.saturating_sub(2 + INNER).min(TRIED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;

    #[test]
    fn every_adapter_takes_some_turns_and_opens_with_their_number() {
        for report in crate::adapters(None) {
            let device = Device::open(None, Some(&report.index.to_string())).unwrap();
            let counted = count(device.gpu("to measure").unwrap()).unwrap();
            println!("{}: {counted} turns", device.describe());
            assert_eq!(device.limits().max_turns, counted);
            // Mesa's limit is the least that is known.
            assert!(counted > 60_000, "{counted}");
        }
    }
}
