//! Every command that names files, with the flags that do.

/// A command that would run, the flags of its inputs, and the flags of its other outputs. `{}` in a
/// flag's value is the path.
pub(super) struct Row {
    pub(super) line: &'static str,
    pub(super) reads: &'static [&'static str],
    pub(super) writes: &'static [&'static str],
}

pub(super) const SET: &str = "set/train/a/x.png";

pub(super) const TABLE: &[Row] = &[
    Row {
        line: "bench",
        reads: &["--compare bench.json"],
        // These flags need --compare, or contradict it.
        writes: &["--plot {}", "--roofline {}", "--csv {}"],
    },
    Row {
        line: "bench --kernel add",
        reads: &[],
        writes: &["--out {}", "--roofline {}", "--csv {}"],
    },
    Row {
        line: "energy --min-accuracy 50",
        reads: &["--points points.toml", "eval.json"],
        writes: &["--csv {}"],
    },
    Row { line: "conform --kernel add", reads: &["--quirks quirks.toml"], writes: &["--csv {}"] },
    Row { line: "data show set", reads: &[SET], writes: &["--out {}"] },
    Row {
        line: "pretrain --model vgg-small --dataset set --steps 1 --out new",
        reads: &[SET],
        writes: &["--checkpoint {}", "--metrics {}"],
    },
    Row {
        line: "pretrain --model vgg-small --dataset set --steps 1",
        reads: &[SET, "--init base.safetensors"],
        writes: &["--out {}"],
    },
    Row {
        line: "train --steps 1 --out run --dataset set",
        reads: &[
            "--base base.safetensors",
            "--init g.safetensors",
            "--chip map.csv",
            "--layout layout.toml",
            SET,
        ],
        writes: &["--profile {}", "--csv {}"],
    },
    Row {
        line: "eval --dataset set",
        reads: &[
            "--base base.safetensors",
            "--generator g.safetensors",
            "--points points.toml",
            "--fault-map map.csv",
            "--layout layout.toml",
            SET,
        ],
        writes: &["--logits {}", "--out {}", "--csv {}"],
    },
    Row { line: "eval", reads: &["--merge eval.json"], writes: &["--out {}", "--csv {}"] },
    Row {
        line: "forward",
        reads: &[
            "--weights base.safetensors",
            "--input x.npy",
            "--labels y.npy",
            "--chip map.csv",
            "--layout layout.toml",
        ],
        writes: &["--output {}"],
    },
    Row {
        line: "forward --output new.npy",
        reads: &["--weights base.safetensors", "--input x.npy", "--labels y.npy"],
        writes: &["--grads {}"],
    },
    Row {
        line: "forward --mode train",
        reads: &["--weights g.safetensors", "--input x.npy", "--upstream x.npy"],
        writes: &["--output {}"],
    },
    Row {
        line: "forward --mode train --output new.npy",
        reads: &["--weights g.safetensors", "--input x.npy", "--upstream x.npy"],
        writes: &["--grads {}", "--after {}"],
    },
    Row {
        line: "forward --eopm --seeds 1 --ber 0.1 --weights base.safetensors --input x.npy --labels y.npy",
        reads: &["--generator-weights g.safetensors"],
        writes: &["--grads {}"],
    },
    Row {
        line: "import --model vgg-small --dataset set",
        reads: &["base.safetensors", SET],
        writes: &["--out {}"],
    },
    Row {
        line: "eval --base base.safetensors --dataset set",
        reads: &["--faults pattern.toml"],
        writes: &["--out {}"],
    },
    Row {
        line: "train --base base.safetensors --steps 1 --out run --dataset set",
        reads: &["--faults pattern.toml"],
        writes: &["--profile {}"],
    },
    Row {
        line: "forward --weights base.safetensors --input x.npy",
        reads: &["--faults pattern.toml"],
        writes: &["--output {}"],
    },
    Row {
        line: "inject --base base.safetensors",
        reads: &["--faults pattern.toml"],
        writes: &["--out {}"],
    },
    Row { line: "report", reads: &["eval.json"], writes: &["--out {}", "--svg {}"] },
    Row { line: "report", reads: &["eval.json"], writes: &["--out {}", "--csv {}"] },
    Row { line: "report begun", reads: &["begun/config.toml"], writes: &["--out {}"] },
    Row {
        line: "export --dataset set",
        reads: &["g.safetensors", "--base base.safetensors", SET],
        writes: &["--c {}", "--golden {}", "--out {}"],
    },
    Row {
        line: "inject",
        reads: &["--base base.safetensors", "--fault-map map.csv", "--layout layout.toml"],
        writes: &["--out {}"],
    },
];
