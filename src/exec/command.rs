//! What a program does, step by step.

/// One step of a plan, with everything it needs.
#[derive(Debug)]
pub(super) enum Command {
    Dispatch {
        pipeline: wgpu::ComputePipeline,
        bind_group: wgpu::BindGroup,
        grid: [u32; 3],
        /// The sizes of this launch.
        sizes: Vec<u8>,
    },
    Copy {
        from: wgpu::Buffer,
        to: wgpu::Buffer,
        bytes: u64,
    },
}
