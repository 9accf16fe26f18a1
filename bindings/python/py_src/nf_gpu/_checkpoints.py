"""Other people's checkpoints: what only a pickle has. Names, copies and pieces of weights are left to
`nf-gpu import`, which knows the networks."""

from __future__ import annotations

import argparse
import collections
import collections.abc
import contextlib
import datetime
import fnmatch
import os
import pathlib
import pickle
import re
import types
from typing import Any

import torch
from torch import nn

AVERAGES = {"ema", "swa", "averaged", "shadow"}
# Words in the paths of state dicts that have a network's names and shapes and are no network: moments,
# gradients, statistics.
BESIDE = re.compile(r"optim\w*|grads?|gradients?|swag", re.IGNORECASE)
OBSERVERS = ("fake_quant", "activation_post_process")
QUANTISED = (
    "its weights are quantised ({}), and nf-gpu takes floats: convert the state_dict from before torch.ao's "
    "convert(), or every weight dequantised; nf-gpu quantises them itself"
)


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
    core: Any = numpy.array(0.0).__reduce__()[0], numpy.float64(0).__reduce__()[0]
    for function in core:
        for home in ("numpy.core.multiarray", "numpy._core.multiarray"):
            known.append((function, f"{home}.{function.__name__}"))
    numbers = "?bhilqBHILQefdFDSUM"
    return known + [numpy.ndarray, numpy.dtype, *{type(numpy.dtype(code)) for code in numbers}]


def _load(path, trusted):
    """What is in a `.pt`, `.pth`, `.ckpt` or `.bin` file."""
    allow = getattr(torch.serialization, "safe_globals", lambda _: contextlib.nullcontext())
    try:
        if trusted:
            lenient = types.ModuleType("pickle")
            lenient.__dict__.update(pickle.__dict__, Unpickler=_Unpickler)
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=lenient)
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


def weights_of(
    source: Any, trusted: bool = False, prefix: str | None = None, drop: Any = ()
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The floating-point tensors of a module, a state dict or a checkpoint's file, wherever they lie in it, and what
    to say of what was left out.

    `prefix` chooses among several state dicts, `drop` are patterns of names to leave out; `trusted` loads pickles of any
    type, which can run code.
    """
    notes = []
    loaded = _load(source, trusted) if isinstance(source, (str, os.PathLike)) else source
    state, path = find_state(loaded, prefix, [drop] if isinstance(drop, str) else drop or ())
    if path:
        others = [f"{n} ({_type(v)})" for n, v in _held(loaded).items() if n != path.split(".")[0]]
        left = f"; left out: {', '.join(others[:12])}" if others else ""
        more = "; --prefix takes another" if len(find_states(loaded)) > 1 and not prefix else ""
        notes.append(f"the state dict is taken from {path}{left}{more}")
    floats, left = only_floats(state)
    counters = [name for name in left if not name.endswith("num_batches_tracked")]
    if counters:
        names = ", ".join(counters[:6]) + (", ..." if len(counters) > 6 else "")
        notes.append(f"{len(counters)} entries that are no weights are left out: {names}")
    return floats, notes
