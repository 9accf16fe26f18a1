// Common parts of the interfaces of Winograd's output transforms.

struct WinogradOutputParams {
    images: u32,       // N of one copy
    y_h: u32,
    y_w: u32,
    k: u32,            // channels of y, without padding
    copies: u32,
    first: u32,        // first image to compute
    count: u32,        // number of images to compute
    scale_offset: u32, // offset of the first channel's scale in `affine`
    shift_offset: u32,
}

@group(0) @binding(0) var<uniform> params: WinogradOutputParams;
@group(0) @binding(2) var<storage, read> affine: array<f32>;         // scales and shifts by offset
@group(0) @binding(5) var<storage, read_write> mask_out: array<u32>; // [copies, ceil(NHW/8), K/4]

override WG_SIZE: u32 = 64u;
override MASK_OUT: u32 = 0u;
