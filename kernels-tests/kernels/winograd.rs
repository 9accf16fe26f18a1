//! Winograd's forms as a whole: their dispatches on a tape compute what the convolution's twin says,
//! on every adapter. On small integers F(2x2, 3x3) is exact, and F(4x4, 3x3) is right to rounding.
use crate::extent::every_gpu;
use nf_gpu::{
    kernels::{
        conv::conv2d::{Conv2d, Epilogue, twin::case},
        twin::{Data, Random, nan_padded},
        winograd::{
            Form, Tiles, input::winograd_input, output::winograd_output, weights::winograd_weights,
        },
    },
    nn::{Algorithm, ConvOperands},
    run::{Gpu, Program, Recorded, Tape},
    shape::{Nhwc, Window},
};

/// Largest distance of F(4x4, 3x3) from the correct integers: a pixel or a channel too many would
/// change the result by at least one.
const NEAR: f64 = 0.01;

/// Runs a convolution on the operands of its twin's case; the error says what is wrong.
fn run(gpu: &Gpu, algorithm: Algorithm, conv: Conv2d, epilogue: Epilogue) -> Result<(), String> {
    let case = case("", conv, epilogue, true).unwrap();
    let mut tape = Tape::new();
    let ids: Vec<_> = case.plan.bytes.iter().map(|&bytes| tape.kept("operand", bytes)).collect();
    let [x, w, affine, residual, mask_in, y, mask_out] = ids[..] else { unreachable!() };
    let operands = ConvOperands { x, w, affine, residual, mask_in, y, mask_out };
    algorithm.append(&mut tape, conv, epilogue, &operands).unwrap();
    let program = Program::build(gpu, &tape).unwrap();
    for (data, &id) in case.data.iter().zip(&ids) {
        match data {
            Data::Input(bytes) | Data::InOut(bytes, _) => program.write(gpu, id, 0, bytes),
            Data::Output(want) => program.write(gpu, id, 0, &vec![f32::NAN; want.len()]),
        }
    }
    program.run(gpu).unwrap();
    let read = |id| -> Vec<u32> { program.read(gpu, id).unwrap() };
    for (data, &id) in case.data.iter().zip(&ids) {
        if let Data::Output(want) | Data::InOut(_, want) = data {
            let words = &read(id)[..want.len()];
            let what = |e: String| format!("{} -> {} {epilogue:?}: {e}", conv.x, conv.y);
            if algorithm != Algorithm::Winograd(Form::F4) || id != y && id != mask_out {
                want.compare(words).map_err(|e| what(e.to_string()))?;
            } else if id == y {
                near(words, want.clone().floats_mut()).map_err(what)?;
            } else if epilogue.mask_out {
                // Rounding decides the sign of values that should be 0, so the mask is compared with
                // the computed values.
                assert_eq!(words, signs(&read(y), conv), "{epilogue:?}");
            }
        }
    }
    Ok(())
}

fn near(got: &[u32], want: &[f64]) -> Result<(), String> {
    let wrong = got.iter().zip(want).position(|(&got, want)| {
        let error = (f64::from(f32::from_bits(got)) - want).abs();
        error.is_nan() || error > NEAR
    });
    wrong.map_or(Ok(()), |i| Err(format!("{i}: {} not {}", f32::from_bits(got[i]), want[i])))
}

/// The mask with a bit for each positive value of y.
fn signs(y: &[u32], conv: Conv2d) -> Vec<u32> {
    let lanes = conv.y.c.next_multiple_of(4) as usize;
    let (pixels, c4) = (conv.y.pixels() as usize, lanes / 4);
    let mut mask = vec![0; conv.copies as usize * pixels.div_ceil(8) * c4];
    for (i, &word) in y[..conv.copies as usize * pixels * lanes].iter().enumerate() {
        let (copy, pixel, c) = (i / (pixels * lanes), i / lanes % pixels, i % lanes);
        let at = (copy * pixels.div_ceil(8) + pixel / 8) * c4 + c / 4;
        mask[at] |= u32::from(f32::from_bits(word) > 0.0) << (4 * (pixel % 8) + c % 4);
    }
    mask
}

fn convolutions() -> Vec<(Conv2d, Epilogue)> {
    let of = |n, h, w, c, k, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(3, 1, padding)).unwrap()
    };
    let none = Epilogue::default();
    let affine = Epilogue { affine_len: 90, scale: Some(5), shift: Some(48), ..none };
    let full = Epilogue { residual: true, relu: true, mask_out: true, ..affine };
    let copies = |copies, conv: Conv2d| Conv2d { copies, ..conv };
    vec![
        (of(1, 2, 2, 1, 1, 1), none),
        (of(2, 5, 6, 3, 10, 1), full),
        (of(3, 4, 4, 36, 33, 1), Epilogue { scale: None, ..affine }),
        (of(1, 7, 8, 70, 7, 0), none),
        (copies(3, of(5, 2, 2, 8, 12, 1)), full),
        (of(2, 8, 8, 5, 40, 1).grad_input(), Epilogue { mask_in: true, ..none }),
        (of(1, 6, 4, 7, 3, 2).grad_input(), none),
        (
            copies(2, of(3, 4, 6, 9, 4, 1).grad_input()),
            Epilogue { mask_in: true, residual: true, ..none },
        ),
        // Row lengths that are multiples of eight, or of four pixels; tiles that the image does not
        // fill.
        (of(2, 5, 8, 3, 10, 1), full),
        (copies(2, of(3, 6, 4, 5, 7, 1)), full),
        (copies(3, of(2, 9, 16, 8, 12, 1)), full),
        (of(1, 6, 10, 20, 7, 0), Epilogue { scale: None, ..affine }),
        (
            copies(2, of(3, 7, 8, 9, 4, 1).grad_input()),
            Epilogue { mask_in: true, residual: true, ..none },
        ),
        // Enough tiles that they are transformed in several runs.
        (of(17, 64, 64, 20, 12, 1), Epilogue { relu: true, mask_out: true, ..none }),
    ]
}

#[test]
fn few_output_channels_are_computed_directly_where_a_variant_is_made_for_them() {
    every_gpu(|gpu, _| {
        let of = |w, c, k| {
            let x = Nhwc::new(2, 8, w, c);
            let conv = Conv2d::forward(x, k, Window::square(3, 1, 1)).unwrap();
            Algorithm::choose(gpu, conv, Form::F4).unwrap().name()
        };
        if !gpu.report().is_software() {
            return; // There measurement decides.
        }
        let narrow = if gpu.subgroup() == Some(8) { "direct" } else { "winograd4" };
        assert_eq!([of(16, 16, 16), of(8, 32, 16)], [narrow; 2]);
        assert_eq!([of(16, 16, 32), of(12, 16, 16)], ["winograd4", "winograd"]);
    });
}

#[test]
fn a_convolution_by_winograd_is_the_convolution() {
    every_gpu(|gpu, _| {
        for form in [Form::F2, Form::F4] {
            let fits = convolutions().into_iter().filter(|(conv, _)| form.fits(*conv));
            let ran = fits.map(|(conv, epilogue)| {
                run(gpu, Algorithm::Winograd(form), conv, epilogue).unwrap();
            });
            assert!(ran.count() >= 8, "{form:?}");
        }
    });
    let (conv, _) = *convolutions().last().unwrap();
    for form in [Form::F2, Form::F4] {
        assert!(Tiles::cover(conv, form, 8 << 20).unwrap().len() > 1, "one run is enough");
    }
}

#[test]
fn a_form_that_does_not_exist_is_refused() {
    let x = Nhwc::new(1, 6, 6, 8);
    let of = |window| Conv2d::forward(x, 8, window).unwrap();
    let odd = Conv2d::forward(Nhwc::new(1, 6, 5, 8), 8, Window::square(3, 1, 1)).unwrap();
    let shared = Conv2d { copies: 2, shared_input: true, ..of(Window::square(3, 1, 1)) };
    for conv in [of(Window::square(3, 2, 1)), of(Window::square(1, 1, 0)), odd, shared] {
        for form in [Form::F2, Form::F4] {
            assert!(Tiles::new(conv, form, 0, 1).is_err(), "{conv:?}");
        }
    }
    let conv = of(Window::square(3, 1, 1));
    let two = |first, count| Tiles::new(conv, Form::F2, first, count);
    assert!(two(0, 1).is_ok() && two(0, 2).is_err() && two(1, 1).is_err());
    // 36 pixels per image: the second image begins inside a word of the mask.
    let three = Conv2d::forward(Nhwc::new(3, 6, 6, 8), 8, Window::square(3, 1, 1)).unwrap();
    let two = |first| Tiles::new(three, Form::F2, first, 1);
    assert!(two(1).is_err() && two(2).is_ok());
    // With six columns, or an odd number of rows of four pixels, a word of the mask covers several
    // tiles.
    let four = |h, w| {
        let x = Nhwc::new(2, h, w, 8);
        Form::F4.fits(Conv2d::forward(x, 8, Window::square(3, 1, 1)).unwrap())
    };
    assert_eq!([four(6, 6), four(5, 4), four(6, 12)], [false; 3]);
    assert_eq!([four(6, 4), four(5, 8), four(6, 24)], [true; 3]);
}

/// Three and four copies belong to one class, and llvmpipe can bind the transformed weights of only
/// three.
#[test]
fn a_run_that_goes_on_keeps_the_form_of_every_number_of_copies() {
    let conv = |copies| {
        let conv = Conv2d::forward(Nhwc::new(1, 4, 4, 512), 512, Window::square(3, 1, 1)).unwrap();
        Conv2d { copies, ..conv }
    };
    every_gpu(|gpu, on| {
        let chosen = |order: &[u32]| -> Vec<(u32, Algorithm)> {
            let form = |n| Algorithm::choose(gpu, conv(n), Form::F4).unwrap();
            order.iter().map(|&n| (n, form(n))).collect()
        };
        let session = gpu.session(None);
        let first = chosen(&[3, 4, 8, 9]);
        assert_eq!(chosen(&[4, 3, 9, 8]), [first[1], first[0], first[3], first[2]], "{on}");
        let choices = Some(gpu.choices());
        drop(session);
        let _session = gpu.session(Some(Recorded { choices, flag: "--resume" }));
        assert_eq!(chosen(&[4, 3, 9, 8]), [first[1], first[0], first[3], first[2]], "{on}");
    });
}

/// The relative L2 error of an algorithm, and the largest bound of `|error| / sum|terms|`, where the
/// terms are those of one of Winograd's forms.
fn errors(gpu: &Gpu, algorithm: Algorithm, form: Form, conv: Conv2d) -> (f64, f64) {
    let mut random = Random::new(5);
    let x = random.floats((conv.x.pixels() * conv.x.c) as usize);
    let w = random.floats(conv.weights().len() as usize);
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let tiles = Tiles::new(conv, form, 0, conv.y.n).unwrap();
    let (v, v_sizes) = winograd_input(tiles, &wide(&x));
    let (u, u_sizes) = winograd_weights(conv.weights(), form, &wide(&w), conv.transposed);
    let product = |v: &[f64], u: &[f64]| -> Vec<f64> {
        let (t, c, k) = (tiles.tiles() as usize, conv.x.c as usize, conv.y.c as usize);
        let at = |i: usize| {
            let (p, row, column) = (i / (t * k), i / k % t, i % k);
            (0..c).map(|c_| v[(p * t + row) * c + c_] * u[(p * c + c_) * k + column]).sum()
        };
        (0..form.values() as usize * t * k).map(at).collect()
    };
    let (want, _) = winograd_output(tiles, &product(&v, &u));
    let (_, sizes) = winograd_output(tiles, &product(&v_sizes, &u_sizes));

    let mut tape = Tape::new();
    let kept = |tape: &mut Tape, bytes| tape.kept("operand", bytes);
    let [x_id, w_id] = [conv.x.bytes(), conv.weights().bytes()].map(|b| kept(&mut tape, b));
    let [unused, mask_out] = [16, 16].map(|b| kept(&mut tape, b));
    let y = kept(&mut tape, conv.y.bytes());
    let operands = ConvOperands {
        x: x_id,
        w: w_id,
        affine: unused,
        residual: unused,
        mask_in: unused,
        y,
        mask_out,
    };
    algorithm.append(&mut tape, conv, Epilogue::default(), &operands).unwrap();
    let program = Program::build(gpu, &tape).unwrap();
    program.write(gpu, x_id, 0, &nan_padded(&x, conv.x.c));
    program.write(gpu, w_id, 0, &w);
    program.run(gpu).unwrap();
    let got: Vec<f32> = program.read(gpu, y).unwrap();
    let (mut square, mut norm, mut worst) = (0.0, 0.0, 0.0f64);
    for ((&got, want), size) in got.iter().zip(&want).zip(&sizes) {
        let error = (f64::from(got) - want).abs();
        square += error * error;
        norm += want * want;
        worst = worst.max(error / size);
    }
    ((square / norm).sqrt(), worst)
}

#[test]
fn floats_keep_the_bound_of_winograds_form() {
    // Roundings: the terms of a sum over C, and those of each transform on the way, each at most half
    // an epsilon of the sum of all terms' absolute values.
    let conv = Conv2d::forward(Nhwc::new(2, 16, 16, 64), 32, Window::square(3, 1, 1)).unwrap();
    every_gpu(|gpu, on| {
        for conv in [conv, conv.grad_input()] {
            let (direct, _) = errors(gpu, Algorithm::Direct, Form::F2, conv);
            // Number of roundings that the twins of the transforms allow, and growth compared with
            // the direct sum.
            for (form, transforms, growth) in [(Form::F2, 12.0, 3.0), (Form::F4, 26.0, 8.0)] {
                let bound = (f64::from(conv.x.c) + transforms) * f64::from(f32::EPSILON) / 2.0;
                let (relative, worst) = errors(gpu, Algorithm::Winograd(form), form, conv);
                println!("{on}: {form:?} {relative:.1e}, direct {direct:.1e}");
                assert!(worst <= bound, "{worst:e} of {bound:e}");
                // A wrong constant would be far outside; so is a form that loses digits.
                assert!(relative < growth * direct.max(1e-7), "{relative:e}, direct {direct:e}");
            }
        }
    });
}
