// Neighbouring pixels of an input row, for variants of conv2d that read each of them once.
// Joined behind lib/conv2d.wgsl; the variant says with WIDE whether it reads up to ten of them (1),
// or six (0), which lie in two octets.

// An input row, as its neighbouring pixels need it.
struct Row {
    inside: bool,
    pixel: u32, // of its first pixel, counted in its copy
    at: u32,    // of the copy's first pixel in x
    octet: u32, // of the first of the neighbouring pixels
    mask: vec3<u32>, // words of the mask of that octet, and of the two after it
}

// Row `y` of an image and a copy, for pixels from `column` on.
fn row_of(image_copy: vec2<u32>, y: i32, column: i32, c4: u32) -> Row {
    let c4s = (params.c + 3u) / 4u;
    let inside = y >= 0 && y < i32(params.x_h) && image_copy.x < params.images;
    let copy = select(image_copy.y, 0u, params.x_copies == 1u);
    let pixels = params.images * params.x_h * params.x_w;
    let first = select(0u, (image_copy.x * params.x_h + u32(y)) * params.x_w, inside);
    var result = Row(inside, first, copy * pixels, 0u, vec3<u32>(0u));
    if MASK_IN == 1u {
        let octets = (pixels + 7u) / 8u;
        let last = octets - 1u;
        let octet = min((first + u32(max(column, 0))) / 8u, last);
        let words = copy * octets;
        result.octet = octet;
        result.mask.x = mask_in[(words + octet) * c4s + c4];
        result.mask.y = mask_in[(words + min(octet + 1u, last)) * c4s + c4];
        if WIDE == 1u {
            result.mask.z = mask_in[(words + min(octet + 2u, last)) * c4s + c4];
        }
    }
    return result;
}

// Four channels of a pixel of a row: 0 outside the image, and where the mask says that the ReLU has
// cut it off.
fn pixel_of(row: Row, column: i32, c4: u32) -> vec4<f32> {
    let real = row.inside && column >= 0 && column < i32(params.x_w);
    let pixel = row.pixel + select(0u, u32(column), real);
    var keep = real_lanes(c4, params.c) & vec4<bool>(real);
    if MASK_IN == 1u {
        let octet = pixel / 8u;
        var word = select(row.mask.y, row.mask.x, octet == row.octet);
        if WIDE == 1u {
            word = select(word, row.mask.z, octet == row.octet + 2u);
        }
        let bits = word >> (4u * (pixel % 8u));
        keep = keep & ((vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u));
    }
    let at = (row.at + pixel) * ((params.c + 3u) / 4u) + c4;
    return operand(select(vec4<f32>(0.0), x[at], keep));
}
