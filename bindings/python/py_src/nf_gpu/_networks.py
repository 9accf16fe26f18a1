"""Base networks and generators."""

from __future__ import annotations

import copy
import functools
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _nf_gpu
from ._arrays import ArrayLike, floats
from ._device import before_first
from ._errors import UsageError, raised
from ._flags import hints, line, unicode

if TYPE_CHECKING:
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
        self.path, self.hints = Path(unicode("base", os.fsdecode(path))), {k: v for k, v in hints_.items() if v is not None}
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
        if Path(path).suffix.lower() != ".onnx":
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
        """The network as a PyTorch module with weights fake-quantised to 2 to 8 bits (`bits=None` leaves them).

        Like any new module it is in training mode: `.eval()` gives the answers of nf-gpu.
        """
        from .torch import Network

        return Network(self.graph, self._tensors, bits=bits)

    def __deepcopy__(self, memo: dict[int, Any]) -> Base:
        # A temporary file stays as long as one of its bases.
        made = copy.copy(self)
        made.hints = copy.deepcopy(self.hints, memo)
        return made

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
        self._adapter = {"adapter": adapter, "backend": backend, "require_gpu": require_gpu}
        flags = line("devices", self._adapter)
        file = Path(unicode("generator", os.fsdecode(path)))
        file = file / "generator.safetensors" if file.is_dir() else file
        with raised():
            self._generator = _nf_gpu.Generator(file, flags)
        self._about = json.loads(self._generator.about)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **adapter: Any) -> Generator:
        """Reads a file that `train` wrote, or that of a run, or of its folder. `adapter`, `backend` and `require_gpu` choose the device."""
        return cls(path, **adapter)

    def __call__(self, images: ArrayLike) -> NDArray[np.float32]:
        """`clamp(x + G(x), -1, 1)` of images `[N, C, H, W]` in [-1, 1]: float32 of the same shape."""
        before_first()
        x = self._images(images)
        with raised():
            return _joined([self._generator.forward(part) for part in _parts(x)])

    def gradient(self, images: ArrayLike, upstream: ArrayLike) -> NDArray[np.float32]:
        """The gradient of `sum(self(images) * upstream)` with respect to the images, of their shape."""
        before_first()
        x, dy = self._images(images), floats(upstream)
        if x.shape != dy.shape:
            raise UsageError(f"upstream: its shape is {list(dy.shape)}, that of the images {list(x.shape)}", "give one like them", 2)
        with raised():
            return _joined([self._generator.gradient(*pair) for pair in zip(_parts(x), _parts(dy))])

    def _images(self, images: ArrayLike) -> NDArray[np.float32]:
        """The images as the compiled part takes them; the error says what is wrong with those that are nearly right."""
        x, (c, _, _) = floats(images), self.input
        if x.ndim == 4 and len(x) == 0:
            raise UsageError("there are no images", f"give [N, {c}, H, W] with N from 1 up", 2)
        if x.ndim != 4 or x.shape[1] != c or 0 in x.shape:
            last = x.ndim == 4 and x.shape[3] == c
            hint = "the channels come second: images.transpose(0, 3, 1, 2)" if last else "as PyTorch has them; one image is [1, C, H, W]"
            raise UsageError(f"images are [N, {c}, H, W] for this generator, not {list(x.shape)}", hint, 2)
        largest = np.abs(x).max()
        if not np.isfinite(largest):
            raise UsageError("the images hold numbers that are not finite", "give values in [-1, 1]", 2)
        if largest > 1:
            warnings.warn(f"the images reach {largest:g}; [-1, 1] is expected: bytes become images / 127.5 - 1", stacklevel=3)
        return x

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
    def metadata(self) -> dict[str, str]:
        """What its file says beside the tensors."""
        return self._generator.metadata

    @property
    def graph(self) -> dict[str, Any]:
        """The network G as nodes, without the sum and the clamp around it."""
        return self._about["graph"]

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        """The weights by name, float32, in PyTorch's shapes."""
        return self._generator.tensors()

    def to_torch(self, bits: int | None = 8) -> Protect:
        """The generator as a differentiable PyTorch module, in training mode like any new one."""
        from .torch import Protect

        return Protect.of(self, bits=bits)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __reduce__(self) -> Any:
        # A copy, or another process, opens a device of its own.
        return functools.partial(Generator, **self._adapter), (os.fspath(self.path),)

    def __repr__(self) -> str:
        trained = f", trained for {self.trained_for}" if self.trained_for else ""
        return f"<nf_gpu.Generator {self.path}: {self.model}, {self.parameters} parameters{trained}>"


def generator_file(source: Any) -> Any:
    """The file of a generator for which a run stands; anything else as it is, since a text may be a generator's name."""
    folder = getattr(source, "folder", None)
    return source if folder is None else folder / "generator.safetensors"


#: Images that pass at once; Ctrl-C is heeded after each such part.
_AT_ONCE = 256


def _parts(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [images[first : first + _AT_ONCE] for first in range(0, len(images), _AT_ONCE)]


def _joined(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
