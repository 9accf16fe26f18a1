// What kernels with cooperative matrices share: f16 operands, and f32 sums in workgroup memory.
//
// A workgroup's results are cut into regions of 32 rows x 32 channels, two to a row, one for each
// subgroup; with fewer subgroups they take turns, with more the rest only help with fetching. So it
// is right with subgroups of any size.

// Four blocks of results, 64 groups of four channels each, on their way out.
var<workgroup> sums: array<f32, 1024>;

// Zeros for accumulators to start from.
fn clear_sums(lane: u32) {
    for (var i = lane; i < 1024u; i += WG_SIZE) {
        sums[i] = 0.0;
    }
    workgroupBarrier();
}

fn sum4(i: u32) -> vec4<f32> {
    return vec4<f32>(sums[4u * i], sums[4u * i + 1u], sums[4u * i + 2u], sums[4u * i + 3u]);
}

// The rounding of `operand` (lib/operand.wgsl) by the adapter's own conversion: cheaper, and right
// wherever that rounds to nearest and keeps small numbers, which conformance shows.
fn half4(v: vec4<f32>) -> vec4<f16> {
    let size = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
    let finite = clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec4<f16>(select(finite, v, size >= vec4<u32>(0x7f800000u)));
}
