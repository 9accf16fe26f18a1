"""The command in the package, its types and its examples."""

import doctest
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import subprocess
import sys

import nf_gpu
import numpy as np
import pytest
from conftest import ROOT
from nf_gpu import _flags

HOME = pathlib.Path(__file__).parents[1]


def test_the_command_is_the_binary(command):
    if "NF_GPU_BINARY" not in os.environ:
        pytest.skip("NF_GPU_BINARY does not name the binary")
    for line in (["--help"], ["train", "--help"], ["--version"], ["trains"], ["eval"], ["energy", "--table"], []):
        ours, theirs = command(*line, check=False), command(*line, binary=True, check=False)
        assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr), line


def test_the_script_is_installed(tmp_path):
    script = pathlib.Path(sys.executable).parent / ("nf-gpu.exe" if os.name == "nt" else "nf-gpu")
    if not script.exists():
        pytest.skip(f"{script} is not there: the package is not installed, but on a path")
    done = subprocess.run([script, "energy", "--base", "nothing"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: unknown model")
    # What the reader does not want to read any more is no error.
    line = f"{script} energy --table | head -n 1"
    assert subprocess.run(line, shell=True, capture_output=True, text=True).stderr == ""


def test_types_hold():
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    line = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(line, cwd=HOME, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] > 15
    found = [d for d in told["generalDiagnostics"] if d["severity"] == "error"]
    if importlib.util.find_spec("torch") is None:
        # What is made of PyTorch cannot be checked without it.
        of_torch = ("torch.py", "_interpreter.py", "_checkpoints.py")
        found = [d for d in found if not d["file"].endswith(of_torch) and '"torch"' not in d["message"]]
    assert not found, found
    subprocess.run([sys.executable, HOME / "flag_types.py", "--check"], check=True)


def test_signatures_have_every_flag():
    parameters = inspect.signature(nf_gpu.train).parameters
    assert {"base", "data", "generator", "ber", "chip", "lambda_", "resume", "no_tune"} <= set(parameters)
    assert not {"json", "quiet"} & set(parameters)
    assert parameters["lambda_"].default == "5" and parameters["ber"].default is None
    assert "Perturbed copies of the base per step" in (nf_gpu.train.__doc__ or "")


def test_keyword_arguments_are_flags():
    line = _flags.line("eval", {"base": pathlib.Path("b"), "generator": ["x", "y"], "ber": (0.01, 1e-5), "per_class": True})
    assert line == ["--base=b", "--generator=x", "--generator=y", "--ber=0.01,1e-05", "--per-class"]
    assert _flags.line("train", {"lambda_": 2, "data": "cifar10", "seed": None, "profile": True}) == [
        "--lambda=2",
        "--dataset=cifar10",
        "--profile",
    ]
    numbers = {"ber": np.array([0.01, 0.02]), "seeds": np.arange(2), "images": np.int64(3), "per_class": np.True_, "chip": np.array(4)}
    line = ["--ber=0.01,0.02", "--seeds=0,1", "--images=3", "--per-class", "--chip=4"]
    assert _flags.line("eval", {**numbers, "confusion": np.False_}) == line
    assert _flags.line("train", {"out": b"runs/x"}) == ["--out=runs/x"]
    for wrong, what in (({"out": ["a", "b"]}, "2 paths"), ({"base": object()}, "object is no value")):
        with pytest.raises(nf_gpu.UsageError, match=what):
            _flags.line("train", wrong)
    assert _flags.line("report", {"runs": ["-a", "b"], "title": "t"}) == ["--title=t", "--", "-a", "b"]


@pytest.mark.parametrize(
    "name", ["nf_gpu", "nf_gpu._faults", "nf_gpu._functions", "nf_gpu._networks", "nf_gpu._results", "nf_gpu.torch"]
)
def test_examples_run(name, monkeypatch):
    if name.endswith("torch"):
        pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(name)
    found = doctest.testmod(module)
    assert found.failed == 0
