// Gradient of the mean of a sliding window: each window gives every tap an equal part of its
// gradient.
//
//   dx[n, h, w, c] = sum of dy[n, i, j, c] / taps(i, j) over the windows i, j that cover h, w
//
// where taps is R S, or what lib/mean.wgsl says of a DIVISOR.
//
// The sum is gathered, not scattered: every pixel sums over the windows that cover it, always in
// the same order.
//
// Grid:    one invocation per group of four channels of dx.
// Twin:    src/kernels/pool/avg_pool.rs
// Source:  torch.nn.functional.avg_pool2d with count_include_pad and without, its backward
//          function.

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, OH, OW, C]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>; // [N, H, W, C]

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
        let line = (at.n * params.oh + row) * params.ow;
        for (var column = first_column; column < end_column; column++) {
            let d = dy[(line + column) * c4s + at.c4];
            if DIVISOR == 0u {
                sum += d;
            } else {
                sum += share(row, column) * d;
            }
        }
    }
    dx[i] = mask_lanes(select(1.0, params.scale, DIVISOR == 0u) * sum, at.c4, params.c);
}
