//! Winograd's algorithm, whole: its dispatches on a tape compute what the convolution's twin says, on
//! every adapter, exactly for small integers.
use super::gradients_norm::every_gpu;
use nf_gpu::{
    conformance::{Data, Random, nan_padded},
    gpu::{Gpu, Program, Tape},
    nn::{Algorithm, Operands},
    ops::{
        conv2d::{Conv2d, Fusion},
        winograd::Tiles,
    },
    reference::{
        conv2d::case, winograd_input::winograd_input, winograd_output::winograd_output,
        winograd_weights::winograd_weights,
    },
    shape::{Nhwc, Window},
};

/// Runs a convolution on the operands of its twin's case; what is wrong.
fn run(
    gpu: &Gpu,
    algorithm: Algorithm,
    conv: Conv2d,
    fusion: Fusion,
    exact: bool,
) -> Result<(), String> {
    let case = case("", conv, fusion, exact).unwrap();
    let mut tape = Tape::new();
    let ids: Vec<_> = case.plan.bytes.iter().map(|&bytes| tape.kept("operand", bytes)).collect();
    let [x, w, affine, residual, mask_in, y, mask_out] = ids[..] else { unreachable!() };
    let operands = Operands { x, w, affine, residual, mask_in, y, mask_out };
    algorithm.append(&mut tape, conv, fusion, &operands).unwrap();
    let program = Program::build(gpu, &tape).unwrap();
    for (data, &id) in case.data.iter().zip(&ids) {
        match data {
            Data::Input(bytes) | Data::InOut(bytes, _) => program.write(gpu, id, 0, bytes),
            Data::Output(want) => program.write(gpu, id, 0, &vec![f32::NAN; want.len()]),
        }
    }
    program.run(gpu).unwrap();
    for (data, &id) in case.data.iter().zip(&ids) {
        if let Data::Output(want) | Data::InOut(_, want) = data {
            let words: Vec<u32> = program.read(gpu, id).unwrap();
            want.compare(&words[..want.len()])
                .map_err(|e| format!("{} -> {} {fusion:?}: {e}", conv.x, conv.y))?;
        }
    }
    Ok(())
}

fn convolutions() -> Vec<(Conv2d, Fusion)> {
    let of = |n, h, w, c, k, padding| {
        Conv2d::forward(Nhwc::new(n, h, w, c), k, Window::square(3, 1, padding)).unwrap()
    };
    let none = Fusion::default();
    let affine = Fusion { affine_len: 90, scale: Some(5), shift: Some(48), ..none };
    let full = Fusion { residual: true, relu: true, mask_out: true, ..affine };
    let copies = |copies, conv: Conv2d| Conv2d { copies, ..conv };
    vec![
        (of(1, 2, 2, 1, 1, 1), none),
        (of(2, 5, 6, 3, 10, 1), full),
        (of(3, 4, 4, 36, 33, 1), Fusion { scale: None, ..affine }),
        (of(1, 7, 8, 70, 7, 0), none),
        (copies(3, of(5, 2, 2, 8, 12, 1)), full),
        (of(2, 8, 8, 5, 40, 1).grad_input(), Fusion { mask_in: true, ..none }),
        (of(1, 6, 4, 7, 3, 2).grad_input(), none),
        (
            copies(2, of(3, 4, 6, 9, 4, 1).grad_input()),
            Fusion { mask_in: true, residual: true, ..none },
        ),
        // So many tiles that they are transformed in several runs.
        (of(17, 64, 64, 20, 12, 1), Fusion { relu: true, mask_out: true, ..none }),
    ]
}

#[test]
fn a_convolution_by_winograd_is_the_convolution() {
    every_gpu(|gpu, _| {
        for (conv, fusion) in convolutions() {
            run(gpu, Algorithm::Winograd, conv, fusion, true).unwrap();
        }
    });
    let (conv, _) = *convolutions().last().unwrap();
    assert!(Tiles::cover(conv, 16 << 20).unwrap().len() > 1, "one run is enough");
}

#[test]
fn a_form_that_does_not_exist_is_refused() {
    let x = Nhwc::new(1, 6, 6, 8);
    let of = |window| Conv2d::forward(x, 8, window).unwrap();
    let odd = Conv2d::forward(Nhwc::new(1, 6, 5, 8), 8, Window::square(3, 1, 1)).unwrap();
    let shared = Conv2d { copies: 2, shared_input: true, ..of(Window::square(3, 1, 1)) };
    for conv in [of(Window::square(3, 2, 1)), of(Window::square(1, 1, 0)), odd, shared] {
        assert!(Tiles::new(conv, 0, 1).is_err(), "{conv:?}");
    }
    let conv = of(Window::square(3, 1, 1));
    assert!(Tiles::new(conv, 0, 2).is_err() && Tiles::new(conv, 1, 1).is_err());
    // 36 pixels an image: the second begins inside a word of the mask.
    let three = Conv2d::forward(Nhwc::new(3, 6, 6, 8), 8, Window::square(3, 1, 1)).unwrap();
    assert!(Tiles::new(three, 1, 1).is_err() && Tiles::new(three, 2, 1).is_ok());
}

/// The relative L2 error of an algorithm, and the largest bound of `|error| / sum|terms|`, where the
/// terms are those of Winograd's form.
fn errors(gpu: &Gpu, algorithm: Algorithm, conv: Conv2d) -> (f64, f64) {
    let mut random = Random::new(5);
    let x = random.floats((conv.x.pixels() * conv.x.c) as usize);
    let w = random.floats(conv.weights().len() as usize);
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let tiles = Tiles::new(conv, 0, conv.y.n).unwrap();
    let (v, v_sizes) = winograd_input(tiles, &wide(&x));
    let (u, u_sizes) = winograd_weights(conv.weights(), &wide(&w), conv.transposed);
    let product = |v: &[f64], u: &[f64]| -> Vec<f64> {
        let (t, c, k) = (tiles.tiles() as usize, conv.x.c as usize, conv.y.c as usize);
        let at = |i: usize| {
            let (p, row, column) = (i / (t * k), i / k % t, i % k);
            (0..c).map(|c_| v[(p * t + row) * c + c_] * u[(p * c + c_) * k + column]).sum()
        };
        (0..16 * t * k).map(at).collect()
    };
    let (want, _) = winograd_output(tiles, &product(&v, &u));
    let (_, sizes) = winograd_output(tiles, &product(&v_sizes, &u_sizes));

    let mut tape = Tape::new();
    let kept = |tape: &mut Tape, bytes| tape.kept("operand", bytes);
    let [x_id, w_id] = [conv.x.bytes(), conv.weights().bytes()].map(|b| kept(&mut tape, b));
    let [unused, mask_out] = [16, 16].map(|b| kept(&mut tape, b));
    let y = kept(&mut tape, conv.y.bytes());
    let operands = Operands {
        x: x_id,
        w: w_id,
        affine: unused,
        residual: unused,
        mask_in: unused,
        y,
        mask_out,
    };
    algorithm.append(&mut tape, conv, Fusion::default(), &operands).unwrap();
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
    // Terms of a sum over C, three roundings of each transform along the way, and the output's four:
    // each at most half an epsilon of the sum of all terms' absolute values.
    let conv = Conv2d::forward(Nhwc::new(2, 16, 16, 64), 32, Window::square(3, 1, 1)).unwrap();
    every_gpu(|gpu, on| {
        for conv in [conv, conv.grad_input()] {
            let bound = (f64::from(conv.x.c) + 12.0) * f64::from(f32::EPSILON) / 2.0;
            let (relative, worst) = errors(gpu, Algorithm::Winograd, conv);
            let (direct, _) = errors(gpu, Algorithm::Direct, conv);
            println!("{on}: {relative:.1e}, direct {direct:.1e}");
            assert!(worst <= bound, "{worst:e} of {bound:e}");
            // A wrong constant would be far outside; so is a form that loses digits.
            assert!(relative < 3.0 * direct.max(1e-7), "{relative:e}, direct {direct:e}");
        }
    });
}
