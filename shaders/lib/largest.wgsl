// Finds the first largest number of a row that several lanes share. As in PyTorch, a NaN is larger
// than every number. WG_SIZE is a power of two.

var<workgroup> best: array<u32, WG_SIZE>; // ranks
var<workgroup> best_at: array<u32, WG_SIZE>;

// The order of numbers as integers above 0; NaN is the largest (lib/special.wgsl explains why
// integers are used). 0 and -0 are equal.
fn rank(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let size = bits & vec4<u32>(0x7fffffffu);
    let zero = vec4<u32>(0x80000000u);
    let order = select(zero + size, zero - size, bits >= zero);
    return select(order, vec4<u32>(0xffffffffu), is_nan(v));
}

// Index of the first largest element of a row. A lane passes the largest rank among its own
// elements and the first index that has it; it is lane `column` of the `span` lanes of its row.
fn first_largest(top: u32, top_at: u32, lane: u32, column: u32, span: u32) -> u32 {
    workgroupBarrier(); // lanes may still read an earlier answer
    best[lane] = top;
    best_at[lane] = top_at;
    for (var half = span / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if column < half {
            let other = lane + half;
            let tie = best[other] == best[lane] && best_at[other] < best_at[lane];
            if best[other] > best[lane] || tie {
                best[lane] = best[other];
                best_at[lane] = best_at[other];
            }
        }
    }
    workgroupBarrier();
    return best_at[lane - column];
}
