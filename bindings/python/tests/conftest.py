"""What the tests share. They run on any adapter, the software one too."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
# No kernels are measured beforehand: the results are the same.
os.environ.setdefault("NF_GPU_NO_TUNE", "1")


@pytest.fixture
def base():
    """A trained network whose data set is in the program itself."""
    return ROOT / "models/vgg-small-fashion.safetensors"


@pytest.fixture
def short():
    """Flags of a training of seconds."""
    return {"generator": "UNetS", "chip": 1, "ber": 0.02, "steps": 2, "batch_size": 4, "images": 10, "progress": False}


@pytest.fixture
def command(tmp_path):
    """Runs the command of the package in a folder of its own; NF_GPU_BINARY names the binary to compare it with."""

    def run(*line, binary=False, check=True):
        program = [os.environ["NF_GPU_BINARY"]] if binary else [sys.executable, "-m", "nf_gpu"]
        done = subprocess.run([*program, *map(str, line)], cwd=tmp_path, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run
