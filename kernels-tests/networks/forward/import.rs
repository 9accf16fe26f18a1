//! `nf-gpu import`: the same values under our names, or one error that names everything wrong.
use super::json;
use crate::cli::{Place, random_base};
use nf_gpu::files::{
    Weights,
    safetensors::{self, Dtype, Raw},
};

/// A file as PyTorch might have written it: a prefix, a counter, no metadata.
fn theirs(model: &str) -> safetensors::Contents {
    let ours = random_base(model, 3);
    let raw = |t: &nf_gpu::files::Tensor| Raw::f32(&t.shape, &t.data);
    let tensors = ours.tensors.iter().map(|(name, t)| (format!("module.{name}"), raw(t)));
    let mut tensors: std::collections::BTreeMap<_, _> = tensors.collect();
    let counter = Raw { dtype: Dtype::I64, shape: vec![], bytes: vec![1; 8] };
    tensors.insert("module.bn1.num_batches_tracked".into(), counter);
    (tensors, [("format".to_owned(), "pt".to_owned())].into())
}

#[test]
fn foreign_weights_become_ours_bit_for_bit() {
    let place = Place::new();
    let (tensors, metadata) = theirs("resnet20");
    safetensors::save(place.path("theirs.safetensors"), &tensors, &metadata).unwrap();
    let line = "import theirs.safetensors --model ResNet20 --out ours.safetensors --precision 4 \
                --dataset cifar10 --input-mean 0.5,0.4,0.3 --input-std 0.2,0.2,0.1 --json";
    let ended = place.run(line);
    assert!(ended.stderr.contains("began with \"module.\""), "{}", ended.stderr);
    let report = json(&ended.done());
    let ours = Weights::load(place.path("ours.safetensors")).unwrap();
    assert_eq!(ours.tensors, random_base("resnet20", 3).tensors);
    for (key, value) in [
        ("format", "nf-gpu-1"),
        ("model", "resnet20"),
        ("dataset", "cifar10"),
        ("precision", "4"),
        ("input_mean", "0.5,0.4,0.3"),
        ("input_std", "0.2,0.2,0.1"),
    ] {
        assert_eq!(ours.meta(key), Some(value), "{key}");
        assert_eq!(report["metadata"][key], value);
    }
    assert_eq!(report["classes"], 10);
    assert_eq!(report["dropped_prefix"], "module.");
    assert_eq!(report["faultable_weights"], 268_336);

    // Importing our own file changes nothing.
    let again = "import ours.safetensors --model resnet20 --out again.safetensors";
    place.run(again).done();
    let again = Weights::load(place.path("again.safetensors")).unwrap();
    assert_eq!(again.tensors, ours.tensors);
    assert_eq!(again.normalisation().unwrap(), ours.normalisation().unwrap());
    assert_eq!((again.meta("precision"), again.meta("dataset")), (Some("4"), Some("cifar10")));
}

#[test]
fn a_data_set_names_the_classes() {
    let place = Place::of_few_images();
    let few = |from: &str, to: &str| {
        let path = |folder: &str, split: &str| place.path(folder).join(split);
        std::fs::create_dir(place.path(to)).unwrap();
        for split in ["train", "test"] {
            std::fs::rename(path(from, split), path(to, split)).unwrap();
        }
    };
    let (tensors, mut metadata) = theirs("vgg-small");
    // The class names in the file do not belong to the data set.
    metadata.insert("class_names".into(), "[\"x\"]".into());
    safetensors::save(place.path("theirs.safetensors"), &tensors, &metadata).unwrap();
    let line = "import theirs.safetensors --model vgg-small --out ours.safetensors --dataset";
    let names = || {
        let ours = Weights::load(place.path("ours.safetensors")).unwrap();
        ours.class_names().unwrap().unwrap()
    };
    place.run(&format!("{line} few")).done();
    assert_eq!(names(), ('a'..='j').map(String::from).collect::<Vec<_>>());
    // The imported class names reveal that another folder has other classes.
    for split in ["train", "test"] {
        let class = |name: &str| place.path("few").join(split).join(name);
        std::fs::rename(class("a"), class("z")).unwrap();
    }
    let eval = "eval --base ours.safetensors --seeds 1 --images 5 --dataset few";
    place.run(eval).refused(1, &["its classes are a, b, c, ...; those of few are b, c, d, ..."]);

    place.run(&format!("{line} cifar10")).done();
    assert_eq!(names()[0], "airplane");
    let report = json(&place.run(&format!("{line} few --json")).done());
    assert!(report["metadata"]["class_names"].as_str().unwrap().contains("\"z\""), "{report}");
    for (dataset, code, says) in [
        ("cifar100", 2, "cifar100 has 100 classes; the network tells 10 apart"),
        ("none/there", 2, "there is no folder none/there"),
        ("cifar11", 2, "did you mean cifar10?"),
        ("links", 1, "there is no folder"),
    ] {
        std::fs::create_dir_all(place.path("links")).unwrap();
        place.run(&format!("{line} {dataset}")).refused(code, &[says]);
    }
    // With PyTorch's ImageFolder 10 would follow 1.
    for split in ["train", "test"] {
        for (number, name) in (2..).zip(('b'..='j').chain(['z'])) {
            let class = |name: String| place.path("few").join(split).join(name);
            std::fs::rename(class(name.into()), class(number.to_string())).unwrap();
        }
    }
    few("few", "numbers");
    let ended = place.run(&format!("{line} numbers"));
    assert!(ended.stderr.contains("taken by number (2, 3, 4, ...)"), "{}", ended.stderr);
    assert_eq!(names()[9], "11");
}

#[test]
fn double_precision_is_rounded_and_said_so() {
    let place = Place::new();
    let (mut tensors, _) = theirs("vgg-small");
    let bias = tensors.get_mut("module.classifier.bias").unwrap();
    bias.dtype = Dtype::F64;
    bias.bytes = (0..10).flat_map(|i| (0.1 * f64::from(i)).to_le_bytes()).collect();
    safetensors::save(place.path("f64.safetensors"), &tensors, &Default::default()).unwrap();
    let ended = place.run("import f64.safetensors --model vgg-small --out o.safetensors");
    assert!(ended.stderr.contains("1 tensors were float64"), "{}", ended.stderr);
    assert!(ended.done().contains("vgg-small"));
    let ours = Weights::load(place.path("o.safetensors")).unwrap();
    assert_eq!(ours.tensors["classifier.bias"].data[3], 0.3f32);
}

#[test]
fn weights_of_another_network_are_refused_with_everything_that_is_wrong() {
    let place = Place::new();
    let (mut tensors, metadata) = theirs("resnet20");
    tensors.remove("module.bn1.weight");
    tensors.insert("module.conv1.weight".into(), Raw::f32(&[16, 3, 1, 1], &[0.5; 48]));
    tensors.insert("module.fc.bias".into(), Raw::f32(&[1], &[0.5]));
    safetensors::save(place.path("t.safetensors"), &tensors, &metadata).unwrap();
    std::fs::write(place.path("t.pt"), b"PK\x03\x04 and so on").unwrap();
    let before = place.files();
    let import = "import t.safetensors --out o.safetensors --model";
    for (line, code, says) in [
        (
            format!("{import} resnet20"),
            1,
            &[
                "1 missing: bn1.weight [16]; ",
                "1 of another shape: conv1.weight [16, 3, 1, 1] instead of [16, 3, 3, 3]; ",
                "1 not known: fc.bias [1]",
                "check --model",
            ][..],
        ),
        (format!("{import} ConvS"), 1, &["missing", "not known", "check --model"]),
        (format!("{import} resnet21"), 2, &["did you mean resnet20?"]),
        (format!("{import} resnet20 --precision 9"), 2, &["--precision", "2 to 8"]),
        (format!("{import} resnet20 --input-mean 1,1,1"), 2, &["give both"]),
        (format!("{import} UNetS --input-mean 1,1,1 --input-std 1,1,1"), 2, &["[-1, 1]"]),
        (
            "import t.safetensors --model resnet20 --out ./t.safetensors".into(),
            2,
            &["--out: ./t.safetensors is already FILE", "a file of its own"],
        ),
        (
            "import t.pt --model resnet20 --out o.safetensors".into(),
            1,
            &["a PyTorch checkpoint", "python -m nf_gpu.torch"],
        ),
        ("import no.st --model resnet20 --out o".into(), 1, &["no.st", "check the path"]),
        (format!("{import} resnet20 --out no/o.safetensors"), 2, &["--out"]),
    ] {
        println!("nf-gpu {line}");
        if line.matches("--out").count() > 1 {
            place.run(&line).no_usage("--out");
        } else {
            place.run(&line).refused(code, says);
        }
        assert_eq!(place.files(), before, "{line}");
    }
}
