// Finds the first value that is infinite or NaN.
//
//   found[slot] = min(found[slot], min { i : values[i] is not finite })
//
// Grid:    one invocation per value.
// Twin:    src/kernels/reduce/non_finite.rs
// Source:  -

struct NonFiniteParams {
    len: u32,
    slot: u32,
}

// Values are read as bits, because shader compilers may compare NaN in any way (lib/special.wgsl).
@group(0) @binding(0) var<uniform> params: NonFiniteParams;
@group(0) @binding(1) var<storage, read> values: array<u32>;              // [len]
@group(0) @binding(2) var<storage, read_write> found: array<atomic<u32>>; // [slots]

fn items() -> u32 {
    return params.len;
}

fn each(i: u32) {
    if (values[i] & 0x7f800000u) == 0x7f800000u {
        atomicMin(&found[params.slot], i);
    }
}
