// Common parts of the variants of fault_dequantize: all but the multiplication of lib/philox.wgsl.
//
//   w = scale * (word(stored ^ mask) - zero point),  mask = (to_1 & ~stored) | (to_0 & stored)
//
// Words that are floats have no scale (lib/half_value.wgsl).
//
//                     to_1                to_0
//   flip              cells               cells
//   stuck-at          cells & polarity    cells & ~polarity
//   asymmetric        cells (rate 0->1)   cells (rate 1->0)
//   a map of cells    stuck at 1          stuck at 0
//
// The faulty cells of each copy are drawn from its seed (docs/fault-format.md); cells that the
// chips of a lot share are drawn from the lot's seed. Or the cells come from a map of the memory:
// either word i of a layer reads word i mod 4 of row i / 64 (the reference code's rows of 16
// bytes), or words lie one behind another. Only stored bits of the chosen positions flip.
//
// An invocation takes up to EACH consecutive words of a stored row (all weights of one output
// channel; the whole layer if rows do not consist of whole words), and neighbouring invocations
// take the same words of the next rows. So they write neighbouring elements of w, and soon
// afterwards neighbouring elements of wt. If invocations took words in stored order, every 4 bytes
// written would touch a cache line of their own.

struct FaultDequantizeParams {
    taps: u32,         // R S
    c: u32,            // channels in
    k: u32,            // channels out
    inner: u32,        // stored [outer, inner, R, S]: C, or K where `c_outer`
    c_outer: u32,      // 0: [K, C, R, S]; 1: [C, K, R, S]
    copies: u32,       // in the dispatch
    first_copy: u32,   // index of the first of them
    layer: u32,        // index among all faultable layers
    layers: u32,
    bits: u32,         // per weight, 2 to 8, or 16
    scale: u32,        // index into `scales`: of the tensor's, or of that of output channel 0
    zero: u32,         // index into `scales` of the zero point that belongs to it
    cells: u32,        // bits of a word that are stored and can fail
    model: u32,        // FLIP, STUCK_AT, ASYMMETRIC
    threshold: u32,    // a cell is faulty with probability threshold / 2^32
    threshold_10: u32, // the same for a cell that stores 1, if ASYMMETRIC
    lot_lo: u32,       // seed of the lot
    lot_hi: u32,
    lot_cut: u32,      // a cell follows the lot with probability lot_cut / 2^32
    fold: u32,         // offset in `affine` of the scale of output channel 0
    first_word: u32,   // index in the layer of the first word here
    rows: u32,         // rows of whole words, or 1
    row_words: u32,    // words per row
    map_words: u32,    // words of a map of cells
    map_stride: u32,   // words from a copy's map to the next; 0: all copies share one
    map_first: u32,    // word of the map where the layer begins
}

@group(0) @binding(0) var<uniform> params: FaultDequantizeParams;
@group(0) @binding(1) var<storage, read> packed: array<u32>;               // [ceil(K C R S / PER)]
@group(0) @binding(2) var<storage, read> scales: array<f32>;               // and zero points
@group(0) @binding(3) var<storage, read> seeds: array<vec2<u32>>;          // [copies] lo, hi
@group(0) @binding(4) var<storage, read> affine: array<f32>;               // batch-norm scales
@group(0) @binding(5) var<storage, read_write> w: array<f32>;              // [copies, R, S, C, K]
@group(0) @binding(6) var<storage, read_write> wt: array<f32>;             // [copies, R, S, K, C]
@group(0) @binding(7) var<storage, read_write> flips: array<atomic<u32>>; // [.., layers, COUNTS]
@group(0) @binding(8) var<storage, read> map: array<u32>; // [copies or 1, 2, words]: stuck at 1, 0

override WG_SIZE: u32 = 64u;
override FAULTS: u32 = 1u; // 0: dequantise only
// 1: wt is multiplied by the scale of a frozen batch norm after the layer, so that the input
// gradient needs no dispatch for it.
override FOLD: u32 = 0u;
// 0: wt is not written; 1: [copies, R, S, K, C]; 2: [copies, K, R S C], for fully connected layers.
override TRANSPOSED: u32 = 1u;
// 0: the cells are drawn; 1: they come from `map`, in the reference code's rows; 2: from `map`, one
// word behind another.
override MAPPED: u32 = 0u;
override SIGNED: u32 = 1u; // 1: words are in two's complement; 0: they begin at 0
override CHANNELS: u32 = 0u; // 1: every output channel has its own scale, and zero point
override ZEROS: u32 = 0u; // 1: words stand for their distance from a zero point
override FLOATS: u32 = 0u; // 1: weights are f16; 2: bf16
override PER: u32 = 4u; // weights in a word of 32 cells
override COUNTS: u32 = 8u; // positions whose flips are counted

// Groups of channels, of which each has its own C input channels: wt is [copies, R, S, K / GROUPS,
// C GROUPS].
override GROUPS: u32 = 1u;

const EACH = 8u;
// Rows that neighbouring invocations take together: few enough that their cache lines stay in the
// cache.
const TOGETHER = 64u;

// Flips of bit i in the low half, of bit i + 4 in the high half: at most 4 EACH WG_SIZE each. The
// last four are those of bit i + 8 and i + 12.
var<workgroup> pairs: array<atomic<u32>, 8>;

// A run of words of the layer.
struct Piece {
    first: u32,
    words: u32,
}

// The words of invocation `item`. Items go through blocks of TOGETHER rows, in a block through its
// pieces of EACH words, and for each piece through the block's rows.
fn piece(item: u32, pieces: u32) -> Piece {
    let block = item / (TOGETHER * pieces);
    let rows = min(TOGETHER, params.rows - block * TOGETHER);
    let rest = item - block * TOGETHER * pieces;
    let from_row = rest / rows * EACH;
    let row = block * TOGETHER + rest % rows;
    return Piece(row * params.row_words + from_row, min(EACH, params.row_words - from_row));
}

// Reads a piece with its faults and writes its weights. Returns the flips: those of bit i in the
// nibbles of component i, where nibble n is that of bit i + 4 n, counted through all weights of the
// words.
fn unpack(copy: u32, item: u32, pieces: u32, len: u32) -> vec4<u32> {
    let unused = 32u - params.bits;
    var scale = scales[params.scale];
    var zero = 0.0;
    if ZEROS != 0u {
        zero = scales[params.zero];
    }
    let at = piece(item, pieces);
    var tap = PER * at.first % params.taps;
    var inner = PER * at.first / params.taps % params.inner;
    var outer = PER * at.first / params.taps / params.inner;
    var counts = vec4<u32>();
    // Loaded once here: a compiler must assume that the stores below could change it.
    var seed = vec2<u32>();
    if FAULTS != 0u && MAPPED == 0u {
        seed = seeds[copy];
    }
    for (var i = 0u; i < at.words; i++) {
        let index = at.first + i;
        let weights = min(len - PER * index, PER);
        var stored = packed[index];
        if FAULTS != 0u {
            let mask = flipped(copy, seed, index, stored, weights);
            stored ^= mask;
            counts += (vec4<u32>(mask) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(0x11111111u);
        }
        for (var j = 0u; j < weights; j++) {
            let high = (stored >> (32u / PER * j)) << unused;
            var q = bitcast<i32>(high) >> unused;
            if SIGNED == 0u {
                q = bitcast<i32>(high >> unused);
            }
            let c = select(inner, outer, params.c_outer != 0u);
            let k = inner + outer - c;
            if CHANNELS != 0u {
                scale = scales[params.scale + k];
            }
            if CHANNELS != 0u && ZEROS != 0u {
                zero = scales[params.zero + k];
            }
            if FLOATS == 0u {
                // The difference of two small integers is exact.
                put(copy, tap, c, k, (f32(q) - zero) * scale);
            } else if FLOATS == 1u {
                put(copy, tap, c, k, half_value(high >> 16u));
            } else {
                put(copy, tap, c, k, bitcast<f32>(high));
            }
            tap += 1u;
            if tap == params.taps {
                tap = 0u;
                inner += 1u;
            }
            if inner == params.inner {
                inner = 0u;
                outer += 1u;
            }
        }
    }
    return counts;
}

// The work of one invocation.
fn dequantize(group: vec3<u32>, groups: vec3<u32>, lane: u32) {
    let len = params.taps * params.c * params.k;
    let pieces = (params.row_words + EACH - 1u) / EACH; // of a row
    let unpacking = params.rows * pieces;
    let padding = padding_of(params.c, params.k); // per tap
    let ends = unpacking + params.taps * padding;
    // With GROUPS the padding of wt is elsewhere.
    var of_wt = 0u;
    if GROUPS > 1u && TRANSPOSED == 1u {
        of_wt = padding_of(params.k / GROUPS, params.c * GROUPS);
    }
    let items = ends + params.taps * of_wt;
    // A workgroup stays within one copy.
    let across = (items + WG_SIZE - 1u) / WG_SIZE;
    let copy = params.first_copy + group_index(group, groups) / across;
    if copy >= params.first_copy + params.copies {
        return;
    }
    let item = group_index(group, groups) % across * WG_SIZE + lane;
    if FAULTS != 0u {
        if lane < 8u {
            atomicStore(&pairs[lane], 0u);
        }
        workgroupBarrier();
    }
    if item < unpacking {
        let counts = unpack(copy, item, pieces, len);
        for (var bit = 0u; bit < 4u && FAULTS != 0u; bit++) {
            if COUNTS > 8u {
                // Bytes are sums of two nibbles: of bits i, i + 4, i + 8 and i + 12.
                let even = (counts[bit] & 0x0f0f0f0fu) + ((counts[bit] >> 16u) & 0x0f0fu);
                let odd = ((counts[bit] >> 4u) & 0x0f0f0f0fu) + ((counts[bit] >> 20u) & 0x0f0fu);
                atomicAdd(&pairs[bit], (even & 0xffu) | ((odd & 0xffu) << 16u));
                atomicAdd(&pairs[bit + 4u], ((even >> 8u) & 0xffu) | ((odd & 0xff00u) << 8u));
                continue;
            }
            // The sum of the four bytes is in the topmost byte of the product.
            let low = ((counts[bit] & 0x0f0f0f0fu) * 0x01010101u) >> 24u;
            let high = (((counts[bit] >> 4u) & 0x0f0f0f0fu) * 0x01010101u) >> 24u;
            if (low | high) != 0u {
                atomicAdd(&pairs[bit], low | (high << 16u));
            }
        }
    } else if item < ends {
        let i = item - unpacking;
        let at = padding_at(i % padding, params.c, params.k);
        put(copy, i / padding, at.x, at.y, 0.0);
    } else if item < items {
        let i = item - ends;
        let at = padding_at(i % of_wt, params.k / GROUPS, params.c * GROUPS);
        put_wt(copy, i / of_wt, at.x, at.y, 0.0);
    }
    if FAULTS != 0u {
        workgroupBarrier();
        if lane < COUNTS {
            let pair = atomicLoad(&pairs[lane % 4u + lane / 8u * 4u]);
            let count = (pair >> (16u * (lane / 4u % 2u))) & 0xffffu;
            if count != 0u {
                atomicAdd(&flips[(copy * params.layers + params.layer) * COUNTS + lane], count);
            }
        }
    }
}
