"""What must be done before a process opens its first device."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys


@functools.cache
def before_first() -> None:
    """Loads PyTorch's compiler, where there is one, before Mesa's software adapter.

    Both bring an LLVM. In this order each keeps its own; in the other one PyTorch, which loads Triton when it first
    exports or compiles a module, ends the process.
    """
    if sys.platform == "linux" and importlib.util.find_spec("triton") is not None:
        with contextlib.suppress(ImportError):
            importlib.import_module("triton")
