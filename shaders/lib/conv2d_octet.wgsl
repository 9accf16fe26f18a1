// The stores of conv2d's variants whose lanes own eight consecutive pixels. Joined behind
// lib/conv2d_place.wgsl and lib/epilogue.wgsl.

// Stores one pixel; returns the bits of its positive channels.
fn put(p: Pixel, place: Place, k4: u32, sum: vec4<f32>, scale: vec4<f32>, shift: vec4<f32>) -> u32 {
    let k4s = (params.k + 3u) / 4u;
    let pixel = target_of(p, place.class_yx);
    if pixel == 0xffffffffu || k4 >= k4s {
        return 0u;
    }
    let base = place.y_copy * params.images * params.y_h * params.y_w;
    return positive_bits(store((base + pixel) * k4s + k4, k4, sum, scale, shift));
}

// Stores eight consecutive pixels of four channels, which are the octet `octet` of the workgroup's
// pixels: a pixel per column of the sums. The word of the ReLU mask is theirs alone.
fn put_octet(place: Place, octet: u32, k4: u32, a: mat4x4<f32>, b: mat4x4<f32>) {
    let size = plane();
    let scale = affine_at(select(0u, params.scale_offset, SCALE == 1u), k4);
    let shift = affine_at(select(0u, params.shift_offset, SHIFT == 1u), k4);
    let p0 = pixel_at(place.q + 8u * octet, size);
    let p1 = next_pixel(p0, size);
    let p2 = next_pixel(p1, size);
    let p3 = next_pixel(p2, size);
    let p4 = next_pixel(p3, size);
    let p5 = next_pixel(p4, size);
    let p6 = next_pixel(p5, size);
    let p7 = next_pixel(p6, size);
    var word = put(p0, place, k4, a[0], scale, shift);
    word |= put(p1, place, k4, a[1], scale, shift) << 4u;
    word |= put(p2, place, k4, a[2], scale, shift) << 8u;
    word |= put(p3, place, k4, a[3], scale, shift) << 12u;
    word |= put(p4, place, k4, b[0], scale, shift) << 16u;
    word |= put(p5, place, k4, b[1], scale, shift) << 20u;
    word |= put(p6, place, k4, b[2], scale, shift) << 24u;
    word |= put(p7, place, k4, b[3], scale, shift) << 28u;
    if MASK_OUT == 1u {
        let k4s = (params.k + 3u) / 4u;
        let octets = (params.images * size.x * size.y + 7u) / 8u;
        let at_octet = place.q / 8u + octet;
        if at_octet < octets && k4 < k4s {
            mask_out[(place.y_copy * octets + at_octet) * k4s + k4] = word;
        }
    }
}
