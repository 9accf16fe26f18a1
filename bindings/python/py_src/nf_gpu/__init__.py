"""NeuralFuse on any GPU, from Python.

A small generator in front of a frozen classifier keeps its accuracy when low-voltage memory flips bits of its stored
weights. The functions of this module do what the command ``nf-gpu`` does: keyword arguments are its flags, with their
defaults, and errors are its errors, with their hints. ``data`` is ``--dataset``.

>>> import nf_gpu
>>> run = nf_gpu.train("base.safetensors", generator="ConvS", ber=0.01, chip=1, out="runs/chip1")  # doctest: +SKIP
>>> run.table()  # doctest: +SKIP
>>> protected = run.generator(images)  # float32 [N, C, H, W] in [-1, 1]  # doctest: +SKIP
"""

import os as _os
import sys as _sys

# Mesa's Vulkan layer complains on stderr, once for every question, of a session without this folder. The command sets
# it likewise.
if _sys.platform == "linux" and not {"XDG_RUNTIME_DIR", "WAYLAND_DISPLAY"} & set(_os.environ):
    _os.environ["XDG_RUNTIME_DIR"] = "/nonexistent"

from ._arrays import ArrayLike
from ._errors import Error, MissingFileError, UsageError
from ._faults import FaultMask, fault_mask
from ._functions import devices, energy, evaluate, inject, report, train
from ._networks import Base, Generator
from ._nf_gpu import __version__
from ._results import Result, Run

__all__ = [
    "ArrayLike",
    "Base",
    "Error",
    "FaultMask",
    "Generator",
    "MissingFileError",
    "Result",
    "Run",
    "UsageError",
    "__version__",
    "devices",
    "energy",
    "evaluate",
    "fault_mask",
    "inject",
    "report",
    "train",
]
