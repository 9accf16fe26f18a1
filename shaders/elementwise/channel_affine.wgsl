// A scale and a shift per channel: input normalisation, batch norm of a frozen network, and without
// the shift their gradients.
//
//   y[p, c] = x[p, c] scale[c] + shift[c],   p any pixel of the batch
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/channel_affine.rs
// Source:  torchvision.transforms.Normalize, with scale = 1 / std and shift = -mean / std;
//          torch.nn.BatchNorm2d.eval().

struct ChannelAffineParams {
    vec4s: u32,        // N H W ceil(C / 4)
    c: u32,            // channels without padding
    scale_offset: u32, // of the first channel's scale in `affine`
    shift_offset: u32, // of its shift
}

@group(0) @binding(0) var<uniform> params: ChannelAffineParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> affine: array<f32>;        // scales and shifts by offset
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

override SHIFT: u32 = 1u;

fn items() -> u32 {
    return params.vec4s;
}

fn channels(offset: u32, c4: u32) -> vec4<f32> {
    let c = min(vec4<u32>(4u * c4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.c - 1u));
    let at = vec4<u32>(offset) + c;
    return vec4<f32>(affine[at.x], affine[at.y], affine[at.z], affine[at.w]);
}

fn each(i: u32) {
    let c4 = i % ((params.c + 3u) / 4u);
    var v = x[i] * channels(params.scale_offset, c4);
    if SHIFT == 1u {
        v = x[i] * channels(params.scale_offset, c4) + channels(params.shift_offset, c4);
    }
    y[i] = mask_lanes(v, c4, params.c);
}
