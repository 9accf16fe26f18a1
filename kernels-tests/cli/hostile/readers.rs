//! Every file that a command reads, each with a command that reads it.
/// What a broken copy does to the command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is refused.
    Refused,
    /// The file is made anew or ignored, and the command succeeds.
    Replaced,
}

/// A file, and a command that reads it and does its work while the file is whole.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    /// A name that ends in `*` is the first file that begins so, if there is one.
    pub(super) file: &'static str,
    pub(super) line: &'static str,
    pub(super) broken: Broken,
    /// Whether copies are read for a missing adapter, which saves the work after reading.
    pub(super) absent: bool,
    /// Whether measurements of kernels are on, as for users.
    pub(super) tuned: bool,
    /// The parser of `crate::files::hostile` that accepts what the command accepts, and its first
    /// byte.
    pub(super) family: Option<(&'static str, Option<u8>)>,
}

const fn reader(file: &'static str, line: &'static str) -> Reader {
    let broken = Broken::Refused;
    Reader { file, line, broken, absent: false, tuned: false, family: None }
}

impl Reader {
    const fn of(self, family: &'static str) -> Self {
        Self { family: Some((family, None)), ..self }
    }

    const fn kind(self, family: &'static str, first: u8) -> Self {
        Self { family: Some((family, Some(first))), ..self }
    }

    const fn replaced(self) -> Self {
        Self { broken: Broken::Replaced, ..self }
    }

    const fn absent(self) -> Self {
        Self { absent: true, ..self }
    }

    const fn tuned(self) -> Self {
        Self { tuned: true, ..self }
    }
}

pub(super) const RESUME: &str = "train --resume run";
const REPORT: &str = "report run --out page.html";
const FORWARD: &str = "forward --weights base.safetensors --input x.npy --output o.npy --labels y.npy \
                       --grads g.safetensors";
const UPSTREAM: &str =
    "forward --weights base.safetensors --input x.npy --output o.npy --upstream u.npy";
const TRANSFORM: &str =
    "transform image.png --generator run/generator.safetensors --out-dir pictures";
const PLAN: &str =
    "train --base base.safetensors --batch-size 2 --chip 1 --steps 2 --out no --dry-run";
pub(super) const EVAL: &str =
    "eval --base base.safetensors --images 2 --ber 0.01 --out e.json --seeds 0";

const CIFAR10: &str = "data show cifar10 --data-dir sets --split test --out s.png";
const CIFAR100: &str = "data show cifar100 --data-dir sets --split test --out s.png";
const RECORDS: &str = "data show gtsrb --data-dir sets --split test --out s.png";
const DIGITS: &str = "data show mnist --data-dir sets --split test --out s.png";
const FASHION: &str = "data show fashion-mnist --data-dir sets --split test --out s.png";
const SIGNS: &str = "data show gtsrb --data-dir signs --split test --out s.png";
const LISTED: &str = "data show gtsrb --data-dir listed --split test --out s.png";

/// Readers with the longest last, because two threads work through this list.
pub(super) const READERS: [Reader; 38] = [
    reader("points.toml", "energy --base vgg11 --points points.toml").kind("toml", 0),
    reader("bench.json", "bench --compare bench.json bench.json").kind("json", 1),
    reader("run/state.json", REPORT).replaced(),
    reader("run/config.toml", REPORT).kind("toml", 2),
    reader("run/eval.json", "energy --min-accuracy 0 run/eval.json").kind("json", 0),
    reader("run/eval.json", REPORT).kind("json", 0),
    reader("run/metrics.jsonl", REPORT).kind("json", 3),
    reader("photos/test/a/1.ppm", "data show photos --split test --out s.png").of("images"),
    reader("photos/train/a/1.jpg", "data show photos --out s.png").of("images"),
    reader(
        "theirs.safetensors",
        "import theirs.safetensors --model vgg-small --out ours.safetensors",
    )
    .of("weights"),
    reader(
        "packed.safetensors",
        "import packed.safetensors --model vgg-small --out ours.safetensors",
    )
    .of("weights"),
    reader("listed/gtsrb/GT-final_test.csv", LISTED).kind("records", 6),
    reader("signs/gtsrb/decoded-test-32.cache", SIGNS).replaced(),
    reader("signs/gtsrb/GTSRB_Final_Test_GT.zip", SIGNS).kind("archives", 0),
    reader("signs/gtsrb/GTSRB_Final_Test_Images.zip", SIGNS),
    reader("faulty.json", "inject --replay faulty.json --out out").kind("json", 2),
    reader("map.safetensors", "inject --base base.safetensors --chip map.safetensors --out out")
        .kind("faultmap", 2),
    reader("map.npy", "inject --base base.safetensors --fault-map map.npy --out out")
        .kind("faultmap", 1),
    reader("map.csv", "inject --base base.safetensors --fault-map map.csv --out out")
        .kind("faultmap", 0),
    reader("base.safetensors", "inject --base base.safetensors --seed 1 --out out").of("weights"),
    reader("quirks.toml", "conform --replay add:1 --quirks quirks.toml").absent(),
    reader("u.npy", UPSTREAM).of("npy").absent(),
    reader("y.npy", FORWARD).absent(),
    reader("x.npy", FORWARD).of("npy").absent(),
    reader("base.safetensors", FORWARD).of("weights").absent(),
    reader("run/generator.safetensors", TRANSFORM).of("weights").absent(),
    reader("sets/fashion-mnist/t10k-images-idx3-ubyte.gz", FASHION),
    reader("sets/mnist/t10k-labels-idx1-ubyte", DIGITS),
    reader("sets/mnist/t10k-images-idx3-ubyte", DIGITS),
    reader("sets/gtsrb32/test.bin.xz", RECORDS),
    reader("sets/cifar-100-binary/test.bin.gz", CIFAR100),
    reader("sets/cifar-10-batches-bin/test_batch.bin", CIFAR10),
    reader("cache/nf-gpu/pipelines/*", PLAN).replaced(),
    reader("cache/nf-gpu/tuning/*", PLAN).replaced().tuned(),
    reader("image.png", TRANSFORM).of("images"),
    reader("e.json.journal", EVAL),
    reader("run/config.toml", RESUME).kind("toml", 1),
    reader("run/checkpoint.safetensors", RESUME).of("weights"),
];
