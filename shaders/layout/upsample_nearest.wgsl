// Enlargement by an integer factor: every pixel becomes a block.
//
//   y[n, i, j, c] = x[n, i / factor, j / factor, c]
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/layout/upsample_nearest.rs
// Source:  torch.nn.Upsample(mode="nearest").

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, factor H, factor W, C]

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let to = place(i, params.h * params.factor, params.w * params.factor, c4s);
    let line = to.n * params.h + to.row / params.factor;
    let v = x[(line * params.w + to.column / params.factor) * c4s + to.c4];
    y[i] = mask_lanes(v, to.c4, params.c);
}
