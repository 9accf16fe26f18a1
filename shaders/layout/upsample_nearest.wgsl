// Enlargement by a whole factor: every pixel becomes a block.
//
//   y[n, i, j, c] = x[n, i / factor, j / factor, c]
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/layout/upsample_nearest.rs
// Source:  torch.nn.Upsample(mode="nearest").

struct UpsampleNearestParams {
    vec4s: u32,  // of y
    c: u32,      // channels without padding
    h: u32,      // size of x
    w: u32,
    factor: u32, // y is factor h x factor w
}

@group(0) @binding(0) var<uniform> params: UpsampleNearestParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, factor H, factor W, C]

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
    let c4s = (params.c + 3u) / 4u;
    let to = place(i, params.h * params.factor, params.w * params.factor, c4s);
    let line = to.n * params.h + to.row / params.factor;
    let v = x[(line * params.w + to.column / params.factor) * c4s + to.c4];
    y[i] = mask_lanes(v, to.c4, params.c);
}
