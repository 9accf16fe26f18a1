"""The paper's base networks in PyTorch, plain, with the names of the reference code, to compare ours with."""

import torch
from nf_gpu.torch import fake_quantize
from torch import nn
from torch.nn import functional


class Conv2d(nn.Conv2d):
    """A convolution with fake-quantised weights (`bits`; None for plain ones)."""

    bits = 8

    def forward(self, x):
        return self._conv_forward(x, fake_quantize(self.weight, self.bits), self.bias)


class Linear(nn.Linear):
    bits = 8

    def forward(self, x):
        return functional.linear(x, fake_quantize(self.weight, self.bits), self.bias)


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1 with `widen` times the channels."""

    def __init__(self, c, k, stride, widen=None, option_a=False):
        super().__init__()
        out = k * (widen or 1)
        shapes = [(c, k, 3, stride), (k, k, 3, 1)]
        if widen:
            shapes = [(c, k, 1, 1), (k, k, 3, stride), (k, out, 1, 1)]
        self.count = len(shapes)
        for i, (c_in, c_out, size, step) in enumerate(shapes, 1):
            conv = Conv2d(c_in, c_out, size, step, padding=size // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(c_out))
        self.pad = (out - c) // 2 if option_a and stride > 1 else None
        self.shortcut = nn.Sequential()
        if not option_a and (stride > 1 or c != out):
            self.shortcut = nn.Sequential(Conv2d(c, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = torch.relu(y) if i < self.count else y
        if self.pad is not None:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return torch.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, classes, blocks, channels, widen=None, option_a=False):
        super().__init__()
        c = channels[0]
        self.conv1 = Conv2d(3, c, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.stages = len(blocks)
        for stage, (count, k) in enumerate(zip(blocks, channels), 1):
            layers = []
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                layers.append(Block(c, k, stride, widen, option_a))
                c = k * (widen or 1)
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.linear = Linear(c, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.linear(x.mean((2, 3)))


class Vgg(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        layers, c = [], 3
        for k in channels:
            if k == "max":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [Conv2d(c, k, 3, padding=1), nn.BatchNorm2d(k), nn.ReLU()]
                c = k
        self.features = nn.Sequential(*layers)
        self.classifier = Linear(c, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Normalise(nn.Module):
    """What a base network expects of images in [-1, 1]."""

    def __init__(self, mean=None, std=None):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x):
        if self.mean is None:
            return x
        mean, std = (x.new_tensor(value).view(1, 3, 1, 1) for value in (self.mean, self.std))
        return ((x + 1) / 2 - mean) / std


class VggSmall(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features, c = nn.ModuleList(), 3
        for k in (32, 64, 128, 128):
            layer = nn.Module()
            layer.conv, layer.bn = Conv2d(c, k, 3, padding=1, bias=False), nn.BatchNorm2d(k)
            self.features.append(layer)
            c = k
        self.classifier = Linear(c, classes)

    def forward(self, x):
        for i, layer in enumerate(self.features):
            x = torch.relu(layer.bn(layer.conv(x)))
            x = functional.max_pool2d(x, 2) if i < 2 else x
        return self.classifier(x.mean((2, 3)))


def vgg(classes, *counts):
    channels = zip((64, 128, 256, 512, 512), counts)
    return Vgg(classes, [step for k, count in channels for step in [k] * count + ["max"]])


def small_resnet(classes, n):
    return ResNet(classes, [n] * 3, (16, 32, 64), option_a=True)


WIDE = (64, 128, 256, 512)
BASES = {
    "vgg-small": VggSmall,
    "resnet20": lambda classes: small_resnet(classes, 3),
    "resnet32": lambda classes: small_resnet(classes, 5),
    "resnet44": lambda classes: small_resnet(classes, 7),
    "resnet56": lambda classes: small_resnet(classes, 9),
    "resnet18": lambda classes: ResNet(classes, (2, 2, 2, 2), WIDE),
    "resnet50": lambda classes: ResNet(classes, (3, 4, 6, 3), WIDE, widen=4),
    "vgg11": lambda classes: vgg(classes, 1, 1, 2, 2, 2),
    "vgg16": lambda classes: vgg(classes, 2, 2, 3, 3, 3),
    "vgg19": lambda classes: vgg(classes, 2, 2, 4, 4, 4),
}
