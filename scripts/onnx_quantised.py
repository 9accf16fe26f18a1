"""Quantised classifiers as ONNX files that go the whole way: onnxruntime's quantize_static, import, predictions beside
onnxruntime's, inject beside a reference in Python bit for bit, a generator for one faulty chip, export back to
onnxruntime. scripts/onnx-quantised.sh calls this, and docs/results/onnx-quantised.md is written by it.

    python scripts/onnx_quantised.py networks FOLDER DATA [NAME ...]      makes the float networks that are not there yet
    python scripts/onnx_quantised.py go FOLDER DATA NAME -- PROGRAM...    all forms of one network; the result is kept
    python scripts/onnx_quantised.py table FOLDER OUT.md                  writes what is kept

FOLDER/wheels/ccexam is PyPI's package of that name; DATA has MNIST and CIFAR-10 as `nf-gpu data fetch` puts them.
"""

import json
import os
import sys

import numpy as np

from onnx_journeys import COMPARED, Commands, accuracies, cifar10, compared, fit, mnist, normalised, save_network

CALIBRATED = 256
FORMS = [(form, channel, kind) for form in ("qdq", "qoperator") for channel in (False, True) for kind in ("s8", "u8")]
HALF = [0.5] * 3, [0.5] * 3
CHIP = {"faults": "stuck-at", "seed": 1}


def make_ccexam(folder, data):
    from onnx_journeys import make_ccexam as make

    make(folder, data)


def make_vgg11(folder, data):
    """The shipped VGG11 as a PyTorch module with the weights that its words stand for."""
    import torch
    from safetensors.numpy import load_file
    from torch import nn

    layers, c = [], 3
    for k in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        layers += [nn.MaxPool2d(2)] if k == 0 else [nn.Conv2d(c, k, 3, padding=1), nn.BatchNorm2d(k), nn.ReLU()]
        c = k or c

    class Vgg(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.classifier = nn.Sequential(*layers), nn.Linear(512, 10)

        def forward(self, x):
            return self.classifier(self.features(x).flatten(1))

    net = Vgg()
    stored = load_file(os.path.join(os.path.dirname(__file__), "../models/vgg11-cifar10.safetensors"))
    scale = lambda name: stored.get(f"{name}.scale", np.float32(1))
    state = {name: torch.tensor(t.astype(np.float32) * scale(name)) for name, t in stored.items() if not name.endswith(".scale")}
    # PyTorch's counters of batches are all that the file lacks.
    net.load_state_dict(state, strict=False)
    images, labels = cifar10(data, "test")
    save_network(folder, "vgg11", net.eval(), normalised(images, *HALF), labels)


def make_mobilenet(folder, data):
    """torchvision's MobileNetV2, its first stride left out for images of 32x32."""
    import torch
    import torchvision

    torch.manual_seed(1)
    net = torchvision.models.mobilenet_v2(weights=None, width_mult=0.5, num_classes=10)
    net.features[0][0].stride = (1, 1)
    net = fit(net, *cifar10(data, "train"), lambda images: normalised(images, *HALF), [(4000, 32)], 3e-3, 64)
    images, labels = cifar10(data, "test")
    save_network(folder, "mobilenet-v2", net, normalised(images, *HALF), labels)


NETWORKS = {
    "ccexam-mnist": {
        "make": make_ccexam, "what": "PyPI's ccexam 1.0.0, its MNIST network", "set": "mnist", "mean": [0.1307], "std": [0.3081],
        "forms": FORMS, "train": ("qdq-channel-s8", 0.06, "ConvS --steps 150 --batch-size 32 --lr 0.005 --schedule cosine"),
    },
    "vgg11": {
        "make": make_vgg11, "what": "the shipped VGG11", "set": "cifar10", "mean": HALF[0], "std": HALF[1], "forms": FORMS,
        "train": ("qoperator-tensor-u8", 0.01, "UNetS --steps 60 --batch-size 32 --lr 0.005 --schedule cosine"),
    },
    "mobilenet-v2": {
        "make": make_mobilenet, "what": "torchvision's mobilenet_v2 (width 0.5, first stride 1), trained here", "set": "cifar10",
        "mean": HALF[0], "std": HALF[1], "forms": [FORMS[3], FORMS[4]], "train": None,
    },
}


def images_of(name, data, split):
    return {"mnist": mnist, "cifar10": cifar10}[NETWORKS[name]["set"]](data, split)


def quantise(folder, data, name, form):
    """The network in one form, calibrated with the first training images."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = os.path.join(folder, f"{name}-{form_name(form)}.onnx")
    if os.path.exists(path):
        return path
    plan = NETWORKS[name]
    x = normalised(images_of(name, data, "train")[0][:CALIBRATED], plan["mean"], plan["std"])

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = [{"image": x[i : i + 32]} for i in range(0, len(x), 32)]

        def get_next(self):
            return self.left.pop(0) if self.left else None

    ready = os.path.join(folder, f"{name}.ready.onnx")
    quant_pre_process(os.path.join(folder, f"{name}.onnx"), ready)
    layout, channel, kind = form
    word = QuantType.QInt8 if kind == "s8" else QuantType.QUInt8
    quantize_static(
        ready, path + ".part", Reader(), quant_format=QuantFormat.QDQ if layout == "qdq" else QuantFormat.QOperator,
        per_channel=channel, activation_type=word, weight_type=word,
    )
    os.replace(path + ".part", path)
    return path


def form_name(form):
    return f"{form[0]}-{'channel' if form[1] else 'tensor'}-{form[2]}"


def as_written(path, x):
    """onnxruntime's answers, every operator computed as it is written."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[i : i + 50]})[0] for i in range(0, len(x), 50)])


def nudged(path):
    """A copy of the network in which every scale is the next larger float: how much rounding decides in it."""
    import onnx

    model = onnx.load(path)
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if tensor.name.endswith("_scale") and value.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.nextafter(value, np.float32(np.inf)), tensor.name))
    onnx.save(model, path + ".nudged")
    return path + ".nudged"


def philox(counter, seed):
    """Philox4x32-10 of arrays of counters; docs/fault-format.py has it of single ones."""
    c, k, mask = [np.asarray(v, np.uint64) for v in counter], [seed & 0xFFFFFFFF, seed >> 32], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        high = np.uint64(32)
        c = [(p1 >> high) ^ c[1] ^ np.uint64(k[0]), p1 & mask, (p0 >> high) ^ c[3] ^ np.uint64(k[1]), p0 & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def stuck_at(words, layer, seed, ber):
    """The bytes of a layer as a chip with stuck-at cells reads them: docs/fault-format.md, from its text."""
    padded = np.zeros((len(words) + 3) // 4 * 4, np.uint8)
    padded[: len(words)] = words
    stored, n = padded.view("<u4").astype(np.uint64), len(padded) // 4
    index, zero = np.arange(n), np.zeros(n)
    threshold, faulty, undecided = int(ber * 2**32), np.zeros(n, np.uint64), np.full(n, 0xFFFFFFFF, np.uint64)
    for d in range(32):
        if d % 4 == 0:
            draws = philox([index, zero + layer, zero + d // 4, zero], seed)
        bits = draws[d % 4]
        if threshold >> (31 - d) & 1:
            faulty |= undecided & ~bits
            undecided &= bits
        else:
            undecided &= ~bits
    polarity = philox([index, zero + layer, zero, zero + 1], seed)[0]
    read = stored ^ (faulty & (stored ^ polarity))
    return read.astype("<u4").view(np.uint8)[: len(words)]


def same_words(before, after, layers, ber):
    """Whether the layers of the second file are those of the first as the chip reads them, and nothing else differs."""
    import onnx
    from onnx import numpy_helper

    def tensors(path):
        model = onnx.load(path)
        stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        return stored, [n.SerializeToString() for n in model.graph.node]

    (one, nodes), (two, same) = tensors(before), tensors(after)
    names = [layer["name"] for layer in layers]
    right = nodes == same and one.keys() == two.keys()
    for i, name in enumerate(names):
        want = stuck_at(one[name].reshape(-1).view(np.uint8), i, CHIP["seed"], ber)
        right &= np.array_equal(two[name].reshape(-1).view(np.uint8), want)
    return bool(right and all(np.array_equal(one[name], two[name]) for name in one if name not in names))


def go(folder, data, name, program):
    plan, run = NETWORKS[name], Commands(folder, data, f"int8-{name}", program)
    images, labels = images_of(name, data, "test")
    images, labels = images[:COMPARED], labels[:COMPARED]
    unit = np.float32(images / 127.5 - 1)
    np.save(os.path.join(folder, f"{name}.int8.x.npy"), unit)
    plain = set(plan["mean"]) == {0.5} and set(plan["std"]) == {0.5}
    # The same floats: on the grid from -1 to 1 every byte lies half-way between two steps, and its rounding decides.
    own = unit if plain else normalised(images, plan["mean"], plan["std"])
    list_of = lambda values: ",".join(map(str, values))
    ends = "" if plain else f" --input-mean {list_of(plan['mean'])} --input-std {list_of(plan['std'])}"
    results = {"forms": {}, "float": int((np.load(os.path.join(folder, f"{name}.torch.npy"))[:COMPARED].argmax(1) == labels).sum())}
    for form in plan["forms"]:
        of = form_name(form)
        path = quantise(folder, data, name, form)
        file = os.path.basename(path)
        understood = json.loads(run(f"import {file}{ends} --json"))
        run(f"forward --weights {file}{ends} --input {name}.int8.x.npy --output {name}-{of}.npy --quiet")
        ours, theirs = np.load(os.path.join(folder, f"{name}-{of}.npy")), as_written(path, own)
        # Where the two largest scores are equal, either is the prediction.
        ranked = np.sort(theirs, 1)
        tied = ranked[:, -1] - ranked[:, -2] < 1e-6
        values = np.unique(np.abs(theirs[np.abs(theirs) > 0]).round(6))
        step = float(np.diff(np.concatenate([[0], values])).min()) if len(values) else 0.0
        run(f"inject --base {file} --faults {CHIP['faults']} --ber 0.01 --chip {CHIP['seed']} --out {name}-{of}.faulty.onnx --quiet")
        words = [layer["stored_as"] for layer in understood["layers"]]
        results["forms"][of] = {
            "words": sorted({f"{'int' if w['signed'] else 'uint'}{w['bits']}" for w in words}), "layers": len(words),
            "faultable": understood["faultable_weights"], "of": int((~tied).sum()),
            "agree": int((ours.argmax(1) == theirs.argmax(1))[~tied].sum()),
            "right": [int((logits.argmax(1) == labels).sum()) for logits in (ours, theirs)],
            "equal": float((np.abs(ours - theirs) < 1e-3 * step + 1e-6).mean()),
            "within": float((np.abs(ours - theirs) < 1.001 * step + 1e-6).mean()),
            "steps": float(np.abs(ours - theirs).max() / step) if step else 0.0,
            "nudged": float((np.abs(as_written(nudged(path), own) - theirs) < 1.001 * step + 1e-6).mean()),
            "inject": same_words(path, os.path.join(folder, f"{name}-{of}.faulty.onnx"), understood["layers"], 0.01),
        }
        print(name, of, json.dumps(results["forms"][of]), flush=True)
    if plan["train"]:
        of, ber, settings = plan["train"]
        base = f"--base {name}-{of}.onnx{ends} --dataset {plan['set']}"
        chip = f"--faults {CHIP['faults']} --ber {ber} --chip {CHIP['seed']}"
        run(f"train {base} {chip} --generator {settings} --images 200 --out runs/int8-{name} --quiet")
        run(f"eval {base} {chip} --generator runs/int8-{name}/generator.safetensors --images {COMPARED} --quiet "
            f"--out {name}.int8.json --logits {name}.int8.npy")
        with open(os.path.join(folder, f"{name}.int8.json")) as file:
            document = json.load(file)
        run(f"export runs/int8-{name} {base.split(' --dataset')[0]} --out {name}.int8.protected.onnx")
        run(f"export runs/int8-{name} --out {name}.int8.generator.onnx")
        run(f"inject --base {name}-{of}.onnx {chip} --out {name}.int8.faulty.onnx --quiet")
        fused = as_written(os.path.join(folder, f"{name}.int8.generator.onnx"), unit)
        fused = fused if plain else normalised((fused + 1) * 127.5, plan["mean"], plan["std"])
        faulty = as_written(os.path.join(folder, f"{name}.int8.faulty.onnx"), fused)
        protected = as_written(os.path.join(folder, f"{name}.int8.protected.onnx"), own)
        results["trained"] = {
            "form": of, "chip": chip, "settings": settings, "accuracies": accuracies(document), "adapter": document["adapter"],
            "commit": document["commit"], "faulty": compared(faulty, np.load(os.path.join(folder, f"{name}.int8.npy"))),
            "protected": int((protected.argmax(1) == labels).sum()),
        }
        print(name, json.dumps(results["trained"]), flush=True)
    with open(os.path.join(folder, f"{name}.int8.result.json"), "w") as file:
        json.dump(results, file)
    worst = min(form["agree"] / form["of"] for form in results["forms"].values())
    if worst < 0.995 or not all(form["inject"] for form in results["forms"].values()):
        sys.exit(f"{name}: predictions or words differ")


def table(folder, out):
    import onnxruntime

    names = [name for name in NETWORKS if os.path.exists(os.path.join(folder, f"{name}.int8.result.json"))]
    results = {}
    for name in names:
        with open(os.path.join(folder, f"{name}.int8.result.json")) as file:
            results[name] = json.load(file)
    about = next(result["trained"] for result in results.values() if "trained" in result)
    lines = [
        "# Quantised classifiers as ONNX files that went the whole way", "",
        f"Written by `scripts/onnx-quantised.sh`. Adapter: {about['adapter']['name']} ({about['adapter']['driver']}), commit "
        f"{about['commit']}; onnxruntime {onnxruntime.__version__} (`quantize_static`, min-max over {CALIBRATED} training images, its "
        f"optimisations off when it answers).", "",
        f"First {COMPARED:,} test images. *Equal predictions*: beside onnxruntime's, without images whose two best scores tie there. *Equal "
        "scores*: of all, to a thousandth of their step; *within a step*, and *furthest*, in steps: a value that lies half-way "
        "between two steps but for rounding goes either way, and the layers behind carry that on: for MobileNetV2's 53 layers to "
        "more than one score in a thousand. *Nudged*: onnxruntime's own scores within a step of its own, once every scale in the file is "
        "the next larger float. *Words*: `inject` (stuck-at, 1 %, chip "
        "1) beside a reference in Python, bit for bit, and no other byte of a tensor or a node changed.", "",
        "| network | form | words | right, ours | right, onnxruntime | equal predictions | equal scores | within a step | nudged | furthest | words |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        for of, r in results[name]["forms"].items():
            lines.append(
                f"| {name} | {of} | {r['faultable']:,} {', '.join(r['words'])} | {r['right'][0]} | {r['right'][1]} "
                f"| {r['agree']} of {r['of']} | {100 * r['equal']:.2f} % | {100 * r['within']:.2f} % | {100 * r['nudged']:.2f} % | {r['steps']:.0f} | {'equal' if r['inject'] else 'DIFFERENT'} |"
            )
    lines += ["", "| network | what it is | right as floats |", "|---|---|---|"]
    lines += [f"| {name} | {NETWORKS[name]['what']} | {results[name]['float']} |" for name in names]
    lines += [
        "", "## One faulty chip, and a generator trained for it", "",
        "Per cent of these images: clean (CA), with the chip's faults (PA), both behind the generator. *In onnxruntime*: `generator.onnx` and "
        "then `inject`'s `faulty.onnx` beside `eval`'s predictions under the faults; and how many `protected.onnx` has right.", "",
        "| network, form | chip | generator | CA | PA | CA(NF) | PA(NF) | in onnxruntime: equal | protected right |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        if "trained" in results[name]:
            t = results[name]["trained"]
            ca, pa, ca_nf, pa_nf = t["accuracies"]
            lines.append(
                f"| {name}, {t['form']} | `{t['chip']}` | `{t['settings']}` | {ca:.1f} | {pa:.1f} | {ca_nf:.1f} | {pa_nf:.1f} "
                f"| {t['faulty']['agree']} of {t['faulty']['of']} | {t['protected']} |"
            )
    with open(out, "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    what, folder, *rest = sys.argv[1:]
    if what == "networks":
        for name in rest[1:] or NETWORKS:
            if not os.path.exists(os.path.join(folder, f"{name}.onnx")):
                NETWORKS[name]["make"](folder, rest[0])
    elif what == "go":
        go(folder, rest[0], rest[1], rest[rest.index("--") + 1 :])
    elif what == "table":
        table(folder, rest[0])


if __name__ == "__main__":
    main()
