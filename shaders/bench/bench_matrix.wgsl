// Products of matrices in registers, without cooperative matrices: the ceiling that `nf-gpu bench`
// measures on adapters that have none.
//
//   y[b] = x w, `turns` times added up      x [32, 16], w [16, 32], the same for all blocks b
//
// Grid:    one workgroup per four blocks.
// Twin:    src/kernels/bench/bench_matrix.rs
// Source:  shaders/bench/bench_matrix_coop16.wgsl.

@group(0) @binding(1) var<storage, read> x: array<f32>;       // [32, 16]
@group(0) @binding(2) var<storage, read> w: array<f32>;       // [16, 32]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [blocks, 32, 32]

override WG_SIZE: u32 = 128u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = 4u * group_index(group, groups);
    let end = 1024u * min(params.blocks - min(first, params.blocks), 4u);
    for (var i = lane; i < end; i += WG_SIZE) {
        let row = i / 32u % 32u;
        let column = i % 32u;
        var sum = 0.0;
        for (var turn = 0u; turn < params.turns; turn++) {
            for (var c = 0u; c < 16u; c++) {
                sum = fma(x[16u * row + c], w[32u * c + column], sum);
            }
        }
        y[1024u * first + i] = sum;
    }
}
