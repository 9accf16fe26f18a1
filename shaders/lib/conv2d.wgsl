// Common parts of the variants of conv2d: interface, positions of pixels, reads of the input and
// stores of the output.
//
// One gather serves four uses. Output pixel (oy, ox) sums over taps (r, s) of input pixel
//   plain:       iy = oy * stride + r - padding          convolution; input gradient of a
//                                                        transposed convolution
//   TRANSPOSED:  iy = (oy + padding - r) / stride        transposed convolution; input gradient of
//                where the division is exact             a convolution
// A transposed output is computed in stride x stride classes of pixels: in a class all pixels use
// the same taps, and the gather has stride 1.

struct Conv2dParams {
    images: u32,       // N of one copy
    x_h: u32,
    x_w: u32,
    c: u32,            // channels of x, without padding
    y_h: u32,
    y_w: u32,
    k: u32,            // channels of y, without padding
    r: u32,            // kernel rows
    s: u32,            // kernel columns
    stride: u32,
    padding: u32,
    copies: u32,       // sets of weights
    x_copies: u32,     // 1: all copies read the same input; else `copies`
    scale_offset: u32, // offset of the first channel's scale in `affine`
    shift_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Conv2dParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [x_copies, N, H, W, C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;        // [copies, R, S, C, K]
@group(0) @binding(3) var<storage, read> affine: array<f32>;         // scales and shifts by offset
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>; // like y
@group(0) @binding(5) var<storage, read> mask_in: array<u32>;        // [x_copies, ceil(NHW/8), C/4]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // [copies, N, OH, OW, K]
@group(0) @binding(7) var<storage, read_write> mask_out: array<u32>; // [copies, ceil(NOHOW/8), K/4]

override WG_SIZE: u32 = 64u;
override TRANSPOSED: u32 = 0u;
override SUM_COPIES: u32 = 0u; // y has one copy: the sum over all copies of x and w
override MASK_IN: u32 = 0u;
override MASK_OUT: u32 = 0u;
// 1: groups or dilation, which only the plain variant computes.
override GENERAL: u32 = 0u;
override GROUPS: u32 = 1u;
override DILATION: u32 = 1u; // pixels from one tap to the next

// Groups of four input channels in one partial sum.
const BLOCK: u32 = 16u;

struct Pixel {
    n: u32,
    y: u32, // in the class plane
    x: u32,
}

// A tap's source for one pixel.
struct Source {
    inside: bool,
    at: u32,    // first vec4 of the pixel in x
    mask: u32,  // first word of its octet in mask_in
    shift: u32, // of its four bits in that word
}

fn classes() -> u32 {
    return select(1u, params.stride * params.stride, TRANSPOSED == 1u);
}

// Rows and columns of one class of output pixels.
fn plane() -> vec2<u32> {
    let step = select(1u, params.stride, TRANSPOSED == 1u);
    return vec2<u32>((params.y_h + step - 1u) / step, (params.y_w + step - 1u) / step);
}

fn pixel_at(q: u32, plane: vec2<u32>) -> Pixel {
    let area = plane.x * plane.y;
    let n = q / area;
    let rest = q - n * area;
    let row = rest / plane.y;
    return Pixel(n, row, rest - row * plane.y);
}

fn next_pixel(p: Pixel, plane: vec2<u32>) -> Pixel {
    let wrap_x = p.x + 1u == plane.y;
    let wrap_y = wrap_x && p.y + 1u == plane.x;
    return Pixel(
        select(p.n, p.n + 1u, wrap_y),
        select(select(p.y, p.y + 1u, wrap_x), 0u, wrap_y),
        select(p.x + 1u, 0u, wrap_x),
    );
}

// Index of a pixel within one copy of y, or 0xffffffff if it is outside y.
fn target_of(p: Pixel, class_yx: vec2<u32>) -> u32 {
    var oy = p.y;
    var ox = p.x;
    if TRANSPOSED == 1u {
        oy = p.y * params.stride + class_yx.x;
        ox = p.x * params.stride + class_yx.y;
    }
    let inside = p.n < params.images && oy < params.y_h && ox < params.y_w;
    return select(0xffffffffu, (p.n * params.y_h + oy) * params.y_w + ox, inside);
}

// First tap of a class along one axis; taps step by `tap_step()`.
fn first_tap(class_at: u32) -> u32 {
    let transposed = TRANSPOSED == 1u && GENERAL == 0u;
    return select(0u, (class_at + params.padding) % params.stride, transposed);
}

fn tap_step() -> u32 {
    return select(1u, params.stride, TRANSPOSED == 1u && GENERAL == 0u);
}

// Where tap r reads along one axis: pixel * tap_scale() + tap_offset().
fn tap_offset(r: u32, class_at: u32) -> i32 {
    if TRANSPOSED == 1u {
        return (i32(class_at + params.padding) - i32(r)) / i32(params.stride);
    }
    return i32(r) - i32(params.padding);
}

fn source_of(p: Pixel, offset: vec2<i32>, copy: u32) -> Source {
    let scale = select(i32(params.stride), 1, TRANSPOSED == 1u);
    let iy = i32(p.y) * scale + offset.x;
    let ix = i32(p.x) * scale + offset.y;
    let inside = iy >= 0 && iy < i32(params.x_h) && ix >= 0 && ix < i32(params.x_w)
        && p.n < params.images;
    let c4s = (params.c + 3u) / 4u;
    let area = params.x_h * params.x_w;
    let pixel = select(0u, p.n * area + u32(iy) * params.x_w + u32(ix), inside);
    let copy_in = select(copy, 0u, params.x_copies == 1u);
    let octets = (params.images * area + 7u) / 8u;
    return Source(
        inside,
        (copy_in * params.images * area + pixel) * c4s,
        (copy_in * octets + pixel / 8u) * c4s,
        4u * (pixel % 8u),
    );
}

// Four input channels of a pixel: 0 outside the image, in padding lanes, and, for a gradient, where
// the mask of the ReLU says that it was cut off.
fn read_x(source: Source, c4: u32) -> vec4<f32> {
    var keep = real_lanes(c4, params.c) & vec4<bool>(source.inside);
    if MASK_IN == 1u {
        let bits = mask_in[source.mask + c4] >> source.shift;
        keep = keep & ((vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u));
    }
    return select(vec4<f32>(0.0), x[source.at + c4], keep);
}

fn load_x(source: Source, c4: u32) -> vec4<f32> {
    return operand(read_x(source, c4));
}

// Four output channels of one input channel of a tap.
fn load_w(at: u32) -> vec4<f32> {
    return operand(w[at]);
}
