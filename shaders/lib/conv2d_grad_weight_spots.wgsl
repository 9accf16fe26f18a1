// Where rows of the weight gradient read x for a pixel of dy, for its variants with 8 x 8 results a
// lane and with cooperative matrices. Joined behind lib/conv2d_grad_weight.wgsl; a variant says
//
//   DEPTH   pixels that one step sums
//
// As in lib/conv2d_gather.wgsl all lanes fetch alike, from indices that are always real, and values
// are masked when they are staged, after the products of the step before. A pixel's position moves
// on by adding digits.

// What a row group reads, seen from the pixel of x at dy's pixel times the stride.
struct Reach {
    y: u32,  // rows and columns ahead, modulo 2^32; of no row, past every row
    x: u32,
    at: u32, // vec4s ahead
}

// A pixel of dy.
struct Spot {
    y: u32,  // its row and column, times the stride
    x: u32,
    at: u32, // vec4 of x there
}

// How a spot moves DEPTH pixels on: digits to add, and vec4s more where a row or an image ends.
struct Stride {
    by: Spot,
    row: u32,
    image: u32,
}

fn reach_of(m: u32) -> Reach {
    let row = row_at(m);
    let y = row.r - params.pad_y;
    let x = row.s - params.pad_x;
    let at = (y * params.x_w + x) * ((params.c + 3u) / 4u) + row.c4;
    return Reach(select(0x80000000u, y, row.real), x, at);
}

// The pixel in row `line` (n * OH + oy) and column ox.
fn spot_at(line: u32, ox: u32) -> Spot {
    let n = line / params.y_h;
    let y = (line - n * params.y_h) * params.stride_y;
    let x = ox * params.stride_x;
    return Spot(y, x, ((n * params.x_h + y) * params.x_w + x) * ((params.c + 3u) / 4u));
}

fn stride_of_step() -> Stride {
    let c4s = (params.c + 3u) / 4u;
    let row = (params.stride_y * params.x_w - params.y_w * params.stride_x) * c4s;
    let image = (params.x_h - params.y_h * params.stride_y) * params.x_w * c4s;
    return Stride(spot_at(DEPTH / params.y_w, DEPTH % params.y_w), row, image);
}

fn next_spot(spot: Spot, stride: Stride) -> Spot {
    let x_end = params.y_w * params.stride_x;
    let y_end = params.y_h * params.stride_y;
    let x = spot.x + stride.by.x;
    let past_x = x >= x_end;
    let y = spot.y + stride.by.y + select(0u, params.stride_y, past_x);
    let past_y = y >= y_end;
    return Spot(
        select(y, y - y_end, past_y),
        select(x, x - x_end, past_x),
        spot.at + stride.by.at
            + select(0u, stride.row, past_x) + select(0u, stride.image, past_y),
    );
}

fn is_inside(spot: Spot, reach: Reach) -> bool {
    return spot.y + reach.y < params.x_h && spot.x + reach.x < params.x_w;
}
