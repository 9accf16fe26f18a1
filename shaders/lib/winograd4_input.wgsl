// What Winograd's input transforms share: the interface, and where an invocation's patch lies. A
// kernel says how many output pixels a tile has along an axis (OUTPUTS); its patch has two more.

struct WinogradInputParams {
    images: u32,  // N of one copy
    x_h: u32,
    x_w: u32,
    c: u32,       // channels of x, without padding
    tiles_h: u32,
    tiles_w: u32,
    padding: u32,
    copies: u32,
    first: u32,   // of the images at hand
    count: u32,   // of them
}

@group(0) @binding(0) var<uniform> params: WinogradInputParams;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [copies, N, H, W, C]
@group(0) @binding(2) var<storage, read> mask_in: array<u32>;       // [copies, ceil(NHW/8), C/4]
@group(0) @binding(3) var<storage, read_write> v: array<f32>; // [copies, values, tiles, C]

override WG_SIZE: u32 = 64u;
override MASK_IN: u32 = 0u;

const VALUES = (OUTPUTS + 2u) * (OUTPUTS + 2u);

struct Tile {
    image: u32,  // over all copies
    octets: u32, // first mask word of the copy, in octets
    y: i32,      // of its first pixel
    x: i32,
    n: u32,      // image within the copy
    c: u32,
    at: u32,     // of its first value in v
    step: u32,   // from one value to the next
}

// One invocation per (channel, tile of the images at hand, copy), channels fastest.
fn tiles_at_hand() -> u32 {
    return params.copies * params.count * params.tiles_h * params.tiles_w * ((params.c + 3u) / 4u * 4u);
}

fn tile_of(i: u32) -> Tile {
    let lanes = (params.c + 3u) / 4u * 4u;
    let of_image = params.tiles_h * params.tiles_w;
    let tiles = params.count * of_image;
    let c = i % lanes;
    let t = (i / lanes) % tiles;
    let copy = i / (lanes * tiles);
    let n = params.first + t / of_image;
    return Tile(
        copy * params.images + n,
        copy * ((params.images * params.x_h * params.x_w + 7u) / 8u),
        i32(OUTPUTS * ((t % of_image) / params.tiles_w)) - i32(params.padding),
        i32(OUTPUTS * (t % params.tiles_w)) - i32(params.padding),
        n,
        c,
        copy * VALUES * tiles * lanes + t * lanes + c,
        tiles * lanes,
    );
}

// A pixel's value: 0 outside the image, in padding lanes, and where the ReLU behind the layer whose
// gradient this is was off.
fn load(tile: Tile, dy: i32, dx: i32) -> f32 {
    let iy = tile.y + dy;
    let ix = tile.x + dx;
    let inside = iy >= 0 && iy < i32(params.x_h) && ix >= 0 && ix < i32(params.x_w);
    let at = select(0u, u32(iy) * params.x_w + u32(ix), inside);
    let area = params.x_h * params.x_w;
    let c4s = (params.c + 3u) / 4u;
    var keep = inside && tile.c < params.c;
    if MASK_IN == 1u {
        let pixel = tile.n * area + at;
        let word = mask_in[(tile.octets + pixel / 8u) * c4s + tile.c / 4u];
        keep = keep && ((word >> (4u * (pixel % 8u) + tile.c % 4u)) & 1u) == 1u;
    }
    return select(0.0, x[(tile.image * area + at) * (4u * c4s) + tile.c], keep);
}
