// The faulty cells that a seed draws: docs/fault-format.md. Joined after lib/philox.wgsl.

// Streams of draws, the last word of the counter, behind the first of the memory whose cells are
// drawn.
override STREAM: u32 = 0u;
const CELLS = 0u;
const POLARITY = 1u;
const LOT = 2u;

// Mask of those of the 32 cells of one stored word whose uniform draw is below the threshold. All
// cells are compared at once, from the top bit, until no cell is undecided or the threshold has
// only zeros left.
fn cells_below(seed: vec2<u32>, layer: u32, word: u32, threshold: u32, stream: u32) -> u32 {
    var faulty = 0u;
    var undecided = 0xffffffffu;
    var rest = threshold;
    for (var block = 0u; block < 8u && undecided != 0u && rest != 0u; block++) {
        let draws = philox4x32_10(vec4<u32>(word, layer, block, stream), seed);
        // If the threshold's bit is 1, cells with a 0 are below; if it is 0, cells with a 1 are
        // above.
        let d0 = select(0u, 0xffffffffu, (rest & 0x80000000u) != 0u);
        let d1 = select(0u, 0xffffffffu, (rest & 0x40000000u) != 0u);
        let d2 = select(0u, 0xffffffffu, (rest & 0x20000000u) != 0u);
        let d3 = select(0u, 0xffffffffu, (rest & 0x10000000u) != 0u);
        faulty |= undecided & d0 & ~draws.x;
        undecided &= ~(d0 ^ draws.x);
        faulty |= undecided & d1 & ~draws.y;
        undecided &= ~(d1 ^ draws.y);
        faulty |= undecided & d2 & ~draws.z;
        undecided &= ~(d2 ^ draws.z);
        faulty |= undecided & d3 & ~draws.w;
        undecided &= ~(d3 ^ draws.w);
        rest <<= 4u;
    }
    return faulty;
}

// Mask of the faulty ones among the 32 cells.
fn faulty_cells(seed: vec2<u32>, layer: u32, word: u32, threshold: u32) -> u32 {
    return cells_below(seed, layer, word, threshold, STREAM + CELLS);
}

// Mask of those of the 32 cells that follow their lot; with the largest cut all do.
fn lot_cells(seed: vec2<u32>, layer: u32, word: u32, cut: u32) -> u32 {
    if cut == 0xffffffffu {
        return cut;
    }
    return cells_below(seed, layer, word, cut, STREAM + LOT);
}

// What each of the 32 cells reads when it is stuck: bit set = 1.
fn polarity(seed: vec2<u32>, layer: u32, word: u32) -> u32 {
    return philox4x32_10(vec4<u32>(word, layer, 0u, STREAM + POLARITY), seed).x;
}
