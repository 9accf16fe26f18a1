use std::{
    fs,
    io::{Cursor, Write},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::data::{Preprocess, PreprocessArgs};

/// What `np.save` writes.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), data].concat()
}

fn bytes(shape: &[usize], data: &[u8]) -> Vec<u8> {
    npy("|u1", shape, data)
}

fn floats(shape: &[usize], data: impl IntoIterator<Item = f32>) -> Vec<u8> {
    npy("<f4", shape, &data.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>())
}

fn labels(labels: &[i64]) -> Vec<u8> {
    npy("<i8", &[labels.len()], &labels.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<_>>())
}

fn npz(method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Three training images and two test images of 2x3 grey pixels: image i begins at 10 i.
fn four() -> [(&'static str, Vec<u8>); 4] {
    let pixels = |n: u8| (0..n).flat_map(|i| (0..6).map(move |p| 10 * i + p)).collect::<Vec<u8>>();
    [
        ("x_train", bytes(&[3, 2, 3], &pixels(3))),
        ("y_train", labels(&[1, 0, 4])),
        ("x_test", bytes(&[2, 2, 3], &pixels(2))),
        ("y_test", labels(&[2, 0])),
    ]
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().into()
    }

    /// An archive of these test images and their labels.
    fn test(&self, x: Vec<u8>, y: Vec<u8>) -> Arrays {
        let bytes = npz(CompressionMethod::Stored, &[("x_test", x), ("y_test", y)]);
        Arrays::at(&self.file("one.npz", &bytes)).unwrap()
    }
}

fn all(arrays: &Arrays, split: Split, form: impl Into<Preprocessing>) -> Result<ImageSet> {
    arrays.open(split, form.into(), WantedImages::All)
}

const GREY: [u32; 3] = [1, 2, 3];

#[test]
fn an_archive_and_a_folder_of_files_hold_the_same_images() {
    let folder = Folder::new();
    let names: Vec<String> =
        four().iter().map(|(name, bytes)| folder.file(&format!("{name}.npy"), bytes)).collect();
    let places = [
        folder.file("stored.npz", &npz(CompressionMethod::Stored, &four())),
        folder.file("deflated.NPZ", &npz(CompressionMethod::Deflated, &four())),
        names[3].clone(),
        folder.0.path().to_str().unwrap().into(),
    ];
    let opened = |name: &String| {
        let arrays = Arrays::at(name).unwrap();
        [Split::Train, Split::Test].map(|split| all(&arrays, split, GREY).unwrap())
    };
    let [train, test] = opened(&places[0]);
    assert_eq!((train.name.as_str(), train.chw(), train.classes), ("stored", GREY, 5));
    assert_eq!(
        (&train.labels[..], train.image(2)),
        (&[1, 0, 4][..], &[20, 21, 22, 23, 24, 25][..])
    );
    assert_eq!(
        (&test.labels[..], test.classes, test.class_names[4].as_str()),
        (&[2, 0][..], 5, "4")
    );
    for place in &places[1..] {
        let [other, _] = opened(place);
        assert_eq!((other.pixels, other.labels), (train.pixels.clone(), train.labels.clone()));
    }
    let arrays = Arrays::at(&places[0]).unwrap();
    assert_eq!(arrays.class_names().unwrap().len(), 5);
    assert_eq!(arrays.contents(Split::Test).unwrap().1, [1, 0, 1, 0, 0]);
    assert_eq!(arrays.chw(Split::Test).unwrap(), GREY);
    assert!(arrays.check().unwrap().iter().all(FileCheck::is_right));
    // The images that are wanted are evenly spread, by the rule of folders.
    let some = arrays.open(Split::Train, GREY.into(), WantedImages::Exactly(1)).unwrap();
    assert_eq!((&some.labels[..], some.image(0)[0]), (&[4][..], 20));
    assert_eq!(some.images().to_string(), "1 of 3 train images, evenly spread");
    assert!(arrays.open(Split::Train, GREY.into(), WantedImages::Exactly(4)).is_err());
    for none in ["no.npz", "x_test.npy", "/", names[0].trim_end_matches(".npy")] {
        assert!(Arrays::at(none).is_none(), "{none}");
    }
    assert!(Arrays::at(&folder.file("other.npy", &[])).is_none());
}

#[test]
fn channels_are_where_the_network_has_them() {
    let folder = Folder::new();
    let open = |shape: &[usize], form: Preprocessing| {
        let len = shape.iter().product::<usize>() as u8;
        let arrays = folder.test(bytes(shape, &(0..len).collect::<Vec<_>>()), labels(&[0]));
        all(&arrays, Split::Test, form).map(|set| set.pixels)
    };
    let planar: Vec<u8> = (0..24).collect();
    let mixed: Vec<u8> = (0..4).flat_map(|c| (0..6).map(move |p| 4 * p + c)).collect();
    assert_eq!(open(&[1, 4, 2, 3], [4, 2, 3].into()).unwrap(), planar);
    assert_eq!(open(&[1, 2, 3, 4], [4, 2, 3].into()).unwrap(), mixed);
    // Where both fit, as in PyTorch.
    assert_eq!(open(&[1, 2, 2, 2], [2, 2, 2].into()).unwrap(), planar[..8]);
    assert_eq!(open(&[1, 2, 3, 1], GREY.into()).unwrap(), planar[..6]);
    assert_eq!(open(&[1, 1, 2, 3], GREY.into()).unwrap(), planar[..6]);
    // Grey becomes three equal channels, colour becomes grey, as of pictures.
    assert_eq!(open(&[1, 2, 3], [3, 2, 3].into()).unwrap(), planar[..6].repeat(3));
    assert_eq!(open(&[1, 1, 1, 3], [1, 1, 1].into()).unwrap(), [1]);
    let squash = PreprocessArgs { preprocess: Some(Preprocess::Squash), side: None };
    let small = squash.for_input([4, 1, 1]).unwrap();
    assert_eq!(open(&[1, 2, 3, 4], small).unwrap().len(), 4);
    for (shape, form, says, hint) in [
        (&[1, 2, 3, 4][..], [5, 2, 3], "the network takes images of 5 channels", "[N, 5, H, W]"),
        (&[1, 3, 3], GREY, "its images are 3x3; the network takes 2x3", "--preprocess squash"),
        (&[1, 6], GREY, "its shape is [1, 6], expected [N, H, W]", "x[None]"),
        (&[0, 2, 3], GREY, "0 images of 6 elements", "at least one image"),
        (&[1, 0, 3], GREY, "its shape is [1, 0, 3], expected", "x[None]"),
        (&[2, 2, 3], GREY, "it has 1 labels for 2 images", "one label an image"),
    ] {
        let e = open(shape, form.into()).unwrap_err();
        assert!(e.to_string().contains(says) && e.hint().unwrap().contains(hint), "{e}");
    }
}

#[test]
fn floating_point_pixels_are_read_where_they_are_bytes() {
    let folder = Folder::new();
    let open = |x: Vec<u8>| {
        let y = labels(&vec![0; 128]);
        all(&folder.test(x, y), Split::Test, [1, 1, 2]).map(|set| set.pixels)
    };
    let shape = [128, 1, 2];
    let every: Vec<u8> = (0..=255).collect();
    let all_of = |of: fn(u8) -> f32| floats(&shape, (0..=255).map(of));
    assert_eq!(open(all_of(|v| f32::from(v) / 255.0)).unwrap(), every);
    assert_eq!(open(all_of(|v| f32::from(v) / 127.5 - 1.0)).unwrap(), every);
    assert_eq!(open(all_of(|v| (f32::from(v) / 255.0 - 0.5) / 0.5)).unwrap(), every);
    let half = |of: fn(f32) -> f32| {
        let bytes = (0..=255u8).flat_map(|v| half::f16::from_f32(of(v.into())).to_le_bytes());
        npy("<f2", &shape, &bytes.collect::<Vec<_>>())
    };
    assert_eq!(open(half(|v| v / 255.0)).unwrap(), every);
    assert_eq!(open(half(|v| v / 127.5 - 1.0)).unwrap(), every);
    let double = (0..=255u8).flat_map(|v| (f64::from(v) / 255.0).to_be_bytes());
    assert_eq!(open(npy(">f8", &shape, &double.collect::<Vec<_>>())).unwrap(), every);
    for (x, says, hint) in [
        (all_of(f32::from), "its values go from 0 to 255, not to 1", "x.round()"),
        (all_of(|v| f32::from(v) / 300.0), "element 1, 0.0033", "(x * 255).round()"),
        (all_of(|v| f32::from(v) / 128.0 - 1.0), "element 1, -0.99", "((x + 1) * 127.5)"),
        (all_of(|v| f32::from(v % 3) / 51.0 - 1.0 / 255.0), "is no pixel of 8 bits", "127.5"),
        (all_of(|v| f32::from(v) / 50.0 - 2.0), "neither [0, 1] nor [-1, 1]", "--input-mean"),
        (all_of(|v| if v == 7 { f32::NAN } else { 0.0 }), "element 7 is NaN", "np.isfinite"),
        (npy("<i4", &[128, 1, 2], &[0; 1024]), "'<i4' (int32), expected bytes", "np.uint8"),
        (npy("|b1", &[128, 1, 2], &[0; 256]), "'|b1' (bool), expected bytes", "np.uint8"),
        (npy("|O", &[128, 1, 2], &[0; 256]), "Python objects", "np.stack"),
    ] {
        let e = open(x).unwrap_err();
        assert!(
            e.to_string().contains(says) && e.hint().unwrap().contains(hint),
            "{e}: {:?}",
            e.hint()
        );
    }
}

#[test]
fn labels_are_classes_of_any_integer_type() {
    let folder = Folder::new();
    let open = |y: Vec<u8>| {
        let set = all(&folder.test(bytes(&[2, 2, 3], &[0; 12]), y), Split::Test, GREY)?;
        Ok::<_, Error>((set.labels, set.classes))
    };
    for y in [
        npy("|u1", &[2], &[3, 1]),
        npy("|i1", &[2, 1], &[3, 1]),
        npy(">u2", &[2], &[0, 3, 0, 1]),
        npy("<i4", &[2], &[3, 0, 0, 0, 1, 0, 0, 0]),
        labels(&[3, 1]),
    ] {
        assert_eq!(open(y).unwrap(), (vec![3, 1], 4));
    }
    for (y, says, hint) in [
        (labels(&[0, -1]), "label -1 of image 1", "counted from 0"),
        (labels(&[65_536, 0]), "label 65536 of image 0", "up to 65,535"),
        (floats(&[2], [0.0, 1.0]), "expected integers", "np.int64"),
        (npy("|u1", &[2, 4], &[0; 8]), "its shape is [2, 4], expected [N]", "y.argmax(1)"),
        (npy("|u1", &[2, 1, 1], &[0; 2]), "expected [N]", "y.reshape(-1)"),
        (labels(&[0]), "it has 1 labels for 2 images", "one label an image"),
        (labels(&[]), "it holds no labels", "at least one image"),
    ] {
        let e = open(y).unwrap_err();
        assert!(e.to_string().contains(says) && e.hint().unwrap().contains(hint), "{e}");
    }
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let folder = Folder::new();
    let says = |arrays: &Arrays, split, says: &str| {
        let e = all(arrays, split, GREY).unwrap_err();
        assert!(e.to_string().contains(says) && e.hint().is_some(), "{e}");
    };
    let arrays = folder.test(bytes(&[1, 2, 3], &[0; 6]), labels(&[0]));
    says(&arrays, Split::Train, "there is no x_train in it; there is x_test, y_test");
    assert_eq!(arrays.check().unwrap().iter().filter(|check| !check.is_right()).count(), 2);
    folder.file("x_test.npy", &bytes(&[1, 2, 3], &[0; 6]));
    let files = Arrays::at(folder.0.path().to_str().unwrap()).unwrap();
    says(&files, Split::Test, "there is no y_test.npy in it; there is x_test.npy");
    let unnamed = files.class_names().unwrap_err().to_string();
    assert!(unnamed.contains("there is no y_test.npy in it"), "{unnamed}");

    let whole = npz(CompressionMethod::Deflated, &four());
    let open = |bytes: &[u8]| {
        let arrays = Arrays::at(&folder.file("broken.npz", bytes)).unwrap();
        [Split::Train, Split::Test].map(|split| all(&arrays, split, GREY))
    };
    assert!(open(&whole).iter().all(Result::is_ok));
    for end in (0..whole.len()).step_by(7) {
        assert!(
            open(&whole[..end]).iter().all(|set| matches!(set, Err(Error::Format { .. }))),
            "{end}"
        );
    }
    // Every broken byte gives an error or the right images: the checksums see to that.
    let right = open(&whole).map(|set| set.unwrap().pixels);
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        for (set, right) in open(&broken).into_iter().zip(&right) {
            match set {
                Ok(set) => assert_eq!(set.pixels, *right, "byte {at}"),
                Err(e) => assert!(e.hint().is_some(), "byte {at}: {e}"),
            }
        }
    }
    // What a header claims takes no memory.
    for claims in
        [&[1 << 40, 2, 3][..], &[1 << 31, 2, 3], &[1, 1 << 31, 1 << 31], &[1, 1 << 20, 1 << 20]]
    {
        let e =
            all(&folder.test(bytes(claims, &[0; 6]), labels(&[0])), Split::Test, GREY).unwrap_err();
        assert!(e.hint().is_some(), "{e}");
    }
    let claims = npy("|u1", &[1 << 40], &[0]);
    says(&folder.test(bytes(&[1, 2, 3], &[0; 6]), claims), Split::Test, "it is cut off");
    assert!(no_arrays("no.npz").unwrap().to_string().contains("there is no file no.npz"));
    assert!(
        no_arrays(&folder.file("z.npy", &[])).unwrap().to_string().contains("none of the names")
    );
    assert!(no_arrays("cifar10").is_none());
}
