//! Messages in the wire format of protocol buffers, written: a few kinds of fields, for which a code generator is too much. Numbers of fields are those of the format that is written.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// An integer field.
    pub(crate) fn int(mut self, number: u64, value: i64) -> Self {
        self.varint(number << 3);
        self.varint(value.cast_unsigned());
        self
    }

    /// A `double` field.
    pub(crate) fn double(mut self, number: u64, value: f64) -> Self {
        self.varint(number << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `float` field.
    pub(crate) fn float(mut self, number: u64, value: f32) -> Self {
        self.varint(number << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A field of bytes, text or a message.
    pub(crate) fn bytes(mut self, number: u64, bytes: &[u8]) -> Self {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// A text field.
    pub(crate) fn text(self, number: u64, text: &str) -> Self {
        self.bytes(number, text.as_bytes())
    }

    /// A message as a field.
    pub(crate) fn message(self, number: u64, message: &Self) -> Self {
        self.bytes(number, &message.0)
    }

    /// Fields that are copied as they are.
    pub(crate) fn copied(mut self, fields: &[u8]) -> Self {
        self.0.extend(fields);
        self
    }
}
