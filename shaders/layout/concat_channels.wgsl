// Concatenation of two images along their channels (for the skip connections of a UNet).
//
//   y[p, c] = a[p, c]         for c < A,   p any pixel of the batch
//   y[p, c] = b[p, c - A]     for A <= c < A + B
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/layout/concat_channels.rs
// Source:  torch.cat(dim=1).

struct ConcatChannelsParams {
    vec4s: u32, // of y
    a_c: u32,   // channels A, without padding
    b_c: u32,   // channels B, without padding
}

@group(0) @binding(0) var<uniform> params: ConcatChannelsParams;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;       // [N, H, W, A]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;       // [N, H, W, B]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [N, H, W, A + B]

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let y_c = params.a_c + params.b_c;
    let c4s = (y_c + 3u) / 4u;
    let a_c4s = (params.a_c + 3u) / 4u;
    let b_c4s = (params.b_c + 3u) / 4u;
    let pixel = i / c4s;
    let c4 = i % c4s;
    var v = vec4<f32>(0.0);
    if 4u * c4 + 3u < params.a_c {
        v = a[pixel * a_c4s + c4];
    } else if params.a_c % 4u == 0u {
        v = b[pixel * b_c4s + c4 - a_c4s];
    } else {
        // The groups of y straddle those of b.
        for (var j = 0u; j < 4u; j++) {
            let c = 4u * c4 + j;
            if c < params.a_c {
                v[j] = a[pixel * a_c4s + c4][j];
            } else if c < y_c {
                let b_channel = c - params.a_c;
                v[j] = b[pixel * b_c4s + b_channel / 4u][b_channel % 4u];
            }
        }
    }
    y[i] = mask_lanes(v, c4, y_c);
}
