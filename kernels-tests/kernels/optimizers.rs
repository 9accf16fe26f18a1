//! Ten steps of each optimiser on every adapter, against differently written recurrences in f64.
use crate::extent::every_gpu;
use nf_gpu::{
    kernels::{
        optimiser,
        plan::Plan,
        twin::{Random, numbers::wide},
    },
    run::{Gpu, Program, Tape},
};

const STEPS: usize = 10;

/// Parameters after ten steps with given gradients on one adapter, with `state` further buffers of
/// zeros and a schedule per step.
fn train(
    gpu: &Gpu,
    plan: Plan,
    start: &[f32],
    gradients: &[Vec<f32>],
    state: usize,
    schedule: impl Fn(usize) -> [f32; 4],
) -> Vec<f32> {
    let mut tape = Tape::new();
    let bytes = start.len() as u64 * 4;
    let mut ids = vec![tape.kept("schedule", 16), tape.kept("gradients", bytes)];
    ids.push(tape.kept("parameters", bytes));
    ids.extend((0..state).map(|_| tape.kept("state", bytes)));
    tape.push(plan, &ids).unwrap();
    let program = Program::build(gpu, &tape).unwrap();
    program.write(gpu, ids[2], 0, start);
    for (t, gradient) in gradients.iter().enumerate() {
        program.write(gpu, ids[0], 0, &schedule(t + 1));
        program.write(gpu, ids[1], 0, gradient);
        program.run(gpu).unwrap();
    }
    program.read(gpu, ids[2]).unwrap()
}

fn start_and_gradients(len: usize) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut random = Random::new(23);
    (random.floats(len), (0..STEPS).map(|_| random.floats(len)).collect())
}

#[track_caller]
fn assert_moved(on: &str, got: &[f32], want: &[f64], start: &[f32]) {
    let movement = |i: usize| want[i] - f64::from(start[i]);
    let largest = (0..want.len()).map(|i| movement(i).abs()).fold(0.0, f64::max);
    assert!(largest > 1e-3, "nothing moved");
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        // Ten roundings of the parameter, and of the steps.
        let bound = 10.0 * f64::from(f32::EPSILON) * want.abs().max(1.0) + 1e-5 * largest;
        let error = (f64::from(got) - want).abs();
        assert!(error < bound, "[{i}] on {on}: {got} and {want}");
    }
}

#[test]
fn ten_adam_steps_follow_the_moments_written_as_sums() {
    let (lr, beta1, beta2, eps, scale) = (0.01, 0.9f64, 0.999f64, 1e-8, 0.5);
    let (start, gradients) = start_and_gradients(300);
    let g = |i: usize, t: usize| scale * f64::from(gradients[t][i]);
    let mut want = wide(&start);
    for (i, w) in want.iter_mut().enumerate() {
        for t in 0..STEPS {
            // Bias-corrected moments are weighted means of all gradients so far, and of their
            // squares.
            let mean = |beta: f64, power: i32| {
                let weight = |s: usize| beta.powi((t - s) as i32);
                let top: f64 = (0..=t).map(|s| weight(s) * g(i, s).powi(power)).sum();
                top / (0..=t).map(weight).sum::<f64>()
            };
            *w -= lr * mean(beta1, 1) / (mean(beta2, 2).sqrt() + eps);
        }
    }
    every_gpu(|gpu, on| {
        let plan = optimiser::adam::plan(300, beta1, beta2, eps).unwrap();
        let schedule = |t: usize| optimiser::adam::schedule(lr, beta1, beta2, t as u64, scale);
        let got = train(gpu, plan, &start, &gradients, 2, schedule);
        assert_moved(on, &got, &want, &start);
    });
}

#[test]
fn ten_sgd_steps_follow_the_velocity_written_as_a_sum() {
    let (lr, momentum, decay, scale) = (0.05, 0.9f64, 0.01, 0.5);
    let (start, gradients) = start_and_gradients(300);
    let mut want = wide(&start);
    for (i, w) in want.iter_mut().enumerate() {
        let mut path = vec![*w];
        for t in 0..STEPS {
            let pull = |s: usize| scale * f64::from(gradients[s][i]) + decay * path[s];
            let velocity: f64 = (0..=t).map(|s| momentum.powi((t - s) as i32) * pull(s)).sum();
            path.push(path[t] - lr * velocity);
        }
        *w = path[STEPS];
    }
    every_gpu(|gpu, on| {
        let plan = optimiser::sgd::plan(300, momentum, decay).unwrap();
        // The same schedule at every step: momentum starts from zeros.
        let schedule = |_| [lr as f32, f32::NAN, f32::NAN, scale as f32];
        let got = train(gpu, plan, &start, &gradients, 1, schedule);
        assert_moved(on, &got, &want, &start);
    });
}
