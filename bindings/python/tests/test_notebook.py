"""The notebook runs from its first cell to its last."""

import importlib.util
import json
import subprocess
import sys

import pytest
from conftest import ROOT

NOTEBOOK = ROOT / "docs/notebook.ipynb"


def test_the_notebook_runs(tmp_path):
    missing = [name for name in ("torch", "onnxscript", "matplotlib", "nbconvert", "ipykernel") if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"the notebook needs {', '.join(missing)}")
    line = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", NOTEBOOK, "--output-dir", tmp_path]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "notebook.ipynb").read_text())["cells"]
    assert len(cells) == 10
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    assert sum("image/png" in data for data in outputs) == 4
    assert any("PA(NF)" in "".join(data.get("text/html", "")) for data in outputs)


def test_the_notebook_is_kept_without_outputs():
    """Outputs are of one machine and one day."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
