// Multiply-adds in registers, for the ceilings of `nf-gpu bench`: two chains at a time, 24 steps
// per turn of the loop, for adapters with few registers.
//
//   a_k = factor a_k + step,  24 `turns` times, from a_k = i % 8 + (0, 1, 2, 3) + k, for k = 0 to 7
//   y[i] = sum_k a_k
//
// Grid:    one invocation per result.
// Twin:    src/kernels/bench/bench_fma.rs
// Source:  Williams, Waterman, Patterson, CACM 52(4) 2009: the flat part of a roofline.

@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>; // [len]

fn each(i: u32) {
    let f = vec4<f32>(params.factor);
    let s = vec4<f32>(params.step);
    let first = vec4<f32>(0.0, 1.0, 2.0, 3.0) + f32(i % 8u);
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < 8u; k += 2u) {
        var a = first + f32(k);
        var b = a + 1.0;
        for (var turn = 0u; turn < params.turns; turn++) {
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
            a = fma(a, f, s); b = fma(b, f, s); a = fma(a, f, s); b = fma(b, f, s);
        }
        sum += a + b;
    }
    y[i] = sum;
}
