// Where a dequantised weight lies in w and in wt, and their padding. A piece of
// lib/fault_dequantize.wgsl, whose parameters and buffers it uses; joined behind it.

// Writes one weight, or a padding zero, into both layouts.
fn put(copy: u32, tap: u32, c: u32, k: u32, value: f32) {
    let cp = padded(params.c);
    let kp = padded(params.k);
    let plane = (copy * params.taps + tap) * cp * kp;
    w[plane + c * kp + k] = value;
    if GROUPS > 1u && (c >= params.c || k >= params.k) {
        return; // the last items write the padding of the other shape
    }
    var folded = value;
    if FOLD != 0u {
        folded *= affine[params.fold + min(k, params.k - 1u)];
    }
    if GROUPS > 1u && TRANSPOSED == 1u {
        let of_group = params.k / GROUPS;
        put_wt(copy, tap, k % of_group, k / of_group * params.c + c, folded);
    } else if TRANSPOSED == 1u {
        wt[plane + k * cp + c] = folded;
    } else if TRANSPOSED == 2u {
        wt[((copy * kp + k) * params.taps + tap) * cp + c] = folded;
    }
}

fn padded(channels: u32) -> u32 {
    return (channels + 3u) / 4u * 4u;
}

// Writes an element of wt, with GROUPS.
fn put_wt(copy: u32, tap: u32, row: u32, column: u32, value: f32) {
    let rows = padded(params.k / GROUPS);
    let columns = padded(params.c * GROUPS);
    wt[((copy * params.taps + tap) * rows + row) * columns + column] = value;
}

// Row and column of the `j`-th padding element of a matrix: the columns behind the real ones of all
// real rows, then whole rows.
fn padding_at(j: u32, rows: u32, columns: u32) -> vec2<u32> {
    let across = padded(columns);
    let beside = across - columns;
    if j < rows * beside {
        return vec2<u32>(j / beside, columns + j % beside);
    }
    return vec2<u32>(rows + (j - rows * beside) / across, (j - rows * beside) % across);
}

fn padding_of(rows: u32, columns: u32) -> u32 {
    return padded(rows) * padded(columns) - rows * columns;
}
