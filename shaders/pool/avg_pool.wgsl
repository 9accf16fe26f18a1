// Mean of a sliding window (global pooling is a window of H x W).
//
//   y[n, i, j, c] = 1 / taps sum of x[n, i stride + r - padding, j stride + s - padding, c]
//                   over r < R, s < S
//
// where taps is R S, so that zeros of the padding count, or what lib/mean.wgsl says of a DIVISOR.
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/pool/avg_pool.rs
// Source:  torch.nn.functional.avg_pool2d with count_include_pad, and without.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, OH, OW, C]

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let to = place(i, params.oh, params.ow, c4s);
    let top = i32(to.row * params.stride_y) - i32(params.pad_y);
    let left = i32(to.column * params.stride_x) - i32(params.pad_x);
    // The part of the window inside the image.
    let first_row = u32(max(top, 0));
    let first_column = u32(max(left, 0));
    let end_row = u32(min(top + i32(params.rows), i32(params.h)));
    let end_column = u32(min(left + i32(params.columns), i32(params.w)));

    var sum = vec4<f32>(0.0);
    for (var row = first_row; row < end_row; row++) {
        let line = (to.n * params.h + row) * params.w;
        for (var column = first_column; column < end_column; column++) {
            sum += x[(line + column) * c4s + to.c4];
        }
    }
    var scale = params.scale;
    if DIVISOR != 0u {
        scale = share(to.row, to.column);
    }
    y[i] = mask_lanes(scale * sum, to.c4, params.c);
}
