//! Cases of convolutions: shapes at the edges of tiles, and drawn shapes.

mod f16;

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{
            Conv2d, Epilogue,
            twin::{Values, case, case_of},
        },
        plan::Dtype,
        twin::{Case, Random},
    },
    shape::{Nhwc, Window},
};

/// A window whose axes and sides differ in everything.
pub(crate) const UNEVEN: Window =
    Window { kernel: [3, 4], stride: [2, 3], before: [0, 2], after: [1, 3] };

pub(super) fn cases() -> Result<Vec<Case>> {
    let none = Epilogue::default();
    let forward = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let backward = |n, h, w, c, k, kernel, stride, padding| {
        Conv2d::transposed(Nhwc::new(n, h, w, c), k, Window::square(kernel, stride, padding))
    };
    let mut cases = Vec::new();
    for conv in [
        forward(1, 1, 1, 1, 1, 1, 1, 0)?,
        forward(2, 5, 7, 3, 10, 3, 1, 1)?,
        forward(1, 9, 4, 10, 33, 3, 2, 1)?,
        forward(3, 4, 4, 36, 64, 3, 1, 1)?,
        forward(1, 8, 6, 5, 4, 5, 3, 2)?,
        forward(1, 1, 19, 70, 10, 1, 1, 0)?,
        Conv2d::forward(Nhwc::new(2, 6, 7, 3), 5, Window::even([2, 4], 1, 1))?,
        // Axes and sides that differ in everything, forward and transposed.
        Conv2d::forward(Nhwc::new(2, 7, 9, 6), 10, UNEVEN)?,
        Conv2d::forward(Nhwc::new(1, 7, 9, 6), 10, UNEVEN)?.grad_input(),
        Conv2d::transposed(Nhwc::new(2, 4, 5, 6), 34, UNEVEN)?,
        backward(1, 1, 1, 1, 1, 1, 1, 0)?,
        backward(2, 4, 3, 5, 36, 4, 2, 1)?,
        backward(1, 4, 4, 12, 6, 2, 2, 1)?,
        backward(1, 3, 5, 3, 40, 3, 1, 1)?,
        backward(1, 3, 2, 7, 9, 5, 3, 2)?,
        // An even image under stride 2: no window covers the last row and column.
        forward(1, 8, 8, 6, 34, 3, 2, 1)?.grad_input(),
        forward(2, 7, 5, 3, 8, 1, 2, 0)?.grad_input(),
        backward(1, 4, 4, 8, 3, 4, 2, 1)?.grad_input(),
    ] {
        cases.push(case("", conv, none, false)?);
        cases.push(case("", conv, none, true)?);
    }
    let conv = forward(2, 5, 3, 6, 37, 3, 1, 1)?;
    let affine = Epilogue { affine_len: 90, scale: Some(5), shift: Some(48), ..none };
    let full = Epilogue { residual: true, relu: true, mask_out: true, ..affine };
    let capped = Epilogue { ceiling: Some(6.0), ..full };
    for (label, conv, epilogue, exact) in [
        ("affine", conv, affine, false),
        ("bias", conv, Epilogue { scale: None, ..affine }, true),
        ("bias", backward(2, 3, 3, 6, 40, 2, 2, 0)?, Epilogue { scale: None, ..affine }, false),
        ("relu", conv, Epilogue { relu: true, ..none }, false),
        ("relu6", conv, Epilogue { relu: true, ceiling: Some(0.5), ..none }, false),
        ("relu6 all", conv, capped, true),
        ("residual", conv, Epilogue { residual: true, ..none }, false),
        ("all", conv, full, true),
        ("copies", Conv2d { copies: 3, ..conv }, full, true),
        ("relu6 copies", Conv2d { copies: 3, ..conv }, capped, true),
        ("shared", Conv2d { copies: 3, shared_input: true, ..conv }, full, true),
        ("mask", conv.grad_input(), Epilogue { mask_in: true, residual: true, ..none }, true),
        (
            "mask",
            Conv2d { copies: 2, ..conv }.grad_input(),
            Epilogue { mask_in: true, ..none },
            false,
        ),
        (
            "mask plain",
            backward(2, 3, 3, 6, 40, 2, 2, 0)?.grad_input(),
            Epilogue { mask_in: true, ..none },
            true,
        ),
        (
            "sum",
            Conv2d { copies: 3, shared_input: true, ..forward(2, 5, 3, 3, 37, 3, 1, 1)? }
                .grad_input(),
            Epilogue { mask_in: true, ..none },
            true,
        ),
        (
            "sum",
            Conv2d { copies: 2, shared_input: true, ..forward(1, 5, 3, 40, 9, 3, 2, 1)? }
                .grad_input(),
            none,
            true,
        ),
    ] {
        cases.push(case(label, conv, epilogue, exact)?);
    }
    cases.extend(edges_of_tiles()?);
    cases.extend(f16::cases()?);
    for conv in general()? {
        for exact in [false, true] {
            cases.push(case("", conv, none, exact)?);
            cases.push(case("", conv.grad_input(), none, exact)?);
        }
    }
    let grouped = Conv2d::grouped(Nhwc::new(2, 5, 7, 6), 10, Window::square(3, 1, 2), 2, [2; 2])?;
    let copies = Conv2d { copies: 3, ..grouped };
    cases.push(case("all", copies, full, true)?);
    let gated = Epilogue { mask_in: true, ..none };
    cases.push(case("mask", copies.grad_input(), gated, true)?);
    cases.extend(sliding(capped)?);
    cases.extend(narrow(capped)?);
    // A long sum: llvmpipe of Mesa 22 cuts an invocation off after 65,535 turns of all its loops
    // together.
    let up = Nhwc::new(1, 5, 1, 4);
    let long = Conv2d::grouped_transposed(up, 128, Window::square(3, 1, 0), 2, [2; 2])?;
    let long = Conv2d { copies: 17, shared_input: true, ..long };
    cases.push(case("long sum", long.grad_input(), none, true)?);
    Ok(cases)
}

/// Extents one below and one above those of tiles (32, 64 or 128 pixels, 64 channels, 16 channels a
/// step, 64 in a partial sum), odd primes, and many copies of a matrix product.
fn edges_of_tiles() -> Result<Vec<Case>> {
    let none = Epilogue::default();
    let product =
        |pixels, c, k| Conv2d::forward(Nhwc::new(1, 1, pixels, c), k, Window::square(1, 1, 0));
    let mut cases = Vec::new();
    for (pixels, c, k) in [
        (31, 15, 63),
        (32, 16, 64),
        (33, 17, 65),
        (63, 63, 64),
        (64, 64, 65),
        (65, 65, 63),
        (127, 67, 31),
        (128, 5, 128),
        (129, 12, 33),
        (257, 130, 9),
    ] {
        cases.push(case("edge", product(pixels, c, k)?, none, true)?);
    }
    let conv = Conv2d::forward(Nhwc::new(3, 7, 13, 19), 67, Window::square(3, 1, 1))?;
    let full = Epilogue { relu: true, mask_out: true, residual: true, ..none };
    for (label, conv, epilogue) in [
        ("edge", conv, full),
        ("edge", conv.grad_input(), Epilogue { mask_in: true, ..none }),
        ("edge", Conv2d { copies: 2, shared_input: true, ..conv }.grad_input(), none),
        (
            "edge",
            Conv2d::transposed(Nhwc::new(3, 5, 7, 37), 71, Window::square(4, 2, 1))?,
            Epilogue { residual: true, ..none },
        ),
        ("copies", Conv2d { copies: 17, ..product(67, 12, 68)? }, none),
        ("copies", Conv2d { copies: 32, ..product(9, 36, 20)? }, none),
    ] {
        cases.push(case(label, conv, epilogue, true)?);
        cases.push(case(label, conv, Epilogue { mask_out: false, ..epilogue }, false)?);
    }
    Ok(cases)
}

/// Groups and dilation, alone and together: groups that end inside a vec4, groups of one channel,
/// several outputs per input, a stride that shares a factor with the dilation and one that does not, and axes
/// that differ in everything.
pub(crate) fn general() -> Result<Vec<Conv2d>> {
    let x = Nhwc::new(2, 9, 8, 6);
    let up = Nhwc::new(2, 4, 3, 10);
    let window = Window::square;
    let uneven = |kernel, stride, before, after| Window { kernel, stride, before, after };
    Ok(vec![
        Conv2d::grouped(x, 9, window(3, 1, 1), 3, [1; 2])?,
        Conv2d::grouped(x, 6, window(3, 2, 1), 6, [1; 2])?,
        Conv2d::grouped(x, 12, window(3, 1, 2), 6, [2; 2])?,
        Conv2d::grouped(x, 5, window(3, 2, 2), 1, [2; 2])?,
        Conv2d::grouped(x, 4, Window::even([2, 4], 2, 1), 2, [2; 2])?,
        Conv2d::grouped(Nhwc::new(1, 11, 10, 43), 43, window(3, 3, 1), 43, [2; 2])?,
        Conv2d::grouped_transposed(up, 6, window(4, 2, 1), 2, [1; 2])?,
        Conv2d::grouped_transposed(up, 7, window(3, 2, 1), 1, [2; 2])?,
        Conv2d::grouped_transposed(up, 15, window(3, 3, 2), 5, [2; 2])?,
        Conv2d::grouped(x, 12, uneven([3, 2], [2, 1], [0, 2], [3, 1]), 6, [1, 3])?,
        Conv2d::grouped_transposed(up, 10, uneven([2, 3], [3, 2], [1, 0], [0, 2]), 10, [2, 1])?,
    ])
}

/// Channels convolved by themselves with 3x3 taps: images of whole and of broken strips, with everything
/// fused, and their gradients. Of a recorded mask the columns must be whole octets.
fn sliding(full: Epilogue) -> Result<Vec<Case>> {
    let none = Epilogue::default();
    let depthwise = |[n, h, w, c]: [u32; 4], before, after| {
        let window = Window { kernel: [3; 2], stride: [1; 2], before, after };
        Conv2d::grouped(Nhwc::new(n, h, w, c), c, window, c, [1; 2])
    };
    let whole = depthwise([3, 9, 16, 6], [1; 2], [1; 2])?;
    let broken = depthwise([2, 17, 13, 7], [0, 2], [3, 1])?;
    let copies = |conv| Conv2d { copies: 3, ..conv };
    let shared = Conv2d { shared_input: true, ..copies(whole) };
    let gated = Epilogue { mask_in: true, residual: true, ..none };
    let mut cases = Vec::new();
    for (label, conv, epilogue) in [
        ("all", whole, full),
        ("all", copies(whole), full),
        ("all", shared, full),
        ("all", copies(broken), Epilogue { mask_out: false, ..full }),
        ("mask", whole.grad_input(), gated),
        ("mask", copies(broken).grad_input(), gated),
        ("sum", shared.grad_input(), gated),
        ("", depthwise([1, 1, 1, 3], [1; 2], [1; 2])?, none),
        ("", depthwise([1, 3, 3, 9], [0; 2], [0; 2])?, none),
        ("", depthwise([1, 2, 3, 4], [3, 4], [2, 1])?.grad_input(), none),
        ("", depthwise([2, 8, 8, 36], [1; 2], [1; 2])?, none),
    ] {
        cases.push(case(label, conv, epilogue, true)?);
        cases.push(case(label, conv, Epilogue { mask_out: false, ..epilogue }, false)?);
    }
    Ok(cases)
}

/// Few channels: rows of whole and of broken octets, three taps in a row and other numbers, several blocks of output
/// channels, classes of transposed pixels, with everything fused, and their gradients.
fn narrow(full: Epilogue) -> Result<Vec<Case>> {
    let none = Epilogue::default();
    let of = |[n, h, w, c]: [u32; 4], k, window| Conv2d::forward(Nhwc::new(n, h, w, c), k, window);
    let uneven = Window { kernel: [2, 3], stride: [1; 2], before: [0, 2], after: [1, 0] };
    let three = of([3, 5, 16, 6], 11, Window::square(3, 1, 1))?;
    let broken = of([2, 9, 13, 3], 8, uneven)?;
    let copies = |conv| Conv2d { copies: 3, ..conv };
    let shared = Conv2d { shared_input: true, ..copies(three) };
    let gated = Epilogue { mask_in: true, residual: true, ..none };
    let up = Conv2d::transposed(Nhwc::new(2, 5, 7, 9), 7, Window::square(4, 2, 1))?;
    let mut cases = Vec::new();
    for (label, conv, epilogue) in [
        ("all", three, full),
        ("all", copies(three), full),
        ("all", shared, full),
        ("all", copies(broken), Epilogue { mask_out: false, ..full }),
        ("all", of([2, 4, 8, 5], 4, Window::square(1, 1, 0))?, full),
        ("all", up, Epilogue { mask_out: false, ..full }),
        ("mask", copies(three).grad_input(), gated),
        ("mask", copies(broken).grad_input(), gated),
        ("sum", shared.grad_input(), gated),
        ("", of([1, 6, 24, 64], 3, Window::square(5, 1, 2))?, none),
        ("", of([9, 3, 3, 5], 20, Window::square(3, 1, 1))?, none),
    ] {
        cases.push(case(label, conv, epilogue, true)?);
        cases.push(case(label, conv, Epilogue { mask_out: false, ..epilogue }, false)?);
    }
    Ok(cases)
}

/// Approximate number of products in a drawn case: the twin computes them in milliseconds.
const PRODUCTS: u32 = 1_500_000;
/// Offsets and length of the channel scales and shifts, for up to [`CHANNELS`] channels.
const AFFINE: (u32, u32, u32) = (5, 5 + CHANNELS + 3, 2 * CHANNELS + 20);
/// Most channels of input and output in a drawn case: more than two tiles.
const CHANNELS: u32 = 140;

/// Draws a convolution or transposed convolution, sometimes with groups or dilation, with numbers of
/// channels and pixels near the edges of tiles.
pub(crate) fn draw(random: &mut Random) -> Result<Conv2d> {
    let transposed = random.below(3) == 0;
    let general = random.below(6) == 0;
    let (groups, dilation) = if general {
        random.of(&[(2, [1; 2]), (3, [1; 2]), (1, [2; 2]), (2, [2; 2]), (1, [1, 3])])
    } else {
        (1, [1; 2])
    };
    let depthwise = general && random.below(3) == 0;
    let [c, k] = [(), ()].map(|()| random.length(CHANNELS / groups) * groups);
    let (groups, k) = if depthwise { (c, c) } else { (groups, k) };
    let copies = random.of(&[1, 1, 1, 2, 3, 9, 17]);
    let mut window = random.window(8, 8);
    if depthwise {
        (window.kernel, window.stride) = ([3; 2], [1; 2]);
    }
    let [r, s] = window.kernel;
    // In a transposed convolution the padding is cut off the output.
    let cut = |padding: [u32; 2]| [0, 1].map(|i| padding[i].min((window.kernel[i] - 1) / 2));
    let window = if transposed {
        Window { before: cut(window.before), after: cut(window.after), ..window }
    } else {
        window
    };
    let pixels = (PRODUCTS / copies / (c / groups * k * r * s)).max(1);
    let least = |i: usize| if transposed { 1 } else { (window.kernel[i] - 1) * dilation[i] + 1 };
    let h = random.length(pixels.min(40)).max(least(0));
    let w = random.length((pixels / h).clamp(1, 260)).max(least(1));
    let x = Nhwc::new(random.length((pixels / (h * w)).clamp(1, 33)), h, w, c);
    let conv = match (general, transposed) {
        (false, false) => Conv2d::forward(x, k, window)?,
        (false, true) => Conv2d::transposed(x, k, window)?,
        (true, false) => Conv2d::grouped(x, k, window, groups, dilation)?,
        (true, true) => Conv2d::grouped_transposed(x, k, window, groups, dilation)?,
    };
    let half = !general && random.below(3) == 0;
    let dtype = if half { Dtype::F16 } else { Dtype::F32 };
    Ok(Conv2d { dtype, copies, ..conv })
}

pub(super) fn random(random: &mut Random) -> Result<Case> {
    let mut conv = draw(random)?;
    conv.shared_input = conv.copies > 1 && random.below(3) == 0;
    let gradient = random.flag();
    if gradient {
        conv = conv.grad_input();
    }
    let none = Epilogue::default();
    let (scale, shift, affine_len) = AFFINE;
    let affine = Epilogue { affine_len, scale: Some(scale), shift: Some(shift), ..none };
    let record = Epilogue { mask_out: !conv.transposed, relu: true, ..none };
    let epilogue = if gradient {
        random.of(&[
            none,
            Epilogue { mask_in: true, ..none },
            Epilogue { mask_in: true, residual: true, ..none },
        ])
    } else {
        random.of(&[
            none,
            affine,
            Epilogue { scale: None, ..affine },
            record,
            Epilogue { residual: true, mask_out: record.mask_out, relu: true, ..affine },
            Epilogue { ceiling: Some(2.0), ..record },
        ])
    };
    let kind = random.of(&[Values::Floats, Values::Integers]);
    // Rounding may move a float sum near 0 across 0 and flip its bit of the mask.
    let mask_out = epilogue.mask_out && kind == Values::Integers;
    case_of("", conv, Epilogue { mask_out, ..epilogue }, kind, random)
}
