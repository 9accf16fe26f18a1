//! Quantised ONNX files on every adapter: the words that the file stores with and without faults, and the scores beside
//! what onnxruntime computed with its optimisations off (`scripts/onnx_quantised_fixtures.py`).
use crate::{extent::every_gpu, networks::whole::kept};
use nf_gpu::{
    fault::{FaultModel, Faults},
    kernels::elementwise::pointwise::Pointwise,
    nn::{FrozenNet, Mode, NodeValue, Op, faulty_weights},
    onnx::{self, Imported, ReadOptions},
    run::{Gpu, Program, Tape},
    shape::{nhwc_from_nchw, unpad_channels},
};
use std::{fs, path::Path};

const FILES: [&str; 11] = [
    "qdq-tensor-s8",
    "qdq-tensor-u8",
    "qdq-channel-s8",
    "qdq-channel-u8",
    "qoperator-tensor-s8",
    "qoperator-tensor-u8",
    "qoperator-channel-s8",
    "qoperator-channel-u8",
    "four-bits",
    "exporter",
    "transposed-channels",
];

/// A file's network, and the images and scores that it holds beside it.
struct Fixture {
    name: &'static str,
    network: Imported,
    images: Vec<f32>,
    scores: Vec<f32>,
}

fn fixture(name: &'static str) -> Fixture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/fixtures/onnx/int8");
    let path = folder.join(format!("{name}.onnx"));
    let (bytes, network) =
        (fs::read(&path).unwrap(), onnx::load(&path, &ReadOptions::default()).unwrap());
    let beside = |name: &str| {
        let raw = network.anatomy.tensors[name].raw.clone().unwrap();
        bytes[raw].as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
    };
    let (images, scores) = (beside("#xs"), beside("#ys"));
    Fixture { name, network, images, scores }
}

/// The scores of all images by the words without faults.
fn scores(gpu: &Gpu, of: &Fixture) -> Vec<f32> {
    let (graph, weights) = (&of.network.graph, &of.network.weights);
    let classes = graph.nodes[graph.output()].chw[0];
    let images = of.scores.len() as u32 / classes;
    let net = FrozenNet::for_inference(gpu, graph, weights, 8, 1).unwrap();
    net.injector(gpu, 1, None).unwrap().run(gpu, &[0]).unwrap();
    let shape = graph.shape(graph.input(), images);
    let mut tape = Tape::new();
    let x = tape.kept("images", shape.bytes());
    let mut compiler = net.compiler(gpu, &mut tape, Mode::Inference);
    let y = compiler.forward(&mut tape, NodeValue { id: x, shape, copies: 1 }).unwrap();
    let logits = kept(&mut tape, y.id, graph.shape(graph.output(), images));
    let program = Program::build(gpu, &tape).unwrap();
    program.write(gpu, x, 0, &nhwc_from_nchw(&of.images, shape, f32::NAN));
    program.run(gpu).unwrap();
    unpad_channels(&program.read(gpu, logits).unwrap(), classes)
}

#[test]
fn scores_are_those_of_onnxruntime_to_a_step() {
    let all = FILES.map(fixture);
    every_gpu(|gpu, on| {
        for of in &all {
            let graph = &of.network.graph;
            let step = match graph.nodes[graph.output()].op {
                Op::Pointwise(Pointwise::FakeQuantise { step, .. }) => step,
                _ => 0.0,
            };
            let (mut other, got) = (0, scores(gpu, of));
            assert_eq!(got.len(), of.scores.len());
            for (got, want) in got.iter().zip(&of.scores) {
                let (distance, near) = ((got - want).abs(), 1e-4 * (1.0 + want.abs()));
                assert!(distance <= step + near, "{} on {on}: {got}, not {want}", of.name);
                other += usize::from(distance > near);
            }
            println!("{} on {on}: {other} of {} scores a step off", of.name, got.len());
        }
    });
}

/// Whole, and with layers cut into slices of four output channels.
#[test]
fn the_adapter_reads_faulty_words_as_the_host_does() {
    let all = FILES.map(fixture);
    let faults = Faults::new(FaultModel::StuckAt, 0.05).unwrap();
    every_gpu(|gpu, on| {
        for (of, largest) in all.iter().flat_map(|of| [(of, u64::MAX), (of, 1)]) {
            let (graph, weights) = (&of.network.graph, &of.network.weights);
            let host = faulty_weights((graph, weights), 8, &faults, 11).unwrap();
            let net = FrozenNet::sliced(gpu, graph, weights, 8, 2, true, largest).unwrap();
            let injector = net.injector(gpu, 1, Some(&faults)).unwrap();
            injector.run(gpu, &[0, 11]).unwrap();
            let [clean, faulty] = [0, 1].map(|copy| net.read(gpu, copy).unwrap());
            for (i, layer) in graph.layers.iter().enumerate() {
                let name = &graph.params[layer.weight].name;
                let tensors = [weights, &host.weights].map(|of| &of.tensors[name].data);
                assert_eq!(&clean[i], tensors[0], "{} {name} on {on}", of.name);
                assert_eq!(&faulty[i], tensors[1], "{} {name} on {on}, faulty", of.name);
            }
            assert_eq!(injector.flips(gpu).unwrap()[1], host.flips, "{} on {on}", of.name);
        }
    });
}
