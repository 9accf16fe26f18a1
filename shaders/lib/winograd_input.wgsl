// Common parts of the interfaces of Winograd's input transforms.

struct WinogradInputParams {
    images: u32,  // N of one copy
    x_h: u32,
    x_w: u32,
    c: u32,       // channels of x, without padding
    tiles_h: u32,
    tiles_w: u32,
    pad_y: u32,   // zeros above the first row of x
    pad_x: u32,   // zeros left of its first column
    copies: u32,
    first: u32,   // first image to compute
    count: u32,   // number of images to compute
}

@group(0) @binding(0) var<uniform> params: WinogradInputParams;
@group(0) @binding(2) var<storage, read> mask_in: array<u32>; // [copies, ceil(NHW/8), C/4]

override WG_SIZE: u32 = 64u;
override MASK_IN: u32 = 0u;
