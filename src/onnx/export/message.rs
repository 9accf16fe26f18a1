//! Messages of ONNX, written. Numbers of fields are those of `onnx.proto3`.

pub(super) use crate::files::protobuf::Message;

/// Value of a node's attribute.
#[derive(Clone, Debug)]
pub(super) enum AttributeValue {
    /// A number.
    Float(f32),
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(Vec<i64>),
    /// Text.
    Text(&'static str),
}

/// A list of integers for an attribute.
pub(super) fn ints(values: impl IntoIterator<Item = u32>) -> AttributeValue {
    AttributeValue::Ints(values.into_iter().map(i64::from).collect())
}

/// A node.
pub(super) fn node(
    op: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[(&str, AttributeValue)],
) -> Message {
    let message = inputs.iter().fold(Message::default(), |message, input| message.text(1, input));
    let message = message.text(2, output).text(3, output).text(4, op);
    attributes.iter().fold(message, |message, (name, value)| {
        let attribute = Message::default().text(1, name);
        let attribute = match value {
            AttributeValue::Float(value) => attribute.float(2, *value).int(20, 1),
            AttributeValue::Int(value) => attribute.int(3, *value).int(20, 2),
            AttributeValue::Text(text) => attribute.text(4, text).int(20, 3),
            AttributeValue::Ints(values) => {
                values.iter().fold(attribute, |a, &value| a.int(8, value)).int(20, 7)
            }
        };
        message.message(5, &attribute)
    })
}

/// A stored tensor with the little-endian bytes of its elements.
pub(super) fn tensor(name: &str, dims: &[i64], element_type: i64, raw: &[u8]) -> Message {
    let message = dims.iter().fold(Message::default(), |message, &dim| message.int(1, dim));
    message.int(2, element_type).text(8, name).bytes(9, raw)
}

/// A stored tensor of floats.
pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, dims, 1, &raw)
}

/// A stored tensor of signed bytes.
pub(super) fn words(name: &str, dims: &[i64], values: &[i8]) -> Message {
    let raw: Vec<u8> = values.iter().map(|value| value.cast_unsigned()).collect();
    tensor(name, dims, 3, &raw)
}

/// A stored vector of 32-bit integers.
pub(super) fn counts(name: &str, values: &[i32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], 6, &raw)
}

/// A stored vector of 64-bit integers.
pub(super) fn integers(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], 7, &raw)
}

/// An input or output of floats for any number of images.
pub(super) fn value_info(name: &str, dims: &[u32]) -> Message {
    let any = Message::default().text(2, "N");
    let shape = dims.iter().fold(Message::default().message(1, &any), |shape, &dim| {
        shape.message(1, &Message::default().int(1, dim.into()))
    });
    let of_tensor = Message::default().int(1, 1).message(2, &shape);
    let of_value = Message::default().message(1, &of_tensor);
    Message::default().text(1, name).message(2, &of_value)
}

/// A file of one graph.
pub(super) fn model(graph: &Message, opset: i64) -> Message {
    let set = Message::default().text(1, "").int(2, opset);
    // The oldest version of the file format that knows the operator set.
    let ir = match opset {
        ..=9 => 4,
        10 => 5,
        11 => 6,
        12..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        _ => 10,
    };
    Message::default()
        .int(1, ir)
        .text(2, env!("CARGO_PKG_NAME"))
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, &set)
}
