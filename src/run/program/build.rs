//! Builds a program from a tape: memory, parameters, pipelines, bind groups.

use super::Program;
use crate::{
    error::{Error, Result},
    gpu::{Buffer, Device, Pipeline},
    kernels::{
        desc::{self, Access, Variant},
        plan::{self, Plan},
    },
    run::{
        arena,
        step::ProgramStep,
        tape::{Origin, Tape, TapeEntry},
    },
};
use std::sync::{Mutex, atomic::AtomicU64};

/// Chooses the variant and workgroup size for a plan.
type Choose<'a> = &'a dyn Fn(&Plan) -> Result<(&'static Variant, u32)>;

impl Program {
    /// Plans memory, compiles pipelines and makes bind groups.
    pub(in crate::run) fn assemble(
        device: &Device,
        tape: &Tape,
        choose: Choose<'_>,
    ) -> Result<Self> {
        let arena = arena::assign(tape);
        let slots = arena
            .slots
            .iter()
            .enumerate()
            .map(|(i, &bytes)| Buffer::new(device, &format!("arena {i}"), bytes))
            .collect::<Result<Vec<_>>>()
            .map_err(|e| name_the_largest(e, tape))?;
        let mut buffers = Vec::new();
        for (declared, slot) in tape.buffers.iter().zip(&arena.slot_of) {
            buffers.push(match (&declared.origin, slot) {
                (Origin::Transient, Some(slot)) => Some(slots[*slot].clone()),
                (Origin::Transient, None) => None,
                (Origin::Kept, _) => Some(Buffer::new(device, &declared.label, declared.bytes)?),
                (Origin::Imported(buffer), _) => Some(buffer.clone()),
            });
        }
        let uniforms = Uniforms::write(device, tape)?;
        let mut steps = Vec::new();
        let mut sections = Vec::new();
        let unused = || Error::Shape("a buffer that is used has no memory".into());
        for (i, entry) in tape.entries.iter().enumerate() {
            sections.extend(tape.sections.iter().filter(|&&at| at == i).map(|_| steps.len()));
            steps.push(match entry {
                TapeEntry::Clear(id) => match &buffers[id.0] {
                    Some(buffer) => ProgramStep::Clear(buffer.raw.clone()),
                    None => return Err(unused()),
                },
                TapeEntry::Copy { buffers: [from, to], offset, bytes } => {
                    let (Some(from), Some(to)) = (&buffers[from.0], &buffers[to.0]) else {
                        return Err(unused());
                    };
                    let (from, to) = (from.raw.clone(), to.raw.clone());
                    ProgramStep::Copy { from, to, offset: *offset, bytes: *bytes }
                }
                TapeEntry::Dispatch { plan, buffers: ids, fixed } => {
                    let (variant, workgroup) = select(choose, plan, *fixed)?;
                    let pipeline = device.pipeline(plan, variant, workgroup)?;
                    let bound: Vec<&Buffer> =
                        ids.iter().filter_map(|id| buffers[id.0].as_ref()).collect();
                    let sizes: Vec<u64> = ids.iter().map(|&id| tape.bytes(id)).collect();
                    let group = bind(device, plan, &pipeline, uniforms.binding(i), &bound, &sizes);
                    ProgramStep::Dispatch {
                        group,
                        groups: plan::fold(plan.groups(variant, workgroup))?,
                        name: format!("{} {}", plan.kernel.name, variant.name),
                        shape: plan.class.as_ref().map_or_else(String::new, |c| c.name.clone()),
                        flops: plan.flops,
                        bytes: plan.bytes.iter().sum(),
                        writes: writes(plan, &bound),
                        pipeline,
                    }
                }
            });
        }
        device.check("prepare a program")?;
        let memory = tape.memory_as(&arena);
        let (pace, in_flight) = (AtomicU64::new(0), Mutex::default());
        let (marks, fresh) = (tape.marks.clone(), fresh(tape, &buffers));
        Ok(Self { steps, sections, marks, fresh, buffers, memory, pace, in_flight })
    }
}

fn select(
    choose: Choose<'_>,
    plan: &Plan,
    fixed: Option<(&'static str, u32)>,
) -> Result<(&'static Variant, u32)> {
    let Some((name, workgroup)) = fixed else { return choose(plan) };
    let variant = plan.kernel.variants.iter().find(|v| v.name == name);
    variant
        .map(|v| (v, workgroup))
        .ok_or_else(|| Error::unknown("variant", name, plan.kernel.variants.iter().map(|v| v.name)))
}

/// All parameter blocks of a program in one buffer.
struct Uniforms {
    buffer: wgpu::Buffer,
    offsets: Vec<Option<(u64, u64)>>,
}

impl Uniforms {
    fn write(device: &Device, tape: &Tape) -> Result<Self> {
        let align = device.raw.limits().min_uniform_buffer_offset_alignment as usize;
        let (mut bytes, mut offsets) = (Vec::new(), Vec::new());
        for entry in &tape.entries {
            offsets.push(match entry {
                TapeEntry::Clear(_) | TapeEntry::Copy { .. } => None,
                TapeEntry::Dispatch { plan, .. } => {
                    let offset = bytes.len();
                    bytes.extend_from_slice(&plan.params);
                    // GL requires that a uniform block is made of whole vec4s.
                    let size = plan.params.len().next_multiple_of(16);
                    bytes.resize((offset + size).next_multiple_of(align), 0);
                    Some((offset as u64, size as u64))
                }
            });
        }
        bytes.resize(bytes.len().max(16), 0);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = device.create_buffer("params", bytes.len() as u64, usage)?;
        device.queue.write_buffer(&buffer, 0, &bytes);
        Ok(Self { buffer, offsets })
    }

    fn binding(&self, entry: usize) -> wgpu::BindingResource<'_> {
        let (offset, size) = self.offsets[entry].unwrap_or((0, 16));
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset,
            size: std::num::NonZeroU64::new(size),
        })
    }
}

/// The buffers of floats that a dispatch writes, with their bytes.
fn writes(plan: &Plan, bound: &[&Buffer]) -> Vec<(Buffer, u64)> {
    let storage = plan.kernel.bindings[1..].iter().zip(bound).zip(&plan.bytes);
    storage
        .filter(|(((name, access), _), _)| {
            *access == Access::ReadWrite && !desc::WORDS.contains(name)
        })
        .map(|((_, buffer), &bytes)| ((*buffer).clone(), bytes))
        .collect()
}

/// Per entry, the transients that it is the first to use, with their bytes.
fn fresh(tape: &Tape, buffers: &[Option<Buffer>]) -> Vec<Vec<(Buffer, u64)>> {
    let mut seen = vec![false; tape.buffers.len()];
    let mut first_used = |entry: &TapeEntry| -> Vec<(Buffer, u64)> {
        let mut fresh = Vec::new();
        for id in entry.buffers() {
            let declared = &tape.buffers[id.0];
            if !std::mem::replace(&mut seen[id.0], true)
                && matches!(declared.origin, Origin::Transient)
            {
                fresh.extend(buffers[id.0].clone().map(|buffer| (buffer, declared.bytes)));
            }
        }
        fresh
    };
    tape.entries.iter().map(&mut first_used).collect()
}

fn bind(
    device: &Device,
    plan: &Plan,
    pipeline: &Pipeline,
    uniform: wgpu::BindingResource<'_>,
    buffers: &[&Buffer],
    sizes: &[u64],
) -> wgpu::BindGroup {
    let storage = buffers.iter().zip(sizes).map(|(buffer, &bytes)| {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &buffer.raw,
            offset: 0,
            // Bind the tensor's size, not the slot's, so that `arrayLength` and bounds checks see
            // the tensor.
            size: std::num::NonZeroU64::new(bytes),
        })
    });
    let entries: Vec<_> = std::iter::once(uniform)
        .chain(storage)
        .zip(0..)
        .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
        .collect();
    device.raw.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(plan.kernel.name),
        layout: &pipeline.layout,
        entries: &entries,
    })
}

/// Replaces an arena slot's label in an error by that of the tensor that made the slot too large.
fn name_the_largest(error: Error, tape: &Tape) -> Error {
    match error {
        Error::BufferTooLarge { needs, limit, adapter, .. } => {
            let largest = tape.buffers.iter().find(|b| b.bytes == needs);
            let what = largest.map_or_else(|| "a tensor".to_owned(), |b| b.label.clone());
            Error::BufferTooLarge { what, needs, limit, adapter }
        }
        other => other,
    }
}
