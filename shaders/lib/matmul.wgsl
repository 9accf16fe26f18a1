// The interface of all variants of matmul.

struct MatmulParams {
    rows: u32,
    c: u32,       // columns of x and rows of w, without padding
    k: u32,       // columns of w and y, without padding
    batches: u32,
}

@group(0) @binding(0) var<uniform> params: MatmulParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [batches, rows, C]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [batches, C, K]: panels
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [batches, rows, K]

override WG_SIZE: u32 = 64u;
