"""nf-gpu's files in PyTorch, and PyTorch's in nf-gpu.

    python nf_gpu_torch.py convert checkpoint.pt base.safetensors --model resnet18 --dataset cifar10

    import nf_gpu_torch
    protect = nf_gpu_torch.load_generator("runs/x/generator.safetensors").eval()
    logits = network(protect(images))  # images [N, 3, H, W] in [-1, 1]

Needs torch and safetensors, nothing else. One file: copy it to where you want it.
"""

import argparse
import collections.abc
import contextlib
import datetime
import fnmatch
import json
import math
import os
import pathlib
import pickle
import re
import sys
import tempfile
import types

import torch
from safetensors import safe_open
from safetensors.torch import save, save_file
from torch import nn
from torch.nn import functional

FORMAT = "nf-gpu-1"
PACKED, SCALE = "packed", ".scale"  # docs/weights-format.md
ON_GRID = 1e-4  # steps that float32 may move a weight from its place on a grid


# Fake quantisation of weights, as nf-gpu does it (and the NeuralFuse reference code).


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(_, weight, bits):
        # There is no `if`, as exporters and compilers cannot follow a branch on a value. For scale 0,
        # `where` replaces 0 / 0.
        scale = weight.abs().max() / (2 ** (bits - 1) - 1)
        return torch.where(scale > 0, torch.round(weight / scale) * scale, torch.zeros_like(weight))

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


# The six generators of NeuralFuse (arXiv 2306.16869), with the names of its reference code, and its
# baseline of one learned image.

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
GENERATORS = (*_CHAINS, *_UNETS, "UIP")


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
        # As in the reference code, padding 1 cuts the border off, and the pad below puts zeros there.
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


class _Uip(_Fuse):
    """UIP: one learned image, never quantised, for every input."""

    def __init__(self, side):
        super().__init__()
        self.uip = nn.Parameter(torch.zeros(3, side, side))

    def perturbation(self, _):
        return torch.tanh(self.uip)


def generator(name, bits=8, side=32):
    """The generator of this name, new, computing `clamp(x + G(x), -1, 1)`.

    Images are `[N, 3, H, W]` in [-1, 1], sides divisible by 8. Weights are fake-quantised to `bits`
    in every pass, in `eval()` too; nf-gpu always uses 8. `bits=None` leaves them in float32. Only UIP
    is made for images of one `side`.
    """
    if name in _CHAINS:
        module = _Chain(_CHAINS[name])
    elif name in _UNETS:
        module = _UNet(_UNETS[name])
    elif name == "UIP":
        module = _Uip(side)
    else:
        raise ValueError(f"unknown generator {name!r}; known: {', '.join(GENERATORS)}")
    for layer in module.modules():
        if isinstance(layer, (Conv2d, ConvTranspose2d)):
            layer.bits = bits
    return module


# Files.


def read_weights(path):
    """State dict and metadata of a weights file; stored words as the float32 that they stand for."""
    with safe_open(path, "pt") as file:
        state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    try:
        return _unpacked(state, metadata)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _unpacked(state, metadata):
    """The floats, `word * scale`, in place of nf-gpu's stored words, and metadata that says nothing of them."""
    if metadata.get("format") != FORMAT or PACKED not in metadata:
        return state, metadata
    metadata = dict(metadata)
    text = metadata.pop(PACKED)
    try:
        note = json.loads(text)
        bits, count = note["bits"], note["tensors"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"it is damaged: its metadata {PACKED} = {text}") from error
    if not (type(bits) is int and 2 <= bits <= 8 and type(count) is int and count):
        raise ValueError(f"it is damaged: its metadata {PACKED} = {text}")
    names = [name for name, tensor in state.items() if tensor.dtype == torch.int8]
    if len(names) != count:
        raise ValueError(f"it is damaged: its metadata say that {count} tensors are stored words, and {len(names)} are")
    for name in names:
        scale, steps, most = state.pop(name + SCALE, None), state[name].to(torch.float32), 2 ** (bits - 1) - 1
        if scale is None or scale.shape or scale.dtype != torch.float32 or not 0 < scale < math.inf:
            raise ValueError(f"it is damaged: the scale of the stored words of {name} is {scale}")
        if steps.abs().max() > most:
            raise ValueError(f"it is damaged: a stored word of {name} has more than {bits} bits")
        if steps.abs().max() * scale / most != scale:
            raise ValueError(f"it is damaged: quantisation to {bits} bits does not leave the stored words of {name}")
        state[name] = steps * scale
    metadata.setdefault("precision", str(bits))
    return state, metadata


def stored_words(state, bits=8):
    """The weights of convolutions and linear layers as nf-gpu stores them: `{name: (int8 words, scale)}`.

    Symmetric, one scale a tensor: `scale = max|w| / (2^(bits - 1) - 1)`, `word = round_half_even(w / scale)`. A
    tensor is left out for which that does not come back when its floats are quantised again: one of zeros, or
    of numbers so small that a step has only a few bits.
    """
    most, words = 2 ** (bits - 1) - 1, {}

    def quantised(weight):
        scale = weight.abs().max() / most
        return torch.round(weight / scale).clamp(-most, most), scale

    for name, tensor in state.items():
        if name.rpartition(".")[2] != "weight" or tensor.dim() < 2 or not tensor.numel():
            continue
        steps, scale = quantised(tensor.detach().to("cpu", torch.float32))
        again, same = quantised(steps * scale)
        if 0 < scale == same and scale * (most + 1) < math.inf and torch.equal(steps, again):
            words[name] = steps.to(torch.int8), scale
    return words


def _is_generator(model):
    return str(model).lower() in map(str.lower, GENERATORS)


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
    side = state["uip"].shape[-1] if "uip" in state else 32
    return load_state(generator(metadata["model"], bits, side), state)


def check_normalisation(mean, std):
    """Refuses what values from 0 to 1 cannot have, with what was probably meant (as `nf-gpu` does)."""
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together")
    if mean is None:
        return
    if not all(abs(m) < float("inf") for m in mean) or not all(0 < s < float("inf") for s in std):
        raise ValueError(f"mean {mean} and std {std}: numbers are needed, and positive deviations")
    texts = lambda numbers: ",".join(f"{number:.6g}" for number in numbers)  # noqa: E731
    bytes_ = any(m > 1 for m in mean)
    if bytes_ or any(s > 12 for s in std):  # 12: more than a reciprocal of an image set's deviation
        what = "of bytes from 0 to 255, not of values from 0 to 1. Divided by 255 they are"
        mean, std = [m / 255 if bytes_ else m for m in mean], [s / 255 if s >= 1 else s for s in std]
    elif any(m < 0 for m in mean):
        what = "not of values from 0 to 1. If they are of values from -1 to 1, then"
        mean, std = [(m + 1) / 2 for m in mean], [s / 2 for s in std]
    elif any(s > 1 for s in std):
        what = "not of values from 0 to 1. If the deviations are what is multiplied with, then"
        std = [1 / s if s > 1 else s for s in std]
    elif any(s < 0.5 / 255 for s in std):
        what = "less than half a grey level. If they were divided by 255 twice, then"
        mean = mean if any(m > 1 / 255 for m in mean) else [m * 255 for m in mean]
        std = [s * 255 for s in std]
    else:
        return
    raise ValueError(f"mean and std are {what}: --input-mean {texts(mean)} --input-std {texts(std)}")


def save_weights(path, state, model, dataset=None, mean=None, std=None, packed=False, **more):
    """Writes a state dict as a weights file of nf-gpu, whole or not at all.

    Floating-point tensors become float32; `num_batches_tracked` is left out. `mean` and `std` are
    what the network's input is normalised with, per channel, of values in [0, 1]; without them it
    takes [-1, 1] as it comes. `packed` stores the weights of layers as int8 words of `precision`, or 8, bits
    (`stored_words`). `more` is further metadata, such as `precision="4"`. Returns what the file reads as.
    """
    tensors = {}
    for name, tensor in without_wrappers(state).items():
        if name.endswith("num_batches_tracked"):
            continue
        if not tensor.is_floating_point():
            raise ValueError(f"{name} is {tensor.dtype}; weights are floating-point")
        # A clone, since safetensors refuses tensors that share memory.
        tensors[name] = tensor.detach().to("cpu", torch.float32).contiguous().clone()
    check_normalisation(mean, std)
    metadata = {"format": FORMAT, "model": model, "input": "[-1,1]", **more}
    if dataset is not None:
        metadata["dataset"] = dataset
    if mean is not None:
        numbers = {"mean": ",".join(map(repr, mean)), "std": ",".join(map(repr, std))}
        metadata.update({f"input_{key}": value for key, value in numbers.items()})
        metadata["input"] = "mean {mean} std {std}".format(**numbers)
    stored = dict(tensors)
    if packed:
        bits = int(metadata.setdefault("precision", "8"))
        if bits != 8 and _is_generator(model):
            raise ValueError(f"a generator computes with words of 8 bits, not {bits}: leave out the precision")
        words = stored_words(tensors, bits)
        if not words:
            raise ValueError("none of its tensors are a layer's weights that stored words can hold: do not pack it")
        metadata[PACKED] = json.dumps({"bits": bits, "tensors": len(words)})
        for name, (steps, scale) in words.items():
            stored.update({name: steps, name + SCALE: scale})
            tensors[name] = steps.to(torch.float32) * scale
    target = os.path.realpath(path)  # a link stays one
    if os.path.exists(target) and not os.path.isfile(target):  # a pipe, /dev/null: nothing may take its place
        with open(target, "wb") as file:
            file.write(save(stored, metadata))
        return tensors
    handle, part = tempfile.mkstemp(".part", ".nf-gpu-", os.path.dirname(target))
    os.close(handle)
    try:
        save_file(stored, part, metadata)
        os.chmod(part, 0o644)
        os.replace(part, target)
    except BaseException:
        os.unlink(part)
        raise
    return tensors


# Other people's checkpoints. Differences in a file of tensors (other names, copies, pieces of weights) are
# left to `nf-gpu import`, which knows the networks; this part handles what only a pickle has.

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
AVERAGES = {"ema", "swa", "averaged", "shadow"}
# Words in the paths of state dicts that have a network's names and shapes and are no network: moments,
# gradients, statistics.
BESIDE = re.compile(r"optim\w*|grads?|gradients?|swag", re.IGNORECASE)
OBSERVERS = ("fake_quant", "activation_post_process")
QUANTISED = (
    "its weights are quantised ({}), and nf-gpu takes floats: convert the state_dict from before torch.ao's "
    "convert(), or every weight dequantised; nf-gpu quantises them itself"
)


def without_wrappers(state):
    """Without what DataParallel, torch.compile and FSDP put into names, unless two would become one."""
    bare = lambda name: ".".join(part for part in name.split(".") if part not in WRAPPERS)  # noqa: E731
    names = [bare(name) for name in state]
    if len(set(names)) < len(names):
        return dict(state)
    return dict(zip(names, state.values()))


class _Absent:
    """Stands for an object whose class is not installed here: keeps what it held, and does nothing."""

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state):
        for part in state if isinstance(state, tuple) else (state,):
            self.__dict__.update(part if isinstance(part, dict) else {})

    def __setitem__(self, key, value):
        self.__dict__[str(key)] = value

    def __call__(self, *_, **__):
        return self

    def append(self, value):
        self[len(self.__dict__)] = value

    def extend(self, values):
        for value in values:
            self.append(value)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            return type(name, (_Absent,), {"__module__": module})


def _harmless():
    """Types that lie beside weights and do nothing: namespaces, dates, paths, NumPy's numbers."""
    known = [argparse.Namespace, types.SimpleNamespace, collections.defaultdict, collections.Counter]
    known += [collections.deque, datetime.date, datetime.datetime, datetime.timedelta, datetime.timezone]
    known += [pathlib.PurePosixPath, pathlib.PureWindowsPath, type(pathlib.Path())]
    known += [set, frozenset, complex, range, slice, list, dict, tuple, int, float, str, bool]
    try:
        import numpy
    except ImportError:
        return known
    # The modules of NumPy 1 and of NumPy 2, since either may have written the file.
    core = numpy.array(0.0).__reduce__()[0], numpy.float64(0).__reduce__()[0]
    for function in core:
        for home in ("numpy.core.multiarray", "numpy._core.multiarray"):
            known.append((function, f"{home}.{function.__name__}"))
    numbers = "?bhilqBHILQefdFDSUM"
    return known + [numpy.ndarray, numpy.dtype, *{type(numpy.dtype(code)) for code in numbers}]


def _load(path, trusted):
    """What is in a `.pt`, `.pth`, `.ckpt`, `.bin` or `.safetensors` file."""
    with open(path, "rb") as file:
        if file.read(9)[8:] == b"{":
            return read_weights(path)[0]
    try:
        if trusted:
            lenient = types.ModuleType("pickle")
            lenient.__dict__.update(pickle.__dict__, Unpickler=_Unpickler)
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=lenient)
        allow = getattr(torch.serialization, "safe_globals", lambda _: contextlib.nullcontext())
        with allow(_harmless()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        with open(path, "rb") as file:
            begin = file.read(4)
        if trusted or not begin.startswith((b"PK", b"\x80")):
            what = "cannot be loaded" if trusted else "it is no PyTorch checkpoint"
            raise ValueError(f"{path}: {what}: {error}") from error
        try:
            with allow(_harmless()):
                unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        except Exception:  # a newer function, for some formats only
            unsafe = []
        found = f"it holds {', '.join(sorted(unsafe)[:6])}" if unsafe else str(error).split("\n")[0]
        found = "it is a TorchScript archive" if "TorchScript" in found else found
        raise ValueError(
            f"{path}: it cannot be loaded as weights only: {found}\n"
            "If it is your own, or of someone you trust, --trusted loads it: that can run any code in it. "
            "Better, save its state: torch.save(net.state_dict(), path)"
        ) from error


def _state_of(module):
    """The state dict of a module, also of one whose class is not installed here."""
    if isinstance(module, nn.Module):
        return module.state_dict()
    held, state = vars(module), {}
    hidden = held.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, tensor in held.get(kind, {}).items():
            if tensor is not None and name not in hidden:
                state[name] = tensor
    for name, child in held["_modules"].items():
        if child is not None:
            state.update({f"{name}.{key}": tensor for key, tensor in _state_of(child).items()})
    return state


def _held(value):
    """What a container holds, by name; nothing for everything else, and for an optimiser."""
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace, _Absent)):
        value = vars(value)
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, collections.abc.Mapping) or {"state", "param_groups"} <= set(value):
        return {}
    return {str(key): child for key, child in value.items()}


def _is_weight(value):
    return isinstance(value, torch.Tensor) and value.dim() > 0 and (
        value.is_floating_point() or value.is_quantized
    )  # fmt: skip


def _is_words(value):
    """Whether these are integers where weights should be: no counter, no list of indices, no mask."""
    return isinstance(value, torch.Tensor) and value.dim() > 1 and not (
        value.is_floating_point() or value.is_complex() or value.dtype == torch.bool
    )  # fmt: skip


def find_states(value, path="", is_weight=_is_weight):
    """Every state dict in a checkpoint, by the path to it: `{"net": {...}, "ema.model": {...}}`."""
    if isinstance(value, nn.Module) or isinstance(value, _Absent) and "_modules" in vars(value):
        return {path: _state_of(value)}
    held, inner = _held(value), {}
    named = not isinstance(value, (list, tuple))
    own = [name for name, child in held.items() if named and is_weight(child)]
    if not any("." in name for name in own):
        for name, child in held.items():
            inner.update(find_states(child, f"{path}.{name}" if path else name, is_weight))
    return inner or ({path: held} if own else {})


def _is_beside(path):
    """Whether a state dict at this path is an optimiser's, of gradients or of statistics over weights."""
    return any(BESIDE.fullmatch(word) for word in re.split(r"[._-]", path))


def _below(name, prefix):
    """What follows a prefix of whole parts; None without it."""
    prefix = prefix.rstrip(".") + "."
    return name[len(prefix) :] if name.startswith(prefix) else None


def find_state(checkpoint, prefix=None, drop=()):
    """The state dict in what `torch.load` gave, wherever it lies, and the path to it.

    `prefix` chooses among several, by their paths (`ema`, `student.state_dict`) or by what their names
    begin with. Without it what an optimiser keeps, gradients, and a moving average beside the weights
    themselves are left alone. `drop` are patterns of names to leave out, with or without the path before them.
    """
    states = find_states(checkpoint)
    if all(map(_is_beside, states)):
        # Integers in place of weights are searched for, so that the error can say what they are.
        words = find_states(checkpoint, is_weight=_is_words)
        states = {path: state for path, state in words.items() if not _is_beside(path)} or states
    for pattern in drop:
        fits = lambda name: fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))  # noqa: B023, E731
        kept = {
            path: {n: t for n, t in state.items() if not fits(n) and not (path and fits(f"{path}.{n}"))}
            for path, state in states.items()
        }
        if sum(map(len, kept.values())) == sum(map(len, states.values())):
            raise ValueError(f"--drop {pattern}: no name fits it; it holds {_listed(checkpoint, states)}")
        states = {path: state for path, state in kept.items() if state}
    if not prefix:
        networks = {path: state for path, state in states.items() if not _is_beside(path)}
        # In a checkpoint with a dictionary for each layer none is a network by itself, and a layer's name
        # may hold any word.
        if len(networks) == 1 or any("." in name for state in networks.values() for name in state):
            states = networks
    # Statistics and data may lie beside a network; only a network's tensors have names with dots.
    named = {path: state for path, state in states.items() if any("." in name for name in state)}
    if not named and len(states) > 1:  # a dictionary a layer
        joined = {f"{path}.{name}": tensor for path, state in states.items() for name, tensor in state.items()}
        named = {"": joined}
    states = named or states
    if prefix:
        chosen = {p: s for p, s in states.items() if p == prefix.rstrip(".") or _below(p, prefix)}
        if not chosen:
            for path, state in states.items():
                rest = prefix if not path else _below(prefix.rstrip("."), path) or prefix
                part = {_below(name, rest): tensor for name, tensor in state.items()}
                part.pop(None, None)
                if part:
                    chosen[path] = part
        if not chosen:
            raise ValueError(f"nothing in it begins with {prefix}: it holds {_listed(checkpoint, states)}")
        states = chosen
    if len(states) > 1:
        first = next(iter(states.values()))
        plain = {p: s for p, s in states.items() if not AVERAGES & set(p.lower().replace(".", "_").split("_"))}
        if all(_same(first, state) for state in states.values()):
            states = dict([next(iter(states.items()))])
        elif len(plain) == 1:
            states = plain
    if len(states) > 1:
        raise ValueError(f"several state dicts in it: {_listed(checkpoint, states)}; choose one with --prefix")
    for path, state in states.items():
        return state, path
    raise ValueError(
        f"no state dict in it, only {_listed(checkpoint, {})}; save it with torch.save(net.state_dict(), path)"
    )


def _same(a, b):
    equal = lambda x, y: torch.equal(x, y) if isinstance(x, torch.Tensor) else x is y  # noqa: E731
    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)


def _listed(checkpoint, states):
    """What a checkpoint holds, in words: its state dicts, and the types of the rest."""
    found = [f"{path or 'names'} ({len(state)} tensors: {_firsts(state)})" for path, state in states.items()]
    tops = {path.split(".")[0] for path in states}
    if "" not in states:
        found += [f"{name} ({_type(child)})" for name, child in _held(checkpoint).items() if name not in tops]
    return ", ".join(found[:20]) or _type(checkpoint)


def _firsts(state):
    counts = collections.Counter(name.split(".")[0] for name in state)
    names = [f"{name} {count}" for name, count in counts.items()]
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _type(value):
    return f"torch.{type(value).__name__}" if isinstance(value, torch.Tensor) else type(value).__name__


def _renamed(name, pairs):
    """The name with whole parts A called B wherever they stand, all at once."""
    parts, done = name.split("."), []
    while parts:
        for a, b in pairs:
            if parts[: len(a)] == a:
                done, parts = done + b, parts[len(a) :]
                break
        else:
            done.append(parts.pop(0))
    return ".".join(done)


def renamed(state, rename):
    """A state dict with whole parts of names, as they stand between dots, renamed: `A=B`, all at once."""
    pairs = []
    for text in rename:
        a, equals, b = (part.strip(".") for part in text.partition("="))
        if not a or not equals:
            raise ValueError(f"--rename {text}: not A=B, as in fc=linear")
        pairs.append((a.split("."), b.split(".") if b else []))
        if all(_renamed(name, pairs[-1:]) == name for name in state):
            raise ValueError(f"--rename {text}: no name has the part {a}; it holds {_firsts(state)}")
    names = [_renamed(name, pairs) for name in state]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"--rename: several tensors would be called {', '.join(twice)}")
    return dict(zip(names, state.values()))


def only_floats(state):
    """The floating-point tensors of a state dict, and the names of what was left out.

    Counters and what observers of quantisation note are no weights; quantised weights are refused.
    """
    floats, left = {}, []
    for name, value in state.items():
        parts = name.split(".")
        words = isinstance(value, torch.Tensor) and (value.is_quantized or "float8" in str(value.dtype))
        if words or "_packed_params" in parts or parts[-1] in ("qweight", "qzeros", "SCB"):
            raise ValueError(QUANTISED.format(f"{name} is {getattr(value, 'dtype', type(value).__name__)}"))
        if not isinstance(value, torch.Tensor):
            left.append(name)
        elif value.is_floating_point():
            floats[name] = value.to_dense() if value.layout != torch.strided else value
        elif not value.is_complex() and name.endswith("_mask"):
            floats[name] = value.float()
        elif any(observer in name for observer in OBSERVERS):
            left.append(name)
        elif _is_words(value):
            other = "" if parts[-1] == "weight" else f"; if it is no weight, --drop {name} leaves it out"
            raise ValueError(QUANTISED.format(f"{name} is {value.dtype}") + other)
        elif value.numel() <= 1:
            left.append(name)
        elif value.dtype in (torch.int8, torch.uint8):
            raise ValueError(QUANTISED.format(f"{name} is {value.dtype}"))
        elif value.dtype == torch.int64:
            left.append(name)
        else:
            raise ValueError(f"{name} is {value.dtype}; weights are floating-point: --drop {name} leaves it out")
    return floats, left


def _say(line):
    print(line, file=sys.stderr)


def convert(checkpoint, out, model, *, prefix=None, drop=(), rename=(), trusted=False, say=_say, **about):
    """A checkpoint as a weights file of nf-gpu; `nf-gpu import` then checks it against the network.

    `prefix`, `drop` and `rename` are those of the command line; `trusted` loads pickles of any type, which
    can run code. `say` gets a line for everything that was left out, and for what `packed` changes. `about` is
    for `save_weights`.
    """
    check_normalisation(about.get("mean"), about.get("std"))
    if os.path.isfile(out) and os.path.samefile(checkpoint, out):  # also by a link of either kind
        raise ValueError(f"{out} is the checkpoint itself: give the weights a file of their own")
    loaded = _load(checkpoint, trusted)
    state, path = find_state(loaded, prefix, drop)
    if path:
        others = [f"{n} ({_type(v)})" for n, v in _held(loaded).items() if n != path.split(".")[0]]
        left = f"; left out: {', '.join(others[:12])}" if others else ""
        more = "; --prefix takes another" if len(find_states(loaded)) > 1 and not prefix else ""
        say(f"the state dict is taken from {path}{left}{more}")
    state, left = only_floats(renamed(state, rename))
    counters = [name for name in left if not name.endswith("num_batches_tracked")]
    if counters:
        names = ", ".join(counters[:6]) + (", ..." if len(counters) > 6 else "")
        say(f"{len(counters)} entries that are no weights are left out: {names}")
    precision = about.get("precision") or ("8" if _is_generator(model) else None)
    line = _rounding(state, precision) if about.get("packed") else None
    tensors = save_weights(out, state, model, **about)
    if line:
        say(line)
    return tensors


def _rounding(state, precision):
    """What storing these weights as words changes, in a line; refused where nobody asked for a change."""
    words, changes = stored_words(state, int(precision or 8)), []
    for name, (steps, scale) in words.items():
        change = (state[name].detach().to("cpu", torch.float32) - steps.to(torch.float32) * scale).abs().max()
        changes += [((change / scale).item(), name)] if change > 0 else []
    text = f"the weights of {len(words)} layers are stored as {precision or 8}-bit words"
    if not changes:
        return f"{text}, unchanged"
    if not precision and max(changes)[0] > ON_GRID:
        raise ValueError(
            "the weights do not lie on the grid of 8 bits, and nobody says how many to take: "
            "--precision 8 quantises them to 8 bits and says how much that changes them"
        )
    return "{}; quantised, those of {} change, by at most {:.2g} steps ({})".format(text, len(changes), *max(changes))


def main(arguments=None):
    """The command line."""

    def three(text):
        numbers = tuple(float(number) for number in text.split(","))
        if len(numbers) != 3:
            raise argparse.ArgumentTypeError("three numbers are needed, as in 0.485,0.456,0.406")
        return numbers

    parser = argparse.ArgumentParser(description="nf-gpu's files in PyTorch, and PyTorch's in nf-gpu.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("convert", help="a checkpoint as a weights file of nf-gpu")
    command.add_argument("checkpoint", metavar="IN.pt")
    command.add_argument("out", metavar="OUT.safetensors")
    command.add_argument("--model", required=True, help="nf-gpu's name of the network")
    command.add_argument("--dataset", help="the data that it was trained on")
    command.add_argument("--precision", choices=list("2345678"), help="bits per weight that it was trained for")
    command.add_argument("--packed", action="store_true", help="layers as int8 words of --precision and a scale each")
    command.add_argument("--input-mean", type=three, metavar="R,G,B", dest="mean")
    command.add_argument("--input-std", type=three, metavar="R,G,B", dest="std")
    command.add_argument("--prefix", metavar="P", help="which of several state dicts, or what names begin with")
    command.add_argument("--drop", action="append", default=[], metavar="GLOB", help="names to leave out")
    command.add_argument("--rename", action="append", default=[], metavar="A=B", help="call the parts A of names B")
    command.add_argument("--trusted", action="store_true", help="load any pickle: it can run code in the file")
    flags = vars(parser.parse_args(arguments))
    del flags["command"]
    if flags["precision"] is None:
        del flags["precision"]
    try:
        tensors = convert(**flags)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{flags['out']}: {len(tensors)} tensors, {count} numbers")


if __name__ == "__main__":
    main()
