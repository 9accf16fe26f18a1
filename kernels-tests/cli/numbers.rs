//! Numbers that are not finite or not possible: inputs with such numbers are refused, outputs with such
//! numbers are reported by name, and nothing is written.
use super::{Place, random_base, random_generator};
use nf_gpu::files::{
    Weights, npy,
    safetensors::{self, Raw},
};

/// A place with tensors for `forward`, and the files of networks that `named` changes in one tensor.
fn place(named: &[(&str, Weights, &str, &[f32])]) -> Place {
    let place = Place::new();
    for (file, network, tensor, values) in named {
        let mut weights = network.clone();
        let data = &mut weights.tensors.get_mut(*tensor).unwrap().data;
        if let [every] = **values {
            // Both signs occur: sums of infinities become NaN.
            data.iter_mut().enumerate().for_each(|(i, v)| *v = [every, -every][i % 2]);
        }
        data[..values.len()].copy_from_slice(values);
        weights.save(place.path(file)).unwrap();
    }
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &[0.5; 3072]).unwrap();
    npy::save_f32(place.path("u.npy"), &[1, 3, 32, 32], &[1.0; 3072]).unwrap();
    npy::save_i32(place.path("y.npy"), &[1], &[3]).unwrap();
    place
}

#[test]
fn a_variance_below_zero_is_refused_wherever_weights_are_read() {
    let place = place(&[
        ("neg.safetensors", random_base("resnet20", 1), "bn1.running_var", &[1.0, 0.0, -0.0, -1.0]),
        ("neg_g.safetensors", random_generator(32), "bn1_1.running_var", &[0.5, -1e-20]),
        ("zero.safetensors", random_base("resnet20", 1), "bn1.running_var", &[0.0, -0.0]),
    ]);
    let says: &[&str] = &["element 3 of tensor bn1.running_var is -1", "never negative"];
    let of_generator: &[&str] = &["element 1 of tensor bn1_1.running_var is -0.0000000"];
    place.refuses(&[
        ("eval --base neg.safetensors --images 4 --seeds 1", 1, says),
        ("train --base neg.safetensors --out run", 1, says),
        ("inject --base neg.safetensors --ber 0.01 --out f.safetensors", 1, says),
        ("import neg.safetensors --model resnet20 --out i.safetensors", 1, says),
        ("forward --weights neg.safetensors --input x.npy --output o.npy", 1, says),
        ("eval --base base.safetensors --generator neg_g.safetensors --seeds 1", 1, of_generator),
        ("transform --generator neg_g.safetensors x.png --out-dir o", 1, of_generator),
        ("import neg_g.safetensors --model ConvS --out i.safetensors", 1, of_generator),
        ("forward --weights neg_g.safetensors --input x.npy --output o.npy", 1, of_generator),
    ]);
    place.run("import zero.safetensors --model resnet20 --out i.safetensors").done();
}

#[test]
fn what_does_not_fit_float32_is_refused_as_that() {
    let place = place(&[
        ("step.safetensors", random_base("vgg-small", 1), "classifier.weight", &[3.4e38]),
        ("gain.safetensors", random_base("resnet20", 1), "bn1.weight", &[1.0, 3e38]),
        ("var.safetensors", random_base("resnet20", 1), "bn1.running_var", &[1.0, 0.0]),
    ]);
    let mut gain = Weights::load(place.path("gain.safetensors")).unwrap();
    gain.tensors.get_mut("bn1.running_var").unwrap().data[1] = 0.0;
    gain.save(place.path("gain.safetensors")).unwrap();
    let raw =
        |(name, t): (&String, &nf_gpu::files::Tensor)| (name.clone(), Raw::f32(&t.shape, &t.data));
    let base = random_base("vgg-small", 1);
    for (file, value) in [("wide", 1e300), ("inf", f64::NEG_INFINITY)] {
        let mut tensors: std::collections::BTreeMap<_, _> = base.tensors.iter().map(raw).collect();
        let bias: Vec<u8> =
            (0..10).flat_map(|i| if i == 4 { value } else { 0.0f64 }.to_le_bytes()).collect();
        let bias = Raw { dtype: safetensors::Dtype::F64, shape: vec![10], bytes: bias };
        tensors.insert("classifier.bias".into(), bias);
        safetensors::save(place.path(&format!("{file}.safetensors")), &tensors, &base.metadata)
            .unwrap();
    }
    let eval = |file: &str| format!("eval --base {file}.safetensors --images 4 --seeds 1");
    let train = "train --base base.safetensors --steps 1 --out run";
    let pretrain =
        "pretrain --model vgg-small --dataset fashion-sample --steps 1 --out p.safetensors";
    let range = format!("{} --input-std 1e-45,1,1 --input-mean 0,0,0", eval("base"));
    place.refuses(&[
        (
            &eval("wide"),
            1,
            &["element 4 of tensor classifier.bias is 1e300, too large for float32"],
        ),
        (&eval("inf"), 1, &["element 4 of tensor classifier.bias is -inf", "--lr"]),
        (&eval("step"), 1, &["step.safetensors: tensor classifier.weight: weights up to 3.4e38"]),
        (
            "inject --base step.safetensors --ber 0.1 --out f.safetensors",
            1,
            &["tensor classifier.weight: weights up to 3.4e38", "8 bits"],
        ),
        (&eval("gain"), 1, &["channel 1 of the batch norm of bn1.weight multiplies by 9.48"]),
        (&range, 2, &["--input-std"]),
        (&format!("{train} --lr 1e300"), 2, &["--lr"]),
        (&format!("{train} --lambda 1e39"), 2, &["--lambda"]),
        (&format!("{pretrain} --momentum 1e300"), 2, &["--momentum"]),
        (&format!("{pretrain} --weight-decay inf"), 2, &["--weight-decay"]),
        (&format!("{pretrain} --lr NaN"), 2, &["--lr"]),
    ]);
    place.run(&eval("var")).done();
}

#[test]
fn an_evaluation_that_meets_nan_names_network_image_map_and_layer() {
    let place = place(&[
        ("huge.safetensors", random_base("vgg-small", 1), "features.0.conv.weight", &[3e38]),
        ("huge_g.safetensors", random_generator(32), "conv1_1.weight", &[3e38]),
    ]);
    let eval = "eval --images 4 --seeds 1 --ber 0.01 --logits l.npy";
    place.refuses(&[
        (
            &format!("{eval} --base huge.safetensors"),
            1,
            &["vgg-small, without faults, image 0 of", "logits[0] is ", " of vgg-small, forward"],
        ),
        (
            &format!("{eval} --base base.safetensors --generator huge_g.safetensors"),
            1,
            &["vgg-small behind ConvS, without faults", "first seen in conv1_1 of ConvS"],
        ),
    ]);
}

#[test]
fn a_map_whose_faults_overflow_is_named() {
    // With its sign bit flipped, a weight of 0 is the most negative one.
    let mut base = random_base("vgg-small", 1);
    let weights = &mut base.tensors.get_mut("classifier.weight").unwrap().data;
    weights.fill(0.0);
    weights[0] = 3e36;
    let place = place(&[("edge.safetensors", base, "classifier.bias", &[0.0])]);
    let line = "eval --base edge.safetensors --images 3 --seeds 7 --faults flip --bits 7 --ber";
    place.run(&format!("{line} 0")).done();
    let says: &[&str] =
        &["vgg-small, flip at a rate of 0.9", "in bits 7, seed 7, image 0", "logits["];
    place.refuses(&[(&format!("{line} 0.9"), 1, says)]);
}

#[test]
fn forward_and_transform_write_nothing_that_is_not_finite() {
    let place = place(&[
        ("huge.safetensors", random_base("vgg-small", 1), "features.0.conv.weight", &[3e38]),
        ("huge_g.safetensors", random_generator(32), "conv1_1.weight", &[3e38]),
    ]);
    // The image's signs are those of the weights, so that sums of their products overflow.
    let sign = |x, y| image::Rgb([if (x + y) % 2 == 0 { 255 } else { 0 }; 3]);
    image::RgbImage::from_fn(32, 32, sign).save(place.path("a.png")).unwrap();
    let generator = "forward --weights huge_g.safetensors --input x.npy --output o.npy";
    place.refuses(&[
            (
                "forward --weights huge.safetensors --input x.npy --output o.npy --labels y.npy --grads g.safetensors",
                1,
                &["vgg-small: logits[0, 0] is ", " of vgg-small, forward"],
            ),
            (
                generator,
                1,
                &["ConvS: images[0, 0, 0, 0] is NaN: first seen in conv", "_1 of ConvS, forward"],
            ),
            (
                &format!(
                    "{generator} --mode train --upstream u.npy --grads g.safetensors --after a.safetensors"
                ),
                1,
                &["ConvS: images[0, ", "] is NaN"],
            ),
            (
                "forward --eopm --weights base.safetensors --generator-weights huge_g.safetensors --input x.npy \
                 --labels y.npy --ber 0.01 --seeds 1,2 --grads g.safetensors",
                1,
                &["vgg-small, without faults: the loss is NaN", "of ConvS"],
            ),
            (
                "transform --generator huge_g.safetensors a.png --out-dir out",
                1,
                &["ConvS: transformed images[0, 0, 0, 0] is NaN: first seen in conv1_1 of ConvS"],
            ),
        ],
    );
}
