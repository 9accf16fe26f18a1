//! Runs a program entry by entry and shows what each one wrote, to find faults.

use super::{program::Program, session::Gpu, step::ProgramStep};
use crate::{error::Result, gpu::Buffer};
use std::ops::Range;

impl Program {
    /// Runs some entries of the tape one by one. After each dispatch `look` gets its place in words
    /// and every buffer of floats that it wrote, with its bytes; transients are set to 0 before their
    /// first use. This is slow and meant for finding faults.
    pub fn run_each(
        &self,
        gpu: &Gpu,
        entries: Range<usize>,
        look: &mut dyn FnMut(&str, &Buffer, u64) -> Result<()>,
    ) -> Result<()> {
        for entry in entries {
            if !self.fresh[entry].is_empty() {
                let mut encoder = gpu.encoder();
                for (buffer, bytes) in &self.fresh[entry] {
                    encoder.clear_buffer(&buffer.raw, 0, Some(*bytes));
                }
                gpu.submit(encoder);
            }
            self.run_range(gpu, entry..entry + 1)?;
            if let ProgramStep::Dispatch { name, writes, .. } = &self.steps()[entry] {
                let place = format!("{} ({name})", self.place(entry));
                writes.iter().try_for_each(|(buffer, bytes)| look(&place, buffer, *bytes))?;
            }
        }
        Ok(())
    }

    /// Text of the last mark at or before an entry.
    fn place(&self, entry: usize) -> &str {
        let marks = self.marks.partition_point(|&(at, _)| at <= entry);
        self.marks[..marks].last().map_or("the step", |(_, what)| what)
    }
}
