// Sum of every channel over a chunk of pixels, for gradients of biases; `sum_partials` adds the
// chunks.
//
//   partial[k, c] = sum_p x[p, c]      over the pixels p of chunk k
//
// Grid:    one workgroup per chunk and block of channel groups.
// Twin:    src/kernels/reduce/channel_sum.rs
// Source:  the gradient of a bias: torch.sum(dy, (0, 2, 3))

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // [N, H, W, C]
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>; // [chunks, C]

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
    var sum = vec4<f32>(0.0);
    for (var p = k.first; p < k.end; p += k.step) {
        sum += x[p * c4s + k.c4];
    }
    sum = sum_over_lanes(sum, lane, params.block);
    if k.writes {
        partial[k.index * c4s + k.c4] = mask_lanes(sum, k.c4, params.c);
    }
}
