// Convolution and transposed convolution, forward and input gradient, of few channels: subgroups of
// eight lanes, each of which owns pixels.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// Each lane owns eight neighbouring pixels of a row, a whole word of the ReLU mask, of eight output
// channels. Of an input row and four input channels it reads ten pixels under three taps; other
// numbers of taps read eight pixels each. The weights of four input channels are eight vectors:
// each lane loads one of them, and broadcasts bring all to every lane, which costs 1-2 cycles on
// llvmpipe where a load costs 50.
//
// The plan (src/kernels/conv/conv2d/gather.rs, `is_narrow`) takes this variant where neighbouring
// pixels read neighbouring pixels, a recorded mask's words lie within a row, and at most 64
// channels are summed, which is one block of the other variants' sums.
//
// Grid:    one workgroup of one subgroup per (8 channels, 64 pixels, class, copy), in as many turns
//          as it takes.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

const WIDE: u32 = 1u; // ten pixels of a row may lie in three words of the mask

// Sums of eight pixels of four output channels: a pixel per column.
struct Eight {
    left: mat4x4<f32>,
    right: mat4x4<f32>,
}

// Sums of the first and the last four output channels.
struct Sums {
    a: Eight,
    b: Eight,
}

// What all lanes compute alike. It is apart from what differs between lanes, because broadcasts
// must stand where a compiler sees that all lanes pass.
struct Task {
    class_yx: vec2<u32>,
    copy: u32, // of y
    block: u32,
}

// Where a lane's pixels are, in the plane of their class.
struct Octet {
    n: u32,
    y: u32,
    x: u32,
    real: bool,
    lane: u32,
}

// Weights of four input channels for the first group of output channels, from lanes 0 to 3.
fn first_rows(w: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(w, 0u),
        subgroupBroadcast(w, 1u),
        subgroupBroadcast(w, 2u),
        subgroupBroadcast(w, 3u),
    );
}

// Those for the second group, from lanes 4 to 7.
fn second_rows(w: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        subgroupBroadcast(w, 4u),
        subgroupBroadcast(w, 5u),
        subgroupBroadcast(w, 6u),
        subgroupBroadcast(w, 7u),
    );
}

// Adds one tap's products: `w` is the vector that this lane has loaded.
fn tap_added(sums: Sums, w: vec4<f32>, left: mat4x4<f32>, right: mat4x4<f32>) -> Sums {
    let rows = first_rows(w);
    var result = sums;
    result.a = Eight(sums.a.left + rows * left, sums.a.right + rows * right);
    if PAIR == 1u {
        let others = second_rows(w);
        result.b = Eight(sums.b.left + others * left, sums.b.right + others * right);
    }
    return result;
}

fn sums_of(task: Task, octet: Octet) -> Sums {
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let start = first_tap(task.class_yx);
    let step = tap_step();
    // The row of weights that this lane loads, and its group of output channels.
    let own = (octet.lane % 4u) * k4s + min(2u * task.block + octet.lane / 4u, k4s - 1u);
    let turned = TRANSPOSED == 1u;
    var sums = Sums();
    let first_copy = select(task.copy, 0u, SUM_COPIES == 1u);
    let end_copy = select(task.copy + 1u, params.copies, SUM_COPIES == 1u);
    for (var copy = first_copy; copy < end_copy; copy++) {
        for (var r = start.x; r < params.r; r += step.x) {
            let taps = (copy * params.r + r) * params.s;
            for (var c4 = 0u; c4 < c4s; c4++) {
                if THREE == 1u {
                    // A transposed convolution meets the taps from the last to the first.
                    let at = tap_offset(vec2<u32>(r, select(0u, 2u, turned)), task.class_yx);
                    let x0 = i32(octet.x) + at.y;
                    let row = row_of(octet_place(octet, copy), i32(octet.y) + at.x, x0, c4);
                    let v0 = pixel_of(row, x0, c4);
                    let v1 = pixel_of(row, x0 + 1, c4);
                    let v2 = pixel_of(row, x0 + 2, c4);
                    let v3 = pixel_of(row, x0 + 3, c4);
                    let v4 = pixel_of(row, x0 + 4, c4);
                    let v5 = pixel_of(row, x0 + 5, c4);
                    let v6 = pixel_of(row, x0 + 6, c4);
                    let v7 = pixel_of(row, x0 + 7, c4);
                    let v8 = pixel_of(row, x0 + 8, c4);
                    let v9 = pixel_of(row, x0 + 9, c4);
                    let w0 = load_w(4u * ((taps + select(0u, 2u, turned)) * c4s + c4) * k4s + own);
                    let w1 = load_w(4u * ((taps + 1u) * c4s + c4) * k4s + own);
                    let w2 = load_w(4u * ((taps + select(2u, 0u, turned)) * c4s + c4) * k4s + own);
                    let middle = mat4x4<f32>(v4, v5, v6, v7);
                    let after = mat4x4<f32>(v5, v6, v7, v8);
                    sums = tap_added(sums, w0, mat4x4<f32>(v0, v1, v2, v3), middle);
                    sums = tap_added(sums, w1, mat4x4<f32>(v1, v2, v3, v4), after);
                    sums = tap_added(
                        sums,
                        w2,
                        mat4x4<f32>(v2, v3, v4, v5),
                        mat4x4<f32>(v6, v7, v8, v9),
                    );
                    continue;
                }
                for (var s = start.y; s < params.s; s += step.y) {
                    let at = tap_offset(vec2<u32>(r, s), task.class_yx);
                    let x0 = i32(octet.x) + at.y;
                    let row = row_of(octet_place(octet, copy), i32(octet.y) + at.x, x0, c4);
                    let left = mat4x4<f32>(
                        pixel_of(row, x0, c4),
                        pixel_of(row, x0 + 1, c4),
                        pixel_of(row, x0 + 2, c4),
                        pixel_of(row, x0 + 3, c4),
                    );
                    let right = mat4x4<f32>(
                        pixel_of(row, x0 + 4, c4),
                        pixel_of(row, x0 + 5, c4),
                        pixel_of(row, x0 + 6, c4),
                        pixel_of(row, x0 + 7, c4),
                    );
                    let w = load_w(4u * ((taps + s) * c4s + c4) * k4s + own);
                    sums = tap_added(sums, w, left, right);
                }
            }
        }
    }
    return sums;
}

// Image and copy of an octet; past the last image for one that is not there.
fn octet_place(octet: Octet, copy: u32) -> vec2<u32> {
    return vec2<u32>(select(params.images, octet.n, octet.real), copy);
}

// Stores a pixel of one group of channels; returns its bits of the mask.
fn finish(
    task: Task,
    octet: Octet,
    j: u32,
    k4: u32,
    sum: vec4<f32>,
    scale: vec4<f32>,
    shift: vec4<f32>,
) -> u32 {
    let size = plane();
    let pixel = target_of(Pixel(octet.n, octet.y, octet.x + j), task.class_yx);
    let k4s = (params.k + 3u) / 4u;
    if !octet.real || octet.x + j >= size.y || pixel == 0xffffffffu || k4 >= k4s {
        return 0u;
    }
    let at = task.copy * params.images * params.y_h * params.y_w + pixel;
    return positive_bits(store(at * k4s + k4, k4, sum, scale, shift)) << (4u * j);
}

// Stores eight pixels of one group of channels, and their word of the mask.
fn finish_eight(task: Task, octet: Octet, k4: u32, sums: Eight) {
    let k4s = (params.k + 3u) / 4u;
    let last = min(k4, k4s - 1u);
    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), last);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), last);
    let word = finish(task, octet, 0u, k4, sums.left[0], scale, shift)
        | finish(task, octet, 1u, k4, sums.left[1], scale, shift)
        | finish(task, octet, 2u, k4, sums.left[2], scale, shift)
        | finish(task, octet, 3u, k4, sums.left[3], scale, shift)
        | finish(task, octet, 4u, k4, sums.right[0], scale, shift)
        | finish(task, octet, 5u, k4, sums.right[1], scale, shift)
        | finish(task, octet, 6u, k4, sums.right[2], scale, shift)
        | finish(task, octet, 7u, k4, sums.right[3], scale, shift);
    if MASK_OUT == 1u && octet.real && k4 < k4s {
        let pixels = params.images * params.y_h * params.y_w;
        let own = ((octet.n * params.y_h + octet.y) * params.y_w + octet.x) / 8u;
        mask_out[(task.copy * ((pixels + 7u) / 8u) + own) * k4s + k4] = word;
    }
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let k4s = (params.k + 3u) / 4u;
    let size = plane();
    let across = (size.y + 7u) / 8u;
    let octets = params.images * size.x * across;
    let blocks = (k4s + 1u) / 2u;
    // The host counts tiles of 64 pixels; rows that end within an octet take more.
    let turns = (params.images * size.x * size.y + 63u) / 64u;
    let g = group_index(group, groups);
    let z = g / (blocks * turns);
    let y_copy = z / classes();
    if y_copy >= select(params.copies, 1u, SUM_COPIES == 1u) {
        return;
    }
    let task = Task(class_of(z % classes()), y_copy, g % blocks);
    for (var tile = (g / blocks) % turns; 8u * tile < octets; tile += turns) {
        let own = 8u * tile + lane;
        let line = own / across;
        let octet =
            Octet(line / size.x, line % size.x, own % across * 8u, own < octets, lane);
        let sums = sums_of(task, octet);
        finish_eight(task, octet, 2u * task.block, sums.a);
        if PAIR == 1u {
            finish_eight(task, octet, 2u * task.block + 1u, sums.b);
        }
    }
}
