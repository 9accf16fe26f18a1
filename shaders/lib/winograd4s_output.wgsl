// What Winograd's output transforms share: the interface. lib/epilogue.wgsl comes behind it.

struct WinogradOutputParams {
    images: u32,       // N of one copy
    y_h: u32,
    y_w: u32,
    k: u32,            // channels of y, without padding
    copies: u32,
    first: u32,        // of the images at hand
    count: u32,        // of them
    scale_offset: u32, // of the first channel's scale in `affine`
    shift_offset: u32,
}

@group(0) @binding(0) var<uniform> params: WinogradOutputParams;
@group(0) @binding(1) var<storage, read> ms: array<f32>;        // [copies, values, tiles, K]
@group(0) @binding(2) var<storage, read> affine: array<f32>;         // scales and shifts by offset
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>; // like y
@group(0) @binding(4) var<storage, read_write> ys: array<f32>;  // [copies, N, H, W, K]
@group(0) @binding(5) var<storage, read_write> mask_out: array<u32>; // [copies, ceil(NHW/8), K/4]

override WG_SIZE: u32 = 64u;
override MASK_OUT: u32 = 0u;
override SCALE: u32 = 0u;
override SHIFT: u32 = 0u;
override RESIDUAL: u32 = 0u;
override RELU: u32 = 0u;
override ACROSS: u32 = 2u;
