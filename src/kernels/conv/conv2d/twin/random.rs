//! Drawn convolutions.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{
            Conv2d, Fusion,
            twin::{Values, case_of},
        },
        plan::Operands,
        twin::{Case, Random},
    },
    shape::{Nhwc, Window},
};

/// Products of a case, about: the twin takes milliseconds for them.
const PRODUCTS: u32 = 1_500_000;
/// Offsets and length of the channel scales and shifts, for up to [`CHANNELS`] channels.
const AFFINE: (u32, u32, u32) = (5, 5 + CHANNELS + 3, 2 * CHANNELS + 20);
/// Of input and output: past two tiles.
const CHANNELS: u32 = 140;

/// A convolution or a transposed one, in groups or with taps apart now and then, with channels and
/// pixels where tiles begin and end.
///
/// # Errors
/// The window does not fit.
pub(crate) fn draw(random: &mut Random) -> Result<Conv2d> {
    let transposed = random.below(3) == 0;
    let general = random.below(6) == 0;
    let (groups, dilation) =
        if general { random.of(&[(2, 1), (3, 1), (1, 2), (2, 2)]) } else { (1, 1) };
    let [c, k] = [(), ()].map(|()| random.length(CHANNELS / groups) * groups);
    let copies = random.of(&[1, 1, 1, 2, 3, 9, 17]);
    let window = random.window(8, 8);
    let [r, s] = window.kernel;
    let reach = |taps: u32| (taps - 1) * dilation + 1;
    // A transposed one loses its padding.
    let padding = window.padding.min((r.min(s) - 1) / 2);
    let window = if transposed { Window { padding, ..window } } else { window };
    let pixels = (PRODUCTS / copies / (c / groups * k * r * s)).max(1);
    let least = |taps: u32| if transposed { 1 } else { reach(taps) };
    let h = random.length(pixels.min(40)).max(least(r));
    let w = random.length((pixels / h).clamp(1, 260)).max(least(s));
    let x = Nhwc::new(random.length((pixels / (h * w)).clamp(1, 33)), h, w, c);
    let conv = match (general, transposed) {
        (false, false) => Conv2d::forward(x, k, window)?,
        (false, true) => Conv2d::transposed(x, k, window)?,
        (true, false) => Conv2d::grouped(x, k, window, groups, dilation)?,
        (true, true) => Conv2d::grouped_transposed(x, k, window, groups, dilation)?,
    };
    let half = !general && random.below(3) == 0;
    let operands = if half { Operands::F16 } else { Operands::F32 };
    Ok(Conv2d { operands, copies, ..conv })
}

/// A case of a random shape.
///
/// # Errors
/// A plan was refused.
pub fn random(random: &mut Random) -> Result<Case> {
    let mut conv = draw(random)?;
    conv.shared_input = conv.copies > 1 && random.below(3) == 0;
    let gradient = random.flag();
    if gradient {
        conv = conv.grad_input();
    }
    let none = Fusion::default();
    let (scale, shift, affine_len) = AFFINE;
    let affine = Fusion { affine_len, scale: Some(scale), shift: Some(shift), ..none };
    let record = Fusion { mask_out: !conv.transposed, relu: true, ..none };
    let fusion = if gradient {
        random.of(&[
            none,
            Fusion { mask_in: true, ..none },
            Fusion { mask_in: true, residual: true, ..none },
        ])
    } else {
        random.of(&[
            none,
            affine,
            Fusion { scale: None, ..affine },
            record,
            Fusion { residual: true, mask_out: record.mask_out, relu: true, ..affine },
        ])
    };
    let kind = random.of(&[Values::Floats, Values::Integers]);
    // A float sum near 0 may be rounded to either side of it, and with it the mask's bit.
    let mask_out = fusion.mask_out && kind == Values::Integers;
    case_of("", conv, Fusion { mask_out, ..fusion }, kind, random)
}
