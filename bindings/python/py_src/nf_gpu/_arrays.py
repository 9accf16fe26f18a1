"""Arrays that come in: NumPy's, PyTorch's, JAX's, whatever speaks DLPack or `__array__`."""

from __future__ import annotations

from typing import Any, Protocol, Union

import numpy as np
from numpy.typing import NDArray

from ._errors import UsageError


class _HasArray(Protocol):
    def __array__(self, *args: Any, **kwargs: Any) -> NDArray[Any]: ...


class _HasDlpack(Protocol):
    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...


ArrayLike = Union[_HasArray, _HasDlpack, NDArray[Any]]


def floats(array: ArrayLike) -> NDArray[np.float32]:
    """The numbers as float32, in the order of rows; on the CPU without a copy where that is how they lie.

    What lies on a GPU goes through the host: a device's memory cannot be shared with this library's.
    """
    array = on_host(array)
    if np.iscomplexobj(array):
        raise UsageError("the array is of complex numbers", "give their real or their imaginary part", 2)
    return np.ascontiguousarray(array, dtype=np.float32)


def on_host(array: ArrayLike) -> NDArray[Any]:
    """The array as NumPy's."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise UsageError("values of the array are masked", "fill them: array.filled(0)", 2)
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "detach"):  # a tensor of PyTorch
        # It may want a gradient, lie on a GPU, or note a sign that is still to be changed.
        array = array.detach().cpu().resolve_conj().resolve_neg()  # type: ignore[union-attr]
        if array.is_sparse:  # type: ignore[union-attr]
            array = array.to_dense()  # type: ignore[union-attr]
        if str(array.dtype).startswith(("torch.bfloat", "torch.float8")):  # type: ignore[union-attr]
            array = array.float()  # NumPy has no such type  # type: ignore[union-attr]
    if hasattr(array, "__dlpack__"):
        try:
            return np.from_dlpack(array)  # type: ignore[arg-type]
        except (BufferError, RuntimeError, TypeError):
            pass  # another device or type: its own conversion may know more
    return np.asarray(array)
