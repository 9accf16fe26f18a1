// How many taps the mean of a sliding window divides by.

override DIVISOR: u32 = 0u; // 0: all R S; 1: those in the image; 2: those in it and its padding

// The part of a window's mean that each of its taps has, where it differs between windows.
fn share(row: u32, column: u32) -> f32 {
    // In the padded image.
    let start = vec2<u32>(row * params.stride_y, column * params.stride_x);
    let end = start + vec2<u32>(params.rows, params.columns);
    let pad = vec2<u32>(params.pad_y, params.pad_x);
    var taps = min(end, vec2<u32>(params.counted_y, params.counted_x)) - start;
    if DIVISOR == 1u {
        taps = min(end, pad + vec2<u32>(params.h, params.w)) - max(start, pad);
    }
    return 1.0 / f32(taps.x * taps.y);
}
