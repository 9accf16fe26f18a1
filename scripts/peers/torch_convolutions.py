"""PyTorch's convolutions at the shapes of a report of `nf-gpu bench`, as a report to set beside it.

    nf-gpu bench --kernel 'conv2d*' --out ours.json
    python torch_convolutions.py ours.json --out torch.json     # on CUDA where there is one, else on all cores
    nf-gpu bench --compare ours.json torch.json

Forward, input gradient and weight gradient in f32 (no TF32), each with images contiguous and with channels last; the
faster of the two is the one that is compared. What ours fuses into a convolution is left out, which the variant says.
Before anything is timed, PyTorch's results of two small shapes are compared with sums as they are defined, in f64.
Needs torch.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import time
from typing import NamedTuple

import torch

SHAPE = re.compile(
    r"\[n=(\d+) h=(\d+) w=(\d+) c=(\d+)\] \[r=(\d+) s=(\d+) c=(\d+) k=(\d+)\](?: stride (\d+) padding (\d+))?"
)
PASSES = {
    "conv2d forward": "forward",
    "conv2d input gradient": "input gradient",
    "conv2d weight gradient": "weight gradient",
}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


class Convolution(NamedTuple):
    n: int
    h: int
    w: int
    c: int
    r: int
    s: int
    k: int
    stride: int
    padding: int

    def output(self):
        def of(extent, kernel):
            return (extent + 2 * self.padding - kernel) // self.stride + 1

        return of(self.h, self.r), of(self.w, self.s)


def parse(case):
    """The case as a plain convolution in f32 and a pass, or None: it has groups, or is transposed, or in f16."""
    found = SHAPE.fullmatch(case["shape"])
    role = PASSES.get(case["case"].removesuffix(", fused"))
    if not found or not role:
        return None
    n, h, w, c, r, s, of_c, k = (int(extent) for extent in found.groups()[:8])
    # Unsaid: the output is as large as the input.
    stride, padding = (1, r // 2) if found[9] is None else (int(found[9]), int(found[10]))
    if c != of_c or (found[9] is None and (r != s or r % 2 == 0)):
        return None
    return Convolution(n, h, w, c, r, s, k, stride, padding), role


def tensors(conv, device, layout):
    """Input, weights and the output's gradient."""
    random = torch.Generator().manual_seed(1)
    shapes = (conv.n, conv.c, conv.h, conv.w), (conv.k, conv.c, conv.r, conv.s), (conv.n, conv.k, *conv.output())
    made = (torch.rand(shape, generator=random) * 2 - 1 for shape in shapes)
    return [values.to(device).contiguous(memory_format=LAYOUTS[layout]) for values in made]


def computation(conv, role, operands):
    """A function that computes the pass."""
    x, w, dy = operands
    window = [conv.stride] * 2, [conv.padding] * 2, [1, 1]
    if role == "forward":
        return lambda: torch.nn.functional.conv2d(x, w, None, *window)
    wanted = [role == "input gradient", role == "weight gradient", False]
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(dy, x, w, None, *window, False, [0, 0], 1, wanted)[wanted.index(True)]


def definition(conv, operands):
    """The results of all passes: every product of every sum, added up in f64."""
    x, w, dy = (values.cpu().double() for values in operands)
    y, dx, dw = torch.zeros_like(dy), torch.zeros_like(x), torch.zeros_like(w)
    rows, columns = conv.output()
    for r in range(conv.r):
        for s in range(conv.s):
            for i in range(rows):
                for j in range(columns):
                    a, b = i * conv.stride + r - conv.padding, j * conv.stride + s - conv.padding
                    if not (0 <= a < conv.h and 0 <= b < conv.w):
                        continue
                    y[:, :, i, j] += x[:, :, a, b] @ w[:, :, r, s].T
                    dx[:, :, a, b] += dy[:, :, i, j] @ w[:, :, r, s]
                    dw[:, :, r, s] += dy[:, :, i, j].T @ x[:, :, a, b]
    return {"forward": y, "input gradient": dx, "weight gradient": dw}


def check(device):
    for stride in (1, 2):
        conv = Convolution(2, 9, 7, 5, 3, 3, 6, stride, 1)
        for layout in LAYOUTS:
            operands = tensors(conv, device, layout)
            for role, want in definition(conv, operands).items():
                got = computation(conv, role, operands)().cpu().double()
                error = ((got - want).norm() / want.norm()).item()
                # Written so that no number fails too.
                if not error <= 1e-5:
                    sys.exit(f"error: {role} of {conv}, {layout}, is wrong: relative error {error:.1e}, bound 1e-5")


def seconds(run, device, budget, least):
    """Seconds of each repeat, after two that do not count: the first chooses among cuDNN's algorithms."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    run()
    run()
    wait()
    started, times = time.perf_counter(), []
    while len(times) < least or time.perf_counter() - started < budget:
        begin = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - begin)
    return times


def statistics_of(times):
    ms = sorted(1e3 * t for t in times)
    quartiles = statistics.quantiles(ms, n=4, method="inclusive") if len(ms) > 1 else ms * 3
    return {
        "samples": len(ms),
        "min_ms": ms[0],
        "lower_ms": quartiles[0],
        "median_ms": quartiles[1],
        "upper_ms": quartiles[2],
    }


def measured(ours, device):
    """The cases of the report: each of ours that is a plain convolution, in both layouts."""
    settings = ours.get("settings") or {}
    budget, least = settings.get("kernel_ms", 600) / 1e3, settings.get("samples", 5)
    times, cases, seen = {}, [], set()
    for case in ours["cases"]:
        if not case["kernel"].startswith("conv2d") or (case["case"], case["shape"]) in seen:
            continue
        seen.add((case["case"], case["shape"]))
        plain = parse(case)
        if plain is None:
            print(f"left out: {case['case']} {case['shape']}", file=sys.stderr)
            continue
        # Fused or not, the plain convolution is one.
        if plain not in times:
            times[plain] = {}
            for layout in LAYOUTS:
                run = computation(*plain, tensors(plain[0], device, layout))
                times[plain][layout] = statistics_of(seconds(run, device, budget, least))
        fastest = min(LAYOUTS, key=lambda layout: times[plain][layout]["median_ms"])
        for layout, taken in times[plain].items():
            median = taken["median_ms"]
            cases.append(
                {name: case[name] for name in ("kernel", "case", "shape", "flops", "bytes")}
                | {
                    "networks": case.get("networks", []),
                    "variant": layout + (", nothing fused" if case["case"].endswith(", fused") else ""),
                    "chosen": layout == fastest,
                    "clock": "host",
                    "gflops": case["flops"] / median / 1e6,
                    "gb_s": case["bytes"] / median / 1e6,
                }
                | taken
            )
        median = times[plain][fastest]["median_ms"]
        print(f"{case['case']} {case['shape']}: {median:.2f} ms, {fastest}", file=sys.stderr)
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=pathlib.Path, help="a report of nf-gpu bench: its shapes and repeats are taken")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the report")
    parser.add_argument("--device", choices=("cuda", "cpu"))
    arguments = parser.parse_args()

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    ours = json.loads(arguments.ours.read_text())
    check(device)
    cuda = device == "cuda"
    threads = "" if cuda else f", {torch.get_num_threads()} threads"
    report = {
        "version": 1,
        "adapter": {
            "name": torch.cuda.get_device_name() if cuda else "CPU",
            "backend": device,
            "driver": f"PyTorch {torch.__version__}{threads}",
            "kind": "discrete" if cuda else "cpu",
        },
        "commit": f"torch {torch.__version__}",
        "clock": "host",
        "cases": measured(ours, device),
        "settings": ours.get("settings"),
    }
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
