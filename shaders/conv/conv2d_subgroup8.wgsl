// Convolution and transposed convolution, forward and input gradient: subgroups of eight lanes.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// A subgroup computes 32 pixels x 32 output channels: lane i loads pixels i, i + 8, i + 16, i + 24
// (a divergent vec4 load each) and holds channels 4 i .. 4 i + 3 of all 32; values of pixels reach
// the other lanes by broadcast, which costs 1-2 cycles on llvmpipe where a load costs 50.
//
// Sums are made over blocks of 64 input channels of a tap, and the block sums are added up: one
// long sum would round more and change signs that decide the ReLU after it.
//
// Grid:    one workgroup of one subgroup per (32 channels, 32 pixels, class, copy).
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

struct Tile {
    a: mat4x4<f32>, // pixels 0..4, a column each
    b: mat4x4<f32>, // pixels 4..8
}

// Four input channels of eight pixels (lane i holds pixel i) times their weights. The four products
// of an element are added up before the sum so far, which rounds less and, where multiplying and
// adding are two operations, takes as many.
fn outer4(v: vec4<f32>, w: mat4x4<f32>, t: Tile) -> Tile {
    return Tile(
        t.a + mat4x4<f32>(
            w * subgroupBroadcast(v, 0u),
            w * subgroupBroadcast(v, 1u),
            w * subgroupBroadcast(v, 2u),
            w * subgroupBroadcast(v, 3u),
        ),
        t.b + mat4x4<f32>(
            w * subgroupBroadcast(v, 4u),
            w * subgroupBroadcast(v, 5u),
            w * subgroupBroadcast(v, 6u),
            w * subgroupBroadcast(v, 7u),
        ),
    );
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let size = plane();
    let pixels = params.images * size.x * size.y;
    let k_tiles = (k4s + 7u) / 8u;
    let p_tiles = (pixels + 31u) / 32u;
    let g = group_index(group, groups);
    let k_tile = g % k_tiles;
    let p_tile = (g / k_tiles) % p_tiles;
    let z = g / (k_tiles * p_tiles);
    let class_index = z % classes();
    let y_copy = z / classes();
    if y_copy >= select(params.copies, 1u, SUM_COPIES == 1u) {
        return;
    }
    let class_yx = class_of(class_index);
    let start = first_tap(class_yx);
    let step = tap_step();
    let q = p_tile * 32u;
    let p0 = pixel_at(q + lane, size);
    let p1 = pixel_at(q + lane + 8u, size);
    let p2 = pixel_at(q + lane + 16u, size);
    let p3 = pixel_at(q + lane + 24u, size);
    // Lanes past the last channel repeat it and store nothing.
    let k4 = k_tile * 8u + lane;
    let k4_read = min(k4, k4s - 1u);

    var t0 = Tile();
    var t1 = Tile();
    var t2 = Tile();
    var t3 = Tile();
    let first_copy = select(y_copy, 0u, SUM_COPIES == 1u);
    let end_copy = select(y_copy + 1u, params.copies, SUM_COPIES == 1u);
    for (var copy = first_copy; copy < end_copy; copy++) {
        for (var r = start.x; r < params.r; r += step.x) {
            for (var s = start.y; s < params.s; s += step.y) {
                let offset = tap_offset(vec2<u32>(r, s), class_yx);
                let x0 = source_of(p0, offset, copy);
                let x1 = source_of(p1, offset, copy);
                let x2 = source_of(p2, offset, copy);
                let x3 = source_of(p3, offset, copy);
                let tap = ((copy * params.r + r) * params.s + s) * c4s * 4u;
                for (var block = 0u; block < c4s; block += BLOCK) {
                    var b0 = Tile();
                    var b1 = Tile();
                    var b2 = Tile();
                    var b3 = Tile();
                    for (var c4 = block; c4 < min(block + BLOCK, c4s); c4++) {
                        let v0 = load_x(x0, c4);
                        let v1 = load_x(x1, c4);
                        let v2 = load_x(x2, c4);
                        let v3 = load_x(x3, c4);
                        let wb = (tap + c4 * 4u) * k4s + k4_read;
                        let w = mat4x4<f32>(
                            load_w(wb),
                            load_w(wb + k4s),
                            load_w(wb + 2u * k4s),
                            load_w(wb + 3u * k4s),
                        );
                        b0 = outer4(v0, w, b0);
                        b1 = outer4(v1, w, b1);
                        b2 = outer4(v2, w, b2);
                        b3 = outer4(v3, w, b3);
                    }
                    t0 = Tile(t0.a + b0.a, t0.b + b0.b);
                    t1 = Tile(t1.a + b1.a, t1.b + b1.b);
                    t2 = Tile(t2.a + b2.a, t2.b + b2.b);
                    t3 = Tile(t3.a + b3.a, t3.b + b3.b);
                }
            }
        }
    }

    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k4_read);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k4_read);
    write_octet(t0, p0, 4u * p_tile, lane, k4, y_copy, class_yx, scale, shift);
    write_octet(t1, p1, 4u * p_tile + 1u, lane, k4, y_copy, class_yx, scale, shift);
    write_octet(t2, p2, 4u * p_tile + 2u, lane, k4, y_copy, class_yx, scale, shift);
    write_octet(t3, p3, 4u * p_tile + 3u, lane, k4, y_copy, class_yx, scale, shift);
}

// The epilogue of eight pixels (lane i knows where pixel i is) and their word of the mask.
fn write_octet(
    t: Tile,
    p: Pixel,
    octet: u32,
    lane: u32,
    k4: u32,
    y_copy: u32,
    class_yx: vec2<u32>,
    scale: vec4<f32>,
    shift: vec4<f32>,
) {
    let k4s = (params.k + 3u) / 4u;
    let size = plane();
    let octets = (params.images * size.x * size.y + 7u) / 8u;
    let y_base = y_copy * params.images * params.y_h * params.y_w;
    let own = target_of(p, class_yx);
    var word = 0u;
    for (var j = 0u; j < 8u; j++) {
        let sum = select(t.b[j & 3u], t.a[j & 3u], j < 4u);
        let pixel = subgroupShuffle(own, j);
        if k4 < k4s && pixel != 0xffffffffu {
            let v = store((y_base + pixel) * k4s + k4, k4, sum, scale, shift);
            word |= positive_bits(v) << (4u * j);
        }
    }
    if MASK_OUT == 1u && k4 < k4s && octet < octets {
        mask_out[(y_copy * octets + octet) * k4s + k4] = word;
    }
}
