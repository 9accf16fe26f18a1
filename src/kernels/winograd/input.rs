//! Winograd's input transforms, `shaders/winograd/winograd*_input.wgsl`.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{Conv2d, twin::mask_of},
        plan::{DispatchGrid, Plan},
        twin::{
            Case, Data, Random, Suite, Want, at, nan_padded,
            numbers::{passes, scaled},
            suite,
        },
        winograd::{Form, Tiles},
    },
    shape::{Nhwc, Window},
};

crate::params! {
    /// Uniform block of `shaders/lib/winograd_input.wgsl`.
    pub struct WinogradInputParams {
        /// Images of one copy.
        images: u32,
        /// Input rows.
        x_h: u32,
        /// Input columns.
        x_w: u32,
        /// Channels of x, without padding.
        c: u32,
        /// Rows of tiles of an image.
        tiles_h: u32,
        /// Columns of tiles.
        tiles_w: u32,
        /// Zeros above the first row.
        pad_y: u32,
        /// Zeros left of the first column.
        pad_x: u32,
        /// Number of copies.
        copies: u32,
        /// Index of the first image to transform.
        first: u32,
        /// Number of images to transform.
        count: u32,
    }
}

crate::kernel! {
    KERNEL: "winograd" / "winograd_input", WinogradInputParams,
    lib: ["lib/grid", "lib/lanes", "lib/winograd_input"],
    bindings: [("x", Read), ("mask_in", Read), ("v", ReadWrite)],
}

crate::kernel! {
    KERNEL4: "winograd" / "winograd4_input", WinogradInputParams,
    lib: ["lib/grid", "lib/winograd4", "lib/winograd_input"],
    bindings: [("x", Read), ("mask_in", Read), ("v", ReadWrite)],
}

/// Transforms the patches of some images; bindings x, `mask_in` (16 bytes if not `masked`), v.
pub fn plan(tiles: Tiles, masked: bool) -> Result<Plan> {
    let (conv, [tiles_h, tiles_w]) = (tiles.conv, tiles.grid());
    let x = conv.x.checked()?;
    let params = WinogradInputParams {
        images: x.n,
        x_h: x.h,
        x_w: x.w,
        c: x.c,
        tiles_h,
        tiles_w,
        pad_y: tiles.before()[0],
        pad_x: tiles.before()[1],
        copies: conv.copies,
        first: tiles.first,
        count: tiles.count,
    };
    let of_tiles = u64::from(tiles.tiles()) * u64::from(x.c4()) * u64::from(conv.copies);
    let mask = if masked { tiles.masks()[0] } else { 16 };
    let v = tiles.values(x.c).checked()?.bytes();
    let bytes = vec![x.bytes() * u64::from(conv.copies), mask, v];
    // An invocation takes four channels (F2) or one (F4); `operations` counts those on one channel.
    let (kernel, items, operations) = match tiles.form {
        Form::F2 => (&KERNEL, of_tiles, 32),
        Form::F4 => (&KERNEL4, 4 * of_tiles, 12 * 22),
    };
    let plan = Plan::new(kernel, &params, DispatchGrid::Items(items), bytes);
    let plan = plan.costing(4 * of_tiles * operations);
    Ok(plan.with("MASK_IN", f64::from(u8::from(masked))))
}

/// Winograd's B^T for F(2, 3).
const B_T: [[f64; 4]; 4] =
    [[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]];
/// Winograd's B^T for F(4, 3) with the points 0, 3/4, -3/4, 3/2 and -3/2: each row has the coefficients of
/// the product of all x - a but one, and the last row those of the product of all.
const B_T4: [[f64; 6]; 6] = [
    [1.265625, 0.0, -2.8125, 0.0, 1.0, 0.0],
    [0.0, -1.6875, -2.25, 0.75, 1.0, 0.0],
    [0.0, 1.6875, -2.25, -0.75, 1.0, 0.0],
    [0.0, -0.84375, -0.5625, 1.5, 1.0, 0.0],
    [0.0, 0.84375, -0.5625, -1.5, 1.0, 0.0],
    [0.0, 1.265625, 0.0, -2.8125, 0.0, 1.0],
];

fn b_t(form: Form, row: usize, column: usize) -> f64 {
    match form {
        Form::F2 => B_T[row][column],
        Form::F4 => B_T4[row][column],
    }
}

/// Transformed patches `[values, tiles, C]` of one copy x `[N, H, W, C]`, and the sums of the terms'
/// absolute values.
pub fn winograd_input(tiles: Tiles, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (shape, [rows, columns]) = (tiles.conv.x, tiles.grid());
    let (mut values, mut sizes) = (Vec::new(), Vec::new());
    let (form, side) = (tiles.form, tiles.form.side() as usize);
    for p in 0..side * side {
        for t in 0..tiles.tiles() {
            let n = tiles.first + t / (rows * columns);
            let [row, column] = [t / columns % rows, t % columns];
            let first = [(row, 0), (column, 1)]
                .map(|(i, axis)| i64::from(form.outputs() * i) - i64::from(tiles.before()[axis]));
            for c in 0..shape.c {
                let pixel = |i: usize, j: usize| {
                    let (h, w) = (first[0] + i as i64, first[1] + j as i64);
                    let inside = (0..i64::from(shape.h)).contains(&h)
                        && (0..i64::from(shape.w)).contains(&w);
                    if inside { x[at(shape, [n, h as u32, w as u32, c])] } else { 0.0 }
                };
                let terms = (0..side * side).map(|ij| {
                    let (i, j) = (ij / side, ij % side);
                    scaled(b_t(form, p / side, i) * b_t(form, p % side, j), pixel(i, j))
                });
                values.push(terms.clone().sum());
                sizes.push(terms.map(f64::abs).sum());
            }
        }
    }
    (values, sizes)
}

/// Convolutions for the cases of a form's three transforms, with the first image and the number of images.
pub fn convolutions(form: Form) -> Result<Vec<(Conv2d, u32, u32)>> {
    let of = |n, h, w, c, k, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(3, 1, padding))
    };
    let copies = |copies, conv| Conv2d { copies, ..conv };
    if form == Form::F4 {
        return Ok(vec![
            (of(1, 4, 4, 1, 1, 1)?, 0, 1),
            (of(2, 5, 8, 3, 10, 1)?, 0, 2),
            (of(3, 4, 4, 36, 33, 1)?, 1, 2),
            (of(2, 8, 8, 5, 40, 1)?.grad_input(), 1, 1),
            (of(1, 8, 10, 6, 7, 0)?, 0, 1),
            (of(1, 6, 8, 7, 3, 2)?.grad_input(), 0, 1),
            (copies(3, of(5, 4, 4, 8, 12, 1)?), 2, 3),
            // The last row of tiles has only two rows of pixels: one word of the mask.
            (of(3, 6, 4, 5, 7, 1)?, 0, 2),
            (copies(2, of(2, 7, 16, 9, 4, 1)?.grad_input()), 0, 2),
        ]);
    }
    Ok(vec![
        (of(1, 2, 2, 1, 1, 1)?, 0, 1),
        (of(2, 5, 6, 3, 10, 1)?, 0, 2),
        (of(3, 4, 4, 36, 33, 1)?, 1, 2),
        (of(2, 8, 8, 5, 40, 1)?.grad_input(), 1, 1),
        (of(1, 7, 8, 6, 7, 0)?, 0, 1),
        (of(1, 6, 4, 7, 3, 2)?.grad_input(), 0, 1),
        (copies(3, of(5, 2, 2, 8, 12, 1)?), 2, 3),
        // Images that end inside a word of the mask, followed by other images.
        (of(3, 3, 6, 5, 7, 1)?, 0, 2),
        (copies(2, of(2, 4, 6, 9, 4, 1)?.grad_input()), 0, 2),
    ])
}

/// Draws a convolution for a form's cases, with the first image and the number of images.
pub(crate) fn draw(form: Form, random: &mut Random) -> Result<(Conv2d, u32, u32)> {
    let (c, k, copies) = (random.length(70), random.length(70), random.length(3));
    let most = 20_000 / (c.max(k) * copies);
    // Height and width of the output.
    let (h, w) = match form {
        Form::F2 => (random.between(3, 9), 2 * random.between(2, (most / 18).clamp(2, 20))),
        Form::F4 if random.flag() => (2 * random.between(2, 5), 4),
        Form::F4 => (random.between(3, 9), 8 * random.between(1, (most / 72).clamp(1, 5))),
    };
    let n = random.length((most / (h * w)).clamp(1, 9));
    let (backward, even) = (random.flag(), random.flag());
    let mut padding = || random.below(3);
    let window = if even {
        Window::square(3, 1, padding())
    } else {
        let sides = [(); 2].map(|()| [padding(), padding()]);
        Window { before: sides[0], after: sides[1], ..Window::square(3, 1, 0) }
    };
    // Padding that adds up to other than two changes the extents.
    let input = |extent: u32, i: usize| {
        if backward { extent } else { extent + 2 - window.before[i] - window.after[i] }
    };
    let x = Nhwc::new(n, input(h, 0), input(w, 1), c);
    let conv = Conv2d::forward(x, k, window)?;
    let conv = if backward { conv.grad_input() } else { conv };
    // The first image must begin with a word of the mask.
    let pixels = conv.y.h * conv.y.w;
    let firsts: Vec<u32> = (0..n).filter(|first| (first * pixels).is_multiple_of(8)).collect();
    let first = random.of(&firsts);
    Ok((Conv2d { copies, ..conv }, first, random.between(1, n - first)))
}

fn case(
    form: Form,
    (conv, first, count): (Conv2d, u32, u32),
    masked: bool,
    exact: bool,
    random: &mut Random,
) -> Result<Case> {
    let tiles = Tiles::new(conv, form, first, count)?;
    let len = (conv.x.pixels() * conv.x.c) as usize;
    let mut draw = |len: usize| if exact { random.integers(len, 3) } else { random.floats(len) };
    let (mut xs, mut masks) = (Vec::new(), Vec::new());
    let (mut values, mut bounds) = (Vec::new(), Vec::new());
    for _ in 0..conv.copies {
        let x = draw(len);
        let gate: Vec<f64> = draw(len).into_iter().map(f64::from).collect();
        let kept = |(&v, &g): (&f32, &f64)| if masked && !passes(g) { 0.0 } else { f64::from(v) };
        let kept: Vec<f64> = x.iter().zip(&gate).map(kept).collect();
        let (value, size) = winograd_input(tiles, &kept);
        values.extend(value);
        // One addition along each axis, each of which may round; in the larger form two products and two
        // additions along each axis.
        let rounded = match form {
            Form::F2 => 3.0,
            Form::F4 => 8.0,
        };
        bounds.extend(size.iter().map(|s| if exact { 0.0 } else { rounded * 6e-8 * s }));
        masks.extend(mask_of(&gate, conv.x));
        xs.extend(nan_padded(&x, conv.x.c));
    }
    Ok(Case {
        label: format!("{} {first}+{count} masked {masked} exact {exact}", conv.x),
        plan: plan(tiles, masked)?,
        data: vec![
            Data::input(&xs),
            if masked { Data::input(&masks) } else { Data::input(&[0u32; 4]) },
            Data::Output(Want::channels_bounded(&values, &bounds, tiles.values(conv.x.c))),
        ],
    })
}

/// Cases of a form's transform.
fn cases(form: Form) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for conv in convolutions(form)? {
        for (masked, exact) in [(false, true), (true, true), (conv.0.transposed, false)] {
            let mut random = Random::new(conv.0.x.vec4s() + conv.0.y.c);
            cases.push(case(form, conv, masked, exact, &mut random)?);
        }
    }
    Ok(cases)
}

/// A case of a form's transform of a random shape.
fn random(form: Form, random: &mut Random) -> Result<Case> {
    case(form, draw(form, random)?, random.flag(), random.flag(), random)
}

/// The kernels with their cases.
pub static SUITES: [Suite; 2] = [
    suite!(KERNEL, || cases(Form::F2), |r| random(Form::F2, r)),
    suite!(KERNEL4, || cases(Form::F4), |r| random(Form::F4, r)),
];
