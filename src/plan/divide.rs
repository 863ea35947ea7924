//! Launches and submissions that would take so long that a watchdog ends them, and with them the device, are divided: by an
//! estimate of their time, before anything runs.

use super::{Dispatch, Plan, Step};
use crate::kernels::{Kernel, Limits};
use std::collections::HashSet;

/// The line of a kernel that says at which workgroup it begins: `shaders/common/group.wgsl`.
const BEGINS: &str = "const FIRST_GROUP = 0u;";
/// Parts of a launch at most: each is a kernel of its own.
const MOST_PARTS: u64 = 256;
/// Launches of the longest time that one submission may hold.
const LAUNCHES: u64 = 4;
/// Invocations of a workgroup, about, and operations of an iteration, at least.
const INVOCATIONS: u64 = 64;
const OPERATIONS: u64 = 4;

impl Dispatch {
    /// How much work it is, about, in operations: those of the op, a byte bound counting as one, or those of all iterations of
    /// all loops, whichever are more.
    pub fn work(&self) -> u64 {
        let bytes: u64 = self.bindings.iter().map(|b| b.bytes).sum();
        let [x, y] = self.grid.map(u64::from);
        let invocations = (x * y).saturating_mul(INVOCATIONS);
        let iterations = invocations.saturating_mul(u64::from(self.iterations)).saturating_mul(OPERATIONS);
        self.flops.saturating_add(bytes).max(iterations)
    }
}

/// The parts of a kernel's launch where it is more work than a launch may be: along y where it has lines of workgroups, else
/// along x.
pub(super) fn parts(
    kernel: &Kernel,
    dispatch: &Dispatch,
    limits: &Limits,
) -> Option<Vec<(Kernel, Dispatch)>> {
    let [x, y] = dispatch.grid;
    let along = if y > 1 { y } else { x };
    let wanted = dispatch.work().div_ceil(limits.max_launch_work.max(1));
    let count = wanted.min(MOST_PARTS).min(u64::from(along)) as u32;
    if count < 2 || !kernel.wgsl.contains(BEGINS) {
        return None;
    }
    // Rounded where they add up, so that nothing is lost.
    let upto = |all: u64, part: u32| (u128::from(all) * u128::from(part) / u128::from(count)) as u64;
    let part = |number: u32| {
        let [begin, end] = [number, number + 1].map(|part| upto(along.into(), part));
        let (first, size) = if y > 1 { (begin * u64::from(x), x) } else { (begin, 1) };
        let long = (end - begin) as u32;
        let wgsl = kernel.wgsl.replace(BEGINS, &format!("const FIRST_GROUP = {first}u;"));
        let divided = Dispatch {
            grid: if y > 1 { [size, long] } else { [long, 1] },
            flops: upto(dispatch.flops, number + 1) - upto(dispatch.flops, number),
            why: format!("{}, launch {} of {count}", dispatch.why, number + 1),
            ..dispatch.clone()
        };
        (Kernel { wgsl, ..kernel.clone() }, divided)
    };
    Some((0..count).map(part).collect())
}

/// Leaves out the kernels of which every launch was divided.
pub(super) fn keep_used(plan: &mut Plan) {
    let of = |step: &Step| match step {
        Step::Dispatch(dispatch) => Some(dispatch.kernel),
        Step::Copy { .. } => None,
    };
    let used: HashSet<usize> = plan.steps.iter().filter_map(of).collect();
    let mut position = vec![0; plan.kernels.len()];
    let mut kept = 0;
    for (number, position) in position.iter_mut().enumerate() {
        *position = kept;
        kept += usize::from(used.contains(&number));
    }
    let mut number = 0..;
    plan.kernels.retain(|_| number.next().is_some_and(|number| used.contains(&number)));
    for step in &mut plan.steps {
        if let Step::Dispatch(dispatch) = step {
            dispatch.kernel = position[dispatch.kernel];
        }
    }
}

/// The steps at which new submissions begin.
pub(super) fn submissions(steps: &[Step], limits: &Limits) -> Vec<usize> {
    let most = limits.max_launch_work.saturating_mul(LAUNCHES);
    let (mut held, mut begins) = (0u64, Vec::new());
    for (number, step) in steps.iter().enumerate() {
        let work = match step {
            Step::Dispatch(dispatch) => dispatch.work(),
            Step::Copy { bytes, .. } => 2 * bytes,
        };
        if held > 0 && held.saturating_add(work) > most {
            begins.push(number);
            held = 0;
        }
        held = held.saturating_add(work);
    }
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(grid: [u32; 2], flops: u64, iterations: u32) -> (Kernel, Dispatch) {
        let kernel = Kernel::new("f", format!("{BEGINS} fn f() {{}}"));
        (kernel, Dispatch { grid, flops, iterations, ..Dispatch::default() })
    }

    fn grids(grid: [u32; 2], flops: u64, iterations: u32, max_launch_work: u64) -> Vec<([u32; 2], String)> {
        let (kernel, dispatch) = launch(grid, flops, iterations);
        let limits = Limits { max_launch_work, ..Limits::default() };
        let all = parts(&kernel, &dispatch, &limits).unwrap_or_else(|| vec![(kernel, dispatch)]);
        assert_eq!(all.iter().map(|(_, d)| d.flops).sum::<u64>(), flops);
        let begins = |kernel: &Kernel| kernel.wgsl.split([' ', ';']).nth(3).unwrap_or_default().to_owned();
        all.iter().map(|(kernel, d)| (d.grid, begins(kernel))).collect()
    }

    #[test]
    fn launches_of_much_work_are_several_of_all_their_workgroups() {
        let part = |grid: [u32; 2], first: &str| (grid, first.to_owned());
        assert_eq!(grids([7, 1], 1000, 0, 1000), [part([7, 1], "0u")]);
        assert_eq!(grids([7, 1], 1001, 0, 1000), [part([3, 1], "0u"), part([4, 1], "3u")]);
        assert_eq!(
            grids([10, 3], 3000, 0, 1000),
            [part([10, 1], "0u"), part([10, 1], "10u"), part([10, 1], "20u")]
        );
        assert_eq!(grids([2, 1], 1 << 40, 0, 1000).len(), 2, "no more than there are workgroups");
        assert_eq!(
            grids([4, 1], 0, 100, 64 * 4 * 100 * 2).len(),
            2,
            "by iterations where there are no operations"
        );
    }

    #[test]
    fn submissions_hold_a_few_long_launches() {
        let limits = Limits { max_launch_work: 100, ..Limits::default() };
        let steps = |work: &[u64]| {
            work.iter().map(|&flops| Step::Dispatch(launch([1, 1], flops, 0).1)).collect::<Vec<_>>()
        };
        assert_eq!(submissions(&steps(&[100, 100, 100, 100]), &limits), [0; 0]);
        assert_eq!(submissions(&steps(&[100, 100, 100, 100, 1, 399, 1]), &limits), [4, 6]);
        assert_eq!(submissions(&steps(&[1000, 1000]), &limits), [1]);
        assert_eq!(submissions(&steps(&[1000, 1000]), &Limits::default()), [0; 0]);
    }
}
