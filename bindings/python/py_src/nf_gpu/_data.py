"""Data sets that are arrays."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import numpy as np

from ._arrays import on_host
from ._errors import UsageError

#: The arrays of a data set.
_NAMES = ("x_train", "y_train", "x_test", "y_test")


def place(data: Any) -> str | None:
    """The value of `--dataset`: a name or path as it is; arrays are written to a file that lasts as long as the process."""
    if data is None or isinstance(data, (str, bytes, os.PathLike)):
        return None if data is None else os.fsdecode(data)
    if not isinstance(data, Mapping):
        raise TypeError(f"data is a name, a path, or a mapping of arrays, not {type(data).__name__}")
    unknown = [name for name in data if name not in _NAMES]
    if unknown or not data:
        what = f"no array of it is called {unknown[0]!r}" if unknown else "it is empty"
        raise UsageError(f"data: {what}", f"the arrays are called {', '.join(_NAMES)}", 2)
    arrays: dict[str, Any] = {name: np.ascontiguousarray(on_host(array)) for name, array in data.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise UsageError(f"data: {name} is an array of objects", "give it a type of numbers, as in array.astype('uint8')", 2)
    file = _folder(os.getpid()) / _digest(arrays) / "data.npz"
    if not file.exists():
        # Whoever cleans up may have removed the folder.
        file.parent.mkdir(parents=True, exist_ok=True)
        # Another thread may write the same.
        with tempfile.TemporaryDirectory(dir=file.parent) as beside:
            np.savez(Path(beside) / "data.npz", **arrays)
            os.replace(Path(beside) / "data.npz", file)
    return str(file)


def _digest(arrays: Mapping[str, Any]) -> str:
    """What tells these arrays from others, so that a process keeps each set once."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()[:16]


@functools.cache
def _folder(process: int) -> Path:
    """The folder for arrays of this process; a fork has its own."""
    folder = tempfile.mkdtemp(prefix="nf-gpu-")
    # Unlike `atexit` this also runs in processes of `multiprocessing`, and never in a fork of this one.
    Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=0)
    return Path(folder)
