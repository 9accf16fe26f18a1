// Common parts of kernels with cooperative matrices: f16 operands, and f32 sums in workgroup
// memory.
//
// A workgroup's results are cut into regions of 32 rows x 32 channels, two side by side, of which a
// subgroup takes one or two at once. With fewer subgroups than that they take turns; with more, the
// others only help with fetching. So the kernels work with subgroups of any size.
//
// Real GPU compilers decided the form of their steps (docs/benchmarks/isa.md): the next operands
// are fetched, the present ones multiplied, and then the next ones staged, all in a row. Behind a
// branch or a loop the loads of the next step would come after the products.

// Groups of four channels in the results of a workgroup, and summands of one step.
const CHANNELS4: u32 = 16u;
const DEPTH: u32 = 32u;

// [ROWS, DEPTH] and [channels, DEPTH]: what one lane of a matrix product reads lies together, so
// that it takes wide loads. Rows are a little longer than needed, so that neighbouring rows begin
// in different banks.
const PITCH: u32 = 40u;

var<workgroup> row_tile: array<f16, ROWS * PITCH>;
var<workgroup> column_tile: array<f16, 4u * CHANNELS4 * PITCH>;

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

// Whether `half4` must be used for values of which the largest, by components, are these: else none
// rounds to more than 65504, and their plain conversion is the same and costs a fourth. max() may
// let a NaN pass or stick to it; both do no harm, since a NaN may be converted either way.
fn past_range(most: vec4<f32>) -> bool {
    let two = max(most.xy, most.zw);
    return bitcast<u32>(max(two.x, two.y)) >= 0x477ff000u;
}

// Whether a value has a NaN. What lies outside is read from the first element of a buffer and
// multiplied by 0, which leaves a NaN: if that element has one, `half4` must always be used.
fn has_nan(v: vec4<f32>) -> bool {
    let size = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
    return any(size > vec4<u32>(0x7f800000u));
}
