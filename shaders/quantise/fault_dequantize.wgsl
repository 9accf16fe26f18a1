// Stored weights as the network reads them: bit errors, sign extension, scale, both layouts.
//
//   w = scale * sign_extend(stored ^ mask), both layouts: lib/fault_dequantize.wgsl
//
// Grid:    per copy one invocation for each EACH words of a row, then one for each padding element.
// Twin:    src/kernels/quantise/fault_dequantize/twin.rs
// Source:  NeuralFuse, arXiv:2306.16869, section 3 (random bit errors in quantised weights).

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    dequantize(group, groups, lane);
}
