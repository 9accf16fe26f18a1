// Convolution and transposed convolution, forward and input gradient: plain WGSL.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// Each invocation owns eight consecutive pixels of four output channels, a whole word of the ReLU
// mask, and computes them four at a time (with all eight at once SwiftShader's compiler ran out of
// 24 GB). lib/conv2d.wgsl says which input pixel a tap reads.
//
// With GENERAL, taps are DILATION_Y rows and DILATION_X columns apart, and each of GROUPS groups of
// output channels sums over its own input channels. The rows of w are then the input channels of
// one group. With DEPTHWISE each output channel reads the one input channel of its number.
//
// Sums are made over blocks of 64 input channels of a tap, and the block sums are added up: one
// long sum would round more and change signs that decide the ReLU after it.
//
// Grid:    one invocation per (4 channels, 8 pixels, class, copy), channels fastest.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

// Offset of tap (r, s) from a pixel; in a transposed convolution it is still to be divided by the
// stride.
fn general_reach(tap: vec2<u32>, class_yx: vec2<u32>) -> vec2<i32> {
    let taps = vec2<i32>(tap * vec2<u32>(DILATION_Y, DILATION_X));
    let cut = vec2<i32>(padding());
    return select(taps - cut, vec2<i32>(class_yx) + cut - taps, TRANSPOSED == 1u);
}

// One tap's sums for four pixels: four output channels may belong to different groups.
fn grouped_tap(
    x0: Source,
    x1: Source,
    x2: Source,
    x3: Source,
    tap: u32,
    k4: u32,
) -> mat4x4<f32> {
    let rows = params.c / GROUPS;
    let k4s = (params.k + 3u) / 4u;
    let k = min(vec4<u32>(4u * k4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.k - 1u));
    let first = k / (params.k / GROUPS) * rows;
    let wb = tap * ((rows + 3u) / 4u * 4u) * k4s + k4;
    if DEPTHWISE == 1u {
        let v = load_w(wb);
        return mat4x4<f32>(
            v * load_x(x0, k4),
            v * load_x(x1, k4),
            v * load_x(x2, k4),
            v * load_x(x3, k4),
        );
    }
    var sums = mat4x4<f32>();
    // All four pixels share one loop: llvmpipe of Mesa 22 ends an invocation's loops after 65,535
    // turns in total.
    for (var row = 0u; row < rows; row++) {
        let c = first + row;
        let v = load_w(wb + row * k4s);
        sums += mat4x4<f32>(
            v * channels(x0, c),
            v * channels(x1, c),
            v * channels(x2, c),
            v * channels(x3, c),
        );
    }
    return sums;
}

// Four channels of a pixel.
fn channels(source: Source, c: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        load_x(source, c.x / 4u)[c.x % 4u],
        load_x(source, c.y / 4u)[c.y % 4u],
        load_x(source, c.z / 4u)[c.z % 4u],
        load_x(source, c.w / 4u)[c.w % 4u],
    );
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    let k4s = (params.k + 3u) / 4u;
    let c4s = (params.c + 3u) / 4u;
    let size = plane();
    let octets = (params.images * size.x * size.y + 7u) / 8u;
    let k4 = i % k4s;
    let octet = (i / k4s) % octets;
    let z = i / (k4s * octets);
    let class_index = z % classes();
    let y_copy = z / classes();
    if y_copy >= select(params.copies, 1u, SUM_COPIES == 1u) {
        return;
    }
    let class_yx = class_of(class_index);
    let start = first_tap(class_yx);
    let step = tap_step();
    let first_copy = select(y_copy, 0u, SUM_COPIES == 1u);
    let end_copy = select(y_copy + 1u, params.copies, SUM_COPIES == 1u);
    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k4);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k4);
    let y_base = y_copy * params.images * params.y_h * params.y_w;

    var word = 0u;
    for (var half = 0u; half < 2u; half++) {
        let p0 = pixel_at(octet * 8u + half * 4u, size);
        let p1 = next_pixel(p0, size);
        let p2 = next_pixel(p1, size);
        let p3 = next_pixel(p2, size);
        var a = mat4x4<f32>(); // a pixel per column
        for (var copy = first_copy; copy < end_copy; copy++) {
            for (var r = start.x; r < params.r; r += step.x) {
                for (var s = start.y; s < params.s; s += step.y) {
                    var offset = tap_offset(vec2<u32>(r, s), class_yx);
                    if GENERAL == 1u {
                        let reach = general_reach(vec2<u32>(r, s), class_yx);
                        let by = select(vec2<i32>(1), vec2<i32>(stride()), TRANSPOSED == 1u);
                        // Do not use %, which GLSL leaves undefined for a negative reach.
                        let source = reach / by;
                        if any(source * by != reach) {
                            continue;
                        }
                        offset = source;
                    }
                    let x0 = source_of(p0, offset, copy);
                    let x1 = source_of(p1, offset, copy);
                    let x2 = source_of(p2, offset, copy);
                    let x3 = source_of(p3, offset, copy);
                    let tap = (copy * params.r + r) * params.s + s;
                    if GROUPS > 1u {
                        a += grouped_tap(x0, x1, x2, x3, tap, k4);
                        continue;
                    }
                    var wb = tap * c4s * 4u * k4s + k4;
                    for (var block = 0u; block < c4s; block += BLOCK) {
                        var b = mat4x4<f32>();
                        for (var c4 = block; c4 < min(block + BLOCK, c4s); c4++) {
                            let m = mat4x4<f32>(
                                load_w(wb),
                                load_w(wb + k4s),
                                load_w(wb + 2u * k4s),
                                load_w(wb + 3u * k4s),
                            );
                            let v = mat4x4<f32>(
                                load_x(x0, c4),
                                load_x(x1, c4),
                                load_x(x2, c4),
                                load_x(x3, c4),
                            );
                            b += m * v;
                            wb += 4u * k4s;
                        }
                        a += b;
                    }
                }
            }
        }
        var p = p0;
        for (var j = 0u; j < 4u; j++) {
            let pixel = target_of(p, class_yx);
            if pixel != 0xffffffffu {
                let v = store((y_base + pixel) * k4s + k4, k4, a[j], scale, shift);
                word |= positive_bits(v) << (4u * (4u * half + j));
            }
            p = next_pixel(p, size);
        }
    }
    if MASK_OUT == 1u {
        mask_out[(y_copy * octets + octet) * k4s + k4] = word;
    }
}
