// A copy that measures an adapter's memory bandwidth, for the ceilings of `nf-gpu bench`.
//
//   y[i] = x[i]
//
// Grid:    one invocation per 16 bytes.
// Twin:    src/kernels/bench/bench_copy.rs
// Source:  McCalpin, STREAM (1995), kernel Copy.

struct BenchCopyParams {
    vec4s: u32,
}

@group(0) @binding(0) var<uniform> params: BenchCopyParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;       // [vec4s]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>; // [vec4s]

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    y[i] = x[i];
}
