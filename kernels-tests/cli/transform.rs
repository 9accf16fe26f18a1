//! Pictures of what a generator does: any number of them, and none that overwrites an input.
use super::{Place, random_generator};
use nf_gpu::{models, nn::initialise};
use std::fs;

/// A place with the weights of a generator for images of `side`.
fn place(side: u32) -> Place {
    let place = Place::new();
    random_generator(side).save(place.path("g.safetensors")).unwrap();
    place
}

/// Writes a different picture under every name.
fn draw(place: &Place, names: &[String]) {
    for (i, name) in names.iter().enumerate() {
        let at = |x: u32, y: u32| image::Rgb([(x * 5) as u8, (y * 5) as u8, (i * 11) as u8]);
        image::RgbImage::from_fn(40, 40, at).save(place.path(name)).unwrap();
    }
}

#[test]
fn many_images_are_those_that_they_are_alone() {
    let place = place(32);
    let names: Vec<String> = (0..35).map(|i| format!("i{i}.png")).collect();
    draw(&place, &names);
    let line = "transform --generator g.safetensors --quiet --out-dir";
    let printed = place.run(&format!("{line} all {}", names.join(" "))).done();
    assert_eq!(printed.lines().count(), names.len());
    // Images in the first part, at its end, after it, and at the very end.
    for i in [0, 15, 16, 34] {
        place.run(&format!("{line} one i{i}.png")).done();
        for kind in ["original", "transformed", "difference"] {
            let picture =
                |folder: &str| fs::read(place.path(&format!("{folder}/i{i}.{kind}.png"))).unwrap();
            assert!(picture("all") == picture("one"), "{kind} of image {i}");
        }
    }
    assert_eq!(fs::read_dir(place.path("all")).unwrap().count(), 3 * names.len());
}

#[test]
fn images_that_do_not_fit_together_run_in_parts() {
    let place = place(512);
    // A binding of 128 MiB holds the values of four of these images.
    let names: Vec<String> = (0..5).map(|i| format!("i{i}.png")).collect();
    draw(&place, &names);
    let line = "transform --generator g.safetensors --side 512 --quiet --out-dir out";
    place.run(&format!("{line} {}", names.join(" "))).done();
    assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 3 * names.len());
}

/// The channels are those of the generator's weights; its file says no size, so a flag does.
#[test]
fn a_grey_generator_gets_grey_pictures_of_any_size() {
    let place = Place::new();
    for (name, channels) in [("grey", 1), ("four", 4)] {
        let graph = models::generator("ConvS", [channels, 28, 28]).unwrap();
        let mut weights = initialise(&graph, false, 1);
        weights.metadata.insert("model".into(), "ConvS".into());
        weights.save(place.path(&format!("{name}.safetensors"))).unwrap();
    }
    draw(&place, &["a.png".into()]);
    let line = "transform --generator grey.safetensors a.png --quiet --out-dir";
    for (flags, size) in [
        ("--side 28", (28, 28)),
        ("--side 20x36", (36, 20)),
        ("--side 30 --preprocess center-crop", (30, 30)),
        ("", (32, 32)),
    ] {
        place.run(&format!("{line} out {flags}")).done();
        let picture = image::open(place.path("out/a.transformed.png")).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), size, "{flags}");
        assert!(picture.pixels().all(|p| p[0] == p[1] && p[1] == p[2]), "{flags}: colour");
    }
    place.refuses(&[(
        "transform --generator four.safetensors a.png --out-dir none",
        2,
        &["pictures have 1 or 3 channels; the network takes 4", "data.npz"][..],
    )]);
    for side in ["0", "9x9x9", "x", "1025"] {
        place.run(&format!("{line} none --side {side}")).no_usage("give N or HxW from 1 to 1024");
    }
}

#[test]
fn an_image_that_cannot_be_read_is_named_before_any_work() {
    let place = place(32);
    draw(&place, &["a.png".into(), "c.png".into()]);
    fs::write(place.path("b.png"), "no picture").unwrap();
    let line = "transform --generator g.safetensors --adapter nowhere --out-dir out";
    fs::create_dir(place.path("folder")).unwrap();
    for (image, code, says) in [
        ("b.png", 1, &["b.png", "not a readable image", "PNG"][..]),
        ("none.png", 1, &["cannot read none.png", "check the path"]),
        ("folder", 1, &["folder: it is a folder", "name the file inside it"]),
        ("./a.png", 2, &["two are called a"]),
    ] {
        place.refuses(&[(&format!("{line} a.png {image} c.png"), code, says)]);
    }
    assert!(!place.path("out").exists());
}
