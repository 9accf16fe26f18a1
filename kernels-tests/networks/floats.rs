//! Weights as they are stored, in f32 and without faults: whole networks against the plain f64 evaluator, and ONNX files
//! through the binary against what onnxruntime computed of them.
use crate::{
    cli::{Place, random_base},
    extent::every_gpu,
    networks::{
        evaluator::{Evaluator, relative_l2, wide},
        forward::json,
        whole::{CLASSES, GRADIENT, LOGITS, kept, layer_weights, quiet_images, small_vgg, weights},
    },
};
use nf_gpu::{
    fault::{FaultModel, Faults},
    files::{Weights, npy},
    kernels::{elementwise::pointwise::Pointwise, quantise::fault_dequantize::Order, twin::Random},
    nn::{FrozenNet, Graph, Mode, NodeValue, ParamNames},
    onnx::{self, AxisOrder, ReadOptions},
    run::{Program, Tape},
    shape::{Nhwc, Window, nchw_from_nhwc, nhwc_from_nchw, pad_channels, unpad_channels},
};
use std::{fs, path::Path};

/// Checks one image of a network, whole and with layers of more than 4 kB cut into slices of output channels.
fn check(graph: &Graph) {
    let weights = weights(graph, 21);
    let layer = |layer| layer_weights(graph, &weights, layer).to_vec();
    let layers = (0..graph.layers.len()).map(layer).collect();
    let twin = Evaluator { graph, parameters: &weights, weights: layers, training: false };
    let (shape, twins) = (graph.shape(graph.input(), 1), [twin]);
    let mut random = Random::new(22);
    let dlogits = random.floats(CLASSES as usize);
    let (image, values) = quiet_images(&mut random, (shape.pixels() * shape.c) as usize, &twins);
    let want = twins[0].backward(&values[0], &wide(&dlogits)).images;
    every_gpu(|gpu, on| {
        let faults = Faults::new(FaultModel::Flip, 0.5).unwrap();
        for (what, largest) in [("whole", u64::MAX), ("in slices", 4_000)] {
            let net = FrozenNet::floats_sliced(gpu, graph, &weights, true, largest).unwrap();
            let refused = net.injector(gpu, 0, Some(&faults)).unwrap_err().to_string();
            assert!(refused.contains("not quantised"), "{refused}");
            for (layer, read) in net.read(gpu, 0).unwrap().iter().enumerate() {
                assert_eq!(read, layer_weights(graph, &weights, layer), "{what}: layer {layer}");
            }
            let rows = Nhwc::new(1, 1, 1, CLASSES);
            let mut tape = Tape::new();
            let x = tape.kept("images", shape.bytes());
            let dy = tape.kept("gradient of the logits", rows.bytes());
            let mut compiler = net.compiler(gpu, &mut tape, Mode::Frozen);
            let y = compiler.forward(&mut tape, NodeValue { id: x, shape, copies: 1 }).unwrap();
            let logits = kept(&mut tape, y.id, rows);
            let dx = compiler.backward(&mut tape, dy, None, true).unwrap().unwrap();
            let dx = kept(&mut tape, dx, shape);
            let program = Program::build(gpu, &tape).unwrap();
            program.write(gpu, x, 0, &nhwc_from_nchw(&image, shape, f32::NAN));
            program.write(gpu, dy, 0, &pad_channels(&dlogits, CLASSES, f32::NAN));
            program.run(gpu).unwrap();
            let logits = unpad_channels(&program.read(gpu, logits).unwrap(), CLASSES);
            let dx = nchw_from_nhwc(&program.read::<f32>(gpu, dx).unwrap(), shape);
            let of_logits = relative_l2(&logits, values[0].output());
            let of_dx = relative_l2(&dx, &want);
            println!("{}, {what}, on {on}: {of_logits:.1e}, gradient {of_dx:.1e}", graph.name);
            assert!(of_logits <= LOGITS && of_dx <= GRADIENT, "{of_logits:.1e}, {of_dx:.1e}");
        }
    });
}

#[test]
fn floats_of_a_small_vgg() {
    check(&small_vgg());
}

/// Groups of every kind, with batch norm behind them and without, both orders of stored weights, a fully connected
/// layer on several pixels.
#[test]
fn floats_of_groups_and_both_orders() {
    let mut g = Graph::new("groups and orders", [3, 7, 6]);
    let named = |weight| ParamNames { weight, bias: None };
    let (three, one) = (Window::square(3, 1, 1), Window::square(1, 1, 0));
    let x = g.conv(0, "stem", 10, Window::square(3, 2, 1), false).unwrap();
    let x = g.batch_norm(x, "n0");
    let x = g.pointwise(x, Pointwise::Silu);
    let x = g.convolution(x, named("depthwise"), 10, three, 10, [1; 2]).unwrap();
    let x = g.batch_norm(x, "n1");
    let x = g.convolution(x, named("grouped"), 14, three, 2, [1; 2]).unwrap();
    let x = g.tanh(x);
    let up = Window::square(2, 2, 0);
    let x = g.transposed_convolution(x, named("up"), 5, up, [1; 2], [8, 6]).unwrap();
    let x = g.convolution(x, named("wide"), 70, one, 1, [1; 2]).unwrap();
    let x = g.batch_norm(x, "n2");
    let x = g.relu(x);
    g.fully_connected(x, named("head"), CLASSES, Order::InOut).unwrap();
    check(&g);
}

/// Values that a fixture holds beside its network.
fn beside(bytes: &[u8], imported: &onnx::Imported, name: &str) -> Vec<f32> {
    let raw = imported.anatomy.tensors[name].raw.clone().unwrap();
    bytes[raw].as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

#[test]
fn onnx_files_compute_what_onnxruntime_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/fixtures/onnx");
    let place = Place::new();
    for (name, flags, input_shape) in [
        ("depthwise", "", None),
        ("channels-last", "--precision float", None),
        ("mobile", "--input-shape 4,6,5", Some([4, 6, 5])),
        ("gates", "", None),
        ("transposed", "", None),
        ("uneven", "--precision FLOAT", None),
    ] {
        let path = folder.join(format!("{name}.onnx"));
        let bytes = fs::read(&path).unwrap();
        fs::write(place.path("net.onnx"), &bytes).unwrap();
        let options = ReadOptions { input_shape, normalisation: None };
        let imported = onnx::load(&path, &options).unwrap();
        let (x, want) = (beside(&bytes, &imported, "#x"), beside(&bytes, &imported, "#y"));
        let [c, h, w] = imported.graph.nodes[0].chw.map(|n| n as usize);
        let image: Vec<f32> = match imported.layout {
            AxisOrder::Hwc => (0..x.len()).map(|i| x[i % (h * w) * c + i / (h * w)]).collect(),
            _ => x,
        };
        npy::save_f32(place.path("x.npy"), &[1, c, h, w], &image).unwrap();
        let line = format!("forward --weights net.onnx --input x.npy --output y.npy {flags}");
        let report = json(&place.run(&format!("{line} --json")).done());
        assert_eq!(report["precision"], "float", "{name}");
        let got = npy::load_f32(place.path("y.npy")).unwrap();
        assert_eq!(got.shape, [1, want.len()], "{name}");
        for (got, want) in got.data.iter().zip(&want) {
            let distance = (got - want).abs();
            assert!(distance <= 1e-5 * (1.0 + want.abs()), "{name}: {got}, not {want}");
        }
    }
}

#[test]
fn floats_have_no_faults_and_any_base_may_be_run_so() {
    let place = Place::new();
    let base = random_base("vgg-small", 3);
    base.save(place.path("b.safetensors")).unwrap();
    npy::save_f32(place.path("x.npy"), &[1, 3, 32, 32], &Random::new(1).floats(3072)).unwrap();
    npy::save_f32(place.path("u.npy"), &[1, 10], &[1.0; 10]).unwrap();
    let line = "forward --model vgg-small --weights b.safetensors --input x.npy --output y.npy";
    let of = |flags: &str| {
        let gradients = "--upstream u.npy --grads g.safetensors --json";
        let report = json(&place.run(&format!("{line} {gradients} {flags}")).done());
        let gradient = Weights::load(place.path("g.safetensors")).unwrap();
        let logits = npy::load_f32(place.path("y.npy")).unwrap().data;
        (logits, gradient.tensors["grad.input"].data.clone(), report["precision"].clone())
    };
    let (floats, words) = (of("--precision float"), of(""));
    assert_eq!((floats.2, words.2), ("float".into(), 8.into()));
    // Eight bits round each weight to one of 255 steps.
    for (floats, words) in [(&floats.0, &words.0), (&floats.1, &words.1)] {
        let error = relative_l2(words, &wide(floats));
        assert!(error > 1e-5 && error < 0.2, "{error:.1e}");
    }
    let refused = format!("{line} --precision float --ber 0.01");
    place.run(&refused).refused(2, &["--precision: faults flip bits", "as in --precision 8"]);
    place.run(&format!("{line} --precision half")).no_usage("2 to 8, or float");
    place.run(&format!("{line} --precision 9")).refused(2, &["9 bits per weight"]);
}
