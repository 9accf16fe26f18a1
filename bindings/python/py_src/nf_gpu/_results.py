"""What runs and evaluations give."""

from __future__ import annotations

import base64
import csv
import html
import importlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from . import _nf_gpu
from ._networks import Generator

if TYPE_CHECKING:
    import pandas

    #: A DataFrame where pandas is installed, else a list with a dictionary for each row.
    Table = Union[pandas.DataFrame, list[dict[str, Any]]]

#: Columns of words; in all others a cell is a number, or empty.
_WORDS = {"base", "base_sha256", "generator", "generator_sha256", "dtype", "dataset", "measure", "faults"}
_WIDTH = 100


def table_of(rows: list[dict[str, Any]]) -> Table:
    """Rows as a DataFrame where pandas is installed."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        return rows
    return pandas.DataFrame(rows)


def _cell(column: str, text: str) -> Any:
    if column in _WORDS:
        return text or None
    if not text:
        return None
    # A column with a unit has fractions, though a cell may have none.
    return float(text) if column.endswith(")") and "bits" not in column else int(text)


class Result:
    """An evaluation: accuracies with clean and with faulty weights, alone and behind generators.

    >>> import nf_gpu
    >>> result = nf_gpu.Result({"runs": []})
    >>> result.evaluations
    []
    """

    #: The document of `nf-gpu eval --json`, parsed. Accuracies are per cent.
    json: dict[str, Any]

    def __init__(self, document: dict[str, Any]) -> None:
        self.json = document

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Reads a document that `eval --out` or a run wrote (`eval.json`)."""
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """One document for each generator, or the only one."""
        return self.json["runs"] if "runs" in self.json else [self.json]

    def save(self, path: str | Path) -> Path:
        """Writes the document, which `nf-gpu report` reads."""
        Path(path).write_text(json.dumps(self.json, indent=2) + "\n", encoding="utf-8")
        return Path(path)

    def table(self) -> Table:
        """A row for each fault map, with the columns of `nf-gpu eval --csv`: `ber (fraction)`, `seed`,
        `accuracy (%)`, `accuracy_nf (%)`, `flipped_bits` and more."""
        rows = csv.DictReader(io.StringIO(_nf_gpu.maps(json.dumps(self.json)), newline=""))
        return table_of([{name: _cell(name, text) for name, text in row.items()} for row in rows])

    def __str__(self) -> str:
        return "\n".join(_nf_gpu.table(json.dumps(self.json), _WIDTH)).rstrip("\n")

    def __repr__(self) -> str:
        names = [(e["base"]["model"], e.get("generator", {}).get("name", "no generator")) for e in self.evaluations]
        return f"<nf_gpu.Result: {'; '.join(f'{base}, {generator}' for base, generator in names)}>"

    def _repr_html_(self) -> str:
        # Pages of notebooks give text a font of their own, in which columns do not line up.
        return f'<pre style="font-family: monospace">{html.escape(str(self))}</pre>'


class Run:
    """A run of `nf_gpu.train`: its folder, with everything that was written into it."""

    #: The folder of the run.
    folder: Path
    #: The evaluation at its end; None for a run that was interrupted.
    result: Result | None

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        done = self.folder / "eval.json"
        self.result = Result.load(done) if done.exists() else None

    def __fspath__(self) -> str:
        """The folder: a run serves wherever a path to one does."""
        return os.fspath(self.folder)

    @property
    def generator(self) -> Generator:
        """The trained generator."""
        return Generator.load(self.folder / "generator.safetensors")

    def table(self) -> Table:
        """A row for each fault map of the evaluation at the end, as `Result.table`."""
        return self.result.table() if self.result else table_of([])

    def metrics(self) -> Table:
        """A row for each line of `metrics.jsonl`: steps (losses, `images_per_s`), evaluations, recoveries."""
        file = self.folder / "metrics.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return table_of([json.loads(line) for line in lines])

    def __repr__(self) -> str:
        state = repr(self.result) if self.result else "not complete"
        return f"<nf_gpu.Run {self.folder}: {state}>"

    def _repr_html_(self) -> str:
        parts = [f"<p><code>{html.escape(str(self.folder))}</code></p>"]
        parts += [self.result._repr_html_()] if self.result else ["<p>The run is not complete.</p>"]
        for name, kind in (("curves.svg", "svg+xml"), ("images.png", "png")):
            file = self.folder / name
            if file.exists():
                data = base64.b64encode(file.read_bytes()).decode("ascii")
                parts.append(f'<img alt="{name}" src="data:image/{kind};base64,{data}"/>')
        return "".join(parts)
