//! A tape: the dispatches of a computation and the buffers between them, written down without a GPU.

use crate::{
    error::{Error, Result},
    gpu::Buffer,
    kernels::{desc::Access, plan::Plan},
};

/// Index of a buffer in its tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub(super) usize);

/// Where a buffer's memory comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Shares memory with other transients whose lifetimes do not overlap.
    Transient,
    /// Memory of its own: written or read by the host, or kept from run to run.
    Kept,
    /// Lives outside the tape.
    Imported(Buffer),
}

#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) label: String,
    pub(super) bytes: u64,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum TapeEntry {
    Dispatch {
        plan: Box<Plan>,
        buffers: Vec<BufferId>,
        /// Variant and workgroup size, where the caller insists.
        fixed: Option<(&'static str, u32)>,
    },
    Clear(BufferId),
    /// Copies `bytes` from the start of the first buffer to `offset` in the second.
    Copy {
        buffers: [BufferId; 2],
        offset: u64,
        bytes: u64,
    },
}

impl TapeEntry {
    pub(super) fn buffers(&self) -> &[BufferId] {
        match self {
            Self::Dispatch { buffers, .. } => buffers,
            Self::Clear(buffer) => std::slice::from_ref(buffer),
            Self::Copy { buffers, .. } => buffers,
        }
    }
}

/// Dispatches in order, and the buffers they use. A [`super::Program`] runs them.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub(super) buffers: Vec<Declared>,
    pub(super) entries: Vec<TapeEntry>,
    /// Entries at which a new section begins.
    pub(super) sections: Vec<usize>,
    /// Entries at which a mark stands, and its text ([`Tape::mark`]).
    pub(super) marks: Vec<(usize, String)>,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer whose contents matter only between its first and last use in one run.
    pub fn transient(&mut self, label: &str, bytes: u64) -> BufferId {
        self.declare(label, bytes, Origin::Transient)
    }

    /// A buffer with memory of its own: host data, results, state from run to run. Starts as zeros.
    pub fn kept(&mut self, label: &str, bytes: u64) -> BufferId {
        self.declare(label, bytes, Origin::Kept)
    }

    /// A buffer that other programs use too.
    pub fn import(&mut self, label: &str, buffer: &Buffer) -> BufferId {
        self.declare(label, buffer.bytes(), Origin::Imported(buffer.clone()))
    }

    fn declare(&mut self, label: &str, bytes: u64, origin: Origin) -> BufferId {
        // WebGPU copies and binds whole words; an empty buffer cannot be bound.
        let bytes = bytes.next_multiple_of(4).max(16);
        self.buffers.push(Declared { label: label.to_owned(), bytes, origin });
        BufferId(self.buffers.len() - 1)
    }

    /// Size of a buffer in bytes.
    pub fn bytes(&self, buffer: BufferId) -> u64 {
        self.buffers[buffer.0].bytes
    }

    /// Appends a dispatch; `buffers` are its storage bindings in order.
    ///
    /// # Errors
    /// A binding is missing, too small, or read and written in the same dispatch.
    pub fn push(&mut self, plan: Plan, buffers: &[BufferId]) -> Result<()> {
        self.append(plan, buffers, None)
    }

    /// Appends a dispatch that must run with the named variant and workgroup size.
    pub fn push_as(
        &mut self,
        plan: Plan,
        buffers: &[BufferId],
        variant: &'static str,
        workgroup: u32,
    ) -> Result<()> {
        self.append(plan, buffers, Some((variant, workgroup)))
    }

    fn append(
        &mut self,
        plan: Plan,
        buffers: &[BufferId],
        fixed: Option<(&'static str, u32)>,
    ) -> Result<()> {
        let kernel = plan.kernel;
        let storage = &kernel.bindings[1..];
        if storage.len() != buffers.len() {
            return Err(Error::Shape(format!(
                "{} has {} storage bindings, {} buffers given",
                kernel.name,
                storage.len(),
                buffers.len()
            )));
        }
        for (i, ((name, access), &buffer)) in storage.iter().zip(buffers).enumerate() {
            let (has, needs) = (self.bytes(buffer), plan.bytes[i]);
            if has < needs {
                return Err(Error::Shape(format!(
                    "{}: {name} needs {needs} bytes, buffer {:?} has {has}",
                    kernel.name, self.buffers[buffer.0].label
                )));
            }
            let shared = buffers.iter().filter(|&&other| other == buffer).count() > 1;
            if shared && *access == Access::ReadWrite {
                return Err(Error::Shape(format!(
                    "{}: {name} is bound twice and written",
                    kernel.name
                )));
            }
        }
        let entry = TapeEntry::Dispatch { plan: Box::new(plan), buffers: buffers.to_vec(), fixed };
        self.entries.push(entry);
        Ok(())
    }

    /// Sets a buffer to zeros at this point of every run.
    pub fn clear(&mut self, buffer: BufferId) {
        self.entries.push(TapeEntry::Clear(buffer));
    }

    /// Copies the first `bytes` of a buffer to an offset in another (both multiples of 4).
    ///
    /// # Errors
    /// One of the buffers is too small, both are the same, or a size is not a multiple of 4.
    pub fn copy(&mut self, from: BufferId, to: BufferId, offset: u64, bytes: u64) -> Result<()> {
        let fits = self.bytes(from) >= bytes && self.bytes(to) >= offset + bytes;
        if !fits || from == to || !(offset | bytes).is_multiple_of(4) {
            return Err(Error::Shape(format!(
                "cannot copy {bytes} bytes of {:?} to {offset} in {:?}",
                self.buffers[from.0].label, self.buffers[to.0].label
            )));
        }
        self.entries.push(TapeEntry::Copy { buffers: [from, to], offset, bytes });
        Ok(())
    }

    /// Begins a new section: [`super::Program::run_section`] runs sections one by one. A transient
    /// that is used in one section alone does not keep its contents to the next one.
    pub fn section(&mut self) {
        self.sections.push(self.entries.len());
    }

    /// Describes what the entries from here on compute, for messages.
    pub fn mark(&mut self, what: impl Into<String>) {
        self.marks.push((self.entries.len(), what.into()));
    }

    /// Dispatches, without copies and clears.
    pub fn dispatches(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry, TapeEntry::Dispatch { .. })).count()
    }

    /// Entries written down so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was written down.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Operations of each section, as the plans state them.
    pub fn flops_of_sections(&self) -> Vec<u64> {
        let mut sums = vec![0; self.sections.len() + 1];
        for (i, entry) in self.entries.iter().enumerate() {
            let section = self.sections.partition_point(|&begin| begin <= i);
            if let TapeEntry::Dispatch { plan, .. } = entry {
                sums[section] += plan.flops;
            }
        }
        sums
    }

    /// Operations of one run, as the plans state them.
    pub fn flops(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| match entry {
                TapeEntry::Dispatch { plan, .. } => plan.flops,
                TapeEntry::Clear(_) | TapeEntry::Copy { .. } => 0,
            })
            .sum()
    }
}
