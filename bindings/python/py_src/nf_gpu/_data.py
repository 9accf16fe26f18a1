"""Data sets that are arrays."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._arrays import on_host


def place(data: Any) -> str | None:
    """The value of `--dataset`: a name or path as it is; arrays are written to a file that lasts as long as the process."""
    if data is None or isinstance(data, (str, os.PathLike)):
        return None if data is None else os.fspath(data)
    if not isinstance(data, Mapping):
        raise TypeError(f"data is a name, a path, or a mapping of arrays, not {type(data).__name__}")
    folder = tempfile.mkdtemp(prefix="nf-gpu-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder) / "data.npz"
    arrays: dict[str, Any] = {name: on_host(array) for name, array in data.items()}
    np.savez(file, **arrays)
    return str(file)
