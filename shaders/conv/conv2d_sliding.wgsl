// Convolution of every channel by itself (depthwise) with 3x3 taps and stride 1, forward and input
// gradient.
//
// Hardly anything is computed of what is read, so that every pixel should be read once. Each
// invocation owns four channels of a strip of ROWS rows and eight columns, whole words of the ReLU
// mask, and slides down it in two passes of four columns. Of an input row it reads the six pixels
// under the taps, and adds their products to the three output rows that they reach; the oldest of
// these is then complete.
//
// The plan (src/kernels/conv/conv2d/gather.rs, `slides`) takes this variant where a mask's words
// lie within a row, and where no copies are summed.
//
// Grid:    one invocation per (4 channels, 8 columns, ROWS rows, image, copy), channels fastest, in
//          as many turns as it takes.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d with groups = channels; NHWC, weights RSCK with one row (padded to four).

const ROWS: u32 = 8u;
const WIDE: u32 = 0u; // six pixels of a row lie in two words of the mask

// A strip of the output.
struct Strip {
    k4: u32,
    left: u32, // its first column
    top: u32,  // its first row
    n: u32,
    copy: u32,
}

// Six pixels of a row.
struct Six {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
    e: vec4<f32>,
    f: vec4<f32>,
}

// Three taps of a row, left to right.
struct Taps {
    left: vec4<f32>,
    middle: vec4<f32>,
    right: vec4<f32>,
}

// The weights of row `r` of the taps. The gradient meets rows and columns in the reverse order,
// from the last to the first.
fn taps(copy: u32, r: u32, k4: u32) -> Taps {
    let k4s = (params.k + 3u) / 4u;
    let turned = TRANSPOSED == 1u;
    let row = (copy * 3u + select(r, 2u - r, turned)) * 3u;
    let first = row + select(0u, 2u, turned);
    let last = row + select(2u, 0u, turned);
    return Taps(
        load_w(first * 4u * k4s + k4),
        load_w((row + 1u) * 4u * k4s + k4),
        load_w(last * 4u * k4s + k4),
    );
}

// The sums of four neighbouring output pixels, one per column of the matrix.
fn products(w: Taps, v: Six) -> mat4x4<f32> {
    return mat4x4<f32>(
        w.left * v.a + w.middle * v.b + w.right * v.c,
        w.left * v.b + w.middle * v.c + w.right * v.d,
        w.left * v.c + w.middle * v.d + w.right * v.e,
        w.left * v.d + w.middle * v.e + w.right * v.f,
    );
}

fn six_of(strip: Strip, y: i32, x: i32) -> Six {
    let row = row_of(vec2<u32>(strip.n, strip.copy), y, x, strip.k4);
    return Six(
        pixel_of(row, x, strip.k4),
        pixel_of(row, x + 1, strip.k4),
        pixel_of(row, x + 2, strip.k4),
        pixel_of(row, x + 3, strip.k4),
        pixel_of(row, x + 4, strip.k4),
        pixel_of(row, x + 5, strip.k4),
    );
}

// Stores four pixels of an output row, and their half of a word of the mask.
fn finish(
    strip: Strip,
    row: u32,
    half: u32,
    sums: mat4x4<f32>,
    scale: vec4<f32>,
    shift: vec4<f32>,
) {
    let k4s = (params.k + 3u) / 4u;
    let pixels = params.images * params.y_h * params.y_w;
    let first = (strip.n * params.y_h + row) * params.y_w + strip.left;
    let at = (strip.copy * pixels + first + 4u * half) * k4s + strip.k4;
    let there = params.y_w - strip.left - 4u * half;
    var word = positive_bits(store(at, strip.k4, sums[0], scale, shift));
    if there > 1u {
        word |= positive_bits(store(at + k4s, strip.k4, sums[1], scale, shift)) << 4u;
    }
    if there > 2u {
        word |= positive_bits(store(at + 2u * k4s, strip.k4, sums[2], scale, shift)) << 8u;
    }
    if there > 3u {
        word |= positive_bits(store(at + 3u * k4s, strip.k4, sums[3], scale, shift)) << 12u;
    }
    if MASK_OUT == 1u {
        let octet = (strip.copy * ((pixels + 7u) / 8u) + first / 8u) * k4s + strip.k4;
        mask_out[octet] = select(mask_out[octet], 0u, half == 0u) | (word << (16u * half));
    }
}

fn slide(strip: Strip) {
    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), strip.k4);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), strip.k4);
    let top = taps(strip.copy, 0u, strip.k4);
    let middle = taps(strip.copy, 1u, strip.k4);
    let bottom = taps(strip.copy, 2u, strip.k4);
    let before = vec2<i32>(padding());
    let cut = select(before, 2 - before, vec2<bool>(TRANSPOSED == 1u));
    let rows = min(ROWS, params.y_h - strip.top);
    for (var half = 0u; half < 2u && strip.left + 4u * half < params.y_w; half++) {
        let column = i32(strip.left + 4u * half) - cut.y;
        // Sums of the rows of which two input rows, and one, have been added.
        var older = mat4x4<f32>();
        var newer = mat4x4<f32>();
        for (var i = 0u; i < rows + 2u; i++) {
            let six = six_of(strip, i32(strip.top + i) - cut.x, column);
            if i >= 2u {
                let sums = older + products(bottom, six);
                finish(strip, strip.top + i - 2u, half, sums, scale, shift);
            }
            older = newer + products(middle, six);
            newer = products(top, six);
        }
    }
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let k4s = (params.k + 3u) / 4u;
    let octets = (params.y_w + 7u) / 8u;
    let strips = (params.y_h + ROWS - 1u) / ROWS;
    let all = k4s * octets * strips * params.images * params.copies;
    let turn = groups.x * groups.y * WG_SIZE;
    for (var i = group_index(group, groups) * WG_SIZE + lane; i < all; i += turn) {
        let column = i / k4s;
        let row = column / octets;
        let image = row / strips;
        slide(Strip(
            i % k4s,
            column % octets * 8u,
            row % strips * ROWS,
            image % params.images,
            image / params.images,
        ));
    }
}
