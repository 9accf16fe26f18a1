"""Makes the small networks of kernels-tests/fixtures/onnx, each with one image and what onnxruntime computes of it.

    python3 -m venv zoo && zoo/bin/pip install onnx onnxruntime
    zoo/bin/python scripts/onnx_fixtures.py kernels-tests/fixtures/onnx

The image is the initialiser `#x` and the result `#y`, which no node reads. Each network is about what exporters other
than PyTorch's write, and older ones: attributes that became inputs, paddings by rule, channels last.
"""

import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(1)
node = helper.make_node


def weights(*shape, scale=0.5):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def write(name, nodes, tensors, shape, opset, output="y", answer=None, dims=None, image=None):
    """A network from `x` of `shape`; `answer` is the value that our reader computes, if not the output itself."""
    x = rng.uniform(-1, 1, image or shape).astype(np.float32)
    stored = [numpy_helper.from_array(np.asarray(t), n) for n, t in tensors.items()]
    info = helper.make_tensor_value_info

    def model(out, with_image):
        extra = [numpy_helper.from_array(*pair) for pair in with_image]
        graph = helper.make_graph(
            nodes, name, [info("x", TensorProto.FLOAT, dims or shape)],
            [helper.make_empty_tensor_value_info(o) if o != "arg" else info(o, TensorProto.INT64, None) for o in out],
            stored + extra,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="nf-gpu")
        made.ir_version = 8
        return made

    session = onnxruntime.InferenceSession(
        model([answer or output], []).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    y = session.run(None, {"x": x})[0]
    final = model([output], [(x[0], "#x"), (np.asarray(y[0]).reshape(-1), "#y")])
    path = os.path.join(sys.argv[1], f"{name}.onnx")
    onnx.save(final, path)
    print(name, y.shape, os.path.getsize(path))


def head(c, k=3, name="f"):
    """A mean over all pixels and a fully connected layer, from `h` to `y`."""
    return (
        [node("GlobalAveragePool", ["h"], ["p"]), node("Flatten", ["p"], ["v"]), node("Gemm", ["v", name, name + "b"], ["y"], transB=1)],
        {name: weights(k, c), name + "b": weights(k)},
    )


def convolution(name, c, k, shape, opset=11, kernel=(3, 3), op="Conv", **attributes):
    nodes, tensors = head(k)
    group = attributes.get("group", 1)
    size = (c, k // group) if op == "ConvTranspose" else (k, c // group)
    write(
        name, [node(op, ["x", "w", "b"], ["h"], name="conv", **attributes), *nodes],
        {"w": weights(*size, *kernel), "b": weights(k), **tensors}, (1, c, *shape), opset,
    )


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    # Paddings by rule, asymmetric ones, everything of each axis its own.
    convolution("same-upper", 2, 4, (7, 8), auto_pad="SAME_UPPER", strides=[2, 3])
    convolution("same-lower", 2, 4, (7, 8), auto_pad="SAME_LOWER", strides=[2, 3], kernel=(2, 4))
    convolution("valid", 3, 4, (7, 8), opset=7, auto_pad="VALID", strides=[2, 1])
    convolution("uneven", 4, 6, (9, 7), pads=[0, 2, 1, 1], strides=[2, 1], dilations=[1, 2], group=2, kernel=(1, 3))
    convolution("depthwise", 8, 8, (6, 6), pads=[1, 1, 1, 1], group=8)
    convolution("transposed", 3, 5, (4, 5), op="ConvTranspose", strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 2])
    convolution("transposed-shape", 3, 4, (4, 5), op="ConvTranspose", strides=[2, 2], output_shape=[9, 10])
    convolution("transposed-same", 3, 4, (4, 5), op="ConvTranspose", strides=[2, 2], auto_pad="SAME_UPPER")

    # Pools: the last windows of ceil_mode, and what counts.
    for i, (op, extra) in enumerate([
        ("MaxPool", {}), ("AveragePool", {}), ("AveragePool", {"count_include_pad": 1}),
    ]):
        nodes, tensors = head(3)
        for ceil in (0, 1):
            write(
                f"pool-{i}-{ceil}",
                [node(op, ["x"], ["q"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1], ceil_mode=ceil, **extra),
                 node("Conv", ["q", "w"], ["h"]), *nodes],
                {"w": weights(3, 2, 1, 1), **tensors}, (1, 2, 8, 7), 11,
            )
    nodes, tensors = head(2)
    write(
        "pool-same", [node("AveragePool", ["x"], ["h"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), *nodes],
        tensors, (1, 2, 8, 7), 7,
    )

    # Channels last, as tf2onnx: a Transpose first, normalisation before it, bias by Add, relu6 by Clip with attributes.
    write(
        "channels-last",
        [node("Sub", ["x", "mean"], ["s"]), node("Div", ["s", "std"], ["d"]),
         node("Transpose", ["d"], ["t"], perm=[0, 3, 1, 2]), node("Conv", ["t", "w"], ["c"], pads=[0, 0, 1, 1], strides=[2, 2]),
         node("Transpose", ["c"], ["cl"], perm=[0, 2, 3, 1]), node("Add", ["cl", "b"], ["a"]),
         node("Clip", ["a"], ["r"], min=0.0, max=6.0), node("Reshape", ["r", "flat"], ["v"]),
         node("MatMul", ["v", "m"], ["mm"]), node("Add", ["mm", "mb"], ["z"]), node("Softmax", ["z"], ["y"], axis=1)],
        {"mean": np.float32([0.1, 0.2, 0.3]), "std": np.float32([0.5, 0.25, 2]), "w": weights(4, 3, 3, 3),
         "b": weights(4), "flat": np.int64([-1, 4 * 3 * 4]), "m": weights(48, 5), "mb": weights(5)},
        (1, 6, 8, 3), 9, answer="z", dims=("n", 6, 8, 3),
    )

    # hard-swish as Add, Clip, Mul, Div; squeeze-and-excite with HardSigmoid; Shape, Slice, Concat, Reshape at the end.
    write(
        "mobile",
        [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], group=2),
         node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"], epsilon=1e-3),
         node("Add", ["n", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["l"]), node("Mul", ["n", "l"], ["t"]),
         node("Div", ["t", "six"], ["hs"]), node("GlobalAveragePool", ["hs"], ["sq"]), node("Conv", ["sq", "e"], ["ex"]),
         node("HardSigmoid", ["ex"], ["gate"], alpha=0.2, beta=0.5), node("Mul", ["hs", "gate"], ["h"]),
         node("ReduceMean", ["h"], ["p"], axes=[2, 3], keepdims=1), node("Shape", ["p"], ["shape"]),
         node("Cast", ["shape"], ["shape32"], to=TensorProto.INT32), node("Slice", ["shape32", "s0", "s1"], ["first"]),
         node("Concat", ["first", "rest"], ["whole"], axis=0), node("Cast", ["whole"], ["target"], to=TensorProto.INT64),
         node("Reshape", ["p", "target"], ["flat"]), node("MatMul", ["flat", "f"], ["z"]), node("Softmax", ["z"], ["y"])],
        {"w": weights(4, 2, 3, 3), "g": weights(4) + 1, "b": weights(4), "m": weights(4),
         "v": np.float32([0.5, 1, 1.5, 2]), "three": np.float32(3), "zero": np.float32(0), "six": np.float32(6),
         "e": weights(4, 4, 1, 1), "s0": np.int64([0]), "s1": np.int64([1]), "rest": np.int32([-1]), "f": weights(4, 3)},
        (1, 4, 6, 5), 11, answer="z", dims=("n", 4, "h", "w"),
    )

    # Gemm with everything, shuffles, splits and slices as attributes, PRelu, a constant per pixel.
    write(
        "layout",
        [node("Reshape", ["x", "apart"], ["r"]), node("Transpose", ["r"], ["tr"], perm=[0, 2, 1, 3, 4]),
         node("Reshape", ["tr", "together"], ["sh"]), node("Split", ["sh"], ["a", "b"], axis=1, split=[4, 2]),
         node("Conv", ["a", "w"], ["ca"]), node("PRelu", ["ca", "slope"], ["pa"]), node("Sigmoid", ["b"], ["sb"]),
         node("Concat", ["pa", "sb"], ["cat"], axis=1), node("Slice", ["cat"], ["sl"], axes=[2, 3], starts=[1, -3], ends=[9, 99]),
         node("Add", ["sl", "place"], ["pl"]), node("Unsqueeze", ["pl"], ["un"], axes=[1]), node("Squeeze", ["un"], ["sq"], axes=[1]),
         node("Pad", ["sq"], ["pd"], mode="constant", pads=[0, 1, 0, 1, 0, 0, 1, 0], value=0.25),
         node("Flatten", ["pd"], ["fl"], axis=1), node("Gemm", ["fl", "g", "gb"], ["y"], alpha=0.5, beta=2.0)],
        {"apart": np.int64([0, 2, 3, 5, 4]), "together": np.int64([0, 6, 5, -1]), "w": weights(2, 4, 1, 1), "slope": weights(2, 1, 1),
         "place": weights(1, 1, 4, 3), "g": weights(5 * 5 * 4, 3), "gb": weights(3)},
        (1, 6, 5, 4), 9,
    )

    # The same with inputs, as operator set 13 and later have them; steps, negative ones too, and a last ArgMax.
    write(
        "inputs",
        [node("Split", ["x", "sizes"], ["a", "b"], axis=1), node("Slice", ["a", "st", "en", "ax", "step"], ["s"]),
         node("Conv", ["s", "w"], ["c"]), node("Clip", ["c", "", "one"], ["l"]), node("HardSwish", ["l"], ["hs"]),
         node("ReduceMean", ["hs", "hw"], ["m"], keepdims=0), node("ReduceMax", ["b", "hw"], ["mb"], keepdims=1),
         node("Flatten", ["mb"], ["ml"]), node("Concat", ["m", "ml"], ["v"], axis=-1), node("Mul", ["v", "half"], ["hv"]),
         node("Unsqueeze", ["hv", "two"], ["un"]), node("Squeeze", ["un", "two"], ["sq"]),
         node("Gemm", ["sq", "g", "gb"], ["z"], transB=1), node("ArgMax", ["z"], ["arg"], axis=1, keepdims=0)],
        {"sizes": np.int64([3, 1]), "st": np.int64([0, -1]), "en": np.int64([6, -99]), "ax": np.int64([2, 3]),
         "step": np.int64([2, -2]), "w": weights(4, 3, 1, 1), "one": np.float32(1), "hw": np.int64([2, 3]),
         "two": np.int64([2]), "half": np.float32(0.5), "g": weights(3, 5), "gb": weights(3)},
        (1, 4, 6, 5), 18, output="arg", answer="z",
    )

    # Stored in other types: float16 behind Cast, double, int8 behind DequantizeLinear per channel.
    write(
        "types",
        [node("Cast", ["w16"], ["w"], to=TensorProto.FLOAT), node("Conv", ["x", "w"], ["c"]), node("Relu", ["c"], ["r"]),
         node("DequantizeLinear", ["q", "qs", "qz"], ["d"], axis=0), node("Conv", ["r", "d"], ["h"]),
         node("ReduceSum", ["h", "hw"], ["v"], keepdims=0), node("Transpose", ["f"], ["ft"], perm=[1, 0]),
         node("MatMul", ["v", "ft"], ["mm"]), node("Cast", ["b64"], ["b"], to=TensorProto.FLOAT), node("Add", ["b", "mm"], ["z"]),
         node("LogSoftmax", ["z"], ["y"])],
        {"w16": weights(4, 2, 2, 2).astype(np.float16), "q": rng.integers(-100, 100, (3, 4, 1, 1)).astype(np.int8),
         "qs": np.float32([0.01, 0.02, 0.005]), "qz": np.int8([0, 1, -2]), "hw": np.int64([2, 3]), "f": weights(4, 3),
         "b64": weights(4).astype(np.float64)},
        (1, 2, 4, 4), 13, answer="z",
    )

    # Padding in front of a convolution, a block of pixels as channels, a gate per pixel, joins along rows.
    write(
        "gates",
        [node("Pad", ["x", "pads"], ["pp"]), node("Conv", ["pp", "w"], ["c"], strides=[2, 2]), node("SpaceToDepth", ["c"], ["sd"], blocksize=2),
         node("Conv", ["sd", "e"], ["g"]), node("Sigmoid", ["g"], ["sg"]), node("Mul", ["sg", "sd"], ["m"]),
         node("Concat", ["m", "sd"], ["cat"], axis=2), node("DepthToSpace", ["cat"], ["ds"], blocksize=2, mode="CRD"),
         node("Max", ["ds", "low"], ["mx"]), node("Pow", ["mx", "two"], ["pw"]), node("Sub", ["one", "pw"], ["h"]),
         *head(3)[0]],
        {"pads": np.int64([0, 0, 0, 0, 0, 0, 1, 1]), "w": weights(3, 2, 3, 3), "e": weights(1, 12, 1, 1), "low": np.float32(-0.1),
         "two": np.float32(2), "one": np.float32(1), "f": weights(3, 3), "fb": weights(3)},
        (1, 2, 8, 8), 13,
    )


if __name__ == "__main__":
    main()
