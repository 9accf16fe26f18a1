// Gradient of the enlargement: the sum over each block.
//
//   dx[n, h, w, c] = sum over r, s < factor of dy[n, factor h + r, factor w + s, c]
//
// Grid:    one invocation per group of four channels of dx.
// Twin:    src/kernels/layout/upsample_nearest.rs
// Source:  torch.nn.Upsample(mode="nearest"), its backward function.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, factor H, factor W, C]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let at = place(i, params.h, params.w, c4s);
    let top = (at.n * params.h + at.row) * params.factor; // lines count over the batch
    let left = at.column * params.factor;

    var sum = vec4<f32>(0.0);
    for (var r = 0u; r < params.factor; r++) {
        let line = (top + r) * params.w * params.factor;
        for (var s = 0u; s < params.factor; s++) {
            sum += dy[(line + left + s) * c4s + at.c4];
        }
    }
    dx[i] = mask_lanes(sum, at.c4, params.c);
}
