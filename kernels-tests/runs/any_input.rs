//! A network of one channel from arrays to an evaluation behind a generator, and the binary on arrays.
use crate::{cli::Place, extent::every_gpu};
use nf_gpu::{
    data::{self, ImageSet, Split},
    eval::{Journal, Request, Subject, fuse_images, measure},
    fault::{FaultModel, Faults, Maps},
    files::{Weights, npy},
    kernels::plan::Dtype,
    models,
    nn::{DeviceImages, FrozenNet, Graph, Pick, TrainableNet, initialise},
    shape::Window,
    step::{Eopm, EopmSettings, Loss, TrainingStep as _},
};
use std::{fs, path::Path};

/// Images of rows whose number is their class, in `[0, 1]` as floating-point numbers, and their classes.
fn arrays(folder: &Path, shape: &[usize], splits: [(&str, usize); 2]) {
    for (split, n) in splits {
        let (image, width) = (shape.iter().product::<usize>(), shape[shape.len() - 1]);
        let pixel = |i: usize, p: usize| {
            let on = p / width % 10 == i % 10;
            ((i * 7 + p * 13) % 40 + if on { 200 } else { 10 }) as f32 / 255.0
        };
        let pixels =
            (0..n).flat_map(|i| (0..image).map(move |p| pixel(i, p))).collect::<Vec<f32>>();
        let labels: Vec<i32> = (0..n as i32).map(|i| i % 10).collect();
        fs::create_dir_all(folder).unwrap();
        let of = |letter: &str| folder.join(format!("{letter}_{split}.npy"));
        npy::save_f32(of("x"), &[&[n], shape].concat(), &pixels).unwrap();
        npy::save_i32(of("y"), &[n], &labels).unwrap();
    }
}

/// A network for images of one channel and 28x28 pixels.
fn tiny() -> (Graph, Weights) {
    let mut g = Graph::new("tiny", [1, 28, 28]);
    let window = |kernel, stride, padding| Window::square(kernel, stride, padding);
    let x = g.conv(g.input(), "conv1", 8, window(3, 1, 1), true).unwrap();
    let x = g.relu(x);
    let x = g.max_pool(x, window(2, 2, 0)).unwrap();
    g.linear(x, "fc", 10).unwrap();
    let weights = initialise(&g, true, 1);
    (g, weights)
}

fn open(folder: &Path, split: Split) -> ImageSet {
    data::open_sized(folder.to_str().unwrap(), Path::new(""), split, [1, 28, 28]).unwrap()
}

/// The images of a batch are the bytes of the arrays; a generator in front of the network learns from them; the
/// evaluation behind it is that of the same images.
#[test]
fn a_network_of_one_channel_is_trained_for_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    arrays(folder.path(), &[28, 28], [("train", 40), ("test", 20)]);
    let [train, test] = [Split::Train, Split::Test].map(|split| open(folder.path(), split));
    let (base, weights) = tiny();
    every_gpu(|gpu, on| {
        for name in ["ConvS", "UIP"] {
            let generator = models::generator(name, [1, 28, 28]).unwrap();
            let net =
                TrainableNet::new(gpu, &generator, &initialise(&generator, false, 3), 8).unwrap();
            let images = DeviceImages::upload(gpu, &train).unwrap();
            let faults = Faults::new(FaultModel::StuckAt, 0.02).unwrap();
            let settings = EopmSettings {
                base: (&base, &weights),
                precision: 8,
                perturbed: 1,
                faults: &faults,
                maps: Maps::Chip(7),
                lambda: 5.0,
                loss: Loss::Labels,
                batch: 20,
                micro_batch: None,
                group: None,
            };
            let mut step = Eopm::new(gpu, &net, &images, &settings).unwrap();
            let mut losses = Vec::new();
            for n in 0..12u32 {
                let pick = |i| Pick { index: (n * 20 + i) % 40, ..Pick::default() };
                let picks: Vec<Pick> = (0..20).map(pick).collect();
                step.run(gpu, &images, (&picks, &[]), (u64::from(n), 5e-3)).unwrap();
                losses.push(step.losses(gpu).unwrap());
            }
            println!("{name} on {on}: {:?} to {:?}", losses[0], losses[11]);
            assert!(losses.iter().all(|losses| losses.are_finite()), "{name} on {on}");
            let loss = |i: usize| losses[i].clean + losses[i].perturbed.unwrap();
            assert!(loss(11) < loss(0), "{name} on {on} learns nothing: {losses:?}");
            let trained = net.weights(gpu).unwrap();
            let subject = Subject {
                base: (&base, &weights),
                generator: Some((&generator, &trained)),
                generator_id: "",
                set: &test,
                precision: 8,
                batch: 8,
                dtype: Dtype::F32,
            };
            let request = Request { subject, faults: &[faults], seeds: &[7], keep_logits: false };
            let m = measure(gpu, &request, &mut Journal::default(), &mut |_| true).unwrap();
            let of = |answers: &nf_gpu::eval::Answers| answers.accuracy();
            let nf = m.clean_nf.as_ref().map(of).unwrap();
            println!("{name} on {on}: clean {}, behind it {nf}", of(&m.clean));
            let fuse = FrozenNet::for_inference(gpu, &generator, &trained, 8, 1).unwrap();
            fuse.injector(gpu, 1, None).unwrap().run(gpu, &[0]).unwrap();
            let few = DeviceImages::upload(gpu, &test.clone().take(3)).unwrap();
            let [originals, fused] = fuse_images(gpu, &fuse, &few).unwrap();
            assert_eq!((originals.len(), fused.len()), (3 * 784, 3 * 784));
            for (v, &byte) in originals.iter().zip(&test.pixels) {
                assert!((v - (f32::from(byte) / 127.5 - 1.0)).abs() < 1e-6, "{v}, {byte}");
            }
            assert!(fused.iter().zip(&originals).any(|(a, b)| a != b), "{name} changed nothing");
        }
    });
}

/// Colour arrays of 32x32 pixels go the whole way of a network with a name; each refusal says what to do.
#[test]
fn the_binary_trains_and_evaluates_on_arrays() {
    let place = Place::new();
    arrays(&place.path("set"), &[32, 32, 3], [("train", 40), ("test", 20)]);
    arrays(&place.path("grey"), &[28, 28], [("train", 20), ("test", 20)]);
    let pretrain = "pretrain --model vgg-small --steps 2 --batch-size 10 --quiet";
    place.run(&format!("{pretrain} --dataset set --out own.safetensors")).done();
    let train = "train --base own.safetensors --steps 2 --batch-size 10 --chip 1 --quiet --out run";
    place.run(train).done();
    let eval = "eval --base own.safetensors --generator run/generator.safetensors --seeds 1 --json";
    let said: serde_json::Value = serde_json::from_str(&place.run(eval).done()).unwrap();
    assert_eq!((&said["dataset"]["images"], &said["dataset"]["name"]), (&20.into(), &"set".into()));
    let few = format!("{eval} --images 5 --dataset set/x_test.npy");
    let said: serde_json::Value = serde_json::from_str(&place.run(&few).done()).unwrap();
    assert_eq!(said["dataset"]["images"], 5);
    // Grey of 28x28 becomes three channels of 32x32, on request.
    let other = format!("{eval} --dataset grey");
    let crop = format!("{other} --preprocess center-crop --side 40");
    let said: serde_json::Value = serde_json::from_str(&place.run(&crop).done()).unwrap();
    assert_eq!(said["dataset"]["images"], 20);
    let flags = &said["given"]["flags"];
    assert_eq!((&flags["--side"], &flags["--preprocess"]), (&"40".into(), &"center-crop".into()));
    fs::write(place.path("no.npz"), "no archive").unwrap();
    place.refuses(&[
        (&other, 1, &["its images are 28x28; the network takes 32x32", "--preprocess squash"][..]),
        (&format!("{other} --side 28"), 2, &["--side: 28; the network takes 32x32", "center-crop"]),
        (
            &format!("{other} --side 31 --preprocess center-crop"),
            2,
            &["--side: nothing of 32x32 can be cut out of 31"],
        ),
        (&format!("{eval} --dataset no.npz"), 1, &["no.npz: it is no readable .npz archive"]),
        (&format!("{eval} --dataset gone.npz"), 2, &["there is no file gone.npz", "np.savez"]),
        (&format!("{eval} --dataset set/z.npy"), 2, &["there is no file set/z.npy", "x_test.npy"]),
        (
            &format!("{pretrain} --dataset set --out set/x_test.npy"),
            2,
            &["set/x_test.npy is already --dataset"],
        ),
    ]);
    let checked = place.run("data check set").done();
    assert!(checked.contains("set/x_train.npy: ok"), "{checked}");
    place.run("data show grey --split test --out sheet.png").done();
    let sheet = image::open(place.path("sheet.png")).unwrap().into_rgb8();
    assert!(sheet.pixels().all(|p| p[0] == p[1] && p[1] == p[2]), "a grey image is drawn grey");
    let fetched = place.run("data fetch grey").done();
    assert!(fetched.contains("holds arrays of yours"), "{fetched}");
}
