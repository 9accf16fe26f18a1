"""What a user writes, for pyright: the types of arguments and results. Nothing runs this file."""

from pathlib import Path
from typing import Any

import nf_gpu
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

base = nf_gpu.Base.load("base.safetensors", input_mean=(0.5, 0.5, 0.5))
run = nf_gpu.train(base, data="cifar10", generator="ConvS", ber=0.01, chip=1, lambda_=5, out=Path("runs/x"))
assert_type(run, nf_gpu.Run)
assert_type(nf_gpu.train(resume=run.folder, on_event=lambda event: print(event["event"])), nf_gpu.Run)
result = nf_gpu.evaluate(Path("b"), generator=[run.generator, "g"], ber=[0.01, 0.02], seeds=range(7, 9), per_class=True)
assert_type(result, nf_gpu.Result)
assert_type(result.json, dict[str, Any])
assert_type(nf_gpu.inject(base, out="faulty.safetensors", bits="0-6")["flipped_bits"], Any)
assert_type(nf_gpu.report(run, "runs/y", title="two"), Path)
assert_type(nf_gpu.energy("resnet18", generator="ConvL", voltage=0.83), dict[str, Any])
assert_type(run.generator(np.zeros((1, 3, 32, 32))), NDArray[np.float32])
assert_type(nf_gpu.fault_mask(1, 0, 4, 0.01).to_1, NDArray[np.uint32])
nf_gpu.train(base, nonsense=1)  # pyright: ignore[reportCallIssue]
nf_gpu.train(base, steps="many")  # pyright: ignore[reportArgumentType]
nf_gpu.evaluate(base, dtype="f64")  # pyright: ignore[reportArgumentType]
