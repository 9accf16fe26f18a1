// Places of the workgroups, for the variants of conv2d that stage tiles in workgroup memory: each
// computes some pixels of one class and copy for some output channels.

struct Place {
    real: bool,           // false in workgroups past the end
    k4: u32,              // first group of output channels
    q: u32,               // first pixel of the class plane
    class_yx: vec2<u32>,
    y_copy: u32,
    first_copy: u32,      // copies summed: [first_copy, end_copy)
    end_copy: u32,
}

// Workgroup g covers `pixels` pixels and `channels4` groups of output channels.
fn place_of(g: u32, pixels: u32, channels4: u32) -> Place {
    let size = plane();
    let k_tiles = ((params.k + 3u) / 4u + channels4 - 1u) / channels4;
    let p_tiles = (params.images * size.x * size.y + pixels - 1u) / pixels;
    let z = g / (k_tiles * p_tiles);
    let class_index = z % classes();
    let y_copy = z / classes();
    return Place(
        y_copy < select(params.copies, 1u, SUM_COPIES == 1u),
        (g % k_tiles) * channels4,
        (g / k_tiles % p_tiles) * pixels,
        class_of(class_index),
        y_copy,
        select(y_copy, 0u, SUM_COPIES == 1u),
        select(y_copy + 1u, params.copies, SUM_COPIES == 1u),
    );
}

// Rows and columns of the taps of a class.
fn taps_of(class_yx: vec2<u32>) -> vec2<u32> {
    let first = first_tap(class_yx);
    return (max(vec2<u32>(params.r, params.s), first) - first + tap_step() - 1u) / tap_step();
}
