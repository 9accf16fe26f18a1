//! Runs one dispatch at a time on the adapter, with poisoned outputs; padding lanes must be 0.
use nf_gpu::{
    kernels::{desc::Access, plan::Plan},
    run::{Gpu, Program, Tape},
    shape::{Nhwc, pad_channels, unpad_channels},
};
use std::collections::BTreeSet;

/// Contents of a storage binding before the dispatch.
pub(crate) enum Binding {
    /// Contents that the kernel reads, or changes in place.
    Words(Vec<u32>),
    /// An output of the kernel, filled with NaN before.
    Out,
}

impl Binding {
    pub(crate) fn floats(values: &[f32]) -> Self {
        Self::Words(values.iter().map(|v| v.to_bits()).collect())
    }

    /// Values `[pixels, c]`, with NaN in the padding lanes.
    pub(crate) fn images(values: &[f32], c: u32) -> Self {
        Self::floats(&pad_channels(values, c, f32::NAN))
    }

    /// A binding that the plan leaves out.
    pub(crate) fn unused() -> Self {
        Self::floats(&[f32::NAN; 4])
    }
}

/// Runs plans, with one variant of the kernels that have several.
pub(crate) struct Engine<'a> {
    gpu: &'a Gpu,
    /// Variant to use where a plan's kernel has it and this adapter can run it.
    prefer: Option<&'static str>,
    /// Other variants that the plans so far could have used.
    pub(crate) others: BTreeSet<&'static str>,
    pub(crate) kernels: BTreeSet<&'static str>,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(gpu: &'a Gpu, prefer: Option<&'static str>) -> Self {
        Self { gpu, prefer, others: BTreeSet::new(), kernels: BTreeSet::new() }
    }

    /// Runs a plan; returns the words of all bindings that it writes, in order.
    pub(crate) fn words(&mut self, plan: Plan, bindings: Vec<Binding>) -> Vec<Vec<u32>> {
        let kernel = plan.kernel;
        assert_eq!(bindings.len(), plan.bytes.len(), "{}", kernel.name);
        self.kernels.insert(kernel.name);
        let runs: Vec<_> = self
            .gpu
            .variants(&plan)
            .into_iter()
            .filter(|v| self.gpu.lacks(v, v.workgroups[0]).is_none())
            .collect();
        let preferred = runs.iter().find(|v| Some(v.name) == self.prefer);
        let variant = *preferred.unwrap_or(&runs[0]);
        self.others.extend(runs.iter().map(|v| v.name).filter(|&name| name != variant.name));
        let mut tape = Tape::new();
        let ids: Vec<_> =
            kernel.bindings[1..].iter().zip(&plan.bytes).map(|(b, &n)| tape.kept(b.0, n)).collect();
        let bytes = plan.bytes.clone();
        tape.push_as(plan, &ids, variant.name, variant.workgroups[0]).unwrap();
        let program = Program::build(self.gpu, &tape).unwrap();
        for ((binding, &id), &bytes) in bindings.into_iter().zip(&ids).zip(&bytes) {
            let words = (bytes / 4) as usize;
            match binding {
                Binding::Words(given) => {
                    assert_eq!(given.len(), words, "{} {}", kernel.name, tape.bytes(id));
                    program.write(self.gpu, id, 0, &given);
                }
                Binding::Out => program.write(self.gpu, id, 0, &vec![f32::NAN; words]),
            }
        }
        program.run(self.gpu).unwrap();
        let written = kernel.bindings[1..].iter().zip(&ids).zip(&bytes);
        written
            .filter(|((binding, _), _)| binding.1 == Access::ReadWrite)
            .map(|((_, &id), &bytes)| {
                let mut words = program.read::<u32>(self.gpu, id).unwrap();
                words.truncate((bytes / 4) as usize);
                words
            })
            .collect()
    }

    /// Like [`Self::words`], for plans whose first written binding holds floats without padding.
    pub(crate) fn floats(&mut self, plan: Plan, bindings: Vec<Binding>) -> Vec<f32> {
        floats_of(&self.words(plan, bindings)[0])
    }

    /// Like [`Self::floats`], for images `[pixels, c]`; the padding, which must be 0, is removed.
    pub(crate) fn images(&mut self, plan: Plan, bindings: Vec<Binding>, shape: Nhwc) -> Vec<f32> {
        let name = plan.kernel.name;
        let padded = self.floats(plan, bindings);
        unpadded(&padded, shape.c, name)
    }
}

pub(crate) fn floats_of(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&w| f32::from_bits(w)).collect()
}

/// Values `[pixels, c]` without their padding lanes.
pub(crate) fn unpadded(padded: &[f32], c: u32, what: &str) -> Vec<f32> {
    let lanes = padded.chunks(c.next_multiple_of(4) as usize).map(|p| &p[c as usize..]);
    assert!(lanes.flatten().all(|v| v.to_bits() == 0), "{what}: padding lanes are not 0");
    unpad_channels(padded, c)
}
