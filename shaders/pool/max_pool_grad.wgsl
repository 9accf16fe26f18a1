// Gradient of the maximum of a sliding window: each window gives its gradient to the tap that won.
//
//   dx[n, h, w, c] = sum of dy[n, i, j, c] over the windows i, j whose arg[n, i, j, c] is h, w
//
// The sum is gathered, not scattered: every pixel sums over the windows that cover it, always in
// the same order.
//
// Grid:    one invocation per group of four channels of dx.
// Twin:    src/kernels/pool/max_pool.rs
// Source:  torch.nn.functional.max_pool2d, its backward function.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, OH, OW, C]
@group(0) @binding(2) var<storage, read> arg: array<u32>;            // [N, OH, OW, C / 4]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let at = place(i, params.h, params.w, c4s);
    let below = at.row + params.pad_y;
    let right = at.column + params.pad_x;
    let first_row = first_window(below, params.rows, params.stride_y);
    let first_column = first_window(right, params.columns, params.stride_x);
    let end_row = end_window(below, params.stride_y, params.oh);
    let end_column = end_window(right, params.stride_x, params.ow);

    var sum = vec4<f32>(0.0);
    for (var row = first_row; row < end_row; row++) {
        let r = below - row * params.stride_y;
        for (var column = first_column; column < end_column; column++) {
            let tap = r * params.columns + right - column * params.stride_x;
            let o = ((at.n * params.oh + row) * params.ow + column) * c4s + at.c4;
            let winner = (vec4<u32>(arg[o]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu);
            sum += select(vec4<f32>(0.0), dy[o], winner == vec4<u32>(tap));
        }
    }
    dx[i] = mask_lanes(sum, at.c4, params.c);
}
