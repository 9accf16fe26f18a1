//! The report of `nf-gpu forward`, as JSON and as lines.

use crate::{
    fault::{Faults, Flips},
    nn::Graph,
    run::Gpu,
};
use serde_json::{Map, Value, json};

/// The beginning of every report.
pub(super) fn about(gpu: &Gpu, model: &str, sha256: &str) -> Map<String, Value> {
    let adapter = gpu.report();
    let (name, backend, driver) = (&adapter.name, &adapter.backend, &adapter.driver);
    let fields = [
        ("adapter", json!({"name": name, "backend": backend, "driver": driver})),
        ("model", json!(model)),
        ("weights_sha256", json!(sha256)),
    ];
    fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

/// Names of the memories whose flipped bits are told: weights, biases, activations.
const MEMORIES: [(&str, &str); 3] = [
    ("flipped_bits", "flipped bits"),
    ("flipped_bias_bits", "flipped bits of biases"),
    ("flipped_activation_bits", "flipped bits of activations"),
];

/// The faults of a pass, and how many bits they flipped under each seed in weights, biases and activations. Memories that
/// cannot fail are left out.
pub(super) fn describe(
    faults: &Faults,
    network: &Graph,
    seeds: &[u64],
    flips: [&[Vec<Flips>]; 3],
) -> Value {
    let total = |parts: &Vec<Flips>| parts.iter().map(|f| f.total).sum::<u64>();
    let mut report = json!(network.described(faults));
    let Value::Object(fields) = &mut report else { return report };
    fields.insert("seeds".into(), json!(seeds));
    for ((name, _), of_seeds) in MEMORIES.into_iter().zip(flips) {
        if of_seeds.iter().any(|parts| !parts.is_empty()) {
            let totals: Vec<u64> = of_seeds.iter().map(total).collect();
            fields.insert(name.into(), json!(totals));
        }
    }
    report
}

/// The report as lines for human readers.
pub(super) fn text(report: &Map<String, Value>) -> String {
    let mut lines = String::new();
    if let Some(out) = report.get("output") {
        let file = out["file"].as_str().unwrap_or_default();
        lines += &format!("{file}: float32 {}\n", out["shape"]);
    }
    let flips = report.get("faults").into_iter();
    let flips = flips.flat_map(|of| MEMORIES.map(|(name, what)| (what, of.get(name))));
    for (what, value) in flips.chain([("losses [clean, faulty]", report.get("losses"))]) {
        if let Some(value) = value {
            lines += &format!("{what}: {value}\n");
        }
    }
    if let Some(loss) = report.get("loss").and_then(Value::as_f64) {
        lines += &format!("loss: {loss:.9}\n");
    }
    lines
}
