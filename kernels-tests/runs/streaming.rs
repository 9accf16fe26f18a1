//! Batches with streamed pixels equal those of a set on the device, and the binary can train on a
//! folder of images.
use crate::{cli::Place, extent::every_gpu};
use image::{Rgb, RgbImage};
use nf_gpu::{
    data::{self, Split},
    nn::{DeviceImages, Pick},
    run::{Program, Tape},
};
use std::{fs, path::Path};

#[test]
fn streamed_batches_are_those_of_a_set_on_the_device() {
    let set = data::open("fashion-sample", Path::new("nowhere"), Split::Train).unwrap().take(40);
    let picks: Vec<Pick> = [(3, 1), (39, 0), (0, -2), (3, 4), (17, 0)]
        .map(|(index, dy)| Pick { index, dy, dx: -dy, flip: dy > 0, ..Pick::default() })
        .into();
    let bytes: Vec<u8> = picks.iter().flat_map(|p| set.image(p.index as usize)).copied().collect();
    every_gpu(|gpu, on| {
        let run = |images: &DeviceImages, pixels: &[u8]| -> Vec<Vec<u32>> {
            let mut tape = Tape::new();
            let batch = images.batch(&mut tape, &[3, 2]).unwrap();
            let program = Program::build(gpu, &tape).unwrap();
            assert!(batch.choose(gpu, &program, images, &picks, &[0; 5]).is_err());
            batch.choose(gpu, &program, images, &picks, pixels).unwrap();
            program.run(gpu).unwrap();
            let ids = batch.images().into_iter().map(|v| v.id).chain(batch.labels());
            ids.map(|id| program.read(gpu, id).unwrap()).collect()
        };
        let there = run(&DeviceImages::upload(gpu, &set).unwrap(), &[]);
        let streamed = DeviceImages::streamed([3, 32, 32], &set.labels);
        assert!(there[0].iter().any(|&word| word != 0));
        assert_eq!(run(&streamed, &bytes), there, "{on}");
    });
}

/// Two classes that differ in colour, in images of unusual sizes.
fn photos(place: &Place) {
    for (split, count) in [("train", 24), ("test", 8)] {
        for (class, red) in [("blue", 30), ("red", 220)] {
            let folder = place.path(&format!("photos/{split}/{class}"));
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let image = RgbImage::from_fn(40 + i, 50 - i, |x, y| {
                    let noise = ((x * 7 + y * 13 + i) % 23) as u8;
                    Rgb([red + noise, 90 + noise, 250 - red + noise])
                });
                image.save(folder.join(format!("{i}.png"))).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "in ./test.sh --all: two pretrainings to an accuracy of 100 %"]
fn a_folder_of_images_trains_and_is_evaluated() {
    let place = Place::new();
    photos(&place);
    let cached = || fs::read_dir(place.path("cache")).unwrap().count();
    fs::create_dir(place.path("cache")).unwrap();
    let pretrain = "pretrain --model vgg-small --dataset photos --data-dir cache --steps 30 \
                    --batch-size 16 --out base.safetensors";
    let first = place.run(pretrain);
    assert!(first.stderr.contains("decoding 48 images"), "{}", first.stderr);
    let accuracy = first.done();
    assert_eq!(cached(), 1);
    assert!(accuracy.contains("100.00 %"), "{accuracy}");
    let again = place.run(&pretrain.replace("base", "again"));
    assert!(!again.stderr.contains("decoding"), "the cache was not used: {}", again.stderr);
    again.done();
    let files =
        ["base", "again"].map(|n| fs::read(place.path(&format!("{n}.safetensors"))).unwrap());
    assert!(files[0] == files[1], "crops differ from run to run");

    place.run("train --base base.safetensors --data-dir cache --steps 2 --batch-size 8 --chip 3 --out run").done();
    let eval = "eval --base base.safetensors --data-dir cache --seeds 1 --json \
                --generator run/generator.safetensors";
    let report = place.run(eval).done();
    assert!(report.contains("\"images\": 16"), "{report}");

    // A broken image is named before hours of training.
    fs::write(place.path("photos/train/red/3.png"), b"no image").unwrap();
    let broken = place.run(&pretrain.replace("base", "broken"));
    broken.refused(1, &["red/3.png"]);
}
