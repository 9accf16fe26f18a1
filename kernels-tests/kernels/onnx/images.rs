//! Pooling, batch norm, nearest enlargement.
use super::{
    call::Call,
    engine::{Binding, Engine, floats_of, unpadded},
    tensor::{Outcome, Tensor},
    window::{Sliding, plane},
};
use nf_gpu::{
    kernels::{
        elementwise::activation::Activation,
        layout::{
            gather2d::{self, Gather},
            upsample_nearest,
        },
        norm::{apply, statistics},
        pool::{avg_pool, max_pool, window::Divisor},
    },
    shape::{Nhwc, Window, pad_channels},
};

/// The window of a pool that covers the whole image.
fn global(x: &Tensor) -> Outcome<Window> {
    let [h, w] = plane(x)?;
    Ok(Window::even([h as u32, w as u32], 1, 0))
}

/// The window of a pool, which has no dilation.
fn undilated(sliding: &Sliding) -> Outcome<Window> {
    if sliding.dilation() != [1; 2] {
        return Err("pooling with dilation".into());
    }
    Ok(sliding.window())
}

pub(super) fn average_pool(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    let sliding = Sliding::of(call, x, &[])?;
    let window = undilated(&sliding)?;
    let divisor = sliding.divisor(call.int("count_include_pad", 0) == 1);
    let (shape, values) = x.images()?;
    let pooled = avg_pool::output(shape, window).unwrap();
    pool(engine, (shape, &values), (window, divisor), x, pooled)
}

pub(super) fn global_average_pool(
    engine: &mut Engine<'_>,
    call: &Call<'_>,
) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    let (window, (shape, values)) = (global(x)?, x.images()?);
    let pooled = avg_pool::output(shape, window).unwrap();
    pool(engine, (shape, &values), (window, Divisor::Window), x, pooled)
}

fn pool(
    engine: &mut Engine<'_>,
    (shape, values): (Nhwc, &[f32]),
    (window, divisor): (Window, Divisor),
    x: &Tensor,
    pooled: Nhwc,
) -> Outcome<Vec<Tensor>> {
    let plan = avg_pool::plan(shape, window, divisor).unwrap();
    let y = engine.images(plan, vec![Binding::images(values, shape.c), Binding::Out], pooled);
    Ok(vec![Tensor::of_images(pooled, y, &pooled_dims(x, pooled))])
}

fn pooled_dims(x: &Tensor, pooled: Nhwc) -> Vec<usize> {
    let plane = [pooled.h as usize, pooled.w as usize];
    [&x.dims[..2], &plane[4 - x.dims.len()..]].concat()
}

pub(super) fn global_max_pool(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    let (window, (shape, values)) = (global(x)?, x.images()?);
    let pooled = max_pool::output(shape, window).unwrap();
    let (y, _) = maxima(engine, shape, &values, window);
    Ok(vec![Tensor::of_images(pooled, y, &pooled_dims(x, pooled))])
}

/// Maxima, and the words that hold the tap of each.
pub(crate) fn maxima(
    engine: &mut Engine<'_>,
    x: Nhwc,
    values: &[f32],
    window: Window,
) -> (Vec<f32>, Vec<u32>) {
    let y = max_pool::output(x, window).unwrap();
    let bindings = vec![Binding::images(values, x.c), Binding::Out, Binding::Out];
    let mut words = engine.words(max_pool::plan(x, window).unwrap(), bindings);
    (unpadded(&floats_of(&words[0]), y.c, "max_pool"), words.swap_remove(1))
}

pub(super) fn max_pool(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    let sliding = Sliding::of(call, x, &[])?;
    let [rows, columns] = sliding.kernel;
    if rows * columns > 256 {
        return Err("a window of more than 256 taps".into());
    }
    let window = undilated(&sliding)?;
    let (shape, values) = x.images()?;
    let pooled = max_pool::output(shape, window).unwrap();
    let (y, words) = maxima(engine, shape, &values, window);
    let taps: Vec<f32> = words.iter().flat_map(|w| w.to_le_bytes().map(f32::from)).collect();
    let taps: Vec<usize> =
        unpadded(&taps, pooled.c, "taps").iter().map(|&tap| tap as usize).collect();
    // Positions in the original image: `[N, C, H, W]`, or columns first.
    let [h, w] = plane(x)?;
    let by_columns = call.int("storage_order", 0) == 1;
    let (c, ow, oh) = (pooled.c as usize, pooled.w as usize, pooled.h as usize);
    let place = |i: usize| {
        let (pixel, channel) = (i / c, i % c);
        let (n, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
        let row = oy * sliding.strides[0] + taps[i] / columns - sliding.begin[0];
        let column = ox * sliding.strides[1] + taps[i] % columns - sliding.begin[1];
        let at = if by_columns { column * h + row } else { row * w + column };
        ((n * c + channel) * h * w + at) as i64
    };
    let places: Vec<i64> = (0..taps.len()).map(place).collect();
    let dims = pooled_dims(x, pooled);
    let indices = Tensor::ints(&[pooled.n as usize, oh, ow, c], 7, places)
        .transposed(&[0, 3, 1, 2])
        .reshaped(&dims);
    Ok(vec![Tensor::of_images(pooled, y, &dims), indices])
}

/// The gradient of max pooling puts values at the positions of the maxima.
pub(super) fn max_unpool(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (x, indices) = (call.input(0), call.input(1));
    let sliding = Sliding::of(call, x, &[])?;
    let (small, values) = x.images()?;
    let window = Window { before: [0; 2], after: [0; 2], ..sliding.window() };
    let [h, w] = window.transposed_output(small.h, small.w).unwrap();
    let dims = match call.optional(2) {
        Some(shape) => shape.i64s()?.iter().map(|&d| d as usize).collect(),
        None => vec![x.dims[0], x.dims[1], h as usize, w as usize],
    };
    let large = Nhwc { h: dims[2] as u32, w: dims[3] as u32, ..small };
    // Positions count within the smallest image that the windows cover.
    let taps: Vec<f32> = indices
        .transposed(&[0, 2, 3, 1])
        .i64s()?
        .iter()
        .map(|&at| {
            let (row, column) = (at as u32 % (h * w) / w, at as u32 % w);
            (row % window.stride[0] * window.kernel[1] + column % window.stride[1]) as f32
        })
        .collect();
    let padded: Vec<u8> = pad_channels(&taps, small.c, 0.0).iter().map(|&t| t as u8).collect();
    let bindings = vec![
        Binding::images(&values, small.c),
        Binding::Words(
            padded.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect(),
        ),
        Binding::Out,
    ];
    let y = engine.images(max_pool::plan_grad(large, window).unwrap(), bindings, large);
    Ok(vec![Tensor::of_images(large, y, &dims)])
}

pub(super) fn batch_normalization(
    engine: &mut Engine<'_>,
    call: &Call<'_>,
) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    let (shape, values) = x.images()?;
    let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(|i| call.input(i).f32s());
    let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
    let eps = call.float("epsilon", 1e-5);
    let parameters = [gamma, beta].concat();
    let (c, len) = (shape.c, parameters.len() as u32);
    let act = Activation::None;
    let channels = |vectors: [&[f32]; 2]| Binding::images(&vectors.concat(), c);
    if call.int("training_mode", 0) == 0 {
        let plan = apply::plan_running(shape, act, 0, c, len, eps).unwrap();
        let running = channels([mean, variance]);
        let bindings =
            vec![Binding::images(&values, c), running, Binding::floats(&parameters), Binding::Out];
        let y = engine.images(plan, bindings, shape);
        return Ok(vec![Tensor::of_images(shape, y, &x.dims)]);
    }
    let bindings = vec![Binding::images(&values, c), Binding::Out];
    let partial = engine.floats(statistics::plan_stats(shape).unwrap(), bindings);
    let keep = call.float("momentum", 0.9);
    let plan = statistics::plan_finish(shape, shape, eps, 1.0 - keep).unwrap();
    let before = pad_channels(&[mean, variance].concat(), c, 0.0);
    let bindings = vec![Binding::floats(&partial), Binding::floats(&before), Binding::Out];
    let words = engine.words(plan, bindings);
    let stats = Binding::Words(words[1].clone());
    let plan = apply::plan(shape, act, 0, c, len).unwrap();
    let bindings =
        vec![Binding::images(&values, c), stats, Binding::floats(&parameters), Binding::Out];
    let y = engine.images(plan, bindings, shape);
    let running = unpadded(&floats_of(&words[0]), c, "running statistics");
    let (running_mean, running_variance) = running.split_at(c as usize);
    // Our running variance follows PyTorch: it uses the batch's unbiased variance, ONNX the biased
    // one.
    let n = shape.pixels() as f32;
    let biased = running_variance.iter().zip(variance);
    let biased = biased.map(|(new, old)| keep * old + (new - keep * old) * (n - 1.0) / n).collect();
    let vector = |values: Vec<f32>| Tensor::floats(&[c as usize], values);
    Ok(vec![Tensor::of_images(shape, y, &x.dims), vector(running_mean.to_vec()), vector(biased)])
}

/// Repeats every column `factor` times, for images of one row: all other rows of the result are
/// dropped.
fn widened(engine: &mut Engine<'_>, x: Nhwc, values: &[f32], factor: u32) -> Vec<f32> {
    let tall = upsample_nearest::output(x, factor).unwrap();
    let plan = upsample_nearest::plan(x, factor).unwrap();
    let both = engine.images(plan, vec![Binding::images(values, x.c), Binding::Out], tall);
    let wide = Nhwc { h: 1, ..tall };
    let plan = gather2d::plan(tall, wide, Gather::channels(0)).unwrap();
    engine.images(plan, vec![Binding::images(&both, x.c), Binding::Out], wide)
}

/// Resize and Upsample; `to` holds the output's extents.
fn enlarged(engine: &mut Engine<'_>, x: &Tensor, to: &[usize]) -> Outcome<Vec<Tensor>> {
    let whole = x.dims.iter().zip(to).all(|(&from, &to)| to % from == 0);
    let [1, 1, rows, columns] = [0, 1, 2, 3].map(|i| to[i] / x.dims[i]) else {
        return Err("more than rows and columns resized".into());
    };
    if !whole || rows * columns == 0 {
        return Err("no enlargement by whole numbers".into());
    }
    let (shape, values) = x.images()?;
    if rows == columns {
        let y = upsample_nearest::output(shape, rows as u32).unwrap();
        let plan = upsample_nearest::plan(shape, rows as u32).unwrap();
        let got = engine.images(plan, vec![Binding::images(&values, shape.c), Binding::Out], y);
        return Ok(vec![Tensor::of_images(y, got, to)]);
    }
    // Enlarges one axis after the other: rows of pixels, then columns of rows.
    let line = Nhwc { n: shape.n * shape.h, h: 1, ..shape };
    let wide = widened(engine, line, &values, columns as u32);
    let width = shape.w * columns as u32;
    let lines = Nhwc { n: shape.n, h: 1, w: shape.h, c: width * shape.c };
    let got = widened(engine, lines, &wide, rows as u32);
    let y = Nhwc { h: shape.h * rows as u32, w: width, ..shape };
    Ok(vec![Tensor::of_images(y, got, to)])
}

pub(super) fn resize(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    if call.text("mode", "nearest") != "nearest" {
        return Err("no nearest neighbour".into());
    }
    let (mode, place) =
        (call.text("nearest_mode", "round_prefer_floor"), "coordinate_transformation_mode");
    let usual = mode == "round_prefer_floor" && call.text(place, "half_pixel") == "half_pixel";
    if call.node.op == "Resize" && !usual {
        return Err("other neighbours".into());
    }
    let axes = call.ints("axes").unwrap_or((0..x.dims.len()).collect());
    let mut to = x.dims.clone();
    let upsample = call.node.op == "Upsample";
    let scales = if upsample { call.optional(1) } else { call.optional(2) };
    if let Some(scales) = scales.filter(|scales| scales.len() > 0) {
        for (&axis, scale) in axes.iter().zip(scales.f32s()?) {
            to[axis] = (x.dims[axis] as f32 * scale).floor() as usize;
            if scale.fract() != 0.0 {
                return Err("no enlargement by whole numbers".into());
            }
        }
    } else {
        let sizes = call.input(3).i64s()?;
        let ratios: Vec<f32> =
            axes.iter().zip(sizes).map(|(&a, &s)| s as f32 / x.dims[a] as f32).collect();
        let fold = |f: fn(f32, f32) -> f32| ratios.iter().copied().reduce(f).unwrap();
        let policy = call.text("keep_aspect_ratio_policy", "stretch");
        for (i, &axis) in axes.iter().enumerate() {
            to[axis] = match policy.as_str() {
                "not_larger" => (fold(f32::min) * x.dims[axis] as f32).round() as usize,
                "not_smaller" => (fold(f32::max) * x.dims[axis] as f32).round() as usize,
                _ => sizes[i] as usize,
            };
        }
    }
    enlarged(engine, x, &to)
}
