// Maximum of a sliding window, and the tap that has it.
//
//   y[n, i, j, c]   = max over r, s of x[n, i stride + r - padding, j stride + s - padding, c]
//   arg[n, i, j, c] = r S + s of that maximum, one byte per channel
//
// The first of equal values wins, the last NaN wins over everything, and padding never wins.
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/pool/max_pool.rs
// Source:  torch.nn.functional.max_pool2d.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, OH, OW, C]
@group(0) @binding(3) var<storage, read_write> arg: array<u32>;     // [N, OH, OW, C / 4]

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let to = place(i, params.oh, params.ow, c4s);
    let top = i32(to.row * params.stride_y) - i32(params.pad_y);
    let left = i32(to.column * params.stride_x) - i32(params.pad_x);
    // The taps inside the image; `plan` makes sure that there is one.
    let first = vec2<u32>(u32(max(-top, 0)), u32(max(-left, 0)));
    let end_row = u32(min(i32(params.rows), i32(params.h) - top));
    let end_column = u32(min(i32(params.columns), i32(params.w) - left));

    var best = vec4<f32>(0.0);
    var tap = vec4<u32>(0u);
    for (var r = first.x; r < end_row; r++) {
        let line = to.n * params.h + u32(top + i32(r));
        for (var s = first.y; s < end_column; s++) {
            let v = x[(line * params.w + u32(left + i32(s))) * c4s + to.c4];
            let larger = (v > best) & !is_nan(best);
            let wins = larger | is_nan(v) | vec4<bool>(all(vec2<u32>(r, s) == first));
            best = choose(best, v, wins);
            tap = select(tap, vec4<u32>(r * params.columns + s), wins);
        }
    }
    y[i] = mask_lanes(best, to.c4, params.c);
    tap = select(vec4<u32>(0u), tap, real_lanes(to.c4, params.c));
    arg[i] = tap.x | (tap.y << 8u) | (tap.z << 16u) | (tap.w << 24u);
}
