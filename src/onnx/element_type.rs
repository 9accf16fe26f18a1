//! ONNX's element types, by number.

/// Names of ONNX's element types, by number.
const KINDS: [&str; 23] = [
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
    "float8e4m3fn",
    "float8e4m3fnuz",
    "float8e5m2",
    "float8e5m2fnuz",
    "uint4",
    "int4",
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

/// Bits of an integer type that quantised values have, and whether it is signed.
pub(super) fn word_type(kind: i64) -> Option<(u32, bool)> {
    match kind {
        2 => Some((8, false)),
        3 => Some((8, true)),
        4 => Some((16, false)),
        5 => Some((16, true)),
        UINT4 => Some((4, false)),
        INT4 => Some((4, true)),
        _ => None,
    }
}

/// Bits of an integer type that quantised values have.
pub(super) fn bits_of(kind: i64) -> Option<u32> {
    word_type(kind).map(|(bits, _)| bits)
}

/// Two elements to a byte, the first in its low half.
pub(super) const UINT4: i64 = 21;
/// The same in two's complement.
pub(super) const INT4: i64 = 22;

/// Bytes of that many elements; `None` for types that are not read.
pub(super) fn bytes_of_elements(kind: i64, count: usize) -> Option<usize> {
    match kind {
        UINT4 | INT4 => Some(count.div_ceil(2)),
        kind => count.checked_mul(width(kind)?),
    }
}

/// Bytes of an element; `None` for types that are not read, and for those of less than a byte.
fn width(kind: i64) -> Option<usize> {
    match kind {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 => Some(8),
        _ => None,
    }
}
