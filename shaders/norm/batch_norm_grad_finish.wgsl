// Batch norm, backward 2 of 3: sums over all chunks, which are the gradients of beta and gamma.
//
//   dbeta[c] = sum_k sum_dz[k, c]        dgamma[c] = sum_k sum_dz_xhat[k, c]
//
// Grid:    one workgroup per group of four channels.
// Twin:    src/kernels/norm/backward.rs
// Source:  Ioffe, Szegedy, arXiv:1502.03167, section 3

struct BatchNormGradFinishParams {
    c: u32,            // channels without padding
    chunks: u32,
    gamma_offset: u32, // offset of gamma in `gradients`, in floats
    beta_offset: u32,  // offset of beta in `gradients`, in floats
}

@group(0) @binding(0) var<uniform> params: BatchNormGradFinishParams;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;    // [chunks, 2, C]
@group(0) @binding(2) var<storage, read_write> sums: array<vec4<f32>>; // [2, C]: dz, dz xhat
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;  // flat

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c4s = (params.c + 3u) / 4u;
    let c4 = group_index(group, groups);
    var dbeta = vec4<f32>(0.0);
    var dgamma = vec4<f32>(0.0);
    for (var k = lane; k < params.chunks; k += WG_SIZE) {
        dbeta += partial[2u * k * c4s + c4];
        dgamma += partial[(2u * k + 1u) * c4s + c4];
    }
    dbeta = sum_over_lanes(dbeta, lane, 1u);
    dgamma = sum_over_lanes(dgamma, lane, 1u);

    if lane == 0u && c4 < c4s {
        sums[c4] = mask_lanes(dbeta, c4, params.c);
        sums[c4s + c4] = mask_lanes(dgamma, c4, params.c);
        for (var i = 0u; i < min(4u, params.c - 4u * c4); i++) {
            gradients[params.beta_offset + 4u * c4 + i] = dbeta[i];
            gradients[params.gamma_offset + 4u * c4 + i] = dgamma[i];
        }
    }
}
