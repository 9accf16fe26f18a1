//! A place with every file that [`super::readers`] names.
use super::{
    super::{Place, ended, until, walk},
    readers::EVAL,
};
use crate::files::hostile::samples;
use nf_gpu::{
    files::npy,
    gpu::{self, AdapterChoice},
    tuning::{self, TuningEntry},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

/// Images in the test sets of CIFAR and MNIST.
const IMAGES: u32 = 10_000;
const SIGNS: usize = 12_630;

const QUIRKS: &str = "[[quirk]]\nadapter = \"nobody*\"\ndriver = \"1.*\"\nkernel = \"add\"\n\
    reason = \"adds like nobody\"\nlink = \"https://example.org/1\"\n";

/// A place with all files in undamaged form.
pub(super) fn prepared() -> Place {
    let place = Place::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = place.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("theirs.safetensors", &fs::read(place.path("base.safetensors")).unwrap());
    write("map.csv", samples::CSV.as_bytes());
    write("map.npy", &samples::array());
    write("map.safetensors", &samples::fault_map());
    write("points.toml", samples::POINTS.as_bytes());
    write("quirks.toml", QUIRKS.as_bytes());
    write("bench.json", &samples::bench());
    write("image.png", &samples::png(9, 7));
    for (split, name, bytes) in
        [("train", "1.jpg", samples::jpeg()), ("test", "1.ppm", samples::ppm())]
    {
        write(&format!("photos/{split}/a/{name}"), &bytes);
    }
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &[0.5; 3072]).unwrap();
    npy::save_f32(place.path("u.npy"), &[1, 10], &[1.0; 10]).unwrap();
    npy::save_i32(place.path("y.npy"), &[1], &[3]).unwrap();
    sets(&write);
    signs(&write);
    measurements(&place.path("cache"));
    let packed = "import base.safetensors --model vgg-small --precision 8 --packed";
    place.run(&format!("{packed} --out packed.safetensors")).done();
    place.run("inject --base base.safetensors --seed 1 --out faulty.safetensors").done();
    let train =
        "train --base base.safetensors --generator UNetS --batch-size 2 --chip 1 --images 2";
    place.run(&format!("{train} --steps 2 --out run --quiet")).done();
    copy(&place.path("run"), &place.path("run-whole"));
    journal(&place);
    place
}

/// Data sets, as small as their formats allow when packed.
fn sets(write: &dyn Fn(&str, &[u8])) {
    let record = |labels: usize| [vec![1; labels], vec![7; 3072]].concat();
    let ten = |labels: usize| record(labels).repeat(IMAGES as usize);
    write("sets/cifar-10-batches-bin/test_batch.bin", &ten(1));
    write("sets/cifar-100-binary/test.bin.gz", &samples::gz(&ten(2)));
    write("sets/gtsrb32/test.bin.xz", &samples::xz(&record(1).repeat(SIGNS)));
    let (labels, images) = (samples::idx(&[IMAGES]), samples::idx(&[IMAGES, 28, 28]));
    for (folder, ending, images) in
        [("mnist", "", &images), ("fashion-mnist", ".gz", &samples::gz(&images))]
    {
        write(&format!("sets/{folder}/t10k-labels-idx1-ubyte"), &labels);
        write(&format!("sets/{folder}/t10k-images-idx3-ubyte{ending}"), images);
    }
}

/// The archives of traffic signs, with an image of each class and a separate list of classes.
fn signs(write: &dyn Fn(&str, &[u8])) {
    let (image, mut list) = (samples::ppm(), String::from("Filename;Width;ClassId\r\n"));
    let mut names = Vec::new();
    for class in 0..43 {
        list += &format!("{class:05}.ppm;9;{class}\r\n");
        names.push(format!("GTSRB/Final_Test/Images/{class:05}.ppm"));
    }
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), &image[..])).collect();
    let images = samples::zip(&members);
    for folder in ["signs/gtsrb", "listed/gtsrb"] {
        write(&format!("{folder}/GTSRB_Final_Test_Images.zip"), &images);
    }
    let classes = samples::zip(&[("GT-final_test.csv", list.as_bytes())]);
    write("signs/gtsrb/GTSRB_Final_Test_GT.zip", &classes);
    write("listed/gtsrb/GT-final_test.csv", list.as_bytes());
}

/// Measurements of the adapter that commands use here.
fn measurements(cache: &Path) {
    let adapter = gpu::would_use(&AdapterChoice::default()).unwrap().line();
    let (mut store, problem) = tuning::CacheFolder::at(cache.join("nf-gpu")).store(&adapter);
    assert_eq!(problem, None);
    for question in ["conv2d of something", "conv2d of something else"] {
        let (sources, choice) = ("0123456789abcdef".to_owned(), "tile@64".to_owned());
        store.insert(question.into(), TuningEntry { sources, choice, tried: Vec::new() });
    }
    store.save().unwrap();
}

/// What an evaluation leaves when it is killed: a journal that holds what [`EVAL`] asks for.
fn journal(place: &Place) {
    let long = EVAL.replace("--seeds 0", "--seeds 0..1000");
    let mut quiet = place.nf(&long);
    let mut child = quiet.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let file = place.path("e.json.journal");
    let enough = 4;
    let lines = || fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    until("no journal", &mut child, |_| lines() >= enough);
    child.kill().unwrap();
    ended(child, &long);
    let text = fs::read_to_string(&file).unwrap();
    let whole: String = text.split_inclusive('\n').take(enough).collect();
    fs::write(file, whole).unwrap();
}

/// A file by its name, or the first that begins with what stands before `*`.
pub(super) fn found(place: &Place, name: &str) -> Option<PathBuf> {
    let Some(folder) = name.strip_suffix('*') else { return Some(place.path(name)) };
    let mut entries = fs::read_dir(place.path(folder)).ok()?;
    entries.next().map(|entry| entry.unwrap().path())
}

/// Copies all files of a folder into another.
pub(super) fn copy(from: &Path, to: &Path) {
    let mut files = Vec::new();
    walk(from, &mut files);
    for (file, _) in files {
        let to = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
}
