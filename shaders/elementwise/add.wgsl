// Residual addition.
//
//   y[i] = a[i] + b[i]
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/add.rs
// Source:  He et al., arXiv:1512.03385, equation 1 (used where a convolution cannot fuse it).

struct AddParams {
    vec4s: u32, // N H W ceil(C / 4)
    c: u32,     // channels without padding
}

@group(0) @binding(0) var<uniform> params: AddParams;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

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
    y[i] = mask_lanes(a[i] + b[i], c4, params.c);
}
