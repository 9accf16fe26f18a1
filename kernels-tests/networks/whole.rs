//! Whole networks on every adapter against the plain f64 evaluator: frozen base networks with faulty
//! copies (logits, gradient of the images) and training passes, whole and in parts (gradients of all
//! parameters).
use crate::{
    extent::every_gpu,
    networks::evaluator::{Evaluator, Values, norm, relative_l2, wide},
    networks::golden::biases_before_norms,
};
use nf_gpu::{
    fault::{FaultModel, Faults, Flips, dequantize, inject, quantize},
    files::Weights,
    kernels::{
        layout::gather2d::{self, Gather},
        twin::Random,
    },
    models,
    nn::{FrozenNet, Graph, Mode, NodeValue, Role, TrainableNet, initialise},
    run::{BufferId, Gpu, Program, Tape},
    shape::{Nhwc, Window, nchw_from_nhwc, nhwc_from_nchw, pad_channels, unpad_channels},
};

/// Relative L2 errors that f32 kernels must keep to (`kernels-tests/networks/golden/README.md`).
pub(crate) const LOGITS: f64 = 5e-6;
pub(crate) const GRADIENT: f64 = 2e-5;
pub(crate) const CLASSES: u32 = 10;
/// Example of mean and standard deviation that a base network expects of its input.
const NORMALISATION: ([f32; 3], [f32; 3]) = ([0.49, 0.48, 0.45], [0.25, 0.24, 0.26]);
/// Copies of a frozen network and their maps; the first is clean.
const SEEDS: [u64; 3] = [0, 50_000, (7 << 32) | 3];
/// f32 computes these networks' values to a few 1e-7 of their size.
const MARGIN: f64 = 3e-6;

/// Random weights, with batch norms that are not the identity.
pub(crate) fn weights(graph: &Graph, seed: u32) -> Weights {
    let mut weights = initialise(graph, true, u64::from(seed));
    let mut random = Random::new(seed);
    for param in &graph.params {
        let tensor = weights.tensors.get_mut(&param.name).unwrap();
        for v in &mut tensor.data {
            let p = random.float();
            match param.role {
                // Initial linear weights are almost zero, so that a chain of such layers has hardly
                // any gradient.
                Role::Weight if param.shape.len() == 2 => *v *= 5.0,
                Role::Weight => {}
                Role::Gamma => *v = 0.7 + 0.2 * p,
                Role::RunningVar => *v = 1.0 + 0.3 * p * p,
                Role::Bias | Role::Beta | Role::RunningMean => *v = 0.1 * p,
                Role::Image => *v = p,
            }
        }
    }
    weights
}

pub(crate) fn layer_weights<'a>(graph: &Graph, weights: &'a Weights, layer: usize) -> &'a [f32] {
    &weights.tensors[&graph.params[graph.layers[layer].weight].name].data
}

/// Draws images until one stays away from the kinks of every evaluator.
pub(crate) fn quiet_images(
    random: &mut Random,
    len: usize,
    nets: &[Evaluator<'_>],
) -> (Vec<f32>, Vec<Values>) {
    for _ in 0..100 {
        let images = random.floats(len);
        let values: Vec<Values> = nets.iter().map(|net| net.forward(&wide(&images))).collect();
        if nets.iter().zip(&values).all(|(net, values)| net.margin(values) > MARGIN) {
            return (images, values);
        }
    }
    panic!("a hundred images came too near to a kink");
}

/// A copy, readable by the host, of a transient buffer.
pub(crate) fn kept(tape: &mut Tape, id: BufferId, shape: Nhwc) -> BufferId {
    let copy = tape.kept("result", shape.bytes());
    tape.push(gather2d::plan(shape, shape, Gather::channels(0)).unwrap(), &[id, copy]).unwrap();
    copy
}

/// A frozen network with its expected results.
pub(crate) struct Frozen {
    graph: Graph,
    weights: Weights,
    faults: Faults,
    batch: u32,
    images: Vec<f32>,
    dlogits: Vec<f32>,
    /// Per copy and layer.
    flips: Vec<Vec<Flips>>,
    /// `[copies, N, classes]`
    logits: Vec<f64>,
    /// NCHW, summed over all copies.
    dx: Vec<f64>,
}

impl Frozen {
    pub(crate) fn new(graph: Graph, batch: u32, bits: u32) -> Self {
        let weights = weights(&graph, 11);
        let faults = Faults::new(FaultModel::StuckAt, 0.01).unwrap();
        let mut flips = Vec::new();
        let copy = |(copy, &seed): (usize, &u64)| {
            let mut of_copy = Vec::new();
            let layer = |layer: usize| {
                let stored = quantize(layer_weights(&graph, &weights, layer), bits).unwrap();
                let (faulty, flips) =
                    inject(&stored, &faults.map(seed).unwrap(), graph.places()[layer]);
                of_copy.push(if copy == 0 { Flips::default() } else { flips });
                dequantize(if copy == 0 { &stored } else { &faulty })
            };
            let layers = (0..graph.layers.len()).map(layer).collect();
            flips.push(of_copy);
            Evaluator { graph: &graph, parameters: &weights, weights: layers, training: false }
        };
        let nets: Vec<Evaluator<'_>> = SEEDS.iter().enumerate().map(copy).collect();
        let mut random = Random::new(batch);
        let classes = CLASSES as usize;
        let dlogits = random.floats(SEEDS.len() * batch as usize * classes);
        let (mut images, mut dx) = (Vec::new(), Vec::new());
        let mut logits = vec![0.0; dlogits.len()];
        for i in 0..batch as usize {
            let (image, values) = quiet_images(
                &mut random,
                graph.nodes[0].chw.iter().product::<u32>() as usize,
                &nets,
            );
            let mut sum = vec![0.0; image.len()];
            for (copy, (net, values)) in nets.iter().zip(&values).enumerate() {
                let at = (copy * batch as usize + i) * classes;
                logits[at..][..classes].copy_from_slice(values.output());
                let of_copy = net.backward(values, &wide(&dlogits[at..][..classes])).images;
                sum.iter_mut().zip(of_copy).for_each(|(sum, d)| *sum += d);
            }
            images.extend(image);
            dx.extend(sum);
        }
        Self { weights, faults, batch, images, dlogits, flips, logits, dx, graph }
    }

    pub(crate) fn check(&self, gpu: &Gpu, on: &str, bits: u32) {
        let what = format!("{} x{} on {on}", self.graph.name, self.batch);
        let copies = SEEDS.len() as u32;
        let whole = FrozenNet::new(gpu, &self.graph, &self.weights, bits, copies).unwrap();
        self.check_net(gpu, &whole, &what);
        // Layers of more than 20 kB are cut into slices of output channels.
        let (graph, weights) = (&self.graph, &self.weights);
        let sliced = FrozenNet::sliced(gpu, graph, weights, bits, copies, true, 20_000).unwrap();
        self.check_net(gpu, &sliced, &format!("{what}, in slices"));
    }

    fn check_net(&self, gpu: &Gpu, net: &FrozenNet, what: &str) {
        let copies = SEEDS.len() as u32;
        let injector = net.injector(gpu, 1, Some(&self.faults)).unwrap();
        let shape = self.graph.shape(self.graph.input(), self.batch);
        let rows = Nhwc::new(copies * self.batch, 1, 1, CLASSES);
        let mut tape = Tape::new();
        let x = tape.kept("images", shape.bytes());
        let dy = tape.kept("gradient of the logits", rows.bytes());
        let mut compiler = net.compiler(gpu, &mut tape, Mode::Frozen);
        let y = compiler.forward(&mut tape, NodeValue { id: x, shape, copies: 1 }).unwrap();
        assert_eq!((y.shape, y.copies), (Nhwc::new(self.batch, 1, 1, CLASSES), copies));
        let logits = kept(&mut tape, y.id, rows);
        let dx = compiler.backward(&mut tape, dy, None, true).unwrap().unwrap();
        let dx = kept(&mut tape, dx, shape);
        let program = Program::build(gpu, &tape).unwrap();
        program.write(gpu, x, 0, &nhwc_from_nchw(&self.images, shape, f32::NAN));
        program.write(gpu, dy, 0, &pad_channels(&self.dlogits, CLASSES, f32::NAN));
        assert!(injector.run(gpu, &SEEDS[1..]).is_err(), "a seed is missing");
        let run = |seeds: &[u64]| {
            injector.run(gpu, seeds).unwrap();
            program.run(gpu).unwrap();
            let logits: Vec<f32> = program.read(gpu, logits).unwrap();
            let dx: Vec<f32> = program.read(gpu, dx).unwrap();
            (unpad_channels(&logits, CLASSES), nchw_from_nhwc(&dx, shape))
        };
        // Runs with other faults first, to show that nothing is left over from the previous run.
        let other = run(&[1, 2, 3]);
        let (logits, dx) = run(&SEEDS);
        assert_ne!((&logits, &dx), (&other.0, &other.1), "{what}: seeds change nothing");
        assert_eq!(injector.flips(gpu).unwrap(), self.flips, "{what}");
        assert_eq!(self.inferred(gpu, net), logits, "{what}: inference differs");
        let of_copies = logits.chunks(logits.len() / SEEDS.len());
        let worst = of_copies
            .zip(self.logits.chunks(logits.len() / SEEDS.len()))
            .map(|(got, want)| relative_l2(got, want))
            .max_by(f64::total_cmp)
            .unwrap();
        let gradient = relative_l2(&dx, &self.dx);
        println!("{what}: logits of the worst copy {worst:.1e}, gradient {gradient:.1e}");
        assert!(worst <= LOGITS, "{what}: logits {worst:.1e}, bound {LOGITS:.0e}");
        assert!(gradient <= GRADIENT, "{what}: gradient {gradient:.1e}, bound {GRADIENT:.0e}");
    }

    /// Logits of an inference program, with the copies' present weights.
    fn inferred(&self, gpu: &Gpu, net: &FrozenNet) -> Vec<f32> {
        let shape = self.graph.shape(self.graph.input(), self.batch);
        let mut tape = Tape::new();
        let x = tape.kept("images", shape.bytes());
        let mut compiler = net.compiler(gpu, &mut tape, Mode::Inference);
        let y = compiler.forward(&mut tape, NodeValue { id: x, shape, copies: 1 }).unwrap();
        let rows = Nhwc::new(y.copies * self.batch, 1, 1, CLASSES);
        let refused = compiler.backward(&mut tape, y.id, None, true).unwrap_err();
        assert!(refused.to_string().contains("inference"), "{refused}");
        let logits = kept(&mut tape, y.id, rows);
        let program = Program::build(gpu, &tape).unwrap();
        program.write(gpu, x, 0, &nhwc_from_nchw(&self.images, shape, f32::NAN));
        program.run(gpu).unwrap();
        unpad_channels(&program.read(gpu, logits).unwrap(), CLASSES)
    }
}

fn check_frozen(name: &str, normalised: bool, batch: u32, bits: u32) {
    let graph = models::base(name, CLASSES, normalised.then_some(NORMALISATION)).unwrap();
    let frozen = Frozen::new(graph, batch, bits);
    every_gpu(|gpu, on| frozen.check(gpu, on, bits));
}

#[test]
fn frozen_vgg_small_with_faulty_copies() {
    check_frozen("vgg-small", false, 3, 8);
}

#[test]
fn frozen_vgg_small_behind_a_normalisation_in_four_bits() {
    check_frozen("vgg-small", true, 2, 4);
}

#[test]
fn frozen_resnet20_with_faulty_copies() {
    check_frozen("resnet20", false, 2, 8);
}

#[test]
fn frozen_resnet20_behind_a_normalisation() {
    check_frozen("resnet20", true, 3, 8);
}

/// A small network with the features of large VGGs: fully connected layers on several pixels, dropout,
/// more channels than fit one slice of a small binding.
pub(crate) fn small_vgg() -> Graph {
    let mut g = Graph::new("small VGG", [3, 8, 8]);
    let x = g.conv(0, "features.0", 12, Window::square(3, 1, 1), true).unwrap();
    let x = g.batch_norm(x, "features.1");
    let x = g.relu(x);
    let x = g.max_pool(x, Window::square(3, 2, 1)).unwrap();
    let x = g.linear(x, "classifier.0", 50).unwrap();
    let x = g.relu(x);
    let x = g.dropout(x, 0.5);
    let x = g.linear(x, "classifier.3", 21).unwrap();
    let x = g.relu(x);
    let x = g.dropout(x, 0.25);
    g.linear(x, "classifier.6", CLASSES).unwrap();
    g
}

#[test]
fn frozen_fully_connected_layers_on_several_pixels() {
    let frozen = Frozen::new(small_vgg(), 3, 8);
    every_gpu(|gpu, on| frozen.check(gpu, on, 8));
}

/// Checks a training pass of a batch in parts; `of_images` says whether the gradient of the images is
/// wanted too.
fn check_training(graph: &Graph, parts: &[u32], of_images: bool) {
    let batch = parts.iter().sum();
    let weights = weights(graph, 12);
    let layer = |layer| dequantize(&quantize(layer_weights(graph, &weights, layer), 8).unwrap());
    let layers = (0..graph.layers.len()).map(layer).collect();
    let twin = Evaluator { graph, parameters: &weights, weights: layers, training: true };
    let shape = graph.shape(graph.input(), batch);
    let out = graph.shape(graph.output(), batch);
    let (image, row) = ((shape.h * shape.w * shape.c) as usize, (out.h * out.w * out.c) as usize);
    let mut random = Random::new(13);
    let dlogits = random.floats(batch as usize * row);
    let twins = [twin];
    let (images, values) = quiet_images(&mut random, (shape.pixels() * shape.c) as usize, &twins);
    let (twin, values) = (&twins[0], &values[0]);
    let want = twin.backward(values, &wide(&dlogits));
    let running = twin.running(values);
    let exempt = biases_before_norms(graph);
    every_gpu(|gpu, on| {
        let net = TrainableNet::new(gpu, graph, &weights, 8).unwrap();
        let mut tape = Tape::new();
        let of = |n: u32, shape: Nhwc| Nhwc { n, ..shape };
        let x: Vec<NodeValue> = parts
            .iter()
            .map(|&n| NodeValue {
                id: tape.kept("images", of(n, shape).bytes()),
                shape: of(n, shape),
                copies: 1,
            })
            .collect();
        let dy: Vec<BufferId> =
            parts.iter().map(|&n| tape.kept("gradient", of(n, out).bytes())).collect();
        let gradients = tape.import("gradients", &net.gradients);
        let mut compiler = net.compiler(gpu, &mut tape).unwrap();
        let y = compiler.forward_parts(&mut tape, &x).unwrap();
        let logits: Vec<BufferId> = y.iter().map(|y| kept(&mut tape, y.id, y.shape)).collect();
        let dx = compiler.backward_parts(&mut tape, &dy, Some(gradients), of_images).unwrap();
        assert_eq!(dx.is_some(), of_images);
        let dx: Option<Vec<BufferId>> =
            dx.map(|dx| dx.iter().zip(&x).map(|(&dx, x)| kept(&mut tape, dx, x.shape)).collect());
        let program = Program::build(gpu, &tape).unwrap();
        let mut first = 0;
        for (i, &n) in parts.iter().enumerate() {
            let part = |v: &'_ [f32], len: usize| v[first * len..][..n as usize * len].to_vec();
            let pixels = nhwc_from_nchw(&part(&images, image), of(n, shape), f32::NAN);
            program.write(gpu, x[i].id, 0, &pixels);
            let upstream = nhwc_from_nchw(&part(&dlogits, row), of(n, out), f32::NAN);
            program.write(gpu, dy[i], 0, &upstream);
            first += n as usize;
        }
        program.run(gpu).unwrap();
        let read = |ids: &[BufferId], shape: Nhwc| -> Vec<f32> {
            let part = |(&id, &n): (&BufferId, &u32)| {
                nchw_from_nhwc(&program.read(gpu, id).unwrap(), of(n, shape))
            };
            ids.iter().zip(parts).flat_map(part).collect()
        };
        let logits = read(&logits, out);
        let got = net.named(&net.gradients.read::<f32>(gpu).unwrap());
        assert_eq!(
            got.tensors.keys().collect::<Vec<_>>(),
            want.parameters.keys().collect::<Vec<_>>()
        );
        let after = net.weights(gpu).unwrap();
        let mut errors = vec![("logits".to_owned(), relative_l2(&logits, values.output()))];
        if let Some(dx) = dx {
            let dx = read(&dx, shape);
            errors.push(("images".to_owned(), relative_l2(&dx, &want.images)));
        }
        for (name, want) in &want.parameters {
            if let Some((weight, _)) = exempt.iter().find(|(_, bias)| bias == name) {
                let zero =
                    norm(&wide(&got.tensors[name].data)) / norm(&wide(&got.tensors[*weight].data));
                assert!(
                    zero < 1e-5,
                    "{name} on {on}: {zero:.1e} of its weights' gradient, not zero"
                );
                continue;
            }
            assert!(norm(want) > 1e-3, "{name}: a gradient of zero tests nothing");
            errors.push((name.clone(), relative_l2(&got.tensors[name].data, want)));
        }
        for (name, want) in &running {
            errors.push((name.clone(), relative_l2(&after.tensors[name].data, want)));
        }
        let (name, error) = errors.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        println!("{} in training, parts {parts:?}, on {on}: {error:.1e} ({name})", graph.name);
        assert!(errors.iter().all(|(_, error)| *error <= GRADIENT), "{on}: {errors:#?}");
    });
}

fn base(name: &str, normalised: bool) -> Graph {
    models::base(name, CLASSES, normalised.then_some(NORMALISATION)).unwrap()
}

#[test]
fn training_vgg_small() {
    check_training(&base("vgg-small", false), &[3], true);
}

#[test]
fn training_resnet20_behind_a_normalisation() {
    check_training(&base("resnet20", true), &[2], false);
}

/// Batch statistics, weight and bias gradients are those of the whole batch.
#[test]
fn training_in_parts_is_training_on_the_whole_batch() {
    check_training(&base("vgg-small", true), &[2, 2, 1], true);
    check_training(&models::generator("DeConvS", [3, 16, 16]).unwrap(), &[3, 1], false);
    check_training(&models::generator("UNetS", [3, 16, 16]).unwrap(), &[1, 1], true);
}

#[test]
fn training_with_dropout_on_fully_connected_layers() {
    check_training(&small_vgg(), &[5], true);
    check_training(&small_vgg(), &[2, 2, 1], false);
}

#[test]
fn training_a_learned_image() {
    check_training(&models::generator("UIP", [3, 8, 8]).unwrap(), &[2, 1], false);
}

/// Sides that three halvings do not divide are padded in front and cropped behind, and their gradients too. One
/// row or column of zeros is padded here: in more of them a pool would meet equal values, which are kinks.
#[test]
fn training_generators_on_images_of_any_size() {
    for (name, chw) in
        [("ConvS", [1, 15, 7]), ("UNetS", [5, 16, 15]), ("DeConvS", [2, 8, 7]), ("UIP", [6, 3, 5])]
    {
        check_training(&models::generator(name, chw).unwrap(), &[2, 1], name == "UNetS");
    }
}
