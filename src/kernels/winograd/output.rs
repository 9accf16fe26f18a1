//! Winograd's output transforms and the convolution's epilogue, `shaders/winograd/winograd*_output.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        conv::conv2d::{
            Conv2d, Epilogue,
            twin::{below_ceiling, mask_axes, mask_of, rectified},
        },
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::scaled, suite},
        winograd::{
            Form, Tiles,
            input::{convolutions, draw},
        },
    },
};

crate::params! {
    /// Uniform block of `shaders/lib/winograd_output.wgsl`.
    pub struct WinogradOutputParams {
        /// Images of one copy.
        images: u32,
        /// Output rows.
        y_h: u32,
        /// Output columns.
        y_w: u32,
        /// Channels of y, without padding.
        k: u32,
        /// Number of copies.
        copies: u32,
        /// Index of the first image to write.
        first: u32,
        /// Number of images to write.
        count: u32,
        /// Offset of the first channel's scale in `affine`.
        scale_offset: u32,
        /// Offset of the first channel's shift in `affine`.
        shift_offset: u32,
    }
}

crate::kernel! {
    KERNEL: "winograd" / "winograd_output", WinogradOutputParams,
    lib: ["lib/grid", "lib/lanes", "lib/special", "lib/winograd_output", "lib/epilogue"],
    bindings: [
        ("m", Read),
        ("affine", Read),
        ("residual", Read),
        ("y", ReadWrite),
        ("mask_out", ReadWrite),
    ],
}

crate::kernel! {
    KERNEL4: "winograd" / "winograd4_output", WinogradOutputParams,
    lib: ["lib/grid", "lib/special", "lib/winograd4", "lib/winograd_output", "lib/epilogue_lane"],
    bindings: [
        ("m", Read),
        ("affine", Read),
        ("residual", Read),
        ("y", ReadWrite),
        ("mask_out", ReadWrite),
    ],
}

/// Writes the output pixels of some images; bindings m, affine, residual, y, `mask_out` (16 bytes where
/// the epilogue leaves them out; its `mask_in` belongs to the input transform).
///
/// # Errors
/// Shapes too large for 32-bit indices, or a recorded mask for a transposed convolution.
pub fn plan(tiles: Tiles, epilogue: Epilogue) -> Result<Plan> {
    let conv = tiles.conv;
    if epilogue.mask_out && conv.transposed {
        return Err(Error::Shape("a transposed convolution records no mask".into()));
    }
    let y = conv.y.checked()?;
    let params = WinogradOutputParams {
        images: y.n,
        y_h: y.h,
        y_w: y.w,
        k: y.c,
        copies: conv.copies,
        first: tiles.first,
        count: tiles.count,
        scale_offset: epilogue.scale.unwrap_or(0),
        shift_offset: epilogue.shift.unwrap_or(0),
    };
    let y_bytes = y.bytes() * u64::from(conv.copies);
    let optional = |wanted: bool, bytes: u64| if wanted { bytes } else { 16 };
    let bytes = vec![
        tiles.values(y.c).checked()?.bytes(),
        optional(epilogue.affine_len > 0, u64::from(epilogue.affine_len) * 4),
        optional(epilogue.residual, y_bytes),
        y_bytes,
        optional(epilogue.mask_out, tiles.masks()[1]),
    ];
    // Number of adjacent tiles of F(4x4, 3x3) that one invocation takes, so that it has whole words of
    // the mask.
    let across = if epilogue.mask_out && y.w != 4 { 2 } else { 1 };
    let fours = u64::from(y.c4()) * u64::from(conv.copies);
    // Operations on one channel: those of the transform, and eight per pixel of the epilogue.
    let (kernel, items, operations) = match tiles.form {
        // Eight pixels of four channels; 12 additions for two pixels.
        Form::F2 => {
            let octets = u64::from((tiles.count * y.h * y.w).div_ceil(8));
            (&KERNEL, octets * fours, octets * (4 * 12 + 8 * 8))
        }
        // Tiles of one channel; 16 operations for each of six columns and four rows.
        Form::F4 => {
            let runs = u64::from(tiles.tiles() / across);
            let operations = u64::from(tiles.tiles()) * (10 * 16 + 16 * 8);
            (&KERNEL4, runs * 4 * fours, operations)
        }
    };
    let flag = |on: bool| f64::from(u8::from(on));
    let mut plan = Plan::new(kernel, &params, DispatchGrid::Items(items), bytes)
        .with("SCALE", flag(epilogue.scale.is_some()))
        .with("SHIFT", flag(epilogue.shift.is_some()))
        .with("RESIDUAL", flag(epilogue.residual))
        .with("MASK_OUT", flag(epilogue.mask_out));
    plan.constants.extend(epilogue.rectifier()?);
    if tiles.form == Form::F4 {
        plan = plan.with("ACROSS", across);
    }
    Ok(plan.costing(4 * fours * operations))
}

/// Winograd's A^T for F(2, 3).
const A_T: [[f64; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, -1.0]];
/// Winograd's A^T for F(4, 3): powers of the points 0, 3/4, -3/4, 3/2 and -3/2; the last column is
/// infinity's.
const A_T4: [[f64; 6]; 4] = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, 0.75, -0.75, 1.5, -1.5, 0.0],
    [0.0, 0.5625, 0.5625, 2.25, 2.25, 0.0],
    [0.0, 0.421875, -0.421875, 3.375, -3.375, 1.0],
];

fn a_t(form: Form, row: u32, column: u32) -> f64 {
    match form {
        Form::F2 => A_T[row as usize][column as usize],
        Form::F4 => A_T4[row as usize][column as usize],
    }
}

/// Sums for the output pixels of the images in `tiles`, `[count, H, W, K]`, from m `[values, tiles, K]`
/// of one copy; and the sums of the terms' absolute values.
pub fn winograd_output(tiles: Tiles, m: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (y, [rows, columns]) = (tiles.conv.y, tiles.grid());
    let (mut values, mut sizes) = (Vec::new(), Vec::new());
    for i in 0..tiles.count * y.h * y.w * y.c {
        let (k, w, h, n) = (i % y.c, i / y.c % y.w, i / (y.c * y.w) % y.h, i / (y.c * y.w * y.h));
        let (form, side, size) = (tiles.form, tiles.form.side(), tiles.form.outputs());
        let tile = (n * rows + h / size) * columns + w / size;
        let terms = (0..form.values()).map(|p| {
            let value = m[((p * tiles.tiles() + tile) * y.c + k) as usize];
            scaled(a_t(form, h % size, p / side) * a_t(form, w % size, p % side), value)
        });
        values.push(terms.clone().sum());
        sizes.push(terms.map(f64::abs).sum());
    }
    (values, sizes)
}

/// Contents of images that a dispatch must not change.
const UNTOUCHED: f64 = 77.0;
/// Words of the mask that a dispatch must not change.
const UNTOUCHED_WORD: u32 = 0x1357_9bdf;

fn case(
    form: Form,
    (conv, first, count): (Conv2d, u32, u32),
    epilogue: Epilogue,
    exact: bool,
    random: &mut Random,
) -> Result<Case> {
    let tiles = Tiles::new(conv, form, first, count)?;
    let k = conv.y.c as usize;
    let of_copy = (conv.y.pixels() * conv.y.c) as usize;
    let mut draw = |len: usize| -> Vec<f64> {
        let values = if exact { random.integers(len, 3) } else { random.floats(len) };
        values.into_iter().map(f64::from).collect()
    };
    let affine = draw(epilogue.affine_len as usize);
    let residual = draw(of_copy * conv.copies as usize);
    let (mut ms, mut values, mut bounds, mut words) = (vec![], vec![], vec![], vec![]);
    for copy in 0..conv.copies as usize {
        let m = draw((form.values() * tiles.tiles()) as usize * k);
        let (sums, sizes) = winograd_output(tiles, &m);
        ms.extend(m);
        let begin = (first * conv.y.h * conv.y.w) as usize * k;
        let (mut of, mut bound) = (vec![UNTOUCHED; of_copy], vec![0.0; of_copy]);
        for (i, (sum, size)) in sums.into_iter().zip(sizes).enumerate() {
            let at =
                |offset: Option<u32>, or: f64| offset.map_or(or, |o| affine[o as usize + i % k]);
            let (scale, shift) = (at(epilogue.scale, 1.0), at(epilogue.shift, 0.0));
            let other = residual[copy * of_copy + begin + i];
            let extra = if epilogue.residual { other } else { 0.0 };
            let v = sum * scale + shift + extra;
            of[begin + i] = rectified(epilogue, v);
            // Four additions for each pixel, or, in the larger form, three and a product along each axis;
            // and three steps of the epilogue.
            let rounded = match form {
                Form::F2 => 8.0,
                Form::F4 => 12.0,
            };
            let size = size * scale.abs() + shift.abs() + extra.abs();
            bound[begin + i] = if exact { 0.0 } else { rounded * 6e-8 * size };
        }
        // Bits of the last word behind the written images are 0: the next images begin with a new word.
        let here = begin..begin + (count * conv.y.h * conv.y.w) as usize * k;
        let mut positive = vec![0.0; of_copy];
        positive[here.clone()].copy_from_slice(&of[here]);
        let mut mask = mask_of(&below_ceiling(epilogue, &positive), conv.y);
        let end = begin / k / 8 + (tiles.count * conv.y.h * conv.y.w).div_ceil(8) as usize;
        let c4 = conv.y.c4() as usize;
        mask[..begin / k / 8 * c4].fill(UNTOUCHED_WORD);
        mask[end * c4..].fill(UNTOUCHED_WORD);
        words.extend(mask);
        values.extend(of);
        bounds.extend(bound);
    }
    let floats = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let before = vec![UNTOUCHED as f32; (conv.y.vec4s() * conv.copies * 4) as usize];
    // Padding lanes of the images that are not written keep their contents.
    let mut want = Want::channels_bounded(&values, &bounds, conv.y);
    let lanes = conv.y.c.next_multiple_of(4) as usize;
    let per_copy = conv.y.pixels() as usize * lanes;
    let begin = (first * conv.y.h * conv.y.w) as usize * lanes;
    let end = begin + (count * conv.y.h * conv.y.w) as usize * lanes;
    for copy in want.floats_mut().chunks_mut(per_copy) {
        copy[..begin].fill(UNTOUCHED);
        copy[end..].fill(UNTOUCHED);
    }
    let unused = [f32::NAN; 4];
    let pick = |wanted: bool, values: Vec<f32>| if wanted { values } else { unused.to_vec() };
    Ok(Case {
        label: format!("{} {first}+{count} {epilogue:?} exact {exact}", conv.y),
        plan: plan(tiles, epilogue)?,
        data: vec![
            Data::input(&nan_padded(&floats(&ms), conv.y.c)),
            Data::input(&pick(epilogue.affine_len > 0, floats(&affine))),
            Data::input(&pick(epilogue.residual, nan_padded(&floats(&residual), conv.y.c))),
            Data::in_out(&before, want),
            if epilogue.mask_out {
                Data::in_out(
                    &vec![UNTOUCHED_WORD; words.len()],
                    Want::words(words).of(mask_axes(conv.y)),
                )
            } else {
                Data::in_out(&[7u32; 4], Want::words(vec![7; 4]))
            },
        ],
    })
}

/// Cases of a form's transform.
fn cases(form: Form) -> Result<Vec<Case>> {
    let [none, affine, full, capped] = epilogues();
    let mut cases = Vec::new();
    for conv in convolutions(form)? {
        let mask_out = !conv.0.transposed;
        for (epilogue, exact) in [
            (none, true),
            (Epilogue { mask_out, ..full }, true),
            (Epilogue { mask_out, ..capped }, true),
            (Epilogue { scale: None, ..affine }, false),
            (Epilogue { residual: true, ..none }, false),
        ] {
            let mut random = Random::new(conv.0.x.vec4s() + conv.0.y.c);
            cases.push(case(form, conv, epilogue, exact, &mut random)?);
        }
    }
    Ok(cases)
}

fn epilogues() -> [Epilogue; 4] {
    let none = Epilogue::default();
    let affine = Epilogue { affine_len: 150, scale: Some(5), shift: Some(78), ..none };
    let full = Epilogue { residual: true, relu: true, ..affine };
    [none, affine, full, Epilogue { ceiling: Some(3.0), ..full }]
}

/// A case of a form's transform of a random shape.
fn random(form: Form, random: &mut Random) -> Result<Case> {
    let conv = draw(form, random)?;
    let epilogue = random.of(&epilogues());
    let exact = random.flag();
    // Rounding may move a float sum near 0 across 0 and flip its bit of the mask.
    let mask_out = exact && !conv.0.transposed && random.flag();
    case(form, conv, Epilogue { mask_out, ..epilogue }, exact, random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] = [
    suite!(KERNEL, || cases(Form::F2), |r| random(Form::F2, r)),
    suite!(KERNEL4, || cases(Form::F4), |r| random(Form::F4, r)),
];
