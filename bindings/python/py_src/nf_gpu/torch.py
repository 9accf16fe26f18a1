"""nf-gpu's networks in PyTorch, and PyTorch's in nf-gpu.

>>> import torch
>>> from nf_gpu.torch import Protect
>>> protect = Protect("models/unets-vgg11-cifar10.safetensors").eval()
>>> images = torch.zeros(2, 3, 32, 32, requires_grad=True)
>>> protect(images).sum().backward()  # float32 [N, 3, H, W] in [-1, 1]; differentiable
>>> images.grad.shape
torch.Size([2, 3, 32, 32])
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import _checkpoints, _nf_gpu
from ._errors import Error, MissingFileError, UsageError, raised
from ._flags import line
from ._interpreter import Network, fake_quantize, load_state
from ._networks import Base, Generator

_log = logging.getLogger("nf_gpu")

__all__ = ["Network", "Protect", "convert", "fake_quantize", "load_state", "save_weights"]


#: What a generator's file says of images, faults and base network, which stays true when its weights are tuned. How they were
#: made and measured does not.
_KEPT = {
    "base", "base_input_mean", "base_input_shape", "base_input_std", "base_precision", "base_sha256", "ber", "ber10", "chip",
    "class_names", "dataset", "fault_detail", "faults", "image_shape", "loss", "preprocess", "side", "temperature",
}  # fmt: skip


class Protect(Network):
    """A NeuralFuse generator as a differentiable module: `clamp(x + G(x), -1, 1)` of images in [-1, 1].

    `source` is a file that `nf-gpu train` wrote, a run, a `Generator`, or the name of one of the generators (ConvL,
    ConvS, DeConvL, DeConvS, UNetL, UNetS, UIP), which then has random weights and takes images of `image`, `(C, H, W)`.
    In training mode, batch norm normalises with the statistics of the batch; `.eval()` takes the running ones. It takes
    images of one size, its file's or `image`.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Generator,
        *,
        bits: int | None = 8,
        image: tuple[int, int, int] | None = None,
    ) -> None:
        image = None if image is None else (int(image[0]), int(image[1]), int(image[2]))
        if isinstance(source, str) and not os.path.exists(source) and os.sep not in source and "." not in source:
            with raised():
                graph = json.loads(_nf_gpu.generator_graph(source, image or (3, 32, 32)))
            super().__init__(graph, None, bits)
            self._metadata = _image_shape(image)
            return
        generator = source if isinstance(source, Generator) else Generator.load(source)
        graph = generator.graph
        if image is not None:
            with raised():
                graph = json.loads(_nf_gpu.generator_graph(generator.model, image))
        super().__init__(graph, generator.state_dict(), bits)
        # The size of other images is not that to which the old ones were brought.
        left_out = {"image_shape", "preprocess", "side"} if image is not None else set()
        kept = {name: text for name, text in generator.metadata.items() if name in _KEPT - left_out}
        self._metadata = {**kept, **_image_shape(image)}

    @classmethod
    def of(cls, generator: Generator, *, bits: int | None = 8) -> Protect:
        """The module of a generator."""
        return cls(generator, bits=bits)

    def perturbation(self, x: Tensor) -> Tensor:
        """G(x), of the shape of the images."""
        return self._run(x)

    def forward(self, x: Tensor) -> Tensor:
        """`clamp(x + G(x), -1, 1)` of images `[N, C, H, W]`."""
        return torch.clamp(x + self.perturbation(x), -1, 1)

    def save(self, path: str | os.PathLike[str], /, **metadata: str | int | float) -> Path:
        """Writes the weights as a generator's file, for `train(init=...)`, `evaluate(generator=...)` and `Generator`.

        What the file that they came from says of images, faults and base network stays in it; `metadata` adds to it.
        """
        save_weights(path, self.state_dict(), **{**self._metadata, **metadata, "model": self.name, "input": "[-1,1]"})
        return Path(path)


def _image_shape(image: tuple[int, int, int] | None) -> dict[str, str]:
    return {} if image is None else {"image_shape": ",".join(map(str, image))}


def save_weights(path: str | os.PathLike[str], state: Mapping[str, Tensor], /, **metadata: str | int | float) -> None:
    """Writes floating-point tensors as float32 in a file of nf-gpu, whole or not at all."""
    odd = [name for name, value in metadata.items() if not isinstance(value, (str, int, float))]
    if odd:
        raise UsageError(f"{odd[0]}: {type(metadata[odd[0]]).__name__} is no text", "metadata are texts and numbers", 2)
    told = {name: str(value) for name, value in metadata.items()}
    with raised():
        _nf_gpu.write_weights(path, _arrays(state), {**told, "format": "nf-gpu-1"})


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def convert(
    source: Any,
    out: str | os.PathLike[str],
    model: str,
    *,
    trusted: bool = False,
    say: Callable[[str], object] = _say,
    **flags: Any,
) -> dict[str, Any]:
    """Takes the weights of a module, a `state_dict` or a checkpoint (`.pt`, `.pth`, `.ckpt`, `.bin`) as a file of nf-gpu.

    `model` is nf-gpu's name of the network, base or generator. The state dict is found wherever it lies: `prefix` chooses
    one of several, `drop` leaves names out. `trusted` loads pickles of any type, which can run code in them. All other
    keyword arguments are the flags of `nf-gpu import`, which compares every tensor with the network. `say` gets a line for
    everything that was left out. Returns the document of `nf-gpu import --json`.
    """
    with tempfile.TemporaryDirectory(prefix="nf-gpu-") as folder:
        stored = source
        if not (isinstance(source, (str, os.PathLike)) and _is_safetensors(source)):
            choice = {name: flags.pop(name, None) for name in ("prefix", "drop")}
            stored = _stored(source, Path(folder), out, say, trusted=trusted, **choice)
        with raised():
            line_ = line("import", {**flags, "model": model, "out": out, "file": [stored]})
            document = json.loads(_nf_gpu.call("import", line_))
    for note in document["notes"]:
        say(note)
    return document


def _stored(source: Any, folder: Path, out: str | os.PathLike[str], say: Callable[[str], object], **how: Any) -> Path:
    """The weights of a checkpoint as a file of tensors that the library reads."""
    from_file = isinstance(source, (str, os.PathLike))
    if from_file and os.path.isfile(out) and os.path.samefile(source, out):  # also by a link of either kind
        raise UsageError(f"{out} is the checkpoint itself", "give the weights a file of their own", 2)
    try:
        state, notes = _checkpoints.weights_of(source, **how)
    except ValueError as error:
        what, _, hint = str(error).partition("\n")
        raise Error(what, hint or None) from error
    for note in notes:
        say(note)
    file = folder / (f"{Path(source).stem}.safetensors" if from_file else "state.safetensors")
    with raised():
        _nf_gpu.write_weights(file, _arrays(state), {})
    return file


def _is_safetensors(path: str | os.PathLike[str]) -> bool:
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _arrays(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The tensors as arrays of float32, without `num_batches_tracked`, which nf-gpu's files do not have."""
    return {
        name: np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


def base_from_torch(
    source: Any,
    model: str | None,
    input_shape: tuple[int, int, int] | None,
    out: str | os.PathLike[str] | None,
    flags: dict[str, Any],
) -> Base:
    """`Base.from_torch`."""
    folder = tempfile.TemporaryDirectory(prefix="nf-gpu-")
    suffix = ".safetensors" if model else ".onnx"
    file = Path(out) if out is not None else Path(folder.name) / f"{model or type(source).__name__}{suffix}"
    if model is None:
        base = _exported(source, input_shape, file, flags)
    else:
        if input_shape is not None:
            raise UsageError("input_shape: a network of nf-gpu has its own", "leave out input_shape, or model", 2)
        convert(source, file, model, say=lambda text: _log.info(text), **flags)
        base = Base.load(file)
    base._folder = folder if out is None else None
    return base


def _exported(source: Any, input_shape: tuple[int, int, int] | None, file: Path, hints: dict[str, Any]) -> Base:
    """The base of a module that goes through ONNX."""
    if not isinstance(source, nn.Module):
        raise UsageError("model: which network the weights are of is not said", "name it, or give the module itself", 2)
    if input_shape is None:
        raise UsageError("input_shape: a module does not say which images it takes", "as in (3, 32, 32)", 2)
    if file.suffix.lower() != ".onnx":
        raise UsageError(f"out: {file} does not end in .onnx", "a module of its own is kept as ONNX", 2)
    if not file.parent.is_dir():
        raise MissingFileError(f"out: there is no folder {file.parent}", "make the folder first")
    modes, images = [(part, part.training) for part in source.modules()], torch.zeros(1, *input_shape)
    parameter = next(source.parameters(), None)
    images = images if parameter is None else images.to(parameter.device, parameter.dtype)
    try:
        torch.onnx.export(source.eval(), (images,), str(file), input_names=["images"], output_names=["logits"],
                          verbose=False, external_data=False)  # fmt: skip
    except ImportError:
        raise
    except Exception as error:
        # The exporter speaks of itself first, in colours; the cause is behind it.
        why = re.sub(r"\x1b\[[0-9;]*m", "", str(error.__cause__ or error)).strip().partition("\n")[0]
        hint = "it must take images of input_shape alone; or export it yourself, and give the file to Base.from_onnx"
        raise Error(f"PyTorch cannot export the module: {why or type(error).__name__}", hint) from error
    finally:
        for part, training in modes:
            part.training = training
    return Base.from_onnx(file, **hints)


def main(arguments: list[str] | None = None) -> int:
    """The command `python -m nf_gpu.torch`: a checkpoint of PyTorch as a file of nf-gpu."""
    parser = argparse.ArgumentParser(
        "python -m nf_gpu.torch", description="A checkpoint of PyTorch as a file of nf-gpu. All flags of "
        "`nf-gpu import` are taken, such as --model, --dataset, --input-mean and --rename."
    )  # fmt: skip
    parser.add_argument("checkpoint", metavar="IN.pt")
    parser.add_argument("out", metavar="OUT.safetensors")
    parser.add_argument("--prefix", metavar="P", help="which of several state dicts, or what names begin with")
    parser.add_argument("--drop", action="append", default=[], metavar="GLOB", help="names to leave out")
    parser.add_argument("--trusted", action="store_true", help="load any pickle: it can run code in the file")
    own, others = parser.parse_known_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="nf-gpu-") as folder:
            file = Path(own.checkpoint)
            if _is_safetensors(file):
                others += [f"--drop={each}" for each in own.drop] + ([f"--prefix={own.prefix}"] if own.prefix else [])
            else:
                how = {"trusted": own.trusted, "prefix": own.prefix, "drop": own.drop}
                file = _stored(file, Path(folder), own.out, _say, **how)
            return _nf_gpu.cli(["nf-gpu", "import", *others, f"--out={own.out}", "--", str(file)])
    except (OSError, Error) as error:
        _say(f"error: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
