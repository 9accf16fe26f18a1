"""Makes the quantised networks of kernels-tests/fixtures/onnx/int8, each with images and what onnxruntime computes of them.

    python3 -m venv zoo && zoo/bin/pip install onnx onnxruntime
    zoo/bin/python scripts/onnx_quantised_fixtures.py kernels-tests/fixtures/onnx/int8

The images are the initialiser `#xs` and the results `#ys`, which no node reads; onnxruntime's optimisations are off, so
that every operator is computed as it is written. One network with what classifiers have goes through quantize_static in
eight forms: QDQ and QOperator, a scale per tensor and per channel, int8 and uint8. Three more are written by hand:
words of four bits, floats on a grid with QuantizeLinear in front (as PyTorch's exporter writes them), and a transposed
convolution whose channels have their own scales. fashion.onnx is the classifier of the folder above, quantised with the
embedded sample of Fashion-MNIST; it has no images.
"""

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

rng = np.random.default_rng(7)
node = helper.make_node
IMAGES = 24


def weights(*shape, scale=0.4):
    # Channels of different sizes, so that scales of their own matter.
    sizes = np.exp(rng.uniform(-1, 1, (shape[0],) + (1,) * (len(shape) - 1)))
    return (rng.standard_normal(shape) * scale * sizes).astype(np.float32)


def network():
    nodes = [
        node("Conv", ["x", "stem.w", "stem.b"], ["c1"], name="stem", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "depthwise.w", "depthwise.b"], ["c2"], name="depthwise", pads=[1, 1, 1, 1], group=8),
        node("Clip", ["c2", "zero", "six"], ["r2"]),
        node("MaxPool", ["r2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "point.w"], ["c3"], name="point"),
        node("Add", ["c3", "p"], ["sum"]),
        node("GlobalAveragePool", ["sum"], ["squeeze"]),
        node("Conv", ["squeeze", "excite.w", "excite.b"], ["e"], name="excite"),
        node("Sigmoid", ["e"], ["gate"]),
        node("Mul", ["sum", "gate"], ["gated"]),
        node("Concat", ["gated", "p"], ["both"], axis=1),
        # Of nine: a mean of four numbers on one grid lies half-way between two steps in one case of four.
        node("AveragePool", ["both"], ["mean"], kernel_shape=[3, 3]),
        node("Flatten", ["mean"], ["flat"]),
        node("Gemm", ["flat", "head.w", "head.b"], ["y"], name="head", transB=1),
    ]
    tensors = {
        "stem.w": weights(8, 3, 3, 3), "stem.b": weights(8), "depthwise.w": weights(8, 1, 3, 3), "depthwise.b": weights(8),
        "point.w": weights(8, 8, 1, 1), "excite.w": weights(8, 8, 1, 1), "excite.b": weights(8), "zero": np.float32(0),
        "six": np.float32(6), "head.w": weights(5, 64, scale=0.2), "head.b": weights(5),
    }
    return model(nodes, tensors, (3, 8, 8), 5, 17)


def model(nodes, tensors, chw, classes, opset, extra=(), domains=()):
    info = helper.make_tensor_value_info
    stored = [t if isinstance(t, TensorProto) else numpy_helper.from_array(np.asarray(t), n) for n, t in tensors.items()]
    graph = helper.make_graph(
        nodes, "net", [info("x", TensorProto.FLOAT, ["n", *chw])], [info("y", TensorProto.FLOAT, ["n", classes])],
        stored + list(extra),
    )
    opsets = [helper.make_opsetid("", opset), *[helper.make_opsetid(name, 1) for name in domains]]
    made = helper.make_model(graph, opset_imports=opsets, producer_name="nf-gpu")
    made.ir_version = 10
    return made


class Reader(CalibrationDataReader):
    def __init__(self, images, name="x"):
        self.left = [{name: images[i : i + 8]} for i in range(0, len(images), 8)]

    def get_next(self):
        return self.left.pop(0) if self.left else None


def answered(folder, name, made):
    """Adds the images and onnxruntime's answers, and writes the file."""
    chw = [dim.dim_value for dim in made.graph.input[0].type.tensor_type.shape.dim[1:]]
    x = rng.uniform(-1, 1, (IMAGES, *chw)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y = np.concatenate([session.run(None, {"x": image[None]})[0] for image in x])
    made.graph.initializer.extend([numpy_helper.from_array(x, "#xs"), numpy_helper.from_array(y, "#ys")])
    path = os.path.join(folder, f"{name}.onnx")
    onnx.save(made, path)
    print(name, y.std(), os.path.getsize(path))


def by_onnxruntime(folder):
    source = os.path.join(folder, "float.onnx.part")
    onnx.save(network(), source)
    images = rng.uniform(-1, 1, (64, 3, 8, 8)).astype(np.float32)
    for form in ("qdq", "qoperator"):
        for per_channel in (False, True):
            for kind in ("s8", "u8"):
                name = f"{form}-{'channel' if per_channel else 'tensor'}-{kind}"
                to, word = os.path.join(folder, "quantised.part"), QuantType.QInt8 if kind == "s8" else QuantType.QUInt8
                quantize_static(
                    source, to, Reader(images), quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator,
                    per_channel=per_channel, activation_type=word, weight_type=word,
                )
                made = onnx.load(to)
                del made.metadata_props[:]
                answered(folder, name, made)
                os.remove(to)
    os.remove(source)


def four_bits(folder):
    """Words of four bits with a scale and a zero point for each output channel, and of the head with one of each."""
    w, head = rng.integers(-8, 8, (6, 3, 3, 3)), rng.integers(0, 16, (5, 6))
    tensors = {
        "w": helper.make_tensor("w", TensorProto.INT4, w.shape, w.flatten()),
        "w.scale": np.float32(rng.uniform(0.05, 0.2, 6)),
        "w.zero": helper.make_tensor("w.zero", TensorProto.INT4, [6], rng.integers(-3, 4, 6)),
        "head": helper.make_tensor("head", TensorProto.UINT4, head.shape, head.flatten()),
        "head.scale": np.float32(0.11),
        "head.zero": helper.make_tensor("head.zero", TensorProto.UINT4, [], [7]),
        "b": weights(6),
    }
    nodes = [
        node("DequantizeLinear", ["w", "w.scale", "w.zero"], ["wf"], axis=0),
        node("Conv", ["x", "wf", "b"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["f"]),
        node("DequantizeLinear", ["head", "head.scale", "head.zero"], ["hf"]),
        node("Gemm", ["f", "hf"], ["y"], transB=1),
    ]
    answered(folder, "four-bits", model(nodes, tensors, (3, 6, 6), 5, 21))


def by_exporter(folder):
    """Floats with QuantizeLinear and DequantizeLinear behind them, and words transposed before a MatMul."""
    scale = np.float32(rng.uniform(0.01, 0.02, 6))
    w = weights(6, 3, 3, 3)
    words = rng.integers(-127, 128, (5, 54)).astype(np.int8)
    tensors = {
        "w": w, "w.scale": scale, "w.zero": np.zeros(6, np.int8), "x.scale": np.float32(2 / 255), "x.zero": np.uint8(128),
        "m": words, "m.scale": np.float32(rng.uniform(0.005, 0.02, 5)), "m.zero": np.zeros(5, np.int8), "mb": weights(5),
        "r.scale": np.float32(0.03), "r.zero": np.uint8(0),
    }
    nodes = [
        node("QuantizeLinear", ["x", "x.scale", "x.zero"], ["xq"]), node("DequantizeLinear", ["xq", "x.scale", "x.zero"], ["xf"]),
        node("QuantizeLinear", ["w", "w.scale", "w.zero"], ["wq"], axis=0),
        node("DequantizeLinear", ["wq", "w.scale", "w.zero"], ["wf"], axis=0),
        node("Conv", ["xf", "wf"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        # No Relu: the unsigned words without a zero point are one, as onnxruntime's quantiser leaves it.
        node("QuantizeLinear", ["c", "r.scale", "r.zero"], ["cq"]), node("DequantizeLinear", ["cq", "r.scale", "r.zero"], ["cf"]),
        node("Flatten", ["cf"], ["f"]),
        node("DequantizeLinear", ["m", "m.scale", "m.zero"], ["mf"], axis=0), node("Transpose", ["mf"], ["mt"], perm=[1, 0]),
        node("MatMul", ["f", "mt"], ["mm"]), node("Add", ["mm", "mb"], ["y"]),
    ]
    answered(folder, "exporter", model(nodes, tensors, (3, 6, 6), 5, 17))


def transposed(folder):
    """A transposed convolution, whose output channels are the second axis, and a matrix [inputs, outputs]."""
    tensors = {
        "w": rng.integers(0, 256, (3, 4, 3, 3)).astype(np.uint8), "w.scale": np.float32(rng.uniform(0.002, 0.01, 4)),
        "w.zero": rng.integers(100, 150, 4).astype(np.uint8), "m": rng.integers(-128, 128, (4, 5)).astype(np.int8),
        "m.scale": np.float32(rng.uniform(0.005, 0.02, 5)), "m.zero": rng.integers(-9, 9, 5).astype(np.int8),
    }
    nodes = [
        node("DequantizeLinear", ["w", "w.scale", "w.zero"], ["wf"], axis=1),
        node("ConvTranspose", ["x", "wf"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]), node("Flatten", ["p"], ["f"]),
        node("DequantizeLinear", ["m", "m.scale", "m.zero"], ["mf"], axis=1), node("MatMul", ["f", "mf"], ["y"]),
    ]
    answered(folder, "transposed-channels", model(nodes, tensors, (3, 5, 5), 5, 17))


def fashion(folder):
    """The classifier of the command line's tests: a scale per output channel, uint8 activations, as is usual."""
    sample = Path(__file__).parent.parent / "datasets/sample/train-images-idx3-ubyte.gz"
    pixels = np.frombuffer(gzip.open(sample).read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    images = pixels[:256].astype(np.float32) / 127.5 - 1
    to = os.path.join(folder, "fashion.onnx")
    quantize_static(
        os.path.join(folder, "..", "fashion.onnx"), to, Reader(images, "image"), per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )
    print("fashion", os.path.getsize(to))


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    by_onnxruntime(folder)
    four_bits(folder)
    by_exporter(folder)
    transposed(folder)
    fashion(folder)


if __name__ == "__main__":
    main()
