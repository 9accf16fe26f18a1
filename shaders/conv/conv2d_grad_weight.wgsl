// Weight gradient of a convolution, in partial sums over chunks of pixels: plain WGSL.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// Grid:    one invocation per (4 output channels, 4 input channels of a tap, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

// Terms of one pixel of dy, with groups or dilation: the rows of each output channel are the input
// channels of its group.
fn general(row: Row, line: u32, ox: u32, k4: u32, d: vec4<f32>) -> mat4x4<f32> {
    let n = line / params.y_h;
    let at = vec2<u32>(line - n * params.y_h, ox) * vec2<u32>(params.stride_y, params.stride_x)
        + vec2<u32>(row.r, row.s) * vec2<u32>(DILATION_Y, DILATION_X);
    let i = vec2<i32>(at) - vec2<i32>(vec2<u32>(params.pad_y, params.pad_x));
    let inside = all(i >= vec2<i32>(0)) && all(i < vec2<i32>(vec2<u32>(params.x_h, params.x_w)));
    let place = select(vec2<u32>(0u), vec2<u32>(i), inside);
    let pixel = ((n * params.x_h + place.x) * params.x_w + place.y) * ((params.c + 3u) / 4u);
    let rows = params.c / GROUPS;
    let k = min(vec4<u32>(4u * k4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.k - 1u));
    let first = k / (params.k / GROUPS) * rows;
    var sums = mat4x4<f32>();
    for (var j = 0u; j < 4u; j++) {
        let c = first + min(4u * row.c4 + j, rows - 1u);
        let v = operand(vec4<f32>(
            x[pixel + c.x / 4u][c.x % 4u],
            x[pixel + c.y / 4u][c.y % 4u],
            x[pixel + c.z / 4u][c.z % 4u],
            x[pixel + c.w / 4u][c.w % 4u],
        ));
        sums[j] = select(vec4<f32>(0.0), v * d, inside && 4u * row.c4 + j < rows);
    }
    return sums;
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let k4s = (params.k + 3u) / 4u;
    let k4 = i % k4s;
    let m = (i / k4s) % row_groups();
    let chunk = i / (k4s * row_groups());
    if chunk >= params.chunks {
        return;
    }
    let row = row_at(m);
    let lines = params.images * params.y_h;
    let end = min((chunk + 1u) * params.chunk_rows, lines);
    var sum = mat4x4<f32>();
    for (var y = chunk * params.chunk_rows; y < end; y++) {
        let line = line_of(row, y);
        for (var ox = 0u; ox < params.y_w; ox++) {
            let d = load_dy(y * params.y_w + ox, k4);
            if GENERAL == 1u {
                sum += general(row, y, ox, k4, d);
                continue;
            }
            let v = load_x(line, row, ox);
            sum += mat4x4<f32>(v.x * d, v.y * d, v.z * d, v.w * d);
        }
    }
    store(chunk, m, k4, sum);
}
