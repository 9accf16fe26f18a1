//! Computing with f16 operands compared with f32: answers, gradients, a short training, and the purpose
//! of the loss scale.
use crate::{
    extent::{all, every_gpu},
    networks::evaluator::{relative_l2, wide},
};
use nf_gpu::{
    data::{self, ImageSet, Split, WantedImages},
    eval::{Answers, Journal, Measurement, Request, Subject, argmax, measure},
    fault::{FaultModel, Faults},
    forward::{self, EopmRequest, Images},
    gpu::AdapterChoice,
    kernels::{plan::Dtype, twin::Random},
    models,
    nn::{Graph, initialise},
    run::Gpu,
    shape::Window,
    step::Loss,
    train::{BaseHints, BaseNet},
};
use std::path::Path;

/// Half of the distance from 1 to the next f16: the largest relative error of a rounded operand.
const HALF_ULP: f64 = 1.0 / 2048.0;

/// The `vgg-small` of this repository, and test images: two hundred, or a thousand with `--all`.
fn fashion() -> (BaseNet, ImageSet) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/vgg-small-fashion.safetensors");
    let base = BaseNet::load(&file, &BaseHints::default()).unwrap();
    let wanted = if all() { WantedImages::All } else { WantedImages::Exactly(200) };
    let set = data::open_some("fashion-sample", Path::new(""), Split::Test, 32, wanted).unwrap();
    (base, set)
}

fn measured(gpu: &Gpu, (base, set): &(BaseNet, ImageSet), dtype: Dtype) -> Measurement {
    let subject = Subject {
        base: (&base.graph, &base.weights),
        generator: None,
        generator_id: "",
        set,
        precision: 8,
        batch: 100,
        dtype,
    };
    let faults = [Faults::new(FaultModel::StuckAt, 0.01).unwrap()];
    let request = Request { subject, faults: &faults, seeds: &[50_000, 50_001], keep_logits: true };
    measure(gpu, &request, &mut Journal::default(), &mut |_| true).unwrap()
}

/// Accuracies in f16 and f32 must lie within one standard error of each other: that of the accuracy
/// itself, which for a share p of n images is `sqrt(p (1 - p) / n)`. Only answers to images between two
/// classes differ: one answer in a hundred may, far fewer than another choice of test images changes.
#[test]
fn accuracy_in_f16_is_that_in_f32_within_its_noise() {
    let gpu = Gpu::open(&AdapterChoice::default()).unwrap();
    let fashion = fashion();
    let [f32, f16] = [Dtype::F32, Dtype::F16].map(|o| measured(&gpu, &fashion, o));
    let (n, classes) = (fashion.1.len(), fashion.1.classes as usize);
    let answers =
        |m: &Measurement| -> Vec<usize> { m.logits.chunks(classes).map(argmax).collect() };
    let pairs = answers(&f32).into_iter().zip(answers(&f16));
    let changed = pairs.filter(|(a, b)| a != b).count();
    let far = relative_l2(&f16.logits, &wide(&f32.logits));
    println!("{changed} of {} answers changed; logits differ by {far:.1e}", 2 * n);
    // Every layer rounds two operands, each with a root mean square error of at most 2^-11 / sqrt(3).
    let roundings = 2.0 * fashion.0.graph.layers.len() as f64;
    assert!(far > HALF_ULP / 8.0, "{far:.1e}: was f16 in use?");
    assert!(far < (roundings / 3.0).sqrt() * HALF_ULP, "logits differ by {far:.1e}");
    assert!(changed * 100 <= 2 * n, "{changed} of {} answers changed", 2 * n);
    let of = |m: &Measurement| -> Vec<f64> {
        let maps = m.perturbed[0].alone.iter().map(|of_map| &of_map.answers);
        std::iter::once(&m.clean).chain(maps).map(Answers::accuracy).collect()
    };
    for (single, half) in of(&f32).into_iter().zip(of(&f16)) {
        let p = single / 100.0;
        let error = 100.0 * (p * (1.0 - p) / n as f64).sqrt();
        println!("{single:.2} % in f32, {half:.2} % in f16, standard error {error:.2}");
        assert!((single - half).abs() <= error, "{single} and {half}, error {error}");
    }
}

/// A base network without kinks, so that f16 and f32 differ by the rounding of operands alone. The
/// average over 16 x 16 pixels and the mean over the images make gradients very small.
fn linear_base() -> Graph {
    let mut g = Graph::new("linear", [3, 16, 16]);
    let x = g.conv(0, "features.0", 8, Window::square(3, 1, 1), true).unwrap();
    let x = g.global_avg_pool(x);
    g.linear(x, "classifier", 10).unwrap();
    g
}

/// The mean over a batch divides every gradient by its size. In f16 values below 2^-25 vanish; the loss
/// scale prevents this, and gradients are divided by it again. On the way back there are two products,
/// each of two rounded operands, and the forward pass changes the probabilities by as much.
#[test]
#[ignore = "in ./test.sh --all: five steps of four thousand images on every adapter"]
fn gradients_that_f16_would_lose_survive_scaled() {
    const N: usize = 4096;
    let (base, generator) = (linear_base(), models::generator("UIP", [3, 16, 16]).unwrap());
    let (weights, image) = (initialise(&base, true, 3), initialise(&generator, false, 4));
    let mut random = Random::new(5);
    let pixels: Vec<f32> = random.floats(N * 3 * 256).iter().map(|v| 0.5 * v).collect();
    let (labels, faults) = (vec![0; N], Faults::new(FaultModel::Flip, 0.01).unwrap());
    every_gpu(|gpu, on| {
        let gradient = |dtype, loss_scale| -> Vec<f32> {
            let request = EopmRequest {
                generator: (&generator, &image),
                base: (&base, &weights),
                precision: 8,
                faults: &faults,
                seeds: &[7],
                lambda: 1.0,
                images: Images::new(&[N, 3, 16, 16], &pixels).unwrap(),
                loss: Loss::Labels,
                labels: &labels,
                micro_batch: None,
                dtype,
                loss_scale,
            };
            let pass = forward::eopm(gpu, &request).unwrap();
            pass.gradients.tensors.into_values().flat_map(|t| t.data).collect()
        };
        let exact = gradient(Dtype::F32, None);
        let error = |of: &[f32]| relative_l2(of, &wide(&exact));
        let (scaled, plain) =
            (error(&gradient(Dtype::F16, None)), error(&gradient(Dtype::F16, Some(1.0))));
        println!("{on}: gradients in f16 differ by {scaled:.1e}, without scale by {plain:.1e}");
        assert!(scaled > HALF_ULP / 64.0, "{on}: {scaled:.1e}: was f16 in use?");
        assert!(scaled < 6.0 * HALF_ULP, "{on}: {scaled:.1e}");
        assert!(plain > 0.1, "{on}: nothing is lost without the scale ({plain:.1e})");
        // In f32 a power of two changes no bit, if every gradient is divided by it again.
        assert_eq!(gradient(Dtype::F32, Some(64.0)), exact, "{on}");
    });
}
