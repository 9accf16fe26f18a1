//! The part of ONNX's protocol buffers that its backend tests use: models, nodes, attributes,
//! tensors. Field numbers are those of `onnx.proto3`; unknown fields are skipped.
use super::tensor::{Elements, Tensor};

/// One field of a message: its number and its contents.
enum Field<'a> {
    Varint(u64),
    Fixed([u8; 4]),
    Bytes(&'a [u8]),
    /// 64 bits, which only double-precision attributes and lists use.
    Wide(f64),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        let Self::Bytes(bytes) = self else { panic!("a field is no message") };
        bytes
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn int(&self) -> i64 {
        let Self::Varint(value) = self else { panic!("a field is no integer") };
        value.cast_signed()
    }

    /// Integers of a repeated field, packed or one by one.
    fn ints(&self) -> Vec<i64> {
        let &Self::Bytes(mut rest) = self else { return vec![self.int()] };
        let mut all = Vec::new();
        while !rest.is_empty() {
            all.push(varint(&mut rest).cast_signed());
        }
        all
    }

    fn float(&self) -> f32 {
        let Self::Fixed(bytes) = self else { panic!("a field is no float") };
        f32::from_le_bytes(*bytes)
    }

    fn floats(&self) -> Vec<f32> {
        match self {
            Self::Bytes(bytes) => bytemuck::pod_collect_to_vec(bytes),
            _ => vec![self.float()],
        }
    }

    fn doubles(&self) -> Vec<f64> {
        match self {
            Self::Bytes(bytes) => bytemuck::pod_collect_to_vec(bytes),
            Self::Wide(value) => vec![*value],
            _ => panic!("a field is no double"),
        }
    }
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().unwrap();
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// The fields of a message in order.
fn fields(mut rest: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut rest)),
            1 => Field::Wide(f64::from_le_bytes(take(&mut rest, 8).try_into().unwrap())),
            2 => {
                let len = varint(&mut rest) as usize;
                Field::Bytes(take(&mut rest, len))
            }
            5 => Field::Fixed(take(&mut rest, 4).try_into().unwrap()),
            kind => panic!("a field of kind {kind}"),
        };
        all.push((key >> 3, field));
    }
    all
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (head, tail) = rest.split_at(len);
    *rest = tail;
    head
}

/// A model: its nodes in order, and which names are its own.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Version of the standard operators.
    pub(super) opset: i64,
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) initializers: Vec<(String, Tensor)>,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) op: String,
    /// Names; an empty name is an input that is left out.
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: Vec<(String, Attribute)>,
}

#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Ints(Vec<i64>),
    Tensor(Tensor),
    /// A graph, strings or floats, which no test here reads.
    Other,
}

impl Model {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut model = Self::default();
        for (number, field) in fields(bytes) {
            match number {
                7 => model.graph(field.bytes()),
                8 => {
                    let set = fields(field.bytes());
                    let standard = !set.iter().any(|(n, f)| *n == 1 && !f.bytes().is_empty());
                    for (_, version) in set.iter().filter(|(n, _)| *n == 2 && standard) {
                        model.opset = version.int();
                    }
                }
                _ => {}
            }
        }
        model
    }

    fn graph(&mut self, bytes: &[u8]) {
        let name = |field: &Field<'_>| {
            fields(field.bytes()).iter().find(|(n, _)| *n == 1).unwrap().1.text()
        };
        for (number, field) in fields(bytes) {
            match number {
                1 => self.nodes.push(Node::parse(field.bytes())),
                5 => {
                    let named =
                        fields(field.bytes()).iter().find(|(n, _)| *n == 8).unwrap().1.text();
                    self.initializers.push((named, tensor(field.bytes())));
                }
                11 => self.inputs.push(name(&field)),
                12 => self.outputs.push(name(&field)),
                _ => {}
            }
        }
    }
}

impl Node {
    fn parse(bytes: &[u8]) -> Self {
        let mut node = Self::default();
        for (number, field) in fields(bytes) {
            match number {
                1 => node.inputs.push(field.text()),
                2 => node.outputs.push(field.text()),
                4 => node.op = field.text(),
                5 => node.attributes.push(attribute(field.bytes())),
                _ => {}
            }
        }
        node
    }
}

fn attribute(bytes: &[u8]) -> (String, Attribute) {
    let (mut name, mut value, mut ints) = (String::new(), Attribute::Other, Vec::new());
    for (number, field) in fields(bytes) {
        match number {
            1 => name = field.text(),
            2 => value = Attribute::Float(field.float()),
            3 => value = Attribute::Int(field.int()),
            4 => value = Attribute::Text(String::from_utf8_lossy(field.bytes()).into_owned()),
            5 => value = Attribute::Tensor(tensor(field.bytes())),
            8 => ints.extend(field.ints()),
            _ => {}
        }
    }
    (name, if ints.is_empty() { value } else { Attribute::Ints(ints) })
}

/// A `TensorProto`.
pub(super) fn tensor(bytes: &[u8]) -> Tensor {
    let (mut dims, mut kind, mut raw) = (Vec::new(), 0, None);
    let (mut floats, mut doubles, mut ints) = (Vec::new(), Vec::new(), Vec::new());
    for (number, field) in fields(bytes) {
        match number {
            1 => dims.extend(field.ints().iter().map(|&d| d as usize)),
            2 => kind = field.int(),
            4 => floats.extend(field.floats()),
            5 | 7 | 11 => ints.extend(field.ints()),
            9 => raw = Some(field.bytes()),
            10 => doubles.extend(field.doubles()),
            _ => {}
        }
    }
    let elements = match (kind, raw) {
        (1, Some(raw)) => Elements::Floats(bytemuck::pod_collect_to_vec(raw)),
        (1, None) => Elements::Floats(floats),
        (2 | 3 | 4 | 5 | 6 | 7 | 12 | 13, Some(raw)) => Elements::Ints(integers(kind, raw)),
        (2 | 3 | 4 | 5 | 6 | 7 | 12 | 13, None) => Elements::Ints(ints),
        // Several numbers per byte, the first in the lowest bits.
        (21 | 22 | 25 | 26, _) => {
            let len = dims.iter().product();
            let bits = if kind < 25 { 4 } else { 2 };
            let packed = raw.map_or(ints, |raw| raw.iter().map(|&b| i64::from(b)).collect());
            let field = |i: usize| packed[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1);
            let sign = if matches!(kind, 22 | 26) { 1 << (bits - 1) } else { 0 };
            Elements::Ints((0..len).map(|i| (field(i) ^ sign) - sign).collect())
        }
        _ => Elements::Other,
    };
    Tensor { dims, kind, elements }
}

/// Integers of one of ONNX's kinds from little-endian bytes.
fn integers(kind: i64, raw: &[u8]) -> Vec<i64> {
    fn of<T: bytemuck::AnyBitPattern + bytemuck::NoUninit>(
        raw: &[u8],
        f: impl Fn(T) -> i64,
    ) -> Vec<i64> {
        bytemuck::pod_collect_to_vec::<u8, T>(raw).into_iter().map(f).collect()
    }
    match kind {
        2 => of::<u8>(raw, i64::from),
        3 => of::<i8>(raw, i64::from),
        4 => of::<u16>(raw, i64::from),
        5 => of::<i16>(raw, i64::from),
        6 => of::<i32>(raw, i64::from),
        12 => of::<u32>(raw, i64::from),
        13 => of::<u64>(raw, u64::cast_signed),
        _ => of::<i64>(raw, |v| v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_read_raw_packed_and_one_by_one() {
        // dims [2], FLOAT, raw_data of 1 and -2.
        let raw = [8, 2, 16, 1, 74, 8, 0, 0, 128, 63, 0, 0, 0, 192];
        assert_eq!(tensor(&raw).elements, Elements::Floats(vec![1.0, -2.0]));
        // dims [3], INT4, int32_data packed: 1, -2 in one byte, 7 in the next.
        let packed = [8, 3, 16, 22, 42, 3, 0xe1, 0x01, 7];
        assert_eq!(tensor(&packed).elements, Elements::Ints(vec![1, -2, 7]));
        // INT64, int64_data one by one: -1 takes ten bytes.
        let negative = [0x38, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 16, 7, 8, 1];
        assert_eq!(tensor(&negative).elements, Elements::Ints(vec![-1]));
        // INT8, raw.
        assert_eq!(tensor(&[8, 1, 16, 3, 74, 1, 0xfe]).elements, Elements::Ints(vec![-2]));
    }

    #[test]
    fn a_model_is_its_nodes_and_its_standard_operators() {
        let node = b"\x0a\x01x\x12\x01y\x22\x04Relu\x2a\x0b\x0a\x04pads\x42\x03\x01\x02\x03";
        let graph =
            [&[10, node.len() as u8][..], node, b"\x5a\x03\x0a\x01x\x62\x03\x0a\x01y"].concat();
        let sets = b"\x42\x06\x0a\x02ai\x10\x01\x42\x04\x0a\x00\x10\x16";
        let model = Model::parse(&[&[58, graph.len() as u8][..], &graph, sets].concat());
        assert_eq!((model.opset, model.nodes[0].op.as_str()), (22, "Relu"));
        assert_eq!((model.inputs, model.outputs), (vec!["x".to_owned()], vec!["y".to_owned()]));
        let (name, Attribute::Ints(ints)) = &model.nodes[0].attributes[0] else { panic!() };
        assert_eq!((name.as_str(), &ints[..]), ("pads", &[1, 2, 3][..]));
    }
}
