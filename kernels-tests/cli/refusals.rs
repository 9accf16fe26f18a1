//! Wrong input: one error, one hint, the right exit code, and no file touched.
use super::{Place, random_base};
use crate::extent::skipped;
use nf_gpu::gpu;
use std::fs;

#[test]
fn weights_that_are_not_there_or_not_whole_or_of_another_network() {
    let place = Place::new();
    let whole = fs::read(place.path("base.safetensors")).unwrap();
    fs::write(place.path("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place.path("head.safetensors"), &whole[..100]).unwrap();
    fs::write(place.path("text.safetensors"), "no weights").unwrap();
    fs::write(place.path("empty.safetensors"), "").unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    let mut nameless = random_base("vgg-small", 1);
    nameless.metadata.clear();
    nameless.save(place.path("nameless.safetensors")).unwrap();
    let mut narrow = random_base("vgg-small", 1);
    narrow.insert("classifier.bias", &[9], vec![0.0; 9]);
    narrow.save(place.path("narrow.safetensors")).unwrap();
    let mut nan = random_base("vgg-small", 1);
    nan.insert("classifier.bias", &[10], vec![f32::NAN; 10]);
    nan.save(place.path("nan.safetensors")).unwrap();
    place.refuses(&[
        ("eval --base none.safetensors", 1, &["none.safetensors", "check the path"]),
        ("train --base none.safetensors", 1, &["none.safetensors", "check the path"]),
        ("eval --base folder", 1, &["it is a folder", "the file inside it"]),
        ("eval --base cut.safetensors", 1, &["it is cut off", "again"]),
        ("train --base cut.safetensors", 1, &["it is cut off", "again"]),
        ("eval --base head.safetensors", 1, &["it is cut off", "again"]),
        ("eval --base text.safetensors", 1, &["not a safetensors file"]),
        ("eval --base empty.safetensors", 1, &["it is empty"]),
        ("eval --base nan.safetensors", 1, &["classifier.bias is NaN", "--lr"]),
        ("eval --base nameless.safetensors --model vgg-small", 1, &["--dataset"]),
        (
            "eval --base nameless.safetensors --dataset fashion-sample",
            1,
            &["which network", "--model: vgg-small, resnet20"],
        ),
        (
            "eval --base base.safetensors --model resnet20",
            1,
            &["no tensor linear.weight", "holds vgg-small: check --model"],
        ),
        ("train --base base.safetensors --model resnet20", 1, &["no tensor", "--model"]),
        ("eval --base narrow.safetensors", 1, &["classifier.bias is [9], expected [10]"]),
        (
            "eval --base base.safetensors --generator none.safetensors",
            1,
            &["none.safetensors", "check the path"],
        ),
        (
            "transform --generator none.safetensors a.png --out-dir out",
            1,
            &["none.safetensors", "check the path"],
        ),
        ("train --resume base.safetensors", 1, &["config.toml", "check the path"]),
        ("train --resume none", 1, &["none", "config.toml", "check the path"]),
    ]);
}

#[test]
fn a_data_set_that_is_not_there_or_not_whole() {
    let place = Place::new();
    let folder = place.path("cut/cifar-10-batches-bin");
    fs::create_dir_all(&folder).unwrap();
    for file in ["data_batch_1.bin", "test_batch.bin"] {
        fs::write(folder.join(file), [0; 3073]).unwrap();
    }
    let fetch = "run `nf-gpu data fetch cifar10`";
    let cut = ["truncated: 3073 bytes, not 30730000", fetch];
    place.refuses(&[
        (
            "eval --base base.safetensors --dataset cifar10 --allow-mismatch",
            1,
            &["is not there", fetch],
        ),
        (
            "train --base base.safetensors --dataset cifar10 --allow-mismatch",
            1,
            &["is not there", fetch],
        ),
        (
            "pretrain --model vgg-small --dataset cifar10 --out b.safetensors",
            1,
            &["is not there", fetch],
        ),
        ("eval --base base.safetensors --dataset cifar10 --allow-mismatch --data-dir cut", 1, &cut),
        (
            "train --base base.safetensors --dataset cifar10 --allow-mismatch --data-dir cut",
            1,
            &cut,
        ),
    ]);
}

#[test]
fn names_that_nothing_has() {
    let place = Place::new();
    let pretrain = |model: &str, dataset: &str| {
        format!("pretrain --model {model} --dataset {dataset} --out b.safetensors")
    };
    place.refuses(&[
        ("eval --base base.safetensors --model vgg", 2, &["did you mean vgg11?"]),
        (&pretrain("resnet2", "fashion-sample"), 2, &["did you mean resnet20?"]),
        (&pretrain("vgg-small", "cifar"), 2, &["did you mean cifar10?"]),
        (
            "eval --base base.safetensors --dataset fashion",
            2,
            &["unknown dataset", "did you mean fashion-mnist?"],
        ),
        ("data check cifar-10", 2, &["did you mean cifar10?"]),
        (
            "train --base base.safetensors --generator ConvX --out run",
            2,
            &["unknown generator", "did you mean ConvL?"],
        ),
        (
            "train --base base.safetensors --faults stuckat --out run",
            2,
            &["unknown fault model", "did you mean stuck-at?"],
        ),
        ("eval --base base.safetensors --faults flop", 2, &["did you mean flip?"]),
    ]);
    for line in ["evaluate", "train --base base.safetensors --bers 0.01", "eval", "train"] {
        place.run(line).no_usage("");
    }
    place.run("train").no_usage("--base <FILE>");
    place.run("train --base base.safetensors --preset quik").no_usage("quick");
}

#[test]
fn numbers_that_mean_nothing() {
    let place = Place::new();
    let (eval, train) = ("eval --base base.safetensors", "train --base base.safetensors --out run");
    let rate = ["--ber", "0 <= rate < 1", "0.01 is one per cent"];
    for ber in ["1", "1.5", "nan", "inf", "-0.1"] {
        place.refuses(&[(&format!("{eval} --ber {ber}"), 2, &rate)]);
        place.refuses(&[(&format!("{train} --ber {ber}"), 2, &rate)]);
    }
    place.refuses(&[(&format!("{eval} --ber 0.01,2"), 2, &rate)]);
    place.run(&format!("{eval} --ber many")).no_usage("'many' for '--ber");
    for seeds in ["nonsense", "5..5", "8..5", "1..", "1,,2", "-1", "1.5", "99999999999999999999"] {
        let says = [&format!("--seeds: {seeds:?}"), "50000..50010"];
        place.refuses(&[(&format!("{eval} --seeds {seeds}"), 2, &says)]);
    }
    place.refuses(&[(&format!("{eval} --seeds {}", 1u64 << 63), 2, &["--seeds", "larger seeds"])]);
    for (flags, says) in [
        ("--images 0", "0 of 1000 images"),
        ("--images 1001", "1001 of 1000 images"),
        ("--precision 9", "2 to 8"),
        ("--batch-size 0", "nothing to do"),
        ("--input-mean 0.5,0.5,0.5", "give both"),
        ("--input-mean 0.5,0.5 --input-std 1,1,1", "three numbers"),
    ] {
        place.refuses(&[(&format!("{eval} {flags}"), 2, &[says])]);
    }
    for every in ["0", "0s", "3d", "soon"] {
        place.run(&format!("{train} --checkpoint-every {every}")).no_usage("90s, 15m, 2h");
    }
    for (flags, says) in [
        ("--steps 0", "--steps: 0"),
        ("--epochs 0", "--epochs: 0"),
        ("--images 0", "--images: 0"),
        ("--copies 0", "--copies: 0"),
        ("--batch-size 0", "--batch-size: 0"),
        ("--lr nan", "--lr: NaN"),
        ("--lr -1", "--lr: -1"),
        ("--lambda inf", "--lambda: inf"),
        ("--precision 1", "2 to 8"),
        ("--chip 9223372036854775808", "--chip"),
        ("--input-mean 0.5,0.5 --input-std 1,1,1", "three numbers"),
    ] {
        place.refuses(&[(&format!("{train} {flags}"), 2, &[says])]);
    }
}

#[test]
fn adapters_that_are_not_there() {
    let place = Place::new();
    let eval = "eval --base base.safetensors --images 1 --seeds 1";
    let devices = "run `nf-gpu devices`";
    let elsewhere = if cfg!(windows) { "metal" } else { "dx12" };
    place.refuses(&[
        (&format!("{eval} --adapter nonsense"), 1, &["\"nonsense\"; found ", devices]),
        (&format!("{eval} --adapter 99"), 1, &["\"99\"; found ", devices]),
        (&format!("{eval} --backend {elsewhere}"), 1, &["matches backend", devices]),
        ("train --base base.safetensors --adapter nonsense", 1, &["nonsense", devices]),
        (
            "pretrain --model vgg-small --dataset fashion-sample --out b --adapter nonsense",
            1,
            &["nonsense", devices],
        ),
    ]);
    place.run(&format!("{eval} --backend cuda")).no_usage("'cuda' for '--backend");

    let adapters = gpu::list();
    if adapters.iter().all(gpu::AdapterReport::is_software) {
        let says = ["only software adapters", adapters[0].name.as_str(), "--require-gpu"];
        place.refuses(&[(&format!("{eval} --require-gpu"), 1, &says)]);
    } else {
        skipped("--require-gpu without a GPU, for there is one");
    }
    if !cfg!(target_os = "linux") {
        skipped("no Vulkan driver, for only Linux has VK_DRIVER_FILES");
        return;
    }
    for line in [&format!("{eval} --backend vulkan"), "devices --backend vulkan"] {
        let mut command = place.nf(line);
        command.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
        // Neither Vulkan nor OpenGL, except where the system's EGL needs no vendor files: OpenGL
        // remains there.
        command.env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent");
        let ended = super::Ended::of(&mut command);
        let says =
            if ended.stderr.contains("found llvmpipe") { devices } else { "install a Vulkan" };
        ended.refused(1, &["no GPU adapter", says]);
    }
}
