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

/// The faults of a pass, and how many bits they flipped.
pub(super) fn describe(
    faults: &Faults,
    network: &Graph,
    seeds: &[u64],
    flips: &[Vec<Flips>],
) -> Value {
    let total = |layers: &Vec<Flips>| layers.iter().map(|f| f.total).sum::<u64>();
    let mut report = json!(network.described(faults));
    let own = json!({
        "seeds": seeds,
        "flipped_bits": flips.iter().map(total).collect::<Vec<_>>(),
    });
    if let (Value::Object(report), Value::Object(own)) = (&mut report, own) {
        report.extend(own);
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
    for (key, what) in [("faults", "flipped bits"), ("losses", "losses [clean, faulty]")] {
        if let Some(value) = report.get(key) {
            let value = value.get("flipped_bits").unwrap_or(value);
            lines += &format!("{what}: {value}\n");
        }
    }
    if let Some(loss) = report.get("loss").and_then(Value::as_f64) {
        lines += &format!("loss: {loss:.9}\n");
    }
    lines
}
