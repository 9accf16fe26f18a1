// Scale of one tensor for symmetric quantisation.
//
//   scales[index] = max_i |w[i]| / (2^(bits-1) - 1)
//
// Grid:    one workgroup; each invocation takes every WG_SIZE-th weight, eight per turn.
// Twin:    src/kernels/reduce/absmax.rs
// Source:  NeuralFuse, arXiv:2306.16869, section 4.6 (symmetric quantisation per layer).

@group(0) @binding(1) var<storage, read> parameters: array<f32>;  // the arena, PyTorch order
@group(0) @binding(2) var<storage, read_write> scales: array<f32>; // one per quantised tensor

override WG_SIZE: u32 = 64u;
// Weights per turn: independent loads overlap.
const UNROLL: u32 = 8u;
// Turns of the inner loop, so that both loops stay below 65,535 turns, after which some drivers end
// a loop.
const TURNS: u32 = 1024u;

var<workgroup> largest: array<u32, WG_SIZE>;

// The bits of |w| as an integer: it has the same order, and unlike `max` of floats it does not lose
// a NaN.
fn magnitude(i: u32) -> u32 {
    return bitcast<u32>(parameters[params.offset + min(i, params.len - 1u)]) & 0x7fffffffu;
}

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if group_index(group, groups) != 0u {
        return;
    }
    var most = 0u;
    let span = TURNS * UNROLL * WG_SIZE;
    for (var start = 0u; start < params.len; start += span) {
        let end = min(start + span, params.len);
        for (var i = start + lane; i < end; i += UNROLL * WG_SIZE) {
            let m0 = max(magnitude(i), magnitude(i + WG_SIZE));
            let m1 = max(magnitude(i + 2u * WG_SIZE), magnitude(i + 3u * WG_SIZE));
            let m2 = max(magnitude(i + 4u * WG_SIZE), magnitude(i + 5u * WG_SIZE));
            let m3 = max(magnitude(i + 6u * WG_SIZE), magnitude(i + 7u * WG_SIZE));
            most = max(most, max(max(m0, m1), max(m2, m3)));
        }
    }
    largest[lane] = most;
    for (var half = WG_SIZE / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            largest[lane] = max(largest[lane], largest[lane + half]);
        }
    }
    if lane == 0u {
        let steps = (1u << (params.bits - 1u)) - 1u;
        scales[params.index] = bitcast<f32>(largest[0]) / f32(steps);
    }
}
