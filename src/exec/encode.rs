//! Turning steps into passes, with or without timestamps at their boundaries.

use super::command::Command;
use super::counters::count;
use super::gpu::Gpu;

/// Which timestamps a sequence of steps writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Marks<'a> {
    /// None.
    None,
    /// Queries `first` and `first + 1`: before the first step and after the last.
    Around { queries: &'a wgpu::QuerySet, first: u32 },
}

impl<'a> Marks<'a> {
    fn writes(self, begin: bool, end: bool) -> Option<wgpu::ComputePassTimestampWrites<'a>> {
        let Marks::Around { queries, first } = self else { return None };
        (begin || end).then_some(wgpu::ComputePassTimestampWrites {
            query_set: queries,
            beginning_of_pass_write_index: begin.then_some(first),
            end_of_pass_write_index: end.then_some(first + 1),
        })
    }
}

fn pass<'e>(
    encoder: &'e mut wgpu::CommandEncoder,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
) -> wgpu::ComputePass<'e> {
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes })
}

/// Encodes steps of one or more programs of a device: neighbouring dispatches share a pass, copies stand between passes.
/// Where there are copies, empty passes before and after carry the timestamps.
pub(super) fn encode<'p>(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    steps: impl Iterator<Item = &'p Command> + Clone,
    marks: Marks<'_>,
) {
    let is_copy = |c: &&Command| matches!(c, Command::Copy { .. });
    let timed = matches!(marks, Marks::Around { .. });
    let outside = timed && (steps.clone().any(|s| is_copy(&s)) || steps.clone().next().is_none());
    if outside {
        drop(pass(encoder, marks.writes(true, false)));
    }
    let mut steps = steps.peekable();
    while let Some(command) = steps.next() {
        match command {
            Command::Copy { from, to, bytes } => {
                count(&gpu.tally.copies, 1);
                encoder.copy_buffer_to_buffer(from, 0, to, 0, *bytes);
            }
            Command::Dispatch { .. } => {
                count(&gpu.tally.passes, 1);
                let inside = timed && !outside;
                let mut pass = pass(encoder, marks.writes(inside, inside));
                let mut current = Some(command);
                while let Some(Command::Dispatch { pipeline, bind_group, grid, sizes }) = current {
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, bind_group, &[]);
                    if !sizes.is_empty() {
                        pass.set_immediates(0, sizes);
                    }
                    pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
                    count(&gpu.tally.dispatches, 1);
                    current = steps.next_if(|s| !is_copy(s));
                }
            }
        }
    }
    if outside {
        drop(pass(encoder, marks.writes(false, true)));
    }
}
