// Computes which bits of a stored word read differently in a copy. A piece of
// lib/fault_dequantize.wgsl, whose parameters and map it reads; joined after lib/philox.wgsl.

const STUCK_AT = 1u;
const ASYMMETRIC = 2u;

// Where a word of the layer is in a map of cells.
fn map_index(word: u32) -> u32 {
    if MAPPED == 1u {
        return word / 64u * 4u % params.map_words + word % 4u;
    }
    // Both summands are below map_words: compared before they are added, the sum cannot pass 2^32.
    let at = word % params.map_words;
    let left = params.map_words - params.map_first;
    return select(at - left, at + params.map_first, at < left);
}

// Faulty cells of the copy; the cells `of_lot` are faulty where the lot's are.
fn weak(seed: vec2<u32>, word: u32, of_lot: u32, threshold: u32) -> u32 {
    let own = faulty_cells(seed, params.layer, word, threshold);
    if LOTS == 0u {
        return own;
    }
    let lot = vec2<u32>(params.lot_lo, params.lot_hi);
    let theirs = faulty_cells(lot, params.layer, word, threshold);
    return (theirs & of_lot) | (own & ~of_lot);
}

// The bits that the copy's cells read when they are stuck.
fn stuck(seed: vec2<u32>, word: u32, of_lot: u32) -> u32 {
    let own = polarity(seed, params.layer, word);
    if LOTS == 0u {
        return own;
    }
    let theirs = polarity(vec2<u32>(params.lot_lo, params.lot_hi), params.layer, word);
    return (theirs & of_lot) | (own & ~of_lot);
}

// Mask of the stored bits of a word that flip.
fn flipped(copy: u32, seed: vec2<u32>, index: u32, stored: u32, weights: u32) -> u32 {
    let word = params.first_word + index;
    var mask = 0u;
    if MAPPED != 0u {
        let at = copy * params.map_stride + map_index(word);
        mask = (map[at] & ~stored) | (map[at + params.map_words] & stored);
    } else {
        var of_lot = 0u;
        if LOTS != 0u {
            let lot = vec2<u32>(params.lot_lo, params.lot_hi);
            of_lot = lot_cells(lot, params.layer, word, params.lot_cut);
        }
        mask = weak(seed, word, of_lot, params.threshold);
        if params.model == STUCK_AT && mask != 0u {
            mask &= stored ^ stuck(seed, word, of_lot);
        } else if params.model == ASYMMETRIC {
            mask = (mask & ~stored) | (weak(seed, word, of_lot, params.threshold_10) & stored);
        }
    }
    return mask & params.cells & (0xffffffffu >> (32u - 8u * weights));
}
