"""One interpreter of the library's networks in PyTorch: generators, bases, and ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._errors import UsageError


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bits: int) -> Tensor:
        # There is no `if`, as exporters and compilers cannot follow a branch on a value. For scale 0, `where` replaces
        # 0 / 0.
        scale = weight.abs().max() / (2 ** (bits - 1) - 1)
        return torch.where(scale > 0, torch.round(weight / scale) * scale, torch.zeros_like(weight))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0], None  # straight through


def check_bits(bits: int | None) -> None:
    """Refuses what is no width of stored weights."""
    if bits is not None and (type(bits) is not int or bits not in range(2, 9)):
        raise UsageError(f"bits: {bits!r} is no width of stored weights", "give 2 to 8, or None for float32", 2)


def fake_quantize(weight: Tensor, bits: int | None = 8) -> Tensor:
    """`weight` as it reads from memory words of `bits`, 2 to 8: symmetric, one scale a tensor.

    `bits=None` leaves it as it is. The gradient passes straight through.
    """
    check_bits(bits)
    return weight if bits is None else _FakeQuantize.apply(weight, bits)


class _Home(nn.Module):
    """A module whose tensors and parts may be called like its own attributes, which still can be set."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


class Network(_Home):
    """A network of nf-gpu as a module: one interpreter for generators and bases, ONNX files included.

    `graph` is the library's description of it (`Base.graph`, `Generator.graph`), `weights` tensors by name. Parameters
    and buffers have the names of nf-gpu's files, so that its `state_dict` and theirs are the same. It takes images
    `[N, C, H, W]` in [-1, 1]; weights of layers are fake-quantised to `bits`, or with `bits=None` stay float32.
    """

    def __init__(self, graph: Mapping[str, Any], weights: Mapping[str, Any] | None = None, bits: int | None = 8) -> None:
        super().__init__()
        check_bits(bits)
        self.graph, self.bits, self.name = graph, bits, graph["name"]
        self._places: dict[str, tuple[nn.Module, str]] = {}
        for parameter in graph["parameters"]:
            self._add(parameter)
        if weights is not None:
            load_state(self, {name: torch.from_numpy(np.array(weights[name])) for name in self._places})
        # Tables are buffers that no state_dict has: they move with the module.
        for index, node in enumerate(graph["nodes"]):
            if node["op"] == "rearrange":
                end = int(np.prod(graph["nodes"][node["inputs"][0]]["chw"]))
                table = [end if source is None else source for source in node["table"]]
                self.register_buffer(f"_table{index}", torch.tensor(table), persistent=False)
            elif node["op"] == "affine":
                for part in ("scale", "shift"):
                    self.register_buffer(f"_{part}{index}", torch.tensor(node[part]).view(-1, 1, 1), persistent=False)

    def _add(self, parameter: Mapping[str, Any]) -> None:
        """Makes a parameter or buffer, in modules of modules as its name says."""
        *path, leaf = parameter["name"].split(".")
        home: nn.Module = self
        # A layer may be called like a method or an attribute of a module, and a name of an ONNX file may have empty parts,
        # which `register_parameter` and its like refuse: the tables behind them take any name.
        for part in path:
            inner = home._modules.get(part)
            if inner is None:
                home._modules[part] = inner = _Home()
            home = inner
        if parameter["role"].startswith("running"):
            one = parameter["role"] == "running_var"
            home._buffers[leaf] = torch.full(parameter["shape"], float(one))
        else:
            value = torch.empty(parameter["shape"])
            _initialise(value, parameter["role"])
            home._parameters[leaf] = nn.Parameter(value)
        self._places[parameter["name"]] = home, leaf

    def _of(self, name: str | None) -> Tensor | None:
        return None if name is None else self._needed(name)

    def _needed(self, name: str) -> Tensor:
        home, leaf = self._places[name]
        for table in (home._parameters, home._buffers):
            value = table.get(leaf)
            if value is not None:
                return value
        return getattr(home, leaf)  # a parametrization

    def forward(self, x: Tensor) -> Tensor:
        """The output of the last node: of a base, logits `[N, classes]`."""
        y = self._run(x)
        return y.flatten(1) if self.graph["nodes"][-1]["chw"][1:] == [1, 1] else y

    def _run(self, x: Tensor) -> Tensor:
        """The output of the last node, `[N, C, H, W]`."""
        values = [x]
        for index, node in enumerate(self.graph["nodes"][1:], 1):
            values.append(self._node(index, node, [values[i] for i in node["inputs"]]))
        return values[-1]

    def _node(self, index: int, node: Mapping[str, Any], inputs: list[Tensor]) -> Tensor:
        op, x = node["op"], inputs[0]
        if op in _POINTWISE:
            return _POINTWISE[op](node, x)
        if op in ("conv", "conv-transpose"):
            return self._conv(node, x)
        if op == "linear":
            weight = fake_quantize(self._needed(node["weight"]), self.bits)
            weight = weight if node["out_in"] else weight.t()
            return functional.linear(x.flatten(1), weight, self._of(node["bias"]))[..., None, None]
        if op == "batch-norm":
            mean, variance = self._needed(node["mean"]), self._needed(node["variance"])
            gamma, beta = self._of(node["gamma"]), self._of(node["beta"])
            return functional.batch_norm(x, mean, variance, gamma, beta, self.training, node["momentum"], node["eps"])
        if op == "max-pool":
            padded = _padded(x, node["pads"], float("-inf"))
            return functional.max_pool2d(padded, node["kernel"], node["stride"])
        if op == "avg-pool":
            return _avg_pool(node, x)
        if op == "concat":
            return torch.cat(inputs, 1)
        if op == "add":
            return inputs[0] + inputs[1]
        if op == "multiply":
            return inputs[0] * inputs[1]
        if op == "affine":
            return x * getattr(self, f"_scale{index}") + getattr(self, f"_shift{index}")
        if op == "gather":
            return _gather(node, x)
        if op == "rearrange":
            # Behind the last value stands the one where there is no source.
            flat = functional.pad(x.flatten(1), (0, 1), value=node["fill"])
            return flat.index_select(1, getattr(self, f"_table{index}")).unflatten(1, node["chw"])
        if op == "dropout":
            return functional.dropout(x, node["p"], self.training)
        if op == "learned-image":
            return self._needed(node["image"]).expand_as(x)
        raise NotImplementedError(f"the operation {op} of {self.name}")

    def _conv(self, node: Mapping[str, Any], x: Tensor) -> Tensor:
        weight, bias = fake_quantize(self._needed(node["weight"]), self.bits), self._of(node["bias"])
        top, left, bottom, right = pads = node["pads"]
        stride, dilation, groups = node["stride"], node["dilation"], node["groups"]
        if node["op"] == "conv":
            padding = (top, left)
            if pads != [top, left, top, left]:
                x, padding = _padded(x, pads, 0.0), (0, 0)
            return functional.conv2d(x, weight, bias, stride, padding, dilation, groups)
        y = functional.conv_transpose2d(x, weight, bias, stride, 0, 0, groups, dilation)
        # What the pads cut off; where they leave less than the output has, the last rows see no tap.
        _, h, w = node["chw"]
        y = y[..., top:, left:]
        if (bottom, right) != (top, left) or y.shape[-2] < h or y.shape[-1] < w:
            y = _filled(y, h, w, bias)
            return y[..., :h, :w]
        return y[..., : y.shape[-2] - bottom, : y.shape[-1] - right]

    def extra_repr(self) -> str:
        """What is printed of the module."""
        weights = "float32" if self.bits is None else f"{self.bits}-bit weights"
        return f"{self.name}, {len(self.graph['nodes'])} nodes, {weights}"


def _filled(y: Tensor, h: int, w: int, bias: Tensor | None) -> Tensor:
    """Rows and columns behind the last tap of a transposed convolution, which are its bias alone."""
    below, right = max(h - y.shape[-2], 0), max(w - y.shape[-1], 0)
    if not below and not right:
        return y
    if bias is None:
        return functional.pad(y, (0, right, 0, below))
    bias = bias.view(-1, 1, 1)
    return functional.pad(y - bias, (0, right, 0, below)) + bias


def _padded(x: Tensor, pads: list[int], value: float) -> Tensor:
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _avg_pool(node: Mapping[str, Any], x: Tensor) -> Tensor:
    kernel, stride = node["kernel"], node["stride"]
    padded = _padded(x, node["pads"], 0.0)
    if node["counted"] == node["pads"]:
        return functional.avg_pool2d(padded, kernel, stride)
    # The mean divides by the taps that count: those of the image, and of some pads.
    counted = node["counted"] or [0, 0, 0, 0]
    ones = _padded(torch.ones_like(x[:1, :1]), counted, 1.0)
    ones = _padded(ones, [whole - part for whole, part in zip(node["pads"], counted)], 0.0)
    sums = functional.avg_pool2d(padded, kernel, stride, divisor_override=1)
    return sums / functional.avg_pool2d(ones, kernel, stride, divisor_override=1)


def _gather(node: Mapping[str, Any], x: Tensor) -> Tensor:
    """Padding, cropping, subsampling and channel slices: `y[i] = x[i mul + offset]`, or 0 outside of `x`."""
    if node["div"] != 1:
        raise NotImplementedError("a gather that spreads pixels")
    places = [(node["channel_offset"], 1), (node["offset"], node["mul"]), (node["offset"], node["mul"])]
    pads: list[int] = []
    spans = []
    for axis, ((offset, step), length) in enumerate(zip(places, node["chw"]), 1):
        last = (length - 1) * step + offset
        before, after = max(-offset, 0), max(last + 1 - x.shape[axis], 0)
        pads = [before, after, *pads]
        spans.append((offset + before, (length - 1) * step + 1, step))
    if any(pads):
        x = functional.pad(x, pads)
    for axis, (start, length, step) in enumerate(spans, 1):
        x = x.narrow(axis, start, length)
        if step > 1:
            x = x[(slice(None),) * axis + (slice(None, None, step),)]
    return x


#: Operations on every value alike.
_POINTWISE = {
    "relu": lambda node, x: functional.relu(x),
    "tanh": lambda node, x: torch.tanh(x),
    "leaky-relu": lambda node, x: functional.leaky_relu(x, node["slope"]),
    "clip": lambda node, x: torch.clamp(x, node["low"], node["high"]),
    "sigmoid": lambda node, x: torch.sigmoid(x),
    "hard-sigmoid": lambda node, x: torch.clamp(node["alpha"] * x + node["beta"], 0, 1),
    "hard-swish": lambda node, x: functional.hardswish(x),
    "silu": lambda node, x: functional.silu(x),
    # The gradient goes straight through inside the range.
    "fake-quantise": lambda node, x: torch.fake_quantize_per_tensor_affine(
        x, node["step"], 0, int(node["least"]), int(node["most"])
    ),
    "upsample": lambda node, x: functional.interpolate(x, scale_factor=node["factor"], mode="nearest"),
}


def _initialise(value: Tensor, role: str) -> None:
    """PyTorch's own defaults for layers."""
    with torch.no_grad():
        if role == "weight":
            nn.init.kaiming_uniform_(value, a=5**0.5)
        elif role == "gamma":
            value.fill_(1)
        else:
            value.zero_()


def load_state(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Loads a state dict without `num_batches_tracked`, which nf-gpu's files do not have."""
    kept = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    missing, unexpected = module.load_state_dict(kept, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"not its weights: missing {missing}, unexpected {unexpected}")
    return module
