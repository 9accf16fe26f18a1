#!/usr/bin/env python3
"""Writes the four idx.gz files of this folder from the full Fashion-MNIST.

    python3 datasets/sample/make.py /usr/share/datasets/fashion-mnist

The argument is the folder of the official files (Debian: apt-get install dataset-fashion-mnist).
Of each of the 10 classes the first 200 training and the first 100 test images are taken, in the
order of the original files. The output is the same bytes every time (zlib of the same version).
"""

import gzip
import struct
import sys
from pathlib import Path

CLASSES, SIDE = 10, 28


def read(path, magic, dims):
    data = gzip.decompress(path.read_bytes())
    head = struct.unpack_from(f">{dims + 1}I", data)
    assert head[0] == magic, f"{path}: magic {head[0]:#x}"
    return head[1:], data[4 * (dims + 1):]


def write(path, magic, dims, body):
    raw = struct.pack(f">{len(dims) + 1}I", magic, *dims) + body
    path.write_bytes(gzip.compress(raw, 9, mtime=0))
    print(f"{path.name}: {dims}, {path.stat().st_size} bytes")


source, target = Path(sys.argv[1]), Path(__file__).parent
for prefix, per_class in ("train", 200), ("t10k", 100):
    (n, h, w), pixels = read(source / f"{prefix}-images-idx3-ubyte.gz", 0x803, 3)
    (m,), labels = read(source / f"{prefix}-labels-idx1-ubyte.gz", 0x801, 1)
    assert (m, h, w) == (n, SIDE, SIDE)
    left = [per_class] * CLASSES
    chosen = []
    for i, label in enumerate(labels):
        if left[label]:
            left[label] -= 1
            chosen.append(i)
    size = SIDE * SIDE
    body = b"".join(pixels[i * size:(i + 1) * size] for i in chosen)
    write(target / f"{prefix}-images-idx3-ubyte.gz", 0x803, (len(chosen), SIDE, SIDE), body)
    write(target / f"{prefix}-labels-idx1-ubyte.gz", 0x801, (len(chosen),),
          bytes(labels[i] for i in chosen))
