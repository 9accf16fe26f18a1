// Softmax cross-entropy with its gradient and the hits, for several copies of a network at once.
//
//   p = exp(l - max l) / sum exp(l - max l)
//   row_loss = -log p[label]        correct = 1 if the first largest logit is the label's
//   dlogits[i] = weight (p[i] - [i = label])
//
// Row r is image r mod n of copy r / n. The label's own exponential is added to the sum only at the
// end: where the network is confident, p - 1 would cancel, and -others / all does not. As in
// PyTorch, a NaN is larger than every number; it, or an infinity as the largest logit, makes its
// row NaN.
//
// Grid:    `span` lanes per row.
// Twin:    src/kernels/loss/softmax_cross_entropy.rs
// Source:  torch.nn.functional.cross_entropy

struct SoftmaxCrossEntropyParams {
    rows: u32,    // copies times images
    n: u32,       // images
    classes: u32, // without padding
    span: u32,    // lanes per row, a power of two, at most WG_SIZE
}

@group(0) @binding(0) var<uniform> params: SoftmaxCrossEntropyParams;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;        // [rows, classes]
@group(0) @binding(2) var<storage, read> labels: array<u32>;              // [n]
@group(0) @binding(3) var<storage, read> weights: array<f32>;             // [copies]
@group(0) @binding(4) var<storage, read_write> dlogits: array<vec4<f32>>; // [rows, classes]
@group(0) @binding(5) var<storage, read_write> row_loss: array<f32>;      // [rows]
@group(0) @binding(6) var<storage, read_write> correct: array<u32>;       // [rows]

override WG_SIZE: u32 = 64u;

var<workgroup> sums: array<f32, WG_SIZE>;

@compute @workgroup_size(WG_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group_index(group, groups) * WG_SIZE + lane) / params.span;
    let column = lane % params.span;
    let c4s = (params.classes + 3u) / 4u;
    let end = select(0u, c4s, row < params.rows);
    let label = labels[row % params.n];

    var top = 0u;
    var top_at = params.classes;
    for (var c4 = column; c4 < end; c4 += params.span) {
        let ranks = rank(logits[row * c4s + c4]);
        let real = select(vec4<u32>(0u), ranks, real_lanes(c4, params.classes));
        for (var i = 0u; i < 4u; i++) {
            if real[i] > top {
                top = real[i];
                top_at = 4u * c4 + i;
            }
        }
    }
    let answer = first_largest(top, top_at, lane, column, params.span);
    let first = lane - column;
    let largest_at = min(answer, params.classes - 1u);
    let largest = logits[row * c4s + largest_at / 4u][largest_at % 4u];
    let bits = bitcast<u32>(largest);
    let broken = (bits & 0x7f800000u) == 0x7f800000u;
    let nan = bitcast<f32>(bits | 0x7fc00000u); // where it is broken

    var sum = 0.0; // of all classes but the label
    for (var c4 = column; c4 < end; c4 += params.span) {
        let e = exp(logits[row * c4s + c4] - largest); // of <= 0
        let i = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4;
        let counted = real_lanes(c4, params.classes) & (i != vec4<u32>(label));
        sum += dot(select(vec4<f32>(0.0), e, counted), vec4<f32>(1.0));
    }
    sums[lane] = sum;
    for (var half = params.span / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if column < half {
            sums[lane] += sums[lane + half];
        }
    }
    workgroupBarrier();
    let others = sums[first];
    let own = logits[row * c4s + label / 4u][label % 4u] - largest;
    let all = others + exp(own); // of <= 0

    let weight = weights[row / params.n];
    for (var c4 = column; c4 < end; c4 += params.span) {
        let p = exp(logits[row * c4s + c4] - largest) / all; // of <= 0
        let i = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4;
        let d = weight * select(p, vec4<f32>(-others / all), i == vec4<u32>(label));
        let carried = choose(d, vec4<f32>(nan), vec4<bool>(broken));
        dlogits[row * c4s + c4] = mask_lanes(carried, c4, params.classes);
    }
    if column == 0u && row < params.rows {
        let loss = bitcast<u32>(log(all) - own);
        row_loss[row] = bitcast<f32>(select(loss, bitcast<u32>(nan), broken));
        correct[row] = u32(answer == label);
    }
}
