// Weight gradient of a convolution of few output channels and three taps in a row, in partial sums
// over chunks of pixels: subgroups of eight lanes.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox + s - padding, c] dy[n,oy,ox,k]
//
// Each lane owns a row of taps of four input channels, and of eight output channels: 96 sums. The
// pixels under its three taps slide along the image row, so that each is read once. Eight channels
// of four pixels of dy are eight vectors: each lane loads one of them, and broadcasts bring all to
// every lane.
//
// Grid:    one workgroup of one subgroup per (8 output channels, 24 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

// Sums of one tap: an input channel per column, of the first and the last four output channels.
struct Tap {
    a: mat4x4<f32>,
    b: mat4x4<f32>,
}

// Adds the products of four input channels of a pixel with eight output channels of another.
fn outer(v: vec4<f32>, a: vec4<f32>, b: vec4<f32>, t: Tap) -> Tap {
    return Tap(
        t.a + mat4x4<f32>(v.x * a, v.y * a, v.z * a, v.w * a),
        t.b + mat4x4<f32>(v.x * b, v.y * b, v.z * b, v.w * b),
    );
}

fn pixel_of(line: Line, row: Row, ix: i32) -> vec4<f32> {
    return operand(read_pixel(line, row, ix));
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let k_tiles = (k4s + 1u) / 2u;
    let m_tiles = (params.r * c4s + 7u) / 8u;
    let g = group_index(group, groups);
    let k4 = g % k_tiles * 2u;
    let m_tile = (g / k_tiles) % m_tiles;
    let chunk = g / (k_tiles * m_tiles);
    if chunk >= params.chunks {
        return;
    }
    let own = m_tile * 8u + lane;
    let row = Row(own < params.r * c4s, own / c4s, 0u, own % c4s);
    // The vector of dy that this lane loads: of one of four pixels, and one of two groups.
    let dy_pixel = lane / 2u;
    let dy_k4 = k4 + lane % 2u;
    let lines = params.images * params.y_h;
    let end = min((chunk + 1u) * params.chunk_rows, lines);
    var left = Tap();
    var middle = Tap();
    var right = Tap();
    for (var y = chunk * params.chunk_rows; y < end; y++) {
        let line = line_of(row, y);
        let first = -i32(params.pad_x);
        var v0 = pixel_of(line, row, first);
        var v1 = pixel_of(line, row, first + 1);
        for (var ox = 0u; ox < params.y_w; ox += 4u) {
            let at = first + i32(ox) + 2;
            let v2 = pixel_of(line, row, at);
            let v3 = pixel_of(line, row, at + 1);
            let v4 = pixel_of(line, row, at + 2);
            let v5 = pixel_of(line, row, at + 3);
            let there = ox + dy_pixel < params.y_w && dy_k4 < k4s;
            let pixel = select(0u, y * params.y_w + ox + dy_pixel, there);
            let d = select(vec4<f32>(0.0), load_dy(pixel, min(dy_k4, k4s - 1u)), there);
            // Four pixels one after the other; those behind the last one count as nothing.
            let rest = params.y_w - ox;
            let a0 = subgroupBroadcast(d, 0u);
            let b0 = subgroupBroadcast(d, 1u);
            left = outer(v0, a0, b0, left);
            middle = outer(v1, a0, b0, middle);
            right = outer(v2, a0, b0, right);
            let a1 = subgroupBroadcast(d, 2u);
            let b1 = subgroupBroadcast(d, 3u);
            left = outer(shown(v1, rest > 1u), a1, b1, left);
            middle = outer(shown(v2, rest > 1u), a1, b1, middle);
            right = outer(shown(v3, rest > 1u), a1, b1, right);
            let a2 = subgroupBroadcast(d, 4u);
            let b2 = subgroupBroadcast(d, 5u);
            left = outer(shown(v2, rest > 2u), a2, b2, left);
            middle = outer(shown(v3, rest > 2u), a2, b2, middle);
            right = outer(shown(v4, rest > 2u), a2, b2, right);
            let a3 = subgroupBroadcast(d, 6u);
            let b3 = subgroupBroadcast(d, 7u);
            left = outer(shown(v3, rest > 3u), a3, b3, left);
            middle = outer(shown(v4, rest > 3u), a3, b3, middle);
            right = outer(shown(v5, rest > 3u), a3, b3, right);
            v0 = v4;
            v1 = v5;
        }
    }
    if row.real {
        let m = row.r * 3u * c4s + row.c4;
        store(chunk, m, k4, left.a);
        store(chunk, m + c4s, k4, middle.a);
        store(chunk, m + 2u * c4s, k4, right.a);
        if k4 + 1u < k4s {
            store(chunk, m, k4 + 1u, left.b);
            store(chunk, m + c4s, k4 + 1u, middle.b);
            store(chunk, m + 2u * c4s, k4 + 1u, right.b);
        }
    }
}

// The pixel, or nothing: 0 times an infinite value would be NaN.
fn shown(v: vec4<f32>, there: bool) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, there);
}
