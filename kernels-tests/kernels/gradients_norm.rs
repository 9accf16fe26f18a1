//! Batch norm and the loss as a whole: central differences of the CPU twins, and the six kernels of
//! batch norm in a row on every adapter.
use crate::extent::{adapters, every_gpu, open};
use nf_gpu::{
    kernels::{
        elementwise::activation::Activation,
        loss::{distillation_loss, softmax_cross_entropy},
        norm::{
            apply::{self, apply},
            backward::{self, GradInputs, grad, partial, sum_rows},
            statistics::{self, normalisers, stats},
        },
        plan::Plan,
        reduce::chunking,
        twin::{Random, numbers::wide},
    },
    run::{BufferId, Gpu, Program, Tape},
    shape::{Nhwc, pad_channels, unpad_channels},
};

const EPS: f64 = 1e-5;

/// Batch norm with batch statistics and its activation, as the twins compute them.
struct BatchNorm {
    c: u32,
    act: Activation,
}

struct Gradients {
    dx: Vec<f64>,
    dgamma: Vec<f64>,
    dbeta: Vec<f64>,
}

impl BatchNorm {
    fn normalisers(&self, x: &[f64]) -> Vec<f64> {
        normalisers(&stats(x, self.c), (x.len() / self.c as usize) as f64, EPS)
    }

    fn forward(&self, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        apply(x, &self.normalisers(x), gamma, beta, self.act)
    }

    fn backward(&self, x: &[f64], gamma: &[f64], y: &[f64], dy: &[f64]) -> Gradients {
        let stats = self.normalisers(x);
        let of = GradInputs { dy, y, x, stats: &stats, act: self.act };
        let [sums, _] = partial(&of, x.len() as u32);
        let sums = sum_rows(&sums, 2 * self.c as usize);
        let (dbeta, dgamma) = sums.split_at(self.c as usize);
        Gradients { dx: grad(&of, &sums, gamma), dgamma: dgamma.to_vec(), dbeta: dbeta.to_vec() }
    }
}

/// Compares `gradient` with central differences of `loss` around `at`. In f64 with a step of 1e-5 the
/// two agree to about 1e-9 of the gradient's size.
#[track_caller]
fn assert_central(what: &str, at: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    assert_eq!(at.len(), gradient.len());
    let size = gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
    assert!(size > 1e-3, "{what}: a gradient of {size} tests nothing");
    for i in 0..at.len() {
        let moved = |by: f64| {
            let mut at = at.to_vec();
            at[i] += by;
            loss(&at)
        };
        let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        let error = (difference - gradient[i]).abs();
        assert!(error < 1e-7 * size, "{what} [{i}]: {} and {difference}", gradient[i]);
    }
}

#[test]
fn batch_norm_and_its_activation_match_central_differences_mid_chain() {
    let mut random = Random::new(20);
    for act in [Activation::None, Activation::Relu, Activation::Tanh] {
        let norm = BatchNorm { c: 3, act };
        let mut draw = |len: usize| wide(&random.floats(len));
        let (x, gamma, beta, u) = (draw(24 * 3), draw(3), draw(3), draw(24 * 3));
        // The loss is not linear and has a gradient other than 1:
        // L = sum u (y + y^2 / 2), dL/dy = u (1 + y).
        let loss = |y: &[f64]| y.iter().zip(&u).map(|(y, u)| u * (y + y * y / 2.0)).sum::<f64>();
        let y = norm.forward(&x, &gamma, &beta);
        let dy: Vec<f64> = y.iter().zip(&u).map(|(y, u)| u * (1.0 + y)).collect();
        let z = BatchNorm { act: Activation::None, ..norm }.forward(&x, &gamma, &beta);
        assert!(z.iter().all(|z| z.abs() > 1e-4), "a kink of ReLU is too near");
        let norm = BatchNorm { c: 3, act };
        let g = norm.backward(&x, &gamma, &y, &dy);
        let at = |what| format!("{act:?} {what}");
        assert_central(&at("dx"), &x, &g.dx, |x| loss(&norm.forward(x, &gamma, &beta)));
        assert_central(&at("dgamma"), &gamma, &g.dgamma, |v| loss(&norm.forward(&x, v, &beta)));
        assert_central(&at("dbeta"), &beta, &g.dbeta, |v| loss(&norm.forward(&x, &gamma, v)));
    }
}

#[test]
fn softmax_cross_entropy_matches_central_differences() {
    let mut random = Random::new(21);
    for classes in [2usize, 10, 43] {
        let logits: Vec<f64> = wide(&random.floats(classes)).iter().map(|l| 3.0 * l).collect();
        for label in [0, classes - 1] {
            let weight = 0.37;
            let d = softmax_cross_entropy::row(&logits, label, weight).dlogits;
            let loss = |l: &[f64]| weight * softmax_cross_entropy::row(l, label, weight).loss;
            assert_central(&format!("{classes} classes, label {label}"), &logits, &d, loss);
        }
    }
}

#[test]
fn distillation_matches_central_differences() {
    let mut random = Random::new(22);
    for (classes, temperature) in [(2usize, 1.0), (10, 0.7), (43, 4.0)] {
        let mut draw =
            || -> Vec<f64> { wide(&random.floats(classes)).iter().map(|l| 3.0 * l).collect() };
        let (logits, teacher, weight) = (draw(), draw(), 0.37);
        let of = |l: &[f64]| distillation_loss::row(l, &teacher, temperature, weight);
        let at = format!("{classes} classes at {temperature}");
        assert_central(&at, &logits, &of(&logits).dlogits, |l| weight * of(l).loss);
    }
}

/// Factor by which Winograd's F(4x4, 3x3) rounds more than F(2x2, 3x3) (`docs/numerics.md`).
const LARGE_TILES: f64 = 3.0;

/// Like [`every_gpu`], then again on the first adapter with each other algorithm that measuring may choose.
pub(crate) fn every_rounding(mut test: impl FnMut(&Gpu, &str)) {
    every_gpu(&mut test);
    with_other_algorithms(&mut |gpu, on, _| test(gpu, on));
}

/// Like [`every_rounding`], but on the first adapter only: small networks find what a large one would
/// find on the others. The number is the factor by which the convolutions round more than with Winograd's smaller
/// tiles.
pub(crate) fn first_roundings(mut test: impl FnMut(&Gpu, &str, f64)) {
    let gpu = open(&adapters()[0]);
    test(&gpu, &gpu.report().line(), LARGE_TILES);
    with_other_algorithms(&mut test);
}

fn with_other_algorithms(test: &mut impl FnMut(&Gpu, &str, f64)) {
    for algorithm in ["direct", "winograd"] {
        let mut gpu = open(&adapters()[0]);
        gpu.prefer("convolution", algorithm);
        let on = format!("{}, convolution={algorithm}", gpu.report().line());
        test(&gpu, &on, 1.0);
    }
}

/// A tape under construction, with contents for its buffers.
#[derive(Default)]
struct Bench {
    tape: Tape,
    contents: Vec<(BufferId, Vec<f32>)>,
}

impl Bench {
    fn buffer(&mut self, label: &str, contents: Vec<f32>) -> BufferId {
        let id = self.tape.kept(label, contents.len() as u64 * 4);
        self.contents.push((id, contents));
        id
    }

    fn push(&mut self, plan: Plan, buffers: &[BufferId]) {
        self.tape.push(plan, buffers).unwrap();
    }

    fn run(&self, gpu: &Gpu) -> Program {
        let program = Program::build(gpu, &self.tape).unwrap();
        for (id, contents) in &self.contents {
            program.write(gpu, *id, 0, contents);
        }
        program.run(gpu).unwrap();
        program
    }
}

/// |got - want| / |want|, both Euclidean norms.
fn relative(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let error = square(&mut got.iter().zip(want).map(|(&g, w)| f64::from(g) - w));
    (error / square(&mut want.iter().copied())).sqrt()
}

/// Compares six kernels in a row with the whole batch at once in f64, far inside the golden bounds
/// (1e-5 for outputs, 2e-4 for gradients). The mean of x is ten standard deviations.
fn batch_norm_chain(gpu: &Gpu, on: &str, shape: Nhwc, act: Activation) {
    let mut random = Random::new(22);
    let (c, len) = (shape.c as usize, (shape.pixels() * shape.c) as usize);
    let x: Vec<f32> = random.floats(len).iter().map(|v| 5.0 + v).collect();
    let dy = random.floats(len);
    let (gamma, beta): (Vec<f32>, Vec<f32>) =
        (random.floats(c).iter().map(|v| v + 1.5).collect(), random.floats(c));
    let parameters = [vec![f32::NAN; 3], gamma.clone(), beta.clone()].concat();
    let (at_gamma, at_beta, total) = (3, 3 + shape.c, 3 + 2 * shape.c);
    let padded = |values: &[f32]| pad_channels(values, shape.c, f32::NAN);
    let chunks = chunking::chunks(shape);
    let vectors = (2 * shape.c4() * 4) as usize;
    let running = pad_channels(&[vec![0.0; c], vec![1.0; c]].concat(), shape.c, 0.0);

    let mut bench = Bench::default();
    let x_id = bench.buffer("x", padded(&x));
    let dy_id = bench.buffer("dy", padded(&dy));
    let parameters_id = bench.buffer("parameters", parameters);
    let partial_id = bench.buffer("partial", vec![f32::NAN; vectors * chunks as usize]);
    let running_id = bench.buffer("running", running);
    let stats_id = bench.buffer("stats", vec![f32::NAN; vectors]);
    let sums_id = bench.buffer("sums", vec![f32::NAN; vectors]);
    let gradients_id = bench.buffer("gradients", vec![0.0; total as usize]);
    let [y_id, dx_id, eval_id] = ["y", "dx", "y eval"].map(|name| bench.buffer(name, padded(&x)));

    bench.push(statistics::plan_stats(shape).unwrap(), &[x_id, partial_id]);
    let plan = statistics::plan_finish(shape, shape, EPS as f32, 0.1).unwrap();
    bench.push(plan, &[partial_id, running_id, stats_id]);
    let plan = apply::plan(shape, act, at_gamma, at_beta, total).unwrap();
    bench.push(plan, &[x_id, stats_id, parameters_id, y_id]);
    let plan = backward::plan_sums(shape, act).unwrap();
    bench.push(plan, &[dy_id, y_id, x_id, stats_id, partial_id]);
    let plan = backward::plan_finish(shape, chunks, at_gamma, at_beta, total).unwrap();
    bench.push(plan, &[partial_id, sums_id, gradients_id]);
    let plan = backward::plan_grad(shape, shape.pixels(), act, at_gamma, total).unwrap();
    bench.push(plan, &[dy_id, y_id, x_id, stats_id, sums_id, parameters_id, dx_id]);
    let plan = apply::plan_running(shape, act, at_gamma, at_beta, total, EPS as f32).unwrap();
    bench.push(plan, &[x_id, running_id, parameters_id, eval_id]);
    let program = bench.run(gpu);
    let read = |id| program.read::<f32>(gpu, id).unwrap();
    let unpadded = |id| unpad_channels(&read(id), shape.c);

    let norm = BatchNorm { c: shape.c, act };
    let [x, dy, gamma, beta] = [&x, &dy, &gamma, &beta].map(|v| wide(v));
    let y = norm.forward(&x, &gamma, &beta);
    let want = norm.backward(&x, &gamma, &y, &dy);
    let n = f64::from(shape.pixels());
    let whole = stats(&x, shape.c);
    let running: Vec<[f64; 2]> =
        whole.iter().map(|s| [0.1 * s[0], 0.9 + 0.1 * s[1] / (n - 1.0)]).collect();
    let flat = |k: usize| running.iter().map(move |r| r[k]);
    let running_want: Vec<f64> = flat(0).chain(flat(1)).collect();
    // `normalisers` divides by n: with n = 1 the second number is already a variance.
    let eval = apply(&x, &normalisers(&running, 1.0, EPS), &gamma, &beta, act);
    let gradients = read(gradients_id);
    let parts = gradients[at_gamma as usize..].split_at(c);
    for (what, error, bound) in [
        ("y", relative(&unpadded(y_id), &y), 1e-6),
        ("running", relative(&unpadded(running_id), &running_want), 2e-7),
        ("y eval", relative(&unpadded(eval_id), &eval), 1e-6),
        ("dx", relative(&unpadded(dx_id), &want.dx), 3e-6),
        ("dgamma", relative(parts.0, &want.dgamma), 3e-6),
        ("dbeta", relative(parts.1, &want.dbeta), 3e-6),
    ] {
        println!("  {shape} {act:?} {what}: relative error {error:.1e}");
        assert!(error < bound, "{what} of {shape} {act:?} on {on}: {error:e}");
    }
    assert_eq!(gradients[..3], [0.0; 3], "gradients of other layers");
}

#[test]
fn batch_norm_in_six_kernels_is_batch_norm_of_the_whole_batch() {
    every_gpu(|gpu, on| {
        println!("{on}");
        batch_norm_chain(gpu, on, Nhwc::new(2, 16, 16, 3), Activation::Relu);
        batch_norm_chain(gpu, on, Nhwc::new(3, 17, 19, 34), Activation::Tanh);
        batch_norm_chain(gpu, on, Nhwc::new(1, 5, 7, 5), Activation::None);
    });
}
