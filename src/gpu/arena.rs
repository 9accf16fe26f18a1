//! Lifetime-based memory plan: transients whose lives do not overlap share a buffer.

use super::tape::{Origin, Tape};

/// Which memory each transient buffer of a tape gets.
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

#[cfg(test)]
mod tests {
    use super::*;

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
