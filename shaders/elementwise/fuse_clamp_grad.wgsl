// Gradient of the protected input with respect to the perturbation.
//
//   dg[i] = dy[i] where -1 <= x[i] + g[i] <= 1, else 0
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/fuse_clamp.rs
// Source:  torch.clamp, its backward function (both limits let the gradient pass).

struct FuseClampGradParams {
    vec4s: u32, // N H W ceil(C / 4)
    c: u32,     // channels without padding
}

@group(0) @binding(0) var<uniform> params: FuseClampGradParams;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(3) var<storage, read> g: array<vec4<f32>>;        // [N, H, W, C]
@group(0) @binding(4) var<storage, read_write> dg: array<vec4<f32>>; // [N, H, W, C]

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
    let gradient = choose(vec4<f32>(0.0), dy[i], within_one(x[i] + g[i]));
    dg[i] = mask_lanes(gradient, i % ((params.c + 3u) / 4u), params.c);
}
