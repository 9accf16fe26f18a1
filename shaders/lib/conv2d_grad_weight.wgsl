// Common parts of the variants of conv2d_grad_weight: interface and the walk over pixels.
//
// The result has a row per (tap, input channel) and a column per output channel; rows are taken in
// groups of four channels, m = (r * S + s) * ceil(C / 4) + c4. The pixels are cut into chunks of
// whole image rows: chunk j holds rows [j * chunk_rows, (j + 1) * chunk_rows) of dy's N * OH rows.

struct Conv2dGradWeightParams {
    images: u32,     // N
    x_h: u32,
    x_w: u32,
    c: u32,          // channels of x, without padding
    y_h: u32,
    y_w: u32,
    k: u32,          // channels of dy, without padding
    r: u32,
    s: u32,
    stride_y: u32,
    stride_x: u32,
    pad_y: u32,      // zeros above the first row of x
    pad_x: u32,      // zeros left of its first column
    chunks: u32,
    chunk_rows: u32, // image rows of dy per chunk
}

@group(0) @binding(0) var<uniform> params: Conv2dGradWeightParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [N, H, W, C]
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;            // [N, OH, OW, K]
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, R, S, C, K]

override WG_SIZE: u32 = 64u;
// 1: groups or dilation, which only the plain variant computes.
override GENERAL: u32 = 0u;
override GROUPS: u32 = 1u; // rows are the input channels of one group
override DILATION_Y: u32 = 1u; // rows from one tap to the next
override DILATION_X: u32 = 1u; // columns from one tap to the next
override NARROW: u32 = 0u; // 1: what the narrow variant computes

// The source of one row group: its tap and channels.
struct Row {
    real: bool,
    r: u32,
    s: u32,
    c4: u32,
}

fn row_groups() -> u32 {
    return params.r * params.s * ((params.c / GROUPS + 3u) / 4u);
}

fn row_at(m: u32) -> Row {
    let c4s = (params.c / GROUPS + 3u) / 4u;
    let tap = m / c4s;
    return Row(m < row_groups(), tap / params.s, tap % params.s, m % c4s);
}

// Start of the image row of x that a row group reads for dy's row `line` (n * OH + oy): index of
// its first vec4, and whether the row lies inside the image.
struct Line {
    inside: bool,
    at: u32,
}

fn line_of(row: Row, line: u32) -> Line {
    let n = line / params.y_h;
    let iy = i32((line - n * params.y_h) * params.stride_y + row.r) - i32(params.pad_y);
    let inside = row.real && iy >= 0 && iy < i32(params.x_h);
    let c4s = (params.c + 3u) / 4u;
    let first = (n * params.x_h + u32(max(iy, 0))) * params.x_w * c4s + row.c4;
    return Line(inside, select(0u, first, inside));
}

// Four channels of pixel `ix` of the row of x; 0 outside.
fn read_pixel(line: Line, row: Row, ix: i32) -> vec4<f32> {
    let inside = line.inside && ix >= 0 && ix < i32(params.x_w);
    let at = line.at + u32(select(0, ix, inside)) * ((params.c + 3u) / 4u);
    return select(vec4<f32>(0.0), x[at], real_lanes(row.c4, params.c) & vec4<bool>(inside));
}

// What the row group reads for pixel `ox` of dy; 0 behind its last one.
fn read_x(line: Line, row: Row, ox: u32) -> vec4<f32> {
    let ix = i32(ox * params.stride_x + row.s) - i32(params.pad_x);
    return read_pixel(line, row, select(-1, ix, ox < params.y_w));
}

fn load_x(line: Line, row: Row, ox: u32) -> vec4<f32> {
    return operand(read_x(line, row, ox));
}

// Four output channels of one of dy's pixels (n * OH + oy) * OW + ox.
fn read_dy(pixel: u32, k4: u32) -> vec4<f32> {
    return mask_lanes(dy[pixel * ((params.k + 3u) / 4u) + k4], k4, params.k);
}

fn load_dy(pixel: u32, k4: u32) -> vec4<f32> {
    return operand(read_dy(pixel, k4));
}

// Stores row j of a row group.
fn store_row(chunk: u32, m: u32, j: u32, k4: u32, v: vec4<f32>) {
    let k4s = (params.k + 3u) / 4u;
    partial[((chunk * row_groups() + m) * 4u + j) * k4s + k4] = mask_lanes(v, k4, params.k);
}

fn store(chunk: u32, m: u32, k4: u32, rows: mat4x4<f32>) {
    store_row(chunk, m, 0u, k4, rows[0]);
    store_row(chunk, m, 1u, k4, rows[1]);
    store_row(chunk, m, 2u, k4, rows[2]);
    store_row(chunk, m, 3u, k4, rows[3]);
}
