"""Arrays that come in: NumPy's, PyTorch's, JAX's, whatever speaks DLPack or `__array__`."""

from __future__ import annotations

from typing import Any, Protocol, Union

import numpy as np
from numpy.typing import NDArray


class _HasArray(Protocol):
    def __array__(self, *args: Any, **kwargs: Any) -> NDArray[Any]: ...


class _HasDlpack(Protocol):
    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...


ArrayLike = Union[_HasArray, _HasDlpack, NDArray[Any]]


def floats(array: ArrayLike) -> NDArray[np.float32]:
    """The numbers as float32, in the order of rows; on the CPU without a copy where that is how they lie.

    What lies on a GPU goes through the host: a device's memory cannot be shared with this library's.
    """
    return np.ascontiguousarray(on_host(array), dtype=np.float32)


def on_host(array: ArrayLike) -> NDArray[Any]:
    """The array as NumPy's."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "detach"):  # a tensor of PyTorch, which may want a gradient or lie on a GPU
        array = array.detach().cpu()  # type: ignore[union-attr]
    if hasattr(array, "__dlpack__"):
        try:
            return np.from_dlpack(array)  # type: ignore[arg-type]
        except (BufferError, RuntimeError, TypeError):
            pass  # another device or type: its own conversion may know more
    return np.asarray(array)
