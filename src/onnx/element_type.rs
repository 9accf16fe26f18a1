//! ONNX's element types, by number.

/// Names of ONNX's element types, by number.
const KINDS: [&str; 17] = [
    "undefined",
    "float",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "string",
    "bool",
    "float16",
    "double",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
    "bfloat16",
];

/// Name of an ONNX element type.
pub(super) fn kind_name(kind: i64) -> String {
    let known = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind));
    known.map_or_else(|| format!("of type {kind}"), ToString::to_string)
}

/// Whether an ONNX element type is floating-point: float16, bfloat16, float, double.
pub(super) fn is_float(kind: i64) -> bool {
    matches!(kind, 1 | 10 | 11 | 16)
}

/// Bytes of an element; `None` for types that are not read.
pub(super) fn width(kind: i64) -> Option<usize> {
    match kind {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 => Some(8),
        _ => None,
    }
}
