"""Writes classifiers as ONNX files, with one image each and what onnxruntime computes of it.

    python3 -m venv zoo && zoo/bin/pip install torch torchvision onnx onnxscript onnxruntime
    zoo/bin/python scripts/onnx_zoo.py FOLDER [PART-OF-NAME ...]

Weights are random, batch statistics too, and inputs small: what counts is that the network is read as it is meant.
"""

import logging
import os
import sys
import warnings

import numpy as np
import onnxruntime
import torch
import torchvision
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

# Classifiers of torchvision and the side of their images here.
TORCHVISION = {
    "alexnet": 224, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "efficientnet_v2_s": 32,
    "googlenet": 32, "inception_v3": 75, "mnasnet0_5": 32, "mnasnet1_0": 32, "mobilenet_v2": 32,
    "mobilenet_v3_large": 32, "mobilenet_v3_small": 32, "regnet_x_400mf": 32, "regnet_y_400mf": 32,
    "resnet18": 32, "resnet50": 32, "resnext50_32x4d": 32, "shufflenet_v2_x0_5": 32, "shufflenet_v2_x1_0": 32,
    "squeezenet1_0": 48, "squeezenet1_1": 48, "vgg11_bn": 224, "wide_resnet50_2": 32, "vit_b_16": 224,
    "swin_t": 32,
}


class Small(nn.Module):
    """Everything that torchvision's classifiers have not: one of each."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, (1, 7), stride=(2, 1), padding=(0, 3), bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.p = nn.PReLU(8)
        self.b = nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=4)
        self.t = nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1, output_padding=1)
        self.l = nn.LeakyReLU(0.1)
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True)
        self.pool2 = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        self.mp = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.fc = nn.Linear(18, 10)

    def forward(self, x):
        x = self.p(self.bn(self.a(x)))
        x = self.l(self.t(torch.tanh(self.b(x))))
        x = torch.cat([self.pool(x), self.pool2(x), self.mp(x)], 1)
        x = x / 2 - x.new_tensor([0.1] * 18).view(1, 18, 1, 1)
        x = nn.functional.pad(x, (1, 2, 0, 1), value=0.5)
        return torch.softmax(self.fc(x.mean((2, 3))), 1)


class Shuffled(nn.Module):
    """Shuffles, splits, slices and a spatial gate; a linear layer on a channels-last view."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.g = nn.Conv2d(8, 1, 1)
        self.b = nn.Conv2d(8, 8, 3, padding="same")
        self.fc = nn.Linear(8 * 8 * 8, 32)
        self.fc2 = nn.Linear(32, 7, bias=False)

    def forward(self, x):
        x = nn.functional.hardswish(self.a(x))
        n, c, h, w = x.shape
        x = x.view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)
        a, b = x.chunk(2, 1)
        x = self.b(a * torch.sigmoid(self.g(b)))
        x = x[:, :, ::2, 1::2]
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.fc2(nn.functional.silu(self.fc(x)))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(784, 32), nn.Linear(32, 10)

    def forward(self, x):
        return nn.functional.log_softmax(self.b(nn.functional.relu6(self.a(x.flatten(1)))), 1)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(2, 8, 5, stride=2, padding=2)
        self.bn, self.pool, self.fc = nn.BatchNorm1d(8), nn.MaxPool1d(2), nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.pool(torch.relu(self.bn(self.a(x)))).mean(2))


class Focus(nn.Module):
    """Space to depth as YOLO's: slices that are joined; then pixel unshuffle."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(12, 8, 3), nn.Conv2d(32, 8, 1), nn.Linear(8, 4)

    def forward(self, x):
        x = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)
        x = nn.functional.pixel_unshuffle(torch.relu(self.a(x)), 2)
        return self.fc(nn.functional.adaptive_max_pool2d(self.b(x), 1).flatten(1))


SMALL = {
    "small": (Small, (1, 28, 28)), "shuffled": (Shuffled, (3, 16, 16)), "mlp": (Mlp, (1, 28, 28)),
    "sequence": (Sequence, (2, 40)), "focus": (Focus, (3, 24, 24)),
}


def randomised(model):
    """Statistics and parameters of batch norms as after training; so that values neither vanish nor grow."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            for tensor, low, high in [
                (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.7, 1.3), (module.bias.data, -0.2, 0.2),
            ]:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    return model.eval()


def write(folder, name, model, shape, **options):
    path = os.path.join(folder, f"{name}.onnx")
    x = torch.rand((1, *shape), generator=torch.Generator().manual_seed(2)) * 2 - 1
    torch.onnx.export(model, x, path, input_names=["x"], output_names=["y"], verbose=False, **options)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # What our reader leaves out at the end is left out here too.
    stripped = strip(path)
    if stripped:
        session = onnxruntime.InferenceSession(stripped, providers=["CPUExecutionProvider"])
    y = session.run(None, {"x": x.numpy()})[0]
    np.save(os.path.join(folder, f"{name}.x.npy"), x.numpy()[0])
    np.save(os.path.join(folder, f"{name}.y.npy"), y[0])
    print(name, y.shape, os.path.getsize(path), flush=True)


def strip(path):
    import onnx

    model = onnx.load(path)
    last = model.graph.node[-1]
    if last.op_type not in ("Softmax", "LogSoftmax"):
        return None
    model.graph.output[0].name = last.input[0]
    del model.graph.node[-1]
    return model.SerializeToString()


def main():
    folder, wanted = sys.argv[1], sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(0)
    for name, side in TORCHVISION.items():
        for kind, options in {
            "": {"dynamo": False, "opset_version": 13},
            "-dynamic": {"dynamo": False, "opset_version": 11, "dynamic_axes": {"x": {0: "n"}}},
            "-dynamo": {"dynamo": True, "external_data": False},
        }.items():
            if wanted and not any(part in name + kind for part in wanted):
                continue
            extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
            if extra:
                extra["aux_logits"] = False
            try:
                model = randomised(torchvision.models.get_model(name, weights=None, num_classes=10, **extra))
                write(folder, name + kind, model, (3, side, side), **options)
            except Exception as error:  # An exporter's failure is no result of ours.
                print(name + kind, "is not exported:", str(error)[:200], flush=True)
    for name, (model, shape) in SMALL.items():
        for opset in (9, 11, 13, 17, 20):
            full = f"{name}-{opset}"
            if not wanted or any(part in full for part in wanted):
                try:
                    write(folder, full, randomised(model()), shape, dynamo=False, opset_version=opset)
                except Exception as error:
                    print(full, "is not exported:", str(error)[:200], flush=True)
        full = f"{name}-dynamo"
        if not wanted or any(part in full for part in wanted):
            write(folder, full, randomised(model()), shape, dynamo=True, external_data=False)


if __name__ == "__main__":
    main()
