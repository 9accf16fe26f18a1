// Sum of rows, in a fixed order, into a part of a flat buffer.
//
//   y[offset + i] = sum_r partial[r, i]      for i < len
//
// Grid:    one workgroup per block of groups of four columns; its lanes share the rows.
// Twin:    src/kernels/reduce/sum_partials.rs
// Source:  the second stage of channel_sum

struct SumPartialsParams {
    rows: u32,
    row4s: u32,  // groups of four columns in a row
    len: u32,    // columns that are written
    offset: u32, // offset of the result in `y`, in floats
    block: u32,  // groups of four columns per workgroup, a power of two
}

@group(0) @binding(0) var<uniform> params: SumPartialsParams;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>; // [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;       // flat

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i4 = group_index(group, groups) * params.block + lane % params.block;
    let rows = select(0u, params.rows, i4 < params.row4s);
    var sum = vec4<f32>(0.0);
    for (var r = lane / params.block; r < rows; r += WG_SIZE / params.block) {
        sum += partial[r * params.row4s + i4];
    }
    sum = sum_over_lanes(sum, lane, params.block);
    if lane < params.block && 4u * i4 < params.len {
        for (var i = 0u; i < min(4u, params.len - 4u * i4); i++) {
            y[params.offset + 4u * i4 + i] = sum[i];
        }
    }
}
