// Convolution and transposed convolution, forward and input gradient: tiles in workgroup memory.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// A workgroup computes WG_SIZE / 2 pixels x 64 output channels, 16 input channels at a time: lanes
// fetch the next 16 while they multiply the previous ones. Each lane owns eight consecutive pixels
// of four channels, a whole word of the ReLU mask. This variant suits GPUs, where it reads memory
// least; on a software adapter its barriers cost time.
//
// Sums are made over blocks of 64 input channels, and the block sums are added up: one long sum
// would round more and change signs that decide the ReLU after it.
//
// Grid:    one workgroup per (64 channels, WG_SIZE / 2 pixels, class, copy), channels fastest.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

// [16 input channels, pixels / 4] of pixels and [16 input channels, 64 / 4] of output channels.
var<workgroup> x_tile: array<vec4<f32>, 2u * WG_SIZE>;
var<workgroup> w_tile: array<vec4<f32>, 256>;

const CHANNELS4: u32 = 16u;

struct Tile {
    a: mat4x4<f32>, // pixels 0..4, a column each
    b: mat4x4<f32>, // pixels 4..8
}

// One input channel of eight pixels times its weights.
fn outer(a: vec4<f32>, b: vec4<f32>, k: vec4<f32>, t: Tile) -> Tile {
    return Tile(
        t.a + mat4x4<f32>(a.x * k, a.y * k, a.z * k, a.w * k),
        t.b + mat4x4<f32>(b.x * k, b.y * k, b.z * k, b.w * k),
    );
}

// Input channel c = 4 group + j, from workgroup memory. Quads of pixels lie at their index xor 2
// group, so that lanes that store the four groups of a pixel use four different banks.
fn add_channel(c: u32, group: u32, octet: u32, k: u32, t: Tile) -> Tile {
    let at = c * (WG_SIZE / 8u) + 2u * (octet ^ group);
    return outer(x_tile[at], x_tile[at + 1u], w_tile[c * CHANNELS4 + k], t);
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pixels = WG_SIZE / 2u;
    let quads = WG_SIZE / 8u;
    let place = place_of(group_index(group, groups), pixels, CHANNELS4);
    if !place.real {
        return;
    }
    // The first lanes fetch pixels: neighbouring lanes fetch the four groups of a step, of the same
    // four pixels. The next 64 lanes fetch weights: neighbouring lanes fetch neighbouring output
    // channels.
    let of_x = lane < pixels;
    let of_w = !of_x && lane < pixels + 4u * CHANNELS4;
    let w_lane = select(0u, lane - pixels, of_w);
    let ahead = select(w_lane / CHANNELS4, lane % STEP, of_x);
    let x_quad = lane / STEP;
    let quad = quad_at(place.q + 4u * x_quad);
    let w_k = w_lane % CHANNELS4;

    // 32 lanes work on four octets of pixels (two vec4s each) and eight groups of output channels,
    // whose weights are 128 consecutive bytes.
    let k = lane % 8u + 8u * (lane / 32u % 2u);
    let octet = lane / 8u % 4u + 4u * (lane / 64u);

    let steps = steps_of(place);
    var at = walk_from(place, ahead);
    var next = mat4x4<f32>();
    if of_x {
        next = fetch_x(place, at, quad);
    } else if of_w {
        next = fetch_w(place, at, place.k4 + w_k);
    }
    var t = Tile();
    for (var block = 0u; block < steps; block += BLOCK_STEPS) {
        var b = Tile();
        for (var step = block; step < min(block + BLOCK_STEPS, steps); step++) {
            workgroupBarrier(); // all lanes have read the previous step
            let m = operands(next);
            if of_x {
                let channels = transpose(m);
                let slot = 4u * ahead * quads + (x_quad ^ (2u * ahead));
                x_tile[slot] = channels[0];
                x_tile[slot + quads] = channels[1];
                x_tile[slot + 2u * quads] = channels[2];
                x_tile[slot + 3u * quads] = channels[3];
            } else if of_w {
                let slot = 4u * ahead * CHANNELS4 + w_k;
                w_tile[slot] = m[0];
                w_tile[slot + CHANNELS4] = m[1];
                w_tile[slot + 2u * CHANNELS4] = m[2];
                w_tile[slot + 3u * CHANNELS4] = m[3];
            }
            workgroupBarrier();
            at = walk_on(place, at, STEP);
            if of_x {
                next = fetch_x(place, at, quad);
            } else if of_w {
                next = fetch_w(place, at, place.k4 + w_k);
            }
            for (var g = 0u; g < STEP; g++) {
                b = add_channel(4u * g, g, octet, k, b);
                b = add_channel(4u * g + 1u, g, octet, k, b);
                b = add_channel(4u * g + 2u, g, octet, k, b);
                b = add_channel(4u * g + 3u, g, octet, k, b);
            }
        }
        t = Tile(t.a + b.a, t.b + b.b);
    }

    put_octet(place, octet, place.k4 + k, t.a, t.b);
}
