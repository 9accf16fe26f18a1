//! The entries of a tape as a device runs them.

use crate::gpu::{Buffer, Device, Pipeline};

/// One recorded step.
#[derive(Debug)]
pub(super) enum ProgramStep {
    Dispatch {
        pipeline: Pipeline,
        group: wgpu::BindGroup,
        groups: [u32; 3],
        name: String,
        /// Name of the plan's class of shapes; empty without one.
        shape: String,
        flops: u64,
        /// Bytes of all bindings.
        bytes: u64,
        /// The buffers of floats that the dispatch writes, with their bytes.
        writes: Vec<(Buffer, u64)>,
    },
    Clear(wgpu::Buffer),
    Copy {
        from: wgpu::Buffer,
        to: wgpu::Buffer,
        offset: u64,
        bytes: u64,
    },
}

impl ProgramStep {
    /// Encodes a dispatch.
    pub(super) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>) {
        if let Self::Dispatch { pipeline, group, groups, .. } = self {
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
        }
    }

    /// Encodes a copy or a clear.
    pub(super) fn transfer(&self, encoder: &mut wgpu::CommandEncoder) {
        match self {
            Self::Clear(buffer) => encoder.clear_buffer(buffer, 0, None),
            Self::Copy { from, to, offset, bytes } => {
                encoder.copy_buffer_to_buffer(from, 0, to, *offset, *bytes);
            }
            Self::Dispatch { .. } => {}
        }
    }

    /// Operations, as the dispatch's plan states them.
    pub(super) fn flops(&self) -> u64 {
        match self {
            Self::Dispatch { flops, .. } => *flops,
            Self::Clear(_) | Self::Copy { .. } => 0,
        }
    }
}

/// Submits steps; neighbouring dispatches are one pass.
pub(super) fn submit(device: &Device, steps: &[ProgramStep]) -> wgpu::SubmissionIndex {
    let mut encoder = device.encoder();
    let mut at = 0;
    while at < steps.len() {
        let dispatches = pass(&mut encoder, &steps[at..]);
        if dispatches == 0 {
            steps[at].transfer(&mut encoder);
        }
        at += dispatches.max(1);
    }
    device.submit(encoder)
}

/// Encodes the dispatches that `steps` begins with as one pass; returns their number.
fn pass(encoder: &mut wgpu::CommandEncoder, steps: &[ProgramStep]) -> usize {
    if !matches!(steps.first(), Some(ProgramStep::Dispatch { .. })) {
        return 0;
    }
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    let dispatches = steps.iter().take_while(|step| matches!(step, ProgramStep::Dispatch { .. }));
    dispatches.map(|step| step.dispatch(&mut pass)).count()
}
