// Batch norm, backward 1 of 3: per-channel sums over a chunk of pixels.
//
//   sum dz, sum dz xhat      with dz = dy act'(y), xhat = (x - mean) inv_std
//
// Grid:    one workgroup per chunk and block of channel groups.
// Twin:    src/kernels/norm/backward.rs
// Source:  Ioffe, Szegedy, arXiv:1502.03167, section 3

@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;            // [N, H, W, C]
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;             // [N, H, W, C]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;             // [N, H, W, C]
@group(0) @binding(4) var<storage, read> stats: array<vec4<f32>>;         // [2, C]: mean, inv_std
@group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, 2, C]

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c4s = (params.c + 3u) / 4u;
    let index = group_index(group, groups);
    let k = chunk_of(index, lane, params.pixels, c4s, params.chunk, params.block);
    let mean = stats[k.c4];
    let inv_std = stats[c4s + k.c4];

    var sum_dz = vec4<f32>(0.0);
    var sum_dz_xhat = vec4<f32>(0.0);
    for (var p = k.first; p < k.end; p += k.step) {
        let i = p * c4s + k.c4;
        let dz = activate_back(dy[i], y[i]);
        sum_dz += dz;
        sum_dz_xhat += dz * ((x[i] - mean) * inv_std);
    }
    sum_dz = sum_over_lanes(sum_dz, lane, params.block);
    sum_dz_xhat = sum_over_lanes(sum_dz_xhat, lane, params.block);

    if k.writes {
        let at = 2u * k.index * c4s + k.c4;
        partial[at] = mask_lanes(sum_dz, k.c4, params.c);
        partial[at + c4s] = mask_lanes(sum_dz_xhat, k.c4, params.c);
    }
}
