// Fetching for the variants of conv2d_grad_weight that stage tiles in workgroup memory: four
// consecutive pixels of one chunk at a time.

// A pixel of a chunk, with the row of x that a row group reads for it.
struct Cursor {
    y: u32,  // row of dy: n * OH + oy
    ox: u32,
    line: Line,
}

// Rows of dy in a chunk: [x, y).
fn rows_of(chunk: u32) -> vec2<u32> {
    let first = chunk * params.chunk_rows;
    return vec2<u32>(first, min(first + params.chunk_rows, params.images * params.y_h));
}

fn cursor_at(row: Row, y: u32, ox: u32, end: u32) -> Cursor {
    if y < end {
        return Cursor(y, ox, line_of(row, y));
    }
    return Cursor(y, ox, Line(false, 0u));
}

fn next_cursor(row: Row, at: Cursor, end: u32) -> Cursor {
    if at.ox + 1u < params.y_w {
        return Cursor(at.y, at.ox + 1u, at.line);
    }
    return cursor_at(row, at.y + 1u, 0u, end);
}

// Four channels of the four pixels from the i-th of the chunk on, a pixel per column; 0 past the
// chunk's end. The values are not yet rounded to f16.
fn fetch_x(row: Row, rows: vec2<u32>, i: u32) -> mat4x4<f32> {
    let c0 = cursor_at(row, rows.x + i / params.y_w, i % params.y_w, rows.y);
    let c1 = next_cursor(row, c0, rows.y);
    let c2 = next_cursor(row, c1, rows.y);
    let c3 = next_cursor(row, c2, rows.y);
    return mat4x4<f32>(
        read_x(c0.line, row, c0.ox),
        read_x(c1.line, row, c1.ox),
        read_x(c2.line, row, c2.ox),
        read_x(c3.line, row, c3.ox),
    );
}

// Like fetch_x, for dy; its padding lanes are 0.
fn fetch_dy(k4: u32, rows: vec2<u32>, i: u32) -> mat4x4<f32> {
    let first = rows.x * params.y_w;
    let count = rows.y * params.y_w - first;
    let k = min(k4, (params.k + 3u) / 4u - 1u);
    var m = mat4x4<f32>();
    if i < count {
        m[0] = read_dy(first + i, k);
    }
    if i + 1u < count {
        m[1] = read_dy(first + i + 1u, k);
    }
    if i + 2u < count {
        m[2] = read_dy(first + i + 2u, k);
    }
    if i + 3u < count {
        m[3] = read_dy(first + i + 3u, k);
    }
    return m;
}

fn operands(m: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(operand(m[0]), operand(m[1]), operand(m[2]), operand(m[3]));
}
