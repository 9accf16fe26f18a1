//! Operators that cannot be run, and what to do instead.

use super::super::{
    model::{NodeProto, OnnxModel},
    reasons::Reason,
};
use super::quantised::RUNTIME;

/// Advice where only another layer helps.
pub(super) const REPLACE: &str =
    "replace the layer and export the network anew; README lists the operators that can be run";

const FLOAT: &str = "give the float network: nf-gpu quantises its weights itself (--precision), and the chip's \
                     memory holds those words";

/// Operators that are run.
const KNOWN: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Shape",
    "Sigmoid",
    "Size",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
];

/// Operators that are computed of constants only, and refused elsewhere in words of their own.
const OF_CONSTANTS: &[&str] = &[
    "Abs",
    "And",
    "Ceil",
    "Constant",
    "ConstantOfShape",
    "Equal",
    "Exp",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Log",
    "Mod",
    "Not",
    "Or",
    "Range",
    "Reciprocal",
    "ReduceMin",
    "ReduceProd",
    "Round",
    "Sqrt",
    "Where",
];

/// Why an operator cannot be run; `None` if it can.
pub(super) fn reason(node: &NodeProto, model: &OnnxModel) -> Option<Reason> {
    let op = node.op.as_str();
    let own = node.domain.is_empty();
    let says = |what: &str, advice: &str| Some(Reason::new(what, advice));
    match op {
        op if super::quantised::is_known(op) && (own || node.domain == RUNTIME) => None,
        op if op.starts_with("QLinear") || op.starts_with("QAttention") => {
            says("this operator of quantised tensors is not computed", FLOAT)
        }
        "ConvInteger" | "MatMulInteger" | "DynamicQuantizeLinear" => says(
            "it quantises activations by what they are at run time",
            "quantise statically (quantize_static), or give the float network: nf-gpu quantises its weights itself \
             (--precision)",
        ),
        "If" | "Loop" | "Scan" => says(
            "which nodes run is decided while it runs",
            "fold constants before: python -m onnxsim in.onnx out.onnx; or export without branches and loops",
        ),
        "Attention" | "MultiHeadAttention" | "Einsum" => {
            says("attention is not computed", "use a convolutional network")
        }
        "Softmax" | "LogSoftmax" | "Hardmax" if own => says(
            "it stands inside of the network, not at its end",
            "attention is not computed: use a convolutional network",
        ),
        "Gelu" | "Erf" | "FastGelu" | "BiasGelu" | "QuickGelu" => says(
            "GELU is not computed",
            "train with ReLU, SiLU or HardSwish instead, or use a network with one of these",
        ),
        "Elu" | "Selu" | "Celu" | "Softplus" | "Softsign" | "Mish" | "ThresholdedRelu"
        | "Swish" => says(
            "this activation is not computed",
            "Relu, Clip, LeakyRelu, PRelu, Sigmoid, Tanh, HardSigmoid, HardSwish and SiLU are: train with one of \
             these",
        ),
        "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "MeanVarianceNormalization"
        | "LpNormalization"
        | "LRN"
        | "RMSNormalization"
        | "SimplifiedLayerNormalization" => says(
            "this normalisation computes with statistics of each image, and is not computed",
            "BatchNormalization is: use a network with it",
        ),
        "LSTM" | "GRU" | "RNN" => {
            says("recurrent layers are not computed", "use a convolutional network")
        }
        "Relu6" | "FusedConv" => says(
            "an optimiser made it for one runtime",
            "give the network as it was exported, before onnxruntime's optimisation",
        ),
        _ if model.functions.iter().any(|name| name == op) => says(
            "the file defines this operator itself",
            "inline it: onnx.inliner.inline_local_functions(model)",
        ),
        _ if !own => {
            let what = format!("it is an operator of {}, which is not run", node.domain);
            Some(Reason::new(what, "export the network with ONNX's own operators only"))
        }
        _ if KNOWN.contains(&op) || OF_CONSTANTS.contains(&op) => None,
        _ => says("this operator is not computed", REPLACE),
    }
}

/// Whether the result of a refused operator is as large as its first input.
pub(super) fn keeps_shape(op: &str) -> bool {
    !matches!(
        op,
        "If" | "Loop"
            | "Scan"
            | "LSTM"
            | "GRU"
            | "RNN"
            | "Resize"
            | "Upsample"
            | "Einsum"
            | "ConvInteger"
            | "MatMulInteger"
            | "FusedConv"
            | "QLinearConv"
            | "QLinearMatMul"
            | "QLinearGlobalAveragePool"
            | "QGemm"
    )
}
