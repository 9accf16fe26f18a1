// Common parts of the variants of conv2d: interface, positions of pixels, reads of the input and
// stores of the output.
//
// One gather serves four uses. Output pixel (oy, ox) sums over taps (r, s) of input pixel
//   plain:       iy = oy * stride + r - padding         convolution; input gradient of a
//                                                        transposed convolution
//   TRANSPOSED:  iy = (oy + padding - r) / stride        transposed convolution; input gradient of
//                where the division is exact             a convolution
// where padding is that above the first row. Columns have a stride and a padding of their own.
// A transposed output is computed in classes of pixels, one for each remainder of a row and a
// column by the strides: in a class all pixels use the same taps, and the gather has stride 1.

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
    stride_y: u32,
    stride_x: u32,
    pad_y: u32,        // zeros above the first row
    pad_x: u32,        // zeros left of the first column
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
// 1: groups or dilation, which only the plain and the sliding variant compute.
override GENERAL: u32 = 0u;
override TILES: u32 = 0u; // 1: what the tiles of 8 x 8 results compute
override MATRICES: u32 = 0u; // 1: what the variants with cooperative matrices compute
// 1: input channels come in sixteens, so that 16 of them belong to one tap.
override WHOLE: u32 = 0u;
override SLIDING: u32 = 0u; // 1: what the sliding variant computes
override NARROW: u32 = 0u; // 1: what the narrow variant computes
override PAIR: u32 = 1u; // 0: that has at most four output channels
override THREE: u32 = 0u; // 1: three taps in a row, all of which each pixel uses
override GROUPS: u32 = 1u;
override DEPTHWISE: u32 = 0u; // 1: as many groups as channels, of input and output alike
override DILATION_Y: u32 = 1u; // rows from one tap to the next
override DILATION_X: u32 = 1u; // columns from one tap to the next

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

fn stride() -> vec2<u32> {
    return vec2<u32>(params.stride_y, params.stride_x);
}

fn padding() -> vec2<u32> {
    return vec2<u32>(params.pad_y, params.pad_x);
}

fn classes() -> u32 {
    return select(1u, params.stride_y * params.stride_x, TRANSPOSED == 1u);
}

// Remainders of row and column that the pixels of a class have.
fn class_of(index: u32) -> vec2<u32> {
    return vec2<u32>(index / params.stride_x, index % params.stride_x);
}

// Rows and columns of one class of output pixels.
fn plane() -> vec2<u32> {
    let step = select(vec2<u32>(1u), stride(), TRANSPOSED == 1u);
    return (vec2<u32>(params.y_h, params.y_w) + step - 1u) / step;
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
        oy = p.y * params.stride_y + class_yx.x;
        ox = p.x * params.stride_x + class_yx.y;
    }
    let inside = p.n < params.images && oy < params.y_h && ox < params.y_w;
    return select(0xffffffffu, (p.n * params.y_h + oy) * params.y_w + ox, inside);
}

// First tap of a class; taps step by `tap_step()`.
fn first_tap(class_yx: vec2<u32>) -> vec2<u32> {
    let transposed = TRANSPOSED == 1u && GENERAL == 0u;
    return select(vec2<u32>(0u), (class_yx + padding()) % stride(), transposed);
}

fn tap_step() -> vec2<u32> {
    return select(vec2<u32>(1u), stride(), TRANSPOSED == 1u && GENERAL == 0u);
}

// Where a tap reads: the pixel, times the stride if the gather is not transposed, and this.
fn tap_offset(tap: vec2<u32>, class_yx: vec2<u32>) -> vec2<i32> {
    if TRANSPOSED == 1u {
        return (vec2<i32>(class_yx + padding()) - vec2<i32>(tap)) / vec2<i32>(stride());
    }
    return vec2<i32>(tap) - vec2<i32>(padding());
}

fn source_of(p: Pixel, offset: vec2<i32>, copy: u32) -> Source {
    let scale = select(vec2<i32>(stride()), vec2<i32>(1), TRANSPOSED == 1u);
    let iy = i32(p.y) * scale.x + offset.x;
    let ix = i32(p.x) * scale.y + offset.y;
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
