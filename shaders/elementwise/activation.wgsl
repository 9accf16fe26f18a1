// ReLU or tanh as a pass of its own, where no other kernel can fuse it.
//
//   y[i] = act(x[i])
//
// Grid:    one invocation per group of four channels.
// Twin:    src/kernels/elementwise/activation.rs
// Source:  torch.relu, torch.tanh.

struct ActivationParams {
    vec4s: u32, // N H W ceil(C / 4)
    c: u32,     // channels without padding
}

@group(0) @binding(0) var<uniform> params: ActivationParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

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
    y[i] = mask_lanes(activate(x[i]), i % ((params.c + 3u) / 4u), params.c);
}
