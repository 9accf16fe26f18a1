// A batch of images from stored bytes: scaled about the middle and moved, cropped from its
// zero-padded form, flipped, to [-1, 1].
//
//   y[i, r, c] = 2 u / 255 - 1     u = moved[r + dy, (flip ? W - 1 - c : c) + dx], 0 outside
//   moved[r, c] = image[from(r, H, ty), from(c, W, tx)]
//   from(a, size, t) = floor((a + 1/2 - size/2 - t) / s + size/2)
//
// A pick has four words: the index in the set; dy + 128 | (dx + 128) << 8 | flip << 16; the 16-bit
// ty and tx << 16; and 2^16 / s. They are whole numbers, so that every adapter takes the same
// pixels. `pixels` is a shard of the set, images `first` to `first + count`. Slots with an image of
// another shard are not changed, so that one dispatch per shard fills a batch.
//
// Grid:    one invocation per group of four channels of a pixel of the batch.
// Twin:    src/kernels/images/mod.rs
// Source:  torchvision: RandomAffine (nearest), RandomCrop (padding), RandomHorizontalFlip,
//          ToTensor, Normalize(.5, .5)

struct ImageBatchParams {
    n: u32, // images in the batch
    h: u32,
    w: u32,
    c: u32,
    first: u32, // first image of the shard
    count: u32, // images in the shard
}

@group(0) @binding(0) var<uniform> params: ImageBatchParams;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;        // [count, C, H, W] of u8
@group(0) @binding(2) var<storage, read> picks: array<vec4<u32>>;   // [N]: image, shift, move, 1/s
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, C]

fn byte_at(i: u32) -> f32 {
    return f32(extractBits(pixels[i / 4u], 8u * (i % 4u), 8u));
}

// Row or column of the image that is moved to `at`; a number past the last one if it is outside.
fn unmoved(at: u32, size: u32, by: i32, inverse: u32) -> u32 {
    if at >= size {
        return size;
    }
    let doubled = 2 * i32(at) + 1 - i32(size) - 2 * by; // from the middle, in half pixels
    return u32((doubled * i32(inverse) + i32(size << 16u)) >> 17u); // wraps where it is negative
}

fn items() -> u32 {
    return params.n * params.h * params.w * ((params.c + 3u) / 4u);
}

fn each(i: u32) {
    let c4s = (params.c + 3u) / 4u;
    let pixel = i / c4s;
    let c4 = i % c4s;
    let plane = params.h * params.w;
    let pick = picks[pixel / plane];
    let image = pick.x - params.first; // wraps to a large number before the shard
    if image >= params.count {
        return;
    }
    let row = pixel % plane / params.w;
    let column = pixel % params.w;
    let flipped = select(column, params.w - 1u - column, extractBits(pick.y, 16u, 1u) == 1u);
    // Rows and columns before the first wrap to large numbers, which are past the last one.
    let moved_row = row + extractBits(pick.y, 0u, 8u) - 128u;
    let moved_column = flipped + extractBits(pick.y, 8u, 8u) - 128u;
    let down = extractBits(bitcast<i32>(pick.z), 0u, 16u);
    let right = extractBits(bitcast<i32>(pick.z), 16u, 16u);
    let source_row = unmoved(moved_row, params.h, down, pick.w);
    let source_column = unmoved(moved_column, params.w, right, pick.w);
    var u = vec4<f32>(0.0);
    if source_row < params.h && source_column < params.w {
        let at = (params.c * image + 4u * c4) * plane + source_row * params.w + source_column;
        for (var j = 0u; j < min(params.c - 4u * c4, 4u); j++) {
            u[j] = byte_at(at + j * plane);
        }
    }
    y[i] = mask_lanes(2.0 * (u / 255.0) - 1.0, c4, params.c);
}
