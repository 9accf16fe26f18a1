//! The same seed makes the same faulty network, byte for byte, on the host and on every adapter.
#![expect(clippy::print_stderr, reason = "what a test covered is said")]
use crate::{
    cli::random_base,
    extent::{all, every_gpu, skipped},
};
use nf_gpu::{
    fault::{FaultModel, Faults, Lot},
    files::sha256_of,
    models,
    nn::{FrozenNet, Graph, faulty_weights},
};

/// Faults of every kind that is drawn from a seed.
fn kinds() -> Vec<Faults> {
    let mut kinds: Vec<Faults> =
        FaultModel::RATED.into_iter().map(|model| Faults::new(model, 0.01).unwrap()).collect();
    kinds.push(Faults::asymmetric(0.02, 0.001).unwrap());
    let lot = Lot::new(8, 0.6).unwrap();
    kinds.push(Faults::new(FaultModel::StuckAt, 0.01).unwrap().of_lot(lot).unwrap());
    kinds
}

/// SHA-256 of the weights of all layers, in order.
fn digest(layers: impl Iterator<Item = Vec<f32>>) -> String {
    let bytes: Vec<u8> = layers.flatten().flat_map(f32::to_le_bytes).collect();
    sha256_of(&bytes)
}

/// A network, its precision, the faults, and the seed.
type Job = (Graph, u32, Faults, u64);

/// Compares the host with every adapter.
fn check(jobs: &[Job]) {
    let of_host = |(graph, bits, faults, seed): &Job| {
        let weights = random_base(&graph.name, 5);
        let read = faulty_weights((graph, &weights), *bits, faults, *seed).unwrap();
        let data = |name: &str| read.weights.tensors[name].data.clone();
        let digest = digest(graph.layer_names().map(data));
        (weights, read.flips, digest)
    };
    let wanted: Vec<_> = jobs.iter().map(of_host).collect();
    every_gpu(|gpu, on| {
        for ((graph, bits, faults, seed), (weights, flips, of_host)) in jobs.iter().zip(&wanted) {
            // Small networks are also tested in slices of output channels, like layers that no binding
            // holds.
            let cuts = if graph.faultable_weights() < 1 << 20 {
                &[u64::MAX, 20_000][..]
            } else {
                &[u64::MAX]
            };
            for &largest in cuts {
                let net = match largest {
                    u64::MAX => FrozenNet::for_inference(gpu, graph, weights, *bits, 1),
                    _ => FrozenNet::sliced(gpu, graph, weights, *bits, 1, false, largest),
                };
                let net = net.unwrap();
                let injector = net.injector(gpu, 0, Some(faults)).unwrap();
                injector.run(gpu, &[*seed]).unwrap();
                let what = format!("{} in {bits} bits, {faults}, on {on}, {largest}", graph.name);
                assert_eq!(injector.flips(gpu).unwrap(), std::slice::from_ref(flips), "{what}");
                assert_eq!(digest(net.read(gpu, 0).unwrap().into_iter()), *of_host, "{what}");
            }
        }
    });
}

/// Every network for 32x32 images (without `--all` only the smallest of the large ones). Each kind of
/// faults occurs in some precision, each precision in some network; `the_same_files_in_every_precision`
/// tests all combinations.
#[test]
fn the_same_seed_makes_the_same_network_everywhere() {
    let kinds = kinds();
    let mut jobs = Vec::new();
    for (i, info) in models::BASES.iter().filter(|info| info.side == 32).enumerate() {
        let graph = models::base(info.name, 10, None).unwrap();
        let small = graph.faultable_weights() < 1 << 20;
        for (j, faults) in kinds.iter().enumerate() {
            let wanted = all() || info.name == "vgg11";
            if small || wanted && j == i % kinds.len() {
                jobs.push((
                    graph.clone(),
                    2 + ((i + j) % 7) as u32,
                    faults.clone(),
                    1000 + j as u64,
                ));
            }
        }
    }
    check(&jobs);
}

/// Also the networks for 224x224 images.
#[test]
fn the_same_files_in_every_precision() {
    if std::env::var_os("NF_GPU_FAULT_FILES").is_none() {
        skipped("every network in every precision, a quarter of an hour (NF_GPU_FAULT_FILES=1)");
        return;
    }
    let kinds = kinds();
    for (i, info) in models::BASES.iter().enumerate() {
        let graph = models::base(info.name, 10, None).unwrap();
        for bits in 2..=8 {
            check(&[(graph.clone(), bits, kinds[(i + bits as usize) % kinds.len()].clone(), 7)]);
        }
        eprintln!("{}: the same in 2 to 8 bits on every adapter and the host", info.name);
    }
}
