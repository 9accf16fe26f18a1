// Zero padding, cropping, subsampling, channel slices, and the gradients of all of these.
//
//   y[n, i, j, c] = x[n, (i mul + offset) / div, (j mul + offset) / div, c + channel_offset]
//                   where both quotients are whole and every index lies inside x, else 0
//
// Grid:    one invocation per group of four channels of y.
// Twin:    src/kernels/layout/gather2d.rs
// Source:  torch.nn.functional.pad, x[:, :, ::s, ::s], x[:, a:b]; gradients in closed form.

struct Gather2dParams {
    vec4s: u32, // of y
    x_h: u32,
    x_w: u32,
    x_c: u32,   // channels of x, without padding
    y_h: u32,
    y_w: u32,
    y_c: u32,   // channels of y, without padding
    mul: u32,
    div: u32,
    offset: i32,
    channel_offset: i32,
}

@group(0) @binding(0) var<uniform> params: Gather2dParams;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [N, XH, XW, XC]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // [N, YH, YW, YC]

fn items() -> u32 {
    return params.vec4s;
}

fn each(i: u32) {
    let to = place(i, params.y_h, params.y_w, (params.y_c + 3u) / 4u);
    let row = i32(to.row * params.mul) + params.offset;
    let column = i32(to.column * params.mul) + params.offset;
    var v = vec4<f32>(0.0);
    if row >= 0 && column >= 0 && u32(row) % params.div == 0u && u32(column) % params.div == 0u {
        let from_row = u32(row) / params.div;
        let from_column = u32(column) / params.div;
        if from_row < params.x_h && from_column < params.x_w {
            let pixel = (to.n * params.x_h + from_row) * params.x_w + from_column;
            v = channels(pixel * ((params.x_c + 3u) / 4u), i32(4u * to.c4) + params.channel_offset);
        }
    }
    y[i] = mask_lanes(v, to.c4, params.y_c);
}

// Four channels from `first` of the pixel whose elements start at `start`; 0 outside x.
fn channels(start: u32, first: i32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    if first % 4 == 0 {
        if first >= 0 && u32(first) < params.x_c {
            v = mask_lanes(x[start + u32(first) / 4u], u32(first) / 4u, params.x_c);
        }
        return v;
    }
    for (var j = 0; j < 4; j++) {
        let c = first + j;
        if c >= 0 && u32(c) < params.x_c {
            v[j] = x[start + u32(c) / 4u][u32(c) % 4u];
        }
    }
    return v;
}
