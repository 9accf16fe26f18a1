//! Lifetime-based memory plan: transients whose lifetimes do not overlap share a buffer.

use super::tape::{Origin, Tape};
use crate::gpu::Buffer;

/// The shared buffer that each transient of a tape is assigned to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arena {
    /// Bytes of each shared buffer.
    pub(super) slots: Vec<u64>,
    /// Slot of each buffer of the tape; `None` for kept and imported ones.
    pub(super) slot_of: Vec<Option<usize>>,
}

/// Assigns slots greedily in order of first use: the smallest free slot that is large enough, else
/// the largest free one, grown.
pub(super) fn assign(tape: &Tape) -> Arena {
    let mut life: Vec<Option<(usize, usize)>> = vec![None; tape.buffers.len()];
    for (time, entry) in tape.entries.iter().enumerate() {
        for buffer in entry.buffers() {
            let span = &mut life[buffer.0];
            *span = Some((span.map_or(time, |(first, _)| first), time));
        }
    }
    // Sections may run several times: a transient used in two sections must live from the begin of
    // the first section to the end of the last one.
    let section = |time: usize| tape.sections.partition_point(|&begin| begin <= time);
    for (first, last) in life.iter_mut().flatten() {
        let (from, to) = (section(*first), section(*last));
        if from != to {
            *first = from.checked_sub(1).map_or(0, |s| tape.sections[s]);
            *last = tape.sections.get(to).map_or(tape.entries.len(), |&end| end) - 1;
        }
    }
    let mut order: Vec<usize> = (0..tape.buffers.len())
        .filter(|&b| matches!(tape.buffers[b].origin, Origin::Transient) && life[b].is_some())
        .collect();
    order.sort_by_key(|&b| life[b]);
    let mut arena = Arena { slots: Vec::new(), slot_of: vec![None; tape.buffers.len()] };
    let mut busy_until: Vec<usize> = Vec::new();
    for buffer in order {
        let Some((first, last)) = life[buffer] else { continue };
        let bytes = tape.buffers[buffer].bytes;
        let free = |slot: &usize| busy_until[*slot] < first;
        let slots = &arena.slots;
        let fitting = (0..slots.len()).filter(free).filter(|&s| slots[s] >= bytes);
        let slot = fitting
            .min_by_key(|&s| slots[s])
            .or_else(|| (0..slots.len()).filter(free).max_by_key(|&s| slots[s]));
        let slot = slot.unwrap_or_else(|| {
            arena.slots.push(0);
            busy_until.push(0);
            arena.slots.len() - 1
        });
        arena.slots[slot] = arena.slots[slot].max(bytes);
        busy_until[slot] = last;
        arena.slot_of[buffer] = Some(slot);
    }
    arena
}

/// Memory that a tape needs on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeMemory {
    /// Bytes of transients, which share memory.
    pub shared: u64,
    /// Bytes that they would take without sharing.
    pub unshared: u64,
    /// Bytes of the tape's own kept buffers.
    pub kept: u64,
    /// Bytes of buffers that other programs use too.
    pub imported: u64,
    /// What the largest buffers hold, and their bytes, the largest first.
    pub largest: Vec<(String, u64)>,
}

impl Tape {
    /// The memory that this tape needs, without a device.
    pub fn memory(&self) -> TapeMemory {
        self.memory_as(&assign(self))
    }

    /// The memory that it needs with its transients in these slots.
    pub(super) fn memory_as(&self, arena: &Arena) -> TapeMemory {
        let sum = |wanted: fn(&Origin) -> bool| -> u64 {
            self.buffers.iter().filter(|b| wanted(&b.origin)).map(|b| b.bytes).sum()
        };
        // A buffer may be imported more than once.
        let mut imported: Vec<&Buffer> = Vec::new();
        for declared in &self.buffers {
            if let Origin::Imported(buffer) = &declared.origin
                && imported.iter().all(|known| known.raw != buffer.raw)
            {
                imported.push(buffer);
            }
        }
        let mut largest: Vec<(String, u64)> =
            self.buffers.iter().map(|b| (b.label.clone(), b.bytes)).collect();
        largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        largest.dedup();
        TapeMemory {
            shared: arena.slots.iter().sum(),
            unshared: sum(|o| matches!(o, Origin::Transient)),
            kept: sum(|o| matches!(o, Origin::Kept)),
            imported: imported.iter().map(|buffer| buffer.bytes()).sum(),
            largest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_into_a_section_lives_to_its_end() {
        let mut tape = Tape::new();
        let ids: Vec<_> = (0..4).map(|_| tape.transient("t", 64)).collect();
        let [a, b, c, d] = ids[..] else { unreachable!() };
        tape.clear(a);
        tape.section();
        // a is read, then b is made: in a second run of the section a must still be there.
        tape.clear(a);
        tape.clear(b);
        tape.clear(c);
        tape.section();
        tape.clear(c);
        tape.clear(d);
        let slot = assign(&tape).slot_of;
        assert_ne!(slot[a.0], slot[b.0]);
        assert_ne!(slot[a.0], slot[c.0]);
        assert_ne!(slot[b.0], slot[c.0]);
        assert_ne!(slot[c.0], slot[d.0]);
        assert!(slot[d.0] == slot[a.0] || slot[d.0] == slot[b.0], "nothing is shared");
    }

    #[test]
    fn lives_that_overlap_never_share() {
        let mut tape = Tape::new();
        let ids: Vec<_> = (0..6).map(|i| tape.transient("t", 64 << (i % 3))).collect();
        for pair in ids.windows(2) {
            tape.clear(pair[1]);
            tape.clear(pair[0]);
        }
        let arena = assign(&tape);
        for pair in ids.windows(2) {
            assert_ne!(arena.slot_of[pair[0].0], arena.slot_of[pair[1].0]);
        }
        assert!(arena.slots.len() < ids.len(), "nothing is shared");
        for (id, slot) in ids.iter().zip(&arena.slot_of) {
            assert!(arena.slots[slot.unwrap()] >= tape.bytes(*id));
        }
    }
}
