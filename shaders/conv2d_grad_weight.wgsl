// Weight gradient of a convolution, in partial sums over chunks of pixels: plain WGSL.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// Grid:    one invocation per (4 output channels, 4 input channels of a tap, chunk).
// Twin:    src/reference/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

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
            let v = load_x(line, row, ox);
            let d = load_dy(y * params.y_w + ox, k4);
            sum += mat4x4<f32>(v.x * d, v.y * d, v.z * d, v.w * d);
        }
    }
    store(chunk, m, k4, sum);
}
