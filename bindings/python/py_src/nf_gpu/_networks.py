"""Base networks and generators."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _nf_gpu
from ._arrays import ArrayLike, floats
from ._device import before_first
from ._errors import UsageError, raised
from ._flags import hints, line

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from .torch import Network, Protect

class Base:
    """A base network in its file. Wherever a function takes a `Base`, a path serves as well.

    >>> import nf_gpu
    >>> base = nf_gpu.Base.load("models/vgg-small-fashion.safetensors")
    >>> base.model, base.classes, base.input
    ('vgg-small', 10, (3, 32, 32))
    """

    #: The weights file, or the ONNX file.
    path: Path
    #: What the file does not say: flags of every command that takes the base.
    hints: dict[str, Any]

    def __init__(self, path: str | os.PathLike[str], **hints_: Any) -> None:
        self.path, self.hints = Path(path), {k: v for k, v in hints_.items() if v is not None}
        with raised():
            about, self._tensors = _nf_gpu.base(self.path, hints(self.hints))
        self._about = json.loads(about)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str], **hints: Any) -> Base:
        """Reads a weights file or an ONNX file.

        `model`, `input_shape`, `input_mean` and `input_std` say what the file does not.
        """
        return cls(path, **hints)

    @classmethod
    def from_onnx(cls, path: str | os.PathLike[str], **hints: Any) -> Base:
        """Reads an ONNX classifier; the error names every reason why one cannot be taken.

        `input_shape` is `(C, H, W)` where the file leaves it open; `input_mean` and `input_std` are what its input is
        normalised with, a number per channel, of values from 0 to 1. Without them it takes [-1, 1].
        """
        if Path(path).suffix != ".onnx":
            raise UsageError(f"{path}: its name does not end in .onnx", "Base.load reads weights files", 2)
        return cls(path, **hints)

    @classmethod
    def from_torch(
        cls,
        source: torch.nn.Module | dict[str, Any] | str | os.PathLike[str],
        model: str | None = None,
        *,
        input_shape: tuple[int, int, int] | None = None,
        out: str | os.PathLike[str] | None = None,
        **flags: Any,
    ) -> Base:
        """Takes a network from PyTorch.

        With `model`, the name of one of nf-gpu's networks, `source` is a module, a `state_dict` or a checkpoint file with
        its weights; keyword arguments are the flags of `nf-gpu import` (`dataset`, `precision`, `input_mean`,
        `rename` and so on), and `trusted=True` unpickles any object of a checkpoint, which can run code in it. Without
        `model`, `source` is any module that classifies images of `input_shape`, `(C, H, W)`; it is exported to ONNX.

        The file is `out`, or a temporary one that goes with this object: a run that is to be resumed later needs `out`.
        """
        from . import torch as with_torch

        return with_torch.base_from_torch(source, model, input_shape, out, flags)

    @property
    def model(self) -> str:
        """Name of the network."""
        return self._about["model"]

    @property
    def classes(self) -> int:
        """Number of classes that it tells apart."""
        return self._about["classes"]

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes, where they are known."""
        return self._about["class_names"]

    @property
    def input(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the images."""
        c, h, w = self._about["input"]
        return c, h, w

    @property
    def precision(self) -> int | None:
        """Bits per stored weight, where the file says them."""
        return self._about["precision"]

    @property
    def dataset(self) -> str | None:
        """The data set that it was trained on, where the file says it."""
        return self._about["dataset"]

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return self._about["file_sha256"]

    @property
    def layers(self) -> list[str]:
        """Names of the weights that faults can hit, in the order in which layers are counted."""
        return self._about["layers"]

    @property
    def parameters(self) -> int:
        """Number of trained numbers."""
        return self._about["parameters"]

    @property
    def graph(self) -> dict[str, Any]:
        """The network as nodes, which `nf_gpu.torch.Network` runs."""
        return self._about["graph"]

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        """The weights by name, float32, in PyTorch's shapes."""
        return dict(self._tensors)

    def to_torch(self, bits: int | None = 8) -> Network:
        """The network as a PyTorch module with fake-quantised weights (`bits=None` leaves them)."""
        from .torch import Network

        return Network(self.graph, self._tensors, bits=bits)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"<nf_gpu.Base {self.path}: {self.model}, {self.classes} classes, images {self.input}>"


class Generator:
    """A trained generator.

    >>> import numpy, nf_gpu
    >>> protect = nf_gpu.Generator.load("models/unets-vgg11-cifar10.safetensors")
    >>> protect.model
    'UNetS'
    >>> protect(numpy.zeros((2, 3, 32, 32))).shape
    (2, 3, 32, 32)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        adapter: str | int | None = None,
        backend: str | None = None,
        require_gpu: bool = False,
    ) -> None:
        flags = line("devices", {"adapter": adapter, "backend": backend, "require_gpu": require_gpu})
        with raised():
            self._generator = _nf_gpu.Generator(path, flags)
        self._about = json.loads(self._generator.about)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **adapter: Any) -> Generator:
        """Reads a file that `train` wrote. `adapter`, `backend` and `require_gpu` choose the device."""
        return cls(path, **adapter)

    def __call__(self, images: ArrayLike) -> NDArray[np.float32]:
        """`clamp(x + G(x), -1, 1)` of images `[N, C, H, W]` in [-1, 1]: float32 of the same shape."""
        before_first()
        with raised():
            return self._generator.forward(floats(images))

    def gradient(self, images: ArrayLike, upstream: ArrayLike) -> NDArray[np.float32]:
        """The gradient of `sum(self(images) * upstream)` with respect to the images, of their shape."""
        before_first()
        with raised():
            return self._generator.gradient(floats(images), floats(upstream))

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._generator.path)

    @property
    def model(self) -> str:
        """Name of the generator, such as ConvS."""
        return self._about["model"]

    @property
    def input(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the images that it was trained for."""
        c, h, w = self._about["input"]
        return c, h, w

    @property
    def parameters(self) -> int:
        """Number of trained numbers."""
        return self._about["parameters"]

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return self._about["file_sha256"]

    @property
    def trained_for(self) -> str | None:
        """What it was trained for, in words."""
        return self._about["trained_for"]

    @property
    def graph(self) -> dict[str, Any]:
        """The network G as nodes, without the sum and the clamp around it."""
        return self._about["graph"]

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        """The weights by name, float32, in PyTorch's shapes."""
        return self._generator.tensors()

    def to_torch(self, bits: int | None = 8) -> Protect:
        """The generator as a differentiable PyTorch module."""
        from .torch import Protect

        return Protect.of(self, bits=bits)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        trained = f", trained for {self.trained_for}" if self.trained_for else ""
        return f"<nf_gpu.Generator {self.path}: {self.model}, {self.parameters} parameters{trained}>"
