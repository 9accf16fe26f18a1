// What conv2d's tiles read of x: shared by the variants with 8 x 8 results a lane and those with
// cooperative matrices. Joined behind lib/conv2d_digits.wgsl; a variant says
//
//   X_EACH   pixels that a lane fetches at once, all of one group of channels
//
// Real GPU compilers decided its form (docs/benchmarks/isa.md):
//  * Every lane fetches as many pixels as its neighbours, and no branch depends on what it fetches:
//    indices are moved to a real element and values are masked when they are staged, a step later.
//    So the loads are under way while the lanes multiply.
//  * What a pixel needs for all taps is computed once: its first index and a bit for each row and
//    column of taps that lies inside the image.
//
// WHOLE says that input channels come in sixteens: where all lanes walk alike, that costs no vector
// instructions.

// What one pixel reads.
struct From {
    pixel: u32, // that the first tap reads, counted in a copy of x
    at: u32,    // its first vec4
    taps: u32,  // bit r: row r of the taps is inside x; bit 16 + s: column s
}

// Where a group of channels lies, the same for all pixels.
struct Reach {
    bits: u32,  // of its tap, which a pixel must have
    moved: u32, // pixels from the first tap's
    at: u32,    // vec4s from the pixel's first
    word: u32,  // words of mask_in from its octet's first
    lanes: u32, // bits of the real channels among the four
}

// The pixels that a lane has fetched, and what they are masked with.
struct Fetched {
    x: array<vec4<f32>, X_EACH>,
    inside: array<bool, X_EACH>,
    words: array<u32, X_EACH>, // of mask_in
    moved: u32,
    lanes: u32,
}

fn from_of(p: Pixel, place: Place, taps: vec2<u32>) -> From {
    let scale = select(vec2<i32>(stride()), vec2<i32>(1), TRANSPOSED == 1u);
    let first = vec2<i32>(vec2<u32>(p.y, p.x)) * scale
        + tap_offset(first_tap(place.class_yx), place.class_yx);
    let rows = inside_bits(first.x, taps.x, params.x_h);
    let columns = inside_bits(first.y, taps.y, params.x_w);
    let pixel = (p.n * params.x_h + u32(first.x)) * params.x_w + u32(first.y);
    let bits = select(0u, rows | (columns << 16u), p.n < params.images);
    return From(pixel, pixel * channels4_in(), bits);
}

// The copy of a group that is not past the end.
fn copy_of(place: Place, at: Walk) -> u32 {
    return place.first_copy + select(0u, at.copy, SUM_COPIES == 1u);
}

// The group `ahead` groups after `at`, of the same tap. A group past the end has bit 15, which no
// tap has.
fn reach_of(place: Place, at: Walk, ahead: u32) -> Reach {
    let copies = place.end_copy - place.first_copy;
    let c4s = channels4_in();
    let c4 = at.c4 + ahead;
    let row = select(15u, at.r, at.copy < copies);
    let pixels = params.images * params.x_h * params.x_w;
    let copy = select(copy_of(place, at), 0u, params.x_copies == 1u);
    let tap = at.r * params.x_w + at.s;
    let moved = select(tap, 0u - tap, TRANSPOSED == 1u);
    return Reach(
        (1u << row) | (65536u << at.s),
        moved,
        (copy * pixels + moved) * c4s + c4,
        copy * ((pixels + 7u) / 8u) * c4s + c4,
        select(15u, low_bits(i32(params.c) - 4 * i32(c4)), WHOLE == 0u),
    );
}

fn fetch_x(sources: array<From, X_EACH>, reach: Reach) -> Fetched {
    var result = Fetched();
    result.moved = reach.moved;
    result.lanes = reach.lanes;
    for (var i = 0u; i < X_EACH; i++) {
        let inside = (sources[i].taps & reach.bits) == reach.bits;
        result.inside[i] = inside;
        result.x[i] = x[select(0u, sources[i].at + reach.at, inside)];
        if MASK_IN == 1u {
            let pixel = sources[i].pixel + reach.moved;
            // Fewer than 2^24 octets (src/kernels/conv/conv2d/gather.rs) make a cheap product.
            let octet = (pixel >> 3u) & 0xffffffu;
            let word = octet * (channels4_in() & 0xffffffu) + reach.word;
            result.words[i] = mask_in[select(0u, word, inside)];
        }
    }
    return result;
}

// A fetched pixel as the sum takes it, not yet rounded: 0 outside the image, in padding lanes, and
// where the mask of the ReLU says that it was cut off.
fn masked(fetched: Fetched, i: u32, source: From) -> vec4<f32> {
    let v = fetched.x[i];
    if MASK_IN == 0u && WHOLE == 1u {
        return select(vec4<f32>(0.0), v, fetched.inside[i]);
    }
    var bits = fetched.lanes;
    if MASK_IN == 1u {
        let word = fetched.words[i] >> ((4u * (source.pixel + fetched.moved)) & 31u);
        bits = select(word & bits, word, WHOLE == 1u);
    }
    let open = select(0i, i32(bits), fetched.inside[i]);
    // A bit that is extracted as a signed number is 0 or has all bits.
    let keep = vec4<i32>(
        extractBits(open, 0u, 1u),
        extractBits(open, 1u, 1u),
        extractBits(open, 2u, 1u),
        extractBits(open, 3u, 1u),
    );
    return bitcast<vec4<f32>>(bitcast<vec4<i32>>(v) & keep);
}

// The first vec4 of a group's weights, of the first group's past the end.
fn weights_at(place: Place, at: Walk) -> u32 {
    let first = first_tap(place.class_yx);
    let tap = copy_of(place, at) * params.r * params.s
        + (first.x + at.r * tap_step().x) * params.s
        + first.y + at.s * tap_step().y;
    let vec4s = (tap * channels4_in() + at.c4) * 4u * ((params.k + 3u) / 4u);
    return select(0u, vec4s, at.copy < place.end_copy - place.first_copy);
}
