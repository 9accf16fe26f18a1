"""nf-gpu's files in PyTorch, and PyTorch's in nf-gpu.

    python nf_gpu_torch.py convert checkpoint.pt base.safetensors --model resnet18 --dataset cifar10

    import nf_gpu_torch
    protect = nf_gpu_torch.load_generator("runs/x/generator.safetensors").eval()
    logits = network(protect(images))  # images [N, 3, H, W] in [-1, 1]

Needs torch and safetensors, nothing else. One file: copy it to where you want it.
"""

import argparse
import os
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

FORMAT = "nf-gpu-1"


# Fake quantisation of weights, as nf-gpu does it (and the NeuralFuse reference code).


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(_, weight, bits):
        scale = weight.abs().max() / (2 ** (bits - 1) - 1)
        if scale == 0:
            return torch.zeros_like(weight)
        return torch.round(weight / scale) * scale

    @staticmethod
    def backward(_, gradient):
        return gradient, None  # straight through


def fake_quantize(weight, bits=8):
    """`weight` as it reads from memory words of `bits`: symmetric, one scale a tensor.

    `bits=None` leaves it as it is. The gradient passes straight through.
    """
    return weight if bits is None else _FakeQuantize.apply(weight, bits)


class Conv2d(nn.Conv2d):
    """A convolution with fake-quantised weights (`bits`; None for plain ones)."""

    bits = 8

    def forward(self, x):
        weight = fake_quantize(self.weight, self.bits)
        return self._conv_forward(x, weight, self.bias)


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with fake-quantised weights."""

    bits = 8

    def forward(self, x):
        weight = fake_quantize(self.weight, self.bits)
        return functional.conv_transpose2d(x, weight, self.bias, self.stride, self.padding)


# The six generators of NeuralFuse (arXiv 2306.16869), with the names of its reference code.

_CHAINS = {
    "ConvL": "conv1_1:32 conv1_2:32 max conv2_1:64 conv2_2:64 max conv3_1:128 conv3_2:128 max "
    "conv4_1:128 up conv4_2:128 conv5_1:64 up conv5_2:64 conv6_1:32 up conv6_2:32 convout:3",
    "ConvS": "conv1_1:32 max conv2_1:64 max conv3_1:64 max "
    "conv4_1:64 up conv5_1:32 up conv6_1:3 up convout:3",
    "DeConvL": "conv1_1:32 conv1_2:32 max conv2_1:64 conv2_2:64 max conv3_1:128 conv3_2:128 max "
    "conv_mid:128 dconv4_1:64 conv4_2:64 dconv5_1:32 conv5_2:32 dconv6_1:3",
    "DeConvS": "conv1_1:32 max conv2_1:64 max conv3_1:64 max dconv4_1:64 dconv5_1:32 dconv6_1:3",
}
_UNETS = {"UNetL": 16, "UNetS": 8}
GENERATORS = (*_CHAINS, *_UNETS)


class _Fuse(nn.Module):
    """`clamp(x + G(x), -1, 1)`; subclasses say what `perturbation`, G, is."""

    def forward(self, x):
        return torch.clamp(x + self.perturbation(x), -1, 1)


class _Chain(_Fuse):
    """ConvL, ConvS, DeConvL, DeConvS: one layer after the other, tanh behind the last."""

    def __init__(self, steps):
        super().__init__()
        self.steps, channels = [], 3
        for step in steps.split():
            name, _, k = step.partition(":")
            if k:
                norm, k = name.replace("dconv", "bn").replace("conv", "bn"), int(k)
                if name.startswith("dconv"):
                    layer = ConvTranspose2d(channels, k, 4, stride=2, padding=1)
                else:
                    layer = Conv2d(channels, k, 3, padding=1)
                self.add_module(name, layer)
                self.add_module(norm, nn.BatchNorm2d(k))
                name, channels = (name, norm), k
            self.steps.append(name)

    def perturbation(self, x):
        for step in self.steps:
            if step == "max":
                x = functional.max_pool2d(x, 2)
            elif step == "up":
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            else:
                layer, norm = step
                x = getattr(self, norm)(getattr(self, layer)(x))
                x = torch.tanh(x) if step is self.steps[-1] else torch.relu(x)
        return x


class _DoubleConv(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        layers = []
        for channels in (c, k):
            conv = Conv2d(channels, k, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(k), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class _Down(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), _DoubleConv(c, k))

    def forward(self, x):
        return self.maxpool_conv(x)


class _Up(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        # Padding 1 cuts the border off, and the pad below puts zeros there: the reference's way.
        self.up = ConvTranspose2d(c, k, 2, stride=2, padding=1)
        self.conv = _DoubleConv(c, k)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, functional.pad(self.up(x), (1, 1, 1, 1))], 1))


class _Out(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = Conv2d(c, 3, 1)

    def forward(self, x):
        return self.conv(x)


class _UNet(_Fuse):
    """UNetL, UNetS: neither batch norm nor tanh behind the last layer."""

    def __init__(self, c):
        super().__init__()
        self.inc = _DoubleConv(3, c)
        self.down1, self.down2, self.down3 = _Down(c, 2 * c), _Down(2 * c, 4 * c), _Down(4 * c, 8 * c)
        self.up1, self.up2, self.up3 = _Up(8 * c, 4 * c), _Up(4 * c, 2 * c), _Up(2 * c, c)
        self.outc = _Out(c)

    def perturbation(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x = self.up1(self.down3(x3), x3)
        return self.outc(self.up3(self.up2(x, x2), x1))


def generator(name, bits=8):
    """The generator of this name, new, computing `clamp(x + G(x), -1, 1)`.

    Images are `[N, 3, H, W]` in [-1, 1], sides divisible by 8. Weights are fake-quantised to `bits`
    in every pass, in `eval()` too; nf-gpu always uses 8. `bits=None` leaves them in float32.
    """
    if name in _CHAINS:
        module = _Chain(_CHAINS[name])
    elif name in _UNETS:
        module = _UNet(_UNETS[name])
    else:
        raise ValueError(f"unknown generator {name!r}; known: {', '.join(GENERATORS)}")
    for layer in module.modules():
        if isinstance(layer, (Conv2d, ConvTranspose2d)):
            layer.bits = bits
    return module


# Files.


def read_weights(path):
    """State dict and metadata of a weights file."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def load_state(module, state):
    """Loads a state dict without `num_batches_tracked`, which nf-gpu's files do not have."""
    missing, unexpected = module.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"not its weights: missing {missing}, unexpected {unexpected}")
    return module


def load_generator(path, bits=8):
    """The generator of a file that `nf-gpu train` wrote; call `.eval()` for its running statistics."""
    state, metadata = read_weights(path)
    if "model" not in metadata:
        raise ValueError(f"{path} does not say which generator it holds")
    return load_state(generator(metadata["model"], bits), state)


def save_weights(path, state, model, dataset=None, mean=None, std=None, **more):
    """Writes a state dict as a weights file of nf-gpu, whole or not at all.

    Floating-point tensors become float32; `num_batches_tracked` is left out. `mean` and `std` are
    what the network's input is normalised with, per channel, of values in [0, 1]; without them it
    takes [-1, 1] as it comes.
    """
    tensors = {}
    for name, tensor in strip_prefix(state).items():
        if name.endswith("num_batches_tracked"):
            continue
        if not tensor.is_floating_point():
            raise ValueError(f"{name} is {tensor.dtype}; weights are floating-point")
        # A clone, since safetensors refuses tensors that share memory.
        tensors[name] = tensor.detach().to("cpu", torch.float32).contiguous().clone()
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together")
    metadata = {"format": FORMAT, "model": model, "input": "[-1,1]", **more}
    if dataset is not None:
        metadata["dataset"] = dataset
    if mean is not None:
        numbers = {"mean": ",".join(map(repr, mean)), "std": ",".join(map(repr, std))}
        metadata.update({f"input_{key}": value for key, value in numbers.items()})
        metadata["input"] = "mean {mean} std {std}".format(**numbers)
    folder = os.path.dirname(os.path.abspath(path))
    handle, part = tempfile.mkstemp(".part", ".nf-gpu-", folder)
    os.close(handle)
    try:
        save_file(tensors, part, metadata)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return tensors


def strip_prefix(state):
    """Without what DataParallel (`module.`) and torch.compile (`_orig_mod.`) put before all names."""
    for prefix in ("module.", "_orig_mod."):
        if state and all(name.startswith(prefix) for name in state):
            return strip_prefix({name[len(prefix) :]: tensor for name, tensor in state.items()})
    return state


def find_state(checkpoint):
    """The state dict in what `torch.load` gave: itself, or under one of the usual names."""

    def is_state(value):
        tensors = isinstance(value, dict) and value.values()
        return bool(tensors) and all(isinstance(tensor, torch.Tensor) for tensor in tensors)

    places = [checkpoint]
    if isinstance(checkpoint, dict):
        keys = ("model_state_dict", "state_dict", "model")
        places += [checkpoint[key] for key in keys if key in checkpoint]
    for place in places:
        if is_state(place):
            return place
    found = list(checkpoint) if isinstance(checkpoint, dict) else type(checkpoint).__name__
    raise ValueError(f"no state dict in it, only {found}; save it with torch.save(net.state_dict(), path)")


def convert(checkpoint, out, model, **about):
    """A `.pt` file as a weights file of nf-gpu; `nf-gpu import` then checks it against the network."""
    try:
        loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{checkpoint}: cannot be loaded as weights only: {error}\n"
            "Where it holds a whole module, save its state: torch.save(net.state_dict(), path)"
        ) from error
    return save_weights(out, find_state(loaded), model, **about)


def main(arguments=None):
    """The command line."""

    def three(text):
        numbers = tuple(float(number) for number in text.split(","))
        if len(numbers) != 3:
            raise argparse.ArgumentTypeError("three numbers are needed, as in 0.485,0.456,0.406")
        return numbers

    parser = argparse.ArgumentParser(description="nf-gpu's files in PyTorch, and PyTorch's in nf-gpu.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("convert", help="a .pt checkpoint as a weights file of nf-gpu")
    command.add_argument("checkpoint", metavar="IN.pt")
    command.add_argument("out", metavar="OUT.safetensors")
    command.add_argument("--model", required=True, help="nf-gpu's name of the network")
    command.add_argument("--dataset", help="the data that it was trained on")
    command.add_argument("--input-mean", type=three, metavar="R,G,B", dest="mean")
    command.add_argument("--input-std", type=three, metavar="R,G,B", dest="std")
    flags = vars(parser.parse_args(arguments))
    del flags["command"]
    try:
        tensors = convert(**flags)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{flags['out']}: {len(tensors)} tensors, {count} numbers")


if __name__ == "__main__":
    main()
