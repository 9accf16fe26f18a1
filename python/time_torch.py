"""The time of a NeuralFuse training step in PyTorch, to set beside `nf-gpu bench`.

    python time_torch.py --out torch/                   # every way that this machine has, a report each
    python time_torch.py --ways ours --precision bf16 --compile yes --copies 10 --batch 256
    nf-gpu bench --compare here.json torch/*.json --plot both.svg

Two ways to compute the same gradient of `CE(M0(F(x))) + lambda / P sum_i CE(Mp_i(F(x)))`:

* `ours`: what nf-gpu does, written as well as PyTorch allows. The generator runs once; the base network
  is frozen (no weight gradients), its stored int8 words get their faults on the device, and batch norm
  is folded into the dequantised weights.
* `reference`: what the published code does (arXiv 2306.16869). For each copy the generator, the
  clean and the perturbed network (the latter twice) run anew, and autograd differentiates every weight
  of all of them. Its maps are drawn on the host, here without its slow packing of bits: what it needs
  at least.

Generator in training mode with 8-bit fake-quantised weights, stuck-at faults, Adam; random weights and
images. Needs torch, numpy and the package nf_gpu; runs on a CUDA GPU or on the CPU.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

try:
    from nf_gpu.torch import Protect, fake_quantize
except ImportError as error:
    sys.exit(f"error: {error}\n  hint: pip install ./bindings/python")

LAMBDA = 5.0
# Blocks of the base networks: (channels, stride), and whether a shortcut has weights.
BASES = {
    "resnet18": [(64, 1)] * 2 + [(128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)],
    "resnet20": [(16, 1)] * 3 + [(32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)],
}


class Layer:
    """A convolution with the batch norm behind it, frozen: stored words and how they read."""

    def __init__(self, weight, stride):
        r = weight.shape[-1]
        self.stride, self.padding = stride, r // 2
        self.weight = weight
        self.scale = weight.abs().max() / 127
        self.words = torch.round(weight / self.scale).to(torch.int8)
        # Batch norm of an untrained network: mean 0, variance 1, scale 1, shift 0.
        self.gain = torch.full((len(weight), 1, 1, 1), 1 / math.sqrt(1 + 1e-5))
        self.bias = torch.zeros(len(weight))

    def to(self, device):
        for name in ("weight", "scale", "words", "gain", "bias"):
            setattr(self, name, getattr(self, name).to(device))
        return self


class Base:
    """A residual network for 32x32 images as a list of layers."""

    def __init__(self, name, device):
        self.blocks, self.cifar = BASES[name], name == "resnet20"
        self.layers = []

        def layer(c, k, r, stride=1):
            fan_out = k * r * r
            weight = torch.randn(k, c, r, r) * math.sqrt(2 / fan_out)
            self.layers.append(Layer(weight, stride).to(device))

        c = self.blocks[0][0]
        layer(3, c, 3)
        for k, stride in self.blocks:
            layer(c, k, 3, stride)
            layer(k, k, 3)
            if not self.cifar and (stride > 1 or c != k):
                layer(c, k, 1, stride)
            c = k
        layer(c, 10, 1)
        self.layers[-1].gain.fill_(1)

    def forward(self, x, weights):
        """Logits, with a weight per layer, batch norm's scale in it."""
        at = iter(zip(self.layers, weights, strict=True))

        def conv(x):
            layer, weight = next(at)
            return functional.conv2d(x, weight, layer.bias.to(weight.dtype), layer.stride, layer.padding)

        x = functional.relu(conv(x))
        for k, stride in self.blocks:
            y = conv(functional.relu(conv(x)))
            if x.shape[1] == k:
                shortcut = x
            elif self.cifar:  # every second pixel, and channels of zeros on both sides
                rest = (k - x.shape[1]) // 2
                shortcut = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, rest, rest))
            else:
                shortcut = conv(x)
            x = functional.relu(y + shortcut)
        return conv(x.mean((2, 3), keepdim=True)).flatten(1)


def random_bits(words):
    """A random bit for every bit of some int8 words, 64 of them a draw."""
    n = words.numel()
    bits = torch.randint(-(2**63), 2**63 - 1, (-(-n // 8),), device=words.device)
    return bits.view(torch.uint8)[:n].view(words.shape)


def draw(words, ber):
    """Stuck cells of stored words: which read 1, which read 0.

    Bit-sliced as in nf-gpu: a cell is faulty if its uniform number of 16 bits is below the rate's. The
    numbers of all cells are compared at once, from the lowest bit to the highest.
    """
    threshold = round(ber * 2**16)
    faulty = torch.zeros_like(words, dtype=torch.uint8)
    for bit in range(16):
        draws = random_bits(words)
        # A number is below the threshold if it has a 0 where that has a 1, or has an equal bit and
        # lower bits that are below.
        faulty = ~draws | faulty if threshold >> bit & 1 else ~draws & faulty
    polarity = random_bits(words)
    return faulty & polarity, faulty & ~polarity


def stick(words, cells):
    to_1, to_0 = cells
    return ((words.view(torch.uint8) | to_1) & ~to_0).view(torch.int8)


def read(layer, words):
    """Weights of stored words, with the scale of the batch norm behind them."""
    return words.to(torch.float32) * (layer.scale * layer.gain)


def faulty_weights(layers, ber):
    return [read(layer, stick(layer.words, draw(layer.words, ber))) for layer in layers]


class Ours:
    """The method with a third of the work: see the head of this file."""

    def __init__(self, base, fuse, settings):
        self.base, self.fuse, self.settings = base, fuse, settings
        self.clean = [read(layer, layer.words) for layer in base.layers]
        self.draw, self.loss, self.forward = faulty_weights, self._loss, fuse
        if settings.compiled:
            self.draw, self.loss = torch.compile(faulty_weights), torch.compile(self._loss)
            self.forward = torch.compile(fuse)

    def weights(self, cells=None):
        """A faulty copy: fresh, or with given cells."""
        layers = self.base.layers
        if cells is None:
            weights = self.draw(layers, self.settings.ber)
        else:
            weights = [read(a, stick(a.words, b)) for a, b in zip(layers, cells, strict=True)]
        form = self.settings.form
        return [w.to(memory_format=form) for w in weights]

    def _loss(self, x, weights, labels):
        return functional.cross_entropy(self.base.forward(x, weights).float(), labels)

    def gradient(self, images, labels, cells=None):
        """Leaves the gradient in the generator's parameters."""
        copies, autocast = self.settings.copies, self.settings.autocast
        with autocast():
            adv = self.forward(images)
        x = adv.detach().requires_grad_()
        for copy in range(copies + 1):
            with torch.no_grad():
                given = None if cells is None else cells[copy - 1]
                weights = self.clean if copy == 0 else self.weights(given)
            with autocast():
                loss = self.loss(x, weights, labels)
            (loss if copy == 0 else loss * (LAMBDA / copies)).backward()
        adv.backward(x.grad)


class Read(torch.autograd.Function):
    """Weights read from faulty words; the gradient passes straight through."""

    @staticmethod
    def forward(_, weight, to_1, to_0):
        scale = weight.abs().max() / 127
        words = torch.round(weight / scale).to(torch.int8)
        return stick(words, (to_1, to_0)).to(torch.float32) * scale

    @staticmethod
    def backward(_, gradient):
        return gradient, None, None


class Reference:
    """The published code's way: see the head of this file."""

    def __init__(self, base, fuse, settings):
        self.base, self.fuse, self.settings = base, fuse, settings
        self.networks = [[nn.Parameter(layer.weight.clone()) for layer in base.layers] for _ in range(2)]
        self.random = numpy.random.RandomState(0)

    def cells(self):
        """One memory array of 8192 rows of 16 words, for every layer from its begin."""
        ber, device = self.settings.ber, self.base.layers[0].weight.device
        faulty = numpy.packbits(self.random.rand(8192, 128) < ber, axis=1)
        polarity = numpy.packbits(self.random.rand(8192, 128) < 0.5, axis=1)
        maps = [torch.from_numpy(m.ravel()).to(device) for m in (faulty & polarity, faulty & ~polarity)]

        def tiled(layer):
            n = layer.weight.numel()
            return tuple(
                m.repeat(-(-n // len(m)))[:n].reshape(layer.weight.shape) for m in maps
            )

        return [tiled(layer) for layer in self.base.layers]

    def logits(self, x, network, cells=None):
        layers = zip(self.base.layers, self.networks[network], strict=True)
        if cells is None:
            weights = [fake_quantize(p) * layer.gain for layer, p in layers]
        else:
            pairs = zip(layers, cells, strict=True)
            weights = [Read.apply(p, *c) * layer.gain for (layer, p), c in pairs]
        return self.base.forward(x, weights)

    def gradient(self, images, labels, cells=None):
        copies, autocast = self.settings.copies, self.settings.autocast
        for copy in range(copies):
            with autocast():
                adv = self.fuse(images)
                map_ = self.cells() if cells is None else cells[copy]
                self.logits(images, 1, map_)  # for a statistic
                clean = functional.cross_entropy(self.logits(adv, 0).float(), labels)
                perturbed = functional.cross_entropy(self.logits(adv, 1, map_).float(), labels)
            ((clean + LAMBDA * perturbed) / copies).backward()


class Settings:
    def __init__(self, arguments, precision, compiled, device):
        self.copies, self.ber = arguments.copies, arguments.ber
        self.precision, self.compiled, self.device = precision, compiled, device
        # On a CPU PyTorch's default layout is as fast as channels last.
        self.form = torch.channels_last if device == "cuda" else torch.contiguous_format

    def autocast(self):
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


def setup(arguments, way, settings):
    """The way, the generator's optimiser, images and labels."""
    torch.manual_seed(0)
    tf32 = settings.precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    device = settings.device
    base = Base(arguments.base, device)
    fuse = Protect(arguments.generator).to(device).train().to(memory_format=settings.form)
    images = torch.rand(arguments.batch, 3, 32, 32, device=device) * 2 - 1
    labels = torch.arange(arguments.batch, device=device) % 10
    fused = {"fused": True} if device == "cuda" else {}
    adam = torch.optim.Adam(fuse.parameters(), lr=1e-3, betas=(0.5, 0.999), **fused)
    made = (Ours if way == "ours" else Reference)(base, fuse, settings)
    return made, adam, images.to(memory_format=settings.form), labels


def seconds(run, device, budget, least):
    """Seconds of single repeats in a row."""
    run()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
        started, times = time.perf_counter(), []
        while len(times) < least or time.perf_counter() - started < budget:
            # Ten repeats are submitted at once, so that the host runs ahead, as in training.
            events = [torch.cuda.Event(enable_timing=True) for _ in range(11)]
            events[0].record()
            for event in events[1:]:
                run()
                event.record()
            torch.cuda.synchronize()
            times += [a.elapsed_time(b) / 1e3 for a, b in zip(events, events[1:])]
        return times
    started, times = time.perf_counter(), []
    while len(times) < least or time.perf_counter() - started < budget:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return times


def measured(arguments, way, settings):
    """A report that `nf-gpu bench --compare` reads."""
    made, adam, images, labels = setup(arguments, way, settings)

    def step():
        adam.zero_grad(set_to_none=True)
        made.gradient(images, labels)
        adam.step()

    times = seconds(step, settings.device, arguments.seconds, arguments.samples)
    ms = sorted(1e3 * t for t in times)
    quartiles = statistics.quantiles(ms, n=4, method="inclusive") if len(ms) > 1 else ms * 3
    entry = {
        "name": f"eopm/{arguments.generator}/{arguments.base}",
        "batch": arguments.batch,
        "copies": arguments.copies,
        "cut": f"PyTorch, the {way} way" if way == "reference" else "PyTorch, as nf-gpu computes it",
        "samples": len(ms),
        "min_ms": ms[0],
        "lower_ms": quartiles[0],
        "median_ms": quartiles[1],
        "upper_ms": quartiles[2],
        "images_per_second": 1e3 * arguments.batch / quartiles[1],
    }
    if way == "ours":
        def drawing():
            with torch.no_grad():
                for _ in range(arguments.copies):
                    made.weights()

        faults = seconds(drawing, settings.device, arguments.seconds / 4, arguments.samples)
        entry["fault_share"] = 1e3 * statistics.median(faults) / quartiles[1]
    on = torch.cuda.get_device_name() if settings.device == "cuda" else "CPU"
    threads = "" if settings.device == "cuda" else f", {torch.get_num_threads()} threads"
    return {
        "version": 1,
        "adapter": {
            "name": on,
            "backend": settings.device,
            "driver": f"PyTorch {torch.__version__}{threads}",
            "kind": "discrete" if settings.device == "cuda" else "cpu",
        },
        "commit": f"time_torch.py {name(way, settings)}",
        "clock": "gpu-timestamps" if settings.device == "cuda" else "host",
        "cases": [],
        "steps": [entry],
    }


def name(way, settings):
    compiled = "-compiled" if settings.compiled else ""
    return f"torch-{way}-{settings.precision}{compiled}"


def check(arguments, device):
    """Both ways give one gradient, with the same faults: the largest difference, relative."""
    settings = Settings(arguments, "f32", False, device)
    gradients, cells = [], None
    for way in ("reference", "ours"):
        made, _, images, labels = setup(arguments, way, settings)
        cells = cells or [made.cells() for _ in range(arguments.copies)]
        made.gradient(images, labels, cells)
        gradients.append(torch.cat([p.grad.flatten() for p in made.fuse.parameters()]).double())
    theirs, ours = gradients
    return ((theirs - ours).norm() / theirs.norm()).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="ConvL", help="as nf-gpu names it")
    parser.add_argument("--base", default="resnet18", choices=sorted(BASES))
    parser.add_argument("--batch", type=int, help="images (CUDA: 256, CPU: 32)")
    parser.add_argument("--copies", type=int, help="perturbed copies (CUDA: 10, CPU: 2)")
    parser.add_argument("--ber", type=float, default=0.01)
    parser.add_argument("--ways", nargs="+", choices=("ours", "reference"), default=["ours", "reference"])
    parser.add_argument("--precision", nargs="+", choices=("f32", "tf32", "bf16"),
                        help="(CUDA: all, CPU: f32)")
    parser.add_argument("--compile", choices=("no", "yes", "both"), help="(CUDA: both, CPU: no)")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each measurement")
    parser.add_argument("--samples", type=int, default=5, help="repeats at least")
    parser.add_argument("--device", choices=("cuda", "cpu"))
    parser.add_argument("--out", type=pathlib.Path, help="a folder for a report each")
    parser.add_argument("--check", action="store_true", help="compare the gradients of both ways instead")
    arguments = parser.parse_args()

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    cuda = device == "cuda"
    arguments.batch = arguments.batch or (256 if cuda else 32)
    arguments.copies = arguments.copies or (10 if cuda else 2)
    if arguments.check:
        error = check(arguments, device)
        print(json.dumps({"relative_difference": error}))
        # The bound allows for ReLUs whose inputs change sign by rounding, as between any two
        # programs.
        return 0 if error < 1e-3 else 1
    precisions = arguments.precision or (["f32", "tf32", "bf16"] if cuda else ["f32"])
    compiled = {"no": [False], "yes": [True], "both": [False, True]}
    compiled = compiled[arguments.compile or ("both" if cuda else "no")]
    reports = []
    for way in arguments.ways:
        # The published code is not compiled.
        for compile_it in compiled if way == "ours" else [False]:
            for precision in precisions:
                settings = Settings(arguments, precision, compile_it, device)
                try:
                    report = measured(arguments, way, settings)
                except torch.cuda.OutOfMemoryError as error:
                    print(f"{name(way, settings)}: {error}", file=sys.stderr)
                    torch.cuda.empty_cache()
                    continue
                entry = report["steps"][0]
                print(
                    f"{name(way, settings)}: {entry['median_ms']:.1f} ms a step"
                    f" ({entry['lower_ms']:.1f} to {entry['upper_ms']:.1f}),"
                    f" {entry['images_per_second']:.1f} images/s",
                    file=sys.stderr,
                )
                reports.append(report)
                if arguments.out:
                    arguments.out.mkdir(parents=True, exist_ok=True)
                    path = arguments.out / f"{name(way, settings)}.json"
                    path.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({"version": 1, "reports": reports}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
