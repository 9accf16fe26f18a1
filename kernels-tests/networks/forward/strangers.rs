//! Files of other kinds, and images of other sizes, where `nf-gpu forward` expects tensors, weights or a map.
use super::refusals::refuses;
use crate::cli::Place;
use nf_gpu::files::npy;
use std::{fs, io::Write, path::Path};
use zip::{ZipWriter, write::SimpleFileOptions};

fn array(path: &Path, header: &str, data: &[u8]) {
    let length = (header.len() as u16).to_le_bytes();
    let file = [&b"\x93NUMPY\x01\0"[..], &length, header.as_bytes(), data].concat();
    fs::write(path, file).unwrap();
}

/// A zip file like those of `np.savez` and `torch.save`, judging by its names.
fn zip(path: &Path, name: &str) {
    let mut zip = ZipWriter::new(fs::File::create(path).unwrap());
    zip.start_file(name, SimpleFileOptions::default()).unwrap();
    zip.write_all(b"content").unwrap();
    zip.finish().unwrap();
}

#[test]
fn files_of_other_kinds_are_called_what_they_are_at_every_door() {
    let place = Place::new();
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &[0.25; 3072]).unwrap();
    npy::save_f32(place.path("large.npy"), &[1, 3, 96, 96], &[0.25; 3 * 96 * 96]).unwrap();
    npy::save_f32(place.path("huge.npy"), &[1, 3, 224, 224], &[0.25; 3 * 224 * 224]).unwrap();
    zip(&place.path("a.npz"), "arr_0.npy");
    zip(&place.path("a.pth"), "net/data.pkl");
    fs::write(place.path("a.mat"), "MATLAB 5.0 MAT-file, Platform: GLNXA64").unwrap();
    fs::write(place.path("a.txt"), "0.5, 0.25\n").unwrap();
    let of = |descr: &str| {
        format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1L, 3L, 32L, 32L), }}")
    };
    array(&place.path("structured.npy"), &of("[('red', '<f4')]"), &[0; 4 * 3072]);
    array(&place.path("complex.npy"), &of("'<c8'"), &[0; 8 * 3072]);
    let npz = "a .npz archive of NumPy arrays";
    refuses(
        &place,
        "forward --model vgg-small",
        &[
            ("--weights base.safetensors --output y.npy --input a.npz", 1, &[npz, "np.load("]),
            (
                "--weights base.safetensors --output y.npy --input a.pth",
                1,
                &["a PyTorch checkpoint"],
            ),
            ("--weights base.safetensors --output y.npy --input a.mat", 1, &["a MATLAB file"]),
            ("--weights base.safetensors --output y.npy --input a.txt", 1, &["a text of numbers"]),
            (
                "--weights base.safetensors --output y.npy --input structured.npy",
                1,
                &["a structured array with the fields red", "x['red']"],
            ),
            (
                "--weights base.safetensors --output y.npy --input complex.npy",
                1,
                &["complex numbers", "x.real"],
            ),
            (
                "--weights base.safetensors --output y.npy --input x.npy --labels a.npz",
                1,
                &["not a .npy file but", npz],
            ),
            (
                "--weights a.npz --output y.npy --input x.npy",
                1,
                &["not a safetensors file but", npz],
            ),
            ("--weights a.mat --output y.npy --input x.npy", 1, &["but a MATLAB file"]),
            (
                "--weights base.safetensors --output y.npy --input x.npy --faults profile \
                 --fault-map a.npz",
                1,
                &[npz],
            ),
            // 96x96 fits no base network, 224x224 fits some.
            (
                "--weights base.safetensors --output y.npy --input large.npy",
                1,
                &["its images are 96x96", "size=(32, 32)", "32x32 or 224x224"],
            ),
            (
                "--weights base.safetensors --output y.npy --input huge.npy",
                1,
                &["its images are 224x224", "a network for 224x224: resnet18-224"],
            ),
        ],
    );
}

#[test]
fn an_array_of_python_2_is_read() {
    let place = Place::new();
    let data: Vec<f32> = (0..3072).map(|i| (i * 37 % 200) as f32 / 100.0 - 1.0).collect();
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &data).unwrap();
    let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 3L, 32L, 32L), }\n";
    array(&place.path("old.npy"), header, &bytes);
    let run = |input: &str, output: &str| {
        let line = format!("forward --model vgg-small --weights base.safetensors --input {input}");
        place.run(&format!("{line} --output {output} --quiet")).done();
        fs::read(place.path(output)).unwrap()
    };
    assert_eq!(run("old.npy", "a.npy"), run("x.npy", "b.npy"));
}
