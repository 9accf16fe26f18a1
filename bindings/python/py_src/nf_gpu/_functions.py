"""The commands as functions."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from . import _data, _nf_gpu
from ._device import before_first
from ._errors import raised
from ._flags import described, line
from ._networks import Base, Generator, generator_file
from ._progress import listener
from ._results import Result, Run

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._arrays import ArrayLike
    from ._flag_types import EnergyFlags, EvalFlags, InjectFlags, ReportFlags, TrainFlags

AnyPath = Union[str, "os.PathLike[str]"]
#: A base network, or the path of its file.
AnyBase = Union[Base, AnyPath]
#: A name, a folder or a file, or the arrays `x_train`, `y_train`, `x_test`, `y_test`.
AnyData = Union[AnyPath, "Mapping[str, ArrayLike]"]
#: The functions that may open a device.
_ON_A_DEVICE = {"train", "eval", "inject"}
#: What happens in a run: a dictionary whose `event` says what it is.
Event = dict[str, Any]

def _call(
    command: str,
    arguments: dict[str, Any],
    on_event: Callable[[Event], object] | None = None,
    progress: bool = False,
) -> Any:
    base = arguments.get("base")
    if isinstance(base, Base):
        arguments = {**base.hints, **arguments, "base": base.path}
    # Where the command wants a file, a run stands for its generator.
    arguments = {name: _generators(value) if name in {"generator", "init"} else value for name, value in arguments.items()}
    if command in _ON_A_DEVICE:
        before_first()
    with raised(), listener(on_event, progress) as (hear, lines):
        document = _nf_gpu.call(command, line(command, arguments), hear, lines)
    return json.loads(document)


def _generators(value: Any) -> Any:
    return [generator_file(each) for each in value] if isinstance(value, (list, tuple)) else generator_file(value)


@described("train")
def train(
    base: AnyBase | None = None,
    *,
    data: AnyData | None = None,
    on_event: Callable[[Event], object] | None = None,
    progress: bool = True,
    **flags: Unpack[TrainFlags],
) -> Run:
    """Trains a NeuralFuse generator in front of a faulty base network.

    `on_event` is called with a dictionary for everything that happens (`event` is `started`, `step`, `evaluation`,
    `evaluating`, `note`, `checkpoint`, `recovery` or `finished`); an exception in it ends the run after a checkpoint.
    `progress` shows a bar where tqdm is installed, else lines on stderr. Ctrl-C writes a checkpoint, then raises
    KeyboardInterrupt: `train(resume=folder)` goes on. Other threads run meanwhile.

    >>> import nf_gpu, tempfile
    >>> folder = tempfile.mkdtemp() + "/run"
    >>> run = nf_gpu.train("models/vgg-small-fashion.safetensors", generator="UNetS", chip=1, ber=0.02, steps=2,
    ...                    batch_size=4, images=10, out=folder, progress=False)
    >>> run.result.evaluations[0]["generator"]["name"]
    'UNetS'
    """
    found = _call("train", {"base": base, "data": _data.place(data), **flags}, on_event, progress)
    return Run(found["folder"])


@described("eval")
def evaluate(
    base: AnyBase | None = None,
    *,
    data: AnyData | None = None,
    generator: AnyPath | Generator | Run | Sequence[AnyPath | Generator | Run] | None = None,
    on_event: Callable[[Event], object] | None = None,
    progress: bool = True,
    **flags: Unpack[EvalFlags],
) -> Result:
    """Accuracies with clean and with faulty weights, alone and behind generators.

    `seeds` may be a range, `ber` a list; several generators give several evaluations. Without a base, `merge` puts the
    documents of shares together.

    >>> import nf_gpu
    >>> result = nf_gpu.evaluate("models/vgg-small-fashion.safetensors", ber=[0.01, 0.02], seeds=range(7, 9), images=10,
    ...                          progress=False)
    >>> [row["seeds"] for row in result.json["perturbed"]]
    [[7, 8], [7, 8]]
    """
    arguments = {"base": base, "data": _data.place(data), "generator": generator, **flags}
    return Result(_call("eval", arguments, on_event, progress))


@described("inject")
def inject(base: AnyBase | None = None, *, out: AnyPath, **flags: Unpack[InjectFlags]) -> dict[str, Any]:
    """Writes a faulty copy of a network to `out`, and beside it the record to make it again, which is returned.

    >>> import nf_gpu, tempfile
    >>> record = nf_gpu.inject("models/vgg-small-fashion.safetensors", ber=0.01, seed=7,
    ...                        out=tempfile.mkdtemp() + "/faulty.safetensors")
    >>> 0 < record["flipped_bits"] < record["faulty_cells"] < record["stored_bits"]
    True
    """
    return _call("inject", {"base": base, "out": out, **flags})


@described("energy")
def energy(
    base: Base | str | None = None,
    *,
    generator: str | Generator | Run | Sequence[str | Generator | Run] | None = None,
    evaluations: AnyPath | Result | Run | Sequence[AnyPath | Result | Run] = (),
    **flags: Unpack[EnergyFlags],
) -> dict[str, Any]:
    """What networks cost, what a lower voltage saves, and the least energy for an accuracy: the document of
    `nf-gpu energy --json`. `base` and `generator` are names. With `min_accuracy`, `evaluations` are measured results.

    >>> import nf_gpu
    >>> found = nf_gpu.energy("resnet18", generator="ConvL", ber=0.01)
    >>> [round(saving["energy_saving_percent"], 1) for saving in found["savings"]]
    [30.6, 19.0]
    """
    arguments: dict[str, Any] = dict(flags)
    if isinstance(base, Base):
        arguments.setdefault("classes", base.classes)
    named = [generator] if isinstance(generator, (str, Generator, Run)) else generator or []
    if isinstance(base, Base):
        # Of an ONNX file the error says what measures its energy.
        base = os.fspath(base) if base.path.suffix.lower() == ".onnx" else base.model
    arguments["base"] = base
    named = [g.generator if isinstance(g, Run) else g for g in named]
    arguments["generator"] = [g.model if isinstance(g, Generator) else g for g in named] or None
    if isinstance(evaluations, (str, os.PathLike, Result)):
        evaluations = [evaluations]
    with tempfile.TemporaryDirectory(prefix="nf-gpu-") as folder:
        arguments["evaluations"] = [_document(e, folder, i) for i, e in enumerate(evaluations)]
        return _call("energy", arguments)


def _document(evaluation: AnyPath | Result | Run, folder: str, number: int) -> Path:
    """The file of an evaluation."""
    if isinstance(evaluation, Result):
        return evaluation.save(Path(folder) / f"{number}.json")
    return evaluation.folder / "eval.json" if isinstance(evaluation, Run) else Path(evaluation)


@described("report")
def report(*runs: AnyPath | Run, **flags: Unpack[ReportFlags]) -> Path:
    """One HTML page of a run, or of several beside each other; its path.

    `runs` are runs, their folders, or documents that `evaluate(..., out=FILE)` wrote.
    """
    return Path(_call("report", {"runs": runs, **flags})[0])


def devices() -> list[dict[str, Any]]:
    """The adapters of this machine, with what matters of them; `used` marks the one that would be used.

    >>> import nf_gpu
    >>> sum(device["used"] for device in nf_gpu.devices()) <= 1
    True
    """
    before_first()
    found = json.loads(_nf_gpu.devices())
    return [{**adapter, "used": adapter["index"] == found["used"]} for adapter in found["adapters"]]
