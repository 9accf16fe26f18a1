// Computes which bits of a stored word of weights read differently in a copy. A piece of
// lib/fault_dequantize.wgsl, whose parameters and map it reads; joined after lib/drawn.wgsl.

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

// Mask of the stored bits of a word that flip.
fn flipped(copy: u32, seed: vec2<u32>, index: u32, stored: u32, weights: u32) -> u32 {
    let word = params.first_word + index;
    var mask = 0u;
    if MAPPED != 0u {
        let at = copy * params.map_stride + map_index(word);
        mask = (map[at] & ~stored) | (map[at + params.map_words] & stored);
    } else {
        let chip = DrawnFaults(
            params.layer,
            params.model,
            params.threshold,
            params.threshold_10,
            vec2<u32>(params.lot_lo, params.lot_hi),
            params.lot_cut,
        );
        mask = drawn(chip, seed, word, stored);
    }
    return mask & params.cells & (0xffffffffu >> (32u - 32u / PER * weights));
}
