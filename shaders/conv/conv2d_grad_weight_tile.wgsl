// Weight gradient of a convolution, in partial sums over chunks of pixels: tiles in workgroup
// memory.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// A workgroup computes WG_SIZE / 8 row groups (of four rows) x 64 output channels, 16 pixels at a
// time: lanes fetch the next 16 while they multiply the previous ones. Each lane owns two row
// groups of four channels. This variant suits GPUs, where it reads memory least.
//
// Grid:    one workgroup per (64 output channels, WG_SIZE / 8 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

// [16 pixels, row groups] and [16 pixels, 64 / 4 output channels].
var<workgroup> x_tile: array<vec4<f32>, 2u * WG_SIZE>;
var<workgroup> dy_tile: array<vec4<f32>, 256>;

const CHANNELS4: u32 = 16u;
const DEPTH: u32 = 16u;

struct Tile {
    a: mat4x4<f32>, // one row group, a row per column
    b: mat4x4<f32>, // the next
}

// One pixel of a lane's tile, from workgroup memory.
fn add_pixel(p: u32, pair: u32, k: u32, t: Tile) -> Tile {
    let at = p * (WG_SIZE / 8u) + 2u * pair;
    let a = x_tile[at];
    let b = x_tile[at + 1u];
    let d = dy_tile[p * CHANNELS4 + k];
    return Tile(
        t.a + mat4x4<f32>(a.x * d, a.y * d, a.z * d, a.w * d),
        t.b + mat4x4<f32>(b.x * d, b.y * d, b.z * d, b.w * d),
    );
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ms = WG_SIZE / 8u;
    let k4s = (params.k + 3u) / 4u;
    let k_tiles = (k4s + CHANNELS4 - 1u) / CHANNELS4;
    let m_tiles = (row_groups() + ms - 1u) / ms;
    let g = group_index(group, groups);
    let k_tile = g % k_tiles;
    let m_tile = g / k_tiles % m_tiles;
    let chunk = g / (k_tiles * m_tiles);
    if chunk >= params.chunks {
        return;
    }
    // The first lanes fetch x: neighbouring lanes fetch neighbouring row groups of the same four
    // pixels. The next 64 lanes fetch dy: neighbouring lanes fetch neighbouring channels.
    let of_x = lane < WG_SIZE / 2u;
    let of_dy = !of_x && lane < WG_SIZE / 2u + 4u * CHANNELS4;
    let dy_lane = select(0u, lane - WG_SIZE / 2u, of_dy);
    let row = row_at(m_tile * ms + lane % ms);
    let dy_k = dy_lane % CHANNELS4;
    let ahead = 4u * select(dy_lane / CHANNELS4, lane / ms, of_x);
    let rows = rows_of(chunk);

    let k = lane % 8u + 8u * (lane / 32u % 2u);
    let pair = lane / 8u % 4u + 4u * (lane / 64u);

    let pixels = (rows.y - rows.x) * params.y_w;
    var next = mat4x4<f32>();
    if of_x {
        next = fetch_x(row, rows, ahead);
    } else if of_dy {
        next = fetch_dy(k_tile * CHANNELS4 + dy_k, rows, ahead);
    }
    var t = Tile();
    for (var first = 0u; first < pixels; first += DEPTH) {
        workgroupBarrier(); // all lanes have read the previous pixels
        let m = operands(next);
        if of_x {
            let slot = ahead * ms + lane % ms;
            x_tile[slot] = m[0];
            x_tile[slot + ms] = m[1];
            x_tile[slot + 2u * ms] = m[2];
            x_tile[slot + 3u * ms] = m[3];
        } else if of_dy {
            let slot = ahead * CHANNELS4 + dy_k;
            dy_tile[slot] = m[0];
            dy_tile[slot + CHANNELS4] = m[1];
            dy_tile[slot + 2u * CHANNELS4] = m[2];
            dy_tile[slot + 3u * CHANNELS4] = m[3];
        }
        workgroupBarrier();
        let i = first + DEPTH + ahead;
        if of_x {
            next = fetch_x(row, rows, i);
        } else if of_dy {
            next = fetch_dy(k_tile * CHANNELS4 + dy_k, rows, i);
        }
        for (var p = 0u; p < DEPTH; p += 4u) {
            t = add_pixel(p, pair, k, t);
            t = add_pixel(p + 1u, pair, k, t);
            t = add_pixel(p + 2u, pair, k, t);
            t = add_pixel(p + 3u, pair, k, t);
        }
    }
    let k4 = k_tile * CHANNELS4 + k;
    let m = m_tile * ms + 2u * pair;
    if k4 < k4s && m < row_groups() {
        store(chunk, m, k4, t.a);
    }
    if k4 < k4s && m + 1u < row_groups() {
        store(chunk, m + 1u, k4, t.b);
    }
}
