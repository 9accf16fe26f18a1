//! Gradients of the CPU twins, with which the conformance suite compares the kernels: adjoint
//! identities where the operation is linear, central differences where it is not.
use nf_gpu::{
    kernels::{
        elementwise::{
            activation::{Activation, activation, activation_grad},
            channel_affine::channel_affine,
            fuse_clamp::{fuse_clamp, fuse_clamp_grad},
        },
        layout::{
            self,
            concat_channels::concat_channels,
            gather2d::{Gather, gather2d, gathers},
            upsample_nearest::{upsample_nearest, upsample_nearest_grad},
        },
        pool::{
            self,
            avg_pool::{avg_pool, avg_pool_grad},
            max_pool::{max_pool, max_pool_grad},
            window::Divisor,
        },
        twin::Random,
    },
    shape::{Nhwc, Window},
};

fn len(shape: Nhwc) -> usize {
    (shape.pixels() * shape.c) as usize
}

fn dot(a: &[f32], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, b)| f64::from(a) * b).sum()
}

/// `<dy, A x> = <A' dy, x>`, both sums in f64: they differ by roundings only.
#[track_caller]
fn assert_adjoint(what: &str, x: &[f32], dx: &[f64], dy: &[f32], y: &[f64]) {
    let (forward, backward) = (dot(dy, y), dot(x, dx));
    assert!((forward - backward).abs() < 1e-11, "{what}: {forward} and {backward}");
}

fn windows() -> [(Nhwc, Window); 6] {
    [
        (Nhwc::new(2, 6, 8, 3), Window::square(2, 2, 0)),
        (Nhwc::new(2, 7, 5, 2), Window::square(3, 2, 1)),
        (Nhwc::new(1, 9, 9, 4), Window::square(3, 1, 1)),
        (Nhwc::new(1, 11, 7, 5), Window::square(2, 3, 0)),
        (Nhwc::new(1, 5, 9, 6), Window::even([2, 4], 1, 1)),
        (
            Nhwc::new(2, 8, 9, 5),
            Window { kernel: [3, 4], stride: [2, 3], before: [0, 2], after: [1, 3] },
        ),
    ]
}

#[test]
fn avg_pool_grad_is_the_adjoint_of_avg_pool() {
    let mut random = Random::new(1);
    for (shape, window) in windows() {
        let pooled = pool::avg_pool::output(shape, window).unwrap();
        for divisor in [Divisor::Window, Divisor::Image, Divisor::Padded([0, 0])] {
            let (x, dy) = (random.floats(len(shape)), random.floats(len(pooled)));
            let y = avg_pool(&x, shape, (window, divisor), pooled);
            let dx = avg_pool_grad(&dy, shape, (window, divisor), pooled);
            assert_adjoint(&format!("{shape} by {window}, {divisor:?}"), &x, &dx, &dy, &y);
        }
    }
}

#[test]
fn max_pool_grad_is_the_adjoint_of_taking_the_winners() {
    let mut random = Random::new(2);
    for (shape, window) in windows() {
        let pooled = pool::max_pool::output(shape, window).unwrap();
        let (x, dy) = (random.floats(len(shape)), random.floats(len(pooled)));
        let (y, taps) = max_pool(&x, shape, window, pooled);
        let y: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
        let (dx, _) = max_pool_grad(&dy, &taps, (shape, window, pooled));
        assert_adjoint(&format!("{shape} by {window}"), &x, &dx, &dy, &y);
    }
}

#[test]
fn upsample_nearest_grad_is_the_adjoint_of_upsample_nearest() {
    let mut random = Random::new(3);
    for (shape, factor) in [(Nhwc::new(2, 3, 5, 3), 2), (Nhwc::new(1, 4, 2, 5), 3)] {
        let large = layout::upsample_nearest::output(shape, factor).unwrap();
        let (x, dy) = (random.floats(len(shape)), random.floats(len(large)));
        let y = upsample_nearest(&x, shape, factor);
        let dx = upsample_nearest_grad(&dy, shape, factor);
        assert_adjoint(&format!("{shape} by {factor}"), &x, &dx, &dy, &y);
    }
}

#[test]
fn a_transposed_gather_is_the_adjoint() {
    let mut random = Random::new(4);
    for (from, to, gather) in gathers() {
        let (x, dy) = (random.floats(len(from)), random.floats(len(to)));
        let y = gather2d(&x, from, to, gather);
        let dx = gather2d(&dy, to, from, gather.transposed());
        assert_adjoint(&format!("{from} to {to}, {gather:?}"), &x, &dx, &dy, &y);
    }
    assert_eq!(Gather::pad(2).transposed(), Gather::crop(2));
    assert_eq!(Gather::subsample(3).transposed(), Gather::spread(3));
}

#[test]
fn slices_are_the_adjoint_of_concatenation() {
    let mut random = Random::new(5);
    for (a_c, b_c) in [(3, 5), (4, 8), (10, 1)] {
        let (a, b) = (Nhwc::new(2, 3, 2, a_c), Nhwc::new(2, 3, 2, b_c));
        let both = a.with_c(a_c + b_c);
        let (xa, xb, dy) = (random.floats(len(a)), random.floats(len(b)), random.floats(len(both)));
        let y = concat_channels(&xa, &xb, a_c, b_c);
        let da = gather2d(&dy, both, a, Gather::channels(0));
        let db = gather2d(&dy, both, b, Gather::channels(a_c.cast_signed()));
        let (x, dx) = ([xa, xb].concat(), [da, db].concat());
        assert_adjoint(&format!("{a_c} and {b_c} channels"), &x, &dx, &dy, &y);
    }
}

#[test]
fn channel_affine_without_shift_is_its_own_adjoint() {
    let mut random = Random::new(6);
    let (x, dy, scale) = (random.floats(30), random.floats(30), random.floats(3));
    let y = channel_affine(&x, &scale, &[0.0; 3]);
    let dx = channel_affine(&dy, &scale, &[0.0; 3]);
    assert_adjoint("3 channels", &x, &dx, &dy, &y);
}

/// Half the width of a central difference; inputs are odd multiples of 4 H, so that no difference
/// reaches over a kink at a whole multiple of 8 H, and all of them are exact in f32.
const H: f32 = 1.0 / 4096.0;

fn between_kinks(random: &mut Random) -> f32 {
    (random.integers(1, 256)[0] * 8.0 + 4.0) * H
}

#[test]
fn activation_grad_is_the_slope_times_the_upstream_gradient() {
    let mut random = Random::new(7);
    for act in [Activation::None, Activation::Relu, Activation::Tanh] {
        for _ in 0..200 {
            let (x, dy) = (between_kinks(&mut random), 3.0 * random.float());
            let rise = activation(x + H, act) - activation(x - H, act);
            let slope = f64::from(dy) * rise / f64::from(2.0 * H);
            let dx = activation_grad(dy, activation(x, act) as f32, act);
            // The third derivative of tanh is at most 2; y is rounded to f32, which changes 1 - y^2
            // by 2 y eps.
            let bound = f64::from(dy.abs()) * (f64::from(H * H) / 3.0 + 2.4e-7);
            assert!((slope - dx).abs() <= bound, "{act:?}'({x}) {dy}: {slope} and {dx}");
        }
    }
}

#[test]
fn fuse_clamp_grad_is_the_slope_times_the_upstream_gradient() {
    let mut random = Random::new(8);
    let mut passed = 0;
    for _ in 0..200 {
        // x lies on the grid of the kinks, so that the sum is an odd multiple of 4 H as well.
        let (x, g) = (random.integers(1, 256)[0] * 16.0 * H, 2.0 * between_kinks(&mut random));
        let dy = 3.0 * random.float();
        let rise = fuse_clamp(x, g + H) - fuse_clamp(x, g - H);
        let slope = f64::from(dy) * rise / f64::from(2.0 * H);
        let dg = fuse_clamp_grad(dy, x, g);
        assert!((slope - dg).abs() < 1e-12, "{x} + {g}, {dy}: {slope} and {dg}");
        passed += u32::from(dg != 0.0);
    }
    assert!((40..160).contains(&passed), "{passed} of 200 inside: the test must see both sides");
}
