"""nf_gpu_torch.py and `nf-gpu forward|import` against PyTorch: python test_nf_gpu_torch.py PATH_TO_NF_GPU

Random weights go PyTorch -> .pt -> file -> `nf-gpu import` -> file -> PyTorch and must come back bit for
bit; outputs, losses, gradients and running statistics of `nf-gpu forward` must be PyTorch's.
"""

import argparse
import copy
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import numpy
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

import nf_gpu_torch
from nf_gpu_torch import Conv2d, fake_quantize

# Relative L2 errors that float32 may make (kernels-tests/networks/golden/README.md).
# Three times the bound of Winograd's smaller tiles, as in the Rust tests (docs/numerics.md): ConvL's output
# differs by 1.1e-5 with the large ones.
OUTPUT = 3e-5
GRADIENT = 2e-4

flags = None  # of the command line
worst = {"output": (0.0, "none"), "gradient": (0.0, "none")}


# Base networks, plain, with the names of the reference code.


class Linear(nn.Linear):
    bits = 8

    def forward(self, x):
        return functional.linear(x, fake_quantize(self.weight, self.bits), self.bias)


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1 with `widen` times the channels."""

    def __init__(self, c, k, stride, widen=None, option_a=False):
        super().__init__()
        out = k * (widen or 1)
        shapes = [(c, k, 3, stride), (k, k, 3, 1)]
        if widen:
            shapes = [(c, k, 1, 1), (k, k, 3, stride), (k, out, 1, 1)]
        self.count = len(shapes)
        for i, (c_in, c_out, size, step) in enumerate(shapes, 1):
            conv = Conv2d(c_in, c_out, size, step, padding=size // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(c_out))
        self.pad = (out - c) // 2 if option_a and stride > 1 else None
        self.shortcut = nn.Sequential()
        if not option_a and (stride > 1 or c != out):
            self.shortcut = nn.Sequential(Conv2d(c, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = torch.relu(y) if i < self.count else y
        if self.pad is not None:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return torch.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, classes, blocks, channels, widen=None, option_a=False):
        super().__init__()
        c = channels[0]
        self.conv1 = Conv2d(3, c, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.stages = len(blocks)
        for stage, (count, k) in enumerate(zip(blocks, channels), 1):
            layers = []
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                layers.append(Block(c, k, stride, widen, option_a))
                c = k * (widen or 1)
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.linear = Linear(c, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.linear(x.mean((2, 3)))


class Vgg(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        layers, c = [], 3
        for k in channels:
            if k == "max":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [Conv2d(c, k, 3, padding=1), nn.BatchNorm2d(k), nn.ReLU()]
                c = k
        self.features = nn.Sequential(*layers)
        self.classifier = Linear(c, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Normalise(nn.Module):
    """What a base network expects of images in [-1, 1]."""

    def __init__(self, mean=None, std=None):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x):
        if self.mean is None:
            return x
        mean, std = (x.new_tensor(value).view(1, 3, 1, 1) for value in (self.mean, self.std))
        return ((x + 1) / 2 - mean) / std


class VggSmall(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features, c = nn.ModuleList(), 3
        for k in (32, 64, 128, 128):
            layer = nn.Module()
            layer.conv, layer.bn = Conv2d(c, k, 3, padding=1, bias=False), nn.BatchNorm2d(k)
            self.features.append(layer)
            c = k
        self.classifier = Linear(c, classes)

    def forward(self, x):
        for i, layer in enumerate(self.features):
            x = torch.relu(layer.bn(layer.conv(x)))
            x = functional.max_pool2d(x, 2) if i < 2 else x
        return self.classifier(x.mean((2, 3)))


def vgg(classes, *counts):
    channels = zip((64, 128, 256, 512, 512), counts)
    return Vgg(classes, [step for k, count in channels for step in [k] * count + ["max"]])


def small_resnet(classes, n):
    return ResNet(classes, [n] * 3, (16, 32, 64), option_a=True)


WIDE = (64, 128, 256, 512)
BASES = {
    "vgg-small": VggSmall,
    "resnet20": lambda classes: small_resnet(classes, 3),
    "resnet32": lambda classes: small_resnet(classes, 5),
    "resnet44": lambda classes: small_resnet(classes, 7),
    "resnet56": lambda classes: small_resnet(classes, 9),
    "resnet18": lambda classes: ResNet(classes, (2, 2, 2, 2), WIDE),
    "resnet50": lambda classes: ResNet(classes, (3, 4, 6, 3), WIDE, widen=4),
    "vgg11": lambda classes: vgg(classes, 1, 1, 2, 2, 2),
    "vgg16": lambda classes: vgg(classes, 2, 2, 3, 3, 3),
    "vgg19": lambda classes: vgg(classes, 2, 2, 4, 4, 4),
}


# What the tests share.


def randomise(module, seed):
    """Values that a trained network might have: nothing is 0 or 1, activations stay of order one."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor, centre, spread in (
                    (layer.weight, 0.8, 0.2),
                    (layer.bias, 0.0, 0.1),
                    (layer.running_mean, 0.0, 0.1),
                    (layer.running_var, 1.0, 0.3),
                ):
                    tensor.copy_(centre + spread * (2 * torch.rand(tensor.shape, generator=random) - 1))
            elif hasattr(layer, "uip"):
                layer.uip.uniform_(-1, 1, generator=random)
            elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                bound = (3 / layer.weight[0].numel()) ** 0.5
                layer.weight.uniform_(-bound, bound, generator=random)
                off_ties(layer.weight)
                if layer.bias is not None:
                    layer.bias.uniform_(-0.1, 0.1, generator=random)
    return module


def off_ties(weight):
    """Moves weights that lie half-way between two steps, where another division rounds differently."""
    step = weight.abs().max() / 127
    fraction = weight / step - torch.floor(weight / step)
    weight += torch.where((fraction - 0.5).abs() < 1e-3, 0.01 * step, 0)


def random_images(n, random, side=32):
    return torch.rand((n, 3, side, side), generator=random) * 2 - 1


class Margins:
    """How near each image comes to a kink (ReLU, pool, clamp), in root mean squares of the tensor.

    Where two computations in float32 fall on different sides of a kink, gradients differ at once by
    1e-3 and more, whoever is nearer to the truth. Comparisons need images that stay away from kinks.
    """

    def __init__(self, n):
        self.margins = torch.full((n,), torch.inf)

    def note(self, distance, x):
        distance = distance.flatten(1).abs().min(1).values / x.square().mean().sqrt()
        self.margins = torch.minimum(self.margins, distance.detach())

    def relu(self, x, *_, **__):
        self.note(x, x)
        return x.clamp(min=0)

    def clamp(self, x, low, high):
        self.note(x - low, x)
        self.note(x - high, x)
        return x.clamp(low, high)

    def max_pool2d(self, x, size, *rest, **more):
        n, c, h, w = x.shape
        assert size == 2, "the pools here halve"
        windows = x.view(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).reshape(n, c, -1, 4)
        first, second = windows.topk(2).values.unbind(-1)
        # A window that is all zero behind a ReLU has no kink: no gradient passes.
        self.note(torch.where(first > 0, first - second, torch.inf), x)
        return first.view(n, c, h // 2, w // 2)

    @classmethod
    def of(cls, module, images):
        """Margins of images in a module, computed in float64."""
        module = copy.deepcopy(module)
        for layer in module.modules():
            if hasattr(layer, "bits") and layer.bits:
                layer.weight.data, layer.bits = fake_quantize(layer.weight.data, layer.bits), None
        margins = cls(len(images))
        with (
            torch.no_grad(),
            mock.patch.object(torch, "relu", margins.relu),
            mock.patch.object(functional, "relu", margins.relu),
            mock.patch.object(torch, "clamp", margins.clamp),
            mock.patch.object(functional, "max_pool2d", margins.max_pool2d),
        ):
            module.double()(images.double())
        return margins.margins


# float32 leaves the values of these networks right to some 1e-7 of their size.
MARGIN = 1e-6


def quiet_images(module, n, seed, side=32):
    """Random images that stay away from kinks; in training mode the batch as a whole does."""
    random, found = torch.Generator().manual_seed(seed), []
    for _ in range(200):
        images = random_images(n, random, side)
        quiet = Margins.of(module, images) > MARGIN
        if module.training:
            if quiet.all():
                return images
            continue
        found += images[quiet]
        if len(found) >= n:
            return torch.stack(found[:n])
    raise AssertionError("too many images come near a kink")


def values(module):
    state = module.state_dict().items()
    return {name: tensor for name, tensor in state if not name.endswith("num_batches_tracked")}


def read(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_nf_gpu(self, *arguments, succeeds=True):
        """stdout of the binary, or stderr where it is to fail."""
        command = [flags.binary, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode == 0, succeeds, f"{command}\n{done.stderr}")
        return done.stdout if succeeds else done.stderr

    def save(self, **arrays):
        for name, array in arrays.items():
            numpy.save(self.path(f"{name}.npy"), numpy.ascontiguousarray(array))

    def near(self, kind, what, got, want):
        got, want = torch.as_tensor(got), torch.as_tensor(want).detach()
        self.assertEqual(got.shape, want.shape, what)
        error = ((got.double() - want.double()).norm() / want.double().norm()).item()
        bound = {"output": OUTPUT, "gradient": GRADIENT}[kind]
        self.assertLessEqual(error, bound, f"{what}: {kind}")  # false for NaN
        worst[kind] = max(worst[kind], (error, what))

    def same_bits(self, got, want):
        self.assertEqual(sorted(got), sorted(want))
        for name, tensor in want.items():
            self.assertEqual((got[name].dtype, got[name].shape), (tensor.dtype, tensor.shape), name)
            self.assertTrue(got[name].numpy().tobytes() == tensor.numpy().tobytes(), name)

    def through_nf_gpu(self, module, model, wrap=lambda state: state, **about):
        """.pt -> our file -> `nf-gpu import` -> file; gives the last one's path."""
        torch.save(wrap(module.state_dict()), self.path("theirs.pt"))
        nf_gpu_torch.convert(self.path("theirs.pt"), self.path("ours.safetensors"), model, **about)
        self.run_nf_gpu("import", "ours.safetensors", "--model", model, "--out", "w.safetensors")
        return self.path("w.safetensors")


class Generators(Case):
    def test_weights_come_back_bit_for_bit(self):
        for model in flags.generators:
            with self.subTest(model):
                module = randomise(nf_gpu_torch.generator(model), 1)
                path = self.through_nf_gpu(module, model)
                self.same_bits(values(nf_gpu_torch.load_generator(path)), values(module))

    def test_forward_and_gradients(self):
        for model in flags.generators:
            for side in (32, 64) if model in ("ConvS", "UIP") else (32,):
                with self.subTest(model, side=side):
                    self.check(model, side)

    def check(self, model, side):
        module = randomise(nf_gpu_torch.generator(model, side=side), 2)
        path = self.through_nf_gpu(module, model)
        upstream = random_images(2, torch.Generator().manual_seed(4), side)
        for mode in ("eval", "train"):
            x = quiet_images(module.train(mode == "train"), 2, 3, side)
            self.save(x=x, u=upstream)
            what = f"{model} {side}x{side} {mode}"
            more = ["--after", "after.safetensors"] if mode == "train" else []
            report = self.run_nf_gpu(
                "forward", "--model", model, "--weights", path, "--input", "x.npy", "--mode", mode,
                "--output", "y.npy", "--upstream", "u.npy", "--grads", "g.safetensors", "--json", *more,
            )  # fmt: skip
            module.zero_grad()
            leaf = x.clone().requires_grad_()
            y = module(leaf)
            loss = (y * upstream).sum()
            loss.backward()
            self.near("output", what, numpy.load(self.path("y.npy")), y)
            self.assertAlmostEqual(json.loads(report)["loss"], loss.item(), delta=1e-3)
            gradients = read(self.path("g.safetensors"))
            self.near("gradient", f"{what} input", gradients.pop("grad.input"), leaf.grad)
            if mode == "eval":
                self.assertEqual(gradients, {})
                continue
            parameters = dict(module.named_parameters())
            self.assertEqual(sorted(gradients), sorted(f"grad.{name}" for name in parameters))
            for name, parameter in parameters.items():
                got = gradients[f"grad.{name}"]
                if self.before_norm(module, name):
                    # It is zero in theory, as the norm takes the mean away; both programs have rounding
                    # noise.
                    weight = parameters[name.replace(".bias", ".weight")].grad.norm()
                    self.assertLessEqual(got.norm().item(), 1e-5 * weight.item(), f"{what} {name}")
                else:
                    self.near("gradient", f"{what} {name}", got, parameter.grad)
            for name, tensor in values(module).items():
                if "running" in name:
                    got = read(self.path("after.safetensors"))[f"after.{name}"]
                    self.near("output", f"{what} {name}", got, tensor)

    @staticmethod
    def before_norm(module, name):
        """Whether it is the bias of a layer that a batch norm follows."""
        owner, _, kind = name.rpartition(".")
        layer = module.get_submodule(owner)
        conv = isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        return conv and kind == "bias" and hasattr(module, "steps")


class Bases(Case):
    def test_weights_come_back_bit_for_bit(self):
        for model in flags.bases:
            with self.subTest(model):
                module = randomise(BASES[model](10), 5)

                def wrap(state):
                    return {"epoch": 7, "model_state_dict": {f"module.{k}": v for k, v in state.items()}}

                path = self.through_nf_gpu(module, model, wrap, dataset="cifar10")
                self.same_bits(read(path), values(module))

    def test_forward_and_gradients(self):
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        for i, model in enumerate(flags.bases):
            # Every second network has a normalisation and 43 classes.
            about = {"mean": mean, "std": std} if i % 2 else {}
            with self.subTest(model, **about):
                self.check(model, 43 if i % 2 else 10, about)

    def check(self, model, classes, about):
        module = randomise(BASES[model](classes), 6).eval()
        path = self.through_nf_gpu(module, model, **about)
        whole = nn.Sequential(Normalise(**about), module).eval()
        x = quiet_images(whole, 2, 7)
        labels = torch.tensor([3, classes - 1])
        self.save(x=x, labels=labels.to(torch.int32))
        report = self.run_nf_gpu(
            "forward", "--model", model, "--weights", path, "--input", "x.npy", "--labels", "labels.npy",
            "--output", "y.npy", "--grads", "g.safetensors", "--json",
        )  # fmt: skip
        leaf = x.clone().requires_grad_()
        logits = whole(leaf)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        self.near("output", model, numpy.load(self.path("y.npy")), logits)
        self.near("output", f"{model} loss", json.loads(report)["loss"], loss)
        gradients = read(self.path("g.safetensors"))
        self.assertEqual(list(gradients), ["grad.input"])
        self.near("gradient", f"{model} input", gradients["grad.input"], leaf.grad)


class Files(Case):
    def test_import_says_everything_that_is_wrong(self):
        module = randomise(BASES["resnet20"](10), 8)
        state = values(module)
        state["linear.weight"] = state["linear.weight"][:, :60]
        state["fc.weight"] = state["linear.bias"]
        del state["linear.bias"]
        torch.save(state, self.path("theirs.pt"))
        nf_gpu_torch.convert(self.path("theirs.pt"), self.path("ours.safetensors"), "resnet20")
        error = self.run_nf_gpu(
            "import", "ours.safetensors", "--model", "resnet20", "--out", "w.safetensors", succeeds=False
        )
        for says in ("1 missing: linear.bias [10]", "linear.weight [10, 60]", "not known: fc.weight [10]"):
            self.assertIn(says, error)
        self.assertFalse(os.path.exists(self.path("w.safetensors")))

    def test_files_of_another_library(self):
        """safetensors.torch's own files, with a prefix and in half precision, are taken too."""
        module = randomise(BASES["vgg-small"](10), 9)
        half = {f"model.{name}": tensor.half() for name, tensor in values(module).items()}
        save_file(half, self.path("theirs.safetensors"), {"format": "pt"})
        report = json.loads(self.run_nf_gpu(
            "import", "theirs.safetensors", "--model", "vgg-small", "--out", "w.safetensors", "--json"
        ))  # fmt: skip
        self.assertEqual(report["dropped_prefix"], "model.")
        self.assertEqual(report["metadata"]["format"], "nf-gpu-1")
        want = {name: tensor.half().float() for name, tensor in values(module).items()}
        self.same_bits(read(self.path("w.safetensors")), want)

    def test_the_command_line(self):
        module = randomise(BASES["vgg-small"](10), 10)
        state = {f"module._orig_mod.{name}": value for name, value in module.state_dict().items()}
        torch.save({"state_dict": state}, self.path("c.pt"))
        numbers = ["--input-mean", "0.5,0.25,0.125", "--input-std", "0.5,0.5,0.5"]
        script = [sys.executable, nf_gpu_torch.__file__, "convert", "c.pt", "c.safetensors"]
        script += ["--model", "vgg-small", "--dataset", "cifar10", *numbers]
        subprocess.run(script, cwd=self.folder, check=True, capture_output=True)
        state, metadata = nf_gpu_torch.read_weights(self.path("c.safetensors"))
        self.same_bits(state, values(module))
        self.assertEqual(metadata["dataset"], "cifar10")
        self.assertEqual(metadata["input_mean"], "0.5,0.25,0.125")
        self.assertEqual(metadata["input"], "mean 0.5,0.25,0.125 std 0.5,0.5,0.5")

    def test_stored_words(self):
        """Both programs pack floats into the same words and scales, and read what the other wrote."""
        for bits in (2, 5, 8):
            module = randomise(BASES["vgg-small"](10), 12)
            about = {"state": values(module), "model": "vgg-small", "precision": str(bits)}
            nf_gpu_torch.save_weights(self.path("floats.safetensors"), **about)
            said = nf_gpu_torch.save_weights(self.path("theirs.safetensors"), packed=True, **about)
            imports = {"ours": ["floats.safetensors", "--packed"], "back": ["theirs.safetensors"]}
            for out, what in imports.items():
                self.run_nf_gpu("import", *what, "--model", "vgg-small", "--out", f"{out}.safetensors")
            self.same_bits(read(self.path("theirs.safetensors")), read(self.path("ours.safetensors")))
            self.assertEqual(read(self.path("ours.safetensors"))["classifier.weight"].dtype, torch.int8)
            for name in ("theirs", "ours", "back"):
                state, metadata = nf_gpu_torch.read_weights(self.path(f"{name}.safetensors"))
                self.same_bits(state, said)
                self.assertEqual((metadata["precision"], "packed" in metadata), (str(bits), False))
            largest = max((state[name] - tensor).abs().max() for name, tensor in values(module).items())
            self.assertGreater(largest, 0)
        # This is a generator, which computes with 8 bits even if it is read from a packed file.
        module = randomise(nf_gpu_torch.generator("UNetS"), 13).eval()
        nf_gpu_torch.save_weights(self.path("g.safetensors"), module.state_dict(), "UNetS", packed=True)
        x = random_images(1, torch.Generator().manual_seed(1))
        with torch.no_grad():
            self.near("output", "packed", nf_gpu_torch.load_generator(self.path("g.safetensors")).eval()(x), module(x))

    def test_stored_words_are_said_and_checked(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.assertIn("--precision 8 quantises them", self.take(net.state_dict(), succeeds=False, packed=True))
        state, lines = self.take(net.state_dict(), packed=True, precision="8")
        self.assertIn("1 layers are stored as 8-bit words; quantised, those of 1 change, by at most 0.", lines)
        self.assertIn("8-bit words, unchanged", self.take(state, packed=True)[1])
        self.assertIn("do not pack it", self.take({"0.weight": torch.zeros(2, 2)}, succeeds=False, packed=True))
        generator = {"state": {"conv.weight": torch.rand(2, 3)}, "model": "UNetS", "packed": True}
        with self.assertRaisesRegex(ValueError, "computes with words of 8 bits, not 4"):
            nf_gpu_torch.save_weights(self.path("g.safetensors"), precision="4", **generator)
        self.take(state, packed=True)
        words, name, note = read(self.path("c.safetensors")), "0.weight", {"bits": 8, "tensors": 1}
        for change, notes, says in [
            ({name: words[name].clone().fill_(126)}, note, "quantisation to 8 bits does not leave"),
            ({name: words[name].clone().fill_(-128)}, note, "a stored word of 0.weight has more than 8 bits"),
            ({}, {**note, "bits": 7}, "a stored word of 0.weight has more than 7 bits"),
            ({}, {**note, "tensors": 2}, "2 tensors are stored words, and 1 are"),
            *(({}, odd, "its metadata packed = ") for odd in (True, {**note, "bits": 9}, {**note, "bits": 7.5}, {**note, "tensors": 0})),
            *(({f"{name}.scale": torch.tensor(scale)}, note, "the scale of the stored words of 0.weight")
              for scale in (0.0, -1.0, float("nan"), float("inf"), [0.5])),
        ]:  # fmt: skip
            metadata = {"format": "nf-gpu-1", "model": "net", "packed": json.dumps(notes)}
            save_file({**words, **change}, self.path("bad.safetensors"), metadata)
            with self.assertRaisesRegex(ValueError, f"bad.safetensors: it is damaged: .*{says}"):
                nf_gpu_torch.read_weights(self.path("bad.safetensors"))

    def test_an_output_replaces_no_input_and_no_device(self):
        state = BASES["vgg-small"](10).state_dict()
        torch.save(state, self.path("c.pt"))
        os.link(self.path("c.pt"), self.path("hard.safetensors"))
        os.symlink("c.pt", self.path("soft.safetensors"))
        bits = pathlib.Path(self.path("c.pt")).read_bytes()
        for name in ("c.pt", "./c.pt", "hard.safetensors", "soft.safetensors"):
            with self.assertRaisesRegex(ValueError, "is the checkpoint itself"):
                nf_gpu_torch.convert(self.path("c.pt"), self.path(name), "vgg-small")
        self.assertEqual(pathlib.Path(self.path("c.pt")).read_bytes(), bits)
        # A link stays a link, and what is no regular file is written in place: a pipe stands for /dev/null.
        os.symlink("w.safetensors", self.path("link.safetensors"))
        nf_gpu_torch.convert(self.path("c.pt"), self.path("link.safetensors"), "vgg-small")
        self.assertTrue(os.path.islink(self.path("link.safetensors")))
        os.mkfifo(self.path("pipe"))
        read_end = os.open(self.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
        small = {"fc.weight": torch.rand(2, 3)}
        nf_gpu_torch.save_weights(self.path("pipe"), small, "net")
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe")).st_mode))
        pathlib.Path(self.path("piped.safetensors")).write_bytes(os.read(read_end, 1 << 16))
        self.same_bits(read(self.path("piped.safetensors")), small)
        os.close(read_end)

    def test_what_is_no_state_dict_is_refused(self):
        torch.save({"weights": [torch.zeros(2), torch.ones(2)]}, self.path("a.pt"))
        with self.assertRaisesRegex(ValueError, r"no state dict in it, only weights \(list\)"):
            nf_gpu_torch.convert(self.path("a.pt"), self.path("a.safetensors"), "vgg-small")
        torch.save(nn.Linear(2, 2), self.path("b.pt"))
        with self.assertRaisesRegex(ValueError, "save its state"):
            nf_gpu_torch.convert(self.path("b.pt"), self.path("b.safetensors"), "vgg-small")
        with self.assertRaisesRegex(ValueError, "belong together"):
            nf_gpu_torch.save_weights(self.path("c.safetensors"), {}, "vgg-small", mean=(1, 1, 1))
        with self.assertRaises(TypeError):  # of safetensors, half-way
            nf_gpu_torch.save_weights(self.path("d.safetensors"), {}, model=5)
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.pt", "b.pt"])

    def take(self, checkpoint, succeeds=True, **how):
        """What `convert` makes of a checkpoint, and its lines; or its refusal."""
        torch.save(checkpoint, self.path("c.pt"))
        lines = []
        try:
            state = nf_gpu_torch.convert(
                self.path("c.pt"), self.path("c.safetensors"), "net", say=lines.append, **how
            )
        except ValueError as error:
            self.assertFalse(succeeds, error)
            return str(error)
        self.assertTrue(succeeds, "it is taken")
        return state, "\n".join(lines)

    def test_state_dicts_are_found_wherever_they_lie(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        state = net.state_dict()
        other = {name: tensor + 1 for name, tensor in state.items()}
        named = lambda prefix: {f"{prefix}{name}": tensor for name, tensor in state.items()}  # noqa: E731
        optimiser = torch.optim.Adam(net.parameters())
        net(torch.rand(1, 3, 4, 4)).sum().backward()
        optimiser.step()
        state = net.state_dict()
        beside = {
            "acc": numpy.float64(95.1),
            "history": {"loss": torch.rand(9), "at": numpy.arange(5)},
            "args": argparse.Namespace(lr=numpy.float32(0.1)),
            "optimizer": optimiser.state_dict(),
            "rng": torch.get_rng_state(),
            "epoch": 9,
        }
        keys = "state_dict model net model_state_dict model_state module ema params weights network"
        for what, checkpoint in [
            *((key, {**beside, key: state}) for key in keys.split()),
            ("deep", {"a": {"model": {"state_dict": state}}}),
            ("pair", (state, optimiser.state_dict())),
            ("wrapped", {"state_dict": named("module._orig_mod.")}),
            ("averages beside", {"model": state, "model_ema": other, "n": 3}),
            ("the same twice", {"model": state, "state_dict": dict(state)}),
            ("moments by name", {"net": state, "optimizer": {"exp_avg": other, "exp_avg_sq": other}}),
            ("moments as a list", {"net": state, "optim_state": [other, other], "epoch": 3}),
            ("gradients", {"grads": other, "model": state, "grad_ema": other}),
            ("SWAG", {"net": state, "swag": {"mean": other, "sq_mean": other}}),
            ("a layer without a name", {"net": {"weight": state["0.weight"]}, "grads": {"weight": state["0.weight"] + 1}}),
            ("a layer called so", {"grad_conv": {n: other[f"0.{n}"] for n in ("weight", "bias")},
                                   "1": {"weight": state["1.weight"]}, "2": {"weight": state["1.weight"]}}),
            ("SWA", torch.optim.swa_utils.AveragedModel(net).state_dict()),
            ("a dictionary a layer", {"0": {"weight": state["0.weight"], "bias": state["0.bias"]},
                                      "1": {n[2:]: t for n, t in state.items() if n[0] == "1"}}),
        ]:  # fmt: skip
            with self.subTest(what):
                taken, lines = self.take(checkpoint)
                if what.startswith("a layer"):
                    self.assertEqual(len(taken), 4 if "called" in what else 1)
                    continue
                self.same_bits(taken, values(net))
                if "acc" in checkpoint:
                    self.assertIn("acc (float64)", lines)
        for checkpoint, prefix in [({"net": state, "swag": {"mean": other}}, "swag.mean"),
                                   ({"net": state, "grads": other}, "grads")]:  # fmt: skip
            taken, _ = self.take(checkpoint, prefix=prefix)
            self.assertTrue(torch.equal(taken["0.weight"], other["0.weight"]))
        both = {"student": state, "teacher": other, "epoch": 3}
        for says in ("student (7 tensors", "teacher (7 tensors", "--prefix"):
            self.assertIn(says, self.take(both, succeeds=False))
        self.same_bits(self.take(both, prefix="student")[0], values(net))
        self.same_bits(self.take(both, drop=["teacher.*"])[0], values(net))
        self.assertIn("epoch (int)", self.take(both, succeeds=False, prefix="studnt"))
        flat = {**named("a."), **{f"b.{name}": tensor for name, tensor in other.items()}}
        self.same_bits(self.take({"net": flat}, prefix="a")[0], values(net))
        taken, _ = self.take(state, rename=["0=conv1", "1=bn1"], drop=["*running*"])
        self.assertEqual(sorted(taken), ["bn1.bias", "bn1.weight", "conv1.bias", "conv1.weight"])
        for how, says in [({"rename": ["fc=linear"]}, "no name has the part fc"), ({"drop": ["fc*"]}, "no name fits"),
                          ({"rename": ["0=x", "1=x"]}, "several"), ({"rename": ["0"]}, "not A=B")]:  # fmt: skip
            self.assertIn(says, self.take(state, succeeds=False, **how))

    def test_pickles_of_ones_own(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3))
        self.assertIn("--trusted", self.take({"net": net}, succeeds=False))
        self.same_bits(self.take({"net": nn.DataParallel(net)}, trusted=True)[0], values(net))
        # Objects of classes that are not installed where the file is read.
        library = types.ModuleType("nobodys_library")
        library.Net = type("Net", (nn.Sequential,), {"__module__": library.__name__})
        library.Config = type("Config", (), {"__module__": library.__name__})
        with mock.patch.dict(sys.modules, {library.__name__: library}):
            for name, checkpoint in [
                ("config.pt", {"net": net.state_dict(), "config": library.Config()}),
                ("whole.pt", library.Net(*net)),
            ]:
                torch.save(checkpoint, self.path(name))
        for name in ("config.pt", "whole.pt"):
            arguments = self.path(name), self.path("c.safetensors"), "net"
            with self.assertRaisesRegex(ValueError, "nobodys_library"):
                nf_gpu_torch.convert(*arguments)
            self.same_bits(nf_gpu_torch.convert(*arguments, trusted=True), values(net))

    def test_quantised_checkpoints_are_called_so(self):
        words = torch.quantize_per_tensor(torch.rand(2, 3), 0.1, 0, torch.qint8)
        for state in (
            {"fc.weight": words, "fc.scale": torch.tensor(1.0)},
            {"net": {"fc._packed_params._packed_params": (words, None), "conv.weight": torch.rand(1, 1)}},
            {"fc.weight": torch.zeros(3, 3, dtype=torch.int8), "fc.SCB": torch.rand(3)},
            {"fc.qweight": torch.zeros(3, 3, dtype=torch.int32), "fc.scales": torch.rand(3)},
            {"net": {"fc.weight": torch.zeros(3, 3, dtype=torch.int8)}, "optimizer": {"m": {"fc.weight": torch.rand(3, 3)}}},
            {"net": {"fc.weight": torch.zeros(1, 1, dtype=torch.int16), "fc.bias": torch.zeros(3, dtype=torch.int16)}},
            *({"conv.weight": torch.ones(2, 3, 1, 1, dtype=kind), "bn.bias": torch.rand(2)}
              for kind in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)),
        ):  # fmt: skip
            for says in ("quantised", "takes floats", "before torch.ao's convert()"):
                self.assertIn(says, self.take(state, succeeds=False))
        # Quantisation-aware training keeps the floats.
        floats = {"fc.weight": torch.rand(2, 3), "fc.bias": torch.rand(2)}
        places = {"place.index": torch.zeros(2, 2, dtype=torch.int64)}
        self.assertIn("--drop place.index", self.take({**floats, **places}, succeeds=False))
        self.same_bits(self.take({**floats, **places}, drop=["place.index"])[0], floats)
        confusion = {"confusion": torch.ones(3, 3, dtype=torch.int64), "net": floats}
        self.same_bits(self.take(confusion)[0], floats)
        watched = {"fc.weight_fake_quant.zero_point": torch.zeros(2, dtype=torch.int32), "n": torch.tensor(3)}
        self.same_bits(self.take({**floats, **watched})[0], floats)

    def test_a_normalisation_of_other_values_is_refused(self):
        std = (0.229, 0.224, 0.225)
        for mean, deviation, meant in [
            ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7), "0.491373,0.482353,0.446667 --input-std 0.247059,0.243529,0.261569"),
            ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "0.407604,0.457957,0.48502 --input-std 0.00392157"),
            ((-0.03, -0.088, -0.188), (0.458, 0.448, 0.45), "0.485,0.456,0.406 --input-std 0.229,0.224,0.225"),
            ((0.485, 0.456, 0.406), [1 / s for s in std], "0.485,0.456,0.406 --input-std 0.229,0.224,0.225"),
            ((0.5, 0.5, 0.5), [s / 255 for s in std], "0.5,0.5,0.5 --input-std 0.229,0.224,0.225"),
        ]:  # fmt: skip
            with self.assertRaisesRegex(ValueError, meant):
                nf_gpu_torch.save_weights(self.path("w.safetensors"), {}, "net", mean=mean, std=deviation)
        self.assertEqual(os.listdir(self.folder), [])

    def test_exporters_follow_a_generator(self):
        """torch.export and torch.compile take no branch on a value; the ONNX exporter is built on the former."""
        for name in flags.generators:
            module, x = randomise(nf_gpu_torch.generator(name), 11).eval(), random_images(2, torch.Generator())
            with torch.no_grad():
                want = module(x)
                self.near("output", name, torch.export.export(module, (x,)).module()(x), want)
                compiled = torch.compile(module, backend="eager", fullgraph=True)
                self.near("output", name, compiled(x), want)
        try:
            import onnx  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError:
            print("no onnx and onnxscript: torch.onnx.export is not tried", file=sys.stderr)
            return
        torch.onnx.export(module, (x,), self.path("g.onnx"), verbose=False)
        self.assertGreater(os.path.getsize(self.path("g.onnx")), 0)

    def test_quantisation(self):
        weight = torch.tensor([1.27, -0.005, 0.015, 0.0249, -1.27], requires_grad=True)
        read_back = fake_quantize(weight)
        self.assertTrue(torch.equal(read_back.sign(), torch.tensor([1.0, 0, 1, 1, -1])))
        (read_back * torch.arange(5.0)).sum().backward()
        self.assertTrue(torch.equal(weight.grad, torch.arange(5.0)))
        self.assertTrue(torch.equal(fake_quantize(torch.zeros(3)), torch.zeros(3)))
        self.assertEqual(len(fake_quantize(torch.linspace(-1, 1, 99), 2).unique()), 3)


def main():
    global flags
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=os.path.abspath, help="the nf-gpu to test")
    names = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--generators", type=names, default=list(nf_gpu_torch.GENERATORS))
    parser.add_argument("--bases", type=names, default=list(BASES))
    flags = parser.parse_args()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for kind, (error, what) in worst.items():
        print(f"worst {kind}: {error:.1e} ({what})")
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
