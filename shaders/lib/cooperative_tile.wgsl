// Common parts of kernels with cooperative matrices: f16 operands, and f32 sums in workgroup
// memory.
//
// A workgroup's results are cut into regions of 32 rows x 32 channels, two side by side, one for
// each subgroup. With fewer subgroups than regions they take turns; with more, the others only help
// with fetching. So the kernels work with subgroups of any size.

// Four blocks of results before they are stored, each of 64 groups of four channels.
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

// The rounding of `operand` (lib/operand.wgsl), by the adapter's own conversion. That is cheaper,
// and right if the conversion rounds to nearest and keeps denormal numbers, which conformance
// checks.
fn half4(v: vec4<f32>) -> vec4<f16> {
    let size = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
    let finite = clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec4<f16>(select(finite, v, size >= vec4<u32>(0x7f800000u)));
}
