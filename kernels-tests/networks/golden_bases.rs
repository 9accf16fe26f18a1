//! Base networks, whole EOPM steps and fault maps against values that the public reference
//! implementation computed (`kernels-tests/networks/golden/README.md`).
use crate::{
    kernels::gradients_norm::first_roundings,
    networks::evaluator::{norm, relative_l2, wide},
    networks::golden::{GRADIENT, Golden, Worst, biases_before_norms, golden_file},
    networks::kinks::Exact,
};
use nf_gpu::{
    fault::{CellMap, FaultModel, Faults},
    files::{Weights, safetensors},
    forward::{self, BaseRequest, EopmRequest, Images, OutputLoss},
    kernels::plan::Dtype,
    models,
    nn::{Graph, Role},
    step::Loss,
};
use std::collections::BTreeMap;

/// Relative L2 errors that f32 kernels must keep to (`kernels-tests/networks/golden/README.md`).
const LOGITS: f64 = 5e-6;
const INPUT_GRADIENT: f64 = 2e-5;
/// If a sum is nearer to 0 than this, in units of the tensor's root mean square, f32 cannot tell its
/// sign: the last two bits of its terms are uncertain, and so are its inputs after some ten layers.
const UNDECIDABLE: f64 = 8.0 * f32::EPSILON as f64;
const SHAPE: [usize; 4] = [2, 3, 32, 32];
const BASES: [&str; 5] = ["resnet18", "resnet50", "vgg11", "vgg16", "vgg19"];

/// The pseudo-random value i of tensor k, in [-1, 1).
fn p(i: u32, k: u32) -> f64 {
    let s = i
        .wrapping_mul(747_796_405)
        .wrapping_add(2_891_336_453)
        .wrapping_add(k.wrapping_mul(2_654_435_769));
    let w = ((s >> ((s >> 28) + 4)) ^ s).wrapping_mul(277_803_737);
    f64::from((w >> 22) ^ w) / 2_147_483_648.0 - 1.0
}

/// The weights with which the values were computed: a formula over the `state_dict` in its order.
fn weights(graph: &Graph) -> Weights {
    let gain = if graph.name.starts_with("vgg") { 1.0 } else { 0.5 };
    let mut weights = Weights::default();
    for (param, k) in graph.params.iter().zip(1..) {
        let fan_in: usize = param.shape.iter().skip(1).product();
        let value = |i: u32| match param.role {
            Role::Weight => (6.0 / fan_in as f64).sqrt() * p(i, k),
            Role::Gamma => gain + 0.2 * p(i, k),
            Role::RunningVar => 1.0 + 0.3 * p(i, k) * p(i, k),
            Role::Bias | Role::Beta | Role::RunningMean | Role::Image => 0.1 * p(i, k),
        };
        let data = (0..param.len() as u32).map(|i| value(i) as f32).collect();
        weights.insert(param.name.clone(), &param.shape, data);
    }
    weights
}

#[test]
fn the_state_dicts_are_the_reference_implementations() {
    let text = std::fs::read_to_string(golden_file("", "state_dicts.json").unwrap()).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in BASES {
        let graph = models::base(name, 10, None).unwrap();
        let ours: Vec<(String, Vec<usize>)> =
            graph.params.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
        let theirs: Vec<(String, Vec<usize>)> = serde_json::from_value(all[name].clone()).unwrap();
        assert_eq!(ours, theirs, "{name}");
    }
}

fn labels(file: &Weights) -> Vec<u32> {
    let (raw, _) = safetensors::load(&file.origin).unwrap();
    let bytes = raw["labels"].bytes.chunks_exact(4);
    bytes.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn check_base(name: &str) {
    let graph = models::base(name, 10, None).unwrap();
    let weights = weights(&graph);
    let file = Golden::values(&golden_file("bases", &format!("{name}.safetensors")).unwrap());
    let labels = labels(&file);
    let seed: u64 = file.meta_as("seed").unwrap().unwrap();
    let faults = Faults::new(FaultModel::Reference, file.meta_as("ber").unwrap().unwrap()).unwrap();
    let mut exact = [None, None];
    first_roundings(|gpu, on, growth| {
        for (prefix, faults) in [("", None), ("faulty.", Some((&faults, seed)))] {
            let images = &file.get("input", &SHAPE).unwrap().data;
            let request = BaseRequest {
                graph: &graph,
                weights: &weights,
                precision: Some(8),
                faults,
                images: Images::new(&SHAPE, images).unwrap(),
                loss: Some(OutputLoss::CrossEntropy(&labels)),
                gradient: true,
                micro_batch: None,
            };
            let pass = forward::base(gpu, &request).unwrap();
            let want = |what: &str, shape: &[usize]| {
                wide(&file.get(&format!("{prefix}{what}"), shape).unwrap().data)
            };
            let mut outputs = Worst::new(LOGITS);
            outputs.take("logits", &pass.logits, &want("logits", &[2, 10]));
            outputs.take("loss", &[pass.loss.unwrap() as f32], &want("loss", &[1]));
            outputs.report(&format!("{prefix}{name} on {on}"));
            let got = pass.input_gradient.unwrap();
            let error = relative_l2(&got, &want("grad_input", &SHAPE));
            println!("{prefix}{name} on {on}: gradient {error:.1e}, bound {INPUT_GRADIENT:.0e}");
            if error.is_nan() || error > INPUT_GRADIENT {
                let exact = exact[usize::from(faults.is_some())].get_or_insert_with(|| {
                    let map = faults.map(|(faults, seed)| faults.map(seed).unwrap());
                    Exact::new(None, (&graph, &weights), &[(map, 1.0)], images, &labels)
                });
                let got = BTreeMap::from([("input".to_owned(), got)]);
                exact.explain(
                    &got,
                    INPUT_GRADIENT,
                    UNDECIDABLE * growth,
                    &format!("{prefix}{name} on {on}"),
                );
            }
        }
    });
}

#[test]
#[ignore = "in ./test.sh --all: a large network"]
fn resnet18_is_the_reference_implementations() {
    check_base("resnet18");
}

#[test]
#[ignore = "in ./test.sh --all: a large network"]
fn resnet50_is_the_reference_implementations() {
    check_base("resnet50");
}

#[test]
fn vgg11_is_the_reference_implementations() {
    check_base("vgg11");
}

#[test]
#[ignore = "in ./test.sh --all: a large network"]
fn vgg16_is_the_reference_implementations() {
    check_base("vgg16");
}

#[test]
#[ignore = "in ./test.sh --all: a large network"]
fn vgg19_is_the_reference_implementations() {
    check_base("vgg19");
}

fn check_eopm(generator: &str, base: &str) {
    let file =
        Golden::values(&golden_file("eopm", &format!("{generator}_{base}.safetensors")).unwrap());
    let graph = models::generator(generator, [3, 32, 32]).unwrap();
    let parameters = Golden::parameters(&file);
    let base = models::base(base, 10, None).unwrap();
    let weights = weights(&base);
    let labels = labels(&file);
    let seeds: Vec<u64> =
        file.meta("seeds").unwrap().split(',').map(|s| s.parse().unwrap()).collect();
    let ber = file.meta_as("ber").unwrap().unwrap();
    let images = &file.tensors["input"];
    let exempt = biases_before_norms(&graph);
    let mut exact = None;
    first_roundings(|gpu, on, growth| {
        let request = EopmRequest {
            generator: (&graph, &parameters),
            base: (&base, &weights),
            precision: 8,
            faults: &Faults::new(FaultModel::Reference, ber).unwrap(),
            seeds: &seeds,
            lambda: file.meta_as("lambda").unwrap().unwrap(),
            images: Images::new(&images.shape, &images.data).unwrap(),
            loss: Loss::Labels,
            labels: &labels,
            micro_batch: None,
            dtype: Dtype::F32,
            loss_scale: None,
        };
        let pass = forward::eopm(gpu, &request).unwrap();
        let mut losses = Worst::new(LOGITS);
        let got: Vec<f32> =
            pass.faulty.iter().flat_map(|&faulty| [pass.clean as f32, faulty as f32]).collect();
        losses.take("losses", &got, &wide(&file.get("losses", &[seeds.len(), 2]).unwrap().data));
        losses.report(&format!("{generator} before {} on {on}", base.name));
        let (mut worst, mut all) = (0.0, BTreeMap::new());
        for (name, want) in &file.tensors {
            let Some(name) = name.strip_prefix("grad.") else { continue };
            let got = &pass.gradients.get(name, &want.shape).unwrap().data;
            if let Some((weight, _)) = exempt.iter().find(|(_, bias)| *bias == name) {
                let weight = &file.tensors[&format!("grad.{weight}")].data;
                let bound = 1e-5 * norm(&wide(weight));
                assert!(norm(&wide(got)) <= bound, "{name} on {on}: not zero");
            } else {
                let error = relative_l2(got, &wide(&want.data));
                worst = if error.is_nan() { error } else { f64::max(worst, error) };
                all.insert(name.to_owned(), got.clone());
            }
        }
        let what = format!("{generator} before {} on {on}", base.name);
        println!("{what}: gradients {worst:.1e}, bound {GRADIENT:.0e}");
        if worst.is_nan() || worst > GRADIENT {
            let exact = exact.get_or_insert_with(|| {
                let part = request.lambda / seeds.len() as f64;
                let mut maps = vec![(None, 1.0)];
                let map = |&seed: &u64| (Some(request.faults.map(seed).unwrap()), part);
                maps.extend(seeds.iter().map(map));
                let generator = Some((&graph, &parameters));
                Exact::new(generator, (&base, &weights), &maps, &images.data, &labels)
            });
            // The images that the base sees contain the generator's rounding.
            exact.explain(&all, GRADIENT, 2.0 * UNDECIDABLE * growth, &what);
        }
    });
}

#[test]
#[ignore = "in ./test.sh --all: large networks"]
fn a_step_of_conv_s_before_resnet18_is_the_reference_implementations() {
    check_eopm("ConvS", "resnet18");
}

#[test]
#[ignore = "in ./test.sh --all: large networks"]
fn a_step_of_unet_s_before_vgg11_is_the_reference_implementations() {
    check_eopm("UNetS", "vgg11");
}

#[test]
fn fault_maps_are_the_reference_implementations() {
    for name in ["seed7_ber0.005", "seed50000_ber0.01"] {
        let Some(path) = golden_file("faults", &format!("{name}.safetensors")) else { continue };
        let (raw, metadata) = safetensors::load(&path).unwrap();
        let map =
            CellMap::reference(metadata["seed"].parse().unwrap(), metadata["ber"].parse().unwrap())
                .unwrap();
        for (name, ours) in [("stuck_at_1", &map.stuck_at_1), ("stuck_at_0", &map.stuck_at_0)] {
            let bytes: Vec<u8> = ours.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(raw[name].shape, [8192, 16]);
            assert_eq!(raw[name].bytes, bytes, "{name} of {}", path.display());
        }
    }
}
