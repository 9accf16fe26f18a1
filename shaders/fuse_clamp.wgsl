// The protected input: image plus generated perturbation, kept in range.
//
//   y[i] = clamp(x[i] + g[i], -1, 1)
//
// Grid:    one invocation per group of four channels.
// Twin:    src/reference/fuse_clamp.rs
// Source:  NeuralFuse, arXiv:2306.16869, section 3 (F(x) = clip(x + G(x))).

struct FuseClampParams {
    vec4s: u32, // N H W ceil(C / 4)
    c: u32,     // channels without padding
}

@group(0) @binding(0) var<uniform> params: FuseClampParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;       // [N, H, W, C]
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
    let one = vec4<f32>(1.0);
    let v = x[i] + g[i];
    // Not clamp(): it may turn a NaN into a number and hide it.
    let low = select(v, -one, v < -one);
    y[i] = mask_lanes(select(low, one, v > one), i % ((params.c + 3u) / 4u), params.c);
}
