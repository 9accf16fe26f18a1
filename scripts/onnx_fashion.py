"""Trains the classifier of kernels-tests/fixtures/onnx/fashion.onnx: five layers on grey 28x28 images of the
embedded sample of Fashion-MNIST, with what users' networks have: batch norm, a depthwise convolution, ReLU6,
squeeze-and-excite, hard swish. Needs torch and onnx.

    python scripts/onnx_fashion.py kernels-tests/fixtures/onnx/fashion.onnx
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

SAMPLE = Path(__file__).parent.parent / "datasets/sample"


def images(name):
    data = gzip.open(SAMPLE / f"{name}-images-idx3-ubyte.gz").read()
    pixels = np.frombuffer(data, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return torch.tensor(pixels.astype(np.float32) / 127.5 - 1)


def labels(name):
    data = gzip.open(SAMPLE / f"{name}-labels-idx1-ubyte.gz").read()
    return torch.tensor(np.frombuffer(data, np.uint8, offset=8).astype(np.int64))


class Gate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(c, 4, 1), nn.Conv2d(4, c, 1)

    def forward(self, x):
        gate = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(gate)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6(),
        nn.Conv2d(12, 12, 3, 1, 1, groups=12, bias=False), nn.BatchNorm2d(12), nn.ReLU6(),
        Gate(12), nn.Conv2d(12, 24, (1, 3), (1, 2), (0, 1)), nn.Hardswish(),
        nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(24 * 7 * 4, 10),
    )


def main(out):
    torch.manual_seed(1)
    net, x, y = network(), images("train"), labels("train")
    optimiser = torch.optim.Adam(net.parameters(), 3e-3, weight_decay=1e-4)
    for _ in range(700):
        batch = torch.randint(0, len(x), (64,))
        loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()
    with torch.no_grad():
        right = (net(images("t10k")).argmax(1) == labels("t10k")).float().mean().item()
    print(f"{100 * right:.1f} % of the test images")
    names = {"input_names": ["image"], "output_names": ["scores"]}
    axes = {"image": {0: "batch"}, "scores": {0: "batch"}}
    # Batch norms stay nodes of their own, as they do in files of other exporters.
    keep = torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(net, torch.zeros(1, 1, 28, 28), out, dynamic_axes=axes, opset_version=13,
                      dynamo=False, training=keep, do_constant_folding=False, **names)


if __name__ == "__main__":
    main(sys.argv[1])
