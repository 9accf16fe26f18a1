// Distillation loss of several copies of a network against a teacher's answers at a temperature T,
// with its gradient and whether the answers agree.
//
//   p = softmax(teacher / T)        q = softmax(logits / T)
//   row_loss = T^2 sum p (log p - log q)
//   dlogits[i] = weight T (q[i] - p[i])
//   correct = 1 if the first largest logit of both is that of the same class
//
// Row r is image r mod n of copy r / n. For the class of the teacher's answer, q - p is computed as
// the sum of all other p less the sum of all other q: where copy and teacher are confident, p and q
// are nearly 1 and their difference would cancel. As in PyTorch, a NaN is larger than every number;
// it, or an infinity as the largest logit, makes its row NaN. A class that a copy excludes (a logit
// of -infinity) makes the loss infinite, or NaN where the teacher excludes it too.
//
// Grid:    `span` lanes per row.
// Twin:    src/kernels/loss/distillation_loss.rs
// Source:  Hinton et al., arXiv:1503.02531, section 2; torch.nn.functional.kl_div

struct DistillationLossParams {
    rows: u32,        // copies times images
    n: u32,           // images
    classes: u32,     // without padding
    span: u32,        // lanes per row, a power of two, at most WG_SIZE
    temperature: f32, // T
    inverse: f32,     // 1 / T
}

@group(0) @binding(0) var<uniform> params: DistillationLossParams;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;        // [rows, classes]
@group(0) @binding(2) var<storage, read> teacher: array<vec4<f32>>;       // [n, classes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;             // [copies]
@group(0) @binding(4) var<storage, read_write> dlogits: array<vec4<f32>>; // [rows, classes]
@group(0) @binding(5) var<storage, read_write> row_loss: array<f32>;      // [rows]
@group(0) @binding(6) var<storage, read_write> correct: array<u32>;       // [rows]

override WG_SIZE: u32 = 64u;

const EXPONENT: u32 = 0x7f800000u;
const QUIET_NAN: u32 = 0x7fc00000u;

// Sums over each lane's classes: the copy's exponentials and the teacher's, without the class of
// the teacher's answer; and the teacher's exponentials times the differences of the logits.
var<workgroup> sums: array<vec3<f32>, WG_SIZE>;
// Bits of the infinity or NaN that the loss becomes because of excluded classes; 0 without them.
var<workgroup> excluded: array<u32, WG_SIZE>;

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
    let own = row * c4s;
    let taught = row % params.n * c4s;

    var top = vec2<u32>(0u); // of the copy, of the teacher
    var top_at = vec2<u32>(params.classes);
    for (var c4 = column; c4 < end; c4 += params.span) {
        let real = real_lanes(c4, params.classes);
        let z = select(vec4<u32>(0u), rank(logits[own + c4]), real);
        let t = select(vec4<u32>(0u), rank(teacher[taught + c4]), real);
        for (var i = 0u; i < 4u; i++) {
            let ranks = vec2<u32>(z[i], t[i]);
            top_at = select(top_at, vec2<u32>(4u * c4 + i), ranks > top);
            top = max(top, ranks);
        }
    }
    let answer = first_largest(top.x, top_at.x, lane, column, params.span);
    let wanted = first_largest(top.y, top_at.y, lane, column, params.span);
    let first = lane - column;
    let last = params.classes - 1u;
    let z_at = min(answer, last);
    let t_at = min(wanted, last);
    let z_max = logits[own + z_at / 4u][z_at % 4u];
    let t_max = teacher[taught + t_at / 4u][t_at % 4u];
    let z_bits = bitcast<u32>(z_max);
    let t_bits = bitcast<u32>(t_max);
    let z_broken = (z_bits & EXPONENT) == EXPONENT;
    let broken = z_broken || (t_bits & EXPONENT) == EXPONENT;
    let nan = bitcast<f32>(select(t_bits, z_bits, z_broken) | QUIET_NAN); // where it is broken

    var sum = vec3<f32>(0.0);
    var odd = 0u;
    for (var c4 = column; c4 < end; c4 += params.span) {
        let z = (logits[own + c4] - z_max) * params.inverse;
        let t = (teacher[taught + c4] - t_max) * params.inverse;
        let real = real_lanes(c4, params.classes);
        let i = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4;
        let others = real & (i != vec4<u32>(t_at));
        let no_z = real & is_lowest(logits[own + c4]);
        let no_t = real & is_lowest(teacher[taught + c4]);
        let p = exp(t); // of <= 0
        let q = exp(z); // of <= 0
        let apart = choose(p * (t - z), vec4<f32>(0.0), !real | no_z | no_t);
        sum += vec3<f32>(
            dot(select(vec4<f32>(0.0), q, others), vec4<f32>(1.0)),
            dot(select(vec4<f32>(0.0), p, others), vec4<f32>(1.0)),
            dot(apart, vec4<f32>(1.0)),
        );
        odd |= select(0u, EXPONENT, any(no_z)) | select(0u, QUIET_NAN, any(no_z & no_t));
    }
    sums[lane] = sum;
    excluded[lane] = odd;
    for (var half = params.span / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if column < half {
            sums[lane] += sums[lane + half];
            excluded[lane] |= excluded[lane + half];
        }
    }
    workgroupBarrier();
    let others = sums[first];
    let z_wanted = (logits[own + t_at / 4u][t_at % 4u] - z_max) * params.inverse;
    let all_q = others.x + exp(z_wanted); // of <= 0
    let all_p = others.y + 1.0;

    let factor = weights[row / params.n] * params.temperature;
    let of_wanted = others.y / all_p - others.x / all_q;
    for (var c4 = column; c4 < end; c4 += params.span) {
        let q = exp((logits[own + c4] - z_max) * params.inverse) / all_q;     // of <= 0
        let p = exp((teacher[taught + c4] - t_max) * params.inverse) / all_p; // of <= 0
        let i = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4;
        let d = factor * select(q - p, vec4<f32>(of_wanted), i == vec4<u32>(t_at));
        let carried = choose(d, vec4<f32>(nan), vec4<bool>(broken));
        dlogits[own + c4] = mask_lanes(carried, c4, params.classes);
    }
    if column == 0u && row < params.rows {
        let apart = others.z / all_p + log(all_q / all_p);
        let loss = bitcast<u32>(params.temperature * params.temperature * apart);
        // The exact distance is not below 0, but the rounded one may be.
        let above = select(loss, 0u, loss >= 0x80000000u);
        let odd = select(above, excluded[lane], excluded[lane] != 0u);
        row_loss[row] = bitcast<f32>(select(odd, bitcast<u32>(nan), broken));
        correct[row] = u32(answer == wanted);
    }
}
