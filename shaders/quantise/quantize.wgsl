// Symmetric quantisation of one tensor, four weights to a word.
//
//   q[i] = clamp(round_half_even(w[i] / scale), -m, m),  m = 2^(bits-1) - 1
//
// q = 0 if the scale is 0, infinite or NaN. Times a scale that is not finite it dequantises to NaN.
//
// The division may be off by 2.5 ULP (WGSL) and move a weight next to a tie by one step.
//
// Grid:    one invocation per packed word.
// Twin:    src/kernels/quantise/quantize.rs
// Source:  NeuralFuse, arXiv:2306.16869, section 4.6 (symmetric quantisation per layer).

@group(0) @binding(1) var<storage, read> parameters: array<f32>;  // the arena, PyTorch order
@group(0) @binding(2) var<storage, read> scales: array<f32>;       // one per quantised tensor
@group(0) @binding(3) var<storage, read_write> packed: array<u32>; // [ceil(len / 4)]

override WG_SIZE: u32 = 64u;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let word = group_index(group, groups) * WG_SIZE + lane;
    if 4u * word >= params.len {
        return;
    }
    let scale = scales[params.index];
    let field = (1u << params.bits) - 1u;
    let most = f32(field >> 1u);
    let weights = min(params.len - 4u * word, 4u);
    var stored = 0u;
    // Compares bits, for the reason in lib/special.wgsl. A scale is never negative.
    let finite = bitcast<u32>(scale) < 0x7f800000u;
    if finite && scale != 0.0 {
        for (var j = 0u; j < weights; j++) {
            let q = round(parameters[params.offset + 4u * word + j] / scale);
            stored |= (bitcast<u32>(i32(clamp(q, -most, most))) & field) << (8u * j);
        }
    }
    packed[word] = stored;
}
