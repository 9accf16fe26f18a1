// A scale and a shift per channel: input normalisation, and with shifts of 0 its gradient.
//
//   y[p, c] = x[p, c] scale[c] + shift[c],   p any pixel of the batch
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/channel_affine.rs
// Source:  torchvision.transforms.Normalize, with scale = 1 / std and shift = -mean / std.

struct ChannelAffineParams {
    vec4s: u32, // N H W ceil(C / 4)
    c: u32,     // channels without padding
}

@group(0) @binding(0) var<uniform> params: ChannelAffineParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> scale: array<vec4<f32>>;   // [C]
@group(0) @binding(3) var<storage, read> shift: array<vec4<f32>>;   // [C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group_index(group, groups) * WG_SIZE + lane;
    if i >= params.vec4s {
        return;
    }
    let c4 = i % ((params.c + 3u) / 4u);
    y[i] = mask_lanes(x[i] * scale[c4] + shift[c4], c4, params.c);
}
