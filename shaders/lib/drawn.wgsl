// Computes which cells of a word fail, and what they read, from seeds: docs/fault-format.md. Joined
// after lib/cells.wgsl.

const STUCK_AT = 1u;
const ASYMMETRIC = 2u;

override LOTS: u32 = 0u; // 1: some cells follow the lot

// Faults whose cells are drawn.
struct DrawnFaults {
    layer: u32,        // index among all layers of the memory
    model: u32,        // FLIP, STUCK_AT, ASYMMETRIC
    threshold: u32,    // a cell is faulty with probability threshold / 2^32
    threshold_10: u32, // the same for a cell that stores 1, if ASYMMETRIC
    lot: vec2<u32>,    // seed of the lot
    lot_cut: u32,      // a cell follows the lot with probability lot_cut / 2^32
}

// Faulty cells of a chip; the cells `of_lot` are faulty where the lot's are.
fn weak(chip: DrawnFaults, seed: vec2<u32>, word: u32, of_lot: u32, threshold: u32) -> u32 {
    let own = faulty_cells(seed, chip.layer, word, threshold);
    if LOTS == 0u || of_lot == 0u {
        return own;
    }
    let theirs = faulty_cells(chip.lot, chip.layer, word, threshold);
    return (theirs & of_lot) | (own & ~of_lot);
}

// The bits that a chip's cells read when they are stuck.
fn stuck(chip: DrawnFaults, seed: vec2<u32>, word: u32, of_lot: u32) -> u32 {
    let own = polarity(seed, chip.layer, word);
    if LOTS == 0u || of_lot == 0u {
        return own;
    }
    let theirs = polarity(chip.lot, chip.layer, word);
    return (theirs & of_lot) | (own & ~of_lot);
}

// Mask of the bits of a stored word that read differently.
fn drawn(chip: DrawnFaults, seed: vec2<u32>, word: u32, stored: u32) -> u32 {
    var of_lot = 0u;
    if LOTS != 0u {
        of_lot = lot_cells(chip.lot, chip.layer, word, chip.lot_cut);
    }
    let mask = weak(chip, seed, word, of_lot, chip.threshold);
    if chip.model == STUCK_AT && mask != 0u {
        return mask & (stored ^ stuck(chip, seed, word, of_lot));
    }
    if chip.model == ASYMMETRIC {
        return (mask & ~stored) | (weak(chip, seed, word, of_lot, chip.threshold_10) & stored);
    }
    return mask;
}
