// Bit errors in quantised activations, in place: each value becomes what is read of its word.
//
//   u = y / STEP - LEAST,   y = STEP (LEAST + (u ^ mask)),   mask of docs/fault-format.md
//
// The values of an image lie in memory in the order channel, row, column, four to a word, image
// behind image. u counts from the least word of the range: of signed words it has the sign
// inverted.
// A value whose bits all hold is not touched. `faults` comes from the host:
//
//   0  index of the first image here      1  the number of images: those behind have no faults
//   2  the first faulty copy              3  1: every image has the cells of image 0
//   4  model                              5, 6  thresholds          7, 8, 9  lot and its cut
//   10 positions that can fail, as a mask of a word
//   12 for each buffer, whether it can fail; then the seed of each copy
//
// Grid:    one invocation per word of an image of a copy.
// Twin:    src/kernels/quantise/fault_activations.rs
// Source:  docs/fault-format.md, "Other memories".

struct FaultActivationsParams {
    pixels: u32, // of an image
    c: u32,      // channels without padding
    n: u32,      // images of a copy
    copies: u32,
    words: u32,  // of an image
    first: u32,  // index of the first image in its batch
    layer: u32,  // index of the buffer among those of the network
    layers: u32, // buffers
    bits: u32,   // of a value, 2 to 8
    signed: u32, // 1: words are in two's complement
}

@group(0) @binding(0) var<uniform> params: FaultActivationsParams;
@group(0) @binding(1) var<storage, read> faults: array<u32>;             // [12 + layers + 2 copies]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;             // [copies, N, H, W, C]
@group(0) @binding(3) var<storage, read_write> flips: array<atomic<u32>>; // [copies, layers, 8]

override STEP: f32 = 1.0;   // real value of one step
override LEAST: f32 = 0.0;  // steps of the least word

fn items() -> u32 {
    return params.words * params.n * params.copies;
}

// Where a value of an image of a copy is.
fn place(image: u32, value: u32) -> u32 {
    let pixel = image * params.pixels + value % params.pixels;
    return pixel * ((params.c + 3u) / 4u * 4u) + value / params.pixels;
}

fn each(i: u32) {
    let image = i / params.words;
    let copy = image / params.n;
    let index = faults[0] + params.first + image % params.n;
    if copy < faults[2] || index >= faults[1] || faults[12u + params.layer] == 0u {
        return;
    }
    let at = 12u + params.layers + 2u * copy;
    let of_image = i % params.words;
    let word = select(index, 0u, faults[3] != 0u) * params.words + of_image;
    // The highest bit of each value, if it is a sign.
    let highest = 1u << (params.bits - 1u);
    let sign = select(0u, highest * 0x01010101u, params.signed != 0u);
    let values = min(params.c * params.pixels - 4u * of_image, 4u);
    var stored = 0u;
    for (var j = 0u; j < values; j++) {
        let steps = round(y[place(image, 4u * of_image + j)] / STEP) - LEAST;
        stored |= (u32(steps) & (2u * highest - 1u)) << (8u * j);
    }
    stored ^= sign;
    let chip = DrawnFaults(
        params.layer,
        faults[4],
        faults[5],
        faults[6],
        vec2<u32>(faults[7], faults[8]),
        faults[9],
    );
    let there = ((2u * highest - 1u) * 0x01010101u) & (0xffffffffu >> (32u - 8u * values));
    let seed = vec2<u32>(faults[at], faults[at + 1u]);
    let mask = drawn(chip, seed, word, stored) & faults[10] & there;
    if mask == 0u {
        return;
    }
    let read = stored ^ mask ^ sign;
    for (var j = 0u; j < values; j++) {
        if ((mask >> (8u * j)) & 0xffu) != 0u {
            let steps = f32((read >> (8u * j)) & 0xffu) + LEAST;
            y[place(image, 4u * of_image + j)] = STEP * steps;
        }
    }
    for (var bit = 0u; bit < params.bits; bit++) {
        let count = countOneBits(mask & (0x01010101u << bit));
        if count != 0u {
            atomicAdd(&flips[(copy * params.layers + params.layer) * 8u + bit], count);
        }
    }
}
