// The walk over the sum by digits, and the taps that a pixel reads as bits, for the variants of
// conv2d with 8 x 8 results a lane or cooperative matrices. Joined behind lib/conv2d_place.wgsl.
//
// Input channels are counted in groups of four, a group per (copy that is summed, tap row, tap
// column, four channels), channels fastest.

// A group, and also the difference of two: digits that count the copies summed, the rows and
// columns of taps, and channels.
struct Walk {
    c4: u32,
    s: u32,
    r: u32,
    copy: u32,
}

fn channels4_in() -> u32 {
    return (params.c + 3u) / 4u;
}

// The digits of a number of groups; `taps` are the rows and columns that there are.
fn digits(groups: u32, taps: vec2<u32>) -> Walk {
    let tap = groups / channels4_in();
    let row = tap / max(taps.y, 1u);
    return Walk(
        groups % channels4_in(),
        tap % max(taps.y, 1u),
        row % max(taps.x, 1u),
        row / max(taps.x, 1u),
    );
}

fn walk_by(at: Walk, by: Walk, taps: vec2<u32>) -> Walk {
    let c4 = at.c4 + by.c4;
    let past_c4 = c4 >= channels4_in();
    let s = at.s + by.s + select(0u, 1u, past_c4);
    let past_s = s >= taps.y;
    let r = at.r + by.r + select(0u, 1u, past_s);
    let past_r = r >= taps.x;
    return Walk(
        select(c4, c4 - channels4_in(), past_c4),
        select(s, s - taps.y, past_s),
        select(r, r - taps.x, past_r),
        at.copy + by.copy + select(0u, 1u, past_r),
    );
}

// The lowest n bits, of 16 at most.
fn low_bits(n: i32) -> u32 {
    return (1u << u32(clamp(n, 0, 16))) - 1u;
}

// Bits of the taps that read inside [0, size), from the one that reads `first` on.
fn inside_bits(first: i32, taps: u32, size: u32) -> u32 {
    if TRANSPOSED == 1u {
        return low_bits(min(first + 1, i32(taps))) & ~low_bits(first - i32(size) + 1);
    }
    return low_bits(min(i32(size) - first, i32(taps))) & ~low_bits(-first);
}
