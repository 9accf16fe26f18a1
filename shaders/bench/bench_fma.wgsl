// Multiply-adds in registers, for the ceilings of `nf-gpu bench`: all eight chains at once, six
// steps per turn of the loop.
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
    var a0 = first + 0.0;
    var a1 = first + 1.0;
    var a2 = first + 2.0;
    var a3 = first + 3.0;
    var a4 = first + 4.0;
    var a5 = first + 5.0;
    var a6 = first + 6.0;
    var a7 = first + 7.0;
    for (var turn = 0u; turn < 4u * params.turns; turn++) {
        a0 = fma(a0, f, s); a1 = fma(a1, f, s); a2 = fma(a2, f, s); a3 = fma(a3, f, s);
        a4 = fma(a4, f, s); a5 = fma(a5, f, s); a6 = fma(a6, f, s); a7 = fma(a7, f, s);
        a0 = fma(a0, f, s); a1 = fma(a1, f, s); a2 = fma(a2, f, s); a3 = fma(a3, f, s);
        a4 = fma(a4, f, s); a5 = fma(a5, f, s); a6 = fma(a6, f, s); a7 = fma(a7, f, s);
        a0 = fma(a0, f, s); a1 = fma(a1, f, s); a2 = fma(a2, f, s); a3 = fma(a3, f, s);
        a4 = fma(a4, f, s); a5 = fma(a5, f, s); a6 = fma(a6, f, s); a7 = fma(a7, f, s);
        a0 = fma(a0, f, s); a1 = fma(a1, f, s); a2 = fma(a2, f, s); a3 = fma(a3, f, s);
        a4 = fma(a4, f, s); a5 = fma(a5, f, s); a6 = fma(a6, f, s); a7 = fma(a7, f, s);
        a0 = fma(a0, f, s); a1 = fma(a1, f, s); a2 = fma(a2, f, s); a3 = fma(a3, f, s);
        a4 = fma(a4, f, s); a5 = fma(a5, f, s); a6 = fma(a6, f, s); a7 = fma(a7, f, s);
        a0 = fma(a0, f, s); a1 = fma(a1, f, s); a2 = fma(a2, f, s); a3 = fma(a3, f, s);
        a4 = fma(a4, f, s); a5 = fma(a5, f, s); a6 = fma(a6, f, s); a7 = fma(a7, f, s);
    }
    y[i] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
}
