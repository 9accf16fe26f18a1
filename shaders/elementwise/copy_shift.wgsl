// Adds a shift per channel to the output of a layer, in place: every copy of a network has its own.
//
//   v = y[copy, n, h, w, k] + shifts[copy, 0, offset + k]
//   y[copy, n, h, w, k] = v < 0 ? v + half : v - half      half = shifts[copy, 1, offset + k]
//
// Half of what 32 bits count, where the sign bit of a bias has flipped that integers add up with:
// with either sign of it the sum wraps to the same number. It is apart from the shift, beside which
// f32 would lose the rest of the sum. Elsewhere it is 0.
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/copy_shift.rs
// Source:  docs/fault-format.md, "Other memories": what faulty biases add.

struct CopyShiftParams {
    vec4s: u32,   // groups of four channels in all copies
    of_copy: u32, // groups in a copy
    c: u32,       // channels without padding
    offset: u32,  // of the shift of channel 0, in those of a copy
    len: u32,     // shifts of a copy, and halves
}

@group(0) @binding(0) var<uniform> params: CopyShiftParams;
@group(0) @binding(1) var<storage, read> shifts: array<f32>;          // [copies, 2, len]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // [copies, N, H, W, C]

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let c4 = i % ((params.c + 3u) / 4u);
    let at = i / params.of_copy * 2u * params.len + params.offset + 4u * c4;
    var shift = vec4<f32>(0.0);
    var half = vec4<f32>(0.0);
    for (var j = 0u; j < min(params.c - 4u * c4, 4u); j++) {
        shift[j] = shifts[at + j];
        half[j] = shifts[at + params.len + j];
    }
    let v = y[i] + shift;
    y[i] = mask_lanes(v + select(-half, half, v < vec4<f32>(0.0)), c4, params.c);
}
