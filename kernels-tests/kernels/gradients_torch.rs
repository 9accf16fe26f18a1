//! Operations and their gradients against PyTorch's autograd, in the middle of a graph, on every
//! adapter and with every variant: `kernels-tests/kernels/torch.safetensors`, which
//! `python/gradient_vectors.py` makes.
use crate::{
    extent::{adapters, open},
    kernels::onnx::{
        convolution::{gather, gradients},
        engine::{Binding, Engine, floats_of, unpadded},
        images::maxima,
        tensor::Tensor,
    },
};
use nf_gpu::{
    files::safetensors,
    kernels::{
        conv::conv2d::Conv2d,
        elementwise::activation::Activation,
        loss::{distillation_loss, softmax_cross_entropy},
        norm::{apply, backward, statistics},
        pool::{avg_pool, max_pool, window::Divisor},
        reduce::{channel_sum, chunking, sum_partials},
    },
    shape::{Nhwc, Window, pad_channels},
};
use std::{collections::BTreeMap, path::Path};

/// Bound of the relative L2 error of a kernel that computes from PyTorch's own operands: a few f32
/// roundings in sums of up to a thousand terms, and in the batch's statistics.
const BOUND: f64 = 2e-6;

struct File {
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

impl File {
    fn open() -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/kernels/torch.safetensors");
        let (raw, metadata) = safetensors::load(path).unwrap();
        let of = |raw: &safetensors::Raw| Tensor::floats(&raw.shape, raw.to_f32().unwrap());
        Self { tensors: raw.iter().map(|(name, raw)| (name.clone(), of(raw))).collect(), metadata }
    }

    /// Cases of a kind: its names in the file have a number at the end.
    fn cases(&self, kind: &str) -> Vec<Case<'_>> {
        let names = self.metadata.keys().filter(|name| {
            name.strip_prefix(kind).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        });
        let cases: Vec<_> = names.map(|name| Case { file: self, name }).collect();
        assert!(cases.len() > 3, "{kind}: {} cases", cases.len());
        cases
    }
}

#[derive(Clone, Copy)]
struct Case<'a> {
    file: &'a File,
    name: &'a str,
}

impl Case<'_> {
    fn tensor(&self, key: &str) -> &Tensor {
        &self.file.tensors[&format!("{}.{key}", self.name)]
    }

    fn floats(&self, key: &str) -> &[f32] {
        self.tensor(key).f32s().unwrap()
    }

    fn images(&self, key: &str) -> Images {
        self.tensor(key).images().unwrap()
    }

    fn numbers(&self) -> Vec<u32> {
        self.file.metadata[self.name].split(' ').map(|n| n.parse().unwrap()).collect()
    }

    /// Compares values in the kernels' order with a tensor of the file in the same order.
    #[track_caller]
    fn assert(&self, what: &str, got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len(), "{} {what}", self.name);
        let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
        let error = square(&mut got.iter().zip(want).map(|(&g, &w)| f64::from(g) - f64::from(w)));
        let error = (error / square(&mut want.iter().map(|&w| f64::from(w)))).sqrt();
        assert!(error < BOUND, "{} {what}: relative error {error:.1e}", self.name);
    }
}

/// Runs a test on every adapter with the default variants, then with each of the others.
fn every_variant(mut test: impl FnMut(&mut Engine<'_>, &File)) {
    let file = File::open();
    for adapter in adapters() {
        let gpu = open(&adapter);
        let mut engine = Engine::new(&gpu, None);
        test(&mut engine, &file);
        for variant in engine.others {
            println!("  {variant}");
            test(&mut Engine::new(&gpu, Some(variant)), &file);
        }
    }
}

fn convolutions(engine: &mut Engine<'_>, file: &File, kind: &str) {
    for case in file.cases(kind) {
        let [stride, padding] = case.numbers()[..] else { unreachable!("two numbers") };
        let ((x, values), (y, want)) = (case.images("x"), case.images("y"));
        let transposed = kind == "deconv";
        let (shape, w) = case.tensor("w").weights(!transposed).unwrap();
        let window = Window::even([shape.r, shape.s], stride, padding);
        let conv = if transposed {
            // With output padding the image is larger than the smallest that fits.
            Conv2d { y, ..Conv2d::transposed(x, y.c, window).unwrap() }
        } else {
            Conv2d::forward(x, y.c, window).unwrap()
        };
        let got = gather(engine, conv, &values, &w, Some(case.floats("b")));
        case.assert("y", &got, &want);
        let (_, dy) = case.images("dy");
        let (dx, dw) = gradients(engine, conv, [&values, &w, &dy]);
        case.assert("dx", &dx, &case.images("dx").1);
        case.assert("dw", &dw, &case.tensor("dw").weights(!transposed).unwrap().1);
        let plan = channel_sum::plan(y).unwrap();
        let partial = engine.floats(plan, vec![Binding::images(&dy, y.c), Binding::Out]);
        let plan = sum_partials::plan(chunking::chunks(y), y.c4() * 4, y.c, 0, y.c).unwrap();
        let db = engine.floats(plan, vec![Binding::floats(&partial), Binding::Out]);
        case.assert("db", &db, case.floats("db"));
    }
}

#[test]
fn convolutions_are_pytorchs() {
    every_variant(|engine, file| convolutions(engine, file, "conv"));
}

#[test]
fn transposed_convolutions_are_pytorchs() {
    every_variant(|engine, file| convolutions(engine, file, "deconv"));
}

#[test]
fn batch_norm_is_pytorchs() {
    every_variant(|engine, file| {
        for case in file.cases("norm") {
            let act = match file.metadata[case.name].as_str() {
                "none" => Activation::None,
                "relu" => Activation::Relu,
                _ => Activation::Tanh,
            };
            batch_norm(engine, case, act);
        }
    });
}

fn batch_norm(engine: &mut Engine<'_>, case: Case<'_>, act: Activation) {
    let (shape, x) = case.images("x");
    let (_, dy) = case.images("dy");
    let (c, len) = (shape.c, 2 * shape.c);
    let parameters = [case.floats("w"), case.floats("b")].concat();
    let image = |values: &[f32]| Binding::images(values, c);
    let words = |words: &[u32]| Binding::Words(words.to_vec());
    let plan = statistics::plan_stats(shape).unwrap();
    let partial = engine.floats(plan, vec![image(&x), Binding::Out]);
    let fresh = [vec![0.0; c as usize], vec![1.0; c as usize]].concat();
    let plan = statistics::plan_finish(shape, shape, 1e-5, 0.1).unwrap();
    let before = Binding::floats(&pad_channels(&fresh, c, 0.0));
    let finished = engine.words(plan, vec![Binding::floats(&partial), before, Binding::Out]);
    let running = unpadded(&floats_of(&finished[0]), c, "running");
    case.assert("mean", &running[..c as usize], case.floats("mean"));
    case.assert("variance", &running[c as usize..], case.floats("variance"));
    let stats = &finished[1];
    let plan = apply::plan(shape, act, 0, c, len).unwrap();
    let flat = Binding::floats(&parameters);
    let y = engine.images(plan, vec![image(&x), words(stats), flat, Binding::Out], shape);
    case.assert("y", &y, &case.images("y").1);

    let plan = backward::plan_sums(shape, act).unwrap();
    let bindings = vec![image(&dy), image(&y), image(&x), words(stats), Binding::Out];
    let partial = engine.floats(plan, bindings);
    let chunks = chunking::chunks(shape);
    let plan = backward::plan_finish(shape, chunks, 0, c, len).unwrap();
    let bindings = vec![Binding::floats(&partial), Binding::Out, Binding::Out];
    let summed = engine.words(plan, bindings);
    let gradients = floats_of(&summed[1]);
    case.assert("dw", &gradients[..c as usize], case.floats("dw"));
    case.assert("db", &gradients[c as usize..], case.floats("db"));
    let plan = backward::plan_grad(shape, shape.pixels(), act, 0, len).unwrap();
    let bindings = vec![
        image(&dy),
        image(&y),
        image(&x),
        words(stats),
        words(&summed[0]),
        Binding::floats(&parameters),
        Binding::Out,
    ];
    let dx = engine.images(plan, bindings, shape);
    case.assert("dx", &dx, &case.images("dx").1);
}

#[test]
fn pools_are_pytorchs() {
    every_variant(|engine, file| {
        for case in file.cases("max") {
            let ((shape, x), (y, want), window) = pool(case);
            let (got, arg) = maxima(engine, shape, &x, window);
            case.assert("y", &got, &want);
            let plan = max_pool::plan_grad(shape, window).unwrap();
            let dy = Binding::images(&case.images("dy").1, y.c);
            let dx = engine.images(plan, vec![dy, Binding::Words(arg), Binding::Out], shape);
            case.assert("dx", &dx, &case.images("dx").1);
        }
        for case in file.cases("mean") {
            let ((shape, x), (y, want), window) = pool(case);
            let plan = avg_pool::plan(shape, window, Divisor::Window).unwrap();
            let got = engine.images(plan, vec![Binding::images(&x, y.c), Binding::Out], y);
            case.assert("y", &got, &want);
            let plan = avg_pool::plan_grad(shape, window, Divisor::Window).unwrap();
            let dy = Binding::images(&case.images("dy").1, y.c);
            let dx = engine.images(plan, vec![dy, Binding::Out], shape);
            case.assert("dx", &dx, &case.images("dx").1);
        }
    });
}

type Images = (Nhwc, Vec<f32>);

/// Input images, output images, and the window.
fn pool(case: Case<'_>) -> (Images, Images, Window) {
    let [r, s, stride, padding] = case.numbers()[..] else { unreachable!("four numbers") };
    (case.images("x"), case.images("y"), Window::even([r, s], stride, padding))
}

#[test]
fn cross_entropy_is_pytorchs() {
    every_variant(|engine, file| {
        for case in file.cases("loss") {
            let (x, labels) = (case.tensor("x"), case.numbers());
            let [copies, n, classes] = [0, 1, 2].map(|i| x.dims[i] as u32);
            let plan = softmax_cross_entropy::plan(copies, n, classes).unwrap();
            let bindings = vec![
                Binding::images(case.floats("x"), classes),
                Binding::Words(labels),
                Binding::floats(case.floats("w")),
                Binding::Out,
                Binding::Out,
                Binding::Out,
            ];
            let words = engine.words(plan, bindings);
            let gradients = unpadded(&floats_of(&words[0]), classes, "dlogits");
            case.assert("dx", &gradients, case.floats("dx"));
            case.assert("y", &floats_of(&words[1]), case.floats("y"));
        }
    });
}

#[test]
fn distillation_is_pytorchs() {
    every_variant(|engine, file| {
        for case in file.cases("distill") {
            let x = case.tensor("x");
            let [copies, n, classes] = [0, 1, 2].map(|i| x.dims[i] as u32);
            let temperature: f32 = file.metadata[case.name].parse().unwrap();
            let plan = distillation_loss::plan(copies, n, classes, temperature).unwrap();
            let bindings = vec![
                Binding::images(case.floats("x"), classes),
                Binding::images(case.floats("t"), classes),
                Binding::floats(case.floats("w")),
                Binding::Out,
                Binding::Out,
                Binding::Out,
            ];
            let words = engine.words(plan, bindings);
            let gradients = unpadded(&floats_of(&words[0]), classes, "dlogits");
            case.assert("dx", &gradients, case.floats("dx"));
            // A logarithm near 1 may be off by 2^-21, which is more than the loss between two confident
            // answers.
            let bound = f64::from(temperature).powi(2) * 2f64.powi(-20);
            for (got, &want) in floats_of(&words[1]).into_iter().zip(case.floats("y")) {
                let off = (f64::from(got) - f64::from(want)).abs();
                assert!(off < bound + BOUND * f64::from(want), "{}: {got}, not {want}", case.name);
                assert!(got >= 0.0, "{}: a distance of {got}", case.name);
            }
        }
    });
}
